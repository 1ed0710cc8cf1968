//! How a task's record changes: the state machine of clause T4.

use std::time::Duration;

use super::events;
use super::runs::one_more;
use crate::{
    AbandonTask, BlockTask, ClaimRequest, CompleteTask, Error, EventDraft, FinishOutcome, Result,
    Task, TaskStatus, Timestamp,
};

/// The end that a task is brought to, by an operator (clause C6) or a worker (clause C5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    status: TaskStatus,
    summary: Option<String>,
    blocker_signature: Option<String>,
}

impl From<CompleteTask> for Settlement {
    fn from(complete: CompleteTask) -> Self {
        Self {
            status: TaskStatus::Completed,
            summary: Some(complete.summary),
            blocker_signature: None,
        }
    }
}

impl From<BlockTask> for Settlement {
    fn from(block: BlockTask) -> Self {
        Self {
            status: TaskStatus::Blocked,
            summary: block.summary,
            blocker_signature: block.blocker_signature,
        }
    }
}

impl From<AbandonTask> for Settlement {
    fn from(abandon: AbandonTask) -> Self {
        Self {
            status: TaskStatus::Abandoned,
            summary: abandon.summary,
            blocker_signature: abandon.blocker_signature,
        }
    }
}

/// The blocker signature of a task whose attempts are used up (clause C8).
pub const MAX_ATTEMPTS_SIGNATURE: &str = "max_attempts";

/// The task without what only one state has. Every change of a state goes through here.
fn in_state(task: Task, status: TaskStatus, now: Timestamp) -> Task {
    Task {
        status,
        delayed_until: None,
        worker: None,
        lease_expires_at: None,
        updated_at: now,
        ..task
    }
}

/// The task as a claim leaves it: in progress, with one more attempt, held by the worker for as long as
/// the request says (clauses C1 and C7). That it can be claimed is decided before, by
/// [`claims::offer`](super::claims::offer).
///
/// # Errors
/// `InvalidTransition` unless it is pending or in progress; `InvalidInput` if its attempts cannot be
/// counted further.
pub fn claimed(task: Task, request: &ClaimRequest, now: Timestamp) -> Result<Task> {
    if !is_replaceable(task.status) {
        return Err(refused(&task, TaskStatus::InProgress));
    }
    let attempt_count = one_more(task.attempt_count, "attempt_count")?;
    Ok(Task {
        attempt_count,
        worker: request.worker.clone(),
        lease_expires_at: request.lease.map(|lease| now.saturating_add(lease)),
        ..in_state(task, TaskStatus::InProgress, now)
    })
}

/// Whether the attempts of a task are used up under this bound (clause C8).
#[must_use]
pub fn is_exhausted(task: &Task, bound: Option<u32>) -> bool {
    bound.is_some_and(|bound| task.attempt_count >= bound)
}

/// The task as it is left when its attempts are used up: blocked, with its summary kept (clause C8).
#[must_use]
pub fn exhausted(task: Task, now: Timestamp) -> Task {
    Task {
        blocker_signature: Some(MAX_ATTEMPTS_SIGNATURE.to_owned()),
        ..in_state(task, TaskStatus::Blocked, now)
    }
}

/// The task as it is settled (clause T4).
///
/// # Errors
/// `InvalidTransition` if it is completed or abandoned.
pub fn settled(task: Task, settlement: impl Into<Settlement>, now: Timestamp) -> Result<Task> {
    let settlement = settlement.into();
    match task.status {
        TaskStatus::Pending | TaskStatus::InProgress | TaskStatus::Blocked => Ok(Task {
            implementation_summary: settlement.summary,
            blocker_signature: settlement.blocker_signature,
            ..in_state(task, settlement.status, now)
        }),
        TaskStatus::Completed | TaskStatus::Abandoned => Err(refused(&task, settlement.status)),
    }
}

/// The task back in the queue (clauses T5 to T7), or blocked, if its attempts are used up (C8).
///
/// # Errors
/// `InvalidTransition` if it is pending.
pub fn requeued(task: Task, now: Timestamp) -> Result<Task> {
    if task.status == TaskStatus::Pending {
        return Err(refused(&task, TaskStatus::Pending));
    }
    if is_exhausted(&task, task.max_attempts) {
        return Ok(exhausted(task, now));
    }
    Ok(in_state(task, TaskStatus::Pending, now))
}

/// A changed task, and the event that goes with the change.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The task after the change.
    pub task: Task,
    /// What the store writes of itself.
    pub event: Option<EventDraft>,
}

/// The requeue of one task (clause T6), with its event.
///
/// # Errors
/// `InvalidTransition` if it is pending.
pub fn requeued_alone(task: Task, now: Timestamp) -> Result<Changed> {
    let from = task.status;
    let task = requeued(task, now)?;
    let event =
        events::if_exhausted(&task, from).unwrap_or_else(|| events::requeue_task(&task, from));
    Ok(Changed {
        task,
        event: Some(event),
    })
}

/// What a requeue makes of the tasks of one run (clauses T5 and T7).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Requeue {
    /// The tasks as they are left.
    pub tasks: Vec<Task>,
    /// What the store writes of itself, in this order.
    pub events: Vec<EventDraft>,
    /// How many of the tasks are pending again.
    pub changes: u64,
}

/// The requeue of tasks of one run that are in progress, in position order. `summary` makes the event
/// that tells how many are pending again: [`events::requeue_in_progress`] or [`events::requeue_expired`].
///
/// # Errors
/// `InvalidTransition` if one is pending.
pub fn requeued_together(
    tasks: impl IntoIterator<Item = Task>,
    summary: fn(u64) -> EventDraft,
    now: Timestamp,
) -> Result<Requeue> {
    let mut requeue = Requeue::default();
    for task in tasks {
        let from = task.status;
        let task = requeued(task, now)?;
        match events::if_exhausted(&task, from) {
            Some(event) => requeue.events.push(event),
            None => requeue.changes += 1,
        }
        requeue.tasks.push(task);
    }
    if requeue.changes > 0 {
        requeue.events.push(summary(requeue.changes));
    }
    Ok(requeue)
}

/// The task as a worker's report leaves it (clause C5). That the claim is held is checked before, by
/// [`claims::check_held`](super::claims::check_held).
///
/// # Errors
/// `InvalidTransition` as [`settled`] and [`requeued`] have it; not for a task whose claim is held.
pub fn finished(task: Task, outcome: FinishOutcome, now: Timestamp) -> Result<Changed> {
    let settlement = match outcome {
        FinishOutcome::Released { delay } => return released(task, delay, now),
        FinishOutcome::Completed { summary } => Settlement {
            status: TaskStatus::Completed,
            summary: Some(summary),
            blocker_signature: None,
        },
        FinishOutcome::Blocked {
            summary,
            blocker_signature,
        } => Settlement {
            status: TaskStatus::Blocked,
            summary,
            blocker_signature,
        },
        FinishOutcome::Abandoned {
            summary,
            blocker_signature,
        } => Settlement {
            status: TaskStatus::Abandoned,
            summary,
            blocker_signature,
        },
    };
    let task = settled(task, settlement, now)?;
    Ok(Changed { task, event: None })
}

fn released(task: Task, delay: Option<Duration>, now: Timestamp) -> Result<Changed> {
    let from = task.status;
    let task = requeued(task, now)?;
    if let Some(event) = events::if_exhausted(&task, from) {
        let event = Some(event);
        return Ok(Changed { task, event });
    }
    let task = Task {
        delayed_until: delay.map(|delay| now.saturating_add(delay)),
        ..task
    };
    Ok(Changed { task, event: None })
}

/// Whether a new plan abandons a task in this state (clause T1).
#[must_use]
pub const fn is_replaceable(status: TaskStatus) -> bool {
    matches!(status, TaskStatus::Pending | TaskStatus::InProgress)
}

/// The task as a new plan leaves it: abandoned, with its data kept (clause T1).
#[must_use]
pub fn replaced(task: Task, now: Timestamp) -> Task {
    in_state(task, TaskStatus::Abandoned, now)
}

fn refused(task: &Task, to: TaskStatus) -> Error {
    Error::InvalidTransition {
        task_id: task.id,
        from: task.status,
        to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::create;
    use crate::{RunId, TaskDraft};

    fn task(status: TaskStatus) -> Task {
        let draft = TaskDraft::new("title", "objective");
        Task {
            status,
            attempt_count: 3,
            implementation_summary: Some("before".to_owned()),
            blocker_signature: Some("sig".to_owned()),
            worker: Some("before".to_owned()),
            ..create::task(RunId::generate(), 1, draft, Timestamp::MIN)
        }
    }

    #[test]
    fn a_claim_counts_one_attempt_and_says_by_whom_and_until_when() {
        let request = ClaimRequest::of_any_run()
            .with_worker("w")
            .with_lease(Duration::from_micros(5));
        for status in TaskStatus::ALL {
            match claimed(task(status), &request, Timestamp::MIN) {
                Ok(task) => {
                    assert!(is_replaceable(status));
                    assert_eq!(
                        (task.status, task.attempt_count),
                        (TaskStatus::InProgress, 4)
                    );
                    assert_eq!(task.worker.as_deref(), Some("w"));
                    let expires = Timestamp::MIN.saturating_add_micros(5);
                    assert_eq!(task.lease_expires_at, Some(expires));
                    assert_eq!(task.delayed_until, None);
                }
                Err(error) => {
                    assert!(!is_replaceable(status));
                    assert!(
                        matches!(error, Error::InvalidTransition { from, .. } if from == status)
                    );
                }
            }
        }
    }

    #[test]
    fn attempts_that_are_used_up_block_on_every_way_back_into_the_queue() {
        let bounded = |max_attempts| Task {
            max_attempts: Some(max_attempts),
            ..task(TaskStatus::InProgress)
        };
        let released = |task| {
            let outcome = FinishOutcome::Released {
                delay: Some(Duration::from_micros(7)),
            };
            finished(task, outcome, Timestamp::MIN).unwrap()
        };
        let back = released(bounded(4));
        let until = Some(Timestamp::MIN.saturating_add_micros(7));
        assert_eq!((back.task.status, back.event), (TaskStatus::Pending, None));
        assert_eq!(back.task.delayed_until, until);
        for Changed { task, event } in [
            released(bounded(3)),
            requeued_alone(bounded(3), Timestamp::MIN).unwrap(),
        ] {
            assert_eq!(task.status, TaskStatus::Blocked);
            assert_eq!(task.blocker_signature.as_deref(), Some("max_attempts"));
            assert_eq!(task.implementation_summary.as_deref(), Some("before"));
            assert_eq!(task.delayed_until, None);
            assert_eq!(event.unwrap().kind, events::MAX_ATTEMPTS);
        }
        let together = [bounded(3), bounded(4), bounded(2)];
        let requeue =
            requeued_together(together, events::requeue_in_progress, Timestamp::MIN).unwrap();
        let kinds: Vec<&str> = requeue.events.iter().map(|event| &*event.kind).collect();
        let expected = ["max_attempts", "max_attempts", "requeue_in_progress"];
        assert_eq!((kinds, requeue.changes), (expected.to_vec(), 1));
        let none = requeued_together([bounded(3)], events::requeue_expired, Timestamp::MIN);
        assert_eq!(none.unwrap().events.len(), 1);
    }

    #[test]
    fn what_is_completed_or_abandoned_cannot_be_settled_again() {
        for from in TaskStatus::ALL {
            let id = task(from).id;
            let ends = [
                settled(task(from), CompleteTask::new(id, "done"), Timestamp::MAX),
                settled(task(from), BlockTask::new(id), Timestamp::MAX),
                settled(task(from), AbandonTask::new(id), Timestamp::MAX),
            ];
            let closed = matches!(from, TaskStatus::Completed | TaskStatus::Abandoned);
            assert!(ends.iter().all(|end| end.is_err() == closed), "{from}");
        }
    }

    #[test]
    fn completing_clears_the_signature_and_blocking_sets_both_as_given() {
        let id = task(TaskStatus::Blocked).id;
        let done = settled(
            task(TaskStatus::Blocked),
            CompleteTask::new(id, "done"),
            Timestamp::MAX,
        );
        let done = done.unwrap();
        assert_eq!(done.implementation_summary.as_deref(), Some("done"));
        assert_eq!(done.blocker_signature, None);
        let blocked = settled(
            task(TaskStatus::Pending),
            BlockTask::new(id),
            Timestamp::MAX,
        );
        let blocked = blocked.unwrap();
        assert_eq!(
            (blocked.implementation_summary, blocked.blocker_signature),
            (None, None)
        );
    }

    #[test]
    fn anything_but_pending_can_be_requeued_and_keeps_its_data() {
        for from in TaskStatus::ALL {
            match requeued(task(from), Timestamp::MAX) {
                Ok(task) => {
                    assert_eq!((task.attempt_count, task.worker), (3, None));
                    assert_eq!(task.blocker_signature.as_deref(), Some("sig"));
                }
                Err(_) => assert_eq!(from, TaskStatus::Pending),
            }
        }
    }
}
