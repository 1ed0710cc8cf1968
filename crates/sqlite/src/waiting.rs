//! Why a task waits (clause C9), and what a wait for a claim needs of this store (clause C11).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use runstore_core::rules::waiting::Inquiry;
use runstore_core::{
    Claim, ClaimRequest, Clock, Result, RunId, Store, SystemClock, Task, TaskId, TaskStatus,
    Timestamp, WaitSource, WaitingReason, WriteQueue,
};
use tokio::sync::{Mutex, watch};

use crate::SqliteStore;
use crate::codec::{Columns, Record};
use crate::driver::Connection;
use crate::queue::{self, Outlook};
use crate::statement::list_by_ids;
use crate::tasks;
use crate::write::{DataVersion, Job};

pub(crate) fn reason(
    connection: &Connection,
    task_id: TaskId,
    clock: Arc<dyn Clock>,
) -> Result<WaitingReason> {
    let mut inquiry = Inquiry::about(tasks::get(connection, task_id)?);
    let now = clock.now();
    loop {
        let round = inquiry.next_round();
        if round.is_empty() {
            return Ok(inquiry.answer(now));
        }
        let ids = Vec::from_iter(round.iter().map(|id| id.as_uuid()));
        let sql = "SELECT id, status, depends_on FROM tasks WHERE id IN (";
        let round: Vec<Dependency> = list_by_ids(connection, sql, &ids)?;
        for task in round {
            inquiry.learn(task.id, task.status, task.depends_on);
        }
    }
}

/// A task that another one waits for.
struct Dependency {
    id: TaskId,
    status: TaskStatus,
    depends_on: Vec<TaskId>,
}

impl Record for Dependency {
    const TABLE: &'static str = Task::TABLE;
    const NUMBER: &'static str = Task::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            status: row.status("status")?,
            depends_on: row.ids("depends_on")?,
        })
    }
}

/// What other processes write, found by a look every now and then. However many calls wait, one of them looks
/// for all: `PRAGMA data_version` on the connection that writes changes when another connection commits, and not
/// by the store's own commits (<https://www.sqlite.org/pragma.html#pragma_data_version>).
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    /// What the last look saw; held by the one who looks.
    last: Mutex<Option<DataVersion>>,
    /// Rises when others committed.
    commits: watch::Sender<u64>,
}

impl Elsewhere {
    /// Looks until others committed, or until it cannot look; while another call looks, waits.
    async fn look_out(&self, queue: &WriteQueue<Job>, interval: Duration) {
        let mut last = self.last.lock().await;
        loop {
            SystemClock.sleep(interval).await;
            match queue.submit(Job::DataVersion).await {
                Ok(version) if *last == Some(version) => {}
                Ok(version) => {
                    *last = Some(version);
                    self.commits.send_modify(|count| *count += 1);
                    return;
                }
                // The next claim tells what is wrong, or that all is well again.
                Err(_) => return,
            }
        }
    }
}

/// One wait for a claim.
///
/// After a commit of others it looks at what there is to claim in its scope, which is two entries of indexes, so
/// that what does not concern it makes it claim nothing in vain.
pub(crate) struct Wait<'s> {
    store: &'s SqliteStore,
    scope: Option<RunId>,
    /// Until when the wait sleeps, in microseconds; the end of time if nothing becomes due.
    until: AtomicI64,
}

impl<'s> Wait<'s> {
    pub(crate) fn new(store: &'s SqliteStore, scope: Option<RunId>) -> Self {
        Self {
            store,
            scope,
            until: AtomicI64::new(i64::MAX),
        }
    }

    fn concerns(&self, outlook: Outlook) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        let is_sooner = |due: Timestamp| due.as_micros() < until;
        outlook.is_any_ready || outlook.is_gone || outlook.next_due.is_some_and(is_sooner)
    }
}

#[async_trait]
impl WaitSource for Wait<'_> {
    async fn claim(&self, request: ClaimRequest) -> Result<Option<Claim>> {
        self.store.claim_next_task(request).await
    }

    async fn next_due(&self, scope: Option<RunId>) -> Result<Option<Timestamp>> {
        let readers = self.store.readers();
        let outlook = readers.by_statement(move |reader| queue::outlook(reader, scope));
        let due = outlook.await?.next_due;
        let until = due.map_or(i64::MAX, Timestamp::as_micros);
        self.until.store(until, Ordering::Relaxed);
        Ok(due)
    }

    async fn changed_elsewhere(&self) {
        let scope = self.scope;
        let elsewhere = self.store.elsewhere();
        let mut commits = elsewhere.commits.subscribe();
        loop {
            let readers = self.store.readers();
            let look = readers.watch(move |reader| queue::outlook(reader, scope));
            let looked = look.await;
            // The first look comes at once: what was written since the last claim is seen by it.
            if looked.as_ref().is_ok_and(|outlook| self.concerns(*outlook)) {
                return;
            }
            tokio::select! {
                // Never an error: the sender lives as long as the store.
                _ = commits.changed() => {}
                () = elsewhere.look_out(self.store.queue(), self.store.poll_interval()) => {}
            }
            if looked.is_err() {
                return;
            }
        }
    }
}
