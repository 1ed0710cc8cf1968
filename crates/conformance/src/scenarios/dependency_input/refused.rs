//! For what a plan is refused first, and what it leaves.

use runstore_core::{
    Dependency, Error, RecordKind, RunId, TaskDraft, TaskId, TaskPlan, TaskStatus,
};

use super::check_plan_refused;
use crate::calls::invalid;
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::planning::{append, check_next, complete, draft, finish, ids, named, of_priority};
use crate::world;

pub(crate) async fn a_plan_is_refused_for_what_comes_first(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [taken, unknown, pending] = ids();
    append(
        store,
        run_id,
        [named(taken, "taken"), named(pending, "pending")],
    )
    .await?;
    complete(store, taken).await?;
    let unknown_run = RunId::generate();
    let key = |draft: TaskDraft| draft.with_depends_on([Dependency::from("no key")]);
    let other_content = named(taken, "other content");
    // What a plan says by itself comes first.
    let wrong = invalid("drafts[1].depends_on[0]", "no key");
    let drafts = [
        named(taken, "x").with_depends_on([unknown, pending]),
        key(draft("b")),
    ];
    for run_id in [run_id, unknown_run] {
        let what = "a plan with an unknown key, an unknown task and a taken id";
        check_plan_refused(store, run_id, &drafts, &wrong, what).await?;
    }
    // Then the run.
    let drafts = [draft("a").with_depends_on([unknown]), other_content.clone()];
    let no_run = Error::not_found(RecordKind::Run, unknown_run);
    let what = "a plan for an unknown run that depends on an unknown task";
    check_plan_refused(store, unknown_run, &drafts, &no_run, what).await?;
    // Then the tasks that it depends on.
    let no_task = Error::not_found(RecordKind::Task, unknown);
    let what = "a plan with a taken id that depends on an unknown task";
    check_plan_refused(store, run_id, &drafts, &no_task, what).await?;
    // Then the ids that are taken.
    let drafts = [draft("a").with_depends_on([pending]), other_content];
    let exists = Error::already_exists(RecordKind::Task, taken);
    let what = "a plan with a taken id that depends on what it would abandon";
    check_plan_refused(store, run_id, &drafts, &exists, what).await
}

pub(crate) async fn a_repeat_comes_before_what_a_new_plan_abandons(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b] = ids();
    append(store, run_id, [named(a, "a")]).await?;
    let drafts = [named(b, "b").with_depends_on([a])];
    let planned = append(store, run_id, drafts.clone()).await?;
    // The plan depends on a pending task, but it is no new plan.
    for status in [TaskStatus::Pending, TaskStatus::InProgress] {
        if status == TaskStatus::InProgress {
            world::claim(store, run_id).await?;
        }
        let before = Dump::of(store).await?;
        let plan = TaskPlan::new(run_id, drafts.clone());
        check_eq!(
            store.replace_pending_tasks(plan).await?,
            planned,
            "what a plan given again returns that depends on a task that is {status}"
        );
        check_unchanged(store, &before, "a plan given again").await?;
    }
    Ok(())
}

pub(crate) async fn a_refused_plan_leaves_the_queue_and_the_claims(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    append(store, run_id, [2, 1].map(of_priority)).await?;
    let claim = world::claim(store, run_id).await?;
    let unknown = TaskId::generate();
    let refused = [
        draft("a").with_depends_on([Dependency::from(7)]),
        draft("a").with_depends_on([Dependency::from("k")]),
        draft("a").with_depends_on([Dependency::from(0)]),
        draft("a").with_depends_on([unknown]),
        draft("a").with_depends_on([claim.task.id]),
        draft("a").with_max_attempts(0_u32),
        named(claim.task.id, "a"),
    ];
    for draft in refused {
        let plan = TaskPlan::new(run_id, [draft.with_priority(9)]);
        let answer = store.replace_pending_tasks(plan).await;
        crate::check::check!(
            answer.is_err(),
            "a plan that breaks a rule must be refused, but gave {answer:?}"
        );
    }
    check_next(store, run_id, Some("1"), "after many refused plans").await?;
    finish(store, &claim).await?;
    Ok(())
}
