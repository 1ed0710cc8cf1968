//! Connections: how each kind is set, and the check that SQLite took the settings.

use std::fmt::Display;

use runstore_core::{Durability, Error, Pauses, Result};
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use rusqlite::types::FromSql;

use crate::SqliteOptions;
use crate::driver::{Connection, run_to_end};
use crate::error::engine;
use crate::file::DatabaseFile;

/// Enough for every statement of the store, those for groups of each size included.
const STATEMENTS: usize = 1_280;

/// The connection that writes.
pub(crate) fn writer(options: &SqliteOptions, file: &DatabaseFile) -> Result<Connection> {
    let (synchronous, flush) = match options.durability {
        Durability::Full => (2, "ON"),
        Durability::Relaxed | Durability::Volatile => (1, "OFF"),
    };
    let connection = open(options, file, Access::Write)?;
    let set = |sql: &str| {
        let set = connection.execute_batch(sql);
        set.map_err(|error| engine("setting up the connection", error))
    };
    run_to_end(&connection, "PRAGMA journal_mode = WAL")
        .map_err(|error| engine("setting up the connection", error))?;
    set(&format!("PRAGMA synchronous = {synchronous}"))?;
    // On macOS a plain flush leaves the data in the drive's cache; elsewhere these change nothing.
    set(&format!(
        "PRAGMA fullfsync = {flush}; PRAGMA checkpoint_fullfsync = {flush}"
    ))?;
    check_common(&connection, options)?;
    check(&connection, "PRAGMA synchronous", synchronous)?;
    Ok(connection)
}

/// How many steps of its program SQLite makes between two looks at the time: those of some ten rows.
const STEPS_BETWEEN_LOOKS: i32 = 500;

/// A connection that reads.
pub(crate) fn reader(options: &SqliteOptions, file: &DatabaseFile) -> Result<Connection> {
    let connection = open(options, file, Access::Read)?;
    let pauses = Pauses::default();
    let handler = move || {
        pauses.pause_if_due();
        // The read goes on.
        false
    };
    let set = connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(handler));
    set.map_err(|error| engine("setting up the connection", error))?;
    check_common(&connection, options)?;
    check(&connection, "PRAGMA query_only", 1)?;
    Ok(connection)
}

/// A connection that takes an empty file for a store, before the file has a write-ahead log.
pub(crate) fn claimer(options: &SqliteOptions, file: &DatabaseFile) -> Result<Connection> {
    let connection = open(options, file, Access::Write)?;
    let set = connection.execute_batch("PRAGMA synchronous = FULL");
    set.map_err(|error| engine("setting up the connection", error))?;
    Ok(connection)
}

/// A connection that looks at a file and leaves no trace: it takes no lock, makes no file, and sees what
/// the file itself holds, without any log beside it.
pub(crate) fn bystander(
    options: &SqliteOptions,
    file: &DatabaseFile,
) -> rusqlite::Result<Connection> {
    let connection = connect(options, file, Access::Look)?;
    // Without it, a file that another process is just making longer reads as corrupt: its first page
    // tells the new length before the other pages are there.
    connection.execute_batch("PRAGMA writable_schema = ON")?;
    Ok(connection)
}

/// A connection that looks at a file in use, through its log. It makes no file only if the log and its
/// index are there.
pub(crate) fn participant(
    options: &SqliteOptions,
    file: &DatabaseFile,
) -> rusqlite::Result<Connection> {
    connect(options, file, Access::Read)
}

/// What a connection may do with the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Write,
    Read,
    /// Read the file itself, as if nobody ever changed it.
    Look,
}

fn open(options: &SqliteOptions, file: &DatabaseFile, access: Access) -> Result<Connection> {
    let opened = connect(options, file, access);
    opened.map_err(|error| engine("opening the database", error))
}

fn connect(
    options: &SqliteOptions,
    file: &DatabaseFile,
    access: Access,
) -> rusqlite::Result<Connection> {
    // A connection is used by one thread at a time: SQLite need not see to that.
    let threads = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match access {
        Access::Write => {
            let flags = threads | OpenFlags::SQLITE_OPEN_READ_WRITE;
            Connection::open_with_flags(file.path(), flags)?
        }
        Access::Read => {
            let flags = threads | OpenFlags::SQLITE_OPEN_READ_ONLY;
            let connection = Connection::open_with_flags(file.path(), flags)?;
            connection.execute_batch("PRAGMA query_only = ON")?;
            connection
        }
        Access::Look => {
            let flags = threads | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(file.immutable_uri(), flags)?
        }
    };
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Without it SQLite plans a prepared statement anew whenever a value that a plan could have looked at is another
    // one: for the statements of this crate nearly each time, and never to another plan.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch("PRAGMA foreign_keys = ON")?;
    Ok(connection)
}

fn check_common(connection: &Connection, options: &SqliteOptions) -> Result<()> {
    // At most i32::MAX: the options were checked.
    let busy_timeout = i64::try_from(options.busy_timeout.as_millis()).unwrap_or(i64::MAX);
    check(connection, "PRAGMA journal_mode", "wal".to_owned())?;
    check(connection, "PRAGMA foreign_keys", 1)?;
    check(connection, "PRAGMA busy_timeout", busy_timeout)
}

/// Reads a setting back. SQLite ignores one that it does not know or cannot do, without an error.
fn check<T>(connection: &Connection, pragma: &'static str, expected: T) -> Result<()>
where
    T: PartialEq + Display + FromSql,
{
    let found: T = connection
        .query_row(pragma, [], |row| row.get(0))
        .map_err(|error| engine(pragma, error))?;
    if found == expected {
        return Ok(());
    }
    Err(Error::Backend {
        what: format!("{pragma} gives {found}, not {expected}: SQLite did not take the setting"),
        source: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_sqlite_did_not_take_is_an_error() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("PRAGMA foreign_keys = ON")
            .unwrap();
        let foreign_keys = "PRAGMA foreign_keys";
        check(&connection, foreign_keys, 1).unwrap();
        let wrong = check(&connection, foreign_keys, 0);
        assert!(matches!(wrong, Err(Error::Backend { .. })));
        let journal_mode = "PRAGMA journal_mode";
        let wrong = check(&connection, journal_mode, "wal".to_owned());
        assert!(matches!(wrong, Err(Error::Backend { .. })));
    }
}
