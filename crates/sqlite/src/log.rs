//! The write-ahead log: when its pages are moved into the file, so that it begins anew.
//!
//! By itself SQLite tries to move them within each commit that leaves a thousand pages or more in the log. It begins
//! anew only if all were moved and then, when the next write comes, nobody reads what is in it. Where one snapshot
//! follows another that is seldom so: the log goes on, and every commit tries again and flushes log and file once
//! more for the few pages that it added. So here a try waits for a moment in which nobody of this process reads, and
//! who would begin to, waits for its end: what they read then is not in the log. It comes when the writes of a batch
//! are answered, for they are as durable in the log.

use std::cell::Cell;

use rusqlite::Result;

use crate::driver::{Connection, query};
use crate::readers::Places;

/// By how many pages the log has grown when a try is due: as SQLite's own number.
const PAGES_BETWEEN_TRIES: u32 = 1_000;
/// By how many when there is a try beside those who read: all but what they read can be moved. So many are the most
/// that a reader waits for, too.
const PAGES_BESIDE_READERS: u32 = 4_000;

thread_local! {
    /// How many pages the log had after the last commit of this thread.
    static PAGES: Cell<u32> = const { Cell::new(0) };
}

/// The log as the thread of the one connection that writes sees it.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// How many pages it had at the last try since it began.
    pages_at_try: u32,
}

impl Log {
    /// Takes the log of a connection over from SQLite.
    pub(crate) fn attend(connection: &Connection) {
        connection.wal_hook(Some(|_, pages| {
            PAGES.set(pages.try_into().unwrap_or_default());
            Ok(())
        }));
    }

    /// Moves pages of the log into the file if it is time to.
    ///
    /// # Errors
    /// What was committed stays in the log, and is as safe there.
    pub(crate) fn tend(&mut self, connection: &Connection, places: &Places) -> Result<()> {
        let pages = PAGES.get();
        let grown_by = self.grown_to(pages);
        if grown_by < PAGES_BETWEEN_TRIES {
            return Ok(());
        }
        let mut all = places.try_take_all();
        if grown_by >= PAGES_BESIDE_READERS {
            all = None;
        } else if all.is_none() {
            return Ok(());
        }
        self.pages_at_try = pages;
        let moved = query("PRAGMA wal_checkpoint(PASSIVE)");
        let moved = moved.with_rows(connection, |rows| rows.next().map(drop));
        drop(all);
        moved
    }

    /// By how many pages it has grown since the last try.
    fn grown_to(&mut self, pages: u32) -> u32 {
        if pages < self.pages_at_try {
            // It began anew.
            self.pages_at_try = 0;
        }
        pages - self.pages_at_try
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use runstore_core::{NewRun, RunId, Store, TaskDraft, TaskPlan};
    use tokio::sync::oneshot;

    use crate::{SqliteOptions, SqliteStore};

    use super::*;

    #[test]
    fn what_was_there_at_the_last_try_does_not_count_unless_the_log_began_anew() {
        let mut log = Log::default();
        assert_eq!(log.grown_to(1_200), 1_200);
        log.pages_at_try = 1_200;
        assert_eq!(log.grown_to(1_203), 3);
        assert_eq!(log.grown_to(4), 4);
        assert_eq!(log.grown_to(1_300), 1_300);
    }

    const MEGABYTE: usize = 1_000_000;

    async fn write(store: &SqliteStore, run_id: RunId, megabytes: usize) {
        for _ in 0..megabytes {
            let draft = TaskDraft::new("t", "x".repeat(MEGABYTE));
            let plan = TaskPlan::new(run_id, [draft]);
            store.append_tasks(plan).await.unwrap();
        }
        // The log is tended after an answer; so this one comes after it.
        store.increment_cycle(run_id).await.unwrap();
    }

    fn bytes(path: &Path) -> usize {
        fs::metadata(path).unwrap().len().try_into().unwrap()
    }

    #[tokio::test]
    async fn the_log_begins_anew_once_nobody_reads_and_is_moved_beside_who_reads_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let [path, log] = ["runs.db", "runs.db-wal"].map(|name| folder.path().join(name));
        let store = SqliteStore::open(SqliteOptions::new(&path)).await.unwrap();
        let run = store.create_run(NewRun::new("g", "/r")).await.unwrap();

        let (begun, has_begun) = oneshot::channel();
        let (release, released) = oneshot::channel::<()>();
        let read = store.readers().by_transaction(move |_| {
            let _ = begun.send(());
            let _ = released.blocking_recv();
            Ok(())
        });
        let beside = async {
            has_begun.await.unwrap();
            write(&store, run.id, 8).await;
            assert!(bytes(&path) < MEGABYTE, "nothing was moved");
            write(&store, run.id, 12).await;
            assert!(bytes(&path) > 16 * MEGABYTE, "as good as all was moved");
            release.send(()).unwrap();
        };
        let (read, ()) = tokio::join!(read, beside);
        read.unwrap();

        write(&store, run.id, 5).await;
        let longest = bytes(&log);
        write(&store, run.id, 25).await;
        assert_eq!(bytes(&log), longest, "it began anew, five times at least");
        store.close().await.unwrap();
    }
}
