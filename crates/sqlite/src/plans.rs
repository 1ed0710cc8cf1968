//! Plans: the tasks that one call gives to a run (clauses T1, T2 and C9).

use std::collections::HashMap;

use runstore_core::rules::{plan, retry, tasks};
use runstore_core::{Result, RunId, Task, TaskId, TaskPlan, TaskStatus, Timestamp, Uuid};

use crate::changes::{StoredTask, TaskChange, save_all};
use crate::codec::{Columns, Record, ids, integer, micros, select, texts};
use crate::driver::{Connection, QueryBuilder, query};
use crate::runs;
use crate::statement::{ROWS_A_STATEMENT, find, list, list_by_ids, run_built};
use crate::tasks::{in_status_without_texts, standings, unknown};
use crate::write::Write;

const DEPENDENTS: &str = "dependents";

pub(crate) fn replace_pending(mut write: Write<'_>, plan: TaskPlan) -> Result<Vec<Task>> {
    let run_id = plan.run_id;
    let new = match Plan::read(write.connection, write.now, plan)? {
        Plan::Repeated(tasks) => return Ok(tasks),
        Plan::New(new) => new,
    };
    plan::check_kept(&new.tasks, |id| new.outside.get(&id).copied())?;
    let mut replaceable: Vec<StoredTask> = Vec::new();
    for status in TaskStatus::ALL {
        if tasks::is_replaceable(status) {
            let in_status = in_status_without_texts(run_id, status);
            replaceable.extend(list(write.connection, in_status)?);
        }
    }
    let replaced: Vec<TaskChange> = replaceable
        .into_iter()
        .map(|stored| (stored.before, tasks::replaced(stored.task, write.now)))
        .collect();
    save_all(&mut write, &replaced)?;
    new.insert(&mut write)
}

pub(crate) fn append(mut write: Write<'_>, plan: TaskPlan) -> Result<Vec<Task>> {
    match Plan::read(write.connection, write.now, plan)? {
        Plan::Repeated(tasks) => Ok(tasks),
        Plan::New(new) => new.insert(&mut write),
    }
}

enum Plan {
    Repeated(Vec<Task>),
    New(NewTasks),
}

struct NewTasks {
    tasks: Vec<Task>,
    /// The number of the first of them in the store, after every task that there is.
    first_number: u64,
    /// How the tasks outside the plan stand that it depends on.
    outside: HashMap<TaskId, TaskStatus>,
}

impl Plan {
    fn read(connection: &Connection, now: Timestamp, plan: TaskPlan) -> Result<Self> {
        let run_id = plan.run_id;
        runs::check(connection, run_id)?;
        let named: Vec<Option<TaskId>> = plan.drafts.iter().map(|draft| draft.id).collect();
        let stored: Vec<Task> = list_by_ids(
            connection,
            select!(Task, "WHERE id IN ("),
            &Vec::from_iter(named.iter().flatten().map(|id| id.as_uuid())),
        )?;
        let mut stored: HashMap<TaskId, Task> =
            stored.into_iter().map(|task| (task.id, task)).collect();
        let last = Last::of_run(connection, run_id)?;
        let tasks = plan::tasks(plan, last.position + 1, now)?;
        let outside = statuses_outside(connection, run_id, &tasks)?;
        let stored = named.iter().map(|id| stored.remove(id.as_ref()?)).collect();
        Ok(match retry::answer_plan(stored, &tasks)? {
            Some(repeated) => Self::Repeated(repeated),
            None => Self::New(NewTasks {
                tasks,
                first_number: last.number + 1,
                outside,
            }),
        })
    }
}

/// The last position of a run and the last number of the store; 0 if there is none.
struct Last {
    position: u64,
    number: u64,
}

impl Last {
    fn of_run(connection: &Connection, run_id: RunId) -> Result<Self> {
        let last = query(
            "SELECT coalesce((SELECT max(position) FROM tasks WHERE run_id = ?), 0) AS position, \
             coalesce((SELECT max(number) FROM tasks), 0) AS number",
        );
        let last = find(connection, last.bind(run_id.as_uuid()))?;
        Ok(last.unwrap_or(Self {
            position: 0,
            number: 0,
        }))
    }
}

impl Record for Last {
    const TABLE: &'static str = Task::TABLE;
    const NUMBER: &'static str = Task::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            position: row.get("position")?,
            number: row.get("number")?,
        })
    }
}

/// How the tasks outside a plan stand that its tasks depend on.
///
/// # Errors
/// `NotFound` for the first that is not a task of the run.
fn statuses_outside(
    connection: &Connection,
    run_id: RunId,
    new: &[Task],
) -> Result<HashMap<TaskId, TaskStatus>> {
    let outside = plan::outside(new);
    let ids = Vec::from_iter(outside.iter().map(|id| id.as_uuid()));
    let named = standings(connection, &ids)?;
    let of_run = named.into_iter().filter(|(_, task)| task.run_id == run_id);
    let statuses: HashMap<TaskId, TaskStatus> =
        of_run.map(|(id, task)| (id, task.status)).collect();
    match outside.into_iter().find(|id| !statuses.contains_key(id)) {
        Some(missing) => Err(unknown(missing)),
        None => Ok(statuses),
    }
}

impl NewTasks {
    fn insert(self, write: &mut Write<'_>) -> Result<Vec<Task>> {
        let Self {
            tasks,
            first_number,
            outside,
        } = self;
        let numbers = (first_number..)
            .zip(&tasks)
            .map(|(number, task)| Ok((integer(number)?, integer(task.position)?)));
        let numbers: Vec<(i64, i64)> = numbers.collect::<Result<_>>()?;
        for (tasks, numbers) in tasks
            .chunks(ROWS_A_STATEMENT)
            .zip(numbers.chunks(ROWS_A_STATEMENT))
        {
            let mut statement = QueryBuilder::new(
                "INSERT INTO tasks (id, run_id, position, status, attempt_count, updated_at, \
                 created_at, blocker_signature, implementation_summary, title, objective, \
                 acceptance_criteria, verification_steps, allowed_paths, number, priority, place, \
                 unmet, available_from, not_before, delayed_until, lease_expires_at, \
                 max_attempts, worker, depends_on) ",
            );
            statement.push_values(
                tasks.iter().zip(numbers),
                |mut row, (task, (number, position))| {
                    let unmet = plan::unmet(task, |id| outside.get(&id).copied());
                    let scheduled = write.schedule(task, unmet);
                    row.push_bind(task.id.as_uuid())
                        .push_bind(task.run_id.as_uuid())
                        .push_bind(*position)
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
                        .push_bind(texts(&task.allowed_paths))
                        .push_bind(*number)
                        .push_bind(task.priority)
                        .push_bind(scheduled.place)
                        .push_bind(unmet)
                        .push_bind(scheduled.available_from)
                        .push_bind(micros(task.not_before))
                        .push_bind(micros(task.delayed_until))
                        .push_bind(micros(task.lease_expires_at))
                        .push_bind(task.max_attempts)
                        .push_bind(task.worker.as_deref())
                        .push_bind(ids(&task.depends_on));
                },
            );
            run_built(write.connection, Task::TABLE, statement)?;
        }
        insert_dependents(write.connection, &tasks)?;
        Ok(tasks)
    }
}

/// Notes which tasks wait for which, once all of the plan are there.
fn insert_dependents(connection: &Connection, tasks: &[Task]) -> Result<()> {
    let mut pairs: Vec<[Uuid; 2]> = tasks
        .iter()
        .flat_map(|task| {
            task.depends_on
                .iter()
                .map(|id| [id.as_uuid(), task.id.as_uuid()])
        })
        .collect();
    // In the order of their keys: written at random, many of them would read and write each page many times.
    pairs.sort_unstable();
    for pairs in pairs.chunks(ROWS_A_STATEMENT) {
        let mut statement = QueryBuilder::new("INSERT INTO dependents (dependency, dependent) ");
        statement.push_values(pairs, |mut row, [dependency, dependent]| {
            row.push_bind(*dependency).push_bind(*dependent);
        });
        run_built(connection, DEPENDENTS, statement)?;
    }
    Ok(())
}
