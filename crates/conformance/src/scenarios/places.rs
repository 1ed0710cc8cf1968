//! A cursor names a place in the order of a list, not a number of rows (clauses R2 and T3).

use runstore_core::{CompleteTask, ListRuns, ListTasks, Page, PageRequest, TaskStatus};

use crate::check::{Outcome, Stop, check_eq};
use crate::context::Context;
use crate::world;

pub(crate) async fn a_page_of_runs_goes_on_where_the_last_ended_when_runs_were_added(
    c: &mut Context<'_>,
) -> Outcome {
    let mut created = Vec::new();
    for _ in 0..4 {
        created.push(world::run(&*c.store).await?.id);
    }
    let first = c
        .store
        .list_runs(ListRuns::all().with_page(PageRequest::first(2)))
        .await?;
    let rest = ListRuns::all().with_page(after(&first)?);
    let oldest: Vec<_> = created.iter().take(2).rev().copied().collect();
    let added = world::run(&*c.store).await?;
    let ids: Vec<_> = c.store.list_runs(rest.clone()).await?.items;
    let ids: Vec<_> = ids.iter().map(|run| run.id).collect();
    check_eq!(
        ids,
        oldest,
        "the second page of four runs, when a fifth was created in between"
    );
    c.store.delete_run(added.id).await?;
    if let Some(newest) = created.last() {
        c.store.delete_run(*newest).await?;
    }
    let ids: Vec<_> = c.store.list_runs(rest).await?.items;
    let ids: Vec<_> = ids.iter().map(|run| run.id).collect();
    check_eq!(
        ids,
        oldest,
        "the second page of four runs, when the newest was deleted in between"
    );
    Ok(())
}

pub(crate) async fn a_page_of_tasks_goes_on_where_the_last_ended_when_tasks_left_the_list(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 5).await?;
    let pending = ListTasks::new(run.id).with_statuses([TaskStatus::Pending]);
    let first = c
        .store
        .list_tasks(pending.clone().with_page(PageRequest::first(2)))
        .await?;
    for task in tasks.iter().take(2) {
        c.store
            .complete_task(CompleteTask::new(task.id, "done"))
            .await?;
    }
    let page = c
        .store
        .list_tasks(pending.with_page(after(&first)?))
        .await?;
    let positions: Vec<_> = page.items.iter().map(|task| task.position).collect();
    check_eq!(
        positions,
        [3, 4],
        "the second page of two of five pending tasks, when the first two were completed in between"
    );
    Ok(())
}

/// The next two rows.
fn after<T>(page: &Page<T>) -> Outcome<PageRequest> {
    let next = page
        .next
        .ok_or_else(|| Stop::failed("a page that is not the last names no next one"))?;
    Ok(PageRequest::first(2).after(next))
}
