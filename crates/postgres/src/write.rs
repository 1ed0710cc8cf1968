//! A write that is made of several statements: its turn, and what it locks to have it.

use runstore_core::{Clock, Result, RunId, TaskId, Timestamp, Uuid, Wakes};
use sqlx::query;

use crate::codec::{Columns, Record, optional_time};
use crate::connections::Session;
use crate::statement::{change, find, value};

/// The turn of one write in its transaction.
#[derive(Debug)]
pub(crate) struct Write<'c> {
    pub(crate) session: &'c mut Session,
    /// Read once the locks are there, so that times agree with the order of calls if the clock runs forward.
    pub(crate) now: Timestamp,
    /// What the write changes for those who wait for a claim.
    pub(crate) wakes: &'c mut Wakes,
}

/// What is numbered and locked within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tasks,
    Attempts,
    Events,
    Artifacts,
    Approvals,
    Checkpoints,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Tasks,
        Self::Attempts,
        Self::Events,
        Self::Artifacts,
        Self::Approvals,
        Self::Checkpoints,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tasks => "tasks",
            Self::Attempts => "attempts",
            Self::Events => "events",
            Self::Artifacts => "artifacts",
            Self::Approvals => "approvals",
            Self::Checkpoints => "checkpoints",
        }
    }
}

pub(crate) fn names(kinds: &[Kind]) -> Vec<String> {
    kinds.iter().map(|kind| kind.name().to_owned()).collect()
}

/// What a write locks before it looks, in the order that all keep: the store, a run's own row, counters of runs,
/// tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    /// Nothing: its statements say themselves.
    Free,
    /// A run's own row.
    Run(RunId),
    /// What is numbered within a run.
    InRun(RunId, &'static [Kind]),
    /// The same within the run of a task.
    OfTask(TaskId, &'static [Kind]),
    /// A task's changing row: for what concerns its claim alone.
    Task(TaskId),
    /// All that can be claimed in the store.
    Store,
}

impl Turn {
    /// Waits for the locks, and reads the time.
    pub(crate) async fn take(
        self,
        session: &mut Session,
        clock: Option<&dyn Clock>,
    ) -> Result<Timestamp> {
        let turn = match self {
            Self::Free => query("SELECT clock_timestamp()"),
            Self::Run(run_id) => query(
                "WITH locked AS (SELECT 1 FROM runs WHERE run_id = $1 FOR NO KEY UPDATE) \
                 SELECT clock_timestamp() FROM (SELECT count(*) FROM locked) AS waited",
            )
            .bind(run_id.as_uuid()),
            Self::InRun(run_id, kinds) => query("SELECT turn_on_runs(ARRAY[$1], $2)")
                .bind(run_id.as_uuid())
                .bind(names(kinds)),
            Self::OfTask(task_id, kinds) => query("SELECT turn_on_task($1, $2)")
                .bind(task_id.as_uuid())
                .bind(names(kinds)),
            Self::Task(task_id) => query(
                "WITH locked AS (SELECT 1 FROM tasks t JOIN task_states s USING (run_id, position) \
                 WHERE t.id = $1 FOR NO KEY UPDATE OF s) \
                 SELECT clock_timestamp() FROM (SELECT count(*) FROM locked) AS waited",
            )
            .bind(task_id.as_uuid()),
            Self::Store => query("SELECT clock_timestamp() FROM have_store_alone()"),
        };
        let server: Option<Now> = find(session, turn).await?;
        let server = server.map_or(Timestamp::MIN, |Now(time)| time);
        Ok(clock.map_or(server, Clock::now))
    }
}

/// The server's time.
pub(crate) struct Now(pub(crate) Timestamp);

impl Record for Now {
    const TABLE: &'static str = "the server's clock";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        row.first_time().map(Self)
    }
}

/// Locks what is numbered within these runs too.
pub(crate) async fn lock(session: &mut Session, run_ids: Vec<Uuid>, kinds: &[Kind]) -> Result<()> {
    let lock = query("SELECT 1 FROM turn_on_runs($1, $2)");
    let lock = lock.bind(run_ids).bind(names(kinds));
    value::<i32>(session, "counters", lock).await.map(|_| ())
}

/// Tells those who wait at other processes what a write changes, once it is committed.
pub(crate) async fn tell(session: &mut Session, wakes: &Wakes) -> Result<()> {
    for wake in wakes.by_run() {
        let tell = query("SELECT 1 FROM wake($1, $2, $3, $4)")
            .bind(wake.run_id.as_uuid())
            .bind(i64::try_from(wake.ready).unwrap_or(i64::MAX))
            .bind(optional_time(wake.due))
            .bind(wake.is_gone);
        change(session, "wake", tell).await?;
    }
    Ok(())
}
