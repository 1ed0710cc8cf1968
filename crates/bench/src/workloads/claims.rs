//! Claims and what follows them.

use runstore_core::{
    AttemptReport, Claim, ClaimRequest, CompleteTask, EventDraft, FinishReport, NewAttempt,
    NewEvent,
};
use serde_json::{Value, json};

use super::World;
use crate::{Failure, Result, Steps};

/// The next task of this worker: one that it holds, or else the first that a call claims.
async fn claimed(world: &World, worker: usize, steps: &mut Steps) -> Result<Claim> {
    let (store, batches) = (world.store(), &world.batches);
    if let Some(held) = batches.next(worker) {
        return Ok(held);
    }
    let (_, run_id) = world.next_run()?;
    let request = ClaimRequest::of_run(run_id).with_worker(format!("worker {worker}"));
    let claim = match batches.size() {
        1 => {
            let claim = store.claim_next_task(request);
            steps.time("claim", claim).await?
        }
        size => {
            let claims = store.claim_tasks(request, size);
            let mut claims = steps.time("claim", claims).await?.into_iter();
            let first = claims.next();
            batches.hold(worker, claims);
            first
        }
    };
    claim.ok_or_else(|| Failure::Refused("no task is left to claim: a worker took two".to_owned()))
}

fn payload(world: &World) -> Value {
    json!({ "text": world.text })
}

fn attempt(world: &World) -> AttemptReport {
    AttemptReport::new("completed", "done").with_result(payload(world))
}

pub(crate) fn event(world: &World) -> EventDraft {
    EventDraft::new("worker", "completed", "done").with_payload(payload(world))
}

/// What is reported on a task, but for its event.
pub(crate) fn report(world: &World) -> FinishReport {
    FinishReport::completed(world.text.as_str()).with_attempt(attempt(world))
}

pub(super) async fn cycle(world: &World, worker: usize, steps: &mut Steps) -> Result<()> {
    let store = world.store();
    let claim = claimed(world, worker, steps).await?;
    let (token, run_id) = (claim.token(), claim.task.run_id);
    let new = NewAttempt::of_claim(token, attempt(world));
    steps.time("attempt", store.add_attempt(new)).await?;
    let new = NewEvent::new(run_id, event(world));
    steps.time("event", store.add_event(new)).await?;
    let complete = CompleteTask::new(token.task_id, world.text.as_str());
    steps
        .time("complete", store.complete_task(complete))
        .await?;
    Ok(())
}

pub(super) async fn finish(world: &World, worker: usize, steps: &mut Steps) -> Result<()> {
    let token = claimed(world, worker, steps).await?.token();
    let report = report(world).with_event(event(world));
    let finish = world.store().finish_task(token, report);
    steps.time("finish", finish).await?;
    Ok(())
}

pub(super) async fn claim(world: &World, worker: usize, steps: &mut Steps) -> Result<()> {
    claimed(world, worker, steps).await.map(drop)
}

pub(super) async fn claim_nothing(world: &World, steps: &mut Steps) -> Result<()> {
    let (_, run_id) = world.next_run()?;
    let request = ClaimRequest::of_run(run_id).with_worker("worker");
    let claim = world.store().claim_next_task(request);
    match steps.time("claim", claim).await? {
        None => Ok(()),
        Some(_) => Err(Failure::Refused(
            "a task was claimed where there is none".to_owned(),
        )),
    }
}
