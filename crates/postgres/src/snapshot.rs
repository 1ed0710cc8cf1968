//! The snapshot (clauses S1 to S3). All of it is read in one transaction, which sees one instant.

use runstore_core::limits::{SNAPSHOT_ATTEMPTS, SNAPSHOT_EVENTS};
use runstore_core::{Result, RunSnapshot, SnapshotCounts, SnapshotRequest, TaskStatus};
use sqlx::query;

use crate::codec::{Columns, Record};
use crate::connections::Session;
use crate::journal::{last_of_run, latest_checkpoint};
use crate::runs;
use crate::statement::find;
use crate::tasks::in_statuses;

pub(crate) async fn take(session: &mut Session, request: SnapshotRequest) -> Result<RunSnapshot> {
    let run_id = request.run_id;
    let cap = request.max_per_list;
    let run = runs::get(session, run_id).await?;
    let agents = runs::list_agents(session, run_id).await?;
    let at_most = |most: u32| Some(cap.map_or(most, |cap| cap.min(most)));
    let settled_otherwise = [TaskStatus::Blocked, TaskStatus::Abandoned];
    Ok(RunSnapshot {
        run,
        agents: agents
            .into_iter()
            .map(|agent| (agent.role.clone(), agent))
            .collect(),
        pending_tasks: in_statuses(session, run_id, &[TaskStatus::Pending], cap).await?,
        in_progress_tasks: in_statuses(session, run_id, &[TaskStatus::InProgress], cap).await?,
        completed_tasks: in_statuses(session, run_id, &[TaskStatus::Completed], cap).await?,
        blocked_tasks: in_statuses(session, run_id, &settled_otherwise, cap).await?,
        recent_attempts: last_of_run(session, run_id, at_most(SNAPSHOT_ATTEMPTS)).await?,
        recent_events: last_of_run(session, run_id, at_most(SNAPSHOT_EVENTS)).await?,
        approvals: last_of_run(session, run_id, cap).await?,
        artifacts: last_of_run(session, run_id, cap).await?,
        latest_checkpoint: latest_checkpoint(session, run_id).await?,
        counts: counts(session, request).await?,
    })
}

async fn counts(session: &mut Session, request: SnapshotRequest) -> Result<SnapshotCounts> {
    // What is numbered without gaps is counted by its last number, tasks by their states in an index.
    let counts = query(
        "SELECT run_id, \
         (SELECT count(*) FROM task_states s WHERE s.run_id = r.run_id AND status = 'pending') AS pending, \
         (SELECT count(*) FROM task_states s WHERE s.run_id = r.run_id AND status = 'in_progress') AS in_progress, \
         (SELECT count(*) FROM task_states s WHERE s.run_id = r.run_id AND status = 'completed') AS completed, \
         (SELECT count(*) FROM task_states s WHERE s.run_id = r.run_id AND status = 'blocked') AS blocked, \
         (SELECT count(*) FROM task_states s WHERE s.run_id = r.run_id AND status = 'abandoned') AS abandoned, \
         (SELECT last FROM counters c WHERE c.run_id = r.run_id AND kind = 'attempts') AS attempts, \
         (SELECT last FROM counters c WHERE c.run_id = r.run_id AND kind = 'events') AS events, \
         (SELECT last FROM counters c WHERE c.run_id = r.run_id AND kind = 'artifacts') AS artifacts, \
         (SELECT last FROM counters c WHERE c.run_id = r.run_id AND kind = 'approvals') AS approvals, \
         (SELECT last FROM counters c WHERE c.run_id = r.run_id AND kind = 'checkpoints') AS checkpoints \
         FROM runs r WHERE run_id = $1",
    );
    let counts: Option<Counts> = find(session, counts.bind(request.run_id.as_uuid())).await?;
    let counts = counts.ok_or_else(|| runs::unknown(request.run_id))?;
    Ok(counts.0)
}

struct Counts(SnapshotCounts);

impl Record for Counts {
    const TABLE: &'static str = "counters";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self(SnapshotCounts {
            pending: row.number("pending")?,
            in_progress: row.number("in_progress")?,
            completed: row.number("completed")?,
            blocked: row.number("blocked")?,
            abandoned: row.number("abandoned")?,
            attempts: row.number("attempts")?,
            events: row.number("events")?,
            artifacts: row.number("artifacts")?,
            approvals: row.number("approvals")?,
            checkpoints: row.number("checkpoints")?,
        }))
    }
}
