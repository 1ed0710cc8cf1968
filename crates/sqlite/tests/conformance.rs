//! The conformance suite over SQLite.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use runstore_conformance::{FileBackend, InFiles};
use runstore_core::{Clock, Result, Store};
use runstore_sqlite::{SqliteOptions, SqliteStore};

struct Sqlite;

#[async_trait]
impl FileBackend for Sqlite {
    const NAME: &'static str = "sqlite";
    const LETS_IN_SEVERAL: bool = true;

    async fn open(file: &Path, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>> {
        let options = SqliteOptions::new(file).with_clock(clock);
        Ok(Arc::new(SqliteStore::open(options).await?))
    }
}

runstore_conformance::suite!(InFiles::<Sqlite>::new());
