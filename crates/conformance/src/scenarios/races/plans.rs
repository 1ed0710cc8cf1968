//! Plans at the same time.

use std::collections::BTreeMap;

use runstore_core::{ListTasks, Result, Store, Task, TaskDraft, TaskId, TaskPlan, TaskStatus};

use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::race::{Handles, together};
use crate::world;

/// Drafts that name their planner.
fn drafts_of(planner: usize, count: usize) -> Vec<TaskDraft> {
    let draft = |number| TaskDraft::new(format!("{planner} {number}"), planner.to_string());
    (1..=count).map(draft).collect()
}

/// Checks that the tasks of each planner stand together, in its order, as it was answered.
async fn check_contiguous(
    store: &dyn Store,
    run: runstore_core::RunId,
    answers: &[Vec<Task>],
) -> Outcome<Vec<Task>> {
    let tasks = store.list_tasks(ListTasks::new(run)).await?.items;
    let positions = tasks.iter().map(|task| task.position);
    check!(
        positions.eq(1..=tasks.len() as u64),
        "positions must run from 1 without gaps after plans at once: {tasks:?}"
    );
    for answer in answers {
        let first = answer.first().map_or(0, |task| task.position);
        let positions = answer.iter().map(|task| task.position);
        check!(
            positions.eq(first..first + answer.len() as u64),
            "the tasks of one plan must stand together, in its order: {answer:?}"
        );
        for task in answer {
            let stored = tasks.iter().find(|stored| stored.id == task.id);
            check_eq!(
                stored.map(|stored| (stored.position, &stored.title)),
                Some((task.position, &task.title)),
                "place and title of a task that a planner was answered"
            );
        }
    }
    Ok(tasks)
}

pub(crate) async fn plans_appended_at_once_each_stand_together(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..4 {
        let run = world::run(&*c.store).await?;
        let planners = (0..6).map(|planner| {
            let store = handles.of(planner + round);
            async move {
                let mut answers = Vec::new();
                for _ in 0..2 {
                    let plan = TaskPlan::new(run.id, drafts_of(planner, 4));
                    answers.push(store.append_tasks(plan).await?);
                }
                Result::Ok(answers)
            }
        });
        let mut answers = Vec::new();
        for answer in together(planners).await? {
            answers.extend(answer?);
        }
        let tasks = check_contiguous(&*c.store, run.id, &answers).await?;
        check_eq!(tasks.len(), 48, "the tasks of 12 plans of 4");
        check!(
            tasks.iter().all(|task| task.status == TaskStatus::Pending),
            "appended tasks must all be pending: {tasks:?}"
        );
    }
    Ok(())
}

pub(crate) async fn of_plans_that_replace_each_other_one_stands_whole(
    c: &mut Context<'_>,
) -> Outcome {
    const PLANNERS: usize = 4;
    let handles = Handles::four(c).await?;
    for round in 0..8 {
        let (run, _) = world::planned(&*c.store, 3).await?;
        world::claim(&*c.store, run.id).await?;
        let planners = (0..PLANNERS).map(|planner| {
            let store = handles.of(planner + round);
            async move {
                let plan = TaskPlan::new(run.id, drafts_of(planner, 5));
                store.replace_pending_tasks(plan).await
            }
        });
        let mut answers = Vec::new();
        for answer in together(planners).await? {
            answers.push(answer?);
        }
        let tasks = check_contiguous(&*c.store, run.id, &answers).await?;
        check_eq!(
            tasks.len(),
            3 + 5 * PLANNERS,
            "the tasks after 4 plans of 5 at once, with 3 before"
        );
        let (old, last) = tasks.split_at(tasks.len() - 5);
        check!(
            old.iter().all(|task| task.status == TaskStatus::Abandoned),
            "every plan but the last must be abandoned whole: {tasks:?}"
        );
        check!(
            last.iter().all(|task| task.status == TaskStatus::Pending),
            "the last plan must be pending whole: {tasks:?}"
        );
    }
    Ok(())
}

pub(crate) async fn appends_beside_a_replacement_are_kept_or_abandoned_whole(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..8 {
        let (run, _) = world::planned(&*c.store, 2).await?;
        let planners = (0..6).map(|planner| {
            let store = handles.of(planner + round);
            async move {
                let plan = TaskPlan::new(run.id, drafts_of(planner, 3));
                if planner == 0 {
                    store.replace_pending_tasks(plan).await
                } else {
                    store.append_tasks(plan).await
                }
            }
        });
        let mut answers = Vec::new();
        for answer in together(planners).await? {
            answers.push(answer?);
        }
        let tasks = check_contiguous(&*c.store, run.id, &answers).await?;
        let replacement = answers.first().and_then(|plan| plan.first());
        let replaced_at = replacement.map_or(0, |task| task.position);
        for task in tasks {
            let expected = if task.position < replaced_at {
                TaskStatus::Abandoned
            } else {
                TaskStatus::Pending
            };
            check_eq!(
                task.status,
                expected,
                "the state of the task at position {}, with a plan that replaced from {replaced_at} on",
                task.position
            );
        }
    }
    Ok(())
}

pub(crate) async fn one_plan_sent_by_many_is_planned_once(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..6 {
        let run = world::run(&*c.store).await?;
        let ids = [(); 3].map(|()| TaskId::generate());
        let planners = (0..6).map(|caller| {
            let store = handles.of(caller + round);
            async move {
                let named = drafts_of(round, 3).into_iter().zip(ids);
                let drafts = named.map(|(draft, id)| draft.with_id(id));
                let plan = TaskPlan::new(run.id, drafts);
                // Replacing is safe to retry too: the repeat must not abandon what it planned.
                if round % 2 == 0 {
                    store.append_tasks(plan).await
                } else {
                    store.replace_pending_tasks(plan).await
                }
            }
        });
        let answers = together(planners).await?;
        let tasks = c.store.list_tasks(ListTasks::new(run.id)).await?.items;
        let states: Vec<_> = tasks.iter().map(|task| (task.id, task.status)).collect();
        check_eq!(
            states,
            ids.map(|id| (id, TaskStatus::Pending)),
            "ids and states of the tasks after one plan was sent by 6 callers at once"
        );
        for answer in answers {
            check_eq!(answer?, tasks, "the answer to one of them");
        }
    }
    Ok(())
}

pub(crate) async fn counts_of_attempts_agree_with_the_claims_beside_requeues(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = Handles::four(c).await?;
    let (run, tasks) = world::planned(&*c.store, 4).await?;
    let callers = (0..8).map(|caller| {
        let store = handles.of(caller);
        async move {
            let mut claimed: BTreeMap<TaskId, Vec<u32>> = BTreeMap::new();
            for _ in 0..6 {
                if caller % 4 == 3 {
                    store.requeue_in_progress_tasks(run.id).await?;
                    continue;
                }
                let request = runstore_core::ClaimRequest::of_run(run.id);
                if let Some(claim) = store.claim_next_task(request).await? {
                    let numbers = claimed.entry(claim.task.id).or_default();
                    numbers.push(claim.token().attempt_number);
                }
            }
            Result::Ok(claimed)
        }
    });
    let mut claimed: BTreeMap<TaskId, Vec<u32>> = BTreeMap::new();
    for claims in together(callers).await? {
        for (task_id, numbers) in claims? {
            claimed.entry(task_id).or_default().extend(numbers);
        }
    }
    for task in tasks {
        let mut numbers = claimed.remove(&task.id).unwrap_or_default();
        numbers.sort_unstable();
        let task = c.store.get_task(task.id).await?;
        check_eq!(
            numbers,
            (1..=task.attempt_count).collect::<Vec<_>>(),
            "the attempts of {} that were handed out beside requeues, each once, by its count",
            task.title
        );
    }
    Ok(())
}
