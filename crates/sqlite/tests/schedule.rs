//! How the file keeps what waits: what a call writes, and what it leaves behind.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{contents, folder, open, plain_connection, run_sql, run_with_tasks};
use runstore_core::{
    ClaimRequest, Error, Heartbeat, NewRun, Store, TaskDraft, TaskPlan, Timestamp,
};

async fn count(path: &Path, table: &str) -> i64 {
    let connection = plain_connection(path);
    let count = format!("SELECT count(*) FROM {table}");
    let count = connection.query_row(&count, [], |row| row.get(0)).unwrap();
    connection.close().unwrap();
    count
}

#[tokio::test]
async fn who_waits_for_whom_goes_with_the_run() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let [kept, deleted] = [
        run_with_tasks(&store, 1).await,
        run_with_tasks(&store, 1).await,
    ];
    for run in [&kept, &deleted] {
        let drafts = [
            TaskDraft::new("a", "o").with_key("a"),
            TaskDraft::new("b", "o").with_depends_on(["a"]),
            TaskDraft::new("c", "o").with_depends_on([0_usize, 1]),
        ];
        store
            .append_tasks(TaskPlan::new(run.id, drafts))
            .await
            .unwrap();
    }
    assert_eq!(count(&path, "dependents").await, 6);
    store.delete_run(deleted.id).await.unwrap();
    assert_eq!(count(&path, "dependents").await, 3);
    assert_eq!(count(&path, "tasks").await, 4);
}

#[tokio::test]
async fn a_heartbeat_writes_none_of_the_texts_of_its_task() {
    let (folder, path) = folder();
    let store = open(&path).await;
    let run = store.create_run(NewRun::new("g", "r")).await.unwrap();
    let draft = TaskDraft::new("t", "long ".repeat(200_000));
    store
        .append_tasks(TaskPlan::new(run.id, [draft]))
        .await
        .unwrap();
    let request = ClaimRequest::of_run(run.id).with_lease(Duration::from_secs(1_000));
    let claim = store.claim_next_task(request).await.unwrap().unwrap();
    let log = || contents(folder.path())["runs.db-wal"].len();
    let before = log();
    let beat = Heartbeat::new(claim.token(), Duration::from_secs(2_000));
    assert!(store.heartbeat(beat).await.unwrap() > claim.task.lease_expires_at);
    let written = log() - before;
    assert!(0 < written && written < 100_000, "{written}");
}

#[tokio::test]
async fn a_claim_beside_tasks_that_wait_writes_nothing() {
    let (folder, path) = folder();
    let store = open(&path).await;
    let run = run_with_tasks(&store, 1).await;
    let drafts = [
        TaskDraft::new("later", "o").with_not_before(Timestamp::MAX),
        TaskDraft::new("after that", "o").with_depends_on([0_usize]),
    ];
    store
        .append_tasks(TaskPlan::new(run.id, drafts))
        .await
        .unwrap();
    let request = ClaimRequest::of_any_run().with_lease(Duration::from_secs(1_000));
    assert!(
        store
            .claim_next_task(request.clone())
            .await
            .unwrap()
            .is_some()
    );
    let log = || contents(folder.path()).remove("runs.db-wal").unwrap();
    let before = log();
    assert_eq!(store.claim_next_task(request.clone()).await.unwrap(), None);
    assert!(store.claim_tasks(request, 10).await.unwrap().is_empty());
    assert_eq!(store.requeue_expired_tasks(None).await.unwrap(), 0);
    assert!(before == log());
}

#[tokio::test]
async fn the_order_of_planning_survives_a_deletion_and_a_vacuum() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let first = run_with_tasks(&store, 2).await;
    let deleted = run_with_tasks(&store, 2).await;
    let third = run_with_tasks(&store, 2).await;
    store.delete_run(deleted.id).await.unwrap();
    let draft = TaskDraft::new("last of the first", "o");
    store
        .append_tasks(TaskPlan::new(first.id, [draft]))
        .await
        .unwrap();
    run_sql(&path, "VACUUM");
    let claims = store
        .claim_tasks(ClaimRequest::of_any_run(), 10)
        .await
        .unwrap();
    let order = claims
        .iter()
        .map(|claim| (claim.task.run_id, claim.task.position));
    let expected = [
        (first.id, 1),
        (first.id, 2),
        (third.id, 1),
        (third.id, 2),
        (first.id, 3),
    ];
    assert!(order.eq(expected));
}

#[tokio::test]
async fn ids_that_cannot_be_read_are_corrupt_and_named() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    run_with_tasks(&store, 1).await;
    run_sql(&path, "UPDATE tasks SET depends_on = x'0102'");
    let error = store
        .claim_next_task(ClaimRequest::of_any_run())
        .await
        .unwrap_err();
    let Error::Corrupt { place, .. } = error else {
        panic!("{error:?}");
    };
    assert!(place.starts_with("tasks.depends_on of "), "{place}");
}
