//! Leases, delays, workers and numbers of attempts that a call may give (clause G8).

use std::time::Duration;

use runstore_core::limits::{MAX_DURATION, MAX_WORD_BYTES};
use runstore_core::{ClaimRequest, FinishReport, Heartbeat, Store, TaskDraft, TaskPlan};

use super::input::Ids;
use crate::calls::{Call, call, check_all_accepted, check_each_refused, invalid};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::leased::{leased, request};
use crate::world;

/// Every call that claims, of a run and of any, made as the request says.
fn claims<'s>(store: &'s dyn Store, of_run: &ClaimRequest) -> Vec<Call<'s>> {
    let mut of_any = of_run.clone();
    of_any.run_id = None;
    let mut calls = Vec::new();
    for request in [of_run.clone(), of_any] {
        calls.push(call!(store, claim_next_task(request.clone())));
        calls.push(call!(store, claim_tasks(request.clone(), 2)));
        calls.push(call!(store, claim_or_wait(request, Duration::ZERO)));
    }
    calls
}

/// Checks that every claim like this is refused for that field, in a run with something to claim and in
/// one that is unknown.
async fn check_claims_refused(
    c: &Context<'_>,
    field: &str,
    bound: &str,
    change: impl Fn(ClaimRequest) -> ClaimRequest,
) -> Outcome {
    let (run, _) = world::planned(&*c.store, 2).await?;
    for run_id in [run.id, Ids::unknown().run_id] {
        let calls = claims(&*c.store, &change(ClaimRequest::of_run(run_id)));
        let refused = calls.into_iter().map(|call| (call, invalid(field, bound)));
        check_each_refused(&*c.store, refused.collect()).await?;
    }
    c.store.delete_run(run.id).await?;
    Ok(())
}

/// Checks that every claim like this is carried out.
async fn check_claims_accepted(
    c: &Context<'_>,
    change: impl Fn(ClaimRequest) -> ClaimRequest,
) -> Outcome {
    let (run, _) = world::planned(&*c.store, 9).await?;
    let calls = claims(&*c.store, &change(ClaimRequest::of_run(run.id)));
    check_all_accepted(calls).await?;
    let left = c.store.claim_tasks(ClaimRequest::of_run(run.id), 9).await?;
    check_eq!(
        left.len(),
        1,
        "what is left of nine tasks after claims of 1, 2, 1, 1, 2 and 1"
    );
    Ok(())
}

/// Durations of which a lease must be none, with a part of the bound.
fn no_leases() -> [(Duration, String); 4] {
    let least = format!("{:?}", Duration::from_micros(1));
    let most = format!("{MAX_DURATION:?}");
    [
        (Duration::ZERO, least.clone()),
        (Duration::from_nanos(999), least),
        (MAX_DURATION + Duration::from_nanos(1), most.clone()),
        (Duration::MAX, most),
    ]
}

pub(crate) async fn a_lease_is_from_a_microsecond_to_365_days(c: &mut Context<'_>) -> Outcome {
    for (lease, bound) in no_leases() {
        check_claims_refused(c, "lease", &bound, |request| request.with_lease(lease)).await?;
    }
    for lease in [Duration::from_micros(1), MAX_DURATION] {
        check_claims_accepted(c, |request| request.with_lease(lease)).await?;
    }
    Ok(())
}

pub(crate) async fn a_heartbeat_is_for_a_microsecond_to_365_days(c: &mut Context<'_>) -> Outcome {
    let (_, held) = leased(&*c.store).await?;
    let (_, unleased) = world::claimed(&*c.store).await?;
    let (_, stale) = leased(&*c.store).await?;
    c.store.requeue_task(stale.task.id).await?;
    let tokens = [
        held.token(),
        unleased.token(),
        stale.token(),
        Ids::unknown().token,
    ];
    for (lease, bound) in no_leases() {
        let calls = tokens.map(|token| {
            let call = call!(c.store, heartbeat(Heartbeat::new(token, lease)));
            (call, invalid("lease", &bound))
        });
        check_each_refused(&*c.store, calls.into_iter().collect()).await?;
    }
    for lease in [Duration::from_micros(1), MAX_DURATION] {
        let call = call!(c.store, heartbeat(Heartbeat::new(held.token(), lease)));
        check_all_accepted(vec![call]).await?;
    }
    Ok(())
}

pub(crate) async fn a_delay_is_of_at_most_365_days(c: &mut Context<'_>) -> Outcome {
    let (_, held) = leased(&*c.store).await?;
    let (_, finished) = leased(&*c.store).await?;
    let done = FinishReport::completed("done");
    c.store.finish_task(finished.token(), done).await?;
    for delay in [MAX_DURATION + Duration::from_nanos(1), Duration::MAX] {
        // A repeat is refused too, and so is a claim on nothing.
        let tokens = [held.token(), finished.token(), Ids::unknown().token];
        let calls = tokens.map(|token| {
            let report = FinishReport::released_for(delay, "later");
            let bound = format!("{MAX_DURATION:?}");
            (
                call!(c.store, finish_task(token, report)),
                invalid("outcome.delay", bound),
            )
        });
        check_each_refused(&*c.store, calls.into_iter().collect()).await?;
    }
    for delay in [Duration::ZERO, MAX_DURATION] {
        let (_, held) = leased(&*c.store).await?;
        let report = FinishReport::released_for(delay, "later");
        check_all_accepted(vec![call!(c.store, finish_task(held.token(), report))]).await?;
    }
    Ok(())
}

pub(crate) async fn a_worker_has_at_most_255_bytes(c: &mut Context<'_>) -> Outcome {
    // Two bytes each, but for the last: the bound counts bytes, not characters.
    let word = |bytes: usize| "é".repeat(bytes / 2) + &"x".repeat(bytes % 2);
    let bound = MAX_WORD_BYTES.to_string();
    for bytes in [MAX_WORD_BYTES + 1, 1 << 20] {
        let change = |request: ClaimRequest| request.with_worker(word(bytes));
        check_claims_refused(c, "worker", &bound, change).await?;
    }
    for bytes in [0, MAX_WORD_BYTES] {
        check_claims_accepted(c, |request| request.with_worker(word(bytes))).await?;
    }
    Ok(())
}

pub(crate) async fn attempts_are_bounded_by_at_least_one(c: &mut Context<'_>) -> Outcome {
    let change = |request: ClaimRequest| request.with_max_attempts(0_u32);
    check_claims_refused(c, "max_attempts", "1", change).await?;
    for most in [1, u32::MAX] {
        check_claims_accepted(c, |request| request.with_max_attempts(most)).await?;
    }
    let ids = Ids::claimed(&*c.store).await?;
    for run_id in [ids.run_id, Ids::unknown().run_id] {
        let drafts = [
            TaskDraft::new("t", "o").with_max_attempts(1_u32),
            TaskDraft::new("t", "o").with_max_attempts(0_u32),
        ];
        let plan = TaskPlan::new(run_id, drafts);
        let refused = || invalid("drafts[1].max_attempts", "1");
        let calls = vec![
            (call!(c.store, append_tasks(plan.clone())), refused()),
            (call!(c.store, replace_pending_tasks(plan)), refused()),
        ];
        check_each_refused(&*c.store, calls).await?;
    }
    Ok(())
}

pub(crate) async fn what_is_bounded_is_looked_at_though_nothing_is_claimable(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::claimed(&*c.store).await?;
    let requests = [
        ("lease", request(run.id).with_lease(Duration::ZERO)),
        (
            "worker",
            request(run.id).with_worker("w".repeat(MAX_WORD_BYTES + 1)),
        ),
        ("max_attempts", request(run.id).with_max_attempts(0_u32)),
    ];
    for (field, request) in requests {
        let calls = claims(&*c.store, &request);
        let refused = calls.into_iter().map(|call| (call, invalid(field, "")));
        check_each_refused(&*c.store, refused.collect()).await?;
    }
    Ok(())
}
