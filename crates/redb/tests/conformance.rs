//! The conformance suite over redb.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use runstore_conformance::{Fixture, Harness, Provided};
use runstore_core::{Clock, Store};
use runstore_redb::{RedbOptions, RedbStore};
use tempfile::TempDir;

const FILE: &str = "store.redb";

struct Redb;

#[async_trait]
impl Harness for Redb {
    fn name(&self) -> &str {
        "redb"
    }

    async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(FILE);
        let store = open(&file, &clock).await?;
        Ok(Box::new(RedbFixture {
            store,
            file,
            clock,
            folder,
        }))
    }
}

struct RedbFixture {
    store: RedbStore,
    file: PathBuf,
    clock: Arc<dyn Clock>,
    folder: TempDir,
}

#[async_trait]
impl Fixture for RedbFixture {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    /// redb lets in one process, and within it one database: handles are clones.
    async fn second_handle(&self) -> Provided<Arc<dyn Store>> {
        Ok(self.store())
    }

    async fn reopen(&mut self) -> Provided<()> {
        self.store.close().await?;
        self.store = open(&self.file, &self.clock).await?;
        Ok(())
    }

    /// A copy of the file as it stands, while the store has it open.
    async fn kill(&mut self) -> Provided<()> {
        let folder = tempfile::tempdir()?;
        for entry in std::fs::read_dir(self.folder.path())? {
            let entry = entry?;
            std::fs::copy(entry.path(), folder.path().join(entry.file_name()))?;
        }
        self.file = folder.path().join(FILE);
        self.store = open(&self.file, &self.clock).await?;
        self.folder = folder;
        Ok(())
    }
}

async fn open(file: &std::path::Path, clock: &Arc<dyn Clock>) -> runstore_core::Result<RedbStore> {
    RedbStore::open(RedbOptions::new(file).with_clock(Arc::clone(clock))).await
}

runstore_conformance::suite!(Redb);
