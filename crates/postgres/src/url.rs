//! The options of a store as its URL gives them.

use std::str::FromStr;
use std::time::Duration;

use runstore_core::{Error, Result, StoreUrl};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::PostgresOptions;

/// The options of this crate's own; every other is the driver's.
const OWN_OPTIONS: [&str; 11] = [
    "schema",
    "create",
    "durability",
    "connections",
    "acquire_timeout_ms",
    "statement_timeout_ms",
    "poll_ms",
    "pooler",
    "together",
    "runtime",
    "tls",
];

/// What the driver reads itself.
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

/// What the driver knows by `sslmode`.
const SSL_MODES: [&str; 6] = [
    "disable",
    "allow",
    "prefer",
    "require",
    "verify-ca",
    "verify-full",
];

impl PostgresOptions {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, as `libpq` writes it: what has a meaning in a URL
    /// is percent-encoded, and what is not given is taken from the variables `PGHOST`, `PGUSER`, `PGPASSWORD`
    /// … and from the file of passwords.
    ///
    /// Options after the question mark: `schema`, `create` (`true` or `false`), `durability` (`full` or `relaxed`), `connections`,
    /// `acquire_timeout_ms`, `statement_timeout_ms` (0 for none), `poll_ms`, `pooler` (`none` or
    /// `transaction`), `together` (`true` or `false`), `runtime` (`own` or `caller`), `tls` (`true`: the server
    /// proves who it is), and of the driver's own `application_name`, `host`, `hostaddr`, `port`, `dbname`, `password`, `sslmode`,
    /// `sslrootcert`, `sslcert` and `sslkey`.
    ///
    /// # Errors
    /// `InvalidInput` on field `url` for anything else.
    pub fn from_url(url: &StoreUrl) -> Result<Self> {
        check_driver_options(url)?;
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
                "runtime" => match value {
                    "own" => options.with_callers_runtime(false),
                    "caller" => options.with_callers_runtime(true),
                    _ => {
                        let problem = format!("has runtime {value:?}; it is own or caller");
                        return Err(invalid(problem));
                    }
                },
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
}

/// What the driver would refuse without a word of why, or take for something else.
fn check_driver_options(url: &StoreUrl) -> Result<()> {
    let value = |wanted| url.options().find(|(key, _)| *key == wanted);
    if let Some((_, mode)) = value("sslmode")
        && !SSL_MODES.contains(&mode)
    {
        let known = SSL_MODES.join(", ");
        return Err(invalid(format!("has sslmode {mode:?}; there are {known}")));
    }
    // After the user and the password, which are not to be repeated.
    let place = url.location().rsplit('@').next().unwrap_or_default();
    let hosts = place.split('/').next().unwrap_or_default();
    let given = value("host").map_or("", |(_, host)| host);
    if hosts.contains(',') || given.contains(',') {
        let problem =
            "names several hosts; name one, or a name that leads to the one that takes writes";
        return Err(invalid(problem));
    }
    Ok(())
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
                   &statement_timeout_ms=0&pooler=transaction&application_name=planner&runtime=caller";
        let options = options(url).unwrap();
        assert_eq!(options.connect.get_host(), "db.example");
        assert_eq!(options.connect.get_port(), 6432);
        assert_eq!(options.connect.get_database(), Some("agents"));
        assert_eq!(options.schema, "team_a");
        assert_eq!((options.connections, options.is_pooled), (3, true));
        assert_eq!(options.statement_timeout, None);
        assert!(options.on_callers_runtime);
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
            ("postgres://me:secret@host/db?runtime=mine", "runtime"),
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
            ("postgres://me:secret@host/db?sslmode=full", "verify-full"),
            ("postgres://me:secret@host,other/db", "several hosts"),
            ("postgres://me:secret@host/db?host=a,b", "several hosts"),
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
    fn a_comma_in_a_password_is_no_list_of_hosts() {
        let options = options("postgres://me:a,b@host/db").unwrap();
        assert_eq!(options.connect.get_host(), "host");
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
