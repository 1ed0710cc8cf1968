//! What the tests of this crate share.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use runstore_core::Uuid;
use runstore_postgres::{PostgresOptions, PostgresStore};

/// The URL of the server that tests share.
pub(crate) fn url() -> String {
    runstore_postgres_testing::url().unwrap()
}

/// The options for a schema of the test's own on the server that tests share.
pub(crate) fn options() -> PostgresOptions {
    options_at(&url())
}

/// The options for a schema of the test's own on this server.
pub(crate) fn options_at(url: &str) -> PostgresOptions {
    let options = PostgresOptions::from_url(&url.parse().unwrap()).unwrap();
    options.with_schema(schema())
}

/// The name of a schema that nobody has.
pub(crate) fn schema() -> String {
    format!("test_{}", Uuid::now_v7().simple())
}

pub(crate) async fn open() -> PostgresStore {
    PostgresStore::open(options()).await.unwrap()
}
