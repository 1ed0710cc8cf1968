//! The entries of a run's journal: how each kind is read, found and added.

use chrono::{DateTime, Utc};
use runstore_core::rules::create;
use runstore_core::{
    Approval, Artifact, Checkpoint, ClaimToken, Event, NewApproval, NewArtifact, NewAttempt,
    NewCheckpoint, NewEvent, Result, RunId, TaskAttempt, Timestamp, Uuid,
};
use sqlx::query;

use crate::add_one::add_one;
use crate::codec::{Columns, Named, Query, Record, select};
use crate::journal;
use crate::shared::Writing;
use crate::text::{optional_text, text};
use crate::together::size_of;
use crate::write::{Kind, Turn};

/// An entry of a run's journal. Entries are only ever added, and go with their run.
pub(crate) trait Entry: Named + Sync {
    /// The statement that lists those of a run, newest first.
    const NEWEST_OF_RUN: &'static str;

    fn run_id(&self) -> RunId;

    /// The entry under the number that it was given, and with the run and the time.
    fn numbered(self, run_id: RunId, seq: u64, at: Timestamp) -> Self;

    /// The statement that adds entries, each with its fence if it has one. It gives a row for each that was
    /// added.
    fn add(clock: Option<DateTime<Utc>>, entries: &[(Self, Option<ClaimToken>)]) -> Query;

    /// The same for one entry, in a statement that needs no function.
    fn add_one(clock: Option<DateTime<Utc>>, entry: &Self, fence: Option<ClaimToken>) -> Query;
}

/// A value of every entry, as an array.
fn each<E, T>(entries: &[(E, Option<ClaimToken>)], value: impl Fn(&E) -> T) -> Vec<T> {
    entries.iter().map(|(entry, _)| value(entry)).collect()
}

fn fence_tasks<E>(entries: &[(E, Option<ClaimToken>)]) -> Vec<Option<Uuid>> {
    let fences = entries.iter().map(|(_, fence)| fence);
    fences
        .map(|fence| fence.map(|token| token.task_id.as_uuid()))
        .collect()
}

fn fence_numbers<E>(entries: &[(E, Option<ClaimToken>)]) -> Vec<Option<i64>> {
    let fences = entries.iter().map(|(_, fence)| fence);
    fences
        .map(|fence| fence.map(|token| token.attempt_number.into()))
        .collect()
}

/// Adds how entries of a kind are found and added. What follows the clock in the statements are the values of an
/// entry, with the fences between; for many entries each is an array.
macro_rules! entry {
    (
        $record:ident by $id:literal, at $time:ident, $(seq $seq:ident,)?
        one into $table:literal of $run:literal, $id_value:literal, $columns:literal: $values:literal
            $(, fenced by ($fence_task:literal, $fence_number:literal))?;
        many $many:literal,
        |$entry:ident| [$($first:expr),+ $(,)?], $(fenced by $task:ident, $number:ident,)? [$($value:expr),+ $(,)?]
    ) => {
        impl Named for $record {
            const BY_ID: &'static str = select!($record, "WHERE ", $id, " = $1");
        }

        impl Entry for $record {
            const NEWEST_OF_RUN: &'static str =
                select!($record, "WHERE run_id = $1 ORDER BY seq DESC LIMIT $2");

            fn run_id(&self) -> RunId {
                self.run_id
            }

            fn numbered(self, run_id: RunId, _seq: u64, at: Timestamp) -> Self {
                Self { run_id, $time: at, $($seq: _seq,)? ..self }
            }

            fn add(clock: Option<DateTime<Utc>>, entries: &[(Self, Option<ClaimToken>)]) -> Query {
                query($many)
                    .bind(clock)
                    $(.bind(each(entries, |$entry| $first)))+
                    $(.bind($task(entries)).bind($number(entries)))?
                    $(.bind(each(entries, |$entry| $value)))+
            }

            fn add_one(
                clock: Option<DateTime<Utc>>,
                $entry: &Self,
                fence: Option<ClaimToken>,
            ) -> Query {
                let add = |sql| query(sql).bind(clock)$(.bind($first))+$(.bind($value))+;
                match fence {
                    $(Some(token) => add(add_one!(
                        $table of $run, $id is $id_value, at $time, $columns: $values,
                        fenced by ($fence_task, $fence_number)
                    ))
                    .bind(token.task_id.as_uuid())
                    .bind(i64::from(token.attempt_number)),)?
                    _ => add(add_one!($table of $run, $id is $id_value, at $time, $columns: $values)),
                }
            }
        }
    };
}

impl Record for Event {
    const TABLE: &'static str = "events";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            run_id: row.id("run_id")?,
            seq: row.number("seq")?,
            event_id: row.optional_id("event_id")?,
            ts: row.time("ts")?,
            source: row.text("source")?,
            kind: row.text("kind")?,
            message: row.text("message")?,
            payload: row.json("payload")?,
        })
    }
}

entry!(
    Event by "event_id", at ts, seq seq,
    one into "events" of "$2",
        "$3", "source, kind, message, payload": "$4, $5, $6, $7",
        fenced by ("$8", "$9");
    many "SELECT * FROM add_events($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    |entry| [entry.run_id.as_uuid()], fenced by fence_tasks, fence_numbers, [
        entry.event_id.map(|id| id.as_uuid()),
        text(&entry.source),
        text(&entry.kind),
        text(&entry.message),
        entry.payload.to_string(),
    ]
);

impl Record for TaskAttempt {
    const TABLE: &'static str = "attempts";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            run_id: row.id("run_id")?,
            task_id: row.id("task_id")?,
            attempt_number: row.number("attempt_number")?,
            status: row.word("status")?,
            summary: row.text("summary")?,
            blocker_signature: row.optional_text("blocker_signature")?,
            result: row.json("result")?,
            created_at: row.time("created_at")?,
        })
    }
}

entry!(
    TaskAttempt by "id", at created_at,
    one into "attempts" of "(SELECT t.run_id FROM tasks t WHERE t.id = $2)",
        "$4", "task_id, attempt_number, status, blocker_signature, summary, result": "$2, $3, $5, $6, $7, $8",
        fenced by ("$9", "$10");
    many "SELECT * FROM add_attempts($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    |entry| [entry.task_id.as_uuid(), i64::from(entry.attempt_number)], fenced by fence_tasks, fence_numbers, [
        entry.id.as_uuid(),
        text(entry.status.as_str()),
        optional_text(entry.blocker_signature.as_deref()),
        text(&entry.summary),
        entry.result.to_string(),
    ]
);

impl Record for Artifact {
    const TABLE: &'static str = "artifacts";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            run_id: row.id("run_id")?,
            role: row.optional_word("role")?,
            kind: row.text("kind")?,
            path: row.text("path")?,
            metadata: row.json("metadata")?,
            created_at: row.time("created_at")?,
        })
    }
}

entry!(
    Artifact by "id", at created_at,
    one into "artifacts" of "$2",
        "$3", "role, kind, path, metadata": "$4, $5, $6, $7",
        fenced by ("$8", "$9");
    many "SELECT * FROM add_artifacts($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    |entry| [entry.run_id.as_uuid()], fenced by fence_tasks, fence_numbers, [
        entry.id.as_uuid(),
        optional_text(entry.role.as_ref().map(|role| role.as_str())),
        text(&entry.kind),
        text(&entry.path),
        entry.metadata.to_string(),
    ]
);

impl Record for Approval {
    const TABLE: &'static str = "approvals";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            run_id: row.id("run_id")?,
            source: row.word("source")?,
            verdict: row.word("verdict")?,
            rationale: row.text("rationale")?,
            payload: row.json("payload")?,
            created_at: row.time("created_at")?,
        })
    }
}

entry!(
    Approval by "id", at created_at,
    one into "approvals" of "$2",
        "$3", "source, verdict, rationale, payload": "$4, $5, $6, $7";
    many "SELECT * FROM add_approvals($1, $2, $3, $4, $5, $6, $7)",
    |entry| [entry.run_id.as_uuid()], [
        entry.id.as_uuid(),
        text(entry.source.as_str()),
        text(entry.verdict.as_str()),
        text(&entry.rationale),
        entry.payload.to_string(),
    ]
);

impl Record for Checkpoint {
    const TABLE: &'static str = "checkpoints";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            run_id: row.id("run_id")?,
            status: row.word("status")?,
            payload: row.json("payload")?,
            created_at: row.time("created_at")?,
        })
    }
}

entry!(
    Checkpoint by "id", at created_at,
    one into "checkpoints" of "$2",
        "$3", "status, payload": "$4, $5",
        fenced by ("$6", "$7");
    many "SELECT * FROM add_checkpoints($1, $2, $3, $4, $5, $6, $7)",
    |entry| [entry.run_id.as_uuid()], fenced by fence_tasks, fence_numbers, [
        entry.id.as_uuid(),
        text(entry.status.as_str()),
        entry.payload.to_string(),
    ]
);

/// A call that adds an entry.
pub(crate) trait NewEntry: Clone + Send + Sync + 'static {
    type Entry: Entry;

    /// Adds it by itself, by the rules of all backends.
    const ALONE: Writing<Self, Self::Entry>;

    /// Whether the caller gave the entry an id of its own.
    fn is_named(&self) -> bool;

    /// The claim that the entry is added in the name of.
    fn fence(&self) -> Option<ClaimToken>;

    /// The run; none that there is, where the task tells.
    fn run_id(&self) -> RunId;

    /// What is locked to add it by itself.
    fn turn(&self) -> Turn;

    /// About how many bytes it carries.
    fn weight(&self) -> usize;

    /// The entry, in this run, at this time.
    fn entry(self, run_id: RunId, now: Timestamp) -> Self::Entry;
}

macro_rules! new_entry {
    (
        $new:ident => $entry:ident, $kind:ident, named $named:expr, fenced $fence:expr,
        weighs $weight:expr, $made:expr
    ) => {
        impl NewEntry for $new {
            type Entry = $entry;

            const ALONE: Writing<Self, $entry> =
                |write, new| Box::pin(journal::add(write, new.run_id, new));

            fn is_named(&self) -> bool {
                let named: fn(&Self) -> bool = $named;
                named(self)
            }

            fn fence(&self) -> Option<ClaimToken> {
                let fence: fn(&Self) -> Option<ClaimToken> = $fence;
                fence(self)
            }

            fn run_id(&self) -> RunId {
                self.run_id
            }

            fn turn(&self) -> Turn {
                Turn::InRun(self.run_id, &[Kind::$kind])
            }

            fn weight(&self) -> usize {
                let weight: fn(&Self) -> usize = $weight;
                weight(self)
            }

            fn entry(self, run_id: RunId, now: Timestamp) -> $entry {
                let made: fn(Self, RunId, Timestamp) -> $entry = $made;
                made(self, run_id, now)
            }
        }
    };
}

new_entry!(
    NewEvent => Event, Events, named |new| new.draft.id.is_some(), fenced |new| new.fence,
    weighs |new| new.draft.message.len() + size_of(&new.draft.payload),
    |new, run_id, now| create::event(run_id, 0, new.draft, now)
);
new_entry!(
    NewArtifact => Artifact, Artifacts, named |new| new.draft.id.is_some(), fenced |new| new.fence,
    weighs |new| new.draft.path.len() + size_of(&new.draft.metadata),
    |new, run_id, now| create::artifact(run_id, new.draft, now)
);
new_entry!(
    NewApproval => Approval, Approvals, named |new| new.id.is_some(), fenced |_| None,
    weighs |new| new.rationale.len() + size_of(&new.payload),
    |new, _, now| create::approval(new, now)
);
new_entry!(
    NewCheckpoint => Checkpoint, Checkpoints, named |new| new.id.is_some(), fenced |new| new.fence,
    weighs |new| size_of(&new.payload),
    |new, _, now| create::checkpoint(new, now)
);

impl NewEntry for NewAttempt {
    type Entry = TaskAttempt;

    const ALONE: Writing<Self, TaskAttempt> =
        |write, new| Box::pin(journal::add_attempt(write, new));

    fn is_named(&self) -> bool {
        self.report.id.is_some()
    }

    fn fence(&self) -> Option<ClaimToken> {
        self.fence
    }

    fn run_id(&self) -> RunId {
        RunId::from(Uuid::nil())
    }

    fn turn(&self) -> Turn {
        Turn::OfTask(self.task_id, &[Kind::Attempts])
    }

    fn weight(&self) -> usize {
        self.report.summary.len() + size_of(&self.report.result)
    }

    fn entry(self, run_id: RunId, now: Timestamp) -> TaskAttempt {
        create::attempt(run_id, self.task_id, self.attempt_number, self.report, now)
    }
}
