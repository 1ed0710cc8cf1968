//! How a task's record changes: the state machine of clause T4.

use super::runs::one_more;
use crate::{
    AbandonTask, BlockTask, CompleteTask, Error, FinishOutcome, Result, Task, TaskStatus, Timestamp,
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

/// The task as a claim leaves it: in progress, with one more attempt (clause C1).
///
/// # Errors
/// `InvalidTransition` unless it is pending.
pub fn claimed(task: Task, now: Timestamp) -> Result<Task> {
    if task.status != TaskStatus::Pending {
        return Err(refused(&task, TaskStatus::InProgress));
    }
    let attempt_count = one_more(task.attempt_count, "attempt_count")?;
    Ok(Task {
        status: TaskStatus::InProgress,
        attempt_count,
        updated_at: now,
        ..task
    })
}

/// The task as it is settled (clause T4).
///
/// # Errors
/// `InvalidTransition` if it is completed or abandoned.
pub fn settled(task: Task, settlement: impl Into<Settlement>, now: Timestamp) -> Result<Task> {
    let settlement = settlement.into();
    match task.status {
        TaskStatus::Pending | TaskStatus::InProgress | TaskStatus::Blocked => Ok(Task {
            status: settlement.status,
            implementation_summary: settlement.summary,
            blocker_signature: settlement.blocker_signature,
            updated_at: now,
            ..task
        }),
        TaskStatus::Completed | TaskStatus::Abandoned => Err(refused(&task, settlement.status)),
    }
}

/// The task back in the queue (clauses T5 and T6).
///
/// # Errors
/// `InvalidTransition` if it is pending.
pub fn requeued(task: Task, now: Timestamp) -> Result<Task> {
    if task.status == TaskStatus::Pending {
        return Err(refused(&task, TaskStatus::Pending));
    }
    Ok(Task {
        status: TaskStatus::Pending,
        updated_at: now,
        ..task
    })
}

/// The task as a worker's report leaves it (clause C5). That the claim is held is checked before, by
/// [`claims::check_held`](super::claims::check_held).
///
/// # Errors
/// `InvalidTransition` as [`settled`] and [`requeued`] have it; not for a task whose claim is held.
pub fn finished(task: Task, outcome: FinishOutcome, now: Timestamp) -> Result<Task> {
    let settlement = match outcome {
        FinishOutcome::Released => return requeued(task, now),
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
    settled(task, settlement, now)
}

/// Whether a new plan abandons a task in this state (clause T1).
#[must_use]
pub const fn is_replaceable(status: TaskStatus) -> bool {
    matches!(status, TaskStatus::Pending | TaskStatus::InProgress)
}

/// The task as a new plan leaves it: abandoned, with its data kept (clause T1).
#[must_use]
pub fn replaced(task: Task, now: Timestamp) -> Task {
    Task {
        status: TaskStatus::Abandoned,
        updated_at: now,
        ..task
    }
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
            ..create::task(RunId::generate(), 1, draft, Timestamp::MIN)
        }
    }

    #[test]
    fn only_a_pending_task_can_be_claimed_and_its_attempts_rise_by_one() {
        for status in TaskStatus::ALL {
            match claimed(task(status), Timestamp::MAX) {
                Ok(task) => assert_eq!(
                    (status, task.status, task.attempt_count),
                    (TaskStatus::Pending, TaskStatus::InProgress, 4)
                ),
                Err(error) => {
                    assert_ne!(status, TaskStatus::Pending);
                    assert!(
                        matches!(error, Error::InvalidTransition { from, .. } if from == status)
                    );
                }
            }
        }
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
                    assert_eq!(task.attempt_count, 3);
                    assert_eq!(task.blocker_signature.as_deref(), Some("sig"));
                }
                Err(_) => assert_eq!(from, TaskStatus::Pending),
            }
        }
    }
}
