//! The snapshot (clauses S1 to S3). All of it is read in one transaction, which sees one instant.

use runstore_core::limits::{SNAPSHOT_ATTEMPTS, SNAPSHOT_EVENTS};
use runstore_core::{
    Result, RunId, RunSnapshot, SnapshotCounts, SnapshotRequest, Task, TaskStatus,
};

use crate::codec::{Columns, Record};
use crate::driver::{Connection, query};
use crate::journal::last_of_run;
use crate::keys::last_number;
use crate::statement::find;
use crate::{runs, tasks};

pub(crate) fn take(connection: &Connection, request: SnapshotRequest) -> Result<RunSnapshot> {
    let run_id = request.run_id;
    let cap = request.max_per_list;
    let run = runs::get(connection, run_id)?;
    let keys = runs::keys(connection, run_id)?;
    let agents = runs::list_agents(connection, run_id)?;
    let all = cap.map_or(-1, i64::from);
    let at_most = |most: u32| i64::from(cap.map_or(most, |cap| cap.min(most)));
    Ok(RunSnapshot {
        run,
        agents: agents
            .into_iter()
            .map(|agent| (agent.role.clone(), agent))
            .collect(),
        pending_tasks: first_tasks(connection, run_id, [TaskStatus::Pending], cap)?,
        in_progress_tasks: first_tasks(connection, run_id, [TaskStatus::InProgress], cap)?,
        completed_tasks: first_tasks(connection, run_id, [TaskStatus::Completed], cap)?,
        blocked_tasks: first_tasks(
            connection,
            run_id,
            [TaskStatus::Blocked, TaskStatus::Abandoned],
            cap,
        )?,
        recent_attempts: last_of_run(connection, keys, at_most(SNAPSHOT_ATTEMPTS))?,
        recent_events: last_of_run(connection, keys, at_most(SNAPSHOT_EVENTS))?,
        approvals: last_of_run(connection, keys, all)?,
        artifacts: last_of_run(connection, keys, all)?,
        latest_checkpoint: last_of_run(connection, keys, 1)?.pop(),
        counts: counts(connection, run_id)?,
    })
}

fn first_tasks<const N: usize>(
    connection: &Connection,
    run_id: RunId,
    statuses: [TaskStatus; N],
    cap: Option<u32>,
) -> Result<Vec<Task>> {
    let rows = cap.map_or(-1, i64::from);
    let mut tasks = tasks::in_statuses(connection, run_id, statuses, 0, rows)?;
    if let Some(cap) = cap {
        tasks.truncate(cap as usize);
    }
    Ok(tasks)
}

fn counts(connection: &Connection, run_id: RunId) -> Result<SnapshotCounts> {
    const WHAT: &str = "counting the records of a run";
    // Tasks are counted in their indexes. Entries are numbered without gaps: the last number is their count.
    let counts = query(concat!(
        "SELECT \
         (SELECT count(*) FROM tasks WHERE run_id = ?1 AND status = 'pending') AS pending, \
         (SELECT count(*) FROM tasks WHERE run_id = ?1 AND status = 'in_progress') AS in_progress, \
         (SELECT count(*) FROM tasks WHERE run_id = ?1 AND status = 'completed') AS completed, \
         (SELECT count(*) FROM tasks WHERE run_id = ?1 AND status = 'blocked') AS blocked, \
         (SELECT count(*) FROM tasks WHERE run_id = ?1 AND status = 'abandoned') AS abandoned, ",
        last_number!("attempts"),
        " AS attempts, ",
        last_number!("events"),
        " AS events, ",
        last_number!("artifacts"),
        " AS artifacts, ",
        last_number!("approvals"),
        " AS approvals, ",
        last_number!("checkpoints"),
        " AS checkpoints FROM runs WHERE id = ?1"
    ))
    .bind(run_id.as_uuid());
    struct Counts(SnapshotCounts);

    impl Record for Counts {
        const TABLE: &'static str = WHAT;
        const NUMBER: &'static str = "";

        fn from_row(row: &Columns<'_>) -> Result<Self> {
            Ok(Self(SnapshotCounts {
                pending: row.get("pending")?,
                in_progress: row.get("in_progress")?,
                completed: row.get("completed")?,
                blocked: row.get("blocked")?,
                abandoned: row.get("abandoned")?,
                attempts: row.get("attempts")?,
                events: row.get("events")?,
                artifacts: row.get("artifacts")?,
                approvals: row.get("approvals")?,
                checkpoints: row.get("checkpoints")?,
            }))
        }
    }

    let counts: Option<Counts> = find(connection, counts)?;
    counts
        .map(|Counts(counts)| counts)
        .ok_or_else(|| runs::unknown(run_id))
}
