//! SQLite by `rusqlite`.

mod reads;
mod writes;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runstore_bench::{About, Case, Engine, Fact, Result, Subject};
use runstore_core::Durability;
use rusqlite::{Connection, OpenFlags};

use self::reads::Reader;
use self::writes::Writer;
use crate::bare::Course;
use crate::embedded::{Embedded, READERS, place};
use crate::group::apart;
use crate::rows::{Caught, Scene, left_out};

/// The rows of a task, an attempt and an event as the store has them. A key is the run's number and the number
/// within the run in one integer, so that a table is one tree in the order of its run.
const SCHEMA: &str = "
    CREATE TABLE tasks (
        key INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        run_id BLOB NOT NULL,
        position INTEGER NOT NULL,
        status TEXT NOT NULL,
        attempt_count INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        blocker_signature TEXT,
        priority INTEGER NOT NULL,
        not_before INTEGER,
        delayed_until INTEGER,
        lease_expires_at INTEGER,
        max_attempts INTEGER,
        worker TEXT,
        implementation_summary TEXT,
        title TEXT NOT NULL,
        objective TEXT NOT NULL,
        acceptance_criteria TEXT NOT NULL,
        verification_steps TEXT NOT NULL,
        allowed_paths TEXT NOT NULL,
        depends_on BLOB NOT NULL
    ) STRICT;
    CREATE INDEX tasks_pending ON tasks (key) WHERE status = 'pending';
    CREATE TABLE attempts (
        key INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        run_id BLOB NOT NULL,
        task_id BLOB NOT NULL,
        attempt_number INTEGER NOT NULL,
        status TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        blocker_signature TEXT,
        summary TEXT NOT NULL,
        result TEXT NOT NULL
    ) STRICT;
    CREATE TABLE events (
        key INTEGER PRIMARY KEY,
        run_id BLOB NOT NULL,
        seq INTEGER NOT NULL,
        ts INTEGER NOT NULL,
        source TEXT NOT NULL,
        kind TEXT NOT NULL,
        message TEXT NOT NULL,
        payload TEXT NOT NULL
    ) STRICT;
";

/// How many bits of a key are the number within the run.
const NUMBER_BITS: u32 = 40;

/// More statements than there are.
const STATEMENTS: usize = 32;

/// SQLite in a loop: `rusqlite`, a write-ahead log, one connection that writes and commits what waits.
#[derive(Debug, Clone)]
pub struct BareSqlite {
    folder: PathBuf,
}

impl BareSqlite {
    /// An engine that keeps its files in this folder.
    #[must_use]
    pub const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What is beneath it and beneath any store on SQLite in this program.
    #[must_use]
    pub fn facts() -> Vec<Fact> {
        vec![Fact::new("SQLite", rusqlite::version())]
    }
}

#[async_trait]
impl Engine for BareSqlite {
    fn name(&self) -> &str {
        "bare sqlite"
    }

    fn is_reference(&self) -> bool {
        true
    }

    async fn look(&self, durability: Durability) -> Result<About> {
        Ok(About {
            facts: Self::facts(),
            leaves_out: left_out(),
            in_folder: Some(kept(durability)),
        })
    }

    async fn begin(&self, case: &Case) -> Result<Option<Box<dyn Subject>>> {
        let Some(scene) = Scene::of(case).map(Arc::new) else {
            return Ok(None);
        };
        let path = place(&self.folder);
        let beside = |suffix: &str| {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            PathBuf::from(name)
        };
        let files = vec![path.clone(), beside("-wal"), beside("-shm")];
        let durability = kept(case.durability);
        let of_sides = Arc::clone(&scene);
        let (writer, readers) = apart(move || {
            let writer = Writer::new(writer(&path, durability)?, of_sides);
            let readers = (0..READERS).map(|_| Ok(Reader::new(reader(&path)?)));
            Ok((writer, readers.collect::<Caught<Vec<_>>>()?))
        })
        .await?;
        let bare = Embedded::start(writer, readers, durability, files)?;
        let course = Course::filled(case, scene, bare).await?;
        Ok(Some(Box::new(course)))
    }
}

/// The durability that it has where this one is asked for.
const fn kept(durability: Durability) -> Durability {
    match durability {
        Durability::Full => Durability::Full,
        Durability::Relaxed | Durability::Volatile => Durability::Relaxed,
    }
}

fn writer(path: &Path, durability: Durability) -> Caught<Connection> {
    let (synchronous, flush) = match durability {
        Durability::Full => (2, true),
        Durability::Relaxed | Durability::Volatile => (1, false),
    };
    let connection = Connection::open(path)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    // On macOS a plain flush leaves the data in the drive's cache; elsewhere these change nothing.
    connection.pragma_update(None, "fullfsync", flush)?;
    connection.pragma_update(None, "checkpoint_fullfsync", flush)?;
    // SQLite ignores a setting that it cannot do, without an error.
    let set: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if mode != "wal" || set != synchronous {
        return Err(format!("SQLite is at journal_mode {mode} and synchronous {set}").into());
    }
    connection.execute_batch(SCHEMA)?;
    ready(connection)
}

fn reader(path: &Path) -> Caught<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    ready(Connection::open_with_flags(path, flags)?)
}

fn ready(connection: Connection) -> Caught<Connection> {
    connection.busy_timeout(Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// The key of what has this number in the run.
fn key(run: usize, number: u64) -> Caught<i64> {
    Ok((i64::try_from(run)? << NUMBER_BITS) + i64::try_from(number)?)
}

/// The first and the last key that a run can have.
fn keys(run: usize) -> Caught<(i64, i64)> {
    Ok((key(run, 0)?, key(run, (1 << NUMBER_BITS) - 1)?))
}
