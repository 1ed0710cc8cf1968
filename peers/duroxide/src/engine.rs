//! The engine.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use duroxide::providers::sqlite::SqliteProvider;
use duroxide::providers::{ProviderAdmin, QueueDepths, SystemMetrics};
use runstore_bench::{Case, Engine, Failure, Result, Steps, Subject, Workload};
use runstore_core::Durability;
use runstore_peers::Database;

use crate::calls::{Calls, EVENTS_BEFORE, EVENTS_OF_END};
use crate::pool::{CONNECTIONS, OFF, Pool};

/// The provider of `duroxide` for SQLite, called by as many callers as the case says, without the runtime's polling.
#[derive(Debug)]
pub struct Duroxide {
    name: String,
    folder: PathBuf,
    connections: usize,
}

impl Duroxide {
    /// An engine with its files in this folder, that uses so many of its connections.
    #[must_use]
    pub fn new(folder: &Path, connections: usize) -> Self {
        let name = match connections {
            CONNECTIONS => "duroxide".to_owned(),
            connections => format!("duroxide?connections={connections}"),
        };
        Self {
            name,
            folder: folder.to_owned(),
            connections,
        }
    }
}

impl Duroxide {
    async fn filled(&self, case: &Case) -> Result<Called> {
        let (durability, synchronous) = match case.durability {
            Durability::Full => (Durability::Full, 2),
            Durability::Relaxed | Durability::Volatile => (Durability::Relaxed, 1),
        };
        let database = Database::within(&self.folder);
        let url = format!("sqlite:{}?mode=rwc", database.file().display());
        let provider = SqliteProvider::new(&url, None)
            .await
            .map_err(Failure::engine)?;
        let subject = Called {
            name: self.name.clone(),
            database,
            pool: Pool::of(&provider, self.connections).await?,
            calls: Calls::new(provider, case.text()),
            case: case.clone(),
            durability,
            synchronous,
            added: AtomicU64::new(0),
            done: AtomicU64::new(0),
        };
        subject.add(case.tasks).await?;
        Ok(subject)
    }
}

#[async_trait]
impl Engine for Duroxide {
    fn name(&self) -> &str {
        &self.name
    }

    async fn begin(&self, case: &Case) -> Result<Option<Box<dyn Subject>>> {
        if !matches!(case.workload, Workload::Cycle | Workload::Finish) {
            return Ok(None);
        }
        Ok(Some(Box::new(self.filled(case).await?)))
    }
}

/// The engine at work on a case.
struct Called {
    name: String,
    database: Database,
    pool: Pool,
    calls: Calls,
    case: Case,
    durability: Durability,
    synchronous: i64,
    /// How many activities there were.
    added: AtomicU64,
    /// How many operations were carried out.
    done: AtomicU64,
}

impl Called {
    /// Adds so many activities, without a flush for each.
    async fn add(&self, count: u64) -> Result<()> {
        self.pool.set_synchronous(OFF).await?;
        for _ in 0..count {
            let number = self.added.fetch_add(1, Ordering::Relaxed);
            let instance = format!("instance-{number}");
            match self.case.workload {
                Workload::Cycle => self.calls.add_instance(instance).await?,
                _ => self.calls.add_activity(instance).await?,
            }
        }
        self.pool.set_synchronous(self.synchronous).await
    }

    /// Each operation has taken one activity, and has left its result; all others are still there.
    async fn check(&self) -> Result<()> {
        let provider = &self.calls.provider;
        let depths = provider.get_queue_depths().await.map_err(Failure::engine)?;
        let metrics = provider
            .get_system_metrics()
            .await
            .map_err(Failure::engine)?;
        let QueueDepths {
            orchestrator_queue,
            worker_queue,
            ..
        } = depths;
        let SystemMetrics {
            completed_instances,
            running_instances,
            total_events,
            ..
        } = metrics;
        let found = [
            worker_queue as u64,
            orchestrator_queue as u64,
            running_instances,
            completed_instances,
            total_events,
        ];
        let (added, done) = (
            self.added.load(Ordering::Relaxed),
            self.done.load(Ordering::Relaxed),
        );
        let left = added - done;
        let expected = match self.case.workload {
            Workload::Cycle => {
                let events = added * EVENTS_BEFORE + done * EVENTS_OF_END;
                [left, 0, left, done, events]
            }
            _ => [left, done, 0, 0, 0],
        };
        if found != expected {
            return Err(Failure::Refused(format!(
                "there are {found:?} activities, answers, running and completed instances and events where \
                 {expected:?} were made"
            )));
        }
        self.pool.check_synchronous(self.synchronous).await
    }

    /// Says how often the database was locked: a figure that the report has no place for.
    fn tell_repeats(&self) {
        let repeats = self.calls.repeats.load(Ordering::Relaxed);
        if repeats > 0 {
            let done = self.done.load(Ordering::Relaxed);
            eprintln!(
                "{}, {}, workers {}: {repeats} calls of {done} operations found the database locked and were repeated",
                self.name, self.case.workload, self.case.workers
            );
        }
    }
}

#[async_trait]
impl Subject for Called {
    async fn prepare(&self, operations: u64) -> Result<()> {
        self.add(operations).await
    }

    async fn operate(&self, _: usize, steps: &mut Steps) -> Result<()> {
        let taken = steps.time("claim", self.calls.take()).await?;
        steps.time("report", self.calls.answer(taken)).await?;
        if self.case.workload == Workload::Cycle {
            let turn = steps.time("fetch turn", self.calls.take_turn()).await?;
            steps.time("end turn", self.calls.end(turn)).await?;
        }
        self.done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn files(&self) -> Vec<PathBuf> {
        self.database.files()
    }

    async fn end(&self) -> Result<()> {
        let checked = self.check().await;
        self.tell_repeats();
        self.pool.close().await;
        self.database.remove()?;
        checked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_activity_that_is_lost_or_answered_twice_or_another_durability_is_told() {
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
        for (change, what) in [
            ("DELETE FROM worker_queue WHERE id = 2", "were made"),
            (
                "INSERT INTO orchestrator_queue (instance_id, work_item) VALUES ('instance-1', '')",
                "were made",
            ),
            ("PRAGMA synchronous = NORMAL", "synchronous 1"),
        ] {
            let engine = Duroxide::new(folder.path(), 1);
            let subject = engine.filled(&case).await.unwrap();
            let pool = subject.calls.provider.get_pool();
            sqlx::query(change).execute(pool).await.unwrap();
            let told = subject.end().await.unwrap_err().to_string();
            assert!(told.contains(what), "{told}");
        }
    }
}
