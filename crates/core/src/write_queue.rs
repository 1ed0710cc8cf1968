//! One writer, many callers: the queue by which the callers of an embedded engine share a commit.
//!
//! Durability costs one flush to disk a commit. Callers therefore queue; a thread of its own takes all
//! that wait, applies them in one transaction, commits once, and only then answers each.
//! Nobody lingers: under load the queue fills itself while a commit runs.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::sync::{mpsc, oneshot, watch};

use crate::{Cause, Error, Outcome, Result};

/// How many writes may wait; a caller beyond that waits for a place, its write not yet accepted.
const CAPACITY: usize = 4_096;

/// The most writes in one transaction, so that the first of them is not kept waiting without bound.
const MAX_BATCH: usize = 1_024;

/// The way back to the caller of one write.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<Result<T>>);

impl<T: Send + 'static> Reply<T> {
    /// Whether the caller is gone: a write that would do nobody any good can be left out (clause G4).
    #[must_use]
    pub fn is_unwanted(&self) -> bool {
        self.0.is_closed()
    }

    /// Holds back the answer of a write that was applied until the batch is committed.
    ///
    /// An error that is no refusal says that the engine failed: it has to fail the batch.
    pub fn hold(self, applied: Result<T>) -> Applied {
        let failure = match &applied {
            Err(error) if !error.is_refusal() => Some(error.clone()),
            _ => None,
        };
        let Self(sender) = self;
        Applied {
            failure,
            // A caller that is gone does not want the answer; its write stands all the same (G4).
            answer: Box::new(move |committed| drop(sender.send(committed.and(applied)))),
        }
    }
}

/// A write that was applied and is not committed yet.
pub struct Applied {
    failure: Option<Error>,
    answer: Box<dyn FnOnce(Result<()>) + Send>,
}

impl Applied {
    /// The engine's failure, if the batch has to be given up.
    #[must_use]
    pub const fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Tells the caller: its answer if the commit succeeded, otherwise the commit's error.
    pub fn answer(self, committed: Result<()>) {
        (self.answer)(committed);
    }
}

impl fmt::Debug for Applied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Applied")
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

/// The queue before a writer that owns the write side of an engine. `J` is what the writer is handed: a
/// write with its [`Reply`].
///
/// Dropping the queue waits until the writes that were accepted are committed and the writer is gone.
pub struct WriteQueue<J> {
    sender: Mutex<Option<mpsc::Sender<J>>>,
    gone: watch::Receiver<()>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl<J: Send + 'static> WriteQueue<J> {
    /// Starts the writer on a thread of its own. `apply` is called with each batch, in the order of the
    /// queue: it applies and commits the batch and answers every write in it. It is dropped when the
    /// queue is closed, and with it the engine; if the system gives no thread, on the caller's.
    ///
    /// # Errors
    /// `Unavailable` if the system gives no thread.
    pub fn start(name: &str, apply: impl FnMut(Vec<J>) + Send + 'static) -> Result<Self> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        let (alive, gone) = watch::channel(());
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Dropped last, also when `apply` panics: that tells those who wait for the end.
                let _alive = alive;
                write(apply, receiver);
            })
            .map_err(|error| Error::Unavailable {
                what: "the system gives no thread for the writer".to_owned(),
                outcome: Outcome::NotApplied,
                source: Some(Cause::new(error)),
            })?;
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            gone,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues a write and waits for its answer.
    ///
    /// Dropped before it has a place in the queue, the write does not happen; dropped after, it does
    /// (clause G4).
    ///
    /// # Errors
    /// What the write was answered; `Unavailable` if the queue is closed or the writer is gone.
    pub async fn submit<T>(&self, job: impl FnOnce(Reply<T>) -> J) -> Result<T> {
        let sender = lock(&self.sender).clone();
        let closed = || unavailable("the store is closed", Outcome::NotApplied);
        let place = sender.ok_or_else(closed)?;
        let (reply, answer) = oneshot::channel();
        let gone = |_| unavailable("the writer is gone", Outcome::NotApplied);
        place.send(job(Reply(reply))).await.map_err(gone)?;
        // Held no longer than needed: the queue is closed when the last sender is gone.
        drop(place);
        answer
            .await
            .unwrap_or_else(|_| Err(unavailable("the writer is gone", Outcome::Unknown)))
    }

    /// Takes no more writes and waits until those that were accepted are answered and the writer has
    /// let go of the engine.
    pub async fn close(&self) {
        drop(lock(&self.sender).take());
        // Nothing is ever sent: the only change is that the writer's side is gone.
        while self.gone.clone().changed().await.is_ok() {}
    }
}

impl<J> Drop for WriteQueue<J> {
    fn drop(&mut self) {
        drop(lock(&self.sender).take());
        // The writer depends on no runtime of the callers', so this ends after the writes in the queue.
        if let Some(thread) = lock(&self.thread).take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl<J> fmt::Debug for WriteQueue<J> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = lock(&self.sender).is_none();
        formatter
            .debug_struct("WriteQueue")
            .field("closed", &closed)
            .finish_non_exhaustive()
    }
}

/// `receiver` comes last, so that it is dropped first when `apply` panics: those who wait are told at once, and not
/// only when `apply` has let go of the engine, which may wait for others.
fn write<J>(mut apply: impl FnMut(Vec<J>), mut receiver: mpsc::Receiver<J>) {
    while let Some(first) = receiver.blocking_recv() {
        let mut batch = Vec::with_capacity(MAX_BATCH.min(receiver.len() + 1));
        batch.push(first);
        while batch.len() < MAX_BATCH
            && let Ok(next) = receiver.try_recv()
        {
            batch.push(next);
        }
        apply(batch);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is kept here is replaced whole, so a panic elsewhere cannot have left half of it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(what: &str, outcome: Outcome) -> Error {
    Error::Unavailable {
        what: what.to_owned(),
        outcome,
        source: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Job = Box<dyn FnOnce(&mut u32) -> Applied + Send>;

    fn counter() -> WriteQueue<Job> {
        let mut count = 0;
        WriteQueue::start("test-writer", move |batch: Vec<Job>| {
            let applied: Vec<_> = batch.into_iter().map(|job| job(&mut count)).collect();
            let failure = applied.iter().find_map(|write| write.failure().cloned());
            for write in applied {
                write.answer(failure.clone().map_or(Ok(()), Err));
            }
        })
        .unwrap()
    }

    fn add(reply: Reply<u32>) -> Job {
        Box::new(move |count| {
            *count += 1;
            reply.hold(Ok(*count))
        })
    }

    #[tokio::test]
    async fn writes_take_effect_in_the_order_of_the_queue() {
        let queue = counter();
        assert_eq!(queue.submit(add).await.unwrap(), 1);
        assert_eq!(queue.submit(add).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_refusal_is_told_to_its_caller_alone_and_a_failure_to_all_of_the_batch() {
        let refused = Error::invalid_input("f", "p");
        let queue = counter();
        let told = queue
            .submit(|reply: Reply<u32>| -> Job { Box::new(move |_| reply.hold(Err(refused))) })
            .await;
        assert!(matches!(told, Err(Error::InvalidInput { .. })));
        assert!(queue.submit(add).await.is_ok());
    }

    #[tokio::test]
    async fn a_closed_queue_takes_no_write_and_says_that_none_happened() {
        let queue = counter();
        queue.close().await;
        queue.close().await;
        assert!(matches!(
            queue.submit(add).await,
            Err(Error::Unavailable {
                outcome: Outcome::NotApplied,
                ..
            })
        ));
    }

    #[tokio::test]
    async fn a_writer_that_dies_leaves_the_outcome_unknown() {
        let queue = WriteQueue::<Job>::start("test-writer", |batch| drop(batch)).unwrap();
        assert!(matches!(
            queue.submit(add).await,
            Err(Error::Unavailable {
                outcome: Outcome::Unknown,
                ..
            })
        ));
    }
}
