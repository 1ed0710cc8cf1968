//! The files of a database on SQLite.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use runstore_bench::{Failure, Result};

/// A database in a file that nobody has yet.
#[derive(Debug, Clone)]
pub struct Database {
    file: PathBuf,
}

impl Database {
    /// One in this folder.
    #[must_use]
    pub fn within(folder: &Path) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            file: folder.join(format!("{number}.db")),
        }
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The file and those that SQLite has beside it.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let beside = |ending: &str| {
            let mut name = self.file.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        vec![self.file.clone(), beside("-wal"), beside("-shm")]
    }

    /// Removes the files of a database that was closed.
    ///
    /// # Errors
    /// The system refuses to remove one.
    pub fn remove(&self) -> Result<()> {
        for file in self.files() {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    let what = format!("cannot remove {}", file.display());
                    return Err(Failure::io(what, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
