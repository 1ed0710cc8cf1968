//! Its own worker.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use apalis::prelude::{BoxDynError, Data, WorkerBuilder, WorkerBuilderExt, WorkerContext};
use apalis_core::error::WorkerError;
use apalis_sqlite::SqliteStorage;
use async_trait::async_trait;
use runstore_bench::{Case, Engine, Failure, Result, Steps, Subject, Workload};
use runstore_core::Durability;
use runstore_peers::Database;
use serde_json::Value;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::queue::Queue;

/// How many tasks a worker fetches at once by itself.
const BATCH: usize = 10;

/// The worker of `apalis`, with as many tasks at the same time as the case has callers. It fetches, and acknowledges,
/// many at once.
#[derive(Debug)]
pub struct ApalisWorker {
    folder: PathBuf,
}

impl ApalisWorker {
    /// An engine with its files in this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self { folder }
    }
}

/// A task at work: it ends when it is given its result.
type Offer = oneshot::Sender<Value>;

/// What the worker does with a task: it waits for one of the callers.
async fn offer(
    _: Value,
    offers: Data<mpsc::Sender<Offer>>,
) -> std::result::Result<Value, BoxDynError> {
    let (offer, result) = oneshot::channel();
    offers.send(offer).await?;
    Ok(result.await?)
}

#[async_trait]
impl Engine for ApalisWorker {
    fn name(&self) -> &str {
        "apalis-sqlite worker"
    }

    async fn begin(&self, case: &Case) -> Result<Option<Box<dyn Subject>>> {
        if !matches!(case.workload, Workload::Cycle | Workload::Finish) {
            return Ok(None);
        }
        let batch = BATCH.max(case.workers);
        let queue = Queue::filled(Database::within(&self.folder), case, batch).await?;
        // What it took and is not worked on is no longer pending; a worker that finds nothing sleeps.
        queue.add((3 * batch + case.workers) as u64).await?;
        let (sender, offers) = mpsc::channel(1);
        let context = WorkerContext::new("worker");
        let storage = SqliteStorage::<Value>::new(&queue.pool).with_config(queue.config.clone());
        let worker = WorkerBuilder::new(context.clone())
            .backend(storage)
            .concurrency(case.workers)
            .data(sender)
            .build(offer);
        Ok(Some(Box::new(Working {
            queue,
            context,
            offers: Mutex::new(offers),
            worker: Mutex::new(Some(tokio::spawn(worker.run()))),
        })))
    }
}

/// The engine at work on a case.
struct Working {
    queue: Queue,
    context: WorkerContext,
    offers: Mutex<mpsc::Receiver<Offer>>,
    worker: Mutex<Option<JoinHandle<std::result::Result<(), WorkerError>>>>,
}

impl Working {
    async fn claim(&self) -> Result<Offer> {
        let offer = self.offers.lock().await.recv().await;
        offer.ok_or_else(|| Failure::Refused("the worker is gone".to_owned()))
    }

    fn report(&self, offer: Offer) -> Result<()> {
        let gone = |_| Failure::Refused("the worker gave a task up".to_owned());
        offer.send(self.queue.result()).map_err(gone)?;
        self.queue.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Lets the worker end what it is at. Only then all that was reported is acknowledged.
    async fn stop(&self) -> Result<()> {
        let Some(worker) = self.worker.lock().await.take() else {
            return Ok(());
        };
        self.context.stop().map_err(Failure::engine)?;
        while let Some(offer) = self.offers.lock().await.recv().await {
            self.report(offer)?;
        }
        worker
            .await
            .map_err(Failure::engine)?
            .map_err(Failure::engine)
    }
}

#[async_trait]
impl Subject for Working {
    async fn prepare(&self, operations: u64) -> Result<()> {
        self.queue.add(operations).await
    }

    async fn operate(&self, _: usize, steps: &mut Steps) -> Result<()> {
        let offer = steps.time("claim", self.claim()).await?;
        steps.time("report", async { self.report(offer) }).await
    }

    fn durability(&self) -> Durability {
        self.queue.durability
    }

    fn files(&self) -> Vec<PathBuf> {
        self.queue.files()
    }

    async fn end(&self) -> Result<()> {
        let stopped = self.stop().await;
        let checked = self.queue.end().await;
        stopped.and(checked)
    }
}
