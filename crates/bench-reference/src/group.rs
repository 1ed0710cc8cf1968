//! The threads of an embedded engine, and the queue before them.
//!
//! An engine with one writer has one flush to disk for each commit. Its thread therefore takes all writes that
//! wait, carries them out in one transaction, and answers them once it is committed; nobody lingers, for the queue
//! fills while a commit runs.

use std::iter::once;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use runstore_bench::{Failure, Result};
use tokio::sync::oneshot;

use crate::rows::Caught;

/// What a thread owns of an engine.
pub(crate) trait Side: Send + 'static {
    type Ask: Send + 'static;
    type Answer: Send + 'static;

    /// Carries out what is asked, as one, and gives the answers in the same order.
    fn carry_out(&mut self, asks: Vec<Self::Ask>) -> Caught<Vec<Self::Answer>>;
}

struct Job<S: Side> {
    ask: S::Ask,
    answer: oneshot::Sender<Result<S::Answer>>,
}

/// Threads that share a queue.
pub(crate) struct Group<S: Side> {
    queue: Mutex<Option<mpsc::Sender<Job<S>>>>,
    /// Each ends when a thread has let go of its side.
    gone: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl<S: Side> Group<S> {
    /// Starts a thread for each side. A thread takes at most so many of those that wait at once.
    pub(crate) fn start(name: &str, sides: Vec<S>, most: usize) -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut gone = Vec::new();
        for side in sides {
            let (alive, ended) = oneshot::channel();
            let receiver = Arc::clone(&receiver);
            spawn(name, move || {
                work(side, &receiver, most);
                drop(alive);
            })?;
            gone.push(ended);
        }
        Ok(Self {
            queue: Mutex::new(Some(sender)),
            gone: Mutex::new(gone),
        })
    }

    /// Queues what is asked and waits for the answer.
    pub(crate) async fn ask(&self, ask: S::Ask) -> Result<S::Answer> {
        let (answer, answered) = oneshot::channel();
        if let Some(queue) = &*lock(&self.queue) {
            // Otherwise the answer is dropped with it, and that is told below.
            let _ = queue.send(Job { ask, answer });
        }
        answered
            .await
            .unwrap_or_else(|_| Err(Failure::engine("the thread of the engine is gone")))
    }

    /// Waits until the threads have let go of the engine.
    pub(crate) async fn close(&self) {
        drop(lock(&self.queue).take());
        let gone = std::mem::take(&mut *lock(&self.gone));
        for ended in gone {
            // Nothing is ever sent: it ends as the thread does.
            let _ = ended.await;
        }
    }
}

fn work<S: Side>(mut side: S, queue: &Mutex<mpsc::Receiver<Job<S>>>, most: usize) {
    loop {
        let (asks, answers): (Vec<_>, Vec<_>) = {
            let queue = lock(queue);
            let Ok(first) = queue.recv() else { return };
            let more = queue.try_iter().take(most.saturating_sub(1));
            let jobs = once(first).chain(more);
            jobs.map(|job| (job.ask, job.answer)).unzip()
        };
        // A caller that is gone wants no answer.
        match side.carry_out(asks) {
            Ok(done) => {
                for (answer, done) in answers.into_iter().zip(done) {
                    let _ = answer.send(Ok(done));
                }
            }
            Err(error) => {
                let why = error.to_string();
                for answer in answers {
                    let _ = answer.send(Err(Failure::engine(why.clone())));
                }
            }
        }
    }
}

/// Does what may block on a thread of its own.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Caught<T> + Send + 'static,
) -> Result<T> {
    let (answer, answered) = oneshot::channel();
    spawn("bare", move || drop(answer.send(work())))?;
    match answered.await {
        Ok(done) => done.map_err(Failure::engine),
        Err(_) => Err(Failure::engine("the thread of the engine is gone")),
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    let thread = thread.map_err(|error| Failure::io("starting a thread", error));
    thread.map(drop)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept here is replaced whole, so a panic elsewhere cannot have left half of it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
