//! Tasks (clauses T3 to T7) and their settling by an operator (C6).

use runstore_core::rules::tasks::{Changed, Settlement};
use runstore_core::rules::{events, tasks};
use runstore_core::{
    Error, EventDraft, ListTasks, Page, RecordKind, Result, RunId, Task, TaskId, TaskStanding,
    TaskStatus,
};
use sqlx::query;

use crate::changes::{StoredTask, save, save_all};
use crate::codec::{Named, Query, select, task_columns, task_tables, time};
use crate::connections::Session;
use crate::statement::{after, find, find_by_id, list, page, rows};
use crate::write::{Kind, Write, lock};
use crate::{journal, runs};

impl Named for Task {
    const BY_ID: &'static str = select!(Task, "WHERE t.id = $1");
}

/// The tasks of a run in some states, in position order: of each state the first ones, then the first of all.
const IN_STATUSES: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM unnest($2::text[]) AS wanted (status) CROSS JOIN LATERAL (\
         SELECT of.* FROM task_states of \
         WHERE of.run_id = $1 AND of.status = wanted.status AND of.position > $3 \
         ORDER BY of.position LIMIT $4\
     ) s CROSS JOIN LATERAL ( \
     SELECT * FROM tasks t WHERE t.run_id = s.run_id AND t.position = s.position OFFSET 0) t \
     ORDER BY s.position LIMIT $4"
);

/// All tasks of a run in one of these states, to change them and not to return them.
pub(crate) fn in_statuses_without_texts(run_id: RunId, statuses: &[TaskStatus]) -> Query {
    let words: Vec<&str> = statuses.iter().map(|status| status.as_str()).collect();
    query(concat!(
        "SELECT ",
        task_columns!(without texts),
        task_tables!(by states),
        "WHERE s.run_id = $1 AND s.status = ANY ($2) ORDER BY s.position"
    ))
    .bind(run_id.as_uuid())
    .bind(words.into_iter().map(str::to_owned).collect::<Vec<_>>())
}

pub(crate) async fn get(session: &mut Session, task_id: TaskId) -> Result<Task> {
    let task = find_by_id(session, task_id).await?;
    task.ok_or_else(|| unknown(task_id))
}

/// Reads a task to change it and return it.
pub(crate) async fn get_stored(session: &mut Session, task_id: TaskId) -> Result<StoredTask> {
    let task = find_stored(session, task_id).await?;
    task.ok_or_else(|| unknown(task_id))
}

/// Finds a task to change it and return it.
pub(crate) async fn find_stored(
    session: &mut Session,
    task_id: TaskId,
) -> Result<Option<StoredTask>> {
    find(session, query(Task::BY_ID).bind(task_id.as_uuid())).await
}

macro_rules! standing {
    ($lock:literal) => {
        concat!(
            "SELECT s.run_id, s.status, s.attempt_count, s.lease_expires_at",
            task_tables!(),
            "WHERE t.id = $1",
            $lock
        )
    };
}

/// What a token on the task is held against, if there is such a task.
pub(crate) async fn standing(
    session: &mut Session,
    task_id: TaskId,
) -> Result<Option<TaskStanding>> {
    find(session, query(standing!("")).bind(task_id.as_uuid())).await
}

/// The same, and nobody changes it until the commit.
pub(crate) async fn standing_held(
    session: &mut Session,
    task_id: TaskId,
) -> Result<Option<TaskStanding>> {
    let held = query(standing!(" FOR SHARE OF s"));
    find(session, held.bind(task_id.as_uuid())).await
}

/// Checks that the task is one of that run (clause G7).
pub(crate) async fn check_of_run(
    session: &mut Session,
    task_id: TaskId,
    run_id: RunId,
) -> Result<()> {
    match standing(session, task_id).await? {
        Some(standing) if standing.run_id == run_id => Ok(()),
        _ => Err(unknown(task_id)),
    }
}

pub(crate) fn unknown(task_id: TaskId) -> Error {
    Error::not_found(RecordKind::Task, task_id)
}

pub(crate) async fn list_page(session: &mut Session, wanted: ListTasks) -> Result<Page<Task>> {
    let statuses = TaskStatus::ALL
        .into_iter()
        .filter(|status| wanted.wants(*status));
    let query = match wanted.statuses.is_empty() {
        true => {
            let of_run = select!(
                Task by states,
                "WHERE s.run_id = $1 AND s.position > $2 ORDER BY s.position LIMIT $3"
            );
            query(of_run).bind(wanted.run_id.as_uuid())
        }
        false => query(IN_STATUSES)
            .bind(wanted.run_id.as_uuid())
            .bind(Vec::from_iter(
                statuses.map(|status| status.as_str().to_owned()),
            )),
    };
    let query = query.bind(after(wanted.page)).bind(rows(wanted.page));
    let page = page::<Task>(session, query, wanted.page).await?;
    if page.items.is_empty() {
        runs::check(session, wanted.run_id).await?;
    }
    Ok(page)
}

/// The first tasks of a run in any of these states, in position order; all without a number.
pub(crate) async fn in_statuses(
    session: &mut Session,
    run_id: RunId,
    statuses: &[TaskStatus],
    first: Option<u32>,
) -> Result<Vec<Task>> {
    let words = statuses.iter().map(|status| status.as_str().to_owned());
    let query = query(IN_STATUSES)
        .bind(run_id.as_uuid())
        .bind(Vec::from_iter(words))
        .bind(0_i64)
        .bind(first.map(i64::from));
    list(session, query).await
}

pub(crate) async fn settle(
    mut write: Write<'_>,
    task_id: TaskId,
    settlement: impl Into<Settlement> + Send,
) -> Result<Task> {
    let StoredTask { task, before } = get_stored(write.session, task_id).await?;
    let settled = tasks::settled(task, settlement, write.now)?;
    save(&mut write, before, settled).await
}

pub(crate) async fn requeue(mut write: Write<'_>, task_id: TaskId) -> Result<Task> {
    let StoredTask { task, before } = get_stored(write.session, task_id).await?;
    let Changed { task, event } = tasks::requeued_alone(task, write.now)?;
    let task = save(&mut write, before, task).await?;
    journal::add_own_events(&mut write, task.run_id, event).await?;
    Ok(task)
}

pub(crate) async fn requeue_in_progress(mut write: Write<'_>, run_id: RunId) -> Result<u64> {
    let in_progress = in_statuses_without_texts(run_id, &[TaskStatus::InProgress]);
    let in_progress = list(write.session, in_progress).await?;
    if in_progress.is_empty() {
        runs::check(write.session, run_id).await?;
    }
    requeue_together(&mut write, in_progress, events::requeue_in_progress).await
}

/// The tasks whose lease ends no later than a time, by runs in creation order and by position.
macro_rules! expired {
    ($of_run:literal) => {
        concat!(
            "SELECT ",
            task_columns!(without texts),
            task_tables!(by states),
            "CROSS JOIN LATERAL (SELECT seq FROM runs WHERE run_id = s.run_id OFFSET 0) r WHERE s.lease_expires_at <= $1",
            $of_run,
            // A heartbeat needs the task's row alone: what it extends while this waits is looked at again.
            " ORDER BY r.seq, s.position FOR NO KEY UPDATE OF s"
        )
    };
}

/// Requeues what expired, in a run whose tasks and events are locked, or in a store that is.
pub(crate) async fn requeue_expired(mut write: Write<'_>, run_id: Option<RunId>) -> Result<u64> {
    let now = time(write.now);
    let expired = match run_id {
        Some(run_id) => query(expired!(" AND s.run_id = $2"))
            .bind(now)
            .bind(run_id.as_uuid()),
        None => query(expired!("")).bind(now),
    };
    let expired: Vec<StoredTask> = list(write.session, expired).await?;
    match run_id {
        Some(run_id) if expired.is_empty() => runs::check(write.session, run_id).await?,
        Some(_) => {}
        None => {
            let run_ids = expired.iter().map(|stored| stored.task.run_id.as_uuid());
            lock(write.session, run_ids.collect(), &[Kind::Events]).await?;
        }
    }
    requeue_together(&mut write, expired, events::requeue_expired).await
}

/// Requeues tasks in progress, which come by runs and position, and returns how many are pending again.
async fn requeue_together(
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
        save_all(write, &changed).await?;
        journal::add_own_events(write, run_id, requeue.events).await?;
        changes += requeue.changes;
    }
    Ok(changes)
}
