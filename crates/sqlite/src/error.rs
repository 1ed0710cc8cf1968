//! The only place that says what an error of the driver means. It goes by SQLite's result codes, never by
//! the text of a message.

use std::io;
use std::path::Path;

use runstore_core::{Cause, Error, Outcome};
use rusqlite::Error as DriverError;

/// SQLite's primary result codes. The driver gives extended ones, whose low byte is the primary code.
mod code {
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const NOMEM: i32 = 7;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const PROTOCOL: i32 = 15;
    pub(super) const AUTH: i32 = 23;
    pub(super) const NOTADB: i32 = 26;
}

/// What kind of failure a driver's error is, whatever was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Another connection holds the file.
    Busy,
    /// The disk is full.
    Full,
    /// The file or the memory cannot be had just now.
    Unavailable,
    /// The file, or a value in it, is not what it must be.
    Corrupt,
    /// The file is no SQLite database.
    NotADatabase,
    Other,
}

fn kind(error: &DriverError) -> Kind {
    // None of an error in a statement's text, which the driver makes of unclassified codes alone.
    let code = error.sqlite_error().map(|error| error.extended_code & 0xff);
    match (code, error) {
        // `PROTOCOL`: others kept winning the race for the log's locks.
        (Some(code::BUSY | code::LOCKED | code::PROTOCOL), _) => Kind::Busy,
        (Some(code::FULL), _) => Kind::Full,
        (
            Some(
                code::PERM
                | code::NOMEM
                | code::READONLY
                | code::IOERR
                | code::CANTOPEN
                | code::AUTH,
            ),
            _,
        ) => Kind::Unavailable,
        (Some(code::CORRUPT), _) => Kind::Corrupt,
        (Some(code::NOTADB), _) => Kind::NotADatabase,
        (
            None,
            DriverError::FromSqlConversionFailure(..)
            | DriverError::IntegralValueOutOfRange(..)
            | DriverError::InvalidColumnType(..)
            | DriverError::Utf8Error(..),
        ) => Kind::Corrupt,
        _ => Kind::Other,
    }
}

/// The error for whatever failed outside a commit: a transaction that was open is given up, so nothing
/// took effect. `what` is what was being done.
pub(crate) fn engine(what: &str, error: DriverError) -> Error {
    let kind = kind(&error);
    let source = Some(Cause::new(error));
    match kind {
        Kind::Busy => Error::Busy {
            what: format!("{what}: another connection holds the file"),
            source,
        },
        Kind::Full => unavailable(format!("{what}: the disk is full"), source),
        Kind::Unavailable => unavailable(format!("{what}: the file cannot be used"), source),
        Kind::Corrupt => Error::corrupt(what, "cannot be read", source),
        Kind::NotADatabase => Error::corrupt(what, "the file is not an SQLite database", source),
        Kind::Other => Error::Backend {
            what: what.to_owned(),
            source,
        },
    }
}

/// The error for a commit that failed.
pub(crate) fn commit(error: DriverError) -> Error {
    const WHAT: &str = "committing a batch of writes";
    match kind(&error) {
        // Both come before the mark that makes the batch count, and the batch is then rolled back.
        Kind::Busy | Kind::Full => engine(WHAT, error),
        // The mark may have been written and the flush of it have failed: only a recovery would tell.
        _ => Error::Unavailable {
            what: WHAT.to_owned(),
            outcome: Outcome::Unknown,
            source: Some(Cause::new(error)),
        },
    }
}

/// The error for what the system says of a file or a folder while the store is opened.
pub(crate) fn file(what: String, error: io::Error) -> Error {
    unavailable(what, Some(Cause::new(error)))
}

/// What to do about a file that is not a store.
pub(crate) const ANOTHER_PATH: &str = "it was left as it is; choose another path";

/// The error for a file that is not one that this version can use.
pub(crate) fn incompatible(path: &Path, what: &str, advice: &str, source: Option<Cause>) -> Error {
    Error::Incompatible {
        found: format!("{} {what}", path.display()),
        advice: advice.to_owned(),
        source,
    }
}

/// Names the file where opening it found damage: until it is open, the caller may have others in mind.
pub(crate) fn while_opening(path: &Path, error: Error) -> Error {
    match error {
        Error::Corrupt {
            place,
            problem,
            source,
        } => Error::corrupt(format!("{}: {place}", path.display()), problem, source),
        error => error,
    }
}

/// The error of every call on a closed store.
pub(crate) fn closed() -> Error {
    unavailable("the store is closed".to_owned(), None)
}

/// Whether the file turned out to be no SQLite database.
pub(crate) fn is_not_a_database(error: &DriverError) -> bool {
    kind(error) == Kind::NotADatabase
}

pub(crate) fn unavailable(what: String, source: Option<Cause>) -> Error {
    Error::Unavailable {
        what,
        outcome: Outcome::NotApplied,
        source,
    }
}
