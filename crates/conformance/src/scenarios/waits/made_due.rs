//! What a write makes due at a time while somebody waits, so that only the passing of that time wakes them.

use std::time::Duration;

use runstore_core::{
    BlockTask, Claim, ClaimRequest, Clock, CompleteTask, FinishReport, RunId, Store, TaskDraft,
    TaskId, TaskPlan, Timestamp,
};

use super::waiter::{LONG, Waits};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::world;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// A run in which nothing becomes claimable with time: the first task is claimed without a lease, the
/// second blocked, the third depends on the first. None of them may be claimed before a time.
struct Undue {
    run_id: RunId,
    held: Claim,
    blocked: TaskId,
    at: Timestamp,
}

impl Undue {
    /// Made at that time, after which the clock is set back to where it stood.
    async fn new(c: &Context<'_>, at: Timestamp) -> Outcome<Self> {
        let store = &*c.store;
        let run_id = world::run(store).await?.id;
        let blocked = TaskId::generate();
        let draft = |title| TaskDraft::new(title, "o").with_not_before(at);
        let drafts = [
            draft("held"),
            draft("blocked").with_id(blocked),
            draft("after held").with_depends_on([0_usize]),
        ];
        let start = c.clock.now();
        c.clock.set(at);
        store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
        let held = world::claim(store, run_id).await?;
        store.block_task(BlockTask::new(blocked)).await?;
        c.clock.set(start);
        Ok(Self {
            run_id,
            held,
            blocked,
            at,
        })
    }
}

/// A write after which a task becomes claimable at the time.
#[derive(Debug, Clone, Copy)]
enum Way {
    Append,
    Replace,
    Release,
    ReleaseWithDelay,
    RequeueHeld,
    RequeueBlocked,
    RequeueInProgress,
    CompleteByReport,
    CompleteByOperator,
}

impl Way {
    const ALL: [Self; 9] = [
        Self::Append,
        Self::Replace,
        Self::Release,
        Self::ReleaseWithDelay,
        Self::RequeueHeld,
        Self::RequeueBlocked,
        Self::RequeueInProgress,
        Self::CompleteByReport,
        Self::CompleteByOperator,
    ];

    /// Makes the write and gives the title of the task that becomes claimable at the time.
    async fn write(
        self,
        store: &dyn Store,
        now: Timestamp,
        undue: &Undue,
    ) -> Outcome<&'static str> {
        let draft = TaskDraft::new("new", "o").with_not_before(undue.at);
        let plan = TaskPlan::new(undue.run_id, [draft]);
        let held = undue.held.token();
        Ok(match self {
            Self::Append => {
                store.append_tasks(plan).await?;
                "new"
            }
            Self::Replace => {
                store.replace_pending_tasks(plan).await?;
                "new"
            }
            Self::Release => {
                let report = FinishReport::released("not now");
                store.finish_task(held, report).await?;
                "held"
            }
            Self::ReleaseWithDelay => {
                let delay = undue.at.saturating_since(now);
                let report = FinishReport::released_for(delay, "later");
                store.finish_task(held, report).await?;
                "held"
            }
            Self::RequeueHeld => {
                store.requeue_task(held.task_id).await?;
                "held"
            }
            Self::RequeueBlocked => {
                store.requeue_task(undue.blocked).await?;
                "blocked"
            }
            Self::RequeueInProgress => {
                store.requeue_in_progress_tasks(undue.run_id).await?;
                "held"
            }
            Self::CompleteByReport => {
                let report = FinishReport::completed("done");
                store.finish_task(held, report).await?;
                "after held"
            }
            Self::CompleteByOperator => {
                let complete = CompleteTask::new(held.task_id, "done");
                store.complete_task(complete).await?;
                "after held"
            }
        })
    }
}

pub(crate) async fn every_write_that_makes_a_task_due_ends_the_wait_at_its_time(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    for way in Way::ALL {
        for of_run in [true, false] {
            let undue = Undue::new(c, c.clock.now().saturating_add(HOUR)).await?;
            let request = match of_run {
                true => ClaimRequest::of_run(undue.run_id),
                false => ClaimRequest::of_any_run(),
            };
            let mut waiter = waits.begin(request, LONG).await?;
            let expected = way.write(&*c.store, c.clock.now(), &undue).await?;
            let what = format!("a wait for what {way:?} makes claimable in an hour");
            waits.check_waits(&mut waiter, &what).await?;
            c.clock.set(undue.at.saturating_add_micros(-1));
            waits.check_waits(&mut waiter, &what).await?;
            c.clock.set(undue.at);
            let claim = waits.claimed(waiter, &what).await?;
            check_eq!(
                (claim.task.title.as_str(), claim.task.updated_at),
                (expected, undue.at),
                "title and time of the task that a wait ended with after {way:?}"
            );
            c.store.delete_run(undue.run_id).await?;
        }
    }
    Ok(())
}

pub(crate) async fn a_task_with_two_times_ends_the_wait_at_the_later(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    // When it may be claimed as planned, and when the delay of its release is over.
    for (planned, delayed) in [(1, 2), (2, 1)] {
        let store = &*c.store;
        let run_id = world::run(store).await?.id;
        let start = c.clock.now();
        let at = |hours: u32| start.saturating_add(HOUR * hours);
        let draft = TaskDraft::new("t", "o").with_not_before(at(planned));
        store.append_tasks(TaskPlan::new(run_id, [draft])).await?;
        c.clock.set(at(planned));
        let claim = world::claim(store, run_id).await?;
        c.clock.set(start);
        let report = FinishReport::released_for(HOUR * delayed, "later");
        store.finish_task(claim.token(), report).await?;
        let request = ClaimRequest::of_run(run_id);
        let mut waiter = waits.begin(request, LONG).await?;
        let what = format!(
            "a wait for a task that is planned for hour {planned} and released until hour {delayed}"
        );
        for time in [at(1), at(2).saturating_add_micros(-1)] {
            c.clock.set(time);
            waits.check_waits(&mut waiter, &what).await?;
        }
        c.clock.set(at(2));
        let claim = waits.claimed(waiter, &what).await?;
        check_eq!(
            claim.task.attempt_count,
            2,
            "the attempts of the task that {what} ended with"
        );
    }
    Ok(())
}

pub(crate) async fn of_tasks_that_become_due_the_sooner_ends_the_wait_whatever_its_priority(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    let store = &*c.store;
    for of_run in [true, false] {
        let run_id = world::run(store).await?.id;
        let start = c.clock.now();
        let at = |hours: u32| start.saturating_add(HOUR * hours);
        let draft = |title, hours, priority| {
            let draft = TaskDraft::new(title, "o").with_priority(priority);
            draft.with_not_before(at(hours))
        };
        // The first in the order of claims is due last, and the last of all is due first.
        let drafts = [
            draft("third", 3, 9),
            draft("second", 2, 0),
            draft("first", 1, -9),
        ];
        store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
        let request = || match of_run {
            true => ClaimRequest::of_run(run_id),
            false => ClaimRequest::of_any_run(),
        };
        for (hours, title) in [(1, "first"), (2, "second"), (3, "third")] {
            let mut waiter = waits.begin(request(), LONG).await?;
            let what = "a wait for the soonest of tasks of several priorities";
            c.clock.set(at(hours).saturating_add_micros(-1));
            waits.check_waits(&mut waiter, what).await?;
            c.clock.set(at(hours));
            let claim = waits.claimed(waiter, what).await?;
            check_eq!(claim.task.title, title, "the task that {what} ended with");
        }
    }
    Ok(())
}
