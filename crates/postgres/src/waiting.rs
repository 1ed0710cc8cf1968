//! Why a task waits (clause C9), and what a wait for a claim needs of this store (clause C11).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use runstore_core::rules::waiting::Inquiry;
use runstore_core::{
    Claim, ClaimRequest, Clock, Result, RunId, Store, SystemClock, Task, TaskId, TaskStatus,
    Timestamp, WaitSource, WaitingReason,
};

use sqlx::query;
use tokio::select;

use crate::PostgresStore;
use crate::codec::{Columns, Record, task_tables};
use crate::connections::Session;
use crate::queue::{self, Outlook};
use crate::statement::list;
use crate::tasks;
use crate::write::Turn;

/// How soon after listening began to look once more: a write that looked for listeners just before may be
/// committed just after.
const SECOND_LOOK: Duration = Duration::from_millis(50);

/// Tells why a task waits, by several statements that see one instant.
pub(crate) async fn reason(
    session: &mut Session,
    task_id: TaskId,
    clock: Option<Arc<dyn Clock>>,
) -> Result<WaitingReason> {
    let mut inquiry = Inquiry::about(tasks::get(session, task_id).await?);
    let now = Turn::Free.take(session, clock.as_deref()).await?;
    loop {
        let round = inquiry.next_round();
        if round.is_empty() {
            return Ok(inquiry.answer(now));
        }
        let ids = round.iter().map(|id| id.as_uuid());
        let by_ids = query(concat!(
            "SELECT t.id, s.status, t.depends_on",
            task_tables!(by ids),
            "WHERE t.id = ANY ($1)"
        ));
        let round: Vec<Dependency> = list(session, by_ids.bind(Vec::from_iter(ids))).await?;
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

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id("id")?,
            status: row.status("status")?,
            depends_on: row.ids("depends_on")?,
        })
    }
}

/// One wait for a claim.
///
/// What other processes write is heard by notification. A look every now and then at what there is to claim,
/// which is two entries of indexes, finds what was missed.
pub(crate) struct Wait<'s> {
    store: &'s PostgresStore,
    scope: Option<RunId>,
    /// Until when the wait sleeps, in microseconds; the end of time if nothing becomes due.
    until: AtomicI64,
}

impl<'s> Wait<'s> {
    pub(crate) fn new(store: &'s PostgresStore, scope: Option<RunId>) -> Self {
        Self {
            store,
            scope,
            until: AtomicI64::new(i64::MAX),
        }
    }

    async fn look(&self) -> Result<Outlook> {
        let look = self.store.read(self.scope, |session, scope| {
            Box::pin(queue::outlook(session, scope))
        });
        let outlook = look.await?;
        self.store.shared().note_server_time(outlook.server);
        Ok(outlook)
    }

    fn concerns(&self, outlook: Outlook) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        let is_sooner = |due: Timestamp| due.as_micros() < until;
        outlook.is_gone || outlook.next_due.is_some_and(is_sooner)
    }
}

#[async_trait]
impl WaitSource for Wait<'_> {
    async fn claim(&self, request: ClaimRequest) -> Result<Option<Claim>> {
        self.store.claim_next_task(request).await
    }

    async fn next_due(&self, _scope: Option<RunId>) -> Result<Option<Timestamp>> {
        let due = self.look().await?.next_due;
        let until = due.map_or(i64::MAX, Timestamp::as_micros);
        self.until.store(until, Ordering::Relaxed);
        Ok(due.map(|due| self.store.shared().to_wait_until(due)))
    }

    async fn changed_elsewhere(&self) {
        let shared = self.store.shared();
        let interval = shared.poll_interval;
        let mut waiter = shared.listener.wait();
        // The first look comes at once: what was written since the last claim is seen by it.
        let mut pause = SECOND_LOOK.min(interval);
        let mut seen_in = None;
        loop {
            let looked = self.look().await;
            if looked.as_ref().is_ok_and(|outlook| self.concerns(*outlook)) {
                return;
            }
            // A task that is still there at the second look, and that nobody is up for. At the first, the word of a
            // write of this very process may be on its way to the one who has waited longest, of whichever scope.
            let ready_in = looked.as_ref().ok().and_then(|outlook| outlook.ready_in);
            match ready_in {
                Some(run_id) if seen_in == ready_in => shared.hub.wake_one_of_sleepers(run_id),
                Some(_) => pause = SECOND_LOOK.min(interval),
                None => {}
            }
            seen_in = ready_in;
            select! {
                began = waiter.began.changed() => {
                    if began.is_ok() {
                        pause = SECOND_LOOK.min(interval);
                    }
                }
                () = SystemClock.sleep(pause) => pause = interval,
            }
            // The next claim tells what is wrong, or that all is well again.
            if looked.is_err() {
                return;
            }
        }
    }
}
