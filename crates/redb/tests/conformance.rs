//! The conformance suite over redb.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use runstore_conformance::{FileBackend, InFiles};
use runstore_core::{Clock, Result, Store};
use runstore_redb::{RedbOptions, RedbStore};

struct Redb;

#[async_trait]
impl FileBackend for Redb {
    const NAME: &'static str = "redb";
    const LETS_IN_SEVERAL: bool = false;

    async fn open(file: &Path, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>> {
        let options = RedbOptions::new(file).with_clock(clock);
        Ok(Arc::new(RedbStore::open(options).await?))
    }
}

runstore_conformance::suite!(InFiles::<Redb>::new());
