//! Clause C8, as a resume and a requeue of what expired keep it.

use std::collections::HashMap;
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{Masks, block, expired, is_used_up, now, pending, tasks_of, tell};

/// What a resume would find used up.
async fn held_at_the_bound(inner: &MemoryStore, run_id: RunId) -> Result<Vec<Task>> {
    let mut tasks = tasks_of(inner, Some(run_id)).await.unwrap_or_default();
    tasks.retain(|task| task.status == TaskStatus::InProgress && is_used_up(task));
    Ok(tasks)
}

/// What a requeue of what expired would find used up.
async fn expired_at_the_bound(inner: &MemoryStore, scope: Option<RunId>) -> Result<Vec<Task>> {
    let mut tasks = expired(inner, scope).await.unwrap_or_default();
    tasks.retain(is_used_up);
    Ok(tasks)
}

faults! {
    a_resume_does_not_look_at_the_bound [C8 T5] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let found = held_at_the_bound(inner, run_id).await?;
            let changes = inner.requeue_in_progress_tasks(run_id).await?;
            for before in &found {
                let task = inner.get_task(before.id).await?;
                self.0.show(&task, pending(before.clone(), task.updated_at));
            }
            Ok(changes + found.len() as u64)
        }
    }

    a_requeue_of_expired_does_not_look_at_the_bound [C8 T7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let found = expired_at_the_bound(inner, run_id).await?;
            let changes = inner.requeue_expired_tasks(run_id).await?;
            for before in &found {
                let task = inner.get_task(before.id).await?;
                self.0.show(&task, pending(before.clone(), task.updated_at));
            }
            Ok(changes + found.len() as u64)
        }
    }

    a_resume_counts_what_is_used_up [C8 T5] {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let found = held_at_the_bound(inner, run_id).await?.len() as u64;
            Ok(inner.requeue_in_progress_tasks(run_id).await? + found)
        }
    }

    a_resume_does_not_tell_what_is_used_up [C8 T5] {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            for task in held_at_the_bound(inner, run_id).await? {
                block(inner, &task).await?;
            }
            inner.requeue_in_progress_tasks(run_id).await
        }
    }

    a_resume_tells_what_is_used_up_last [C8 T5] {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let found = held_at_the_bound(inner, run_id).await?;
            for task in &found {
                block(inner, task).await?;
            }
            let changes = inner.requeue_in_progress_tasks(run_id).await?;
            for task in &found {
                tell(inner, task, task.max_attempts).await?;
            }
            Ok(changes)
        }
    }

    a_resume_that_blocks_all_tells_of_none [C8 T5] {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let found = held_at_the_bound(inner, run_id).await?;
            let changes = inner.requeue_in_progress_tasks(run_id).await?;
            if changes == 0 && !found.is_empty() {
                inner.add_event(NewEvent::new(run_id, rules::events::requeue_in_progress(0))).await?;
            }
            Ok(changes)
        }
    }

    a_resume_leaves_what_is_used_up [C8 T5] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            for task in held_at_the_bound(inner, run_id).await? {
                let blocked = block(inner, &task).await?;
                self.0.show(&blocked, task);
            }
            inner.requeue_in_progress_tasks(run_id).await
        }
    }

    a_resume_clears_the_summary_of_what_is_used_up [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let found = held_at_the_bound(inner, run_id).await?;
            let changes = inner.requeue_in_progress_tasks(run_id).await?;
            for Task { id, .. } in found {
                let task = inner.get_task(id).await?;
                self.0.show(&task, Task { implementation_summary: None, ..task.clone() });
            }
            Ok(changes)
        }
    }

    a_requeue_of_expired_counts_what_is_used_up [C8 T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let found = expired_at_the_bound(inner, run_id).await?.len() as u64;
            Ok(inner.requeue_expired_tasks(run_id).await? + found)
        }
    }

    /// The answer is right, the event is not.
    a_requeue_of_expired_tells_what_is_used_up_as_requeued [C8 T7] (Mutex<HashMap<RunId, u64>>) {
        fn view_event(&self, mut event: Event) -> Event {
            let more = self.0.lock().unwrap().get(&event.run_id).copied().unwrap_or_default();
            if event.kind == rules::events::REQUEUE_EXPIRED && let Some(changes) = event.payload.get_mut("changes") {
                *changes = (changes.as_u64().unwrap() + more).into();
            }
            event
        }

        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            for task in expired_at_the_bound(inner, run_id).await? {
                *self.0.lock().unwrap().entry(task.run_id).or_default() += 1;
            }
            inner.requeue_expired_tasks(run_id).await
        }
    }

    a_requeue_of_expired_does_not_tell_what_is_used_up [C8 T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            for task in expired_at_the_bound(inner, run_id).await? {
                block(inner, &task).await?;
            }
            inner.requeue_expired_tasks(run_id).await
        }
    }

    a_requeue_of_expired_tells_what_is_used_up_last [C8 T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let found = expired_at_the_bound(inner, run_id).await?;
            for task in &found {
                block(inner, task).await?;
            }
            let changes = inner.requeue_expired_tasks(run_id).await?;
            for task in &found {
                tell(inner, task, task.max_attempts).await?;
            }
            Ok(changes)
        }
    }

    a_requeue_of_expired_that_blocks_all_tells_of_none [C8 T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let found = expired_at_the_bound(inner, run_id).await?;
            let changes = inner.requeue_expired_tasks(run_id).await?;
            if let (0, Some(task)) = (changes, found.first()) {
                inner.add_event(NewEvent::new(task.run_id, rules::events::requeue_expired(0))).await?;
            }
            Ok(changes)
        }
    }

    /// It waits for a claim to find it.
    a_requeue_of_expired_leaves_what_is_used_up [C8 T7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            for task in expired_at_the_bound(inner, run_id).await? {
                let blocked = block(inner, &task).await?;
                self.0.show(&blocked, task);
            }
            inner.requeue_expired_tasks(run_id).await
        }
    }

    a_requeue_of_expired_reads_the_clock_again_for_what_is_used_up [C8 G6] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            now(inner).await?;
            for task in expired_at_the_bound(inner, run_id).await? {
                block(inner, &task).await?;
                tell(inner, &task, task.max_attempts).await?;
            }
            inner.requeue_expired_tasks(run_id).await
        }
    }
}
