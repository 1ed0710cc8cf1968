//! An engine within this process: one file, one thread that writes, some that read.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use runstore_bench::Result;
use runstore_core::Durability;

use crate::bare::Bare;
use crate::group::{Group, Side, apart};
use crate::rows::{Found, Read, Write, Written};

pub(crate) const IN_PROGRESS: &str = "in_progress";
pub(crate) const PENDING: &str = "pending";

/// The most writes in one transaction.
const MOST_WRITES: usize = 1_024;

/// How many threads read, as many as a store on SQLite has readers.
pub(crate) const READERS: usize = 4;

/// An engine by its two sides.
pub(crate) struct Embedded<W, R>
where
    W: Side<Ask = Write, Answer = Written>,
    R: Side<Ask = Read, Answer = Found>,
{
    writer: Group<W>,
    readers: Group<R>,
    durability: Durability,
    files: Vec<PathBuf>,
}

impl<W, R> Embedded<W, R>
where
    W: Side<Ask = Write, Answer = Written>,
    R: Side<Ask = Read, Answer = Found>,
{
    pub(crate) fn start(
        writer: W,
        readers: Vec<R>,
        durability: Durability,
        files: Vec<PathBuf>,
    ) -> Result<Self> {
        Ok(Self {
            writer: Group::start("bare writer", vec![writer], MOST_WRITES)?,
            readers: Group::start("bare reader", readers, 1)?,
            durability,
            files,
        })
    }
}

#[async_trait]
impl<W, R> Bare for Embedded<W, R>
where
    W: Side<Ask = Write, Answer = Written>,
    R: Side<Ask = Read, Answer = Found>,
{
    async fn write(&self, _: usize, write: Write) -> Result<Written> {
        self.writer.ask(write).await
    }

    async fn read(&self, _: usize, read: Read) -> Result<Found> {
        self.readers.ask(read).await
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn files(&self) -> Vec<PathBuf> {
        self.files.clone()
    }

    fn is_in_process(&self) -> bool {
        true
    }

    async fn end(&self) -> Result<()> {
        self.readers.close().await;
        self.writer.close().await;
        let files = self.files.clone();
        apart(move || {
            for file in files {
                match fs::remove_file(&file) {
                    Err(error) if error.kind() != ErrorKind::NotFound => {
                        return Err(format!("removing {}: {error}", file.display()).into());
                    }
                    _ => {}
                }
            }
            Ok(())
        })
        .await
    }
}

/// A place in the folder that nobody has.
pub(crate) fn place(folder: &Path) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("runstore-bench-bare-{number}-{}.db", process::id()))
}

/// The time in microseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}
