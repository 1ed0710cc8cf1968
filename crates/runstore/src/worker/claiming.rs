//! Claims on their way, and how to let go of one that waits without losing a task.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as Wakeup, Poll, Wake, Waker};
use std::time::Duration;

use runstore_core::limits::MAX_CLAIMS;
use runstore_core::{Claim, ClaimRequest, ClaimToken, Heartbeat, Result, Store, TaskId};

use super::context::Context;

/// A call that claims tasks, or waits for one. It must not simply be dropped: it may have claimed
/// already, and nobody would know of the task until its lease runs out.
pub(super) struct Claiming(Pin<Box<dyn Future<Output = Result<Vec<Claim>>> + Send>>);

impl Claiming {
    /// Claims at most so many tasks; none if there was none until the timeout was over.
    pub(super) fn start(
        context: &Arc<Context>,
        request: &ClaimRequest,
        free: usize,
        timeout: Duration,
    ) -> Self {
        let (context, request) = (Arc::clone(context), request.clone());
        let free = u32::try_from(free).unwrap_or(MAX_CLAIMS).min(MAX_CLAIMS);
        Self(Box::pin(async move {
            let Context { store, retries, .. } = &*context;
            if free > 1 {
                let at_once = || store.claim_tasks(request.clone(), free);
                let claims = retries.call(at_once).await?;
                if !claims.is_empty() {
                    return Ok(claims);
                }
            }
            let wait = || store.claim_or_wait(request.clone(), timeout);
            let claim = retries.call(wait).await?;
            Ok(claim.into_iter().collect())
        }))
    }

    /// What was claimed. Not to be called again once it was told.
    pub(super) async fn claimed(&mut self) -> Result<Vec<Claim>> {
        self.0.as_mut().await
    }

    /// Lets go of it at once if it waits, and tells what it claimed if it does.
    ///
    /// From outside, a call that waits for a task looks like one that waits for the engine. So the store
    /// is asked something else that it has to decide in order with other calls: when that is answered and
    /// the call did not stir, it was not in the engine's hands, and holds no claim. (A store that answers
    /// its calls out of order could still hold one; that ends with its lease, as after a crash.)
    pub(super) async fn withdraw(mut self, store: &dyn Store) -> Result<Vec<Claim>> {
        loop {
            let stirred = Arc::new(Stirred::default());
            let waker = Waker::from(Arc::clone(&stirred));
            if let Poll::Ready(claimed) = self.0.as_mut().poll(&mut Wakeup::from_waker(&waker)) {
                return claimed;
            }
            let nobodys = ClaimToken {
                task_id: TaskId::generate(),
                attempt_number: 0,
            };
            // Refused, or failed: either is an answer.
            let beat = Heartbeat::new(nobodys, Duration::from_secs(1));
            drop(store.heartbeat(beat).await);
            if !stirred.0.load(Ordering::SeqCst) {
                return Ok(Vec::new());
            }
        }
    }
}

/// Whether a call was woken.
#[derive(Default)]
struct Stirred(AtomicBool);

impl Wake for Stirred {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}
