//! PostgreSQL by `sqlx`.

mod server;
mod statements;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use runstore_bench::{About, Case, Engine, Failure, Result, Subject};
use runstore_core::Durability;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, query_scalar, raw_sql};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use self::server::{synchronous_commit, told};
use self::statements::Session;
use crate::bare::{Bare, Course};
use crate::rows::{Found, Read, Scene, Write, Written, left_out};

const SCHEMA: &str = "runstore_bench_reference";

/// The rows of a task, an attempt and an event as the store has them: what is fixed of a task apart from what
/// changes, and room on the pages of the latter. Attempts and events are numbered by a sequence: numbers without
/// gaps would make all that add to a run wait for each other's commit.
const TABLES: &str = r#"
    DROP SCHEMA IF EXISTS runstore_bench_reference CASCADE;
    CREATE SCHEMA runstore_bench_reference;
    CREATE TABLE tasks (
        run_id uuid NOT NULL,
        position bigint NOT NULL,
        id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        depends_on uuid[] NOT NULL,
        title text COLLATE "C" NOT NULL,
        objective text COLLATE "C" NOT NULL,
        acceptance_criteria text COLLATE "C" NOT NULL,
        verification_steps text COLLATE "C" NOT NULL,
        allowed_paths text COLLATE "C" NOT NULL,
        PRIMARY KEY (run_id, position)
    );
    CREATE TABLE task_states (
        run_id uuid NOT NULL,
        position bigint NOT NULL,
        status text COLLATE "C" NOT NULL,
        attempt_count bigint NOT NULL,
        priority integer NOT NULL,
        is_pending boolean NOT NULL,
        max_attempts bigint,
        not_before timestamptz,
        delayed_until timestamptz,
        lease_expires_at timestamptz,
        updated_at timestamptz NOT NULL,
        worker text COLLATE "C",
        blocker_signature text COLLATE "C",
        implementation_summary text COLLATE "C",
        PRIMARY KEY (run_id, position)
    ) WITH (
        fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05,
        autovacuum_vacuum_cost_delay = 0
    );
    CREATE INDEX task_states_pending ON task_states (run_id, position) WHERE is_pending;
    CREATE TABLE attempts (
        run_id uuid NOT NULL,
        seq bigint GENERATED ALWAYS AS IDENTITY,
        id uuid NOT NULL,
        task_id uuid NOT NULL,
        attempt_number bigint NOT NULL,
        created_at timestamptz NOT NULL,
        status text COLLATE "C" NOT NULL,
        blocker_signature text COLLATE "C",
        summary text COLLATE "C" NOT NULL,
        result text COLLATE "C" NOT NULL,
        PRIMARY KEY (run_id, seq)
    );
    CREATE TABLE events (
        run_id uuid NOT NULL,
        seq bigint GENERATED ALWAYS AS IDENTITY,
        ts timestamptz NOT NULL,
        source text COLLATE "C" NOT NULL,
        kind text COLLATE "C" NOT NULL,
        message text COLLATE "C" NOT NULL,
        payload text COLLATE "C" NOT NULL,
        PRIMARY KEY (run_id, seq)
    );
"#;

/// PostgreSQL in a loop: `sqlx`, a connection a worker, a statement a step, claims by `FOR UPDATE SKIP LOCKED`.
#[derive(Clone)]
pub struct BarePostgres {
    url: String,
    name: String,
}

/// Without the URL, for that may hold a password.
impl fmt::Debug for BarePostgres {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("BarePostgres")
            .finish_non_exhaustive()
    }
}

impl BarePostgres {
    /// An engine on the server and database of this URL, in the schema `runstore_bench_reference`, which it creates
    /// and drops. Another one in the same database is refused while it is at work.
    #[must_use]
    pub fn new(url: String) -> Self {
        Self {
            url,
            name: "bare postgres".to_owned(),
        }
    }

    /// The same under another name in the report, where there are several of it.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    fn options(&self, durability: Durability) -> Result<PgConnectOptions> {
        Ok(self.connection()?.options([
            ("search_path", SCHEMA),
            ("synchronous_commit", synchronous_commit(durability)),
            ("jit", "off"),
            // A plan lasts as long as its connection, and is made while the tables are all but empty: it must not
            // read the whole of them, or sort, when they have grown.
            ("enable_seqscan", "off"),
            ("enable_bitmapscan", "off"),
            ("enable_hashjoin", "off"),
        ]))
    }
}

#[async_trait]
impl Engine for BarePostgres {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_reference(&self) -> bool {
        true
    }

    async fn look(&self, durability: Durability) -> Result<About> {
        Ok(About {
            // By a connection as it has in a case.
            facts: told(&self.options(durability)?, durability).await?,
            leaves_out: left_out(),
            in_folder: None,
        })
    }

    async fn begin(&self, case: &Case) -> Result<Option<Box<dyn Subject>>> {
        let Some(scene) = Scene::of(case).map(Arc::new) else {
            return Ok(None);
        };
        let options = self.options(case.durability)?;
        let connect = async || options.connect().await.map_err(Failure::engine);
        let mut own = connect().await?;
        let flushes = prepared(&mut own).await?;
        let mut sessions = Vec::with_capacity(case.workers + 1);
        for _ in 0..case.workers {
            sessions.push(Mutex::new(Some(Session::new(connect().await?, &scene))));
        }
        sessions.push(Mutex::new(Some(Session::new(own, &scene))));
        let bare = Server {
            sessions,
            durability: match case.durability {
                Durability::Full if flushes => Durability::Full,
                _ => Durability::Relaxed,
            },
        };
        let course = Course::filled(case, scene, bare).await?;
        Ok(Some(Box::new(course)))
    }
}

/// Creates the tables, and tells whether the server flushes what it commits.
async fn prepared(connection: &mut PgConnection) -> Result<bool> {
    let locked = query_scalar("SELECT pg_try_advisory_lock(hashtext($1))").bind(SCHEMA);
    let locked: bool = locked
        .fetch_one(&mut *connection)
        .await
        .map_err(Failure::engine)?;
    if !locked {
        return Err(Failure::Refused(format!(
            "another benchmark is at work in the schema {SCHEMA} of this database"
        )));
    }
    let tables = raw_sql(TABLES).execute(&mut *connection).await;
    tables.map_err(Failure::engine)?;
    let flushes = query_scalar("SELECT current_setting('fsync') = 'on'");
    flushes.fetch_one(connection).await.map_err(Failure::engine)
}

/// The connections: one a worker, and one for the case itself, which holds the lock. None are left in the end.
struct Server {
    sessions: Vec<Mutex<Option<Session>>>,
    durability: Durability,
}

impl Server {
    fn workers(&self) -> usize {
        self.sessions.len().saturating_sub(1)
    }

    async fn session(&self, worker: usize) -> Result<MappedMutexGuard<'_, Session>> {
        let gone = || Failure::Refused(format!("there is no connection for worker {worker}"));
        let session = self.sessions.get(worker).ok_or_else(gone)?.lock().await;
        MutexGuard::try_map(session, Option::as_mut).map_err(|_| gone())
    }
}

#[async_trait]
impl Bare for Server {
    async fn write(&self, worker: usize, write: Write) -> Result<Written> {
        let written = self.session(worker).await?.write(write).await;
        written.map_err(Failure::engine)
    }

    async fn read(&self, worker: usize, read: Read) -> Result<Found> {
        let found = self.session(worker).await?.read(read).await;
        found.map_err(Failure::engine)
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }

    fn is_in_process(&self) -> bool {
        false
    }

    async fn end(&self) -> Result<()> {
        let cleared = self.session(self.workers()).await?.clear().await;
        for session in &self.sessions {
            let session = session.lock().await.take();
            if let Some(session) = session {
                session.close().await.map_err(Failure::engine)?;
            }
        }
        cleared.map_err(Failure::engine)
    }
}
