//! Snapshots (clauses S1 and S3) of a store at rest. Those beside writers are in `instants.rs`.

mod expected;
mod scheduled;

use runstore_core::{
    AbandonTask, ApprovalVerdict, ArtifactDraft, AttemptReport, AttemptStatus, BlockTask,
    CompleteTask, EventDraft, FinishReport, NewApproval, NewArtifact, NewAttempt, NewCheckpoint,
    NewEvent, Run, RunId, RunSnapshot, SaveAgentState, SnapshotCounts, SnapshotRequest, Store,
    Task,
};
use serde_json::json;

use self::expected::{check_same, from_single_reads};
pub(crate) use self::scheduled::*;
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::stage::Stages;
use crate::world;
use crate::writes::Write;

async fn whole(store: &dyn Store, run_id: RunId) -> Outcome<RunSnapshot> {
    Ok(store.snapshot(SnapshotRequest::of_run(run_id)).await?)
}

/// A run with three tasks in each state, the states taking turns by position, and of each record of
/// the journal a number that no other has.
async fn varied(store: &dyn Store) -> Outcome<Run> {
    let (run, tasks) = world::planned(store, 15).await?;
    for (index, task) in tasks.iter().enumerate() {
        let claim = world::claim(store, run.id).await?;
        check_eq!(claim.task.id, task.id, "the task claimed");
        let id = task.id;
        match index % 5 {
            1 => drop(store.complete_task(CompleteTask::new(id, "done")).await?),
            2 => drop(store.block_task(BlockTask::new(id)).await?),
            3 => drop(store.abandon_task(AbandonTask::new(id)).await?),
            _ => {}
        }
    }
    // The first of each five goes back to be pending; the last stays in progress.
    for task in tasks.iter().step_by(5) {
        store.requeue_task(task.id).await?;
    }
    for number in 0..4 {
        let report = AttemptReport::new(AttemptStatus::Failed, number.to_string());
        let task = world::first(tasks.clone())?;
        store
            .add_attempt(NewAttempt::new(task.id, number, report))
            .await?;
    }
    for number in 0..5 {
        let draft = ArtifactDraft::new("file", number.to_string());
        store.add_artifact(NewArtifact::new(run.id, draft)).await?;
    }
    for number in 0..6 {
        let new = NewApproval::new(
            run.id,
            "human",
            ApprovalVerdict::Approved,
            number.to_string(),
        );
        store.add_approval(new).await?;
    }
    for number in 0..7 {
        let new = NewCheckpoint::new(run.id, "running", json!(number));
        store.add_checkpoint(new).await?;
    }
    for role in ["b", "a", "c"] {
        let save = SaveAgentState::new(run.id, role).with_session_id(role);
        store.save_agent_state(save).await?;
    }
    Ok(run)
}

/// The counts of [`varied`]; its events are the first one and three requeues.
const VARIED: SnapshotCounts = SnapshotCounts {
    pending: 3,
    in_progress: 3,
    completed: 3,
    blocked: 3,
    abandoned: 3,
    attempts: 4,
    events: 4,
    artifacts: 5,
    approvals: 6,
    checkpoints: 7,
};

pub(crate) async fn a_snapshot_agrees_with_the_single_reads(c: &mut Context<'_>) -> Outcome {
    let (populated, _) = world::populated(&*c.store).await?;
    let varied = varied(&*c.store).await?;
    let empty = world::run(&*c.store).await?;
    for (run, what) in [
        (&populated, "a run with records of every kind"),
        (&varied, "a run with three tasks in each state"),
        (&empty, "a new run"),
    ] {
        let snapshot = whole(&*c.store, run.id).await?;
        let expected = from_single_reads(&*c.store, run.id, usize::MAX).await?;
        check_same(&snapshot, &expected, &format!("the snapshot of {what}"))?;
    }
    Ok(())
}

pub(crate) async fn every_task_is_in_exactly_one_list_by_its_state(c: &mut Context<'_>) -> Outcome {
    let run = varied(&*c.store).await?;
    let snapshot = whole(&*c.store, run.id).await?;
    let positions = |tasks: &[Task]| {
        let positions = tasks.iter().map(|task| task.position);
        positions.collect::<Vec<_>>()
    };
    check_eq!(
        positions(&snapshot.pending_tasks),
        [1, 6, 11],
        "the positions of the pending tasks"
    );
    check_eq!(
        positions(&snapshot.in_progress_tasks),
        [5, 10, 15],
        "the positions of the tasks in progress"
    );
    check_eq!(
        positions(&snapshot.completed_tasks),
        [2, 7, 12],
        "the positions of the completed tasks"
    );
    check_eq!(
        positions(&snapshot.blocked_tasks),
        [3, 4, 8, 9, 13, 14],
        "the positions of the blocked and abandoned tasks, together in position order"
    );
    Ok(())
}

pub(crate) async fn the_counts_are_of_all_there_is(c: &mut Context<'_>) -> Outcome {
    let run = varied(&*c.store).await?;
    world::populated(&*c.store).await?;
    check_eq!(
        whole(&*c.store, run.id).await?.counts,
        VARIED,
        "the counts of a snapshot without a cap"
    );
    for cap in [1, 2, 5, 10_000_u32] {
        let request = SnapshotRequest::of_run(run.id).with_max_per_list(cap);
        check_eq!(
            c.store.snapshot(request).await?.counts,
            VARIED,
            "the counts of a snapshot with a cap of {cap}"
        );
    }
    Ok(())
}

pub(crate) async fn a_cap_bounds_every_list(c: &mut Context<'_>) -> Outcome {
    let run = varied(&*c.store).await?;
    for cap in (1..=8_u32).chain([10_000]) {
        let request = SnapshotRequest::of_run(run.id).with_max_per_list(cap);
        let snapshot = c.store.snapshot(request).await?;
        let expected = from_single_reads(&*c.store, run.id, cap as usize).await?;
        let what = format!("a snapshot with a cap of {cap}");
        check_same(&snapshot, &expected, &what)?;
        check_eq!(
            snapshot.agents.len(),
            3,
            "the agents in {what}, which are no list"
        );
    }
    Ok(())
}

pub(crate) async fn a_snapshot_shows_the_last_12_attempts(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 2).await?;
    for count in 1..=14_u32 {
        let task = tasks.get(count as usize % 2);
        let task = world::first(task.into_iter().collect())?;
        let report = AttemptReport::new(AttemptStatus::Failed, count.to_string());
        c.store
            .add_attempt(NewAttempt::new(task.id, count, report))
            .await?;
        let numbers = |snapshot: &RunSnapshot| {
            let attempts = snapshot.recent_attempts.iter();
            attempts.map(|it| it.attempt_number).collect::<Vec<_>>()
        };
        let snapshot = whole(&*c.store, run.id).await?;
        let first = count.saturating_sub(11).max(1);
        check_eq!(
            numbers(&snapshot),
            (first..=count).collect::<Vec<_>>(),
            "the last attempts in a snapshot of {count}, oldest first"
        );
        check_eq!(
            snapshot.counts.attempts,
            u64::from(count),
            "the count of attempts"
        );
    }
    for cap in [1, 11, 12, 13, 50_u32] {
        let request = SnapshotRequest::of_run(run.id).with_max_per_list(cap);
        let snapshot = c.store.snapshot(request).await?;
        check_eq!(
            snapshot.recent_attempts.len(),
            cap.min(12) as usize,
            "the attempts of 14 in a snapshot with a cap of {cap}"
        );
    }
    Ok(())
}

pub(crate) async fn a_snapshot_shows_the_last_50_events(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let mut report = FinishReport::completed("done");
    for _ in 0..47 {
        report = report.with_event(EventDraft::new("worker", "note", "m"));
    }
    c.store.finish_task(claim.token(), report).await?;
    for count in 49..=52_u64 {
        let draft = EventDraft::new("worker", "note", "m");
        c.store.add_event(NewEvent::new(run.id, draft)).await?;
        let snapshot = whole(&*c.store, run.id).await?;
        let events = snapshot.recent_events.iter();
        check_eq!(
            events.map(|event| event.seq).collect::<Vec<_>>(),
            (count.saturating_sub(49).max(1)..=count).collect::<Vec<_>>(),
            "the numbers of the events in a snapshot of {count}, oldest first"
        );
        check_eq!(snapshot.counts.events, count, "the count of events");
    }
    for cap in [1, 12, 49, 50, 51, 10_000_u32] {
        let request = SnapshotRequest::of_run(run.id).with_max_per_list(cap);
        let snapshot = c.store.snapshot(request).await?;
        let events = snapshot.recent_events.iter();
        check_eq!(
            events.map(|event| event.seq).collect::<Vec<_>>(),
            (53 - u64::from(cap.min(50))..=52).collect::<Vec<_>>(),
            "the numbers of the events of 52 in a snapshot with a cap of {cap}"
        );
    }
    Ok(())
}

pub(crate) async fn a_snapshot_without_a_cap_leaves_no_task_out(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 1_100).await?;
    let snapshot = whole(&*c.store, run.id).await?;
    let positions = snapshot.pending_tasks.iter().map(|task| task.position);
    check!(
        positions.eq(1..=1_100),
        "a snapshot without a cap must show all 1,100 pending tasks in position order, and shows {}",
        snapshot.pending_tasks.len()
    );
    check_eq!(snapshot.counts.pending, 1_100, "the count of pending tasks");
    Ok(())
}

pub(crate) async fn a_snapshot_of_a_new_run_has_its_first_event_only(
    c: &mut Context<'_>,
) -> Outcome {
    world::populated(&*c.store).await?;
    let run = world::run(&*c.store).await?;
    let snapshot = whole(&*c.store, run.id).await?;
    let events = c.store.recent_events(run.id, 1).await?;
    let expected = RunSnapshot {
        run,
        agents: std::collections::BTreeMap::new(),
        pending_tasks: vec![],
        in_progress_tasks: vec![],
        completed_tasks: vec![],
        blocked_tasks: vec![],
        recent_attempts: vec![],
        recent_events: events,
        approvals: vec![],
        artifacts: vec![],
        latest_checkpoint: None,
        counts: SnapshotCounts {
            events: 1,
            ..SnapshotCounts::default()
        },
    };
    check_same(&snapshot, &expected, "a new run beside a populated one")
}

pub(crate) async fn a_snapshot_follows_every_change_of_a_task(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 2).await?;
    let claim = world::claim(&*c.store, run.id).await?;
    let id = claim.task.id;
    let counts = |snapshot: &RunSnapshot| {
        let SnapshotCounts {
            pending,
            in_progress,
            completed,
            blocked,
            abandoned,
            ..
        } = snapshot.counts;
        [pending, in_progress, completed, blocked, abandoned]
    };
    check_eq!(
        counts(&whole(&*c.store, run.id).await?),
        [1, 1, 0, 0, 0],
        "the counts after a claim"
    );
    c.store.block_task(BlockTask::new(id)).await?;
    check_eq!(
        counts(&whole(&*c.store, run.id).await?),
        [1, 0, 0, 1, 0],
        "the counts after a block"
    );
    c.store.abandon_task(AbandonTask::new(id)).await?;
    check_eq!(
        counts(&whole(&*c.store, run.id).await?),
        [1, 0, 0, 0, 1],
        "the counts after an abandonment"
    );
    c.store.requeue_task(id).await?;
    check_eq!(
        counts(&whole(&*c.store, run.id).await?),
        [2, 0, 0, 0, 0],
        "the counts after a requeue"
    );
    c.store.complete_task(CompleteTask::new(id, "done")).await?;
    check_eq!(
        counts(&whole(&*c.store, run.id).await?),
        [1, 0, 1, 0, 0],
        "the counts after a completion"
    );
    let expected = from_single_reads(&*c.store, run.id, usize::MAX).await?;
    check_same(
        &whole(&*c.store, run.id).await?,
        &expected,
        "a run whose task went through every state",
    )
}

pub(crate) async fn a_snapshot_follows_every_call_that_writes(c: &mut Context<'_>) -> Outcome {
    let mut stages = Stages::of(&*c.store, &c.clock);
    for write in Write::all() {
        let stage = stages.take().await?;
        // Whoever keeps a snapshot for the next reader has one to keep.
        for run_id in [stage.run_id, stage.bystander] {
            whole(&*c.store, run_id).await?;
        }
        write.run(&*c.store, &stage).await?;
        for (run_id, of) in [(stage.run_id, "the run"), (stage.bystander, "the other")] {
            if write.name == "delete_run" && run_id == stage.run_id {
                continue;
            }
            let snapshot = whole(&*c.store, run_id).await?;
            let expected = from_single_reads(&*c.store, run_id, usize::MAX).await?;
            let what = format!("a snapshot of {of} after {}", write.name);
            check_same(&snapshot, &expected, &what)?;
        }
    }
    Ok(())
}
