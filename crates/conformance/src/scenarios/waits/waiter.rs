//! A wait for a claim under way, and what ends it.

use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, select_all};
use runstore_core::{Claim, ClaimRequest, Result, RunId, SaveAgentState, Store};
use tokio::task::{JoinError, JoinHandle};

use crate::check::{Outcome, Stop, check};
use crate::context::Context;
use crate::world;

/// Longer than any wait that is not to end by its timeout.
pub(super) const LONG: Duration = Duration::from_secs(300 * 24 * 60 * 60);

/// How often around the store and back is as far as a call can come.
const ROUNDS: usize = 6;

type Answer = Result<Option<Claim>>;

/// A call of `claim_or_wait` under way. Dropping it drops the call.
pub(super) enum Waiter {
    /// It goes on only while something waits for it or looks at it, so that a look sees all that it can do.
    ByHand(BoxFuture<'static, Answer>),
    /// It goes on by itself, beside the others.
    ByItself(JoinHandle<Answer>),
}

impl Waiter {
    /// Begins a call: its first step is made when this returns, so that its timeout counts from here.
    async fn begin(store: &Arc<dyn Store>, request: ClaimRequest, timeout: Duration) -> Self {
        let store = Arc::clone(store);
        let call = async move { store.claim_or_wait(request, timeout).await };
        let mut call: BoxFuture<'static, Answer> = Box::pin(call);
        match step(call.as_mut()).await {
            Some(answer) => Self::ByHand(Box::pin(ready(answer))),
            None => Self::ByHand(call),
        }
    }

    fn left_to_itself(mut self) -> Self {
        match &mut self {
            Self::ByHand(call) => {
                let call = std::mem::replace(call, Box::pin(pending()));
                Self::ByItself(tokio::spawn(call))
            }
            Self::ByItself(_) => self,
        }
    }
}

impl Future for Waiter {
    type Output = std::result::Result<Answer, JoinError>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::ByHand(call) => call.as_mut().poll(context).map(Ok),
            Self::ByItself(call) => Pin::new(call).poll(context),
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Self::ByItself(call) = self {
            call.abort();
        }
    }
}

/// Polls a call once.
async fn step<F: Future + ?Sized>(mut call: Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| match call.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Polls a wait once, which must not end it. `what` says where.
async fn check_goes_on(waiter: &mut Waiter, what: &str) -> Outcome {
    match step(Pin::new(waiter)).await {
        Some(answer) => Err(Stop::failed(format_args!(
            "{what} must go on, but was answered {:?}",
            answer?
        ))),
        None => Ok(()),
    }
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
        for _ in 0..ROUNDS {
            self.go_around().await?;
        }
        Ok(())
    }

    async fn go_around(&self) -> Outcome {
        let save = SaveAgentState::new(self.bystander, "around");
        self.c.store.save_agent_state(save).await?;
        self.c.store.get_run(self.bystander).await?;
        for _ in 0..ROUNDS {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Begins a wait on the first handle that must not be over at once.
    pub(super) async fn begin(&self, request: ClaimRequest, timeout: Duration) -> Outcome<Waiter> {
        let mut waiter = Waiter::begin(&self.c.store, request.clone(), timeout).await;
        let what = "a wait where nothing is claimable";
        // The same claims beside it, that find nothing: a look of the wait that takes its time, as the first
        // ones on a connection may, is over when they are.
        for _ in 0..ROUNDS {
            check_goes_on(&mut waiter, what).await?;
            let found = self.c.store.claim_next_task(request.clone()).await?;
            check!(
                found.is_none(),
                "a claim of what {what} waits for found {found:?}"
            );
        }
        self.check_waits(&mut waiter, what).await?;
        Ok(waiter)
    }

    /// As [`begin`](Self::begin), and leaves the call to itself.
    pub(super) async fn begin_by_itself(&self, request: ClaimRequest) -> Outcome<Waiter> {
        Ok(self.begin(request, LONG).await?.left_to_itself())
    }

    /// Begins so many waits on the handles in turns, which go on by themselves, none of which must be over
    /// at once.
    pub(super) async fn begin_many(
        &self,
        handles: &[Arc<dyn Store>],
        requests: Vec<ClaimRequest>,
    ) -> Outcome<Vec<Waiter>> {
        let mut waiters = Vec::new();
        for (request, store) in requests.into_iter().zip(handles.iter().cycle()) {
            waiters.push(Waiter::begin(store, request, LONG).await.left_to_itself());
        }
        for waiter in waiters.iter_mut().rev().take(1) {
            self.check_waits(waiter, "the last of many waits").await?;
        }
        Ok(waiters)
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.c.store
    }

    /// Whether the wait goes on, where that is for the scenario to judge. One that does not is over with a claim.
    pub(super) async fn goes_on(&self, waiter: &mut Waiter) -> Outcome<bool> {
        for _ in 0..ROUNDS {
            self.go_around().await?;
            if let Some(answer) = step(Pin::new(&mut *waiter)).await {
                let claim = answer??;
                check!(claim.is_some(), "a wait ended with no claim");
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Checks that the wait goes on. `what` says where.
    pub(super) async fn check_waits(&self, waiter: &mut Waiter, what: &str) -> Outcome {
        for _ in 0..ROUNDS {
            self.go_around().await?;
            check_goes_on(waiter, what).await?;
        }
        Ok(())
    }

    /// What the wait is answered in the end. `what` says what must end it.
    pub(super) async fn answer(&self, mut waiter: Waiter, what: &str) -> Outcome<Answer> {
        Ok(self.c.patiently(what, &mut waiter).await??)
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
        let first = select_all(waiters.iter_mut());
        let (answer, index, _) = self.c.patiently(what, first).await?;
        let Some(claim) = answer?? else {
            return Err(Stop::failed(format_args!("{what} ended with no claim")));
        };
        // It is over, and what is dropped with it is nothing.
        drop(waiters.remove(index));
        Ok((index, claim))
    }
}
