//! What the calls take: one struct a call, so that a field can be added without breaking a caller.
//!
//! Each has a constructor for what is needed and `with_…` methods for the rest.

mod claims;
mod journal;
mod micros;
mod runs;
mod tasks;

pub use claims::{AttemptReport, ClaimRequest, FinishOutcome, FinishReport, Heartbeat};
pub use journal::{
    ArtifactDraft, EventDraft, ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints,
    ListEvents, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, SnapshotRequest,
};
pub use runs::{Change, ListRuns, NewRun, RunUpdate, SaveAgentState};
pub use tasks::{AbandonTask, BlockTask, CompleteTask, Dependency, ListTasks, TaskDraft, TaskPlan};

/// Adds the `with_…` methods of optional fields.
macro_rules! with {
    ($($(#[$doc:meta])* $method:ident: $field:ident = $type:ty),+ $(,)?) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $method(mut self, $field: impl Into<$type>) -> Self {
                self.$field = Some($field.into());
                self
            }
        )+
    };
}
use with;
