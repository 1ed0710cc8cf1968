//! A wait for a claim under way, and what ends it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{BoxFuture, select_all};
use runstore_core::{Claim, ClaimRequest, Result, RunId, SaveAgentState, Store};
use tokio::task::JoinHandle;

use crate::check::{Outcome, Stop, check};
use crate::context::Context;
use crate::world;

/// Longer than any wait that is not to end by its timeout.
pub(super) const LONG: Duration = Duration::from_secs(300 * 24 * 60 * 60);

type Answer = Result<Option<Claim>>;

/// A call of `claim_or_wait` that goes on by itself. Dropping it drops the call.
pub(super) struct Waiter(JoinHandle<Answer>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins a call: its first step is made when this returns, so that its timeout counts from here.
pub(super) async fn begun(
    store: &Arc<dyn Store>,
    request: ClaimRequest,
    timeout: Duration,
) -> (BoxFuture<'static, Answer>, Option<Answer>) {
    let store = Arc::clone(store);
    let call = async move { store.claim_or_wait(request, timeout).await };
    let mut call: BoxFuture<'static, Answer> = Box::pin(call);
    let first = step(call.as_mut()).await;
    (call, first)
}

/// Polls a call once.
pub(super) async fn step<F: Future + ?Sized>(mut call: Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Waits on one store.
pub(super) struct Waits<'c, 'h> {
    c: &'c Context<'h>,
    /// A run that nobody waits for.
    bystander: RunId,
}

impl<'c, 'h> Waits<'c, 'h> {
    pub(super) async fn on(c: &'c Context<'h>) -> Outcome<Self> {
        let bystander = world::run(&*c.store).await?.id;
        Ok(Self { c, bystander })
    }

    /// Lets what goes on by itself come as far as it can: several times around the store and back. That
    /// a call is still under way then proves little of a slow store and is never wrong of a sound one.
    pub(super) async fn settle(&self) -> Outcome {
        const ROUNDS: usize = 6;
        for _ in 0..ROUNDS {
            let save = SaveAgentState::new(self.bystander, "around");
            self.c.store.save_agent_state(save).await?;
            self.c.store.get_run(self.bystander).await?;
            for _ in 0..ROUNDS {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Begins a wait on the first handle that must not be over at once.
    pub(super) async fn begin(&self, request: ClaimRequest, timeout: Duration) -> Outcome<Waiter> {
        self.begin_at(&self.c.store, request, timeout).await
    }

    /// As [`begin`](Self::begin), on this handle.
    pub(super) async fn begin_at(
        &self,
        store: &Arc<dyn Store>,
        request: ClaimRequest,
        timeout: Duration,
    ) -> Outcome<Waiter> {
        let (call, first) = begun(store, request, timeout).await;
        let call = async move {
            match first {
                Some(answer) => answer,
                None => call.await,
            }
        };
        let mut waiter = Waiter(tokio::spawn(call));
        self.check_waits(&mut waiter, "a wait where nothing is claimable")
            .await?;
        Ok(waiter)
    }

    /// Checks that the wait goes on. `what` says where.
    pub(super) async fn check_waits(&self, waiter: &mut Waiter, what: &str) -> Outcome {
        self.settle().await?;
        if waiter.0.is_finished() {
            let answer = (&mut waiter.0).await?;
            return Err(Stop::failed(format_args!(
                "{what} must go on, but was answered {answer:?}"
            )));
        }
        Ok(())
    }

    /// What the wait is answered in the end. `what` says what must end it.
    pub(super) async fn answer(&self, mut waiter: Waiter, what: &str) -> Outcome<Answer> {
        Ok(self.c.patiently(what, &mut waiter.0).await??)
    }

    /// The claim that the wait ends with. `what` says what must end it.
    pub(super) async fn claimed(&self, waiter: Waiter, what: &str) -> Outcome<Claim> {
        match self.answer(waiter, what).await?? {
            Some(claim) => Ok(claim),
            None => Err(Stop::failed(format_args!(
                "{what} must end with a claim, but ended with none"
            ))),
        }
    }

    /// The first of the waits that is over: which it is, and its claim. It is taken out.
    pub(super) async fn first_claimed(
        &self,
        waiters: &mut Vec<Waiter>,
        what: &str,
    ) -> Outcome<(usize, Claim)> {
        let first = select_all(waiters.iter_mut().map(|waiter| &mut waiter.0));
        let (answer, index, _) = self.c.patiently(what, first).await?;
        let Some(claim) = answer?? else {
            return Err(Stop::failed(format_args!("{what} ended with no claim")));
        };
        // It is over, and what is dropped with it is nothing.
        drop(waiters.remove(index));
        Ok((index, claim))
    }

    /// Drives a call by hand until it goes no further by itself.
    pub(super) async fn drive(&self, call: &mut BoxFuture<'static, Answer>) -> Outcome {
        const STEPS: usize = 8;
        for _ in 0..STEPS {
            let answer = step(call.as_mut()).await;
            check!(
                answer.is_none(),
                "a wait where nothing is claimable must go on, but was answered {answer:?}"
            );
            self.settle().await?;
        }
        Ok(())
    }
}
