//! When a claim is held (clauses C3 and C4).

use crate::{ClaimToken, Error, Result, RunId, TaskStanding, TaskStatus};

/// Checks that the claim is held: its task is in progress in that very attempt. `current` is the task
/// as it stands, or `None` if there is no such task.
///
/// # Errors
/// `StaleClaim`, saying what the task is now.
pub fn check_held(token: ClaimToken, current: Option<TaskStanding>) -> Result<()> {
    match current {
        Some(TaskStanding {
            status: TaskStatus::InProgress,
            attempt_count,
            ..
        }) if attempt_count == token.attempt_number => Ok(()),
        _ => Err(Error::StaleClaim { token, current }),
    }
}

/// Checks a fence: that its task is one of the run, and that the claim is held.
///
/// # Errors
/// `InvalidInput` if the task is another run's; `StaleClaim`.
pub fn check_fence(token: ClaimToken, current: Option<TaskStanding>, run_id: RunId) -> Result<()> {
    match current {
        Some(standing) if standing.run_id != run_id => {
            let problem = format!("is on a task of run {}, not of {run_id}", standing.run_id);
            Err(Error::invalid_input("fence", problem))
        }
        _ => check_held(token, current),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskId;

    #[test]
    fn a_claim_is_held_in_its_own_attempt_and_in_progress_only() {
        let run_id = RunId::generate();
        let token = ClaimToken {
            task_id: TaskId::generate(),
            attempt_number: 2,
        };
        for status in TaskStatus::ALL {
            for attempt_count in [1, 2, 3] {
                let standing = TaskStanding {
                    run_id,
                    status,
                    attempt_count,
                };
                let held = status == TaskStatus::InProgress && attempt_count == 2;
                assert_eq!(check_held(token, Some(standing)).is_ok(), held);
                assert_eq!(check_fence(token, Some(standing), run_id).is_ok(), held);
                let foreign = check_fence(token, Some(standing), RunId::generate());
                assert!(matches!(foreign, Err(Error::InvalidInput { .. })));
            }
        }
        assert!(matches!(
            check_held(token, None),
            Err(Error::StaleClaim { current: None, .. })
        ));
    }
}
