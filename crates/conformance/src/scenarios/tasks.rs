//! Tasks as they are read (clause T3).

use runstore_core::{
    CompleteTask, Cursor, ListTasks, PageRequest, Store, Task, TaskPlan, TaskStatus,
};

use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::pages::check_pages;
use crate::tasks::{check_task, tasks_of};
use crate::world;

pub(crate) async fn every_read_shows_the_same_task(c: &mut Context<'_>) -> Outcome {
    let (_, tasks) = world::populated(&*c.store).await?;
    let (_, others) = world::populated(&*c.store).await?;
    let second = c.second_handle().await?;
    for task in tasks.iter().chain(&others) {
        let what = format!("a task that is {}", task.status);
        check_task(&*c.store, task, &what).await?;
        check_task(&*second, task, &format!("{what}, at a second handle")).await?;
    }
    drop(second);
    c.reopen().await?;
    for task in tasks.iter().chain(&others) {
        let what = format!("a task that is {}, after a reopen", task.status);
        check_task(&*c.store, task, &what).await?;
    }
    Ok(())
}

pub(crate) async fn tasks_are_listed_in_the_order_of_their_positions(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    for _ in 0..3 {
        c.clock.advance_micros(-1_000);
        let plan = TaskPlan::new(run_id, world::drafts(4));
        c.store.append_tasks(plan).await?;
    }
    // Changes in another order, at times of their own.
    for index in [7, 2, 10, 0] {
        c.clock.advance_micros(5);
        let tasks = tasks_of(&*c.store, run_id).await?;
        if let Some(task) = tasks.get(index) {
            let done = CompleteTask::new(task.id, "done");
            c.store.complete_task(done).await?;
        }
    }
    let all: Vec<u64> = (1..=12).collect();
    check_eq!(
        listed(&*c.store, ListTasks::new(run_id)).await?,
        all,
        "the positions of all tasks, listed"
    );
    let completed = ListTasks::new(run_id).with_statuses([TaskStatus::Completed]);
    check_eq!(
        listed(&*c.store, completed).await?,
        [1, 3, 8, 11],
        "the positions of the completed tasks, listed"
    );
    Ok(())
}

pub(crate) async fn tasks_are_listed_by_any_set_of_states(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::populated(&*c.store).await?;
    world::populated(&*c.store).await?;
    for set in 0..1_u32 << TaskStatus::ALL.len() {
        let statuses: Vec<TaskStatus> = (0..)
            .zip(TaskStatus::ALL)
            .filter(|(bit, _)| set & (1 << bit) != 0)
            .map(|(_, status)| status)
            .collect();
        let expected: Vec<Task> = tasks
            .iter()
            .filter(|task| set == 0 || statuses.contains(&task.status))
            .cloned()
            .collect();
        // The order in which the states are named, and naming one twice, do not matter.
        let reversed: Vec<_> = statuses.iter().rev().copied().collect();
        let twice = [statuses.clone(), reversed.clone()].concat();
        for statuses in [statuses, reversed, twice] {
            let list = ListTasks::new(run.id).with_statuses(statuses.clone());
            check_eq!(
                c.store.list_tasks(list).await?.items,
                expected,
                "the tasks in states {statuses:?} of a run with one in each"
            );
        }
    }
    Ok(())
}

pub(crate) async fn tasks_are_listed_in_pages(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 9).await?;
    world::planned(&*c.store, 3).await?;
    for task in tasks_of(&*c.store, run.id).await?.iter().skip(1).step_by(2) {
        let done = CompleteTask::new(task.id, "done");
        c.store.complete_task(done).await?;
    }
    let tasks = tasks_of(&*c.store, run.id).await?;
    let sets: [&[TaskStatus]; 5] = [
        &[],
        &[TaskStatus::Completed],
        &[TaskStatus::Pending],
        &[TaskStatus::Pending, TaskStatus::Completed],
        &[TaskStatus::Blocked],
    ];
    for statuses in sets {
        let wanted = |task: &&Task| statuses.is_empty() || statuses.contains(&task.status);
        let expected: Vec<Task> = tasks.iter().filter(wanted).cloned().collect();
        let what = format!("the list of tasks in states {statuses:?}");
        check_pages(&expected, &what, |page| {
            let list = ListTasks::new(run.id).with_statuses(statuses.iter().copied());
            c.store.list_tasks(list.with_page(page))
        })
        .await?;
    }
    Ok(())
}

pub(crate) async fn the_number_of_a_cursor_is_a_position(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 6).await?;
    let first = ListTasks::new(run.id).with_page(PageRequest::first(4));
    let page = c.store.list_tasks(first).await?;
    check_eq!(
        page.next.map(Cursor::number),
        Some(4),
        "the number of the cursor after the first four tasks"
    );
    let cases: [(u64, &[u64]); 5] = [
        (0, &[1, 2, 3, 4, 5, 6]),
        (2, &[3, 4, 5, 6]),
        (5, &[6]),
        (6, &[]),
        (1_000_000, &[]),
    ];
    for (number, expected) in cases {
        let page = PageRequest::all().after(Cursor::new(number));
        check_eq!(
            listed(&*c.store, ListTasks::new(run.id).with_page(page)).await?,
            expected,
            "the positions of the tasks after cursor {number}"
        );
    }
    Ok(())
}

pub(crate) async fn a_cursor_of_tasks_outlives_changes_of_the_list(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 5).await?;
    let pending = ListTasks::new(run.id).with_statuses([TaskStatus::Pending]);
    let first = pending.clone().with_page(PageRequest::first(2));
    let next = c.store.list_tasks(first).await?.next;
    check!(
        next.is_some(),
        "two pending tasks of five must name a next page"
    );
    // The task at the cursor and the next one leave the list; one is added to it.
    for task in tasks.iter().skip(1).take(2) {
        let done = CompleteTask::new(task.id, "done");
        c.store.complete_task(done).await?;
    }
    let plan = TaskPlan::new(run.id, world::drafts(1));
    c.store.append_tasks(plan).await?;
    c.reopen().await?;
    let mut rest = pending;
    rest.page.after = next;
    check_eq!(
        listed(&*c.store, rest).await?,
        [4, 5, 6],
        "the positions of pending tasks after the cursor at 2, when 2 and 3 were completed and 6 added"
    );
    Ok(())
}

pub(crate) async fn each_run_lists_tasks_of_its_own(c: &mut Context<'_>) -> Outcome {
    let empty = world::run(&*c.store).await?.id;
    let (a, a_tasks) = world::planned(&*c.store, 2).await?;
    let (b, b_tasks) = world::planned(&*c.store, 3).await?;
    for (run_id, expected) in [(empty, Vec::new()), (a.id, a_tasks), (b.id, b_tasks)] {
        let listed = tasks_of(&*c.store, run_id).await?;
        check_eq!(listed, expected, "the tasks of one of three runs");
        let of_all = ListTasks::new(run_id).with_statuses(TaskStatus::ALL);
        let listed = c.store.list_tasks(of_all).await?;
        check_eq!(
            listed.items,
            expected,
            "the tasks of one of three runs, in any state"
        );
    }
    check_pages(&[], "the tasks of a run without any", |page| {
        c.store.list_tasks(ListTasks::new(empty).with_page(page))
    })
    .await
}

/// The positions of the listed tasks.
async fn listed(store: &dyn Store, list: ListTasks) -> Outcome<Vec<u64>> {
    let tasks = store.list_tasks(list).await?.items;
    Ok(tasks.iter().map(|task| task.position).collect())
}
