//! Where a store reads the time: the system's clock, or one that stands still until it is told.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use std::time::SystemTime;

use chrono::{DateTime, Utc};

use crate::Timestamp;

/// A source of the time. A store is opened with one and asks no other.
///
/// It may stand still and it may run backwards: no order in a store depends on it (clause G6).
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from(DateTime::<Utc>::from(SystemTime::now()))
    }
}

/// A clock that stands still until it is told, for tests. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_micros())))
    }

    /// Puts the clock at `time`, which may be earlier than the time it shows.
    pub fn set(&self, time: Timestamp) {
        self.0.store(time.as_micros(), Ordering::SeqCst);
    }

    /// Moves the clock by `micros` microseconds, back if negative, within the range of [`Timestamp`].
    pub fn advance_micros(&self, micros: i64) {
        self.set(self.now().saturating_add_micros(micros));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_in_both_directions() {
        let start = Timestamp::from_micros(1_000).unwrap();
        let clock = ManualClock::new(start);
        let twin = clock.clone();
        assert_eq!(clock.now(), start);
        clock.advance_micros(-5);
        assert_eq!(twin.now().as_micros(), 995);
        twin.set(start);
        assert_eq!(clock.now(), start);
    }
}
