//! The file of a store: found, looked at, created and opened.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError};
use runstore_core::Result;

use crate::config::RedbOptions;
use crate::{error, schema};

/// How a file of redb begins.
const REDB_MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
/// How a file of SQLite begins.
const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";
/// Added to the name of a file while it is being created.
const UNFINISHED: &str = ".runstore-new";
/// How long to wait before the next try at a file that another holds.
const RETRY: Duration = Duration::from_millis(10);

/// Opens the store, and waits a while for another to let go of it: a process that was just killed may
/// still be doing so. Blocks the thread.
pub(crate) fn open(options: &RedbOptions) -> Result<Database> {
    let deadline = Instant::now().checked_add(options.busy_timeout);
    loop {
        let opened = try_open(options);
        let left = deadline.map(|end| end.saturating_duration_since(Instant::now()));
        match opened {
            Err(runstore_core::Error::Busy { .. }) if left != Some(Duration::ZERO) => {
                thread::sleep(left.map_or(RETRY, |left| left.min(RETRY)));
            }
            opened => return opened,
        }
    }
}

fn try_open(options: &RedbOptions) -> Result<Database> {
    let file = open_or_create(&options.path)?;
    // From here on the file itself: a link would otherwise be replaced by the new store.
    let path =
        fs::canonicalize(&options.path).map_err(|error| error::file(&options.path, error))?;
    let path = path.as_path();
    let metadata = file.metadata().map_err(|error| error::file(path, error))?;
    if !metadata.is_file() {
        // A device has length 0 too, and must not be taken for an empty file.
        let found = "is not a regular file";
        return Err(error::incompatible(path, found, error::ANOTHER_FILE, None));
    }
    if metadata.len() == 0 {
        fill(path, &file)?;
    }
    check_magic(path)?;
    guarded(path, || look(path))?;
    let mut builder = Builder::new();
    builder.set_cache_size(options.cache_bytes);
    let mut database = guarded(path, || {
        let opened = builder.open(path);
        opened.map_err(|error| error::database(path, error))
    })?;
    let prepared = guarded(path, || {
        schema::prepare(path, &database)?;
        if options.compacts {
            let compacted = database.compact();
            compacted.map_err(|error| error::compaction(path, error))?;
        }
        Ok(())
    });
    if let Err(error) = prepared {
        // Not left to an unwinding: closing looks at the pages again, and a second panic would abort.
        let _ = guarded(path, || {
            drop(database);
            Ok(())
        });
        return Err(error);
    }
    Ok(database)
}

/// Runs a step of opening. redb panics on some damage inside a file; nothing that such a step leaves
/// behind is looked at again.
fn guarded<T>(path: &Path, step: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(step))
        .unwrap_or_else(|_| Err(error::panicked_while_opening(path)))
        .map_err(|error| error::while_opening(path, error))
}

fn open_or_create(path: &Path) -> Result<File> {
    let open = || readable_by_owner().create(true).truncate(false).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = parent(path);
            create_folders(parent).map_err(|error| error::file(parent, error))?;
            open().map_err(|error| error::file(path, error))
        }
        opened => opened.map_err(|error| error::file(path, error)),
    }
}

/// Makes an empty file a store.
///
/// redb cannot use a file whose initialisation was cut short: it takes it for no file of its own. The
/// store is therefore made under another name, whole, and then put in the place of the empty file. Who
/// does it holds the lock on the empty file, and the file in its place is never empty again.
fn fill(path: &Path, empty: &File) -> Result<()> {
    match empty.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(error::busy(path, None)),
        Err(TryLockError::Error(error)) => return Err(error::file(path, error)),
    }
    let now = fs::metadata(path).map_err(|error| error::file(path, error))?;
    if now.len() != 0 {
        // Another held the lock before, and is through with it.
        return Ok(());
    }
    let unfinished = unfinished(path);
    // What a process left that was killed here; nobody else is here now.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error::file(&unfinished, error));
        }
        _ => {}
    }
    create(path, &unfinished)?;
    let replaced = fs::rename(&unfinished, path).and_then(|()| sync_folder(parent(path)));
    replaced.map_err(|error| error::file(path, error))
}

fn create(path: &Path, unfinished: &Path) -> Result<()> {
    let failed = |error| error::database(path, error);
    let file = readable_by_owner().create_new(true).open(unfinished);
    let file = file.map_err(|error| error::file(unfinished, error))?;
    let backend = FileBackend::new(file).map_err(failed)?;
    let database = Builder::new()
        .create_with_backend(backend)
        .map_err(failed)?;
    schema::prepare(path, &database)?;
    database.close().map_err(failed)
}

/// Looks at the first bytes, before redb is let near the file.
fn check_magic(path: &Path) -> Result<()> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SQLITE_MAGIC.len() as u64).read_to_end(&mut start))
        .map_err(|error| error::file(path, error))?;
    if start.starts_with(REDB_MAGIC) {
        return Ok(());
    }
    let (found, advice) = if start.starts_with(SQLITE_MAGIC) {
        let advice =
            "open a store of runstore's SQLite backend with sqlite:FILE, or name another file";
        ("is a file of SQLite", advice)
    } else {
        ("is not a file of redb", error::ANOTHER_FILE)
    };
    Err(error::incompatible(path, found, advice, None))
}

/// Looks at the tables without writing, for opening a file changes its header.
fn look(path: &Path) -> Result<()> {
    match Builder::new().open_read_only(path) {
        Ok(database) => schema::contents(path, &database).map(drop),
        // It was not closed cleanly, and only an open that repairs it can read it. That changes none
        // of its contents, and the tables are looked at right after.
        Err(DatabaseError::RepairAborted) => Ok(()),
        Err(error) => Err(error::database(path, error)),
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(UNFINISHED);
    path.with_file_name(name)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn readable_by_owner() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Creates the folder and those above it that are missing.
fn create_folders(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    create_folders(parent(folder))?;
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(parent(folder)),
    }
}

/// Makes the names in a folder durable: a file that is flushed can still be lost with its name.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
