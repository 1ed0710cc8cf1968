//! What the caller's ids and the looks at the clock do to the order and the times of records.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use runstore_core::{
    ApprovalSource, ArtifactDraft, AttemptReport, Clock, EventDraft, FinishReport, ListApprovals,
    ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks, NewApproval,
    NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, SnapshotRequest, Task, TaskDraft,
    TaskPlan, Timestamp, Uuid,
};
use serde_json::json;

use crate::check::{Outcome, check, check_eq};
use crate::context::{Context, start};
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

/// A clock that is a microsecond further at each look.
#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        start().saturating_add_micros(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

pub(crate) async fn the_records_of_one_change_have_one_time(c: &mut Context<'_>) -> Outcome {
    let fixture = c.fresh_with(Arc::new(Ticking(AtomicI64::new(0)))).await?;
    let store = fixture.store();
    let run = world::run(&*store).await?;
    let event = world::first(store.recent_events(run.id, 1).await?)?;
    check_eq!(
        (run.updated_at, event.ts),
        (run.created_at, run.created_at),
        "the times of a new run and of its first event, by a clock that ticks at each look"
    );
    let plan = TaskPlan::new(run.id, world::drafts(3));
    let appended = store.append_tasks(plan.clone()).await?;
    let replaced = store.replace_pending_tasks(plan).await?;
    for tasks in [&appended, &replaced] {
        let first = world::first(tasks.clone())?;
        let times = |task: &Task| (task.created_at, task.updated_at);
        check!(
            tasks
                .iter()
                .all(|task| times(task) == (first.created_at, first.created_at)),
            "all tasks of a plan must have one time, by a clock that ticks at each look: {tasks:?}"
        );
    }
    let claim = world::claim(&*store, run.id).await?;
    let report = FinishReport::completed("done")
        .with_event(EventDraft::new("s", "k", "m"))
        .with_artifact(ArtifactDraft::new("k", "p"));
    let task = store.finish_task(claim.token(), report).await?;
    let snapshot = store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    let attempt = world::first(snapshot.recent_attempts)?;
    let event = world::last(snapshot.recent_events)?;
    let artifact = world::first(snapshot.artifacts)?;
    check_eq!(
        [attempt.created_at, event.ts, artifact.created_at],
        [task.updated_at; 3],
        "the times of all that one report wrote, by a clock that ticks at each look"
    );
    for _ in 0..2 {
        world::claim(&*store, run.id).await?;
    }
    store.requeue_in_progress_tasks(run.id).await?;
    let snapshot = store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    let event = world::last(snapshot.recent_events)?;
    let times: Vec<_> = snapshot
        .pending_tasks
        .iter()
        .map(|task| task.updated_at)
        .collect();
    check_eq!(
        times,
        [event.ts, event.ts],
        "the times of the tasks that one requeue gave back, and of its event"
    );
    Ok(())
}
