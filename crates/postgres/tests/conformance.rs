//! The conformance suite over PostgreSQL.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use runstore_conformance::{Fixture, Harness, Provided};
use runstore_core::{Clock, Store};
use runstore_postgres::{PostgresOptions, PostgresStore};

struct Postgres;

#[async_trait]
impl Harness for Postgres {
    fn name(&self) -> &str {
        "postgres"
    }

    async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>> {
        let options = common::options().with_clock(clock).with_connections(4);
        let store = PostgresStore::open(options.clone()).await?;
        Ok(Box::new(InSchema { options, store }))
    }
}

/// A store in a schema of its own, which goes with the server.
struct InSchema {
    options: PostgresOptions,
    store: PostgresStore,
}

#[async_trait]
impl Fixture for InSchema {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    async fn second_handle(&self) -> Provided<Arc<dyn Store>> {
        let store = PostgresStore::open(self.options.clone()).await?;
        Ok(Arc::new(store))
    }

    async fn reopen(&mut self) -> Provided<()> {
        self.store.close().await?;
        self.store = PostgresStore::open(self.options.clone()).await?;
        Ok(())
    }

    async fn kill(&mut self) -> Provided<()> {
        // What the process had is given up without a word to the server.
        self.store = PostgresStore::open(self.options.clone()).await?;
        Ok(())
    }
}

runstore_conformance::suite!(Postgres);
