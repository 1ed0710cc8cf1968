//! A queue with its database.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use apalis_core::task::builder::TaskBuilder;
use apalis_sqlite::{Config, SqliteStorage, queries};
use runstore_bench::{Case, Failure, Result, Workload};
use runstore_core::Durability;
use runstore_peers::Database;
use serde_json::{Value, json};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{query_as, query_scalar};

/// How many tasks are added in one transaction while a queue is filled.
const CHUNK: u64 = 10_000;

/// A queue of tasks that are texts of the case.
pub(crate) struct Queue {
    database: Database,
    pub(crate) pool: SqlitePool,
    pub(crate) config: Config,
    pub(crate) durability: Durability,
    synchronous: i64,
    text: String,
    added: AtomicU64,
    /// How many were acknowledged.
    pub(crate) done: AtomicU64,
}

/// How many tasks are in which state.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
struct Tally {
    done: i64,
    with_result: i64,
    attempts: i64,
    others: i64,
}

impl Queue {
    /// A queue on an empty database, with the tasks of the case in it.
    pub(crate) async fn filled(database: Database, case: &Case, batch: usize) -> Result<Self> {
        let (durability, level, synchronous) = match case.durability {
            Durability::Full => (Durability::Full, SqliteSynchronous::Full, 2),
            Durability::Relaxed | Durability::Volatile => {
                (Durability::Relaxed, SqliteSynchronous::Normal, 1)
            }
        };
        let options = SqliteConnectOptions::new()
            .filename(database.file())
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(level)
            // What its own setup would set on one connection of the pool, but for synchronous = OFF.
            .pragma("temp_store", "MEMORY")
            .pragma("cache_size", "64000")
            .pragma("journal_size_limit", "67108864");
        // SQLite lets one write at a time. Several connections would wait for each other asleep.
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect_with(options).await.map_err(Failure::engine)?;
        let migrations = SqliteStorage::migrations();
        migrations.run(&pool).await.map_err(Failure::engine)?;
        let queue = Self {
            database,
            pool,
            config: Config::default()
                .queue("benchmark")
                .batch_size(batch)
                .lock_tasks(case.workload == Workload::Cycle),
            durability,
            synchronous,
            text: case.text(),
            added: AtomicU64::new(0),
            done: AtomicU64::new(0),
        };
        queue.add(case.tasks).await?;
        Ok(queue)
    }

    /// Adds so many tasks.
    pub(crate) async fn add(&self, count: u64) -> Result<()> {
        let mut left = count;
        while left > 0 {
            let now = left.min(CHUNK);
            left -= now;
            let tasks = (0..now).map(|_| {
                let arguments = serde_json::to_vec(&self.result()).map_err(Failure::engine)?;
                Ok(TaskBuilder::new(arguments).build())
            });
            let tasks = tasks.collect::<Result<Vec<_>>>()?;
            let mut transaction = self.pool.begin().await.map_err(Failure::engine)?;
            queries::push_tasks(&mut *transaction, self.config.queue.as_ref(), &tasks)
                .await
                .map_err(Failure::engine)?;
            transaction.commit().await.map_err(Failure::engine)?;
        }
        self.added.fetch_add(count, Ordering::Relaxed);
        // SQLite's advice for a database that grows. Without it, an acknowledgement reads all tasks that its worker ever
        // had, and a lock all that are pending.
        let analyze = sqlx::query("ANALYZE").execute(&self.pool).await;
        analyze.map(drop).map_err(Failure::engine)
    }

    /// A payload of the size of the case.
    pub(crate) fn result(&self) -> Value {
        json!({ "text": self.text })
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.database.files()
    }

    /// Each task that was acknowledged is done, by one attempt and with its result; no other is gone.
    async fn check(&self) -> Result<()> {
        let found: Tally = query_as(
            "SELECT count(*) FILTER (WHERE status = 'Done') AS done, \
             count(*) FILTER (WHERE status = 'Done' AND instr(last_result, ?) > 0 AND lock_by IS NOT NULL) \
             AS with_result, \
             coalesce(sum(attempts) FILTER (WHERE status = 'Done'), 0) AS attempts, \
             count(*) FILTER (WHERE status IN ('Pending', 'Queued', 'Running')) AS others FROM Jobs",
        )
        .bind(&self.text)
        .fetch_one(&self.pool)
        .await
        .map_err(Failure::engine)?;
        let read = |count: &AtomicU64| {
            i64::try_from(count.load(Ordering::Relaxed)).map_err(Failure::engine)
        };
        let (done, added) = (read(&self.done)?, read(&self.added)?);
        let expected = Tally {
            done,
            with_result: done,
            attempts: done,
            others: added - done,
        };
        let synchronous: i64 = query_scalar("PRAGMA synchronous")
            .fetch_one(&self.pool)
            .await
            .map_err(Failure::engine)?;
        if found == expected && synchronous == self.synchronous {
            return Ok(());
        }
        Err(Failure::Refused(format!(
            "there are {found:?} at synchronous {synchronous} where {expected:?} were done at {}",
            self.synchronous
        )))
    }

    /// Checks the tasks, and removes the database.
    pub(crate) async fn end(&self) -> Result<()> {
        let checked = self.check().await;
        self.pool.close().await;
        self.database.remove()?;
        checked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_is_lost_or_done_without_an_acknowledgement_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let case = Case {
            workload: Workload::Finish,
            workers: 1,
            tasks: 3,
            runs: 1,
            payload_bytes: 10,
            rate: None,
            durability: Durability::Full,
        };
        for change in [
            "DELETE FROM Jobs WHERE rowid = 2",
            "UPDATE Jobs SET status = 'Done' WHERE rowid = 2",
            "PRAGMA synchronous = OFF",
        ] {
            let database = Database::within(folder.path());
            let queue = Queue::filled(database, &case, 1).await.unwrap();
            sqlx::query(change).execute(&queue.pool).await.unwrap();
            let told = queue.end().await.unwrap_err().to_string();
            assert!(told.contains("were done at 2"), "{told}");
        }
    }
}
