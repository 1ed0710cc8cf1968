//! Handlers that fail.

use std::fmt;
use std::time::Duration;

use runstore::{
    AttemptReport, AttemptStatus, Backoff, Claim, EventDraft, FinishReport, HandlerResult, Store,
    TaskDraft, TaskStatus, Worker,
};

use crate::support::{Bench, SECOND, done};

#[derive(Debug)]
struct Layer(&'static str, Option<Box<Layer>>);

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Layer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|source| source as _)
    }
}

fn exact() -> Backoff {
    Backoff::exponential(2 * SECOND, 60 * SECOND).without_jitter()
}

/// Works until nothing can be claimed at once.
async fn drain<R>(worker: Worker, handler: fn(Claim) -> R) -> runstore::WorkerSummary
where
    R: Future<Output = HandlerResult> + Send + 'static,
{
    let worker = worker.with_idle_timeout(Duration::ZERO);
    worker.run(handler).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_error_is_a_failed_attempt_with_its_sources_and_the_task_comes_back_later() {
    let bench = Bench::with_tasks(1).await;
    let worker = bench.worker().with_retry_backoff(exact());
    let summary = drain(worker, |_| async {
        let root = Layer("connection reset", None);
        Err(Layer("the push failed", Some(Box::new(root))).into())
    });
    let summary = summary.await;
    assert_eq!((summary.claimed, summary.failed), (1, 1));
    let attempt = &bench.attempts().await[0];
    assert_eq!(attempt.status, AttemptStatus::Failed);
    assert_eq!(attempt.summary, "the push failed: connection reset");
    let task = bench.task(1).await;
    assert_eq!(task.status, TaskStatus::Pending);
    let delay = task.delayed_until.unwrap();
    assert_eq!(delay.saturating_since(task.updated_at), 2 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn the_delay_doubles_with_each_attempt_until_the_store_blocks_the_task() {
    let bench = Bench::with_tasks(0).await;
    bench
        .plan([TaskDraft::new("t", "").with_max_attempts(4_u32)])
        .await;
    let worker = bench.worker().with_retry_backoff(exact());
    let worker = worker.with_idle_timeout(60 * SECOND);
    let ran = worker.run(|_| async { Err::<FinishReport, _>("no") });
    assert_eq!(ran.await.unwrap().failed, 4);
    let attempts = bench.attempts().await;
    let times = attempts.iter().map(|attempt| attempt.created_at);
    let times: Vec<_> = times.collect();
    let pauses = times.windows(2).map(|two| two[1].saturating_since(two[0]));
    let pauses: Vec<u64> = pauses.map(|pause| pause.as_secs()).collect();
    assert_eq!(pauses, [2, 4, 8]);
    let task = bench.task(1).await;
    assert_eq!(task.status, TaskStatus::Blocked);
    assert_eq!(task.blocker_signature.as_deref(), Some("max_attempts"));
}

#[tokio::test(start_paused = true)]
async fn without_a_word_on_it_the_first_delay_is_up_to_a_second_and_no_less_than_half() {
    let bench = Bench::with_tasks(100).await;
    let summary = drain(bench.worker(), |_| async { Err("no".into()) }).await;
    // Some come back while others are worked on, as soon as they may.
    assert!(summary.failed >= 100);
    for task in bench.tasks().await {
        if task.attempt_count == 1 {
            let delay = task.delayed_until.unwrap();
            let delay = delay.saturating_since(task.updated_at);
            assert!((SECOND / 2..=SECOND).contains(&delay), "{delay:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failed_attempt_and_the_worker_goes_on() {
    let bench = Bench::with_tasks(3).await;
    let worker = bench.worker().with_idle_timeout(Duration::ZERO);
    let ran = worker.run(|claim: Claim| {
        assert_ne!(claim.task.title, "1", "before the first await");
        async move {
            tokio::task::yield_now().await;
            assert_ne!(claim.task.title, "2", "after it");
            done(claim).await
        }
    });
    let summary = ran.await.unwrap();
    assert_eq!((summary.failed, summary.finished), (2, 1));
    let attempts = bench.attempts().await;
    for (attempt, where_) in attempts.iter().zip(["before the first await", "after it"]) {
        assert_eq!(attempt.status, AttemptStatus::Failed);
        assert!(attempt.summary.starts_with("the handler panicked: "));
        assert!(attempt.summary.contains(where_), "{}", attempt.summary);
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_that_the_store_refuses_is_a_failed_attempt() {
    let bench = Bench::with_tasks(1).await;
    let summary = drain(bench.worker(), |claim| async move {
        let word = "w".repeat(300);
        let report = FinishReport::completed("done");
        let attempt = AttemptReport::new(word, "");
        let event = EventDraft::new("worker", "done", claim.task.title);
        Ok(report.with_attempt(attempt).with_event(event))
    });
    let summary = summary.await;
    assert_eq!((summary.finished, summary.failed), (0, 1));
    let attempt = &bench.attempts().await[0];
    let told = &attempt.summary;
    assert!(
        told.starts_with("the report was refused: invalid input: "),
        "{told}"
    );
    let events = bench.store.recent_events(bench.run_id, 10).await.unwrap();
    assert!(events.iter().all(|event| event.source != "worker"));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_any_length_can_be_told() {
    let bench = Bench::with_tasks(1).await;
    let text = || "x".repeat(runstore::limits::MAX_RECORD_BYTES + 1);
    let worker = bench.worker().with_idle_timeout(Duration::ZERO);
    let ran = worker.run(move |_| async move { Err::<FinishReport, _>(text()) });
    assert_eq!(ran.await.unwrap().failed, 1);
    assert!(bench.attempts().await[0].summary.starts_with("xxx"));
}
