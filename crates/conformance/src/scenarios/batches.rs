//! Claims of many tasks in one change (clause C10).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runstore_core::limits::MAX_CLAIMS;
use runstore_core::{
    Claim, ClaimRequest, Clock, Error, FinishReport, ListEvents, NewRun, RecordKind, Result, RunId,
    SnapshotRequest, Store, TaskDraft, TaskStatus,
};

use crate::calls::{call, check_each_refused, invalid};
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_run_unchanged, check_unchanged};
use crate::planning::{
    append, check_claims, check_nothing, complete, draft, finish, ids, in_micros, named, next_of,
    of_priority, titles,
};
use crate::race::{Handles, together};
use crate::tasks::{check_task, task_in, tasks_of};
use crate::ticking::TickingClock;
use crate::world;

const MICRO: Duration = Duration::from_micros(1);

/// Checks the tasks of one batch.
async fn check_batch(
    store: &dyn Store,
    request: ClaimRequest,
    limit: u32,
    expected: &[&str],
    what: &str,
) -> Outcome<Vec<Claim>> {
    let claims = store.claim_tasks(request, limit).await?;
    check_eq!(
        titles(claims.clone()),
        expected,
        "the tasks of a batch of at most {limit}, {what}"
    );
    Ok(claims)
}

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

pub(crate) async fn a_batch_goes_on_behind_exhausted_tasks(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let bounded = |title: &str| draft(title).with_max_attempts(1_u32);
    let drafts = [
        bounded("used up 1"),
        draft("a"),
        bounded("used up 2"),
        bounded("used up 3"),
        draft("b"),
        bounded("used up 4"),
        draft("c"),
    ];
    append(store, run_id, drafts).await?;
    let leased = next_of(run_id).with_lease(MICRO);
    let claims = store.claim_tasks(leased, 7).await?;
    check_eq!(claims.len(), 7, "the number of tasks of the first batch");
    c.clock.advance_micros(1);
    let events = store
        .list_events(ListEvents::new(run_id))
        .await?
        .items
        .len();
    let what = "where the leases of all have run out and half of them may be claimed once";
    check_batch(store, next_of(run_id), 2, &["a", "b"], what).await?;
    let blocked = async || -> Outcome<(Vec<String>, usize)> {
        let all = tasks_of(store, run_id).await?.into_iter();
        let blocked = all.filter(|task| task.status == TaskStatus::Blocked);
        let written = store
            .list_events(ListEvents::new(run_id))
            .await?
            .items
            .len()
            - events;
        Ok((blocked.map(|task| task.title).collect(), written))
    };
    let before = ["used up 1", "used up 2", "used up 3"].map(str::to_owned);
    check_eq!(
        blocked().await?,
        (before.to_vec(), 3),
        "the tasks that a batch found used up before its last one, and the number of new events"
    );
    check_batch(store, next_of(run_id), 5, &["c"], what).await?;
    let (titles, written) = blocked().await?;
    check_eq!(
        (titles.len(), written),
        (4, 4),
        "the number of tasks that are blocked in the end, and of the new events"
    );
    Ok(())
}

pub(crate) async fn a_batch_that_finds_exhausted_tasks_only_blocks_them(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    append(
        store,
        run_id,
        [1, 2, 3].map(|_| draft("t").with_max_attempts(1_u32)),
    )
    .await?;
    store
        .claim_tasks(next_of(run_id).with_lease(MICRO), 3)
        .await?;
    c.clock.advance_micros(1);
    check_batch(store, next_of(run_id), 1, &[], "where all are used up").await?;
    let statuses: Vec<_> = tasks_of(store, run_id)
        .await?
        .iter()
        .map(|task| task.status)
        .collect();
    check_eq!(
        statuses,
        [TaskStatus::Blocked; 3],
        "the states of three used up tasks after a batch of one came to them"
    );
    Ok(())
}

pub(crate) async fn a_batch_releases_no_dependents_of_its_own(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let drafts = [
        draft("a"),
        draft("after a").with_depends_on([0]).with_priority(9),
        draft("b"),
        draft("after b").with_depends_on([2]),
    ];
    append(store, run_id, drafts).await?;
    let what = "where the rest waits for these";
    let claims = check_batch(store, next_of(run_id), 10, &["a", "b"], what).await?;
    for claim in &claims {
        finish(store, claim).await?;
    }
    let expected = ["after a", "after b"];
    check_batch(store, next_of(run_id), 10, &expected, "once they were done").await?;
    Ok(())
}

/// A run with tasks of every kind that a claim meets, under ids of its own: held and expired ones, used
/// up ones, due and delayed ones, some that wait for others, in several priorities.
async fn every_kind(store: &dyn Store, c: &Context<'_>, run_id: RunId, seed: u128) -> Outcome {
    store
        .create_run(NewRun::new("goal", "/repo").with_id(run_id))
        .await?;
    let id =
        |number: u128| runstore_core::TaskId::from(runstore_core::Uuid::from_u128(seed + number));
    let priority = |number: u128| i32::try_from(number * 5 % 3).unwrap_or(0) - 1;
    let drafts = (0..24).map(|number: u128| {
        let draft = named(id(number), number.to_string()).with_priority(priority(number));
        match number % 8 {
            1 => draft.with_max_attempts(1_u32),
            2 => draft.with_not_before(in_micros(c, 5)),
            3 => draft.with_not_before(in_micros(c, 5_000)),
            4 => draft.with_depends_on([id(number + 1)]),
            6 => draft.with_depends_on([id(number - 1), id(number - 6)]),
            7 => draft.with_max_attempts(2_u32),
            _ => draft,
        }
    });
    append(store, run_id, drafts).await?;
    // Those that are claimed first are expired later, and some of them are done.
    let leased = ClaimRequest::of_run(run_id).with_lease(Duration::from_micros(3));
    let claims = store.claim_tasks(leased, 9).await?;
    for claim in claims.iter().step_by(4) {
        complete(store, claim.task.id).await?;
    }
    Ok(())
}

pub(crate) async fn a_batch_is_as_that_many_claims_one_after_the_other(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = RunId::generate();
    let seed = run_id.as_uuid().as_u128() & !0xff;
    let other = c.another().await?;
    for store in [&c.store, &other.store] {
        every_kind(&**store, c, run_id, seed).await?;
    }
    c.clock.advance_micros(10);
    other.clock.advance_micros(10);
    let request = || next_of(run_id).with_worker("w").with_max_attempts(3_u32);
    for limit in [1, 3, 2, 5, 100] {
        let batch = c.store.claim_tasks(request(), limit).await?;
        let mut single = Vec::new();
        while single.len() < limit as usize
            && let Some(claim) = other.store.claim_next_task(request()).await?
        {
            single.push(claim);
        }
        check_eq!(
            batch,
            single,
            "a batch of at most {limit}, beside claims one after the other on a store like it"
        );
        let one = Dump::of(&*c.store).await?;
        let difference = one.difference(&Dump::of(&*other.store).await?);
        check!(
            difference.is_none(),
            "a batch of at most {limit} must leave the store as claims one after the other do, but they \
             differ in {}",
            difference.unwrap_or_default()
        );
    }
    Ok(())
}

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

pub(crate) async fn a_batch_takes_what_is_new_back_due_and_expired(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [released, expired, requeued, waiting] = ids();
    let drafts = [
        named(released, "released"),
        named(expired, "expired"),
        named(requeued, "requeued"),
    ];
    append(store, run_id, drafts).await?;
    let token = world::claim(store, run_id).await?.token();
    let claims = store
        .claim_tasks(next_of(run_id).with_lease(Duration::from_micros(10)), 1)
        .await?;
    check_eq!(titles(claims), ["expired"], "the task claimed with a lease");
    world::claim(store, run_id).await?;
    let report = FinishReport::released_for(Duration::from_micros(10), "no");
    store.finish_task(token, report).await?;
    store.requeue_task(requeued).await?;
    let drafts: [TaskDraft; 4] = [
        draft("due").with_not_before(in_micros(c, 10)),
        named(waiting, "waiting").with_depends_on(["done"]),
        draft("done").with_key("done").with_priority(1),
        draft("new"),
    ];
    append(store, run_id, drafts).await?;
    let claims = check_batch(store, next_of(run_id), 1, &["done"], "with the others").await?;
    finish(store, &world::first(claims)?).await?;
    c.clock.advance_micros(10);
    let expected = ["released", "expired", "requeued", "due", "waiting", "new"];
    check_batch(store, next_of(run_id), 100, &expected, "of each kind one").await?;
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
