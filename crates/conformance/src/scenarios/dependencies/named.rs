//! Which tasks a draft depends on, in whatever way it names them.

use runstore_core::{Task, TaskId, TaskPlan, TaskStatus};

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::planning::{
    append, append_one, check_claims, check_nothing, complete, draft, finish, ids, named, replace,
    spellings, waits_for_two,
};
use crate::scenarios::plans::PlanCall;
use crate::tasks::{check_task, task_in, tasks_of};
use crate::world;

pub(crate) async fn an_index_a_key_and_an_id_name_a_draft_before_or_after(
    c: &mut Context<'_>,
) -> Outcome {
    for call in PlanCall::BOTH {
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
                let plan = TaskPlan::new(run_id, drafts);
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
    replace(store, run_id, []).await?;
    let tasks = check("after a new plan left it out").await?;
    let others: Vec<TaskId> = tasks
        .into_iter()
        .filter(|task| task.id != waiting)
        .flat_map(|task| task.depends_on)
        .collect();
    check_eq!(others, [], "what the other tasks depend on");
    Ok(())
}
