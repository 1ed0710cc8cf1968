//! Calls on the store that are tried again while the store has trouble.

use std::time::Duration;

use runstore_core::{Error, Result};
use tokio::time::{Instant, sleep};

use super::Backoff;

/// How calls that failed with a retryable error are tried again.
#[derive(Debug, Clone)]
pub(super) struct Retries {
    /// How long after the first failure in a row a call is still tried.
    pub(super) patience: Duration,
    backoff: Backoff,
}

impl Retries {
    pub(super) fn new(patience: Duration) -> Self {
        let backoff = Backoff::exponential(Duration::from_millis(50), Duration::from_secs(5));
        Self { patience, backoff }
    }

    /// Makes a call until it is answered, refused, or fails for longer than anybody wants to wait.
    pub(super) async fn call<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut first_failure = None;
        let mut failures = 0;
        loop {
            let error = match call().await {
                Err(error) if error.is_retryable() => error,
                answered => return answered,
            };
            failures += 1;
            let delay = self.backoff.delay(failures);
            // Counted from the first failure: a call may have waited for long before it.
            let since = *first_failure.get_or_insert_with(Instant::now);
            if since.elapsed().saturating_add(delay) > self.patience {
                return Err(error);
            }
            told(&error, failures);
            sleep(delay).await;
        }
    }
}

fn told(error: &Error, failures: u32) {
    tracing::warn!(
        error = error.kind_name(),
        failures,
        "a call of a worker failed and is tried again"
    );
}
