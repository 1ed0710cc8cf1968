//! Tasks whose attempts are used up (clause C8), and what a run's journal tells of them.

use runstore_core::{
    BlockTask, Claim, Clock, ListEvents, Run, RunId, Store, Task, TaskPlan, TaskStatus, Timestamp,
};
use serde_json::{Value, json};

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::leased::{claim, request};
use crate::world;

/// A run with a pending task for each of these bounds.
pub(crate) async fn bounded(
    store: &dyn Store,
    bounds: &[Option<u32>],
) -> Outcome<(Run, Vec<Task>)> {
    let run = world::run(store).await?;
    let drafts = world::drafts(bounds.len()).into_iter().zip(bounds);
    let drafts = drafts.map(|(mut draft, bound)| {
        draft.max_attempts = *bound;
        draft
    });
    let tasks = store.append_tasks(TaskPlan::new(run.id, drafts)).await?;
    Ok((run, tasks))
}

/// The task as it is left when its attempts are found to be used up.
pub(crate) fn used_up(task: &Task, now: Timestamp) -> Task {
    Task {
        status: TaskStatus::Blocked,
        blocker_signature: Some("max_attempts".to_owned()),
        worker: None,
        lease_expires_at: None,
        delayed_until: None,
        updated_at: now,
        ..task.clone()
    }
}

/// An event of the store's own: its kind and its payload.
pub(crate) type OwnEvent = (&'static str, Value);

/// The event of a task that stood like this under this bound.
pub(crate) fn end_of(task: &Task, bound: u32) -> OwnEvent {
    let payload = json!({
        "taskId": task.id,
        "from": task.status,
        "attemptCount": task.attempt_count,
        "maxAttempts": bound,
    });
    ("max_attempts", payload)
}

/// How many events the run has.
pub(crate) async fn count_events(store: &dyn Store, run_id: RunId) -> Outcome<usize> {
    let events = store.list_events(ListEvents::new(run_id)).await?;
    Ok(events.items.len())
}

/// Checks that after `before` events the run's journal went on by these of the store's own, now.
pub(crate) async fn check_new_events(
    c: &Context<'_>,
    run_id: RunId,
    before: usize,
    expected: Vec<OwnEvent>,
    what: &str,
) -> Outcome {
    let events = c.store.list_events(ListEvents::new(run_id)).await?.items;
    let new = events.into_iter().skip(before).map(|event| {
        let words = (event.kind, event.source, event.event_id);
        (event.seq, event.run_id, words, event.payload, event.ts)
    });
    let expected = (before as u64 + 1..).zip(expected);
    let expected = expected.map(|(seq, (kind, payload))| {
        let words = (kind.to_owned(), "system".to_owned(), None);
        (seq, run_id, words, payload, c.clock.now())
    });
    check_eq!(
        new.collect::<Vec<_>>(),
        expected.collect::<Vec<_>>(),
        "number, run, kind, source, id, payload and time of the events by {what}"
    );
    Ok(())
}

/// The claim of the last attempt of a task that has summary and signature from before.
pub(crate) async fn at_its_last_attempt(store: &dyn Store) -> Outcome<Claim> {
    let (run, tasks) = bounded(store, &[Some(2)]).await?;
    claim(store, request(run.id)).await?;
    let block = BlockTask::new(world::first(tasks)?.id)
        .with_summary("summary before")
        .with_blocker_signature("signature before");
    store.block_task(block.clone()).await?;
    store.requeue_task(block.task_id).await?;
    claim(store, request(run.id)).await
}
