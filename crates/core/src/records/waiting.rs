use serde::{Deserialize, Serialize};

use crate::{TaskId, TaskStatus, Timestamp};

/// Why a task is not being worked on, or who works on it, at one instant (clause C9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "reason",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[non_exhaustive]
pub enum WaitingReason {
    /// A claim can take it now: it is pending and waits for nothing, or its lease has run out.
    Claimable,
    /// It waits for a time and for nothing else.
    Until {
        /// From this time on it can be claimed.
        time: Timestamp,
    },
    /// It waits for tasks that are not completed.
    Dependencies {
        /// Those tasks, in the order of the task's `depends_on`.
        tasks: Vec<UnmetDependency>,
        /// The time that it waits for besides, if that is still to come.
        until: Option<Timestamp>,
    },
    /// It is claimed, and the claim has not run out.
    InProgress {
        /// By whom, as the claim says.
        worker: Option<String>,
        /// When the claim runs out; never, if unset.
        lease_expires_at: Option<Timestamp>,
    },
    /// Its lease has run out and its attempts are used up: the next claim that comes to it blocks it
    /// (clause C8).
    Exhausted,
    /// It waits for nothing: it is completed, blocked or abandoned.
    Settled {
        /// Which of these.
        status: TaskStatus,
    },
}

/// A task that another one waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnmetDependency {
    /// The task that is not completed.
    pub task_id: TaskId,
    /// Where it stands.
    pub status: TaskStatus,
    /// Whether it can be completed by claims and their reports alone: it is in progress, or it is pending
    /// and all that it waits for can be completed so in turn. If not, somebody has to requeue or complete
    /// a task.
    pub can_complete: bool,
}
