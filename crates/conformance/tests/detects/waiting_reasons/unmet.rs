//! For which others a task is said to wait, and whether those are said to be such that can be completed.

use runstore_core::WaitingReason as Reason;
use runstore_core::*;
use runstore_memory::MemoryStore;

use super::{Tasks, is_pending, is_set_aside, told};

faults! {
    completed_dependencies_are_told_too [C9] {
        tells!(|reason, task, beside| match reason {
            Reason::Dependencies { tasks, until } => {
                let known = |on: &Task| tasks.iter().find(|known| known.task_id == on.id).copied();
                let new = |on: &Task| UnmetDependency { task_id: on.id, status: on.status, can_complete: true };
                let all = beside.depends_on(&task).map(|on| known(on).unwrap_or(new(on)));
                Reason::Dependencies { tasks: all.collect(), until }
            }
            reason => reason,
        });
    }

    only_the_first_dependency_is_told [C9] {
        tells!(|reason, _task, _beside| match reason {
            Reason::Dependencies { mut tasks, until } => { tasks.truncate(1); Reason::Dependencies { tasks, until } }
            reason => reason,
        });
    }

    at_most_1000_dependencies_are_told [C9] {
        tells!(|reason, _task, _beside| match reason {
            Reason::Dependencies { mut tasks, until } => { tasks.truncate(1_000); Reason::Dependencies { tasks, until } }
            reason => reason,
        });
    }

    dependencies_are_told_in_the_order_of_their_positions [C9] {
        tells!(|reason, _task, beside| match reason {
            Reason::Dependencies { mut tasks, until } => {
                tasks.sort_by_key(|on| beside.0.get(&on.task_id).map(|on| on.position));
                Reason::Dependencies { tasks, until }
            }
            reason => reason,
        });
    }

    dependencies_are_told_in_the_order_of_their_ids [C9] {
        tells!(|reason, _task, _beside| match reason {
            Reason::Dependencies { mut tasks, until } => {
                tasks.sort_by_key(|on| on.task_id);
                Reason::Dependencies { tasks, until }
            }
            reason => reason,
        });
    }

    dependencies_are_all_said_to_be_pending [C9] {
        tells_of_each!(|on| UnmetDependency { status: TaskStatus::Pending, ..on });
    }

    dependencies_can_always_be_completed [C9] { can_complete!(|_on, _beside| true); }

    only_what_is_in_progress_can_be_completed [C9] {
        can_complete!(|on, _beside| on.status == TaskStatus::InProgress);
    }

    what_is_blocked_can_be_completed [C9] {
        tells_of_each!(|on| UnmetDependency { can_complete: on.can_complete || on.status == TaskStatus::Blocked, ..on });
    }

    what_is_abandoned_can_be_completed [C9] {
        tells_of_each!(|on| UnmetDependency { can_complete: on.can_complete || on.status == TaskStatus::Abandoned, ..on });
    }

    whether_a_dependency_can_be_completed_is_told_of_itself_alone [C9] {
        can_complete!(|on, _beside| !is_set_aside(on));
    }

    whether_a_dependency_can_be_completed_is_looked_for_one_step_away [C9] {
        can_complete!(|on, beside| !beside.is_stuck(on, 1, is_pending));
    }

    whether_a_dependency_can_be_completed_is_looked_for_ten_steps_away [C9] {
        can_complete!(|on, beside| !beside.is_stuck(on, 10, is_pending));
    }

    whether_a_dependency_can_be_completed_is_looked_for_100_steps_away [C9] {
        can_complete!(|on, beside| !beside.is_stuck(on, 100, is_pending));
    }

    what_a_completed_task_waited_for_is_looked_at [C9] {
        can_complete!(|on, beside| !beside.is_stuck(on, 20, |status| status != TaskStatus::InProgress));
    }

    what_a_task_in_progress_waited_for_is_looked_at [C9] {
        can_complete!(|on, beside| !beside.is_stuck(on, 20, |status| status != TaskStatus::Completed));
    }

    one_way_to_completion_is_enough [C9] {
        can_complete!(|on, beside| {
            let is_free = on.depends_on.is_empty() || beside.depends_on(on).any(|on| !beside.is_stuck(on, 20, is_pending));
            !is_set_aside(on) && is_free
        });
    }

    what_is_delayed_cannot_be_completed [C9] {
        can_complete!(|on, beside| !beside.is_stuck(on, 20, is_pending) && on.not_before.is_none());
    }

    what_is_exhausted_cannot_be_completed [C9] {
        can_complete!(|on, beside| !beside.is_stuck(on, 20, is_pending) && on.max_attempts != Some(on.attempt_count));
    }
}
