//! Many callers and several handles in one process.

#![allow(clippy::unwrap_used)]

mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use common::{assert_each_once, claim_all, folder, open, run_with_tasks};
use runstore_core::{
    ClaimRequest, Error, EventDraft, ListEvents, ListRuns, ManualClock, NewEvent, NewRun, Outcome,
    SnapshotRequest, Store, TaskDraft, TaskPlan, Timestamp,
};
use runstore_sqlite::{SqliteOptions, SqliteStore};

#[tokio::test(flavor = "multi_thread")]
async fn every_task_is_claimed_once_by_many_callers_on_two_handles() {
    const TASKS: u64 = 500;
    let (_folder, path) = folder();
    let handles = [open(&path).await, open(&path).await];
    let run = run_with_tasks(&handles[0], TASKS as usize).await;
    let callers = handles
        .iter()
        .cycle()
        .take(64)
        .cloned()
        .map(|store| tokio::spawn(async move { claim_all(&store, run.id).await }));
    let mut claimed = Vec::new();
    for caller in Vec::from_iter(callers) {
        let positions = caller.await.unwrap();
        assert!(positions.is_sorted());
        claimed.extend(positions);
    }
    assert_each_once(claimed, TASKS);
}

#[test]
fn first_opens_of_one_new_file_at_once_do_not_collide() {
    for openers in [2, 8, 8, 8] {
        let (_folder, path) = folder();
        let start = Arc::new(Barrier::new(openers));
        let open_and_write = |_| {
            let (path, start) = (path.clone(), Arc::clone(&start));
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .build()
                    .unwrap();
                start.wait();
                runtime.block_on(async {
                    let store = open(&path).await;
                    store
                        .create_run(NewRun::new("goal", "/repo"))
                        .await
                        .unwrap();
                    store
                })
            })
        };
        let opened: Vec<_> = (0..openers).map(open_and_write).collect();
        let stores: Vec<SqliteStore> = opened
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for store in &stores {
            let runs = runtime.block_on(store.list_runs(ListRuns::all())).unwrap();
            assert_eq!(runs.items.len(), openers);
        }
    }
}

#[test]
fn calls_need_no_timer_and_no_runtime_that_stays() {
    let (_folder, path) = folder();
    let block_on = |store: &SqliteStore| {
        // A runtime of its own a call, gone right after it.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            store
                .create_run(NewRun::new("goal", "/repo"))
                .await
                .unwrap();
            store.list_runs(ListRuns::all()).await.unwrap().items.len()
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let store = runtime.block_on(open(&path));
    drop(runtime);
    assert_eq!(block_on(&store), 1);
    assert_eq!(block_on(&store), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_beside_writers_show_one_instant() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let run = run_with_tasks(&store, 200).await;
    let worker = store.clone();
    let worker = tokio::spawn(async move { claim_all(&worker, run.id).await });
    while !worker.is_finished() {
        let snapshot = store
            .snapshot(SnapshotRequest::of_run(run.id))
            .await
            .unwrap();
        let (pending, claimed) = (&snapshot.pending_tasks, &snapshot.in_progress_tasks);
        assert_eq!(pending.len() + claimed.len(), 200);
        assert_eq!(snapshot.counts.pending, pending.len() as u64);
        assert_eq!(snapshot.counts.in_progress, claimed.len() as u64);
    }
    assert_each_once(worker.await.unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_are_dropped_at_any_point_leave_nothing_open() {
    let (_folder, path) = folder();
    let options = SqliteOptions::new(&path).with_readers(1);
    let store = SqliteStore::open(options).await.unwrap();
    let run = run_with_tasks(&store, 100).await;
    for polls in 0..60 {
        {
            let mut read = pin!(store.snapshot(SnapshotRequest::of_run(run.id)));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if read.as_mut().poll(&mut context).is_ready() {
                    break;
                }
                thread::yield_now();
            }
        }
        // Were the transaction of the dropped read still open, this would not see what was written since.
        let event = EventDraft::new("s", "k", "m");
        let event = store.add_event(NewEvent::new(run.id, event)).await.unwrap();
        let events = store.list_events(ListEvents::new(run.id)).await.unwrap();
        assert_eq!(events.items.last(), Some(&event));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_are_dropped_are_done_or_not_done() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let run = run_with_tasks(&store, 0).await;
    for polls in 0..40 {
        let event = EventDraft::new("s", "k", "m");
        let mut write = pin!(store.add_event(NewEvent::new(run.id, event)));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            if write.as_mut().poll(&mut context).is_ready() {
                break;
            }
        }
    }
    let last = EventDraft::new("s", "last", "m");
    store.add_event(NewEvent::new(run.id, last)).await.unwrap();
    let events = store
        .list_events(ListEvents::new(run.id))
        .await
        .unwrap()
        .items;
    assert!(
        events
            .iter()
            .map(|event| event.seq)
            .eq(1..=events.len() as u64)
    );
    assert_eq!(events.last().unwrap().kind, "last");
}

const LONG: Duration = Duration::from_secs(3_600);

async fn add_task(store: &SqliteStore, request: &ClaimRequest) {
    let plan = TaskPlan::new(request.run_id.unwrap(), [TaskDraft::new("t", "o")]);
    store.append_tasks(plan).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_when_a_handle_that_was_opened_separately_adds_a_task() {
    let (_folder, path) = folder();
    // What others write is looked for by the system's clock, also where the store's own stands still.
    let clock = Arc::new(ManualClock::new(Timestamp::MIN));
    let options = SqliteOptions::new(&path).with_clock(clock);
    let store = SqliteStore::open(options).await.unwrap();
    let other = open(&path).await;
    let run = run_with_tasks(&store, 0).await;
    let any = ClaimRequest::of_any_run();
    for request in [ClaimRequest::of_run(run.id), any] {
        let (waiter, wanted) = (store.clone(), request.clone());
        let wait = tokio::spawn(async move { waiter.claim_or_wait(wanted, LONG).await });
        add_task(&other, &ClaimRequest::of_run(run.id)).await;
        assert!(wait.await.unwrap().unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_that_are_dropped_at_any_point_take_nothing_and_leave_the_next_one_well() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let other = open(&path).await;
    let request = ClaimRequest::of_run(run_with_tasks(&store, 0).await.id);
    for polls in 0..40 {
        {
            let mut wait = pin!(store.claim_or_wait(request.clone(), LONG));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                assert!(wait.as_mut().poll(&mut context).is_pending());
                thread::yield_now();
            }
        }
        add_task(&store, &request).await;
        let claim = store.claim_next_task(request.clone()).await.unwrap();
        assert!(claim.is_some());
    }
    let (waiter, wanted) = (store.clone(), request.clone());
    let wait = tokio::spawn(async move { waiter.claim_or_wait(wanted, LONG).await });
    add_task(&other, &request).await;
    assert!(wait.await.unwrap().unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_ends_the_waits_of_every_clone() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let request = ClaimRequest::of_run(run_with_tasks(&store, 0).await.id);
    let wait = |store: SqliteStore| {
        let request = request.clone();
        tokio::spawn(async move { store.claim_or_wait(request, LONG).await })
    };
    let waits = Vec::from_iter((0..8).map(|_| wait(store.clone())));
    store.close().await.unwrap();
    for wait in waits {
        let told = wait.await.unwrap();
        let outcome = Outcome::NotApplied;
        assert!(
            matches!(told, Err(Error::Unavailable { outcome: is, .. }) if is == outcome),
            "{told:?}"
        );
    }
}
