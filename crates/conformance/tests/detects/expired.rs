//! Clause T7, and T5 where leases are concerned.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{Masks, Others, expired, has_run_out, now, tasks_of, wait_for_others};
use crate::fault::shifted;

async fn write(inner: &MemoryStore, run_id: RunId, draft: EventDraft) -> Result<()> {
    inner.add_event(NewEvent::new(run_id, draft)).await?;
    Ok(())
}

/// The tasks in progress.
async fn in_progress(inner: &MemoryStore, scope: Option<RunId>) -> Result<Vec<Task>> {
    let mut tasks = tasks_of(inner, scope).await?;
    tasks.retain(|task| task.status == TaskStatus::InProgress);
    Ok(tasks)
}

/// Changes the number in the events of a requeue of what expired.
fn with_changes(mut event: Event, change: impl Fn(u64) -> u64) -> Event {
    if event.kind == rules::events::REQUEUE_EXPIRED
        && let Some(changes) = event.payload.get_mut("changes")
    {
        *changes = change(changes.as_u64().unwrap()).into();
    }
    event
}

faults! {
    what_ends_now_is_not_requeued [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let now = now(inner).await?;
            let expired = expired(inner, run_id).await.unwrap_or_default();
            let is_late = expired.iter().any(|task| task.lease_expires_at == Some(now));
            shifted(-i64::from(is_late), inner.requeue_expired_tasks(run_id)).await
        }
    }

    what_ends_now_is_not_requeued_of_all_runs [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let now = now(inner).await?;
            let expired = expired(inner, run_id).await.unwrap_or_default();
            let is_late = run_id.is_none() && expired.iter().any(|task| task.lease_expires_at == Some(now));
            shifted(-i64::from(is_late), inner.requeue_expired_tasks(run_id)).await
        }
    }

    what_ends_a_microsecond_later_is_requeued [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let next = shifted(1, now(inner)).await?;
            let expired = shifted(1, expired(inner, run_id)).await.unwrap_or_default();
            let is_early = expired.iter().any(|task| task.lease_expires_at == Some(next));
            shifted(i64::from(is_early), inner.requeue_expired_tasks(run_id)).await
        }
    }

    what_ends_a_microsecond_later_is_requeued_of_all_runs [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let next = shifted(1, now(inner)).await?;
            let expired = shifted(1, expired(inner, run_id)).await.unwrap_or_default();
            let is_early = run_id.is_none() && expired.iter().any(|task| task.lease_expires_at == Some(next));
            shifted(i64::from(is_early), inner.requeue_expired_tasks(run_id)).await
        }
    }

    what_ends_now_is_not_requeued_of_one_run [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let now = now(inner).await?;
            let expired = expired(inner, run_id).await.unwrap_or_default();
            let is_late = run_id.is_some() && expired.iter().any(|task| task.lease_expires_at == Some(now));
            shifted(-i64::from(is_late), inner.requeue_expired_tasks(run_id)).await
        }
    }

    what_ends_a_microsecond_later_is_requeued_of_one_run [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let next = shifted(1, now(inner)).await?;
            let expired = shifted(1, expired(inner, run_id)).await.unwrap_or_default();
            let is_early = run_id.is_some() && expired.iter().any(|task| task.lease_expires_at == Some(next));
            shifted(i64::from(is_early), inner.requeue_expired_tasks(run_id)).await
        }
    }

    /// What was once seen to have run out is requeued though the clock ran back.
    what_had_ended_is_requeued_when_the_clock_runs_back [T7] (Mutex<Option<Timestamp>>) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let now = now(inner).await?;
            {
                let mut latest = self.0.lock().unwrap();
                *latest = Some(latest.map_or(now, |latest| latest.max(now)));
            }
            inner.claim_next_task(request).await
        }

        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let now = now(inner).await?;
            let latest = self.0.lock().unwrap().unwrap_or(now);
            let tasks = tasks_of(inner, run_id).await.unwrap_or_default();
            let is_more = tasks.iter().any(|task| has_run_out(task, latest) && !has_run_out(task, now));
            let later = if is_more { latest.as_micros() - now.as_micros() } else { 0 };
            shifted(later, inner.requeue_expired_tasks(run_id)).await
        }
    }

    /// All that is in progress, as on a resume.
    what_has_time_left_is_requeued_too [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let ends = in_progress(inner, run_id).await.unwrap_or_default();
            let last = ends.iter().filter_map(|task| task.lease_expires_at).max();
            let left = match last {
                Some(last) => (last.as_micros() - now(inner).await?.as_micros()).max(0),
                None => 0,
            };
            shifted(left, inner.requeue_expired_tasks(run_id)).await
        }
    }

    what_has_no_lease_is_requeued_too [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let mut changes = inner.requeue_expired_tasks(run_id).await?;
            for task in in_progress(inner, run_id).await? {
                if task.lease_expires_at.is_none() {
                    inner.requeue_task(task.id).await?;
                    changes += 1;
                }
            }
            Ok(changes)
        }
    }

    /// The list of what can be claimed is taken for that of what expired.
    what_waits_for_another_is_not_requeued [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            for task in expired(inner, run_id).await.unwrap_or_default() {
                if matches!(inner.waiting_reason(task.id).await?, WaitingReason::Dependencies { .. }) {
                    return Ok(0);
                }
            }
            inner.requeue_expired_tasks(run_id).await
        }
    }

    of_one_run_all_are_requeued [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let changes = inner.requeue_expired_tasks(run_id).await?;
            inner.requeue_expired_tasks(None).await?;
            Ok(changes)
        }
    }

    of_all_runs_one_is_requeued [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            match expired(inner, run_id).await.unwrap_or_default().first() {
                Some(first) => inner.requeue_expired_tasks(Some(first.run_id)).await,
                None => inner.requeue_expired_tasks(run_id).await,
            }
        }
    }

    the_number_is_of_the_runs [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let mut runs: Vec<_> = expired(inner, run_id).await.unwrap_or_default().iter().map(|task| task.run_id).collect();
            runs.dedup();
            let changes = inner.requeue_expired_tasks(run_id).await?;
            Ok(changes.min(runs.len() as u64))
        }
    }

    an_unknown_run_has_none_to_requeue [G7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            match inner.requeue_expired_tasks(run_id).await {
                Err(Error::NotFound { .. }) => Ok(0),
                answer => answer,
            }
        }
    }

    a_requeue_of_nothing_writes_an_event [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let changes = inner.requeue_expired_tasks(run_id).await?;
            if let (0, Some(run_id)) = (changes, run_id) {
                write(inner, run_id, rules::events::requeue_expired(0)).await?;
            }
            Ok(changes)
        }
    }

    every_run_gets_an_event [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let expired = expired(inner, run_id).await.unwrap_or_default();
            let changes = inner.requeue_expired_tasks(run_id).await?;
            if run_id.is_none() && changes > 0 {
                for run in inner.list_runs(ListRuns::all()).await?.items {
                    if expired.iter().all(|task| task.run_id != run.id) {
                        write(inner, run.id, rules::events::requeue_expired(0)).await?;
                    }
                }
            }
            Ok(changes)
        }
    }

    /// The total, in each of the runs.
    an_event_tells_the_number_of_all_runs [T7] (Mutex<u64>) {
        fn view_event(&self, event: Event) -> Event {
            let total = *self.0.lock().unwrap();
            with_changes(event, |changes| changes.max(total))
        }

        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let changes = inner.requeue_expired_tasks(run_id).await?;
            *self.0.lock().unwrap() = changes;
            Ok(changes)
        }
    }

    an_event_tells_one_less [T7] {
        fn view_event(&self, event: Event) -> Event {
            with_changes(event, |changes| changes - 1)
        }
    }

    /// Each task by itself, as an operator would.
    each_task_gets_an_event [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let expired = expired(inner, run_id).await.unwrap_or_default();
            if expired.is_empty() {
                return inner.requeue_expired_tasks(run_id).await;
            }
            let mut changes = 0;
            for task in expired {
                let requeued = inner.requeue_task(task.id).await?;
                changes += u64::from(requeued.status == TaskStatus::Pending);
            }
            Ok(changes)
        }
    }

    it_is_told_as_a_resume [T7] {
        fn view_event(&self, mut event: Event) -> Event {
            if event.kind == rules::events::REQUEUE_EXPIRED {
                event.kind = rules::events::REQUEUE_IN_PROGRESS.to_owned();
            }
            event
        }
    }

    it_is_told_by_a_worker [T7] {
        fn view_event(&self, mut event: Event) -> Event {
            if event.kind == rules::events::REQUEUE_EXPIRED {
                event.source = "worker".to_owned();
            }
            event
        }
    }

    /// Run by run, and others see the half of it.
    it_is_a_change_a_run [T7] {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let expired = expired(inner, run_id).await.unwrap_or_default();
            let mut changes = inner.requeue_expired_tasks(expired.first().map(|task| task.run_id).or(run_id)).await?;
            for task in expired {
                wait_for_others().await;
                changes += inner.requeue_expired_tasks(Some(task.run_id)).await?;
            }
            Ok(changes)
        }
    }

    the_event_is_a_change_of_its_own [T7 G1] (AtomicBool, Others) {
        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            self.0.store(true, Ordering::SeqCst);
            let answer = inner.requeue_expired_tasks(run_id).await;
            self.1.let_one_come().await;
            self.0.store(false, Ordering::SeqCst);
            answer
        }

        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let is_unwritten = self.0.load(Ordering::SeqCst);
            let mut snapshot = inner.snapshot(request).await?;
            self.1.came();
            let is_last = |event: &mut Event| is_unwritten && event.kind == rules::events::REQUEUE_EXPIRED;
            if snapshot.recent_events.pop_if(is_last).is_some() {
                snapshot.counts.events -= 1;
            }
            Ok(snapshot)
        }
    }

    /// The attempt that ran out does not count.
    its_tasks_have_an_attempt_less [T7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let expired = expired(inner, run_id).await.unwrap_or_default();
            let changes = inner.requeue_expired_tasks(run_id).await?;
            for before in expired {
                let task = inner.get_task(before.id).await?;
                self.0.show(&task, Task { attempt_count: before.attempt_count - 1, ..task.clone() });
            }
            Ok(changes)
        }
    }

    its_tasks_lose_summary_and_signature [T7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let expired = expired(inner, run_id).await.unwrap_or_default();
            let changes = inner.requeue_expired_tasks(run_id).await?;
            for before in expired {
                let task = inner.get_task(before.id).await?;
                self.0.show(&task, Task { implementation_summary: None, blocker_signature: None, ..task.clone() });
            }
            Ok(changes)
        }
    }

    /// What was delayed is due at once.
    it_ends_the_delays_too [T7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_expired_tasks(&self, inner: &MemoryStore, run_id: Option<RunId>) -> Result<u64> {
            let changes = inner.requeue_expired_tasks(run_id).await?;
            for task in tasks_of(inner, run_id).await? {
                self.0.show(&task, Task { delayed_until: None, ..task.clone() });
            }
            Ok(changes)
        }
    }

    a_resume_leaves_what_has_time_left [T5] {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let now = now(inner).await?;
            let tasks = in_progress(inner, Some(run_id)).await.unwrap_or_default();
            match tasks.iter().any(|task| task.lease_expires_at.is_some() && !has_run_out(task, now)) {
                true => Ok(0),
                false => inner.requeue_in_progress_tasks(run_id).await,
            }
        }
    }

    /// For claims take over what ran out by themselves.
    a_resume_leaves_what_ran_out [T5] {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            match expired(inner, Some(run_id)).await.unwrap_or_default().is_empty() {
                true => inner.requeue_in_progress_tasks(run_id).await,
                false => Ok(0),
            }
        }
    }

    a_resume_ends_the_delays_too [T5] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let changes = inner.requeue_in_progress_tasks(run_id).await?;
            for task in tasks_of(inner, Some(run_id)).await? {
                self.0.show(&task, Task { delayed_until: None, ..task.clone() });
            }
            Ok(changes)
        }
    }
}
