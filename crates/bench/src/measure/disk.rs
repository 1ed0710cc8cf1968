//! The disk: which file system a folder is on, and what a flush costs there.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::report::{Fsync, Percentiles};
use crate::steps::{histogram, record};
use crate::{Failure, Result};

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// Its kind, as `ext4`.
    pub kind: String,
    /// What it is on, as `/dev/vda`.
    pub source: String,
}

impl FileSystem {
    /// That of a folder, as Linux tells in `/proc/self/mountinfo`; `None` elsewhere.
    #[must_use]
    pub fn of(folder: &Path) -> Option<Self> {
        let folder = folder.canonicalize().ok()?;
        Self::found(&folder, &fs::read_to_string("/proc/self/mountinfo").ok()?)
    }

    /// The last of those with the longest path: a mount hides what was mounted there before.
    fn found(folder: &Path, mounts: &str) -> Option<Self> {
        let mounts = mounts.lines().filter_map(|line| {
            let (place, kind) = line.split_once(" - ")?;
            let point = PathBuf::from(unescaped(place.split(' ').nth(4)?));
            let mut kind = kind.split(' ');
            let kind = Self {
                kind: kind.next()?.to_owned(),
                source: unescaped(kind.next()?),
            };
            Some((point, kind))
        });
        let around = mounts.filter(|(point, _)| folder.starts_with(point));
        let nearest = around.max_by_key(|(point, _)| point.components().count());
        nearest.map(|(_, kind)| kind)
    }

    /// Whether it keeps nothing beyond the machine's memory, so that a flush costs nothing and means nothing.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        matches!(self.kind.as_str(), "tmpfs" | "ramfs")
    }
}

/// Spaces and the like are written as three octal digits there.
fn unescaped(text: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let unescape = |text: String, (escape, plain)| text.replace(escape, plain);
    escapes.into_iter().fold(text.to_owned(), unescape)
}

const BLOCK: [u8; 4_096] = [7; 4_096];

/// Appends four KiB to a file and flushes it, over and over for that long.
///
/// # Errors
/// What the system says.
pub fn measure_fsync(folder: &Path, duration: Duration) -> Result<Fsync> {
    let path = folder.join(format!("runstore-bench-fsync-{}", std::process::id()));
    let failed = |source| Failure::io(format!("cannot flush {}", path.display()), source);
    let mut file = File::create(&path).map_err(failed)?;
    let mut times = histogram()?;
    let begun = Instant::now();
    let flushed = loop {
        let one = Instant::now();
        if let Err(error) = file.write_all(&BLOCK).and_then(|()| file.sync_data()) {
            break Err(failed(error));
        }
        record(&mut times, one.elapsed());
        if begun.elapsed() >= duration {
            break Ok(());
        }
    };
    let took = begun.elapsed();
    drop(file);
    fs::remove_file(&path).map_err(failed)?;
    flushed?;
    #[expect(clippy::cast_precision_loss, reason = "far from 2^53")]
    let per_second = times.len() as f64 / took.as_secs_f64();
    Ok(Fsync {
        per_second,
        latency: Percentiles::of(&times),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_on_the_nearest_mount_above_it_and_the_last_one_there() {
        let mounts = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
23 22 0:20 / /tmp rw - tmpfs tmpfs rw\n\
24 22 0:21 / /srv/my\\040data rw - xfs /dev/vdb rw\n\
25 22 0:22 / /tmp rw - ext4 /dev/vdc rw\n";
        let kind = |folder: &str| FileSystem::found(Path::new(folder), mounts).unwrap().kind;
        assert_eq!(kind("/home/a"), "ext4");
        assert_eq!(kind("/srv/my data/x"), "xfs");
        assert_eq!(kind("/srv/my database"), "ext4");
        let tmp = FileSystem::found(Path::new("/tmp/a"), mounts).unwrap();
        assert_eq!(
            (tmp.source.as_str(), tmp.is_in_memory()),
            ("/dev/vdc", false)
        );
    }

    #[test]
    fn flushes_are_counted_and_leave_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let fsync = measure_fsync(folder.path(), Duration::from_millis(1)).unwrap();
        assert!(fsync.per_second > 0.0 && fsync.latency.p50 > 0.0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
