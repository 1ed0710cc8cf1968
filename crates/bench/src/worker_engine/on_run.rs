//! A worker on a run, whose handlers wait for the callers of the benchmark.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use runstore::{ClaimEnd, HandlerResult, Worker, WorkerEvent, WorkerHandle, WorkerSummary};
use runstore_core::{ClaimRequest, FinishReport, RunId, Store};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::{Failure, Result};

/// A worker holds its tasks also while others are measured. None of its heartbeats is to fall into their rounds.
const LEASE: Duration = Duration::from_secs(3_600);

/// A task at work: its handler waits for what is to be reported on it.
pub(super) type Held = oneshot::Sender<FinishReport>;

/// What a worker has told.
#[derive(Debug, Default)]
struct Told {
    claimed: u64,
    ended: u64,
    /// Why it does not go on as it should.
    failure: Option<String>,
}

/// A worker on one run, and what its handlers and its observer share with the callers.
pub(super) struct WorkerOnRun {
    handlers: u64,
    held: Mutex<mpsc::Receiver<Held>>,
    told: watch::Receiver<Told>,
    handle: WorkerHandle,
    /// The worker. Dropped, it is cancelled.
    running: Mutex<JoinSet<runstore_core::Result<WorkerSummary>>>,
    reported: AtomicU64,
}

impl WorkerOnRun {
    pub(super) fn start(store: Arc<dyn Store>, run_id: RunId, handlers: usize) -> Self {
        let (sender, held) = mpsc::channel(handlers.max(1));
        let (teller, told) = watch::channel(Told::default());
        let teller = Arc::new(teller);
        let of_observer = Arc::clone(&teller);
        let request = ClaimRequest::of_run(run_id)
            .with_worker("worker")
            .with_lease(LEASE);
        let worker = Worker::new(store, request)
            .with_concurrency(handlers)
            .with_observer(move |event| of_observer.send_modify(|told| told.add(event)));
        let handle = worker.handle();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let of_handlers = sender.clone();
            let ended = worker.run(move |_| reported_by_caller(of_handlers.clone()));
            let ended = ended.await;
            // Whoever finds it gone finds out why.
            drop((sender, teller));
            ended
        });
        Self {
            handlers: handlers as u64,
            held: Mutex::new(held),
            told,
            handle,
            running: Mutex::new(running),
            reported: AtomicU64::new(0),
        }
    }

    /// A task that was claimed, when there is one.
    pub(super) async fn task(&self) -> Result<Held> {
        let held = self.held.lock().await.recv().await;
        held.ok_or_else(|| self.gone())
    }

    /// Gives the handler of a task its report.
    pub(super) fn report(&self, task: Held, report: FinishReport) -> Result<()> {
        // Counted before: the worker may tell of its end at once.
        self.reported.fetch_add(1, Ordering::Relaxed);
        task.send(report).map_err(|_| self.gone())
    }

    /// Waits until all that was reported is written, and as many tasks are held as there are handlers.
    pub(super) async fn rest(&self) -> Result<()> {
        let mut told = self.told.clone();
        let is_at_rest = |told: &Told| {
            told.ended >= self.reported.load(Ordering::Relaxed)
                && told.claimed - told.ended == self.handlers
        };
        let rest = told.wait_for(|told| told.failure.is_some() || is_at_rest(told));
        match rest.await.is_ok_and(|told| told.failure.is_none()) {
            true => Ok(()),
            false => Err(self.gone()),
        }
    }

    /// Lets the worker end after a report on each task that it holds, and tells how many there were in all.
    pub(super) async fn stop(&self, report: impl Fn() -> FinishReport) -> Result<u64> {
        self.handle.stop();
        loop {
            let held = self.held.lock().await.recv().await;
            let Some(task) = held else { break };
            self.report(task, report())?;
        }
        let reported = self.reported.load(Ordering::Relaxed);
        if let Some(ended) = self.running.lock().await.join_next().await {
            let summary = ended.map_err(Failure::engine)??;
            if (summary.claimed, summary.finished) != (reported, reported) {
                return Err(Failure::Refused(format!(
                    "{reported} tasks were reported on, and the worker tells of {summary:?}"
                )));
            }
        }
        Ok(reported)
    }

    fn gone(&self) -> Failure {
        let why = self.told.borrow().failure.clone();
        Failure::Refused(why.unwrap_or_else(|| "the worker has ended".to_owned()))
    }
}

/// What the worker does with a task: it waits for one of the callers. Both are there as long as the engine is.
async fn reported_by_caller(held: mpsc::Sender<Held>) -> HandlerResult {
    let (task, report) = oneshot::channel();
    held.send(task).await?;
    Ok(report.await?)
}

impl Told {
    fn add(&mut self, event: WorkerEvent<'_>) {
        let failure = match event {
            WorkerEvent::Claimed { .. } => {
                self.claimed += 1;
                return;
            }
            WorkerEvent::Ended { end, .. } => {
                self.ended += 1;
                match end {
                    ClaimEnd::Finished(_) => return,
                    ClaimEnd::Unreported(error) => format!("a report failed: {error}"),
                    other => format!("a claim of the worker ended as {other:?}"),
                }
            }
            WorkerEvent::Failed { error } => format!("the worker failed: {error}"),
            other => format!("the worker tells of {other:?}"),
        };
        self.failure.get_or_insert(failure);
    }
}
