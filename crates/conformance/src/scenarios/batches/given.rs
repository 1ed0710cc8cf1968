//! What a batch gives, and what it is refused for.

use std::time::Duration;

use runstore_core::limits::MAX_CLAIMS;
use runstore_core::{Error, RecordKind, RunId, TaskStatus};

use super::{MICRO, check_batch};
use crate::calls::{call, check_each_refused, invalid};
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::planning::{append, draft, in_micros, next_of, of_priority};
use crate::tasks::{check_task, task_in};
use crate::world;

pub(crate) async fn a_batch_is_given_in_the_order_of_claims(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    append(store, run_id, [0, 3, -1, 3, 7, 0, -1].map(of_priority)).await?;
    let of_run = || next_of(run_id);
    check_batch(store, of_run(), 1, &["7"], "of seven").await?;
    let claims = check_batch(store, of_run(), 3, &["3", "3", "0"], "of six").await?;
    let positions: Vec<_> = claims.iter().map(|claim| claim.task.position).collect();
    check_eq!(positions, [2, 4, 1], "the positions of a batch");
    append(store, run_id, [5, -9].map(of_priority)).await?;
    let expected = ["5", "0", "-1", "-1", "-9"];
    check_batch(store, of_run(), 6, &expected, "where five are left").await?;
    check_batch(store, of_run(), 6, &[], "where none is left").await?;
    Ok(())
}

pub(crate) async fn a_batch_has_as_many_as_there_are_up_to_its_limit(
    c: &mut Context<'_>,
) -> Outcome {
    for limit in [1, 2, 4, 5, 6, MAX_CLAIMS] {
        let (run, tasks) = world::planned(&*c.store, 5).await?;
        let claims = c.store.claim_tasks(next_of(run.id), limit).await?;
        let positions: Vec<_> = claims.iter().map(|claim| claim.task.position).collect();
        let expected: Vec<_> = (1..=5).take(limit as usize).collect();
        check_eq!(
            positions,
            expected,
            "the positions of a batch of at most {limit} of five"
        );
        for claim in &claims {
            check_task(&*c.store, &claim.task, "a task of a batch").await?;
        }
        for task in tasks.iter().skip(claims.len()) {
            check_task(&*c.store, task, "a task that a batch left").await?;
        }
    }
    Ok(())
}

pub(crate) async fn a_batch_may_have_1_000_tasks(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 1_003).await?;
    for expected in [1..=1_000, 1_001..=1_003] {
        let claims = c.store.claim_tasks(next_of(run.id), MAX_CLAIMS).await?;
        let positions: Vec<u64> = claims.iter().map(|claim| claim.task.position).collect();
        check!(
            positions == Vec::from_iter(expected.clone()),
            "a batch of at most 1,000 must have the tasks at {expected:?}, but has {} tasks from {:?} to \
             {:?}",
            positions.len(),
            positions.first(),
            positions.last()
        );
    }
    Ok(())
}

pub(crate) async fn a_batch_has_from_1_to_1_000_tasks(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 3).await?;
    let mut calls = Vec::new();
    for scope in [Some(run.id), Some(RunId::generate()), None] {
        for limit in [0, MAX_CLAIMS + 1, u32::MAX] {
            let refused = invalid("limit", MAX_CLAIMS);
            calls.push((call!(c.store, claim_tasks(next_of(scope), limit)), refused));
        }
        let request = next_of(scope).with_worker("w".repeat(256));
        calls.push((
            call!(c.store, claim_tasks(request, 1)),
            invalid("worker", 255),
        ));
        let request = next_of(scope).with_lease(Duration::ZERO);
        calls.push((
            call!(c.store, claim_tasks(request, 1)),
            invalid("lease", ""),
        ));
        let request = next_of(scope).with_max_attempts(0_u32);
        calls.push((
            call!(c.store, claim_tasks(request, 1)),
            invalid("max_attempts", 1),
        ));
    }
    check_each_refused(&*c.store, calls).await
}

pub(crate) async fn a_batch_of_an_unknown_run_is_refused(c: &mut Context<'_>) -> Outcome {
    let (deleted, _) = world::planned(&*c.store, 2).await?;
    c.store.delete_run(deleted.id).await?;
    world::planned(&*c.store, 2).await?;
    let mut calls = Vec::new();
    for run_id in [deleted.id, RunId::generate()] {
        let refused = || Error::not_found(RecordKind::Run, run_id);
        calls.push((call!(c.store, claim_tasks(next_of(run_id), 1)), refused()));
        calls.push((
            call!(c.store, claim_tasks(next_of(run_id), 1_000)),
            refused(),
        ));
        calls.push((call!(c.store, claim_next_task(next_of(run_id))), refused()));
        let wait = c.store.claim_or_wait(next_of(run_id), Duration::ZERO);
        calls.push((crate::calls::Call::new("claim_or_wait", wait), refused()));
    }
    check_each_refused(&*c.store, calls).await
}

pub(crate) async fn a_batch_that_finds_nothing_changes_nothing(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    for status in TaskStatus::ALL {
        if status != TaskStatus::Pending {
            task_in(store, status).await?;
        }
    }
    let (run, _) = world::populated(store).await?;
    let claim = world::claim(store, run.id).await?;
    store
        .block_task(runstore_core::BlockTask::new(claim.task.id))
        .await?;
    let waiting = draft("waits").with_depends_on([claim.task.id]);
    let delayed = draft("delayed").with_not_before(in_micros(c, 1_000));
    append(store, run.id, [waiting, delayed]).await?;
    let before = Dump::of(store).await?;
    c.clock.advance_micros(1);
    for scope in [Some(run.id), None] {
        let request = next_of(scope).with_worker("w").with_lease(MICRO);
        check_batch(store, request, 10, &[], "where nothing is claimable").await?;
        check_unchanged(store, &before, "a batch that found nothing").await?;
    }
    Ok(())
}
