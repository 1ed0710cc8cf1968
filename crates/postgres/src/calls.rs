//! The ways in which a call of the store is carried out: it reads, it writes in a transaction of its own, or it travels
//! with others of its kind.

use std::sync::Arc;

use runstore_core::{Claim, ClaimRequest, Result};
use tokio::sync::watch;

use crate::PostgresStore;
use crate::background::{Background, given_up};
use crate::shared::{Reading, Shared, Writing};
use crate::together::{Lane, Lanes, OfAnyRun, OfRun, Passenger, Ticket, Together};
use crate::under_way::{Entered, UnderWay};
use crate::write::Turn;

/// What the clones of a handle share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lanes: Arc<Lanes>,
    /// The claims that are under way.
    pub(crate) claims: UnderWay,
    pub(crate) background: Background,
    /// Told that the store is closed: the connection that listens ends.
    pub(crate) closing: watch::Sender<bool>,
}

impl PostgresStore {
    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// Reads by statements that each see an instant of their own.
    pub(crate) async fn read<I, T>(&self, input: I, read: Reading<I, T>) -> Result<T>
    where
        I: Clone + Send + Sync + 'static,
        T: Send + 'static,
    {
        let shared = Arc::clone(&self.inner.shared);
        let work = async move { shared.read(&input, read).await };
        self.inner.background.run(work).await
    }

    /// Reads by several statements, which all see one instant.
    pub(crate) async fn read_at_once<I, T>(&self, input: I, read: Reading<I, T>) -> Result<T>
    where
        I: Clone + Send + Sync + 'static,
        T: Send + 'static,
    {
        let shared = Arc::clone(&self.inner.shared);
        let work = async move { shared.read_at_once(&input, read).await };
        self.inner.background.run(work).await
    }

    /// Writes by several statements in one transaction, once what the turn names is locked.
    pub(crate) async fn write<I, T>(&self, turn: Turn, input: I, apply: Writing<I, T>) -> Result<T>
    where
        I: Clone + Send + Sync + 'static,
        T: Send + 'static,
    {
        let shared = Arc::clone(&self.inner.shared);
        let work = async move { shared.write(turn, &input, apply).await };
        self.inner.background.run(work).await
    }

    /// Lets a call travel with those of its kind.
    pub(crate) async fn together<C: Together>(
        &self,
        lane: fn(&Lanes) -> &Arc<Lane<C>>,
        call: C,
    ) -> Result<C::Output> {
        self.together_as(None, lane, call).await
    }

    async fn together_as<C: Together>(
        &self,
        entered: Option<Entered>,
        lane: fn(&Lanes) -> &Arc<Lane<C>>,
        call: C,
    ) -> Result<C::Output> {
        let background = &self.inner.background;
        // Held here and not by the call, which goes on when this is dropped.
        let ticket = Ticket::default();
        let (passenger, answered) = Passenger::new(call, ticket.clone(), entered);
        let lane = lane(&self.inner.lanes);
        let shared = Arc::clone(&self.inner.shared);
        if background.has_orphans() {
            let lane = Arc::clone(lane);
            background.start_after_orphans(async move {
                if let Some(driver) = lane.enter(passenger) {
                    driver.drive(shared).await;
                }
            });
        } else if let Some(driver) = lane.enter(passenger) {
            // Only who makes the trip needs a task of its own: who travels along waits for the answer.
            background.start(driver.drive(shared));
        }
        let answer = background.answer(answered).await;
        drop(ticket);
        answer.unwrap_or_else(|| Err(given_up(None)))
    }

    pub(crate) async fn claimed(&self, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
        let entered = Some(self.inner.claims.enter());
        match request.run_id {
            Some(_) => {
                let call = OfRun(request, limit);
                self.together_as(entered, |lanes| &lanes.claims, call).await
            }
            None => {
                let call = OfAnyRun(request, limit);
                self.together_as(entered, |lanes| &lanes.claims_of_any_run, call)
                    .await
            }
        }
    }
}
