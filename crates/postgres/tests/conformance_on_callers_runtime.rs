//! The conformance suite over PostgreSQL, with the store on the runtime of its callers.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use runstore_conformance::{Fixture, Harness, Provided};
use runstore_core::Clock;

struct OnCallersRuntime;

#[async_trait]
impl Harness for OnCallersRuntime {
    fn name(&self) -> &str {
        "postgres on the runtime of its callers"
    }

    async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>> {
        let options = common::options().with_clock(clock).with_connections(4);
        common::InSchema::open(options.with_callers_runtime(true)).await
    }
}

runstore_conformance::suite!(OnCallersRuntime);
