//! Clause T4: worker, lease and delay that outlive what they belong to.

use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{Masks, expired, held, releasing, tasks_of, would_claim};

faults! {
    a_delay_is_shown_after_the_claim [T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let before = would_claim(inner, &request, 1).await?;
            let claim = inner.claim_next_task(request).await?;
            if let (Some((before, _)), Some(Claim { task })) = (before.first(), &claim) {
                self.0.show(task, Task { delayed_until: before.delayed_until, ..task.clone() });
            }
            Ok(claim)
        }
    }

    a_delay_outlives_an_operators_completion [T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn complete_task(&self, inner: &MemoryStore, complete: CompleteTask) -> Result<Task> {
            let before = inner.get_task(complete.task_id).await.ok();
            let task = inner.complete_task(complete).await?;
            let delayed_until = before.and_then(|task| task.delayed_until);
            self.0.show(&task, Task { delayed_until, ..task.clone() });
            Ok(task)
        }
    }

    a_delay_outlives_a_new_plan [T4 T1] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let before = tasks_of(inner, Some(plan.run_id)).await.unwrap_or_default();
            let tasks = inner.replace_pending_tasks(plan).await?;
            for Task { id, delayed_until, .. } in before {
                let task = inner.get_task(id).await?;
                if delayed_until.is_some() && task.status == TaskStatus::Abandoned {
                    self.0.show(&task, Task { delayed_until, ..task.clone() });
                }
            }
            Ok(tasks)
        }
    }

    /// It comes back by a requeue, once it was settled.
    a_delay_comes_back_with_a_requeue [T4] (Mutex<Vec<(TaskId, Timestamp)>>, Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.1.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let task = inner.finish_task(token, report).await?;
            self.0.lock().unwrap().extend(task.delayed_until.map(|until| (task.id, until)));
            Ok(task)
        }

        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let task = inner.requeue_task(task_id).await?;
            let before = self.0.lock().unwrap().iter().find(|(id, _)| *id == task_id).map(|(_, until)| *until);
            self.1.show(&task, Task { delayed_until: before, ..task.clone() });
            Ok(task)
        }
    }

    a_release_keeps_the_worker [T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            releasing(&self.0, inner, token, report, |before, task| Task { worker: before.worker, ..task }).await
        }
    }

    a_release_keeps_the_lease [T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let kept = |before: Task, task| Task { lease_expires_at: before.lease_expires_at, ..task };
            releasing(&self.0, inner, token, report, kept).await
        }
    }

    a_settled_task_keeps_its_worker [T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let worker = held(inner, token).await.and_then(|task| task.worker);
            let task = inner.finish_task(token, report).await?;
            if task.status == TaskStatus::Completed && worker.is_some() {
                self.0.show(&task, Task { worker, ..task.clone() });
            }
            Ok(task)
        }
    }

    an_operator_leaves_the_lease [T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn block_task(&self, inner: &MemoryStore, block: BlockTask) -> Result<Task> {
            let before = inner.get_task(block.task_id).await.ok();
            let task = inner.block_task(block).await?;
            let lease_expires_at = before.and_then(|task| task.lease_expires_at);
            self.0.show(&task, Task { lease_expires_at, ..task.clone() });
            Ok(task)
        }
    }

    a_new_plan_leaves_workers_and_leases [T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let before = tasks_of(inner, Some(plan.run_id)).await.unwrap_or_default();
            let tasks = inner.replace_pending_tasks(plan).await?;
            for Task { id, worker, lease_expires_at, .. } in before {
                let task = inner.get_task(id).await?;
                if lease_expires_at.is_some() && task.status == TaskStatus::Abandoned {
                    self.0.show(&task, Task { worker, lease_expires_at, ..task.clone() });
                }
            }
            Ok(tasks)
        }
    }

    a_requeue_leaves_the_worker [T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let before = inner.get_task(task_id).await.ok();
            let task = inner.requeue_task(task_id).await?;
            self.0.show(&task, Task { worker: before.and_then(|task| task.worker), ..task.clone() });
            Ok(task)
        }
    }

    what_expired_keeps_the_worker [T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let expired = expired(inner, run_id).await.unwrap_or_default();
            let changes = inner.requeue_expired_tasks(run_id).await?;
            for before in expired {
                let task = inner.get_task(before.id).await?;
                self.0.show(&task, Task { worker: before.worker, ..task.clone() });
            }
            Ok(changes)
        }
    }

    what_expired_keeps_the_lease [T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let expired = expired(inner, run_id).await.unwrap_or_default();
            let changes = inner.requeue_expired_tasks(run_id).await?;
            for before in expired {
                let task = inner.get_task(before.id).await?;
                self.0.show(&task, Task { lease_expires_at: before.lease_expires_at, ..task.clone() });
            }
            Ok(changes)
        }
    }
}
