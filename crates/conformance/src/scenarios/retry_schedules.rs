//! Plans that are given again, as to their schedules (clause G9).

use std::time::Duration;

use runstore_core::{
    BlockTask, ClaimRequest, Dependency, FinishReport, RunId, Store, TaskDraft, TaskId, Timestamp,
};

use super::retry_plans::{check_given_again, check_taken};
use crate::check::Outcome;
use crate::context::Context;
use crate::planning::{
    append, append_one, check_claims, check_nothing, complete, draft, ids, in_micros, named,
    replace,
};
use crate::world;

/// Two drafts, the second with a schedule in every field, that depends on a stored task, on the first by
/// its index, and on nothing else.
async fn scheduled(c: &Context<'_>, run_id: RunId) -> Outcome<(TaskId, [TaskDraft; 2])> {
    let stored = append_one(&*c.store, run_id, draft("stored")).await?.id;
    let [a, b] = ids();
    let second = named(b, "b")
        .with_key("b")
        .with_priority(3)
        .with_not_before(in_micros(c, 1_000))
        .with_max_attempts(4_u32)
        .with_depends_on([Dependency::from(stored), Dependency::from(0)]);
    Ok((stored, [named(a, "a").with_key("a"), second]))
}

fn alone(draft: &TaskDraft) -> [TaskDraft; 1] {
    [draft.clone()]
}

pub(crate) async fn a_plan_with_a_schedule_given_again_changes_nothing(
    c: &mut Context<'_>,
) -> Outcome {
    for replaces in [false, true] {
        let run_id = world::run(&*c.store).await?.id;
        let (stored, drafts) = scheduled(c, run_id).await?;
        complete(&*c.store, stored).await?;
        match replaces {
            true => replace(&*c.store, run_id, drafts.clone()).await?,
            false => append(&*c.store, run_id, drafts.clone()).await?,
        };
        check_given_again(c, run_id, &drafts, "with a schedule in every field").await?;
    }
    Ok(())
}

pub(crate) async fn the_same_dependencies_spelt_otherwise_are_the_same_content(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let (stored, drafts) = scheduled(c, run_id).await?;
    let [first, second] = drafts.clone();
    let a = first.id.unwrap_or_else(TaskId::generate);
    append(&*c.store, run_id, drafts).await?;
    let spelt = |dependencies: Vec<Dependency>| {
        [first.clone(), second.clone().with_depends_on(dependencies)]
    };
    let (on_stored, index) = (Dependency::from(stored), Dependency::from(0));
    let (key, id) = (Dependency::from("a"), Dependency::from(a));
    for (what, drafts) in [
        ("by key", spelt(vec![on_stored.clone(), key.clone()])),
        ("by id", spelt(vec![on_stored.clone(), id.clone()])),
        (
            "in every way and many times",
            spelt(vec![
                on_stored.clone(),
                id.clone(),
                key,
                index,
                on_stored.clone(),
            ]),
        ),
    ] {
        let what = format!("with the same dependencies named {what}");
        check_given_again(c, run_id, &drafts, &what).await?;
    }
    // In another order of the drafts the index is another.
    let moved = [
        second
            .clone()
            .with_depends_on([on_stored.clone(), Dependency::from(1)]),
        first.clone(),
    ];
    check_given_again(c, run_id, &moved, "in another order").await?;
    // And without the draft that it depends on, which is stored by now.
    let by_id = alone(&second.clone().with_depends_on([on_stored, id]));
    check_given_again(c, run_id, &by_id, "alone").await?;
    // Keys are no content.
    let rekeyed = [first.clone().with_key("other"), {
        let mut draft = second.clone();
        draft.key = None;
        draft
    }];
    check_given_again(c, run_id, &rekeyed, "with other keys").await
}

pub(crate) async fn another_schedule_under_a_stored_id_is_refused(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let (stored, drafts) = scheduled(c, run_id).await?;
    let [first, second] = drafts.clone();
    let other = append_one(&*c.store, run_id, draft("other")).await?.id;
    append(&*c.store, run_id, drafts.clone()).await?;
    let time = |micros: i64| second.clone().with_not_before(in_micros(c, 1_000 + micros));
    let on = |dependencies: Vec<Dependency>| second.clone().with_depends_on(dependencies);
    let (on_stored, on_first) = (Dependency::from(stored), Dependency::from(0));
    let without = |change: fn(&mut TaskDraft)| {
        let mut draft = second.clone();
        change(&mut draft);
        draft
    };
    let others = [
        ("a higher priority", second.clone().with_priority(4)),
        ("a lower priority", second.clone().with_priority(-3)),
        ("no priority", second.clone().with_priority(0)),
        ("a time a microsecond later", time(1)),
        ("a time a microsecond earlier", time(-1)),
        ("no time", without(|draft| draft.not_before = None)),
        ("more attempts", second.clone().with_max_attempts(5_u32)),
        (
            "no bound on attempts",
            without(|draft| draft.max_attempts = None),
        ),
        ("no dependencies", on(vec![])),
        (
            "its dependencies in another order",
            on(vec![on_first.clone(), on_stored.clone()]),
        ),
        ("one dependency less", on(vec![on_first.clone()])),
        ("the other dependency less", on(vec![on_stored.clone()])),
        (
            "one dependency more",
            on(vec![on_stored.clone(), on_first.clone(), other.into()]),
        ),
        (
            "another dependency",
            on(vec![other.into(), on_first.clone()]),
        ),
    ];
    for (what, draft) in others {
        let what = format!("a stored plan whose second task has {what}");
        let drafts = [first.clone(), draft];
        check_taken(&*c.store, run_id, &drafts, second.id, &what).await?;
    }
    // Where the stored task has none of it.
    for (what, draft) in [
        ("a priority", first.clone().with_priority(1)),
        (
            "a time that is over",
            first.clone().with_not_before(Timestamp::MIN),
        ),
        (
            "a bound on attempts",
            first.clone().with_max_attempts(u32::MAX),
        ),
        ("a dependency", first.clone().with_depends_on([stored])),
    ] {
        let what = format!("a stored task, planned without, with {what}");
        check_taken(&*c.store, run_id, &alone(&draft), first.id, &what).await?;
    }
    check_given_again(c, run_id, &drafts, "after other schedules were refused").await
}

fn ids_of(drafts: &[TaskDraft; 2]) -> [TaskId; 2] {
    drafts
        .each_ref()
        .map(|draft| draft.id.unwrap_or_else(TaskId::generate))
}

/// Takes one of the steps that change a task beside what was planned, and checks that the plan is still
/// known.
async fn check_known_after(
    c: &mut Context<'_>,
    run_id: RunId,
    drafts: &[TaskDraft; 2],
    step: usize,
) -> Outcome {
    let store: &dyn Store = &*c.store;
    let leased = || {
        ClaimRequest::of_run(run_id)
            .with_worker("w")
            .with_lease(Duration::from_micros(10))
            .with_max_attempts(7_u32)
    };
    let what = match step {
        0 => {
            store.claim_next_task(leased()).await?;
            "after a claim with a lease and a worker"
        }
        1 => {
            c.clock.advance_micros(10);
            store.claim_tasks(leased(), 5).await?;
            "after it was taken over"
        }
        2 => {
            store.requeue_in_progress_tasks(run_id).await?;
            let claim = world::claim(store, run_id).await?;
            let report = FinishReport::released_for(Duration::from_secs(9), "no");
            store.finish_task(claim.token(), report).await?;
            "after a release with a delay"
        }
        _ => {
            let [a, b] = ids_of(drafts);
            complete(store, a).await?;
            store.block_task(BlockTask::new(b)).await?;
            "after one was completed and one blocked"
        }
    };
    check_given_again(c, run_id, drafts, what).await
}

pub(crate) async fn a_plan_is_known_after_claims_delays_and_completions(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let (stored, drafts) = scheduled(c, run_id).await?;
    complete(&*c.store, stored).await?;
    append(&*c.store, run_id, drafts.clone()).await?;
    for step in 0..4 {
        check_known_after(c, run_id, &drafts, step).await?;
    }
    c.store.requeue_task(stored).await?;
    check_given_again(c, run_id, &drafts, "after what it depends on was requeued").await?;
    replace(&*c.store, run_id, []).await?;
    check_given_again(c, run_id, &drafts, "after all of it was left out").await
}

pub(crate) async fn a_repeat_counts_no_dependency_twice(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let [a, b] = ids();
    let drafts = [named(a, "a"), named(b, "b").with_depends_on([a])];
    for _ in 0..3 {
        append(&*c.store, run_id, drafts.clone()).await?;
    }
    check_claims(&*c.store, run_id, &["a"], "of a plan given three times").await?;
    complete(&*c.store, a).await?;
    append(&*c.store, run_id, drafts.clone()).await?;
    c.store.requeue_task(a).await?;
    append(&*c.store, run_id, drafts.clone()).await?;
    c.store.block_task(BlockTask::new(a)).await?;
    check_nothing(&*c.store, run_id, "while what it waits for is blocked").await?;
    complete(&*c.store, a).await?;
    append(&*c.store, run_id, drafts.clone()).await?;
    check_claims(
        &*c.store,
        run_id,
        &["b"],
        "once what it waits for was completed",
    )
    .await?;
    check_nothing(&*c.store, run_id, "when all is claimed").await
}
