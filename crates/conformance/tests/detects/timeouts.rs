//! Clause C11: waits that end too soon, too late, or by another clock.

use std::time::Duration;

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::line::InLine;
use crate::waits::{EVER, Given, is_no_wait};

const MICRO: Duration = Duration::from_micros(1);

faults! {
    nothing_is_waited_for [C11] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if timeout > EVER { return inner.claim_or_wait(request, timeout).await; }
            inner.claim_next_task(request).await
        }
    }

    the_timeout_is_ignored [C11] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            inner.claim_or_wait(request, EVER).await
        }
    }

    the_timeout_of_nothing_is_ignored [C11] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            inner.claim_or_wait(request, if timeout.is_zero() { MICRO } else { timeout }).await
        }
    }

    the_timeout_ends_a_microsecond_early [C11] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if timeout > EVER { return inner.claim_or_wait(request, timeout).await; }
            inner.claim_or_wait(request, timeout.saturating_sub(MICRO)).await
        }
    }

    the_timeout_ends_a_microsecond_late [C11] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            inner.claim_or_wait(request, (timeout + MICRO).min(EVER)).await
        }
    }

    the_timeout_is_of_whole_milliseconds [C11] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            let millis = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            inner.claim_or_wait(request, Duration::from_millis(millis)).await
        }
    }

    /// 49 days are the most.
    the_timeout_is_of_32_bits_of_milliseconds [C11] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            inner.claim_or_wait(request, timeout.min(Duration::from_millis(u32::MAX.into()))).await
        }
    }

    the_timeout_is_of_the_systems_clock [C11] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            tokio::select! {
                claim = inner.claim_or_wait(request, EVER) => claim,
                () = SystemClock.sleep(timeout) => Ok(None),
            }
        }
    }

    the_timeout_begins_anew_with_each_write [C11] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            loop {
                tokio::select! {
                    biased;
                    claim = line.wait(inner, request.clone(), timeout) => return claim,
                    () = line.changed() => {}
                }
            }
        }
    }

    nothing_is_looked_for_when_the_time_is_over [C11] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            let over = line.clock().sleep(timeout);
            if let Some(claim) = inner.claim_next_task(request.clone()).await? { return Ok(Some(claim)); }
            tokio::select! {
                biased;
                () = over => Ok(None),
                claim = line.wait(inner, request, EVER) => claim,
            }
        }
    }

    /// Every minute of the store's clock, and nothing wakes in between.
    what_is_new_is_looked_for_once_a_minute [C11] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            let over = line.clock().now().saturating_add(timeout);
            loop {
                let claim = inner.claim_next_task(request.clone()).await?;
                if claim.is_some() || line.clock().now() >= over { return Ok(claim); }
                line.clock().sleep(Duration::from_secs(60)).await;
            }
        }
    }

    /// Whoever comes first to look gets the task.
    all_look_again_and_again [C11] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            let over = line.clock().now().saturating_add(timeout);
            loop {
                let claim = inner.claim_next_task(request.clone()).await?;
                if claim.is_some() || line.clock().now() >= over { return Ok(claim); }
                tokio::task::yield_now().await;
            }
        }
    }

    what_is_due_is_slept_for_by_the_systems_clock [C11] {
        fn has_a_line(&self) -> bool { true }

        async fn wait(&self, line: &InLine<'_>, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if is_no_wait(&request, timeout) { return inner.claim_or_wait(request, timeout).await; }
            let mut over = line.clock().sleep(timeout);
            loop {
                if let Some(claim) = inner.claim_next_task(request.clone()).await? { return Ok(Some(claim)); }
                tokio::select! {
                    () = line.changed() => {}
                    () = SystemClock.sleep(Duration::from_secs(3_600)) => {}
                    () = &mut over => return inner.claim_next_task(request).await,
                }
            }
        }
    }

    a_wait_may_be_longer_than_365_days [C11 G8] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            inner.claim_or_wait(request, timeout.min(EVER)).await
        }
    }

    a_wait_of_365_days_is_refused [C11 G8] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if timeout == EVER { return Err(Error::invalid_input("timeout", "is too long")); }
            inner.claim_or_wait(request, timeout).await
        }
    }

    a_wait_of_no_time_is_refused [C11 G8] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            if timeout.is_zero() { return Err(Error::invalid_input("timeout", "is zero")); }
            inner.claim_or_wait(request, timeout).await
        }
    }

    the_bound_of_a_wait_is_looked_at_where_nothing_is_claimable [C11 G8] {
        async fn claim_or_wait(&self, inner: &MemoryStore, request: ClaimRequest, timeout: Duration) -> Given {
            match inner.claim_next_task(request.clone()).await? {
                Some(claim) => Ok(Some(claim)),
                None => inner.claim_or_wait(request, timeout).await,
            }
        }
    }
}
