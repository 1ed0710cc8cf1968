//! Clauses C1 to C5, where a claim takes over what ran out, and where its holder comes back.

use std::collections::HashSet;
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{
    Masks, expired, has_run_out, micros_to, now, revive, tasks_of, wait_for_others, would_claim,
};
use crate::fault::shifted;

/// The task that a claim would take over, as it stands.
async fn to_take_over(inner: &MemoryStore, request: &ClaimRequest) -> Result<Option<Task>> {
    let first = would_claim(inner, request, 1).await?.into_iter().next();
    Ok(first
        .map(|(task, _)| task)
        .filter(|task| task.lease_expires_at.is_some()))
}

/// Claims, and shows what was taken over otherwise.
async fn taking_over(
    masks: &Masks,
    inner: &MemoryStore,
    request: ClaimRequest,
    shown: impl FnOnce(Task, Task) -> Task + Send,
) -> Result<Option<Claim>> {
    let before = to_take_over(inner, &request).await?;
    let claim = inner.claim_next_task(request).await?;
    if let (Some(before), Some(Claim { task })) = (before, &claim) {
        masks.show(task, shown(before, task.clone()));
    }
    Ok(claim)
}

faults! {
    /// It is the same claim, held by another.
    a_takeover_is_no_new_attempt [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            taking_over(&self.0, inner, request, |before, task| Task { attempt_count: before.attempt_count, ..task }).await
        }
    }

    a_takeover_counts_from_the_first_attempt [C1 C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            taking_over(&self.0, inner, request, |_, task| Task { attempt_count: 1, ..task }).await
        }
    }

    /// One for the lease that ran out, and one for the claim.
    a_takeover_counts_two_attempts [C1 C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            taking_over(&self.0, inner, request, |_, task| Task { attempt_count: task.attempt_count + 1, ..task }).await
        }
    }

    a_takeover_by_nobody_keeps_the_workers_name [C1] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            taking_over(&self.0, inner, request, |before, task| Task { worker: task.worker.clone().or(before.worker), ..task }).await
        }
    }

    a_takeover_keeps_the_first_workers_name [C1] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            taking_over(&self.0, inner, request, |before, task| Task { worker: before.worker.or(task.worker.clone()), ..task }).await
        }
    }

    a_takeover_without_a_lease_keeps_the_old_end [C1 C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let ends = |before: Task, task: Task| Task { lease_expires_at: task.lease_expires_at.or(before.lease_expires_at), ..task };
            taking_over(&self.0, inner, request, ends).await
        }
    }

    /// Only what changed is written, and the state did not.
    a_takeover_keeps_the_time_of_the_last_change [C1] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            taking_over(&self.0, inner, request, |before, task| Task { updated_at: before.updated_at, ..task }).await
        }
    }

    a_takeover_loses_summary_and_signature [C1] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let bare = |_, task| Task { implementation_summary: None, blocker_signature: None, ..task };
            taking_over(&self.0, inner, request, bare).await
        }
    }

    a_takeover_writes_an_event [R6] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let before = to_take_over(inner, &request).await?;
            let claim = inner.claim_next_task(request).await?;
            if let Some(task) = before {
                inner.add_event(NewEvent::new(task.run_id, rules::events::requeue_expired(1))).await?;
            }
            Ok(claim)
        }
    }

    /// A record of the attempt that was lost.
    a_takeover_records_the_lost_attempt [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let before = to_take_over(inner, &request).await?;
            let claim = inner.claim_next_task(request).await?;
            if let Some(task) = before {
                let report = AttemptReport::new(AttemptStatus::Failed, "its lease ran out");
                inner.add_attempt(NewAttempt::new(task.id, task.attempt_count, report)).await?;
            }
            Ok(claim)
        }
    }

    /// What is pending comes before it, whatever its place.
    what_ran_out_comes_last [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let Some(before) = to_take_over(inner, &request).await? else {
                return inner.claim_next_task(request).await;
            };
            let expired = expired(inner, request.run_id).await?;
            let first = expired.iter().filter_map(|task| task.lease_expires_at).min();
            let back = micros_to(first.unwrap_or(before.updated_at), now(inner).await?) - 1;
            match shifted(back, would_claim(inner, &request, 1)).await?.is_empty() {
                true => inner.claim_next_task(request).await,
                false => shifted(back, inner.claim_next_task(request)).await,
            }
        }
    }

    /// What ran out comes before what is pending, whatever its place.
    what_ran_out_comes_first [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            let is_ended = to_take_over(inner, &request).await?.is_some();
            let expired = expired(inner, request.run_id).await?;
            if is_ended || expired.is_empty() {
                return inner.claim_next_task(request).await;
            }
            let claims = inner.claim_tasks(request, 1_000).await?;
            let mut taken = None;
            for claim in claims {
                match taken.is_none() && expired.iter().any(|task| task.id == claim.task.id) {
                    true => taken = Some(claim),
                    false => drop(inner.finish_task(claim.token(), FinishReport::released("")).await?),
                }
            }
            Ok(taken)
        }
    }

    /// Whoever lost it longest ago is served first.
    what_ran_out_comes_in_the_order_of_its_ends [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let Some(before) = to_take_over(inner, &request).await? else {
                return inner.claim_next_task(request).await;
            };
            let expired = expired(inner, request.run_id).await?;
            let first = expired.iter().filter_map(|task| task.lease_expires_at).min();
            match (first, before.lease_expires_at) {
                (Some(first), Some(end)) if first < end => {
                    let back = micros_to(end, now(inner).await?) - 1;
                    shifted(back, inner.claim_next_task(request)).await
                }
                _ => inner.claim_next_task(request).await,
            }
        }
    }

    /// A worker that asks again has lost the answer, and gets what it holds.
    a_worker_gets_again_what_it_holds [C1 C2] (Mutex<HashSet<ClaimToken>>) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            if let Some(worker) = &request.worker {
                for task in tasks_of(inner, request.run_id).await.unwrap_or_default() {
                    let claim = Claim { task };
                    // Once each, for some callers go on until there is none.
                    if claim.task.worker.as_ref() == Some(worker) && self.0.lock().unwrap().insert(claim.token()) {
                        return Ok(Some(claim));
                    }
                }
            }
            inner.claim_next_task(request).await
        }
    }

    /// As before, but once its lease has run out.
    a_worker_goes_on_with_what_it_lost [C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            if let (Some(task), Some(lease)) = (to_take_over(inner, &request).await?, request.lease)
                && task.worker == request.worker
            {
                revive(inner, &task, lease).await?;
                return Ok(Some(Claim { task: inner.get_task(task.id).await? }));
            }
            inner.claim_next_task(request).await
        }
    }

    /// A worker that let a lease run out is not given the same task again.
    a_worker_never_gets_again_what_it_lost [C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            match to_take_over(inner, &request).await? {
                Some(task) if task.worker.is_some() && task.worker == request.worker => Ok(None),
                _ => inner.claim_next_task(request).await,
            }
        }
    }

    /// Only who says its name can take over.
    nobody_takes_over_without_a_name [C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            match to_take_over(inner, &request).await? {
                Some(_) if request.worker.is_none() => Ok(None),
                _ => inner.claim_next_task(request).await,
            }
        }
    }

    nobody_takes_over_without_a_lease [C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            match to_take_over(inner, &request).await? {
                Some(_) if request.lease.is_none() => Ok(None),
                _ => inner.claim_next_task(request).await,
            }
        }
    }

    /// A lease keeps everybody away, also who needs no token.
    an_operator_cannot_complete_what_is_held [C6] {
        async fn complete_task(&self, inner: &MemoryStore, complete: CompleteTask) -> Result<Task> {
            let now = now(inner).await?;
            match inner.get_task(complete.task_id).await {
                Ok(task) if task.lease_expires_at.is_some() && !has_run_out(&task, now) => {
                    Err(Error::InvalidTransition { task_id: task.id, from: task.status, to: TaskStatus::Completed })
                }
                _ => inner.complete_task(complete).await,
            }
        }
    }

    an_operator_cannot_requeue_what_is_held [C6 T6] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let now = now(inner).await?;
            match inner.get_task(task_id).await {
                Ok(task) if task.lease_expires_at.is_some() && !has_run_out(&task, now) => {
                    Err(Error::InvalidTransition { task_id: task.id, from: task.status, to: TaskStatus::Pending })
                }
                _ => inner.requeue_task(task_id).await,
            }
        }
    }

    /// What ran out is read, then taken, whoever took it between.
    a_takeover_is_two_steps [C2] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let Some(before) = to_take_over(inner, &request).await? else {
                return inner.claim_next_task(request).await;
            };
            wait_for_others().await;
            let task = inner.get_task(before.id).await?;
            match task == before {
                true => inner.claim_next_task(request).await,
                false => Ok(Some(Claim { task })),
            }
        }
    }
}
