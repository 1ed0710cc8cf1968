use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AgentRole, AgentState, Approval, Artifact, Checkpoint, Event, Run, Task, TaskAttempt};

/// A run and all that belongs to it at one instant (clause S1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunSnapshot {
    /// The run.
    pub run: Run,
    /// Its agents by role.
    pub agents: BTreeMap<AgentRole, AgentState>,
    /// Pending tasks in position order.
    pub pending_tasks: Vec<Task>,
    /// Tasks in progress in position order.
    pub in_progress_tasks: Vec<Task>,
    /// Completed tasks in position order.
    pub completed_tasks: Vec<Task>,
    /// Blocked and abandoned tasks together, in position order.
    pub blocked_tasks: Vec<Task>,
    /// The last 12 attempts, oldest first.
    pub recent_attempts: Vec<TaskAttempt>,
    /// The last 50 events, oldest first.
    pub recent_events: Vec<Event>,
    /// Approvals, oldest first.
    pub approvals: Vec<Approval>,
    /// Artifacts, oldest first.
    pub artifacts: Vec<Artifact>,
    /// The checkpoint written last.
    pub latest_checkpoint: Option<Checkpoint>,
    /// How many there are of each, whatever the lists above leave out.
    pub counts: SnapshotCounts,
}

/// How many records a run has, at the instant of its [`RunSnapshot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotCounts {
    /// Pending tasks.
    pub pending: u64,
    /// Tasks in progress.
    pub in_progress: u64,
    /// Completed tasks.
    pub completed: u64,
    /// Blocked tasks, without the abandoned ones.
    pub blocked: u64,
    /// Abandoned tasks.
    pub abandoned: u64,
    /// Attempts.
    pub attempts: u64,
    /// Events.
    pub events: u64,
    /// Artifacts.
    pub artifacts: u64,
    /// Approvals.
    pub approvals: u64,
    /// Checkpoints.
    pub checkpoints: u64,
}
