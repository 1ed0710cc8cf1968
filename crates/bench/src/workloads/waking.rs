//! Waking whoever waits for a task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use runstore_core::{ClaimRequest, TaskPlan};
use tokio::time::sleep;

use super::World;
use crate::{Failure, Result, Steps};

/// By then a caller has looked, found nothing, and waits. It is not measured, and nothing goes wrong if one does
/// not: then its first look is measured in place of its waking.
const SETTLED: Duration = Duration::from_millis(5);

const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn wake(world: &World, worker: usize, steps: &mut Steps) -> Result<()> {
    let run_id = world.run_of(worker)?;
    let store = Arc::clone(&world.opened.store);
    let waiting = tokio::spawn(async move {
        let claim = store
            .claim_or_wait(ClaimRequest::of_run(run_id), PATIENCE)
            .await;
        (claim, Instant::now())
    });
    sleep(SETTLED).await;
    let begun = Instant::now();
    let plan = TaskPlan::new(run_id, world.drafts(1));
    let appended = world.store().append_tasks(plan).await;
    let added = begun.elapsed();
    let (claim, claimed) = waiting.await.map_err(Failure::engine)?;
    appended?;
    if claim?.is_none() {
        return Err(Failure::Refused("a caller waited in vain".to_owned()));
    }
    let took = claimed.saturating_duration_since(begun);
    let added = added.min(took);
    steps.add("append", added)?;
    steps.add("answer", took.saturating_sub(added))
}
