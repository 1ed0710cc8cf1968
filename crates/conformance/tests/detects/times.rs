//! Clause C9: tasks that are claimed before their time, or not from it on.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use runstore_core::rules::schedule::available_from;
use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::look::{Look, Turns};

fn millis(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(1_000)
}

/// Tasks to which something happened.
type Marked = Mutex<HashSet<TaskId>>;

/// Without the planned time, for what is wanted.
fn unplanned(task: &Task, wanted: bool) -> Option<Timestamp> {
    let not_before = task.not_before.filter(|_| !wanted);
    available_from(&Task {
        not_before,
        ..task.clone()
    })
}

faults! {
    a_time_comes_a_microsecond_early [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let early = |time: Timestamp| time.saturating_add_micros(-1);
            look.available(|task| available_from(task).map(early))
        }
    }

    a_time_comes_a_microsecond_late [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let late = |time: Timestamp| time.saturating_add_micros(1);
            look.available(|task| available_from(task).map(late))
        }
    }

    times_are_compared_in_milliseconds [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.by_priority(|task| {
                let from = available_from(task);
                look.is_released(task) && from.is_some_and(|from| millis(from) <= millis(look.now))
            })
        }
    }

    times_are_kept_in_whole_seconds [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let cut = |time: Timestamp| Timestamp::from_micros(time.as_micros() / 1_000_000 * 1_000_000).unwrap_or(time);
            look.available(|task| available_from(task).map(cut))
        }
    }

    /// A time of year 9999 is in the past then.
    times_are_counted_in_nanoseconds [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let nanos = |time: Timestamp| time.as_micros().wrapping_mul(1_000);
            look.by_priority(|task| {
                let from = available_from(task);
                look.is_released(task) && from.is_some_and(|from| nanos(from) <= nanos(look.now))
            })
        }
    }

    the_end_of_time_is_taken_for_none [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, task.not_before == Some(Timestamp::MAX)))
        }
    }

    the_planned_time_is_ignored [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, true))
        }
    }

    the_planned_time_is_ignored_in_a_batch [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, look.limit.is_some()))
        }
    }

    the_planned_time_is_ignored_by_claims_of_any_run [C9 C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, look.scope.is_none()))
        }
    }

    the_planned_time_is_ignored_after_a_reopen [C9] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(true.into()))
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, self.0.load(Ordering::SeqCst)))
        }
    }

    the_planned_time_is_ignored_once_it_was_claimed [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, task.attempt_count > 0))
        }
    }

    the_planned_time_is_ignored_after_a_requeue [C9] (Marked) {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            self.0.lock().unwrap().insert(task_id);
            inner.requeue_task(task_id).await
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, self.0.lock().unwrap().contains(&task.id)))
        }
    }

    the_planned_time_is_ignored_after_a_resume [C9] (Marked) {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let list = ListTasks::new(run_id).with_statuses([TaskStatus::InProgress]);
            let held = inner.list_tasks(list).await?.items;
            self.0.lock().unwrap().extend(held.iter().map(|task| task.id));
            inner.requeue_in_progress_tasks(run_id).await
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, self.0.lock().unwrap().contains(&task.id)))
        }
    }

    the_planned_time_is_ignored_after_a_requeue_of_what_expired [C9] (Marked) {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            for run in inner.list_runs(ListRuns::all()).await?.items {
                let list = ListTasks::new(run.id).with_statuses([TaskStatus::InProgress]);
                let held = inner.list_tasks(list).await?.items;
                self.0.lock().unwrap().extend(held.iter().map(|task| task.id));
            }
            inner.requeue_expired_tasks(run_id).await
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, self.0.lock().unwrap().contains(&task.id)))
        }
    }

    the_planned_time_is_ignored_after_a_release [C9] (Marked) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            self.0.lock().unwrap().insert(token.task_id);
            inner.finish_task(token, report).await
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, self.0.lock().unwrap().contains(&task.id)))
        }
    }

    the_planned_time_is_ignored_of_what_depends_on_another [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, !task.depends_on.is_empty()))
        }
    }

    the_sooner_of_both_times_is_enough [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| match (task.not_before, task.delayed_until) {
                (Some(planned), Some(delayed)) => Some(planned.min(delayed)),
                _ => available_from(task),
            })
        }
    }

    a_delay_takes_the_place_of_the_planned_time [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| unplanned(task, task.delayed_until.is_some()))
        }
    }

    the_planned_time_takes_the_place_of_a_delay [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| match task.status {
                TaskStatus::Pending => task.not_before.or(task.delayed_until),
                _ => available_from(task),
            })
        }
    }

    a_delay_is_ignored [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.available(|task| available_from(&Task { delayed_until: None, ..task.clone() }))
        }
    }

    a_delay_is_ignored_after_a_reopen [C9] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(true.into()))
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            let delayed_until = |task: &Task| task.delayed_until.filter(|_| !self.0.load(Ordering::SeqCst));
            look.available(|task| available_from(&Task { delayed_until: delayed_until(task), ..task.clone() }))
        }
    }

    /// What was found to be due once is due for ever, though the clock runs back.
    what_was_due_stays_due [C9] (Marked) {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let mut due = self.0.lock().unwrap();
            due.extend(look.tasks().iter().filter(|task| look.is_due(task)).map(|task| task.id));
            look.available(|task| available_from(task).filter(|_| !due.contains(&task.id)))
        }
    }

    /// What was due when it was planned is never looked at again.
    what_was_planned_in_the_past_is_due_for_ever [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let was_due = |task: &Task| task.not_before.is_some_and(|from| from <= task.created_at);
            look.available(|task| unplanned(task, was_due(task)))
        }
    }

    a_task_that_waits_for_its_time_holds_up_the_rest [C9 C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let is_open = |task: &Task| match task.status {
                TaskStatus::Pending => look.is_released(task),
                _ => look.is_ready(task),
            };
            let mut turns = look.by_priority(is_open)?;
            let ready = |id: &TaskId| look.find(*id).is_some_and(|task| look.is_ready(task));
            let ready = turns.iter().take_while(|id| ready(id)).count();
            turns.truncate(ready);
            Some(turns)
        }
    }

    a_task_with_a_time_is_never_claimed_again [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.by_priority(|task| look.is_ready(task) && (task.not_before.is_none() || task.attempt_count == 0))
        }
    }

    a_time_in_the_past_is_refused [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let before_1970 = |draft: &TaskDraft| draft.not_before.is_some_and(|from| from.as_micros() < 0);
            if plan.drafts.iter().any(before_1970) {
                return Err(Error::invalid_input("drafts", "has a time before 1970"));
            }
            inner.append_tasks(plan).await
        }
    }

    /// It goes with the next claim only.
    a_delay_is_kept_when_the_task_is_settled [C9 T4] (Mutex<HashMap<(TaskId, u32), Timestamp>>) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let task = inner.finish_task(token, report).await?;
            let delay = task.delayed_until.map(|until| ((task.id, task.attempt_count), until));
            self.0.lock().unwrap().extend(delay);
            Ok(task)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            let delays = self.0.lock().unwrap();
            look.available(|task| available_from(task).max(delays.get(&(task.id, task.attempt_count)).copied()))
        }
    }
}
