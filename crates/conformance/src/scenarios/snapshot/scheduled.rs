//! Snapshots of tasks that change by leases, delays and bounds.

use runstore_core::{ClaimRequest, CompleteTask, FinishReport, Heartbeat, TaskDraft, TaskPlan};

use super::expected::{check_same, from_single_reads};
use super::whole;
use crate::check::{Outcome, Stop, check_eq};
use crate::context::Context;
use crate::leased::{LEASE, claim, micros, request};
use crate::world;

pub(crate) async fn a_snapshot_follows_leases_delays_and_bounds(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let check = async |what: &str, states: [u64; 4]| {
        let snapshot = whole(store, run_id).await?;
        let counts = snapshot.counts;
        check_eq!(
            [
                counts.pending,
                counts.in_progress,
                counts.completed,
                counts.blocked
            ],
            states,
            "the pending tasks, those in progress, completed and blocked after {what}"
        );
        let expected = from_single_reads(store, run_id, usize::MAX).await?;
        check_same(&snapshot, &expected, &format!("a snapshot after {what}"))
    };
    let once = || TaskDraft::new("once", "o").with_max_attempts(1_u32);
    let often = || TaskDraft::new("often", "o");
    let drafts = [once(), once(), once(), once(), once(), often(), often()];
    store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
    let claims = store.claim_tasks(request(run_id), 7).await?;
    check("a batch", [0, 7, 0, 0]).await?;
    let [first, second, .., last] = claims.as_slice() else {
        return Err(Stop::failed("a batch of seven gave less than three"));
    };
    let report = FinishReport::released("gave up");
    store.finish_task(first.token(), report).await?;
    check("a release of a last attempt", [0, 6, 0, 1]).await?;
    let complete = CompleteTask::new(second.task.id, "done");
    store.complete_task(complete).await?;
    check("a completion", [0, 5, 1, 1]).await?;
    store.requeue_task(second.task.id).await?;
    check("a requeue of a last attempt", [0, 5, 0, 2]).await?;
    let report = FinishReport::released_for(LEASE * 3, "later");
    store.finish_task(last.token(), report).await?;
    check("a release with a delay", [1, 4, 0, 2]).await?;
    c.clock.advance_micros(micros(LEASE));
    check("the end of the leases", [1, 4, 0, 2]).await?;
    let taken = claim(store, request(run_id)).await?;
    check("a claim that blocked three and took one over", [1, 1, 0, 5]).await?;
    store
        .heartbeat(Heartbeat::new(taken.token(), LEASE * 2))
        .await?;
    check("a heartbeat", [1, 1, 0, 5]).await?;
    c.clock.advance_micros(micros(LEASE) * 2);
    let batch = store
        .claim_tasks(ClaimRequest::of_run(run_id).with_lease(LEASE), 9)
        .await?;
    check_eq!(batch.len(), 2, "the tasks of a batch of what is left");
    check("a batch of one run out and one delayed", [0, 2, 0, 5]).await?;
    store
        .append_tasks(TaskPlan::new(run_id, [once(), once()]))
        .await?;
    store.claim_tasks(request(run_id), 1).await?;
    c.clock.advance_micros(micros(LEASE));
    store.requeue_expired_tasks(None).await?;
    check("a requeue of two expired and one used up", [3, 0, 0, 6]).await?;
    store.claim_tasks(ClaimRequest::of_run(run_id), 3).await?;
    store.requeue_in_progress_tasks(run_id).await?;
    check("a resume of two and one used up", [2, 0, 0, 7]).await
}
