//! A worker loop: four agents at a time, failures tried again, and Ctrl-C for a graceful stop.
//!
//! `cargo run -p runstore --features memory --example worker`

use std::time::Duration;

use runstore::{
    Backoff, Claim, ClaimEnd, ClaimRequest, EventDraft, FinishReport, HandlerResult, NewRun,
    TaskDraft, TaskPlan, Worker, WorkerEvent,
};

/// Stands for an agent: what it returns is recorded, and so is why it failed.
async fn carry_out(claim: Claim) -> HandlerResult {
    let task = claim.task;
    if task.title == "Test" && task.attempt_count == 1 {
        return Err("two tests are red".into());
    }
    let done = EventDraft::new("agent", "task_completed", &task.title);
    Ok(FinishReport::completed("as the objective says").with_event(done))
}

#[tokio::main]
async fn main() -> runstore::Result<()> {
    // Or "sqlite:runs.db", where workers of several processes share the tasks.
    let store = runstore::open("memory:").await?;
    let run = store
        .create_run(NewRun::new("Ship the export", "/srv/reports"))
        .await?;
    let plan = [
        TaskDraft::new("Write", "Write rows as CSV").with_key("write"),
        TaskDraft::new("Document", "Say what it can do").with_priority(-1),
        TaskDraft::new("Test", "Read them back").with_depends_on(["write"]),
    ];
    store.append_tasks(TaskPlan::new(run.id, plan)).await?;

    let request = ClaimRequest::of_any_run()
        .with_worker(format!("process {}", std::process::id()))
        .with_lease(Duration::from_secs(30))
        .with_max_attempts(5_u32);
    let backoff = Backoff::exponential(Duration::from_millis(200), Duration::from_secs(60));
    let worker = Worker::new(store, request)
        .with_concurrency(4)
        .with_retry_backoff(backoff)
        // A service leaves this out and waits for ever.
        .with_idle_timeout(Duration::from_secs(1))
        .with_observer(|event| {
            if let WorkerEvent::Ended { claim, end } = event {
                let told = match end {
                    ClaimEnd::Finished(task) => task.status.to_string(),
                    ClaimEnd::Failed(task) => format!("failed, {} again", task.status),
                    other => format!("{other:?}"),
                };
                let attempt = claim.task.attempt_count;
                println!("{:<8} attempt {attempt}: {told}", claim.task.title);
            }
        });

    let handle = worker.handle();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            handle.stop();
        }
    });
    let summary = worker.run(carry_out).await?;
    println!("{summary:?}");
    assert_eq!(
        (summary.claimed, summary.failed, summary.finished),
        (4, 1, 3)
    );
    Ok(())
}
