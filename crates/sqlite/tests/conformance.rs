//! The conformance suite over SQLite.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use runstore_conformance::{Fixture, Harness, Provided};
use runstore_core::{Clock, Store};
use runstore_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

const FILE: &str = "store.db";

struct Sqlite;

#[async_trait]
impl Harness for Sqlite {
    fn name(&self) -> &str {
        "sqlite"
    }

    async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join(FILE);
        let store = open(&file, &clock).await?;
        Ok(Box::new(SqliteFixture {
            store,
            file,
            clock,
            folder,
        }))
    }
}

struct SqliteFixture {
    store: SqliteStore,
    file: PathBuf,
    clock: Arc<dyn Clock>,
    folder: TempDir,
}

#[async_trait]
impl Fixture for SqliteFixture {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    async fn second_handle(&self) -> Provided<Arc<dyn Store>> {
        Ok(Arc::new(open(&self.file, &self.clock).await?))
    }

    async fn reopen(&mut self) -> Provided<()> {
        self.store.close().await?;
        self.store = open(&self.file, &self.clock).await?;
        Ok(())
    }

    /// A copy of the file and its log as they stand, while the store has them open.
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

async fn open(
    file: &std::path::Path,
    clock: &Arc<dyn Clock>,
) -> runstore_core::Result<SqliteStore> {
    SqliteStore::open(SqliteOptions::new(file).with_clock(Arc::clone(clock))).await
}

runstore_conformance::suite!(Sqlite);
