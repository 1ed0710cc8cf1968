//! A clock that shows whether a call reads it once.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use runstore_core::{Clock, Sleep, Timestamp};

use crate::context::start;

/// A clock that moves on by a second whenever it is read.
#[derive(Debug, Default)]
pub(crate) struct TickingClock(AtomicI64);

impl Clock for TickingClock {
    fn now(&self) -> Timestamp {
        let reads = self.0.fetch_add(1, Ordering::SeqCst);
        start().saturating_add_micros(reads.saturating_mul(1_000_000))
    }

    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::ready(()))
    }
}
