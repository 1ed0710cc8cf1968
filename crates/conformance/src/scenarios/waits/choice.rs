//! Which of the tasks that are claimable a wait is given, and that every claimable task is worth a wake-up.

use std::time::Duration;

use runstore_core::{ClaimRequest, Clock, Dependency, TaskDraft, TaskPlan, Timestamp};

use super::waiter::{LONG, Waits};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::planning::{append, append_one, complete, draft};
use crate::world;

const HOUR: Duration = Duration::from_secs(60 * 60);

fn of_priorities(priorities: [i32; 4]) -> [TaskDraft; 4] {
    priorities.map(crate::planning::of_priority)
}

pub(crate) async fn a_wait_is_given_the_first_in_the_order_of_claims(
    c: &mut Context<'_>,
) -> Outcome {
    const PRIORITIES: [i32; 4] = [0, -7, 5, 5];
    let waits = Waits::on(c).await?;
    let store = &*c.store;
    for of_run in [true, false] {
        let run_id = world::run(store).await?.id;
        let request = || match of_run {
            true => ClaimRequest::of_run(run_id),
            false => ClaimRequest::of_any_run(),
        };
        // Where they are there already, planned during the wait, and due during the wait.
        append(store, run_id, of_priorities(PRIORITIES)).await?;
        let there = c.store.claim_or_wait(request(), LONG);
        let there = c.patiently("a wait where tasks are claimable", there);
        check_eq!(
            there.await??.map(|claim| claim.task.position),
            Some(3),
            "the position of what a wait is given at once: of the highest priority the first"
        );
        store
            .replace_pending_tasks(TaskPlan::new(run_id, []))
            .await?;
        let waiter = waits.begin(request(), LONG).await?;
        append(store, run_id, of_priorities(PRIORITIES)).await?;
        let claim = waits.claimed(waiter, "a wait for new tasks").await?;
        check_eq!(
            claim.task.position,
            7,
            "the position of what a wait is given of a new plan: of the highest priority the first"
        );
        store
            .replace_pending_tasks(TaskPlan::new(run_id, []))
            .await?;
        let at = c.clock.now().saturating_add(HOUR);
        let due = of_priorities(PRIORITIES).map(|draft| draft.with_not_before(at));
        append(store, run_id, due).await?;
        let waiter = waits.begin(request(), LONG).await?;
        c.clock.set(at);
        let claim = waits
            .claimed(waiter, "a wait for tasks that are due")
            .await?;
        check_eq!(
            claim.task.position,
            11,
            "the position of what a wait is given of what became due together"
        );
        store.delete_run(run_id).await?;
    }
    Ok(())
}

pub(crate) async fn a_task_of_any_schedule_ends_the_wait(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    let store = &*c.store;
    let run_id = world::run(store).await?.id;
    let done = append_one(store, run_id, draft("done")).await?.id;
    complete(store, done).await?;
    let now = c.clock.now();
    let drafts = [
        draft("low").with_priority(-1),
        draft("lowest").with_priority(i32::MIN),
        draft("highest").with_priority(i32::MAX),
        draft("due now").with_not_before(now),
        draft("due before").with_not_before(now.saturating_add_micros(-1)),
        draft("due ever").with_not_before(Timestamp::MIN),
        draft("released").with_depends_on([Dependency::from(done)]),
        draft("bounded").with_max_attempts(1_u32),
    ];
    for draft in drafts {
        let waiter = waits.begin(ClaimRequest::of_run(run_id), LONG).await?;
        let task = append_one(store, run_id, draft).await?;
        let what = format!("a wait for the task {:?}", task.title);
        let claim = waits.claimed(waiter, &what).await?;
        check_eq!(claim.task.id, task.id, "the task that {what} ended with");
    }
    Ok(())
}
