//! The file itself: where it is, and how it comes to be.

#[cfg(unix)]
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use runstore_core::{Cause, Result};

use crate::error;

/// How long the header of a database is.
const HEADER_BYTES: u64 = 100;
/// How a file of redb begins.
const REDB_MAGIC: &[u8] = b"redb\x1a\x0a\xa9\x0d\x0a";
const NAME_A_FILE: &str = "name a file";

/// The file of a database, which exists, by a path that says the same from every folder.
#[derive(Debug, Clone)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
}

impl DatabaseFile {
    /// Creates the file if there is none, empty and for its owner alone, and the folders above it.
    pub(crate) fn find_or_create(path: &Path) -> Result<Self> {
        let named = |what: &str| format!("{what} {}", path.display());
        // An absolute path is also never taken for a URI, as one that begins with `file:` would be.
        let absolute =
            std::path::absolute(path).map_err(|error| error::file(named("the path of"), error))?;
        if let Some(folder) = absolute.parent() {
            create_folders(folder)
                .map_err(|error| error::file(named("creating the folder of"), error))?;
        }
        match create(&absolute) {
            // What the system says of a path that ends with a slash.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                let source = Some(Cause::new(error));
                return Err(error::incompatible(
                    path,
                    "is a folder",
                    NAME_A_FILE,
                    source,
                ));
            }
            created => created.map_err(|error| error::file(named("creating"), error))?,
        }
        // SQLite follows links and puts its own files beside the real one.
        #[cfg(unix)]
        let absolute = fs::canonicalize(&absolute)
            .map_err(|error| error::file(named("the path of"), error))?;
        check_is_regular(&absolute)?;
        Ok(Self { path: absolute })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A URI by which SQLite takes the file for one that nobody ever changes.
    pub(crate) fn immutable_uri(&self) -> PathBuf {
        let mut uri = b"file:".to_vec();
        for byte in self.path.as_os_str().as_encoded_bytes() {
            match byte {
                // What would end the path of a URI, or begin an escape in it.
                b'?' | b'#' | b'%' => uri.extend(format!("%{byte:02x}").into_bytes()),
                byte => uri.push(*byte),
            }
        }
        uri.extend(b"?immutable=1");
        #[cfg(unix)]
        return <OsString as std::os::unix::ffi::OsStringExt>::from_vec(uri).into();
        #[cfg(not(unix))]
        return String::from_utf8_lossy(&uri).into_owned().into();
    }

    /// Whether the file is neither empty nor long enough for a header. SQLite takes a file of one byte for
    /// an empty one, and would write over it.
    pub(crate) fn is_cut_short(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| (1..HEADER_BYTES).contains(&file.len()))
    }

    /// Whether the file is one of redb, as far as can be told. Only for a file that SQLite does not take for
    /// its own: the look closes a descriptor, which gives up the locks of this process on the file.
    pub(crate) fn is_of_redb(&self) -> bool {
        let mut start = [0; REDB_MAGIC.len()];
        File::open(&self.path)
            .and_then(|mut file| file.read_exact(&mut start))
            .is_ok_and(|()| start == REDB_MAGIC)
    }

    /// Whether a write-ahead log beside the file holds anything.
    pub(crate) fn has_log(&self) -> bool {
        fs::metadata(self.sibling("-wal")).is_ok_and(|log| log.len() > 0)
    }

    /// Whether the index of a write-ahead log is there: somebody has the file open, or died with it open.
    pub(crate) fn has_shared_index(&self) -> bool {
        self.sibling("-shm").exists()
    }

    fn sibling(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(suffix);
        path.into()
    }
}

fn create_folders(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|above| !above.exists())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    missing.into_iter().try_for_each(sync_entry_of)
}

/// Asks for the kind by the path: opening a pipe would wait for its other end.
fn check_is_regular(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path)
        .map_err(|error| error::file(format!("looking at {}", path.display()), error))?;
    let (found, advice) = match metadata {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => ("is a folder", NAME_A_FILE),
        _ => ("is not a regular file", error::ANOTHER_PATH),
    };
    Err(error::incompatible(path, found, advice, None))
}

fn create(path: &Path) -> io::Result<()> {
    /// Closing a descriptor gives up every lock that this process holds on the file, also those that
    /// SQLite took by another one. So nobody in this process may come to open a file whose creator has
    /// not closed it yet.
    static CREATING: Mutex<()> = Mutex::new(());

    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _creating = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    match options.open(path) {
        Ok(file) => {
            drop(file);
            sync_entry_of(path)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Flushes the entry of a new file or folder in the folder above it: a file whose name is lost at a loss of
/// power is lost with all that it holds (clause G2).
fn sync_entry_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(above) if cfg!(unix) => File::open(above)?.sync_all(),
        _ => Ok(()),
    }
}
