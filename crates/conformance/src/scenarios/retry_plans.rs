//! Plans that are given again (clause G9).

use runstore_core::{
    AbandonTask, BlockTask, CompleteTask, Error, RecordKind, RunId, Store, Task, TaskDraft, TaskId,
    TaskPlan, TaskStatus, Uuid,
};

use super::plans::PlanCall;
use crate::calls::{Call, check_all_refused};
use crate::check::{Outcome, check_eq, check_refused};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::tasks::tasks_of;
use crate::world;

/// Drafts with ids, whose lists have two entries each.
fn named_drafts(count: usize) -> Vec<TaskDraft> {
    let named = |draft: TaskDraft| {
        let id = TaskId::generate();
        draft
            .with_acceptance_criteria(["ab", "c"])
            .with_verification_steps(["d", "e"])
            .with_allowed_paths(["f", "g"])
            .with_id(id)
    };
    world::drafts(count).into_iter().map(named).collect()
}

/// Gives the plan by both calls, at every handle and after a reopen: the stored tasks must be returned,
/// in the order of the drafts, and nothing may change.
pub(crate) async fn check_given_again(
    c: &mut Context<'_>,
    run_id: RunId,
    drafts: &[TaskDraft],
    what: &str,
) -> Outcome {
    let before = Dump::of(&*c.store).await?;
    let stored = tasks_of(&*c.store, run_id).await?;
    let expected: Vec<Task> = drafts
        .iter()
        .filter_map(|draft| stored.iter().find(|task| Some(task.id) == draft.id))
        .cloned()
        .collect();
    check_eq!(
        expected.len(),
        drafts.len(),
        "the number of stored tasks of the plan, {what}"
    );
    let second = c.second_handle().await?;
    for reopened in [false, true] {
        c.clock.advance_micros(1);
        for call in PlanCall::BOTH {
            let store = if reopened { &c.store } else { &second };
            let plan = TaskPlan::new(run_id, drafts.to_vec());
            check_eq!(
                call.make(&**store, plan).await?,
                expected,
                "what {call:?} of a plan given again returns, {what}"
            );
            let what = format!("{call:?} of a plan given again, {what},");
            check_unchanged(&**store, &before, &what).await?;
        }
        if !reopened {
            c.reopen().await?;
        }
    }
    Ok(())
}

/// Gives the plan by both calls; it must be refused because of this id.
pub(crate) async fn check_taken(
    store: &dyn Store,
    run_id: RunId,
    drafts: &[TaskDraft],
    id: Option<TaskId>,
    what: &str,
) -> Outcome {
    let id = id.map_or(Uuid::nil(), TaskId::as_uuid);
    for call in PlanCall::BOTH {
        let plan = TaskPlan::new(run_id, drafts.to_vec());
        let call = Call::new(format!("{call:?} of {what}"), call.make(store, plan));
        let taken = Error::already_exists(RecordKind::Task, id);
        check_all_refused(store, vec![call], &taken).await?;
    }
    Ok(())
}

pub(crate) async fn a_plan_given_again_is_returned_and_changes_nothing(
    c: &mut Context<'_>,
) -> Outcome {
    for call in PlanCall::BOTH {
        let (run, _) = world::planned(&*c.store, 2).await?;
        let drafts = named_drafts(3);
        let plan = TaskPlan::new(run.id, drafts.clone());
        call.make(&*c.store, plan).await?;
        check_given_again(c, run.id, &drafts, "at once").await?;
        let plan = TaskPlan::new(run.id, world::drafts(2));
        c.store.append_tasks(plan).await?;
        check_given_again(c, run.id, &drafts, "after others were appended").await?;
    }
    Ok(())
}

pub(crate) async fn a_plan_given_again_returns_its_tasks_as_they_are_now(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let drafts = named_drafts(5);
    let plan = TaskPlan::new(run_id, drafts.clone());
    let tasks = c.store.replace_pending_tasks(plan).await?;
    c.clock.advance_micros(1);
    world::claim(&*c.store, run_id).await?;
    check_given_again(c, run_id, &drafts, "after one was claimed").await?;
    for (task, index) in tasks.iter().zip(0..) {
        match index {
            1 => {
                let complete = CompleteTask::new(task.id, "done");
                c.store.complete_task(complete).await?;
            }
            2 => {
                let block = BlockTask::new(task.id).with_blocker_signature("b");
                c.store.block_task(block).await?;
            }
            3 => {
                let abandon = AbandonTask::new(task.id).with_summary("s");
                c.store.abandon_task(abandon).await?;
            }
            _ => continue,
        }
        check_given_again(c, run_id, &drafts, "after more were settled").await?;
    }
    let statuses: Vec<_> = tasks_of(&*c.store, run_id)
        .await?
        .iter()
        .map(|task| task.status)
        .collect();
    check_eq!(
        statuses,
        [
            TaskStatus::InProgress,
            TaskStatus::Completed,
            TaskStatus::Blocked,
            TaskStatus::Abandoned,
            TaskStatus::Pending
        ],
        "the states of the tasks of a plan that was given many times"
    );
    let plan = TaskPlan::new(run_id, world::drafts(1));
    c.store.replace_pending_tasks(plan).await?;
    check_given_again(c, run_id, &drafts, "after a newer plan left them out").await
}

pub(crate) async fn a_plan_given_again_in_part_or_in_another_order_is_returned_so(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let (first, second) = (named_drafts(4), named_drafts(2));
    for drafts in [&first, &second] {
        let plan = TaskPlan::new(run_id, drafts.clone());
        c.store.append_tasks(plan).await?;
    }
    let mut reversed = first.clone();
    reversed.reverse();
    check_given_again(c, run_id, &reversed, "in reverse").await?;
    let some: Vec<_> = first.iter().skip(1).step_by(2).rev().cloned().collect();
    check_given_again(c, run_id, &some, "two of its four tasks").await?;
    let both: Vec<_> = second.iter().chain(&first).cloned().collect();
    check_given_again(c, run_id, &both, "together with another").await
}

pub(crate) async fn a_plan_of_which_a_part_is_stored_is_refused(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::claimed(&*c.store).await?;
    let stored = named_drafts(2);
    let plan = TaskPlan::new(run.id, stored.clone());
    c.store.append_tasks(plan).await?;
    let new = named_drafts(2);
    let without_id = world::drafts(1);
    let (first, second) = (stored.first(), stored.get(1));
    let id = |draft: Option<&TaskDraft>| draft.and_then(|draft| draft.id);
    let draft = |draft: Option<&TaskDraft>| draft.cloned().into_iter().collect::<Vec<_>>();
    let cases = [
        ("stored, new", [stored.clone(), new.clone()], id(first)),
        ("new, stored", [new.clone(), stored.clone()], id(first)),
        (
            "new, new, the second of the stored",
            [new.clone(), draft(second)],
            id(second),
        ),
        (
            "the second of the stored, one without id",
            [draft(second), without_id.clone()],
            id(second),
        ),
        (
            "one without id, the first of the stored",
            [without_id, draft(first)],
            id(first),
        ),
    ];
    for (what, parts, id) in cases {
        let what = format!("a plan of these drafts: {what}");
        check_taken(&*c.store, run.id, &parts.concat(), id, &what).await?;
    }
    // None of the refused drafts is in the way.
    let plan = TaskPlan::new(run.id, new);
    let planned = c.store.append_tasks(plan).await?;
    check_eq!(planned.len(), 2, "the number of tasks then appended");
    Ok(())
}

pub(crate) async fn a_draft_with_other_content_under_a_stored_id_is_refused(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::claimed(&*c.store).await?;
    let drafts = named_drafts(1);
    let plan = TaskPlan::new(run.id, drafts.clone());
    let stored = world::first(c.store.append_tasks(plan).await?)?;
    let draft = world::first(drafts.clone())?;
    let others = [
        ("title", {
            let mut draft = draft.clone();
            draft.title.push(' ');
            draft
        }),
        ("objective", {
            let mut draft = draft.clone();
            draft.objective.clear();
            draft
        }),
        (
            "criterion",
            draft.clone().with_acceptance_criteria(["ab", "C"]),
        ),
        (
            "border between criteria",
            draft.clone().with_acceptance_criteria(["a", "bc"]),
        ),
        (
            "number of criteria",
            draft.clone().with_acceptance_criteria(["ab", "c", ""]),
        ),
        (
            "order of criteria",
            draft.clone().with_acceptance_criteria(["c", "ab"]),
        ),
        ("step", draft.clone().with_verification_steps(["d"])),
        (
            "order of steps",
            draft.clone().with_verification_steps(["e", "d"]),
        ),
        ("path", draft.clone().with_allowed_paths(["f", "h"])),
        (
            "order of paths",
            draft.clone().with_allowed_paths(["g", "f"]),
        ),
        (
            "number of paths",
            draft.clone().with_allowed_paths::<&str>([]),
        ),
        (
            "list for the same entries",
            draft
                .clone()
                .with_verification_steps(["f", "g"])
                .with_allowed_paths(["d", "e"]),
        ),
    ];
    for (what, other) in others {
        let what = format!("a stored task with another {what}");
        let other = [other];
        check_taken(&*c.store, run.id, &other, Some(stored.id), &what).await?;
    }
    check_given_again(c, run.id, &drafts, "after other content was refused").await
}

pub(crate) async fn a_plan_of_stored_tasks_one_of_them_with_other_content_is_refused(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::claimed(&*c.store).await?;
    let mut drafts = named_drafts(3);
    let plan = TaskPlan::new(run.id, drafts.clone());
    c.store.append_tasks(plan).await?;
    if let Some(draft) = drafts.get_mut(1) {
        draft.title.push('!');
    }
    let ids: Vec<Uuid> = drafts
        .iter()
        .filter_map(|draft| draft.id)
        .map(Into::into)
        .collect();
    let before = Dump::of(&*c.store).await?;
    for call in PlanCall::BOTH {
        let plan = TaskPlan::new(run.id, drafts.clone());
        // The first that is repeated and the first that differs are both worth naming.
        check_refused!(
            call.make(&*c.store, plan).await,
            Error::AlreadyExists { kind: RecordKind::Task, id } if ids.iter().take(2).any(|taken| *taken == id),
            "{call:?} of three stored tasks, the second with another title"
        );
        check_unchanged(&*c.store, &before, "the refused plan").await?;
    }
    Ok(())
}

pub(crate) async fn a_task_of_another_run_is_not_planned_again(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::claimed(&*c.store).await?;
    let (other, _) = world::claimed(&*c.store).await?;
    let drafts = named_drafts(2);
    let plan = TaskPlan::new(other.id, drafts.clone());
    c.store.append_tasks(plan).await?;
    let id = drafts.first().and_then(|draft| draft.id);
    let what = "a plan that is stored in another run";
    check_taken(&*c.store, run.id, &drafts, id, what).await?;
    let second: Vec<_> = drafts.into_iter().skip(1).collect();
    let with_new = [world::drafts(1), second].concat();
    let id = with_new.get(1).and_then(|draft| draft.id);
    let what = "a plan of a new task and one that is stored in another run";
    check_taken(&*c.store, run.id, &with_new, id, what).await
}

pub(crate) async fn without_ids_a_plan_is_new_each_time(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let plan = || TaskPlan::new(run_id, world::drafts(2));
    c.store.append_tasks(plan()).await?;
    c.store.append_tasks(plan()).await?;
    let planned = c.store.replace_pending_tasks(plan()).await?;
    let positions: Vec<u64> = planned.iter().map(|task| task.position).collect();
    check_eq!(
        positions,
        [5, 6],
        "the positions of a plan without ids that is given for the third time"
    );
    let statuses: Vec<_> = tasks_of(&*c.store, run_id)
        .await?
        .iter()
        .map(|task| task.status)
        .collect();
    let (abandoned, pending) = (TaskStatus::Abandoned, TaskStatus::Pending);
    check_eq!(
        statuses,
        [abandoned, abandoned, abandoned, abandoned, pending, pending],
        "the states of the tasks of all three"
    );
    Ok(())
}
