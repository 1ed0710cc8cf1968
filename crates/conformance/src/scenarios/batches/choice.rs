//! What a batch takes and what it passes over: the same as claims one after the other.

use std::time::Duration;

use runstore_core::{
    ClaimRequest, FinishReport, ListEvents, NewRun, RunId, Store, TaskDraft, TaskStatus,
};

use super::{MICRO, check_batch};
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::dump::Dump;
use crate::planning::{append, complete, draft, finish, ids, in_micros, named, next_of, titles};
use crate::tasks::tasks_of;
use crate::world;

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
