//! Calls whose answer was lost are repeated, and nothing is done twice.
//!
//! `cargo run -p runstore --features memory --example idempotent_retry`

use runstore::{
    ClaimRequest, Error, EventDraft, EventId, FinishReport, NewEvent, NewRun, RunId,
    SnapshotRequest, TaskDraft, TaskId, TaskPlan,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = runstore::open("memory:").await?;

    // Ids of the caller's own make a creating call safe to repeat (clause G9): it answers with what is
    // stored. Choose them before the first try, and keep them for the next.
    let run_id = RunId::generate();
    let new_run = NewRun::new("Rotate the signing keys", "/srv/auth").with_id(run_id);
    let run = store.create_run(new_run.clone()).await?;
    assert_eq!(store.create_run(new_run).await?, run);

    let draft = TaskDraft::new("Publish the new key", "Serve both keys for a day");
    let plan = TaskPlan::new(run_id, [draft.with_id(TaskId::generate())]);
    let tasks = store.append_tasks(plan.clone()).await?;
    assert_eq!(store.append_tasks(plan).await?, tasks);

    let noted = EventDraft::new("planner", "noted", "Clients cache keys for an hour.");
    let event = NewEvent::new(run_id, noted.with_id(EventId::generate()));
    let first = store.add_event(event.clone()).await?;
    assert_eq!(store.add_event(event).await?.seq, first.seq);

    // With other content the id is taken.
    let other = NewRun::new("Another goal", "/srv/auth").with_id(run_id);
    let taken = store.create_run(other).await;
    assert!(matches!(taken, Err(Error::AlreadyExists { .. })));

    // A report needs no ids: the claim's token tells a repeat (clause C5).
    let claim = store.claim_next_task(ClaimRequest::of_run(run_id)).await?;
    let claim = claim.ok_or("a new task is claimable")?;
    let report = FinishReport::completed("Both keys are served.").with_event(EventDraft::new(
        "worker",
        "task_completed",
        "published",
    ));
    let done = store.finish_task(claim.token(), report.clone()).await?;
    assert_eq!(store.finish_task(claim.token(), report).await?, done);

    let counts = store
        .snapshot(SnapshotRequest::of_run(run_id))
        .await?
        .counts;
    assert_eq!((counts.completed, counts.attempts), (1, 1));
    // run_created, noted, task_completed.
    assert_eq!(counts.events, 3);
    println!("every call was made twice and took effect once");
    Ok(())
}
