//! Runs that are deleted (clause R5).

use runstore_core::{
    Error, ListAttempts, NewRun, RecordKind, RunId, SaveAgentState, SnapshotCounts,
    SnapshotRequest, Store, TaskId, TaskPlan,
};

use super::unknown::{calls_on_run, calls_on_task};
use crate::calls::{call, check_all_refused};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::world;

pub(crate) async fn a_deleted_run_is_unknown_with_all_below_it(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::populated(&*c.store).await?;
    let (other, _) = world::planned(&*c.store, 1).await?;
    let second = c.second_handle().await?;
    c.store.delete_run(run.id).await?;
    let task_ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
    check_gone(&*c.store, run.id, &task_ids, other.id).await?;
    check_gone(&*second, run.id, &task_ids, other.id).await?;
    c.reopen().await?;
    check_gone(&*c.store, run.id, &task_ids, other.id).await
}

/// Checks that every call takes the run and its tasks for unknown; `other` is a run that exists.
async fn check_gone(
    store: &dyn Store,
    run_id: RunId,
    task_ids: &[TaskId],
    other: RunId,
) -> Outcome {
    let refused = Error::not_found(RecordKind::Run, run_id);
    check_all_refused(store, calls_on_run(store, run_id), &refused).await?;
    for task_id in task_ids {
        let mut calls = calls_on_task(store, *task_id);
        let list = ListAttempts::new(other).with_task_id(*task_id);
        calls.push(call!(store, list_attempts(list)));
        let refused = Error::not_found(RecordKind::Task, *task_id);
        check_all_refused(store, calls, &refused).await?;
    }
    Ok(())
}

pub(crate) async fn a_deletion_leaves_the_other_runs(c: &mut Context<'_>) -> Outcome {
    world::populated(&*c.store).await?;
    let before = Dump::of(&*c.store).await?;
    let (newer, _) = world::populated(&*c.store).await?;
    c.clock.advance_micros(1);
    c.store.delete_run(newer.id).await?;
    check_unchanged(
        &*c.store,
        &before,
        "creating, filling and deleting a run beside another",
    )
    .await?;
    // The other way round, with the older run gone.
    let mut empty = c.another().await?;
    let (older, _) = world::populated(&*empty.store).await?;
    let (kept, _) = world::populated(&*empty.store).await?;
    let of_kept = SnapshotRequest::of_run(kept.id);
    let before = empty.store.snapshot(of_kept.clone()).await?;
    empty.store.delete_run(older.id).await?;
    empty.reopen().await?;
    check_eq!(
        empty.store.snapshot(of_kept).await?,
        before,
        "the snapshot of a run after an older one was deleted"
    );
    Ok(())
}

pub(crate) async fn a_run_created_under_a_deleted_id_begins_anew(c: &mut Context<'_>) -> Outcome {
    let (gone, gone_tasks) = world::populated(&*c.store).await?;
    c.store.delete_run(gone.id).await?;
    c.clock.advance_micros(1);
    let new = NewRun::new("another goal", "/another").with_id(gone.id);
    let run = c.store.create_run(new).await?;
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    let expected = SnapshotCounts {
        events: 1,
        ..SnapshotCounts::default()
    };
    check_eq!(
        snapshot.counts,
        expected,
        "the counts of a run created under the id of a deleted one"
    );
    check_eq!(
        (snapshot.run, snapshot.agents.len()),
        (run.clone(), 0),
        "run and number of agents of a run created under the id of a deleted one"
    );
    let event = world::first(c.store.recent_events(run.id, 10).await?)?;
    check_eq!(event.seq, 1, "the number of its first event");
    let plan = TaskPlan::new(run.id, world::drafts(2));
    let tasks = c.store.append_tasks(plan).await?;
    let positions: Vec<u64> = tasks.iter().map(|task| task.position).collect();
    check_eq!(positions, [1, 2], "the positions of its first tasks");
    let claim = world::claim(&*c.store, run.id).await?;
    check_eq!(
        (claim.task.id, claim.task.attempt_count),
        (world::first(tasks)?.id, 1),
        "the first claim in it"
    );
    let save = SaveAgentState::new(run.id, "strategy");
    let saved = c.store.save_agent_state(save).await?;
    check_eq!(
        c.store.list_agent_states(run.id).await?,
        [saved],
        "the agents of it after one was saved"
    );
    for task in gone_tasks {
        let refused = Error::not_found(RecordKind::Task, task.id);
        let calls = calls_on_task(&*c.store, task.id);
        check_all_refused(&*c.store, calls, &refused).await?;
    }
    Ok(())
}
