//! The threads on which the store talks to the server: its own, so that it depends on no runtime of its callers, or
//! those of the runtime that opened it, if it is told that this one lasts. Either way a call is a task of its own,
//! and one that its caller drops is carried out all the same (clause G4).

use std::time::Duration;

use runstore_core::{Cause, Error, Outcome, Result};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

/// Enough to talk while a large record is read.
const THREADS: usize = 2;

/// How long a call waits for those that were dropped before it.
const PATIENCE: Duration = Duration::from_secs(1);

/// A runtime, of the store's own or the caller's. It can be dropped anywhere.
#[derive(Debug)]
pub(crate) struct Background {
    own: Option<Runtime>,
    runtime: Handle,
    /// How many calls are under way whose callers dropped them. The next ones wait for them, so that they find
    /// them done or not done; but not for long, for what holds one up need not concern another.
    orphans: watch::Sender<usize>,
}

impl Background {
    /// On threads of the store's own.
    pub(crate) fn own() -> Result<Self> {
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
        let handle = runtime.handle().clone();
        Ok(Self::on(handle, Some(runtime)))
    }

    /// On the runtime that polls this.
    pub(crate) fn of_caller() -> Result<Self> {
        let current = Handle::try_current().map_err(|_| {
            let problem = "is the caller's, but the store is opened on no runtime of tokio";
            Error::invalid_input("runtime", problem)
        });
        Ok(Self::on(current?, None))
    }

    fn on(runtime: Handle, own: Option<Runtime>) -> Self {
        Self {
            own,
            runtime,
            orphans: watch::Sender::new(0),
        }
    }

    /// Carries out a piece of work and waits for it. Dropped, the work goes on.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let work = async move {
            // A caller that is gone does not want the answer.
            drop(answer.send(work.await));
        };
        let handle = if self.has_orphans() {
            self.start_after_orphans(work)
        } else {
            self.start(work)
        };
        match self.answer(answered).await {
            Some(done) => done,
            None => Err(given_up(handle.await.err())),
        }
    }

    /// Waits for the answer of a call that is on its way; `None` if it ended without one. Dropped, the call goes on,
    /// and counts as an orphan until it is answered.
    pub(crate) async fn answer<T: Send + 'static>(
        &self,
        answered: oneshot::Receiver<Result<T>>,
    ) -> Option<Result<T>> {
        let mut call = Call {
            answered: Some(answered),
            background: self,
        };
        let done = match &mut call.answered {
            Some(answered) => answered.await.ok(),
            None => None,
        };
        call.answered = None;
        done
    }

    /// Whether calls are under way whose callers dropped them.
    pub(crate) fn has_orphans(&self) -> bool {
        *self.orphans.borrow() > 0
    }

    /// Starts a piece of work.
    pub(crate) fn start(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.runtime.spawn(work)
    }

    /// Starts a piece of work once the calls are through whose callers dropped them, or have had their time.
    pub(crate) fn start_after_orphans(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let mut orphans = self.orphans.subscribe();
        self.start(async move {
            // If they are not through by then, they take effect later or not at all.
            let _ = timeout(PATIENCE, orphans.wait_for(|number| *number == 0)).await;
            work.await;
        })
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.own.take() {
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

/// A call that somebody waits for. Dropped before it is answered, it leaves an orphan.
struct Call<'b, T: Send + 'static> {
    answered: Option<oneshot::Receiver<Result<T>>>,
    background: &'b Background,
}

impl<T: Send + 'static> Drop for Call<'_, T> {
    fn drop(&mut self) {
        let Some(mut answered) = self.answered.take() else {
            return;
        };
        if !matches!(answered.try_recv(), Err(TryRecvError::Empty)) {
            return;
        }
        let orphans = &self.background.orphans;
        orphans.send_modify(|number| *number += 1);
        let orphans = orphans.clone();
        drop(self.background.start(async move {
            // However it ended, it is under way no more.
            let _ = answered.await;
            orphans.send_modify(|number| *number -= 1);
        }));
    }
}
