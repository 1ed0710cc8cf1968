//! The caller's ids do not order records.

use runstore_core::{
    ApprovalSource, ArtifactDraft, AttemptReport, EventDraft, ListApprovals, ListArtifacts,
    ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks, NewApproval, NewArtifact,
    NewAttempt, NewCheckpoint, NewEvent, NewRun, SnapshotRequest, TaskDraft, TaskPlan, Uuid,
};
use serde_json::json;

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::lists::check_pages;
use crate::world;

/// Ids whose order is against the order in which they are given out.
struct FallingIds(u128);

impl FallingIds {
    fn next(&mut self) -> Uuid {
        self.0 -= 1;
        Uuid::from_u128(self.0)
    }
}

pub(crate) async fn ids_do_not_order_records(c: &mut Context<'_>) -> Outcome {
    let mut ids = FallingIds(1 << 100);
    let mut runs = Vec::new();
    for number in 0..4 {
        let new = NewRun::new("goal", number.to_string()).with_id(ids.next());
        runs.insert(0, c.store.create_run(new).await?);
    }
    let run_id = world::first(runs.clone())?.id;
    check_pages("the runs, newest first, with falling ids", &runs, |page| {
        c.store.list_runs(ListRuns::all().with_page(page))
    })
    .await?;

    let mut draft = |number: usize| TaskDraft::new(number.to_string(), "o").with_id(ids.next());
    let plan = TaskPlan::new(run_id, (0..4).map(&mut draft));
    let tasks = c.store.append_tasks(plan).await?;
    check_pages("the tasks, with falling ids", &tasks, |page| {
        c.store.list_tasks(ListTasks::new(run_id).with_page(page))
    })
    .await?;
    let task = world::first(tasks)?;
    let claim = world::claim(&*c.store, run_id).await?;
    check_eq!(
        claim.task.id,
        task.id,
        "the task claimed first, which has the greatest id"
    );

    let mut attempts = Vec::new();
    let mut events = c.store.recent_events(run_id, 1).await?;
    let mut artifacts = Vec::new();
    let mut approvals = Vec::new();
    let mut checkpoints = Vec::new();
    for number in 0..4 {
        let report = AttemptReport::new("failed", number.to_string()).with_id(ids.next());
        let new = NewAttempt::new(task.id, 1, report);
        attempts.push(c.store.add_attempt(new).await?);
        let draft = EventDraft::new("s", "k", "m").with_id(ids.next());
        let new = NewEvent::new(run_id, draft);
        events.push(c.store.add_event(new).await?);
        let draft = ArtifactDraft::new("k", "p").with_id(ids.next());
        let new = NewArtifact::new(run_id, draft);
        artifacts.push(c.store.add_artifact(new).await?);
        let new = NewApproval::new(run_id, "human", "approved", "r").with_id(ids.next());
        approvals.push(c.store.add_approval(new).await?);
        let new = NewCheckpoint::new(run_id, "running", json!(number)).with_id(ids.next());
        checkpoints.push(c.store.add_checkpoint(new).await?);
    }
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run_id)).await?;
    check_eq!(snapshot.recent_attempts, attempts, "attempts, falling ids");
    check_eq!(snapshot.recent_events, events, "events, falling ids");
    check_eq!(snapshot.artifacts, artifacts, "artifacts, falling ids");
    check_eq!(snapshot.approvals, approvals, "approvals, falling ids");
    check_eq!(
        snapshot.latest_checkpoint.as_ref(),
        checkpoints.last(),
        "the latest checkpoint, falling ids"
    );
    let listed = c.store.list_attempts(ListAttempts::new(run_id)).await?;
    check_eq!(listed.items, attempts, "attempts listed, falling ids");
    let listed = c.store.list_events(ListEvents::new(run_id)).await?;
    check_eq!(listed.items, events, "events listed, falling ids");
    let listed = c.store.list_artifacts(ListArtifacts::new(run_id)).await?;
    check_eq!(listed.items, artifacts, "artifacts listed, falling ids");
    let listed = c.store.list_approvals(ListApprovals::new(run_id)).await?;
    check_eq!(listed.items, approvals, "approvals listed, falling ids");
    let listed = c.store.list_checkpoints(ListCheckpoints::new(run_id));
    check_eq!(
        listed.await?.items,
        checkpoints,
        "checkpoints listed, falling ids"
    );
    check_eq!(
        c.store.latest_attempt(task.id).await?.as_ref(),
        attempts.last(),
        "the latest attempt, falling ids"
    );
    let latest = c.store.latest_approval(run_id, ApprovalSource::Human);
    check_eq!(
        latest.await?.as_ref(),
        approvals.last(),
        "the latest approval, falling ids"
    );
    Ok(())
}
