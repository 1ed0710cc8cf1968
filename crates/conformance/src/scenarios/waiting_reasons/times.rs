//! Tasks that wait for a time: a planned one, a delay, the end of a lease.

use std::time::Duration;

use runstore_core::{ClaimRequest, Clock, FinishReport, Heartbeat, WaitingReason};

use super::{BLOCKED, PENDING};
use crate::check::Outcome;
use crate::context::Context;
use crate::planning::{
    append, append_one, check_claims, check_reason, complete, draft, ids, in_micros, named, unmet,
    until, waits_for,
};
use crate::world;

pub(crate) async fn a_task_waits_until_the_later_of_its_times(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let (early, late) = (in_micros(c, 100), in_micros(c, 200));
    let planned = draft("t").with_not_before(early);
    let task_id = append_one(store, run_id, planned).await?.id;
    check_reason(store, task_id, until(early), "as planned").await?;
    c.clock.set(early.saturating_add_micros(-1));
    check_reason(
        store,
        task_id,
        until(early),
        "a microsecond before its time",
    )
    .await?;
    c.clock.set(early);
    check_reason(
        store,
        task_id,
        WaitingReason::Claimable,
        "at the very instant",
    )
    .await?;
    // Released with a delay that is over later than the time that was planned.
    let claim = world::claim(store, run_id).await?;
    let report = FinishReport::released_for(Duration::from_micros(100), "no");
    store.finish_task(claim.token(), report).await?;
    check_reason(store, task_id, until(late), "released with a delay").await?;
    c.clock.set(early.saturating_add_micros(-50));
    check_reason(store, task_id, until(late), "when the clock ran back").await?;
    c.clock.set(late.saturating_add_micros(-1));
    check_reason(
        store,
        task_id,
        until(late),
        "a microsecond before the delay ends",
    )
    .await?;
    c.clock.set(late);
    check_reason(
        store,
        task_id,
        WaitingReason::Claimable,
        "at the end of the delay",
    )
    .await?;
    // And with one that is over sooner, for the clock ran back.
    let claim = world::claim(store, run_id).await?;
    c.clock.set(early.saturating_add_micros(-90));
    let report = FinishReport::released_for(Duration::from_micros(10), "no");
    store.finish_task(claim.token(), report).await?;
    check_reason(
        store,
        task_id,
        until(early),
        "released with a shorter delay",
    )
    .await
}

pub(crate) async fn a_claimed_task_tells_by_whom_and_until_when(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 4).await?;
    let requests = [
        (None, None),
        (Some("w"), None),
        (None, Some(10)),
        (Some(""), Some(20)),
    ];
    for (worker, lease) in requests {
        let mut request = ClaimRequest::of_run(run.id);
        request.worker = worker.map(str::to_owned);
        request.lease = lease.map(Duration::from_micros);
        let claim = c.store.claim_tasks(request, 1).await?;
        let claim = world::first(claim)?;
        let (task_id, token) = (claim.task.id, claim.token());
        let expires = lease.map(|lease| in_micros(c, i64::try_from(lease).unwrap_or(0)));
        let held = WaitingReason::InProgress {
            worker: worker.map(str::to_owned),
            lease_expires_at: expires,
        };
        check_reason(&*c.store, task_id, held.clone(), "just claimed").await?;
        let start = c.clock.now();
        match expires {
            None => {
                c.clock.advance_micros(1_000_000_000);
                check_reason(&*c.store, task_id, held, "claimed without a lease").await?;
            }
            Some(expires) => {
                c.clock.set(expires.saturating_add_micros(-1));
                let what = "a microsecond before its lease runs out";
                check_reason(&*c.store, task_id, held.clone(), what).await?;
                c.clock.set(expires);
                let what = "from the instant on at which its lease has run out";
                check_reason(&*c.store, task_id, WaitingReason::Claimable, what).await?;
                c.clock.advance_micros(-1);
                check_reason(&*c.store, task_id, held, "when the clock ran back").await?;
                let beat = Heartbeat::new(token, Duration::from_micros(7));
                let extended = WaitingReason::InProgress {
                    worker: worker.map(str::to_owned),
                    lease_expires_at: c.store.heartbeat(beat).await?,
                };
                check_reason(&*c.store, task_id, extended, "after a heartbeat").await?;
            }
        }
        c.clock.set(start);
    }
    Ok(())
}

pub(crate) async fn an_expired_task_with_no_attempt_left_is_exhausted(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let drafts = [
        draft("bounded").with_max_attempts(1_u32),
        draft("one left").with_max_attempts(2_u32),
        draft("unbounded"),
    ];
    append(&*c.store, run_id, drafts).await?;
    // The claim's own bound is no bound of the task.
    let request = ClaimRequest::of_run(run_id)
        .with_lease(Duration::from_micros(10))
        .with_max_attempts(1_u32);
    let claims = c.store.claim_tasks(request, 3).await?;
    c.clock.advance_micros(9);
    for claim in &claims {
        let held = WaitingReason::InProgress {
            worker: None,
            lease_expires_at: claim.task.lease_expires_at,
        };
        check_reason(&*c.store, claim.task.id, held, &claim.task.title).await?;
    }
    c.clock.advance_micros(1);
    for claim in &claims {
        let expected = match claim.task.title.as_str() {
            "bounded" => WaitingReason::Exhausted,
            _ => WaitingReason::Claimable,
        };
        let what = format!("whose lease has run out, {}", claim.task.title);
        check_reason(&*c.store, claim.task.id, expected, &what).await?;
    }
    let expected = ["one left", "unbounded"];
    check_claims(&*c.store, run_id, &expected, "once the leases had run out").await?;
    let settled = WaitingReason::Settled { status: BLOCKED };
    let bounded = world::first(claims)?.task.id;
    check_reason(&*c.store, bounded, settled, "once a claim had come to it").await
}

pub(crate) async fn an_exhausted_task_waits_for_what_was_undone_first(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b] = ids();
    let second = named(b, "b").with_depends_on([a]);
    append(
        store,
        run_id,
        [named(a, "a"), second.with_max_attempts(1_u32)],
    )
    .await?;
    complete(store, a).await?;
    let leased = ClaimRequest::of_run(run_id).with_lease(Duration::from_micros(10));
    store.claim_next_task(leased).await?;
    store.requeue_task(a).await?;
    c.clock.advance_micros(10);
    // No claim comes to it before its dependency is completed again.
    let undone = waits_for([unmet(a, PENDING, true)]);
    let what = "with no attempt left, and its dependency requeued";
    check_reason(store, b, undone, what).await?;
    check_claims(store, run_id, &["a"], what).await?;
    complete(store, a).await?;
    let what = "with no attempt left, and its dependency completed again";
    check_reason(store, b, WaitingReason::Exhausted, what).await?;
    check_claims(store, run_id, &[], what).await?;
    let settled = WaitingReason::Settled { status: BLOCKED };
    check_reason(store, b, settled, "once a claim had come to it").await
}

pub(crate) async fn a_time_is_told_besides_while_it_is_still_to_come(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let time = in_micros(c, 10);
    let [a, b] = ids();
    let second = named(b, "b").with_not_before(time).with_depends_on([a]);
    append(store, run_id, [named(a, "a"), second]).await?;
    let both = |until| WaitingReason::Dependencies {
        tasks: vec![unmet(a, PENDING, true)],
        until,
    };
    check_reason(store, b, both(Some(time)), "before its time").await?;
    c.clock.set(time.saturating_add_micros(-1));
    check_reason(store, b, both(Some(time)), "a microsecond before its time").await?;
    c.clock.set(time);
    check_reason(store, b, both(None), "at its time").await?;
    c.clock.advance_micros(-1);
    complete(store, a).await?;
    check_reason(store, b, until(time), "when its dependency is completed").await?;
    c.clock.set(time);
    check_reason(store, b, WaitingReason::Claimable, "when both have come").await?;
    // A delay counts like a time that was planned.
    let claim = world::claim(store, run_id).await?;
    let report = FinishReport::released_for(Duration::from_micros(7), "no");
    store.finish_task(claim.token(), report).await?;
    store.requeue_task(a).await?;
    let what = "released with a delay, and its dependency requeued";
    check_reason(store, b, both(Some(time.saturating_add_micros(7))), what).await
}
