//! Ids of records: newtypes over [`Uuid`], one a kind, so that a task's id cannot be passed for a run's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The kinds of records that have an id; [`crate::Error`] names one where an id is unknown or taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordKind {
    /// A run.
    Run,
    /// A task.
    Task,
    /// One try at a task.
    Attempt,
    /// An entry of a run's journal of events.
    Event,
    /// A file or other product of a run.
    Artifact,
    /// A saved state of a run.
    Checkpoint,
    /// A verdict on a run.
    Approval,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Run => "run",
            Self::Task => "task",
            Self::Attempt => "attempt",
            Self::Event => "event",
            Self::Artifact => "artifact",
            Self::Checkpoint => "checkpoint",
            Self::Approval => "approval",
        })
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:ident) => {
        $(#[$doc])*
        ///
        /// Any UUID is accepted from outside. One that the store makes is of version 7.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The kind of record that this id names.
            pub const KIND: RecordKind = RecordKind::$kind;

            /// A new id, a UUID of version 7.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id as a UUID.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(
    /// The id of a [`Run`](crate::Run).
    RunId,
    Run
);
id!(
    /// The id of a [`Task`](crate::Task).
    TaskId,
    Task
);
id!(
    /// The id of a [`TaskAttempt`](crate::TaskAttempt).
    AttemptId,
    Attempt
);
id!(
    /// The id that a caller may give to an [`Event`](crate::Event) so that adding it can be retried
    /// (clause G9). An event is otherwise named by its run and its number.
    EventId,
    Event
);
id!(
    /// The id of an [`Artifact`](crate::Artifact).
    ArtifactId,
    Artifact
);
id!(
    /// The id of a [`Checkpoint`](crate::Checkpoint).
    CheckpointId,
    Checkpoint
);
id!(
    /// The id of an [`Approval`](crate::Approval).
    ApprovalId,
    Approval
);
