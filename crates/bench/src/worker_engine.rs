//! The worker loop over any store as an engine of the benchmark.

mod on_run;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use runstore_core::{Durability, NewEvent};

use self::on_run::WorkerOnRun;
use crate::store_engine::{Opener, look};
use crate::workloads::{World, claims, count};
use crate::{About, Case, Engine, Failure, Result, Steps, Subject, Workload};

/// How many tasks there are to choose from for few callers.
const BATCH: usize = 10;

/// [`Worker`](runstore::Worker), the loop that an application has over a store, as an engine of the benchmark: for
/// [`Workload::Finish`] and [`Workload::Cycle`].
///
/// Its handlers wait for the callers of the benchmark. An operation takes a task from a handler and gives the handler
/// its report; it is over then, and the worker writes the report while the caller goes on. A round is over when all of
/// its reports are written and answered, and the worker holds as many tasks again as when it began: no report and no
/// claim of a round is left out of its time.
///
/// What is done for a task, and what is left of it, is as in the workload of the calls. In a cycle the caller adds the
/// event by a call of its own before it gives the report.
///
/// Twice as many handlers run as there are callers, or twenty: one half is at hand for the callers while the other half
/// is reported on and claimed anew. With several runs each has a worker of its own.
pub struct WorkerEngine {
    name: String,
    opener: Arc<dyn Opener>,
}

impl WorkerEngine {
    pub(crate) fn new(name: String, opener: Arc<dyn Opener>) -> Self {
        Self { name, opener }
    }
}

#[async_trait]
impl Engine for WorkerEngine {
    fn name(&self) -> &str {
        &self.name
    }

    async fn look(&self, durability: Durability) -> Result<About> {
        let (opened, facts) = look(&*self.opener, durability).await?;
        let leaves_out = Workload::ALL.into_iter().filter(|of| !of.works_on_tasks());
        Ok(About {
            facts,
            leaves_out: leaves_out.collect(),
            in_folder: opened.durability_of_files(),
        })
    }

    async fn begin(&self, case: &Case) -> Result<Option<Box<dyn Subject>>> {
        if !case.workload.works_on_tasks() {
            return Ok(None);
        }
        let opened = self.opener.open(case.durability).await?;
        let world = World::filled(case.clone(), opened, Arc::clone(&self.opener)).await?;
        let handlers = 2 * BATCH.max(case.workers);
        let of_each = handlers.div_ceil(world.run_ids.len().max(1));
        // What the workers hold is no longer pending.
        world.add_tasks(of_each as u64).await?;
        let run_ids = world.run_ids.iter();
        let workers = run_ids.map(|run_id| {
            let store = Arc::clone(&world.opened.store);
            WorkerOnRun::start(store, *run_id, of_each)
        });
        Ok(Some(Box::new(Working {
            workers: workers.collect(),
            left: AtomicU64::new(0),
            world,
        })))
    }
}

/// The engine at work on a case. Dropped, it ends the workers.
struct Working {
    /// One for each run, in the order of the world's.
    workers: Vec<WorkerOnRun>,
    /// How many operations of the round are not over yet.
    left: AtomicU64,
    world: World,
}

impl Working {
    /// Waits until all that was reported is written, and as many tasks are held as can be.
    async fn rest(&self) -> Result<()> {
        for worker in &self.workers {
            worker.rest().await?;
        }
        Ok(())
    }

    /// Lets the workers end, and counts what they left.
    async fn stop(&self) -> Result<()> {
        let mut reported = 0;
        for worker in &self.workers {
            let report = || claims::report(&self.world).with_event(claims::event(&self.world));
            reported += worker.stop(report).await?;
        }
        count::check(&self.world, count::Done::Worked(reported)).await
    }
}

#[async_trait]
impl Subject for Working {
    async fn prepare(&self, operations: u64) -> Result<()> {
        let each = operations.div_ceil(self.workers.len().max(1) as u64);
        self.world.add_tasks(each).await?;
        self.left.store(operations, Ordering::Relaxed);
        self.rest().await
    }

    async fn operate(&self, _: usize, steps: &mut Steps) -> Result<()> {
        let (turn, run_id) = self.world.next_run()?;
        let worker = self.workers.get(turn % self.workers.len().max(1));
        let worker = worker.ok_or_else(|| Failure::Refused("a case needs a run".to_owned()))?;
        let task = steps.time("claim", worker.task()).await?;
        let event = claims::event(&self.world);
        let mut report = claims::report(&self.world);
        if self.world.case.workload == Workload::Cycle {
            let event = self.world.store().add_event(NewEvent::new(run_id, event));
            steps.time("event", event).await?;
        } else {
            report = report.with_event(event);
        }
        steps
            .time("report", async { worker.report(task, report) })
            .await?;
        // In the time of the round, though of no operation.
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.rest().await?;
        }
        Ok(())
    }

    fn durability(&self) -> Durability {
        self.world.store().info().durability
    }

    fn files(&self) -> Vec<PathBuf> {
        self.world.opened.files.clone()
    }

    fn is_in_process(&self) -> bool {
        self.world.opened.is_in_process
    }

    async fn end(&self) -> Result<()> {
        let stopped = self.stop().await;
        let ended = self.world.end().await;
        stopped.and(ended)
    }
}
