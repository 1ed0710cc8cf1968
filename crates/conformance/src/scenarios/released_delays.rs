//! Tasks that were released with a delay, until they are claimed or settled (clauses C5, C9 and T4).

use std::time::Duration;

use runstore_core::{
    AbandonTask, BlockTask, Claim, ClaimRequest, Clock, CompleteTask, Error, FinishReport, Task,
    TaskDraft, TaskPlan, TaskStatus,
};

use super::releases::{DELAY, delayed, release};
use crate::calls::{call, check_all_refused};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_run_unchanged, check_unchanged};
use crate::leased::{LONG, check_nothing_claimable, claim, micros, request};
use crate::tasks::{check_task, tasks_of};
use crate::world;

pub(crate) async fn a_delayed_task_is_passed_over_and_comes_back_to_its_place(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::planned(&*c.store, 4).await?;
    let (other, _) = world::planned(&*c.store, 1).await?;
    let held = claim(&*c.store, request(run.id)).await?;
    let there = Dump::of_run(&*c.store, other.id).await?;
    release(&*c.store, &held, DELAY).await?;
    let second = world::claim(&*c.store, run.id).await?.task.position;
    check_eq!(
        second,
        2,
        "the position claimed while the first task is delayed"
    );
    c.clock.advance_micros(micros(DELAY) - 1);
    let third = world::claim(&*c.store, run.id).await?.task.position;
    check_eq!(
        third,
        3,
        "the position claimed just before the delay is over"
    );
    c.clock.advance_micros(1);
    let claims = c.store.claim_tasks(ClaimRequest::of_run(run.id), 2).await?;
    let positions: Vec<_> = claims.iter().map(|claim| claim.task.position).collect();
    check_eq!(
        positions,
        [1, 4],
        "the positions claimed once the delay is over"
    );
    check_run_unchanged(&*c.store, &there, other.id, "a release with a delay").await
}

pub(crate) async fn a_delay_is_kept_as_given_whatever_the_time_of_the_plan(
    c: &mut Context<'_>,
) -> Outcome {
    let run = world::run(&*c.store).await?;
    let planned = c.clock.now().saturating_add(10 * DELAY);
    let draft = TaskDraft::new("t", "o").with_not_before(planned);
    c.store.append_tasks(TaskPlan::new(run.id, [draft])).await?;
    c.clock.set(planned);
    let held = claim(&*c.store, request(run.id)).await?;
    // With the clock set back, the delay is over before the time of the plan.
    let now = planned.saturating_add_micros(-2 * micros(DELAY));
    c.clock.set(now);
    let released = release(&*c.store, &held, DELAY).await?;
    check_eq!(
        (released.delayed_until, released.not_before),
        (Some(now.saturating_add(DELAY)), Some(planned)),
        "the end of the delay and the time of the plan, which is the later"
    );
    check_nothing_claimable(&*c.store, run.id, "before the time of the plan").await?;
    c.clock.set(planned);
    claim(&*c.store, request(run.id)).await.map(|_| ())
}

pub(crate) async fn a_delay_goes_with_the_next_claim(c: &mut Context<'_>) -> Outcome {
    let (run_id, _) = delayed(&*c.store).await?;
    c.clock.advance_micros(micros(DELAY));
    let again = claim(&*c.store, request(run_id)).await?;
    // Back in the queue by any other way, it does not wait for a delay of an earlier release.
    c.clock.advance_micros(-1_000);
    let back = c.store.requeue_task(again.task.id).await?;
    check_eq!(
        back.delayed_until,
        None,
        "the delay of a task claimed and requeued since"
    );
    let again = claim(&*c.store, request(run_id)).await?;
    c.store.requeue_in_progress_tasks(run_id).await?;
    let third = claim(&*c.store, request(run_id)).await?;
    check_eq!(
        (again.task.attempt_count, third.task.attempt_count),
        (3, 4),
        "the attempts of claims after requeues, the clock a little back"
    );
    // A new delay is its own, shorter or longer than the one before.
    for delay in [DELAY * 2, Duration::from_micros(5)] {
        let held = c.store.get_task(third.task.id).await?;
        let held = match held.status {
            TaskStatus::InProgress => Claim { task: held },
            _ => world::claim(&*c.store, run_id).await?,
        };
        let end = c.clock.now().saturating_add(delay);
        let task = release(&*c.store, &held, delay).await?;
        check_eq!(
            task.delayed_until,
            Some(end),
            "the end of a new delay of {delay:?}"
        );
        c.clock.advance_micros(micros(delay));
    }
    let held = world::claim(&*c.store, run_id).await?;
    let report = FinishReport::released("now");
    let task = c.store.finish_task(held.token(), report).await?;
    check_eq!(
        task.delayed_until,
        None,
        "the delay after a release without one"
    );
    c.clock.advance_micros(-LONG);
    world::claim(&*c.store, run_id).await?;
    Ok(())
}

pub(crate) async fn a_delay_goes_when_the_task_is_settled(c: &mut Context<'_>) -> Outcome {
    let mut all = Vec::new();
    for how in 0..4 {
        let (run_id, task) = delayed(&*c.store).await?;
        c.clock.advance_micros(1);
        let id = task.id;
        let settled = match how {
            0 => c.store.complete_task(CompleteTask::new(id, "done")).await?,
            1 => c.store.block_task(BlockTask::new(id)).await?,
            2 => c.store.abandon_task(AbandonTask::new(id)).await?,
            _ => {
                let plan = TaskPlan::new(run_id, world::drafts(1));
                c.store.replace_pending_tasks(plan).await?;
                c.store.get_task(id).await?
            }
        };
        let status = settled.status;
        let expected = Task {
            status,
            delayed_until: None,
            updated_at: c.clock.now(),
            implementation_summary: settled.implementation_summary.clone(),
            blocker_signature: settled.blocker_signature.clone(),
            ..task
        };
        check_eq!(settled, expected, "a delayed task that became {status}");
        let what = format!("a delayed task that became {status}");
        check_task(&*c.store, &expected, &what).await?;
        all.push(expected);
    }
    c.reopen().await?;
    for task in all {
        check_task(
            &*c.store,
            &task,
            "a delayed task that was settled, after a reopen",
        )
        .await?;
        let back = c.store.requeue_task(task.id).await?;
        check_eq!(
            back.delayed_until,
            None,
            "the delay of a task settled and requeued"
        );
        let again = world::claim(&*c.store, task.run_id).await?.task.id;
        check_eq!(again, task.id, "what is claimed at once after that");
    }
    Ok(())
}

pub(crate) async fn a_delayed_task_is_pending(c: &mut Context<'_>) -> Outcome {
    let (run_id, task) = delayed(&*c.store).await?;
    let before = Dump::of(&*c.store).await?;
    c.clock.advance_micros(1);
    let refused = Error::InvalidTransition {
        task_id: task.id,
        from: TaskStatus::Pending,
        to: TaskStatus::Pending,
    };
    let requeue = call!(c.store, requeue_task(task.id));
    check_all_refused(&*c.store, vec![requeue], &refused).await?;
    for scope in [None, Some(run_id)] {
        let number = c.store.requeue_expired_tasks(scope).await?;
        check_eq!(
            number,
            0,
            "the tasks requeued as expired where one is delayed"
        );
    }
    let number = c.store.requeue_in_progress_tasks(run_id).await?;
    check_eq!(
        number,
        0,
        "the tasks requeued on resume where one is delayed"
    );
    check_unchanged(&*c.store, &before, "a requeue where a task is delayed").await?;
    let plan = TaskPlan::new(run_id, [TaskDraft::new("t", "o")]);
    c.store.append_tasks(plan).await?;
    check_task(
        &*c.store,
        &task,
        "a delayed task after another was appended",
    )
    .await
}

pub(crate) async fn a_clock_that_runs_back_gives_a_delay_its_time_again(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::planned(&*c.store, 2).await?;
    let claims = c.store.claim_tasks(request(run.id), 2).await?;
    for held in &claims {
        release(&*c.store, held, DELAY).await?;
    }
    c.clock.advance_micros(micros(DELAY));
    // The claim of the first finds that the second is due too.
    let first = world::claim(&*c.store, run.id).await?.task.position;
    check_eq!(first, 1, "the first of two tasks whose delays are over");
    for back in [1, LONG] {
        c.clock.advance_micros(-back);
        let what = format!("when the clock went {back} µs back before the end of a delay");
        check_nothing_claimable(&*c.store, run.id, &what).await?;
        c.clock.advance_micros(back);
    }
    let second = world::claim(&*c.store, run.id).await?.task.position;
    check_eq!(
        second,
        2,
        "what is claimed when the clock shows the end of the delay again"
    );
    Ok(())
}

pub(crate) async fn each_delay_is_over_by_itself(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 3).await?;
    let claims = c.store.claim_tasks(request(run.id), 3).await?;
    for (held, factor) in claims.iter().zip([3, 1, 2]) {
        release(&*c.store, held, DELAY * factor).await?;
    }
    c.reopen().await?;
    for position in [2, 3, 1] {
        c.clock.advance_micros(micros(DELAY) - 1);
        check_nothing_claimable(&*c.store, run.id, "before the next of three delays").await?;
        c.clock.advance_micros(1);
        let taken = world::claim(&*c.store, run.id).await?.task.position;
        check_eq!(
            taken,
            position,
            "the position of the task whose delay is over"
        );
    }
    let left = tasks_of(&*c.store, run.id).await?;
    check_eq!(
        left.iter()
            .filter(|task| task.delayed_until.is_some())
            .count(),
        0,
        "the tasks that show a delay after all were claimed again"
    );
    Ok(())
}

pub(crate) async fn the_later_of_delay_and_planned_time_counts(c: &mut Context<'_>) -> Outcome {
    for (planned, waits) in [(DELAY / 2, DELAY), (DELAY * 2, DELAY * 2)] {
        let run_id = world::run(&*c.store).await?.id;
        let now = c.clock.now();
        let draft = TaskDraft::new("t", "o").with_not_before(now.saturating_add(planned));
        c.store.append_tasks(TaskPlan::new(run_id, [draft])).await?;
        // Claimed when its time had come, and released after the clock was set back.
        c.clock.advance_micros(micros(planned));
        let held = claim(&*c.store, request(run_id)).await?;
        c.clock.advance_micros(-micros(planned));
        release(&*c.store, &held, DELAY).await?;
        c.clock.advance_micros(micros(waits) - 1);
        check_nothing_claimable(&*c.store, run_id, "before the later of two times").await?;
        c.clock.advance_micros(1);
        world::claim(&*c.store, run_id).await?;
    }
    Ok(())
}
