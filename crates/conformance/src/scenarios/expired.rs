//! The requeue of what expired, of one run and of all (clause T7).

use std::sync::Arc;
use std::time::Duration;

use runstore_core::{
    ClaimRequest, Clock, Error, FinishReport, Heartbeat, ListEvents, RecordKind, Run, RunId, Store,
    Task, TaskStatus, Timestamp,
};
use serde_json::json;

use crate::calls::{call, check_all_refused};
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_run_unchanged, check_unchanged};
use crate::leased::{
    LEASE, LONG, check_nothing_claimable, check_stale, claim, leased, micros, request,
};
use crate::tasks::{check_task, task_with_a_past, tasks_of};
use crate::ticking::TickingClock;
use crate::world;

/// A run of five tasks: 1 and 4 run out after [`LEASE`], 2 later, 3 never, 5 is pending.
async fn mixed(store: &dyn Store) -> Outcome<Run> {
    let (run, _) = world::planned(store, 5).await?;
    let of_run = ClaimRequest::of_run(run.id);
    for wanted in [
        request(run.id),
        of_run.clone().with_lease(LEASE * 3),
        of_run.with_worker("w"),
        request(run.id),
    ] {
        claim(store, wanted).await?;
    }
    Ok(run)
}

/// The tasks as a requeue of what expired leaves them.
fn requeued(tasks: Vec<Task>, now: Timestamp) -> Vec<Task> {
    let requeued = tasks.into_iter().map(|task| match task.lease_expires_at {
        Some(end) if end <= now => Task {
            status: TaskStatus::Pending,
            worker: None,
            lease_expires_at: None,
            updated_at: now,
            ..task
        },
        _ => task,
    });
    requeued.collect()
}

/// Checks that after `events` events the run's journal has this one, or no other.
async fn check_event(c: &Context<'_>, run_id: RunId, events: usize, changes: u64) -> Outcome {
    let all = c.store.list_events(ListEvents::new(run_id)).await?.items;
    let new: Vec<_> = all
        .iter()
        .skip(events)
        .map(|event| {
            let words = (event.source.as_str(), event.kind.as_str());
            (event.seq, words, event.payload.clone(), event.ts)
        })
        .collect();
    let event = (
        events as u64 + 1,
        ("system", "requeue_expired"),
        json!({"changes": changes}),
        c.clock.now(),
    );
    let expected = if changes == 0 { vec![] } else { vec![event] };
    check_eq!(
        new,
        expected,
        "number, source, kind, payload and time of the new events of a run of which {changes} tasks expired"
    );
    Ok(())
}

pub(crate) async fn what_expired_in_a_run_is_requeued(c: &mut Context<'_>) -> Outcome {
    let run = mixed(&*c.store).await?;
    let other = mixed(&*c.store).await?;
    c.clock.advance_micros(micros(LEASE) + 5);
    let there = Dump::of_run(&*c.store, other.id).await?;
    let record = c.store.get_run(run.id).await?;
    let before = tasks_of(&*c.store, run.id).await?;
    check_eq!(
        c.store.requeue_expired_tasks(Some(run.id)).await?,
        2,
        "the number of tasks requeued of a run, two of which expired"
    );
    let expected = requeued(before, c.clock.now());
    check_eq!(
        tasks_of(&*c.store, run.id).await?,
        expected,
        "the tasks of that run"
    );
    check_event(c, run.id, 1, 2).await?;
    check_eq!(
        c.store.get_run(run.id).await?,
        record,
        "the run's own record"
    );
    let what = "a requeue of what expired in one run";
    check_run_unchanged(&*c.store, &there, other.id, what).await?;
    c.reopen().await?;
    for task in &expected {
        check_task(&*c.store, task, "a task after that, and after a reopen").await?;
    }
    for (position, attempts) in [(1, 2), (4, 2), (5, 1)] {
        let task = world::claim(&*c.store, run.id).await?.task;
        check_eq!(
            (task.position, task.attempt_count),
            (position, attempts),
            "position and attempts of the next claim after that"
        );
    }
    check_nothing_claimable(&*c.store, run.id, "of what did not expire").await
}

pub(crate) async fn what_expired_in_all_runs_is_requeued(c: &mut Context<'_>) -> Outcome {
    let (pending, _) = world::planned(&*c.store, 1).await?;
    let a = mixed(&*c.store).await?;
    let (held, _) = world::claimed(&*c.store).await?;
    let (b, _) = leased(&*c.store).await?;
    let gone = mixed(&*c.store).await?;
    c.store.delete_run(gone.id).await?;
    let d = mixed(&*c.store).await?;
    c.clock.advance_micros(micros(LEASE));
    let untouched = Dump::of_runs(&*c.store, &[pending.id, held.id]).await?;
    let runs = [(a.id, 2), (b.id, 1), (d.id, 2)];
    let mut expected = Vec::new();
    for (run_id, _) in runs {
        expected.push(requeued(tasks_of(&*c.store, run_id).await?, c.clock.now()));
    }
    check_eq!(
        c.store.requeue_expired_tasks(None).await?,
        5,
        "the number of tasks requeued of all runs, of which 2, 1 and 2 expired in three runs"
    );
    for ((run_id, changes), expected) in runs.into_iter().zip(expected) {
        check_eq!(
            tasks_of(&*c.store, run_id).await?,
            expected,
            "the tasks of a run, {changes} of which expired"
        );
        check_event(c, run_id, 1, changes).await?;
    }
    let after = Dump::of_runs(&*c.store, &[pending.id, held.id]).await?;
    check_eq!(
        untouched.difference(&after),
        None,
        "what a requeue of all that expired changed in runs where nothing did"
    );
    let before = Dump::of(&*c.store).await?;
    c.clock.advance_micros(1);
    for scope in [None, Some(a.id)] {
        let again = c.store.requeue_expired_tasks(scope).await?;
        check_eq!(again, 0, "the number of tasks requeued a second time");
    }
    check_unchanged(&*c.store, &before, "a second requeue of what expired").await
}

pub(crate) async fn where_nothing_expired_nothing_is_written(c: &mut Context<'_>) -> Outcome {
    let number = c.store.requeue_expired_tasks(None).await?;
    check_eq!(number, 0, "the tasks requeued in an empty store");
    world::populated(&*c.store).await?;
    let (run, _) = leased(&*c.store).await?;
    let (released, claim) = leased(&*c.store).await?;
    let report = FinishReport::released_for(LEASE / 2, "later");
    c.store.finish_task(claim.token(), report).await?;
    let (settled, claim) = leased(&*c.store).await?;
    let report = FinishReport::completed("done");
    c.store.finish_task(claim.token(), report).await?;
    let before = Dump::of(&*c.store).await?;
    c.clock.advance_micros(micros(LEASE) - 1);
    let scopes = [None, Some(run.id), Some(released.id), Some(settled.id)];
    for scope in scopes {
        let number = c.store.requeue_expired_tasks(scope).await?;
        check_eq!(
            number,
            0,
            "the tasks requeued a microsecond before a lease runs out"
        );
        check_unchanged(&*c.store, &before, "a requeue where nothing expired").await?;
    }
    // A settled or released claim does not expire, however long ago it ended.
    c.clock.advance_micros(LONG);
    for scope in [Some(released.id), Some(settled.id)] {
        let number = c.store.requeue_expired_tasks(scope).await?;
        check_eq!(number, 0, "the tasks requeued of claims that ended in time");
        check_unchanged(&*c.store, &before, "a requeue of claims that ended").await?;
    }
    c.clock.advance_micros(-LONG + 1);
    let number = c.store.requeue_expired_tasks(None).await?;
    check_eq!(number, 1, "the tasks requeued at the very end of one lease");
    Ok(())
}

pub(crate) async fn claims_without_a_lease_do_not_expire(c: &mut Context<'_>) -> Outcome {
    let (run, held) = world::claimed(&*c.store).await?;
    let before = Dump::of(&*c.store).await?;
    for jump in [LONG, -2 * LONG] {
        c.clock.advance_micros(jump);
        // A heartbeat gives it no lease either.
        c.store
            .heartbeat(Heartbeat::new(held.token(), LEASE))
            .await?;
        c.clock.advance_micros(micros(LEASE));
        for scope in [None, Some(run.id)] {
            let number = c.store.requeue_expired_tasks(scope).await?;
            check_eq!(number, 0, "the tasks requeued where a claim has no lease");
            check_unchanged(&*c.store, &before, "a requeue of unleased claims").await?;
        }
    }
    Ok(())
}

pub(crate) async fn what_expires_is_what_the_clock_shows(c: &mut Context<'_>) -> Outcome {
    let (run, held) = leased(&*c.store).await?;
    c.clock.advance_micros(micros(LEASE) / 2);
    let beat = Heartbeat::new(held.token(), LEASE);
    c.store.heartbeat(beat).await?;
    // At the end that the lease had before, after it, and back before it again.
    for jump in [micros(LEASE) - micros(LEASE) / 2, 1, -2] {
        c.clock.advance_micros(jump);
        let number = c.store.requeue_expired_tasks(Some(run.id)).await?;
        check_eq!(number, 0, "the tasks requeued of a lease that was extended");
    }
    c.clock.advance_micros(LONG);
    check_eq!(
        c.store.get_task(held.task.id).await?.status,
        TaskStatus::InProgress,
        "the state of a task that ran out and that nobody took"
    );
    c.clock.advance_micros(-LONG);
    c.reopen().await?;
    for scope in [None, Some(run.id)] {
        let number = c.store.requeue_expired_tasks(scope).await?;
        check_eq!(
            number,
            0,
            "the tasks requeued once the clock ran back before the end"
        );
    }
    c.clock.advance_micros(micros(LEASE));
    let second = c.second_handle().await?;
    let number = second.requeue_expired_tasks(Some(run.id)).await?;
    check_eq!(
        number,
        1,
        "the tasks requeued by another handle at the new end"
    );
    check_event(c, run.id, 1, 1).await
}

pub(crate) async fn what_expired_keeps_its_data_and_ends_its_claim(c: &mut Context<'_>) -> Outcome {
    for scoped in [true, false] {
        let run_id = task_with_a_past(&*c.store).await?.run_id;
        let held = claim(&*c.store, request(run_id)).await?;
        c.clock.advance_micros(micros(LEASE));
        let scope = scoped.then_some(run_id);
        c.store.requeue_expired_tasks(scope).await?;
        let expected = Task {
            status: TaskStatus::Pending,
            worker: None,
            lease_expires_at: None,
            updated_at: c.clock.now(),
            ..held.task.clone()
        };
        check_task(&*c.store, &expected, "a task with a past that expired").await?;
        check_stale(c, run_id, held.token(), Some(expected.standing())).await?;
        // Not given again at the end of a lease that is no more.
        let again = world::claim(&*c.store, run_id).await?.task;
        check_eq!(again.attempt_count, 3, "the attempts of the next claim");
        c.clock.advance_micros(LONG);
        check_nothing_claimable(&*c.store, run_id, "long after an earlier claim expired").await?;
        c.clock.advance_micros(-LONG);
    }
    Ok(())
}

pub(crate) async fn an_unknown_run_has_nothing_to_expire(c: &mut Context<'_>) -> Outcome {
    let (_, held) = leased(&*c.store).await?;
    c.clock.advance_micros(micros(LEASE));
    let (gone, _) = leased(&*c.store).await?;
    c.store.delete_run(gone.id).await?;
    for run_id in [RunId::generate(), gone.id] {
        let call = call!(c.store, requeue_expired_tasks(Some(run_id)));
        let refused = Error::not_found(RecordKind::Run, run_id);
        check_all_refused(&*c.store, vec![call], &refused).await?;
    }
    check_task(&*c.store, &held.task, "a task of another run that expired").await
}

pub(crate) async fn all_that_a_requeue_of_expired_writes_has_one_time(
    c: &mut Context<'_>,
) -> Outcome {
    let fixture = c.with_clock(Arc::new(TickingClock::default())).await?;
    let store = fixture.store();
    let mut runs = Vec::new();
    for _ in 0..3 {
        let (run, _) = world::planned(&*store, 2).await?;
        let short = ClaimRequest::of_run(run.id).with_lease(Duration::from_micros(1));
        store.claim_tasks(short, 2).await?;
        runs.push(run.id);
    }
    let number = store.requeue_expired_tasks(None).await?;
    check_eq!(number, 6, "the tasks requeued of three runs");
    let mut times = Vec::new();
    for run_id in runs {
        times.extend(
            tasks_of(&*store, run_id)
                .await?
                .iter()
                .map(|task| task.updated_at),
        );
        let event = world::last(store.recent_events(run_id, 1).await?)?;
        times.push(event.ts);
    }
    let time = world::first(times.clone())?;
    check_eq!(
        times,
        vec![time; 9],
        "the times of two tasks and an event in each of three runs that one requeue wrote"
    );
    Ok(())
}

pub(crate) async fn what_expired_is_never_seen_requeued_in_part(c: &mut Context<'_>) -> Outcome {
    const TASKS: u64 = 12;
    let writer = c.second_handle().await?;
    for round in 0..6 {
        let mut runs = Vec::new();
        for _ in 0..2 {
            let (run, _) = world::planned(&*c.store, 12).await?;
            c.store.claim_tasks(request(run.id), 12).await?;
            runs.push(run.id);
        }
        c.clock.advance_micros(micros(LEASE));
        // Of all runs at once, and of one.
        let scope = runs.first().copied().filter(|_| round % 2 == 0);
        let writer = Arc::clone(&writer);
        let requeueing = tokio::spawn(async move { writer.requeue_expired_tasks(scope).await });
        let mut is_over = false;
        while !is_over {
            is_over = requeueing.is_finished();
            let mut requeued = Vec::new();
            for run_id in &runs {
                let of_run = runstore_core::SnapshotRequest::of_run(*run_id);
                let counts = c.store.snapshot(of_run).await?.counts;
                let seen = (counts.pending, counts.in_progress, counts.events);
                let is_requeued = counts.pending > 0;
                let expected = match is_requeued {
                    false => (0, TASKS, 1),
                    true => (TASKS, 0, 2),
                };
                check_eq!(
                    seen,
                    expected,
                    "the pending tasks, those in progress and the events beside a requeue of 12 that expired"
                );
                requeued.push(is_requeued);
            }
            check!(
                scope.is_some() || requeued.is_sorted(),
                "of two runs requeued in one change, the first was seen requeued and after it the second not"
            );
            tokio::task::yield_now().await;
        }
        let number = requeueing.await??;
        let expected = if scope.is_some() { TASKS } else { TASKS * 2 };
        check_eq!(number, expected, "the tasks requeued beside snapshots");
        for run_id in runs {
            c.store.delete_run(run_id).await?;
        }
    }
    Ok(())
}
