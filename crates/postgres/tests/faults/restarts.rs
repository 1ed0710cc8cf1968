//! The server is killed and comes back while workers work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use runstore_core::{
    AttemptReport, Claim, ClaimRequest, ClaimToken, Error, EventDraft, FinishReport, ListAttempts,
    ListEvents, ListTasks, NewRun, Result, RunId, Store, TaskDraft, TaskId, TaskPlan, TaskStatus,
};
use runstore_postgres::{PostgresOptions, PostgresStore};
use runstore_postgres_testing::Cluster;
use tokio::sync::mpsc;

use crate::common::options_at;

const WORKERS: usize = 32;
const TASKS: usize = 1_600;
const LEASE: Duration = Duration::from_secs(1);

/// Makes a call until the server answers it, and counts the errors on the way.
async fn persist<T, F: Future<Output = Result<T>>>(
    call: impl Fn() -> F,
    errors: &mut u64,
) -> Result<T> {
    loop {
        match call().await {
            Err(error) if error.is_retryable() => *errors += 1,
            answer => return answer,
        }
    }
}

/// Works until nothing is open, and tells each report that was answered. Returns how many calls failed.
async fn work(store: PostgresStore, run_id: RunId, told: mpsc::UnboundedSender<ClaimToken>) -> u64 {
    let request = ClaimRequest::of_run(run_id).with_lease(LEASE);
    let mut errors = 0;
    loop {
        let wait = || store.claim_or_wait(request.clone(), LEASE);
        let claim: Option<Claim> = persist(wait, &mut errors).await.unwrap();
        let Some(claim) = claim else {
            let open = [TaskStatus::Pending, TaskStatus::InProgress];
            let open = ListTasks::new(run_id).with_statuses(open);
            let left = persist(|| store.list_tasks(open.clone()), &mut errors).await;
            match left.unwrap().items[..] {
                [] => return errors,
                _ => continue,
            }
        };
        let token = claim.token();
        let report = FinishReport::completed("done")
            .with_event(EventDraft::new(
                "worker",
                "settled",
                token.task_id.to_string(),
            ))
            .with_attempt(AttemptReport::new("completed", "done"));
        let finish = || store.finish_task(token, report.clone());
        match persist(finish, &mut errors).await {
            Ok(_) => told.send(token).unwrap(),
            Err(Error::StaleClaim { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
}

async fn check(store: &dyn Store, run_id: RunId, told: &BTreeSet<ClaimToken>) {
    let tasks = store.list_tasks(ListTasks::new(run_id)).await.unwrap();
    assert_eq!(tasks.items.len(), TASKS);
    for task in &tasks.items {
        assert_eq!(task.status, TaskStatus::Completed, "{task:?}");
    }
    let attempts = store.list_attempts(ListAttempts::new(run_id)).await;
    let attempts = attempts.unwrap().items;
    let written: BTreeSet<ClaimToken> = attempts
        .iter()
        .map(|attempt| ClaimToken {
            task_id: attempt.task_id,
            attempt_number: attempt.attempt_number,
        })
        .collect();
    assert_eq!((attempts.len(), written.len()), (TASKS, TASKS));
    assert!(written.is_superset(told), "an answered report is lost");
    let events = store.list_events(ListEvents::new(run_id)).await.unwrap();
    let mut settled = BTreeMap::<TaskId, u32>::new();
    for event in events.items.iter().filter(|event| event.kind == "settled") {
        *settled.entry(event.message.parse().unwrap()).or_default() += 1;
    }
    assert_eq!(settled.len(), TASKS);
    assert!(settled.values().all(|times| *times == 1), "{settled:?}");
}

/// Has workers settle tasks, with the server going down and coming back after every so many reports.
async fn survive(options: impl Fn(PostgresOptions) -> PostgresOptions) {
    let mut cluster = Cluster::start(&[]).unwrap();
    let options = options(options_at(&cluster.url()));
    let store = PostgresStore::open(options.clone()).await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    let drafts = (0..TASKS).map(|_| TaskDraft::new("t", "o"));
    let plan = TaskPlan::new(run_id, drafts);
    store.append_tasks(plan).await.unwrap();

    let (told, mut heard) = mpsc::unbounded_channel();
    let workers = (0..WORKERS).map(|number| {
        // Half of them at another store, as of another process.
        let (store, options, told) = (store.clone(), options.clone(), told.clone());
        tokio::spawn(async move {
            let store = match number % 2 {
                0 => store,
                _ => PostgresStore::open(options).await.unwrap(),
            };
            work(store, run_id, told).await
        })
    });
    let workers = Vec::from_iter(workers);
    drop(told);
    let (mut answered, mut restarts) = (BTreeSet::new(), 0);
    while let Some(token) = heard.recv().await {
        assert!(answered.insert(token), "{token:?} was answered twice");
        if answered.len() == (restarts + 1) * TASKS / 8 && restarts < 6 {
            restarts += 1;
            cluster = tokio::task::spawn_blocking(move || {
                match restarts % 2 {
                    0 => cluster.crash(),
                    _ => cluster.kill(),
                }
                .unwrap();
                cluster.restart().unwrap();
                cluster
            })
            .await
            .unwrap();
        }
    }
    let mut errors = 0;
    for worker in workers {
        errors += worker.await.unwrap();
    }
    assert_eq!(restarts, 6);
    assert!(errors > 0, "nobody noticed");
    check(&store, run_id, &answered).await;
    println!("{restarts} restarts, {errors} errors of {WORKERS} workers");
    let store: Arc<dyn Store> = Arc::new(store);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_go_on_after_the_server_was_killed_and_each_task_is_settled_once() {
    survive(|options| options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_do_workers_whose_calls_travel_alone() {
    survive(|options| options.with_calls_together(false)).await;
}
