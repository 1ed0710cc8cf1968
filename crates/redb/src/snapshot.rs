//! The snapshot (clauses S1 to S3).

use runstore_core::limits::{SNAPSHOT_ATTEMPTS, SNAPSHOT_EVENTS};
use runstore_core::{
    PageRequest, Result, RunId, RunSnapshot, SnapshotCounts, SnapshotRequest, Task, TaskStatus,
};

use crate::schema::Tables;
use crate::table::Access;
use crate::tasks::tasks_in;

impl<A: Access> Tables<A> {
    pub(crate) fn snapshot(&self, request: &SnapshotRequest) -> Result<RunSnapshot> {
        let run_id = request.run_id;
        let run = self.get_run(run_id)?;
        let agents = self.list_agent_states(run_id)?;
        let cap = request.max_per_list.unwrap_or(u32::MAX);
        let tasks = |statuses: &[TaskStatus]| -> Result<Vec<Task>> {
            let wanted = |status| statuses.contains(&status);
            let first = self.tasks_in_states(run_id, wanted, PageRequest::all(), cap as usize)?;
            Ok(first.into_iter().map(|(_, task)| task).collect())
        };
        Ok(RunSnapshot {
            run,
            agents: agents
                .into_iter()
                .map(|agent| (agent.role.clone(), agent))
                .collect(),
            pending_tasks: tasks(&[TaskStatus::Pending])?,
            in_progress_tasks: tasks(&[TaskStatus::InProgress])?,
            completed_tasks: tasks(&[TaskStatus::Completed])?,
            blocked_tasks: tasks(&[TaskStatus::Blocked, TaskStatus::Abandoned])?,
            recent_attempts: self.attempts.recent(run_id, cap.min(SNAPSHOT_ATTEMPTS))?,
            recent_events: self.events.recent(run_id, cap.min(SNAPSHOT_EVENTS))?,
            approvals: self.approvals.recent(run_id, cap)?,
            artifacts: self.artifacts.recent(run_id, cap)?,
            latest_checkpoint: self.checkpoints.last(run_id)?,
            counts: self.counts(run_id)?,
        })
    }

    fn counts(&self, run_id: RunId) -> Result<SnapshotCounts> {
        let tasks = |status| self.tasks_by_status.count(tasks_in(run_id, status));
        Ok(SnapshotCounts {
            pending: tasks(TaskStatus::Pending)?,
            in_progress: tasks(TaskStatus::InProgress)?,
            completed: tasks(TaskStatus::Completed)?,
            blocked: tasks(TaskStatus::Blocked)?,
            abandoned: tasks(TaskStatus::Abandoned)?,
            attempts: self.attempts.last_number(run_id)?,
            events: self.events.last_number(run_id)?,
            artifacts: self.artifacts.last_number(run_id)?,
            approvals: self.approvals.last_number(run_id)?,
            checkpoints: self.checkpoints.last_number(run_id)?,
        })
    }
}
