//! Releases with a delay (clause C5): from now, to the very instant, until the task is claimed or settled.

use std::sync::Arc;
use std::time::Duration;

use runstore_core::limits::MAX_DURATION;
use runstore_core::{
    Claim, ClaimRequest, Clock, FinishReport, RunId, Store, Task, TaskStatus, WaitingReason,
};

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::leased::{
    LONG, Way, check_nothing_claimable, check_reason, claim, leased, micros, request,
};
use crate::tasks::{check_task, task_with_a_past};
use crate::ticking::TickingClock;
use crate::world;

/// A delay: no whole number of seconds, nor of milliseconds.
pub(super) const DELAY: Duration = Duration::from_micros(3_000_007);

/// Releases the claim for so long.
pub(super) async fn release(store: &dyn Store, claim: &Claim, delay: Duration) -> Outcome<Task> {
    let report = FinishReport::released_for(delay, "not now");
    Ok(store.finish_task(claim.token(), report).await?)
}

/// A run with one task, released for [`DELAY`].
pub(super) async fn delayed(store: &dyn Store) -> Outcome<(RunId, Task)> {
    let (run, claim) = leased(store).await?;
    Ok((run.id, release(store, &claim, DELAY).await?))
}

/// Why the task waits while it is delayed.
fn until(task: &Task) -> WaitingReason {
    match task.delayed_until {
        Some(time) => WaitingReason::Until { time },
        None => WaitingReason::Claimable,
    }
}

pub(crate) async fn a_release_with_a_delay_is_written_whole(c: &mut Context<'_>) -> Outcome {
    let mut all = Vec::new();
    // The last of these delays is counted in whole microseconds.
    for delay in [
        Duration::from_micros(1),
        DELAY,
        MAX_DURATION,
        DELAY + Duration::from_nanos(999),
    ] {
        let run_id = task_with_a_past(&*c.store).await?.run_id;
        let held = claim(&*c.store, request(run_id)).await?;
        c.clock.advance_micros(1_001);
        let now = c.clock.now();
        let expected = Task {
            status: TaskStatus::Pending,
            worker: None,
            lease_expires_at: None,
            delayed_until: Some(now.saturating_add(delay)),
            updated_at: now,
            ..held.task.clone()
        };
        let released = release(&*c.store, &held, delay).await?;
        check_eq!(
            released,
            expected,
            "a task released for {delay:?}, as the call returns it"
        );
        check_task(&*c.store, &expected, "a task released with a delay").await?;
        let latest = c.store.latest_attempt(held.task.id).await?;
        check_eq!(
            latest.map(|attempt| (attempt.attempt_number, attempt.summary)),
            Some((2, "not now".to_owned())),
            "the record of the attempt that was released with a delay"
        );
        all.push(expected);
    }
    let second = c.second_handle().await?;
    for task in &all {
        check_task(&*second, task, "a delayed task at another handle").await?;
    }
    drop(second);
    c.reopen().await?;
    for task in &all {
        check_task(&*c.store, task, "a delayed task after a reopen").await?;
    }
    Ok(())
}

pub(crate) async fn a_delay_is_over_at_the_very_instant(c: &mut Context<'_>) -> Outcome {
    let shortest = Duration::from_micros(1);
    for (delay, late) in [(shortest, 0), (DELAY, 0), (DELAY, 1), (MAX_DURATION, LONG)] {
        for way in Way::ALL {
            let (run, held) = leased(&*c.store).await?;
            let task = release(&*c.store, &held, delay).await?;
            c.clock.advance_micros(micros(delay) - 1);
            let what = format!("a microsecond before a delay of {delay:?} is over");
            check_nothing_claimable(&*c.store, run.id, &what).await?;
            check_reason(&*c.store, task.id, until(&task), &what).await?;
            c.clock.advance_micros(1 + late);
            let what = format!("{late} µs after a delay of {delay:?}");
            check_reason(&*c.store, task.id, WaitingReason::Claimable, &what).await?;
            check_task(&*c.store, &task, "a task whose delay is over").await?;
            let taken = way.claim(&*c.store, ClaimRequest::of_run(run.id)).await?;
            let expected = Task {
                status: TaskStatus::InProgress,
                attempt_count: 2,
                delayed_until: None,
                updated_at: c.clock.now(),
                ..task
            };
            check_eq!(
                taken.map(|claim| claim.task),
                Some(expected.clone()),
                "what {way:?} gives {what}"
            );
            check_task(&*c.store, &expected, "a delayed task once it was claimed").await?;
        }
    }
    Ok(())
}

pub(crate) async fn a_delay_counts_from_the_release(c: &mut Context<'_>) -> Outcome {
    // Long after the claim, just before the lease runs out, and after it; then with the clock run back.
    for later in [1_000, 2_000_002, 500_000_000, -LONG] {
        let (run, held) = leased(&*c.store).await?;
        c.clock.advance_micros(later);
        let end = c.clock.now().saturating_add(DELAY);
        let task = release(&*c.store, &held, DELAY).await?;
        check_eq!(
            task.delayed_until,
            Some(end),
            "the end of a delay asked for {later} µs after the claim"
        );
        c.clock.advance_micros(micros(DELAY) - 1);
        check_nothing_claimable(&*c.store, run.id, "before the end of that delay").await?;
        c.clock.advance_micros(1);
        world::claim(&*c.store, run.id).await?;
    }
    Ok(())
}

pub(crate) async fn a_release_without_a_delay_is_claimable_at_once(c: &mut Context<'_>) -> Outcome {
    for delay in [None, Some(Duration::ZERO), Some(Duration::from_nanos(999))] {
        for way in Way::ALL {
            let (run, held) = leased(&*c.store).await?;
            let mut report = FinishReport::released("now");
            report.outcome = runstore_core::FinishOutcome::Released { delay };
            let task = c.store.finish_task(held.token(), report).await?;
            let what = format!("after a release for {delay:?}");
            check_reason(&*c.store, task.id, WaitingReason::Claimable, &what).await?;
            let again = way.claim(&*c.store, ClaimRequest::of_run(run.id)).await?;
            check_eq!(
                again.map(|claim| (claim.task.id, claim.task.attempt_count)),
                Some((held.task.id, 2)),
                "what {way:?} gives {what}"
            );
        }
    }
    Ok(())
}

pub(crate) async fn a_repeated_release_does_not_begin_its_delay_anew(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, held) = leased(&*c.store).await?;
    let report = FinishReport::released_for(DELAY, "not now");
    let task = c.store.finish_task(held.token(), report.clone()).await?;
    let before = Dump::of(&*c.store).await?;
    for longer in [DELAY, DELAY * 2, Duration::ZERO] {
        c.clock.advance_micros(1_000);
        let report = FinishReport::released_for(longer, "not now");
        let again = c.store.finish_task(held.token(), report).await?;
        check_eq!(
            again,
            task,
            "the answer to a repeated release with a delay of {longer:?}"
        );
        check_unchanged(&*c.store, &before, "a repeated release with a delay").await?;
    }
    c.clock.advance_micros(micros(DELAY) - 3_001);
    check_nothing_claimable(&*c.store, run.id, "before the delay of the first report").await?;
    c.clock.advance_micros(1);
    let taken = world::claim(&*c.store, run.id).await?.task;
    let again = c.store.finish_task(held.token(), report).await?;
    check_eq!(
        again,
        taken,
        "the answer to a repeat once the task was claimed again"
    );
    check_task(&*c.store, &taken, "a claimed task after a repeated release").await
}

pub(crate) async fn a_delay_counts_from_the_one_time_of_its_report(c: &mut Context<'_>) -> Outcome {
    let fixture = c.with_clock(Arc::new(TickingClock::default())).await?;
    let store = fixture.store();
    let (_, held) = world::claimed(&*store).await?;
    let task = release(&*store, &held, DELAY).await?;
    let attempt = store.latest_attempt(task.id).await?;
    check_eq!(
        (
            task.delayed_until,
            attempt.map(|attempt| attempt.created_at)
        ),
        (
            Some(task.updated_at.saturating_add(DELAY)),
            Some(task.updated_at)
        ),
        "the end of a delay and the time of the attempt, by the time of the report"
    );
    Ok(())
}
