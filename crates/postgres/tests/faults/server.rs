//! A server that is full, that only reads, or that has no connection left; and what is left open there.

use std::time::Duration;

use runstore_core::{
    ClaimRequest, Error, EventDraft, ListEvents, NewEvent, NewRun, Outcome, Result, Store,
    TaskDraft, TaskPlan, TaskStatus,
};
use runstore_postgres::PostgresStore;
use runstore_postgres_testing::Cluster;
use sqlx::{AssertSqlSafe, Connection, PgConnection, query_scalar};

use crate::common::{options_at, run, schema, url};

fn unavailable<T: std::fmt::Debug>(result: Result<T>, word: &str) -> Outcome {
    match result {
        Err(Error::Unavailable { what, outcome, .. }) => {
            assert!(what.contains(word), "{what}");
            outcome
        }
        other => panic!("{other:?}"),
    }
}

/// The error is the server's own, as it is when it cannot extend a file: raised by a trigger, for no disk can
/// be filled here.
#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_written() {
    let name = schema();
    let options = options_at(&url()).with_schema(&name);
    let store = PostgresStore::open(options).await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    let mut connection = PgConnection::connect(&url()).await.unwrap();
    let full = format!(
        "CREATE FUNCTION {name}.no_space() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$; \
         CREATE TRIGGER no_space BEFORE INSERT ON {name}.events EXECUTE FUNCTION {name}.no_space(); \
         CREATE TRIGGER no_space BEFORE INSERT ON {name}.tasks EXECUTE FUNCTION {name}.no_space()"
    );
    run(&mut connection, full).await;
    let event = NewEvent::new(run_id, EventDraft::new("w", "k", "m"));
    let told = store.add_event(event.clone()).await;
    assert_eq!(unavailable(told, "disk is full"), Outcome::NotApplied);
    let plan = TaskPlan::new(run_id, [TaskDraft::new("t", "o")]);
    let told = store.append_tasks(plan).await;
    assert_eq!(unavailable(told, "disk is full"), Outcome::NotApplied);
    let events = store.list_events(ListEvents::new(run_id)).await.unwrap();
    assert_eq!(events.items.len(), 1, "the run's creation alone");

    run(
        &mut connection,
        format!("DROP TRIGGER no_space ON {name}.events"),
    )
    .await;
    assert_eq!(store.add_event(event).await.unwrap().seq, 2);
}

#[tokio::test]
async fn a_server_without_a_connection_left_is_busy_until_there_is_one() {
    let settings = ["max_connections = 6", "superuser_reserved_connections = 0"];
    let cluster = Cluster::start(&settings).unwrap();
    let options = options_at(&cluster.url()).with_acquire_timeout(Duration::from_millis(300));
    let store = PostgresStore::open(options.clone()).await.unwrap();
    let mut others = Vec::new();
    while let Ok(other) = PgConnection::connect(&cluster.url()).await {
        others.push(other);
    }
    let refused = PostgresStore::open(options.clone()).await;
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    // The store that has a connection shares it among its callers meanwhile.
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    for other in others {
        other.close().await.unwrap();
    }
    let patient = options.with_acquire_timeout(Duration::from_secs(60));
    let second = PostgresStore::open(patient).await.unwrap();
    assert_eq!(second.get_run(run_id).await.unwrap().goal, "goal");
}

#[tokio::test]
async fn every_connection_of_the_store_in_use_is_busy() {
    let name = schema();
    let options = options_at(&url()).with_schema(&name).with_connections(1);
    let options = options.with_acquire_timeout(Duration::from_millis(100));
    let store = PostgresStore::open(options).await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    // Another holds the run, so that the one connection waits.
    let mut other = PgConnection::connect(&url()).await.unwrap();
    let lock = format!("BEGIN; SELECT 1 FROM {name}.runs FOR UPDATE");
    run(&mut other, lock).await;
    let held = tokio::spawn({
        let store = store.clone();
        async move { store.increment_cycle(run_id).await }
    });
    let waits = format!(
        "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = '{name}' AND c.relname = 'runs' AND l.pid <> pg_backend_pid()"
    );
    loop {
        let waiting: i64 = query_scalar(AssertSqlSafe(waits.clone()))
            .fetch_one(&mut other)
            .await
            .unwrap();
        if waiting > 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let busy = store.get_run(run_id).await;
    assert!(matches!(busy, Err(Error::Busy { .. })), "{busy:?}");
    run(&mut other, "COMMIT").await;
    assert_eq!(held.await.unwrap().unwrap().cycle_count, 1);
}

#[tokio::test]
async fn a_standby_is_read_and_refuses_writes_with_the_reason() {
    let mut cluster = Cluster::start(&[]).unwrap();
    let options = options_at(&cluster.url());
    let store = PostgresStore::open(options.clone()).await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    let plan = TaskPlan::new(run_id, [TaskDraft::new("t", "o")]);
    let task = store.append_tasks(plan).await.unwrap().remove(0);
    store.close().await.unwrap();
    cluster.become_standby().unwrap();

    let store = PostgresStore::open(options.clone()).await.unwrap();
    assert_eq!(store.get_task(task.id).await.unwrap(), task);
    let event = EventDraft::new("w", "k", "m");
    let told = store.add_event(NewEvent::new(run_id, event)).await;
    assert_eq!(unavailable(told, "standby"), Outcome::NotApplied);
    let told = store.claim_next_task(ClaimRequest::of_run(run_id)).await;
    assert_eq!(unavailable(told, "standby"), Outcome::NotApplied);
    let told = store.increment_cycle(run_id).await;
    assert_eq!(unavailable(told, "standby"), Outcome::NotApplied);
    assert_eq!(
        store.get_task(task.id).await.unwrap().status,
        TaskStatus::Pending
    );

    let missing = PostgresStore::open(options.with_schema(schema())).await;
    match missing {
        Err(Error::Incompatible { advice, .. }) => assert!(advice.contains("primary"), "{advice}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_that_are_dropped_leave_no_transaction_open() {
    const MAX_WAITS: usize = 30;
    let name = schema();
    let options = options_at(&url())
        .with_schema(&name)
        .with_application_name(&name);
    let store = PostgresStore::open(options).await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    let mut connection = PgConnection::connect(&url()).await.unwrap();
    let open = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE application_name = '{name}' AND state LIKE 'idle in transaction%'"
    );
    for round in 0..40 {
        let drafts = (0..20).map(|_| TaskDraft::new("t", "o"));
        let calls = (0..8).map(|_| {
            let plan = TaskPlan::new(run_id, drafts.clone());
            let store = store.clone();
            tokio::spawn(async move { store.replace_pending_tasks(plan).await.map(drop) })
        });
        let calls = Vec::from_iter(calls);
        for _ in 0..round * 4 {
            tokio::task::yield_now().await;
        }
        for call in &calls {
            call.abort();
        }
        for call in calls {
            // Done, or dropped.
            let _ = call.await;
        }
        let mut left_open = 0;
        for _ in 0..MAX_WAITS {
            // Waits for those that were dropped, for as long as it has the patience: on a busy machine they take longer.
            store.get_run(run_id).await.unwrap();
            let open = query_scalar(AssertSqlSafe(open.clone()));
            left_open = open.fetch_one(&mut connection).await.unwrap();
            if left_open == 0 {
                break;
            }
        }
        assert_eq!(left_open, 0_i64, "round {round}");
    }
}
