//! The tasks that can be claimed, now and from some time on, of one run or of any (clauses C1 and C10).

use runstore_core::rules::schedule::Place;
use runstore_core::{Result, RunId, Task, Timestamp};
use sqlx::query;

use crate::changes::StoredTask;
use crate::codec::{Columns, Query, Record, task_columns, time};
use crate::connections::Session;
use crate::statement::{find, list};
use crate::write::Write;

/// Completes a statement for its scope: one run, which is its first parameter, or any, where it is not used.
macro_rules! scoped {
    ($scope:expr, $statement:ident) => {
        match $scope {
            Some(_) => $statement!("s.run_id = $1 AND ", "position"),
            None => $statement!("$1::uuid IS NULL AND ", "number"),
        }
    };
}

macro_rules! first_ready {
    ($of_run:literal, $order:literal) => {
        concat!(
            "SELECT ",
            task_columns!(),
            " FROM (SELECT s.* FROM task_states s WHERE ",
            $of_run,
            "s.place = 1 ORDER BY s.priority DESC, s.",
            $order,
            " LIMIT $2 OFFSET $3) s \
             CROSS JOIN LATERAL ( \
             SELECT * FROM tasks t WHERE t.run_id = s.run_id AND t.position = s.position OFFSET 0) t \
             ORDER BY s.priority DESC, s.",
            $order
        )
    };
}

macro_rules! take_up {
    ($of_run:literal, $_order:literal) => {
        concat!(
            "UPDATE task_states s SET place = 1 WHERE ",
            $of_run,
            "s.place = 2 AND s.available_from <= $2 RETURNING s.run_id"
        )
    };
}

macro_rules! outlook {
    ($of_run:literal, $_order:literal) => {
        concat!(
            "SELECT (SELECT s.run_id FROM task_states s WHERE ",
            $of_run,
            "s.place = 1 LIMIT 1) AS ready_in, (SELECT s.available_from FROM task_states s WHERE ",
            $of_run,
            "s.place = 2 ORDER BY s.available_from LIMIT 1) AS next_due, \
             $1::uuid IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE run_id = $1) AS is_gone, \
             clock_timestamp() AS server"
        )
    };
}

fn in_scope(sql: &'static str, scope: Option<RunId>) -> Query {
    query(sql).bind(scope.map(|run_id| run_id.as_uuid()))
}

/// What there is to claim in a scope, now or by the passing of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// The run of a task that can be claimed, if there is one.
    pub(crate) ready_in: Option<RunId>,
    pub(crate) next_due: Option<Timestamp>,
    /// Whether the scope is a run that does not exist.
    pub(crate) is_gone: bool,
    /// The server's time at the look.
    pub(crate) server: Timestamp,
}

impl Record for Outlook {
    const TABLE: &'static str = Task::TABLE;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            ready_in: row.optional_id("ready_in")?,
            next_due: row.optional_time("next_due")?,
            is_gone: row.get("is_gone")?,
            server: row.time("server")?,
        })
    }
}

pub(crate) async fn outlook(session: &mut Session, scope: Option<RunId>) -> Result<Outlook> {
    let outlook = find(session, in_scope(scoped!(scope, outlook), scope)).await?;
    Ok(outlook.unwrap_or(Outlook {
        ready_in: None,
        next_due: None,
        is_gone: false,
        server: Timestamp::MIN,
    }))
}

/// The first tasks in the order of claims, after so many of them, in a scope that is locked.
pub(crate) async fn first(
    write: &mut Write<'_>,
    scope: Option<RunId>,
    rows: usize,
    after: usize,
) -> Result<Vec<StoredTask>> {
    let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
    let first = in_scope(scoped!(scope, first_ready), scope);
    list(write.session, first.bind(number(rows)).bind(number(after))).await
}

/// Puts what has become due among what can be claimed. It is a move of a part of an index: what each task is
/// then, the rules decide when it is offered.
pub(crate) async fn take_up_due(write: &mut Write<'_>, scope: Option<RunId>) -> Result<()> {
    let take_up = in_scope(scoped!(scope, take_up), scope).bind(time(write.now));
    let taken_up: Vec<TakenUp> = list(write.session, take_up).await?;
    for TakenUp(run_id) in taken_up {
        write.wakes.placed(run_id, Place::Ready);
    }
    Ok(())
}

/// The run of a task that was taken up.
struct TakenUp(RunId);

impl Record for TakenUp {
    const TABLE: &'static str = Task::TABLE;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        row.id("run_id").map(Self)
    }
}
