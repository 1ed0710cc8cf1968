//! The write-ahead log: when its pages are moved into the file, so that it begins anew.
//!
//! By itself SQLite tries to move them within each commit that leaves a thousand pages or more in the log. It moves
//! what was committed before the oldest read under way began, and the log begins anew only if that was all and, when
//! the next write comes, nobody reads what is in it. Where one snapshot follows another that is seldom so: the log goes
//! on, and every commit tries again and flushes log and file once more for the few pages that it added. So here a try
//! waits for a moment in which nobody reads by this handle, and who would begin to, waits for its end: what they read
//! then is not in the log. It comes when the writes of a batch are answered, for they are as durable in the log.

use std::cell::Cell;

use rusqlite::Result;

use crate::driver::{Connection, query};
use crate::readers::Places;

/// How many pages the log has when the first try is due: SQLite's own number.
const PAGES_TO_BEGIN: u32 = 1_000;
/// By how many it has grown since when another one is: the log did not begin anew, for others read it.
const PAGES_BETWEEN_TRIES: u32 = 100;
/// By how many it has grown when there is a try even beside those who read by this handle.
const PAGES_BESIDE_READERS: u32 = 4_000;
/// How many pages at most are moved while those who would read wait: those of some ten milliseconds. More of them are
/// moved beside readers first.
const PAGES_WHILE_READERS_WAIT: u32 = 4_000;

thread_local! {
    /// How many pages the log had after the last commit of this thread.
    static PAGES: Cell<u32> = const { Cell::new(0) };
}

/// The log as the thread of the one connection that writes sees it.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// How many pages it had at the last try since it began; 0 if there was none.
    pages_at_try: u32,
    /// How many of them are in the file since then.
    moved: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Try {
    /// While those who would read wait.
    WithoutReaders,
    BesideReaders,
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
        let mut all = None;
        let is_free = || {
            all = places.try_take_all();
            all.is_some()
        };
        let Some(due) = self.due(pages, is_free) else {
            return Ok(());
        };
        let held = all.filter(|_| due == Try::WithoutReaders);
        self.pages_at_try = pages;
        let moved = query("PRAGMA wal_checkpoint(PASSIVE)").with_rows(connection, |rows| {
            let row = rows.next()?;
            row.map_or(Ok(0), |row| row.get::<_, i64>("checkpointed"))
        });
        drop(held);
        // Below 0 if it was not tried, for another process was at it.
        self.moved = u32::try_from(moved?).unwrap_or_default();
        Ok(())
    }

    fn due(&mut self, pages: u32, is_free: impl FnOnce() -> bool) -> Option<Try> {
        if pages < self.pages_at_try {
            // It began anew.
            *self = Self::default();
        }
        let grown_by = pages - self.pages_at_try;
        let enough = match self.pages_at_try {
            0 => PAGES_TO_BEGIN,
            _ => PAGES_BETWEEN_TRIES,
        };
        if grown_by < enough {
            return None;
        }
        let is_short = pages.saturating_sub(self.moved) <= PAGES_WHILE_READERS_WAIT;
        match is_free() {
            true if is_short => Some(Try::WithoutReaders),
            false if grown_by < PAGES_BESIDE_READERS => None,
            _ => Some(Try::BesideReaders),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use runstore_core::{NewRun, RunId, Store, TaskDraft, TaskPlan};
    use tokio::sync::oneshot;

    use crate::statement::value;
    use crate::{SqliteOptions, SqliteStore};

    use super::*;

    #[test]
    fn a_try_comes_when_the_log_has_grown_and_lets_readers_wait_only_for_few_pages() {
        let mut log = Log::default();
        assert_eq!(log.due(999, || true), None);
        assert_eq!(log.due(1_000, || true), Some(Try::WithoutReaders));
        assert_eq!(log.due(3_999, || false), None);
        assert_eq!(log.due(4_000, || false), Some(Try::BesideReaders));
        // All but two of the pages were moved, and somebody read them.
        log.pages_at_try = 4_000;
        log.moved = 3_998;
        assert_eq!(log.due(4_099, || true), None);
        assert_eq!(log.due(4_100, || true), Some(Try::WithoutReaders));
        // A read of long ago let none be moved.
        log.moved = 0;
        assert_eq!(log.due(4_100, || true), Some(Try::BesideReaders));
        // It began anew.
        assert_eq!(log.due(10, || true), None);
        assert_eq!(log.due(999, || true), None);
        assert_eq!(log.due(1_000, || true), Some(Try::WithoutReaders));
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
    async fn the_log_keeps_what_a_read_may_need_and_begins_anew_when_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let [path, log] = ["runs.db", "runs.db-wal"].map(|name| folder.path().join(name));
        let store = SqliteStore::open(SqliteOptions::new(&path)).await.unwrap();
        let run = store.create_run(NewRun::new("g", "/r")).await.unwrap();
        write(&store, run.id, 1).await;

        let (begun, has_begun) = oneshot::channel();
        let (release, released) = oneshot::channel::<()>();
        let read = store.readers().by_transaction(move |connection| {
            let count = || value::<i64>(connection, "tasks", query("SELECT count(*) FROM tasks"));
            let before = count()?;
            let _ = begun.send(());
            let _ = released.blocking_recv();
            Ok((before, count()?))
        });
        let beside = async {
            has_begun.await.unwrap();
            write(&store, run.id, 20).await;
            assert!(bytes(&path) < 2 * MEGABYTE, "nothing of it was moved");
            release.send(()).unwrap();
        };
        let (read, ()) = tokio::join!(read, beside);
        assert_eq!(read.unwrap(), (Some(1), Some(1)));

        // One moves what there is beside whoever would read, and one the rest.
        write(&store, run.id, 1).await;
        assert!(bytes(&path) > 20 * MEGABYTE);
        write(&store, run.id, 1).await;
        let longest = bytes(&log);
        write(&store, run.id, 25).await;
        assert_eq!(bytes(&log), longest, "it began anew, five times at least");
        store.close().await.unwrap();
    }
}
