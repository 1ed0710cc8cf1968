//! How a change of a task is saved: with the place that the task has from then on, and those of the tasks that
//! depend on it (clauses C1, C7 and C9).

use std::collections::HashMap;

use runstore_core::rules::schedule::{
    Place, available_from, concerns_dependents, place, unmet_after,
};
use runstore_core::{Result, RunId, Task, TaskId, TaskStatus, Timestamp};

use crate::codec::{Columns, Record, micros};
use crate::driver::{QueryBuilder, Row};
use crate::statement::{ROWS_A_STATEMENT, list_by_ids, run_built};
use crate::write::Write;

const DEPENDENTS_OF: &str = "SELECT dependency, id, run_id, available_from, unmet FROM dependents \
    JOIN tasks ON id = dependent WHERE dependency IN (";

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
            unmet: row.count("unmet")?,
        };
        Ok(Self { task, before })
    }
}

/// What a task was, and what it is to be saved as.
pub(crate) type TaskChange = (Before, Task);

/// Where a task is kept, in numbers.
pub(crate) struct Scheduled {
    pub(crate) available_from: Option<i64>,
    pub(crate) place: i64,
}

impl Write<'_> {
    /// Decides where a task with so many unmet dependencies is kept from now on, and notes it for those who
    /// wait.
    pub(crate) fn schedule(&mut self, task: &Task, unmet: u32) -> Scheduled {
        let from = available_from(task);
        Scheduled {
            available_from: micros(from),
            place: self.place(task.run_id, from, unmet),
        }
    }

    fn place(&mut self, run_id: RunId, from: Option<Timestamp>, unmet: u32) -> i64 {
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
pub(crate) fn save(write: &mut Write<'_>, before: Before, task: Task) -> Result<Task> {
    let changed = [(before, task)];
    save_rows(write, &changed, true)?;
    let [(_, task)] = changed;
    Ok(task)
}

/// Saves all that can change of tasks that came to an end.
pub(crate) fn save_settled(write: &mut Write<'_>, changed: &[TaskChange]) -> Result<()> {
    save_rows(write, changed, true)
}

/// Saves what can change of tasks that keep their summaries.
pub(crate) fn save_all(write: &mut Write<'_>, changed: &[TaskChange]) -> Result<()> {
    save_rows(write, changed, false)
}

/// The columns of a task that can change, in the order in which they are bound after its id.
const CHANGING: [&str; 10] = [
    "status",
    "attempt_count",
    "updated_at",
    "blocker_signature",
    "delayed_until",
    "worker",
    "lease_expires_at",
    "available_from",
    "place",
    "implementation_summary",
];

fn save_rows(write: &mut Write<'_>, changed: &[TaskChange], summaries: bool) -> Result<()> {
    let [without_summary @ .., _] = &CHANGING;
    let columns = if summaries {
        CHANGING.as_slice()
    } else {
        without_summary
    };
    for chunk in changed.chunks(ROWS_A_STATEMENT) {
        let statement = update_tasks(columns, chunk, |mut row, (before, task)| {
            let scheduled = write.schedule(task, before.unmet);
            row.push_bind(task.id.as_uuid())
                .push_bind(task.status.as_str())
                .push_bind(task.attempt_count)
                .push_bind(task.updated_at.as_micros())
                .push_bind(task.blocker_signature.as_deref())
                .push_bind(micros(task.delayed_until))
                .push_bind(task.worker.as_deref())
                .push_bind(micros(task.lease_expires_at))
                .push_bind(scheduled.available_from)
                .push_bind(scheduled.place);
            if summaries {
                row.push_bind(task.implementation_summary.as_deref());
            }
        });
        run_built(write.connection, Task::TABLE, statement)?;
    }
    let concerning = changed
        .iter()
        .filter(|(before, task)| concerns_dependents(before.status, task.status));
    let concerning = concerning.map(|(_, task)| (task.id, task.status));
    save_dependents(write, &concerning.collect())
}

/// The statement that sets columns of tasks; what is bound for each is its id and then the columns.
fn update_tasks<'v, T>(
    columns: &[&str],
    tasks: &'v [T],
    mut bind: impl FnMut(Row<'_, 'v>, &'v T),
) -> QueryBuilder<'v> {
    // Of one, SQLite need not make a table of the values first.
    let (value, one) = match tasks {
        [task] => (" = ?", Some(task)),
        _ => (" = changed.column", None),
    };
    let mut statement = QueryBuilder::new("UPDATE OR FAIL tasks SET ");
    for (place, column) in (2..).zip(columns) {
        let joint = if place > 2 { ", " } else { "" };
        statement.push(joint).push(column);
        statement.push(value).push(&i32::to_string(&place));
    }
    match one {
        Some(task) => {
            statement.push(" WHERE id = ?1");
            statement.bind_numbered(|row| bind(row, task));
        }
        None => {
            statement.push(" FROM (").push_values(tasks, bind);
            statement.push(") AS changed WHERE tasks.id = changed.column1");
        }
    }
    statement
}

/// What decides the place of a task, without the task.
pub(crate) struct Waiting {
    pub(crate) id: TaskId,
    pub(crate) run_id: RunId,
    pub(crate) available_from: Option<Timestamp>,
    pub(crate) unmet: u32,
}

impl Record for Waiting {
    const TABLE: &'static str = Task::TABLE;
    const NUMBER: &'static str = Task::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            run_id: row.id("run_id")?,
            available_from: row.optional_time("available_from")?,
            unmet: row.count("unmet")?,
        })
    }
}

/// Counts changes of dependencies to these states in every task that waits for them.
fn save_dependents(
    write: &mut Write<'_>,
    dependencies: &HashMap<TaskId, TaskStatus>,
) -> Result<()> {
    let ids = Vec::from_iter(dependencies.keys().map(|id| id.as_uuid()));
    let found: Vec<Dependent> = list_by_ids(write.connection, DEPENDENTS_OF, &ids)?;
    let mut dependents: HashMap<TaskId, Waiting> = HashMap::new();
    for Dependent { dependency, task } in found {
        // A task that waits for several of them comes once for each.
        let task = dependents.entry(task.id).or_insert(task);
        if let Some(to) = dependencies.get(&dependency) {
            task.unmet = unmet_after(task.unmet, *to);
        }
    }
    save_places(write, &Vec::from_iter(dependents.into_values()))
}

/// A task that waits for another one.
struct Dependent {
    dependency: TaskId,
    task: Waiting,
}

impl Record for Dependent {
    const TABLE: &'static str = "dependents";
    const NUMBER: &'static str = Task::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            dependency: row.id("dependency")?,
            task: Waiting::from_row(row)?,
        })
    }
}

/// Saves what tasks wait for that did not change themselves.
pub(crate) fn save_places(write: &mut Write<'_>, tasks: &[Waiting]) -> Result<()> {
    for chunk in tasks.chunks(ROWS_A_STATEMENT) {
        let statement = update_tasks(&["unmet", "place"], chunk, |mut row, task| {
            let place = write.place(task.run_id, task.available_from, task.unmet);
            row.push_bind(task.id.as_uuid())
                .push_bind(task.unmet)
                .push_bind(place);
        });
        run_built(write.connection, Task::TABLE, statement)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{opened, steps};

    #[test]
    fn the_tasks_that_wait_for_a_task_are_found_without_a_look_at_others() {
        let (_folder, mut opened) = opened();
        let expected = [
            "SEARCH dependents USING PRIMARY KEY (dependency=?)",
            "SEARCH tasks USING INDEX sqlite_autoindex_tasks_1 (id=?)",
        ];
        let two = format!("{DEPENDENTS_OF}?, ?)");
        assert_eq!(steps(&mut opened, &two), expected);
    }
}
