//! What the demo and its worker process tell each other: one line of JSON each.

use runstore::{AttemptStatus, RunId, TaskDraft, TaskId, TaskStatus};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// What the worker process is to do; the first line that it reads. It ends when its input ends, so that
/// it does not outlive the demo.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    pub(crate) store: String,
    pub(crate) run_id: RunId,
    pub(crate) workers: u16,
    /// The number of its first worker among those of all processes.
    pub(crate) first_seat: u16,
    /// Whether the process plans anew and closes the run: one of those that work at the same time does.
    pub(crate) plans: bool,
    pub(crate) seed: u64,
    /// The position of the task that cannot be done as planned.
    pub(crate) blocked_position: Option<u64>,
    /// What the replan puts in its place.
    pub(crate) substitutes: Vec<TaskDraft>,
    /// After that many settled tasks no other is settled: the process works on and waits to be killed,
    /// so that there is always one to kill.
    pub(crate) settle_at_most: Option<usize>,
}

/// What the worker process says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Message {
    /// The process took the run up, while so many tasks were in progress under leases of others.
    TookUp { process_id: u32, in_progress: u64 },
    /// A task was claimed that another had in progress until its lease ran out.
    TookOver {
        task_id: TaskId,
        attempt_number: u32,
        title: String,
    },
    /// A report on a task took effect.
    Acknowledged(Acknowledgement),
    /// A task is worked on, and kept until the process is killed.
    Kept { task_id: TaskId },
    /// A claim is no longer held, and its report is not wanted.
    Stale { task_id: TaskId },
    /// The remaining work was planned anew; so many tasks are to be settled now in all.
    Replanned { settlements: u64 },
    /// It cannot go on.
    Failed { problem: String },
}

/// A report that took effect: what must be in the store from then on, whatever is killed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Acknowledgement {
    pub(crate) task_id: TaskId,
    pub(crate) attempt_number: u32,
    /// How the attempt ended.
    pub(crate) status: AttemptStatus,
    /// What became of the task.
    pub(crate) task_status: TaskStatus,
    pub(crate) title: String,
}

impl Acknowledgement {
    /// Whether the task was settled, and not given back.
    pub(crate) fn is_settlement(&self) -> bool {
        self.task_status != TaskStatus::Pending
    }
}

/// Whom the workers tell; an error ends the work, for what was done is to be seen by somebody.
pub(crate) type Report = Box<dyn Fn(Message) -> Result<(), Failure> + Send + Sync>;
