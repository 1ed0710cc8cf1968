//! A harness for backends that keep a store in a file.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use runstore_core::{Clock, Result, Store};
use tempfile::TempDir;

use crate::harness::{Fixture, Harness, Provided};

/// A backend that keeps a store in a file, and perhaps others beside it in the same folder.
#[async_trait]
pub trait FileBackend: Send + Sync + 'static {
    /// The backend's name, for the report.
    const NAME: &'static str;

    /// Whether the engine lets in several handles that are opened by themselves. If not, a second
    /// handle is the first one again.
    const LETS_IN_SEVERAL: bool;

    /// Opens the store in that file, which may not exist yet.
    async fn open(file: &Path, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>>;
}

/// The [`Harness`] of a [`FileBackend`]: each store is in a temporary folder of its own, and a killed
/// process leaves a copy of that folder as it stands.
#[derive(Debug)]
pub struct InFiles<B>(PhantomData<fn() -> B>);

impl<B> InFiles<B> {
    /// The harness of the backend.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<B> Default for InFiles<B> {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl<B: FileBackend> Harness for InFiles<B> {
    fn name(&self) -> &str {
        B::NAME
    }

    async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>> {
        let folder = tempfile::tempdir()?;
        let store = B::open(&file_in(&folder), Arc::clone(&clock)).await?;
        Ok(Box::new(InFolder::<B> {
            store,
            clock,
            folder,
            backend: PhantomData,
        }))
    }
}

struct InFolder<B> {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// After the store, for fields are dropped in order and the store lets go of its file first.
    folder: TempDir,
    backend: PhantomData<fn() -> B>,
}

impl<B: FileBackend> InFolder<B> {
    async fn open(&self, folder: &TempDir) -> Result<Arc<dyn Store>> {
        B::open(&file_in(folder), Arc::clone(&self.clock)).await
    }
}

#[async_trait]
impl<B: FileBackend> Fixture for InFolder<B> {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    async fn second_handle(&self) -> Provided<Arc<dyn Store>> {
        if B::LETS_IN_SEVERAL {
            Ok(self.open(&self.folder).await?)
        } else {
            Ok(self.store())
        }
    }

    async fn reopen(&mut self) -> Provided<()> {
        self.store.close().await?;
        self.store = self.open(&self.folder).await?;
        Ok(())
    }

    async fn kill(&mut self) -> Provided<()> {
        let left = tempfile::tempdir()?;
        for entry in std::fs::read_dir(self.folder.path())? {
            let entry = entry?;
            std::fs::copy(entry.path(), left.path().join(entry.file_name()))?;
        }
        self.store = self.open(&left).await?;
        self.folder = left;
        Ok(())
    }
}

fn file_in(folder: &TempDir) -> PathBuf {
    folder.path().join("store")
}
