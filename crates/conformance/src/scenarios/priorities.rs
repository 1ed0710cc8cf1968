//! The order of claims: by priority, then by position (clause C1).

use std::time::Duration;

use runstore_core::{
    AbandonTask, BlockTask, ClaimRequest, FinishReport, Result, RunId, Store, TaskId, Uuid,
};

use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::planning::{
    append, append_one, check_claims, check_next, complete, draft, ids, in_micros, named, next_of,
    of_priority, replace,
};
use crate::race::{Handles, together};
use crate::world;

const MICRO: Duration = Duration::from_micros(1);

/// Priorities in no order, with the ends of the range, neighbours, and those that a narrower number or
/// a text would take for others.
const PRIORITIES: [i32; 22] = [
    0,
    5,
    -3,
    i32::MIN,
    10,
    i32::MAX,
    9,
    -10,
    i32::MIN + 1,
    1,
    -1,
    i32::MAX - 1,
    256,
    -256,
    65_536,
    -65_536,
    128,
    127,
    16_777_217,
    16_777_216,
    -129,
    100,
];

/// Drafts of these priorities, which are their titles.
fn titles(priorities: &[i32]) -> Vec<String> {
    priorities.iter().map(i32::to_string).collect()
}

fn as_strs(titles: &[String]) -> Vec<&str> {
    titles.iter().map(String::as_str).collect()
}

async fn check_by_priority(store: &dyn Store, run_id: RunId, what: &str) -> Outcome {
    let mut sorted = PRIORITIES;
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    check_claims(store, run_id, &as_strs(&titles(&sorted)), what).await?;
    Ok(())
}

pub(crate) async fn the_highest_priority_is_claimed_first(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    append(&*c.store, run_id, PRIORITIES.map(of_priority)).await?;
    check_by_priority(&*c.store, run_id, "appended with these priorities").await?;
    let run_id = world::run(&*c.store).await?.id;
    replace(&*c.store, run_id, PRIORITIES.map(of_priority)).await?;
    check_by_priority(&*c.store, run_id, "planned with these priorities").await?;
    // One plan a task, and the last one first.
    let run_id = world::run(&*c.store).await?.id;
    for priority in PRIORITIES.into_iter().rev() {
        c.clock.advance_micros(-1);
        append(&*c.store, run_id, [of_priority(priority)]).await?;
    }
    check_by_priority(&*c.store, run_id, "appended one by one").await
}

pub(crate) async fn tasks_of_one_priority_keep_the_order_of_the_plan(
    c: &mut Context<'_>,
) -> Outcome {
    for priority in [0, 7, -7, i32::MIN, i32::MAX] {
        let run_id = world::run(&*c.store).await?.id;
        let base = run_id.as_uuid().as_u128() & !0xff;
        for plan in 0..3_u128 {
            // Later plans have earlier times and smaller ids.
            c.clock.advance_micros(-1_000);
            let drafts = (0..4_u128).map(|index| {
                let number = (2 - plan) * 4 + (index * 3 + 2) % 4;
                let id = TaskId::from(Uuid::from_u128(base + number));
                let title = (plan * 4 + index + 1).to_string();
                named(id, title).with_priority(priority)
            });
            append(&*c.store, run_id, drafts).await?;
        }
        let expected = titles(&Vec::from_iter(1..=12));
        let what = format!("planned in this order with priority {priority}");
        check_claims(&*c.store, run_id, &as_strs(&expected), &what).await?;
    }
    Ok(())
}

pub(crate) async fn priority_comes_before_position_and_position_before_all_else(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let priorities = [1, -1, 1, 0, -1, 2, 0, 1, 2, -1];
    let named = (1..).zip(priorities).map(|(position, priority)| {
        let title = format!("{priority} at {position}");
        draft(title).with_priority(priority)
    });
    append(&*c.store, run_id, named).await?;
    let expected = [
        "2 at 6", "2 at 9", "1 at 1", "1 at 3", "1 at 8", "0 at 4", "0 at 7", "-1 at 2", "-1 at 5",
        "-1 at 10",
    ];
    check_claims(&*c.store, run_id, &expected, "planned together").await?;
    Ok(())
}

pub(crate) async fn a_task_of_higher_priority_planned_later_is_claimed_first(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    append(store, run_id, [5, 5, 0].map(of_priority)).await?;
    check_next(store, run_id, Some("5"), "of 5, 5 and 0").await?;
    append(store, run_id, [6, 4].map(of_priority)).await?;
    check_next(store, run_id, Some("6"), "after 6 and 4 were appended").await?;
    append_one(store, run_id, of_priority(i32::MAX)).await?;
    append_one(store, run_id, of_priority(-1)).await?;
    append_one(store, run_id, of_priority(1)).await?;
    let expected = ["2147483647", "5", "4", "1", "0", "-1"];
    check_claims(store, run_id, &expected, "after more were appended").await?;
    Ok(())
}

pub(crate) async fn a_task_back_in_the_queue_keeps_its_place_among_priorities(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let all = ["high", "a", "b", "c", "d", "e", "f", "low"];
    let priority = |title: &str| match title {
        "high" => 1,
        "low" => -1,
        _ => 0,
    };
    let drafts = all.map(|title| draft(title).with_priority(priority(title)));
    append(store, run_id, drafts).await?;
    let claims = check_claims(store, run_id, &all, "as planned").await?;
    // Back in another order than that of their places, each in a way of its own.
    for claim in claims.into_iter().rev() {
        c.clock.advance_micros(1);
        let task_id = claim.task.id;
        match claim.task.title.as_str() {
            "high" | "c" => {
                let report = FinishReport::released("not now");
                store.finish_task(claim.token(), report).await?;
                continue;
            }
            "a" | "low" => {}
            "b" => drop(complete(store, task_id).await?),
            "d" => drop(store.block_task(BlockTask::new(task_id)).await?),
            "e" => drop(store.abandon_task(AbandonTask::new(task_id)).await?),
            _ => continue,
        }
        store.requeue_task(task_id).await?;
    }
    let resumed = store.requeue_in_progress_tasks(run_id).await?;
    check_eq!(resumed, 1, "the number of tasks that a resume requeued");
    check_claims(store, run_id, &all, "each back in the queue in its own way").await?;
    Ok(())
}

pub(crate) async fn a_task_taken_over_is_claimed_at_its_place_among_priorities(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let leased = |run_id| ClaimRequest::of_run(run_id).with_lease(MICRO);
    append(store, run_id, [3, 1].map(of_priority)).await?;
    let held = store.claim_tasks(leased(run_id), 2).await?;
    check_eq!(held.len(), 2, "the number of tasks claimed with a lease");
    append(store, run_id, [4, 3, 2, 1, 0].map(of_priority)).await?;
    check_next(store, run_id, Some("4"), "while 3 and 1 are held").await?;
    c.clock.advance_micros(1);
    let claims = check_claims(
        store,
        run_id,
        &["3", "3", "2", "1", "1", "0"],
        "once the leases of the 3 and the 1 that were planned first had run out",
    )
    .await?;
    let positions: Vec<_> = claims.iter().map(|claim| claim.task.position).collect();
    check_eq!(
        positions,
        [1, 4, 5, 2, 6, 7],
        "their positions: of one priority, the task that is taken over was planned first"
    );
    Ok(())
}

pub(crate) async fn what_cannot_be_claimed_holds_up_nothing_of_lower_priority(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let later = in_micros(c, 1_000);
    let [done, blocked, gone] = ids();
    let high = |draft: runstore_core::TaskDraft| draft.with_priority(9);
    let drafts = [
        high(draft("exhausted").with_max_attempts(1_u32)),
        high(draft("held")),
        high(named(done, "done")),
        high(named(blocked, "blocked")),
        high(named(gone, "gone")),
        high(draft("delayed").with_not_before(later)),
        high(draft("waits for blocked").with_depends_on([blocked])),
        high(draft("waits for low").with_depends_on(["low"])),
        draft("low").with_key("low").with_priority(-9),
    ];
    append(store, run_id, drafts).await?;
    let leased = ClaimRequest::of_run(run_id).with_lease(MICRO);
    let claim = store.claim_next_task(leased).await?;
    check!(claim.is_some(), "the first of them must be claimable");
    check_next(store, run_id, Some("held"), "behind it").await?;
    complete(store, done).await?;
    store.block_task(BlockTask::new(blocked)).await?;
    store.abandon_task(AbandonTask::new(gone)).await?;
    c.clock.advance_micros(1);
    let what = "behind tasks of higher priority, none of which can be claimed";
    check_claims(store, run_id, &["low"], what).await?;
    Ok(())
}

pub(crate) async fn the_priorities_of_one_run_do_not_matter_to_another(
    c: &mut Context<'_>,
) -> Outcome {
    let store = &*c.store;
    let (a, b) = (world::run(store).await?.id, world::run(store).await?.id);
    append(store, a, [9, 8].map(of_priority)).await?;
    append(store, b, [-2, -1].map(of_priority)).await?;
    check_claims(store, b, &["-1", "-2"], "in the run of low priorities").await?;
    check_claims(store, a, &["9", "8"], "in the run of high priorities").await?;
    Ok(())
}

pub(crate) async fn a_new_plan_is_claimed_by_priorities_of_its_own(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    append(store, run_id, [9, 8, 7].map(of_priority)).await?;
    check_next(store, run_id, Some("9"), "of the first plan").await?;
    replace(store, run_id, [-5, 1, -4].map(of_priority)).await?;
    check_claims(store, run_id, &["1", "-4", "-5"], "of the second plan").await?;
    Ok(())
}

pub(crate) async fn priorities_are_known_at_another_handle_and_after_a_reopen(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    append(&*c.store, run_id, PRIORITIES.map(of_priority)).await?;
    let second = c.second_handle().await?;
    let highest = i32::MAX.to_string();
    check_next(&*second, run_id, Some(&highest), "at another handle").await?;
    append(&*second, run_id, [of_priority(i32::MAX)]).await?;
    drop(second);
    c.reopen().await?;
    check_by_priority(&*c.store, run_id, "after a reopen").await
}

pub(crate) async fn many_tasks_of_mixed_priorities_are_claimed_in_order(
    c: &mut Context<'_>,
) -> Outcome {
    const TASKS: i32 = 300;
    let run_id = world::run(&*c.store).await?.id;
    // A sequence without order: the multiplier and the number of priorities have no common divisor.
    let priorities = (0..TASKS).map(|number| number * 37 % 23 - 11);
    let drafts = priorities.clone().map(of_priority);
    append(&*c.store, run_id, drafts).await?;
    let mut expected: Vec<(i32, u64)> = priorities.zip(1..).collect();
    expected.sort_by_key(|(priority, position)| (std::cmp::Reverse(*priority), *position));
    let mut claimed = Vec::new();
    while claimed.len() < expected.len() {
        let claims = c.store.claim_tasks(next_of(run_id), 70).await?;
        check!(
            !claims.is_empty(),
            "claims must go on until all of {TASKS} tasks are claimed, but end after {}",
            claimed.len()
        );
        let places = claims
            .iter()
            .map(|claim| (claim.task.priority, claim.task.position));
        claimed.extend(places);
    }
    check_eq!(
        claimed,
        expected,
        "priority and position of {TASKS} tasks in the order of claims"
    );
    Ok(())
}

pub(crate) async fn claims_at_once_follow_the_priorities(c: &mut Context<'_>) -> Outcome {
    const TASKS: i32 = 48;
    let handles = Handles::four(c).await?;
    let run_id = world::run(&*c.store).await?.id;
    let drafts = (0..TASKS).map(|number| of_priority(number * 5 % 7));
    append(&*c.store, run_id, drafts).await?;
    let claimers = (0..8).map(|caller| {
        let store = handles.of(caller);
        async move {
            let mut places = Vec::new();
            while let Some(claim) = store.claim_next_task(next_of(run_id)).await? {
                places.push((std::cmp::Reverse(claim.task.priority), claim.task.position));
            }
            Result::Ok(places)
        }
    });
    let mut count = 0;
    for places in together(claimers).await? {
        let places = places?;
        check!(
            places.is_sorted(),
            "the claims of one caller beside others must come by priority and position, but came as \
             {places:?}"
        );
        count += places.len();
    }
    check_eq!(count, 48, "the number of tasks that were claimed");
    Ok(())
}
