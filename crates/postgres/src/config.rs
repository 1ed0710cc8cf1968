use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use runstore_core::{Clock, Durability, Error, Result, StoreUrl};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The most connections of one store.
const MAX_CONNECTIONS: u32 = 1_000;

/// The longest name that PostgreSQL keeps whole.
const MAX_NAME_BYTES: usize = 63;

/// The options of this crate's own in a URL; every other is the driver's.
const OWN_OPTIONS: [&str; 10] = [
    "schema",
    "create",
    "durability",
    "connections",
    "acquire_timeout_ms",
    "statement_timeout_ms",
    "poll_ms",
    "pooler",
    "together",
    "tls",
];

/// What the driver reads from a URL itself.
const DRIVER_OPTIONS: [&str; 10] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
];

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
            clock: None,
        }
    }

    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, as `libpq` writes it: what has a meaning in a URL
    /// is percent-encoded, and what is not given is taken from the variables `PGHOST`, `PGUSER`, `PGPASSWORD`
    /// … and from the file of passwords.
    ///
    /// Options after the question mark: `schema`, `create` (`true` or `false`), `durability` (`full` or `relaxed`), `connections`,
    /// `acquire_timeout_ms`, `statement_timeout_ms` (0 for none), `poll_ms`, `pooler` (`none` or
    /// `transaction`), `together` (`true` or `false`), `tls` (`true`: the server proves who it is), and of the
    /// driver's own `application_name`, `host`, `hostaddr`, `port`, `dbname`, `password`, `sslmode`,
    /// `sslrootcert`, `sslcert` and `sslkey`.
    ///
    /// # Errors
    /// `InvalidInput` on field `url` for anything else.
    pub fn from_url(url: &StoreUrl) -> Result<Self> {
        // The driver is given what is its own; nothing of it is repeated in an error, for it may be a secret.
        let of_driver: Vec<String> = url
            .options()
            .filter(|(key, _)| DRIVER_OPTIONS.contains(key))
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let rest = format!("postgres://{}?{}", url.location(), of_driver.join("&"));
        let connect = PgConnectOptions::from_str(&rest)
            .map_err(|_| invalid("is not postgres://USER:PASSWORD@HOST:PORT/DATABASE"))?;
        // The resolver knows no brackets.
        let bare = connect.get_host().strip_prefix('[');
        let bare = bare
            .and_then(|host| host.strip_suffix(']'))
            .map(str::to_owned);
        let connect = match bare {
            Some(address) => connect.host(&address),
            None => connect,
        };
        let has = |wanted: &str| url.options().any(|(key, _)| key == wanted);
        let keys = || url.options().map(|(key, _)| key);
        let twice = |key: &&str| keys().filter(|other| other == key).count() > 1;
        if let Some(key) = keys().find(twice) {
            return Err(invalid(format!("names option {key:?} twice")));
        }
        if has("tls")
            && (has("sslmode")
                || url
                    .options()
                    .any(|(key, value)| (key, value) == ("tls", "false"))
                    && has("sslrootcert"))
        {
            return Err(invalid("has options of TLS that contradict each other"));
        }
        let application = url.options().find(|(key, _)| *key == "application_name");
        let mut options = Self::new(connect);
        if let Some((_, name)) = application {
            options = options.with_application_name(name);
        }
        // Whoever names a root certificate wants it looked at.
        if has("sslrootcert") && !has("sslmode") {
            options.connect = options.connect.ssl_mode(PgSslMode::VerifyFull);
        }
        for (key, value) in url.options() {
            options = match key {
                "schema" => options.with_schema(value),
                "create" => options.with_creation(truth(key, value)?),
                "durability" => options.with_durability(StoreUrl::durability(value)?),
                "connections" => options.with_connections(number(key, value)?),
                "acquire_timeout_ms" => options.with_acquire_timeout(millis(key, value)?),
                "statement_timeout_ms" => {
                    let timeout = millis(key, value)?;
                    options.with_statement_timeout((!timeout.is_zero()).then_some(timeout))
                }
                "poll_ms" => options.with_poll_interval(millis(key, value)?),
                "pooler" => match value {
                    "none" => options.with_transaction_pooler(false),
                    "transaction" => options.with_transaction_pooler(true),
                    _ => {
                        let problem = format!("has pooler {value:?}; it is none or transaction");
                        return Err(invalid(problem));
                    }
                },
                "together" => options.with_calls_together(truth(key, value)?),
                "tls" if truth(key, value)? => options.with_tls(None),
                "tls" => {
                    options.connect = options.connect.ssl_mode(PgSslMode::Disable);
                    options
                }
                _ if DRIVER_OPTIONS.contains(&key) => options,
                _ => {
                    let known = [&OWN_OPTIONS[..], &DRIVER_OPTIONS[..]].concat();
                    return Err(url.unknown_option(key, &known));
                }
            };
        }
        options.check()?;
        Ok(options)
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
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

fn invalid(problem: impl Into<String>) -> Error {
    Error::invalid_input("url", problem)
}

fn number(key: &str, value: &str) -> Result<u32> {
    let number = value.parse();
    number.map_err(|_| invalid(format!("has {key} {value:?}, which is not a number")))
}

fn millis(key: &str, value: &str) -> Result<Duration> {
    Ok(Duration::from_millis(number(key, value)?.into()))
}

fn truth(key: &str, value: &str) -> Result<bool> {
    let truth = value.parse();
    truth.map_err(|_| invalid(format!("has {key} {value:?}; it is true or false")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> Result<PostgresOptions> {
        PostgresOptions::from_url(&url.parse()?)
    }

    #[test]
    fn a_url_names_server_database_and_options() {
        let url = "postgres://me:p%40ss@db.example:6432/agents?schema=team_a&connections=3\
                   &statement_timeout_ms=0&pooler=transaction&application_name=planner";
        let options = options(url).unwrap();
        assert_eq!(options.connect.get_host(), "db.example");
        assert_eq!(options.connect.get_port(), 6432);
        assert_eq!(options.connect.get_database(), Some("agents"));
        assert_eq!(options.schema, "team_a");
        assert_eq!((options.connections, options.is_pooled), (3, true));
        assert_eq!(options.statement_timeout, None);
        assert_eq!(options.connect.get_application_name(), Some("planner"));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name_and_tells_no_secret() {
        for (url, named) in [
            ("postgres://me:secret@host/db?shema=x", "shema"),
            ("postgres://me:secret@host/db?schema=pg_x", "schema"),
            ("postgres://me:secret@host/db?schema=A", "schema"),
            ("postgres://me:secret@host/db?connections=0", "connections"),
            ("postgres://me:secret@host/db?pooler=session", "pooler"),
            ("postgres://me:secret@host:port/db", "postgres://USER"),
            ("postgres://me:secret@host/db?poll_ms=soon", "poll_ms"),
            ("postgres://me:secret@host/db?schema=a&schema=b", "schema"),
            (
                "postgres://me:secret@host/db?tls=true&sslmode=disable",
                "TLS",
            ),
            (
                "postgres://me:secret@host/db?tls=false&sslrootcert=/ca",
                "TLS",
            ),
            ("postgres://me:se?cret@host/db", "%3F"),
            ("postgres://me:secret@host/db?se@cret=x", "option"),
        ] {
            let error = options(url).unwrap_err();
            assert!(matches!(error, Error::InvalidInput { .. }), "{error:?}");
            assert!(error.to_string().contains(named), "{error}");
            assert!(!format!("{error:?} {error}").contains("secret"));
        }
        let debug = format!("{:?}", options("postgres://me:secret@host/db").unwrap());
        assert!(!debug.contains("secret"), "{debug}");
    }

    #[test]
    fn an_address_of_ipv6_stands_in_brackets() {
        let options = options("postgres://me@[::1]:6432/agents").unwrap();
        assert_eq!(options.connect.get_host(), "::1");
        assert_eq!(options.connect.get_port(), 6432);
    }

    #[test]
    fn tls_asked_for_proves_who_the_server_is() {
        let mode = |url| options(url).unwrap().connect.get_ssl_mode();
        assert!(matches!(
            mode("postgres://h/d?tls=true"),
            PgSslMode::VerifyFull
        ));
        assert!(matches!(
            mode("postgres://h/d?sslrootcert=/ca.pem"),
            PgSslMode::VerifyFull
        ));
        assert!(matches!(
            mode("postgres://h/d?sslmode=require"),
            PgSslMode::Require
        ));
    }
}
