//! The tables of a store and the version of their format. `docs/formats.md` describes them.

use std::path::Path;

use redb::{
    Database, MultimapTableHandle, ReadTransaction, ReadableDatabase, TableDefinition, TableError,
    TableHandle,
};
use runstore_core::{
    AgentState, Approval, Artifact, Cause, Checkpoint, Error, Event, Pauses, Result, Run,
    TaskAttempt, Uuid, Wakes,
};

use crate::codec::Binary;
use crate::error;
use crate::former;
use crate::journal::Journal;
use crate::parts::TaskPlanned;
use crate::queue::Queue;
use crate::states::{States, TaskKey};
use crate::table::{Access, Reading, Table, Writing};
use crate::writer;

/// The version of the format that this version reads and writes.
const FORMAT: u64 = 3;

/// The table that makes a file of redb a store.
const META: &str = "runstore_meta";
/// The entry of [`META`] with the version of the format.
const META_FORMAT: &str = "format";
/// The entry of [`META`] with the number of the run that was created last.
pub(crate) const META_LAST_RUN_NUMBER: &str = "last_run_number";
/// The entry of [`META`] with the number of the task that was planned last, of whichever run.
pub(crate) const META_LAST_TASK_NUMBER: &str = "last_task_number";

/// All tables, within one transaction.
pub(crate) struct Tables<A: Access> {
    pub(crate) meta: Table<A, &'static str, u64>,
    pub(crate) runs: Table<A, Uuid, Binary<Run>>,
    pub(crate) run_numbers: Table<A, Uuid, u64>,
    pub(crate) runs_by_number: Table<A, u64, Uuid>,
    /// Keyed by run and role. UTF-8 holds no byte `0xff`, so that a run's roles end before it.
    pub(crate) agents: Table<A, (u64, &'static [u8]), Binary<AgentState>>,
    pub(crate) tasks: Table<A, TaskKey, Binary<TaskPlanned>>,
    pub(crate) task_ids: Table<A, Uuid, TaskKey>,
    pub(crate) states: States<A>,
    /// What can be claimed, in the order of claims: by the priority, negated, then as planned.
    pub(crate) ready: Queue<A>,
    /// What can be claimed from a time on: by that time in microseconds, then as planned.
    pub(crate) due: Queue<A>,
    /// Keyed by the run, a task, and one that depends on it.
    pub(crate) dependents: Table<A, (u64, u64, u64), ()>,
    /// Keyed by run, task and number of the attempt: the claims that ended with a report (clause C5), but
    /// for the last claim of each task, whose state tells.
    pub(crate) finished_claims: Table<A, (u64, u64, u32), ()>,
    pub(crate) attempts: Journal<A, TaskAttempt>,
    /// Keyed by run, task and the attempt's number in its run: all but the latest attempt of each task,
    /// which its state tells.
    pub(crate) earlier_attempts: Table<A, (u64, u64, u64), ()>,
    pub(crate) events: Journal<A, Event>,
    pub(crate) artifacts: Journal<A, Artifact>,
    pub(crate) approvals: Journal<A, Approval>,
    pub(crate) checkpoints: Journal<A, Checkpoint>,
    /// What the writes changed for those who wait for a claim; nothing where none writes.
    pub(crate) wakes: Wakes,
}

impl<A: Access> Tables<A> {
    pub(crate) fn new(access: A) -> Self {
        Self {
            meta: Table::new(access, META),
            runs: Table::new(access, "runs"),
            run_numbers: Table::new(access, "run_numbers"),
            runs_by_number: Table::new(access, "runs_by_number"),
            agents: Table::new(access, "agents"),
            tasks: Table::new(access, "tasks"),
            task_ids: Table::new(access, "task_ids"),
            states: States::new(access),
            ready: Queue::new(access, "ready", "first_ready"),
            due: Queue::new(access, "due", "first_due"),
            dependents: Table::new(access, "dependents"),
            finished_claims: Table::new(access, "finished_claims"),
            attempts: Journal::new(access, "attempts", "attempt_ids"),
            earlier_attempts: Table::new(access, "earlier_attempts"),
            events: Journal::new(access, "events", "event_ids"),
            artifacts: Journal::new(access, "artifacts", "artifact_ids"),
            approvals: Journal::new(access, "approvals", "approval_ids"),
            checkpoints: Journal::new(access, "checkpoints", "checkpoint_ids"),
            wakes: Wakes::default(),
        }
    }
}

impl Tables<Writing<'_>> {
    /// Creates the tables that there are not, and writes the version of the format.
    pub(crate) fn create(&mut self) -> Result<()> {
        // Named one by one, so that a table that is left out here does not compile.
        let Self {
            meta,
            runs,
            run_numbers,
            runs_by_number,
            agents,
            tasks,
            task_ids,
            states,
            ready,
            due,
            dependents,
            finished_claims,
            attempts,
            earlier_attempts,
            events,
            artifacts,
            approvals,
            checkpoints,
            wakes: _,
        } = self;
        runs.open()?;
        run_numbers.open()?;
        runs_by_number.open()?;
        agents.open()?;
        tasks.open()?;
        task_ids.open()?;
        states.open()?;
        ready.open()?;
        due.open()?;
        dependents.open()?;
        finished_claims.open()?;
        attempts.open()?;
        earlier_attempts.open()?;
        events.open()?;
        artifacts.open()?;
        approvals.open()?;
        checkpoints.open()?;
        meta.put(META_FORMAT, FORMAT)
    }

    /// Brings up to date what is kept for a whole batch, before it is committed.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.ready.settle()?;
        self.due.settle()
    }
}

/// What a file of redb holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// No table at all.
    Nothing,
    /// A store in an earlier format.
    Older,
    /// A store in the format of this version.
    Store,
}

/// Looks at what the file holds.
///
/// # Errors
/// `Incompatible` if it is another application's or of another format.
pub(crate) fn contents(path: &Path, database: &impl ReadableDatabase) -> Result<Contents> {
    let transaction = database.begin_read().map_err(error::transaction)?;
    let names =
        table_names(&transaction).map_err(|error| error::storage("the list of tables", error))?;
    if names.is_empty() {
        return Ok(Contents::Nothing);
    }
    if !names.iter().any(|name| name == META) {
        return Err(foreign(path, None));
    }
    let definition = TableDefinition::<&str, u64>::new(META);
    match transaction.open_table(definition) {
        Ok(_) => {}
        Err(TableError::Storage(error)) => return Err(error::in_table(META, error)),
        Err(error) => return Err(foreign(path, Some(Cause::new(error)))),
    }
    let reading = Reading {
        transaction: &transaction,
        pauses: &Pauses::default(),
    };
    match Tables::new(reading).meta.get(META_FORMAT)? {
        FORMAT => Ok(Contents::Store),
        newer @ FORMAT.. => {
            let found = format!(
                "is a store of format {newer}, and this version of runstore knows up to {FORMAT}"
            );
            Err(error::incompatible(path, &found, "upgrade runstore", None))
        }
        // Formats are counted from 1.
        1..FORMAT => Ok(Contents::Older),
        other => {
            let found =
                format!("says that it is of format {other}, which no version of runstore wrote");
            Err(error::incompatible(path, &found, error::ANOTHER_FILE, None))
        }
    }
}

fn foreign(path: &Path, source: Option<Cause>) -> Error {
    let found = "is a redb file of another application";
    error::incompatible(path, found, error::ANOTHER_FILE, source)
}

fn table_names(transaction: &ReadTransaction) -> redb::Result<Vec<String>> {
    let tables = transaction.list_tables()?;
    let multimaps = transaction.list_multimap_tables()?;
    Ok(tables
        .map(|table| table.name().to_owned())
        .chain(multimaps.map(|table| table.name().to_owned()))
        .collect())
}

/// Makes the file a store of this format, if it holds nothing yet, or one of an earlier format.
///
/// # Errors
/// As [`contents`].
pub(crate) fn prepare(path: &Path, database: &Database) -> Result<()> {
    match contents(path, database)? {
        Contents::Store => Ok(()),
        // All that changes, and the version, in one commit: a file has both or neither.
        Contents::Nothing => writer::write_one(database, |tables, _| tables.create()),
        Contents::Older => {
            let path = path.display();
            tracing::info!(%path, format = FORMAT, "the store is converted to a newer format");
            writer::write_one(database, former::convert)
        }
    }
}
