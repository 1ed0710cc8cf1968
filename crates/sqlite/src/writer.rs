//! The writer: the batches of the queue, each one transaction on the one connection that writes.

use std::sync::Arc;

use runstore_core::{Applied, Error, Result, WakeHub, Wakes};

use crate::SqliteOptions;
use crate::connect;
use crate::driver::{Connection, query};
use crate::error::{self, engine};
use crate::file::DatabaseFile;
use crate::log::Log;
use crate::open::Opened;
use crate::readers::{IdleReaders, Places, Readers};
use crate::statement::value;
use crate::write::{Job, Write, joined};

/// What the thread of the queue owns. Dropped with the queue, it closes every connection of the store.
#[derive(Debug)]
pub(crate) struct Writer {
    side: WriteSide,
    places: Places,
    readers: Arc<IdleReaders>,
}

impl Writer {
    pub(crate) fn new(
        opened: Opened,
        options: SqliteOptions,
        readers: &Readers,
        hub: Arc<WakeHub>,
    ) -> Self {
        Log::attend(&opened.connection);
        Self {
            side: WriteSide {
                connection: Some(opened.connection),
                generation: 0,
                file: opened.file,
                log: Log::default(),
                options,
                hub,
            },
            places: readers.places(),
            readers: readers.idle(),
        }
    }

    /// Applies and commits a batch, and answers every write in it.
    pub(crate) fn apply(&mut self, batch: Vec<Job>) {
        self.side.apply(batch);
        self.side.tend_log(&self.places);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Readers first: the last connection to leave a file folds the log into it, and a reader cannot.
        self.readers.close_here();
        drop(self.side.connection.take());
    }
}

#[derive(Debug)]
struct WriteSide {
    /// `None` after a batch that failed: what is still open on its connection is not known, and closing
    /// it gives that up for certain.
    connection: Option<Connection>,
    /// How many connections there were before this one.
    generation: u64,
    file: DatabaseFile,
    log: Log,
    options: SqliteOptions,
    /// Those who wait for a claim.
    hub: Arc<WakeHub>,
}

impl WriteSide {
    fn apply(&mut self, batch: Vec<Job>) {
        let batch = self.look(batch);
        if batch.is_empty() {
            return;
        }
        let writes = batch.len();
        let connection = self.take_connection();
        let (applied, committed) = match connection {
            Err(error) => (give_no_turn(batch, &error), Err(error)),
            Ok(connection) => {
                let (applied, committed) = self.run(&connection, batch);
                if committed.is_ok() {
                    self.connection = Some(connection);
                }
                (applied, committed)
            }
        };
        tracing::debug!(writes, committed = committed.is_ok(), "batch");
        for write in applied {
            write.answer(committed.clone());
        }
    }

    fn take_connection(&mut self) -> Result<Connection> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        self.generation += 1;
        let connection = connect::writer(&self.options, &self.file)?;
        Log::attend(&connection);
        Ok(connection)
    }

    fn tend_log(&mut self, places: &Places) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        match self.log.tend(&connection, places) {
            Ok(()) => self.connection = Some(connection),
            // Nothing is lost: it stays in the log, and the next batch has a connection of its own.
            Err(error) => tracing::warn!(%error, "the log was not moved into the file"),
        }
    }

    /// Answers those of the batch who ask whether others committed, and leaves the writes.
    fn look(&mut self, batch: Vec<Job>) -> Vec<Job> {
        let mut writes = Vec::with_capacity(batch.len());
        for job in batch {
            let Job::DataVersion(reply) = job else {
                writes.push(job);
                continue;
            };
            let version = match self.take_connection() {
                Err(error) => Err(error),
                Ok(connection) => {
                    let version = query("PRAGMA data_version");
                    let version = value::<i64>(&connection, "data_version", version);
                    // If the connection is broken, the next batch finds out.
                    self.connection = Some(connection);
                    version
                }
            };
            let generation = self.generation;
            let version = version.map(|version| (generation, version.unwrap_or_default()));
            reply.hold(version).answer(Ok(()));
        }
        writes
    }

    fn run(&self, connection: &Connection, batch: Vec<Job>) -> (Vec<Applied>, Result<()>) {
        if let Err(error) = query("BEGIN IMMEDIATE").execute(connection) {
            let error = engine("beginning a batch of writes", error);
            return (give_no_turn(batch, &error), Err(error));
        }
        let mut applied = Vec::with_capacity(batch.len());
        let mut failure = None;
        let mut wakes = Wakes::default();
        for job in joined(batch) {
            let turn = match &failure {
                // After some failures SQLite has given up the transaction by itself; what came after
                // would be a transaction of its own, and stay.
                Some(error) => Err(Clone::clone(error)),
                None => Ok(Write {
                    connection,
                    now: self.options.clock.now(),
                    wakes: &mut wakes,
                }),
            };
            let writes = job.take(turn);
            failure = failure.or_else(|| writes.iter().find_map(|write| write.failure().cloned()));
            applied.extend(writes);
        }
        let committed = match failure {
            Some(error) => Err(error),
            None => {
                let committed = query("COMMIT").execute(connection);
                committed.map(|_| ()).map_err(error::commit)
            }
        };
        if committed.is_ok() {
            self.hub.wake(&wakes);
        }
        (applied, committed)
    }
}

fn give_no_turn(batch: Vec<Job>, error: &Error) -> Vec<Applied> {
    let mut applied = Vec::with_capacity(batch.len());
    for job in batch {
        applied.extend(job.take(Err(error.clone())));
    }
    applied
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::time::Duration;

    use runstore_core::{ClaimRequest, NewRun, Outcome, RunId, TaskDraft, TaskPlan, WriteQueue};
    use tempfile::TempDir;
    use tokio::sync::oneshot;

    use super::*;
    use crate::statement::value;
    use crate::write::job;
    use crate::{open, plans, runs};

    async fn queue() -> (TempDir, WriteQueue<Job>) {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("runs.db"));
        let (_, queue) = open::open(options, Arc::default()).await.unwrap();
        (folder, queue)
    }

    async fn submit<T, F>(queue: &WriteQueue<Job>, apply: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(Write<'c>) -> Result<T> + Send + 'static,
    {
        queue.submit(|reply| job(reply, apply)).await
    }

    async fn create(queue: &WriteQueue<Job>) -> Result<RunId> {
        let create = submit(queue, |write| {
            runs::create(write, NewRun::new("goal", "/repo"))
        });
        let run = create.await?;
        Ok(run.id)
    }

    async fn exists(queue: &WriteQueue<Job>, run_id: RunId) -> bool {
        let check = submit(queue, move |write| runs::check(write.connection, run_id));
        check.await.is_ok()
    }

    async fn count(queue: &WriteQueue<Job>) -> i64 {
        let count = submit(queue, |write| {
            let count = query("SELECT count(*) FROM runs");
            value(write.connection, "runs", count)
        });
        count.await.unwrap().unwrap()
    }

    /// A write that changes something and then runs these statements.
    async fn create_and_run(queue: &WriteQueue<Job>, sql: &'static str) -> Result<()> {
        submit(queue, move |mut write| {
            runs::create(write.again(), NewRun::new("half", "done"))?;
            let ran = write.connection.execute_batch(sql);
            ran.map_err(|error| engine("on purpose", error))
        })
        .await
    }

    /// Runs the writes in one batch: they queue while the writer is held by a batch before it.
    macro_rules! in_one_batch {
        ($queue:expr, $($write:ident),+) => {{
            let (begun, has_begun) = oneshot::channel();
            let (all_queue, wait) = oneshot::channel::<()>();
            let hold = submit($queue, |_| {
                begun.send(()).unwrap();
                let _ = wait.blocking_recv();
                Ok(())
            });
            let writes = async {
                has_begun.await.unwrap();
                tokio::join!(biased; $($write,)+ async { drop(all_queue) })
            };
            let (held, ($($write,)+ ())) = tokio::join!(hold, writes);
            held.unwrap();
            ($($write,)+)
        }};
    }

    #[tokio::test]
    async fn a_refused_write_leaves_the_others_of_its_batch_committed() {
        let (_folder, queue) = queue().await;
        let unknown = RunId::generate();
        let before = create(&queue);
        let refused = submit(&queue, move |write| runs::delete(write, unknown));
        let after = create(&queue);
        let (before, refused, after) = in_one_batch!(&queue, before, refused, after);
        assert!(matches!(refused, Err(Error::NotFound { .. })));
        assert!(exists(&queue, before.unwrap()).await);
        assert!(exists(&queue, after.unwrap()).await);
    }

    #[tokio::test]
    async fn claims_that_wait_together_get_a_task_each_in_their_own_names() {
        let (_folder, queue) = queue().await;
        let run_id = create(&queue).await.unwrap();
        let drafts = (0..2).map(|number| TaskDraft::new(format!("{number}"), "o"));
        let plan = TaskPlan::new(run_id, drafts);
        let planned = submit(&queue, |write| plans::append(write, plan));
        planned.await.unwrap();
        let claim = |worker: &str, lease| {
            let request = ClaimRequest::of_run(run_id).with_worker(worker);
            let request = request.with_lease(Duration::from_secs(lease));
            queue.submit(|reply| Job::claim(request, reply))
        };
        let (a, b, c) = (claim("a", 10), claim("b", 20), claim("c", 30));
        let (a, b, c) = in_one_batch!(&queue, a, b, c);
        assert_eq!(c.unwrap(), None);
        let [a, b] = [a, b].map(|claim| claim.unwrap().unwrap().task);
        assert_eq!((a.position, b.position), (1, 2));
        assert_eq!(a.worker.as_deref(), Some("a"));
        assert_eq!(b.worker.as_deref(), Some("b"));
        assert!(a.lease_expires_at < b.lease_expires_at);
        // One commit, and one turn in it.
        assert_eq!(a.updated_at, b.updated_at);
    }

    /// Runs the statements between two other writes of their batch, and returns what all were told:
    /// nothing of it may be there, and the next batch must be well.
    async fn given_up(sql: &'static str) -> Error {
        let (_folder, queue) = queue().await;
        let before = create(&queue);
        let failing = create_and_run(&queue, sql);
        let after = create(&queue);
        let (before, failing, after) = in_one_batch!(&queue, before, failing, after);
        let told = failing.unwrap_err();
        for other in [before.unwrap_err(), after.unwrap_err()] {
            assert_eq!(other.to_string(), told.to_string());
        }
        assert_eq!(count(&queue).await, 0);
        create(&queue).await.unwrap();
        assert_eq!(count(&queue).await, 1);
        told
    }

    #[tokio::test]
    async fn a_failed_write_gives_up_its_batch_and_the_next_one_is_well() {
        let told = given_up("SELECT * FROM nowhere").await;
        assert!(matches!(told, Error::Backend { .. }), "{told:?}");
    }

    #[tokio::test]
    async fn a_batch_that_fills_the_disk_is_given_up_and_certainly_not_applied() {
        let told = given_up(
            "PRAGMA max_page_count = 1; \
             INSERT INTO checkpoints SELECT 1, x'01', id, '', 0, hex(zeroblob(1000000)) FROM runs",
        )
        .await;
        let outcome = Outcome::NotApplied;
        assert!(matches!(told, Error::Unavailable { outcome: is, .. } if is == outcome));
    }

    #[tokio::test]
    async fn a_commit_that_fails_leaves_the_outcome_open_and_the_next_batch_is_well() {
        // A foreign key that is checked at the commit alone.
        let told = given_up(
            "PRAGMA defer_foreign_keys = ON; \
             INSERT INTO agents VALUES (x'02', '', 0, 0, 0, NULL, NULL, NULL)",
        )
        .await;
        let outcome = Outcome::Unknown;
        assert!(matches!(told, Error::Unavailable { outcome: is, .. } if is == outcome));
    }

    #[tokio::test]
    async fn a_write_that_panics_ends_the_writer_and_nothing_else() {
        let (_folder, queue) = queue().await;
        let run_id = create(&queue).await.unwrap();
        let panics = submit(&queue, |_| -> Result<()> { panic!("on purpose") });
        let told = panics.await;
        let outcome = Outcome::Unknown;
        assert!(matches!(told, Err(Error::Unavailable { outcome: is, .. }) if is == outcome));
        assert!(!exists(&queue, run_id).await);
        queue.close().await;
        assert!(catch_unwind(|| drop(queue)).is_ok());
    }
}
