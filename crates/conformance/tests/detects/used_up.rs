//! Clause C8, where a claim came to a task whose attempts are used up: how it is left, and what is told.

use std::collections::HashMap;
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{Masks, block, bound_of, tell, would_block, would_claim};

/// Changes the payload of the events of attempts that are used up.
fn with_payload(
    mut event: Event,
    key: &str,
    change: impl FnOnce(serde_json::Value) -> serde_json::Value,
) -> Event {
    if event.kind == rules::events::MAX_ATTEMPTS
        && let Some(value) = event.payload.get_mut(key)
    {
        *value = change(value.take());
    }
    event
}

/// Makes the claim, and what it found used up is shown otherwise.
async fn finding(
    masks: &Masks,
    inner: &MemoryStore,
    request: ClaimRequest,
    shown: impl Fn(Task, Task) -> Task + Send,
) -> Result<Option<Claim>> {
    let found = would_block(inner, &request, 1).await?;
    let claim = inner.claim_next_task(request).await?;
    for before in found {
        let task = inner.get_task(before.id).await?;
        masks.show(&task, shown(before, task.clone()));
    }
    Ok(claim)
}

faults! {
    what_is_used_up_is_abandoned [C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for task in would_block(inner, &request, 1).await? {
                tell(inner, &task, bound_of(&task, &request)).await?;
                let mut abandon = AbandonTask::new(task.id).with_blocker_signature(rules::tasks::MAX_ATTEMPTS_SIGNATURE);
                abandon.summary = task.implementation_summary;
                inner.abandon_task(abandon).await?;
            }
            inner.claim_next_task(request).await
        }
    }

    what_is_used_up_has_no_signature [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            finding(&self.0, inner, request, |_, task| Task { blocker_signature: None, ..task }).await
        }
    }

    what_is_used_up_keeps_its_signature [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let kept = |before: Task, task: Task| Task { blocker_signature: before.blocker_signature.or(task.blocker_signature.clone()), ..task };
            finding(&self.0, inner, request, kept).await
        }
    }

    what_is_used_up_loses_its_summary [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            finding(&self.0, inner, request, |_, task| Task { implementation_summary: None, ..task }).await
        }
    }

    what_is_used_up_keeps_worker_and_lease [C8 T4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let kept = |before: Task, task| Task { worker: before.worker, lease_expires_at: before.lease_expires_at, ..task };
            finding(&self.0, inner, request, kept).await
        }
    }

    what_is_used_up_counts_one_more_attempt [C8] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            finding(&self.0, inner, request, |_, task| Task { attempt_count: task.attempt_count + 1, ..task }).await
        }
    }

    what_is_used_up_touches_the_run [R6] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for task in would_block(inner, &request, 1).await? {
                let run = inner.get_run(task.run_id).await?;
                inner.update_run(RunUpdate::new(run.id).with_status(run.status)).await?;
            }
            inner.claim_next_task(request).await
        }
    }

    /// All of them in the run of the task that is given.
    what_is_used_up_is_told_to_one_run [C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let found = would_block(inner, &request, 1).await?;
            let given = would_claim(inner, &request, 1).await?;
            for before in &found {
                let to = given.first().map_or(before.run_id, |(task, _)| task.run_id);
                let event = rules::events::max_attempts(before, before.status, bound_of(before, &request));
                block(inner, before).await?;
                inner.add_event(NewEvent::new(to, event)).await?;
            }
            inner.claim_next_task(request).await
        }
    }

    the_last_that_is_used_up_is_told_first [C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for task in would_block(inner, &request, 1).await?.iter().rev() {
                tell(inner, task, bound_of(task, &request)).await?;
                block(inner, task).await?;
            }
            inner.claim_next_task(request).await
        }
    }

    all_that_is_used_up_is_told_by_position [C8] {
        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let mut found = would_block(inner, &request, limit).await?;
            found.sort_by_key(|task| task.position);
            for task in found {
                tell(inner, &task, bound_of(&task, &request)).await?;
                block(inner, &task).await?;
            }
            inner.claim_tasks(request, limit).await
        }
    }

    what_is_used_up_is_told_as_blocked [C8] {
        fn view_event(&self, event: Event) -> Event {
            with_payload(event, "from", |_| "blocked".into())
        }
    }

    what_is_used_up_is_told_without_its_state [C8] {
        fn view_event(&self, event: Event) -> Event {
            with_payload(event, "from", |_| "in_progress".into())
        }
    }

    the_attempts_are_told_as_one_more [C8] {
        fn view_event(&self, event: Event) -> Event {
            with_payload(event, "attemptCount", |count| (count.as_u64().unwrap() + 1).into())
        }
    }

    /// For they are at the bound.
    the_bound_is_told_as_the_attempts [C8] {
        fn view_event(&self, event: Event) -> Event {
            let count = event.payload.get("attemptCount").cloned().unwrap_or_default();
            with_payload(event, "maxAttempts", |_| count)
        }
    }

    /// Only what is the task's own.
    a_claims_bound_is_not_told [C8] (Mutex<HashMap<String, Option<u32>>>) {
        fn view_event(&self, event: Event) -> Event {
            let id = event.payload.get("taskId").and_then(|id| id.as_str()).unwrap_or_default().to_owned();
            let bound = self.0.lock().unwrap().get(&id).copied();
            with_payload(event, "maxAttempts", |told| bound.map_or(told, |bound| bound.into()))
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for task in would_block(inner, &request, 1).await? {
                self.0.lock().unwrap().insert(task.id.to_string(), task.max_attempts);
            }
            inner.claim_next_task(request).await
        }
    }

    what_is_used_up_is_told_by_a_worker [C8] {
        fn view_event(&self, mut event: Event) -> Event {
            if event.kind == rules::events::MAX_ATTEMPTS {
                event.source = "worker".to_owned();
            }
            event
        }
    }
}
