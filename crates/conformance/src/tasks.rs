//! Tasks in each state, and the ways by which they got there.

use runstore_core::{
    AbandonTask, BlockTask, ClaimToken, CompleteTask, ListTasks, PageRequest, RunId,
    SnapshotRequest, Store, Task, TaskStatus,
};

use crate::check::{Outcome, check_eq};
use crate::world;

/// The only task of a run of its own, in this state, claimed at most once.
pub(crate) async fn task_in(store: &dyn Store, status: TaskStatus) -> Outcome<Task> {
    let (run, tasks) = world::planned(store, 1).await?;
    let task = world::first(tasks)?;
    bring_to(store, &task, status).await?;
    let task = store.get_task(task.id).await?;
    check_eq!(
        (task.status, task.run_id),
        (status, run.id),
        "state and run of a task that was brought to {status}"
    );
    Ok(task)
}

/// Brings a pending task to the state; for `in_progress` it must be the next to be claimed.
async fn bring_to(store: &dyn Store, task: &Task, status: TaskStatus) -> Outcome {
    match status {
        TaskStatus::Pending => {}
        TaskStatus::InProgress => {
            world::claim(store, task.run_id).await?;
        }
        TaskStatus::Completed => {
            store
                .complete_task(CompleteTask::new(task.id, "done before"))
                .await?;
        }
        TaskStatus::Blocked => {
            let block = BlockTask::new(task.id)
                .with_summary("blocked before")
                .with_blocker_signature("signature before");
            store.block_task(block).await?;
        }
        TaskStatus::Abandoned => {
            let abandon = AbandonTask::new(task.id)
                .with_summary("abandoned before")
                .with_blocker_signature("signature before");
            store.abandon_task(abandon).await?;
        }
    }
    Ok(())
}

/// A pending task that was claimed once and has summary and signature, from a block before.
pub(crate) async fn task_with_a_past(store: &dyn Store) -> Outcome<Task> {
    let task = task_in(store, TaskStatus::InProgress).await?;
    bring_to(store, &task, TaskStatus::Blocked).await?;
    Ok(store.requeue_task(task.id).await?)
}

/// The token of the claim that holds the task as it stands.
pub(crate) fn token_of(task: &Task) -> ClaimToken {
    ClaimToken {
        task_id: task.id,
        attempt_number: task.attempt_count,
    }
}

/// All tasks of the run in position order.
pub(crate) async fn tasks_of(store: &dyn Store, run_id: RunId) -> Outcome<Vec<Task>> {
    Ok(store.list_tasks(ListTasks::new(run_id)).await?.items)
}

/// Checks that every call that shows the task shows it like this.
pub(crate) async fn check_task(store: &dyn Store, expected: &Task, what: &str) -> Outcome {
    let shown = store.get_task(expected.id).await?;
    check_eq!(shown, *expected, "{what}, read by its id");
    let list = |list| async move {
        let tasks = store.list_tasks(list).await?.items;
        let same = |task: &Task| task.id == expected.id;
        Outcome::Ok(tasks.into_iter().filter(same).collect::<Vec<_>>())
    };
    let once = vec![expected.clone()];
    let of_run = ListTasks::new(expected.run_id);
    check_eq!(list(of_run.clone()).await?, once, "{what}, listed");
    let of_status = of_run.clone().with_statuses([expected.status]);
    check_eq!(list(of_status).await?, once, "{what}, listed by its state");
    let others = TaskStatus::ALL
        .into_iter()
        .filter(|status| *status != expected.status);
    let of_others = of_run.clone().with_statuses(others);
    check_eq!(
        list(of_others).await?,
        Vec::new(),
        "{what}, listed by every state but its own"
    );
    let paged = of_run.with_page(PageRequest::first(10_000));
    check_eq!(list(paged).await?, once, "{what}, listed in a page");
    let snapshot = SnapshotRequest::of_run(expected.run_id);
    let snapshot = store.snapshot(snapshot).await?;
    let set_aside = match expected.status {
        TaskStatus::Abandoned => TaskStatus::Abandoned,
        _ => TaskStatus::Blocked,
    };
    let lists = [
        (TaskStatus::Pending, snapshot.pending_tasks),
        (TaskStatus::InProgress, snapshot.in_progress_tasks),
        (TaskStatus::Completed, snapshot.completed_tasks),
        (set_aside, snapshot.blocked_tasks),
    ];
    let mut found = Vec::new();
    for (status, tasks) in lists {
        let here = tasks.into_iter().filter(|task| task.id == expected.id);
        found.extend(here.map(|task| (status, task)));
    }
    check_eq!(
        found,
        vec![(expected.status, expected.clone())],
        "{what}, in the lists of the snapshot"
    );
    Ok(())
}
