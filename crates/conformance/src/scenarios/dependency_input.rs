//! What a plan may say of dependencies and schedules (clauses C9, G7 and G8), and in which order it is
//! refused.

use runstore_core::limits::{MAX_DEPENDENCIES, MAX_RECORD_BYTES, MAX_WORD_BYTES};
use runstore_core::{
    Dependency, Error, RecordKind, RunId, Store, TaskDraft, TaskId, TaskPlan, TaskStatus, Uuid,
};

use super::plans::PlanCall;
use crate::calls::{Call, check_each_refused, invalid};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::planning::{
    append, append_one, check_claims, check_next, complete, draft, finish, ids, named, of_priority,
};
use crate::world;

/// Gives the plan by both calls to the run; it must be refused as `refused`, and change nothing.
async fn check_plan_refused(
    store: &dyn Store,
    run_id: RunId,
    drafts: &[TaskDraft],
    refused: &Error,
    what: &str,
) -> Outcome {
    for plan_call in PlanCall::BOTH {
        let plan = TaskPlan::new(run_id, drafts.to_vec());
        let name = format!("{plan_call:?} of {what}");
        let call = Call::new(name, plan_call.make(store, plan));
        check_each_refused(store, vec![(call, refused.clone())]).await?;
    }
    Ok(())
}

/// Gives the plan to a known run and to an unknown one: what is wrong with it can be seen without the
/// store, and comes first.
async fn check_invalid(
    store: &dyn Store,
    run_id: RunId,
    drafts: &[TaskDraft],
    (field, bound): (&str, &str),
    what: &str,
) -> Outcome {
    for run_id in [run_id, RunId::generate()] {
        check_plan_refused(store, run_id, drafts, &invalid(field, bound), what).await?;
    }
    Ok(())
}

/// A run with a task of every state, whose pending ones a plan must not touch when it is refused.
async fn busy_run(c: &Context<'_>) -> Outcome<RunId> {
    let (run, _) = world::populated(&*c.store).await?;
    c.clock.advance_micros(1_000);
    Ok(run.id)
}

pub(crate) async fn an_index_that_no_draft_has_is_refused(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    for index in [2, 3, 4, 5, 1_000_000, usize::MAX] {
        // The run has more tasks than the plan has drafts: an index is one of the plan.
        let drafts = [draft("a"), draft("b").with_depends_on([0, index])];
        let problem = index.to_string();
        let wrong = ("drafts[1].depends_on[1]", &*problem);
        let what = format!("a plan of two drafts that names the one at index {index}");
        check_invalid(&*c.store, run_id, &drafts, wrong, &what).await?;
    }
    Ok(())
}

pub(crate) async fn a_key_that_no_draft_has_is_refused(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let earlier = draft("earlier").with_key("earlier");
    append(&*c.store, run_id, [earlier]).await?;
    // Neither another case, a part, an index nor a title is the key; nor is one of another plan.
    for key in [
        "Build",
        "buil",
        "build ",
        "",
        "0",
        "a",
        "earlier",
        "b\u{fc}ild",
    ] {
        let drafts = [
            draft("a").with_key("build"),
            draft("b"),
            draft("c").with_depends_on([Dependency::from("build"), Dependency::from(key)]),
        ];
        let wrong = ("drafts[2].depends_on[1]", key);
        let what = format!("a plan that names key {key:?}, where only \"build\" is one");
        check_invalid(&*c.store, run_id, &drafts, wrong, &what).await?;
    }
    Ok(())
}

pub(crate) async fn a_key_stands_once_in_a_plan(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let key = |key: &str| draft("t").with_key(key);
    for (drafts, field) in [
        (vec![key("a"), key("b"), key("a")], "drafts[2].key"),
        (vec![key("a"), key("a")], "drafts[1].key"),
        (vec![key(""), draft("t"), key("")], "drafts[2].key"),
        (
            vec![key("a"), key("a"), draft("t").with_depends_on(["a"])],
            "drafts[1].key",
        ),
    ] {
        let what = "a plan in which two drafts have one key";
        check_invalid(&*c.store, run_id, &drafts, (field, ""), what).await?;
    }
    // Keys are compared to the byte, and are not kept for the next plan.
    for _ in 0..2 {
        let drafts = [
            key("a"),
            key("A"),
            key("a "),
            key(""),
            key("e\u{301}"),
            key("\u{e9}"),
        ];
        append(&*c.store, run_id, drafts).await?;
    }
    Ok(())
}

pub(crate) async fn a_key_has_at_most_255_bytes(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let bound = MAX_WORD_BYTES.to_string();
    for long in ["k".repeat(MAX_WORD_BYTES + 1), "\u{e9}".repeat(128)] {
        let drafts = [draft("a"), draft("b").with_key(long)];
        let wrong = ("drafts[1].key", &*bound);
        let what = "a plan with a key of 256 bytes";
        check_invalid(&*c.store, run_id, &drafts, wrong, what).await?;
    }
    let run_id = world::run(&*c.store).await?.id;
    // Any text is a key.
    let keys = [
        "k".repeat(MAX_WORD_BYTES),
        String::new(),
        "\0'\"\\%".to_owned(),
        "0".to_owned(),
    ];
    let drafts = keys
        .iter()
        .zip(1..)
        .map(|(key, number)| draft(number.to_string()).with_key(key));
    let last = draft("last").with_depends_on(keys.clone());
    append(&*c.store, run_id, [last].into_iter().chain(drafts)).await?;
    let claims = check_claims(
        &*c.store,
        run_id,
        &["1", "2", "3", "4"],
        "named by their keys",
    );
    for claim in claims.await? {
        finish(&*c.store, &claim).await?;
    }
    check_claims(
        &*c.store,
        run_id,
        &["last"],
        "which names them by their keys",
    )
    .await?;
    Ok(())
}

pub(crate) async fn a_cycle_is_refused_with_its_path(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let [a, b] = ids();
    let on = |on: &[usize]| draft("t").with_depends_on(on.iter().copied());
    let cases: Vec<(&str, Vec<TaskDraft>, &str, &str)> = vec![
        (
            "a draft that depends on itself",
            vec![draft("t"), on(&[0, 1])],
            "drafts[1].depends_on",
            "drafts[1] -> drafts[1]",
        ),
        (
            "a draft that depends on itself by its key",
            vec![draft("t").with_key("k").with_depends_on(["k"])],
            "drafts[0].depends_on",
            "drafts[0] -> drafts[0]",
        ),
        (
            "a draft that depends on itself by its id",
            vec![named(a, "t").with_depends_on([a])],
            "drafts[0].depends_on",
            "drafts[0] -> drafts[0]",
        ),
        (
            "two drafts that depend on each other",
            vec![on(&[1]), on(&[0])],
            "drafts[0].depends_on",
            "drafts[0] -> drafts[1] -> drafts[0]",
        ),
        (
            "a cycle of three, with drafts that lead to it and away",
            vec![on(&[3]), on(&[2, 4]), on(&[3]), on(&[1]), on(&[])],
            "drafts[3].depends_on",
            "drafts[3] -> drafts[1] -> drafts[2] -> drafts[3]",
        ),
        (
            "a cycle of an index, a key and an id",
            vec![
                named(a, "t").with_key("a").with_depends_on([1]),
                named(b, "t").with_depends_on([2]),
                draft("t")
                    .with_key("c")
                    .with_depends_on([Dependency::from(a)]),
                draft("t").with_depends_on(["c", "a"]),
            ],
            "drafts[0].depends_on",
            "drafts[0] -> drafts[1] -> drafts[2] -> drafts[0]",
        ),
        (
            "a cycle behind a branch that has none",
            vec![on(&[1, 3]), on(&[2]), on(&[]), on(&[4]), on(&[2, 3])],
            "drafts[3].depends_on",
            "drafts[3] -> drafts[4] -> drafts[3]",
        ),
    ];
    for (what, drafts, field, path) in cases {
        check_invalid(&*c.store, run_id, &drafts, (field, path), what).await?;
    }
    let long: Vec<TaskDraft> = (0..500_usize)
        .map(|index| on(&[(index + 1) % 500]))
        .collect();
    let wrong = ("drafts[0].depends_on", "drafts[499] -> drafts[0]");
    check_invalid(&*c.store, run_id, &long, wrong, "a cycle of 500").await
}

pub(crate) async fn what_leads_back_to_no_draft_is_no_cycle(c: &mut Context<'_>) -> Outcome {
    const MANY: usize = 2_000;
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let on = |title: &str, on: &[usize]| draft(title).with_depends_on(on.iter().copied());
    // Two ways to one task, in either direction.
    let drafts = [
        on("end", &[1, 2, 3]),
        on("left", &[3, 4]),
        on("right", &[4, 3]),
        on("middle", &[4]),
        on("start", &[]),
    ];
    append(store, run_id, drafts).await?;
    for titles in [&["start"][..], &["middle"], &["left", "right"], &["end"]] {
        for claim in check_claims(store, run_id, titles, "of a plan with two ways").await? {
            finish(store, &claim).await?;
        }
    }
    // A long chain, from the last draft to the first and back.
    let forward = (0..MANY).map(|index| match index + 1 {
        MANY => draft("end of the chain"),
        next => on("link", &[next]),
    });
    append(store, run_id, forward).await?;
    check_claims(store, run_id, &["end of the chain"], "of a chain of 2,000").await?;
    Ok(())
}

pub(crate) async fn a_task_depends_on_at_most_10_000(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let many = |count: usize| {
        let draft = draft("waiting").with_depends_on(std::iter::repeat_n(0, count));
        [TaskDraft::new("a", "o"), draft]
    };
    let bound = MAX_DEPENDENCIES.to_string();
    let wrong = ("drafts[1].depends_on", &*bound);
    let what = "a plan with one dependency more than the bound";
    check_invalid(&*c.store, run_id, &many(MAX_DEPENDENCIES + 1), wrong, what).await?;
    append(&*c.store, run_id, many(MAX_DEPENDENCIES)).await?;
    Ok(())
}

pub(crate) async fn a_task_that_depends_on_10_000_keeps_and_awaits_them_all(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let before = (0..MAX_DEPENDENCIES).map(|number| draft(number.to_string()));
    let waiting = draft("waiting").with_depends_on((0..MAX_DEPENDENCIES).rev());
    let tasks = append(&*c.store, run_id, before.chain([waiting])).await?;
    let ids = tasks.iter().rev().skip(1).map(|task| task.id);
    let expected: Vec<TaskId> = ids.collect();
    let waiting = world::last(tasks)?;
    c.reopen().await?;
    let shown = c.store.get_task(waiting.id).await?;
    crate::check::check!(
        shown.depends_on == expected && waiting.depends_on == expected,
        "a task that depends on 10,000 must keep them in the order given, as returned and after a \
         reopen, but keeps {} and {}",
        waiting.depends_on.len(),
        shown.depends_on.len()
    );
    match c.store.waiting_reason(waiting.id).await? {
        runstore_core::WaitingReason::Dependencies { tasks, .. } => {
            check_eq!(
                tasks.len(),
                MAX_DEPENDENCIES,
                "the number of tasks that it waits for"
            );
        }
        other => {
            let other = format!("{other:?}");
            check_eq!(other, "Dependencies", "why it waits");
        }
    }
    Ok(())
}

pub(crate) async fn dependencies_count_for_the_size_of_a_record(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let with_objective = |bytes: usize| {
        let draft = TaskDraft::new("t", "o".repeat(bytes)).with_depends_on([1, 2]);
        [draft, TaskDraft::new("a", ""), TaskDraft::new("b", "")]
    };
    // Each id has 16 bytes, and the title one.
    let most = MAX_RECORD_BYTES - 2 * 16 - 1;
    let bound = MAX_RECORD_BYTES.to_string();
    let wrong = ("drafts[0].depends_on", &*bound);
    let what = "a draft whose two dependencies take it over the bound";
    check_invalid(&*c.store, run_id, &with_objective(most + 1), wrong, what).await?;
    append(&*c.store, run_id, with_objective(most)).await?;
    Ok(())
}

pub(crate) async fn a_bound_on_attempts_is_at_least_1(c: &mut Context<'_>) -> Outcome {
    let run_id = busy_run(c).await?;
    let drafts = [
        draft("a").with_max_attempts(1_u32),
        draft("b").with_max_attempts(0_u32),
    ];
    let wrong = ("drafts[1].max_attempts", "1");
    let what = "a plan with a task that may be claimed 0 times";
    check_invalid(&*c.store, run_id, &drafts, wrong, what).await
}

pub(crate) async fn a_dependency_on_an_unknown_task_is_refused(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, busy_run(c).await?);
    let known = append_one(store, run_id, draft("known")).await?.id;
    complete(store, known).await?;
    let other = world::run(store).await?.id;
    let of_other = append_one(store, other, draft("of another run")).await?.id;
    let done = append_one(store, other, draft("done in another run"))
        .await?
        .id;
    complete(store, done).await?;
    let deleted = world::run(store).await?.id;
    let of_deleted = append_one(store, deleted, draft("of a deleted run"))
        .await?
        .id;
    store.delete_run(deleted).await?;
    let cases = [
        ("a task that never was", TaskId::generate()),
        ("the nil id", TaskId::from(Uuid::nil())),
        ("a pending task of another run", of_other),
        ("a completed task of another run", done),
        ("a task of a deleted run", of_deleted),
        ("the run", TaskId::from(run_id.as_uuid())),
    ];
    for (what, unknown) in cases {
        let refused = Error::not_found(RecordKind::Task, unknown);
        let what = format!("a plan that depends on {what}");
        let drafts = [
            draft("a"),
            draft("b").with_depends_on([Dependency::from(0), known.into(), unknown.into()]),
        ];
        check_plan_refused(store, run_id, &drafts, &refused, &what).await?;
        let alone = [draft("alone").with_depends_on([unknown])];
        check_plan_refused(store, run_id, &alone, &refused, &what).await?;
    }
    Ok(())
}

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
