//! What a claim takes (clauses C1, C7 and C8) and when it is held (C3, C4 and C7).

use std::time::Duration;

use super::schedule::{self, Place};
use super::{events, tasks};
use crate::{
    ClaimRequest, ClaimToken, Error, EventDraft, Result, RunId, Task, TaskStanding, TaskStatus,
    Timestamp,
};

/// What becomes of the first task in the order of claims when a claim comes to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Offer {
    /// The claim takes it: it is in progress.
    Taken(Task),
    /// Its attempts are used up (clause C8): it is blocked, this event is written, and the claim goes on
    /// to the next one.
    Exhausted(Task, EventDraft),
    /// It cannot be claimed now, for the clock ran back: it belongs into another place, and the claim
    /// goes on to the next one.
    NotYet(Place),
}

/// Offers a task with so many unmet dependencies to a claim.
///
/// # Errors
/// `InvalidInput` if its attempts cannot be counted further.
pub fn offer(task: Task, unmet: u32, request: &ClaimRequest, now: Timestamp) -> Result<Offer> {
    match schedule::place(schedule::available_from(&task), unmet, now) {
        Place::Ready => {}
        elsewhere => return Ok(Offer::NotYet(elsewhere)),
    }
    let bound = task.max_attempts.or(request.max_attempts);
    if tasks::is_exhausted(&task, bound) {
        let from = task.status;
        let blocked = tasks::exhausted(task, now);
        let event = events::max_attempts(&blocked, from, bound);
        return Ok(Offer::Exhausted(blocked, event));
    }
    tasks::claimed(task, request, now).map(Offer::Taken)
}

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

/// What a heartbeat makes of the claim that it is for (clause C7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// The claim has no lease, and gets none.
    Unleased,
    /// It is held until this time already, which is no sooner: nothing changes.
    Kept(Timestamp),
    /// It is held until this time from now on.
    Extended(Timestamp),
}

impl Extension {
    /// Until when the claim is held; `None` if no passing of time ends it.
    #[must_use]
    pub const fn until(self) -> Option<Timestamp> {
        match self {
            Self::Unleased => None,
            Self::Kept(until) | Self::Extended(until) => Some(until),
        }
    }
}

/// Decides a heartbeat on a task that stands like this.
///
/// # Errors
/// `StaleClaim` if the claim is not held, or if its lease has run out.
pub fn extended(
    token: ClaimToken,
    current: Option<TaskStanding>,
    lease: Duration,
    now: Timestamp,
) -> Result<Extension> {
    check_held(token, current)?;
    match current.and_then(|standing| standing.lease_expires_at) {
        None => Ok(Extension::Unleased),
        expires if schedule::has_run_out(expires, now) => Err(Error::StaleClaim { token, current }),
        Some(expires) => {
            let until = now.saturating_add(lease);
            Ok(match until > expires {
                true => Extension::Extended(until),
                false => Extension::Kept(expires),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskId;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    fn token() -> ClaimToken {
        ClaimToken {
            task_id: TaskId::generate(),
            attempt_number: 2,
        }
    }

    #[test]
    fn a_claim_is_held_in_its_own_attempt_and_in_progress_only() {
        let run_id = RunId::generate();
        let token = token();
        for status in TaskStatus::ALL {
            for attempt_count in [1, 2, 3] {
                let standing = TaskStanding {
                    run_id,
                    status,
                    attempt_count,
                    lease_expires_at: None,
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

    #[test]
    fn a_heartbeat_extends_and_never_shortens_and_comes_too_late_at_the_very_instant() {
        let standing = |lease_expires_at| TaskStanding {
            run_id: RunId::generate(),
            status: TaskStatus::InProgress,
            attempt_count: 2,
            lease_expires_at,
        };
        let beat = |expires: Option<i64>, now, lease| {
            let current = Some(standing(expires.map(at)));
            extended(token(), current, Duration::from_micros(lease), at(now))
        };
        assert_eq!(beat(None, 50, 1).unwrap(), Extension::Unleased);
        assert_eq!(beat(Some(10), 9, 5).unwrap(), Extension::Extended(at(14)));
        assert_eq!(beat(Some(10), 5, 5).unwrap(), Extension::Kept(at(10)));
        assert_eq!(beat(Some(10), -90, 5).unwrap(), Extension::Kept(at(10)));
        for now in [10, 11] {
            assert!(matches!(
                beat(Some(10), now, 5),
                Err(Error::StaleClaim { .. })
            ));
        }
    }
}
