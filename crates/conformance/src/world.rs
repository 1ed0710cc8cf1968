//! Short ways to the states that scenarios begin with.

use runstore_core::{
    ApprovalSource, ApprovalVerdict, ArtifactDraft, AttemptReport, AttemptStatus, BlockTask, Claim,
    ClaimRequest, CompleteTask, EventDraft, NewApproval, NewArtifact, NewAttempt, NewCheckpoint,
    NewEvent, NewRun, Run, RunId, RunUpdate, SaveAgentState, Store, Task, TaskDraft, TaskPlan,
};
use serde_json::json;

use crate::check::{Outcome, Stop};

/// A run with nothing below it but its first event.
pub(crate) async fn run(store: &dyn Store) -> Outcome<Run> {
    Ok(store.create_run(NewRun::new("goal", "/repo")).await?)
}

/// Drafts named `task 1`, `task 2` …
pub(crate) fn drafts(count: usize) -> Vec<TaskDraft> {
    (1..=count)
        .map(|number| {
            TaskDraft::new(format!("task {number}"), format!("objective {number}"))
                .with_acceptance_criteria([format!("criterion {number}")])
                .with_verification_steps(["cargo test"])
                .with_allowed_paths(["src/**"])
        })
        .collect()
}

/// A run with `count` pending tasks.
pub(crate) async fn planned(store: &dyn Store, count: usize) -> Outcome<(Run, Vec<Task>)> {
    let run = run(store).await?;
    let tasks = store
        .append_tasks(TaskPlan::new(run.id, drafts(count)))
        .await?;
    Ok((run, tasks))
}

/// Claims the next task of the run; there must be one.
#[track_caller]
pub(crate) fn claim(store: &dyn Store, run_id: RunId) -> impl Future<Output = Outcome<Claim>> {
    let none = Stop::failed("a claim found nothing although a task is claimable");
    async move {
        let claim = store.claim_next_task(ClaimRequest::of_run(run_id)).await?;
        claim.ok_or(none)
    }
}

/// A run with one task, claimed.
pub(crate) async fn claimed(store: &dyn Store) -> Outcome<(Run, Claim)> {
    let (run, _) = planned(store, 1).await?;
    let claim = claim(store, run.id).await?;
    Ok((run, claim))
}

/// The first entry of a list; there must be one.
#[track_caller]
pub(crate) fn first<T>(list: Vec<T>) -> Outcome<T> {
    let none = || Stop::failed("a list is empty that must not be");
    list.into_iter().next().ok_or_else(none)
}

/// The last entry of a list; there must be one.
#[track_caller]
pub(crate) fn last<T>(list: Vec<T>) -> Outcome<T> {
    let none = || Stop::failed("a list is empty that must not be");
    list.into_iter().next_back().ok_or_else(none)
}

/// A run with records of every kind and tasks in every state: completed, blocked, abandoned, in
/// progress and pending, in this order of position.
pub(crate) async fn populated(store: &dyn Store) -> Outcome<(Run, Vec<Task>)> {
    let (run, _) = planned(store, 5).await?;
    let done = claim(store, run.id).await?;
    let report = AttemptReport::new(AttemptStatus::Completed, "did it");
    store
        .add_attempt(NewAttempt::of_claim(done.token(), report))
        .await?;
    store
        .complete_task(CompleteTask::new(done.task.id, "done"))
        .await?;
    let blocked = claim(store, run.id).await?;
    let report = AttemptReport::new(AttemptStatus::Failed, "no")
        .with_blocker_signature("sig")
        .with_result(json!({"error": "E"}));
    store
        .add_attempt(NewAttempt::of_claim(blocked.token(), report))
        .await?;
    let block = BlockTask::new(blocked.task.id)
        .with_summary("waits")
        .with_blocker_signature("sig");
    store.block_task(block).await?;
    let given_up = claim(store, run.id).await?;
    store
        .abandon_task(runstore_core::AbandonTask::new(given_up.task.id))
        .await?;
    let current = claim(store, run.id).await?;
    let update = RunUpdate::new(run.id)
        .with_status("running")
        .with_summary("under way")
        .with_current_task(current.task.id);
    store.update_run(update).await?;
    for role in ["strategy", "implementation", "narrator"] {
        let save = SaveAgentState::new(run.id, role)
            .with_session_id("s")
            .with_turns(2);
        store.save_agent_state(save).await?;
        let draft = ArtifactDraft::new("prompt", "a.md").with_role(role);
        store.add_artifact(NewArtifact::new(run.id, draft)).await?;
    }
    let event = EventDraft::new("strategy", "note", "hello").with_payload(json!({"n": 1}));
    store.add_event(NewEvent::new(run.id, event)).await?;
    for verdict in [ApprovalVerdict::Rejected, ApprovalVerdict::Approved] {
        let new = NewApproval::new(run.id, ApprovalSource::Checker, verdict, "why");
        store.add_approval(new).await?;
    }
    for step in 1..=2 {
        let new = NewCheckpoint::new(run.id, "running", json!({"step": step}));
        store.add_checkpoint(new).await?;
    }
    let run = store.get_run(run.id).await?;
    let tasks = store
        .list_tasks(runstore_core::ListTasks::new(run.id))
        .await?;
    Ok((run, tasks.items))
}
