//! What else can become of a last attempt, and of a task whose attempts are used up (clause C8).

use runstore_core::{
    AbandonTask, BlockTask, Clock, CompleteTask, Error, FinishReport, Task, TaskDraft, TaskPlan,
    TaskStatus, UnmetDependency, WaitingReason,
};

use super::tokens::finish_calls;
use crate::calls::{check_all_accepted, check_all_refused};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::leased::{
    LEASE, calls_in_its_name, check_nothing_claimable, check_reason, check_stale, claim, micros,
    request,
};
use crate::tasks::check_task;
use crate::used_up::{at_its_last_attempt, check_new_events, count_events, end_of, used_up};
use crate::world;

pub(crate) async fn the_last_attempt_may_end_as_its_worker_says(c: &mut Context<'_>) -> Outcome {
    for (index, status, summary) in [
        (0, TaskStatus::Completed, Some("done")),
        (1, TaskStatus::Blocked, None),
        (2, TaskStatus::Abandoned, None),
    ] {
        let held = at_its_last_attempt(&*c.store).await?;
        let events = count_events(&*c.store, held.task.run_id).await?;
        // Also when the lease has run out, as long as no claim came to it.
        c.clock.advance_micros(micros(LEASE));
        let calls = finish_calls(&*c.store, held.token());
        check_all_accepted(calls.into_iter().skip(index).take(1).collect()).await?;
        let expected = Task {
            status,
            implementation_summary: summary.map(str::to_owned),
            blocker_signature: None,
            worker: None,
            lease_expires_at: None,
            updated_at: c.clock.now(),
            ..held.task
        };
        check_task(&*c.store, &expected, "a task whose last attempt settled it").await?;
        let events_now = count_events(&*c.store, expected.run_id).await?;
        check_eq!(
            events_now,
            events + 1,
            "the events after a report of one event that settled the last attempt"
        );
    }
    Ok(())
}

pub(crate) async fn an_operator_settles_what_used_its_attempts_up(c: &mut Context<'_>) -> Outcome {
    for status in [
        TaskStatus::Completed,
        TaskStatus::Abandoned,
        TaskStatus::Blocked,
    ] {
        let held = at_its_last_attempt(&*c.store).await?;
        let id = held.task.id;
        let blocked = c.store.requeue_task(id).await?;
        let events = count_events(&*c.store, blocked.run_id).await?;
        c.clock.advance_micros(1);
        let task = match status {
            TaskStatus::Completed => {
                c.store
                    .complete_task(CompleteTask::new(id, "by hand"))
                    .await?
            }
            TaskStatus::Abandoned => {
                let abandon = AbandonTask::new(id).with_summary("by hand");
                c.store.abandon_task(abandon).await?
            }
            _ => {
                c.store
                    .block_task(BlockTask::new(id).with_summary("by hand"))
                    .await?
            }
        };
        let expected = Task {
            status,
            implementation_summary: Some("by hand".to_owned()),
            blocker_signature: None,
            updated_at: c.clock.now(),
            ..blocked
        };
        check_eq!(
            task,
            expected,
            "a task with used up attempts that an operator settled"
        );
        check_task(&*c.store, &expected, "that task").await?;
        let now = count_events(&*c.store, task.run_id).await?;
        check_eq!(
            now,
            events,
            "the number of events after an operator settled it"
        );
        // Requeued once more, it is blocked once more.
        let again = c.store.requeue_task(id).await?;
        check_eq!(again, used_up(&task, c.clock.now()), "that task, requeued");
        let ends = vec![end_of(&task, 2)];
        check_new_events(c, task.run_id, events, ends, "its requeue").await?;
    }
    Ok(())
}

pub(crate) async fn the_token_of_a_blocked_last_attempt_is_stale(c: &mut Context<'_>) -> Outcome {
    for how in 0..4 {
        let held = at_its_last_attempt(&*c.store).await?;
        let run_id = held.task.run_id;
        c.clock.advance_micros(micros(LEASE));
        let store = &*c.store;
        match how {
            0 => drop(store.claim_next_task(request(run_id)).await?),
            1 => drop(store.requeue_task(held.task.id).await?),
            2 => drop(store.requeue_in_progress_tasks(run_id).await?),
            _ => drop(store.requeue_expired_tasks(Some(run_id)).await?),
        }
        let expected = used_up(&held.task, c.clock.now());
        check_task(store, &expected, "a task whose last attempt ran out").await?;
        let current = Some(expected.standing());
        if how == 0 {
            check_stale(c, run_id, held.token(), current).await?;
        } else {
            let token = held.token();
            let calls = calls_in_its_name(store, run_id, token);
            let refused = Error::StaleClaim { token, current };
            check_all_refused(store, calls, &refused).await?;
        }
    }
    Ok(())
}

pub(crate) async fn what_waits_for_used_up_attempts_goes_on_waiting(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let drafts = [
        TaskDraft::new("first", "o").with_max_attempts(1_u32),
        TaskDraft::new("second", "o").with_depends_on([0]),
    ];
    let tasks = c.store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
    let second = world::last(tasks)?;
    let held = claim(&*c.store, request(run_id)).await?;
    c.store
        .finish_task(held.token(), FinishReport::released("no"))
        .await?;
    let what = "where a task waits for one whose attempts are used up";
    check_nothing_claimable(&*c.store, run_id, what).await?;
    let unmet = UnmetDependency {
        task_id: held.task.id,
        status: TaskStatus::Blocked,
        can_complete: false,
    };
    let waits = WaitingReason::Dependencies {
        tasks: vec![unmet],
        until: None,
    };
    check_reason(&*c.store, second.id, waits, what).await?;
    let complete = CompleteTask::new(held.task.id, "by hand");
    c.store.complete_task(complete).await?;
    let next = world::claim(&*c.store, run_id).await?.task.id;
    check_eq!(
        next,
        second.id,
        "the claim once an operator completed what was used up"
    );
    Ok(())
}

pub(crate) async fn a_new_plan_abandons_the_last_attempt_too(c: &mut Context<'_>) -> Outcome {
    let held = at_its_last_attempt(&*c.store).await?;
    let run_id = held.task.run_id;
    let events = count_events(&*c.store, run_id).await?;
    c.clock.advance_micros(micros(LEASE));
    c.store
        .replace_pending_tasks(TaskPlan::new(run_id, world::drafts(1)))
        .await?;
    let expected = Task {
        status: TaskStatus::Abandoned,
        worker: None,
        lease_expires_at: None,
        updated_at: c.clock.now(),
        ..held.task
    };
    check_task(
        &*c.store,
        &expected,
        "a last attempt left out of a new plan",
    )
    .await?;
    check_new_events(c, run_id, events, vec![], "a new plan").await?;
    let next = world::claim(&*c.store, run_id).await?.task.position;
    check_eq!(next, 2, "the position claimed of the new plan");
    Ok(())
}
