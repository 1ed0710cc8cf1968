//! What becomes claimable by the passing of time alone, while somebody waits for it.

use std::time::Duration;

use runstore_core::{
    AbandonTask, ClaimRequest, Clock, FinishReport, Heartbeat, RunId, Task, TaskDraft, TaskPlan,
    TaskStatus, Timestamp,
};

use super::waiter::{LONG, Waits};
use crate::check::{Outcome, Stop, check_eq};
use crate::context::Context;
use crate::tasks::check_task;
use crate::world;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// What a task waits for.
#[derive(Debug, Clone, Copy)]
enum Until {
    NotBefore,
    ReleaseDelay,
    LeaseEnd,
}

impl Until {
    const ALL: [Self; 3] = [Self::NotBefore, Self::ReleaseDelay, Self::LeaseEnd];

    /// Makes a task of the run that waits until then, and for nothing else.
    async fn make(self, c: &Context<'_>, run_id: RunId, at: Timestamp) -> Outcome<Task> {
        let draft = TaskDraft::new(format!("{self:?}"), "o");
        let left = at.saturating_since(c.clock.now());
        let plan = |draft| TaskPlan::new(run_id, [draft]);
        if let Self::NotBefore = self {
            let draft = draft.with_not_before(at);
            return world::first(c.store.append_tasks(plan(draft)).await?);
        }
        // Claimed by somebody before it can be waited for.
        let draft = draft.with_priority(1);
        let lease = match self {
            Self::LeaseEnd => left,
            _ => LONG,
        };
        let request = ClaimRequest::of_run(run_id).with_lease(lease);
        let task = world::first(c.store.append_tasks(plan(draft)).await?)?;
        let claim = c.store.claim_next_task(request).await?;
        check_eq!(
            claim.as_ref().map(|claim| claim.task.id),
            Some(task.id),
            "the claim of the one task that is claimable"
        );
        if let (Self::ReleaseDelay, Some(claim)) = (self, claim) {
            let report = FinishReport::released_for(left, "later");
            c.store.finish_task(claim.token(), report).await?;
        }
        Ok(c.store.get_task(task.id).await?)
    }
}

fn before(at: Timestamp) -> Timestamp {
    at.saturating_add_micros(-1)
}

pub(crate) async fn a_task_that_becomes_due_ends_the_wait_at_that_instant(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    for until in Until::ALL {
        let run_id = world::run(&*c.store).await?.id;
        let at = c.clock.now().saturating_add(HOUR);
        let due = until.make(c, run_id, at).await?;
        let mut waiter = waits.begin(ClaimRequest::of_run(run_id), LONG).await?;
        c.clock.set(before(at));
        let what = format!("a wait for a task that is due ({until:?}) in a microsecond");
        waits.check_waits(&mut waiter, &what).await?;
        c.clock.set(at);
        let what = format!("a wait for a task that is due ({until:?}) now");
        let claim = waits.claimed(waiter, &what).await?;
        check_eq!(
            (claim.task.id, claim.task.attempt_count),
            (due.id, due.attempt_count + 1),
            "task and attempts of the claim that a wait ended with ({until:?})"
        );
        check_eq!(claim.task.updated_at, at, "the time of that claim");
    }
    Ok(())
}

pub(crate) async fn a_task_that_is_due_sooner_ends_the_wait_sooner(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    for scope in [false, true] {
        let run_id = world::run(&*c.store).await?.id;
        let request = || match scope {
            true => ClaimRequest::of_run(run_id),
            false => ClaimRequest::of_any_run(),
        };
        let now = c.clock.now();
        let [sooner, later] = [1, 2].map(|hours| now.saturating_add(HOUR * hours));
        let last = Until::NotBefore.make(c, run_id, later).await?;
        let mut waiter = waits.begin(request(), LONG).await?;
        let first = Until::NotBefore.make(c, run_id, sooner).await?;
        let what = "a wait for the sooner of two tasks, which was planned while it went on,";
        c.clock.set(before(sooner));
        waits.check_waits(&mut waiter, what).await?;
        c.clock.set(sooner);
        let claim = waits.claimed(waiter, what).await?;
        check_eq!(claim.task.id, first.id, "the task that {what} ended with");
        let what = "a wait for the later of two tasks";
        let mut waiter = waits.begin(request(), LONG).await?;
        c.clock.set(before(later));
        waits.check_waits(&mut waiter, what).await?;
        c.clock.set(later);
        let claim = waits.claimed(waiter, what).await?;
        check_eq!(claim.task.id, last.id, "the task that {what} ended with");
    }
    Ok(())
}

pub(crate) async fn a_lease_that_is_extended_is_waited_for_to_its_new_end(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    let (run, _) = world::planned(&*c.store, 1).await?;
    let request = ClaimRequest::of_run(run.id).with_lease(HOUR);
    let Some(held) = c.store.claim_next_task(request.clone()).await? else {
        return Err(Stop::failed(
            "a claim found nothing although a task is claimable",
        ));
    };
    let [end, new_end] = [1, 2].map(|hours| c.clock.now().saturating_add(HOUR * hours));
    let mut waiter = waits.begin(request, LONG).await?;
    c.clock.set(before(end));
    let beat = Heartbeat::new(held.token(), HOUR + Duration::from_micros(1));
    check_eq!(
        c.store.heartbeat(beat).await?,
        Some(new_end),
        "the end of the lease after a heartbeat"
    );
    let what = "a wait for a task whose lease was extended";
    for time in [end, before(new_end)] {
        c.clock.set(time);
        waits.check_waits(&mut waiter, what).await?;
    }
    c.clock.set(new_end);
    let claim = waits.claimed(waiter, what).await?;
    check_eq!(
        (claim.task.id, claim.task.attempt_count),
        (held.task.id, 2),
        "task and attempts of the claim that {what} ended with"
    );
    Ok(())
}

pub(crate) async fn who_had_to_wait_gets_what_the_request_says(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    for until in Until::ALL {
        for of_any_run in [false, true] {
            let run_id = world::run(&*c.store).await?.id;
            let at = c.clock.now().saturating_add(HOUR);
            let due = until.make(c, run_id, at).await?;
            let request = match of_any_run {
                true => ClaimRequest::of_any_run(),
                false => ClaimRequest::of_run(run_id),
            };
            let request = request.with_worker("patient").with_lease(HOUR * 2);
            let waiter = waits.begin(request, LONG).await?;
            c.clock.set(at);
            let what = format!("a wait with worker and lease for a task that is due ({until:?})");
            let task = waits.claimed(waiter, &what).await?.task;
            let expected = Task {
                status: TaskStatus::InProgress,
                attempt_count: due.attempt_count + 1,
                delayed_until: None,
                worker: Some("patient".to_owned()),
                // From the claim on, not from the begin of the wait.
                lease_expires_at: Some(at.saturating_add(HOUR * 2)),
                updated_at: at,
                ..due
            };
            check_eq!(task, expected, "the task that {what} ended with");
            check_task(&*c.store, &expected, "a task that was waited for").await?;
            c.store.delete_run(run_id).await?;
        }
    }
    // Its bound is kept to after the wait as before it.
    for of_any_run in [false, true] {
        let run_id = world::run(&*c.store).await?.id;
        let at = c.clock.now().saturating_add(HOUR);
        let due = Until::ReleaseDelay.make(c, run_id, at).await?;
        let request = match of_any_run {
            true => ClaimRequest::of_any_run(),
            false => ClaimRequest::of_run(run_id),
        };
        let mut waiter = waits.begin(request.with_max_attempts(1), LONG).await?;
        c.clock.set(at);
        let what = "a wait whose bound is reached by what is due";
        waits.check_waits(&mut waiter, what).await?;
        let plan = TaskPlan::new(run_id, [TaskDraft::new("new", "o")]);
        let new = world::first(c.store.append_tasks(plan).await?)?;
        let claim = waits.claimed(waiter, what).await?;
        check_eq!(claim.task.id, new.id, "the task that {what} ended with");
        let status = c.store.get_task(due.id).await?.status;
        check_eq!(status, TaskStatus::Blocked, "the task that was due");
        c.store.delete_run(run_id).await?;
    }
    Ok(())
}

pub(crate) async fn what_is_no_longer_due_ends_no_wait(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    for until in Until::ALL {
        let run_id = world::run(&*c.store).await?.id;
        let at = c.clock.now().saturating_add(HOUR);
        let due = until.make(c, run_id, at).await?;
        let mut waiter = waits.begin(ClaimRequest::of_run(run_id), LONG).await?;
        c.store.abandon_task(AbandonTask::new(due.id)).await?;
        c.clock.set(at);
        let what = format!("a wait for a task that was given up before it was due ({until:?})");
        waits.check_waits(&mut waiter, &what).await?;
        // It goes on for what comes.
        let next = at.saturating_add(HOUR);
        let next = Until::NotBefore.make(c, run_id, next).await?;
        c.clock.set(at.saturating_add(HOUR));
        let claim = waits
            .claimed(waiter, "a wait for what became due after it")
            .await?;
        check_eq!(claim.task.id, next.id, "the task that the wait ended with");
    }
    Ok(())
}

pub(crate) async fn a_task_is_due_at_its_time_though_the_clock_ran_back(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    let run_id = world::run(&*c.store).await?.id;
    let start = c.clock.now();
    let at = start.saturating_add(HOUR);
    let due = Until::NotBefore.make(c, run_id, at).await?;
    let mut waiter = waits.begin(ClaimRequest::of_run(run_id), LONG).await?;
    for time in [
        start.saturating_add_micros(-3_600_000_000),
        start,
        before(at),
    ] {
        c.clock.set(time);
        let what = format!("a wait where the clock went to {time}, before the task is due");
        waits.check_waits(&mut waiter, &what).await?;
    }
    c.clock.set(at);
    let claim = waits
        .claimed(waiter, "a wait after the clock ran back")
        .await?;
    check_eq!(claim.task.id, due.id, "the task that the wait ended with");
    Ok(())
}

pub(crate) async fn what_was_due_before_a_reopen_is_waited_for(c: &mut Context<'_>) -> Outcome {
    let mut due = Vec::new();
    let start = c.clock.now();
    for (until, hours) in Until::ALL.into_iter().zip(1..) {
        let run_id = world::run(&*c.store).await?.id;
        let at = start.saturating_add(HOUR * hours);
        due.push((until, until.make(c, run_id, at).await?, at));
    }
    c.reopen().await?;
    let waits = Waits::on(c).await?;
    for (until, task, at) in due {
        let mut waiter = waits.begin(ClaimRequest::of_run(task.run_id), LONG).await?;
        let what =
            format!("a wait for what was to be due ({until:?}) before the store was reopened");
        c.clock.set(before(at));
        waits.check_waits(&mut waiter, &what).await?;
        c.clock.set(at);
        let claim = waits.claimed(waiter, &what).await?;
        check_eq!(claim.task.id, task.id, "the task that {what} ended with");
    }
    Ok(())
}
