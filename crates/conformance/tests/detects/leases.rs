//! Clause C7, as claims and reads keep it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::by_hand::{MICRO, Masks, expired, held, micros_to, now, stale, tasks_of, would_claim};
use crate::fault::shifted;

/// Leases that end so many microseconds later than they say.
fn moved(end: Option<Timestamp>, micros: i64) -> Option<Timestamp> {
    end.map(|end| end.saturating_add_micros(micros))
}

fn with_end(error: Error, moved: impl Fn(Option<Timestamp>) -> Option<Timestamp>) -> Error {
    match error {
        Error::StaleClaim {
            token,
            current: Some(standing),
        } => {
            let lease_expires_at = moved(standing.lease_expires_at);
            let current = Some(TaskStanding {
                lease_expires_at,
                ..standing
            });
            Error::StaleClaim { token, current }
        }
        other => other,
    }
}

fn longer(lease: Duration) -> Duration {
    (lease + MICRO).min(limits::MAX_DURATION)
}

fn for_longer(mut request: ClaimRequest) -> Result<ClaimRequest> {
    rules::input::Input::check(&request)?;
    request.lease = request.lease.map(longer);
    Ok(request)
}

fn shorter(lease: Duration) -> Duration {
    (lease - MICRO).max(MICRO)
}

fn for_shorter(mut request: ClaimRequest) -> Result<ClaimRequest> {
    rules::input::Input::check(&request)?;
    request.lease = request.lease.map(shorter);
    Ok(request)
}

faults! {
    /// Whoever looks, be it a claim, a heartbeat or a requeue.
    every_lease_ends_a_microsecond_late [C7] {
        fn view_task(&self, task: Task) -> Task {
            Task { lease_expires_at: moved(task.lease_expires_at, -1), ..task }
        }

        fn view_error(&self, error: Error) -> Error {
            with_end(error, |end| moved(end, -1))
        }

        fn view_reason(&self, reason: WaitingReason) -> WaitingReason {
            match reason {
                WaitingReason::InProgress { worker, lease_expires_at } => {
                    WaitingReason::InProgress { worker, lease_expires_at: moved(lease_expires_at, -1) }
                }
                other => other,
            }
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            inner.claim_next_task(for_longer(request)?).await
        }

        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            inner.claim_tasks(for_longer(request)?, limit).await
        }

        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Result<Option<Claim>> {
            inner.claim_or_wait(for_longer(request)?, timeout).await
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let end = inner.heartbeat(Heartbeat::new(beat.token, longer(beat.lease))).await?;
            Ok(moved(end, -1))
        }
    }

    every_lease_ends_a_microsecond_early [C7] {
        fn view_task(&self, task: Task) -> Task {
            Task { lease_expires_at: moved(task.lease_expires_at, 1), ..task }
        }

        fn view_error(&self, error: Error) -> Error {
            with_end(error, |end| moved(end, 1))
        }

        fn view_reason(&self, reason: WaitingReason) -> WaitingReason {
            match reason {
                WaitingReason::InProgress { worker, lease_expires_at } => {
                    WaitingReason::InProgress { worker, lease_expires_at: moved(lease_expires_at, 1) }
                }
                other => other,
            }
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            inner.claim_next_task(for_shorter(request)?).await
        }

        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            inner.claim_tasks(for_shorter(request)?, limit).await
        }

        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Result<Option<Claim>> {
            inner.claim_or_wait(for_shorter(request)?, timeout).await
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            rules::input::Input::check(&beat)?;
            let end = inner.heartbeat(Heartbeat::new(beat.token, shorter(beat.lease))).await?;
            Ok(moved(end, 1))
        }
    }

    a_lease_is_counted_in_milliseconds [C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            let millis = |lease: Duration| Duration::from_millis(lease.as_millis().max(1).try_into().unwrap());
            request.lease = request.lease.map(millis);
            inner.claim_next_task(request).await
        }
    }

    a_lease_is_rounded_up_to_a_microsecond [C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            let up = |lease: Duration| Duration::from_nanos_u128(lease.as_nanos().div_ceil(1_000) * 1_000);
            request.lease = request.lease.map(up);
            inner.claim_next_task(request).await
        }
    }

    /// As where it is kept as a count in 32 bits.
    a_lease_lasts_an_hour_at_most [C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            request.lease = request.lease.map(|lease| lease.min(Duration::from_secs(3_600)));
            inner.claim_next_task(request).await
        }
    }

    a_claim_without_a_lease_gets_one [C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            request.lease = request.lease.or(Some(Duration::from_secs(300)));
            inner.claim_next_task(request).await
        }
    }

    /// It shows none, but it ends after a year.
    a_claim_without_a_lease_ends_all_the_same [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            let unleased = request.lease.is_none();
            request.lease = request.lease.or(Some(limits::MAX_DURATION));
            let claim = inner.claim_next_task(request).await?;
            if let Some(Claim { task }) = claim.as_ref().filter(|_| unleased) {
                self.0.show(task, Task { lease_expires_at: None, ..task.clone() });
            }
            Ok(claim)
        }

        async fn waiting_reason(&self, inner: &MemoryStore, task_id: TaskId) -> Result<WaitingReason> {
            match (inner.waiting_reason(task_id).await?, self.0.seen(inner.get_task(task_id).await?)) {
                (WaitingReason::InProgress { worker, .. }, Task { lease_expires_at, .. }) => {
                    Ok(WaitingReason::InProgress { worker, lease_expires_at })
                }
                (reason, _) => Ok(reason),
            }
        }

        async fn heartbeat(&self, inner: &MemoryStore, beat: Heartbeat) -> Result<Option<Timestamp>> {
            match held(inner, beat.token).await {
                Some(task) if self.0.seen(task.clone()).lease_expires_at.is_none() => Ok(None),
                _ => inner.heartbeat(beat).await,
            }
        }
    }

    a_lease_is_counted_from_the_planning [C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            let now = now(inner).await?;
            if let Some((task, _)) = would_claim(inner, &request, 1).await?.first() {
                let age = now.saturating_since(task.created_at);
                request.lease = request.lease.map(|lease| lease.saturating_sub(age).max(MICRO));
            }
            inner.claim_next_task(request).await
        }
    }

    /// For the last change of a task that was released is older than its claim.
    a_lease_is_counted_from_the_change_before_the_claim [C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            let now = now(inner).await?;
            if let Some((task, _)) = would_claim(inner, &request, 1).await?.first() {
                let age = now.saturating_since(task.updated_at);
                request.lease = request.lease.map(|lease| lease.saturating_sub(age).max(MICRO));
            }
            inner.claim_next_task(request).await
        }
    }

    /// Who had to wait has less of the lease left.
    a_lease_is_counted_from_the_begin_of_the_wait [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Result<Option<Claim>> {
            let lease = request.lease;
            let begin = now(inner).await?;
            let claim = inner.claim_or_wait(request, timeout).await?;
            if let (Some(Claim { task }), Some(lease)) = (&claim, lease) {
                let lease_expires_at = Some(begin.saturating_add(lease));
                self.0.show(task, Task { lease_expires_at, ..task.clone() });
            }
            Ok(claim)
        }
    }

    who_had_to_wait_gets_no_lease [C7] {
        async fn claim_or_wait(&self, inner: &MemoryStore, mut request: ClaimRequest, timeout: Duration) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            if timeout.is_zero() || would_claim(inner, &request, 1).await?.len() == 1 {
                return inner.claim_or_wait(request, timeout).await;
            }
            request.lease = None;
            inner.claim_or_wait(request, timeout).await
        }
    }

    who_had_to_wait_is_not_named [C1] {
        async fn claim_or_wait(&self, inner: &MemoryStore, mut request: ClaimRequest, timeout: Duration) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            if timeout.is_zero() || would_claim(inner, &request, 1).await?.len() == 1 {
                return inner.claim_or_wait(request, timeout).await;
            }
            request.worker = None;
            inner.claim_or_wait(request, timeout).await
        }
    }

    who_had_to_wait_for_any_run_is_not_bound [C8] {
        async fn claim_or_wait(&self, inner: &MemoryStore, mut request: ClaimRequest, timeout: Duration) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            let is_waited_for = !timeout.is_zero() && would_claim(inner, &request, 1).await?.is_empty();
            if is_waited_for && request.run_id.is_none() {
                request.max_attempts = None;
            }
            inner.claim_or_wait(request, timeout).await
        }
    }

    only_the_first_of_a_batch_has_a_lease [C7] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let claims = inner.claim_tasks(request, limit).await?;
            for Claim { task } in claims.iter().skip(1) {
                self.0.show(task, Task { lease_expires_at: None, ..task.clone() });
            }
            Ok(claims)
        }
    }

    /// As where it is a timer of the process.
    a_lease_does_not_end_at_another_handle [C7] (Mutex<HashSet<ClaimToken>>) {
        fn second(_: &Arc<Self>) -> Arc<Self> {
            Arc::default()
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for (task, _) in would_claim(inner, &request, 1).await? {
                let token = Claim { task: task.clone() }.token();
                if task.lease_expires_at.is_some() && !self.0.lock().unwrap().contains(&token) {
                    return Ok(None);
                }
            }
            let claim = inner.claim_next_task(request).await?;
            self.0.lock().unwrap().extend(claim.as_ref().map(Claim::token));
            Ok(claim)
        }
    }

    a_lease_is_gone_after_a_reopen [C7] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(AtomicBool::new(true)))
        }

        fn view_task(&self, task: Task) -> Task {
            match self.0.load(Ordering::SeqCst) {
                true => Task { lease_expires_at: None, ..task },
                false => task,
            }
        }
    }

    /// It is shown, but the list of what ends is not read again.
    a_lease_does_not_end_after_a_reopen [C7] (Mutex<HashSet<ClaimToken>>) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::default()
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            for (task, _) in would_claim(inner, &request, 1).await? {
                let token = Claim { task: task.clone() }.token();
                if task.lease_expires_at.is_some() && !self.0.lock().unwrap().contains(&token) {
                    return Ok(None);
                }
            }
            let claim = inner.claim_next_task(request).await?;
            self.0.lock().unwrap().extend(claim.as_ref().map(Claim::token));
            Ok(claim)
        }

        async fn claim_tasks(&self, inner: &MemoryStore, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
            let claims = inner.claim_tasks(request, limit).await?;
            self.0.lock().unwrap().extend(claims.iter().map(Claim::token));
            Ok(claims)
        }
    }

    /// The time since the claim is taken for a number without a sign.
    a_clock_before_the_claim_ends_its_lease [C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            let now = now(inner).await?;
            let tasks = tasks_of(inner, request.run_id).await?;
            let before = tasks.into_iter().find(|task| task.lease_expires_at.is_some() && now < task.updated_at);
            match before.and_then(|task| task.lease_expires_at) {
                Some(end) => shifted(micros_to(end, now), inner.claim_next_task(request)).await,
                None => inner.claim_next_task(request).await,
            }
        }
    }

    /// A claim first puts all that ran out back, as a sweeper would, and tells nobody.
    a_claim_puts_back_all_that_ran_out [C4] (Masks) {
        fn view_task(&self, task: Task) -> Task {
            self.0.seen(task)
        }

        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let expired = expired(inner, request.run_id).await.unwrap_or_default();
            let claim = inner.claim_next_task(request).await?;
            for task in expired {
                let pending = Task { status: TaskStatus::Pending, worker: None, lease_expires_at: None, ..task.clone() };
                self.0.show(&task, pending);
            }
            Ok(claim)
        }

        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            match held(inner, token).await.map(|task| (self.0.seen(task.clone()), task)) {
                Some((seen, task)) if seen != task => stale(token, &seen),
                _ => inner.finish_task(token, report).await,
            }
        }
    }
}
