//! The store's schema: who creates it, what is left alone, and who may use it.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod upgrades;

use std::sync::Arc;

use futures_util::future::join_all;
use runstore_core::{
    ClaimRequest, Error, EventDraft, FinishReport, ListRuns, NewEvent, NewRun, Store, TaskDraft,
    TaskPlan,
};
use runstore_postgres::{FORMAT_VERSION, PostgresOptions, PostgresStore};
use runstore_postgres_testing::Cluster;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query_scalar};
use tokio::sync::Barrier;

use common::{options_at, run, schema, url};

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn count(connection: &mut PgConnection, sql: impl Into<String>) -> i64 {
    let count = query_scalar(AssertSqlSafe(sql.into()));
    count.fetch_one(connection).await.unwrap()
}

async fn refusal(options: PostgresOptions) -> (String, String) {
    match PostgresStore::open(options).await {
        Err(Error::Incompatible { found, advice, .. }) => (found, advice),
        Err(other) => panic!("{other:?}"),
        Ok(store) => panic!("{store:?}"),
    }
}

/// A cycle of a store's life, to see that it works.
async fn use_it(store: &PostgresStore) {
    let run = store.create_run(NewRun::new("goal", "")).await.unwrap();
    let plan = TaskPlan::new(run.id, [TaskDraft::new("t", "o")]);
    store.replace_pending_tasks(plan).await.unwrap();
    let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
    let token = claim.unwrap().unwrap().token();
    let report = FinishReport::completed("done").with_event(EventDraft::new("w", "done", ""));
    store.finish_task(token, report).await.unwrap();
    store.delete_run(run.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_that_open_a_new_store_at_once_find_one_schema() {
    for _ in 0..3 {
        let options = options_at(&url());
        let start = Arc::new(Barrier::new(10));
        let open = join_all((0..10).map(|_| {
            let (options, start) = (options.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                PostgresStore::open(options).await.unwrap()
            })
        }));
        let stores: Vec<PostgresStore> = open.await.into_iter().map(Result::unwrap).collect();
        for store in &stores {
            store.create_run(NewRun::new("goal", "")).await.unwrap();
        }
        for store in &stores {
            let runs = store.list_runs(ListRuns::all()).await.unwrap();
            assert_eq!(runs.items.len(), stores.len());
        }
    }
}

#[tokio::test]
async fn stores_in_schemas_of_one_database_know_nothing_of_each_other() {
    let (one, other) = (options_at(&url()), options_at(&url()));
    let one = PostgresStore::open(one).await.unwrap();
    let other = PostgresStore::open(other).await.unwrap();
    let run = one.create_run(NewRun::new("goal", "")).await.unwrap();
    let found = other.get_run(run.id).await;
    assert!(matches!(found, Err(Error::NotFound { .. })), "{found:?}");
    // The same ids in both are no collision.
    let new = NewRun::new("another", "").with_id(run.id);
    other.create_run(new).await.unwrap();
    other.delete_run(run.id).await.unwrap();
    assert_eq!(one.get_run(run.id).await.unwrap().goal, "goal");
}

#[tokio::test]
async fn a_schema_of_another_application_is_refused_and_left_as_it_is() {
    let mut connection = connect(&url()).await;
    for table in ["invoices (id integer)", "format (colour text)"] {
        let name = schema();
        run(&mut connection, format!("CREATE SCHEMA {name}")).await;
        run(&mut connection, format!("CREATE TABLE {name}.{table}")).await;
        let (found, advice) = refusal(options_at(&url()).with_schema(&name)).await;
        assert!(found.contains(&name), "{found}");
        assert!(advice.contains("another schema"), "{advice}");
        let tables = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{name}'");
        assert_eq!(count(&mut connection, tables).await, 1);
    }
}

#[tokio::test]
async fn a_schema_of_a_newer_format_is_refused_and_left_as_it_is() {
    let name = schema();
    let options = options_at(&url()).with_schema(&name);
    let store = PostgresStore::open(options.clone()).await.unwrap();
    store.create_run(NewRun::new("goal", "")).await.unwrap();
    store.close().await.unwrap();
    let mut connection = connect(&url()).await;
    let newer = FORMAT_VERSION + 1;
    run(
        &mut connection,
        format!("UPDATE {name}.format SET version = {newer}"),
    )
    .await;
    let (found, advice) = refusal(options).await;
    assert!(found.contains(&newer.to_string()), "{found}");
    assert!(advice.contains("newer version"), "{advice}");
    let runs = count(&mut connection, format!("SELECT count(*) FROM {name}.runs")).await;
    assert_eq!(runs, 1);
}

#[tokio::test]
async fn without_leave_to_create_a_missing_schema_is_told_and_not_made() {
    let name = schema();
    let options = options_at(&url()).with_schema(&name).with_creation(false);
    let (found, _) = refusal(options).await;
    assert!(found.contains(&name), "{found}");
    let mut connection = connect(&url()).await;
    let schemas = format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{name}'");
    assert_eq!(count(&mut connection, schemas).await, 0);
}

#[tokio::test]
async fn a_schema_may_be_named_by_a_word_of_sql() {
    let cluster = Cluster::start(&[]).unwrap();
    for name in ["user", "select", "default", "all"] {
        let options = options_at(&cluster.url()).with_schema(name);
        use_it(&PostgresStore::open(options).await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_database_whose_transactions_are_stricter_is_no_other() {
    let cluster = Cluster::start(&["default_transaction_isolation = 'serializable'"]).unwrap();
    let store = PostgresStore::open(options_at(&cluster.url()))
        .await
        .unwrap();
    use_it(&store).await;
    let run = store.create_run(NewRun::new("goal", "")).await.unwrap();
    let plan = TaskPlan::new(run.id, (0..40).map(|_| TaskDraft::new("t", "o")));
    store.append_tasks(plan).await.unwrap();
    let claims = join_all((0..40).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let request = ClaimRequest::of_run(run.id);
            store.claim_next_task(request).await.unwrap().unwrap()
        })
    }));
    assert_eq!(claims.await.len(), 40);
}

#[tokio::test]
async fn an_empty_schema_that_an_administrator_made_is_used() {
    let name = schema();
    let mut connection = connect(&url()).await;
    run(&mut connection, format!("CREATE SCHEMA {name}")).await;
    let options = options_at(&url()).with_schema(&name);
    use_it(&PostgresStore::open(options).await.unwrap()).await;
}

#[tokio::test]
async fn a_role_with_the_grants_of_the_documents_can_use_a_store_and_create_none() {
    let cluster = Cluster::start(&[]).unwrap();
    let mut connection = connect(&cluster.url()).await;
    run(
        &mut connection,
        "CREATE ROLE app LOGIN; CREATE ROLE looker LOGIN",
    )
    .await;

    // The failed migration lets go of its lock: the owner's comes through.
    let of_app = options_at(&cluster.url_of("app")).with_schema("runstore");
    let refused = PostgresStore::open(of_app.clone()).await;
    assert!(matches!(refused, Err(Error::Backend { .. })), "{refused:?}");
    let of_owner = options_at(&cluster.url()).with_schema("runstore");
    use_it(&PostgresStore::open(of_owner).await.unwrap()).await;

    run(
        &mut connection,
        "GRANT USAGE ON SCHEMA runstore TO app, looker; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA runstore TO app; \
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA runstore TO app; \
         GRANT SELECT ON ALL TABLES IN SCHEMA runstore TO looker",
    )
    .await;
    let store = PostgresStore::open(of_app).await.unwrap();
    use_it(&store).await;
    let run = store.create_run(NewRun::new("goal", "")).await.unwrap();

    let of_looker = options_at(&cluster.url_of("looker")).with_schema("runstore");
    let looker = PostgresStore::open(of_looker).await.unwrap();
    assert_eq!(looker.get_run(run.id).await.unwrap(), run);
    let event = EventDraft::new("w", "k", "m");
    let refused = looker.add_event(NewEvent::new(run.id, event)).await;
    assert!(matches!(refused, Err(Error::Backend { .. })), "{refused:?}");
    let events = store.recent_events(run.id, 10).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| &*event.kind).collect();
    assert_eq!(kinds, ["run_created"]);
}

#[tokio::test]
async fn a_database_in_another_encoding_is_refused() {
    let cluster = Cluster::start(&[]).unwrap();
    let mut connection = connect(&cluster.url()).await;
    let create = "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0";
    run(&mut connection, create).await;
    let url = format!("postgres://postgres@127.0.0.1:{}/latin", cluster.port());
    let (found, advice) = refusal(options_at(&url)).await;
    assert!(found.contains("LATIN1"), "{found}");
    assert!(advice.contains("UTF8"), "{advice}");
}
