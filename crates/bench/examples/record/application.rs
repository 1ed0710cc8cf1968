//! A small application of agents: a planner makes a plan, four workers carry it out, a person approves.

use std::sync::Arc;
use std::time::Duration;

use runstore_core::{
    AgentRole, ApprovalSource, ApprovalVerdict, ArtifactDraft, AttemptId, Claim, ClaimRequest,
    EventDraft, EventId, FinishReport, Heartbeat, ListEvents, ListTasks, NewApproval, NewArtifact,
    NewCheckpoint, NewEvent, NewRun, PageRequest, Result, Run, RunStatus, RunUpdate,
    SaveAgentState, SnapshotRequest, Store, TaskDraft, TaskPlan, TaskStatus,
};
use serde_json::json;

/// How many parts of the goal are built, tested and reviewed each.
const PARTS: usize = 9;
const WORKERS: usize = 4;
const LEASE: Duration = Duration::from_secs(60);
/// How long a worker waits for a task before it looks whether there will be any.
const PATIENCE: Duration = Duration::from_millis(50);

/// Runs it to its end. A worker works on a task for as long as `work` says.
pub(crate) async fn run(store: Arc<dyn Store>, work: Duration) -> Result<()> {
    let run = store
        .create_run(NewRun::new("Ship the parts", "/srv/parts"))
        .await?;
    plan(store.as_ref(), &run).await?;
    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let (store, run) = (Arc::clone(&store), run.clone());
            tokio::spawn(async move { worker(store.as_ref(), &run, number, work).await })
        })
        .collect();
    for worker in workers {
        // A worker that panicked has told so itself.
        worker.await.unwrap_or(Ok(()))?;
    }

    let human = NewApproval::new(
        run.id,
        ApprovalSource::Human,
        ApprovalVerdict::Approved,
        "it works",
    );
    store.add_approval(human).await?;
    let done = RunUpdate::new(run.id)
        .with_status(RunStatus::Completed)
        .with_summary("all parts are shipped")
        .clear_current_task();
    store.update_run(done).await?;
    let mut page = PageRequest::first(50);
    loop {
        let events = store
            .list_events(ListEvents::new(run.id).with_page(page))
            .await?;
        match events.next {
            Some(next) => page = page.after(next),
            None => break,
        }
    }
    store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    store.close().await
}

/// A plan of 29 tasks: a design, then each part built, tested and reviewed, and the release after all of them.
async fn plan(store: &dyn Store, run: &Run) -> Result<()> {
    let design = TaskDraft::new("Design", "Say which parts there are")
        .with_key("design")
        .with_priority(10);
    let mut drafts = vec![design];
    for part in 0..PARTS {
        let priority = i32::from(part % 3 == 0) * 5;
        let step = |name: &str, after: String| {
            TaskDraft::new(
                format!("{name} part {part}"),
                format!("{name} it as designed"),
            )
            .with_key(format!("{name} {part}"))
            .with_depends_on([after])
            .with_priority(priority)
            .with_max_attempts(3)
        };
        drafts.push(step("Build", "design".to_owned()));
        drafts.push(step("Test", format!("Build {part}")));
        drafts.push(step("Review", format!("Test {part}")));
    }
    let reviews = (0..PARTS).map(|part| format!("Review {part}"));
    drafts.push(TaskDraft::new("Release", "Publish it").with_depends_on(reviews));
    let tasks = store.append_tasks(TaskPlan::new(run.id, drafts)).await?;

    let planner = SaveAgentState::new(run.id, AgentRole::Strategy)
        .with_session_id("planner-1")
        .with_turns(3);
    store.save_agent_state(planner).await?;
    let mut running = RunUpdate::new(run.id).with_status(RunStatus::Running);
    if let Some(first) = tasks.first() {
        running = running.with_current_task(first.id);
    }
    store.update_run(running).await?;
    Ok(())
}

async fn worker(store: &dyn Store, run: &Run, number: usize, work: Duration) -> Result<()> {
    let request = ClaimRequest::of_run(run.id)
        .with_worker(format!("worker-{number}"))
        .with_lease(LEASE);
    loop {
        match store.claim_or_wait(request.clone(), PATIENCE).await? {
            Some(claim) => carry_out(store, run, &claim, work).await?,
            None => {
                let unsettled = ListTasks::new(run.id)
                    .with_statuses([TaskStatus::Pending, TaskStatus::InProgress])
                    .with_page(PageRequest::first(1));
                if store.list_tasks(unsettled).await?.items.is_empty() {
                    return Ok(());
                }
            }
        }
    }
}

/// Works on a claimed task and reports; the first try of every fourth task fails.
async fn carry_out(store: &dyn Store, run: &Run, claim: &Claim, work: Duration) -> Result<()> {
    let (task, token) = (&claim.task, claim.token());
    let begun = EventDraft::new("worker", "begun", format!("begun: {}", task.title))
        .with_id(EventId::generate())
        .with_payload(json!({ "position": task.position, "attempt": task.attempt_count }));
    store
        .add_event(NewEvent::new(run.id, begun).with_fence(token))
        .await?;
    match work.is_zero() {
        true => tokio::task::yield_now().await,
        false => tokio::time::sleep(work).await,
    }
    store.heartbeat(Heartbeat::new(token, LEASE)).await?;

    if task.position % 4 == 0 && task.attempt_count == 1 {
        let failed = FinishReport::released("the compiler was in a bad mood")
            .with_event(EventDraft::new("worker", "failed", task.title.clone()));
        store.finish_task(token, failed).await?;
        return Ok(());
    }
    let log = ArtifactDraft::new("log", format!("/srv/logs/{}.txt", task.position))
        .with_role(AgentRole::Implementation);
    let log = NewArtifact::new(run.id, log).with_fence(token);
    store.add_artifact(log).await?;
    if task.position % 10 == 0 {
        let state = NewCheckpoint::new(
            run.id,
            RunStatus::Running,
            json!({ "after": task.position, "ratio": 0.1 }),
        );
        store.add_checkpoint(state.with_fence(token)).await?;
    }
    let mut report = FinishReport::completed(format!("{} is done", task.title))
        .with_event(EventDraft::new("worker", "done", task.title.clone()))
        .with_artifact(ArtifactDraft::new(
            "diff",
            format!("/srv/diffs/{}", task.position),
        ));
    report.attempt = report.attempt.with_id(AttemptId::generate());
    store.finish_task(token, report).await?;
    store.increment_cycle(run.id).await?;
    Ok(())
}
