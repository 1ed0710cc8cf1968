//! The snapshot (clauses S1 to S3).

use runstore_core::limits::{SNAPSHOT_ATTEMPTS, SNAPSHOT_EVENTS};
use runstore_core::{Result, RunSnapshot, SnapshotCounts, SnapshotRequest, Task, TaskStatus};

use crate::state::{RunState, State, last};

impl State {
    pub(crate) fn snapshot(&self, request: &SnapshotRequest) -> Result<RunSnapshot> {
        let state = self.run(request.run_id)?;
        let cap = request.max_per_list.unwrap_or(u32::MAX);
        let tasks = |statuses: &[TaskStatus]| -> Vec<Task> {
            let wanted = state
                .tasks
                .iter()
                .filter(|task| statuses.contains(&task.status));
            wanted.take(cap as usize).cloned().collect()
        };
        Ok(RunSnapshot {
            run: state.run.clone(),
            agents: state.agents.clone(),
            pending_tasks: tasks(&[TaskStatus::Pending]),
            in_progress_tasks: tasks(&[TaskStatus::InProgress]),
            completed_tasks: tasks(&[TaskStatus::Completed]),
            blocked_tasks: tasks(&[TaskStatus::Blocked, TaskStatus::Abandoned]),
            recent_attempts: last(&state.attempts, cap.min(SNAPSHOT_ATTEMPTS)),
            recent_events: last(&state.events, cap.min(SNAPSHOT_EVENTS)),
            approvals: last(&state.approvals, cap),
            artifacts: last(&state.artifacts, cap),
            latest_checkpoint: state.checkpoints.last().cloned(),
            counts: counts(state),
        })
    }
}

fn counts(state: &RunState) -> SnapshotCounts {
    let tasks = |status| {
        state
            .tasks
            .iter()
            .filter(|task| task.status == status)
            .count() as u64
    };
    SnapshotCounts {
        pending: tasks(TaskStatus::Pending),
        in_progress: tasks(TaskStatus::InProgress),
        completed: tasks(TaskStatus::Completed),
        blocked: tasks(TaskStatus::Blocked),
        abandoned: tasks(TaskStatus::Abandoned),
        attempts: state.attempts.len() as u64,
        events: state.events.len() as u64,
        artifacts: state.artifacts.len() as u64,
        approvals: state.approvals.len() as u64,
        checkpoints: state.checkpoints.len() as u64,
    }
}
