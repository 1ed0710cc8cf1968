//! Waits that end without a task.

use std::time::Duration;

use runstore_core::limits::MAX_DURATION;
use runstore_core::{
    ClaimRequest, Clock, Error, Outcome as Known, RecordKind, RunId, TaskDraft, TaskPlan,
};

use super::waiter::{LONG, Waits};
use crate::calls::{call, check_each_refused, invalid};
use crate::check::{Outcome, check, check_eq, check_refused};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged_but};
use crate::world;

const HOUR: Duration = Duration::from_secs(60 * 60);

pub(crate) async fn a_wait_ends_with_none_when_its_time_is_over(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    let store = &*c.store;
    let (run, _) = world::claimed(store).await?;
    let start = c.clock.now();
    // A few microseconds, and longer than 32 bits of milliseconds.
    let short = Duration::from_micros(999_001);
    let long = HOUR * 24 * 60 + Duration::from_micros(1);
    // Due a microsecond too late for the longest.
    let late = start.saturating_add(long).saturating_add_micros(1);
    let late = TaskDraft::new("late", "o").with_not_before(late);
    store.append_tasks(TaskPlan::new(run.id, [late])).await?;
    let before = Dump::of(store).await?;
    for (request, timeout) in [
        (ClaimRequest::of_run(run.id), HOUR),
        (ClaimRequest::of_any_run(), HOUR),
        (ClaimRequest::of_run(run.id), short),
        (ClaimRequest::of_any_run(), long),
    ] {
        c.clock.set(start);
        let end = start.saturating_add(timeout);
        let mut waiter = waits.begin(request.clone(), timeout).await?;
        for time in [
            start.saturating_add_micros(-1_000_000),
            end.saturating_add_micros(-1),
        ] {
            c.clock.set(time);
            let what = format!("a wait of {timeout:?} from {start} on, at {time},");
            waits.check_waits(&mut waiter, &what).await?;
        }
        c.clock.set(end);
        let answer = waits.answer(waiter, "a wait whose time is over").await??;
        check_eq!(
            answer,
            None,
            "what a wait of {request:?} gives when its time is over"
        );
        check_unchanged_but(
            store,
            &before,
            // The run of the bystander is written to while others wait.
            &["agents", "agentsByRole", "snapshot", "waitingReasons"],
            "a wait that ended with none",
        )
        .await?;
    }
    Ok(())
}

pub(crate) async fn what_is_due_as_the_time_ends_is_given(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    let run_id = world::run(&*c.store).await?.id;
    let end = c.clock.now().saturating_add(HOUR);
    let due = TaskDraft::new("due", "o").with_not_before(end);
    c.store.append_tasks(TaskPlan::new(run_id, [due])).await?;
    let waiter = waits.begin(ClaimRequest::of_run(run_id), HOUR).await?;
    c.clock.set(end);
    let what = "a wait whose time ends as a task becomes due";
    let claim = waits.claimed(waiter, what).await?;
    check_eq!(claim.task.title, "due", "the task that {what} ended with");
    Ok(())
}

pub(crate) async fn a_wait_is_at_most_of_365_days(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 1).await?;
    let request = || ClaimRequest::of_run(run.id);
    let over = MAX_DURATION + Duration::from_micros(1);
    let unknown = ClaimRequest::of_run(RunId::generate());
    let unleased = request().with_lease(Duration::ZERO);
    let calls = vec![
        // Also where the run is unknown: the input comes first.
        (
            call!(c.store, claim_or_wait(request(), over)),
            invalid("timeout", "31536000"),
        ),
        (
            call!(c.store, claim_or_wait(request(), Duration::MAX)),
            invalid("timeout", "31536000"),
        ),
        (
            call!(c.store, claim_or_wait(unknown, over)),
            invalid("timeout", "31536000"),
        ),
        (
            call!(c.store, claim_or_wait(unleased, LONG)),
            invalid("lease", "31536000"),
        ),
    ];
    check_each_refused(&*c.store, calls).await?;
    let claim = c.store.claim_or_wait(request(), MAX_DURATION).await?;
    check!(
        claim.is_some(),
        "a wait of just {MAX_DURATION:?} must be given the task that is pending"
    );
    Ok(())
}

pub(crate) async fn a_wait_for_a_run_that_is_deleted_ends_as_unknown(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    let (run, _) = world::claimed(&*c.store).await?;
    let waiter = waits.begin(ClaimRequest::of_run(run.id), HOUR).await?;
    let mut of_any = waits.begin(ClaimRequest::of_any_run(), LONG).await?;
    c.store.delete_run(run.id).await?;
    let what = "a wait for a task of a run that was deleted";
    check_refused!(
        waits.answer(waiter, what).await?,
        Error::NotFound { kind: RecordKind::Run, id } if id == run.id.as_uuid(),
        "{what}"
    );
    waits
        .check_waits(
            &mut of_any,
            "a wait for a task of any run where one was deleted",
        )
        .await?;
    let (_, tasks) = world::planned(&*c.store, 1).await?;
    let claim = waits
        .claimed(of_any, "a wait for a task of any run")
        .await?;
    check_eq!(
        Some(claim.task.id),
        tasks.first().map(|task| task.id),
        "the task that a wait ended with after another run was deleted"
    );
    Ok(())
}

pub(crate) async fn a_wait_for_a_run_that_another_handle_deletes_ends_as_unknown(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    let other = c.second_handle().await?;
    let (run, _) = world::claimed(&*c.store).await?;
    let waiter = waits.begin(ClaimRequest::of_run(run.id), LONG).await?;
    other.delete_run(run.id).await?;
    let what = "a wait for a task of a run that was deleted by another handle";
    check_refused!(
        waits.answer(waiter, what).await?,
        Error::NotFound { kind: RecordKind::Run, id } if id == run.id.as_uuid(),
        "{what}"
    );
    Ok(())
}

pub(crate) async fn closing_the_store_ends_every_wait(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    let (run, _) = world::claimed(&*c.store).await?;
    let due = c.clock.now().saturating_add(HOUR);
    let draft = TaskDraft::new("due", "o").with_not_before(due);
    c.store.append_tasks(TaskPlan::new(run.id, [draft])).await?;
    let mut waiters = Vec::new();
    for request in [
        ClaimRequest::of_run(run.id),
        ClaimRequest::of_run(run.id),
        ClaimRequest::of_any_run(),
    ] {
        waiters.push(waits.begin(request, LONG).await?);
    }
    let before = Dump::of(&*c.store).await?;
    c.store.close().await?;
    for waiter in waiters {
        check_refused!(
            waits
                .answer(waiter, "a wait on a store that was closed")
                .await?,
            Error::Unavailable {
                outcome: Known::NotApplied,
                ..
            },
            "a wait on a store that was closed"
        );
    }
    let late = c.store.claim_or_wait(ClaimRequest::of_run(run.id), LONG);
    check_refused!(
        c.patiently("a wait on a closed store", late).await?,
        Error::Unavailable {
            outcome: Known::NotApplied,
            ..
        },
        "a wait that began after the store was closed"
    );
    c.reopen().await?;
    let difference = before.difference(&Dump::of(&*c.store).await?);
    check_eq!(difference, None, "what waits changed that a close ended");
    Ok(())
}
