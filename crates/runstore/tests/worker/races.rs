//! What happens at the same time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstore::memory::MemoryStore;
use runstore::{
    BACKENDS, Claim, ClaimRequest, HandlerResult, ListTasks, NewRun, RunId, Store, TaskDraft,
    TaskPlan, TaskStatus, Worker, open,
};

use crate::backends;
use crate::support::{Bench, done};

async fn statuses(store: &dyn Store, run_id: RunId) -> Vec<TaskStatus> {
    let tasks = store.list_tasks(ListTasks::new(run_id)).await.unwrap();
    tasks.items.into_iter().map(|task| task.status).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_at_any_moment_leaves_no_task_claimed() {
    for backend in BACKENDS {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&backends::url(backend, &folder)).await.unwrap();
        let rounds = if *backend == "memory" { 300 } else { 60 };
        for round in 0..rounds {
            let run = store.create_run(NewRun::new("goal", "")).await.unwrap();
            let worker = Worker::new(Arc::clone(&store), ClaimRequest::of_run(run.id));
            let worker = worker.with_concurrency(1 + round % 3);
            let handle = worker.handle();
            let running = tokio::spawn(worker.run(done));
            let planner = tokio::spawn({
                let store = Arc::clone(&store);
                async move {
                    for _ in 0..5 {
                        let plan = TaskPlan::new(run.id, [TaskDraft::new("t", "")]);
                        store.append_tasks(plan).await.unwrap();
                    }
                }
            });
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            if round % 2 == 0 {
                handle.stop();
            } else {
                handle.abort();
            }
            let summary = running.await.unwrap().unwrap();
            planner.await.unwrap();
            assert_eq!(summary.claimed, summary.finished + summary.interrupted);
            let statuses = statuses(&*store, run.id).await;
            let count = |of| statuses.iter().filter(|status| **status == of).count() as u64;
            assert_eq!(count(TaskStatus::InProgress), 0, "{backend}, round {round}");
            assert_eq!(count(TaskStatus::Completed), summary.finished);
        }
        store.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_on_one_store_carry_out_each_task_once() {
    const TASKS: u64 = 400;
    let store = Arc::new(MemoryStore::new());
    let run = store.create_run(NewRun::new("goal", "")).await.unwrap();
    let drafts = (0..TASKS).map(|_| TaskDraft::new("t", ""));
    let plan = TaskPlan::new(run.id, drafts);
    store.append_tasks(plan).await.unwrap();
    let handled = Arc::new(AtomicU64::new(0));
    let workers = (1..=5).map(|concurrency| {
        let store = Arc::clone(&store);
        let handled = Arc::clone(&handled);
        tokio::spawn(async move {
            let request = ClaimRequest::of_run(run.id);
            let worker = Worker::new(store, request).with_concurrency(concurrency);
            let worker = worker.with_idle_timeout(Duration::ZERO);
            let ran = worker.run(move |claim| {
                handled.fetch_add(1, Ordering::SeqCst);
                async move {
                    tokio::task::yield_now().await;
                    done(claim).await
                }
            });
            ran.await.unwrap().finished
        })
    });
    let mut finished = 0;
    for worker in workers.collect::<Vec<_>>() {
        finished += worker.await.unwrap();
    }
    assert_eq!((finished, handled.load(Ordering::SeqCst)), (TASKS, TASKS));
    let completed = statuses(&*store, run.id).await;
    assert!(
        completed
            .iter()
            .all(|status| *status == TaskStatus::Completed)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_blocks_its_thread_keeps_its_claim() {
    let bench = Bench::with_tasks(1).await;
    let (beaten, beats) = mpsc::channel();
    let beats = Mutex::new(Some(beats));
    let watch = bench.clone();
    let watching = tokio::spawn(async move {
        loop {
            watch.store.beaten.notified().await;
            if beaten.send(()).is_err() {
                return;
            }
        }
    });
    let request = ClaimRequest::of_run(bench.run_id).with_lease(Duration::from_millis(300));
    let worker = Worker::new(bench.store.clone(), request);
    let ran = worker.with_idle_timeout(Duration::ZERO).run(move |claim| {
        let beats = beats.lock().unwrap().take();
        async move {
            // No await: the thread is taken until the heartbeats have come.
            for _ in 0..4 {
                beats.as_ref().unwrap().recv().unwrap();
            }
            done(claim).await
        }
    });
    let summary = ran.await.unwrap();
    assert_eq!((summary.claimed, summary.finished), (1, 1));
    watching.abort();
}

/// A claim that was in the engine's hands when the worker was stopped, at each step of its way.
mod in_the_engines_hands {
    use super::*;
    use crate::support::slow::{STEP, SlowStore};

    async fn carry_out(claim: Claim) -> HandlerResult {
        done(claim).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_is_carried_out_or_given_back() {
        let mut ways = VecDeque::new();
        for abort in [false, true] {
            for steps in 0..60 {
                let store = Arc::new(SlowStore::new());
                let run = store.inner.create_run(NewRun::new("goal", "")).await;
                let run_id = run.unwrap().id;
                let worker = Worker::new(store.clone(), ClaimRequest::of_run(run_id));
                let handle = worker.handle();
                let planner = async {
                    tokio::time::sleep(STEP * 30).await;
                    store.plan(run_id).await;
                };
                let stop = async {
                    tokio::time::sleep(STEP * steps).await;
                    match abort {
                        true => handle.abort(),
                        false => handle.stop(),
                    }
                };
                let (ran, (), ()) = tokio::join!(worker.run(carry_out), planner, stop);
                let summary = ran.unwrap();
                assert_eq!(summary.claimed, summary.finished + summary.interrupted);
                store.rest().await;
                let expected = match summary.finished {
                    0 => TaskStatus::Pending,
                    _ => TaskStatus::Completed,
                };
                let statuses = statuses(&store.inner, run_id).await;
                assert_eq!(statuses, [expected], "after {steps} steps, {abort}");
                ways.push_back((summary.finished, summary.interrupted));
            }
        }
        for way in [(0, 0), (1, 0), (0, 1)] {
            assert!(ways.contains(&way), "{way:?} was never gone");
        }
    }
}
