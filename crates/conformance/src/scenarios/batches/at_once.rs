//! Batches beside each other, at several handles and after a reopen.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use runstore_core::{Claim, Result, SnapshotRequest};

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::planning::{check_nothing, next_of};
use crate::race::{Handles, together};
use crate::world;

pub(crate) async fn a_batch_is_seen_whole_or_not_at_all(c: &mut Context<'_>) -> Outcome {
    const BATCH: u32 = 10;
    const BATCHES: usize = 12;
    let handles = Handles::four(c).await?;
    let (run, _) = world::planned(&*c.store, BATCH as usize * BATCHES).await?;
    let over = Arc::new(AtomicBool::new(false));
    let watchers: Vec<_> = (0..2)
        .map(|caller| {
            let (store, over) = (handles.of(caller), Arc::clone(&over));
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !over.load(Ordering::SeqCst) {
                    let capped = SnapshotRequest::of_run(run.id).with_max_per_list(1);
                    seen.push(store.snapshot(capped).await?.counts.in_progress);
                    tokio::task::yield_now().await;
                }
                Result::Ok(seen)
            })
        })
        .collect();
    let claimers = (0..3).map(|caller| {
        let store = handles.of(caller + 1);
        async move {
            let mut batches = Vec::new();
            loop {
                let batch = store.claim_tasks(next_of(run.id), BATCH).await?;
                if batch.is_empty() {
                    return Result::Ok(batches);
                }
                batches.push(batch);
                tokio::task::yield_now().await;
            }
        }
    });
    let claimed = together(claimers).await;
    over.store(true, Ordering::SeqCst);
    for watcher in watchers {
        for in_progress in watcher.await?? {
            check_eq!(
                in_progress % u64::from(BATCH),
                0,
                "the rest of the {in_progress} tasks in progress beside claims of {BATCH} at a time"
            );
        }
    }
    let mut positions = BTreeSet::new();
    for batches in claimed? {
        for batch in batches? {
            let of_batch: Vec<u64> = batch.iter().map(|claim| claim.task.position).collect();
            let first = of_batch.first().copied().unwrap_or_default();
            check_eq!(
                of_batch,
                Vec::from_iter((first..).take(BATCH as usize)),
                "the positions of a batch beside others"
            );
            positions.extend(of_batch);
        }
    }
    check_eq!(
        positions.len(),
        BATCH as usize * BATCHES,
        "the number of tasks that were claimed, each once"
    );
    Ok(())
}

pub(crate) async fn callers_at_once_never_share_a_task(c: &mut Context<'_>) -> Outcome {
    const TASKS: usize = 60;
    let handles = Handles::four(c).await?;
    for round in 0..3 {
        let (one, _) = world::planned(&*c.store, TASKS / 2).await?;
        let (other, _) = world::planned(&*c.store, TASKS / 2).await?;
        let claimers = (0..8).map(|caller| {
            let store = handles.of(caller + round);
            let scope = match caller % 3 {
                0 => None,
                1 => Some(one.id),
                _ => Some(other.id),
            };
            async move {
                let mut claims: Vec<Claim> = Vec::new();
                loop {
                    let next = match caller % 2 {
                        0 => store.claim_tasks(next_of(scope), 4).await?,
                        _ => store
                            .claim_next_task(next_of(scope))
                            .await?
                            .into_iter()
                            .collect(),
                    };
                    if next.is_empty() {
                        return Result::Ok(claims);
                    }
                    claims.extend(next);
                }
            }
        });
        let mut tokens = Vec::new();
        for claims in together(claimers).await? {
            tokens.extend(claims?.iter().map(Claim::token));
        }
        let count = tokens.len();
        tokens.sort_unstable();
        tokens.dedup_by_key(|token| token.task_id);
        check_eq!(
            (count, tokens.len()),
            (TASKS, TASKS),
            "the number of claims of {TASKS} tasks of two runs by 8 callers, and of the tasks claimed"
        );
        check_nothing(&*c.store, one.id, "when all are claimed").await?;
    }
    Ok(())
}

pub(crate) async fn batches_go_on_at_another_handle_and_after_a_reopen(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::planned(&*c.store, 9).await?;
    let second = c.second_handle().await?;
    let mut positions = Vec::new();
    for handle in [&c.store, &second, &c.store] {
        let batch = handle.claim_tasks(next_of(run.id), 2).await?;
        positions.extend(batch.iter().map(|claim| claim.task.position));
    }
    drop(second);
    c.reopen().await?;
    let batch = c.store.claim_tasks(next_of(run.id), 10).await?;
    positions.extend(batch.iter().map(|claim| claim.task.position));
    check_eq!(
        positions,
        Vec::from_iter(1..=9),
        "the positions of batches at two handles in turns and after a reopen"
    );
    Ok(())
}
