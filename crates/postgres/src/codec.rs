//! Rows to records and back.

use chrono::{DateTime, Utc};
use runstore_core::rules::retry::Created;
use runstore_core::{
    AgentState, Cause, Error, Result, Run, Task, TaskId, TaskStanding, TaskStatus, Timestamp, Uuid,
};
use serde_json::Value;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Decode, Postgres, Row, Type};

use crate::error::engine;
use crate::text::from_stored;

pub(crate) type Query = sqlx::query::Query<'static, Postgres, PgArguments>;

/// A list of texts as JSON, which holds a NUL by an escape of its own.
pub(crate) fn texts(list: &[String]) -> String {
    Value::from(list).to_string()
}

/// Ids as an array in PostgreSQL's own writing, for statements that take many of them.
pub(crate) fn ids(ids: &[TaskId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("{{{}}}", ids.join(","))
}

/// A time as it is stored.
pub(crate) fn time(time: Timestamp) -> DateTime<Utc> {
    time.into()
}

/// A time that may be unset.
pub(crate) fn optional_time(optional: Option<Timestamp>) -> Option<DateTime<Utc>> {
    optional.map(time)
}

/// A number that the store counts, as PostgreSQL keeps it.
pub(crate) fn integer(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|error| Error::Backend {
        what: format!("{number} is more than PostgreSQL can count"),
        source: Some(Cause::new(error)),
    })
}

/// The columns of a task, and what is kept beside its record.
macro_rules! task_columns {
    () => {
        concat!(
            $crate::codec::task_columns!(short),
            ", s.implementation_summary, t.title, t.objective, t.acceptance_criteria, ",
            "t.verification_steps, t.allowed_paths, t.depends_on"
        )
    };
    // As a record whose long texts are left out: for changes that neither write nor return them.
    (without texts) => {
        concat!(
            $crate::codec::task_columns!(short),
            ", NULL::text AS implementation_summary, '' AS title, '' AS objective, ",
            "'[]' AS acceptance_criteria, '[]' AS verification_steps, '[]' AS allowed_paths, ",
            "'{}'::uuid[] AS depends_on"
        )
    };
    (short) => {
        "t.id, s.run_id, s.position, s.status, s.attempt_count, s.updated_at, t.created_at, \
         s.blocker_signature, s.priority, s.unmet, s.not_before, s.delayed_until, \
         s.lease_expires_at, s.max_attempts, s.worker"
    };
}
pub(crate) use task_columns;

/// Both parts of a task.
///
/// For many tasks it is said which table is read first: the other is looked up by its key for each row. A join that
/// the server plans by sizes that are long past may read all of it for each.
macro_rules! task_tables {
    () => {
        " FROM tasks t JOIN task_states s ON s.run_id = t.run_id AND s.position = t.position "
    };
    (by states) => {
        " FROM task_states s CROSS JOIN LATERAL ( \
         SELECT * FROM tasks t WHERE t.run_id = s.run_id AND t.position = s.position OFFSET 0) t "
    };
    (by ids) => {
        " FROM tasks t CROSS JOIN LATERAL ( \
         SELECT * FROM task_states s WHERE s.run_id = t.run_id AND s.position = t.position OFFSET 0) s "
    };
}
pub(crate) use task_tables;

/// The beginning of every statement that reads records of a kind, completed by the rest of the statement.
macro_rules! select {
    (Run, $($rest:expr),+) => {
        concat!(
            "SELECT seq, run_id, status, cycle_count, replan_count, current_task_id, created_at, ",
            "updated_at, summary, goal, repo_path FROM runs ", $($rest),+
        )
    };
    (AgentState, $($rest:expr),+) => {
        concat!(
            "SELECT run_id, role, turns, rotation_count, updated_at, session_id, last_prompt_path, ",
            "last_response_path FROM agents ", $($rest),+
        )
    };
    (Task, $($rest:expr),+) => {
        concat!(
            "SELECT ", $crate::codec::task_columns!(), $crate::codec::task_tables!(), $($rest),+
        )
    };
    (Task by $first:ident, $($rest:expr),+) => {
        concat!(
            "SELECT ", $crate::codec::task_columns!(), $crate::codec::task_tables!(by $first), $($rest),+
        )
    };
    (Event, $($rest:expr),+) => {
        concat!(
            "SELECT run_id, seq, event_id, ts, source, kind, message, payload FROM events ",
            $($rest),+
        )
    };
    (TaskAttempt, $($rest:expr),+) => {
        concat!(
            "SELECT seq, id, run_id, task_id, attempt_number, status, created_at, ",
            "blocker_signature, summary, result FROM attempts ", $($rest),+
        )
    };
    (Artifact, $($rest:expr),+) => {
        concat!(
            "SELECT seq, id, run_id, role, created_at, kind, path, metadata FROM artifacts ",
            $($rest),+
        )
    };
    (Approval, $($rest:expr),+) => {
        concat!(
            "SELECT seq, id, run_id, source, verdict, created_at, rationale, payload FROM approvals ",
            $($rest),+
        )
    };
    (Checkpoint, $($rest:expr),+) => {
        concat!(
            "SELECT seq, id, run_id, status, created_at, payload FROM checkpoints ", $($rest),+
        )
    };
}
pub(crate) use select;

/// A record that is kept as a row.
pub(crate) trait Record: Sized + Send {
    const TABLE: &'static str;

    /// The column that the records of a list are numbered by (clause G6).
    const NUMBER: &'static str = "seq";

    fn from_row(row: &Columns<'_>) -> Result<Self>;
}

/// A record that can be found by its own id.
pub(crate) trait Named: Record + Created {
    /// The statement that finds it.
    const BY_ID: &'static str;
}

/// A row of a table.
pub(crate) struct Columns<'r> {
    table: &'static str,
    row: &'r PgRow,
}

impl<'r> Columns<'r> {
    pub(crate) fn of<T: Record>(row: &'r PgRow) -> Self {
        Self {
            table: T::TABLE,
            row,
        }
    }

    pub(crate) fn get<T>(&self, column: &str) -> Result<T>
    where
        T: Decode<'r, Postgres> + Type<Postgres>,
    {
        self.row
            .try_get(column)
            .map_err(|error| engine(&self.place(column), error))
    }

    /// A number that is never negative.
    pub(crate) fn number<T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>>(
        &self,
        column: &str,
    ) -> Result<T> {
        let number = T::try_from(self.get::<i64>(column)?);
        number.map_err(|error| self.corrupt(column, "is out of range", error))
    }

    pub(crate) fn optional_number(&self, column: &str) -> Result<Option<u32>> {
        match self.get::<Option<i64>>(column)? {
            Some(_) => self.number(column).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn text(&self, column: &str) -> Result<String> {
        match from_stored(self.get(column)?) {
            Some(text) => Ok(text.into_owned()),
            None => {
                let problem = "has an escape that stands for nothing";
                Err(Error::corrupt(self.place(column), problem, None))
            }
        }
    }

    pub(crate) fn optional_text(&self, column: &str) -> Result<Option<String>> {
        match self.get::<Option<&str>>(column)? {
            Some(_) => self.text(column).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn id<T: From<Uuid>>(&self, column: &str) -> Result<T> {
        self.get::<Uuid>(column).map(T::from)
    }

    pub(crate) fn optional_id<T: From<Uuid>>(&self, column: &str) -> Result<Option<T>> {
        Ok(self.get::<Option<Uuid>>(column)?.map(T::from))
    }

    pub(crate) fn ids<T: From<Uuid>>(&self, column: &str) -> Result<Vec<T>> {
        let ids = self.get::<Vec<Uuid>>(column)?;
        Ok(ids.into_iter().map(T::from).collect())
    }

    pub(crate) fn word<T: From<String>>(&self, column: &str) -> Result<T> {
        self.text(column).map(T::from)
    }

    pub(crate) fn optional_word<T: From<String>>(&self, column: &str) -> Result<Option<T>> {
        Ok(self.optional_text(column)?.map(T::from))
    }

    /// The first column, whatever it is called.
    pub(crate) fn first_time(&self) -> Result<Timestamp> {
        let time = self.row.try_get::<DateTime<Utc>, _>(0);
        time.map(Timestamp::from)
            .map_err(|error| engine(self.table, error))
    }

    pub(crate) fn time(&self, column: &str) -> Result<Timestamp> {
        self.get::<DateTime<Utc>>(column).map(Timestamp::from)
    }

    pub(crate) fn optional_time(&self, column: &str) -> Result<Option<Timestamp>> {
        let time = self.get::<Option<DateTime<Utc>>>(column)?;
        Ok(time.map(Timestamp::from))
    }

    pub(crate) fn status(&self, column: &str) -> Result<TaskStatus> {
        let word: &str = self.get(column)?;
        let status = word.parse();
        status.map_err(|error| self.corrupt(column, "is no status of a task", error))
    }

    pub(crate) fn json(&self, column: &str) -> Result<Value> {
        let value = serde_json::from_str(self.get(column)?);
        value.map_err(|error| self.corrupt(column, "is not JSON", error))
    }

    fn texts(&self, column: &str) -> Result<Vec<String>> {
        let texts = serde_json::from_str(self.get(column)?);
        texts.map_err(|error| self.corrupt(column, "is not a list of texts in JSON", error))
    }

    fn corrupt(
        &self,
        column: &str,
        problem: &str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> Error {
        Error::corrupt(self.place(column), problem, Some(Cause::new(error)))
    }

    /// Which value of which record, for an error.
    fn place(&self, column: &str) -> String {
        let table = self.table;
        let id = |column| self.row.try_get::<Uuid, _>(column);
        match id("id").or_else(|_| id("run_id")) {
            Ok(id) => format!("{table}.{column} of {id}"),
            Err(_) => format!("{table}.{column}"),
        }
    }
}

impl Record for Run {
    const TABLE: &'static str = "runs";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("run_id")?,
            goal: row.text("goal")?,
            repo_path: row.text("repo_path")?,
            status: row.word("status")?,
            summary: row.optional_text("summary")?,
            cycle_count: row.number("cycle_count")?,
            replan_count: row.number("replan_count")?,
            current_task_id: row.optional_id("current_task_id")?,
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
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
            session_id: row.optional_text("session_id")?,
            turns: row.number("turns")?,
            rotation_count: row.number("rotation_count")?,
            last_prompt_path: row.optional_text("last_prompt_path")?,
            last_response_path: row.optional_text("last_response_path")?,
            updated_at: row.time("updated_at")?,
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
            position: row.number("position")?,
            title: row.text("title")?,
            objective: row.text("objective")?,
            acceptance_criteria: row.texts("acceptance_criteria")?,
            verification_steps: row.texts("verification_steps")?,
            allowed_paths: row.texts("allowed_paths")?,
            status: row.status("status")?,
            attempt_count: row.number("attempt_count")?,
            implementation_summary: row.optional_text("implementation_summary")?,
            blocker_signature: row.optional_text("blocker_signature")?,
            priority: row.get("priority")?,
            not_before: row.optional_time("not_before")?,
            depends_on: row.ids("depends_on")?,
            max_attempts: row.optional_number("max_attempts")?,
            delayed_until: row.optional_time("delayed_until")?,
            worker: row.optional_text("worker")?,
            lease_expires_at: row.optional_time("lease_expires_at")?,
            created_at: row.time("created_at")?,
            updated_at: row.time("updated_at")?,
        })
    }
}

impl Record for TaskStanding {
    const TABLE: &'static str = "task_states";
    const NUMBER: &'static str = "position";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            run_id: row.id("run_id")?,
            status: row.status("status")?,
            attempt_count: row.number("attempt_count")?,
            lease_expires_at: row.optional_time("lease_expires_at")?,
        })
    }
}
