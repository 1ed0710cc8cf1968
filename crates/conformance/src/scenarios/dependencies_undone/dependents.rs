//! What a requeued dependency means to a dependent in each state.

use std::time::Duration;

use runstore_core::{
    AbandonTask, BlockTask, ClaimRequest, Error, FinishReport, TaskStatus, WaitingReason,
};

use crate::check::{Outcome, check, check_eq, check_refused};
use crate::context::Context;
use crate::planning::{
    check_claims, check_nothing, check_reason, complete, draft, finish, replace, unmet, waits_for,
    waits_for_one,
};
use crate::tasks::check_task;
use crate::world;

pub(crate) async fn a_dependent_in_progress_goes_on_when_its_dependency_is_requeued(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b] = waits_for_one(store, run_id).await?;
    complete(store, a).await?;
    let claim = world::claim(store, run_id).await?;
    c.clock.advance_micros(1);
    store.requeue_task(a).await?;
    check_task(store, &claim.task, "a dependent in progress").await?;
    let held = WaitingReason::InProgress {
        worker: None,
        lease_expires_at: None,
    };
    check_reason(
        store,
        b,
        held,
        "in progress when its dependency was requeued",
    )
    .await?;
    let done = finish(store, &claim).await?;
    check_eq!(
        done.status,
        TaskStatus::Completed,
        "the state of the dependent after its worker's report"
    );
    check_claims(store, run_id, &["a"], "afterwards").await?;
    Ok(())
}

pub(crate) async fn a_dependent_back_in_the_queue_waits_for_what_was_requeued(
    c: &mut Context<'_>,
) -> Outcome {
    for way in ["released", "requeued", "resumed"] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let [a, _] = waits_for_one(store, run_id).await?;
        complete(store, a).await?;
        let claim = world::claim(store, run_id).await?;
        store.requeue_task(a).await?;
        store.block_task(BlockTask::new(a)).await?;
        match way {
            "released" => {
                let report = FinishReport::released("not now");
                store.finish_task(claim.token(), report).await?;
            }
            "requeued" => drop(store.requeue_task(claim.task.id).await?),
            _ => drop(store.requeue_in_progress_tasks(run_id).await?),
        }
        let what = format!("when it was {way} after its dependency was requeued");
        check_nothing(store, run_id, &what).await?;
        complete(store, a).await?;
        let what = format!("when it was {way} and its dependency completed again");
        check_claims(store, run_id, &["b"], &what).await?;
    }
    Ok(())
}

pub(crate) async fn an_expired_dependent_is_not_taken_over_while_its_dependency_is_undone(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b] = waits_for_one(store, run_id).await?;
    complete(store, a).await?;
    let leased = ClaimRequest::of_run(run_id).with_lease(Duration::from_micros(10));
    let claim = store.claim_next_task(leased).await?;
    check!(
        claim.is_some(),
        "a dependent must be claimable once its dependency is completed"
    );
    store.requeue_task(a).await?;
    store.block_task(BlockTask::new(a)).await?;
    c.clock.advance_micros(10);
    check_nothing(
        store,
        run_id,
        "when its lease had run out and a was requeued",
    )
    .await?;
    let undone = unmet(a, TaskStatus::Blocked, false);
    let what = "when its lease had run out";
    check_reason(store, b, waits_for([undone]), what).await?;
    complete(store, a).await?;
    check_reason(
        store,
        b,
        WaitingReason::Claimable,
        "when a was completed again",
    )
    .await?;
    let claims = check_claims(store, run_id, &["b"], "when a was completed again").await?;
    check_eq!(
        world::first(claims)?.task.attempt_count,
        2,
        "the attempts of the task that was taken over"
    );
    Ok(())
}

pub(crate) async fn what_is_settled_stays_settled_when_its_dependency_is_requeued(
    c: &mut Context<'_>,
) -> Outcome {
    for status in [
        TaskStatus::Completed,
        TaskStatus::Blocked,
        TaskStatus::Abandoned,
    ] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let [a, b] = waits_for_one(store, run_id).await?;
        complete(store, a).await?;
        let settled = match status {
            TaskStatus::Completed => complete(store, b).await?,
            TaskStatus::Blocked => store.block_task(BlockTask::new(b)).await?,
            _ => store.abandon_task(AbandonTask::new(b)).await?,
        };
        c.clock.advance_micros(1);
        store.requeue_task(a).await?;
        store.block_task(BlockTask::new(a)).await?;
        check_task(store, &settled, "a settled dependent").await?;
        check_reason(
            store,
            b,
            WaitingReason::Settled { status },
            "which is settled",
        )
        .await?;
        // Once it is requeued, it waits for what its dependency is now.
        store.requeue_task(b).await?;
        let what = format!("when it was {status}, and requeued after its dependency was");
        check_nothing(store, run_id, &what).await?;
        complete(store, a).await?;
        check_claims(store, run_id, &["b"], &what).await?;
    }
    Ok(())
}

pub(crate) async fn what_is_settled_early_waits_for_nothing_new_once_requeued(
    c: &mut Context<'_>,
) -> Outcome {
    // The dependency is completed while the dependent is settled.
    for status in [
        TaskStatus::Completed,
        TaskStatus::Blocked,
        TaskStatus::Abandoned,
    ] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let [a, b] = waits_for_one(store, run_id).await?;
        match status {
            TaskStatus::Completed => complete(store, b).await?,
            TaskStatus::Blocked => store.block_task(BlockTask::new(b)).await?,
            _ => store.abandon_task(AbandonTask::new(b)).await?,
        };
        complete(store, a).await?;
        check_nothing(store, run_id, &format!("when it is {status}")).await?;
        store.requeue_task(b).await?;
        let what = format!("when it was {status} while its dependency was completed");
        check_claims(store, run_id, &["b"], &what).await?;
    }
    Ok(())
}

pub(crate) async fn a_dependent_that_a_new_plan_left_out_is_not_released(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b] = waits_for_one(store, run_id).await?;
    let claim = world::claim(store, run_id).await?;
    replace(store, run_id, [draft("new")]).await?;
    check_refused!(
        store
            .finish_task(claim.token(), FinishReport::completed("done"))
            .await,
        Error::StaleClaim { .. },
        "a report on a task that a new plan left out"
    );
    store.requeue_task(a).await?;
    complete(store, a).await?;
    check_claims(
        store,
        run_id,
        &["new"],
        "when what b waited for was completed",
    )
    .await?;
    let shown = store.get_task(b).await?.status;
    check_eq!(shown, TaskStatus::Abandoned, "the state of b");
    // It can be taken back, and waits for nothing then.
    store.requeue_task(b).await?;
    check_claims(store, run_id, &["b"], "once it was requeued").await?;
    Ok(())
}
