//! Rows to records and back.

use std::cell::Cell;
use std::fmt::Write;

use runstore_core::rules::retry::Created;
use runstore_core::{
    AgentState, Cause, Error, Result, Run, Task, TaskId, TaskStanding, TaskStatus, Timestamp, Uuid,
};
use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};
use serde_json::Value;

use crate::error::engine;

/// How many bytes most values take as JSON.
const JSON_OF_MOST: usize = 512;

/// The columns of a task, and what is kept beside its record.
macro_rules! task_columns {
    () => {
        concat!(
            $crate::codec::task_columns!(short),
            ", implementation_summary, title, objective, acceptance_criteria, verification_steps, ",
            "allowed_paths, depends_on, unmet"
        )
    };
    // As a record whose long texts are left out: for changes that neither write nor return them.
    (without texts) => {
        concat!(
            $crate::codec::task_columns!(short),
            ", NULL AS implementation_summary, '' AS title, '' AS objective, ",
            "'[]' AS acceptance_criteria, '[]' AS verification_steps, '[]' AS allowed_paths, ",
            "x'' AS depends_on, unmet"
        )
    };
    (short) => {
        "id, run_id, position, status, attempt_count, updated_at, created_at, blocker_signature, \
         priority, not_before, delayed_until, lease_expires_at, max_attempts, worker"
    };
}
pub(crate) use task_columns;

/// The beginning of every statement that reads records of a kind, completed by the rest of the statement.
macro_rules! select {
    (Run, $($rest:expr),+) => {
        concat!(
            "SELECT id, status, cycle_count, replan_count, current_task_id, created_at, updated_at, ",
            "summary, goal, repo_path, seq FROM runs ", $($rest),+
        )
    };
    (AgentState, $($rest:expr),+) => {
        concat!(
            "SELECT run_id, role, turns, rotation_count, updated_at, session_id, last_prompt_path, ",
            "last_response_path FROM agents ", $($rest),+
        )
    };
    (Task, $($rest:expr),+) => {
        concat!("SELECT ", $crate::codec::task_columns!(), " FROM tasks ", $($rest),+)
    };
    (Event, $($rest:expr),+) => {
        concat!(
            "SELECT run_id, key & 0xffffffff AS seq, event_id, ts, source, kind, message, payload FROM events ",
            $($rest),+
        )
    };
    (TaskAttempt, $($rest:expr),+) => {
        concat!(
            "SELECT id, run_id, task_id, attempt_number, status, created_at, blocker_signature, summary, result, ",
            "key & 0xffffffff AS seq FROM attempts ", $($rest),+
        )
    };
    (Artifact, $($rest:expr),+) => {
        concat!(
            "SELECT id, run_id, role, created_at, kind, path, metadata, key & 0xffffffff AS seq FROM artifacts ",
            $($rest),+
        )
    };
    (Approval, $($rest:expr),+) => {
        concat!(
            "SELECT id, run_id, source, verdict, created_at, rationale, payload, key & 0xffffffff AS seq FROM approvals ",
            $($rest),+
        )
    };
    (Checkpoint, $($rest:expr),+) => {
        concat!(
            "SELECT id, run_id, status, created_at, payload, key & 0xffffffff AS seq FROM checkpoints ", $($rest),+
        )
    };
}
pub(crate) use select;

/// A record that is kept as a row.
pub(crate) trait Record: Sized + Send {
    const TABLE: &'static str;

    /// The column that the records of a list are numbered by (clause G6).
    const NUMBER: &'static str;

    /// Makes it of the first columns of a row.
    fn from_row(row: &Columns<'_>) -> Result<Self>;
}

/// A record that can be found by its own id.
pub(crate) trait Named: Record + Created {
    /// The statement that finds it.
    const BY_ID: &'static str;
}

/// A row of a table. Its values are read in the order of the statement's columns, from the first on: SQLite knows them
/// by their place, and to look for a name costs more than the value. So a statement selects what a record reads, in
/// the order in which it reads it; a build with debug assertions looks at the names.
pub(crate) struct Columns<'r> {
    table: &'static str,
    row: &'r Row<'r>,
    /// How many values were read of the row.
    read: Cell<usize>,
}

impl<'r> Columns<'r> {
    pub(crate) fn of<T: Record>(row: &'r Row<'r>) -> Self {
        Self {
            table: T::TABLE,
            row,
            read: Cell::new(0),
        }
    }

    pub(crate) fn get<T: FromSql>(&self, column: &'static str) -> Result<T> {
        let value = FromSql::column_result(self.value(column)?);
        value.map_err(|error| self.corrupt(column, "is not of its type", error))
    }

    /// The number of the record in the list that it is of, whose place is looked for in the first row.
    pub(crate) fn number<T: Record>(&self, place: &mut Option<usize>) -> Result<u64> {
        let at = match *place {
            Some(at) => at,
            None => {
                let found = self.row.as_ref().column_index(T::NUMBER);
                let found = found.map_err(|error| self.unreadable(T::NUMBER, error))?;
                *place.insert(found)
            }
        };
        self.read.set(at);
        self.get(T::NUMBER)
    }

    fn text(&self, column: &'static str) -> Result<&str> {
        let value = self.value(column)?.as_str();
        value.map_err(|error| self.corrupt(column, "is no text", error))
    }

    fn bytes(&self, column: &'static str) -> Result<&[u8]> {
        let value = self.value(column)?.as_blob();
        value.map_err(|error| self.corrupt(column, "is no row of bytes", error))
    }

    fn value(&self, column: &'static str) -> Result<ValueRef<'_>> {
        let place = self.read.replace(self.read.get() + 1);
        debug_assert_eq!(self.row.as_ref().column_name(place), Ok(column));
        let value = self.row.get_ref(place);
        value.map_err(|error| self.unreadable(column, error))
    }

    fn unreadable(&self, column: &'static str, error: rusqlite::Error) -> Error {
        engine(&self.place(column), error)
    }

    pub(crate) fn id<T: From<Uuid>>(&self, column: &'static str) -> Result<T> {
        self.get::<Uuid>(column).map(T::from)
    }

    pub(crate) fn optional_id<T: From<Uuid>>(&self, column: &'static str) -> Result<Option<T>> {
        Ok(self.get::<Option<Uuid>>(column)?.map(T::from))
    }

    pub(crate) fn word<T: From<String>>(&self, column: &'static str) -> Result<T> {
        self.get::<String>(column).map(T::from)
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp> {
        self.timestamp(column, self.get(column)?)
    }

    fn timestamp(&self, column: &'static str, micros: i64) -> Result<Timestamp> {
        Timestamp::from_micros(micros).ok_or_else(|| {
            let problem = format!("{micros} is outside the years 1 to 9999");
            Error::corrupt(self.place(column), problem, None)
        })
    }

    pub(crate) fn optional_time(&self, column: &'static str) -> Result<Option<Timestamp>> {
        let micros = self.get::<Option<i64>>(column)?;
        micros
            .map(|micros| self.timestamp(column, micros))
            .transpose()
    }

    pub(crate) fn count(&self, column: &'static str) -> Result<u32> {
        self.get(column)
    }

    pub(crate) fn status(&self, column: &'static str) -> Result<TaskStatus> {
        let status = self.text(column)?.parse();
        status.map_err(|error| self.corrupt(column, "is no status of a task", error))
    }

    pub(crate) fn json(&self, column: &'static str) -> Result<Value> {
        let value = serde_json::from_str(self.text(column)?);
        value.map_err(|error| self.corrupt(column, "is not JSON", error))
    }

    fn texts(&self, column: &'static str) -> Result<Vec<String>> {
        let texts = serde_json::from_str(self.text(column)?);
        texts.map_err(|error| self.corrupt(column, "is not a list of texts in JSON", error))
    }

    /// Ids that [`ids`] wrote.
    pub(crate) fn ids<T: From<Uuid>>(&self, column: &'static str) -> Result<Vec<T>> {
        let bytes = self.bytes(column)?;
        let (ids, rest) = bytes.as_chunks();
        match rest {
            [] => Ok(ids.iter().map(|id| Uuid::from_bytes(*id).into()).collect()),
            rest => {
                let problem = format!("has {} bytes after its last id", rest.len());
                Err(Error::corrupt(self.place(column), problem, None))
            }
        }
    }

    fn corrupt(
        &self,
        column: &'static str,
        problem: &str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> Error {
        Error::corrupt(self.place(column), problem, Some(Cause::new(error)))
    }

    /// Which value of which record, for an error.
    fn place(&self, column: &'static str) -> String {
        let table = self.table;
        let id = |column| self.row.get::<_, Uuid>(column);
        match id("id").or_else(|_| id("run_id")) {
            Ok(id) => format!("{table}.{column} of {id}"),
            Err(_) => format!("{table}.{column}"),
        }
    }
}

impl Record for Run {
    const TABLE: &'static str = "runs";
    const NUMBER: &'static str = "seq";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            status: row.word("status")?,
            cycle_count: row.count("cycle_count")?,
            replan_count: row.count("replan_count")?,
            current_task_id: row.optional_id("current_task_id")?,
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
            summary: row.get("summary")?,
            goal: row.get("goal")?,
            repo_path: row.get("repo_path")?,
        })
    }
}

impl Record for AgentState {
    const TABLE: &'static str = "agents";
    const NUMBER: &'static str = "role";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            run_id: row.id("run_id")?,
            role: row.word("role")?,
            turns: row.count("turns")?,
            rotation_count: row.count("rotation_count")?,
            updated_at: row.time("updated_at")?,
            session_id: row.get("session_id")?,
            last_prompt_path: row.get("last_prompt_path")?,
            last_response_path: row.get("last_response_path")?,
        })
    }
}

impl Record for Task {
    const TABLE: &'static str = "tasks";
    const NUMBER: &'static str = "position";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            run_id: row.id("run_id")?,
            position: row.get("position")?,
            status: row.status("status")?,
            attempt_count: row.count("attempt_count")?,
            updated_at: row.time("updated_at")?,
            created_at: row.time("created_at")?,
            blocker_signature: row.get("blocker_signature")?,
            priority: row.get("priority")?,
            not_before: row.optional_time("not_before")?,
            delayed_until: row.optional_time("delayed_until")?,
            lease_expires_at: row.optional_time("lease_expires_at")?,
            max_attempts: row.get("max_attempts")?,
            worker: row.get("worker")?,
            implementation_summary: row.get("implementation_summary")?,
            title: row.get("title")?,
            objective: row.get("objective")?,
            acceptance_criteria: row.texts("acceptance_criteria")?,
            verification_steps: row.texts("verification_steps")?,
            allowed_paths: row.texts("allowed_paths")?,
            depends_on: row.ids("depends_on")?,
        })
    }
}

impl Record for TaskStanding {
    const TABLE: &'static str = "tasks";
    const NUMBER: &'static str = "position";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            run_id: row.id("run_id")?,
            status: row.status("status")?,
            attempt_count: row.count("attempt_count")?,
            lease_expires_at: row.optional_time("lease_expires_at")?,
        })
    }
}

/// A number that the store counts, as SQLite keeps it.
pub(crate) fn integer(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|error| Error::Backend {
        what: format!("{number} is more than SQLite can count"),
        source: Some(Cause::new(error)),
    })
}

/// A value as JSON, in a text with room for most: one that grows is moved again and again.
pub(crate) fn json(value: &Value) -> String {
    let mut text = String::with_capacity(JSON_OF_MOST);
    // A text takes whatever is written to it.
    let _ = write!(text, "{value}");
    text
}

/// A list of texts as JSON.
pub(crate) fn texts(list: &[String]) -> String {
    Value::from(list).to_string()
}

/// Ids, one after the other.
pub(crate) fn ids(ids: &[TaskId]) -> Vec<u8> {
    ids.iter()
        .flat_map(|id| id.as_uuid().into_bytes())
        .collect()
}

/// A time that may be unset.
pub(crate) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_micros)
}
