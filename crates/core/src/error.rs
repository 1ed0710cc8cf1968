//! The one public error, with kinds that a caller can act on.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::{ClaimToken, RecordKind, TaskId, TaskStanding, TaskStatus};

/// The result of a call on a store.
pub type Result<T> = std::result::Result<T, Error>;

/// What an engine, a codec or the system said, kept as the source of an [`Error`].
///
/// It is shared, because one failed commit is told to every caller whose write it held.
#[derive(Debug, Clone)]
pub struct Cause(Arc<dyn StdError + Send + Sync>);

impl Cause {
    /// Keeps `error`.
    pub fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }

    /// The error that was kept, to be downcast to the driver's own type.
    #[must_use]
    pub fn get(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }
}

/// What is known of a write that was answered with [`Error::Unavailable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The write did not take effect.
    NotApplied,
    /// The write may or may not have taken effect. A retry is safe with an id of one's own
    /// (clause G9) and with a claim's token (clause C5).
    Unknown,
}

/// Why a call on a store failed.
///
/// After every kind but [`Unavailable`](Self::Unavailable) with an unknown outcome the store holds
/// what it held before the call (clause G1).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Error {
    /// No record of this kind has this id (clause G7).
    NotFound {
        /// The kind.
        kind: RecordKind,
        /// The id.
        id: Uuid,
    },
    /// The id is taken by a record with other content (clause G9).
    AlreadyExists {
        /// The kind.
        kind: RecordKind,
        /// The id.
        id: Uuid,
    },
    /// The call's own words are off (clause G8).
    InvalidInput {
        /// The field, as a path: `drafts[3].title`.
        field: String,
        /// What is wrong with it, with the bound that it breaks.
        problem: String,
    },
    /// The task cannot go from the one state to the other (clause T4).
    InvalidTransition {
        /// The task.
        task_id: TaskId,
        /// Where it stands.
        from: TaskStatus,
        /// Where it cannot go from there.
        to: TaskStatus,
    },
    /// The claim is no longer held (clause C4).
    StaleClaim {
        /// The token of the claim.
        token: ClaimToken,
        /// What the task is now; `None` if there is no such task, for its run was deleted.
        current: Option<TaskStanding>,
    },
    /// The store is held by another for longer than the caller was ready to wait. Nothing changed; a
    /// retry is safe and useful.
    Busy {
        /// What was waited for.
        what: String,
        /// What the engine said.
        source: Option<Cause>,
    },
    /// The store cannot be reached, or stopped answering.
    Unavailable {
        /// What cannot be reached, or what happened.
        what: String,
        /// What is known of the write.
        outcome: Outcome,
        /// What the engine said.
        source: Option<Cause>,
    },
    /// The file or the server is not one that this version can use. Nothing was changed in it.
    Incompatible {
        /// What was found.
        found: String,
        /// What to do about it.
        advice: String,
        /// What the engine said.
        source: Option<Cause>,
    },
    /// A record cannot be read. Nothing was overwritten.
    Corrupt {
        /// Which record, in which table or file.
        place: String,
        /// What is wrong with it.
        problem: String,
        /// What the codec or the engine said.
        source: Option<Cause>,
    },
    /// The engine failed in another way.
    Backend {
        /// What was being done.
        what: String,
        /// What the engine said.
        source: Option<Cause>,
    },
}

impl Error {
    /// An unknown id.
    pub fn not_found(kind: RecordKind, id: impl Into<Uuid>) -> Self {
        let id = id.into();
        Self::NotFound { kind, id }
    }

    /// An id taken by other content.
    pub fn already_exists(kind: RecordKind, id: impl Into<Uuid>) -> Self {
        let id = id.into();
        Self::AlreadyExists { kind, id }
    }

    /// A field that breaks a bound.
    pub fn invalid_input(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::InvalidInput {
            field: field.into(),
            problem: problem.into(),
        }
    }

    /// A record that cannot be read, with what the codec said.
    pub fn corrupt(
        place: impl Into<String>,
        problem: impl Into<String>,
        source: Option<Cause>,
    ) -> Self {
        Self::Corrupt {
            place: place.into(),
            problem: problem.into(),
            source,
        }
    }

    /// Whether the same call may succeed later: [`Busy`](Self::Busy), once the other is through, and
    /// [`Unavailable`](Self::Unavailable), once what made it so has passed; if its text says that the
    /// store is closed or must be opened again, on a new handle. Look at the [`Outcome`] first.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unavailable { .. })
    }

    /// Whether the store turned the call down by a rule of the contract, before it wrote anything:
    /// the engine is well, and what other callers do is not concerned.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. }
                | Self::AlreadyExists { .. }
                | Self::InvalidInput { .. }
                | Self::InvalidTransition { .. }
                | Self::StaleClaim { .. }
        )
    }

    /// The name of the kind, for logs and metrics: `not_found`, `stale_claim` …
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::AlreadyExists { .. } => "already_exists",
            Self::InvalidInput { .. } => "invalid_input",
            Self::InvalidTransition { .. } => "invalid_transition",
            Self::StaleClaim { .. } => "stale_claim",
            Self::Busy { .. } => "busy",
            Self::Unavailable { .. } => "unavailable",
            Self::Incompatible { .. } => "incompatible",
            Self::Corrupt { .. } => "corrupt",
            Self::Backend { .. } => "backend",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { kind, id } => write!(formatter, "there is no {kind} {id}"),
            Self::AlreadyExists { kind, id } => {
                write!(formatter, "{kind} {id} exists already, with other content")
            }
            Self::InvalidInput { field, problem } => {
                write!(formatter, "invalid input: {field} {problem}")
            }
            Self::InvalidTransition { task_id, from, to } => {
                write!(formatter, "task {task_id} is {from} and cannot become {to}")
            }
            Self::StaleClaim { token, current } => {
                let ClaimToken {
                    task_id,
                    attempt_number,
                } = token;
                write!(
                    formatter,
                    "the claim on task {task_id}, attempt {attempt_number}, is no longer held: "
                )?;
                match current {
                    Some(TaskStanding {
                        status: TaskStatus::InProgress,
                        attempt_count,
                        lease_expires_at: Some(expires),
                        ..
                    }) if attempt_count == attempt_number => {
                        write!(formatter, "its lease ran out at {expires}")
                    }
                    Some(TaskStanding {
                        status,
                        attempt_count,
                        ..
                    }) => write!(
                        formatter,
                        "the task is {status} and was claimed {attempt_count} times"
                    ),
                    None => formatter.write_str("there is no such task any more"),
                }
            }
            Self::Busy { what, .. } => write!(formatter, "busy: {what}"),
            Self::Unavailable { what, outcome, .. } => {
                write!(formatter, "unavailable: {what}; ")?;
                formatter.write_str(match outcome {
                    Outcome::NotApplied => "a write did not take effect",
                    Outcome::Unknown => "a write may or may not have taken effect",
                })
            }
            Self::Incompatible { found, advice, .. } => {
                write!(formatter, "incompatible: {found}; {advice}")
            }
            Self::Corrupt { place, problem, .. } => {
                write!(formatter, "corrupt: {place}: {problem}")
            }
            Self::Backend { what, .. } => write!(formatter, "the engine failed: {what}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Busy { source, .. }
            | Self::Unavailable { source, .. }
            | Self::Incompatible { source, .. }
            | Self::Corrupt { source, .. }
            | Self::Backend { source, .. } => source
                .as_ref()
                .map(|cause| cause.get() as &(dyn StdError + 'static)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_the_drivers_own_error_and_survives_a_clone() {
        let source = Cause::new(std::io::Error::other("disk on fire"));
        let error = Error::Backend {
            what: "commit".to_owned(),
            source: Some(source),
        }
        .clone();
        let source = error.source().unwrap();
        assert!(source.downcast_ref::<std::io::Error>().is_some());
    }

    #[test]
    fn only_busy_and_unavailable_are_worth_a_retry() {
        assert!(
            Error::Busy {
                what: String::new(),
                source: None
            }
            .is_retryable()
        );
        let refused = Error::invalid_input("goal", "is empty");
        assert!(refused.is_refusal() && !refused.is_retryable());
    }
}
