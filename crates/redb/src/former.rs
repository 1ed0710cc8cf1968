//! The formats before this one, and how a store is brought out of them. Formats 1 and 2 had records as JSON
//! and keys of ids; format 1 had no priorities, delays and dependencies, and no numbers of tasks over all
//! runs.

use std::any::type_name;
use std::fmt::{self, Debug};
use std::marker::PhantomData;

use redb::{TableDefinition, TableHandle};
use runstore_core::rules::retry::Created;
use runstore_core::{
    AgentState, Approval, Artifact, Checkpoint, Event, Result, Run, RunId, Task, TaskAttempt,
    TaskId, TaskStatus, Timestamp, Uuid,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::codec::{CodecError, Record, Stored, plain_bytes};
use crate::error;
use crate::journal::Journal;
use crate::parts::Kept;
use crate::schema::{META_LAST_TASK_NUMBER, Tables};
use crate::states::RunKey;
use crate::table::{Table, Writing};

/// The tables whose rows are read, with their names while they are.
const READ: [(&str, &str); 13] = [
    ("runs", "former_runs"),
    ("agents", "former_agents"),
    ("tasks", "former_tasks"),
    ("task_states", "former_task_states"),
    ("tasks_by_status", "former_tasks_by_status"),
    ("dependents", "former_dependents"),
    ("finished_claims", "former_finished_claims"),
    ("attempts", "former_attempts"),
    ("attempts_by_task", "former_attempts_by_task"),
    ("events", "former_events"),
    ("artifacts", "former_artifacts"),
    ("approvals", "former_approvals"),
    ("checkpoints", "former_checkpoints"),
];

/// The tables of which all follows from the others.
const DERIVED: [&str; 9] = [
    "ready_by_run",
    "ready",
    "due_by_run",
    "due",
    "attempt_ids",
    "event_ids",
    "artifact_ids",
    "approval_ids",
    "checkpoint_ids",
];

/// A record as JSON.
struct Json<T>(PhantomData<fn() -> T>);

impl<T> Debug for Json<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Json<{}>", type_name::<T>())
    }
}

plain_bytes!(Json);

impl<T: DeserializeOwned + 'static> Stored for Json<T> {
    type Decoded = T;

    fn decode(value: &[u8]) -> std::result::Result<T, CodecError> {
        Ok(serde_json::from_slice(value)?)
    }
}

/// The part of a task that never changes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Planned {
    title: String,
    objective: String,
    acceptance_criteria: Vec<String>,
    verification_steps: Vec<String>,
    allowed_paths: Vec<String>,
    #[serde(default)]
    depends_on: Vec<TaskId>,
    max_attempts: Option<u32>,
    created_at: Timestamp,
}

/// The part of a task that changes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    run_id: RunId,
    position: u64,
    number: Option<u64>,
    status: TaskStatus,
    attempt_count: u32,
    #[serde(default)]
    priority: i32,
    not_before: Option<Timestamp>,
    #[serde(default)]
    unmet: u32,
    delayed_until: Option<Timestamp>,
    worker: Option<String>,
    lease_expires_at: Option<Timestamp>,
    implementation_summary: Option<String>,
    blocker_signature: Option<String>,
    updated_at: Timestamp,
}

type Records<'t, T> = Table<Writing<'t>, (Uuid, u64), Json<T>>;

/// The tables of a store of a former format, under the names that they have while they are read.
struct Former<'t> {
    runs: Table<Writing<'t>, Uuid, Json<Run>>,
    agents: Table<Writing<'t>, (Uuid, &'static [u8]), Json<AgentState>>,
    tasks: Table<Writing<'t>, Uuid, Json<Planned>>,
    task_states: Table<Writing<'t>, Uuid, Json<State>>,
    /// Keyed by run, status and position.
    tasks_by_status: Table<Writing<'t>, (Uuid, u8, u64), Uuid>,
    /// Keyed by a task and one that depends on it.
    dependents: Table<Writing<'t>, (Uuid, Uuid), ()>,
    finished_claims: Table<Writing<'t>, (Uuid, u32), ()>,
    attempts: Records<'t, TaskAttempt>,
    attempts_by_task: Table<Writing<'t>, (Uuid, u64), ()>,
    events: Records<'t, Event>,
    artifacts: Records<'t, Artifact>,
    approvals: Records<'t, Approval>,
    checkpoints: Records<'t, Checkpoint>,
}

/// A status in a key.
pub(crate) const fn status_number(status: TaskStatus) -> u8 {
    match status {
        TaskStatus::Pending => 1,
        TaskStatus::InProgress => 2,
        TaskStatus::Completed => 3,
        TaskStatus::Blocked => 4,
        TaskStatus::Abandoned => 5,
    }
}

/// Makes a store of a former format one of this format. Row by row, for a store may be larger than the
/// memory.
pub(crate) fn convert<'t>(tables: &mut Tables<Writing<'t>>, writing: Writing<'t>) -> Result<()> {
    for name in DERIVED {
        delete(writing, name)?;
    }
    for (name, aside) in READ {
        set_aside(writing, name, aside)?;
    }
    let former = Former::new(writing);
    let mut count = 0;
    for run in tables.run_keys()? {
        count += former.copy_tasks(tables, run, count)?;
        former.copy_records(tables, run)?;
    }
    former.copy_dependents(tables)?;
    // Format 1 has none.
    if tables.meta.find(META_LAST_TASK_NUMBER)?.is_none() {
        tables.meta.put(META_LAST_TASK_NUMBER, count)?;
    }
    drop(former);
    for (_, aside) in READ {
        delete(writing, aside)?;
    }
    tables.create()
}

fn definition(name: &str) -> TableDefinition<'_, (), ()> {
    TableDefinition::new(name)
}

fn delete(writing: Writing<'_>, name: &str) -> Result<()> {
    let deleted = writing.transaction.delete_table(definition(name));
    deleted.map(drop).map_err(|error| error::table(name, error))
}

fn set_aside(writing: Writing<'_>, name: &str, aside: &str) -> Result<()> {
    let transaction = writing.transaction;
    let tables = transaction.list_tables();
    let mut tables = tables.map_err(|error| error::storage("the list of tables", error))?;
    if !tables.any(|table| table.name() == name) {
        return Ok(());
    }
    let renamed = transaction.rename_table(definition(name), definition(aside));
    renamed.map_err(|error| error::table(name, error))
}

impl<'t> Former<'t> {
    fn new(writing: Writing<'t>) -> Self {
        Self {
            runs: Table::new(writing, "former_runs"),
            agents: Table::new(writing, "former_agents"),
            tasks: Table::new(writing, "former_tasks"),
            task_states: Table::new(writing, "former_task_states"),
            tasks_by_status: Table::new(writing, "former_tasks_by_status"),
            dependents: Table::new(writing, "former_dependents"),
            finished_claims: Table::new(writing, "former_finished_claims"),
            attempts: Table::new(writing, "former_attempts"),
            attempts_by_task: Table::new(writing, "former_attempts_by_task"),
            events: Table::new(writing, "former_events"),
            artifacts: Table::new(writing, "former_artifacts"),
            approvals: Table::new(writing, "former_approvals"),
            checkpoints: Table::new(writing, "former_checkpoints"),
        }
    }

    /// Copies the tasks of a run, and tells how many there are. Those without a number get one after the
    /// `before` tasks of the runs before.
    fn copy_tasks(
        &self,
        tables: &mut Tables<Writing<'t>>,
        run: RunKey,
        before: u64,
    ) -> Result<u64> {
        let mut count = 0;
        for status in TaskStatus::ALL {
            let (id, number) = (run.id.as_uuid(), status_number(status));
            let keys = (id, number, 0)..=(id, number, u64::MAX);
            let of_status = |(_, _, position), id| (position, id);
            for row in self.tasks_by_status.entries(keys, of_status)? {
                let (position, task_id) = row?;
                let state = self.task_states.get(task_id)?;
                if (state.run_id, state.status, state.position) != (run.id, status, position) {
                    return Err(error::contradicted(self.tasks_by_status.name(), &task_id));
                }
                let number = state.number.unwrap_or(before.saturating_add(position));
                self.copy_task(tables, run, task_id, state, number)?;
                count += 1;
            }
        }
        Ok(count)
    }

    fn copy_task(
        &self,
        tables: &mut Tables<Writing<'t>>,
        run: RunKey,
        task_id: Uuid,
        state: State,
        number: u64,
    ) -> Result<()> {
        let mut kept = Kept {
            number,
            unmet: state.unmet,
            last_attempt: 0,
            is_reported: false,
        };
        let attempts = (task_id, 0)..=(task_id, u64::MAX);
        for attempt in self.attempts_by_task.keys(attempts, |(_, number)| number)? {
            let attempt = attempt?;
            if kept.last_attempt != 0 {
                let earlier = (run.number, state.position, kept.last_attempt);
                tables.earlier_attempts.put(earlier, ())?;
            }
            kept.last_attempt = attempt;
        }
        let claims = (task_id, 0)..=(task_id, u32::MAX);
        for claim in self.finished_claims.keys(claims, |(_, number)| number)? {
            match claim? {
                last if last == state.attempt_count => kept.is_reported = true,
                earlier => {
                    let claim = (run.number, state.position, earlier);
                    tables.finished_claims.put(claim, ())?;
                }
            }
        }
        let task = task(task_id, self.tasks.get(task_id)?, state);
        // What waits for a time is put with its time: the next claim takes it up, as it always does.
        tables.put_new(run, &task, kept, Timestamp::MIN)
    }

    fn copy_dependents(&self, tables: &mut Tables<Writing<'t>>) -> Result<()> {
        for pair in self.dependents.keys(.., |pair| pair)? {
            let (task_id, dependent) = pair?;
            let (run, position) = tables.task_ids.get(task_id)?;
            let (_, dependent) = tables.task_ids.get(dependent)?;
            tables.dependents.put((run, position, dependent), ())?;
        }
        Ok(())
    }

    fn copy_records(&self, tables: &mut Tables<Writing<'t>>, run: RunKey) -> Result<()> {
        let id = run.id.as_uuid();
        tables.runs.write(id, &self.runs.get(id)?)?;
        // UTF-8 holds no byte `0xff`.
        let agents = (id, b"".as_slice())..(id, b"\xff".as_slice());
        for agent in self.agents.values(agents)? {
            let agent = agent?;
            let key = (run.number, agent.role.as_str().as_bytes());
            tables.agents.write(key, &agent)?;
        }
        copy_journal(&self.attempts, &mut tables.attempts, run)?;
        copy_journal(&self.events, &mut tables.events, run)?;
        copy_journal(&self.artifacts, &mut tables.artifacts, run)?;
        copy_journal(&self.approvals, &mut tables.approvals, run)?;
        copy_journal(&self.checkpoints, &mut tables.checkpoints, run)
    }
}

fn copy_journal<'t, T: Created + Record + DeserializeOwned>(
    records: &Records<'t, T>,
    journal: &mut Journal<Writing<'t>, T>,
    run: RunKey,
) -> Result<()> {
    let id = run.id.as_uuid();
    for row in records.rows((id, 0)..=(id, u64::MAX))? {
        let (number, record) = row?;
        journal.put(run, number, &record)?;
    }
    Ok(())
}

fn task(id: Uuid, planned: Planned, state: State) -> Task {
    Task {
        id: id.into(),
        run_id: state.run_id,
        position: state.position,
        title: planned.title,
        objective: planned.objective,
        acceptance_criteria: planned.acceptance_criteria,
        verification_steps: planned.verification_steps,
        allowed_paths: planned.allowed_paths,
        status: state.status,
        attempt_count: state.attempt_count,
        implementation_summary: state.implementation_summary,
        blocker_signature: state.blocker_signature,
        priority: state.priority,
        not_before: state.not_before,
        depends_on: planned.depends_on,
        max_attempts: planned.max_attempts,
        delayed_until: state.delayed_until,
        worker: state.worker,
        lease_expires_at: state.lease_expires_at,
        created_at: planned.created_at,
        updated_at: state.updated_at,
    }
}
