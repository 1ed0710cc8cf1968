//! What a task keeps of its schedule and of its claim, by every call that reads it (clause G5).

use std::time::Duration;

use runstore_core::{
    BlockTask, ClaimRequest, Clock, Dependency, FinishReport, RunId, Task, TaskDraft, TaskPlan,
    TaskStatus, Timestamp,
};

use super::plans::PlanCall;
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::planning::{
    append, append_one, complete, draft, ids, in_micros, named, next_of, replace,
};
use crate::tasks::{check_task, tasks_of};
use crate::world;

/// Checks that each task is shown like this at the first handle, at another one and after a reopen.
async fn check_kept(c: &mut Context<'_>, expected: &[Task], what: &str) -> Outcome {
    let second = c.second_handle().await?;
    for task in expected {
        check_task(&*c.store, task, what).await?;
        check_task(&*second, task, &format!("at another handle, {what}")).await?;
    }
    drop(second);
    c.reopen().await?;
    for task in expected {
        check_task(&*c.store, task, &format!("after a reopen, {what}")).await?;
    }
    Ok(())
}

/// Drafts with the ends of every field, and with some of the fields only.
fn schedules(c: &Context<'_>) -> Vec<TaskDraft> {
    let times = [
        Timestamp::MIN,
        Timestamp::MIN.saturating_add_micros(1),
        Timestamp::from_micros(-1).unwrap_or(Timestamp::MIN),
        Timestamp::from_micros(0).unwrap_or(Timestamp::MIN),
        in_micros(c, 1),
        Timestamp::MAX.saturating_add_micros(-1),
        Timestamp::MAX,
    ];
    let priorities = [i32::MIN, i32::MAX, -1, 1, 65_536, 0];
    let bounds = [1, 2, 255, 256, 65_536, 1 << 31, u32::MAX];
    let mut drafts = vec![draft("none")];
    drafts.extend(times.map(|time| draft("time").with_not_before(time)));
    drafts.extend(priorities.map(|priority| draft("priority").with_priority(priority)));
    drafts.extend(bounds.map(|bound| draft("attempts").with_max_attempts(bound)));
    // Every field another value, so that two that are exchanged show.
    drafts.push(
        draft("all")
            .with_priority(11)
            .with_max_attempts(12_u32)
            .with_not_before(in_micros(c, 13))
            .with_depends_on([2, 1]),
    );
    drafts
}

pub(crate) async fn a_schedule_is_kept_in_every_field(c: &mut Context<'_>) -> Outcome {
    for call in PlanCall::BOTH {
        let run_id = world::run(&*c.store).await?.id;
        let drafts = schedules(c);
        let plan = TaskPlan::new(run_id, drafts.clone());
        let tasks = call.make(&*c.store, plan).await?;
        for (task, draft) in tasks.iter().zip(&drafts) {
            check_eq!(
                (task.priority, task.not_before, task.max_attempts),
                (draft.priority, draft.not_before, draft.max_attempts),
                "priority, time and bound of a task as {call:?} returns it, of the draft {:?}",
                draft.title
            );
            check_eq!(
                (task.delayed_until, &task.worker, task.lease_expires_at),
                (None, &None, None),
                "delay, worker and lease of a task that was just planned"
            );
        }
        check_eq!(tasks.len(), drafts.len(), "the number of tasks");
        check_kept(c, &tasks, "planned with a schedule").await?;
        check_eq!(
            tasks_of(&*c.store, run_id).await?,
            tasks,
            "all tasks, listed"
        );
    }
    Ok(())
}

pub(crate) async fn dependencies_are_kept_in_the_order_given(c: &mut Context<'_>) -> Outcome {
    const STORED: usize = 20;
    let run_id = world::run(&*c.store).await?.id;
    let stored = (0..STORED).map(|number| draft(number.to_string()));
    let stored = append(&*c.store, run_id, stored).await?;
    let [late] = ids();
    // Neither by id nor by position, with drafts of the plan among the stored tasks.
    let order = (0..STORED).filter_map(|number| stored.get(number * 7 % STORED));
    let mut on: Vec<Dependency> = order.map(|task| task.id.into()).collect();
    on.insert(3, late.into());
    on.push(0.into());
    let drafts = [
        draft("first"),
        draft("waiting").with_depends_on(on),
        named(late, "late"),
    ];
    let tasks = append(&*c.store, run_id, drafts).await?;
    let mut expected: Vec<_> = (0..STORED)
        .filter_map(|number| stored.get(number * 7 % STORED))
        .map(|task| task.id)
        .collect();
    expected.insert(3, late);
    expected.extend(tasks.first().map(|task| task.id));
    let depends_on = tasks.get(1).map(|task| &task.depends_on);
    check_eq!(
        depends_on,
        Some(&expected),
        "what a task depends on, in the order given"
    );
    check_kept(c, &tasks, "planned with many dependencies").await
}

async fn check_claimed(c: &mut Context<'_>, run_id: RunId, batch: bool, any: bool) -> Outcome {
    let workers = [
        None,
        Some(String::new()),
        Some("worker 1".to_owned()),
        Some(" \0'\"\\%_\n\u{e9}e\u{301}\u{1f600}".to_owned()),
        Some("w".repeat(255)),
    ];
    let leases = [
        None,
        Some(1),
        Some(999_999),
        Some(1_000_001),
        Some(31_536_000_000_000),
    ];
    let mut held = Vec::new();
    for (worker, lease) in workers.into_iter().zip(leases) {
        c.clock.advance_micros(1);
        let lease = lease.map(Duration::from_micros);
        let mut request = next_of((!any).then_some(run_id));
        request.worker.clone_from(&worker);
        request.lease = lease;
        let claims = match batch {
            true => c.store.claim_tasks(request, 1).await?,
            false => c
                .store
                .claim_next_task(request)
                .await?
                .into_iter()
                .collect(),
        };
        let task = world::first(claims)?.task;
        let expires = lease.map(|lease| c.clock.now().saturating_add(lease));
        check_eq!(
            (&task.worker, task.lease_expires_at, task.status),
            (&worker, expires, TaskStatus::InProgress),
            "worker, lease and state of a task as a claim returns it"
        );
        held.push(task);
        // The shortest lease must not run out for the next claim.
        c.clock.advance_micros(-1);
    }
    check_kept(c, &held, "claimed by a worker with a lease").await
}

pub(crate) async fn worker_and_lease_of_a_claim_are_kept(c: &mut Context<'_>) -> Outcome {
    for (batch, any) in [(false, false), (true, false), (false, true), (true, true)] {
        let (run, _) = world::planned(&*c.store, 5).await?;
        check_claimed(c, run.id, batch, any).await?;
    }
    Ok(())
}

pub(crate) async fn the_delay_of_a_release_is_kept(c: &mut Context<'_>) -> Outcome {
    let mut released = Vec::new();
    let run_id = world::run(&*c.store).await?.id;
    for micros in [
        None,
        Some(0),
        Some(1),
        Some(1_000_001),
        Some(31_536_000_000_000),
    ] {
        let planned = draft("released").with_priority(7).with_max_attempts(9_u32);
        append_one(&*c.store, run_id, planned).await?;
        let claim = world::claim(&*c.store, run_id).await?;
        c.clock.advance_micros(3);
        let report = match micros.map(Duration::from_micros) {
            Some(delay) => FinishReport::released_for(delay, "not now"),
            None => FinishReport::released("not now"),
        };
        let task = c.store.finish_task(claim.token(), report).await?;
        let delay = micros.map(Duration::from_micros);
        let until = delay.map(|delay| c.clock.now().saturating_add(delay));
        check_eq!(
            (
                task.delayed_until.filter(|until| *until > c.clock.now()),
                task.status
            ),
            (
                until.filter(|until| *until > c.clock.now()),
                TaskStatus::Pending
            ),
            "delay and state of a task that was released for {micros:?} microseconds"
        );
        check_task(&*c.store, &task, "a task that was released").await?;
        let block = BlockTask::new(task.id);
        match micros {
            // Out of the way of the next round.
            None | Some(0 | 1) => released.push(c.store.block_task(block).await?),
            _ => released.push(task),
        }
    }
    check_kept(c, &released, "released with a delay").await
}

pub(crate) async fn what_was_planned_stays_as_planned(c: &mut Context<'_>) -> Outcome {
    let (store, run_id) = (&*c.store, world::run(&*c.store).await?.id);
    let before = append_one(store, run_id, draft("before")).await?;
    complete(store, before.id).await?;
    let scheduled = draft("scheduled")
        .with_priority(-5)
        .with_max_attempts(6_u32)
        .with_not_before(in_micros(c, 7))
        .with_depends_on([before.id]);
    let planned = append_one(store, run_id, scheduled).await?;
    let check = async |what: &str| -> Outcome {
        let task = store.get_task(planned.id).await?;
        check_eq!(
            (
                task.priority,
                task.max_attempts,
                task.not_before,
                &task.depends_on
            ),
            (
                planned.priority,
                planned.max_attempts,
                planned.not_before,
                &planned.depends_on
            ),
            "priority, bound, time and dependencies of a task {what}"
        );
        check_task(store, &task, what).await
    };
    c.clock.advance_micros(7);
    let request = ClaimRequest::of_run(run_id)
        .with_worker("w")
        .with_max_attempts(2_u32)
        .with_lease(Duration::from_micros(1));
    store.claim_next_task(request.clone()).await?;
    check("after a claim").await?;
    c.clock.advance_micros(1);
    let claims = store.claim_tasks(request, 2).await?;
    check("after it was taken over").await?;
    let token = world::first(claims)?.token();
    let report = FinishReport::released_for(Duration::from_micros(3), "no");
    store.finish_task(token, report).await?;
    check("after a release with a delay").await?;
    store.block_task(BlockTask::new(planned.id)).await?;
    check("after a block").await?;
    complete(store, planned.id).await?;
    check("after it was completed").await?;
    store.requeue_task(planned.id).await?;
    check("after a requeue").await?;
    store.requeue_task(before.id).await?;
    check("after what it depends on was requeued").await?;
    replace(store, run_id, []).await?;
    check("after a new plan left it out").await
}

pub(crate) async fn neighbours_keep_what_is_theirs(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let (one, other) = (world::run(store).await?.id, world::run(store).await?.id);
    let mut all = Vec::new();
    for (run_id, number) in [(one, 1), (other, 2), (one, 3), (other, 4)] {
        let drafts = [0, 1].map(|index| {
            draft(format!("{number}.{index}"))
                .with_priority(number)
                .with_max_attempts(number.unsigned_abs() + 1)
                .with_not_before(in_micros(c, number.into()))
        });
        all.extend(append(store, run_id, drafts).await?);
    }
    c.clock.advance_micros(100);
    // One task after the other is claimed; those that are not yet stay as they are.
    let mut claimed = Vec::new();
    for number in 1_u64..=8 {
        let request = next_of(None)
            .with_worker(number.to_string())
            .with_lease(Duration::from_secs(number));
        let claim = store.claim_next_task(request).await?;
        let task = claim.map(|claim| claim.task);
        claimed.extend(task);
        let mut expected = all.clone();
        for task in &mut expected {
            if let Some(now) = claimed.iter().find(|now| now.id == task.id) {
                task.clone_from(now);
            }
        }
        check_eq!(claimed.len() as u64, number, "the number of claims");
        for task in &expected {
            check_eq!(
                store.get_task(task.id).await?,
                *task,
                "a task after {number} claims, each by a worker of its own"
            );
        }
    }
    Ok(())
}
