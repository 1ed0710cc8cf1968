//! The connections to the server: at most a number of them, opened when first needed, used by one call at a
//! time.
//!
//! Not the driver's own pool: that asks the server for a sign of life whenever a connection is given back, a
//! trip for each call.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use runstore_core::{Error, Outcome, Result};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, query_scalar, raw_sql};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout_at};

use crate::PostgresOptions;
use crate::error::{self, closed, engine};

/// After how long a connection that nobody used is asked for a sign of life before it is used.
const SILENCE: Duration = Duration::from_secs(10);

/// How long to wait before the next try to connect, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// A connection, and how statements go over it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: PgConnection,
    /// Whether statements may stay prepared: not behind a pooler, whose next statement may go to another
    /// server process.
    pub(crate) prepares: bool,
    last_used: Instant,
    /// The server's process behind it, among [`Processes`]; none behind a pooler.
    process: Option<Process>,
}

/// The server's processes behind the connections of a store: what they notify of is known without.
#[derive(Debug, Clone, Default)]
pub(crate) struct Processes(Arc<Mutex<HashSet<u32>>>);

impl Processes {
    pub(crate) fn has(&self, id: u32) -> bool {
        self.with(|ids| ids.contains(&id))
    }

    fn with<T>(&self, access: impl FnOnce(&mut HashSet<u32>) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One of them, for as long as its connection is there.
#[derive(Debug)]
struct Process {
    id: u32,
    all: Processes,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.all.with(|ids| ids.remove(&self.id));
    }
}

impl Session {
    /// Runs statements without parameters, in one trip.
    pub(crate) async fn run(&mut self, sql: &str) -> sqlx::Result<()> {
        let statements = raw_sql(AssertSqlSafe(sql));
        statements.execute(&mut self.connection).await?;
        Ok(())
    }
}

/// The connections of a store.
pub(crate) struct Connections {
    places: Semaphore,
    number: u32,
    idle: Mutex<Vec<Session>>,
    connect: PgConnectOptions,
    acquire_timeout: Duration,
    is_pooled: bool,
    processes: Processes,
    /// Begins a transaction that writes, and one that sees one instant.
    begin: [String; 2],
}

/// Without what the driver is told, for that holds the password.
impl fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connections")
            .field("number", &self.number)
            .field("host", &self.connect.get_host())
            .field("port", &self.connect.get_port())
            .field("acquire_timeout", &self.acquire_timeout)
            .field("is_pooled", &self.is_pooled)
            .finish_non_exhaustive()
    }
}

impl Connections {
    pub(crate) fn new(options: &PostgresOptions) -> Self {
        let settings = options.settings();
        let mut local = String::new();
        let mut connect = options.connect.clone();
        if options.is_pooled {
            // A pooler passes on no setting of a session's beginning.
            for (name, value) in &settings {
                local += &format!("; SET LOCAL {name} = '{value}'");
            }
            connect = connect.statement_cache_capacity(0).extra_float_digits(None);
        } else {
            // Where a connection begins, a name that is a word of SQL needs its quotes; SET puts them there itself.
            let quoted = settings.into_iter().map(|(name, value)| match name {
                "search_path" => (name, format!("\"{value}\"")),
                _ => (name, value),
            });
            connect = connect.options(quoted);
        }
        Self {
            places: Semaphore::new(options.connections as usize),
            number: options.connections,
            idle: Mutex::default(),
            connect,
            acquire_timeout: options.acquire_timeout,
            is_pooled: options.is_pooled,
            processes: Processes::default(),
            begin: [
                format!("BEGIN ISOLATION LEVEL READ COMMITTED{local}"),
                format!("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY{local}"),
            ],
        }
    }

    pub(crate) fn is_pooled(&self) -> bool {
        self.is_pooled
    }

    /// What begins a transaction that writes.
    pub(crate) fn begin(&self) -> &str {
        let [begin, _] = &self.begin;
        begin
    }

    /// What begins a transaction that reads, all of it at one instant.
    pub(crate) fn begin_reading(&self) -> &str {
        let [_, begin] = &self.begin;
        begin
    }

    /// A connection for one call. Dropped, it is closed; [`Held::give_back`] keeps it.
    ///
    /// # Errors
    /// `Busy` if none becomes free in time; what the server says to a new one.
    pub(crate) async fn acquire(&self) -> Result<Held<'_>> {
        let deadline = tokio::time::Instant::now() + self.acquire_timeout;
        let place = timeout_at(deadline, self.places.acquire()).await;
        let place = place.map_err(|_| busy())?.map_err(|_| closed())?;
        while let Some(mut session) = self.with_idle(Vec::pop) {
            let is_fresh = session.last_used.elapsed() < SILENCE;
            if is_fresh
                || matches!(
                    timeout_at(deadline, session.connection.ping()).await,
                    Ok(Ok(()))
                )
            {
                return Ok(self.held(session, place));
            }
        }
        let session = self.connected(deadline).await?;
        Ok(self.held(session, place))
    }

    fn held<'c>(&'c self, session: Session, place: SemaphorePermit<'c>) -> Held<'c> {
        Held {
            connections: self,
            session,
            _place: place,
        }
    }

    async fn connected(&self, deadline: tokio::time::Instant) -> Result<Session> {
        let mut pause = FIRST_PAUSE;
        loop {
            let connection = timeout_at(deadline, self.connect.connect()).await;
            match connection {
                Ok(Ok(connection)) => return self.session(connection).await,
                Ok(Err(error))
                    if error::is_passing(&error)
                        && tokio::time::Instant::now() + pause < deadline =>
                {
                    sleep(pause).await;
                    pause = LAST_PAUSE.min(pause * 2);
                }
                Ok(Err(error)) => return Err(error::connecting(error)),
                Err(_) => {
                    let what = format!(
                        "connecting to the server took longer than {:?}",
                        self.acquire_timeout
                    );
                    return Err(error::unavailable(what, Outcome::NotApplied));
                }
            }
        }
    }

    async fn session(&self, mut connection: PgConnection) -> Result<Session> {
        let process = match self.is_pooled {
            true => None,
            false => {
                let id = query_scalar::<_, i32>("SELECT pg_backend_pid()");
                let id = id.persistent(false).fetch_one(&mut connection).await;
                let id = id.map_err(|error| engine("connecting to the server", error))?;
                let id = id.unsigned_abs();
                self.processes.with(|ids| ids.insert(id));
                let all = self.processes.clone();
                Some(Process { id, all })
            }
        };
        Ok(Session {
            connection,
            prepares: !self.is_pooled,
            last_used: Instant::now(),
            process,
        })
    }

    pub(crate) fn processes(&self) -> &Processes {
        &self.processes
    }

    /// How to make a connection beside all others, to listen by.
    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        self.connect.clone()
    }

    /// Closes the connections that nobody uses: one was lost, and the others may be lost too.
    pub(crate) fn forget_idle(&self) {
        drop(self.with_idle(std::mem::take));
    }

    /// Gives nobody a connection any more, waits for those who have one, and closes them all.
    pub(crate) async fn close(&self) {
        // An error says that it is closed already.
        let all = self.places.acquire_many(self.number).await;
        self.places.close();
        drop(all);
        for session in self.with_idle(std::mem::take) {
            drop(session.process);
            // Whether the server heard the farewell makes no difference any more.
            let _ = session.connection.close().await;
        }
    }

    fn with_idle<T>(&self, access: impl FnOnce(&mut Vec<Session>) -> T) -> T {
        access(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn busy() -> Error {
    Error::Busy {
        what: "every connection of the store is in use".to_owned(),
        source: None,
    }
}

/// A connection in the hands of one call.
#[derive(Debug)]
pub(crate) struct Held<'c> {
    connections: &'c Connections,
    pub(crate) session: Session,
    _place: SemaphorePermit<'c>,
}

impl Held<'_> {
    /// Keeps the connection for the next call, if what it was used for left it usable.
    pub(crate) fn end<T>(self, result: &Result<T>) {
        match result {
            Err(error) if !error::leaves_connection(error) => self.connections.forget_idle(),
            _ => self.give_back(),
        }
    }

    fn give_back(self) {
        let Self {
            connections,
            mut session,
            _place,
        } = self;
        session.last_used = Instant::now();
        // Before the place is free, so that who gets it finds the connection.
        connections.with_idle(|idle| idle.push(session));
    }
}
