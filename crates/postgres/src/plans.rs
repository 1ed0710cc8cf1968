//! Plans: the tasks that one call gives to a run (clauses T1, T2 and C9).

use std::collections::HashMap;

use runstore_core::rules::schedule::available_from;
use runstore_core::rules::{plan, retry, tasks};
use runstore_core::{Result, RunId, Task, TaskId, TaskPlan, TaskStatus, Timestamp, Uuid};
use sqlx::query;

use crate::changes::{StoredTask, TaskChange, save_all};
use crate::codec::{
    Columns, Record, ids, integer, optional_time, select, task_tables, texts, time,
};
use crate::connections::Session;
use crate::runs;
use crate::statement::{change, list, value};
use crate::tasks::{in_statuses_without_texts, unknown};
use crate::text::text;
use crate::write::Write;

/// How many tasks one statement adds.
const TASKS_A_STATEMENT: usize = 1_000;

/// How many bytes of their texts it carries, about; a single task may have more.
const BYTES_A_STATEMENT: usize = 32 * 1024 * 1024;

pub(crate) async fn replace_pending(mut write: Write<'_>, plan: TaskPlan) -> Result<Vec<Task>> {
    let run_id = plan.run_id;
    let new = match Plan::read(write.session, write.now, plan).await? {
        Plan::Repeated(tasks) => return Ok(tasks),
        Plan::New(new) => new,
    };
    plan::check_kept(&new.tasks, |id| {
        new.outside.get(&id).map(|task| task.status)
    })?;
    let replaceable: Vec<TaskStatus> = TaskStatus::ALL
        .into_iter()
        .filter(|status| tasks::is_replaceable(*status))
        .collect();
    let stored = in_statuses_without_texts(run_id, &replaceable);
    let stored: Vec<StoredTask> = list(write.session, stored).await?;
    let replaced: Vec<TaskChange> = stored
        .into_iter()
        .map(|stored| (stored.before, tasks::replaced(stored.task, write.now)))
        .collect();
    save_all(&mut write, &replaced).await?;
    new.insert(&mut write).await
}

pub(crate) async fn append(mut write: Write<'_>, plan: TaskPlan) -> Result<Vec<Task>> {
    match Plan::read(write.session, write.now, plan).await? {
        Plan::Repeated(tasks) => Ok(tasks),
        Plan::New(new) => new.insert(&mut write).await,
    }
}

enum Plan {
    Repeated(Vec<Task>),
    New(NewTasks),
}

struct NewTasks {
    tasks: Vec<Task>,
    /// The tasks outside the plan that it depends on.
    outside: HashMap<TaskId, Outside>,
}

impl Plan {
    async fn read(session: &mut Session, now: Timestamp, plan: TaskPlan) -> Result<Self> {
        let run_id = plan.run_id;
        runs::check(session, run_id).await?;
        let named: Vec<Option<TaskId>> = plan.drafts.iter().map(|draft| draft.id).collect();
        let mut stored: HashMap<TaskId, Task> = HashMap::new();
        if named.iter().any(Option::is_some) {
            let ids = named.iter().flatten().map(|id| id.as_uuid());
            let by_ids =
                query(select!(Task by ids, "WHERE t.id = ANY ($1)")).bind(Vec::from_iter(ids));
            let found: Vec<Task> = list(session, by_ids).await?;
            stored.extend(found.into_iter().map(|task| (task.id, task)));
        }
        let last = query("SELECT last FROM counters WHERE run_id = $1 AND kind = 'tasks'");
        let last: Option<i64> = value(session, "counters", last.bind(run_id.as_uuid())).await?;
        let first = u64::try_from(last.unwrap_or(0)).unwrap_or(0) + 1;
        let tasks = plan::tasks(plan, first, now)?;
        let outside = outside(session, run_id, &tasks).await?;
        let stored = named.iter().map(|id| stored.remove(id.as_ref()?)).collect();
        Ok(match retry::answer_plan(stored, &tasks)? {
            Some(repeated) => Self::Repeated(repeated),
            None => Self::New(NewTasks { tasks, outside }),
        })
    }
}

/// A task outside a plan that its tasks depend on.
struct Outside {
    id: TaskId,
    run_id: RunId,
    position: u64,
    status: TaskStatus,
}

impl Record for Outside {
    const TABLE: &'static str = Task::TABLE;
    const NUMBER: &'static str = Task::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            run_id: row.id("run_id")?,
            position: row.number("position")?,
            status: row.status("status")?,
        })
    }
}

/// Reads the tasks outside a plan that its tasks depend on.
///
/// # Errors
/// `NotFound` for the first that is not a task of the run.
async fn outside(
    session: &mut Session,
    run_id: RunId,
    new: &[Task],
) -> Result<HashMap<TaskId, Outside>> {
    let named = plan::outside(new);
    if named.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = named.iter().map(|id| id.as_uuid());
    let by_ids = query(concat!(
        "SELECT t.id, s.run_id, s.position, s.status",
        task_tables!(by ids),
        "WHERE t.id = ANY ($1)"
    ));
    let found: Vec<Outside> = list(session, by_ids.bind(Vec::from_iter(ids))).await?;
    let of_run = found.into_iter().filter(|task| task.run_id == run_id);
    let found: HashMap<TaskId, Outside> = of_run.map(|task| (task.id, task)).collect();
    match named.into_iter().find(|id| !found.contains_key(id)) {
        Some(missing) => Err(unknown(missing)),
        None => Ok(found),
    }
}

impl NewTasks {
    async fn insert(self, write: &mut Write<'_>) -> Result<Vec<Task>> {
        let Self { tasks, outside } = self;
        let Some(run_id) = tasks.first().map(|task| task.run_id) else {
            return Ok(tasks);
        };
        let count = integer(tasks.len() as u64)?;
        let positions =
            query("UPDATE counters SET last = last + $2 WHERE run_id = $1 AND kind = 'tasks'");
        let positions = positions.bind(run_id.as_uuid()).bind(count);
        change(write.session, "counters", positions).await?;
        // Whoever plans in another run waits for this number until the commit: it is taken after every check.
        let last =
            query("UPDATE store_counters SET last = last + $1 WHERE name = 'tasks' RETURNING last");
        let last: Option<i64> = value(write.session, "store_counters", last.bind(count)).await?;
        let mut numbers = last.unwrap_or(count) - count + 1..;
        let mut rest = &tasks[..];
        while !rest.is_empty() {
            let (chunk, others) = rest.split_at(size_of_chunk(rest));
            let unmet = chunk
                .iter()
                .map(|task| plan::unmet(task, |id| outside.get(&id).map(|of| of.status)));
            let unmet: Vec<u32> = unmet.collect();
            insert_fixed(write.session, chunk).await?;
            insert_states(write, chunk, &unmet, &mut numbers).await?;
            rest = others;
        }
        insert_dependents(write.session, &tasks, &outside).await?;
        Ok(tasks)
    }
}

/// How many of these tasks one statement adds, at least one.
fn size_of_chunk(tasks: &[Task]) -> usize {
    let mut bytes = 0;
    let fits = tasks.iter().take(TASKS_A_STATEMENT).take_while(|task| {
        let lists = [
            &task.acceptance_criteria,
            &task.verification_steps,
            &task.allowed_paths,
        ];
        bytes += task.title.len() + task.objective.len() + 40 * task.depends_on.len();
        bytes += lists.into_iter().flatten().map(String::len).sum::<usize>();
        bytes <= BYTES_A_STATEMENT
    });
    fits.count().max(1)
}

async fn insert_fixed(session: &mut Session, tasks: &[Task]) -> Result<()> {
    let positions: Result<Vec<i64>> = tasks.iter().map(|task| integer(task.position)).collect();
    let insert = query(
        "INSERT INTO tasks (run_id, position, id, created_at, depends_on, title, objective, \
         acceptance_criteria, verification_steps, allowed_paths) \
         SELECT run_id, position, id, created_at, depends_on::uuid[], title, objective, \
         acceptance_criteria, verification_steps, allowed_paths \
         FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], \
         $6::text[], $7::text[], $8::text[], $9::text[], $10::text[]) \
         AS g (run_id, position, id, created_at, depends_on, title, objective, \
         acceptance_criteria, verification_steps, allowed_paths)",
    )
    .bind(each(tasks, |task| task.run_id.as_uuid()))
    .bind(positions?)
    .bind(each(tasks, |task| task.id.as_uuid()))
    .bind(each(tasks, |task| time(task.created_at)))
    .bind(each(tasks, |task| ids(&task.depends_on)))
    .bind(each(tasks, |task| text(&task.title)))
    .bind(each(tasks, |task| text(&task.objective)))
    .bind(each(tasks, |task| texts(&task.acceptance_criteria)))
    .bind(each(tasks, |task| texts(&task.verification_steps)))
    .bind(each(tasks, |task| texts(&task.allowed_paths)));
    change(session, Task::TABLE, insert).await?;
    Ok(())
}

async fn insert_states(
    write: &mut Write<'_>,
    tasks: &[Task],
    unmet: &[u32],
    numbers: &mut impl Iterator<Item = i64>,
) -> Result<()> {
    let positions: Result<Vec<i64>> = tasks.iter().map(|task| integer(task.position)).collect();
    let from = each(tasks, available_from);
    let mut places = Vec::with_capacity(tasks.len());
    for ((task, from), unmet) in tasks.iter().zip(&from).zip(unmet) {
        places.push(write.place(task.run_id, *from, *unmet));
    }
    let insert = query(
        "INSERT INTO task_states (run_id, position, number, status, attempt_count, priority, \
         place, unmet, max_attempts, available_from, not_before, updated_at) \
         SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], \
         $6::integer[], $7::smallint[], $8::bigint[], $9::bigint[], $10::timestamptz[], \
         $11::timestamptz[], $12::timestamptz[])",
    )
    .bind(each(tasks, |task| task.run_id.as_uuid()))
    .bind(positions?)
    .bind(Vec::from_iter(numbers.take(tasks.len())))
    .bind(each(tasks, |task| task.status.as_str().to_owned()))
    .bind(each(tasks, |task| i64::from(task.attempt_count)))
    .bind(each(tasks, |task| task.priority))
    .bind(places)
    .bind(Vec::from_iter(unmet.iter().map(|unmet| i64::from(*unmet))))
    .bind(each(tasks, |task| task.max_attempts.map(i64::from)))
    .bind(Vec::from_iter(from.into_iter().map(optional_time)))
    .bind(each(tasks, |task| optional_time(task.not_before)))
    .bind(each(tasks, |task| time(task.updated_at)));
    change(write.session, Task::TABLE, insert).await?;
    Ok(())
}

fn each<T>(tasks: &[Task], value: impl Fn(&Task) -> T) -> Vec<T> {
    tasks.iter().map(value).collect()
}

/// Notes which tasks wait for which, once all of the plan are there.
async fn insert_dependents(
    session: &mut Session,
    tasks: &[Task],
    outside: &HashMap<TaskId, Outside>,
) -> Result<()> {
    let within = tasks.iter().map(|task| (task.id, task.position));
    let of_outside = outside.iter().map(|(id, task)| (*id, task.position));
    let positions: HashMap<TaskId, u64> = within.chain(of_outside).collect();
    let mut pairs: Vec<(Uuid, i64, i64)> = Vec::new();
    for task in tasks {
        for id in &task.depends_on {
            let dependency = positions.get(id).copied().ok_or_else(|| unknown(*id))?;
            let pair = (integer(dependency)?, integer(task.position)?);
            pairs.push((task.run_id.as_uuid(), pair.0, pair.1));
        }
    }
    // In the order of their keys, in which a tree grows fastest.
    pairs.sort_unstable();
    for pairs in pairs.chunks(10 * TASKS_A_STATEMENT) {
        let insert = query(
            "INSERT INTO dependents (run_id, dependency, dependent) \
             SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[])",
        )
        .bind(Vec::from_iter(pairs.iter().map(|(run_id, ..)| *run_id)))
        .bind(Vec::from_iter(
            pairs.iter().map(|(_, dependency, _)| *dependency),
        ))
        .bind(Vec::from_iter(
            pairs.iter().map(|(.., dependent)| *dependent),
        ));
        change(session, "dependents", insert).await?;
    }
    Ok(())
}
