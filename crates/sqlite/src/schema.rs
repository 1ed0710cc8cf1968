//! The format of the file: what marks it as a store, its versions, and what it is not.
//!
//! A file becomes a store in two steps. It is *claimed*: its header gets [`APPLICATION_ID`], while it has
//! no write-ahead log yet, so that the header alone tells from then on. Then it is *migrated*, version by
//! version, all in one transaction. Whoever dies in between leaves a file that the next one takes on from
//! there.

use runstore_core::{Cause, Error, Result};
use rusqlite::{Transaction, TransactionBehavior};

use crate::SqliteOptions;
use crate::connect;
use crate::driver::{Connection, run_to_end};
use crate::error::{self, ANOTHER_PATH, engine, is_not_a_database};
use crate::file::DatabaseFile;

/// Marks a file as a store of this crate: `rstr` in ASCII, at offset 68 of the file.
pub const APPLICATION_ID: i32 = 0x7273_7472;

/// The version of the format that this version of the crate writes, at offset 60 of the file.
pub const FORMAT_VERSION: i32 = 3;

/// What each version adds to the one before.
const MIGRATIONS: [(i32, &str); 3] = [
    (1, include_str!("migrations/1.sql")),
    (2, include_str!("migrations/2.sql")),
    (3, include_str!("migrations/3.sql")),
];

/// The tables of agent-r, the tool that runstore grew from. It marks its files by nothing else.
const AGENT_R_TABLES: [&str; 8] = [
    "agents",
    "approvals",
    "artifacts",
    "checkpoints",
    "events",
    "runs",
    "task_attempts",
    "tasks",
];

/// What a file is that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Empty, to be claimed.
    Unclaimed,
    /// A store, of a version that is known; it may have to be migrated.
    Store,
}

/// Looks at the file without changing it or leaving another beside it.
pub(crate) fn look(options: &SqliteOptions, file: &DatabaseFile) -> Result<Found> {
    if file.is_cut_short() {
        return Err(not_a_database(file, None));
    }
    // Before the file is looked at: what our own log holds, the header was there before it.
    let has_log = file.has_log();
    let (header, mut contents) =
        look_at(options, file).map_err(|error| refuse_or_fail(file, error))?;
    if has_log && header.application_id == 0 {
        contents = contents.with_log(options, file);
    }
    judge(file, header, contents)
}

fn look_at(options: &SqliteOptions, file: &DatabaseFile) -> rusqlite::Result<(Header, Contents)> {
    see(&connect::bystander(options, file)?)
}

fn see(connection: &Connection) -> rusqlite::Result<(Header, Contents)> {
    // In this order: our tables are never there without the mark, so where another opener has just made
    // them, the header that is read after them has it.
    let contents = Contents::read(connection);
    let header = read_header(connection)?;
    Ok((header, contents))
}

/// Takes an empty file for a store.
pub(crate) fn claim(options: &SqliteOptions, file: &DatabaseFile) -> Result<()> {
    const WHAT: &str = "claiming the file";
    let failed = |error| engine(WHAT, error);
    let connection = connect::claimer(options, file)?;
    if judge_inside(&connection, file)? == Found::Store {
        return Ok(());
    }
    // An empty file may have been made with a log: the mark must not be in it alone.
    run_to_end(&connection, "PRAGMA journal_mode = DELETE").map_err(failed)?;
    // Dropped before its commit, it is rolled back.
    let transaction = begin(&connection).map_err(failed)?;
    // Another may have come first while this one waited.
    if judge_inside(&transaction, file)? == Found::Store {
        return Ok(());
    }
    let mark = format!("PRAGMA application_id = {APPLICATION_ID}");
    transaction.execute_batch(&mark).map_err(failed)?;
    transaction.commit().map_err(failed)
}

fn begin(connection: &Connection) -> rusqlite::Result<Transaction<'_>> {
    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
}

/// Brings the store to [`FORMAT_VERSION`], from whichever version it has.
pub(crate) fn migrate(connection: &Connection, file: &DatabaseFile) -> Result<()> {
    if is_at(connection, file, FORMAT_VERSION)? {
        return Ok(());
    }
    let what = format!("migrating to format {FORMAT_VERSION}");
    let failed = |error| engine(&what, error);
    let transaction = begin(connection).map_err(failed)?;
    for (version, sql) in MIGRATIONS {
        // Another may have come first while this one waited.
        if !is_at(&transaction, file, version)? {
            let mark = format!("PRAGMA user_version = {version}");
            transaction.execute_batch(sql).map_err(failed)?;
            transaction.execute_batch(&mark).map_err(failed)?;
        }
    }
    transaction.commit().map_err(failed)
}

fn is_at(connection: &Connection, file: &DatabaseFile, version: i32) -> Result<bool> {
    let header = read_header(connection).map_err(|error| refuse_or_fail(file, error))?;
    if header.application_id != APPLICATION_ID {
        // Whoever claimed it died before the end of that: SQLite has just taken it back, and the file is
        // to be looked at again.
        return Err(Error::Busy {
            what: "the file was given back while it was opened".to_owned(),
            source: None,
        });
    }
    judge(file, header, Contents::default())?;
    Ok(header.format_version >= version)
}

#[derive(Debug, Clone, Copy)]
struct Header {
    application_id: i32,
    format_version: i32,
}

fn read_header(connection: &Connection) -> rusqlite::Result<Header> {
    let read = |pragma| connection.query_row(pragma, [], |row| row.get(0));
    // Neither needs the schema, which may be unreadable where the file is just being made longer.
    // In this order: our version is never there without the mark, so where another opener has just
    // written it, the mark that is read after it is there.
    let format_version = read("PRAGMA user_version")?;
    Ok(Header {
        application_id: read("PRAGMA application_id")?,
        format_version,
    })
}

/// What a file without the mark holds.
#[derive(Debug, Default)]
struct Contents {
    names: Vec<String>,
    /// It holds something that cannot be named.
    is_unclear: bool,
    source: Option<Cause>,
}

impl Contents {
    fn read(connection: &Connection) -> Self {
        match names(connection) {
            Ok(names) => Self {
                names,
                ..Self::default()
            },
            Err(error) => Self {
                is_unclear: true,
                source: Some(Cause::new(error)),
                ..Self::default()
            },
        }
    }

    /// Adds what the log holds. The file is not ours, whatever that is: this is for the words.
    fn with_log(self, options: &SqliteOptions, file: &DatabaseFile) -> Self {
        let in_file = Self {
            is_unclear: true,
            ..self
        };
        if !file.has_shared_index() {
            return in_file;
        }
        let Ok(connection) = connect::participant(options, file) else {
            return in_file;
        };
        let in_log = Self::read(&connection);
        match in_log.names.is_empty() {
            true => in_file,
            false => in_log,
        }
    }
}

fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut names = connection.prepare("SELECT name FROM sqlite_schema ORDER BY name")?;
    names.query_map([], |row| row.get(0))?.collect()
}

fn judge_inside(connection: &Connection, file: &DatabaseFile) -> Result<Found> {
    let (header, contents) = see(connection).map_err(|error| refuse_or_fail(file, error))?;
    judge(file, header, contents)
}

fn judge(file: &DatabaseFile, header: Header, contents: Contents) -> Result<Found> {
    let Contents {
        names,
        is_unclear,
        source,
    } = contents;
    let incompatible =
        |found: &str, advice| Err(error::incompatible(file.path(), found, advice, source));
    let Header {
        application_id,
        format_version,
    } = header;
    match application_id {
        APPLICATION_ID if format_version > FORMAT_VERSION => incompatible(
            &format!(
                "is a store of format {format_version}, and this version of runstore knows up to \
                 {FORMAT_VERSION}"
            ),
            "upgrade runstore",
        ),
        // Version 0 is a file that was claimed and not migrated yet.
        APPLICATION_ID if format_version < 0 => incompatible(
            &format!("is a store of format {format_version}, which there never was"),
            ANOTHER_PATH,
        ),
        APPLICATION_ID => Ok(Found::Store),
        0 if names.is_empty() && !is_unclear && format_version == 0 => Ok(Found::Unclaimed),
        // Others mark an empty file by a version of their own before they make their tables.
        0 if names.is_empty() && !is_unclear => incompatible(
            &format!(
                "is an empty SQLite database of another application, with version {format_version}"
            ),
            ANOTHER_PATH,
        ),
        0 if AGENT_R_TABLES.iter().all(|table| has(&names, table)) => {
            incompatible("is a database of agent-r", ANOTHER_PATH)
        }
        0 => incompatible("is an SQLite database of another application", ANOTHER_PATH),
        other => incompatible(
            &format!("is an SQLite database of another application, with id {other:#x}"),
            ANOTHER_PATH,
        ),
    }
}

fn has(names: &[String], table: &str) -> bool {
    names.iter().any(|name| name == table)
}

fn not_a_database(file: &DatabaseFile, source: Option<Cause>) -> Error {
    let (found, advice) = if file.is_of_redb() {
        let advice = "open a store of runstore's redb backend with redb:FILE, or name another file";
        ("is a file of redb", advice)
    } else {
        ("is not an SQLite database", ANOTHER_PATH)
    };
    error::incompatible(file.path(), found, advice, source)
}

fn refuse_or_fail(file: &DatabaseFile, error: rusqlite::Error) -> Error {
    if is_not_a_database(&error) {
        return not_a_database(file, Some(Cause::new(error)));
    }
    engine("reading the header of the file", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migrations_lead_to_the_format_version_without_a_gap() {
        let versions = MIGRATIONS.iter().map(|(version, _)| *version);
        assert!(versions.eq(1..=FORMAT_VERSION));
    }

    #[test]
    fn the_application_id_is_four_letters() {
        assert_eq!(&APPLICATION_ID.to_be_bytes(), b"rstr");
    }
}
