//! Tasks (clauses T1 to T6) and their settling by an operator (C6).

use std::collections::HashMap;

use runstore_core::rules::tasks::Settlement;
use runstore_core::rules::{create, events, retry, tasks};
use runstore_core::{
    Error, ListTasks, Page, RecordKind, Result, RunId, Task, TaskId, TaskPlan, TaskStanding,
    TaskStatus, Timestamp, Uuid,
};
use sqlx::sqlite::SqliteConnection;
use sqlx::{QueryBuilder, Sqlite, query};

use crate::codec::{Named, Query, Record, integer, select, texts};
use crate::error::engine;
use crate::statement::{after, change, decode, find, find_by_id, list, page, rows, value};
use crate::writer::Write;
use crate::{journal, runs};

/// How many tasks one statement reads or writes: a statement is a trip to the driver's thread and back.
const TASKS_A_STATEMENT: usize = 64;

impl Named for Task {
    const BY_ID: &'static str = select!(Task, "WHERE id = ?");
}

/// The statement for the first tasks of a run that are in this state, after a position.
pub(crate) fn in_status(run_id: RunId, status: TaskStatus, after: i64, rows: i64) -> Query {
    // Each names its index, for SQLite uses a partial one only where the word stands in the statement, and
    // would fail, not crawl, if it could not.
    macro_rules! in_status {
        ($word:literal) => {
            select!(
                Task,
                "INDEXED BY tasks_",
                $word,
                " WHERE run_id = ? AND status = '",
                $word,
                "' AND position > ? ORDER BY position LIMIT ?"
            )
        };
    }
    let sql = match status {
        TaskStatus::Pending => in_status!("pending"),
        TaskStatus::InProgress => in_status!("in_progress"),
        TaskStatus::Completed => in_status!("completed"),
        TaskStatus::Blocked => in_status!("blocked"),
        TaskStatus::Abandoned => in_status!("abandoned"),
    };
    query(sql).bind(run_id.as_uuid()).bind(after).bind(rows)
}

pub(crate) async fn get(connection: &mut SqliteConnection, task_id: TaskId) -> Result<Task> {
    let task = find_by_id(connection, task_id).await?;
    task.ok_or_else(|| unknown(task_id))
}

/// What a token on the task is held against, if there is such a task.
pub(crate) async fn standing(
    connection: &mut SqliteConnection,
    task_id: TaskId,
) -> Result<Option<TaskStanding>> {
    let standing = query("SELECT run_id, status, attempt_count FROM tasks WHERE id = ?");
    find(connection, standing.bind(task_id.as_uuid())).await
}

/// Checks that the task is one of that run (clause G7).
pub(crate) async fn check_of_run(
    connection: &mut SqliteConnection,
    task_id: TaskId,
    run_id: RunId,
) -> Result<()> {
    match standing(connection, task_id).await? {
        Some(standing) if standing.run_id == run_id => Ok(()),
        _ => Err(unknown(task_id)),
    }
}

pub(crate) fn unknown(task_id: TaskId) -> Error {
    Error::not_found(RecordKind::Task, task_id)
}

pub(crate) async fn list_page(
    connection: &mut SqliteConnection,
    wanted: ListTasks,
) -> Result<Page<Task>> {
    runs::check(connection, wanted.run_id).await?;
    let (after, rows) = (after(wanted.page), rows(wanted.page));
    if wanted.statuses.is_empty() {
        let of_run = select!(
            Task,
            "WHERE run_id = ? AND position > ? ORDER BY position LIMIT ?"
        );
        let of_run = query(of_run).bind(wanted.run_id.as_uuid());
        return page(connection, of_run.bind(after).bind(rows), wanted.page).await;
    }
    let statuses = TaskStatus::ALL
        .into_iter()
        .filter(|status| wanted.wants(*status));
    let tasks = in_statuses(connection, wanted.run_id, statuses, after, rows).await?;
    let numbered = tasks.into_iter().map(|task| (task.position, task));
    Ok(Page::from_numbered(numbered, wanted.page))
}

/// Tasks of a run in any of these states, in position order. There may be more of them than `rows`, but
/// the first `rows` of all are among them.
pub(crate) async fn in_statuses(
    connection: &mut SqliteConnection,
    run_id: RunId,
    statuses: impl IntoIterator<Item = TaskStatus> + Send,
    after: i64,
    rows: i64,
) -> Result<Vec<Task>> {
    let mut tasks: Vec<Task> = Vec::new();
    for status in Vec::from_iter(statuses) {
        tasks.extend(list(connection, in_status(run_id, status, after, rows)).await?);
    }
    tasks.sort_unstable_by_key(|task| task.position);
    Ok(tasks)
}

pub(crate) async fn replace_pending(write: Write<'_>, plan: TaskPlan) -> Result<Vec<Task>> {
    let run_id = plan.run_id;
    let new = match new_tasks(&mut *write.connection, write.now, plan).await? {
        Plan::Repeated(tasks) => return Ok(tasks),
        Plan::New(tasks) => tasks,
    };
    let replaceable = TaskStatus::ALL
        .into_iter()
        .filter(|status| tasks::is_replaceable(*status));
    let replaced: Vec<Task> = in_statuses(write.connection, run_id, replaceable, 0, -1)
        .await?
        .into_iter()
        .map(|task| tasks::replaced(task, write.now))
        .collect();
    save_all(write.connection, &replaced).await?;
    insert_all(write.connection, new).await
}

pub(crate) async fn append(write: Write<'_>, plan: TaskPlan) -> Result<Vec<Task>> {
    match new_tasks(&mut *write.connection, write.now, plan).await? {
        Plan::Repeated(tasks) => Ok(tasks),
        Plan::New(tasks) => insert_all(write.connection, tasks).await,
    }
}

enum Plan {
    Repeated(Vec<Task>),
    New(Vec<Task>),
}

async fn new_tasks(
    connection: &mut SqliteConnection,
    now: Timestamp,
    plan: TaskPlan,
) -> Result<Plan> {
    let run_id = plan.run_id;
    runs::check(connection, run_id).await?;
    let ids: Vec<Option<TaskId>> = plan.drafts.iter().map(|draft| draft.id).collect();
    let mut stored = find_all(connection, ids.iter().flatten()).await?;
    let last = query("SELECT max(position) FROM tasks WHERE run_id = ?").bind(run_id.as_uuid());
    let last: Option<Option<u64>> = value(connection, Task::TABLE, last).await?;
    let next = last.flatten().unwrap_or(0) + 1;
    let new: Vec<Task> = (next..)
        .zip(plan.drafts)
        .map(|(position, draft)| create::task(run_id, position, draft, now))
        .collect();
    let stored = ids.iter().map(|id| stored.remove(id.as_ref()?)).collect();
    Ok(match retry::answer_plan(stored, &new)? {
        Some(repeated) => Plan::Repeated(repeated),
        None => Plan::New(new),
    })
}

async fn find_all(
    connection: &mut SqliteConnection,
    ids: impl Iterator<Item = &TaskId>,
) -> Result<HashMap<TaskId, Task>> {
    let ids: Vec<Uuid> = ids.map(|id| id.as_uuid()).collect();
    let mut found = HashMap::new();
    for ids in ids.chunks(TASKS_A_STATEMENT) {
        let mut statement = QueryBuilder::<Sqlite>::new(select!(Task, "WHERE id IN ("));
        let mut list_of_ids = statement.separated(", ");
        for id in ids {
            list_of_ids.push_bind(*id);
        }
        statement.push(")");
        let tasks: Vec<Task> = list_built(connection, statement).await?;
        found.extend(tasks.into_iter().map(|task| (task.id, task)));
    }
    Ok(found)
}

async fn insert_all(connection: &mut SqliteConnection, tasks: Vec<Task>) -> Result<Vec<Task>> {
    for tasks in tasks.chunks(TASKS_A_STATEMENT) {
        let positions = tasks.iter().map(|task| integer(task.position));
        let positions: Vec<i64> = positions.collect::<Result<_>>()?;
        let mut statement = QueryBuilder::<Sqlite>::new(
            "INSERT INTO tasks (id, run_id, position, status, attempt_count, updated_at, \
             created_at, blocker_signature, implementation_summary, title, objective, \
             acceptance_criteria, verification_steps, allowed_paths) ",
        );
        statement.push_values(tasks.iter().zip(positions), |mut row, (task, position)| {
            row.push_bind(task.id.as_uuid())
                .push_bind(task.run_id.as_uuid())
                .push_bind(position)
                .push_bind(task.status.as_str())
                .push_bind(task.attempt_count)
                .push_bind(task.updated_at.as_micros())
                .push_bind(task.created_at.as_micros())
                .push_bind(task.blocker_signature.as_deref())
                .push_bind(task.implementation_summary.as_deref())
                .push_bind(task.title.as_str())
                .push_bind(task.objective.as_str())
                .push_bind(texts(&task.acceptance_criteria))
                .push_bind(texts(&task.verification_steps))
                .push_bind(texts(&task.allowed_paths));
        });
        run_built(connection, statement).await?;
    }
    Ok(tasks)
}

/// Saves what can change of a task.
pub(crate) async fn save(connection: &mut SqliteConnection, task: Task) -> Result<Task> {
    let update = query(
        "UPDATE tasks SET status = ?, attempt_count = ?, updated_at = ?, blocker_signature = ?, \
         implementation_summary = ? WHERE id = ?",
    )
    .bind(task.status.as_str())
    .bind(task.attempt_count)
    .bind(task.updated_at.as_micros())
    .bind(task.blocker_signature.as_deref())
    .bind(task.implementation_summary.as_deref())
    .bind(task.id.as_uuid());
    change(connection, Task::TABLE, update).await?;
    Ok(task)
}

/// Saves what can change of tasks that keep their summaries and signatures.
pub(crate) async fn save_all(connection: &mut SqliteConnection, tasks: &[Task]) -> Result<()> {
    // The statement for one is prepared once and for all; those for several differ by their number.
    if let [task] = tasks {
        save(connection, task.clone()).await?;
        return Ok(());
    }
    for tasks in tasks.chunks(TASKS_A_STATEMENT) {
        let mut statement = QueryBuilder::<Sqlite>::new(
            "UPDATE tasks SET status = changed.column2, attempt_count = changed.column3, \
             updated_at = changed.column4 FROM (",
        );
        statement.push_values(tasks, |mut row, task| {
            row.push_bind(task.id.as_uuid())
                .push_bind(task.status.as_str())
                .push_bind(task.attempt_count)
                .push_bind(task.updated_at.as_micros());
        });
        statement.push(") AS changed WHERE tasks.id = changed.column1");
        run_built(connection, statement).await?;
    }
    Ok(())
}

async fn list_built(
    connection: &mut SqliteConnection,
    mut statement: QueryBuilder<Sqlite>,
) -> Result<Vec<Task>> {
    let rows = statement.build().fetch_all(connection).await;
    let rows = rows.map_err(|error| engine(Task::TABLE, error))?;
    rows.iter().map(decode).collect()
}

async fn run_built(
    connection: &mut SqliteConnection,
    mut statement: QueryBuilder<Sqlite>,
) -> Result<()> {
    let done = statement.build().execute(connection).await;
    done.map_err(|error| engine(Task::TABLE, error))?;
    Ok(())
}

pub(crate) async fn settle(
    write: Write<'_>,
    task_id: TaskId,
    settlement: impl Into<Settlement> + Send,
) -> Result<Task> {
    let task = get(write.connection, task_id).await?;
    let settled = tasks::settled(task, settlement, write.now)?;
    save(write.connection, settled).await
}

pub(crate) async fn requeue(write: Write<'_>, task_id: TaskId) -> Result<Task> {
    let task = get(write.connection, task_id).await?;
    let from = task.status;
    let requeued = tasks::requeued(task, write.now)?;
    let requeued = save(write.connection, requeued).await?;
    let event = events::requeue_task(&requeued, from);
    journal::add_own_event(write, requeued.run_id, event).await?;
    Ok(requeued)
}

pub(crate) async fn requeue_in_progress(write: Write<'_>, run_id: RunId) -> Result<u64> {
    let in_progress = in_status(run_id, TaskStatus::InProgress, 0, -1);
    let in_progress: Vec<Task> = list(write.connection, in_progress).await?;
    if in_progress.is_empty() {
        runs::check(write.connection, run_id).await?;
        return Ok(0);
    }
    let requeued = in_progress
        .into_iter()
        .map(|task| tasks::requeued(task, write.now));
    let requeued: Vec<Task> = requeued.collect::<Result<_>>()?;
    save_all(write.connection, &requeued).await?;
    let changes = requeued.len() as u64;
    journal::add_own_event(write, run_id, events::requeue_in_progress(changes)).await?;
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use sqlx::{Execute, Row};

    use super::*;
    use crate::{SqliteOptions, open};

    #[test]
    fn the_tasks_in_a_state_are_read_from_its_index_in_order_without_a_sort() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.db");
        let mut opened = open::open_file(&SqliteOptions::new(path)).unwrap();
        for status in TaskStatus::ALL {
            let statement = in_status(RunId::generate(), status, 0, 1).sql();
            let explain = format!("EXPLAIN QUERY PLAN {}", statement.as_str());
            let explained = query(sqlx::AssertSqlSafe(explain)).fetch_all(&mut opened.connection);
            let steps = opened.runtime.block_on(explained).unwrap();
            let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
            let expected =
                format!("SEARCH tasks USING INDEX tasks_{status} (run_id=? AND position>?)");
            assert_eq!(steps, [expected]);
        }
    }
}
