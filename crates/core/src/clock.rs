//! Where a store reads the time: the system's clock, or one that stands still until it is told.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use futures_timer::Delay;
use tokio::sync::watch;

use crate::Timestamp;

/// A future that is over when a time has passed.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of the time. A store is opened with one and asks no other.
///
/// It may stand still and it may run backwards: no order in a store depends on it (clause G6).
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// A future that is over once this much time has passed by this clock, counted from the call. It
    /// needs no runtime.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// The system's clock. It sleeps by a clock that is never set.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from(DateTime::<Utc>::from(SystemTime::now()))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(Delay::new(duration))
    }
}

/// A clock that stands still until it is told, for tests. Clones show the same time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<watch::Sender<Timestamp>>);

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: Timestamp) -> Self {
        Self(Arc::new(watch::Sender::new(start)))
    }

    /// Puts the clock at `time`, which may be earlier than the time it shows.
    pub fn set(&self, time: Timestamp) {
        self.0.send_replace(time);
    }

    /// Moves the clock by `micros` microseconds, back if negative, within the range of [`Timestamp`].
    pub fn advance_micros(&self, micros: i64) {
        self.0
            .send_modify(|now| *now = now.saturating_add_micros(micros));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut moved = self.0.subscribe();
        let end = moved.borrow().saturating_add(duration);
        // Keeps the sender, so that waiting can end in no other way.
        let clock = self.clone();
        Box::pin(async move {
            let _ = moved.wait_for(|now| *now >= end).await;
            drop(clock);
        })
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

    #[tokio::test]
    async fn a_sleep_by_a_manual_clock_is_over_at_the_very_instant() {
        let clock = ManualClock::new(Timestamp::MIN);
        let mut sleep = clock.sleep(Duration::from_micros(2));
        clock.advance_micros(1);
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        assert!(sleep.as_mut().poll(&mut context).is_pending());
        clock.advance_micros(1);
        sleep.await;
        clock.sleep(Duration::ZERO).await;
        SystemClock.sleep(Duration::ZERO).await;
    }
}
