//! A store that fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use runstore::{ClaimRequest, Error, Store, TaskStatus, Worker, WorkerEvent};
use tokio::time::sleep;

use crate::support::{Bench, Fault, SECOND, done, unavailable};

fn corrupt() -> Error {
    Error::corrupt("a page", "is torn", None)
}

#[tokio::test(start_paused = true)]
async fn a_claim_and_a_report_that_fail_for_a_while_are_tried_again() {
    let bench = Bench::with_tasks(1).await;
    bench.faults().claims = vec![Fault::Fail(unavailable()); 5].into();
    bench.faults().finishes = vec![Fault::Fail(unavailable()); 5].into();
    let ran = bench.worker().with_idle_timeout(Duration::ZERO).run(done);
    let summary = ran.await.unwrap();
    assert_eq!((summary.claimed, summary.finished), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_report_whose_answer_was_lost_takes_effect_once() {
    let bench = Bench::with_tasks(1).await;
    bench.faults().finishes = vec![Fault::LoseAnswer; 3].into();
    let ran = bench.worker().with_idle_timeout(Duration::ZERO).run(done);
    assert_eq!(ran.await.unwrap().finished, 1);
    assert_eq!(bench.attempts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_store_ends_the_worker_when_its_patience_is_over() {
    let bench = Bench::with_tasks(0).await;
    let closer = bench.store.inner.clone();
    tokio::spawn(async move {
        sleep(5 * SECOND).await;
        closer.close().await.unwrap();
    });
    let ran = bench.worker().with_patience(20 * SECOND).run(done).await;
    assert!(matches!(ran, Err(Error::Unavailable { .. })));
    // The last try is one whose delay would have gone beyond.
    assert!(
        (20.0..=25.0).contains(&bench.seconds()),
        "{}",
        bench.seconds()
    );
}

#[tokio::test(start_paused = true)]
async fn without_patience_nothing_is_tried_again() {
    let bench = Bench::with_tasks(1).await;
    bench.faults().claims = vec![Fault::Fail(unavailable())].into();
    let ran = bench.worker().with_patience(Duration::ZERO).run(done).await;
    assert!(matches!(ran, Err(Error::Unavailable { .. })));
    assert_eq!(bench.seconds(), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_for_a_store_to_come_back_can_be_stopped_at_once() {
    let bench = Bench::with_tasks(0).await;
    bench.store.inner.close().await.unwrap();
    let worker = bench.worker();
    let handle = worker.handle();
    let stop = async {
        sleep(SECOND).await;
        handle.stop();
    };
    let (ran, ()) = tokio::join!(worker.run(done), stop);
    assert_eq!(ran.unwrap().claimed, 0);
    assert_eq!(bench.seconds().round(), 1.0);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_no_retry_mends_is_told_at_once_and_ends_the_worker_once_its_handlers_are_through()
 {
    let bench = Bench::with_tasks(2).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let (heard, clock) = (Arc::clone(&told), bench.clone());
    let worker = bench
        .worker()
        .with_concurrency(3)
        .with_observer(move |event| {
            if let WorkerEvent::Failed { error } = event {
                let kind = error.kind_name();
                heard.lock().unwrap().push((kind, clock.seconds().round()));
            }
        });
    // The first claims take both tasks in one change; the wait for a third fails.
    bench.faults().claims = vec![Fault::Fail(corrupt())].into();
    let ran = worker.run(async |claim| {
        sleep(10 * SECOND).await;
        done(claim).await
    });
    let ran = ran.await.unwrap_err();
    assert!(matches!(ran, Error::Corrupt { .. }));
    assert_eq!(*told.lock().unwrap(), [(ran.kind_name(), 0.0)]);
    assert_eq!(bench.seconds().round(), 10.0);
    for task in bench.tasks().await {
        assert_eq!(task.status, TaskStatus::Completed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_that_cannot_be_written_ends_the_worker() {
    let bench = Bench::with_tasks(2).await;
    bench.faults().finishes = vec![Fault::Fail(corrupt())].into();
    let ran = bench.worker().run(done).await;
    assert!(matches!(ran, Err(Error::Corrupt { .. })));
    let statuses = bench.tasks().await.into_iter().map(|task| task.status);
    let statuses: Vec<_> = statuses.collect();
    assert_eq!(statuses, [TaskStatus::InProgress, TaskStatus::Pending]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_breaks_a_bound_is_refused() {
    let bench = Bench::with_tasks(1).await;
    let request = ClaimRequest::of_any_run().with_lease(Duration::ZERO);
    let ran = Worker::new(bench.store.clone(), request).run(done).await;
    assert!(matches!(ran, Err(Error::InvalidInput { .. })));
}
