//! Its queries, called one by one.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use apalis_core::backend::TaskResult;
use apalis_core::task::status::Status;
use apalis_core::task::task_id::TaskId;
use apalis_core::worker::context::WorkerContext;
use apalis_sqlite::queries;
use async_trait::async_trait;
use runstore_bench::{Case, Engine, Failure, Result, Steps, Subject, Workload};
use runstore_core::Durability;
use runstore_peers::Database;

use crate::queue::Queue;

/// The public queries of `apalis-sqlite`, called by as many callers as the case says, without the worker's polling.
#[derive(Debug)]
pub struct ApalisCalls {
    name: String,
    folder: PathBuf,
    batch: usize,
}

impl ApalisCalls {
    /// An engine with its files in this folder, whose callers fetch so many tasks at once.
    #[must_use]
    pub fn new(folder: &Path, batch: usize) -> Self {
        let name = match batch {
            1 => "apalis-sqlite".to_owned(),
            batch => format!("apalis-sqlite?batch={batch}"),
        };
        Self {
            name,
            folder: folder.to_owned(),
            batch,
        }
    }
}

#[async_trait]
impl Engine for ApalisCalls {
    fn name(&self) -> &str {
        &self.name
    }

    async fn begin(&self, case: &Case) -> Result<Option<Box<dyn Subject>>> {
        if !matches!(case.workload, Workload::Cycle | Workload::Finish) {
            return Ok(None);
        }
        let queue = Queue::filled(Database::within(&self.folder), case, self.batch).await?;
        // What is fetched and not yet worked on is no longer pending.
        let ahead = case.workers.saturating_mul(self.batch - 1);
        queue.add(ahead as u64).await?;
        let mut callers = Vec::new();
        for number in 0..case.workers {
            let worker = WorkerContext::new(&format!("worker {number}"));
            queries::register_worker(&queue.pool, &queue.config, &worker, "SqliteStorage")
                .await
                .map_err(Failure::engine)?;
            let fetched = Mutex::new(VecDeque::new());
            callers.push(Caller { worker, fetched });
        }
        Ok(Some(Box::new(Called { queue, callers })))
    }
}

struct Caller {
    worker: WorkerContext,
    /// The tasks that it took and has not worked on yet.
    fetched: Mutex<VecDeque<TaskId>>,
}

impl Caller {
    fn fetched(&self) -> MutexGuard<'_, VecDeque<TaskId>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine at work on a case.
struct Called {
    queue: Queue,
    callers: Vec<Caller>,
}

impl Called {
    /// Fetches tasks for the caller, and gives the first.
    async fn claim(&self, caller: &Caller) -> Result<TaskId> {
        let Queue { pool, config, .. } = &self.queue;
        let tasks = queries::fetch_next(pool, config, &caller.worker)
            .await
            .map_err(Failure::engine)?;
        let ids = tasks.iter().filter_map(|task| task.task_id().cloned());
        let mut ids = VecDeque::from_iter(ids);
        if config.lock_tasks {
            let all = Vec::from_iter(ids.iter().map(ToString::to_string));
            let locked = queries::lock_tasks(pool, &all, caller.worker.name());
            let locked = locked.await.map_err(Failure::engine)?;
            once(locked, all.len() as u64)?;
        }
        let next = ids.pop_front();
        *caller.fetched() = ids;
        next.ok_or_else(|| Failure::Refused("no task is left to fetch".to_owned()))
    }

    async fn acknowledge(&self, caller: &Caller, task_id: TaskId) -> Result<()> {
        let done = TaskResult {
            task_id,
            attempt: 1,
            status: Status::Done,
            result: Ok(self.queue.result()),
        };
        let changed = queries::ack_tasks(&self.queue.pool, &[&done], caller.worker.name())
            .await
            .map_err(Failure::engine)?;
        once(changed, 1)
    }
}

/// Each task is to be changed, and once.
fn once(changed: u64, expected: u64) -> Result<()> {
    match changed == expected {
        true => Ok(()),
        false => Err(Failure::Refused(format!(
            "{changed} tasks were changed where {expected} are the caller's"
        ))),
    }
}

#[async_trait]
impl Subject for Called {
    async fn prepare(&self, operations: u64) -> Result<()> {
        self.queue.add(operations).await
    }

    async fn operate(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        let caller = self.callers.get(worker);
        let caller =
            caller.ok_or_else(|| Failure::Refused("there is no such worker".to_owned()))?;
        let fetched = caller.fetched().pop_front();
        let task_id = match fetched {
            Some(task_id) => task_id,
            None => steps.time("claim", self.claim(caller)).await?,
        };
        steps
            .time("report", self.acknowledge(caller, task_id))
            .await?;
        self.queue.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn durability(&self) -> Durability {
        self.queue.durability
    }

    fn files(&self) -> Vec<PathBuf> {
        self.queue.files()
    }

    async fn end(&self) -> Result<()> {
        self.queue.end().await
    }
}
