//! What a scenario is given to work with.

use std::sync::Arc;

use runstore_core::{Clock, ManualClock, Store, SystemClock, Timestamp};

use crate::check::{Outcome, Stop};
use crate::harness::{Fixture, Harness};

/// A fresh store, the clock that it reads, and the way to more of either.
pub(crate) struct Context<'h> {
    harness: &'h dyn Harness,
    fixture: Box<dyn Fixture>,
    /// The clock of the store. It stands still until the scenario moves it.
    pub(crate) clock: ManualClock,
    /// The first handle on the store.
    pub(crate) store: Arc<dyn Store>,
}

impl<'h> Context<'h> {
    pub(crate) async fn new(harness: &'h dyn Harness) -> Outcome<Self> {
        let clock = ManualClock::new(start());
        let fixture = harness.fresh(Arc::new(clock.clone())).await?;
        Ok(Self {
            harness,
            store: fixture.store(),
            fixture,
            clock,
        })
    }

    /// The output of what a sound store brings to an end. `what` says what that is, for a store that does
    /// not: no other bound on time is in the suite.
    pub(crate) async fn patiently<T>(
        &self,
        what: &str,
        future: impl Future<Output = T>,
    ) -> Outcome<T> {
        let patience = self.harness.patience();
        tokio::select! {
            output = future => Ok(output),
            () = SystemClock.sleep(patience) => Err(Stop::failed(format_args!(
                "{what} has not come to an end within {patience:?}"
            ))),
        }
    }

    /// Another store with a clock of its own, independent of this one.
    pub(crate) async fn another(&self) -> Outcome<Self> {
        Self::new(self.harness).await
    }

    /// Another store that reads the time from `clock`.
    pub(crate) async fn with_clock(&self, clock: Arc<dyn Clock>) -> Outcome<Box<dyn Fixture>> {
        Ok(self.harness.fresh(clock).await?)
    }

    /// Another handle on the same data.
    pub(crate) async fn second_handle(&self) -> Outcome<Arc<dyn Store>> {
        Ok(self.fixture.second_handle().await?)
    }

    /// `count` handles on the same data, the first one among them.
    pub(crate) async fn handles(&self, count: usize) -> Outcome<Vec<Arc<dyn Store>>> {
        let mut handles = vec![Arc::clone(&self.store)];
        while handles.len() < count {
            handles.push(self.second_handle().await?);
        }
        Ok(handles)
    }

    /// Goes on with what a process killed now would leave, as [`store`](Self::store).
    pub(crate) async fn kill(&mut self) -> Outcome {
        self.fixture.kill().await?;
        self.store = self.fixture.store();
        Ok(())
    }

    /// Closes the store and opens its data again, as [`store`](Self::store).
    pub(crate) async fn reopen(&mut self) -> Outcome {
        self.fixture.reopen().await?;
        self.store = self.fixture.store();
        Ok(())
    }
}

/// The time at which every scenario begins: 2026-03-01T10:00:00.123456Z.
pub(crate) fn start() -> Timestamp {
    Timestamp::from_micros(1_772_359_200_123_456).unwrap_or(Timestamp::MIN)
}
