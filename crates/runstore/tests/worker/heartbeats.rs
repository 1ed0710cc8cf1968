//! How claims are kept, and what happens when one is lost.

use std::time::Duration;

use runstore::{ClaimRequest, Error, HandlerResult, Outcome, Store, TaskStatus};
use tokio::time::sleep;

use crate::support::{Bench, Dropped, Fault, SECOND, done, unavailable};

#[tokio::test(start_paused = true)]
async fn a_heartbeat_comes_at_each_third_of_the_lease_until_the_report_is_answered() {
    let bench = Bench::with_tasks(1).await;
    let rival = bench.store.inner.clone();
    let request = ClaimRequest::of_run(bench.run_id);
    let worker = bench.worker().with_idle_timeout(120 * SECOND);
    let ran = worker.run(move |claim| {
        let (rival, request) = (rival.clone(), request.clone());
        async move {
            for _ in 0..95 {
                sleep(SECOND).await;
                let taken = rival.claim_next_task(request.clone()).await;
                assert_eq!(taken.unwrap(), None);
            }
            done(claim).await
        }
    });
    assert_eq!(ran.await.unwrap().finished, 1);
    let beats: Vec<f64> = bench.beats().iter().map(|at| at.round()).collect();
    let expected: Vec<f64> = (1..=9).map(|third| f64::from(third * 10)).collect();
    assert_eq!(beats, expected);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_on_while_the_report_is_tried_again() {
    let bench = Bench::with_tasks(1).await;
    bench.faults().finishes = vec![Fault::Fail(unavailable()); 12].into();
    let ran = bench.worker().with_idle_timeout(Duration::ZERO).run(done);
    assert_eq!(ran.await.unwrap().finished, 1);
    let reported = bench.seconds();
    assert!(reported > 15.0, "{reported}");
    assert_eq!(bench.beats().len(), (reported / 10.0) as usize);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_fails_is_tried_again_before_the_lease_ends() {
    for outcome in [Outcome::NotApplied, Outcome::Unknown] {
        let bench = Bench::with_tasks(1).await;
        let fault = match outcome {
            Outcome::NotApplied => Fault::Fail(unavailable()),
            Outcome::Unknown => Fault::LoseAnswer,
        };
        bench.faults().heartbeats = vec![fault; 7].into();
        let ran = bench.worker().with_idle_timeout(Duration::ZERO);
        let ran = ran.run(async |claim| {
            sleep(60 * SECOND).await;
            done(claim).await
        });
        assert_eq!(ran.await.unwrap().finished, 1);
        let beats: Vec<f64> = bench.beats().into_iter().take(9).collect();
        let expected = [10.0, 12.5, 15.0, 17.5, 20.0, 22.5, 25.0, 27.5, 37.5];
        for (beat, expected) in beats.iter().zip(expected) {
            assert!((beat - expected).abs() < 0.1, "{beats:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_claim_cancels_its_handler_and_reports_nothing() {
    let bench = Bench::with_tasks(1).await;
    let operator = bench.clone();
    tokio::spawn(async move {
        sleep(15 * SECOND).await;
        let task = operator.task(1).await;
        operator.store.inner.requeue_task(task.id).await.unwrap();
    });
    let dropped = Dropped::default();
    let guard = dropped.clone();
    let worker = bench.worker().with_idle_timeout(Duration::ZERO);
    let ran = worker.run(move |claim| {
        let guard = guard.clone();
        async move {
            if claim.task.attempt_count == 1 {
                let _guard = guard.guard();
                std::future::pending::<()>().await;
            }
            done(claim).await
        }
    });
    let summary = ran.await.unwrap();
    assert_eq!((summary.claimed, summary.lost, summary.finished), (2, 1, 1));
    assert!(dropped.at().is_some());
    // The heartbeat after the requeue told it.
    assert_eq!(bench.seconds().round(), 20.0);
    let attempts = bench.attempts().await;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].attempt_number, 2);
}

#[tokio::test(start_paused = true)]
async fn a_report_on_a_claim_that_was_lost_meanwhile_is_no_error() {
    let bench = Bench::with_tasks(1).await;
    let operator = bench.store.inner.clone();
    let worker = bench.worker().with_idle_timeout(Duration::ZERO);
    let ran = worker.run(move |claim| {
        let operator = operator.clone();
        async move {
            let give_up = runstore::AbandonTask::new(claim.task.id);
            operator.abandon_task(give_up).await.unwrap();
            done(claim).await
        }
    });
    let summary = ran.await.unwrap();
    assert_eq!((summary.claimed, summary.lost), (1, 1));
    assert_eq!(bench.task(1).await.status, TaskStatus::Abandoned);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_comes_after_the_report_took_effect_does_not_lose_the_claim() {
    let bench = Bench::with_tasks(1).await;
    // The report takes effect at once; the worker learns of it only after a heartbeat was due.
    let mut faults = vec![Fault::LoseAnswer];
    faults.extend(vec![Fault::Fail(unavailable()); 11]);
    bench.faults().finishes = faults.into();
    let ran = bench.worker().with_idle_timeout(Duration::ZERO).run(done);
    let summary = ran.await.unwrap();
    assert!(bench.seconds() > 10.0);
    assert_eq!((summary.finished, summary.lost), (1, 0));
    assert_eq!(bench.attempts().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_task_of_a_worker_that_is_gone_is_taken_over_when_its_lease_has_run_out() {
    let bench = Bench::with_tasks(1).await;
    let dropped = Dropped::default();
    let guard = dropped.clone();
    let doomed = bench.worker().run(move |_| {
        let guard = guard.guard();
        async move {
            std::future::pending::<()>().await;
            drop(guard);
            Err::<_, Error>(unavailable()) as Result<runstore::FinishReport, _>
        }
    });
    let gone = tokio::time::timeout(5 * SECOND, doomed).await;
    assert!(gone.is_err());
    tokio::task::yield_now().await;
    assert!(dropped.at().is_some(), "the handler is cancelled");
    assert_eq!(bench.task(1).await.status, TaskStatus::InProgress);

    let heir = bench.worker().with_idle_timeout(60 * SECOND);
    let seen = bench.clone();
    let ran = heir.run(move |claim| {
        let seen = seen.clone();
        async move {
            assert_eq!(seen.seconds().round(), 30.0);
            assert_eq!(claim.task.attempt_count, 2);
            done(claim).await as HandlerResult
        }
    });
    assert_eq!(ran.await.unwrap().finished, 1);
}
