//! What a connection does: a statement a step, each a transaction of its own.

use std::sync::Arc;

use runstore_core::{Task, TaskId, Timestamp, Uuid};
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{Connection, Decode, Postgres, Row, Type, query};

use crate::rows::{
    Attempt, COMPLETED, Caught, Completion, DONE, Event, Found, Read, SOURCE, Scene, Tally, Write,
    Written,
};

/// The columns of a task in the order in which [`task`] reads them.
macro_rules! task_columns {
    () => {
        "t.id, t.run_id, t.position, t.title, t.objective, t.acceptance_criteria, t.verification_steps, \
         t.allowed_paths, s.status, s.attempt_count, s.implementation_summary, s.blocker_signature, s.priority, \
         s.not_before, t.depends_on, s.max_attempts, s.delayed_until, s.worker, s.lease_expires_at, t.created_at, \
         s.updated_at"
    };
}

/// Adds the tasks of the ids `$3` from position `$2` on.
macro_rules! add_tasks {
    () => {
        "texts AS (INSERT INTO tasks (run_id, position, id, created_at, depends_on, title, objective, \
         acceptance_criteria, verification_steps, allowed_paths) \
         SELECT $1::uuid, $2::bigint + i - 1, id, now(), '{}', 'task ' || (i - 1), $4::text, '[]', '[]', '[]' \
         FROM unnest($3::uuid[]) WITH ORDINALITY AS u (id, i)) \
         INSERT INTO task_states (run_id, position, status, attempt_count, priority, is_pending, updated_at) \
         SELECT $1, $2 + i - 1, 'pending', 0, 0, true, now() FROM generate_series(1, cardinality($3)) AS i"
    };
}

type Statement = Query<'static, Postgres, PgArguments>;

/// A connection.
pub(super) struct Session {
    connection: PgConnection,
    scene: Arc<Scene>,
}

impl Session {
    pub(super) fn new(connection: PgConnection, scene: &Arc<Scene>) -> Self {
        let scene = Arc::clone(scene);
        Self { connection, scene }
    }

    pub(super) async fn close(self) -> Caught<()> {
        Ok(self.connection.close().await?)
    }

    /// Drops the tables, and then lets another benchmark have the schema: the server may take its time to notice
    /// that a connection is closed.
    pub(super) async fn clear(&mut self) -> Caught<()> {
        self.run(query("DROP SCHEMA runstore_bench_reference CASCADE"))
            .await?;
        self.run(query("SELECT pg_advisory_unlock_all()")).await?;
        Ok(())
    }

    /// Carries out a statement and gives how many rows it changed.
    async fn run(&mut self, statement: Statement) -> Caught<u64> {
        let done = statement.execute(&mut self.connection).await?;
        Ok(done.rows_affected())
    }

    pub(super) async fn write(&mut self, write: Write) -> Caught<Written> {
        match write {
            Write::Add { run, first, count } => {
                let add = query(concat!("WITH ", add_tasks!()));
                self.add(add, run, first, count).await
            }
            Write::Plan { run, first, count } => {
                let plan = query(concat!(
                    "WITH gone AS (DELETE FROM task_states WHERE run_id = $1 AND is_pending RETURNING position), \
                     texts_gone AS (DELETE FROM tasks t USING gone g WHERE t.run_id = $1 AND t.position = g.position), ",
                    add_tasks!()
                ));
                self.add(plan, run, first, count).await
            }
            Write::Claim { run, worker } => self.claim(run, worker).await,
            Write::ClaimAll { run } => {
                let claim = query(
                    "UPDATE task_states SET status = 'in_progress', attempt_count = attempt_count + 1, \
                     is_pending = false, updated_at = clock_timestamp() WHERE run_id = $1 AND is_pending",
                );
                let claim = claim.bind(self.scene.run_id(run)?);
                Ok(Written::Changed(self.run(claim).await?))
            }
            Write::Requeue { run } => {
                let requeue = query(
                    "UPDATE task_states SET status = 'pending', is_pending = true, worker = NULL, \
                     updated_at = clock_timestamp() WHERE run_id = $1 AND status = 'in_progress'",
                );
                let requeue = requeue.bind(self.scene.run_id(run)?);
                Ok(Written::Changed(self.run(requeue).await?))
            }
            Write::Attempt(attempt) => {
                let insert = query(
                    "INSERT INTO attempts (run_id, id, task_id, attempt_number, created_at, status, summary, result) \
                     VALUES ($1, $2, $3, $4, clock_timestamp(), $5, $6, $7)",
                );
                let insert = self.bind_attempt(insert, attempt)?;
                self.run(insert).await.map(|_| Written::Nothing)
            }
            Write::Event(event) => {
                let insert = query(
                    "INSERT INTO events (run_id, ts, source, kind, message, payload) \
                     VALUES ($1, clock_timestamp(), $2, $3, $4, $5)",
                );
                let insert = insert
                    .bind(self.scene.run_id(event.run)?)
                    .bind(SOURCE)
                    .bind(event.kind)
                    .bind(event.message)
                    .bind(event.payload);
                self.run(insert).await.map(|_| Written::Nothing)
            }
            Write::Complete(completion) => {
                let update = query(
                    "UPDATE task_states SET status = 'completed', implementation_summary = $3, worker = NULL, \
                     updated_at = clock_timestamp() WHERE run_id = $1 AND position = $2 AND status = 'in_progress'",
                );
                let update = update
                    .bind(self.scene.run_id(completion.run)?)
                    .bind(i64::try_from(completion.position)?)
                    .bind(completion.summary);
                completed(self.run(update).await?)
            }
            Write::Finish(attempt, event, completion) => {
                self.finish(attempt, event, completion).await
            }
        }
    }

    async fn add(
        &mut self,
        statement: Statement,
        run: usize,
        first: u64,
        count: u64,
    ) -> Caught<Written> {
        let ids = Vec::from_iter((0..count).map(|_| Uuid::now_v7()));
        let statement = statement
            .bind(self.scene.run_id(run)?)
            .bind(i64::try_from(first)?)
            .bind(ids)
            .bind(self.scene.text.clone());
        self.run(statement).await.map(|_| Written::Nothing)
    }

    async fn claim(&mut self, run: usize, worker: String) -> Caught<Written> {
        let claim = query(concat!(
            "WITH next AS (SELECT run_id, position FROM task_states WHERE run_id = $1 AND is_pending \
             ORDER BY position LIMIT 1 FOR UPDATE SKIP LOCKED), \
             s AS (UPDATE task_states s SET status = 'in_progress', attempt_count = attempt_count + 1, \
             is_pending = false, worker = $2, updated_at = clock_timestamp() FROM next n \
             WHERE s.run_id = n.run_id AND s.position = n.position RETURNING s.*) \
             SELECT ",
            task_columns!(),
            " FROM s JOIN tasks t ON t.run_id = s.run_id AND t.position = s.position"
        ));
        let claim = claim.bind(self.scene.run_id(run)?).bind(worker);
        let row = claim.fetch_optional(&mut self.connection).await?;
        let task = row.map(|row| task(&row).map(Box::new)).transpose()?;
        Ok(Written::Claimed(task))
    }

    fn bind_attempt(&self, statement: Statement, attempt: Attempt) -> Caught<Statement> {
        Ok(statement
            .bind(self.scene.run_id(attempt.run)?)
            .bind(Uuid::now_v7())
            .bind(attempt.task_id)
            .bind(i64::from(attempt.number))
            .bind(COMPLETED)
            .bind(DONE)
            .bind(attempt.result))
    }

    async fn finish(
        &mut self,
        attempt: Attempt,
        event: Event,
        completion: Completion,
    ) -> Caught<Written> {
        let finish = query(
            "WITH attempt AS (INSERT INTO attempts \
             (run_id, id, task_id, attempt_number, created_at, status, summary, result) \
             VALUES ($1, $2, $3, $4, clock_timestamp(), $5, $6, $7)), \
             event AS (INSERT INTO events (run_id, ts, source, kind, message, payload) \
             VALUES ($1, clock_timestamp(), $8, $9, $10, $11)) \
             UPDATE task_states SET status = 'completed', implementation_summary = $13, worker = NULL, \
             updated_at = clock_timestamp() WHERE run_id = $1 AND position = $12 AND status = 'in_progress'",
        );
        let finish = self
            .bind_attempt(finish, attempt)?
            .bind(SOURCE)
            .bind(event.kind)
            .bind(event.message)
            .bind(event.payload)
            .bind(i64::try_from(completion.position)?)
            .bind(completion.summary);
        completed(self.run(finish).await?)
    }

    pub(super) async fn read(&mut self, read: Read) -> Caught<Found> {
        match read {
            Read::HasPending { run } => {
                let look = query(
                    "SELECT 1 FROM task_states WHERE run_id = $1 AND is_pending ORDER BY position LIMIT 1",
                );
                let look = look.bind(self.scene.run_id(run)?);
                let found = look.fetch_optional(&mut self.connection).await?;
                Ok(Found::HasPending(found.is_some()))
            }
            Read::Tasks { run } => {
                let select = query(concat!(
                    "SELECT ",
                    task_columns!(),
                    " FROM tasks t JOIN task_states s ON s.run_id = t.run_id AND s.position = t.position \
                     WHERE t.run_id = $1 ORDER BY t.position"
                ));
                let select = select.bind(self.scene.run_id(run)?);
                self.tasks(select).await
            }
            Read::Page { run, after, limit } => {
                let select = query(concat!(
                    "SELECT ",
                    task_columns!(),
                    " FROM tasks t JOIN task_states s ON s.run_id = t.run_id AND s.position = t.position \
                     WHERE t.run_id = $1 AND t.position > $2 AND s.position > $2 ORDER BY t.position LIMIT $3"
                ));
                let select = select
                    .bind(self.scene.run_id(run)?)
                    .bind(i64::try_from(after)?)
                    .bind(i64::from(limit));
                self.tasks(select).await
            }
            Read::Tally => self.tally().await,
        }
    }

    async fn tasks(&mut self, select: Statement) -> Caught<Found> {
        let rows = select.fetch_all(&mut self.connection).await?;
        Ok(Found::Tasks(rows.iter().map(task).collect::<Caught<_>>()?))
    }

    async fn tally(&mut self) -> Caught<Found> {
        let count = query(
            "SELECT coalesce(sum(attempt_count), 0)::bigint, coalesce(max(attempt_count), 0), \
             count(*) FILTER (WHERE status = 'completed'), (SELECT count(*) FROM attempts), \
             (SELECT count(*) FROM events) FROM task_states",
        );
        let row = count.fetch_one(&mut self.connection).await?;
        let number = |at| -> Caught<u64> { Ok(row.try_get::<i64, _>(at)?.try_into()?) };
        Ok(Found::Tally(Tally {
            claims: number(0)?,
            most_claims: number(1)?,
            completed: number(2)?,
            attempts: number(3)?,
            events: number(4)?,
        }))
    }
}

fn completed(changed: u64) -> Caught<Written> {
    match changed {
        1 => Ok(Written::Nothing),
        _ => Err("the task to complete is not in progress".into()),
    }
}

/// A row as the record that a store gives.
fn task(row: &PgRow) -> Caught<Task> {
    Ok(Task {
        id: at::<Uuid>(row, 0)?.into(),
        run_id: at::<Uuid>(row, 1)?.into(),
        position: at::<i64>(row, 2)?.try_into()?,
        title: at(row, 3)?,
        objective: at(row, 4)?,
        acceptance_criteria: serde_json::from_str(at(row, 5)?)?,
        verification_steps: serde_json::from_str(at(row, 6)?)?,
        allowed_paths: serde_json::from_str(at(row, 7)?)?,
        status: at::<&str>(row, 8)?.parse()?,
        attempt_count: at::<i64>(row, 9)?.try_into()?,
        implementation_summary: at(row, 10)?,
        blocker_signature: at(row, 11)?,
        priority: at(row, 12)?,
        not_before: time_if_set(row, 13)?,
        depends_on: at::<Vec<Uuid>>(row, 14)?
            .into_iter()
            .map(TaskId::from)
            .collect(),
        max_attempts: at::<Option<i64>>(row, 15)?.map(u32::try_from).transpose()?,
        delayed_until: time_if_set(row, 16)?,
        worker: at(row, 17)?,
        lease_expires_at: time_if_set(row, 18)?,
        created_at: Timestamp::from(at::<DateTime<Utc>>(row, 19)?),
        updated_at: Timestamp::from(at::<DateTime<Utc>>(row, 20)?),
    })
}

fn at<'r, T: Decode<'r, Postgres> + Type<Postgres>>(row: &'r PgRow, at: usize) -> Caught<T> {
    Ok(row.try_get(at)?)
}

fn time_if_set(row: &PgRow, column: usize) -> Caught<Option<Timestamp>> {
    Ok(at::<Option<DateTime<Utc>>>(row, column)?.map(Timestamp::from))
}
