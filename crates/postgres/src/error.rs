//! The only place that says what an error of the driver means. It goes by SQLSTATE, never by the text of a
//! message: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use runstore_core::{Cause, Error, Outcome};
use sqlx::error::DatabaseError;
use sqlx::postgres::PgDatabaseError;

/// What kind of failure a driver's error is, whatever was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The server gave the transaction up so that others could go on: the same again may succeed.
    Conflict,
    /// Others hold what was waited for, or the server has no room for one more.
    Busy(&'static str),
    /// The server refused or cancelled the statement: it did not take effect.
    Refused(&'static str),
    /// The connection is gone, and with it the answer.
    Lost,
    /// A value is not what it must be.
    Corrupt,
    Other,
}

fn kind(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Database(database) => of_code(database.as_ref()),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Kind::Lost,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Kind::Corrupt,
        _ => Kind::Other,
    }
}

fn of_code(error: &dyn DatabaseError) -> Kind {
    let code = error.code();
    match code.as_deref().unwrap_or_default() {
        "40001" | "40P01" => Kind::Conflict,
        // A prepared statement whose result would be another one since the schema changed.
        "0A000" if is_stale_plan(error) => Kind::Conflict,
        "53300" => Kind::Busy("the server has no connection left"),
        "55P03" => Kind::Busy("others hold what it needs"),
        "57014" => Kind::Refused("the server cancelled it: it took longer than it may"),
        "25006" => Kind::Refused("the server only reads: it is a standby, in recovery, or set to"),
        "53100" => Kind::Refused("the server's disk is full"),
        "53200" => Kind::Refused("the server has no memory left"),
        "57P03" => Kind::Refused("the server is starting up or shutting down"),
        // The server may end a connection between its commit and its answer.
        "57P01" | "57P02" | "57P04" | "57P05" | "25P03" => Kind::Lost,
        "XX001" | "XX002" => Kind::Corrupt,
        code if code.starts_with("08") => Kind::Lost,
        code if code.starts_with("58") => Kind::Refused("the server met an error of its system"),
        _ => Kind::Other,
    }
}

fn is_stale_plan(error: &dyn DatabaseError) -> bool {
    let postgres = error.try_downcast_ref::<PgDatabaseError>();
    postgres.and_then(PgDatabaseError::routine) == Some("RevalidateCachedQuery")
}

/// The error for a statement that failed and left nothing behind: one that reads, or one of a transaction that
/// was given up with it. `what` is what was being done.
pub(crate) fn engine(what: &str, error: sqlx::Error) -> Error {
    classified(what, error, Outcome::NotApplied)
}

/// The error for a statement whose end is a commit.
pub(crate) fn commit(what: &str, error: sqlx::Error) -> Error {
    classified(what, error, Outcome::Unknown)
}

/// `lost` is what is known of the write if the answer was lost.
fn classified(what: &str, error: sqlx::Error, lost: Outcome) -> Error {
    let kind = kind(&error);
    let source = Some(Cause::new(error));
    match kind {
        Kind::Conflict => Error::Busy {
            what: format!("{what}: others kept changing the same"),
            source,
        },
        Kind::Busy(why) => Error::Busy {
            what: format!("{what}: {why}"),
            source,
        },
        Kind::Refused(why) => Error::Unavailable {
            what: format!("{what}: {why}"),
            outcome: Outcome::NotApplied,
            source,
        },
        Kind::Lost => Error::Unavailable {
            what: format!("{what}: the connection to the server was lost"),
            outcome: lost,
            source,
        },
        Kind::Corrupt => Error::corrupt(what, "cannot be read", source),
        Kind::Other => Error::Backend {
            what: what.to_owned(),
            source,
        },
    }
}

/// Whether the same again, in a new transaction, may succeed at once.
pub(crate) fn is_conflict(error: &Error) -> bool {
    of_driver(error).is_some_and(|driver| kind(driver) == Kind::Conflict)
}

/// Whether a record could not be added because its id, or its number, is taken.
pub(crate) fn is_taken(error: &Error) -> bool {
    of_driver(error)
        .and_then(sqlx::Error::as_database_error)
        .is_some_and(DatabaseError::is_unique_violation)
}

/// Whether the connection that it came by can still be used: the server answered, or nothing was asked.
pub(crate) fn leaves_connection(error: &Error) -> bool {
    error.is_refusal() || of_driver(error).is_some_and(|driver| kind(driver) != Kind::Lost)
}

/// The error of a connection that could not be made. Nothing was asked by it.
pub(crate) fn connecting(error: sqlx::Error) -> Error {
    let why = match &error {
        sqlx::Error::Tls(_) => TLS,
        _ if is_refused_certificate(&error) => TLS,
        // What a pooler says to a setting that it does not pass on.
        sqlx::Error::Database(refusal) if refusal.code().as_deref() == Some("08P01") => {
            "what answers does not speak as PostgreSQL itself does; if it is a pooler, say so (pooler=transaction in \
             the URL)"
        }
        sqlx::Error::Io(_) => "nobody answers there, or what answers is no PostgreSQL server",
        _ => return engine("connecting to the server", error),
    };
    Error::Unavailable {
        what: format!("connecting to the server: {why}"),
        outcome: Outcome::NotApplied,
        source: Some(Cause::new(error)),
    }
}

const TLS: &str = "TLS as it was asked for is not to be had; its certificate must be for the host's name and signed \
    by a root that is trusted";

/// Data that are not what they must be, while a connection is made: a certificate that is refused.
fn is_refused_certificate(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData)
}

/// Whether a connection that failed with it may be had a little later.
pub(crate) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        // A certificate that is refused will be so again.
        sqlx::Error::Io(_) => !is_refused_certificate(error),
        sqlx::Error::Database(database) => matches!(
            database.code().as_deref(),
            Some("53300" | "57P01" | "57P02" | "57P03")
        ),
        _ => false,
    }
}

/// The driver's error in the cause.
fn of_driver(error: &Error) -> Option<&sqlx::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

/// The error of every call on a closed store.
pub(crate) fn closed() -> Error {
    unavailable("the store is closed".to_owned(), Outcome::NotApplied)
}

pub(crate) fn unavailable(what: String, outcome: Outcome) -> Error {
    Error::Unavailable {
        what,
        outcome,
        source: None,
    }
}

/// The error for a server or a schema that this version cannot use.
pub(crate) fn incompatible(found: String, advice: &str, source: Option<Cause>) -> Error {
    Error::Incompatible {
        found,
        advice: advice.to_owned(),
        source,
    }
}

/// Whether the connection was lost, and with it the answer.
pub(crate) fn is_lost(error: &Error) -> bool {
    of_driver(error).is_some_and(|driver| kind(driver) == Kind::Lost)
}

/// Whether the server answered with an error of the statement itself, which another one would not have met.
pub(crate) fn is_answer(error: &Error) -> bool {
    let is_database = |driver: &sqlx::Error| matches!(driver, sqlx::Error::Database(_));
    of_driver(error).is_some_and(|driver| is_database(driver) && kind(driver) == Kind::Other)
}
