//! A run from its plan to its snapshot.
//!
//! `cargo run -p runstore --features memory --example quickstart`

use runstore::{
    AgentRole, ApprovalSource, ApprovalVerdict, ArtifactDraft, ClaimRequest, EventDraft,
    FinishReport, NewApproval, NewCheckpoint, NewRun, Result, RunStatus, RunUpdate, SaveAgentState,
    SnapshotRequest, TaskDraft, TaskPlan,
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // Or "sqlite:runs.db", or "redb:runs.redb": nothing below changes.
    let store = runstore::open("memory:").await?;

    let run = store
        .create_run(NewRun::new("Add CSV export", "/srv/reports"))
        .await?;
    let plan = [
        TaskDraft::new(
            "Write the serializer",
            "Turn rows into CSV as RFC 4180 has it",
        )
        .with_acceptance_criteria(["Fields with commas and quotes read back as they were"])
        .with_verification_steps(["cargo test csv::"])
        .with_allowed_paths(["src/csv.rs"]),
        TaskDraft::new("Serve it", "Answer GET /reports/{id}.csv"),
    ];
    store
        .replace_pending_tasks(TaskPlan::new(run.id, plan))
        .await?;
    store
        .update_run(RunUpdate::new(run.id).with_status(RunStatus::Running))
        .await?;

    let mut turns = 0;
    while let Some(claim) = store.claim_next_task(ClaimRequest::of_run(run.id)).await? {
        turns += 1;
        // Task, attempt, event and artifact change together, or not at all.
        let report = FinishReport::completed("The tests pass.")
            .with_event(EventDraft::new(
                "worker",
                "task_completed",
                &claim.task.title,
            ))
            .with_artifact(ArtifactDraft::new("diff", format!("out/{turns}.diff")));
        store.finish_task(claim.token(), report).await?;
        let agent = SaveAgentState::new(run.id, AgentRole::Implementation).with_turns(turns);
        store.save_agent_state(agent).await?;
    }

    store
        .add_approval(NewApproval::new(
            run.id,
            ApprovalSource::Checker,
            ApprovalVerdict::Approved,
            "Both tasks meet their criteria.",
        ))
        .await?;
    store
        .add_checkpoint(NewCheckpoint::new(
            run.id,
            RunStatus::Completed,
            json!({ "turns": turns }),
        ))
        .await?;

    let snapshot = store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    assert_eq!(snapshot.counts.completed, 2);
    assert_eq!(snapshot.recent_attempts.len(), 2);
    assert_eq!(snapshot.artifacts.len(), 2);
    // run_created, and one event a task.
    assert_eq!(snapshot.recent_events.len(), 3);
    println!("{} of 2 tasks completed", snapshot.counts.completed);
    Ok(())
}
