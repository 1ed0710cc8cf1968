//! The open loop's pace: operations begin when they are due, at even distances, whatever became of those before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use tokio::sync::Semaphore;

use crate::{Failure, Result};

/// A thread that lets operations begin. Not a timer of the runtime, which is up to two milliseconds late: that is more
/// than most operations take, and each time counts from when the operation was due.
pub(crate) struct Pace {
    due: Box<dyn Fn(u64) -> Instant + Send + Sync>,
    begin: Arc<Semaphore>,
    begun: AtomicU64,
    /// Dropped, it ends the thread.
    _running: mpsc::Sender<()>,
}

impl Pace {
    /// Starts it for so many operations.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(
        operations: u64,
        due: impl Fn(u64) -> Instant + Clone + Send + Sync + 'static,
    ) -> Result<Self> {
        let (running, is_over) = mpsc::channel::<()>();
        let begin = Arc::new(Semaphore::new(0));
        let (next_due, let_begin) = (due.clone(), Arc::clone(&begin));
        let thread = thread::Builder::new().name("pace".to_owned());
        let started = thread.spawn(move || {
            for number in 0..operations {
                let left = next_due(number).saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    // The sleep of a thread is late by tens of microseconds.
                    match is_over.recv_timeout(left) {
                        Err(RecvTimeoutError::Timeout) => {}
                        _ => return,
                    }
                }
                let_begin.add_permits(1);
            }
        });
        started.map_err(|error| Failure::io("the system gives no thread", error))?;
        Ok(Self {
            due: Box::new(due),
            begin,
            begun: AtomicU64::new(0),
            _running: running,
        })
    }

    /// Waits until the next operation is due, and gives when it was.
    pub(crate) async fn next(&self) -> Instant {
        // An error says that it is closed, which it never is.
        if let Ok(permit) = self.begin.acquire().await {
            permit.forget();
        }
        // Only now, so that who is let begin first has the one that is due first.
        (self.due)(self.begun.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn no_operation_begins_before_it_is_due_and_all_begin() {
        let begun = Instant::now();
        let due = move |number| begun + Duration::from_micros(200) * u32::try_from(number).unwrap();
        let pace = Pace::start(50, due).unwrap();
        for number in 0..50 {
            let due = pace.next().await;
            assert!(due <= Instant::now(), "operation {number}");
        }
        assert_eq!(pace.begin.available_permits(), 0);
    }

    #[tokio::test]
    async fn a_pace_that_is_given_up_ends_its_thread() {
        let far = Instant::now() + Duration::from_secs(86_400);
        let pace = Pace::start(1, move |_| far).unwrap();
        let begin = Arc::downgrade(&pace.begin);
        drop(pace);
        // The thread holds the other one.
        while begin.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
