//! A worker dies with a task in its hands; the next process takes the run up again.
//!
//! `cargo run -p runstore --features sqlite --example resume_after_crash`

use runstore::{ClaimRequest, Error, FinishReport, NewRun, TaskDraft, TaskPlan, TaskStatus};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let url = format!("sqlite:{}", directory.path().join("runs.db").display());

    // The first process: it claims the first task and is gone before it can report.
    let store = runstore::open(&url).await?;
    let run = store
        .create_run(NewRun::new("Migrate the billing tables", "/srv/billing"))
        .await?;
    let plan = [
        TaskDraft::new("Add the column", "Add tenant_id to invoices"),
        TaskDraft::new("Fill it", "Set tenant_id from the account"),
    ];
    store
        .replace_pending_tasks(TaskPlan::new(run.id, plan))
        .await?;
    let lost = store.claim_next_task(ClaimRequest::of_run(run.id)).await?;
    let lost = lost.ok_or("a new plan has a first task")?;
    drop(store);

    // The second process: what was in progress is pending again, at its old place.
    let store = runstore::open(&url).await?;
    assert_eq!(store.requeue_in_progress_tasks(run.id).await?, 1);
    while let Some(claim) = store.claim_next_task(ClaimRequest::of_run(run.id)).await? {
        let report = FinishReport::completed("done");
        let task = store.finish_task(claim.token(), report).await?;
        assert_eq!(task.status, TaskStatus::Completed);
        println!(
            "{:?} completed in attempt {}",
            task.title, task.attempt_count
        );
    }
    assert_eq!(store.get_task(lost.task.id).await?.attempt_count, 2);

    // Had the first worker only been slow, its report would now be refused (clause C4).
    let late = store
        .finish_task(lost.token(), FinishReport::completed("too late"))
        .await;
    assert!(matches!(late, Err(Error::StaleClaim { .. })));
    store.close().await?;
    Ok(())
}
