//! Clause C1: claims in another order than by priority and then by position.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::look::{Look, Turns};

/// Numbers for tasks that rise with what happens to them.
#[derive(Default)]
pub(crate) struct Numbers(AtomicU64, Mutex<HashMap<TaskId, u64>>);

impl Numbers {
    /// Gives the tasks one number, higher than every one before.
    fn give(&self, tasks: impl IntoIterator<Item = TaskId>) {
        let number = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.1
            .lock()
            .unwrap()
            .extend(tasks.into_iter().map(|id| (id, number)));
    }

    fn of(&self, task: &Task) -> u64 {
        self.1
            .lock()
            .unwrap()
            .get(&task.id)
            .copied()
            .unwrap_or_default()
    }
}

faults! {
    the_lowest_priority_comes_first [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| task.priority)
        }
    }

    priority_is_ignored [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|_| ())
        }
    }

    position_comes_before_priority [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (task.position, Reverse(task.priority)))
        }
    }

    the_last_of_one_priority_comes_first [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (Reverse(task.priority), Reverse(task.position)))
        }
    }

    priority_is_without_sign [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| Reverse(task.priority as u32))
        }
    }

    the_sign_of_a_priority_is_dropped [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| Reverse(task.priority.unsigned_abs()))
        }
    }

    /// As an index that runs upwards may keep it; the lowest number has no negative.
    priority_is_kept_as_its_negative [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| task.priority.wrapping_neg())
        }
    }

    priority_is_a_byte [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| Reverse(task.priority as i8))
        }
    }

    priority_is_held_within_16_bits [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| Reverse(task.priority.clamp(i16::MIN.into(), i16::MAX.into())))
        }
    }

    priority_is_held_within_100 [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| Reverse(task.priority.clamp(-100, 100)))
        }
    }

    priority_is_a_number_of_single_precision [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| Reverse((task.priority as f32) as i64))
        }
    }

    priority_is_compared_as_text [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| Reverse(task.priority.to_string()))
        }
    }

    /// Written big end last, and compared by its bytes.
    priority_is_compared_byte_by_byte [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| Reverse(task.priority.to_be_bytes()))
        }
    }

    only_high_and_low_are_told_apart [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| Reverse(task.priority.signum()))
        }
    }

    what_has_a_negative_priority_is_not_claimed [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.by_priority(|task| look.is_ready(task) && task.priority >= 0)
        }
    }

    /// The first that is due or not is looked at, and no other.
    only_the_highest_priority_of_what_is_open_is_claimed [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let open = look.tasks().iter().filter(|task| task.status == TaskStatus::Pending);
            let highest = open.map(|task| task.priority).max();
            look.by_priority(|task| look.is_ready(task) && highest.is_none_or(|highest| task.priority >= highest))
        }
    }

    /// As a query that takes a page and throws out what cannot be claimed.
    a_claim_looks_at_100_open_tasks [C1 C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let is_open = |task: &Task| matches!(task.status, TaskStatus::Pending | TaskStatus::InProgress);
            let mut first = look.by_priority(is_open)?;
            first.truncate(100);
            first.retain(|id| look.find(*id).is_some_and(|task| look.is_ready(task)));
            Some(first)
        }
    }

    priority_is_ignored_after_a_reopen [C1] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(true.into()))
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            self.0.load(Ordering::SeqCst).then(|| look.ready_by(|_| ())).flatten()
        }
    }

    priority_is_ignored_at_a_second_handle [C1] (AtomicBool) {
        fn second(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(true.into()))
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            self.0.load(Ordering::SeqCst).then(|| look.ready_by(|_| ())).flatten()
        }
    }

    an_earlier_plan_comes_before_priority [C1] (Numbers) {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let tasks = inner.append_tasks(plan).await?;
            self.0.give(tasks.iter().map(|task| task.id));
            Ok(tasks)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (self.0.of(task), Reverse(task.priority)))
        }
    }

    an_earlier_time_of_planning_comes_before_position [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (Reverse(task.priority), task.created_at))
        }
    }

    what_changed_last_comes_last [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (Reverse(task.priority), task.updated_at))
        }
    }

    a_smaller_id_comes_before_position [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (Reverse(task.priority), task.id))
        }
    }

    what_is_due_sooner_comes_before_position [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (Reverse(task.priority), task.not_before))
        }
    }

    what_is_due_sooner_comes_before_priority [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (rules::schedule::available_from(task), Reverse(task.priority)))
        }
    }

    what_was_tried_least_comes_first [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (Reverse(task.priority), task.attempt_count))
        }
    }

    what_depends_on_nothing_comes_first [C1 C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (Reverse(task.priority), !task.depends_on.is_empty()))
        }
    }

    /// As a queue of its own for what ran out.
    what_ran_out_comes_before_what_is_pending [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (task.status == TaskStatus::Pending, Reverse(task.priority)))
        }
    }

    what_ran_out_comes_after_what_is_pending [C1] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (task.status == TaskStatus::InProgress, Reverse(task.priority)))
        }
    }

    a_requeued_task_comes_last_of_its_priority [C1] (Numbers) {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let task = inner.requeue_task(task_id).await?;
            self.0.give([task_id]);
            Ok(task)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (Reverse(task.priority), self.0.of(task)))
        }
    }

    a_released_task_comes_last_of_its_priority [C1] (Numbers) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let task = inner.finish_task(token, report).await?;
            self.0.give([token.task_id]);
            Ok(task)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (Reverse(task.priority), self.0.of(task)))
        }
    }

    a_resumed_task_comes_first [C1] (Numbers) {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let list = ListTasks::new(run_id).with_statuses([TaskStatus::InProgress]);
            let held = inner.list_tasks(list).await?.items;
            self.0.give(held.iter().map(|task| task.id));
            inner.requeue_in_progress_tasks(run_id).await
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.ready_by(|task| (Reverse(self.0.of(task)), Reverse(task.priority)))
        }
    }
}
