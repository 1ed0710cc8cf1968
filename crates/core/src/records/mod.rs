//! What the store keeps. JSON names are camelCase; optional fields that are unset read as `null`.
//!
//! The fields are public and the structs are not `non_exhaustive`, because an author of a backend
//! builds them: a field added here must break a backend that does not store it.

mod journal;
mod run;
mod snapshot;
mod task;
mod waiting;

pub use journal::{Approval, Artifact, Checkpoint, Event, TaskAttempt};
pub use run::{AgentState, Run};
pub use snapshot::{RunSnapshot, SnapshotCounts};
pub use task::{Claim, ClaimToken, Task, TaskStanding};
pub use waiting::{UnmetDependency, WaitingReason};
