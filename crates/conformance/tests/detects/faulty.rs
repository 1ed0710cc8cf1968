//! The harness that the suite runs broken stores with.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runstore_conformance::{Fixture, Harness, Provided};
use runstore_core::*;
use runstore_memory::{MemoryOptions, MemoryStore};

use crate::fault::{Broken, Fault};
use crate::line::Line;

tokio::task_local! {
    static SHIFT: i64;
}

/// Makes a call as if the clock showed a time so many microseconds later.
pub(crate) async fn shifted<T>(micros: i64, call: impl Future<Output = T>) -> T {
    SHIFT.scope(micros, call).await
}

#[derive(Debug)]
struct ShiftedClock(Arc<dyn Clock>);

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let shift = SHIFT.try_with(|micros| *micros).unwrap_or_default();
        self.0.now().saturating_add_micros(shift)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.0.sleep(duration)
    }
}

/// Makes stores with one fault.
pub(crate) struct Faulty<F> {
    make: fn() -> F,
    patience: Duration,
}

impl<F: Fault + Default> Faulty<F> {
    /// For a fault that is to be caught: what has not come to an end by then is not going to.
    pub(crate) fn new() -> Self {
        let patience = Duration::from_secs(2);
        Self {
            make: F::default,
            patience,
        }
    }

    /// For what is sound.
    pub(crate) fn patient() -> Self {
        let patience = Duration::from_secs(60);
        Self {
            make: F::default,
            patience,
        }
    }
}

#[async_trait]
impl<F: Fault> Harness for Faulty<F> {
    fn name(&self) -> &str {
        std::any::type_name::<F>()
    }

    async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>> {
        let line = Arc::new(Line::new(Arc::clone(&clock)));
        let clock = Arc::new(ShiftedClock(clock));
        let inner = MemoryStore::open(MemoryOptions::new().with_clock(clock));
        let fault = Arc::new((self.make)());
        Ok(Box::new(FaultyFixture { inner, fault, line }))
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}

struct FaultyFixture<F> {
    inner: MemoryStore,
    fault: Arc<F>,
    line: Arc<Line>,
}

impl<F: Fault> FaultyFixture<F> {
    fn second(&self) -> Arc<dyn Store> {
        let fault: Arc<dyn Fault> = F::second(&self.fault);
        let line = match fault.keeps_handles_apart() {
            true => Arc::new(Line::new(Arc::clone(&self.line.clock))),
            false => Arc::clone(&self.line),
        };
        let inner = self.inner.reopen();
        Arc::new(Broken { inner, fault, line })
    }
}

#[async_trait]
impl<F: Fault> Fixture for FaultyFixture<F> {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(Broken {
            inner: self.inner.clone(),
            fault: Arc::clone(&self.fault) as Arc<dyn Fault>,
            line: Arc::clone(&self.line),
        })
    }

    async fn second_handle(&self) -> Provided<Arc<dyn Store>> {
        Ok(self.second())
    }

    async fn reopen(&mut self) -> Provided<()> {
        self.store().close().await?;
        self.inner = self.inner.reopen();
        self.fault = F::reopened(&self.fault);
        Ok(())
    }

    async fn kill(&mut self) -> Provided<()> {
        self.inner = F::killed(&self.fault, &self.inner);
        self.fault = F::reopened(&self.fault);
        Ok(())
    }
}
