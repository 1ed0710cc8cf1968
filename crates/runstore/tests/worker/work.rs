//! What becomes of claims when all goes well.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstore::{
    ClaimEnd, ClaimRequest, FinishOutcome, FinishReport, HandlerResult, NewRun, Store, TaskDraft,
    TaskPlan, TaskStatus, Worker, WorkerEvent,
};
use tokio::time::sleep;

use crate::support::{Bench, SECOND, done};

#[tokio::test(start_paused = true)]
async fn every_task_is_carried_out_in_order_and_each_claim_is_counted_once() {
    let bench = Bench::with_tasks(3).await;
    let titles = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&titles);
    let worker = bench.worker().with_idle_timeout(Duration::ZERO);
    let summary = worker.run(move |claim| {
        seen.lock().unwrap().push(claim.task.title.clone());
        done(claim)
    });
    let summary = summary.await.unwrap();
    assert_eq!((summary.claimed, summary.finished), (3, 3));
    assert_eq!(*titles.lock().unwrap(), ["1", "2", "3"]);
    for task in bench.tasks().await {
        assert_eq!(task.status, TaskStatus::Completed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_has_the_lease_and_the_name_of_the_request_or_the_default_lease() {
    let bench = Bench::with_tasks(1).await;
    let request = ClaimRequest::of_any_run().with_worker("a name");
    let check = bench.clone();
    let worker = Worker::new(bench.store.clone(), request).with_idle_timeout(Duration::ZERO);
    let ran = worker.run(move |claim| {
        let lease = claim.task.lease_expires_at.unwrap();
        let lease = lease.saturating_since(claim.task.updated_at);
        assert_eq!(lease, Worker::DEFAULT_LEASE);
        assert_eq!(claim.task.worker.as_deref(), Some("a name"));
        assert_eq!(claim.task.run_id, check.run_id);
        done(claim)
    });
    assert_eq!(ran.await.unwrap().finished, 1);
}

#[tokio::test(start_paused = true)]
async fn a_report_that_says_something_else_than_done_is_a_report_like_any_other() {
    let bench = Bench::with_tasks(1).await;
    let worker = bench.worker().with_idle_timeout(Duration::ZERO);
    let summary = worker.run(async |_| -> HandlerResult {
        let outcome = FinishOutcome::Blocked {
            summary: None,
            blocker_signature: Some("no key".to_owned()),
        };
        let attempt = runstore::AttemptReport::new("blocked", "there is no key");
        Ok(FinishReport::new(outcome, attempt))
    });
    assert_eq!(summary.await.unwrap().finished, 1);
    assert_eq!(bench.task(1).await.status, TaskStatus::Blocked);
}

#[tokio::test(start_paused = true)]
async fn as_many_handlers_run_as_are_wanted_and_never_more() {
    let bench = Bench::with_tasks(20).await;
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, seen) = (Arc::clone(&running), Arc::clone(&most));
    let worker = bench.worker().with_concurrency(4);
    let summary = worker
        .with_idle_timeout(Duration::ZERO)
        .run(move |claim| {
            let (now, seen) = (Arc::clone(&now), Arc::clone(&seen));
            async move {
                seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                // Of different lengths, so that room for one becomes free at a time.
                sleep(SECOND * (1 + claim.task.position as u32 % 3)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                done(claim).await
            }
        })
        .await
        .unwrap();
    assert_eq!(summary.finished, 20);
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert_eq!(bench.store.batches.lock().unwrap()[0], 4, "in one change");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_comes_later_is_taken_at_that_very_moment() {
    let bench = Bench::with_tasks(0).await;
    let later = bench.clone();
    tokio::spawn(async move {
        sleep(7 * SECOND).await;
        let soon = runstore::Timestamp::from_micros(1_772_359_201_000_000 + 9_000_000);
        let drafts = [
            TaskDraft::new("now", ""),
            TaskDraft::new("soon", "").with_not_before(soon.unwrap()),
        ];
        later.plan(drafts).await;
    });
    let seen = bench.clone();
    let times = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&times);
    let worker = bench.worker().with_idle_timeout(60 * SECOND);
    let ran = worker.run(move |claim| {
        told.lock().unwrap().push(seen.seconds());
        done(claim)
    });
    assert_eq!(ran.await.unwrap().finished, 2);
    let times: Vec<f64> = times.lock().unwrap().iter().map(|at| at.round()).collect();
    assert_eq!(times, [7.0, 9.0]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_for_any_run_takes_tasks_of_all() {
    let bench = Bench::with_tasks(1).await;
    let other = bench.store.create_run(NewRun::new("other", "")).await;
    let plan = TaskPlan::new(other.unwrap().id, [TaskDraft::new("t", "")]);
    bench.store.append_tasks(plan).await.unwrap();
    let worker = Worker::new(bench.store.clone(), ClaimRequest::of_any_run());
    let ran = worker.with_idle_timeout(Duration::ZERO).run(done).await;
    assert_eq!(ran.unwrap().finished, 2);
}

#[tokio::test(start_paused = true)]
async fn the_observer_hears_of_each_claim_and_of_its_end_after_the_store_has_answered() {
    let bench = Bench::with_tasks(2).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let worker = bench.worker().with_observer(move |event| {
        heard.lock().unwrap().push(match event {
            WorkerEvent::Claimed { claim } => format!("claimed {}", claim.task.title),
            WorkerEvent::Ended {
                claim,
                end: ClaimEnd::Finished(task),
            } => format!("{} {}", claim.task.title, task.status),
            WorkerEvent::Ended { claim, end } => format!("{} {end:?}", claim.task.title),
            _ => String::new(),
        });
    });
    let ran = worker.with_idle_timeout(Duration::ZERO).run(done).await;
    ran.unwrap();
    let expected = ["claimed 1", "1 completed", "claimed 2", "2 completed"];
    assert_eq!(*told.lock().unwrap(), expected);
}
