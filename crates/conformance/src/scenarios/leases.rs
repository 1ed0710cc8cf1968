//! Claims with a worker and a lease: what they show, and from when on others get the task (clause C7).

use std::sync::Arc;
use std::time::Duration;

use runstore_core::limits::MAX_DURATION;
use runstore_core::{ClaimRequest, Clock, Store, Task, TaskStatus, Timestamp, WaitingReason};

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, OF_TASKS, check_run_unchanged};
use crate::leased::{
    LEASE, LONG, WORKER, Way, check_nothing_claimable, check_reason, claim, in_progress, leased,
    micros, request,
};
use crate::tasks::{check_task, task_with_a_past};
use crate::ticking::TickingClock;
use crate::world;

/// Workers and leases as claims name them: set, unset, empty, at the bounds.
fn workers_and_leases() -> [(Option<String>, Option<Duration>); 6] {
    let longest = "é".repeat(127) + "x";
    [
        (None, None),
        (Some("worker 1".to_owned()), None),
        (None, Some(Duration::from_micros(1))),
        (Some(String::new()), Some(LEASE)),
        (Some(longest), Some(MAX_DURATION)),
        // A lease is counted in whole microseconds.
        (Some(" a\0 ".to_owned()), Some(Duration::from_nanos(1_999))),
    ]
}

pub(crate) async fn a_claim_shows_its_worker_and_the_end_of_its_lease(
    c: &mut Context<'_>,
) -> Outcome {
    let mut all = Vec::new();
    for (worker, lease) in workers_and_leases() {
        for way in Way::ALL {
            let (run, tasks) = world::planned(&*c.store, 1).await?;
            c.clock.advance_micros(1_001);
            let now = c.clock.now();
            let expected = Task {
                status: TaskStatus::InProgress,
                attempt_count: 1,
                worker: worker.clone(),
                lease_expires_at: lease.map(|lease| now.saturating_add(lease)),
                updated_at: now,
                ..world::first(tasks)?
            };
            let mut request = ClaimRequest::of_run(run.id);
            (request.worker, request.lease) = (worker.clone(), lease);
            let claim = way.claim(&*c.store, request).await?;
            check_eq!(
                claim.map(|claim| claim.task),
                Some(expected.clone()),
                "the task that {way:?} returns for a worker and a lease"
            );
            check_task(&*c.store, &expected, "a task with a worker and a lease").await?;
            all.push(expected);
        }
    }
    let second = c.second_handle().await?;
    for task in &all {
        check_task(&*second, task, "a leased task at another handle").await?;
    }
    drop(second);
    c.reopen().await?;
    for task in &all {
        check_task(&*c.store, task, "a leased task after a reopen").await?;
    }
    Ok(())
}

pub(crate) async fn a_claim_without_a_lease_never_runs_out(c: &mut Context<'_>) -> Outcome {
    for worker in [None, Some(WORKER)] {
        let (run, _) = world::planned(&*c.store, 1).await?;
        let mut request = ClaimRequest::of_run(run.id);
        request.worker = worker.map(str::to_owned);
        let held = claim(&*c.store, request).await?.task;
        for jump in [1, LONG, -2 * LONG, LONG] {
            c.clock.advance_micros(jump);
            let what = format!("of a task claimed without a lease, after {jump} µs");
            check_nothing_claimable(&*c.store, run.id, &what).await?;
            check_reason(&*c.store, held.id, in_progress(&held), &what).await?;
        }
        c.reopen().await?;
        check_nothing_claimable(&*c.store, run.id, "of an unleased claim after a reopen").await?;
    }
    Ok(())
}

pub(crate) async fn a_lease_runs_out_at_the_very_instant(c: &mut Context<'_>) -> Outcome {
    let shortest = Duration::from_micros(1);
    for (lease, late) in [(shortest, 0), (LEASE, 0), (LEASE, 1), (MAX_DURATION, LONG)] {
        for way in Way::ALL {
            let (run, _) = world::planned(&*c.store, 1).await?;
            let of_run = ClaimRequest::of_run(run.id);
            let held = claim(&*c.store, of_run.clone().with_lease(lease))
                .await?
                .task;
            c.clock.advance_micros(micros(lease) - 1);
            let what = format!("one microsecond before a lease of {lease:?} runs out");
            check_nothing_claimable(&*c.store, run.id, &what).await?;
            check_reason(&*c.store, held.id, in_progress(&held), &what).await?;
            c.clock.advance_micros(1 + late);
            let what = format!("{late} µs after the end of a lease of {lease:?}");
            check_reason(&*c.store, held.id, WaitingReason::Claimable, &what).await?;
            let taken = way.claim(&*c.store, of_run).await?;
            check_eq!(
                taken.map(|claim| (claim.task.id, claim.task.attempt_count)),
                Some((held.id, 2)),
                "task and attempts of {way:?} {what}"
            );
        }
    }
    Ok(())
}

pub(crate) async fn a_takeover_is_a_claim_of_its_own(c: &mut Context<'_>) -> Outcome {
    let (bystander, _) = world::populated(&*c.store).await?;
    let untouched = Dump::of_run(&*c.store, bystander.id).await?;
    let other = Some("worker 2".to_owned());
    for (worker, lease) in [
        (other, Some(LEASE * 2)),
        (Some(WORKER.to_owned()), None),
        (None, Some(Duration::from_micros(1))),
        (None, None),
    ] {
        let run_id = task_with_a_past(&*c.store).await?.run_id;
        let held = claim(&*c.store, request(run_id)).await?.task;
        let before = Dump::of_run(&*c.store, run_id).await?;
        c.clock.advance_micros(micros(LEASE) + 7);
        let now = c.clock.now();
        let expected = Task {
            attempt_count: 3,
            worker: worker.clone(),
            lease_expires_at: lease.map(|lease| now.saturating_add(lease)),
            updated_at: now,
            ..held
        };
        let mut request = ClaimRequest::of_run(run_id);
        (request.worker, request.lease) = (worker, lease);
        let taken = claim(&*c.store, request).await?.task;
        check_eq!(
            taken,
            expected,
            "a task taken over, as the claim returns it"
        );
        check_task(&*c.store, &expected, "a task taken over").await?;
        let after = Dump::of_run(&*c.store, run_id).await?;
        let difference = before
            .without(&OF_TASKS)
            .difference(&after.without(&OF_TASKS));
        check_eq!(difference, None, "what else a takeover changed in its run");
    }
    let what = "a claim that took a task over";
    check_run_unchanged(&*c.store, &untouched, bystander.id, what).await
}

pub(crate) async fn a_lease_goes_on_over_a_reopen_and_for_every_handle(
    c: &mut Context<'_>,
) -> Outcome {
    for reopened in [false, true] {
        let (run, held) = leased(&*c.store).await?;
        if reopened {
            c.reopen().await?;
        }
        let second = c.second_handle().await?;
        c.clock.advance_micros(micros(LEASE) - 1);
        for store in [&*c.store, &*second] {
            check_nothing_claimable(store, run.id, "before a lease runs out").await?;
        }
        c.clock.advance_micros(1);
        let taken = world::claim(&*second, run.id).await?.task;
        check_eq!(
            (taken.id, taken.attempt_count),
            (held.task.id, 2),
            "what another handle claims at the end of a lease"
        );
        check_nothing_claimable(&*c.store, run.id, "that another handle has taken over").await?;
    }
    // One that ran out while the store was closed.
    let (run, held) = leased(&*c.store).await?;
    c.clock.advance_micros(micros(LEASE));
    c.reopen().await?;
    let taken = world::claim(&*c.store, run.id).await?.task.id;
    check_eq!(
        taken,
        held.task.id,
        "what is claimed after a reopen at the end of a lease"
    );
    Ok(())
}

pub(crate) async fn a_lease_is_counted_from_the_one_time_of_its_claim(
    c: &mut Context<'_>,
) -> Outcome {
    let fixture = c.with_clock(Arc::new(TickingClock::default())).await?;
    let store: Arc<dyn Store> = fixture.store();
    let (run, _) = world::planned(&*store, 4).await?;
    let lease = Duration::from_secs(1_000_000);
    let request = ClaimRequest::of_run(run.id).with_lease(lease);
    let mut claims = vec![claim(&*store, request.clone()).await?];
    let batch = store.claim_tasks(request, 3).await?;
    let times: Vec<Timestamp> = batch.iter().map(|claim| claim.task.updated_at).collect();
    let time = world::first(times.clone())?;
    check_eq!(
        times,
        vec![time; 3],
        "the times of three tasks claimed by one call"
    );
    claims.extend(batch);
    for Task {
        updated_at,
        lease_expires_at,
        ..
    } in claims.into_iter().map(|claim| claim.task)
    {
        let end = updated_at.saturating_add(lease);
        check_eq!(
            lease_expires_at,
            Some(end),
            "the end of a lease, counted from the time of its claim's change"
        );
    }
    Ok(())
}
