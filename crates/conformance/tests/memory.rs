//! The suite over the reference backend.

use std::sync::Arc;

use async_trait::async_trait;
use runstore_conformance::{Fixture, Harness, Provided};
use runstore_core::{Clock, Store};
use runstore_memory::{MemoryOptions, MemoryStore};

struct Memory;

#[async_trait]
impl Harness for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>> {
        let store = MemoryStore::open(MemoryOptions::new().with_clock(clock));
        Ok(Box::new(MemoryFixture(store)))
    }
}

struct MemoryFixture(MemoryStore);

#[async_trait]
impl Fixture for MemoryFixture {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    async fn second_handle(&self) -> Provided<Arc<dyn Store>> {
        Ok(Arc::new(self.0.reopen()))
    }

    async fn reopen(&mut self) -> Provided<()> {
        self.0.close().await?;
        self.0 = self.0.reopen();
        Ok(())
    }
}

runstore_conformance::suite!(Memory, allowing skips);
