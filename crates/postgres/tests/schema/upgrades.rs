//! Schemas of an earlier format.

use std::sync::Arc;

use futures_util::future::join_all;
use runstore_core::{
    ClaimRequest, ClaimToken, CompleteTask, Error, EventDraft, FinishReport, NewEvent, RunId,
    Store, TaskId, TaskStatus, Uuid, WaitingReason,
};
use runstore_postgres::{FORMAT_VERSION, PostgresOptions, PostgresStore};
use runstore_postgres_testing::Cluster;
use sqlx::PgConnection;
use tokio::sync::Barrier;

use crate::common::{options_at, run, schema, url};
use crate::{connect, count, use_it};

/// The run of the fixture.
fn run_id() -> RunId {
    RunId::from(Uuid::from_u128(0x7000_8000_0000_0000_0001))
}

/// A task of the fixture by its position.
fn task_id(position: u128) -> TaskId {
    TaskId::from(Uuid::from_u128(0x7000_8000_0000_0000_0100 + position))
}

fn claim_of(position: u128) -> ClaimToken {
    ClaimToken {
        task_id: task_id(position),
        attempt_number: 1,
    }
}

/// A schema of format 1 with a run in it.
async fn of_format_1(url: &str) -> (String, PostgresOptions) {
    let name = schema();
    let mut connection = connect(url).await;
    let made = format!("CREATE SCHEMA {name}; SET search_path = {name}");
    run(&mut connection, made).await;
    run(&mut connection, include_str!("format-1.sql")).await;
    run(&mut connection, include_str!("format-1-data.sql")).await;
    let options = options_at(url).with_schema(&name);
    (name, options)
}

async fn version(connection: &mut PgConnection, name: &str) -> i64 {
    let sql = format!("SELECT version::bigint FROM {name}.format");
    count(connection, sql).await
}

/// Goes on with what the fixture holds, to its end.
async fn go_on(store: &PostgresStore) {
    let done = store.get_task(task_id(1)).await.unwrap();
    assert_eq!(done.status, TaskStatus::Completed);
    let report = FinishReport::completed("done").with_event(EventDraft::new("w", "done", ""));
    // The second was claimed before, and the first was reported on: its report would be another one now.
    let second = store.finish_task(claim_of(2), report.clone()).await;
    assert_eq!(second.unwrap().status, TaskStatus::Completed);
    let repeated = store.finish_task(claim_of(2), report.clone()).await;
    assert_eq!(repeated.unwrap().id, task_id(2));
    let stale = store.finish_task(claim_of(3), report).await;
    assert!(matches!(stale, Err(Error::StaleClaim { .. })), "{stale:?}");

    let waiting = store.waiting_reason(task_id(4)).await.unwrap();
    assert!(
        matches!(waiting, WaitingReason::Dependencies { .. }),
        "{waiting:?}"
    );
    for position in [3, 4] {
        let request = ClaimRequest::of_run(run_id());
        let claim = store.claim_next_task(request).await.unwrap().unwrap();
        assert_eq!(claim.token(), claim_of(position));
        let complete = CompleteTask::new(task_id(position), "done");
        store.complete_task(complete).await.unwrap();
    }
    let event = EventDraft::new("w", "last", "");
    let event = store.add_event(NewEvent::new(run_id(), event)).await;
    assert_eq!(event.unwrap().seq, 4);
    let events = store.recent_events(run_id(), 10).await.unwrap();
    let kinds: Vec<&str> = events.iter().map(|event| &*event.kind).collect();
    assert_eq!(kinds, ["run_created", "done", "done", "last"]);
    let attempts = store.recent_attempts(run_id(), 10).await.unwrap();
    let tasks: Vec<TaskId> = attempts.iter().map(|attempt| attempt.task_id).collect();
    assert_eq!(tasks, [task_id(1), task_id(2)]);
    use_it(store).await;
}

#[tokio::test]
async fn a_schema_of_format_1_is_brought_up_and_goes_on() {
    let (name, options) = of_format_1(&url()).await;
    let store = PostgresStore::open(options.clone()).await.unwrap();
    let mut connection = connect(&url()).await;
    let found = version(&mut connection, &name).await;
    assert_eq!(found, i64::from(FORMAT_VERSION));
    go_on(&store).await;
    let again = PostgresStore::open(options).await.unwrap();
    use_it(&again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_that_open_a_schema_of_format_1_at_once_bring_it_up_once() {
    let (_, options) = of_format_1(&url()).await;
    let start = Arc::new(Barrier::new(10));
    let open = join_all((0..10).map(|_| {
        let (options, start) = (options.clone(), Arc::clone(&start));
        tokio::spawn(async move {
            start.wait().await;
            PostgresStore::open(options).await.unwrap()
        })
    }));
    let stores: Vec<PostgresStore> = open.await.into_iter().map(Result::unwrap).collect();
    go_on(stores.first().unwrap()).await;
    for store in &stores {
        use_it(store).await;
    }
}

#[tokio::test]
async fn who_may_not_change_a_schema_opens_it_once_it_is_brought_up() {
    let cluster = Cluster::start(&[]).unwrap();
    let mut connection = connect(&cluster.url()).await;
    // What is created from now on may be called by its owner alone.
    let revoke = "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC";
    run(&mut connection, revoke.to_owned()).await;
    let (name, of_owner) = of_format_1(&cluster.url()).await;
    let grants = format!(
        "CREATE ROLE app LOGIN; \
         GRANT USAGE ON SCHEMA {name} TO app; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO app; \
         REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA {name} FROM PUBLIC; \
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {name} TO app"
    );
    run(&mut connection, grants).await;

    let of_app = options_at(&cluster.url_of("app")).with_schema(&name);
    let refused = PostgresStore::open(of_app.clone()).await;
    assert!(matches!(refused, Err(Error::Backend { .. })), "{refused:?}");
    assert_eq!(version(&mut connection, &name).await, 1);

    PostgresStore::open(of_owner).await.unwrap();
    let found = version(&mut connection, &name).await;
    assert_eq!(found, i64::from(FORMAT_VERSION));
    go_on(&PostgresStore::open(of_app).await.unwrap()).await;
}
