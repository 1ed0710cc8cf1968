//! How a worker comes to its end.

use std::time::Duration;

use runstore::{AttemptStatus, Claim, Store, TaskStatus};
use tokio::time::sleep;

use crate::support::{Bench, Dropped, SECOND, done};

async fn takes_ten_seconds(claim: Claim) -> runstore::HandlerResult {
    sleep(10 * SECOND).await;
    done(claim).await
}

#[tokio::test(start_paused = true)]
async fn stop_ends_a_wait_at_once() {
    let bench = Bench::with_tasks(0).await;
    let worker = bench.worker();
    let handle = worker.handle();
    let stop = async {
        sleep(5 * SECOND).await;
        handle.stop();
    };
    let (ran, ()) = tokio::join!(worker.run(done), stop);
    assert_eq!(ran.unwrap().claimed, 0);
    assert_eq!(bench.seconds().round(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn stop_lets_what_runs_come_to_its_end_and_claims_no_more() {
    for concurrency in [1, 2, 5] {
        let bench = Bench::with_tasks(4).await;
        let worker = bench.worker().with_concurrency(concurrency);
        let handle = worker.handle().clone();
        let stop = async {
            sleep(5 * SECOND).await;
            handle.stop();
        };
        let (ran, ()) = tokio::join!(worker.run(takes_ten_seconds), stop);
        let finished = concurrency.min(4) as u64;
        let summary = ran.unwrap();
        assert_eq!((summary.claimed, summary.finished), (finished, finished));
        assert_eq!(bench.seconds().round(), 10.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_was_stopped_before_claims_nothing() {
    let bench = Bench::with_tasks(1).await;
    for end in [runstore::WorkerHandle::stop, runstore::WorkerHandle::abort] {
        let worker = bench.worker();
        end(&worker.handle());
        assert_eq!(worker.run(done).await.unwrap().claimed, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn abort_cancels_the_handlers_and_gives_their_tasks_back_at_once() {
    let bench = Bench::with_tasks(3).await;
    let dropped = Dropped::default();
    let guard = dropped.clone();
    let worker = bench.worker().with_concurrency(2);
    let handle = worker.handle();
    let abort = async {
        sleep(5 * SECOND).await;
        // A worker that is coming to its end can still be aborted.
        handle.stop();
        handle.abort();
        handle.stop();
    };
    let run = worker.run(move |claim| {
        let guard = guard.guard();
        async move {
            let report = takes_ten_seconds(claim).await;
            drop(guard);
            report
        }
    });
    let (ran, ()) = tokio::join!(run, abort);
    let summary = ran.unwrap();
    assert_eq!((summary.claimed, summary.interrupted), (2, 2));
    assert_eq!(bench.seconds().round(), 5.0);
    assert!(dropped.at().is_some());
    for task in bench.tasks().await {
        assert_eq!(
            (task.status, task.delayed_until),
            (TaskStatus::Pending, None)
        );
    }
    let attempts = bench.attempts().await;
    assert_eq!(attempts.len(), 2);
    for attempt in attempts {
        assert_eq!(attempt.status, AttemptStatus::Interrupted);
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_ends_when_it_was_idle_for_long_enough_and_no_sooner() {
    let bench = Bench::with_tasks(1).await;
    let later = bench.clone();
    tokio::spawn(async move {
        sleep(15 * SECOND).await;
        later.plan([runstore::TaskDraft::new("later", "")]).await;
    });
    for concurrency in [1, 3] {
        let worker = bench.worker().with_concurrency(concurrency);
        let ran = worker.with_idle_timeout(7 * SECOND).run(takes_ten_seconds);
        ran.await.unwrap();
    }
    // 10 of work, 5 of idling, 10 of work, 7 of idling; then 7 of idling.
    assert_eq!(bench.seconds().round(), 39.0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_not_idle_while_one_of_its_handlers_runs() {
    let bench = Bench::with_tasks(1).await;
    let planner = bench.clone();
    let worker = bench.worker().with_concurrency(3);
    let ran = worker.with_idle_timeout(Duration::ZERO).run(move |claim| {
        let planner = planner.clone();
        async move {
            sleep(100 * SECOND).await;
            if claim.task.title == "1" {
                planner.plan([runstore::TaskDraft::new("next", "")]).await;
            }
            done(claim).await
        }
    });
    assert_eq!(ran.await.unwrap().finished, 2);
    assert_eq!(bench.seconds().round(), 200.0);
}

#[tokio::test(start_paused = true)]
async fn the_task_of_a_run_that_is_deleted_is_lost_and_the_worker_ends_with_the_reason() {
    let bench = Bench::with_tasks(1).await;
    let worker = bench.worker();
    let store = bench.store.inner.clone();
    let run_id = bench.run_id;
    let ran = worker.run(move |claim| {
        let store = store.clone();
        async move {
            store.delete_run(run_id).await.unwrap();
            done(claim).await
        }
    });
    assert!(matches!(ran.await, Err(runstore::Error::NotFound { .. })));
}
