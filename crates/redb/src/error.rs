//! The only place that classifies what redb and the file system say.

use std::fmt::Debug;
use std::io;
use std::path::Path;

use redb::{
    CommitError, CompactionError, DatabaseError, SetDurabilityError, StorageError, TableError,
    TransactionError,
};
use runstore_core::{Cause, Error, Outcome};
use tokio::task::JoinError;

use crate::codec::CodecError;

/// A failure inside a transaction, of which nothing is kept.
pub(crate) fn storage(place: &str, error: StorageError) -> Error {
    match error {
        StorageError::Corrupted(_) => corrupt_file(place.to_owned(), error),
        StorageError::ValueTooLarge(_) => backend(format!("writing to {place}"), error),
        error => unavailable(
            format!("{place} cannot be reached"),
            Outcome::NotApplied,
            error,
        ),
    }
}

/// A failure in one table.
pub(crate) fn in_table(name: &str, error: StorageError) -> Error {
    storage(&format!("table {name}"), error)
}

/// A table that cannot be opened.
pub(crate) fn table(name: &str, error: TableError) -> Error {
    match error {
        TableError::Storage(error) => in_table(name, error),
        TableError::TableAlreadyOpen(..) => backend(format!("opening table {name}"), error),
        // The format was checked when the file was opened, so the file does not have what it says.
        error => Error::corrupt(
            format!("table {name}"),
            "is missing or of another type",
            Some(Cause::new(error)),
        ),
    }
}

/// A transaction that cannot begin.
pub(crate) fn transaction(error: TransactionError) -> Error {
    match error {
        TransactionError::Storage(error) => storage("the file", error),
        error => backend("beginning a transaction".to_owned(), error),
    }
}

/// A transaction that cannot be made durable.
pub(crate) fn durability(error: SetDurabilityError) -> Error {
    backend("beginning a transaction".to_owned(), error)
}

/// A commit that failed.
pub(crate) fn commit(error: CommitError) -> Error {
    match error {
        // redb takes the changes back by itself and stays usable.
        CommitError::TransactionPoisoned => backend("the commit of a batch".to_owned(), error),
        // The changes may have become durable all the same.
        error => unavailable(
            "the commit failed; the store must be opened again".to_owned(),
            Outcome::Unknown,
            error,
        ),
    }
}

/// A database that cannot be opened.
pub(crate) fn database(path: &Path, error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            busy(path, Some(Cause::new(error)))
        }
        DatabaseError::UpgradeRequired(version) => Error::Incompatible {
            found: format!("{} is of redb's file format {version}", path.display()),
            advice: "open it once with redb 2.6 and upgrade it, or name another file".to_owned(),
            source: Some(Cause::new(error)),
        },
        DatabaseError::Storage(StorageError::Corrupted(_)) => {
            corrupt_file(path.display().to_string(), error)
        }
        // How redb says that the file is none of its own.
        DatabaseError::Storage(StorageError::Io(ref io))
            if io.kind() == io::ErrorKind::InvalidData =>
        {
            incompatible(
                path,
                "is not a redb file",
                ANOTHER_FILE,
                Some(Cause::new(error)),
            )
        }
        // A file of redb that ends before what its header says.
        DatabaseError::Storage(StorageError::Io(ref io))
            if io.kind() == io::ErrorKind::UnexpectedEof =>
        {
            let problem = "the file ends before what its header says";
            Error::corrupt(path.display().to_string(), problem, Some(Cause::new(error)))
        }
        error => unavailable(
            format!("{} cannot be opened", path.display()),
            Outcome::NotApplied,
            error,
        ),
    }
}

/// A file that cannot be compacted.
pub(crate) fn compaction(path: &Path, error: CompactionError) -> Error {
    match error {
        CompactionError::Storage(error) => database(path, DatabaseError::Storage(error)),
        // Nobody reads, writes or keeps a savepoint yet.
        error => backend(format!("compacting {}", path.display()), error),
    }
}

/// What to do about a file that is not a store.
pub(crate) const ANOTHER_FILE: &str = "name another file";

/// A file that is not one that this version can use.
pub(crate) fn incompatible(path: &Path, what: &str, advice: &str, source: Option<Cause>) -> Error {
    Error::Incompatible {
        found: format!("{} {what}", path.display()),
        advice: advice.to_owned(),
        source,
    }
}

/// A store that another process, or another handle of this process that is no clone, has open.
pub(crate) fn busy(path: &Path, source: Option<Cause>) -> Error {
    Error::Busy {
        what: format!(
            "{} is open already: redb lets in one process at a time, and within it the handle that \
             opened the store and its clones",
            path.display()
        ),
        source,
    }
}

/// A step on the file system that failed before the store was open.
pub(crate) fn file(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::IsADirectory => {
            incompatible(path, "is a folder", "name a file", Some(Cause::new(error)))
        }
        _ => unavailable(
            format!("{} cannot be reached", path.display()),
            Outcome::NotApplied,
            error,
        ),
    }
}

/// A value that does not read as the record that belongs there.
pub(crate) fn undecodable(table: &str, key: &dyn Debug, error: CodecError) -> Error {
    Error::corrupt(
        place(table, key),
        "the record cannot be read",
        Some(Cause::new(error)),
    )
}

/// A record that another table says is there.
pub(crate) fn missing(table: &str, key: &dyn Debug) -> Error {
    Error::corrupt(place(table, key), "the record is missing", None)
}

/// An entry of an index that the record itself contradicts.
pub(crate) fn contradicted(table: &str, key: &dyn Debug) -> Error {
    Error::corrupt(place(table, key), "the entry contradicts its record", None)
}

/// A record that cannot be written as a row.
pub(crate) fn unencodable(table: &str, error: CodecError) -> Error {
    backend(format!("writing a record of table {table}"), error)
}

/// A call after the store was closed.
pub(crate) fn closed() -> Error {
    Error::Unavailable {
        what: "the store is closed".to_owned(),
        outcome: Outcome::NotApplied,
        source: None,
    }
}

/// A read that redb ended by panicking, as it does on some damage inside a file.
pub(crate) fn panicked() -> Error {
    Error::Backend {
        what: "redb panicked while it read, as it does on some damage inside a file".to_owned(),
        source: None,
    }
}

/// An open that redb ended by panicking, as it does on some damage inside a file.
pub(crate) fn panicked_while_opening(path: &Path) -> Error {
    let problem = "redb panicked while it opened the file, as it does on some damage inside";
    Error::corrupt(path.display().to_string(), problem, None)
}

/// Names the file where opening it found damage in one of its tables.
pub(crate) fn while_opening(path: &Path, error: Error) -> Error {
    let path = path.display().to_string();
    match error {
        Error::Corrupt {
            place,
            problem,
            source,
        } if place != path => Error::corrupt(format!("{path}: {place}"), problem, source),
        error => error,
    }
}

/// Work on a blocking thread that did not come to its end.
pub(crate) fn unfinished(error: JoinError) -> Error {
    if error.is_panic() {
        backend("the engine panicked".to_owned(), error)
    } else {
        unavailable(
            "the runtime is shutting down".to_owned(),
            Outcome::NotApplied,
            error,
        )
    }
}

fn place(table: &str, key: &dyn Debug) -> String {
    format!("table {table}, key {key:?}")
}

fn corrupt_file(place: String, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::corrupt(place, error.to_string(), Some(Cause::new(error)))
}

fn unavailable(
    what: String,
    outcome: Outcome,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::Unavailable {
        what,
        outcome,
        source: Some(Cause::new(error)),
    }
}

fn backend(what: String, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Backend {
        what,
        source: Some(Cause::new(error)),
    }
}
