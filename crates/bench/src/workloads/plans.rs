//! Plans, and taking up work after a crash.

use runstore_core::limits::MAX_CLAIMS;
use runstore_core::{ClaimRequest, TaskPlan};

use super::World;
use crate::{Failure, Result, Steps};

pub(super) async fn plan(world: &World, worker: usize, steps: &mut Steps) -> Result<()> {
    let plan = TaskPlan::new(world.run_of(worker)?, world.drafts(world.case.tasks));
    let replace = world.store().replace_pending_tasks(plan);
    steps.time("plan", replace).await.map(drop)
}

pub(super) async fn resume(world: &World, worker: usize, steps: &mut Steps) -> Result<()> {
    let (store, run_id) = (world.store(), world.run_of(worker)?);
    let request = ClaimRequest::of_run(run_id).with_worker("worker");
    while !store
        .claim_tasks(request.clone(), MAX_CLAIMS)
        .await?
        .is_empty()
    {}
    let requeue = store.requeue_in_progress_tasks(run_id);
    match steps.time("resume", requeue).await? {
        resumed if resumed == world.case.tasks => Ok(()),
        resumed => Err(Failure::Refused(format!(
            "{resumed} of {} tasks were resumed",
            world.case.tasks
        ))),
    }
}
