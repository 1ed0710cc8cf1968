use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runstore_core::{Clock, Durability, Error, Result};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The most connections of one store.
const MAX_CONNECTIONS: u32 = 1_000;

/// The longest name that PostgreSQL keeps whole.
const MAX_NAME_BYTES: usize = 63;

/// How to open a store on a PostgreSQL server.
#[derive(Clone)]
pub struct PostgresOptions {
    pub(crate) connect: PgConnectOptions,
    pub(crate) schema: String,
    pub(crate) creates: bool,
    pub(crate) durability: Durability,
    pub(crate) connections: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) poll_interval: Duration,
    pub(crate) is_pooled: bool,
    pub(crate) together: bool,
    pub(crate) on_callers_runtime: bool,
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

impl PostgresOptions {
    /// The store on the server that the driver's options name: in schema `runstore`, with full durability, at
    /// most ten connections, ten seconds to get one, a minute for a statement, a poll a second, no pooler
    /// between, calls that travel together, and the server's clock.
    #[must_use]
    pub fn new(connect: PgConnectOptions) -> Self {
        Self {
            connect: connect.application_name("runstore"),
            schema: "runstore".to_owned(),
            creates: true,
            durability: Durability::Full,
            connections: 10,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Some(Duration::from_secs(60)),
            poll_interval: Duration::from_secs(1),
            is_pooled: false,
            together: true,
            on_callers_runtime: false,
            clock: None,
        }
    }

    /// The schema that the store is in; several stores can be in one database. It is created if it is missing.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Whether a schema that is missing is created; if not, opening it is [`Error::Incompatible`].
    #[must_use]
    pub fn with_creation(mut self, creates: bool) -> Self {
        self.creates = creates;
        self
    }

    /// What a write survives once it has returned: [`Durability::Full`] waits for the server's disk
    /// (`synchronous_commit = on`), [`Durability::Relaxed`] does not.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How many connections to use at most; one more listens while a call waits for a claim.
    #[must_use]
    pub fn with_connections(mut self, connections: u32) -> Self {
        self.connections = connections;
        self
    }

    /// How long a call waits for a connection, also while the server starts, before it is [`Error::Busy`] or
    /// [`Error::Unavailable`].
    #[must_use]
    pub fn with_acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How long the server may work on a statement, the wait for others included, before it cancels it. A plan
    /// of many tasks is a few statements of a second or so. `None` sets no bound.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// The name by which the server shows the connections.
    #[must_use]
    pub fn with_application_name(mut self, name: &str) -> Self {
        self.connect = self.connect.application_name(name);
        self
    }

    /// How often, at least, to look for what other processes made claimable while a call waits for a claim
    /// (clause C11), by the system's clock. The server notifies at once; this is for a notification that was
    /// lost, and behind a pooler for all.
    #[must_use]
    pub fn with_poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval;
        self
    }

    /// Whether a pooler that gives a connection for the time of a transaction (PgBouncer's
    /// `pool_mode = transaction`) stands between. Then nothing is prepared, nothing is listened to, and each
    /// statement is a transaction of its own with its settings.
    #[must_use]
    pub fn with_transaction_pooler(mut self, is_pooled: bool) -> Self {
        self.is_pooled = is_pooled;
        self
    }

    /// Whether calls that wait at the same time travel as one statement and share a commit. They do unless
    /// told otherwise.
    #[must_use]
    pub fn with_calls_together(mut self, together: bool) -> Self {
        self.together = together;
        self
    }

    /// Whether the store talks to the server on the runtime that it is opened on, in place of two threads of its own.
    /// A call then passes from thread to thread no more than the caller's own tasks do, which a caller that waits
    /// for one call after the other notices most.
    ///
    /// It has to be a runtime of tokio with I/O and time (`enable_all`) that lasts for as long as the store is used; once
    /// it is shut down, every call is [`Error::Unavailable`]. Tasks that keep its threads busy without a pause hold up
    /// the store's calls too, and on a runtime of one thread a call waits for as long as nobody runs that: no timeout
    /// passes meanwhile. Opened on no runtime, the store is [`Error::InvalidInput`] with the field `runtime`.
    #[must_use]
    pub fn with_callers_runtime(mut self, on_callers_runtime: bool) -> Self {
        self.on_callers_runtime = on_callers_runtime;
        self
    }

    /// Speaks to the server by TLS only, and only if its certificate is for its host's name (`verify-full`)
    /// and signed by one of these root certificates in PEM, or else by one that the system trusts.
    #[must_use]
    pub fn with_tls(mut self, root_certificates: Option<PathBuf>) -> Self {
        self.connect = self.connect.ssl_mode(PgSslMode::VerifyFull);
        if let Some(file) = root_certificates {
            self.connect = self.connect.ssl_root_cert(file);
        }
        self
    }

    /// Reads the time from `clock` instead of asking the server. Leases then depend on the clocks of the hosts.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |field: &str, problem: String| Err(Error::invalid_input(field, problem));
        let schema = self.schema.as_str();
        let is_name = schema.len() <= MAX_NAME_BYTES
            && schema.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
            && schema
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !is_name || schema.starts_with("pg_") {
            let problem = format!(
                "is {schema:?}; it must be a to z, 0 to 9 and _, at most {MAX_NAME_BYTES} of them, beginning \
                 with no digit and not with pg_"
            );
            return refuse("schema", problem);
        }
        if !(1..=MAX_CONNECTIONS).contains(&self.connections) {
            let problem = format!(
                "is {}; it must be from 1 to {MAX_CONNECTIONS}",
                self.connections
            );
            return refuse("connections", problem);
        }
        if self.durability == Durability::Volatile {
            return refuse(
                "durability",
                "is volatile; it is full or relaxed".to_owned(),
            );
        }
        let most = Duration::from_secs(24 * 60 * 60);
        let least = Duration::from_millis(1);
        for (field, duration) in [
            ("acquire_timeout", Some(self.acquire_timeout)),
            ("statement_timeout", self.statement_timeout),
            ("poll_interval", Some(self.poll_interval)),
        ] {
            if let Some(duration) = duration
                && !(least..=most).contains(&duration)
            {
                let problem = format!("is {duration:?}; it must be from {least:?} to {most:?}");
                return refuse(field, problem);
            }
        }
        Ok(())
    }

    /// What every session is set to: by the name of the setting.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let commit = match self.durability {
            Durability::Relaxed => "off",
            _ => "on",
        };
        let timeout = self
            .statement_timeout
            .map_or(0, |timeout| timeout.as_millis());
        vec![
            ("search_path", self.schema.clone()),
            ("synchronous_commit", commit.to_owned()),
            ("statement_timeout", timeout.to_string()),
            // Each statement sees what was committed before it, also once it has waited for a lock.
            ("default_transaction_isolation", "read committed".to_owned()),
            // A host that vanished in the middle of a transaction must not hold its locks for ever.
            ("idle_in_transaction_session_timeout", "60000".to_owned()),
            // Compiling a plan costs more than any statement here takes.
            ("jit", "off".to_owned()),
            // Planning the statements of a claim or a report takes longer than running them, and what their arrays
            // hold makes no better plan: each is planned once for a connection.
            ("plan_cache_mode", "force_generic_plan".to_owned()),
            // Every statement is written for an index. A plan that was made while a table was small, or while the
            // server knew nothing of it, must not read the whole of it when it has grown.
            ("enable_seqscan", "off".to_owned()),
            ("enable_bitmapscan", "off".to_owned()),
            ("enable_hashjoin", "off".to_owned()),
            ("enable_mergejoin", "off".to_owned()),
        ]
    }
}

/// Without the password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PostgresOptions")
            .field("host", &self.connect.get_host())
            .field("port", &self.connect.get_port())
            .field("database", &self.connect.get_database())
            .field("username", &self.connect.get_username())
            .field("schema", &self.schema)
            .field("creates", &self.creates)
            .field("durability", &self.durability)
            .field("connections", &self.connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .field("poll_interval", &self.poll_interval)
            .field("is_pooled", &self.is_pooled)
            .field("together", &self.together)
            .field("on_callers_runtime", &self.on_callers_runtime)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
