//! When a task can be claimed (clauses C1, C7 and C9), and where a backend keeps it until then.
//!
//! A claim must cost the same however many tasks wait before the first one that can be claimed. A
//! backend therefore keeps each task in at most one of two indexes, by its [`Place`]: `ready`, in the
//! order of claims, and `due`, in the order of times. A claim first moves what has become due into
//! `ready`, then takes the first entry there. No sweeper is needed. Since the clock may run backwards, an
//! entry in `ready` is looked at again: what it is not the time for yet goes back to `due`.

use crate::{Task, TaskStatus, Timestamp};

/// Where a task is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// In neither index: no passing of time makes it claimable.
    Nowhere,
    /// Among those that can be claimed.
    Ready,
    /// Among those that can be claimed from this time on.
    Due(Timestamp),
}

/// From when on the task can be claimed if it waits for no other: a pending one when its delays are
/// over, one in progress when its lease has run out. `None` if never, as it stands.
#[must_use]
pub fn available_from(task: &Task) -> Option<Timestamp> {
    let planned = task.not_before.unwrap_or(Timestamp::MIN);
    match task.status {
        TaskStatus::Pending => Some(planned.max(task.delayed_until.unwrap_or(Timestamp::MIN))),
        TaskStatus::InProgress => Some(planned.max(task.lease_expires_at?)),
        TaskStatus::Completed | TaskStatus::Blocked | TaskStatus::Abandoned => None,
    }
}

/// The place of a task with so many unmet dependencies, at this time. At the very instant from which on
/// it can be claimed, it can be.
#[must_use]
pub fn place(available_from: Option<Timestamp>, unmet: u32, now: Timestamp) -> Place {
    match available_from {
        Some(from) if unmet == 0 && from <= now => Place::Ready,
        Some(from) if unmet == 0 => Place::Due(from),
        _ => Place::Nowhere,
    }
}

/// Whether a lease that ends at this time has run out: at the very instant it has (clause C7). Without an
/// end, never.
#[must_use]
pub fn has_run_out(lease_expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    lease_expires_at.is_some_and(|expires| expires <= now)
}

/// Whether a change of a task's state changes what its dependents wait for.
#[must_use]
pub fn concerns_dependents(from: TaskStatus, to: TaskStatus) -> bool {
    (from == TaskStatus::Completed) != (to == TaskStatus::Completed)
}

/// How many unmet dependencies a dependent has after such a change of one of them to state `to`.
#[must_use]
pub fn unmet_after(unmet: u32, to: TaskStatus) -> u32 {
    match to {
        TaskStatus::Completed => unmet.saturating_sub(1),
        _ => unmet.saturating_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::create;
    use crate::{RunId, TaskDraft};

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    fn task(status: TaskStatus) -> Task {
        let draft = TaskDraft::new("t", "o");
        Task {
            status,
            ..create::task(RunId::generate(), 1, draft, Timestamp::MIN)
        }
    }

    #[test]
    fn a_pending_task_is_ready_at_the_later_of_its_delays() {
        let mut pending = task(TaskStatus::Pending);
        assert_eq!(available_from(&pending), Some(Timestamp::MIN));
        pending.not_before = Some(at(5));
        pending.delayed_until = Some(at(7));
        assert_eq!(available_from(&pending), Some(at(7)));
        pending.delayed_until = Some(at(3));
        assert_eq!(available_from(&pending), Some(at(5)));
    }

    #[test]
    fn a_task_in_progress_is_ready_when_its_lease_has_run_out_and_else_never() {
        let mut claimed = task(TaskStatus::InProgress);
        assert_eq!(available_from(&claimed), None);
        claimed.lease_expires_at = Some(at(9));
        assert_eq!(available_from(&claimed), Some(at(9)));
        for status in [
            TaskStatus::Completed,
            TaskStatus::Blocked,
            TaskStatus::Abandoned,
        ] {
            assert_eq!(available_from(&task(status)), None);
        }
    }

    #[test]
    fn the_boundary_is_exact_and_an_unmet_dependency_outweighs_every_time() {
        assert_eq!(place(Some(at(5)), 0, at(4)), Place::Due(at(5)));
        assert_eq!(place(Some(at(5)), 0, at(5)), Place::Ready);
        assert_eq!(place(Some(at(5)), 1, at(5)), Place::Nowhere);
        assert_eq!(place(None, 0, at(5)), Place::Nowhere);
    }

    #[test]
    fn only_a_step_into_or_out_of_completed_concerns_dependents() {
        for from in TaskStatus::ALL {
            for to in TaskStatus::ALL {
                let one_is = [from, to]
                    .iter()
                    .filter(|status| **status == TaskStatus::Completed)
                    .count()
                    == 1;
                assert_eq!(concerns_dependents(from, to), one_is);
            }
        }
        assert_eq!(unmet_after(2, TaskStatus::Completed), 1);
        assert_eq!(unmet_after(2, TaskStatus::Pending), 3);
    }
}
