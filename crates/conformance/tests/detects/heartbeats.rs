//! Clause C7, as heartbeats keep it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{MICRO, Masks, held, micros_to, now, stale, tasks_of};

/// A lease as long as it is given, or as long as can be.
fn bounded(lease: Duration) -> Duration {
    lease.clamp(MICRO, limits::MAX_DURATION)
}

/// The heartbeat for another lease.
fn lasting(beat: Heartbeat, lease: Duration) -> Heartbeat {
    Heartbeat::new(beat.token, bounded(lease))
}

async fn is_refused(inner: &MemoryStore, beat: Heartbeat) -> Result<bool> {
    Ok(inner.fork()?.heartbeat(beat).await.is_err())
}

faults! {
    a_heartbeat_shortens_a_lease [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let end = inner.heartbeat(beat).await?;
            let now = now(inner).await?;
            let task = inner.get_task(beat.token.task_id).await?;
            let shorter = now.saturating_add(beat.lease);
            match end {
                Some(end) if shorter < end => {
                    self.0.show(&task, Task { lease_expires_at: Some(shorter), updated_at: now, ..task.clone() });
                    Ok(Some(shorter))
                }
                end => Ok(end),
            }
        }
    }

    /// What was asked for is not less than the lease of the claim, so it is written.
    a_heartbeat_shortens_a_lease_after_the_clock_ran_back [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let end = inner.heartbeat(beat).await?;
            let now = now(inner).await?;
            let task = inner.get_task(beat.token.task_id).await?;
            let shorter = now.saturating_add(beat.lease);
            match end {
                Some(end) if shorter < end && now < task.updated_at => {
                    self.0.show(&task, Task { lease_expires_at: Some(shorter), updated_at: now, ..task.clone() });
                    Ok(Some(shorter))
                }
                end => Ok(end),
            }
        }
    }

    a_heartbeat_gives_a_lease_to_a_claim_without [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let end = inner.heartbeat(beat).await?;
            let now = now(inner).await?;
            let task = inner.get_task(beat.token.task_id).await?;
            let given = Some(now.saturating_add(beat.lease));
            if end.is_some() {
                return Ok(end);
            }
            self.0.show(&task, Task { lease_expires_at: given, updated_at: now, ..task.clone() });
            Ok(given)
        }
    }

    a_heartbeat_of_a_claim_without_a_lease_says_when_it_would_end [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let end = inner.heartbeat(beat).await?;
            let now = now(inner).await?;
            Ok(end.or(Some(now.saturating_add(beat.lease))))
        }
    }

    a_heartbeat_of_a_claim_without_a_lease_changes_its_time [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let end = inner.heartbeat(beat).await?;
            let updated_at = now(inner).await?;
            let task = inner.get_task(beat.token.task_id).await?;
            if end.is_none() {
                self.0.show(&task, Task { updated_at, ..task.clone() });
            }
            Ok(end)
        }
    }

    a_heartbeat_of_a_claim_without_a_lease_is_invalid [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            match inner.heartbeat(beat).await? {
                None => Err(Error::invalid_input("token", "is of a claim without a lease")),
                end => Ok(end),
            }
        }
    }

    a_heartbeat_of_a_claim_without_a_lease_is_stale [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            match inner.heartbeat(beat).await? {
                None => stale(beat.token, &inner.get_task(beat.token.task_id).await?),
                end => Ok(end),
            }
        }
    }

    a_heartbeat_counts_from_the_old_end [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let now = now(inner).await?;
            let end = held(inner, beat.token).await.and_then(|task| task.lease_expires_at);
            let left = end.map_or(Duration::ZERO, |end| end.saturating_since(now));
            inner.heartbeat(lasting(beat, beat.lease + left)).await
        }
    }

    a_heartbeat_counts_from_the_last_change [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let now = now(inner).await?;
            let age = held(inner, beat.token).await.map_or(Duration::ZERO, |task| now.saturating_since(task.updated_at));
            inner.heartbeat(lasting(beat, beat.lease.saturating_sub(age))).await
        }
    }

    /// What the heartbeat names is ignored.
    a_heartbeat_lasts_as_long_as_the_claims_lease [C7] (Mutex<HashMap<ClaimToken, Duration>>) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let lease = request.lease;
            let claim = inner.claim_next_task(request).await?;
            if let (Some(claim), Some(lease)) = (&claim, lease) {
                self.0.lock().unwrap().insert(claim.token(), lease);
            }
            Ok(claim)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let lease = self.0.lock().unwrap().get(&beat.token).copied();
            inner.heartbeat(lasting(beat, lease.unwrap_or(beat.lease))).await
        }
    }

    a_heartbeat_lasts_at_least_as_long_as_the_claims_lease [C7] (Mutex<HashMap<ClaimToken, Duration>>) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let lease = request.lease;
            let claim = inner.claim_next_task(request).await?;
            if let (Some(claim), Some(lease)) = (&claim, lease) {
                self.0.lock().unwrap().insert(claim.token(), lease);
            }
            Ok(claim)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let lease = self.0.lock().unwrap().get(&beat.token).copied();
            inner.heartbeat(lasting(beat, beat.lease.max(lease.unwrap_or_default()))).await
        }
    }

    a_heartbeat_is_counted_in_milliseconds [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let millis = Duration::from_millis(beat.lease.as_millis().try_into().unwrap());
            inner.heartbeat(lasting(beat, millis)).await
        }
    }

    a_heartbeat_returns_what_was_asked_for [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let end = inner.heartbeat(beat).await?;
            let now = now(inner).await?;
            Ok(end.map(|_| now.saturating_add(beat.lease)))
        }
    }

    a_heartbeat_returns_the_end_from_before [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let before = held(inner, beat.token).await;
            inner.heartbeat(beat).await?;
            Ok(before.and_then(|task| task.lease_expires_at))
        }
    }

    a_heartbeat_that_moves_nothing_is_invalid [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let before = held(inner, beat.token).await.and_then(|task| task.lease_expires_at);
            let end = inner.heartbeat(beat).await?;
            match end.is_some() && end == before {
                true => Err(Error::invalid_input("lease", "ends no later than the claim's")),
                false => Ok(end),
            }
        }
    }

    a_heartbeat_leaves_the_time_of_the_last_change [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let before = held(inner, beat.token).await.map(|task| self.0.seen(task));
            let end = inner.heartbeat(beat).await?;
            let task = inner.get_task(beat.token.task_id).await?;
            if let Some(Task { updated_at, .. }) = before {
                self.0.show(&task, Task { updated_at, ..task.clone() });
            }
            Ok(end)
        }
    }

    a_heartbeat_writes_an_event [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let end = inner.heartbeat(beat).await?;
            let run_id = inner.get_task(beat.token.task_id).await?.run_id;
            inner.add_event(NewEvent::new(run_id, EventDraft::new("system", "heartbeat", ""))).await?;
            Ok(end)
        }
    }

    a_heartbeat_touches_the_run [C7 R6] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let end = inner.heartbeat(beat).await?;
            let run = inner.get_run(inner.get_task(beat.token.task_id).await?.run_id).await?;
            inner.update_run(RunUpdate::new(run.id).with_status(run.status)).await?;
            Ok(end)
        }
    }

    a_heartbeat_counts_as_an_attempt [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let end = inner.heartbeat(beat).await?;
            let task = inner.get_task(beat.token.task_id).await?;
            self.0.show(&task, Task { attempt_count: task.attempt_count + 1, ..task.clone() });
            Ok(end)
        }
    }

    a_heartbeat_forgets_the_worker [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let end = inner.heartbeat(beat).await?;
            let task = inner.get_task(beat.token.task_id).await?;
            self.0.show(&task, Task { worker: None, ..task.clone() });
            Ok(end)
        }
    }

    a_heartbeat_extends_all_tasks_of_the_worker [C7] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let end = inner.heartbeat(beat).await?;
            let of_claim = inner.get_task(beat.token.task_id).await?;
            for task in tasks_of(inner, Some(of_claim.run_id)).await? {
                if task.worker == of_claim.worker {
                    let token = Claim { task }.token();
                    let _ = inner.heartbeat(Heartbeat::new(token, beat.lease)).await;
                }
            }
            Ok(end)
        }
    }

    /// The record is written, the list of what ends is not.
    an_extended_lease_ends_for_claims_where_it_did [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let now = now(inner).await?;
            let until = Some(now.saturating_add(beat.lease));
            match held(inner, beat.token).await {
                Some(task) if task.lease_expires_at.is_some() && !is_refused(inner, beat).await? => {
                    let shown = self.0.seen(task.clone());
                    if until > shown.lease_expires_at {
                        self.0.show(&task, Task { lease_expires_at: until, updated_at: now, ..task.clone() });
                    }
                    Ok(until.max(shown.lease_expires_at))
                }
                _ => inner.heartbeat(beat).await,
            }
        }
    }

    an_extension_is_forgotten_with_a_reopen [C7] (Mutex<HashMap<TaskId, Task>>, AtomicBool) {
        fn reopened(this: &Arc<Self>) -> Arc<Self> {
            let before = this.0.lock().unwrap().clone();
            Arc::new(Self(Mutex::new(before), AtomicBool::new(true)))
        }

        fn view_task(&self, task: Task) -> Task {
            match self.0.lock().unwrap().get(&task.id) {
                Some(before) if self.1.load(Ordering::SeqCst) => before.clone(),
                _ => task,
            }
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            let before = held(inner, beat.token).await;
            let end = inner.heartbeat(beat).await?;
            self.0.lock().unwrap().extend(before.map(|task| (task.id, task)));
            Ok(end)
        }
    }

    /// The first of two clocks decides, the second is written.
    a_heartbeat_reads_the_clock_twice [G6] {
        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let first = now(inner).await?;
            let second = now(inner).await?;
            let later = micros_to(second, first).unsigned_abs();
            inner.heartbeat(lasting(beat, beat.lease + Duration::from_micros(later))).await
        }
    }
}
