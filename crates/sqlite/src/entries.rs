//! The entries of a run's journal: how each kind is read, found and added.

use runstore_core::{AgentRole, Approval, Artifact, Checkpoint, Event, Result, RunId, TaskAttempt};

use crate::codec::{Columns, Named, Record, json, select};
use crate::driver::{Query, Row, query};
use crate::keys::last_number;

/// An entry of a run's journal. Entries are only ever added, and go with their run.
pub(crate) trait Entry: Named {
    /// The statement that lists those of a run, newest first.
    const NEWEST_OF_RUN: &'static str;

    /// The statement that deletes those of a run.
    const DELETE_OF_RUN: &'static str;

    fn run_id(&self) -> RunId;

    /// The statement that adds it and gives its number, or no row if there is no such run.
    fn insert(&self) -> Query<'_>;

    /// The beginning of a statement that adds many, up to the last column; the key of each and what
    /// [`bind_to`](Self::bind_to) gives follow.
    const INSERT_ALL: &'static str;

    /// Binds the columns of its row, without its key.
    fn bind_to<'v>(&'v self, row: &mut Row<'_, 'v>);

    /// The entry under the number that it was given.
    fn numbered(self, _seq: u64) -> Self {
        self
    }
}

/// Adds how entries of a kind are found and added. The columns follow the key and the run's id, which is the first
/// parameter.
macro_rules! entry {
    (
        $record:ident by $id:literal, into $table:literal, $columns:literal,
        $select:literal, |$entry:ident| [$($value:expr),+ $(,)?]
        $(, $numbered:item)?
    ) => {
        impl Named for $record {
            const BY_ID: &'static str = select!($record, "WHERE ", $id, " = ?");
        }

        impl Entry for $record {
            const NEWEST_OF_RUN: &'static str =
                select!($record, "WHERE key > ? AND key <= ? ORDER BY key DESC LIMIT ?");

            const DELETE_OF_RUN: &'static str =
                concat!("DELETE FROM ", $table, " WHERE key > ? AND key <= ?");

            fn run_id(&self) -> RunId {
                self.run_id
            }

            fn insert(&self) -> Query<'_> {
                let $entry = self;
                let insert = query(concat!(
                    "INSERT INTO ", $table, " (key, run_id, ", $columns,
                    ") SELECT (seq << 32) + 1 + (", last_number!($table), "), id, ", $select,
                    " FROM runs WHERE id = ?1 RETURNING key & 0xffffffff",
                ));
                insert.bind(self.run_id.as_uuid())$(.bind($value))+
            }

            const INSERT_ALL: &'static str =
                concat!("INSERT OR FAIL INTO ", $table, " (key, run_id, ", $columns);

            fn bind_to<'v>(&'v self, row: &mut Row<'_, 'v>) {
                let $entry = self;
                row.push_bind(self.run_id.as_uuid())$(.push_bind($value))+;
            }

            $($numbered)?
        }
    };
}

impl Record for Event {
    const TABLE: &'static str = "events";
    const NUMBER: &'static str = "seq";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            run_id: row.id("run_id")?,
            seq: row.get("seq")?,
            event_id: row.optional_id("event_id")?,
            ts: row.time("ts")?,
            source: row.get("source")?,
            kind: row.get("kind")?,
            message: row.get("message")?,
            payload: row.json("payload")?,
        })
    }
}

entry!(
    Event by "event_id", into "events",
    "event_id, ts, source, kind, message, payload",
    "?2, ?3, ?4, ?5, ?6, ?7",
    |entry| [
        entry.event_id.map(|id| id.as_uuid()),
        entry.ts.as_micros(),
        entry.source.as_str(),
        entry.kind.as_str(),
        entry.message.as_str(),
        json(&entry.payload),
    ],
    fn numbered(self, seq: u64) -> Self {
        Self { seq, ..self }
    }
);

impl Record for TaskAttempt {
    const TABLE: &'static str = "attempts";
    const NUMBER: &'static str = "seq";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            run_id: row.id("run_id")?,
            task_id: row.id("task_id")?,
            attempt_number: row.count("attempt_number")?,
            status: row.word("status")?,
            created_at: row.time("created_at")?,
            blocker_signature: row.get("blocker_signature")?,
            summary: row.get("summary")?,
            result: row.json("result")?,
        })
    }
}

entry!(
    TaskAttempt by "id", into "attempts",
    "id, task_id, attempt_number, status, created_at, blocker_signature, summary, result",
    "?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9",
    |entry| [
        entry.id.as_uuid(),
        entry.task_id.as_uuid(),
        entry.attempt_number,
        entry.status.as_str(),
        entry.created_at.as_micros(),
        entry.blocker_signature.as_deref(),
        entry.summary.as_str(),
        json(&entry.result),
    ]
);

impl Record for Artifact {
    const TABLE: &'static str = "artifacts";
    const NUMBER: &'static str = "seq";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            run_id: row.id("run_id")?,
            role: row.get::<Option<String>>("role")?.map(AgentRole::from),
            created_at: row.time("created_at")?,
            kind: row.get("kind")?,
            path: row.get("path")?,
            metadata: row.json("metadata")?,
        })
    }
}

entry!(
    Artifact by "id", into "artifacts",
    "id, role, created_at, kind, path, metadata",
    "?2, ?3, ?4, ?5, ?6, ?7",
    |entry| [
        entry.id.as_uuid(),
        entry.role.as_ref().map(AgentRole::as_str),
        entry.created_at.as_micros(),
        entry.kind.as_str(),
        entry.path.as_str(),
        json(&entry.metadata),
    ]
);

impl Record for Approval {
    const TABLE: &'static str = "approvals";
    const NUMBER: &'static str = "seq";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            run_id: row.id("run_id")?,
            source: row.word("source")?,
            verdict: row.word("verdict")?,
            created_at: row.time("created_at")?,
            rationale: row.get("rationale")?,
            payload: row.json("payload")?,
        })
    }
}

entry!(
    Approval by "id", into "approvals",
    "id, source, verdict, created_at, rationale, payload",
    "?2, ?3, ?4, ?5, ?6, ?7",
    |entry| [
        entry.id.as_uuid(),
        entry.source.as_str(),
        entry.verdict.as_str(),
        entry.created_at.as_micros(),
        entry.rationale.as_str(),
        json(&entry.payload),
    ]
);

impl Record for Checkpoint {
    const TABLE: &'static str = "checkpoints";
    const NUMBER: &'static str = "seq";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            run_id: row.id("run_id")?,
            status: row.word("status")?,
            created_at: row.time("created_at")?,
            payload: row.json("payload")?,
        })
    }
}

entry!(
    Checkpoint by "id", into "checkpoints",
    "id, status, created_at, payload",
    "?2, ?3, ?4, ?5",
    |entry| [
        entry.id.as_uuid(),
        entry.status.as_str(),
        entry.created_at.as_micros(),
        json(&entry.payload),
    ]
);
