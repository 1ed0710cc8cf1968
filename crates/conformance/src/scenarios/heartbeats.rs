//! Heartbeats (clause C7).

use std::sync::Arc;
use std::time::Duration;

use runstore_core::limits::MAX_DURATION;
use runstore_core::{
    AbandonTask, BlockTask, ClaimRequest, ClaimToken, Clock, CompleteTask, Error, FinishReport,
    Heartbeat, Store, Task, TaskId, TaskPlan, TaskStanding, TaskStatus, Timestamp,
};

use crate::calls::{call, check_all_refused, check_each_refused};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, OF_TASKS, check_run_unchanged, check_unchanged};
use crate::leased::{
    LEASE, LONG, WORKER, check_nothing_claimable, check_reason, claim, in_progress, leased, micros,
    request,
};
use crate::tasks::{check_task, task_with_a_past};
use crate::ticking::TickingClock;
use crate::world;

/// Sends a heartbeat that must be accepted, and checks the end of the lease that it returns.
async fn beat(
    store: &dyn Store,
    token: ClaimToken,
    lease: Duration,
    end: Option<Timestamp>,
    what: &str,
) -> Outcome {
    let returned = store.heartbeat(Heartbeat::new(token, lease)).await?;
    check_eq!(
        returned,
        end,
        "the end of the lease that a heartbeat returns {what}"
    );
    Ok(())
}

pub(crate) async fn a_heartbeat_moves_the_end_of_the_lease(c: &mut Context<'_>) -> Outcome {
    world::populated(&*c.store).await?;
    let before = Dump::of(&*c.store).await?;
    let mut all = Vec::new();
    // The last of these leases is counted in whole microseconds.
    for lease in [
        LEASE,
        LEASE * 3,
        MAX_DURATION,
        LEASE + Duration::from_nanos(999),
    ] {
        let run_id = task_with_a_past(&*c.store).await?.run_id;
        let held = claim(&*c.store, request(run_id)).await?;
        let journal = Dump::of_run(&*c.store, run_id).await?;
        for _ in 0..2 {
            c.clock.advance_micros(1_001);
            let end = c.clock.now().saturating_add(lease);
            beat(&*c.store, held.token(), lease, Some(end), "in time").await?;
        }
        let now = c.clock.now();
        let expected = Task {
            lease_expires_at: Some(now.saturating_add(lease)),
            updated_at: now,
            ..held.task
        };
        check_task(&*c.store, &expected, "a task after two heartbeats").await?;
        let after = Dump::of_run(&*c.store, run_id).await?;
        let difference = journal
            .without(&OF_TASKS)
            .difference(&after.without(&OF_TASKS));
        check_eq!(difference, None, "what else a heartbeat changed in its run");
        all.push(expected);
    }
    let second = c.second_handle().await?;
    for task in &all {
        check_task(&*second, task, "an extended task at another handle").await?;
    }
    drop(second);
    c.reopen().await?;
    for task in &all {
        check_task(&*c.store, task, "an extended task after a reopen").await?;
        c.store.delete_run(task.run_id).await?;
    }
    check_unchanged(&*c.store, &before, "a heartbeat in another run").await
}

pub(crate) async fn a_heartbeat_never_shortens_a_lease(c: &mut Context<'_>) -> Outcome {
    let (_, held) = leased(&*c.store).await?;
    let end = held.task.lease_expires_at;
    c.clock.advance_micros(1_000);
    let before = Dump::of(&*c.store).await?;
    let left = micros(LEASE) - 1_000;
    for shorter in [1, 1_000, left / 2, left - 1, left] {
        let lease = Duration::from_micros(shorter.unsigned_abs());
        let what = format!("for {shorter} µs where {left} µs are left");
        beat(&*c.store, held.token(), lease, end, &what).await?;
        check_unchanged(&*c.store, &before, &format!("a heartbeat {what}")).await?;
    }
    let lease = Duration::from_micros(left.unsigned_abs() + 1);
    let later = end.map(|end| end.saturating_add_micros(1));
    beat(&*c.store, held.token(), lease, later, "a microsecond later").await?;
    let task = c.store.get_task(held.task.id).await?;
    check_eq!(
        (task.lease_expires_at, task.updated_at),
        (later, c.clock.now()),
        "the end of the lease and the time of the last change, after a heartbeat for a microsecond more"
    );
    Ok(())
}

pub(crate) async fn a_heartbeat_after_the_clock_ran_back_never_shortens_a_lease(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, held) = leased(&*c.store).await?;
    let end = held.task.lease_expires_at;
    for back in [1, 1_000, LONG] {
        c.clock.advance_micros(-back);
        let before = Dump::of(&*c.store).await?;
        beat(
            &*c.store,
            held.token(),
            LEASE,
            end,
            "after the clock ran back",
        )
        .await?;
        let what = "a heartbeat after the clock ran back";
        check_unchanged(&*c.store, &before, what).await?;
        c.clock.advance_micros(back);
    }
    c.clock.advance_micros(micros(LEASE) - 1);
    check_nothing_claimable(&*c.store, run.id, "before the end of a lease kept so").await?;
    // A longer one still moves it.
    c.clock.advance_micros(-1_000);
    let later = c.clock.now().saturating_add(LEASE);
    beat(&*c.store, held.token(), LEASE, Some(later), "a little back").await
}

pub(crate) async fn a_heartbeat_comes_too_late_at_the_very_instant(c: &mut Context<'_>) -> Outcome {
    for late in [0, 1, LONG] {
        let (run, held) = leased(&*c.store).await?;
        let token = held.token();
        let refused = Error::StaleClaim {
            token,
            current: Some(TaskStanding {
                run_id: run.id,
                status: TaskStatus::InProgress,
                attempt_count: 1,
                lease_expires_at: held.task.lease_expires_at,
            }),
        };
        c.clock.advance_micros(micros(LEASE) + late);
        let second = c.second_handle().await?;
        for store in [&c.store, &second] {
            for lease in [Duration::from_micros(1), LEASE, MAX_DURATION] {
                let call = call!(store, heartbeat(Heartbeat::new(token, lease)));
                check_all_refused(&**store, vec![call], &refused).await?;
            }
        }
        drop(second);
        c.reopen().await?;
        let call = call!(c.store, heartbeat(Heartbeat::new(token, LEASE)));
        check_all_refused(&*c.store, vec![call], &refused).await?;
        // It brought nothing back: the next claim takes over.
        let taken = world::claim(&*c.store, run.id).await?.task;
        check_eq!(
            (taken.id, taken.attempt_count, taken.lease_expires_at),
            (held.task.id, 2, None),
            "what is claimed after a heartbeat {late} µs too late"
        );
        c.clock.advance_micros(-late);
    }
    Ok(())
}

pub(crate) async fn an_extended_claim_runs_out_at_its_new_end(c: &mut Context<'_>) -> Outcome {
    let (run, held) = leased(&*c.store).await?;
    let token = held.token();
    // Again and again at the last moment, by handles in turn, and over a reopen.
    let second = c.second_handle().await?;
    for store in [&c.store, &second, &c.store] {
        c.clock.advance_micros(micros(LEASE) - 1);
        let end = c.clock.now().saturating_add(LEASE);
        beat(&**store, token, LEASE, Some(end), "at the last moment").await?;
        c.clock.advance_micros(1);
        check_nothing_claimable(&**store, run.id, "at the end that a lease had before").await?;
        c.clock.advance_micros(-1);
    }
    drop(second);
    c.reopen().await?;
    c.clock.advance_micros(micros(LEASE) - 1);
    let task = c.store.get_task(held.task.id).await?;
    let what = "a microsecond before the new end of a lease";
    check_nothing_claimable(&*c.store, run.id, what).await?;
    check_reason(&*c.store, task.id, in_progress(&task), what).await?;
    check_eq!(
        c.store.requeue_expired_tasks(None).await?,
        0,
        "the tasks requeued {what}"
    );
    c.clock.advance_micros(1);
    let taken = claim(&*c.store, request(run.id)).await?;
    check_eq!(
        (taken.task.id, taken.task.attempt_count),
        (held.task.id, 2),
        "what is claimed at the new end of a lease"
    );
    // The lease of who took over is extended by that token only.
    let end = c.clock.now().saturating_add(LEASE * 2);
    beat(
        &*c.store,
        taken.token(),
        LEASE * 2,
        Some(end),
        "by who took over",
    )
    .await?;
    let current = Some(c.store.get_task(held.task.id).await?.standing());
    let call = call!(c.store, heartbeat(Heartbeat::new(token, LEASE * 3)));
    check_all_refused(&*c.store, vec![call], &Error::StaleClaim { token, current }).await
}

pub(crate) async fn a_heartbeat_leaves_a_claim_without_a_lease_as_it_is(
    c: &mut Context<'_>,
) -> Outcome {
    for worker in [None, Some(WORKER)] {
        let (run, _) = world::planned(&*c.store, 1).await?;
        let mut request = ClaimRequest::of_run(run.id);
        request.worker = worker.map(str::to_owned);
        let held = claim(&*c.store, request).await?;
        let before = Dump::of(&*c.store).await?;
        for jump in [0, 1, LONG, -2 * LONG] {
            c.clock.advance_micros(jump);
            for lease in [Duration::from_micros(1), LEASE, MAX_DURATION] {
                beat(
                    &*c.store,
                    held.token(),
                    lease,
                    None,
                    "of a claim without one",
                )
                .await?;
            }
            let what = "a heartbeat on a claim without a lease";
            check_unchanged(&*c.store, &before, what).await?;
        }
        c.clock.advance_micros(2 * LONG);
        let what = "of an unleased claim whose holder sent heartbeats";
        check_nothing_claimable(&*c.store, run.id, what).await?;
        check_task(&*c.store, &held.task, "an unleased claim after heartbeats").await?;
    }
    Ok(())
}

pub(crate) async fn a_heartbeat_extends_no_other_claim(c: &mut Context<'_>) -> Outcome {
    let (other, _) = leased(&*c.store).await?;
    let (run, _) = world::planned(&*c.store, 3).await?;
    let claims = c.store.claim_tasks(request(run.id), 3).await?;
    let there = Dump::of_run(&*c.store, other.id).await?;
    c.clock.advance_micros(1_000);
    let (extended, others): (Vec<_>, Vec<_>) =
        claims.iter().partition(|claim| claim.task.position == 2);
    for claim in extended {
        let end = c.clock.now().saturating_add(LEASE);
        beat(
            &*c.store,
            claim.token(),
            LEASE,
            Some(end),
            "of one of three",
        )
        .await?;
    }
    for claim in others {
        let what = "a task whose neighbour was extended, of one worker and one claim";
        check_task(&*c.store, &claim.task, what).await?;
    }
    check_run_unchanged(&*c.store, &there, other.id, "a heartbeat").await?;
    c.clock.advance_micros(micros(LEASE) - 1_000);
    for position in [1, 3] {
        let task = world::claim(&*c.store, run.id).await?.task;
        check_eq!(
            task.position,
            position,
            "what ran out beside an extended task"
        );
    }
    check_nothing_claimable(&*c.store, run.id, "that was extended").await
}

pub(crate) async fn a_heartbeat_is_refused_once_its_token_is_stale(c: &mut Context<'_>) -> Outcome {
    for leased_before in [true, false] {
        for how in 0..8 {
            let (run, _) = world::planned(&*c.store, 1).await?;
            let wanted = match leased_before {
                true => request(run.id),
                false => ClaimRequest::of_run(run.id),
            };
            let held = claim(&*c.store, wanted).await?;
            let (id, store) = (held.task.id, &*c.store);
            let report = FinishReport::completed("done");
            match how {
                0 => drop(store.finish_task(held.token(), report).await?),
                1 => drop(store.complete_task(CompleteTask::new(id, "done")).await?),
                2 => drop(store.block_task(BlockTask::new(id)).await?),
                3 => drop(store.abandon_task(AbandonTask::new(id)).await?),
                4 => drop(store.requeue_task(id).await?),
                5 => {
                    store.requeue_in_progress_tasks(run.id).await?;
                }
                6 => drop(
                    store
                        .replace_pending_tasks(TaskPlan::new(run.id, []))
                        .await?,
                ),
                _ => {
                    store.requeue_task(id).await?;
                    // Claimed again, with a lease that is none of the old holder's.
                    claim(store, request(run.id)).await?;
                }
            }
            let current = Some(store.get_task(id).await?.standing());
            let token = held.token();
            let call = call!(store, heartbeat(Heartbeat::new(token, LEASE * 2)));
            check_all_refused(store, vec![call], &Error::StaleClaim { token, current }).await?;
        }
    }
    let (run, held) = leased(&*c.store).await?;
    let (store, current) = (&*c.store, Some(held.task.standing()));
    let mut calls = Vec::new();
    for number in [0, 2, u32::MAX] {
        let token = ClaimToken {
            attempt_number: number,
            ..held.token()
        };
        let call = call!(store, heartbeat(Heartbeat::new(token, LEASE * 2)));
        calls.push((call, Error::StaleClaim { token, current }));
    }
    let token = ClaimToken {
        task_id: TaskId::generate(),
        attempt_number: 1,
    };
    let unknown = call!(store, heartbeat(Heartbeat::new(token, LEASE)));
    calls.push((
        unknown,
        Error::StaleClaim {
            token,
            current: None,
        },
    ));
    check_each_refused(store, calls).await?;
    store.delete_run(run.id).await?;
    let token = held.token();
    let gone = call!(store, heartbeat(Heartbeat::new(token, LEASE)));
    check_all_refused(
        store,
        vec![gone],
        &Error::StaleClaim {
            token,
            current: None,
        },
    )
    .await
}

pub(crate) async fn a_heartbeat_counts_from_the_one_time_of_its_change(
    c: &mut Context<'_>,
) -> Outcome {
    let fixture = c.with_clock(Arc::new(TickingClock::default())).await?;
    let store = fixture.store();
    let (run, _) = world::planned(&*store, 1).await?;
    let lease = Duration::from_secs(1_000_000);
    let held = claim(&*store, ClaimRequest::of_run(run.id).with_lease(lease)).await?;
    let returned = store.heartbeat(Heartbeat::new(held.token(), lease)).await?;
    let task = store.get_task(held.task.id).await?;
    let end = Some(task.updated_at.saturating_add(lease));
    check_eq!(
        (task.lease_expires_at, returned),
        (end, end),
        "the end of an extended lease as stored and as returned, by the time of the task's change"
    );
    Ok(())
}
