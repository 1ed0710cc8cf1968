//! The snapshot (clauses S1 to S3).

use runstore_core::limits::{SNAPSHOT_ATTEMPTS, SNAPSHOT_EVENTS};
use runstore_core::{
    PageRequest, Result, RunSnapshot, SnapshotCounts, SnapshotRequest, Task, TaskStatus,
};

use crate::schema::Tables;
use crate::table::Access;
use crate::tasks::tasks_of;

impl<A: Access> Tables<A> {
    pub(crate) fn snapshot(&self, request: &SnapshotRequest) -> Result<RunSnapshot> {
        let run = self.run_key(request.run_id)?;
        let agents = self.agents_of(run)?;
        let cap = request.max_per_list.unwrap_or(u32::MAX);
        let tasks = |statuses: &[TaskStatus]| -> Result<Vec<Task>> {
            let wanted = |status| statuses.contains(&status);
            self.tasks_in_states(run, wanted, PageRequest::all(), cap as usize)
        };
        let pending_tasks = tasks(&[TaskStatus::Pending])?;
        let in_progress_tasks = tasks(&[TaskStatus::InProgress])?;
        let completed_tasks = tasks(&[TaskStatus::Completed])?;
        let blocked_tasks = tasks(&[TaskStatus::Blocked, TaskStatus::Abandoned])?;
        // A list that is not cut short is not counted once more.
        let count = |status, list: &[Task]| match list.len() < cap as usize {
            true => {
                let of_status = list.iter().filter(|task| task.status == status);
                Ok(of_status.count() as u64)
            }
            false => self.states.of(status).count(tasks_of(run)),
        };
        let counts = SnapshotCounts {
            pending: count(TaskStatus::Pending, &pending_tasks)?,
            in_progress: count(TaskStatus::InProgress, &in_progress_tasks)?,
            completed: count(TaskStatus::Completed, &completed_tasks)?,
            blocked: count(TaskStatus::Blocked, &blocked_tasks)?,
            abandoned: count(TaskStatus::Abandoned, &blocked_tasks)?,
            attempts: self.attempts.last_number(run)?,
            events: self.events.last_number(run)?,
            artifacts: self.artifacts.last_number(run)?,
            approvals: self.approvals.last_number(run)?,
            checkpoints: self.checkpoints.last_number(run)?,
        };
        Ok(RunSnapshot {
            run: self.get_run(run.id)?,
            agents: agents
                .into_iter()
                .map(|agent| (agent.role.clone(), agent))
                .collect(),
            pending_tasks,
            in_progress_tasks,
            completed_tasks,
            blocked_tasks,
            recent_attempts: self.attempts.recent(run, cap.min(SNAPSHOT_ATTEMPTS))?,
            recent_events: self.events.recent(run, cap.min(SNAPSHOT_EVENTS))?,
            approvals: self.approvals.recent(run, cap)?,
            artifacts: self.artifacts.recent(run, cap)?,
            latest_checkpoint: self.checkpoints.last(run)?,
            counts,
        })
    }
}
