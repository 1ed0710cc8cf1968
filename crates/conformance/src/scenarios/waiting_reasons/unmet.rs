//! Tasks that wait for others: for which, and whether those can be completed.

use std::time::Duration;

use runstore_core::{AbandonTask, BlockTask, ClaimRequest, WaitingReason};

use super::{ABANDONED, BLOCKED, IN_PROGRESS, PENDING};
use crate::check::{Outcome, Stop};
use crate::context::Context;
use crate::planning::{
    append, check_claims, check_next, check_reason, complete, draft, ids, in_micros, named, unmet,
    waits_for,
};
use crate::world;

pub(crate) async fn what_is_not_completed_is_named_in_its_order(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [pending, held, done, blocked, gone, waiting] = ids();
    let drafts = [
        named(held, "held"),
        named(pending, "pending"),
        named(done, "done"),
        named(blocked, "blocked"),
        named(gone, "gone"),
        named(waiting, "waiting").with_depends_on([gone, done, pending, held, blocked]),
    ];
    append(store, run_id, drafts).await?;
    check_next(store, run_id, Some("held"), "of the plan").await?;
    complete(store, done).await?;
    store.block_task(BlockTask::new(blocked)).await?;
    store.abandon_task(AbandonTask::new(gone)).await?;
    let expected = [
        unmet(gone, ABANDONED, false),
        unmet(pending, PENDING, true),
        unmet(held, IN_PROGRESS, true),
        unmet(blocked, BLOCKED, false),
    ];
    let what = "which depends on a task in each state";
    check_reason(store, waiting, waits_for(expected), what).await?;
    for task_id in [pending, blocked, held] {
        complete(store, task_id).await?;
    }
    let last = [unmet(gone, ABANDONED, false)];
    check_reason(store, waiting, waits_for(last), "when one is left").await?;
    store.requeue_task(gone).await?;
    let last = [unmet(gone, PENDING, true)];
    check_reason(
        store,
        waiting,
        waits_for(last),
        "when the last was requeued",
    )
    .await?;
    complete(store, gone).await?;
    check_reason(
        store,
        waiting,
        WaitingReason::Claimable,
        "when all are completed",
    )
    .await?;
    store.requeue_task(done).await?;
    let again = [unmet(done, PENDING, true)];
    check_reason(store, waiting, waits_for(again), "when one was requeued").await
}

pub(crate) async fn whether_a_dependency_can_complete_is_told_through_chains(
    c: &mut Context<'_>,
) -> Outcome {
    const LINKS: usize = 12;
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let drafts = (0..LINKS).map(|link| match link.checked_sub(1) {
        Some(before) => draft(link.to_string()).with_depends_on([before]),
        None => draft("0"),
    });
    let tasks = append(store, run_id, drafts).await?;
    let check = async |from: usize, status, can_complete, what: &str| -> Outcome {
        for pair in tasks.windows(2).skip(from) {
            let [before, task] = pair else { continue };
            let is_first = Some(before.id) == tasks.get(from).map(|task| task.id);
            let status = if is_first { status } else { PENDING };
            // One that is set aside itself can be completed by nobody's claim.
            let expected = waits_for([unmet(before.id, status, can_complete)]);
            let what = format!("link {} of a chain whose link {from} is {what}", task.title);
            check_reason(store, task.id, expected, &what).await?;
        }
        Ok(())
    };
    check(0, PENDING, true, "pending").await?;
    let first = world::claim(store, run_id).await?;
    check(0, IN_PROGRESS, true, "in progress").await?;
    store.block_task(BlockTask::new(first.task.id)).await?;
    check(0, BLOCKED, false, "blocked").await?;
    store.abandon_task(AbandonTask::new(first.task.id)).await?;
    check(0, ABANDONED, false, "abandoned").await?;
    store.requeue_task(first.task.id).await?;
    check(0, PENDING, true, "requeued").await?;
    complete(store, first.task.id).await?;
    check(1, PENDING, true, "the first to be done").await
}

pub(crate) async fn a_long_chain_is_looked_through_to_its_end(c: &mut Context<'_>) -> Outcome {
    const LINKS: usize = 1_500;
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let drafts = (0..LINKS).map(|link| match link.checked_sub(1) {
        Some(before) => draft(link.to_string()).with_depends_on([before]),
        None => draft("0"),
    });
    let tasks = append(store, run_id, drafts).await?;
    let [first, .., before, last] = &*tasks else {
        return Err(Stop::failed("a plan must have as many tasks as drafts"));
    };
    let check = async |can_complete, what: &str| -> Outcome {
        let expected = waits_for([unmet(before.id, PENDING, can_complete)]);
        let what = format!("the last of {LINKS} links, the first of which is {what}");
        check_reason(store, last.id, expected, &what).await
    };
    check(true, "pending").await?;
    store.block_task(BlockTask::new(first.id)).await?;
    check(false, "blocked").await?;
    complete(store, first.id).await?;
    check(true, "completed").await
}

pub(crate) async fn a_completed_link_hides_what_it_waited_for(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b, held, last] = ids();
    let drafts = [
        named(a, "a"),
        named(b, "b").with_depends_on([a]),
        named(held, "held").with_depends_on([a]),
        draft("c").with_depends_on([b]).with_key("c"),
        named(last, "last").with_depends_on(["c"]),
        draft("d").with_depends_on([held]).with_key("d"),
    ];
    let tasks = append(store, run_id, drafts).await?;
    complete(store, a).await?;
    check_claims(store, run_id, &["b", "held"], "once a was completed").await?;
    complete(store, b).await?;
    store.requeue_task(a).await?;
    store.block_task(BlockTask::new(a)).await?;
    let id = |title: &str| {
        tasks
            .iter()
            .find(|task| task.title == title)
            .map(|task| task.id)
    };
    let (c_id, d_id) = (id("c").unwrap_or(a), id("d").unwrap_or(a));
    let expected = waits_for([unmet(c_id, PENDING, true)]);
    let what = "behind one that waits for a completed task, whatever that waited for";
    check_reason(store, last, expected, what).await?;
    check_reason(store, c_id, WaitingReason::Claimable, what).await?;
    // Who works on a task can complete it, whatever it depends on.
    let expected = waits_for([unmet(held, IN_PROGRESS, true)]);
    let what = "behind one in progress, which depends on a blocked task";
    check_reason(store, d_id, expected, what).await
}

pub(crate) async fn one_stuck_branch_is_enough(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [top, left, right, side, end] = ids();
    let drafts = [
        named(top, "top"),
        named(left, "left").with_depends_on([top]),
        named(right, "right").with_depends_on([top, side]),
        named(side, "side"),
        named(end, "end").with_depends_on([left, right]),
        draft("behind").with_depends_on([end]),
    ];
    let tasks = append(store, run_id, drafts).await?;
    let behind = world::last(tasks)?.id;
    let check = async |left_can, right_can, what: &str| -> Outcome {
        let sides = [
            unmet(left, PENDING, left_can),
            unmet(right, PENDING, right_can),
        ];
        check_reason(store, end, waits_for(sides), what).await?;
        let end = unmet(end, PENDING, left_can && right_can);
        check_reason(store, behind, waits_for([end]), what).await
    };
    check(true, true, "of a diamond, as planned").await?;
    store.block_task(BlockTask::new(side)).await?;
    check(true, false, "of a diamond, one side of which is stuck").await?;
    complete(store, side).await?;
    store.abandon_task(AbandonTask::new(top)).await?;
    check(false, false, "of a diamond whose top is given up").await?;
    store.requeue_task(top).await?;
    check(true, true, "of a diamond whose top was requeued").await
}

pub(crate) async fn a_delay_keeps_no_dependency_from_completing(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [delayed, expired, behind] = ids();
    let drafts = [
        named(expired, "expired").with_max_attempts(1_u32),
        named(delayed, "delayed").with_not_before(in_micros(c, 1_000_000)),
        named(behind, "behind").with_depends_on([delayed, expired]),
    ];
    append(store, run_id, drafts).await?;
    let leased = ClaimRequest::of_run(run_id).with_lease(Duration::from_micros(1));
    store.claim_next_task(leased).await?;
    c.clock.advance_micros(5);
    // The expired one can still be finished by its holder.
    let expected = [
        unmet(delayed, PENDING, true),
        unmet(expired, IN_PROGRESS, true),
    ];
    let what = "which depends on a delayed task and on an expired one";
    check_reason(store, behind, waits_for(expected), what).await
}
