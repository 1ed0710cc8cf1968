//! The disk: which file system a folder is on, and what a flush costs there.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
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

/// How many blocks the file has that is written in place: as many as the log of SQLite before it begins anew.
const BLOCKS: u64 = 1_024;

/// What flushes cost. A file that grows has its new size flushed as well, for which a file system with a journal writes
/// more than the block; what is written over something costs the block alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flushes {
    /// Each block is added to the end of the file.
    pub growing: Fsync,
    /// Each is written over one that is there.
    pub in_place: Fsync,
}

/// Writes four KiB to a file and flushes it, over and over for that long, half of it in each way.
///
/// # Errors
/// What the system says.
pub fn measure_flushes(folder: &Path, duration: Duration) -> Result<Flushes> {
    let path = folder.join(format!("runstore-bench-fsync-{}", std::process::id()));
    let failed = |source| Failure::io(format!("cannot flush {}", path.display()), source);
    let measured = measured(&path, duration / 2, failed);
    fs::remove_file(&path).map_err(failed)?;
    measured
}

fn measured(path: &Path, each: Duration, failed: impl Fn(io::Error) -> Failure) -> Result<Flushes> {
    let mut file = File::create(path).map_err(&failed)?;
    let growing = over_and_over(each, |_| {
        file.write_all(&BLOCK).and_then(|()| file.sync_data())
    })?;
    let growing = growing.map_err(&failed)?;
    file.rewind().map_err(&failed)?;
    for _ in 0..BLOCKS {
        file.write_all(&BLOCK).map_err(&failed)?;
    }
    file.sync_all().map_err(&failed)?;
    let in_place = over_and_over(each, |number| {
        if number % BLOCKS == 0 {
            file.rewind()?;
        }
        file.write_all(&BLOCK).and_then(|()| file.sync_data())
    })?;
    Ok(Flushes {
        growing,
        in_place: in_place.map_err(&failed)?,
    })
}

/// Times a flush, which is told its number from 0 on, again and again for that long.
fn over_and_over(
    duration: Duration,
    mut flush: impl FnMut(u64) -> io::Result<()>,
) -> Result<io::Result<Fsync>> {
    let mut times = histogram()?;
    let begun = Instant::now();
    while times.is_empty() || begun.elapsed() < duration {
        let one = Instant::now();
        if let Err(error) = flush(times.len()) {
            return Ok(Err(error));
        }
        record(&mut times, one.elapsed());
    }
    #[expect(clippy::cast_precision_loss, reason = "far from 2^53")]
    let per_second = times.len() as f64 / begun.elapsed().as_secs_f64();
    Ok(Ok(Fsync {
        per_second,
        latency: Percentiles::of(&times),
    }))
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
        let flushes = measure_flushes(folder.path(), Duration::from_millis(2)).unwrap();
        for fsync in [flushes.growing, flushes.in_place] {
            assert!(fsync.per_second > 0.0 && fsync.latency.p50 > 0.0);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
