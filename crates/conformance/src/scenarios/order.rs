//! Creation order, whatever the clock and the ids say (clause G6).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use runstore_core::{
    ApprovalSource, ArtifactDraft, AttemptReport, AttemptStatus, Clock, EventDraft, FinishReport,
    ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks,
    ManualClock, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, RunUpdate,
    SnapshotRequest, Task, TaskDraft, TaskPlan, Timestamp, Uuid,
};
use serde_json::json;

use crate::check::{Outcome, check, check_eq};
use crate::context::{Context, start};
use crate::lists::{check_last, check_pages};
use crate::world;

/// How the clock may move between two calls: in microseconds, one step after the other.
const MOVES: [(&str, [i64; 4]); 3] = [
    ("stands still", [0, 0, 0, 0]),
    ("runs backwards", [-1, -1_000, -1_000_000, -86_400_000_000]),
    ("jumps to and fro", [5_000_000, -9_000_000, 0, 7]),
];

/// Moves the clock by the next of these steps.
fn tick(clock: &ManualClock, moves: [i64; 4], turn: usize) {
    let step = moves.into_iter().cycle().nth(turn % 4).unwrap_or_default();
    clock.advance_micros(step);
}

/// Ids whose order is against the order in which they are given out.
struct FallingIds(u128);

impl FallingIds {
    fn next(&mut self) -> Uuid {
        self.0 -= 1;
        Uuid::from_u128(self.0)
    }
}

pub(crate) async fn runs_are_listed_newest_first_whatever_the_clock_says(
    c: &mut Context<'_>,
) -> Outcome {
    let mut newest_first = Vec::new();
    for (how, moves) in MOVES {
        for turn in 0..4 {
            tick(&c.clock, moves, turn);
            newest_first.insert(0, world::run(&*c.store).await?);
        }
        check_pages(
            &format!("the runs, newest first, where the clock {how}"),
            &newest_first,
            |page| c.store.list_runs(ListRuns::all().with_page(page)),
        )
        .await?;
        check_pages(
            &format!("the planning runs, newest first, where the clock {how}"),
            &newest_first,
            |page| {
                let list = ListRuns::all().with_status("planning").with_page(page);
                c.store.list_runs(list)
            },
        )
        .await?;
    }
    Ok(())
}

pub(crate) async fn runs_that_change_keep_their_place(c: &mut Context<'_>) -> Outcome {
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.insert(0, world::run(&*c.store).await?.id);
    }
    c.clock.advance_micros(1_000_000);
    for id in ids.iter().rev().step_by(2) {
        c.store.increment_cycle(*id).await?;
        let update = RunUpdate::new(*id).with_summary("changed");
        c.store.update_run(update).await?;
        let plan = TaskPlan::new(*id, world::drafts(1));
        c.store.append_tasks(plan).await?;
    }
    let listed = c.store.list_runs(ListRuns::all()).await?.items;
    let listed: Vec<_> = listed.iter().map(|run| run.id).collect();
    check_eq!(
        listed,
        ids,
        "the runs, newest first, after two of them changed"
    );
    Ok(())
}

pub(crate) async fn tasks_are_claimed_in_plan_order_whatever_the_clock_says(
    c: &mut Context<'_>,
) -> Outcome {
    for (how, moves) in MOVES {
        let run = world::run(&*c.store).await?;
        let mut planned = Vec::new();
        for turn in 0..4 {
            tick(&c.clock, moves, turn);
            let plan = TaskPlan::new(run.id, world::drafts(2));
            planned.extend(c.store.append_tasks(plan).await?);
        }
        check_pages(
            &format!("the tasks in position order, where the clock {how}"),
            &planned,
            |page| c.store.list_tasks(ListTasks::new(run.id).with_page(page)),
        )
        .await?;
        for (turn, task) in planned.iter().enumerate() {
            tick(&c.clock, moves, turn);
            let claim = world::claim(&*c.store, run.id).await?;
            check_eq!(
                (claim.task.id, claim.task.position),
                (task.id, turn as u64 + 1),
                "the task of claim {}, where the clock {how}",
                turn + 1
            );
            check_eq!(
                claim.task.updated_at,
                c.clock.now(),
                "the time of a claim, where the clock {how}"
            );
        }
    }
    Ok(())
}

pub(crate) async fn attempts_are_in_the_order_of_the_calls_whatever_the_clock_says(
    c: &mut Context<'_>,
) -> Outcome {
    for (how, moves) in MOVES {
        let (run, tasks) = world::planned(&*c.store, 1).await?;
        let task_id = world::first(tasks)?.id;
        let mut written = Vec::new();
        for turn in 0..5 {
            tick(&c.clock, moves, turn);
            let report = AttemptReport::new(AttemptStatus::Failed, turn.to_string());
            let attempt = c
                .store
                .add_attempt(NewAttempt::new(task_id, 1, report))
                .await?;
            check_eq!(
                attempt.created_at,
                c.clock.now(),
                "the time of an attempt, where the clock {how}"
            );
            written.push(attempt);
            check_eq!(
                c.store.latest_attempt(task_id).await?.as_ref(),
                written.last(),
                "the latest attempt, where the clock {how}"
            );
        }
        let what = format!("the attempts, where the clock {how}");
        check_pages(&what, &written, |page| {
            let list = ListAttempts::new(run.id).with_page(page);
            c.store.list_attempts(list)
        })
        .await?;
        check_pages(&what, &written, |page| {
            let list = ListAttempts::new(run.id).with_task_id(task_id);
            c.store.list_attempts(list.with_page(page))
        })
        .await?;
        check_last(&what, &written, |limit| {
            c.store.recent_attempts(run.id, limit)
        })
        .await?;
        let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
        check_eq!(snapshot.recent_attempts, written, "{what}, in the snapshot");
    }
    Ok(())
}

pub(crate) async fn events_are_in_the_order_of_the_calls_whatever_the_clock_says(
    c: &mut Context<'_>,
) -> Outcome {
    for (how, moves) in MOVES {
        let run = world::run(&*c.store).await?;
        let mut written = c.store.recent_events(run.id, 1).await?;
        for turn in 0..5 {
            tick(&c.clock, moves, turn);
            let draft = EventDraft::new("s", "k", turn.to_string());
            written.push(c.store.add_event(NewEvent::new(run.id, draft)).await?);
        }
        let what = format!("the events, where the clock {how}");
        check_pages(&what, &written, |page| {
            c.store.list_events(ListEvents::new(run.id).with_page(page))
        })
        .await?;
        check_last(&what, &written, |limit| {
            c.store.recent_events(run.id, limit)
        })
        .await?;
        let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
        check_eq!(snapshot.recent_events, written, "{what}, in the snapshot");
        let numbers: Vec<u64> = written.iter().map(|event| event.seq).collect();
        check_eq!(numbers, [1, 2, 3, 4, 5, 6], "the numbers of {what}");
    }
    Ok(())
}

pub(crate) async fn artifacts_are_in_the_order_of_the_calls_whatever_the_clock_says(
    c: &mut Context<'_>,
) -> Outcome {
    for (how, moves) in MOVES {
        let run = world::run(&*c.store).await?;
        let mut written = Vec::new();
        for turn in 0..5 {
            tick(&c.clock, moves, turn);
            let draft = ArtifactDraft::new("k", (9 - turn).to_string()).with_role("checker");
            let new = NewArtifact::new(run.id, draft);
            written.push(c.store.add_artifact(new).await?);
        }
        let what = format!("the artifacts, where the clock {how}");
        check_pages(&what, &written, |page| {
            let list = ListArtifacts::new(run.id).with_page(page);
            c.store.list_artifacts(list)
        })
        .await?;
        check_pages(&what, &written, |page| {
            let list = ListArtifacts::new(run.id).with_role("checker");
            c.store.list_artifacts(list.with_page(page))
        })
        .await?;
        let request = SnapshotRequest::of_run(run.id).with_max_per_list(3_u32);
        let snapshot = c.store.snapshot(request).await?;
        check_eq!(
            snapshot.artifacts,
            written.split_off(2),
            "the last 3 of {what}, in a snapshot with a cap"
        );
    }
    Ok(())
}

pub(crate) async fn approvals_are_in_the_order_of_the_calls_whatever_the_clock_says(
    c: &mut Context<'_>,
) -> Outcome {
    for (how, moves) in MOVES {
        let run = world::run(&*c.store).await?;
        let mut written = Vec::new();
        for turn in 0..5 {
            tick(&c.clock, moves, turn);
            let new = NewApproval::new(run.id, "human", "approved", (9 - turn).to_string());
            written.push(c.store.add_approval(new).await?);
            let latest = c.store.latest_approval(run.id, ApprovalSource::Human);
            check_eq!(
                latest.await?.as_ref(),
                written.last(),
                "the latest approval, where the clock {how}"
            );
        }
        let what = format!("the approvals, where the clock {how}");
        check_pages(&what, &written, |page| {
            let list = ListApprovals::new(run.id).with_page(page);
            c.store.list_approvals(list)
        })
        .await?;
        check_pages(&what, &written, |page| {
            let list = ListApprovals::new(run.id).with_source(ApprovalSource::Human);
            c.store.list_approvals(list.with_page(page))
        })
        .await?;
        let request = SnapshotRequest::of_run(run.id).with_max_per_list(3_u32);
        let snapshot = c.store.snapshot(request).await?;
        check_eq!(
            snapshot.approvals,
            written.split_off(2),
            "the last 3 of {what}, in a snapshot with a cap"
        );
    }
    Ok(())
}

pub(crate) async fn checkpoints_are_in_the_order_of_the_calls_whatever_the_clock_says(
    c: &mut Context<'_>,
) -> Outcome {
    for (how, moves) in MOVES {
        let run = world::run(&*c.store).await?;
        let mut written = Vec::new();
        for turn in 0..5 {
            tick(&c.clock, moves, turn);
            let new = NewCheckpoint::new(run.id, "running", json!(9 - turn));
            written.push(c.store.add_checkpoint(new).await?);
            let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
            for latest in [
                c.store.latest_checkpoint(run.id).await?,
                snapshot.latest_checkpoint,
            ] {
                check_eq!(
                    latest.as_ref(),
                    written.last(),
                    "the latest checkpoint, where the clock {how}"
                );
            }
        }
        let what = format!("the checkpoints, where the clock {how}");
        check_pages(&what, &written, |page| {
            let list = ListCheckpoints::new(run.id).with_page(page);
            c.store.list_checkpoints(list)
        })
        .await?;
    }
    Ok(())
}

pub(crate) async fn ids_do_not_order_records(c: &mut Context<'_>) -> Outcome {
    let mut ids = FallingIds(1 << 100);
    let mut runs = Vec::new();
    for number in 0..4 {
        let new = NewRun::new("goal", number.to_string()).with_id(ids.next());
        runs.insert(0, c.store.create_run(new).await?);
    }
    let run_id = world::first(runs.clone())?.id;
    check_pages("the runs, newest first, with falling ids", &runs, |page| {
        c.store.list_runs(ListRuns::all().with_page(page))
    })
    .await?;

    let mut draft = |number: usize| TaskDraft::new(number.to_string(), "o").with_id(ids.next());
    let plan = TaskPlan::new(run_id, (0..4).map(&mut draft));
    let tasks = c.store.append_tasks(plan).await?;
    check_pages("the tasks, with falling ids", &tasks, |page| {
        c.store.list_tasks(ListTasks::new(run_id).with_page(page))
    })
    .await?;
    let task = world::first(tasks)?;
    let claim = world::claim(&*c.store, run_id).await?;
    check_eq!(
        claim.task.id,
        task.id,
        "the task claimed first, which has the greatest id"
    );

    let mut attempts = Vec::new();
    let mut events = c.store.recent_events(run_id, 1).await?;
    let mut artifacts = Vec::new();
    let mut approvals = Vec::new();
    let mut checkpoints = Vec::new();
    for number in 0..4 {
        let report = AttemptReport::new("failed", number.to_string()).with_id(ids.next());
        let new = NewAttempt::new(task.id, 1, report);
        attempts.push(c.store.add_attempt(new).await?);
        let draft = EventDraft::new("s", "k", "m").with_id(ids.next());
        let new = NewEvent::new(run_id, draft);
        events.push(c.store.add_event(new).await?);
        let draft = ArtifactDraft::new("k", "p").with_id(ids.next());
        let new = NewArtifact::new(run_id, draft);
        artifacts.push(c.store.add_artifact(new).await?);
        let new = NewApproval::new(run_id, "human", "approved", "r").with_id(ids.next());
        approvals.push(c.store.add_approval(new).await?);
        let new = NewCheckpoint::new(run_id, "running", json!(number)).with_id(ids.next());
        checkpoints.push(c.store.add_checkpoint(new).await?);
    }
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run_id)).await?;
    check_eq!(snapshot.recent_attempts, attempts, "attempts, falling ids");
    check_eq!(snapshot.recent_events, events, "events, falling ids");
    check_eq!(snapshot.artifacts, artifacts, "artifacts, falling ids");
    check_eq!(snapshot.approvals, approvals, "approvals, falling ids");
    check_eq!(
        snapshot.latest_checkpoint.as_ref(),
        checkpoints.last(),
        "the latest checkpoint, falling ids"
    );
    let listed = c.store.list_attempts(ListAttempts::new(run_id)).await?;
    check_eq!(listed.items, attempts, "attempts listed, falling ids");
    let listed = c.store.list_events(ListEvents::new(run_id)).await?;
    check_eq!(listed.items, events, "events listed, falling ids");
    let listed = c.store.list_artifacts(ListArtifacts::new(run_id)).await?;
    check_eq!(listed.items, artifacts, "artifacts listed, falling ids");
    let listed = c.store.list_approvals(ListApprovals::new(run_id)).await?;
    check_eq!(listed.items, approvals, "approvals listed, falling ids");
    let listed = c.store.list_checkpoints(ListCheckpoints::new(run_id));
    check_eq!(
        listed.await?.items,
        checkpoints,
        "checkpoints listed, falling ids"
    );
    check_eq!(
        c.store.latest_attempt(task.id).await?.as_ref(),
        attempts.last(),
        "the latest attempt, falling ids"
    );
    let latest = c.store.latest_approval(run_id, ApprovalSource::Human);
    check_eq!(
        latest.await?.as_ref(),
        approvals.last(),
        "the latest approval, falling ids"
    );
    Ok(())
}

/// A clock that is a microsecond further at each look.
#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        start().saturating_add_micros(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

pub(crate) async fn the_records_of_one_change_have_one_time(c: &mut Context<'_>) -> Outcome {
    let fixture = c.with_clock(Arc::new(Ticking(AtomicI64::new(0)))).await?;
    let store = fixture.store();
    let run = world::run(&*store).await?;
    let event = world::first(store.recent_events(run.id, 1).await?)?;
    check_eq!(
        (run.updated_at, event.ts),
        (run.created_at, run.created_at),
        "the times of a new run and of its first event, by a clock that ticks at each look"
    );
    let plan = TaskPlan::new(run.id, world::drafts(3));
    let appended = store.append_tasks(plan.clone()).await?;
    let replaced = store.replace_pending_tasks(plan).await?;
    for tasks in [&appended, &replaced] {
        let first = world::first(tasks.clone())?;
        let times = |task: &Task| (task.created_at, task.updated_at);
        check!(
            tasks
                .iter()
                .all(|task| times(task) == (first.created_at, first.created_at)),
            "all tasks of a plan must have one time, by a clock that ticks at each look: {tasks:?}"
        );
    }
    let claim = world::claim(&*store, run.id).await?;
    let report = FinishReport::completed("done")
        .with_event(EventDraft::new("s", "k", "m"))
        .with_artifact(ArtifactDraft::new("k", "p"));
    let task = store.finish_task(claim.token(), report).await?;
    let snapshot = store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    let attempt = world::first(snapshot.recent_attempts)?;
    let event = world::last(snapshot.recent_events)?;
    let artifact = world::first(snapshot.artifacts)?;
    check_eq!(
        [attempt.created_at, event.ts, artifact.created_at],
        [task.updated_at; 3],
        "the times of all that one report wrote, by a clock that ticks at each look"
    );
    for _ in 0..2 {
        world::claim(&*store, run.id).await?;
    }
    store.requeue_in_progress_tasks(run.id).await?;
    let snapshot = store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    let event = world::last(snapshot.recent_events)?;
    let times: Vec<_> = snapshot
        .pending_tasks
        .iter()
        .map(|task| task.updated_at)
        .collect();
    check_eq!(
        times,
        [event.ts, event.ts],
        "the times of the tasks that one requeue gave back, and of its event"
    );
    Ok(())
}
