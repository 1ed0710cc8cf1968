//! A store behind a pooler that gives a connection for the time of a transaction.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use runstore_conformance::{Filter, Fixture, Harness, Provided, run_all};
use runstore_core::{
    ClaimRequest, Clock, Error, EventDraft, FinishReport, Heartbeat, ListRuns, NewEvent, NewRun,
    RunId, SnapshotRequest, Store, TaskDraft, TaskPlan,
};
use runstore_postgres::{PgConnectOptions, PostgresOptions, PostgresStore};
use runstore_postgres_testing::{Cluster, Pooler};
use sqlx::{AssertSqlSafe, ConnectOptions, Row, raw_sql};
use tokio::select;
use tokio::sync::watch;

const LEASE: Duration = Duration::from_secs(600);

/// A server and a pooler before it. The pooler goes first.
struct Pooled {
    pooler: Pooler,
    _cluster: Cluster,
}

impl Pooled {
    fn start(connections: u32) -> Self {
        let cluster = Cluster::start(&[]).unwrap();
        let pooler = Pooler::start(&cluster, connections).unwrap();
        Self {
            pooler,
            _cluster: cluster,
        }
    }

    fn options(&self) -> PostgresOptions {
        let url = self.pooler.url();
        common::options_at(&format!("{url}?pooler=transaction&poll_ms=5"))
    }

    async fn open(&self) -> PostgresStore {
        PostgresStore::open(self.options()).await.unwrap()
    }

    /// What the pooler's connection says, without a statement that is prepared for it.
    async fn ask(&self, sql: &str) -> String {
        let connect: PgConnectOptions = self.pooler.url().parse().unwrap();
        let connect = connect.extra_float_digits(None);
        let mut connection = connect.connect().await.unwrap();
        let asked = raw_sql(AssertSqlSafe(sql.to_owned()));
        let row = asked.fetch_one(&mut connection).await.unwrap();
        row.try_get_unchecked(0).unwrap()
    }
}

/// A run with a chain of tasks, and others that wait for none.
async fn run(store: &PostgresStore, tasks: usize) -> RunId {
    let run = store.create_run(NewRun::new("goal", "/repo")).await;
    let run_id = run.unwrap().id;
    let drafts = (0..tasks).map(|number| {
        let draft = TaskDraft::new(format!("task {number}"), "objective");
        match number % 2 {
            0 => draft,
            _ => draft.with_depends_on(number.checked_sub(2).filter(|_| number > 2)),
        }
    });
    let plan = TaskPlan::new(run_id, drafts);
    store.append_tasks(plan).await.unwrap();
    run_id
}

/// Works on a run until somebody finished its last task; says how many were this worker's.
async fn work(store: PostgresStore, run_id: RunId, left: watch::Sender<usize>) -> usize {
    let request = ClaimRequest::of_run(run_id).with_lease(LEASE);
    let mut over = left.subscribe();
    let mut finished = 0;
    loop {
        let claim = select! {
            claim = store.claim_or_wait(request.clone(), LEASE) => claim.unwrap().unwrap(),
            _ = over.wait_for(|left| *left == 0) => return finished,
        };
        let token = claim.token();
        let beat = store.heartbeat(Heartbeat::new(token, 2 * LEASE)).await;
        assert!(beat.unwrap() > claim.task.lease_expires_at);
        let event = NewEvent::new(run_id, EventDraft::new("worker", "noted", "message"));
        store.add_event(event.with_fence(token)).await.unwrap();
        let report = FinishReport::completed("done");
        store.finish_task(token, report).await.unwrap();
        finished += 1;
        left.send_modify(|left| *left -= 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_open_a_store_at_once_behind_a_pooler() {
    let pooled = Pooled::start(6);
    let options = pooled.options();
    let opened = (0..20).map(|_| tokio::spawn(PostgresStore::open(options.clone())));
    for store in Vec::from_iter(opened) {
        store.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_lives_its_whole_life_behind_a_pooler() {
    const TASKS: usize = 60;
    let pooled = Pooled::start(2);
    // Two processes of four workers each, with more connections than the pooler has to the server.
    let options = pooled.options().with_connections(4);
    let stores = [
        PostgresStore::open(options.clone()).await.unwrap(),
        PostgresStore::open(options).await.unwrap(),
    ];
    let [store, _] = &stores;
    let run_id = run(store, TASKS).await;
    let left = watch::Sender::new(TASKS);
    let workers = stores.iter().cycle().take(8).cloned();
    let workers = workers.map(|store| tokio::spawn(work(store, run_id, left.clone())));
    let finished = join_all(workers).await.into_iter().map(Result::unwrap);
    assert_eq!(finished.sum::<usize>(), TASKS);

    let snapshot = store.snapshot(SnapshotRequest::of_run(run_id)).await;
    let snapshot = snapshot.unwrap();
    let tasks = u64::try_from(TASKS).unwrap();
    assert_eq!(snapshot.counts.completed, tasks);
    assert_eq!(snapshot.counts.attempts, tasks);
    let each_once = |task: &runstore_core::Task| task.attempt_count == 1;
    assert!(snapshot.completed_tasks.iter().all(each_once));
    store.delete_run(run_id).await.unwrap();
    let gone = store.get_run(run_id).await.unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone:?}");
}

#[tokio::test]
async fn nothing_of_a_store_stays_behind_on_a_connection_of_the_pooler() {
    let pooled = Pooled::start(1);
    let store = pooled.open().await;
    let run_id = run(&store, 4).await;
    let request = ClaimRequest::of_run(run_id).with_lease(LEASE);
    let claim = store.claim_or_wait(request, LEASE).await.unwrap();
    let token = claim.unwrap().token();
    let report = FinishReport::completed("done");
    store.finish_task(token, report).await.unwrap();
    let any = ClaimRequest::of_any_run();
    store.claim_next_task(any).await.unwrap();
    store
        .snapshot(SnapshotRequest::of_run(run_id))
        .await
        .unwrap();
    store.get_run(RunId::generate()).await.unwrap_err();
    store.increment_cycle(RunId::generate()).await.unwrap_err();
    for (asked, answer) in [
        ("SELECT count(*)::text FROM pg_prepared_statements", "0"),
        ("SELECT count(*)::text FROM pg_listening_channels()", "0"),
        (
            "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory'",
            "0",
        ),
        ("SHOW search_path", "\"$user\", public"),
        ("SHOW statement_timeout", "0"),
        ("SHOW enable_seqscan", "on"),
        ("SHOW jit", "on"),
    ] {
        assert_eq!(pooled.ask(asked).await, answer, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_in_two_schemas_share_a_pooler_and_nothing_else() {
    const RUNS: usize = 20;
    let pooled = Pooled::start(1);
    let stores = [pooled.open().await, pooled.open().await];
    let used = stores.iter().map(async |store| {
        let mut own = Vec::new();
        for _ in 0..RUNS {
            let run_id = run(store, 1).await;
            own.push(run_id);
            let claim = store.claim_next_task(ClaimRequest::of_any_run()).await;
            let claim = claim.unwrap().unwrap();
            assert_eq!(claim.task.run_id, run_id);
            let event = NewEvent::new(run_id, EventDraft::new("worker", "noted", "message"));
            let event = store.add_event(event).await.unwrap();
            assert_eq!(
                event.seq, 2,
                "after the one that says that the run was created"
            );
        }
        own
    });
    let used = join_all(used).await;
    for (store, own) in stores.iter().zip(&used) {
        let listed = store.list_runs(ListRuns::all()).await.unwrap().items;
        let listed: Vec<RunId> = listed.iter().rev().map(|run| run.id).collect();
        assert_eq!(&listed, own);
    }
}

/// Stores behind a pooler, each in a schema of its own.
struct BehindPooler(Pooled);

#[async_trait]
impl Harness for BehindPooler {
    fn name(&self) -> &str {
        "postgres behind a pooler"
    }

    async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>> {
        // The scenarios of waits are of one process that polls when nothing else happens: as often as it does
        // unless told otherwise, for who polls comes before who is woken.
        let options = self.0.options().with_poll_interval(Duration::from_secs(1));
        let options = options.with_clock(clock).with_connections(4);
        common::InSchema::open(options).await
    }
}

/// Checks that the store keeps the contract as far as these groups of scenarios go.
async fn keeps(groups: &[&str]) {
    let harness = BehindPooler(Pooled::start(3));
    for group in groups {
        let report = run_all(&harness, Filter::Name(group)).await;
        assert!(!report.scenarios.is_empty(), "there is no group {group}");
        assert_eq!(report.failures().count(), 0, "{report}");
        assert_eq!(report.skips().count(), 0, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_keep_the_contract_behind_a_pooler() {
    keeps(&["claims::", "leases::", "any_run::"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_keep_the_contract_behind_a_pooler() {
    keeps(&["waits::"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_calls_that_are_dropped_keep_the_contract_behind_a_pooler() {
    keeps(&["events::", "cancel::"]).await;
}
