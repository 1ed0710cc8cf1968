//! Heartbeats, from the claim until its report is answered (clause C7).

use std::time::Duration;

use runstore_core::{ClaimToken, Error, Heartbeat, Store};
use tokio::time::{Instant, sleep_until};

/// How many heartbeats there are in one lease; so two of them may fail before it runs out.
const A_LEASE: u32 = 3;

/// The part of a lease after which a heartbeat that failed is tried again.
const RETRY_PART: u32 = 12;

/// Extends the lease of a claim again and again; over when the claim is no longer held.
///
/// It never gives up on a store that fails: the claim may still be held, and the report will tell.
pub(super) async fn until_lost(store: &dyn Store, token: ClaimToken, lease: Duration) {
    let mut next = Instant::now() + lease / A_LEASE;
    loop {
        sleep_until(next).await;
        // The lease counts from about here, not from the answer.
        let begun = Instant::now();
        next = begun
            + match store.heartbeat(Heartbeat::new(token, lease)).await {
                Ok(_) => lease / A_LEASE,
                Err(Error::StaleClaim { .. }) => return,
                Err(error) => {
                    tracing::warn!(
                        error = error.kind_name(),
                        task_id = %token.task_id,
                        "a heartbeat failed and is tried again"
                    );
                    lease / RETRY_PART
                }
            };
    }
}
