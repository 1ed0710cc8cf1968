//! Tasks (clauses T3 to T7) and their settling by an operator (C6).

use std::collections::HashMap;

use runstore_core::rules::tasks::{Changed, Settlement};
use runstore_core::rules::{events, tasks};
use runstore_core::{
    Error, EventDraft, ListTasks, Page, RecordKind, Result, RunId, Task, TaskId, TaskStanding,
    TaskStatus, Uuid,
};

use crate::changes::{StoredTask, save, save_all};
use crate::codec::{Columns, Named, Record, select, task_columns};
use crate::driver::{Connection, Query, query};
use crate::statement::{after, find, find_by_id, list, list_by_ids, page, rows};
use crate::write::Write;
use crate::{journal, runs};

impl Named for Task {
    const BY_ID: &'static str = select!(Task, "WHERE id = ?");
}

/// The statement for the tasks of a run that are in a state, in position order.
macro_rules! in_status {
    // Each names its index, for SQLite uses a partial one only where the word stands in the statement, and
    // would fail, not crawl, if it could not.
    (@ $word:literal, $($columns:ident)*) => {
        concat!(
            "SELECT ", task_columns!($($columns)*), " FROM tasks INDEXED BY tasks_", $word,
            " WHERE run_id = ? AND status = '", $word,
            "' AND position > ? ORDER BY position LIMIT ?"
        )
    };
    ($status:expr, $($columns:ident)*) => {
        match $status {
            TaskStatus::Pending => in_status!(@ "pending", $($columns)*),
            TaskStatus::InProgress => in_status!(@ "in_progress", $($columns)*),
            TaskStatus::Completed => in_status!(@ "completed", $($columns)*),
            TaskStatus::Blocked => in_status!(@ "blocked", $($columns)*),
            TaskStatus::Abandoned => in_status!(@ "abandoned", $($columns)*),
        }
    };
}

/// The statement for the first tasks of a run that are in this state, after a position.
fn in_status(run_id: RunId, status: TaskStatus, after: i64, rows: i64) -> Query<'static> {
    let sql = in_status!(status,);
    query(sql).bind(run_id.as_uuid()).bind(after).bind(rows)
}

/// The statement for all tasks of a run that are in this state, to change them and not to return them.
pub(crate) fn in_status_without_texts(run_id: RunId, status: TaskStatus) -> Query<'static> {
    let sql = in_status!(status, without texts);
    query(sql).bind(run_id.as_uuid()).bind(0_i64).bind(-1_i64)
}

pub(crate) fn get(connection: &Connection, task_id: TaskId) -> Result<Task> {
    let task = find_by_id(connection, task_id)?;
    task.ok_or_else(|| unknown(task_id))
}

/// Reads a task to change it and return it.
pub(crate) fn get_stored(connection: &Connection, task_id: TaskId) -> Result<StoredTask> {
    let task = find_stored(connection, task_id)?;
    task.ok_or_else(|| unknown(task_id))
}

/// Finds a task to change it and return it.
pub(crate) fn find_stored(connection: &Connection, task_id: TaskId) -> Result<Option<StoredTask>> {
    find(connection, query(Task::BY_ID).bind(task_id.as_uuid()))
}

/// What a token on the task is held against, if there is such a task.
pub(crate) fn standing(connection: &Connection, task_id: TaskId) -> Result<Option<TaskStanding>> {
    let standing =
        query("SELECT run_id, status, attempt_count, lease_expires_at FROM tasks WHERE id = ?");
    find(connection, standing.bind(task_id.as_uuid()))
}

/// The same of those of these tasks that there are.
pub(crate) fn standings(
    connection: &Connection,
    ids: &[Uuid],
) -> Result<HashMap<TaskId, TaskStanding>> {
    let by_ids =
        "SELECT id, run_id, status, attempt_count, lease_expires_at FROM tasks WHERE id IN (";
    let named: Vec<NamedStanding> = list_by_ids(connection, by_ids, ids)?;
    Ok(named
        .into_iter()
        .map(|task| (task.id, task.standing))
        .collect())
}

/// How a task stands, with its id.
struct NamedStanding {
    id: TaskId,
    standing: TaskStanding,
}

impl Record for NamedStanding {
    const TABLE: &'static str = Task::TABLE;
    const NUMBER: &'static str = Task::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            standing: TaskStanding::from_row(row)?,
        })
    }
}

/// Checks that the task is one of that run (clause G7).
pub(crate) fn check_of_run(connection: &Connection, task_id: TaskId, run_id: RunId) -> Result<()> {
    match standing(connection, task_id)? {
        Some(standing) if standing.run_id == run_id => Ok(()),
        _ => Err(unknown(task_id)),
    }
}

pub(crate) fn unknown(task_id: TaskId) -> Error {
    Error::not_found(RecordKind::Task, task_id)
}

pub(crate) fn list_page(connection: &Connection, wanted: ListTasks) -> Result<Page<Task>> {
    runs::check(connection, wanted.run_id)?;
    let (after, rows) = (after(wanted.page), rows(wanted.page));
    if wanted.statuses.is_empty() {
        let of_run = select!(
            Task,
            "WHERE run_id = ? AND position > ? ORDER BY position LIMIT ?"
        );
        let of_run = query(of_run).bind(wanted.run_id.as_uuid());
        return page(connection, of_run.bind(after).bind(rows), wanted.page);
    }
    let statuses = TaskStatus::ALL
        .into_iter()
        .filter(|status| wanted.wants(*status));
    let tasks = in_statuses(connection, wanted.run_id, statuses, after, rows)?;
    let numbered = tasks.into_iter().map(|task| (task.position, task));
    Ok(Page::from_numbered(numbered, wanted.page))
}

/// Tasks of a run in any of these states, in position order. There may be more of them than `rows`, but
/// the first `rows` of all are among them.
pub(crate) fn in_statuses(
    connection: &Connection,
    run_id: RunId,
    statuses: impl IntoIterator<Item = TaskStatus> + Send,
    after: i64,
    rows: i64,
) -> Result<Vec<Task>> {
    let mut tasks: Vec<Task> = Vec::new();
    for status in Vec::from_iter(statuses) {
        tasks.extend(list(connection, in_status(run_id, status, after, rows))?);
    }
    tasks.sort_unstable_by_key(|task| task.position);
    Ok(tasks)
}

pub(crate) fn settle(
    mut write: Write<'_>,
    task_id: TaskId,
    settlement: impl Into<Settlement> + Send,
) -> Result<Task> {
    let StoredTask { task, before } = get_stored(write.connection, task_id)?;
    let settled = tasks::settled(task, settlement, write.now)?;
    save(&mut write, before, settled)
}

pub(crate) fn requeue(mut write: Write<'_>, task_id: TaskId) -> Result<Task> {
    let StoredTask { task, before } = get_stored(write.connection, task_id)?;
    let Changed { task, event } = tasks::requeued_alone(task, write.now)?;
    let task = save(&mut write, before, task)?;
    journal::add_own_events(&mut write, task.run_id, event)?;
    Ok(task)
}

pub(crate) fn requeue_in_progress(mut write: Write<'_>, run_id: RunId) -> Result<u64> {
    let in_progress = in_status_without_texts(run_id, TaskStatus::InProgress);
    let in_progress = list(write.connection, in_progress)?;
    if in_progress.is_empty() {
        runs::check(write.connection, run_id)?;
    }
    requeue_together(&mut write, in_progress, events::requeue_in_progress)
}

/// The tasks in progress whose lease ends no later than a time, by runs in creation order and by position.
macro_rules! expired {
    ($of_run:literal) => {
        concat!(
            "SELECT ",
            task_columns!(without texts),
            " FROM tasks INDEXED BY tasks_in_progress WHERE status = 'in_progress' ",
            "AND lease_expires_at <= ?1",
            $of_run,
            " ORDER BY (SELECT seq FROM runs WHERE runs.id = run_id), position"
        )
    };
}

pub(crate) fn requeue_expired(mut write: Write<'_>, run_id: Option<RunId>) -> Result<u64> {
    let now = write.now.as_micros();
    let expired = match run_id {
        Some(run_id) => query(expired!(" AND run_id = ?2"))
            .bind(now)
            .bind(run_id.as_uuid()),
        None => query(expired!("")).bind(now),
    };
    let expired = list(write.connection, expired)?;
    if let (Some(run_id), true) = (run_id, expired.is_empty()) {
        runs::check(write.connection, run_id)?;
    }
    requeue_together(&mut write, expired, events::requeue_expired)
}

/// Requeues tasks in progress, which come by runs and position, and returns how many are pending again.
fn requeue_together(
    write: &mut Write<'_>,
    tasks: Vec<StoredTask>,
    summary: fn(u64) -> EventDraft,
) -> Result<u64> {
    let mut changes = 0;
    let mut tasks = tasks.into_iter().peekable();
    while let Some(StoredTask { task, before }) = tasks.next() {
        let run_id = task.run_id;
        let (mut befores, mut of_run) = (vec![before], vec![task]);
        while let Some(next) = tasks.next_if(|next| next.task.run_id == run_id) {
            befores.push(next.before);
            of_run.push(next.task);
        }
        let requeue = tasks::requeued_together(of_run, summary, write.now)?;
        let changed = Vec::from_iter(befores.into_iter().zip(requeue.tasks));
        save_all(write, &changed)?;
        journal::add_own_events(write, run_id, requeue.events)?;
        changes += requeue.changes;
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{opened, steps};

    #[test]
    fn the_tasks_in_a_state_are_read_from_its_index_in_order_without_a_sort() {
        let (_folder, mut opened) = opened();
        for status in TaskStatus::ALL {
            for statement in [
                in_status(RunId::generate(), status, 0, 1),
                in_status_without_texts(RunId::generate(), status),
            ] {
                let expected =
                    format!("SEARCH tasks USING INDEX tasks_{status} (run_id=? AND position>?)");
                assert_eq!(steps(&mut opened, statement.sql()), [expected]);
            }
        }
    }
}
