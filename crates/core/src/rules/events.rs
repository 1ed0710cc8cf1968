//! The events that a store writes of itself. Their source is [`SOURCE`].

use serde_json::json;

use crate::{EventDraft, Run, Task, TaskStatus};

/// The source of the store's own events.
pub const SOURCE: &str = "system";
/// The kind of the first event of a run (clause R1).
pub const RUN_CREATED: &str = "run_created";
/// The kind of the event of a requeue on resume (clause T5).
pub const REQUEUE_IN_PROGRESS: &str = "requeue_in_progress";
/// The kind of the event of a requeue of one task (clause T6).
pub const REQUEUE_TASK: &str = "requeue_task";

/// The first event of a run (clause R1).
#[must_use]
pub fn run_created(run: &Run) -> EventDraft {
    EventDraft::new(SOURCE, RUN_CREATED, "The run was created.")
        .with_payload(json!({ "goal": run.goal, "repoPath": run.repo_path }))
}

/// The event of a requeue on resume that gave back `changes` tasks (clause T5).
#[must_use]
pub fn requeue_in_progress(changes: u64) -> EventDraft {
    EventDraft::new(
        SOURCE,
        REQUEUE_IN_PROGRESS,
        "Tasks in progress were given back to the queue.",
    )
    .with_payload(json!({ "changes": changes }))
}

/// The event of a requeue of one task that stood in state `from` (clause T6).
#[must_use]
pub fn requeue_task(task: &Task, from: TaskStatus) -> EventDraft {
    EventDraft::new(SOURCE, REQUEUE_TASK, "A task was given back to the queue.")
        .with_payload(json!({ "taskId": task.id, "from": from }))
}
