//! Whose bound on the attempts holds: the task's own, or the claim's (clause C8).

use std::sync::Arc;

use runstore_core::{Clock, FinishReport, Store, TaskStatus};

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::leased::{LEASE, claim, micros, request};
use crate::tasks::check_task;
use crate::used_up::{bounded, check_new_events, count_events, end_of, used_up};
use crate::world;

pub(crate) async fn a_claims_own_bound_holds_for_that_claim_alone(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 1).await?;
    let id = world::first(tasks)?.id;
    let bound = |most: u32| request(run.id).with_max_attempts(most);
    // At its bound, each claim's task comes back by another road, and none of them asks for that bound.
    let held = claim(&*c.store, bound(1)).await?;
    check_eq!(
        held.task.max_attempts,
        None,
        "the bound of a task claimed under a claim's bound"
    );
    let report = FinishReport::released("no");
    let back = c.store.finish_task(held.token(), report).await?.status;
    check_eq!(
        back,
        TaskStatus::Pending,
        "a task released at the bound of its claim"
    );
    claim(&*c.store, bound(2)).await?;
    let back = c.store.requeue_task(id).await?.status;
    check_eq!(
        back,
        TaskStatus::Pending,
        "a task requeued at the bound of its claim"
    );
    claim(&*c.store, bound(3)).await?;
    let back = c.store.requeue_in_progress_tasks(run.id).await?;
    check_eq!(
        back,
        1,
        "the tasks requeued on resume at the bound of their claim"
    );
    claim(&*c.store, bound(4)).await?;
    c.clock.advance_micros(micros(LEASE));
    let back = c.store.requeue_expired_tasks(Some(run.id)).await?;
    check_eq!(
        back,
        1,
        "the tasks requeued as expired at the bound of their claim"
    );
    claim(&*c.store, bound(5)).await?;
    c.clock.advance_micros(micros(LEASE));
    let sixth = claim(&*c.store, request(run.id)).await?.task.attempt_count;
    check_eq!(
        sixth,
        6,
        "the attempts of a claim without a bound after one with it ran out"
    );
    c.clock.advance_micros(micros(LEASE));
    let events = count_events(&*c.store, run.id).await?;
    let before = c.store.get_task(id).await?;
    let none = c.store.claim_next_task(bound(6)).await?;
    check_eq!(none, None, "a claim with a bound that the task has reached");
    check_task(
        &*c.store,
        &used_up(&before, c.clock.now()),
        "the task after it",
    )
    .await?;
    let ends = vec![end_of(&before, 6)];
    check_new_events(c, run.id, events, ends, "a claim with a bound of its own").await?;
    // Requeued, it is there for claims that bound it less.
    let back = c.store.requeue_task(id).await?.status;
    check_eq!(
        back,
        TaskStatus::Pending,
        "a task without a bound, requeued after a claim's bound blocked it"
    );
    let seventh = claim(&*c.store, bound(7)).await?.task.attempt_count;
    check_eq!(seventh, 7, "the attempts of a claim with a higher bound");
    Ok(())
}

pub(crate) async fn a_tasks_own_bound_comes_before_the_claims(c: &mut Context<'_>) -> Outcome {
    for (own, of_claim) in [(3, 1), (3, 2), (1, 5), (2, u32::MAX)] {
        let (run, tasks) = bounded(&*c.store, &[Some(own)]).await?;
        let id = world::first(tasks)?.id;
        let wanted = request(run.id).with_max_attempts(of_claim);
        for number in 1..=own {
            let held = claim(&*c.store, wanted.clone()).await?.task;
            check_eq!(
                (held.attempt_count, held.max_attempts),
                (number, Some(own)),
                "attempts and bound of a task bounded to {own}, claimed with a bound of {of_claim}"
            );
            c.clock.advance_micros(micros(LEASE));
        }
        let before = c.store.get_task(id).await?;
        let none = c.store.claim_next_task(wanted).await?;
        check_eq!(
            none,
            None,
            "a claim with a bound of {of_claim} after {own} attempts of {own}"
        );
        let ends = vec![end_of(&before, own)];
        check_new_events(
            c,
            run.id,
            1,
            ends,
            "a claim on a task with a bound of its own",
        )
        .await?;
    }
    Ok(())
}

pub(crate) async fn a_bound_is_kept_and_shown_by_every_read(c: &mut Context<'_>) -> Outcome {
    let (_, tasks) = bounded(&*c.store, &[None, Some(1), Some(2), Some(u32::MAX)]).await?;
    let bounds: Vec<_> = tasks.iter().map(|task| task.max_attempts).collect();
    check_eq!(
        bounds,
        [None, Some(1), Some(2), Some(u32::MAX)],
        "the bounds of a plan"
    );
    let second: Arc<dyn Store> = c.second_handle().await?;
    for task in &tasks {
        check_task(&*c.store, task, "a task with a bound").await?;
        check_task(&*second, task, "a task with a bound at another handle").await?;
    }
    drop(second);
    c.reopen().await?;
    for task in &tasks {
        check_task(&*c.store, task, "a task with a bound after a reopen").await?;
    }
    Ok(())
}
