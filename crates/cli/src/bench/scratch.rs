//! A folder for the files of the stores.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure};
use crate::output;

/// A new folder, which goes with this and with all that is in it, however the benchmark ends.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one in that folder. Another benchmark may be at work there, or may have been killed.
    pub(crate) fn within(folder: &Path) -> Result<Self, Failure> {
        for number in 1..=u32::MAX {
            let path = folder.join(format!("runstore-bench-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).or_fail(format!("cannot make {}", path.display())),
            }
        }
        Err(Failure::new("the folder is full of benchmarks"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            output::complain(&format!("cannot remove {}: {error}", self.0.display()));
        }
    }
}
