//! What the tests of this crate share.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;

use async_trait::async_trait;
use runstore_conformance::{Fixture, Provided};
use runstore_core::{RunId, Store, Uuid};
use runstore_postgres::{PostgresOptions, PostgresStore};
use sqlx::{AssertSqlSafe, PgConnection, query_scalar, raw_sql};

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

/// Runs statements beside the store.
pub(crate) async fn run(connection: &mut PgConnection, sql: impl Into<String>) {
    let statements = raw_sql(AssertSqlSafe(sql.into()));
    statements.execute(connection).await.unwrap();
}

/// Until somebody waits for the transaction of this connection.
pub(crate) async fn waited_for(connection: &mut PgConnection) {
    waited_for_by(connection, 1).await;
}

/// Until so many wait for the transaction of this connection, or for one that does.
pub(crate) async fn waited_for_by(connection: &mut PgConnection, number: i64) {
    let waiting = "WITH w AS (SELECT pid, pg_blocking_pids(pid) AS by FROM pg_stat_activity), \
                   f AS (SELECT pid FROM w WHERE pg_backend_pid() = ANY (by)) \
                   SELECT count(*) FROM w WHERE pg_backend_pid() = ANY (by) \
                   OR by && ARRAY(SELECT pid FROM f)";
    loop {
        let waiting: i64 = query_scalar(waiting)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        if waiting >= number {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Holds up whoever adds entries of a kind to the run, until the connection commits.
pub(crate) async fn hold(connection: &mut PgConnection, schema: &str, run_id: RunId, kind: &str) {
    let hold = format!(
        "SET search_path = '{schema}'; BEGIN; \
         SELECT 1 FROM counters WHERE run_id = '{run_id}' AND kind = '{kind}' FOR UPDATE"
    );
    run(connection, hold).await;
}

/// A store in a schema of its own, which goes with the server.
pub(crate) struct InSchema {
    options: PostgresOptions,
    store: PostgresStore,
}

impl InSchema {
    pub(crate) async fn open(options: PostgresOptions) -> Provided<Box<dyn Fixture>> {
        let store = PostgresStore::open(options.clone()).await?;
        Ok(Box::new(Self { options, store }))
    }
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
