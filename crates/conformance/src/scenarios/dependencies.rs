//! Tasks that wait for others (clause C9): for which, and until when. What becomes of it when a task is
//! undone is among the dependencies undone.

use runstore_core::{
    AbandonTask, AttemptReport, BlockTask, FinishOutcome, FinishReport, Result, Task, TaskDraft,
    TaskId, TaskStatus,
};

use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::planning::{
    append, append_one, check_claims, check_next, check_nothing, complete, draft, finish, ids,
    in_micros, named, next_of, spellings, titles, waits_for_one, waits_for_two,
};
use crate::race::{Handles, both, together};
use crate::tasks::{check_task, task_in, tasks_of};
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

pub(crate) async fn an_index_a_key_and_an_id_name_a_draft_before_or_after(
    c: &mut Context<'_>,
) -> Outcome {
    for call in super::plans::PlanCall::BOTH {
        for after in [false, true] {
            let [id] = ids();
            for (spelling, dependency) in spellings(if after { 3 } else { 1 }, "the key", id) {
                let run_id = world::run(&*c.store).await?.id;
                // The id of a task is free in the next round, for the run of the last one is deleted.
                let wanted = named(id, "wanted").with_key("the key");
                let waiting = draft("waiting").with_depends_on([dependency]);
                let other = |title| draft(title).with_key(title);
                let drafts = match after {
                    false => [other("a"), wanted, waiting, other("b")],
                    true => [other("a"), waiting, other("b"), wanted],
                };
                let what = format!(
                    "where a draft names one {} it by {spelling}",
                    if after { "after" } else { "before" }
                );
                let plan = runstore_core::TaskPlan::new(run_id, drafts);
                let tasks = call.make(&*c.store, plan).await?;
                let depends_on: Vec<_> = tasks.iter().map(|task| task.depends_on.len()).collect();
                let waiting = tasks.iter().find(|task| task.title == "waiting");
                check_eq!(
                    (
                        waiting.map(|task| &*task.depends_on),
                        depends_on.iter().sum()
                    ),
                    (Some(&[id][..]), 1_usize),
                    "what the task depends on, and how many dependencies there are, {what}"
                );
                let expected = match after {
                    false => ["a", "wanted", "b"],
                    true => ["a", "b", "wanted"],
                };
                check_claims(&*c.store, run_id, &expected, &what).await?;
                complete(&*c.store, id).await?;
                check_claims(&*c.store, run_id, &["waiting"], &what).await?;
                c.store.delete_run(run_id).await?;
            }
        }
    }
    Ok(())
}

pub(crate) async fn a_task_may_depend_on_a_stored_one_in_any_state(c: &mut Context<'_>) -> Outcome {
    for status in TaskStatus::ALL {
        let store = &*c.store;
        let stored = task_in(store, status).await?;
        let waiting = draft("waiting").with_depends_on([stored.id]);
        let waiting = append_one(store, stored.run_id, waiting).await?;
        check_eq!(
            waiting.depends_on,
            [stored.id],
            "what a task depends on that was planned after one that is {status}"
        );
        let what = format!("where a task depends on one that is {status}");
        let first: &[&str] = match status {
            TaskStatus::Completed => &["waiting"],
            TaskStatus::Pending => &["task 1"],
            _ => &[],
        };
        check_claims(store, stored.run_id, first, &what).await?;
        if status == TaskStatus::Completed {
            continue;
        }
        if status == TaskStatus::Abandoned {
            store.requeue_task(stored.id).await?;
        }
        complete(store, stored.id).await?;
        let what = format!("where a task depended on one that was {status} and is completed");
        check_claims(store, stored.run_id, &["waiting"], &what).await?;
    }
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

pub(crate) async fn a_dependency_that_is_named_twice_counts_once(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b, stored] = ids();
    append(store, run_id, [named(stored, "stored")]).await?;
    let many = [
        spellings(0, "a", a)
            .map(|(_, dependency)| dependency)
            .to_vec(),
        vec![stored.into(), 2.into(), 0.into(), stored.into()],
        spellings(2, "b", b)
            .map(|(_, dependency)| dependency)
            .to_vec(),
    ];
    let drafts = [
        named(a, "a").with_key("a"),
        draft("waiting").with_depends_on(many.concat()),
        named(b, "b").with_key("b"),
    ];
    let tasks = append(store, run_id, drafts).await?;
    let waiting = tasks.get(1).map(|task| &*task.depends_on);
    check_eq!(
        waiting,
        Some(&[a, stored, b][..]),
        "what a task depends on that names each of three many times: each once, as named first"
    );
    check_claims(store, run_id, &["stored", "a", "b"], "of the plan").await?;
    for task_id in [stored, a] {
        complete(store, task_id).await?;
        check_nothing(store, run_id, "while one of the three is not completed").await?;
    }
    complete(store, b).await?;
    check_claims(store, run_id, &["waiting"], "once the three are completed").await?;
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

pub(crate) async fn all_dependents_of_a_task_are_released_together(c: &mut Context<'_>) -> Outcome {
    const DEPENDENTS: usize = 300;
    let handles = Handles::four(c).await?;
    for by_report in [false, true] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let dependents =
            (0..DEPENDENTS).map(|number| draft(number.to_string()).with_depends_on([0]));
        append(store, run_id, [draft("a")].into_iter().chain(dependents)).await?;
        let claim = world::claim(store, run_id).await?;
        check_nothing(store, run_id, "while what all wait for is in progress").await?;
        let (completer, claimer) = (handles.of(0), handles.of(1));
        let completing = async move {
            match by_report {
                true => finish(&*completer, &claim).await,
                false => complete(&*completer, claim.task.id).await,
            }
        };
        let claiming = async move {
            let mut batches = Vec::new();
            for _ in 0..20 {
                let batch = claimer.claim_tasks(next_of(run_id), 1_000).await?;
                if !batch.is_empty() {
                    batches.push(titles(batch));
                }
                tokio::task::yield_now().await;
            }
            Result::Ok(batches)
        };
        let (completed, batches) = both(completing, claiming).await?;
        completed?;
        let mut batches = batches?;
        let rest = store.claim_tasks(next_of(run_id), 1_000).await?;
        if !rest.is_empty() {
            batches.push(titles(rest));
        }
        let expected: Vec<String> = (0..DEPENDENTS).map(|number| number.to_string()).collect();
        check_eq!(
            batches,
            [expected],
            "the batches of all {DEPENDENTS} dependents, claimed beside the completion of what they \
             wait for: one change releases them all"
        );
    }
    Ok(())
}

pub(crate) async fn thousands_of_dependents_are_released(c: &mut Context<'_>) -> Outcome {
    const DEPENDENTS: usize = 2_100;
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let dependents = (0..DEPENDENTS).map(|number| draft(number.to_string()).with_depends_on([0]));
    append(store, run_id, [draft("a")].into_iter().chain(dependents)).await?;
    let claim = world::claim(store, run_id).await?;
    check_nothing(store, run_id, "while what all wait for is in progress").await?;
    finish(store, &claim).await?;
    let mut claimed = Vec::new();
    for _ in 0..3 {
        claimed.extend(store.claim_tasks(next_of(run_id), 1_000).await?);
    }
    let positions: Vec<u64> = claimed.iter().map(|claim| claim.task.position).collect();
    check!(
        positions == Vec::from_iter(2..=DEPENDENTS as u64 + 1),
        "all of {DEPENDENTS} dependents must be claimed in order once what they wait for is \
         completed, but {} were",
        positions.len()
    );
    Ok(())
}

pub(crate) async fn dependents_of_every_plan_are_released(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, _] = waits_for_one(store, run_id).await?;
    append(store, run_id, [draft("c").with_depends_on([a])]).await?;
    let drafts = [
        draft("d").with_depends_on([1]),
        draft("e").with_depends_on([a]),
    ];
    append(store, run_id, drafts).await?;
    let claim = check_claims(store, run_id, &["a"], "before it is completed").await?;
    append(store, run_id, [draft("f").with_depends_on([a])]).await?;
    finish(store, &world::first(claim)?).await?;
    let what = "that were planned to wait for it by four plans";
    let claims = check_claims(store, run_id, &["b", "c", "e", "f"], what).await?;
    for claim in claims.iter().filter(|claim| claim.task.title == "e") {
        finish(store, claim).await?;
    }
    check_claims(store, run_id, &["d"], "once e was completed").await?;
    Ok(())
}

pub(crate) async fn a_task_that_waits_holds_its_place_and_holds_up_no_other(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a] = ids();
    let drafts = [
        draft("waits, first").with_depends_on([a]),
        draft("waits, urgent").with_priority(9).with_depends_on([a]),
        draft("b"),
        named(a, "a").with_priority(-9),
        draft("waits, last").with_depends_on([a]).with_priority(-1),
        draft("c").with_priority(-10),
        draft("d").with_priority(-11),
    ];
    append(store, run_id, drafts).await?;
    for (title, what) in [("b", "before a"), ("a", "after b")] {
        check_next(store, run_id, Some(title), what).await?;
    }
    complete(store, a).await?;
    append(store, run_id, [draft("later")]).await?;
    let expected = [
        "waits, urgent",
        "waits, first",
        "later",
        "waits, last",
        "c",
        "d",
    ];
    check_claims(store, run_id, &expected, "once a was completed").await?;
    Ok(())
}

pub(crate) async fn a_task_waits_for_its_time_and_for_others(c: &mut Context<'_>) -> Outcome {
    for time_first in [false, true] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let time = in_micros(c, 10);
        let waiting = draft("waiting").with_not_before(time).with_depends_on([0]);
        append(store, run_id, [draft("a"), waiting]).await?;
        let claims = check_claims(store, run_id, &["a"], "before the time").await?;
        let claim = world::first(claims)?;
        if time_first {
            c.clock.set(time);
            check_nothing(store, run_id, "when the time came and a was in progress").await?;
            c.clock.advance_micros(5);
            finish(store, &claim).await?;
        } else {
            finish(store, &claim).await?;
            check_nothing(store, run_id, "when a was completed before the time").await?;
            c.clock.set(time.saturating_add_micros(-1));
            check_nothing(store, run_id, "a microsecond before the time").await?;
            c.clock.set(time);
        }
        check_claims(store, run_id, &["waiting"], "once both had come").await?;
    }
    // A clock that ran back after both had come.
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let time = in_micros(c, 10);
    let [a] = ids();
    let waiting = draft("waiting").with_not_before(time).with_depends_on([a]);
    append(store, run_id, [named(a, "a"), waiting]).await?;
    c.clock.set(time);
    complete(store, a).await?;
    c.clock.advance_micros(-1);
    check_nothing(store, run_id, "when the clock ran back").await?;
    c.clock.advance_micros(1);
    check_claims(store, run_id, &["waiting"], "when its time came again").await?;
    Ok(())
}

pub(crate) async fn completing_a_task_leaves_its_dependents_records_alone(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b, waiting] = waits_for_two(store, run_id).await?;
    let before = store.get_task(waiting).await?;
    for task_id in [a, b] {
        c.clock.advance_micros(1_000);
        complete(store, task_id).await?;
        check_task(store, &before, "a task whose dependency was completed").await?;
    }
    c.clock.advance_micros(1_000);
    store.requeue_task(a).await?;
    check_task(store, &before, "a task whose dependency was requeued").await?;
    let events = store.recent_events(run_id, 50).await?;
    check_eq!(
        events.len(),
        2,
        "the number of events after a creation, two completions and a requeue"
    );
    Ok(())
}

pub(crate) async fn dependencies_completed_at_once_release_their_dependent_once(
    c: &mut Context<'_>,
) -> Outcome {
    const DEPENDENCIES: usize = 8;
    let handles = Handles::four(c).await?;
    for round in 0..6 {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let before = (0..DEPENDENCIES).map(|number| draft(number.to_string()));
        let waiting = draft("waiting").with_depends_on(0..DEPENDENCIES);
        append(store, run_id, before.chain([waiting])).await?;
        let claims = store.claim_tasks(next_of(run_id), 100).await?;
        check_eq!(
            claims.len(),
            DEPENDENCIES,
            "the number of tasks that wait for nothing"
        );
        let finishing = claims.into_iter().zip(0..).map(|(claim, caller)| {
            let store = handles.of(caller + round);
            async move {
                finish(&*store, &claim).await?;
                // Whoever completes the last of them leaves the dependent claimable.
                let batch = store.claim_tasks(next_of(run_id), 10).await?;
                Outcome::Ok(titles(batch))
            }
        });
        let mut claimed = Vec::new();
        for batch in together(finishing).await? {
            claimed.extend(batch?);
        }
        check_eq!(
            claimed,
            ["waiting"],
            "what was claimed by those who completed {DEPENDENCIES} dependencies at once"
        );
    }
    Ok(())
}

pub(crate) async fn what_a_task_depends_on_stays_as_planned(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b, waiting] = waits_for_two(store, run_id).await?;
    let check = async |what: &str| -> Outcome<Vec<Task>> {
        let shown = store.get_task(waiting).await?;
        check_eq!(shown.depends_on, [a, b], "what a task depends on, {what}");
        check_task(store, &shown, what).await?;
        tasks_of(store, run_id).await
    };
    check("as planned").await?;
    complete(store, a).await?;
    check("after one of the two was completed").await?;
    complete(store, b).await?;
    check("after both were completed").await?;
    let claim = world::claim(store, run_id).await?;
    check("after it was claimed").await?;
    finish(store, &claim).await?;
    store.requeue_task(a).await?;
    check("after it was completed and one of the two requeued").await?;
    store.requeue_task(waiting).await?;
    crate::planning::replace(store, run_id, []).await?;
    let tasks = check("after a new plan left it out").await?;
    let others: Vec<TaskId> = tasks
        .into_iter()
        .filter(|task| task.id != waiting)
        .flat_map(|task| task.depends_on)
        .collect();
    check_eq!(others, [], "what the other tasks depend on");
    Ok(())
}
