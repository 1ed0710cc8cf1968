//! The snapshot (clauses S1 to S3). All of it is read in one transaction, which sees one instant.

use runstore_core::limits::{SNAPSHOT_ATTEMPTS, SNAPSHOT_EVENTS};
use runstore_core::{
    Error, Result, RunId, RunSnapshot, SnapshotCounts, SnapshotRequest, Task, TaskStatus,
};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Row, query};

use crate::error::engine;
use crate::journal::{last_of_run, latest_checkpoint};
use crate::{runs, tasks};

pub(crate) async fn take(
    connection: &mut SqliteConnection,
    request: SnapshotRequest,
) -> Result<RunSnapshot> {
    let run_id = request.run_id;
    let cap = request.max_per_list;
    let run = runs::get(connection, run_id).await?;
    let agents = runs::list_agents(connection, run_id).await?;
    let all = cap.map_or(-1, i64::from);
    let at_most = |most: u32| i64::from(cap.map_or(most, |cap| cap.min(most)));
    Ok(RunSnapshot {
        run,
        agents: agents
            .into_iter()
            .map(|agent| (agent.role.clone(), agent))
            .collect(),
        pending_tasks: first_tasks(connection, run_id, [TaskStatus::Pending], cap).await?,
        in_progress_tasks: first_tasks(connection, run_id, [TaskStatus::InProgress], cap).await?,
        completed_tasks: first_tasks(connection, run_id, [TaskStatus::Completed], cap).await?,
        blocked_tasks: first_tasks(
            connection,
            run_id,
            [TaskStatus::Blocked, TaskStatus::Abandoned],
            cap,
        )
        .await?,
        recent_attempts: last_of_run(connection, run_id, at_most(SNAPSHOT_ATTEMPTS)).await?,
        recent_events: last_of_run(connection, run_id, at_most(SNAPSHOT_EVENTS)).await?,
        approvals: last_of_run(connection, run_id, all).await?,
        artifacts: last_of_run(connection, run_id, all).await?,
        latest_checkpoint: latest_checkpoint(connection, run_id).await?,
        counts: counts(connection, run_id).await?,
    })
}

async fn first_tasks<const N: usize>(
    connection: &mut SqliteConnection,
    run_id: RunId,
    statuses: [TaskStatus; N],
    cap: Option<u32>,
) -> Result<Vec<Task>> {
    let rows = cap.map_or(-1, i64::from);
    let mut tasks = tasks::in_statuses(connection, run_id, statuses, 0, rows).await?;
    if let Some(cap) = cap {
        tasks.truncate(cap as usize);
    }
    Ok(tasks)
}

async fn counts(connection: &mut SqliteConnection, run_id: RunId) -> Result<SnapshotCounts> {
    const WHAT: &str = "counting the records of a run";
    // Each is counted in an index. Events are numbered without gaps (clause J1).
    let counts = query(
        "SELECT \
         (SELECT count(*) FROM tasks WHERE run_id = ?1 AND status = 'pending') AS pending, \
         (SELECT count(*) FROM tasks WHERE run_id = ?1 AND status = 'in_progress') AS in_progress, \
         (SELECT count(*) FROM tasks WHERE run_id = ?1 AND status = 'completed') AS completed, \
         (SELECT count(*) FROM tasks WHERE run_id = ?1 AND status = 'blocked') AS blocked, \
         (SELECT count(*) FROM tasks WHERE run_id = ?1 AND status = 'abandoned') AS abandoned, \
         (SELECT count(*) FROM attempts WHERE run_id = ?1) AS attempts, \
         (SELECT coalesce(max(seq), 0) FROM events WHERE run_id = ?1) AS events, \
         (SELECT count(*) FROM artifacts WHERE run_id = ?1) AS artifacts, \
         (SELECT count(*) FROM approvals WHERE run_id = ?1) AS approvals, \
         (SELECT count(*) FROM checkpoints WHERE run_id = ?1) AS checkpoints",
    )
    .bind(run_id.as_uuid());
    let failed = |error| -> Error { engine(WHAT, error) };
    let row = counts.fetch_one(connection).await.map_err(failed)?;
    let count = |column| row.try_get::<u64, _>(column).map_err(failed);
    Ok(SnapshotCounts {
        pending: count("pending")?,
        in_progress: count("in_progress")?,
        completed: count("completed")?,
        blocked: count("blocked")?,
        abandoned: count("abandoned")?,
        attempts: count("attempts")?,
        events: count("events")?,
        artifacts: count("artifacts")?,
        approvals: count("approvals")?,
        checkpoints: count("checkpoints")?,
    })
}
