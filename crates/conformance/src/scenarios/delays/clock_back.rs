//! Times that come again, for the clock ran back.

use super::check_from;
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::planning::{
    append, append_one, check_claims, check_next, check_nothing, check_reason, draft, in_micros,
    next_of, titles, until,
};
use crate::world;

pub(crate) async fn a_clock_that_ran_back_makes_a_ready_task_wait_again(
    c: &mut Context<'_>,
) -> Outcome {
    // Either it became ready while it waited, or it was so when it was planned.
    for planned_ready in [false, true] {
        let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
        let time = in_micros(c, 100);
        if planned_ready {
            c.clock.set(time);
        }
        let first = [draft("a").with_priority(2), draft("b").with_priority(2)];
        append(store, run_id, first).await?;
        let waiting = draft("waiting").with_priority(1).with_not_before(time);
        let task = append_one(store, run_id, waiting).await?;
        append_one(store, run_id, draft("c")).await?;
        c.clock.set(time);
        // Claims look at what has become due, in the run and in all.
        check_next(store, run_id, Some("a"), "when its time had come").await?;
        check_next(store, None, Some("b"), "when its time had come").await?;
        c.clock.advance_micros(-1);
        check_reason(store, task.id, until(time), "when the clock ran back").await?;
        // The one that cannot be claimed now is passed over.
        check_next(store, run_id, Some("c"), "when the clock ran back").await?;
        check_nothing(store, run_id, "when the clock ran back").await?;
        c.clock.advance_micros(-1_000_000);
        check_nothing(store, run_id, "when the clock ran further back").await?;
        let what = "when the clock had run back before";
        check_from(c, run_id, time, &["waiting"], what).await?;
    }
    Ok(())
}

pub(crate) async fn a_clock_that_ran_back_is_seen_by_every_kind_of_claim(
    c: &mut Context<'_>,
) -> Outcome {
    for batch in [false, true] {
        for scope_is_run in [false, true] {
            let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
            let scope = scope_is_run.then_some(run_id);
            let time = in_micros(c, 100);
            append(
                store,
                run_id,
                [draft("a"), draft("b").with_not_before(time)],
            )
            .await?;
            c.clock.set(time);
            check_next(store, scope, Some("a"), "when the time of b had come").await?;
            c.clock.advance_micros(-1);
            let early = match batch {
                true => titles(store.claim_tasks(next_of(scope), 5).await?),
                false => check_next(store, scope, None, "when the clock ran back")
                    .await
                    .map(|_| Vec::new())?,
            };
            check_eq!(
                early,
                Vec::<String>::new(),
                "the tasks of a batch when the clock ran back"
            );
            c.clock.advance_micros(1);
            check_claims(store, scope, &["b"], "when its time came again").await?;
        }
    }
    Ok(())
}
