//! Clause C9: tasks that do not wait for what they depend on.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::look::{Look, Turns};

/// Tasks to which something happened.
pub(crate) type Marked = Mutex<HashSet<TaskId>>;

pub(crate) fn marked(marks: &Marked, id: TaskId) -> bool {
    marks.lock().unwrap().contains(&id)
}

pub(crate) fn mark(marks: &Marked, ids: impl IntoIterator<Item = TaskId>) {
    marks.lock().unwrap().extend(ids);
}

/// Whether the task waits for one of these.
pub(crate) fn unmet<'t>(look: &Look<'_>, on: impl IntoIterator<Item = &'t TaskId>) -> bool {
    on.into_iter().any(|id| !look.is_completed(*id))
}

fn in_state(look: &Look<'_>, id: TaskId, statuses: &[TaskStatus]) -> bool {
    look.find(id)
        .is_some_and(|task| statuses.contains(&task.status))
}

/// A fault in which steps towards completion count.
macro_rules! met_by {
    ($($status:ident)|+) => {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let met = [TaskStatus::Completed, $(TaskStatus::$status),+];
            look.unless_waiting(|task| task.depends_on.iter().any(|id| !in_state(look, *id, &met)))
        }
    };
}

faults! {
    dependencies_are_ignored [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|_| false)
        }
    }

    only_the_first_dependency_counts [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| unmet(look, task.depends_on.first()))
        }
    }

    only_the_last_dependency_counts [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| unmet(look, task.depends_on.last()))
        }
    }

    only_a_hundred_dependencies_count [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| unmet(look, task.depends_on.iter().take(100)))
        }
    }

    one_completed_dependency_is_enough [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let some = |task: &Task| task.depends_on.iter().any(|id| look.is_completed(*id));
            look.unless_waiting(|task| !task.depends_on.is_empty() && !some(task))
        }
    }

    an_abandoned_dependency_counts_as_done [C9] { met_by!(Abandoned); }

    a_blocked_dependency_counts_as_done [C9] { met_by!(Blocked); }

    a_dependency_in_progress_counts_as_done [C9] { met_by!(InProgress); }

    dependencies_are_ignored_in_a_batch [C9 C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| look.limit.is_none() && !look.is_released(task))
        }
    }

    dependencies_are_ignored_by_claims_of_any_run [C9 C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| look.scope.is_some() && !look.is_released(task))
        }
    }

    dependencies_are_ignored_after_a_reopen [C9] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(true.into()))
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| !self.0.load(Ordering::SeqCst) && !look.is_released(task))
        }
    }

    dependencies_are_ignored_at_a_second_handle [C9] (AtomicBool) {
        fn second(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(true.into()))
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| !self.0.load(Ordering::SeqCst) && !look.is_released(task))
        }
    }

    dependencies_on_stored_tasks_are_ignored [C9] (Marked) {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let tasks = inner.append_tasks(plan).await?;
            mark(&self.0, rules::plan::outside(&tasks));
            Ok(tasks)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| unmet(look, task.depends_on.iter().filter(|id| !marked(&self.0, **id))))
        }
    }

    dependencies_on_later_drafts_are_ignored [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let before = |id: TaskId, task: &Task| look.find(id).is_some_and(|on| on.position < task.position);
            look.unless_waiting(|task| unmet(look, task.depends_on.iter().filter(|id| before(**id, task))))
        }
    }

    dependencies_of_a_replacing_plan_are_ignored [C9] (Marked) {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let tasks = inner.replace_pending_tasks(plan).await?;
            mark(&self.0, tasks.iter().map(|task| task.id));
            Ok(tasks)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| !marked(&self.0, task.id) && !look.is_released(task))
        }
    }

    dependencies_are_ignored_once_the_task_was_claimed [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| task.attempt_count == 0 && !look.is_released(task))
        }
    }

    dependencies_are_ignored_by_a_takeover [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| task.status == TaskStatus::Pending && !look.is_released(task))
        }
    }

    dependencies_are_ignored_after_a_release [C9] (Marked) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            mark(&self.0, [token.task_id]);
            inner.finish_task(token, report).await
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| !marked(&self.0, task.id) && !look.is_released(task))
        }
    }

    dependencies_are_ignored_after_a_requeue [C9] (Marked) {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            mark(&self.0, [task_id]);
            inner.requeue_task(task_id).await
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| !marked(&self.0, task.id) && !look.is_released(task))
        }
    }

    dependencies_are_ignored_where_the_time_has_come [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| task.not_before.is_none() && !look.is_released(task))
        }
    }
}
