//! Any store as an engine of the benchmark.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use runstore_core::{Durability, Store};

use crate::report::Fact;
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
}

impl StoreEngine {
    /// An engine with this name in the report.
    pub fn new(name: impl Into<String>, opener: impl Opener + 'static) -> Self {
        Self {
            name: name.into(),
            opener: Arc::new(opener),
        }
    }

    /// The worker loop over stores of the same, as an engine of its own.
    #[must_use]
    pub fn worker(&self) -> WorkerEngine {
        WorkerEngine::new(&self.name, Arc::clone(&self.opener))
    }
}

#[async_trait]
impl Engine for StoreEngine {
    fn name(&self) -> &str {
        &self.name
    }

    async fn look(&self, durability: Durability) -> Result<About> {
        let (opened, facts) = look(&*self.opener, durability).await?;
        let leaves_out = match opened.outlives_its_handle() {
            true => Vec::new(),
            false => vec![Workload::Open],
        };
        Ok(About { facts, leaves_out })
    }

    async fn begin(&self, case: &Case) -> Result<Option<Box<dyn Subject>>> {
        let opened = self.opener.open(case.durability).await?;
        let world = World::filled(case.clone(), opened, Arc::clone(&self.opener)).await?;
        let Some(work) = Work::of(&world) else {
            world.end().await?;
            return Ok(None);
        };
        Ok(Some(Box::new(StoreSubject { world, work })))
    }
}

struct StoreSubject {
    world: World,
    work: Work,
}

#[async_trait]
impl Subject for StoreSubject {
    async fn prepare(&self, operations: u64) -> Result<()> {
        self.work.prepare(&self.world, operations).await
    }

    async fn operate(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        self.work.operate(&self.world, worker, steps).await
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
        self.world.end().await
    }
}
