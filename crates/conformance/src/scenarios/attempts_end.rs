//! Claims that come to tasks whose attempts are used up (clause C8).

use std::time::Duration;

use runstore_core::{
    BlockTask, ClaimRequest, Clock, CompleteTask, FinishReport, ListEvents, Run, Task, TaskDraft,
    TaskId, TaskPlan, TaskStatus, WaitingReason,
};
use serde_json::json;

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_run_unchanged, check_unchanged};
use crate::leased::{
    LEASE, LONG, Way, check_nothing_claimable, check_reason, claim, in_progress, micros, request,
};
use crate::tasks::{check_task, tasks_of};
use crate::used_up::{bounded, check_new_events, count_events, end_of, used_up};
use crate::world;

/// Every way by which a claimed task comes back to the queue.
const ROADS: [&str; 5] = [
    "release",
    "requeue",
    "resume",
    "requeue of expired",
    "expiry",
];

pub(crate) async fn a_task_is_claimed_as_often_as_its_bound_says(c: &mut Context<'_>) -> Outcome {
    let mut ended = Vec::new();
    for road in ROADS {
        for bound in [1, 3] {
            let (run, _) = bounded(&*c.store, &[Some(bound)]).await?;
            for number in 1..=bound {
                let held = claim(&*c.store, request(run.id)).await?;
                check_eq!(
                    held.task.attempt_count,
                    number,
                    "the attempts of claim {number} of {bound}, each followed by a {road}"
                );
                c.clock.advance_micros(micros(LEASE));
                let store = &*c.store;
                match road {
                    "release" => {
                        let report = FinishReport::released("no");
                        store.finish_task(held.token(), report).await?;
                    }
                    "requeue" => drop(store.requeue_task(held.task.id).await?),
                    "resume" => drop(store.requeue_in_progress_tasks(run.id).await?),
                    "requeue of expired" => drop(store.requeue_expired_tasks(None).await?),
                    _ => {}
                }
            }
            let last = c.store.claim_next_task(request(run.id)).await?;
            check_eq!(
                last,
                None,
                "a claim after {bound} attempts that ended by {road}"
            );
            let task = world::first(tasks_of(&*c.store, run.id).await?)?;
            check_eq!(
                (
                    task.status,
                    task.attempt_count,
                    task.blocker_signature.as_deref()
                ),
                (TaskStatus::Blocked, bound, Some("max_attempts")),
                "a task bounded to {bound} attempts after as many, by {road}"
            );
            ended.push(task);
        }
    }
    c.clock.advance_micros(LONG);
    c.reopen().await?;
    for task in ended {
        let what = "of a task whose attempts are used up, after a long time and a reopen";
        check_nothing_claimable(&*c.store, task.run_id, what).await?;
        check_task(&*c.store, &task, "a task whose attempts are used up").await?;
        let settled = WaitingReason::Settled {
            status: TaskStatus::Blocked,
        };
        check_reason(&*c.store, task.id, settled, what).await?;
    }
    Ok(())
}

/// A run in which a claim with a bound of 1 finds the first two tasks used up and takes the third. The
/// first is in progress and ran out under a bound of 2 of its own, the second is pending and has none.
async fn two_used_up(c: &Context<'_>) -> Outcome<(Run, Vec<Task>)> {
    let store = &*c.store;
    let (run, _) = bounded(store, &[Some(2), None, None, None]).await?;
    let claims = store.claim_tasks(request(run.id), 2).await?;
    for held in &claims {
        let report = FinishReport::released("no");
        store.finish_task(held.token(), report).await?;
    }
    claim(store, request(run.id)).await?;
    c.clock.advance_micros(micros(LEASE));
    Ok((run.clone(), tasks_of(store, run.id).await?))
}

pub(crate) async fn a_claim_blocks_what_is_used_up_and_goes_on(c: &mut Context<'_>) -> Outcome {
    let (bystander, _) = world::populated(&*c.store).await?;
    let there = Dump::of_run(&*c.store, bystander.id).await?;
    for way in Way::ALL {
        let (run, before) = two_used_up(c).await?;
        let events = count_events(&*c.store, run.id).await?;
        let record = c.store.get_run(run.id).await?;
        let bound = ClaimRequest::of_run(run.id).with_max_attempts(1_u32);
        let taken = way.claim(&*c.store, bound).await?;
        let now = c.clock.now();
        let mut expected = before.clone();
        let mut ends = Vec::new();
        for (task, (old, bound)) in expected.iter_mut().zip(before.iter().zip([2, 1])) {
            *task = used_up(old, now);
            ends.push(end_of(old, bound));
        }
        for task in expected.iter_mut().skip(2).take(1) {
            task.status = TaskStatus::InProgress;
            task.attempt_count = 1;
            task.updated_at = now;
            check_eq!(
                taken.as_ref().map(|claim| &claim.task),
                Some(&*task),
                "what {way:?} gives behind two tasks whose attempts are used up"
            );
        }
        check_eq!(
            tasks_of(&*c.store, run.id).await?,
            expected,
            "the tasks after it"
        );
        let what = format!("{way:?} that came to two tasks whose attempts are used up");
        check_new_events(c, run.id, events, ends, &what).await?;
        check_eq!(
            c.store.get_run(run.id).await?,
            record,
            "the run's own record after it"
        );
        c.reopen().await?;
        for task in &expected {
            check_task(&*c.store, task, "a task after it, and after a reopen").await?;
        }
    }
    let what = "a claim that found attempts used up";
    check_run_unchanged(&*c.store, &there, bystander.id, what).await
}

pub(crate) async fn a_claim_that_finds_nothing_else_is_none_and_blocks_all_the_same(
    c: &mut Context<'_>,
) -> Outcome {
    for way in Way::ALL {
        let (run, _) = bounded(&*c.store, &[Some(1), Some(1)]).await?;
        c.store.claim_tasks(request(run.id), 2).await?;
        let before = tasks_of(&*c.store, run.id).await?;
        for task in &before {
            check_reason(&*c.store, task.id, in_progress(task), "that is held").await?;
        }
        c.clock.advance_micros(micros(LEASE));
        for task in &before {
            let what = "that ran out with its attempts used up";
            check_reason(&*c.store, task.id, WaitingReason::Exhausted, what).await?;
        }
        // To ask why is not a claim.
        check_eq!(
            tasks_of(&*c.store, run.id).await?,
            before,
            "the tasks before a claim"
        );
        let claimed = way.claim(&*c.store, ClaimRequest::of_run(run.id)).await?;
        check_eq!(claimed, None, "{way:?} where all attempts are used up");
        let now = c.clock.now();
        let expected: Vec<_> = before.iter().map(|task| used_up(task, now)).collect();
        check_eq!(
            tasks_of(&*c.store, run.id).await?,
            expected,
            "the tasks after it"
        );
        let ends = before.iter().map(|task| end_of(task, 1)).collect();
        check_new_events(c, run.id, 1, ends, "a claim that gave nothing").await?;
        check_nothing_claimable(&*c.store, run.id, "where all attempts are used up").await?;
    }
    Ok(())
}

pub(crate) async fn a_batch_goes_on_until_it_is_full(c: &mut Context<'_>) -> Outcome {
    let one = Some(1);
    let (run, tasks) = bounded(&*c.store, &[one, None, one, None, None, one, None]).await?;
    // 1, 3 and 6 will have run out with their attempts used up.
    c.store.claim_tasks(request(run.id), 6).await?;
    let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
    for (id, position) in ids.iter().zip(1..) {
        if [2, 4, 5].contains(&position) {
            c.store.requeue_task(*id).await?;
        }
    }
    c.clock.advance_micros(micros(LEASE));
    let positions = |limit| {
        let of_run = ClaimRequest::of_run(run.id);
        let claims = c.store.claim_tasks(of_run, limit);
        async move {
            let claims = claims.await?.into_iter();
            Outcome::Ok(claims.map(|claim| claim.task.position).collect::<Vec<_>>())
        }
    };
    let states = || async {
        let tasks = tasks_of(&*c.store, run.id).await?.into_iter();
        Outcome::Ok(tasks.map(|task| task.status).collect::<Vec<_>>())
    };
    use TaskStatus::{Blocked, InProgress, Pending};
    check_eq!(
        positions(1).await?,
        [2],
        "a batch of one behind a task that is used up"
    );
    check_eq!(
        states().await?,
        [
            Blocked, InProgress, InProgress, Pending, Pending, InProgress, Pending
        ],
        "the states after it: what comes after the last claim is left alone"
    );
    let events = count_events(&*c.store, run.id).await?;
    check_eq!(
        positions(5).await?,
        [4, 5, 7],
        "a batch of five over two tasks that are used up"
    );
    check_eq!(
        states().await?,
        [
            Blocked, InProgress, Blocked, InProgress, InProgress, Blocked, InProgress
        ],
        "the states after it"
    );
    let all = c.store.list_events(ListEvents::new(run.id)).await?.items;
    let ended: Vec<_> = all
        .iter()
        .skip(events)
        .map(|event| (event.kind.as_str(), event.payload.get("taskId").cloned()))
        .collect();
    let expected: Vec<_> = ids
        .iter()
        .zip(1..)
        .filter(|(_, position)| [3, 6].contains(position))
        .map(|(id, _)| ("max_attempts", Some(json!(id))))
        .collect();
    check_eq!(
        ended,
        expected,
        "the events of that batch, in the order of claims"
    );
    Ok(())
}

pub(crate) async fn a_claim_of_any_run_tells_each_run_of_its_own(c: &mut Context<'_>) -> Outcome {
    let (a, _) = bounded(&*c.store, &[Some(1), Some(1)]).await?;
    let (b, _) = bounded(&*c.store, &[Some(1)]).await?;
    let (d, d_tasks) = bounded(&*c.store, &[None]).await?;
    for run_id in [a.id, b.id] {
        c.store.claim_tasks(request(run_id), 2).await?;
    }
    let mut before = Vec::new();
    for run_id in [a.id, b.id] {
        before.push((run_id, tasks_of(&*c.store, run_id).await?));
    }
    c.clock.advance_micros(micros(LEASE));
    let any = ClaimRequest::of_any_run().with_max_attempts(7_u32);
    let taken = claim(&*c.store, any).await?.task;
    check_eq!(
        Some(taken.id),
        d_tasks.first().map(|task| task.id),
        "what a claim of any run gives behind two runs whose attempts are used up"
    );
    for (run_id, tasks) in before {
        let expected: Vec<_> = tasks
            .iter()
            .map(|task| used_up(task, c.clock.now()))
            .collect();
        check_eq!(
            tasks_of(&*c.store, run_id).await?,
            expected,
            "the tasks of one of these runs"
        );
        let ends = tasks.iter().map(|task| end_of(task, 1)).collect();
        check_new_events(
            c,
            run_id,
            1,
            ends,
            "a claim of any run, in each run its own",
        )
        .await?;
    }
    check_new_events(
        c,
        d.id,
        1,
        vec![],
        "a claim of any run, in the run of its task",
    )
    .await
}

pub(crate) async fn a_claim_does_not_come_to_what_still_waits(c: &mut Context<'_>) -> Outcome {
    for way in Way::ALL {
        let run_id = world::run(&*c.store).await?.id;
        // Both are claimed once; then the first is delayed and the second waits for the third.
        let dependency = TaskId::generate();
        let drafts = [
            TaskDraft::new("delayed", "o"),
            TaskDraft::new("waits", "o").with_depends_on([dependency]),
            TaskDraft::new("dependency", "o").with_id(dependency),
        ];
        c.store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
        let complete = || CompleteTask::new(dependency, "done");
        c.store.complete_task(complete()).await?;
        for delay in [LEASE, Duration::ZERO] {
            let held = claim(&*c.store, request(run_id)).await?;
            let report = FinishReport::released_for(delay, "no");
            c.store.finish_task(held.token(), report).await?;
        }
        c.store.requeue_task(dependency).await?;
        c.store.block_task(BlockTask::new(dependency)).await?;
        let bound = ClaimRequest::of_run(run_id).with_max_attempts(1_u32);
        c.clock.advance_micros(micros(LEASE) - 1);
        let before = Dump::of(&*c.store).await?;
        let none = way.claim(&*c.store, bound.clone()).await?;
        check_eq!(none, None, "{way:?} where all waits that is left");
        let what = format!("{way:?} whose bound is reached by what still waits");
        check_unchanged(&*c.store, &before, &what).await?;
        c.store.complete_task(complete()).await?;
        c.clock.advance_micros(1);
        let before = tasks_of(&*c.store, run_id).await?;
        let events = count_events(&*c.store, run_id).await?;
        let none = way.claim(&*c.store, bound).await?;
        check_eq!(none, None, "{way:?} once nothing waits any more");
        let ends = before.iter().take(2).map(|task| end_of(task, 1)).collect();
        check_new_events(
            c,
            run_id,
            events,
            ends,
            "a claim once nothing waits any more",
        )
        .await?;
    }
    Ok(())
}

pub(crate) async fn what_a_claim_blocked_in_vain_is_there_after_a_kill(
    c: &mut Context<'_>,
) -> Outcome {
    for way in Way::ALL {
        let (run, _) = bounded(&*c.store, &[Some(1)]).await?;
        let held = claim(&*c.store, request(run.id)).await?.task;
        c.clock.advance_micros(micros(LEASE));
        let none = way.claim(&*c.store, ClaimRequest::of_run(run.id)).await?;
        check_eq!(none, None, "{way:?} where all attempts are used up");
        c.kill().await?;
        let what = "a task that a claim blocked in vain, after a kill";
        check_task(&*c.store, &used_up(&held, c.clock.now()), what).await?;
        let ends = vec![end_of(&held, 1)];
        check_new_events(c, run.id, 1, ends, "a claim in vain, after a kill").await?;
    }
    Ok(())
}
