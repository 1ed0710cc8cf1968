//! Clause C11: waits that end with something else than they should.

use std::time::Duration;

use runstore_core::rules::input::Input;
use runstore_core::*;
use runstore_memory::MemoryStore;
use tokio::sync::{Semaphore, watch};

use crate::line::InLine;
use crate::look::Look;

/// What a wait ends with.
pub(crate) type Given = Result<Option<Claim>>;

/// The longest wait.
pub(crate) const EVER: Duration = limits::MAX_DURATION;

/// Whether the wait is only to be refused, or to look once.
pub(crate) fn is_no_wait(request: &ClaimRequest, timeout: Duration) -> bool {
    request.check().is_err() || timeout.is_zero() || timeout > EVER
}

/// Claims as the request says at once, and as the changed one says after a wait.
async fn else_later(
    inner: &MemoryStore,
    request: ClaimRequest,
    timeout: Duration,
    change: fn(&mut ClaimRequest),
) -> Given {
    if is_no_wait(&request, timeout) {
        return inner.claim_or_wait(request, timeout).await;
    }
    match inner.claim_next_task(request.clone()).await? {
        Some(claim) => Ok(Some(claim)),
        None => {
            let mut later = request;
            change(&mut later);
            inner.claim_or_wait(later, timeout).await
        }
    }
}

/// Holds the number of those who wait at once.
pub(crate) struct AtMost(Semaphore);

impl Default for AtMost {
    fn default() -> Self {
        Self(Semaphore::new(32))
    }
}

faults! {
    any_write_ends_the_wait [C11] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            tokio::select! {
                biased;
                claim = line.wait(inner, request.clone(), timeout) => claim,
                () = line.changed() => inner.claim_next_task(request).await,
            }
        }
    }

    /// The one that was woken lost a race, and says that there is nothing.
    who_is_overtaken_is_given_none [C11] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            let Some(run_id) = request.run_id.filter(|_| !is_no_wait(&request, timeout)) else {
                return line.wait(inner, request, timeout).await;
            };
            let held = async || -> Result<u32> {
                let tasks = inner.list_tasks(ListTasks::new(run_id)).await?.items;
                Ok(tasks.iter().map(|task| task.attempt_count).sum())
            };
            let before = held().await?;
            let overtaken = async {
                loop {
                    line.changed().await;
                    if held().await.is_ok_and(|held| held > before) { return; }
                }
            };
            tokio::select! {
                biased;
                claim = line.wait(inner, request, timeout) => claim,
                () = overtaken => Ok(None),
            }
        }
    }

    a_used_up_task_ends_the_wait [C11 C8] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            let Some(run_id) = request.run_id.filter(|_| !is_no_wait(&request, timeout)) else {
                return line.wait(inner, request, timeout).await;
            };
            let used_up = async {
                loop {
                    line.changed().await;
                    let events = inner.recent_events(run_id, 1).await.unwrap_or_default();
                    if events.iter().any(|event| event.kind == "max_attempts") { return; }
                }
            };
            tokio::select! {
                biased;
                claim = line.wait(inner, request, timeout) => claim,
                () = used_up => Ok(None),
            }
        }
    }

    /// A call that is dropped leaves its wait behind.
    who_dropped_the_call_is_given_a_task [C11 G4] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            let inner = inner.clone();
            tokio::spawn(async move { inner.claim_or_wait(request, timeout).await }).await.unwrap()
        }
    }

    one_waits_at_a_time [C11] (watch::Sender<u64>) {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            self.0.send_modify(|count| *count += 1);
            let mut another = self.0.subscribe();
            tokio::select! {
                biased;
                claim = inner.claim_or_wait(request, timeout) => claim,
                _ = another.changed() => Ok(None),
            }
        }
    }

    /// As a wait that holds a connection.
    at_most_32_wait_at_once [C11] (AtMost) {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            let _place = self.0.0.acquire().await.unwrap();
            inner.claim_or_wait(request, timeout).await
        }
    }

    a_deleted_run_ends_the_wait_with_none [C11 G7] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            let first = inner.claim_or_wait(request.clone(), Duration::ZERO).await?;
            if first.is_some() || timeout > EVER { return inner.claim_or_wait(request, timeout).await; }
            match inner.claim_or_wait(request, timeout).await {
                Err(Error::NotFound { .. }) => Ok(None),
                answer => answer,
            }
        }
    }

    a_deleted_run_ends_the_waits_for_any_run [C11] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if request.run_id.is_some() || is_no_wait(&request, timeout) { return line.wait(inner, request, timeout).await; }
            let runs = async || inner.list_runs(ListRuns::all()).await.map_or(0, |page| page.items.len());
            let before = runs().await;
            let deleted = async {
                while runs().await >= before { line.changed().await; }
            };
            tokio::select! {
                biased;
                claim = line.wait(inner, request, timeout) => claim,
                () = deleted => Err(Error::not_found(RecordKind::Run, Uuid::nil())),
            }
        }
    }

    a_close_ends_the_wait_with_none [C11 G10] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            match inner.claim_or_wait(request, timeout).await {
                Err(Error::Unavailable { .. }) => Ok(None),
                answer => answer,
            }
        }
    }

    /// Who waits may have claimed as the store was closed, or not.
    a_close_leaves_open_what_a_wait_did [C11 G10] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            match inner.claim_or_wait(request, timeout).await {
                Err(Error::Unavailable { what, source, .. }) => {
                    let outcome = Outcome::Unknown;
                    Err(Error::Unavailable { what, source, outcome })
                }
                answer => answer,
            }
        }
    }

    an_unknown_run_is_waited_for [C11 G7] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            request.check()?;
            if let Some(run_id) = request.run_id && inner.get_run(run_id).await.is_err() && timeout <= EVER {
                line.clock().sleep(timeout).await;
                return Ok(None);
            }
            line.wait(inner, request, timeout).await
        }
    }

    what_was_waited_for_has_no_worker [C11] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            else_later(inner, request, timeout, |later| later.worker = None).await
        }
    }

    what_was_waited_for_has_no_lease [C11 C7] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            else_later(inner, request, timeout, |later| later.lease = None).await
        }
    }

    what_was_waited_for_is_not_bounded [C11 C8] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            else_later(inner, request, timeout, |later| later.max_attempts = None).await
        }
    }

    what_was_waited_for_is_of_any_run [C11] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            else_later(inner, request, timeout, |later| later.run_id = None).await
        }
    }

    /// The lease runs from the call on, not from the claim.
    the_lease_of_what_was_waited_for_began_with_the_wait [C11 C7] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            let begun = line.clock().now();
            let mut claim = line.wait(inner, request.clone(), timeout).await?;
            if let (Some(Claim { task }), Some(lease)) = (&mut claim, request.lease) {
                task.lease_expires_at = Some(begun.saturating_add(lease));
            }
            Ok(claim)
        }
    }

    the_time_of_what_was_waited_for_is_that_of_the_call [C11] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            let begun = line.clock().now();
            let mut claim = line.wait(inner, request.clone(), timeout).await?;
            if let Some(Claim { task }) = &mut claim { task.updated_at = begun; }
            Ok(claim)
        }
    }

    a_wait_is_told_as_an_event [C11] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if let Some(run_id) = request.run_id.filter(|_| !is_no_wait(&request, timeout))
                && inner.fork()?.claim_next_task(request.clone()).await?.is_none()
            {
                inner.add_event(NewEvent::new(run_id, EventDraft::new("system", "waits", ""))).await?;
            }
            inner.claim_or_wait(request, timeout).await
        }
    }

    a_wait_takes_the_lowest_priority [C11 C1] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            let scope = request.run_id;
            let lowest = |tasks: &dyn Fn() -> Vec<Task>, now| {
                Look::new(scope, None, now, tasks).ready_by(|task| task.priority)
            };
            match inner.claim_out_of_turn(&request, 1, lowest)?.pop() {
                Some(claim) => Ok(Some(claim)),
                None => inner.claim_or_wait(request, timeout).await,
            }
        }
    }

    a_wait_looks_at_no_bound_of_its_claim [G8] {
        async fn claim_or_wait(&self, inner: &MemoryStore, mut request: ClaimRequest, timeout: Duration) -> Given {
            request.worker = request.worker.filter(|worker| worker.len() <= limits::MAX_WORD_BYTES);
            request.max_attempts = request.max_attempts.filter(|most| *most > 0);
            inner.claim_or_wait(request, timeout).await
        }
    }
}
