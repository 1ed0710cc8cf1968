//! Snapshots taken beside writers, and what must hold within each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runstore_core::{Result, RunId, RunSnapshot, SnapshotRequest, Store, Task, TaskStatus};
use tokio::task::JoinHandle;

use crate::check::{Outcome, check, check_eq};
use crate::race::{Handles, together};

/// Snapshots taken one after the other until `writing` is 0, and one more.
struct Watcher(JoinHandle<Result<Vec<RunSnapshot>>>);

impl Watcher {
    fn start(store: Arc<dyn Store>, run_id: RunId, writing: &Arc<AtomicUsize>) -> Self {
        let writing = Arc::clone(writing);
        Self(tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                let over = writing.load(Ordering::SeqCst) == 0;
                taken.push(store.snapshot(SnapshotRequest::of_run(run_id)).await?);
                if over {
                    return Ok(taken);
                }
                tokio::task::yield_now().await;
            }
        }))
    }
}

/// Runs the writers beside two that take snapshots, and gives the snapshots of each in their order.
/// What holds for every snapshot is checked here.
pub(super) async fn watch<F>(
    handles: &Handles,
    run_id: RunId,
    writers: impl IntoIterator<Item = F>,
) -> Outcome<Vec<Vec<RunSnapshot>>>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let writers: Vec<F> = writers.into_iter().collect();
    let writing = Arc::new(AtomicUsize::new(writers.len()));
    let watchers = [2, 3].map(|index| Watcher::start(handles.of(index), run_id, &writing));
    let writers = writers.into_iter().map(|writer| {
        let writing = Arc::clone(&writing);
        async move {
            let written = writer.await;
            // Also after a failure, or the watchers would not end.
            writing.fetch_sub(1, Ordering::SeqCst);
            written
        }
    });
    for writer in together(writers).await? {
        writer?;
    }
    let mut all = Vec::new();
    for Watcher(watcher) in watchers {
        let taken = watcher.await??;
        let mut events = 0;
        for snapshot in &taken {
            check_agrees(snapshot)?;
            check!(
                snapshot.counts.events >= events,
                "a snapshot must show what one before it showed: {} events after {events}",
                snapshot.counts.events
            );
            events = snapshot.counts.events;
        }
        all.push(taken);
    }
    Ok(all)
}

/// The tasks of all lists of a snapshot.
pub(super) fn tasks(snapshot: &RunSnapshot) -> Vec<&Task> {
    let lists = [
        &snapshot.pending_tasks,
        &snapshot.in_progress_tasks,
        &snapshot.completed_tasks,
        &snapshot.blocked_tasks,
    ];
    lists.into_iter().flatten().collect()
}

/// Checks what must hold within any snapshot without a cap.
pub(super) fn check_agrees(snapshot: &RunSnapshot) -> Outcome {
    let counts = snapshot.counts;
    let all = tasks(snapshot);
    let positions: BTreeSet<_> = all.iter().map(|task| task.position).collect();
    check!(
        positions.len() == all.len() && positions.iter().copied().eq(1..=all.len() as u64),
        "every task must be in exactly one list of a snapshot; the positions there are {positions:?}, \
         of {} entries",
        all.len()
    );
    let in_state = |status| all.iter().filter(|task| task.status == status).count() as u64;
    check_eq!(
        [
            snapshot.pending_tasks.len() as u64,
            snapshot.in_progress_tasks.len() as u64,
            snapshot.completed_tasks.len() as u64,
            in_state(TaskStatus::Blocked),
            in_state(TaskStatus::Abandoned)
        ],
        [
            counts.pending,
            counts.in_progress,
            counts.completed,
            counts.blocked,
            counts.abandoned
        ],
        "the tasks in the lists of a snapshot, by its counts"
    );
    for (list, status) in [
        (&snapshot.pending_tasks, TaskStatus::Pending),
        (&snapshot.in_progress_tasks, TaskStatus::InProgress),
        (&snapshot.completed_tasks, TaskStatus::Completed),
    ] {
        check!(
            list.iter().all(|task| task.status == status)
                && list.is_sorted_by_key(|task| task.position),
            "the {status} tasks of a snapshot must be {status}, in position order: {list:?}"
        );
    }
    let shown = counts.events.min(50);
    let numbers = snapshot.recent_events.iter().map(|event| event.seq);
    check!(
        numbers.eq(counts.events - shown + 1..=counts.events),
        "the events of a snapshot must be the last of the {} that it counts, without gaps: {:?}",
        counts.events,
        snapshot.recent_events
    );
    check_eq!(
        [
            snapshot.recent_attempts.len() as u64,
            snapshot.artifacts.len() as u64,
            snapshot.approvals.len() as u64,
            u64::from(snapshot.latest_checkpoint.is_some())
        ],
        [
            counts.attempts.min(12),
            counts.artifacts,
            counts.approvals,
            counts.checkpoints.min(1)
        ],
        "the attempts, artifacts, approvals and checkpoints of a snapshot, by its counts"
    );
    if let Some(current) = snapshot.run.current_task_id {
        check!(
            all.iter().any(|task| task.id == current),
            "the current task of the run in a snapshot must be in a list of it"
        );
    }
    Ok(())
}
