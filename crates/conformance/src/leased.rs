//! Claims with a worker and a lease (clause C7), and the ways to make and to lose them.

use std::time::Duration;

use runstore_core::{
    Claim, ClaimRequest, ClaimToken, Error, Heartbeat, Result, Run, RunId, Store, Task, TaskId,
    TaskStanding, WaitingReason,
};

use crate::calls::{Call, call, check_all_refused};
use crate::check::{Outcome, Stop, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::scenarios::tokens::{fenced_calls, finish_calls};
use crate::world;

/// The worker of a claim by [`request`].
pub(crate) const WORKER: &str = "worker 1";
/// The lease of a claim by [`request`]: no whole number of seconds, nor of milliseconds.
pub(crate) const LEASE: Duration = Duration::from_micros(2_000_003);
/// A hundred years and a bit, in microseconds.
pub(crate) const LONG: i64 = 3_200_000_000_000_000;

/// A claim of the run by [`WORKER`] for [`LEASE`].
pub(crate) fn request(run_id: RunId) -> ClaimRequest {
    ClaimRequest::of_run(run_id)
        .with_worker(WORKER)
        .with_lease(LEASE)
}

/// So many microseconds, to move a clock by.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Every call that claims a task, without waiting for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "they are named as the calls")]
pub(crate) enum Way {
    ClaimNextTask,
    ClaimTasks,
    ClaimOrWait,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::ClaimNextTask, Self::ClaimTasks, Self::ClaimOrWait];

    pub(crate) async fn claim(
        self,
        store: &dyn Store,
        request: ClaimRequest,
    ) -> Result<Option<Claim>> {
        match self {
            Self::ClaimNextTask => store.claim_next_task(request).await,
            Self::ClaimTasks => Ok(store.claim_tasks(request, 1).await?.into_iter().next()),
            Self::ClaimOrWait => store.claim_or_wait(request, Duration::ZERO).await,
        }
    }
}

/// Makes the claim; there must be a task for it.
#[track_caller]
pub(crate) fn claim(
    store: &dyn Store,
    request: ClaimRequest,
) -> impl Future<Output = Outcome<Claim>> {
    let none = Stop::failed("a claim found nothing although a task is claimable");
    async move { store.claim_next_task(request).await?.ok_or(none) }
}

/// A run with one task, claimed by [`WORKER`] for [`LEASE`].
pub(crate) async fn leased(store: &dyn Store) -> Outcome<(Run, Claim)> {
    let (run, _) = world::planned(store, 1).await?;
    let claim = claim(store, request(run.id)).await?;
    Ok((run, claim))
}

/// Checks that no claim of the run, in whichever way, gets a task, and that none changes anything. `what`
/// says how things stand.
pub(crate) async fn check_nothing_claimable(
    store: &dyn Store,
    run_id: RunId,
    what: &str,
) -> Outcome {
    let before = Dump::of(store).await?;
    for way in Way::ALL {
        let request = ClaimRequest::of_run(run_id).with_worker("another");
        let claimed = way.claim(store, request).await?;
        check_eq!(claimed, None, "{way:?} {what}");
    }
    check_unchanged(store, &before, &format!("a claim {what}")).await
}

/// Checks why the task waits, at the instant that the clock shows.
pub(crate) async fn check_reason(
    store: &dyn Store,
    task_id: TaskId,
    expected: WaitingReason,
    what: &str,
) -> Outcome {
    let reason = store.waiting_reason(task_id).await?;
    check_eq!(reason, expected, "why a task waits {what}");
    Ok(())
}

/// Why a task waits that stands in progress like this.
pub(crate) fn in_progress(task: &Task) -> WaitingReason {
    WaitingReason::InProgress {
        worker: task.worker.clone(),
        lease_expires_at: task.lease_expires_at,
    }
}

/// Every call that can be made in the claim's name.
pub(crate) fn calls_in_its_name<'s>(
    store: &'s dyn Store,
    run_id: RunId,
    token: ClaimToken,
) -> Vec<Call<'s>> {
    let mut calls = finish_calls(store, token);
    calls.extend(fenced_calls(store, run_id, token));
    calls.push(call!(store, heartbeat(Heartbeat::new(token, LEASE))));
    calls
}

/// Checks that every call in the claim's name is refused, at every handle and after a reopen.
pub(crate) async fn check_stale(
    c: &mut Context<'_>,
    run_id: RunId,
    token: ClaimToken,
    current: Option<TaskStanding>,
) -> Outcome {
    let refused = Error::StaleClaim { token, current };
    let second = c.second_handle().await?;
    c.clock.advance_micros(1);
    for store in [&c.store, &second] {
        let calls = calls_in_its_name(&**store, run_id, token);
        check_all_refused(&**store, calls, &refused).await?;
    }
    drop(second);
    c.reopen().await?;
    let calls = calls_in_its_name(&*c.store, run_id, token);
    check_all_refused(&*c.store, calls, &refused).await
}
