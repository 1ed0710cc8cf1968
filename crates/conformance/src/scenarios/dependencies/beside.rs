//! A task that waits for others, beside its place, its time and its record.

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::planning::{
    append, check_claims, check_next, check_nothing, complete, draft, finish, ids, in_micros,
    named, waits_for_two,
};
use crate::tasks::check_task;
use crate::world;

pub(crate) async fn a_task_that_waits_holds_its_place_and_holds_up_no_other(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a] = ids();
    let drafts = [
        draft("waits, first").with_depends_on([a]),
        draft("waits, urgent").with_priority(9).with_depends_on([a]),
        draft("b"),
        named(a, "a").with_priority(-9),
        draft("waits, last").with_depends_on([a]).with_priority(-1),
        draft("c").with_priority(-10),
        draft("d").with_priority(-11),
    ];
    append(store, run_id, drafts).await?;
    for (title, what) in [("b", "before a"), ("a", "after b")] {
        check_next(store, run_id, Some(title), what).await?;
    }
    complete(store, a).await?;
    append(store, run_id, [draft("later")]).await?;
    let expected = [
        "waits, urgent",
        "waits, first",
        "later",
        "waits, last",
        "c",
        "d",
    ];
    check_claims(store, run_id, &expected, "once a was completed").await?;
    Ok(())
}

pub(crate) async fn a_task_waits_for_its_time_and_for_others(c: &mut Context<'_>) -> Outcome {
    for time_first in [false, true] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let time = in_micros(c, 10);
        let waiting = draft("waiting").with_not_before(time).with_depends_on([0]);
        append(store, run_id, [draft("a"), waiting]).await?;
        let claims = check_claims(store, run_id, &["a"], "before the time").await?;
        let claim = world::first(claims)?;
        if time_first {
            c.clock.set(time);
            check_nothing(store, run_id, "when the time came and a was in progress").await?;
            c.clock.advance_micros(5);
            finish(store, &claim).await?;
        } else {
            finish(store, &claim).await?;
            check_nothing(store, run_id, "when a was completed before the time").await?;
            c.clock.set(time.saturating_add_micros(-1));
            check_nothing(store, run_id, "a microsecond before the time").await?;
            c.clock.set(time);
        }
        check_claims(store, run_id, &["waiting"], "once both had come").await?;
    }
    // A clock that ran back after both had come.
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let time = in_micros(c, 10);
    let [a] = ids();
    let waiting = draft("waiting").with_not_before(time).with_depends_on([a]);
    append(store, run_id, [named(a, "a"), waiting]).await?;
    c.clock.set(time);
    complete(store, a).await?;
    c.clock.advance_micros(-1);
    check_nothing(store, run_id, "when the clock ran back").await?;
    c.clock.advance_micros(1);
    check_claims(store, run_id, &["waiting"], "when its time came again").await?;
    Ok(())
}

pub(crate) async fn completing_a_task_leaves_its_dependents_records_alone(
    c: &mut Context<'_>,
) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let [a, b, waiting] = waits_for_two(store, run_id).await?;
    let before = store.get_task(waiting).await?;
    for task_id in [a, b] {
        c.clock.advance_micros(1_000);
        complete(store, task_id).await?;
        check_task(store, &before, "a task whose dependency was completed").await?;
    }
    c.clock.advance_micros(1_000);
    store.requeue_task(a).await?;
    check_task(store, &before, "a task whose dependency was requeued").await?;
    let events = store.recent_events(run_id, 50).await?;
    check_eq!(
        events.len(),
        2,
        "the number of events after a creation, two completions and a requeue"
    );
    Ok(())
}
