//! How a change of a task is saved: with the place that the task has from then on, and those of the tasks that
//! depend on it (clauses C1, C7 and C9).

use runstore_core::rules::schedule::{
    Place, available_from, concerns_dependents, place, unmet_after,
};
use runstore_core::{Result, RunId, Task, TaskStatus, Timestamp};
use sqlx::query;

use crate::codec::{Columns, Record, integer, optional_time, time};
use crate::statement::{change, list};
use crate::text::optional_text;
use crate::write::Write;

/// What the saving of a changed task has to know of it as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    status: TaskStatus,
    /// How many of the tasks that it depends on are not completed.
    pub(crate) unmet: u32,
}

/// A task as it is stored.
#[derive(Debug)]
pub(crate) struct StoredTask {
    pub(crate) task: Task,
    pub(crate) before: Before,
}

impl Record for StoredTask {
    const TABLE: &'static str = Task::TABLE;
    const NUMBER: &'static str = Task::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        let task = Task::from_row(row)?;
        let before = Before {
            status: task.status,
            unmet: row.number("unmet")?,
        };
        Ok(Self { task, before })
    }
}

/// What a task was, and what it is to be saved as.
pub(crate) type TaskChange = (Before, Task);

impl Write<'_> {
    /// Decides where a task is kept from now on, in numbers, and notes it for those who wait.
    pub(crate) fn place(&mut self, run_id: RunId, from: Option<Timestamp>, unmet: u32) -> i16 {
        let place = place(from, unmet, self.now);
        self.wakes.placed(run_id, place);
        match place {
            Place::Nowhere => 0,
            Place::Ready => 1,
            Place::Due(_) => 2,
        }
    }
}

/// Saves all that can change of a task.
pub(crate) async fn save(write: &mut Write<'_>, before: Before, task: Task) -> Result<Task> {
    let changed = [(before, task)];
    save_rows(write, &changed, true).await?;
    let [(_, task)] = changed;
    Ok(task)
}

/// Saves what can change of tasks that keep their summaries.
pub(crate) async fn save_all(write: &mut Write<'_>, changed: &[TaskChange]) -> Result<()> {
    save_rows(write, changed, false).await
}

async fn save_rows(write: &mut Write<'_>, changed: &[TaskChange], summaries: bool) -> Result<()> {
    if changed.is_empty() {
        return Ok(());
    }
    let tasks = || changed.iter().map(|(_, task)| task);
    let positions: Result<Vec<i64>> = tasks().map(|task| integer(task.position)).collect();
    let from: Vec<Option<Timestamp>> = tasks().map(available_from).collect();
    let mut places = Vec::with_capacity(changed.len());
    for ((before, task), from) in changed.iter().zip(&from) {
        places.push(write.place(task.run_id, *from, before.unmet));
    }
    let summary = |task: &Task| optional_text(task.implementation_summary.as_deref());
    let update =
        query("SELECT save_states($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
            .bind(Vec::from_iter(tasks().map(|task| task.run_id.as_uuid())))
            .bind(positions?)
            .bind(Vec::from_iter(tasks().map(|task| task.status.as_str())))
            .bind(Vec::from_iter(
                tasks().map(|task| i64::from(task.attempt_count)),
            ))
            .bind(Vec::from_iter(tasks().map(|task| time(task.updated_at))))
            .bind(Vec::from_iter(
                tasks().map(|task| optional_text(task.blocker_signature.as_deref())),
            ))
            .bind(Vec::from_iter(
                tasks().map(|task| optional_time(task.delayed_until)),
            ))
            .bind(Vec::from_iter(
                tasks().map(|task| optional_text(task.worker.as_deref())),
            ))
            .bind(Vec::from_iter(
                tasks().map(|task| optional_time(task.lease_expires_at)),
            ))
            .bind(Vec::from_iter(from.into_iter().map(optional_time)))
            .bind(places)
            .bind(match summaries {
                true => Vec::from_iter(tasks().map(summary)),
                false => Vec::new(),
            })
            .bind(summaries);
    change(write.session, Task::TABLE, update).await?;
    for (before, task) in changed {
        if concerns_dependents(before.status, task.status) {
            save_dependents(write, task).await?;
        }
    }
    Ok(())
}

/// What decides the place of a task, without the task.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) run_id: RunId,
    pub(crate) position: u64,
    pub(crate) available_from: Option<Timestamp>,
    pub(crate) unmet: u32,
}

impl Record for Waiting {
    const TABLE: &'static str = Task::TABLE;
    const NUMBER: &'static str = Task::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            run_id: row.id("run_id")?,
            position: row.number("position")?,
            available_from: row.optional_time("available_from")?,
            unmet: row.number("unmet")?,
        })
    }
}

/// Counts a change of this dependency in every task that waits for it.
async fn save_dependents(write: &mut Write<'_>, dependency: &Task) -> Result<()> {
    let dependents = query(
        "SELECT s.run_id, s.position, s.available_from, s.unmet FROM dependents d CROSS JOIN LATERAL ( \
         SELECT * FROM task_states s WHERE s.run_id = d.run_id AND s.position = d.dependent OFFSET 0) s \
         WHERE d.run_id = $1 AND d.dependency = $2",
    );
    let dependents = dependents
        .bind(dependency.run_id.as_uuid())
        .bind(integer(dependency.position)?);
    let mut dependents: Vec<Waiting> = list(write.session, dependents).await?;
    for task in &mut dependents {
        task.unmet = unmet_after(task.unmet, dependency.status);
    }
    save_places(write, &dependents).await
}

/// Saves what tasks wait for that did not change themselves.
pub(crate) async fn save_places(write: &mut Write<'_>, tasks: &[Waiting]) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let positions: Result<Vec<i64>> = tasks.iter().map(|task| integer(task.position)).collect();
    let mut places = Vec::with_capacity(tasks.len());
    for task in tasks {
        places.push(write.place(task.run_id, task.available_from, task.unmet));
    }
    let update = query("SELECT save_places($1, $2, $3, $4)")
        .bind(Vec::from_iter(
            tasks.iter().map(|task| task.run_id.as_uuid()),
        ))
        .bind(positions?)
        .bind(Vec::from_iter(
            tasks.iter().map(|task| i64::from(task.unmet)),
        ))
        .bind(places);
    change(write.session, Task::TABLE, update).await?;
    Ok(())
}
