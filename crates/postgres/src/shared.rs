//! What the handles of a store share, and how a call reaches the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use runstore_core::{Clock, Durability, Result, SystemClock, Timestamp, WakeHub, Wakes};
use tokio::time::sleep;

use crate::connections::{Connections, Session};
use crate::error::{self, commit, engine};
use crate::listener::Listener;
use crate::write::{Turn, Write, tell};

/// A piece of work on a connection that reads.
pub(crate) type Reading<I, T> = for<'c> fn(&'c mut Session, I) -> BoxFuture<'c, Result<T>>;

/// A piece of work on a connection that writes.
pub(crate) type Writing<I, T> = for<'c> fn(Write<'c>, I) -> BoxFuture<'c, Result<T>>;

/// How often a write is tried again that others got in the way of.
const MAX_TRIES: u32 = 10;

/// How often a read is tried again whose connection turned out to be lost.
const MAX_READS: u32 = 3;

/// What the handles of a store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) connections: Connections,
    pub(crate) durability: Durability,
    /// The store's clock; the server's if there is none.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    /// Those who wait for a claim, at whichever handle. Times in it are by [`Shared::waiting_clock`].
    pub(crate) hub: WakeHub,
    pub(crate) listener: Listener,
    pub(crate) poll_interval: Duration,
    /// By how many microseconds the server's clock is ahead of the system's.
    server_ahead: AtomicI64,
}

impl Shared {
    pub(crate) fn new(
        connections: Connections,
        durability: Durability,
        clock: Option<Arc<dyn Clock>>,
        poll_interval: Duration,
    ) -> Self {
        Self {
            connections,
            durability,
            clock,
            hub: WakeHub::new(),
            listener: Listener::default(),
            poll_interval,
            server_ahead: AtomicI64::new(0),
        }
    }

    /// The clock by which calls wait.
    pub(crate) fn waiting_clock(&self) -> &dyn Clock {
        self.clock.as_deref().unwrap_or(&SystemClock)
    }

    /// Notes the server's time, which was just read.
    pub(crate) fn note_server_time(&self, server: Timestamp) {
        let ahead = server.as_micros() - SystemClock.now().as_micros();
        self.server_ahead.store(ahead, Ordering::Relaxed);
    }

    /// A time of the store by the clock by which calls wait.
    pub(crate) fn to_wait_until(&self, time: Timestamp) -> Timestamp {
        match self.clock {
            Some(_) => time,
            None => {
                let ahead = self.server_ahead.load(Ordering::Relaxed);
                time.saturating_add_micros(ahead.saturating_neg())
            }
        }
    }

    /// Wakes those whom a committed write concerns.
    pub(crate) fn wake(&self, wakes: &Wakes) {
        if !wakes.is_empty() {
            self.hub
                .wake(&wakes.clone().with_times(|time| self.to_wait_until(time)));
        }
    }

    /// Reads by statements that each see an instant of their own.
    pub(crate) async fn read<I: Clone, T>(&self, input: &I, read: Reading<I, T>) -> Result<T> {
        let mut tries = 1;
        loop {
            let mut held = self.connections.acquire().await?;
            let found = match self.connections.is_pooled() {
                false => read(&mut held.session, input.clone()).await,
                true => {
                    in_transaction(
                        &mut held.session,
                        self.connections.begin(),
                        input.clone(),
                        read,
                    )
                    .await
                }
            };
            held.end(&found);
            match found {
                Err(error) if error::is_lost(&error) && tries < MAX_READS => tries += 1,
                found => return found,
            }
        }
    }

    /// Reads by several statements, which all see one instant.
    pub(crate) async fn read_at_once<I: Clone, T>(
        &self,
        input: &I,
        read: Reading<I, T>,
    ) -> Result<T> {
        let mut tries = 1;
        loop {
            let mut held = self.connections.acquire().await?;
            let begin = self.connections.begin_reading();
            let found = in_transaction(&mut held.session, begin, input.clone(), read).await;
            held.end(&found);
            match found {
                Err(error) if error::is_lost(&error) && tries < MAX_READS => tries += 1,
                found => return found,
            }
        }
    }

    /// Writes by several statements in one transaction, and tries again where others got in the way.
    pub(crate) async fn write<I: Clone, T>(
        &self,
        turn: Turn,
        input: &I,
        apply: Writing<I, T>,
    ) -> Result<T> {
        let mut tries = 1;
        loop {
            let mut wakes = Wakes::default();
            let mut held = self.connections.acquire().await?;
            let written = self
                .apply(turn, (input, apply), &mut held.session, &mut wakes)
                .await;
            held.end(&written);
            match written {
                Err(error)
                    if tries < MAX_TRIES
                        && (error::is_conflict(&error) || error::is_taken(&error)) =>
                {
                    // Longer each time, so that whoever is in the way gets through.
                    sleep(Duration::from_millis(1 << tries.min(6))).await;
                    tries += 1;
                }
                Ok(written) => {
                    self.wake(&wakes);
                    return Ok(written);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn apply<I: Clone, T>(
        &self,
        turn: Turn,
        (input, apply): (&I, Writing<I, T>),
        session: &mut Session,
        wakes: &mut Wakes,
    ) -> Result<T> {
        const WHAT: &str = "beginning a transaction";
        let begun = session.run(self.connections.begin()).await;
        begun.map_err(|error| engine(WHAT, error))?;
        let written = async {
            let now = turn.take(session, self.clock.as_deref()).await?;
            let write = Write {
                session,
                now,
                wakes,
            };
            let written = apply(write, input.clone()).await?;
            tell(session, wakes).await?;
            Ok(written)
        };
        match written.await {
            Ok(written) => {
                let committed = session.run("COMMIT").await;
                committed.map_err(|error| commit("committing a write", error))?;
                Ok(written)
            }
            Err(error) => {
                roll_back(session, &error).await?;
                Err(error)
            }
        }
    }
}

async fn in_transaction<I, T>(
    session: &mut Session,
    begin: &str,
    input: I,
    read: Reading<I, T>,
) -> Result<T> {
    const WHAT: &str = "a transaction that reads";
    let begun = session.run(begin).await;
    begun.map_err(|error| engine(WHAT, error))?;
    match read(session, input).await {
        Ok(found) => {
            let ended = session.run("COMMIT").await;
            ended.map_err(|error| engine(WHAT, error))?;
            Ok(found)
        }
        Err(error) => {
            roll_back(session, &error).await?;
            Err(error)
        }
    }
}

/// Ends a transaction for this error, unless the connection is gone with it.
async fn roll_back(session: &mut Session, why: &runstore_core::Error) -> Result<()> {
    if error::leaves_connection(why) {
        let ended = session.run("ROLLBACK").await;
        ended.map_err(|error| engine("giving up a transaction", error))?;
    }
    Ok(())
}
