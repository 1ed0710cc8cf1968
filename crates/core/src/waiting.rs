//! Waiting for a claim (clause C11): who waits, who is woken by what, and the loop that a waiting call
//! runs. It is the same for every backend.
//!
//! - A task that becomes claimable wakes as many waiters as there are such tasks, the longest waiting
//!   first, and no other.
//! - The first waiter of each scope (a run, or any run) leads: it alone sleeps until the next task of the
//!   scope becomes due, and looks for what other processes wrote. When it leaves, it wakes the next one.
//! - A waiter that was woken for a task and leaves without having looked, or with a task of another run,
//!   wakes another in its place, so that no wake-up is lost.

mod hub;

use std::future::pending;
use std::time::Duration;

use async_trait::async_trait;

pub use self::hub::{RunWake, WakeHub, Wakes};
use crate::{Claim, ClaimRequest, Clock, Result, RunId, Timestamp};

/// After how long the leader looks again, however late the next task becomes due.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// What a store lends to [`claim_or_wait`].
#[async_trait]
pub trait WaitSource: Sync {
    /// Claims, as [`Store::claim_next_task`](crate::Store::claim_next_task) does.
    async fn claim(&self, request: ClaimRequest) -> Result<Option<Claim>>;

    /// The earliest time at which a task of the scope, a run or any, becomes claimable by the passing of
    /// time alone; `None` if none does. A time that has come already is given too.
    async fn next_due(&self, scope: Option<RunId>) -> Result<Option<Timestamp>>;

    /// Is over when others than this process may have written to the store. Never, for a store that no
    /// other process can write to.
    async fn changed_elsewhere(&self);
}

/// Claims a task, waiting for one at most this long by the clock (clause C11).
///
/// # Errors
/// Those of the claim.
pub async fn claim_or_wait(
    source: &(impl WaitSource + ?Sized),
    hub: &WakeHub,
    clock: &dyn Clock,
    request: ClaimRequest,
    timeout: Duration,
) -> Result<Option<Claim>> {
    // Counted from the call, not from the end of the first look.
    let mut timeout_over = clock.sleep(timeout);
    if timeout.is_zero() {
        return source.claim(request).await;
    }
    // Before the first look, so that the line has the order in which the calls began.
    let scope = request.run_id;
    let mut place = hub.enter(scope);
    let mut looks = true;
    loop {
        if looks {
            // From here on a wake-up is for the look after this one.
            place.begin_look();
            let claim = source.claim(request.clone()).await?;
            place.end_look(claim.as_ref());
            if claim.is_some() {
                return Ok(claim);
            }
        }
        looks = true;
        let due = match place.leads() {
            true => source.next_due(scope).await?,
            false => None,
        };
        let leads = place.arm(due);
        let until_due = async {
            match due {
                // A clock that is set forward ends no sleep: it is looked at now and then.
                Some(due) => {
                    let left = due.saturating_since(clock.now());
                    clock.sleep(left.min(LONGEST_SLEEP)).await;
                }
                None => pending().await,
            }
        };
        let changed = async {
            match leads {
                true => source.changed_elsewhere().await,
                false => pending().await,
            }
        };
        tokio::select! {
            // In this order, so that what has come at the same instant as the end is still taken.
            biased;
            () = place.woken() => looks = place.has_to_look(),
            () = until_due => {}
            () = changed => {}
            () = &mut timeout_over => {
                place.begin_look();
                let last = source.claim(request).await?;
                place.end_look(last.as_ref());
                return Ok(last);
            }
        }
    }
}

#[cfg(test)]
mod tests;
