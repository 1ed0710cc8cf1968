//! What a snapshot must show, by the single reads.

use runstore_core::{
    ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListTasks, RunId,
    RunSnapshot, SnapshotCounts, Store, TaskStatus,
};

use crate::check::{Outcome, check_eq};

/// What the single reads give of a run, as a snapshot with that cap must show it.
pub(super) async fn from_single_reads(
    store: &dyn Store,
    run_id: RunId,
    cap: usize,
) -> Outcome<RunSnapshot> {
    let tasks = store.list_tasks(ListTasks::new(run_id)).await?.items;
    let in_states = |statuses: &[TaskStatus]| {
        let wanted = tasks.iter().filter(|task| statuses.contains(&task.status));
        wanted.take(cap).cloned().collect::<Vec<_>>()
    };
    let count =
        |status: TaskStatus| tasks.iter().filter(|task| task.status == status).count() as u64;
    let attempts = store.list_attempts(ListAttempts::new(run_id)).await?.items;
    let events = store.list_events(ListEvents::new(run_id)).await?.items;
    let approvals = store
        .list_approvals(ListApprovals::new(run_id))
        .await?
        .items;
    let artifacts = store
        .list_artifacts(ListArtifacts::new(run_id))
        .await?
        .items;
    let checkpoints = ListCheckpoints::new(run_id);
    let checkpoints = store.list_checkpoints(checkpoints).await?.items;
    let agents = store.list_agent_states(run_id).await?.into_iter();
    Ok(RunSnapshot {
        run: store.get_run(run_id).await?,
        agents: agents.map(|agent| (agent.role.clone(), agent)).collect(),
        pending_tasks: in_states(&[TaskStatus::Pending]),
        in_progress_tasks: in_states(&[TaskStatus::InProgress]),
        completed_tasks: in_states(&[TaskStatus::Completed]),
        blocked_tasks: in_states(&[TaskStatus::Blocked, TaskStatus::Abandoned]),
        counts: SnapshotCounts {
            pending: count(TaskStatus::Pending),
            in_progress: count(TaskStatus::InProgress),
            completed: count(TaskStatus::Completed),
            blocked: count(TaskStatus::Blocked),
            abandoned: count(TaskStatus::Abandoned),
            attempts: attempts.len() as u64,
            events: events.len() as u64,
            artifacts: artifacts.len() as u64,
            approvals: approvals.len() as u64,
            checkpoints: checkpoints.len() as u64,
        },
        recent_attempts: last(attempts, cap.min(12)),
        recent_events: last(events, cap.min(50)),
        approvals: last(approvals, cap),
        artifacts: last(artifacts, cap),
        latest_checkpoint: checkpoints.into_iter().next_back(),
    })
}

fn last<T>(mut list: Vec<T>, count: usize) -> Vec<T> {
    list.split_off(list.len().saturating_sub(count))
}

/// Checks every field by itself, so that a failure names it.
pub(super) fn check_same(snapshot: &RunSnapshot, expected: &RunSnapshot, what: &str) -> Outcome {
    macro_rules! fields {
        ($($field:ident),+) => {
            // Without a field left out: a new one must be compared too.
            let RunSnapshot { $($field: _),+ } = snapshot;
            $(check_eq!(
                snapshot.$field,
                expected.$field,
                "{} of {what}, which must agree with the single reads",
                stringify!($field)
            );)+
        };
    }
    fields!(
        run,
        agents,
        pending_tasks,
        in_progress_tasks,
        completed_tasks,
        blocked_tasks,
        recent_attempts,
        recent_events,
        approvals,
        artifacts,
        latest_checkpoint,
        counts
    );
    Ok(())
}
