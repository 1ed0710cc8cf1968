//! Creation order, whatever the clock and the ids say (clause G6).

mod ids;

use runstore_core::{
    ApprovalSource, ArtifactDraft, AttemptReport, AttemptStatus, Clock, EventDraft, ListApprovals,
    ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks, ManualClock,
    NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, RunUpdate, SnapshotRequest,
    TaskPlan,
};
use serde_json::json;

pub(crate) use self::ids::*;
use crate::check::{Outcome, check_eq};
use crate::context::Context;
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
        let request = SnapshotRequest::of_run(run.id).with_max_per_list(3);
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
        let request = SnapshotRequest::of_run(run.id).with_max_per_list(3);
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
