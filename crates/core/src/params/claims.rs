use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ArtifactDraft, EventDraft, with};
use crate::{AttemptId, AttemptStatus, RunId};

/// What to claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ClaimRequest {
    /// The run whose task is wanted.
    pub run_id: RunId,
}

impl ClaimRequest {
    /// The next task of this run.
    #[must_use]
    pub const fn of_run(run_id: RunId) -> Self {
        Self { run_id }
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

    /// The attempt failed and the task goes back to be claimed again.
    pub fn released(summary: impl Into<String>) -> Self {
        Self::new(
            FinishOutcome::Released,
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
    /// It is pending again, at its old place, and its attempts stay counted.
    Released,
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
