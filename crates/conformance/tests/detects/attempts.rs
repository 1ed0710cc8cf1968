//! Clause C8, as claims keep it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{Masks, block, bound_of, held, now, tasks_of, tell, would_block, would_claim};

/// Claims a task whose attempts are used up, as far as reads tell.
async fn give(
    masks: &Masks,
    inner: &MemoryStore,
    task: &Task,
    request: &ClaimRequest,
) -> Result<Option<Claim>> {
    let now = now(inner).await?;
    let fork = inner.fork()?;
    let claimed = Task {
        status: TaskStatus::InProgress,
        attempt_count: task.attempt_count + 1,
        worker: request.worker.clone(),
        lease_expires_at: request.lease.map(|lease| now.saturating_add(lease)),
        delayed_until: None,
        updated_at: fork.block_task(BlockTask::new(task.id)).await?.updated_at,
        ..task.clone()
    };
    masks.show(task, claimed.clone());
    Ok(Some(Claim { task: claimed }))
}

/// The tasks at their bound, in the order of claims.
async fn at_its_bound(
    inner: &MemoryStore,
    request: &ClaimRequest,
    is: fn(TaskStatus) -> bool,
) -> Result<Vec<Task>> {
    let mut tasks = tasks_of(inner, request.run_id).await?;
    tasks.retain(|task| {
        is(task.status) && rules::tasks::is_exhausted(task, bound_of(task, request))
    });
    tasks.sort_by_key(|task| Reverse(task.priority));
    Ok(tasks)
}

faults! {
    a_task_is_claimed_once_more_than_its_bound [C8] {
        fn view_task(&self, task: Task) -> Task {
            Task { max_attempts: task.max_attempts.map(|most| most - 1), ..task }
        }

        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            rules::input::Input::check(&plan)?;
            for draft in &mut plan.drafts {
                draft.max_attempts = draft.max_attempts.map(|most| most.saturating_add(1));
            }
            inner.append_tasks(plan).await
        }
    }

    a_task_is_claimed_once_less_than_its_bound [C8] (Mutex<HashMap<TaskId, u32>>) {
        fn view_task(&self, task: Task) -> Task {
            let bound = self.0.lock().unwrap().get(&task.id).copied();
            Task { max_attempts: bound.or(task.max_attempts), ..task }
        }

        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            rules::input::Input::check(&plan)?;
            let bounds: Vec<_> = plan.drafts.iter().map(|draft| draft.max_attempts).collect();
            for draft in &mut plan.drafts {
                draft.max_attempts = draft.max_attempts.map(|most| (most - 1).max(1));
            }
            let tasks = inner.append_tasks(plan).await?;
            let bounds = tasks.iter().zip(bounds).filter_map(|(task, bound)| Some((task.id, bound?)));
            self.0.lock().unwrap().extend(bounds);
            Ok(tasks)
        }
    }

    a_claims_bound_allows_one_more [C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            request.max_attempts = request.max_attempts.map(|most| most.saturating_add(1));
            inner.claim_next_task(request).await
        }
    }

    a_claims_bound_allows_one_less [C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            request.max_attempts = request.max_attempts.map(|most| (most - 1).max(1));
            inner.claim_next_task(request).await
        }
    }

    /// What a claim says comes before what was planned.
    a_claims_bound_comes_before_the_tasks [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            if let Some(most) = request.max_attempts {
                for task in would_block(inner, &request, 1).await? {
                    if task.max_attempts.is_some() && task.attempt_count < most {
                        return give(&self.0, inner, &task, &request).await;
                    }
                }
                for (task, _) in would_claim(inner, &request, 1).await? {
                    if task.attempt_count >= most {
                        block(inner, &task).await?;
                        tell(inner, &task, Some(most)).await?;
                    }
                }
            }
            inner.claim_next_task(request).await
        }
    }

    the_lower_of_two_bounds_holds [C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            if let Some(most) = request.max_attempts {
                for (task, _) in would_claim(inner, &request, 1).await? {
                    if task.attempt_count >= most {
                        block(inner, &task).await?;
                        tell(inner, &task, Some(most)).await?;
                    }
                }
            }
            inner.claim_next_task(request).await
        }
    }

    the_higher_of_two_bounds_holds [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for task in would_block(inner, &request, 1).await? {
                if task.max_attempts.is_some() && Some(task.attempt_count) < request.max_attempts {
                    return give(&self.0, inner, &task, &request).await;
                }
            }
            inner.claim_next_task(request).await
        }
    }

    a_claims_bound_becomes_the_tasks [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let bound = request.max_attempts;
            let claim = inner.claim_next_task(request).await?;
            if let Some(Claim { task }) = &claim {
                self.0.show(task, Task { max_attempts: task.max_attempts.or(bound), ..task.clone() });
            }
            Ok(claim)
        }
    }

    /// Unseen, until the task is released.
    a_claims_bound_binds_its_release [C8] (Mutex<HashMap<ClaimToken, u32>>) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let bound = request.max_attempts;
            let claim = inner.claim_next_task(request).await?;
            if let (Some(claim), Some(bound)) = (&claim, bound) {
                self.0.lock().unwrap().insert(claim.token(), bound);
            }
            Ok(claim)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let bound = self.0.lock().unwrap().get(&token).copied();
            let before = held(inner, token).await;
            let task = inner.finish_task(token, report).await?;
            match (before, bound) {
                (Some(before), Some(bound)) if task.status == TaskStatus::Pending && task.attempt_count >= bound => {
                    tell(inner, &before, Some(bound)).await?;
                    block(inner, &task).await
                }
                _ => Ok(task),
            }
        }
    }

    /// Unseen, until the task is requeued.
    a_claims_bound_binds_its_requeue [C8] (Mutex<HashMap<TaskId, u32>>) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let bound = request.max_attempts;
            let claim = inner.claim_next_task(request).await?;
            if let (Some(claim), Some(bound)) = (&claim, bound) {
                self.0.lock().unwrap().insert(claim.task.id, bound);
            }
            Ok(claim)
        }

        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let bound = self.0.lock().unwrap().get(&task_id).copied();
            let task = inner.requeue_task(task_id).await?;
            match bound {
                Some(bound) if task.attempt_count >= bound => block(inner, &task).await,
                _ => Ok(task),
            }
        }
    }

    /// Those that a worker recorded, of which one whose lease ran out recorded none.
    the_recorded_attempts_are_counted [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for task in would_block(inner, &request, 1).await? {
                let list = ListAttempts::new(task.run_id);
                let recorded = inner.list_attempts(list).await?.items;
                let recorded = recorded.iter().filter(|attempt| attempt.task_id == task.id).count();
                if bound_of(&task, &request).is_some_and(|most| recorded < most as usize) {
                    return give(&self.0, inner, &task, &request).await;
                }
            }
            inner.claim_next_task(request).await
        }
    }

    /// It is the same attempt, taken over.
    a_takeover_is_never_used_up [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for task in would_block(inner, &request, 1).await? {
                if task.status == TaskStatus::InProgress {
                    return give(&self.0, inner, &task, &request).await;
                }
            }
            inner.claim_next_task(request).await
        }
    }

    a_claim_that_finds_used_up_attempts_is_none [C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let found = would_block(inner, &request, 1).await?;
            for task in &found {
                block(inner, task).await?;
                tell(inner, task, bound_of(task, &request)).await?;
            }
            match found.is_empty() {
                true => inner.claim_next_task(request).await,
                false => Ok(None),
            }
        }
    }

    a_claim_that_finds_used_up_attempts_is_refused [C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            match would_block(inner, &request, 1).await?.first() {
                Some(task) => Err(Error::InvalidTransition { task_id: task.id, from: task.status, to: TaskStatus::InProgress }),
                None => inner.claim_next_task(request).await,
            }
        }
    }

    /// It is passed over, and stays as it is.
    what_is_used_up_is_not_blocked [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for task in would_block(inner, &request, 1).await? {
                let blocked = block(inner, &task).await?;
                self.0.show(&blocked, task);
            }
            inner.claim_next_task(request).await
        }
    }

    only_the_first_that_is_used_up_is_blocked [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for task in would_block(inner, &request, 1).await?.into_iter().skip(1) {
                let blocked = block(inner, &task).await?;
                self.0.show(&blocked, task);
            }
            inner.claim_next_task(request).await
        }
    }

    /// Where there is nothing to give, nothing is written.
    what_is_used_up_is_not_blocked_by_a_claim_that_gives_nothing [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            if would_claim(inner, &request, 1).await?.is_empty() {
                for task in would_block(inner, &request, 1).await? {
                    let blocked = block(inner, &task).await?;
                    self.0.show(&blocked, task);
                }
            }
            inner.claim_next_task(request).await
        }
    }

    /// Also what comes after the task that it gives.
    a_claim_blocks_all_that_is_used_up [C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let claim = inner.claim_next_task(request.clone()).await?;
            // What a claim of all would come to.
            for task in would_block(inner, &request, 1_000).await? {
                block(inner, &task).await?;
                tell(inner, &task, bound_of(&task, &request)).await?;
            }
            Ok(claim)
        }
    }

    /// Though somebody works at it.
    a_claim_blocks_what_is_held_in_its_last_attempt [C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let claim = inner.claim_next_task(request.clone()).await?;
            for task in at_its_bound(inner, &request, |status| status == TaskStatus::InProgress).await? {
                if claim.as_ref().is_none_or(|claim| claim.task.id != task.id) {
                    block(inner, &task).await?;
                    tell(inner, &task, bound_of(&task, &request)).await?;
                }
            }
            Ok(claim)
        }
    }

    /// Though it is not due yet.
    a_claim_blocks_what_is_delayed_at_its_bound [C8 C9] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let claim = inner.claim_next_task(request.clone()).await?;
            for task in at_its_bound(inner, &request, |status| status == TaskStatus::Pending).await? {
                if task.delayed_until.is_some() {
                    block(inner, &task).await?;
                    tell(inner, &task, bound_of(&task, &request)).await?;
                }
            }
            Ok(claim)
        }
    }

    /// Though it is completed already.
    a_claim_blocks_what_was_completed_at_its_bound [C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for task in at_its_bound(inner, &request, |status| status == TaskStatus::Completed).await.unwrap_or_default() {
                inner.requeue_task(task.id).await?;
            }
            inner.claim_next_task(request).await
        }
    }

    to_ask_why_blocks_what_is_used_up [C8] {
        async fn waiting_reason(&self, inner: &MemoryStore, task_id: TaskId) -> Result<WaitingReason> {
            let reason = inner.waiting_reason(task_id).await?;
            if reason == WaitingReason::Exhausted {
                inner.requeue_task(task_id).await?;
            }
            Ok(reason)
        }
    }

    /// The bound is a setting of the process.
    a_bound_is_forgotten_with_a_reopen [C8] (Mutex<bool>) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(Mutex::new(true)))
        }

        fn view_task(&self, task: Task) -> Task {
            match *self.0.lock().unwrap() {
                true => Task { max_attempts: None, ..task },
                false => task,
            }
        }
    }

    a_bound_is_not_planned_anew [G5 T1] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            rules::input::Input::check(&plan)?;
            for draft in &mut plan.drafts {
                draft.max_attempts = None;
            }
            inner.replace_pending_tasks(plan).await
        }
    }
}
