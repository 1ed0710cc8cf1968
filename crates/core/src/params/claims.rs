use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::micros::{self, optional as optional_micros};
use super::{ArtifactDraft, EventDraft, with};
use crate::{AttemptId, AttemptStatus, ClaimToken, RunId};

/// What to claim, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ClaimRequest {
    /// The run whose task is wanted; a task of any run if unset (clause C10).
    #[serde(default)]
    pub run_id: Option<RunId>,
    /// Who claims, kept with the task for others to see.
    #[serde(default)]
    pub worker: Option<String>,
    /// How long the claim is held without a heartbeat (clause C7); for ever if unset. Counted in whole
    /// microseconds.
    #[serde(default, rename = "leaseMicros", with = "optional_micros")]
    pub lease: Option<Duration>,
    /// How often a task that has no bound of its own may be claimed (clause C8); without bound if unset.
    #[serde(default)]
    pub max_attempts: Option<u32>,
}

impl ClaimRequest {
    /// The next task of this run.
    #[must_use]
    pub const fn of_run(run_id: RunId) -> Self {
        Self {
            run_id: Some(run_id),
            worker: None,
            lease: None,
            max_attempts: None,
        }
    }

    /// The next task of any run.
    #[must_use]
    pub const fn of_any_run() -> Self {
        Self {
            run_id: None,
            worker: None,
            lease: None,
            max_attempts: None,
        }
    }

    with! {
        /// Says who claims.
        with_worker: worker = String,
        /// Lets the claim run out unless a heartbeat extends it.
        with_lease: lease = Duration,
    }

    /// Bounds the attempts of tasks that have no bound of their own.
    #[must_use]
    pub const fn with_max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = Some(max_attempts);
        self
    }
}

/// A sign of life of a claim's holder (clause C7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Heartbeat {
    /// The claim.
    pub token: ClaimToken,
    /// How long from now the claim is to be held, at least. Counted in whole microseconds.
    #[serde(rename = "leaseMicros", with = "micros")]
    pub lease: Duration,
}

impl Heartbeat {
    /// Holds the claim for this long from now.
    #[must_use]
    pub const fn new(token: ClaimToken, lease: Duration) -> Self {
        Self { token, lease }
    }
}

/// What a worker reports of a claimed task, all of it written in one change (clause C5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FinishReport {
    /// What becomes of the task.
    pub outcome: FinishOutcome,
    /// The record of this attempt; its number is the token's.
    pub attempt: AttemptReport,
    /// Events to add to the run, in this order.
    #[serde(default)]
    pub events: Vec<EventDraft>,
    /// Artifacts to add to the run, in this order.
    #[serde(default)]
    pub artifacts: Vec<ArtifactDraft>,
}

impl FinishReport {
    /// A report with this outcome and this record of the attempt.
    #[must_use]
    pub const fn new(outcome: FinishOutcome, attempt: AttemptReport) -> Self {
        Self {
            outcome,
            attempt,
            events: Vec::new(),
            artifacts: Vec::new(),
        }
    }

    /// The task is done: `summary` becomes the task's and the attempt's.
    pub fn completed(summary: impl Into<String>) -> Self {
        let summary = summary.into();
        Self::new(
            FinishOutcome::Completed {
                summary: summary.clone(),
            },
            AttemptReport::new(AttemptStatus::Completed, summary),
        )
    }

    /// The attempt failed and the task goes back to be claimed again, at once.
    pub fn released(summary: impl Into<String>) -> Self {
        Self::new(
            FinishOutcome::Released { delay: None },
            AttemptReport::new(AttemptStatus::Failed, summary),
        )
    }

    /// The attempt failed and the task goes back to be claimed again, after a delay.
    pub fn released_for(delay: Duration, summary: impl Into<String>) -> Self {
        Self::new(
            FinishOutcome::Released { delay: Some(delay) },
            AttemptReport::new(AttemptStatus::Failed, summary),
        )
    }

    /// Replaces the record of the attempt.
    #[must_use]
    pub fn with_attempt(mut self, attempt: AttemptReport) -> Self {
        self.attempt = attempt;
        self
    }

    /// Adds an event.
    #[must_use]
    pub fn with_event(mut self, event: EventDraft) -> Self {
        self.events.push(event);
        self
    }

    /// Adds an artifact.
    #[must_use]
    pub fn with_artifact(mut self, artifact: ArtifactDraft) -> Self {
        self.artifacts.push(artifact);
        self
    }
}

/// What becomes of a claimed task when its worker is through with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum FinishOutcome {
    /// It is done.
    Completed {
        /// A word on how.
        summary: String,
    },
    /// It is out of the way until somebody settles or requeues it.
    Blocked {
        /// The task's summary from now on; unset clears it.
        summary: Option<String>,
        /// What it is blocked on; unset clears it.
        blocker_signature: Option<String>,
    },
    /// It is given up.
    Abandoned {
        /// The task's summary from now on; unset clears it.
        summary: Option<String>,
        /// What it failed on; unset clears it.
        blocker_signature: Option<String>,
    },
    /// It is pending again, at its old place, and its attempts stay counted; or blocked, if they are
    /// used up (clause C8).
    Released {
        /// How long from now it is not to be claimed; at once if unset. Counted in whole microseconds.
        #[serde(default, rename = "delayMicros", with = "optional_micros")]
        delay: Option<Duration>,
    },
}

/// The record of a try, as its worker writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AttemptReport {
    /// Its id; made by the store if unset (clause G9).
    #[serde(default)]
    pub id: Option<AttemptId>,
    /// How it ended.
    pub status: AttemptStatus,
    /// A word on it.
    pub summary: String,
    /// What it gave; `null` if nothing.
    #[serde(default)]
    pub result: Value,
    /// What it met, in a form that two tries can be compared by.
    #[serde(default)]
    pub blocker_signature: Option<String>,
}

impl AttemptReport {
    /// A try that ended like this and gave nothing.
    pub fn new(status: impl Into<AttemptStatus>, summary: impl Into<String>) -> Self {
        Self {
            id: None,
            status: status.into(),
            summary: summary.into(),
            result: Value::Null,
            blocker_signature: None,
        }
    }

    with! {
        /// Gives the record an id, so that the call can be retried (clause G9).
        with_id: id = AttemptId,
        /// Says what it met.
        with_blocker_signature: blocker_signature = String,
    }

    /// Says what it gave.
    #[must_use]
    pub fn with_result(mut self, result: Value) -> Self {
        self.result = result;
        self
    }
}
