//! Clauses T1 to T6.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;
use tokio::task::yield_now;

/// Writes the run's record, changing nothing but its time.
async fn touch_run(inner: &MemoryStore, run_id: RunId) -> Result<()> {
    let status = inner.get_run(run_id).await?.status;
    inner
        .update_run(RunUpdate::new(run_id).with_status(status))
        .await?;
    Ok(())
}

async fn tasks_in(inner: &MemoryStore, run_id: RunId, status: TaskStatus) -> Result<Vec<Task>> {
    let list = ListTasks::new(run_id).with_statuses([status]);
    Ok(inner.list_tasks(list).await?.items)
}

faults! {
    /// The forerunner's way: between any two rows others see the half of it.
    a_plan_is_replaced_row_by_row [T1] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            inner.fork()?.replace_pending_tasks(plan.clone()).await?;
            let run_id = plan.run_id;
            inner.replace_pending_tasks(TaskPlan::new(run_id, [])).await?;
            let mut tasks = Vec::new();
            for draft in plan.drafts {
                yield_now().await;
                tasks.extend(inner.append_tasks(TaskPlan::new(run_id, [draft])).await?);
            }
            Ok(tasks)
        }
    }

    blocked_tasks_are_replaced_too [T1] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let blocked = tasks_in(inner, plan.run_id, TaskStatus::Blocked).await?;
            let tasks = inner.replace_pending_tasks(plan).await?;
            for task in blocked {
                inner.abandon_task(AbandonTask::new(task.id)).await?;
            }
            Ok(tasks)
        }
    }

    tasks_in_progress_are_not_replaced [T1] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let held = tasks_in(inner, plan.run_id, TaskStatus::InProgress).await?;
            let tasks = inner.replace_pending_tasks(plan).await?;
            for task in held {
                inner.requeue_task(task.id).await?;
            }
            Ok(tasks)
        }
    }

    replaced_tasks_lose_their_data [T1] {
        fn view_task(&self, task: Task) -> Task {
            match task.status {
                TaskStatus::Abandoned => Task { objective: String::new(), ..task },
                _ => task,
            }
        }
    }

    tasks_of_a_plan_have_times_of_their_own [T1] {
        fn view_task(&self, task: Task) -> Task {
            let created_at = task.created_at.saturating_add_micros(task.position as i64);
            Task { created_at, ..task }
        }
    }

    a_replaced_task_keeps_its_time [T1] (Mutex<HashMap<TaskId, Timestamp>>) {
        fn view_task(&self, task: Task) -> Task {
            match self.0.lock().unwrap().get(&task.id) {
                Some(before) if task.status == TaskStatus::Abandoned => Task { updated_at: *before, ..task },
                _ => task,
            }
        }

        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let pending = tasks_in(inner, plan.run_id, TaskStatus::Pending).await.unwrap_or_default();
            let tasks = inner.replace_pending_tasks(plan).await?;
            self.0.lock().unwrap().extend(pending.into_iter().map(|task| (task.id, task.updated_at)));
            Ok(tasks)
        }
    }

    a_plan_without_tasks_is_refused [T1] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            if plan.drafts.is_empty() {
                return Err(Error::invalid_input("drafts", "must not be empty"));
            }
            inner.replace_pending_tasks(plan).await
        }
    }

    /// The places of abandoned tasks are given again.
    positions_are_reused [T1] (Mutex<HashMap<RunId, u64>>) {
        fn view_task(&self, task: Task) -> Task {
            let gone = self.0.lock().unwrap().get(&task.run_id).copied().unwrap_or_default();
            let position = if task.position > gone { task.position - gone } else { task.position };
            Task { position, ..task }
        }

        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let run_id = plan.run_id;
            let tasks = inner.list_tasks(ListTasks::new(run_id)).await.map(|page| page.items);
            let new = inner.replace_pending_tasks(plan).await?;
            self.0.lock().unwrap().insert(run_id, tasks?.len() as u64);
            Ok(new)
        }
    }

    replacing_touches_the_run [R6] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let run_id = plan.run_id;
            let tasks = inner.replace_pending_tasks(plan).await?;
            touch_run(inner, run_id).await?;
            Ok(tasks)
        }
    }

    appending_replaces [T2] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            inner.replace_pending_tasks(plan).await
        }
    }

    drafts_are_appended_backwards [T2] {
        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            rules::input::Input::check(&plan)?;
            plan.drafts.reverse();
            inner.append_tasks(plan).await
        }
    }

    appending_writes_an_event [T2] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let run_id = plan.run_id;
            let tasks = inner.append_tasks(plan).await?;
            inner.add_event(NewEvent::new(run_id, EventDraft::new("system", "appended", ""))).await?;
            Ok(tasks)
        }
    }

    a_list_knows_one_state_only [T3] {
        async fn list_tasks(&self, inner: &MemoryStore, mut list: ListTasks) -> Result<Page<Task>> {
            list.statuses.truncate(1);
            inner.list_tasks(list).await
        }
    }

    the_states_of_a_list_are_ignored [T3] {
        async fn list_tasks(&self, inner: &MemoryStore, mut list: ListTasks) -> Result<Page<Task>> {
            list.statuses.clear();
            inner.list_tasks(list).await
        }
    }

    tasks_are_listed_by_state [T3] {
        async fn list_tasks(&self, inner: &MemoryStore, list: ListTasks) -> Result<Page<Task>> {
            let mut page = inner.list_tasks(list).await?;
            page.items.sort_by_key(|task| task.status);
            Ok(page)
        }
    }

    the_cursor_of_tasks_is_inclusive [T3] {
        async fn list_tasks(&self, inner: &MemoryStore, mut list: ListTasks) -> Result<Page<Task>> {
            list.page.after = list.page.after.map(|cursor| Cursor::new(cursor.number().saturating_sub(1)));
            inner.list_tasks(list).await
        }
    }

    a_page_of_tasks_has_one_less [T3] {
        async fn list_tasks(&self, inner: &MemoryStore, mut list: ListTasks) -> Result<Page<Task>> {
            rules::input::Input::check(&list)?;
            list.page.limit = list.page.limit.map(|limit| (limit - 1).max(1));
            inner.list_tasks(list).await
        }
    }

    /// A page that ends with the list names a next one.
    the_last_page_names_another [T3] {
        async fn list_tasks(&self, inner: &MemoryStore, list: ListTasks) -> Result<Page<Task>> {
            let limit = list.page.limit;
            let mut page = inner.list_tasks(list).await?;
            if Some(page.items.len()) == limit.map(|limit| limit as usize) {
                page.next = page.items.last().map(|task| Cursor::new(task.position));
            }
            Ok(page)
        }
    }

    what_is_completed_is_settled_again [T4] {
        async fn block_task(&self, inner: &MemoryStore, block: BlockTask) -> Result<Task> {
            if inner.get_task(block.task_id).await?.status == TaskStatus::Completed {
                inner.requeue_task(block.task_id).await?;
            }
            inner.block_task(block).await
        }
    }

    what_is_pending_cannot_be_settled [T4] {
        async fn abandon_task(&self, inner: &MemoryStore, abandon: AbandonTask) -> Result<Task> {
            rules::input::Input::check(&abandon)?;
            let task = inner.get_task(abandon.task_id).await?;
            if task.status == TaskStatus::Pending {
                return Err(Error::InvalidTransition { task_id: task.id, from: task.status, to: TaskStatus::Abandoned });
            }
            inner.abandon_task(abandon).await
        }
    }

    the_states_of_a_refusal_are_swapped [T4] {
        async fn complete_task(&self, inner: &MemoryStore, complete: CompleteTask) -> Result<Task> {
            match inner.complete_task(complete).await {
                Err(Error::InvalidTransition { task_id, from, to }) => {
                    Err(Error::InvalidTransition { task_id, from: to, to: from })
                }
                answer => answer,
            }
        }
    }

    completing_keeps_the_signature [T4] (Mutex<HashMap<TaskId, String>>) {
        fn view_task(&self, task: Task) -> Task {
            let mut signatures = self.0.lock().unwrap();
            match task.blocker_signature.clone() {
                Some(signature) => {
                    signatures.insert(task.id, signature);
                    task
                }
                None if task.status == TaskStatus::Completed => {
                    let blocker_signature = signatures.get(&task.id).cloned();
                    Task { blocker_signature, ..task }
                }
                None => task,
            }
        }
    }

    blocking_drops_the_signature [T4] {
        async fn block_task(&self, inner: &MemoryStore, mut block: BlockTask) -> Result<Task> {
            rules::input::Input::check(&block)?;
            block.blocker_signature = None;
            inner.block_task(block).await
        }
    }

    blocking_keeps_a_summary_that_is_unset [T4] {
        async fn block_task(&self, inner: &MemoryStore, mut block: BlockTask) -> Result<Task> {
            rules::input::Input::check(&block)?;
            let task = inner.get_task(block.task_id).await?;
            block.summary = block.summary.or(task.implementation_summary);
            inner.block_task(block).await
        }
    }

    settling_touches_the_run [R6] {
        async fn complete_task(&self, inner: &MemoryStore, complete: CompleteTask) -> Result<Task> {
            let task = inner.complete_task(complete).await?;
            touch_run(inner, task.run_id).await?;
            Ok(task)
        }
    }

    a_refused_step_touches_the_run [T4] {
        async fn complete_task(&self, inner: &MemoryStore, complete: CompleteTask) -> Result<Task> {
            let task_id = complete.task_id;
            let answer = inner.complete_task(complete).await;
            if let Err(Error::InvalidTransition { .. }) = answer {
                touch_run(inner, inner.get_task(task_id).await?.run_id).await?;
            }
            answer
        }
    }

    requeueing_resets_the_attempts [T5 T6] {
        fn view_task(&self, task: Task) -> Task {
            match task.status {
                TaskStatus::Pending => Task { attempt_count: 0, ..task },
                _ => task,
            }
        }
    }

    requeued_tasks_come_last [T5 T6] (Mutex<HashSet<TaskId>>) {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let task = inner.requeue_task(task_id).await?;
            self.0.lock().unwrap().insert(task_id);
            Ok(task)
        }

        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let held = tasks_in(inner, run_id, TaskStatus::InProgress).await?;
            self.0.lock().unwrap().extend(held.into_iter().map(|task| task.id));
            inner.requeue_in_progress_tasks(run_id).await
        }

        async fn list_tasks(&self, inner: &MemoryStore, list: ListTasks) -> Result<Page<Task>> {
            let mut page = inner.list_tasks(list).await?;
            let requeued = self.0.lock().unwrap();
            page.items.sort_by_key(|task| requeued.contains(&task.id));
            Ok(page)
        }
    }

    a_resume_without_changes_writes_an_event [T5] {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let changes = inner.requeue_in_progress_tasks(run_id).await?;
            if changes == 0 {
                inner.add_event(NewEvent::new(run_id, rules::events::requeue_in_progress(0))).await?;
            }
            Ok(changes)
        }
    }

    a_resume_requeues_blocked_tasks_too [T5] {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let blocked = tasks_in(inner, run_id, TaskStatus::Blocked).await?;
            for task in blocked {
                inner.requeue_task(task.id).await?;
            }
            inner.requeue_in_progress_tasks(run_id).await
        }
    }

    a_resume_requeues_every_run [T5] {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let changes = inner.requeue_in_progress_tasks(run_id).await?;
            for run in inner.list_runs(ListRuns::all()).await?.items {
                inner.requeue_in_progress_tasks(run.id).await?;
            }
            Ok(changes)
        }
    }

    /// Between two of the tasks others see the half of it, and each writes an event of its own.
    a_resume_is_task_by_task [T5] {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let held = tasks_in(inner, run_id, TaskStatus::InProgress).await?;
            let changes = held.len() as u64;
            for task in held {
                inner.requeue_task(task.id).await?;
                yield_now().await;
            }
            Ok(changes)
        }
    }

    the_event_of_a_requeue_names_the_new_state [T6] {
        fn view_event(&self, mut event: Event) -> Event {
            if event.kind == "requeue_task" && let Some(from) = event.payload.get_mut("from") {
                *from = "pending".into();
            }
            event
        }
    }

    requeueing_clears_the_summary [T6] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let task = inner.get_task(task_id).await?;
            if matches!(task.status, TaskStatus::Blocked) {
                inner.block_task(BlockTask::new(task_id)).await?;
            }
            inner.requeue_task(task_id).await
        }
    }

    requeueing_what_is_pending_is_fine [T6] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            match inner.requeue_task(task_id).await {
                Err(Error::InvalidTransition { .. }) => inner.get_task(task_id).await,
                answer => answer,
            }
        }
    }
}
