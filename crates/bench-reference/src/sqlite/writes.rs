//! What the connection that writes does.

use std::sync::Arc;

use runstore_core::{Task, TaskStatus, Timestamp, Uuid};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::reads::{task, task_columns};
use super::{key, keys};
use crate::embedded::{IN_PROGRESS, PENDING, now};
use crate::group::Side;
use crate::rows::{
    Attempt, COMPLETED, Caught, Completion, DONE, Event, SOURCE, Scene, Write, Written,
};

pub(super) struct Writer {
    connection: Connection,
    scene: Arc<Scene>,
}

impl Writer {
    pub(super) const fn new(connection: Connection, scene: Arc<Scene>) -> Self {
        Self { connection, scene }
    }
}

impl Side for Writer {
    type Ask = Write;
    type Answer = Written;

    fn carry_out(&mut self, writes: Vec<Write>) -> Caught<Vec<Written>> {
        // Nobody else writes: that the transaction begins as a read cannot make it fail later, and one that finds
        // nothing to write ends without a flush. Dropped after an error, it is rolled back.
        let transaction = self.connection.transaction()?;
        let batch = Batch {
            connection: &transaction,
            scene: &self.scene,
        };
        let written = writes.into_iter().map(|write| batch.write(write));
        let written = written.collect::<Caught<Vec<_>>>()?;
        transaction.commit()?;
        Ok(written)
    }
}

/// The transaction that is under way.
struct Batch<'w> {
    connection: &'w Connection,
    scene: &'w Scene,
}

impl Batch<'_> {
    fn write(&self, write: Write) -> Caught<Written> {
        match write {
            Write::Add { run, first, count } => self.add(run, first, count),
            Write::Plan { run, first, count } => {
                self.run(
                    "DELETE FROM tasks INDEXED BY tasks_pending WHERE status = 'pending' AND key BETWEEN ?1 AND ?2",
                    keys(run)?,
                )?;
                self.add(run, first, count)
            }
            Write::Claim { run, worker } => self.claim(run, worker),
            Write::ClaimAll { run } => self.change(run, PENDING, IN_PROGRESS, 1),
            Write::Requeue { run } => self.change(run, IN_PROGRESS, PENDING, 0),
            Write::Attempt(attempt) => self.attempt(attempt),
            Write::Event(event) => self.event(event),
            Write::Complete(completion) => self.complete(completion),
            Write::Finish(attempt, event, completion) => {
                self.attempt(attempt)?;
                self.event(event)?;
                self.complete(completion)
            }
        }
    }

    fn run(&self, sql: &str, with: impl Params) -> Caught<usize> {
        Ok(self.connection.prepare_cached(sql)?.execute(with)?)
    }

    fn add(&self, run: usize, first: u64, count: u64) -> Caught<Written> {
        let run_id = self.scene.run_id(run)?;
        let now = now();
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO tasks (key, id, run_id, position, status, attempt_count, updated_at, created_at, priority, \
             title, objective, acceptance_criteria, verification_steps, allowed_paths, depends_on) \
             VALUES (?1, ?2, ?3, ?4, 'pending', 0, ?5, ?5, 0, ?6, ?7, '[]', '[]', '[]', x'')",
        )?;
        for number in 0..count {
            let position = first + number;
            insert.execute(params![
                key(run, position)?,
                Uuid::now_v7().as_bytes(),
                run_id.as_bytes(),
                position,
                now,
                format!("task {number}"),
                self.scene.text,
            ])?;
        }
        Ok(Written::Nothing)
    }

    fn claim(&self, run: usize, worker: String) -> Caught<Written> {
        let mut first = self.connection.prepare_cached(concat!(
            "SELECT ",
            task_columns!(),
            " FROM tasks INDEXED BY tasks_pending WHERE status = 'pending' AND key BETWEEN ?1 AND ?2 ORDER BY key LIMIT 1"
        ))?;
        let first = first.query_row(keys(run)?, |row| Ok(task(row)));
        let Some(task) = first.optional()?.transpose()? else {
            return Ok(Written::Claimed(None));
        };
        let now = now();
        let task = Task {
            status: TaskStatus::InProgress,
            attempt_count: task.attempt_count + 1,
            worker: Some(worker),
            updated_at: Timestamp::from_micros(now).unwrap_or(task.updated_at),
            ..task
        };
        self.run(
            "UPDATE tasks SET status = 'in_progress', attempt_count = ?2, worker = ?3, updated_at = ?4 \
             WHERE key = ?1",
            params![key(run, task.position)?, task.attempt_count, task.worker, now],
        )?;
        Ok(Written::Claimed(Some(Box::new(task))))
    }

    /// Changes all tasks of a run that are in one state.
    fn change(&self, run: usize, from: &str, to: &str, claims: u32) -> Caught<Written> {
        let (first, last) = keys(run)?;
        let changed = self.run(
            "UPDATE tasks SET status = ?4, attempt_count = attempt_count + ?5, worker = NULL, updated_at = ?6 \
             WHERE key BETWEEN ?1 AND ?2 AND status = ?3",
            params![first, last, from, to, claims, now()],
        )?;
        Ok(Written::Changed(changed as u64))
    }

    fn attempt(&self, attempt: Attempt) -> Caught<Written> {
        let (first, last) = keys(attempt.run)?;
        self.run(
            "INSERT INTO attempts (key, id, run_id, task_id, attempt_number, status, created_at, summary, result) \
             VALUES (coalesce((SELECT max(key) FROM attempts WHERE key BETWEEN ?1 AND ?2), ?1) + 1, \
             ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                first,
                last,
                Uuid::now_v7().as_bytes(),
                self.scene.run_id(attempt.run)?.as_bytes(),
                attempt.task_id.as_bytes(),
                attempt.number,
                COMPLETED,
                now(),
                DONE,
                attempt.result,
            ],
        )?;
        Ok(Written::Nothing)
    }

    fn event(&self, event: Event) -> Caught<Written> {
        let (first, last) = keys(event.run)?;
        let mut latest = self
            .connection
            .prepare_cached("SELECT max(key) FROM events WHERE key BETWEEN ?1 AND ?2")?;
        let latest: Option<i64> = latest.query_row((first, last), |row| row.get(0))?;
        let key = latest.unwrap_or(first) + 1;
        self.run(
            "INSERT INTO events (key, run_id, seq, ts, source, kind, message, payload) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                key,
                self.scene.run_id(event.run)?.as_bytes(),
                key - first,
                now(),
                SOURCE,
                event.kind,
                event.message,
                event.payload,
            ],
        )?;
        Ok(Written::Nothing)
    }

    fn complete(&self, completion: Completion) -> Caught<Written> {
        let changed = self.run(
            "UPDATE tasks SET status = 'completed', implementation_summary = ?2, worker = NULL, updated_at = ?3 \
             WHERE key = ?1 AND status = 'in_progress'",
            params![key(completion.run, completion.position)?, completion.summary, now()],
        )?;
        match changed {
            1 => Ok(Written::Nothing),
            _ => Err("the task to complete is not in progress".into()),
        }
    }
}
