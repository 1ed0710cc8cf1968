use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AttemptReport, with};
use crate::{
    AgentRole, ApprovalId, ApprovalSource, ApprovalVerdict, ArtifactId, CheckpointId, ClaimToken,
    EventId, PageRequest, RunId, RunStatus, TaskId,
};

/// An event as its writer writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventDraft {
    /// An id, so that adding it can be retried (clause G9); the store makes none.
    #[serde(default)]
    pub id: Option<EventId>,
    /// Who writes it.
    pub source: String,
    /// What kind of thing happened.
    pub kind: String,
    /// What happened, for a person.
    pub message: String,
    /// What happened, for a program.
    #[serde(default)]
    pub payload: Value,
}

impl EventDraft {
    /// An event without payload.
    pub fn new(
        source: impl Into<String>,
        kind: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            id: None,
            source: source.into(),
            kind: kind.into(),
            message: message.into(),
            payload: Value::Null,
        }
    }

    with! {
        /// Gives the event an id, so that the call can be retried (clause G9).
        with_id: id = EventId
    }

    /// Adds a payload.
    #[must_use]
    pub fn with_payload(mut self, payload: Value) -> Self {
        self.payload = payload;
        self
    }
}

/// An artifact as its writer describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ArtifactDraft {
    /// Its id; made by the store if unset (clause G9).
    #[serde(default)]
    pub id: Option<ArtifactId>,
    /// Whose it is.
    #[serde(default)]
    pub role: Option<AgentRole>,
    /// What it is.
    pub kind: String,
    /// Where it is.
    pub path: String,
    /// More about it.
    #[serde(default)]
    pub metadata: Value,
}

impl ArtifactDraft {
    /// An artifact of nobody in particular, without metadata.
    pub fn new(kind: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            id: None,
            role: None,
            kind: kind.into(),
            path: path.into(),
            metadata: Value::Null,
        }
    }

    with! {
        /// Gives the artifact an id, so that the call can be retried (clause G9).
        with_id: id = ArtifactId,
        /// Says whose it is.
        with_role: role = AgentRole,
    }

    /// Adds metadata.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Value) -> Self {
        self.metadata = metadata;
        self
    }
}

/// An attempt to record (clause J3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NewAttempt {
    /// The task.
    pub task_id: TaskId,
    /// Which try it was, as the writer counts.
    pub attempt_number: u32,
    /// What to record.
    pub report: AttemptReport,
    /// The claim in whose name it is written, if in any (clause C3); it must be on the same task.
    #[serde(default)]
    pub fence: Option<ClaimToken>,
}

impl NewAttempt {
    /// A record that is in no claim's name.
    #[must_use]
    pub const fn new(task_id: TaskId, attempt_number: u32, report: AttemptReport) -> Self {
        Self {
            task_id,
            attempt_number,
            report,
            fence: None,
        }
    }

    /// A record in a claim's name, with the claim's task and number.
    #[must_use]
    pub const fn of_claim(token: ClaimToken, report: AttemptReport) -> Self {
        Self {
            task_id: token.task_id,
            attempt_number: token.attempt_number,
            report,
            fence: Some(token),
        }
    }
}

/// An event to add to a run (clause J1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NewEvent {
    /// The run.
    pub run_id: RunId,
    /// The event.
    pub draft: EventDraft,
    /// The claim in whose name it is written, if in any (clause C3); it must be on a task of the run.
    #[serde(default)]
    pub fence: Option<ClaimToken>,
}

impl NewEvent {
    /// An event that is in no claim's name.
    #[must_use]
    pub const fn new(run_id: RunId, draft: EventDraft) -> Self {
        Self {
            run_id,
            draft,
            fence: None,
        }
    }

    with! {
        /// Writes it in a claim's name.
        with_fence: fence = ClaimToken
    }
}

/// An artifact to add to a run (clause J4).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NewArtifact {
    /// The run.
    pub run_id: RunId,
    /// The artifact.
    pub draft: ArtifactDraft,
    /// The claim in whose name it is written, if in any (clause C3); it must be on a task of the run.
    #[serde(default)]
    pub fence: Option<ClaimToken>,
}

impl NewArtifact {
    /// An artifact that is in no claim's name.
    #[must_use]
    pub const fn new(run_id: RunId, draft: ArtifactDraft) -> Self {
        Self {
            run_id,
            draft,
            fence: None,
        }
    }

    with! {
        /// Writes it in a claim's name.
        with_fence: fence = ClaimToken
    }
}

/// An approval to add to a run (clause J5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NewApproval {
    /// The run.
    pub run_id: RunId,
    /// Its id; made by the store if unset (clause G9).
    #[serde(default)]
    pub id: Option<ApprovalId>,
    /// Who gives it.
    pub source: ApprovalSource,
    /// What it says.
    pub verdict: ApprovalVerdict,
    /// Why.
    pub rationale: String,
    /// More about it.
    #[serde(default)]
    pub payload: Value,
}

impl NewApproval {
    /// A verdict without payload.
    pub fn new(
        run_id: RunId,
        source: impl Into<ApprovalSource>,
        verdict: impl Into<ApprovalVerdict>,
        rationale: impl Into<String>,
    ) -> Self {
        Self {
            run_id,
            id: None,
            source: source.into(),
            verdict: verdict.into(),
            rationale: rationale.into(),
            payload: Value::Null,
        }
    }

    with! {
        /// Gives the approval an id, so that the call can be retried (clause G9).
        with_id: id = ApprovalId
    }

    /// Adds a payload.
    #[must_use]
    pub fn with_payload(mut self, payload: Value) -> Self {
        self.payload = payload;
        self
    }
}

/// A checkpoint to add to a run (clause J6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NewCheckpoint {
    /// The run.
    pub run_id: RunId,
    /// Its id; made by the store if unset (clause G9).
    #[serde(default)]
    pub id: Option<CheckpointId>,
    /// Where the run stands.
    pub status: RunStatus,
    /// The state to save.
    #[serde(default)]
    pub payload: Value,
    /// The claim in whose name it is written, if in any (clause C3); it must be on a task of the run.
    #[serde(default)]
    pub fence: Option<ClaimToken>,
}

impl NewCheckpoint {
    /// A checkpoint that is in no claim's name.
    pub fn new(run_id: RunId, status: impl Into<RunStatus>, payload: Value) -> Self {
        Self {
            run_id,
            id: None,
            status: status.into(),
            payload,
            fence: None,
        }
    }

    with! {
        /// Gives the checkpoint an id, so that the call can be retried (clause G9).
        with_id: id = CheckpointId,
        /// Writes it in a claim's name.
        with_fence: fence = ClaimToken,
    }
}

/// Adds the struct of a list of a run's records, with one optional filter.
macro_rules! list_of_run {
    (
        $(#[$doc:meta])* $name:ident
        $(, $(#[$filter_doc:meta])* $filter:ident: $type:ty, $with:ident)?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[non_exhaustive]
        pub struct $name {
            /// The run.
            pub run_id: RunId,
            $(
                $(#[$filter_doc])*
                #[serde(default)]
                pub $filter: Option<$type>,
            )?
            /// Which part of the list.
            #[serde(default)]
            pub page: PageRequest,
        }

        impl $name {
            /// All of the run's.
            #[must_use]
            pub const fn new(run_id: RunId) -> Self {
                Self {
                    run_id,
                    $($filter: None,)?
                    page: PageRequest::all(),
                }
            }

            $(
                with! {
                    $(#[$filter_doc])*
                    $with: $filter = $type
                }
            )?

            /// Only this part of the list.
            #[must_use]
            pub const fn with_page(mut self, page: PageRequest) -> Self {
                self.page = page;
                self
            }
        }
    };
}

list_of_run!(
    /// Which events of a run to list. The cursor after event `n` is `Cursor::new(n)`: whoever has
    /// seen up to `n` asks for those after it (clause J1).
    ListEvents
);
list_of_run!(
    /// Which attempts of a run to list.
    ListAttempts,
    /// Only those of this task.
    task_id: TaskId,
    with_task_id
);
list_of_run!(
    /// Which artifacts of a run to list.
    ListArtifacts,
    /// Only those of this role.
    role: AgentRole,
    with_role
);
list_of_run!(
    /// Which approvals of a run to list.
    ListApprovals,
    /// Only those of this source.
    source: ApprovalSource,
    with_source
);
list_of_run!(
    /// Which checkpoints of a run to list.
    ListCheckpoints
);

/// Which snapshot to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SnapshotRequest {
    /// The run.
    pub run_id: RunId,
    /// At most that many rows in each list, from 1 to [`MAX_PAGE`](crate::limits::MAX_PAGE); unset,
    /// all tasks, approvals and artifacts (clause S3).
    #[serde(default)]
    pub max_per_list: Option<u32>,
}

impl SnapshotRequest {
    /// The whole snapshot.
    #[must_use]
    pub const fn of_run(run_id: RunId) -> Self {
        Self {
            run_id,
            max_per_list: None,
        }
    }

    /// Caps every list.
    #[must_use]
    pub const fn with_max_per_list(mut self, max_per_list: u32) -> Self {
        self.max_per_list = Some(max_per_list);
        self
    }
}
