//! The server plans by what it knows of the tables' sizes, and that may be long past: calls on many tasks must not
//! look at each of them for each.
#![allow(clippy::unwrap_used)]

mod common;

use runstore_core::{ClaimRequest, ListTasks, NewRun, RunId, Store, TaskDraft, TaskPlan};
use runstore_postgres::PostgresStore;
use runstore_postgres_testing::Cluster;
use sqlx::{Connection, PgConnection, query_scalar, raw_sql};

use common::options_at;

const TASKS: u32 = 3_000;

/// How often each of the tasks may be looked at by all the calls together.
const MOST_LOOKS: i64 = 100;

async fn plan(store: &PostgresStore, tasks: u32) -> RunId {
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    store.append_tasks(drafts(run_id, tasks)).await.unwrap();
    run_id
}

fn drafts(run_id: RunId, tasks: u32) -> TaskPlan {
    TaskPlan::new(run_id, (0..tasks).map(|_| TaskDraft::new("t", "o")))
}

/// How many rows of tasks were looked at so far, once every connection of the store is gone: a server process tells
/// it at its end.
async fn looked_at(connection: &mut PgConnection) -> i64 {
    let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'runstore'";
    while query_scalar::<_, i64>(left)
        .fetch_one(&mut *connection)
        .await
        .unwrap()
        > 0
    {
        tokio::task::yield_now().await;
    }
    let looked_at = "SELECT sum(seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_user_tables \
                     WHERE relname IN ('tasks', 'task_states')";
    query_scalar(looked_at).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn calls_on_many_tasks_look_at_each_a_few_times_though_the_server_thinks_there_are_ten() {
    let cluster = Cluster::start(&["autovacuum = off"]).unwrap();
    let options = options_at(&cluster.url());
    let store = PostgresStore::open(options.clone()).await.unwrap();
    plan(&store, 10).await;
    let deleted = plan(&store, TASKS).await;
    store.delete_run(deleted).await.unwrap();
    store.close().await.unwrap();
    let mut connection = PgConnection::connect(&cluster.url()).await.unwrap();
    let analyze = raw_sql("ANALYZE").execute(&mut connection).await;
    analyze.unwrap();
    let before = looked_at(&mut connection).await;

    let store = PostgresStore::open(options).await.unwrap();
    let run_id = plan(&store, TASKS).await;
    let replaced = store.replace_pending_tasks(drafts(run_id, TASKS)).await;
    assert_eq!(replaced.unwrap().len(), TASKS as usize);
    for _ in 0..TASKS / 100 {
        let request = ClaimRequest::of_run(run_id);
        let claims = store.claim_tasks(request, 100).await.unwrap();
        assert_eq!(claims.len(), 100);
    }
    let requeued = store.requeue_in_progress_tasks(run_id).await.unwrap();
    assert_eq!(requeued, u64::from(TASKS));
    let tasks = store.list_tasks(ListTasks::new(run_id)).await.unwrap();
    assert_eq!(tasks.items.len(), 2 * TASKS as usize);
    store.close().await.unwrap();
    let looks = looked_at(&mut connection).await - before;
    assert!(looks < MOST_LOOKS * i64::from(TASKS), "{looks} looks");
}
