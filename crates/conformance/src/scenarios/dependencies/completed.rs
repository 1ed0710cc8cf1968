//! Until when a task waits: for all that it depends on, and for nothing but their completion.

use runstore_core::{
    AbandonTask, AttemptReport, BlockTask, FinishOutcome, FinishReport, TaskDraft,
};

use crate::check::Outcome;
use crate::context::Context;
use crate::planning::{
    append, check_claims, check_next, check_nothing, complete, draft, finish, waits_for_one,
};
use crate::world;

pub(crate) async fn a_task_waits_until_an_operator_completed_what_it_depends_on(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, _] = waits_for_one(store, run_id).await?;
    check_next(store, run_id, Some("a"), "of a task and its dependent").await?;
    check_nothing(store, run_id, "while the task is in progress").await?;
    complete(store, a).await?;
    check_claims(store, run_id, &["b"], "once the task was completed").await?;
    // Also one that nobody claimed.
    let run_id = world::run(store).await?.id;
    let [a, _] = waits_for_one(store, run_id).await?;
    complete(store, a).await?;
    check_claims(store, run_id, &["b"], "once the pending task was completed").await?;
    Ok(())
}

pub(crate) async fn a_task_waits_until_a_worker_completed_what_it_depends_on(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    waits_for_one(store, run_id).await?;
    let claim = world::claim(store, run_id).await?;
    check_nothing(store, run_id, "while the task is in progress").await?;
    finish(store, &claim).await?;
    check_claims(store, run_id, &["b"], "once a report completed the task").await?;
    Ok(())
}

pub(crate) async fn a_task_waits_for_all_that_it_depends_on(c: &mut Context<'_>) -> Outcome {
    const ORDERS: [[usize; 3]; 6] = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for order in ORDERS {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let drafts = [
            draft("a"),
            draft("b"),
            draft("waiting").with_depends_on([0, 1, 3]),
            draft("c"),
        ];
        append(store, run_id, drafts).await?;
        let claims = check_claims(store, run_id, &["a", "b", "c"], "of the plan").await?;
        let what = format!("when three tasks are completed in the order {order:?}");
        for (done, index) in order.into_iter().enumerate() {
            check_nothing(store, run_id, &format!("after {done}, {what}")).await?;
            if let Some(claim) = claims.get(index) {
                // Workers and operators in turns.
                match done {
                    1 => finish(store, claim).await?,
                    _ => complete(store, claim.task.id).await?,
                };
            }
        }
        check_claims(store, run_id, &["waiting"], &what).await?;
    }
    Ok(())
}

pub(crate) async fn a_chain_is_released_link_by_link(c: &mut Context<'_>) -> Outcome {
    // Planned from the first link on, and from the last one on.
    for backward in [false, true] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let mut drafts: Vec<TaskDraft> = (0..6)
            .map(|link: usize| {
                let draft = draft(link.to_string()).with_key(link.to_string());
                match link.checked_sub(1) {
                    Some(before) => draft.with_depends_on([before.to_string()]),
                    None => draft,
                }
            })
            .collect();
        if backward {
            drafts.reverse();
        }
        append(store, run_id, drafts).await?;
        for link in 0..6 {
            let title = link.to_string();
            let what = format!("of a chain, after {link} links were completed");
            let claims = check_claims(store, run_id, &[title.as_str()], &what).await?;
            finish(store, &world::first(claims)?).await?;
        }
    }
    Ok(())
}

pub(crate) async fn both_sides_of_a_diamond_are_waited_for(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let drafts = [
        draft("end").with_depends_on(["left", "right", "top"]),
        draft("left").with_key("left").with_depends_on(["top"]),
        draft("right").with_key("right").with_depends_on(["top"]),
        draft("top").with_key("top"),
    ];
    append(store, run_id, drafts).await?;
    let top = check_claims(store, run_id, &["top"], "of a diamond").await?;
    finish(store, &world::first(top)?).await?;
    let sides = check_claims(store, run_id, &["left", "right"], "once its top was done").await?;
    for claim in sides.iter().rev() {
        check_nothing(
            store,
            run_id,
            "while a side of the diamond is not completed",
        )
        .await?;
        finish(store, claim).await?;
    }
    check_claims(store, run_id, &["end"], "once both sides were done").await?;
    Ok(())
}

pub(crate) async fn what_was_blocked_or_given_up_releases_nothing(c: &mut Context<'_>) -> Outcome {
    let report = |outcome| FinishReport::new(outcome, AttemptReport::new("failed", "no"));
    for way in [
        "an operator blocks",
        "an operator abandons",
        "a worker blocks",
        "a worker abandons",
    ] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let [a, _] = waits_for_one(store, run_id).await?;
        let token = world::claim(store, run_id).await?.token();
        let (summary, blocker_signature) = (Some("done".to_owned()), None);
        match way {
            "an operator blocks" => store.block_task(BlockTask::new(a)).await?,
            "an operator abandons" => store.abandon_task(AbandonTask::new(a)).await?,
            "a worker blocks" => {
                let blocked = FinishOutcome::Blocked {
                    summary,
                    blocker_signature,
                };
                store.finish_task(token, report(blocked)).await?
            }
            _ => {
                let abandoned = FinishOutcome::Abandoned {
                    summary,
                    blocker_signature,
                };
                store.finish_task(token, report(abandoned)).await?
            }
        };
        check_nothing(store, run_id, &format!("after {way} what it waits for")).await?;
        store.requeue_task(a).await?;
        let what = format!("after {way} what b waits for, which is then requeued");
        let claims = check_claims(store, run_id, &["a"], &what).await?;
        finish(store, &world::first(claims)?).await?;
        let what = format!("after {way} what it waits for, which is requeued and completed");
        check_claims(store, run_id, &["b"], &what).await?;
    }
    // A blocked task can be completed as it is.
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, _] = waits_for_one(store, run_id).await?;
    store.block_task(BlockTask::new(a)).await?;
    complete(store, a).await?;
    check_claims(store, run_id, &["b"], "once the blocked task was completed").await?;
    Ok(())
}
