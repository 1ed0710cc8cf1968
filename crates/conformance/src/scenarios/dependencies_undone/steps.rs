//! Which steps of a task make those that depend on it wait, and which release them.

use runstore_core::{AbandonTask, BlockTask, CompleteTask, Error, FinishReport, TaskStatus};

use crate::check::{Outcome, check_eq, check_refused};
use crate::context::Context;
use crate::planning::{
    append, append_one, check_claims, check_next, check_nothing, check_reason, complete, draft,
    finish, ids, named, unmet, waits_for, waits_for_one, waits_for_two,
};
use crate::race::{Handles, together};
use crate::tasks::tasks_of;
use crate::world;

pub(crate) async fn what_is_requeued_after_it_was_completed_is_waited_for_again(
    c: &mut Context<'_>,
) -> Outcome {
    for by_report in [false, true] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let [a, _] = waits_for_one(store, run_id).await?;
        for round in 1..=3 {
            let what = format!("in round {round} of completing and requeueing a");
            let claims = check_claims(store, run_id, &["a"], &what).await?;
            match by_report {
                true => finish(store, &world::first(claims)?).await?,
                false => complete(store, a).await?,
            };
            store.requeue_task(a).await?;
        }
        complete(store, a).await?;
        check_claims(store, run_id, &["b"], "once a was completed for good").await?;
    }
    Ok(())
}

pub(crate) async fn each_of_several_is_waited_for_again_by_itself(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b, _] = waits_for_two(store, run_id).await?;
    check_claims(store, run_id, &["a", "b"], "of the plan").await?;
    for task_id in [a, b] {
        complete(store, task_id).await?;
    }
    // By an operator, who lets nobody claim them in between.
    store.requeue_task(a).await?;
    store.block_task(BlockTask::new(a)).await?;
    check_nothing(store, run_id, "when the first of two was requeued").await?;
    store.requeue_task(b).await?;
    store.block_task(BlockTask::new(b)).await?;
    check_nothing(store, run_id, "when the second was requeued too").await?;
    complete(store, a).await?;
    check_nothing(store, run_id, "when the first was completed again").await?;
    complete(store, b).await?;
    check_claims(store, run_id, &["c"], "when both were completed again").await?;
    Ok(())
}

pub(crate) async fn only_a_step_to_or_from_completed_counts(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b, _] = waits_for_two(store, run_id).await?;
    // Each of these is a step of a, and none of them completes it.
    for round in 0..3 {
        let claim = world::claim(store, run_id).await?;
        check_eq!(claim.task.id, a, "the task of the next claim");
        match round {
            0 => drop(store.requeue_in_progress_tasks(run_id).await?),
            1 => {
                let report = FinishReport::released("no");
                store.finish_task(claim.token(), report).await?;
            }
            _ => {
                store.block_task(BlockTask::new(a)).await?;
                store.abandon_task(AbandonTask::new(a)).await?;
                store.requeue_task(a).await?;
            }
        }
    }
    complete(store, b).await?;
    check_claims(store, run_id, &["a"], "where b is completed and a is not").await?;
    complete(store, a).await?;
    check_claims(store, run_id, &["c"], "once a is completed too").await?;
    Ok(())
}

pub(crate) async fn a_completion_that_is_repeated_or_refused_counts_once(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b, waiting] = waits_for_two(store, run_id).await?;
    let claims = check_claims(store, run_id, &["a", "b"], "of the plan").await?;
    let claim = world::first(claims)?;
    for _ in 0..3 {
        finish(store, &claim).await?;
    }
    check_refused!(
        store.complete_task(CompleteTask::new(a, "done")).await,
        Error::InvalidTransition { .. },
        "completing what is completed"
    );
    check_nothing(store, run_id, "when one of two was completed many times").await?;
    let other = unmet(b, TaskStatus::InProgress, true);
    check_reason(
        store,
        waiting,
        waits_for([other]),
        "when the other is in progress",
    )
    .await?;
    // A repeat does not undo a requeue either.
    store.requeue_task(a).await?;
    store.block_task(BlockTask::new(a)).await?;
    complete(store, b).await?;
    finish(store, &claim).await?;
    check_nothing(store, run_id, "when a was requeued and its report repeated").await?;
    complete(store, a).await?;
    check_claims(store, run_id, &["c"], "when both were completed").await?;
    Ok(())
}

pub(crate) async fn a_requeue_concerns_direct_dependents_only(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b] = waits_for_one(store, run_id).await?;
    append(store, run_id, [draft("c").with_depends_on([b])]).await?;
    complete(store, a).await?;
    complete(store, b).await?;
    store.requeue_task(a).await?;
    store.block_task(BlockTask::new(a)).await?;
    let what = "which waits for b alone, and b is completed, whatever b waited for";
    check_claims(store, run_id, &["c"], what).await?;
    Ok(())
}

pub(crate) async fn a_completed_task_whose_attempts_are_used_up_is_waited_for_when_requeued(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b] = ids();
    let drafts = [
        named(a, "a").with_max_attempts(1_u32),
        named(b, "b").with_depends_on([a]),
    ];
    append(store, run_id, drafts).await?;
    let claim = world::claim(store, run_id).await?;
    finish(store, &claim).await?;
    let requeued = store.requeue_task(a).await?;
    check_eq!(
        requeued.status,
        TaskStatus::Blocked,
        "the state of a task whose attempts are used up, after a requeue"
    );
    check_nothing(
        store,
        run_id,
        "when its dependency went from completed to blocked",
    )
    .await?;
    let stuck = unmet(a, TaskStatus::Blocked, false);
    check_reason(store, b, waits_for([stuck]), "when a is blocked").await?;
    complete(store, a).await?;
    check_claims(store, run_id, &["b"], "when a was completed again").await?;
    Ok(())
}

pub(crate) async fn a_dependent_planned_after_the_completion_waits_after_a_requeue_too(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let a = append_one(store, run_id, draft("a")).await?.id;
    complete(store, a).await?;
    append(store, run_id, [draft("b").with_depends_on([a])]).await?;
    store.requeue_task(a).await?;
    let claims = check_claims(store, run_id, &["a"], "once a was requeued").await?;
    finish(store, &world::first(claims)?).await?;
    check_claims(store, run_id, &["b"], "once a was completed again").await?;
    Ok(())
}

pub(crate) async fn steps_made_at_once_leave_a_dependent_as_its_dependency_is(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..8 {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let [a, _] = waits_for_one(store, run_id).await?;
        let stepping = (0..6).map(|caller| {
            let store = handles.of(caller + round);
            async move {
                for _ in 0..4 {
                    // Refused if another took the step; that must count for nothing.
                    let step = match caller % 2 {
                        0 => store.complete_task(CompleteTask::new(a, "done")).await,
                        _ => store.requeue_task(a).await,
                    };
                    match step {
                        Ok(_) | Err(Error::InvalidTransition { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
        });
        for step in together(stepping).await? {
            step?;
        }
        let first = tasks_of(store, run_id).await?;
        let expected: &[&str] = match world::first(first)?.status {
            TaskStatus::Completed => &["b"],
            _ => &["a"],
        };
        let what = "after completions and requeues of a at once";
        check_claims(store, run_id, expected, what).await?;
        if expected == ["a"] {
            complete(store, a).await?;
            check_next(store, run_id, Some("b"), "once a was completed").await?;
        }
    }
    Ok(())
}
