//! What a batch writes, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use runstore_core::{Clock, FinishReport, SnapshotRequest, TaskStatus};

use super::check_batch;
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_run_unchanged};
use crate::planning::{append, check_claims, complete, draft, finish, in_micros, next_of};
use crate::tasks::check_task;
use crate::ticking::TickingClock;
use crate::world;

pub(crate) async fn every_task_of_a_batch_has_worker_and_lease_of_the_claim(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 4).await?;
    c.clock.advance_micros(11);
    let request = next_of(run.id)
        .with_worker("w")
        .with_lease(Duration::from_micros(1_000_001));
    let claims = c.store.claim_tasks(request, 3).await?;
    check_eq!(claims.len(), 3, "the number of tasks of a batch");
    let expires = Some(in_micros(c, 1_000_001));
    let mut claimed = Vec::new();
    for (claim, task) in claims.into_iter().zip(tasks) {
        let expected = runstore_core::Task {
            status: TaskStatus::InProgress,
            attempt_count: 1,
            worker: Some("w".to_owned()),
            lease_expires_at: expires,
            updated_at: c.clock.now(),
            ..task
        };
        check_eq!(claim.task, expected, "a task of a batch as it is returned");
        claimed.push(expected);
    }
    for reopened in [false, true] {
        if reopened {
            c.reopen().await?;
        }
        for task in &claimed {
            check_task(&*c.store, task, "a task of a batch").await?;
        }
    }
    Ok(())
}

pub(crate) async fn all_that_a_batch_writes_has_one_time(c: &mut Context<'_>) -> Outcome {
    let fixture = c.with_clock(Arc::new(TickingClock::default())).await?;
    let store = fixture.store();
    let (run, _) = world::planned(&*store, 10).await?;
    let request = next_of(run.id).with_lease(Duration::from_secs(3_600));
    let claims = store.claim_tasks(request, 10).await?;
    let times: BTreeSet<_> = claims
        .iter()
        .map(|claim| (claim.task.updated_at, claim.task.lease_expires_at))
        .collect();
    check_eq!(
        (claims.len(), times.len()),
        (10, 1),
        "the number of tasks of a batch, and of their times, where the clock moves on whenever it is read"
    );
    Ok(())
}

pub(crate) async fn each_task_of_a_batch_has_a_token_of_its_own(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    append(store, run_id, ["a", "b", "c", "d"].map(draft)).await?;
    // So that the attempts of the tasks are different numbers.
    let first = world::claim(store, run_id).await?;
    store
        .finish_task(first.token(), FinishReport::released("no"))
        .await?;
    let expected = ["a", "b", "c", "d"];
    let claims = check_batch(store, next_of(run_id), 4, &expected, "of four").await?;
    let numbers: Vec<_> = claims
        .iter()
        .map(|claim| claim.token().attempt_number)
        .collect();
    check_eq!(
        numbers,
        [2, 1, 1, 1],
        "the attempts of the tasks of a batch"
    );
    for (claim, number) in claims.iter().zip(0..) {
        let before = Dump::of(store).await?;
        match number {
            0 => drop(complete(store, claim.task.id).await?),
            1 => {
                let report = FinishReport::released("not now");
                store.finish_task(claim.token(), report).await?;
            }
            2 => drop(finish(store, claim).await?),
            _ => drop(store.requeue_task(claim.task.id).await?),
        }
        check!(
            before.difference(&Dump::of(store).await?).is_some(),
            "ending the claim of a task of a batch must change it"
        );
        for other in claims.iter().skip(number + 1) {
            check_task(store, &other.task, "another task of the batch").await?;
        }
    }
    check_claims(
        store,
        run_id,
        &["b", "d"],
        "which were released and requeued",
    )
    .await?;
    Ok(())
}

pub(crate) async fn a_batch_changes_nothing_but_its_tasks(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let (neighbour, _) = world::populated(store).await?;
    let (run, _) = world::populated(store).await?;
    append(store, run.id, world::drafts(3)).await?;
    let of_neighbour = Dump::of_run(store, neighbour.id).await?;
    let of_run = SnapshotRequest::of_run(run.id);
    let mut expected = store.snapshot(of_run.clone()).await?;
    c.clock.advance_micros(1);
    let claims = store.claim_tasks(next_of(run.id), 3).await?;
    check_eq!(claims.len(), 3, "the number of tasks of a batch");
    expected.pending_tasks.retain(|task| {
        let claimed = claims.iter().any(|claim| claim.task.id == task.id);
        !claimed
    });
    let claimed = claims.into_iter().map(|claim| claim.task);
    expected.in_progress_tasks.extend(claimed);
    expected.counts.pending -= 3;
    expected.counts.in_progress += 3;
    check_eq!(
        store.snapshot(of_run).await?,
        expected,
        "the snapshot after a batch of three"
    );
    check_run_unchanged(store, &of_neighbour, neighbour.id, "a batch").await
}
