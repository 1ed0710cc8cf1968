//! Dependencies over plans, runs and reopens (clause C9).

use runstore_core::{AbandonTask, BlockTask, Error, TaskId, TaskPlan, TaskStatus};

use super::plans::PlanCall;
use crate::calls::{Call, call, check_each_refused, invalid};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::planning::{
    append, append_one, check_claims, check_next, check_nothing, check_reason, complete, draft,
    finish, ids, in_micros, named, replace, unmet, waits_for, waits_for_one, waits_for_two,
};
use crate::tasks::token_of;
use crate::world;

pub(crate) async fn dependencies_are_known_at_another_handle(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let (first, second) = (&*c.store, c.second_handle().await?);
    let [a, b, _] = waits_for_two(first, run_id).await?;
    check_claims(&*second, run_id, &["a", "b"], "at another handle").await?;
    complete(first, a).await?;
    check_nothing(
        &*second,
        run_id,
        "at another handle, while b is in progress",
    )
    .await?;
    complete(&*second, b).await?;
    first.requeue_task(a).await?;
    check_next(
        &*second,
        run_id,
        Some("a"),
        "at another handle, once a was requeued",
    )
    .await?;
    check_nothing(first, run_id, "while a is in progress again").await?;
    complete(&*second, a).await?;
    check_claims(first, run_id, &["c"], "once another handle completed a").await?;
    Ok(())
}

pub(crate) async fn dependencies_are_known_after_a_reopen(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let [a, b, waiting] = waits_for_two(&*c.store, run_id).await?;
    c.reopen().await?;
    let claims = check_claims(&*c.store, run_id, &["a", "b"], "after a reopen").await?;
    c.reopen().await?;
    finish(&*c.store, &world::first(claims)?).await?;
    check_nothing(&*c.store, run_id, "when one of two was completed").await?;
    c.reopen().await?;
    check_nothing(&*c.store, run_id, "when one of two was completed before").await?;
    complete(&*c.store, b).await?;
    c.reopen().await?;
    c.store.requeue_task(a).await?;
    c.reopen().await?;
    check_claims(
        &*c.store,
        run_id,
        &["a"],
        "once a was requeued and reopened",
    )
    .await?;
    let expected = waits_for([unmet(a, TaskStatus::InProgress, true)]);
    check_reason(&*c.store, waiting, expected, "while a is in progress again").await?;
    complete(&*c.store, a).await?;
    c.reopen().await?;
    check_claims(&*c.store, run_id, &["c"], "once both were completed before").await?;
    Ok(())
}

pub(crate) async fn a_new_plan_may_depend_on_what_the_earlier_one_completed(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [done, blocked, gone] = ids();
    let old = [
        named(done, "done"),
        named(blocked, "blocked"),
        named(gone, "gone"),
        draft("left out"),
    ];
    append(store, run_id, old).await?;
    complete(store, done).await?;
    store.block_task(BlockTask::new(blocked)).await?;
    store.abandon_task(AbandonTask::new(gone)).await?;
    let new = [
        draft("after done").with_depends_on([done]),
        draft("after blocked").with_depends_on([blocked, done]),
        draft("after gone").with_depends_on([gone]),
        draft("after new").with_depends_on([runstore_core::Dependency::from(0), done.into()]),
    ];
    let planned = replace(store, run_id, new).await?;
    let depends_on: Vec<Vec<TaskId>> = planned.iter().map(|task| task.depends_on.clone()).collect();
    let first = planned.first().map(|task| task.id).into_iter();
    check_eq!(
        depends_on,
        [
            vec![done],
            vec![blocked, done],
            vec![gone],
            first.chain([done]).collect(),
        ],
        "what the tasks of a plan depend on that replaces another"
    );
    let claims = check_claims(store, run_id, &["after done"], "of the new plan").await?;
    finish(store, &world::first(claims)?).await?;
    let what = "once the first of the new plan was done";
    check_claims(store, run_id, &["after new"], what).await?;
    complete(store, blocked).await?;
    let what = "once what the earlier plan left blocked was completed";
    check_claims(store, run_id, &["after blocked"], what).await?;
    store.requeue_task(gone).await?;
    complete(store, gone).await?;
    let what = "once what the earlier plan gave up was completed";
    check_claims(store, run_id, &["after gone"], what).await?;
    Ok(())
}

pub(crate) async fn a_new_plan_cannot_depend_on_what_it_abandons(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [held, done, pending] = ids();
    let old = [
        named(held, "held"),
        named(done, "done"),
        named(pending, "pending"),
    ];
    append(store, run_id, old).await?;
    let claim = world::claim(store, run_id).await?;
    complete(store, done).await?;
    c.clock.advance_micros(1);
    let mut calls = Vec::new();
    for abandoned in [held, pending] {
        let drafts = [
            draft("a").with_depends_on([done]),
            draft("b").with_depends_on([done, abandoned]),
            draft("c").with_depends_on([abandoned]),
        ];
        let plan = TaskPlan::new(run_id, drafts);
        let refused = invalid("drafts[1].depends_on[1]", abandoned);
        calls.push((call!(store, replace_pending_tasks(plan)), refused));
        let plan = TaskPlan::new(run_id, [draft("c").with_depends_on([abandoned])]);
        let refused = invalid("drafts[0].depends_on[0]", abandoned);
        calls.push((call!(store, replace_pending_tasks(plan)), refused));
    }
    check_each_refused(store, calls).await?;
    // The refused plans took nothing from the queue and from nobody.
    check_next(store, run_id, Some("pending"), "after the refused plans").await?;
    finish(store, &claim).await?;
    // What is appended may depend on either, and so may a new plan once it is completed.
    let appended = draft("appended").with_depends_on([pending, held]);
    append(store, run_id, [appended]).await?;
    check_nothing(store, run_id, "while what it waits for is in progress").await?;
    complete(store, pending).await?;
    replace(
        store,
        run_id,
        [draft("new").with_depends_on([pending, held])],
    )
    .await?;
    check_claims(store, run_id, &["new"], "after both were completed").await?;
    Ok(())
}

pub(crate) async fn dependencies_of_runs_are_apart(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let (one, other) = (world::run(store).await?.id, world::run(store).await?.id);
    let [a, _] = waits_for_one(store, one).await?;
    let [other_a, _] = waits_for_one(store, other).await?;
    complete(store, a).await?;
    check_claims(
        store,
        other,
        &["a"],
        "where that of another run was completed",
    )
    .await?;
    check_claims(store, one, &["b"], "where that of its run was completed").await?;
    complete(store, other_a).await?;
    store.requeue_task(a).await?;
    let what = "where that of another run was requeued";
    check_claims(store, other, &["b"], what).await?;
    Ok(())
}

pub(crate) async fn a_deleted_runs_dependencies_are_gone(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let (kept, run) = (world::run(store).await?.id, world::run(store).await?);
    let [a, b, d, e] = ids();
    let again = runstore_core::NewRun::new("goal", "/repo").with_id(run.id);
    let drafts = [
        named(a, "a"),
        named(b, "b").with_depends_on([a]),
        named(d, "d")
            .with_depends_on([a])
            .with_not_before(in_micros(c, 10)),
    ];
    append(store, run.id, drafts).await?;
    let [kept_a, _] = waits_for_one(store, kept).await?;
    store.delete_run(run.id).await?;
    // The ids are free, for tasks that depend on each other in another way.
    store.create_run(again.clone()).await?;
    let drafts = [
        named(b, "b"),
        named(a, "a").with_depends_on([b]),
        named(d, "d"),
    ];
    append(store, run.id, drafts).await?;
    check_claims(store, run.id, &["b", "d"], "in the run created again").await?;
    complete(store, b).await?;
    check_claims(store, run.id, &["a"], "in the run created again").await?;
    complete(store, a).await?;
    check_claims(store, run.id, &[], "in the run created again").await?;
    // And for tasks of a run that was there before.
    store.delete_run(run.id).await?;
    let drafts = [named(e, "e").with_depends_on([b]), named(b, "b")];
    append(store, kept, drafts).await?;
    check_claims(store, kept, &["a", "b"], "in another run").await?;
    complete(store, b).await?;
    check_claims(store, kept, &["e"], "in another run").await?;
    complete(store, kept_a).await?;
    // Its own b, which waited for its own a.
    check_claims(store, kept, &["b"], "in another run").await?;
    Ok(())
}

pub(crate) async fn a_plan_that_was_refused_leaves_no_dependencies(c: &mut Context<'_>) -> Outcome {
    for plan_call in PlanCall::BOTH {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let (other, stored) = (world::run(store).await?.id, draft("stored"));
        let stored = append_one(store, other, stored).await?.id;
        let done = append_one(store, run_id, draft("done")).await?.id;
        complete(store, done).await?;
        let [a, b] = ids();
        // The second draft's dependency makes the whole plan fail.
        let drafts = [
            named(a, "a").with_depends_on([done]),
            named(b, "b").with_depends_on([a, stored]),
        ];
        let plan = TaskPlan::new(run_id, drafts);
        let refused = Error::not_found(runstore_core::RecordKind::Task, stored);
        let what = format!("{plan_call:?} of a plan that depends on a task of another run");
        let call = Call::new(what, plan_call.make(store, plan));
        check_each_refused(store, vec![(call, refused)]).await?;
        let drafts = [named(b, "b"), named(a, "a").with_depends_on([b])];
        append(store, run_id, drafts).await?;
        store.requeue_task(done).await?;
        let what = "where the same ids were refused with other dependencies";
        check_claims(store, run_id, &["done", "b"], what).await?;
        complete(store, b).await?;
        check_claims(store, run_id, &["a"], what).await?;
    }
    Ok(())
}

pub(crate) async fn claims_made_before_a_new_plan_are_stale_whatever_depends_on_them(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b] = waits_for_one(store, run_id).await?;
    complete(store, a).await?;
    let claim = world::claim(store, run_id).await?;
    let planned = replace(store, run_id, [draft("new").with_depends_on([a])]).await?;
    let token = token_of(&claim.task);
    let current = Some(store.get_task(b).await?.standing());
    let stale = Error::StaleClaim { token, current };
    let report = runstore_core::FinishReport::completed("done");
    check_each_refused(
        store,
        vec![(call!(store, finish_task(token, report)), stale)],
    )
    .await?;
    check_claims(
        store,
        run_id,
        &["new"],
        "of the plan that depends on a completed task",
    )
    .await?;
    check_eq!(planned.len(), 1, "the number of tasks of the new plan");
    Ok(())
}
