//! The threads on which the store talks to the server: its own, so that it depends on no runtime of its callers,
//! and a call that its caller drops is carried out all the same (clause G4).

use std::time::Duration;

use runstore_core::{Cause, Error, Outcome, Result};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

/// Enough to talk while a large record is read.
const THREADS: usize = 2;

/// How long a call waits for those that were dropped before it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A runtime that can be dropped anywhere.
#[derive(Debug)]
pub(crate) struct Background {
    runtime: Option<Runtime>,
    /// How many calls are under way whose callers dropped them. The next ones wait for them, so that they find
    /// them done or not done; but not for long, for what holds one up need not concern another.
    orphans: watch::Sender<usize>,
}

impl Background {
    pub(crate) fn new() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("runstore-postgres")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| Error::Unavailable {
            what: "the system gives no thread to talk to the server".to_owned(),
            outcome: Outcome::NotApplied,
            source: Some(Cause::new(error)),
        })?;
        Ok(Self {
            runtime: Some(runtime),
            orphans: watch::Sender::new(0),
        })
    }

    /// Carries out a piece of work and waits for it. Dropped, the work goes on.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.run_holding((), work).await
    }

    /// Carries out a piece of work and waits for it; what is held is dropped once its end was told. Dropped, the
    /// work goes on.
    pub(crate) async fn run_holding<T: Send + 'static>(
        &self,
        held: impl Send + 'static,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let Some(runtime) = &self.runtime else {
            return Err(crate::error::closed());
        };
        let (answer, answered) = oneshot::channel();
        let work = async move {
            // A caller that is gone does not want the answer.
            drop(answer.send(work.await));
            drop(held);
        };
        let handle = match *self.orphans.borrow() {
            0 => runtime.spawn(work),
            _ => {
                let mut orphans = self.orphans.subscribe();
                runtime.spawn(async move {
                    // If they are not through by then, they take effect later or not at all.
                    let _ = timeout(PATIENCE, orphans.wait_for(|number| *number == 0)).await;
                    work.await
                })
            }
        };
        let mut call = Call {
            work: Some(handle),
            runtime: runtime.handle().clone(),
            orphans: &self.orphans,
        };
        let done = answered.await;
        let work = call.work.take();
        match (done, work) {
            (Ok(done), _) => done,
            (Err(_), Some(work)) => Err(given_up(work.await.err())),
            (Err(_), None) => Err(given_up(None)),
        }
    }

    /// Starts a piece of work that nobody waits for.
    pub(crate) fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            drop(runtime.spawn(work));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Without waiting, for that is not allowed on a thread of another runtime.
            runtime.shutdown_background();
        }
    }
}

/// The error of a call whose work ended without an answer.
pub(crate) fn given_up(error: Option<JoinError>) -> Error {
    Error::Unavailable {
        what: "the call was given up half-way".to_owned(),
        outcome: Outcome::Unknown,
        source: error.map(Cause::new),
    }
}

/// A call that somebody waits for. Dropped before its work is done, it leaves an orphan.
struct Call<'b> {
    work: Option<JoinHandle<()>>,
    runtime: Handle,
    orphans: &'b watch::Sender<usize>,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        if work.is_finished() {
            return;
        }
        self.orphans.send_modify(|number| *number += 1);
        let orphans = self.orphans.clone();
        drop(self.runtime.spawn(async move {
            // However it ended, it is under way no more.
            let _ = work.await;
            orphans.send_modify(|number| *number -= 1);
        }));
    }
}
