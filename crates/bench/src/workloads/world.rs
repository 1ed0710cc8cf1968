//! The runs and tasks of a case.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use runstore_core::{NewRun, RunId, Store, TaskDraft, TaskPlan};

use super::batches::Batches;
use crate::store_engine::{Opened, Opener};
use crate::{Case, Failure, Result, Workload};

/// How many tasks are added by one call while a store is filled.
const CHUNK: u64 = 10_000;

/// About how many bytes of payload they hold at most.
const CHUNK_BYTES: u64 = 64 * 1024 * 1024;

pub(crate) struct World {
    pub(crate) case: Case,
    pub(crate) opened: Opened,
    pub(crate) opener: Arc<dyn Opener>,
    pub(crate) run_ids: Vec<RunId>,
    /// A payload of the size of the case.
    pub(crate) text: String,
    /// How many tasks a call claims, and what is left of that.
    pub(crate) batches: Batches,
    /// Whose turn it is among the runs, so that each is used as often as another.
    turn: AtomicUsize,
    added: AtomicU64,
}

impl World {
    /// Makes the runs of a case, with its tasks spread over them.
    pub(crate) async fn filled(
        case: Case,
        opened: Opened,
        opener: Arc<dyn Opener>,
    ) -> Result<Self> {
        let number = match case.workload {
            // Each worker has tasks or waits of its own.
            Workload::Plan | Workload::Resume | Workload::Wake => case.runs.max(case.workers),
            _ => case.runs,
        };
        let mut run_ids = Vec::with_capacity(number);
        for _ in 0..number {
            let new = NewRun::new("benchmark", "/srv/benchmark");
            run_ids.push(opened.store.create_run(new).await?.id);
        }
        let world = Self {
            text: case.text(),
            batches: Batches::of_one(case.workers),
            case,
            opened,
            opener,
            run_ids,
            turn: AtomicUsize::new(0),
            added: AtomicU64::new(0),
        };
        match world.case.workload {
            // There is to be nothing to claim; or each operation brings its own.
            Workload::ClaimNothing | Workload::Wake | Workload::Plan => {}
            Workload::Resume => world.add_tasks(world.case.tasks).await?,
            _ => {
                let each = world.case.tasks.div_ceil(number as u64);
                world.add_tasks(each).await?;
            }
        }
        Ok(world)
    }

    /// Lets each call claim so many tasks, of which there are enough that no worker finds none for what others hold.
    pub(crate) async fn claiming_by(mut self, size: NonZeroU32) -> Result<Self> {
        self.batches = Batches::new(size, self.case.workers);
        self.add_tasks(self.batches.most_held()).await?;
        Ok(self)
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.opened.store
    }

    /// Adds so many tasks to each run.
    pub(crate) async fn add_tasks(&self, each: u64) -> Result<()> {
        for run_id in &self.run_ids {
            self.add_tasks_to(*run_id, each).await?;
        }
        Ok(())
    }

    async fn add_tasks_to(&self, run_id: RunId, count: u64) -> Result<()> {
        let mut left = count;
        let payload = u64::try_from(self.text.len()).unwrap_or(u64::MAX);
        let at_once = (CHUNK_BYTES / payload.max(1)).clamp(1, CHUNK);
        while left > 0 {
            let now = left.min(at_once);
            left -= now;
            let plan = TaskPlan::new(run_id, self.drafts(now));
            self.store().append_tasks(plan).await?;
            self.added.fetch_add(now, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Lets workers that claim several tasks begin anew: what they hold is forgotten, and others wait in its place.
    pub(crate) async fn begin_batches(&self) -> Result<()> {
        let mut forgotten = HashMap::<RunId, u64>::new();
        for run_id in self.batches.forget() {
            *forgotten.entry(run_id).or_default() += 1;
        }
        for (run_id, count) in forgotten {
            self.add_tasks_to(run_id, count).await?;
        }
        Ok(())
    }

    /// How many tasks were added to all runs.
    pub(crate) fn added(&self) -> u64 {
        self.added.load(Ordering::Relaxed)
    }

    pub(crate) fn drafts(&self, count: u64) -> impl Iterator<Item = TaskDraft> + '_ {
        (0..count).map(|number| TaskDraft::new(format!("task {number}"), self.text.as_str()))
    }

    /// The next run in turn.
    pub(crate) fn next_run(&self) -> Result<(usize, RunId)> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Ok((turn, self.run_of(turn)?))
    }

    /// The run of this worker.
    pub(crate) fn run_of(&self, worker: usize) -> Result<RunId> {
        let run_id = self.run_ids.get(worker % self.run_ids.len().max(1));
        run_id
            .copied()
            .ok_or_else(|| Failure::Refused("a case needs a run".to_owned()))
    }

    /// Closes the store and removes what the case made.
    pub(crate) async fn end(&self) -> Result<()> {
        self.clear().await?;
        self.store().close().await?;
        self.opener.remove(&self.opened).await
    }

    /// Deletes what the case made where others may have theirs in the same place.
    async fn clear(&self) -> Result<()> {
        if self.opened.files.is_empty() {
            for run_id in &self.run_ids {
                self.store().delete_run(*run_id).await?;
            }
        }
        Ok(())
    }
}
