//! Any store as an engine of the benchmark.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use runstore_core::{Durability, Store};

use crate::workloads::{Work, World};
use crate::{Case, Engine, Result, Steps, Subject, WorkerEngine};

/// What makes the stores of an engine: the only one that knows which backend it is.
#[async_trait]
pub trait Opener: Send + Sync {
    /// Opens an empty store, or one in which nobody else works, in a place of its own.
    async fn open(&self, durability: Durability) -> Result<Opened>;

    /// Opens another handle of a store that was opened, as another process would; `None` if that cannot be.
    async fn open_again(&self, opened: &Opened) -> Result<Option<Arc<dyn Store>>>;

    /// Removes a store that was closed.
    async fn remove(&self, opened: &Opened) -> Result<()>;
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
