//! Any store as an engine of the benchmark.

#[cfg(test)]
mod tests;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use runstore_core::{Durability, Store};

use crate::report::Fact;
use crate::workloads::count::{self, Done};
use crate::workloads::{Work, World};
use crate::{About, Case, Engine, Result, Steps, Subject, WorkerEngine, Workload};

/// What makes the stores of an engine: the only one that knows which backend it is.
#[async_trait]
pub trait Opener: Send + Sync {
    /// Opens an empty store, or one in which nobody else works, in a place of its own.
    async fn open(&self, durability: Durability) -> Result<Opened>;

    /// Opens another handle of a store that was opened, as another process would; `None` if that cannot be.
    async fn open_again(&self, opened: &Opened) -> Result<Option<Arc<dyn Store>>>;

    /// Removes a store that was closed.
    async fn remove(&self, opened: &Opened) -> Result<()>;

    /// What is beneath a store that is open: versions, and settings of a server.
    async fn facts(&self, _opened: &Opened) -> Result<Vec<Fact>> {
        Ok(Vec::new())
    }
}

/// A store that was opened for a case.
#[derive(Clone)]
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Where it is, for its opener.
    pub place: String,
    /// Its files, existing or not; none if it has none or shares them with others.
    pub files: Vec<PathBuf>,
    /// Whether all its work is done in this process.
    pub is_in_process: bool,
}

impl Opened {
    /// How durable its files are; `None` if it has none.
    pub(crate) fn durability_of_files(&self) -> Option<Durability> {
        let durability = self.store.info().durability;
        Some(durability).filter(|_| !self.files.is_empty())
    }

    /// Whether its tasks are still there once it is closed: what is in memory is gone.
    pub(crate) fn outlives_its_handle(&self) -> bool {
        !(self.files.is_empty() && self.is_in_process)
    }
}

/// Opens a store, which tells whether that can be, and asks what is beneath it. It is gone again then.
pub(crate) async fn look(
    opener: &dyn Opener,
    durability: Durability,
) -> Result<(Opened, Vec<Fact>)> {
    let opened = opener.open(durability).await?;
    let facts = opener.facts(&opened).await;
    opened.store.close().await?;
    opener.remove(&opened).await?;
    Ok((opened, facts?))
}

/// A store as an engine of the benchmark.
pub struct StoreEngine {
    name: String,
    opener: Arc<dyn Opener>,
    /// How many tasks a call claims, if that is what the engine is for.
    batch: Option<NonZeroU32>,
}

impl StoreEngine {
    /// An engine with this name in the report.
    pub fn new(name: impl Into<String>, opener: impl Opener + 'static) -> Self {
        Self {
            name: name.into(),
            opener: Arc::new(opener),
            batch: None,
        }
    }

    /// The same stores as an engine of their own whose workers claim so many tasks by one call
    /// ([`Store::claim_tasks`]), and work on one after the other: in [`Workload::Cycle`] and [`Workload::Finish`].
    #[must_use]
    pub fn in_batches(&self, of: NonZeroU32) -> Self {
        Self {
            name: named_beside(&self.name, &format!("batch {of}")),
            opener: Arc::clone(&self.opener),
            batch: Some(of),
        }
    }

    /// The worker loop over stores of the same, as an engine of its own.
    #[must_use]
    pub fn worker(&self) -> WorkerEngine {
        let name = named_beside(&self.name, "worker");
        WorkerEngine::new(name, Arc::clone(&self.opener))
    }

    fn leaves_out(&self, workload: Workload, opened: &Opened) -> bool {
        self.batch.is_some() && !workload.works_on_tasks()
            || workload == Workload::Open && !opened.outlives_its_handle()
    }
}

#[async_trait]
impl Engine for StoreEngine {
    fn name(&self) -> &str {
        &self.name
    }

    async fn look(&self, durability: Durability) -> Result<About> {
        let (opened, facts) = look(&*self.opener, durability).await?;
        let leaves_out = Workload::ALL
            .into_iter()
            .filter(|workload| self.leaves_out(*workload, &opened));
        Ok(About {
            facts,
            leaves_out: leaves_out.collect(),
            in_folder: opened.durability_of_files(),
        })
    }

    async fn begin(&self, case: &Case) -> Result<Option<Box<dyn Subject>>> {
        let opened = self.opener.open(case.durability).await?;
        if self.leaves_out(case.workload, &opened) {
            opened.store.close().await?;
            self.opener.remove(&opened).await?;
            return Ok(None);
        }
        let mut world = World::filled(case.clone(), opened, Arc::clone(&self.opener)).await?;
        if let Some(size) = self.batch {
            world = world.claiming_by(size).await?;
        }
        let work = Work::of(case.workload);
        Ok(Some(Box::new(StoreSubject {
            world,
            work,
            done: AtomicU64::new(0),
        })))
    }
}

/// The name of an engine that stands beside the one of this name. Options come last in a name.
fn named_beside(name: &str, what: &str) -> String {
    match name.split_once('?') {
        Some((store, options)) => format!("{store} {what}?{options}"),
        None => format!("{name} {what}"),
    }
}

struct StoreSubject {
    world: World,
    work: Work,
    /// How many operations were carried out.
    done: AtomicU64,
}

#[async_trait]
impl Subject for StoreSubject {
    async fn prepare(&self, operations: u64) -> Result<()> {
        self.work.prepare(&self.world, operations).await
    }

    async fn operate(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        self.work.operate(&self.world, worker, steps).await?;
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn settle(&self) -> Result<()> {
        self.work.settle().await
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
        let done = self.done.load(Ordering::Relaxed);
        let counted = match Done::by(self.world.case.workload, done) {
            Some(done) => count::check(&self.world, done).await,
            None => Ok(()),
        };
        counted.and(self.world.end().await)
    }
}
