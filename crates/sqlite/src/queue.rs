//! The tasks that can be claimed, now and from some time on, of one run or of any (clauses C1 and C10).

use runstore_core::rules::schedule::Place;
use runstore_core::{Result, RunId, Task, Timestamp};

use crate::changes::StoredTask;
use crate::codec::{Columns, Record, task_columns};
use crate::driver::{Connection, Query, query};
use crate::statement::{find, list};
use crate::write::Write;

/// Completes a statement for its scope: one run, which is its first parameter, or any. Each names its index,
/// for SQLite would fail, not crawl, if it could not use it.
macro_rules! scoped {
    ($scope:expr, $statement:ident) => {
        match $scope {
            Some(_) => $statement!("_of_run", "run_id = ?1 AND ", "position"),
            None => $statement!("", "", "number"),
        }
    };
}

/// When the first of those that wait for a time alone becomes due.
macro_rules! next_due {
    ($scope:literal, $of_run:literal, $_order:literal) => {
        concat!(
            "SELECT available_from FROM tasks INDEXED BY tasks_due",
            $scope,
            " WHERE ",
            $of_run,
            "place = 2 ORDER BY available_from LIMIT 1"
        )
    };
}

macro_rules! first_ready {
    ($scope:literal, $of_run:literal, $order:literal) => {
        concat!(
            "SELECT ",
            task_columns!(),
            ", (",
            next_due!($scope, $of_run, $order),
            ") AS next_due FROM tasks INDEXED BY tasks_ready",
            $scope,
            " WHERE ",
            $of_run,
            "place = 1 ORDER BY priority DESC, ",
            $order,
            " LIMIT ?2 OFFSET ?3"
        )
    };
}

macro_rules! take_up {
    ($scope:literal, $of_run:literal, $_order:literal) => {
        concat!(
            "UPDATE OR FAIL tasks INDEXED BY tasks_due",
            $scope,
            " SET place = 1 WHERE ",
            $of_run,
            "place = 2 AND available_from <= ?2 RETURNING run_id"
        )
    };
}

macro_rules! outlook {
    ($scope:literal, $of_run:literal, $order:literal) => {
        concat!(
            "SELECT EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_ready",
            $scope,
            " WHERE ",
            $of_run,
            "place = 1) AS is_any_ready, (",
            next_due!($scope, $of_run, $order),
            ") AS next_due, ?1 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM runs WHERE id = ?1) AS is_gone"
        )
    };
}

fn in_scope(sql: &'static str, scope: Option<RunId>) -> Query<'static> {
    query(sql).bind(scope.map(|run_id| run_id.as_uuid()))
}

/// What there is to claim in a scope, now or by the passing of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outlook {
    pub(crate) is_any_ready: bool,
    pub(crate) next_due: Option<Timestamp>,
    /// Whether the scope is a run that does not exist.
    pub(crate) is_gone: bool,
}

impl Record for Outlook {
    const TABLE: &'static str = Task::TABLE;
    const NUMBER: &'static str = Task::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            is_any_ready: row.get("is_any_ready")?,
            next_due: row.optional_time("next_due")?,
            is_gone: row.get("is_gone")?,
        })
    }
}

pub(crate) fn outlook(connection: &Connection, scope: Option<RunId>) -> Result<Outlook> {
    let outlook = find(connection, in_scope(scoped!(scope, outlook), scope))?;
    Ok(outlook.unwrap_or(Outlook {
        is_any_ready: false,
        next_due: None,
        is_gone: false,
    }))
}

/// A task among those that can be claimed, and when the next one joins them.
struct Ready {
    stored: StoredTask,
    next_due: Option<Timestamp>,
}

impl Record for Ready {
    const TABLE: &'static str = Task::TABLE;
    const NUMBER: &'static str = Task::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            stored: StoredTask::from_row(row)?,
            next_due: row.optional_time("next_due")?,
        })
    }
}

fn first_ready(
    connection: &Connection,
    scope: Option<RunId>,
    rows: usize,
    after: usize,
) -> Result<Vec<Ready>> {
    let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
    let first = in_scope(scoped!(scope, first_ready), scope);
    list(connection, first.bind(number(rows)).bind(number(after)))
}

/// The first tasks in the order of claims, after so many of them. What has become due is among them: it is
/// taken up first.
pub(crate) fn first(
    write: &mut Write<'_>,
    scope: Option<RunId>,
    rows: usize,
    after: usize,
) -> Result<Vec<StoredTask>> {
    let mut first = first_ready(write.connection, scope, rows, after)?;
    let next_due = match first.first() {
        Some(ready) => ready.next_due,
        None => outlook(write.connection, scope)?.next_due,
    };
    if next_due.is_some_and(|due| due <= write.now) {
        take_up_due(write, scope)?;
        first = first_ready(write.connection, scope, rows, after)?;
    }
    Ok(first.into_iter().map(|ready| ready.stored).collect())
}

/// Puts what has become due among what can be claimed. It is a move of a part of an index: what each task is
/// then, the rules decide when it is offered.
fn take_up_due(write: &mut Write<'_>, scope: Option<RunId>) -> Result<()> {
    let take_up = in_scope(scoped!(scope, take_up), scope).bind(write.now.as_micros());
    let taken_up: Vec<TakenUp> = list(write.connection, take_up)?;
    for TakenUp(run_id) in taken_up {
        write.wakes.placed(run_id, Place::Ready);
    }
    Ok(())
}

/// The run of a task that was taken up.
struct TakenUp(RunId);

impl Record for TakenUp {
    const TABLE: &'static str = Task::TABLE;
    const NUMBER: &'static str = Task::NUMBER;

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        row.id("run_id").map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{opened, steps};

    #[test]
    fn what_can_be_claimed_and_what_becomes_due_is_read_from_its_index_without_a_sort() {
        let (_folder, mut opened) = opened();
        let ready = "SEARCH tasks USING INDEX tasks_ready_of_run (run_id=?)";
        let due = "SEARCH tasks USING COVERING INDEX tasks_due_of_run (run_id=?)";
        let some = Some(RunId::generate());
        let statement = |sql| steps(&mut opened, sql);
        let mut statement = statement;
        assert_eq!(
            statement(scoped!(some, first_ready)),
            [ready, "SCALAR SUBQUERY 1", due]
        );
        assert_eq!(
            statement(scoped!(some, take_up)),
            ["SEARCH tasks USING COVERING INDEX tasks_due_of_run (run_id=? AND available_from<?)"]
        );
        let ready = "SCAN tasks USING INDEX tasks_ready";
        let due = "SCAN tasks USING COVERING INDEX tasks_due";
        let any: Option<RunId> = None;
        assert_eq!(
            statement(scoped!(any, first_ready)),
            [ready, "SCALAR SUBQUERY 1", due]
        );
        assert_eq!(
            statement(scoped!(any, take_up)),
            ["SEARCH tasks USING COVERING INDEX tasks_due (available_from<?)"]
        );
        for scope in [some, any] {
            let steps = statement(scoped!(scope, outlook));
            let is_indexed =
                |step: &String| !step.contains("tasks") || step.contains("INDEX tasks_");
            assert!(steps.iter().all(is_indexed), "{steps:?}");
            assert!(
                !steps.iter().any(|step| step.contains("B-TREE")),
                "{steps:?}"
            );
        }
    }
}
