//! An application that makes every call of the trait, one after the other.

use std::time::Duration;

use runstore_core::{
    AbandonTask, AgentRole, ApprovalSource, ApprovalVerdict, ArtifactDraft, AttemptReport,
    AttemptStatus, BlockTask, Change, ClaimRequest, CompleteTask, EventDraft, EventId,
    FinishOutcome, FinishReport, Heartbeat, ListApprovals, ListArtifacts, ListAttempts,
    ListCheckpoints, ListEvents, ListRuns, ListTasks, NewApproval, NewArtifact, NewAttempt,
    NewCheckpoint, NewEvent, NewRun, PageRequest, Result, RunStatus, RunUpdate, SaveAgentState,
    SnapshotRequest, Store, TaskDraft, TaskId, TaskPlan,
};
use serde_json::json;

/// Leaves no method out, and answers in each of the ways that there are: a record, none, a list, a refusal.
pub(crate) async fn make_every_call(store: &dyn Store) -> Result<()> {
    store.info();
    let other = store.create_run(NewRun::new("another", "/b")).await?;
    let run = store.create_run(NewRun::new("goal", "/a")).await?;
    store.get_run(run.id).await?;
    let first = store
        .list_runs(ListRuns::all().with_page(PageRequest::first(1)))
        .await?;
    let rest = PageRequest::first(1).after(first.next.unwrap());
    store.list_runs(ListRuns::all().with_page(rest)).await?;
    store.increment_cycle(run.id).await?;
    store.increment_replan(run.id).await?;

    let save = SaveAgentState::new(run.id, AgentRole::Checker).with_turns(2);
    store.save_agent_state(save).await?;
    store.get_agent_state(run.id, AgentRole::Checker).await?;
    store.get_agent_state(run.id, AgentRole::Strategy).await?;
    store.list_agent_states(run.id).await?;

    let draft = |title: &str| TaskDraft::new(title, "do it");
    let plan = TaskPlan::new(run.id, [draft("left out")]);
    store.append_tasks(plan).await?;
    let drafts = [
        draft("a").with_key("a"),
        draft("b").with_depends_on(["a"]),
        draft("c").with_id(TaskId::generate()),
        draft("d"),
        draft("e").with_priority(-1),
    ];
    let tasks = store
        .replace_pending_tasks(TaskPlan::new(run.id, drafts))
        .await?;
    let id = |index: usize| tasks[index].id;
    let mut update = RunUpdate::new(run.id).with_status(RunStatus::Running);
    update.current_task_id = Change::Set(id(0));
    store.update_run(update).await?;
    store.get_task(id(1)).await?;
    store.list_tasks(ListTasks::new(run.id)).await?;
    store.waiting_reason(id(1)).await?;

    let request = ClaimRequest::of_run(run.id).with_lease(Duration::from_secs(3_600));
    let claim = store.claim_next_task(request.clone()).await?.unwrap();
    let token = claim.token();
    store
        .heartbeat(Heartbeat::new(token, Duration::from_secs(7_200)))
        .await?;
    let event = EventDraft::new("s", "k", "m")
        .with_id(EventId::generate())
        .with_payload(json!({ "z": 1.0, "a": [1, -0.0, null] }));
    store
        .add_event(NewEvent::new(run.id, event).with_fence(token))
        .await?;
    let report = AttemptReport::new(AttemptStatus::Interrupted, "half-way");
    store
        .add_attempt(NewAttempt::of_claim(token, report))
        .await?;
    let artifact = ArtifactDraft::new("file", "/f").with_metadata(json!({ "bytes": 3 }));
    store
        .add_artifact(NewArtifact::new(run.id, artifact.clone()))
        .await?;
    let approval = NewApproval::new(
        run.id,
        ApprovalSource::Human,
        ApprovalVerdict::Approved,
        "fine",
    );
    store.add_approval(approval).await?;
    store
        .add_checkpoint(NewCheckpoint::new(run.id, RunStatus::Running, json!([1])))
        .await?;
    let report = FinishReport::completed("done")
        .with_artifact(artifact)
        .with_event(EventDraft::new("s", "finished", "m"));
    store.finish_task(token, report).await?;
    let stale = Heartbeat::new(token, Duration::from_secs(1));
    store.heartbeat(stale).await.unwrap_err();

    let claims = store.claim_tasks(request.clone(), 2).await?;
    store.requeue_in_progress_tasks(run.id).await?;
    let stale = FinishReport::completed("too late");
    store
        .finish_task(claims[0].token(), stale)
        .await
        .unwrap_err();
    let claim = store
        .claim_or_wait(request.clone(), Duration::from_secs(5))
        .await?
        .unwrap();
    let outcome = FinishOutcome::Released { delay: None };
    let failed = AttemptReport::new(AttemptStatus::Failed, "once more");
    store
        .finish_task(claim.token(), FinishReport::new(outcome, failed))
        .await?;
    store
        .complete_task(CompleteTask::new(id(1), "done"))
        .await?;
    store.block_task(BlockTask::new(id(2))).await?;
    store.abandon_task(AbandonTask::new(id(3))).await?;
    store.requeue_task(id(2)).await?;
    store.requeue_expired_tasks(Some(run.id)).await?;
    store.requeue_expired_tasks(None).await?;

    store.latest_attempt(id(0)).await?;
    store.latest_attempt(id(4)).await?;
    store.recent_attempts(run.id, 3).await?;
    store.list_attempts(ListAttempts::new(run.id)).await?;
    store.recent_events(run.id, 3).await?;
    store.list_events(ListEvents::new(run.id)).await?;
    store.list_artifacts(ListArtifacts::new(run.id)).await?;
    store.list_approvals(ListApprovals::new(run.id)).await?;
    store
        .latest_approval(run.id, ApprovalSource::Checker)
        .await?;
    store.latest_checkpoint(run.id).await?;
    store.list_checkpoints(ListCheckpoints::new(run.id)).await?;
    store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    store.delete_run(other.id).await?;
    store.get_run(other.id).await.unwrap_err();
    store.close().await?;
    store.get_run(run.id).await.unwrap_err();
    Ok(())
}
