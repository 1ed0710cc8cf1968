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

/// The kind of the event of a requeue of expired claims (clause T7).
pub const REQUEUE_EXPIRED: &str = "requeue_expired";
/// The kind of the event of a task that is blocked because its attempts are used up (clause C8).
pub const MAX_ATTEMPTS: &str = "max_attempts";

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

/// The event of a requeue of expired claims that gave back `changes` tasks (clause T7).
#[must_use]
pub fn requeue_expired(changes: u64) -> EventDraft {
    EventDraft::new(
        SOURCE,
        REQUEUE_EXPIRED,
        "Tasks whose lease had run out were given back to the queue.",
    )
    .with_payload(json!({ "changes": changes }))
}

/// The event of a task that stood in state `from` and is blocked under this bound on its attempts
/// (clause C8).
#[must_use]
pub fn max_attempts(task: &Task, from: TaskStatus, bound: Option<u32>) -> EventDraft {
    EventDraft::new(
        SOURCE,
        MAX_ATTEMPTS,
        "A task was blocked because its attempts are used up.",
    )
    .with_payload(json!({
        "taskId": task.id,
        "from": from,
        "attemptCount": task.attempt_count,
        "maxAttempts": bound,
    }))
}

/// The event of a task that was to be requeued from state `from`, if that found its attempts used up.
pub(super) fn if_exhausted(task: &Task, from: TaskStatus) -> Option<EventDraft> {
    let blocked = task.status == TaskStatus::Blocked;
    blocked.then(|| max_attempts(task, from, task.max_attempts))
}
