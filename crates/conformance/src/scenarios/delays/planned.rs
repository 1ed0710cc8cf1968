//! Tasks that were planned for a time.

use runstore_core::{AbandonTask, BlockTask, TaskPlan, Timestamp};

use super::{check_from, delayed, release_for};
use crate::check::{Outcome, check_eq};
use crate::context::{Context, start};
use crate::planning::{
    append, append_one, check_claims, check_next, check_nothing, check_reason, complete, draft,
    in_micros, next_of, replace, titles, until,
};
use crate::scenarios::plans::PlanCall;
use crate::world;

pub(crate) async fn a_task_is_claimable_from_its_time_on(c: &mut Context<'_>) -> Outcome {
    // From a microsecond to more than a day, none of them a whole number of anything.
    for micros in [1, 999, 1_001, 876_544, 876_545, 60_000_001, 90_000_000_001] {
        let run_id = world::run(&*c.store).await?.id;
        let time = in_micros(c, micros);
        append(&*c.store, run_id, [delayed(c, "delayed", micros)]).await?;
        check_nothing(&*c.store, run_id, "when it was just planned").await?;
        let what = format!("planned {micros} microseconds before");
        check_from(c, run_id, time, &["delayed"], &what).await?;
    }
    Ok(())
}

pub(crate) async fn a_task_is_claimable_after_its_time_too(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    append(&*c.store, run_id, [delayed(c, "delayed", 1_000)]).await?;
    check_nothing(&*c.store, run_id, "before its time").await?;
    c.clock.advance_micros(3_600_000_000);
    check_claims(&*c.store, run_id, &["delayed"], "an hour later").await?;
    Ok(())
}

pub(crate) async fn a_time_that_has_come_delays_nothing(c: &mut Context<'_>) -> Outcome {
    for call in PlanCall::BOTH {
        let run_id = world::run(&*c.store).await?.id;
        let drafts = [
            delayed(c, "now", 0),
            delayed(c, "before", -1),
            delayed(c, "in a microsecond", 1),
            draft("ever").with_not_before(Timestamp::MIN),
            draft("unset"),
        ];
        let plan = TaskPlan::new(run_id, drafts);
        call.make(&*c.store, plan).await?;
        let expected = ["now", "before", "ever", "unset"];
        check_claims(&*c.store, run_id, &expected, "with times of these kinds").await?;
    }
    Ok(())
}

pub(crate) async fn the_end_of_time_is_a_time_too(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let last = draft("last").with_not_before(Timestamp::MAX);
    let task = append_one(&*c.store, run_id, last).await?;
    check_nothing(&*c.store, run_id, "long before the end of time").await?;
    check_reason(
        &*c.store,
        task.id,
        until(Timestamp::MAX),
        "not before the end of time",
    )
    .await?;
    let what = "not before the end of time";
    check_from(c, run_id, Timestamp::MAX, &["last"], what).await?;
    Ok(())
}

pub(crate) async fn a_time_may_be_centuries_away(c: &mut Context<'_>) -> Outcome {
    // Where a number of 32 bits ends that counts seconds, and one of 64 bits that counts nanoseconds.
    let ends = [i64::from(i32::MAX), i64::from(u32::MAX), 9_223_372_036];
    for seconds in ends {
        for micros in [-1, 1_000_000] {
            let run_id = world::run(&*c.store).await?.id;
            let time = Timestamp::from_micros(seconds * 1_000_000 + micros);
            let time = time.unwrap_or(Timestamp::MAX);
            let far = draft("far").with_not_before(time);
            append(&*c.store, run_id, [far]).await?;
            let what = format!("not before {time}");
            check_nothing(&*c.store, run_id, &what).await?;
            check_from(c, run_id, time, &["far"], &what).await?;
            c.clock.set(start());
            c.store.delete_run(run_id).await?;
        }
    }
    Ok(())
}

pub(crate) async fn a_delayed_task_holds_up_no_other(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let drafts = [
        delayed(c, "first, at 20", 20),
        delayed(c, "urgent, at 10", 10).with_priority(9),
        draft("any time").with_priority(-9),
        delayed(c, "at 10", 10),
        delayed(c, "at 30", 30).with_priority(1),
    ];
    append(store, run_id, drafts).await?;
    check_claims(store, run_id, &["any time"], "before the others' times").await?;
    for (micros, expected) in [
        (9, &[][..]),
        (10, &["urgent, at 10", "at 10"]),
        (19, &[]),
        (20, &["first, at 20"]),
        (29, &[]),
        (30, &["at 30"]),
    ] {
        c.clock.set(start().saturating_add_micros(micros));
        let what = format!("{micros} microseconds after they were planned");
        check_claims(store, run_id, expected, &what).await?;
    }
    Ok(())
}

pub(crate) async fn what_is_due_is_claimed_by_priority_and_position_not_by_time(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let drafts = [
        delayed(c, "third, late", 30),
        delayed(c, "last", 5).with_priority(-1),
        delayed(c, "fourth, early", 10),
        delayed(c, "second", 25).with_priority(1),
        delayed(c, "fifth", 20),
        delayed(c, "first", 29).with_priority(1 << 20),
        draft("sixth"),
    ];
    append(store, run_id, drafts).await?;
    c.clock.advance_micros(30);
    let expected = [
        "first",
        "second",
        "third, late",
        "fourth, early",
        "fifth",
        "sixth",
        "last",
    ];
    let what = "planned with other times, all of which have come";
    check_claims(store, run_id, &expected, what).await?;
    Ok(())
}

pub(crate) async fn many_times_come_one_after_the_other(c: &mut Context<'_>) -> Outcome {
    const TASKS: i64 = 30;
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    // Each number up to the last one once, in no order.
    let drafts: Vec<_> = (0..TASKS)
        .map(|number| (number * 7 % TASKS) + 1)
        .map(|at| delayed(c, &at.to_string(), at))
        .collect();
    append(store, run_id, drafts).await?;
    for micros in 1..=TASKS {
        c.clock.advance_micros(1);
        let claims = store.claim_tasks(next_of(run_id), 10).await?;
        check_eq!(
            titles(claims),
            [micros.to_string()],
            "the tasks that can be claimed after {micros} microseconds, named after their times"
        );
    }
    Ok(())
}

pub(crate) async fn a_task_that_left_the_queue_does_not_become_due(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let drafts = ["completed", "blocked", "abandoned"].map(|title| delayed(c, title, 10));
    let tasks = append(store, run_id, drafts).await?;
    for task in &tasks {
        match task.title.as_str() {
            "completed" => drop(complete(store, task.id).await?),
            "blocked" => drop(store.block_task(BlockTask::new(task.id)).await?),
            _ => drop(store.abandon_task(AbandonTask::new(task.id)).await?),
        }
    }
    append(store, run_id, [delayed(c, "left out", 10)]).await?;
    replace(store, run_id, [delayed(c, "planned", 10)]).await?;
    let deleted = world::run(store).await?.id;
    append(store, deleted, [delayed(c, "deleted", 10)]).await?;
    store.delete_run(deleted).await?;
    c.clock.advance_micros(10);
    let what = "when the time came of tasks that were settled, left out or deleted meanwhile";
    check_claims(store, None, &["planned"], what).await?;
    check_nothing(store, run_id, what).await
}

pub(crate) async fn a_time_that_came_is_seen_in_the_run_and_in_all(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let (a, b) = (world::run(store).await?.id, world::run(store).await?.id);
    for run_id in [a, b] {
        let drafts = [1, 2, 3].map(|at| delayed(c, &at.to_string(), 10 * at));
        append(store, run_id, drafts).await?;
    }
    c.clock.advance_micros(10);
    check_claims(store, a, &["1"], "of the first run at 10").await?;
    check_claims(
        store,
        None,
        &["1"],
        "of any run at 10, but for the first run's",
    )
    .await?;
    c.clock.advance_micros(10);
    let claim = check_next(store, None, Some("2"), "of any run at 20").await?;
    check_eq!(
        claim.map(|claim| claim.task.run_id),
        Some(a),
        "the run of the task at 20 that was planned first"
    );
    check_claims(store, a, &[], "of the first run at 20").await?;
    check_claims(store, b, &["2"], "of the second run at 20").await?;
    c.clock.advance_micros(10);
    check_claims(store, b, &["3"], "of the second run at 30").await?;
    check_claims(store, a, &["3"], "of the first run at 30").await?;
    Ok(())
}

pub(crate) async fn times_are_known_at_another_handle_and_after_a_reopen(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    append(&*c.store, run_id, [draft("released")]).await?;
    let claim = world::claim(&*c.store, run_id).await?;
    append(
        &*c.store,
        run_id,
        [10, 20, 30, 40].map(|at| delayed(c, &at.to_string(), at)),
    )
    .await?;
    release_for(&*c.store, &claim, 35).await?;
    let second = c.second_handle().await?;
    check_nothing(&*second, run_id, "at another handle, before the times").await?;
    c.clock.advance_micros(10);
    check_claims(&*second, run_id, &["10"], "at another handle at 10").await?;
    c.clock.advance_micros(10);
    drop(second);
    // The time of 20 came before the store was closed, that of 30 while it was.
    c.reopen().await?;
    check_next(&*c.store, run_id, Some("20"), "after a reopen at 20").await?;
    c.reopen().await?;
    c.clock.advance_micros(9);
    check_nothing(&*c.store, run_id, "after a reopen at 29").await?;
    c.clock.advance_micros(1);
    check_claims(&*c.store, run_id, &["30"], "after a reopen at 30").await?;
    c.reopen().await?;
    c.clock.advance_micros(4);
    check_nothing(&*c.store, run_id, "after a reopen at 34").await?;
    c.clock.advance_micros(1);
    check_claims(&*c.store, run_id, &["released"], "after a reopen at 35").await?;
    c.reopen().await?;
    // And a clock that ran back meanwhile.
    c.clock.set(start().saturating_add_micros(39));
    check_nothing(&*c.store, run_id, "after a reopen at 39").await?;
    c.clock.advance_micros(1);
    check_claims(&*c.store, run_id, &["40"], "after a reopen at 40").await?;
    Ok(())
}
