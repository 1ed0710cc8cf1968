//! What claims take when leases have run out, beside all else (clauses C1 and C7).

use runstore_core::{
    ClaimRequest, Clock, CompleteTask, Error, FinishReport, Heartbeat, Task, TaskDraft, TaskPlan,
    TaskStatus, WaitingReason,
};

use super::tokens::fenced_calls;
use crate::calls::{call, check_all_accepted, check_all_refused};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::leased::{
    LEASE, LONG, Way, check_nothing_claimable, check_reason, claim, in_progress, leased, micros,
    request,
};
use crate::tasks::{check_task, tasks_of};
use crate::world;

pub(crate) async fn what_ran_out_is_claimed_in_the_order_of_what_is_pending(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 6).await?;
    let unleased = ClaimRequest::of_run(run.id);
    let longer = unleased.clone().with_lease(LEASE * 3);
    // 1 and 4 run out together, 5 later, 2 never; 3 and 6 are pending.
    let leased = request(run.id);
    for request in [&leased, &unleased, &unleased, &leased, &longer] {
        claim(&*c.store, request.clone()).await?;
    }
    if let Some(third) = tasks.get(2) {
        c.store.requeue_task(third.id).await?;
    }
    c.clock.advance_micros(micros(LEASE));
    for (position, attempts) in [(1, 2), (3, 2), (4, 2), (6, 1)] {
        let task = world::claim(&*c.store, run.id).await?.task;
        check_eq!(
            (task.position, task.attempt_count),
            (position, attempts),
            "the next claim where 1 and 4 ran out, 3 and 6 are pending, 2 and 5 are held"
        );
    }
    check_nothing_claimable(&*c.store, run.id, "where all that is left is held").await?;
    c.clock.advance_micros(micros(LEASE) * 2);
    let last = world::claim(&*c.store, run.id).await?.task.position;
    check_eq!(
        last,
        5,
        "the position claimed when the longest lease ran out"
    );

    let run_id = world::run(&*c.store).await?.id;
    let draft = |priority| TaskDraft::new("t", "o").with_priority(priority);
    let plan = |drafts: Vec<TaskDraft>| TaskPlan::new(run_id, drafts);
    let drafts = [0, 5, 0].map(draft).to_vec();
    c.store.append_tasks(plan(drafts)).await?;
    for _ in 0..2 {
        claim(&*c.store, request(run_id)).await?;
    }
    c.store
        .append_tasks(plan([3, 9].map(draft).to_vec()))
        .await?;
    c.clock.advance_micros(micros(LEASE));
    for position in [5, 2, 4, 1, 3] {
        let task = world::claim(&*c.store, run_id).await?.task;
        check_eq!(
            task.position,
            position,
            "the next claim among pending tasks (3, 4, 5) and run-out ones (1, 2) of priorities 0, 5, 0, 3, 9"
        );
    }
    Ok(())
}

pub(crate) async fn what_ran_out_is_claimed_with_others_and_from_any_run(
    c: &mut Context<'_>,
) -> Outcome {
    let (a, a_tasks) = world::planned(&*c.store, 3).await?;
    let (b, b_tasks) = world::planned(&*c.store, 2).await?;
    for run_id in [a.id, b.id] {
        claim(&*c.store, request(run_id)).await?;
    }
    let held = claim(&*c.store, ClaimRequest::of_run(a.id)).await?;
    c.clock.advance_micros(micros(LEASE));
    let mut claims = c.store.claim_tasks(ClaimRequest::of_any_run(), 3).await?;
    claims.extend(c.store.claim_next_task(ClaimRequest::of_any_run()).await?);
    let taken: Vec<_> = claims
        .iter()
        .map(|claim| (claim.task.id, claim.task.attempt_count))
        .collect();
    let expected = a_tasks
        .iter()
        .zip([2, 0, 1])
        .chain(b_tasks.iter().zip([2, 1]));
    let expected: Vec<_> = expected
        .filter(|(task, _)| task.id != held.task.id)
        .map(|(task, attempts)| (task.id, attempts))
        .collect();
    check_eq!(
        taken,
        expected,
        "tasks and attempts of claims of any run, three in a batch and one more, where the first task of \
         each of two runs ran out"
    );
    let none = c.store.claim_next_task(ClaimRequest::of_any_run()).await?;
    check_eq!(none, None, "a claim of any run when all tasks are held");
    Ok(())
}

pub(crate) async fn a_clock_that_runs_back_gives_a_lease_its_time_again(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::planned(&*c.store, 2).await?;
    let first = claim(&*c.store, request(run.id)).await?.task;
    let second = claim(&*c.store, request(run.id)).await?.task;
    c.clock.advance_micros(micros(LEASE));
    // The claim of the first finds that the second has run out too.
    let taken = world::claim(&*c.store, run.id).await?.task.id;
    check_eq!(taken, first.id, "the first of two tasks that ran out");
    for back in [1, LONG] {
        c.clock.advance_micros(-back);
        let what = format!("when the clock went {back} µs back before the end of a lease");
        check_nothing_claimable(&*c.store, run.id, &what).await?;
        check_reason(&*c.store, second.id, in_progress(&second), &what).await?;
        c.clock.advance_micros(back);
        check_reason(&*c.store, second.id, WaitingReason::Claimable, "then").await?;
    }
    c.clock.advance_micros(-1);
    c.reopen().await?;
    check_nothing_claimable(&*c.store, run.id, "after a reopen, before a lease runs out").await?;
    c.clock.advance_micros(1);
    let taken = world::claim(&*c.store, run.id).await?.task;
    check_eq!(
        (taken.id, taken.attempt_count),
        (second.id, 2),
        "task and attempts of a claim once the clock shows the end of the lease again"
    );
    // A claim made while the clock stands earlier ends earlier.
    c.clock.advance_micros(-LONG);
    let (_, early) = leased(&*c.store).await?;
    let end = c.clock.now().saturating_add(LEASE);
    check_eq!(
        early.task.lease_expires_at,
        Some(end),
        "the end of a lease claimed after the clock ran back"
    );
    Ok(())
}

pub(crate) async fn each_lease_runs_out_by_itself(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 3).await?;
    let (other, there) = leased(&*c.store).await?;
    for factor in [3, 1, 2] {
        let request = ClaimRequest::of_run(run.id).with_lease(LEASE * factor);
        claim(&*c.store, request).await?;
    }
    let mut tasks = tasks_of(&*c.store, run.id).await?;
    for position in [2_u64, 3, 1] {
        c.clock.advance_micros(micros(LEASE) - 1);
        check_nothing_claimable(&*c.store, run.id, "before the next of three leases").await?;
        c.clock.advance_micros(1);
        let taken = world::claim(&*c.store, run.id).await?.task;
        check_eq!(
            taken.position,
            position,
            "the position of the lease that ran out"
        );
        for task in tasks.iter_mut().filter(|task| task.id == taken.id) {
            task.clone_from(&taken);
        }
        check_eq!(
            tasks_of(&*c.store, run.id).await?,
            tasks,
            "the tasks after one of three was taken over"
        );
        check_nothing_claimable(&*c.store, run.id, "after one of three leases").await?;
    }
    check_task(
        &*c.store,
        &there.task,
        "a task of another run, which ran out too",
    )
    .await?;
    world::claim(&*c.store, other.id).await?;
    Ok(())
}

pub(crate) async fn what_ran_out_waits_for_what_it_depends_on(c: &mut Context<'_>) -> Outcome {
    // Also when it was requeued as expired, which asks for no dependency.
    for requeued in [false, true] {
        let run_id = world::run(&*c.store).await?.id;
        let drafts = [
            TaskDraft::new("first", "o"),
            TaskDraft::new("second", "o").with_depends_on([0]),
        ];
        let tasks = c.store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
        let first = world::first(tasks)?;
        let done = || c.store.complete_task(CompleteTask::new(first.id, "done"));
        done().await?;
        let mut held = claim(&*c.store, request(run_id)).await?.task;
        c.store.requeue_task(first.id).await?;
        c.clock.advance_micros(micros(LEASE));
        let again = world::claim(&*c.store, run_id).await?.task.id;
        check_eq!(
            again,
            first.id,
            "the claim of what a run-out task depends on"
        );
        if requeued {
            let number = c.store.requeue_expired_tasks(Some(run_id)).await?;
            check_eq!(number, 1, "the tasks requeued that ran out and wait");
            held = Task {
                status: TaskStatus::Pending,
                worker: None,
                lease_expires_at: None,
                updated_at: c.clock.now(),
                ..held
            };
        }
        let what = "of a run-out task whose dependency was requeued";
        check_nothing_claimable(&*c.store, run_id, what).await?;
        check_task(&*c.store, &held, "a run-out task that waits for another").await?;
        done().await?;
        let taken = world::claim(&*c.store, run_id).await?.task;
        check_eq!(
            (taken.id, taken.attempt_count),
            (held.id, 2),
            "task and attempts of a claim once the dependency of a run-out task was completed"
        );
    }
    Ok(())
}

pub(crate) async fn what_ran_out_is_claimed_by_its_place_and_not_by_its_end(
    c: &mut Context<'_>,
) -> Outcome {
    for of_any_run in [false, true] {
        let (run, _) = world::planned(&*c.store, 4).await?;
        // The ends come in the order 4, 2, 1, 3.
        for factor in [3, 2, 4, 1] {
            let request = ClaimRequest::of_run(run.id).with_lease(LEASE * factor);
            claim(&*c.store, request).await?;
        }
        c.clock.advance_micros(micros(LEASE) * 4);
        let again = match of_any_run {
            true => ClaimRequest::of_any_run(),
            false => ClaimRequest::of_run(run.id),
        };
        let mut claims = vec![claim(&*c.store, again.clone()).await?];
        claims.push(claim(&*c.store, again.clone()).await?);
        claims.extend(c.store.claim_tasks(again, 9).await?);
        let positions: Vec<_> = claims.iter().map(|claim| claim.task.position).collect();
        check_eq!(
            positions,
            [1, 2, 3, 4],
            "the positions of two claims and a batch when the leases of 4, 2, 1 and 3 had run out in this order"
        );
    }
    Ok(())
}

pub(crate) async fn a_takeover_leaves_the_other_claims(c: &mut Context<'_>) -> Outcome {
    for way in Way::ALL {
        let (run, _) = world::planned(&*c.store, 3).await?;
        let claims = c.store.claim_tasks(request(run.id), 3).await?;
        c.clock.advance_micros(micros(LEASE));
        let taken = way
            .claim(&*c.store, ClaimRequest::of_run(run.id))
            .await?
            .map(|claim| claim.task.position);
        check_eq!(taken, Some(1), "what {way:?} takes of three that ran out");
        for held in claims.iter().skip(1) {
            let what = format!("a task that ran out beside one taken over by {way:?}");
            check_task(&*c.store, &held.task, &what).await?;
            check_all_accepted(fenced_calls(&*c.store, run.id, held.token())).await?;
            let report = FinishReport::completed("done");
            let task = c.store.finish_task(held.token(), report).await?;
            check_eq!(task.status, TaskStatus::Completed, "{what}, reported");
        }
    }
    Ok(())
}

pub(crate) async fn a_lease_that_was_seen_to_end_goes_on_when_the_clock_runs_back(
    c: &mut Context<'_>,
) -> Outcome {
    for seen_by in ["a claim", "a heartbeat", "a requeue", "an inquiry"] {
        let (run, _) = world::planned(&*c.store, 2).await?;
        let claims = c.store.claim_tasks(request(run.id), 2).await?;
        let held = world::last(claims)?;
        let (token, store) = (held.token(), &*c.store);
        c.clock.advance_micros(micros(LEASE));
        match seen_by {
            // It takes the first task and finds that the second has run out too.
            "a claim" => drop(world::claim(store, run.id).await?),
            "a heartbeat" => {
                let current = Some(held.task.standing());
                let late = call!(store, heartbeat(Heartbeat::new(token, LEASE)));
                let refused = Error::StaleClaim { token, current };
                check_all_refused(store, vec![late], &refused).await?;
            }
            "a requeue" => {
                let (other, _) = leased(store).await?;
                store.requeue_expired_tasks(Some(other.id)).await?;
                store.delete_run(other.id).await?;
            }
            _ => drop(store.waiting_reason(held.task.id).await?),
        }
        c.clock.advance_micros(-1);
        for scope in [None, Some(run.id)] {
            let number = store.requeue_expired_tasks(scope).await?;
            check_eq!(
                number,
                0,
                "the tasks requeued when the clock went back before an end that {seen_by} had seen"
            );
        }
        check_task(store, &held.task, "the task whose end was seen").await?;
        let end = c.clock.now().saturating_add(LEASE);
        check_eq!(
            store.heartbeat(Heartbeat::new(token, LEASE)).await?,
            Some(end),
            "the end after a heartbeat when the clock went back before an end that {seen_by} had seen"
        );
        c.clock.advance_micros(micros(LEASE) - 1);
        let number = store.requeue_expired_tasks(Some(run.id)).await?;
        let expected = u64::from(seen_by != "a claim");
        check_eq!(number, expected, "the tasks requeued before its new end");
        store.delete_run(run.id).await?;
    }
    Ok(())
}
