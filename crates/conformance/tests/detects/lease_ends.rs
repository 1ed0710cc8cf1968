//! What becomes of a task when its lease ends, and when it would have ended (clauses C1, C7, C9 and T4).

use std::collections::HashMap;
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{has_run_out, micros_to, now, tasks_of};
use crate::fault::shifted;

/// Claims a task that nobody would give, as its operator would.
async fn take_again(
    inner: &MemoryStore,
    task_id: TaskId,
    request: ClaimRequest,
) -> Result<Option<Claim>> {
    inner.requeue_task(task_id).await?;
    inner.claim_next_task(request).await
}

/// When the leases of claims ended that were made before.
type Ends = Mutex<HashMap<TaskId, Timestamp>>;

/// A claim as a store makes it that forgot to take a task in this state out of the list of what ends.
async fn claim_with_ends(
    ends: &Ends,
    inner: &MemoryStore,
    request: ClaimRequest,
    status: TaskStatus,
) -> Result<Option<Claim>> {
    if let Some(claim) = inner.claim_next_task(request.clone()).await? {
        let end = claim.task.lease_expires_at;
        ends.lock()
            .unwrap()
            .extend(end.map(|end| (claim.task.id, end)));
        return Ok(Some(claim));
    }
    let now = now(inner).await?;
    for task in tasks_of(inner, request.run_id).await? {
        let end = ends.lock().unwrap().get(&task.id).copied();
        if task.status == status && end.is_some_and(|end| end <= now) {
            return take_again(inner, task.id, request).await;
        }
    }
    Ok(None)
}

faults! {
    /// A read shows what ran out as what it will be.
    what_ran_out_is_read_as_pending [C7] {
        async fn get_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let now = now(inner).await?;
            let task = inner.get_task(task_id).await?;
            Ok(match has_run_out(&task, now) {
                true => Task { status: TaskStatus::Pending, worker: None, lease_expires_at: None, ..task },
                false => task,
            })
        }
    }

    what_ran_out_is_not_listed_as_in_progress [C7] {
        async fn list_tasks(&self, inner: &MemoryStore, list: ListTasks) -> Result<Page<Task>> {
            let in_progress = list.statuses == [TaskStatus::InProgress];
            let mut page = inner.list_tasks(list).await?;
            if in_progress {
                let now = now(inner).await?;
                page.items.retain(|task| !has_run_out(task, now));
            }
            Ok(page)
        }
    }

    what_ran_out_is_missing_in_the_snapshot [C7] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            let now = now(inner).await?;
            snapshot.in_progress_tasks.retain(|task| !has_run_out(task, now));
            Ok(snapshot)
        }
    }

    what_was_completed_is_given_again_when_its_lease_would_end [C1 T4] (Ends) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            claim_with_ends(&self.0, inner, request, TaskStatus::Completed).await
        }
    }

    what_was_blocked_is_given_again_when_its_lease_would_end [C1 T4] (Ends) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            claim_with_ends(&self.0, inner, request, TaskStatus::Blocked).await
        }
    }

    what_was_abandoned_is_given_again_when_its_lease_would_end [C1 T4] (Ends) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            claim_with_ends(&self.0, inner, request, TaskStatus::Abandoned).await
        }
    }

    /// Released for longer than its lease had still to run.
    what_was_delayed_is_given_again_when_its_lease_would_end [C9 T4] (Ends) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let now = now(inner).await?;
            for task in tasks_of(inner, request.run_id).await.unwrap_or_default() {
                let end = self.0.lock().unwrap().get(&task.id).copied();
                if let Some(until) = task.delayed_until
                    && end.is_some_and(|end| end <= now)
                {
                    let later = micros_to(until, now).max(0);
                    return shifted(later, inner.claim_next_task(request)).await;
                }
            }
            claim_with_ends(&self.0, inner, request, TaskStatus::Completed).await
        }
    }

    /// The claim that came after a requeue has no lease, or a longer one.
    a_later_claim_ends_with_the_lease_of_an_earlier_one [C7] (Ends) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let earlier: HashMap<_, _> = self.0.lock().unwrap().clone();
            let claim = claim_with_ends(&self.0, inner, request.clone(), TaskStatus::InProgress).await?;
            // The first lease of each task stays in the list.
            self.0.lock().unwrap().extend(earlier);
            Ok(claim)
        }
    }
}
