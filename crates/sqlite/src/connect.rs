//! Connections: how each kind is set, and the check that SQLite took the settings.

use std::fmt::Display;
use std::time::Duration;

use runstore_core::{Durability, Error, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Decode, Sqlite, Type};

use crate::SqliteOptions;
use crate::error::engine;
use crate::file::DatabaseFile;

/// Enough for every statement of the store, those for plans of each size included.
const STATEMENTS: usize = 1_280;

/// The connection that writes.
pub(crate) async fn writer(
    options: &SqliteOptions,
    file: &DatabaseFile,
) -> Result<SqliteConnection> {
    let (synchronous, flush) = match options.durability {
        Durability::Full => (SqliteSynchronous::Full, "ON"),
        Durability::Relaxed | Durability::Volatile => (SqliteSynchronous::Normal, "OFF"),
    };
    let connect = base(file, options.busy_timeout)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(synchronous)
        // On macOS a plain flush leaves the data in the drive's cache; elsewhere these change nothing.
        .pragma("fullfsync", flush)
        .pragma("checkpoint_fullfsync", flush);
    let mut connection = open(&connect).await?;
    let synchronous = match options.durability {
        Durability::Full => 2,
        Durability::Relaxed | Durability::Volatile => 1,
    };
    let checked = async {
        check_common(&mut connection, options).await?;
        check(&mut connection, "PRAGMA synchronous", synchronous).await
    };
    match checked.await {
        Ok(()) => Ok(connection),
        Err(error) => Err(close_after(connection, error).await),
    }
}

/// A connection that reads.
pub(crate) async fn reader(
    options: &SqliteOptions,
    file: &DatabaseFile,
) -> Result<SqliteConnection> {
    let connect = base(file, options.busy_timeout)
        .read_only(true)
        .pragma("query_only", "ON");
    let mut connection = open(&connect).await?;
    check_common(&mut connection, options).await?;
    check(&mut connection, "PRAGMA query_only", 1).await?;
    Ok(connection)
}

/// A connection that takes an empty file for a store, before the file has a write-ahead log.
pub(crate) async fn claimer(
    options: &SqliteOptions,
    file: &DatabaseFile,
) -> Result<SqliteConnection> {
    open(&base(file, options.busy_timeout).synchronous(SqliteSynchronous::Full)).await
}

/// A connection that looks at a file and leaves no trace: it takes no lock, makes no file, and sees what
/// the file itself holds, without any log beside it.
pub(crate) async fn bystander(
    options: &SqliteOptions,
    file: &DatabaseFile,
) -> sqlx::Result<SqliteConnection> {
    base(file, options.busy_timeout)
        .read_only(true)
        .immutable(true)
        // Without it, a file that another process is just making longer reads as corrupt: its first page
        // tells the new length before the other pages are there.
        .pragma("writable_schema", "ON")
        .connect()
        .await
}

/// A connection that looks at a file in use, through its log. It makes no file only if the log and its
/// index are there.
pub(crate) async fn participant(
    options: &SqliteOptions,
    file: &DatabaseFile,
) -> sqlx::Result<SqliteConnection> {
    base(file, options.busy_timeout)
        .read_only(true)
        .pragma("query_only", "ON")
        .connect()
        .await
}

/// Closes the connection and waits until it has let go of the file.
pub(crate) async fn close(connection: SqliteConnection) {
    // It is closed whatever this returns: the driver gives an error only if its thread was gone before.
    let _ = sqlx::Connection::close(connection).await;
}

/// Closes the connection that `error` has made useless.
pub(crate) async fn close_after(connection: SqliteConnection, error: Error) -> Error {
    close(connection).await;
    error
}

fn base(file: &DatabaseFile, busy_timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file.path())
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(busy_timeout)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging()
}

async fn open(connect: &SqliteConnectOptions) -> Result<SqliteConnection> {
    let opened = connect.connect().await;
    opened.map_err(|error| engine("opening the database", error))
}

async fn check_common(connection: &mut SqliteConnection, options: &SqliteOptions) -> Result<()> {
    // At most i32::MAX: the options were checked.
    let busy_timeout = i64::try_from(options.busy_timeout.as_millis()).unwrap_or(i64::MAX);
    check(connection, "PRAGMA journal_mode", "wal".to_owned()).await?;
    check(connection, "PRAGMA foreign_keys", 1).await?;
    check(connection, "PRAGMA busy_timeout", busy_timeout).await
}

/// Reads a setting back. SQLite ignores one that it does not know or cannot do, without an error.
async fn check<T>(
    connection: &mut SqliteConnection,
    pragma: &'static str,
    expected: T,
) -> Result<()>
where
    T: PartialEq + Display + Send + Unpin + Type<Sqlite> + for<'r> Decode<'r, Sqlite>,
{
    let found: T = sqlx::query_scalar(pragma)
        .fetch_one(connection)
        .await
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

    #[tokio::test]
    async fn a_setting_that_sqlite_did_not_take_is_an_error() {
        let connect = SqliteConnectOptions::new().in_memory(true);
        let mut connection = open(&connect).await.unwrap();
        let foreign_keys = "PRAGMA foreign_keys";
        check(&mut connection, foreign_keys, 1).await.unwrap();
        let wrong = check(&mut connection, foreign_keys, 0).await;
        assert!(matches!(wrong, Err(Error::Backend { .. })));
        let journal_mode = "PRAGMA journal_mode";
        let wrong = check(&mut connection, journal_mode, "wal".to_owned()).await;
        assert!(matches!(wrong, Err(Error::Backend { .. })));
    }
}
