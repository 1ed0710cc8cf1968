//! The heart of runstore: the records, the [`Store`] trait with its contract, the [`Error`], the
//! [`Clock`], and the rules that every backend shares.
//!
//! - Callers want the [`Store`] trait, the records and the structs that its calls take.
//! - Authors of backends want [`rules`] too, [`WriteQueue`] where callers are to share a commit,
//!   [`Pauses`] where long reads go on beside it, and [`claim_or_wait`] with its [`WakeHub`].

mod clock;
mod error;
mod ids;
mod info;
pub mod limits;
mod page;
mod params;
mod pauses;
mod records;
pub mod rules;
mod store;
mod time;
mod url;
mod waiting;
mod words;
mod write_queue;

pub use clock::{Clock, ManualClock, Sleep, SystemClock};
pub use error::{Cause, Error, Outcome, Result};
pub use ids::{
    ApprovalId, ArtifactId, AttemptId, CheckpointId, EventId, RecordKind, RunId, TaskId,
};
pub use info::{Durability, StoreInfo};
pub use page::{Cursor, Page, PageRequest};
pub use params::{
    AbandonTask, ArtifactDraft, AttemptReport, BlockTask, Change, ClaimRequest, CompleteTask,
    Dependency, EventDraft, FinishOutcome, FinishReport, Heartbeat, ListApprovals, ListArtifacts,
    ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks, NewApproval, NewArtifact,
    NewAttempt, NewCheckpoint, NewEvent, NewRun, RunUpdate, SaveAgentState, SnapshotRequest,
    TaskDraft, TaskPlan,
};
pub use pauses::Pauses;
pub use records::{
    AgentState, Approval, Artifact, Checkpoint, Claim, ClaimToken, Event, Run, RunSnapshot,
    SnapshotCounts, Task, TaskAttempt, TaskStanding, UnmetDependency, WaitingReason,
};
pub use store::Store;
pub use time::Timestamp;
pub use url::StoreUrl;
#[doc(no_inline)]
pub use uuid::Uuid;
pub use waiting::{RunWake, WaitSource, WakeHub, Wakes, claim_or_wait};
pub use words::{
    AgentRole, ApprovalSource, ApprovalVerdict, AttemptStatus, RunStatus, TaskStatus,
    UnknownTaskStatus,
};
pub use write_queue::{Applied, Reply, WriteQueue};
