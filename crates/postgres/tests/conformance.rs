//! The conformance suite over PostgreSQL.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use runstore_conformance::{Fixture, Harness, Provided};
use runstore_core::Clock;

struct Postgres;

#[async_trait]
impl Harness for Postgres {
    fn name(&self) -> &str {
        "postgres"
    }

    async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>> {
        let options = common::options().with_clock(clock).with_connections(4);
        common::InSchema::open(options).await
    }
}

runstore_conformance::suite!(Postgres);
