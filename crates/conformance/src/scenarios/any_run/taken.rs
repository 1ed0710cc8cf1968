//! What claims of any run take of each run, and what they leave.

use std::time::Duration;

use runstore_core::{BlockTask, ListEvents, NewRun, Result, Run, TaskStatus};

use super::{MICRO, runs};
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_run_unchanged, check_unchanged};
use crate::planning::{
    append, append_one, check_claims, check_next, complete, draft, finish, ids, in_micros, named,
    next_of, titles,
};
use crate::race::{Handles, together};
use crate::tasks::check_task;
use crate::world;

pub(crate) async fn in_a_store_without_tasks_there_is_nothing_to_claim(
    c: &mut Context<'_>,
) -> Outcome {
    for runs in 0..3 {
        let store = &*c.store;
        let before = Dump::of(store).await?;
        let what = format!("of any run, where there are {runs} without tasks");
        check_next(store, None, None, &what).await?;
        for limit in [1, 1_000] {
            let batch = store.claim_tasks(next_of(None), limit).await?;
            check_eq!(
                titles(batch),
                Vec::<String>::new(),
                "the tasks of a batch {what}"
            );
        }
        let waited = store.claim_or_wait(next_of(None), Duration::ZERO).await?;
        check_eq!(waited, None, "a claim that waits for no time, {what}");
        check_unchanged(store, &before, "claims that found nothing").await?;
        world::run(store).await?;
    }
    Ok(())
}

pub(crate) async fn claims_of_a_run_and_of_any_take_from_one_queue(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let [one, two] = runs(store).await?;
    append(store, one, ["1.1", "1.2", "1.3"].map(draft)).await?;
    append(store, two, ["2.1", "2.2", "2.3"].map(draft)).await?;
    check_next(store, two, Some("2.1"), "of the second run").await?;
    check_next(store, None, Some("1.1"), "of any run").await?;
    check_next(store, one, Some("1.2"), "of the first run").await?;
    let batch = store.claim_tasks(next_of(None), 2).await?;
    check_eq!(
        titles(batch),
        ["1.3", "2.2"],
        "the tasks of a batch of any run"
    );
    check_next(
        store,
        one,
        None,
        "of the first run, when all its tasks are claimed",
    )
    .await?;
    check_next(store, two, Some("2.3"), "of the second run").await?;
    check_next(store, None, None, "of any run, when all tasks are claimed").await?;
    Ok(())
}

pub(crate) async fn a_batch_goes_over_all_runs(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let [one, two, three] = runs(store).await?;
    append(store, three, [draft("3.1"), draft("3.2").with_priority(-1)]).await?;
    append(store, one, [draft("1.1"), draft("1.2").with_priority(2)]).await?;
    append(
        store,
        two,
        [
            draft("2.1").with_priority(2),
            draft("2.2").with_max_attempts(1_u32),
        ],
    )
    .await?;
    append(store, one, [draft("1.3")]).await?;
    let lease = next_of(None).with_worker("w").with_lease(MICRO);
    let first = store.claim_tasks(lease, 6).await?;
    let expected = ["1.2", "2.1", "3.1", "1.1", "2.2", "1.3"];
    check_eq!(
        titles(first.clone()),
        expected,
        "the tasks of a batch of 6 of any run"
    );
    for claim in &first {
        check_eq!(
            (claim.task.worker.as_deref(), claim.task.lease_expires_at),
            (Some("w"), Some(in_micros(c, 1))),
            "worker and lease of a task of the batch"
        );
        check_task(store, &claim.task, "a task of a batch of any run").await?;
    }
    c.clock.advance_micros(1);
    let again = store.claim_tasks(next_of(None), 100).await?;
    // The one that may be claimed once is passed over.
    let expected = ["1.2", "2.1", "3.1", "1.1", "1.3", "3.2"];
    check_eq!(
        titles(again),
        expected,
        "the tasks of a batch once the leases had run out"
    );
    Ok(())
}

pub(crate) async fn what_is_used_up_is_blocked_in_its_own_run(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let [one, two, three] = runs(store).await?;
    for (run_id, bound) in [(one, 1_u32), (two, 2), (three, 1)] {
        append(store, run_id, [draft("t").with_max_attempts(bound)]).await?;
    }
    store
        .claim_tasks(next_of(None).with_lease(MICRO), 3)
        .await?;
    c.clock.advance_micros(1);
    let claims = check_claims(store, None, &["t"], "where two of three are used up").await?;
    check_eq!(
        world::first(claims)?.task.run_id,
        two,
        "the run of the task that is not used up"
    );
    for (run_id, expected) in [(one, 2), (two, 1), (three, 2)] {
        let events = store.list_events(ListEvents::new(run_id)).await?.items;
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        let all = ["run_created", "max_attempts"];
        check_eq!(
            kinds,
            all.into_iter().take(expected).collect::<Vec<_>>(),
            "the events of a run, after a claim of any run came to its task"
        );
        let of_run: Vec<_> = events.iter().map(|event| event.run_id).collect();
        check_eq!(of_run, vec![run_id; expected], "the runs of these events");
    }
    Ok(())
}

pub(crate) async fn what_cannot_be_claimed_in_one_run_holds_up_no_other(
    c: &mut Context<'_>,
) -> Outcome {
    let store = &*c.store;
    let [one, two] = runs(store).await?;
    let [blocked, waits, delayed] = ids();
    let drafts = [
        named(blocked, "blocked").with_priority(9),
        named(waits, "waits")
            .with_priority(9)
            .with_depends_on([blocked]),
        named(delayed, "delayed")
            .with_priority(9)
            .with_not_before(in_micros(c, 10)),
    ];
    append(store, one, drafts).await?;
    store.block_task(BlockTask::new(blocked)).await?;
    append(store, two, [draft("2.1"), draft("2.2")]).await?;
    check_next(store, None, Some("2.1"), "behind what cannot be claimed").await?;
    complete(store, blocked).await?;
    check_next(
        store,
        None,
        Some("waits"),
        "once its dependency was completed",
    )
    .await?;
    c.clock.advance_micros(10);
    check_claims(store, None, &["delayed", "2.2"], "once the delay was over").await?;
    Ok(())
}

pub(crate) async fn a_deleted_runs_tasks_are_given_to_nobody(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let [deleted, kept] = runs(store).await?;
    let drafts = |run: &str| {
        [
            draft(format!("{run} ready")).with_priority(1),
            draft(format!("{run} held")).with_priority(2),
            draft(format!("{run} due")).with_not_before(in_micros(c, 10)),
        ]
    };
    append(store, deleted, drafts("deleted")).await?;
    append(store, kept, drafts("kept")).await?;
    let leased = next_of(None).with_lease(Duration::from_micros(5));
    let held = store.claim_tasks(leased, 2).await?;
    check_eq!(
        titles(held),
        ["deleted held", "kept held"],
        "the tasks of a batch"
    );
    store.delete_run(deleted).await?;
    check_claims(store, None, &["kept ready"], "after a run was deleted").await?;
    c.clock.advance_micros(10);
    check_claims(
        store,
        None,
        &["kept held", "kept due"],
        "when times had come",
    )
    .await?;
    // A run created under its id is another one, and planned later.
    let again = NewRun::new("goal", "/repo").with_id(deleted);
    append(store, kept, [draft("before")]).await?;
    let again: Run = store.create_run(again).await?;
    append(store, again.id, [draft("again")]).await?;
    check_claims(store, None, &["before", "again"], "of a run created again").await?;
    store.delete_run(kept).await?;
    store.delete_run(again.id).await?;
    check_claims(store, None, &[], "when all runs are deleted").await?;
    Ok(())
}

pub(crate) async fn a_claim_of_any_run_leaves_the_other_runs(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let (first, _) = world::populated(store).await?;
    let (second, _) = world::populated(store).await?;
    let before = Dump::of_run(store, second.id).await?;
    c.clock.advance_micros(1);
    let claim = check_next(store, None, Some("task 5"), "of two runs alike").await?;
    check_eq!(
        claim.map(|claim| claim.task.run_id),
        Some(first.id),
        "the run of the task that was planned first"
    );
    check_run_unchanged(store, &before, second.id, "a claim of any run").await
}

pub(crate) async fn a_claim_of_any_run_has_a_token_like_any_other(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let [one, two] = runs(store).await?;
    append(store, two, [draft("a"), draft("b")]).await?;
    append(store, one, [draft("c")]).await?;
    for claim in check_claims(store, None, &["a", "b", "c"], "of two runs").await? {
        let done = finish(store, &claim).await?;
        check_eq!(
            (done.status, done.run_id),
            (TaskStatus::Completed, claim.task.run_id),
            "state and run of a task that was claimed from any run and finished"
        );
        let attempt = store.latest_attempt(claim.task.id).await?;
        check_eq!(
            attempt.map(|attempt| (attempt.run_id, attempt.attempt_number)),
            Some((claim.task.run_id, 1)),
            "run and number of its attempt"
        );
    }
    Ok(())
}

pub(crate) async fn callers_of_any_run_at_once_drain_all_runs(c: &mut Context<'_>) -> Outcome {
    const RUNS: usize = 6;
    const TASKS: usize = 10;
    let handles = Handles::four(c).await?;
    let store = &*c.store;
    let [a, b, d, e, f, g] = runs(store).await?;
    let mut planned = 0;
    for round in 0..TASKS {
        for run_id in [a, b, d, e, f, g] {
            planned += 1;
            let priority = i32::try_from(round % 3).unwrap_or(0);
            let task = draft(format!("{planned:03}")).with_priority(priority);
            append_one(store, run_id, task).await?;
        }
    }
    let claimers = (0..8).map(|caller| {
        let store = handles.of(caller);
        async move {
            let mut places = Vec::new();
            while let Some(claim) = store.claim_next_task(next_of(None)).await? {
                places.push((std::cmp::Reverse(claim.task.priority), claim.task.title));
            }
            Result::Ok(places)
        }
    });
    let mut all = Vec::new();
    for places in together(claimers).await? {
        let places = places?;
        check!(
            places.is_sorted(),
            "the claims of one caller, beside others, must come by priority and planning, but came as \
             {places:?}"
        );
        all.extend(places);
    }
    all.sort();
    all.dedup();
    check_eq!(
        all.len(),
        RUNS * TASKS,
        "the number of tasks of all runs that were claimed by 8 callers, each once"
    );
    Ok(())
}
