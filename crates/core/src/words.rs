//! Words: the closed ones whose state machine the store owns, and the open ones that it only keeps.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a task stands. Closed, for the store owns its state machine (clause T4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Waiting to be claimed.
    Pending,
    /// Claimed and being worked on.
    InProgress,
    /// Done.
    Completed,
    /// Not to be worked on until somebody settles or requeues it.
    Blocked,
    /// Given up, or left out of a newer plan.
    Abandoned,
}

impl TaskStatus {
    /// All states, in the order of a task's life.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::InProgress,
        Self::Completed,
        Self::Blocked,
        Self::Abandoned,
    ];

    /// The word for the state, as in JSON and in the backends' files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Blocked => "blocked",
            Self::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A text that is not the word of a [`TaskStatus`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownTaskStatus(pub String);

impl fmt::Display for UnknownTaskStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} is not the status of a task", self.0)
    }
}

impl std::error::Error for UnknownTaskStatus {}

impl FromStr for TaskStatus {
    type Err = UnknownTaskStatus;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or_else(|| UnknownTaskStatus(word.to_owned()))
    }
}

/// An open word: named variants for the usual ones and `Other` for any other. Two are equal when
/// their texts are, whichever variant holds it.
macro_rules! open_word {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        ///
        /// Open: any other word is kept as [`Other`](Self::Other), so that none is lost. Two values
        /// are equal when their words are; [`From`] gives a usual word its named variant.
        #[derive(Debug, Clone)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// Any other word.
            Other(String),
        }

        impl $name {
            /// The word itself, as in JSON and in the backends' files.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $($word => Self::$variant,)+
                    _ => Self::Other(word),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.as_str().cmp(other.as_str())
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer).map(Self::from)
            }
        }
    };
}

open_word!(
    /// Where a run stands, as its orchestrator sees it. The store keeps the word and acts on none.
    RunStatus {
        /// A plan is being made. Every run starts here.
        Planning = "planning",
        /// Its tasks are being worked on.
        Running = "running",
        /// Halted on purpose.
        Paused = "paused",
        /// Halted for want of a decision.
        Blocked = "blocked",
        /// The goal is reached.
        Completed = "completed",
        /// Given up after an error.
        Failed = "failed",
        /// Given up on purpose.
        Cancelled = "cancelled",
    }
);

open_word!(
    /// The part that an agent plays in a run.
    AgentRole {
        /// Plans.
        Strategy = "strategy",
        /// Carries out tasks.
        Implementation = "implementation",
        /// Judges results.
        Checker = "checker",
    }
);

open_word!(
    /// How one try at a task ended.
    AttemptStatus {
        /// It did what the task asks.
        Completed = "completed",
        /// It ran and did not succeed.
        Failed = "failed",
        /// It met something that it could not get past.
        Blocked = "blocked",
        /// It ended before it could succeed or fail.
        Interrupted = "interrupted",
    }
);

open_word!(
    /// Who gave a verdict.
    ApprovalSource {
        /// The planner.
        Strategy = "strategy",
        /// The checker.
        Checker = "checker",
        /// A person.
        Human = "human",
    }
);

open_word!(
    /// What a verdict says.
    ApprovalVerdict {
        /// Yes.
        Approved = "approved",
        /// No.
        Rejected = "rejected",
        /// Not as it is.
        ChangesRequested = "changes_requested",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_reads_back_from_its_word_and_no_other_word_does() {
        for status in TaskStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert!("PENDING".parse::<TaskStatus>().is_err());
    }

    #[test]
    fn an_open_word_keeps_any_word_and_knows_the_usual_ones() {
        assert!(matches!(RunStatus::from("paused"), RunStatus::Paused));
        assert!(matches!(
            RunStatus::from("paused".to_owned()),
            RunStatus::Paused
        ));
        let odd: RunStatus = serde_json::from_str("\"on hold\"").unwrap();
        assert_eq!(odd.as_str(), "on hold");
        assert_eq!(serde_json::to_string(&odd).unwrap(), "\"on hold\"");
        assert_eq!(RunStatus::Other("paused".to_owned()), RunStatus::Paused);
    }
}
