//! Many that wait at once: who is given what.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use runstore_core::{
    ClaimRequest, Clock, RunId, Store, Task, TaskDraft, TaskId, TaskPlan, TaskStatus,
};

use super::waiter::{LONG, Waits};
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::race::{Handles, together};
use crate::world;

/// Adds one task to the run.
async fn add(store: &dyn Store, run_id: RunId) -> Outcome<Task> {
    let plan = TaskPlan::new(run_id, world::drafts(1));
    world::first(store.append_tasks(plan).await?)
}

pub(crate) async fn each_new_task_is_given_to_one_of_those_who_wait(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    let run_id = world::run(&*c.store).await?.id;
    let mut waiters = Vec::new();
    for number in 0..6 {
        let request = ClaimRequest::of_run(run_id).with_worker(format!("w{number}"));
        waiters.push(waits.begin_by_itself(request).await?);
    }
    // One alone, several together, and more than there are waiters left.
    for count in [1, 3, 4] {
        let plan = TaskPlan::new(run_id, world::drafts(count));
        let planned = c.store.append_tasks(plan).await?;
        let due = count.min(waiters.len());
        let mut given = BTreeSet::new();
        for _ in 0..due {
            let what = format!("a wait of one of {} for {count} new tasks", waiters.len());
            let (_, claim) = waits.first_claimed(&mut waiters, &what).await?;
            check!(
                planned.iter().any(|task| task.id == claim.task.id),
                "{what} must be given one of these, but was given {:?}",
                claim.task
            );
            given.insert(claim.task.position);
        }
        let positions = planned.iter().map(|task| task.position).take(due);
        check_eq!(
            given,
            positions.collect::<BTreeSet<_>>(),
            "the positions of the tasks that waits were given, the first ones of {count}, each once"
        );
        for waiter in &mut waiters {
            let what = format!("a wait beside those that {count} new tasks ended");
            waits.check_waits(waiter, &what).await?;
        }
    }
    Ok(())
}

pub(crate) async fn the_longest_waiting_is_given_a_task_first(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    let run_id = world::run(&*c.store).await?.id;
    let mut waiters = Vec::new();
    for request in [
        ClaimRequest::of_run(run_id),
        ClaimRequest::of_any_run(),
        ClaimRequest::of_run(run_id),
        ClaimRequest::of_run(run_id),
        ClaimRequest::of_any_run(),
    ] {
        waiters.push(waits.begin_by_itself(request).await?);
    }
    let mut left = waiters.len();
    while left > 0 {
        let task = add(&*c.store, run_id).await?;
        let what = "a wait that is the longest of several";
        let (index, claim) = waits.first_claimed(&mut waiters, what).await?;
        check_eq!(
            (index, claim.task.id),
            (0, task.id),
            "which of {left} waits, in the order of their beginning, was given a new task, and which task"
        );
        left -= 1;
        waits.settle().await?;
    }
    Ok(())
}

pub(crate) async fn a_wait_for_any_run_is_given_a_task_of_any(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    let old = world::run(&*c.store).await?.id;
    let of_any = || ClaimRequest::of_any_run().with_worker("any");
    // Of a run that was there, and of one that was not.
    for is_new in [false, true, false] {
        let waiter = waits.begin(of_any(), LONG).await?;
        let run_id = match is_new {
            true => world::run(&*c.store).await?.id,
            false => old,
        };
        let task = add(&*c.store, run_id).await?;
        let claim = waits
            .claimed(waiter, "a wait for a task of any run")
            .await?;
        check_eq!(
            (claim.task.run_id, claim.task.id),
            (run_id, task.id),
            "run and task that a wait for any run ended with"
        );
    }
    let (first, second) = (world::run(&*c.store).await?, world::run(&*c.store).await?);
    let at = c.clock.now().saturating_add(Duration::from_secs(60));
    let due = |priority| {
        let draft = TaskDraft::new("due", "o").with_priority(priority);
        [draft.with_not_before(at)]
    };
    c.store
        .append_tasks(TaskPlan::new(first.id, due(0)))
        .await?;
    let mut waiter = waits.begin(of_any(), LONG).await?;
    c.store
        .append_tasks(TaskPlan::new(second.id, due(1)))
        .await?;
    c.clock.set(at.saturating_add_micros(-1));
    let what = "a wait for the first of two tasks of two runs that become due together";
    waits.check_waits(&mut waiter, what).await?;
    c.clock.set(at);
    let claim = waits.claimed(waiter, what).await?;
    check_eq!(
        claim.task.run_id,
        second.id,
        "the run, with the higher priority, of the task that {what} ended with"
    );
    Ok(())
}

pub(crate) async fn all_that_become_due_together_are_given_out(c: &mut Context<'_>) -> Outcome {
    const TASKS: usize = 5;
    let waits = Waits::on(c).await?;
    let run_id = world::run(&*c.store).await?.id;
    let at = c.clock.now().saturating_add(Duration::from_secs(60));
    let drafts = world::drafts(TASKS).into_iter();
    let drafts = drafts.map(|draft| draft.with_not_before(at));
    c.store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
    let mut waiters = Vec::new();
    for _ in 0..=TASKS {
        waiters.push(waits.begin_by_itself(ClaimRequest::of_run(run_id)).await?);
    }
    c.clock.set(at);
    let mut given = BTreeSet::new();
    for _ in 0..TASKS {
        let what = format!("a wait of one of 6 for one of {TASKS} tasks that became due together");
        let (_, claim) = waits.first_claimed(&mut waiters, &what).await?;
        given.insert(claim.task.position);
    }
    check_eq!(given.len(), TASKS, "the tasks given out, each once");
    for waiter in &mut waiters {
        waits
            .check_waits(waiter, "the wait that nothing was left for")
            .await?;
    }
    Ok(())
}

pub(crate) async fn a_wait_that_is_dropped_has_claimed_nothing_and_loses_no_task(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    for (drop_before, any_run) in [(true, false), (true, true), (false, false), (false, true)] {
        let run_id = world::run(&*c.store).await?.id;
        let request = match any_run {
            true => ClaimRequest::of_any_run(),
            false => ClaimRequest::of_run(run_id),
        };
        // A call that is dropped as it looks, and not as it waits, may have claimed (G4): a slow store is given
        // another chance, and a broken one as many as it takes to be caught.
        let mut second_was_given = false;
        for _ in 0..CHANCES {
            second_was_given =
                second_is_given_what_was_planned(c, &waits, &request, run_id, drop_before).await?;
            if second_was_given {
                break;
            }
        }
        check!(
            second_was_given,
            "a wait that was dropped claimed a task, {CHANCES} times of {CHANCES}"
        );
    }
    Ok(())
}

/// How often a wait may be dropped as it looks.
const CHANCES: usize = 5;

/// Drops a wait for the request beside a second one of the run, before a task is planned or after. Whether the
/// second was given the task, and not the one that was dropped.
async fn second_is_given_what_was_planned(
    c: &Context<'_>,
    waits: &Waits<'_, '_>,
    request: &ClaimRequest,
    run_id: RunId,
    drop_before: bool,
) -> Outcome<bool> {
    // It waits longest, and is never polled again.
    let dropped = request.clone().with_worker("dropped");
    let call = waits.begin(dropped, LONG).await?;
    let second = ClaimRequest::of_run(run_id).with_worker("second");
    let waiter = waits.begin(second, LONG).await?;
    let task = match drop_before {
        true => {
            drop(call);
            add(&*c.store, run_id).await?
        }
        false => {
            let task = add(&*c.store, run_id).await?;
            drop(call);
            task
        }
    };
    let what = "the wait beside a longer one that was dropped as a task was planned";
    tokio::select! {
        claim = waits.claimed(waiter, what) => {
            let claim = claim?;
            check_eq!(
                (claim.task.id, claim.task.worker.as_deref()),
                (task.id, Some("second")),
                "task and worker of the claim that {what} ended with"
            );
            Ok(true)
        }
        taken = is_taken_by_the_dropped(c, waits, task.id) => taken.map(|()| false),
    }
}

/// Is over once the call that was dropped turns out to have claimed the task.
async fn is_taken_by_the_dropped(
    c: &Context<'_>,
    waits: &Waits<'_, '_>,
    task_id: TaskId,
) -> Outcome {
    loop {
        waits.settle().await?;
        if c.store.get_task(task_id).await?.worker.as_deref() == Some("dropped") {
            return Ok(());
        }
    }
}

pub(crate) async fn what_a_dropped_wait_was_to_look_for_is_looked_for_by_another(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    for request in [
        ClaimRequest::of_any_run(),
        ClaimRequest::of_run(world::run(&*c.store).await?.id),
    ] {
        let run_id = match request.run_id {
            Some(run_id) => run_id,
            None => world::run(&*c.store).await?.id,
        };
        let at = c.clock.now().saturating_add(Duration::from_secs(60));
        let draft = TaskDraft::new("due", "o").with_not_before(at);
        c.store.append_tasks(TaskPlan::new(run_id, [draft])).await?;
        let mut earlier = Vec::new();
        for _ in 0..3 {
            earlier.push(waits.begin(request.clone(), LONG).await?);
        }
        let last = waits.begin(request, LONG).await?;
        drop(earlier);
        waits.settle().await?;
        c.clock.set(at);
        let what = "the last wait for a task that became due after the others were dropped";
        let claim = waits.claimed(last, what).await?;
        check_eq!(claim.task.title, "due", "the task that {what} ended with");
    }
    Ok(())
}

pub(crate) async fn a_task_that_was_left_for_another_is_given_to_who_waits_for_it(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    let (first, second) = (
        world::run(&*c.store).await?.id,
        world::run(&*c.store).await?.id,
    );
    let of_any = waits.begin(ClaimRequest::of_any_run(), LONG).await?;
    let mut of_second = waits.begin(ClaimRequest::of_run(second), LONG).await?;
    let of_first = waits.begin(ClaimRequest::of_run(first), LONG).await?;
    // The wait for any run is the longest, and is woken for the first task; until it looks there is a second
    // one, which comes before it.
    let left = add(&*c.store, first).await?;
    let draft = TaskDraft::new("sooner", "o").with_priority(5);
    let plan = TaskPlan::new(second, [draft]);
    let sooner = world::first(c.store.append_tasks(plan).await?)?;
    let claim = waits
        .claimed(of_any, "a wait for a task of any run")
        .await?;
    if claim.task.id == sooner.id {
        let what = "a wait for the run of a task that another wait was woken for and left";
        let given = waits.claimed(of_first, what).await?;
        check_eq!(given.task.id, left.id, "the task that {what} ended with");
        return waits
            .check_waits(&mut of_second, "a wait for the run whose task was taken")
            .await;
    }
    // A store that is quick gave the first task away before there was a second.
    check_eq!(
        claim.task.id,
        left.id,
        "the task that a wait for any run ended with"
    );
    Ok(())
}

pub(crate) async fn waits_at_once_share_what_is_planned_at_once(c: &mut Context<'_>) -> Outcome {
    const EACH: usize = 4;
    let waits = Waits::on(c).await?;
    let handles = Handles::four(c).await?;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(world::run(&*c.store).await?.id);
    }
    let requests = runs.iter().cycle().take(runs.len() * EACH).enumerate();
    let requests: Vec<ClaimRequest> = requests
        .map(|(caller, run_id)| ClaimRequest::of_run(*run_id).with_worker(format!("w{caller}")))
        .collect();
    let stores: Vec<Arc<dyn Store>> = (0..4).map(|caller| handles.of(caller)).collect();
    let mut waiters = waits.begin_many(&stores, requests).await?;
    let planners = (0..EACH).map(|planner| {
        let store = handles.of(planner);
        let runs = runs.clone();
        async move {
            for run_id in runs {
                add(&*store, run_id).await?;
            }
            Outcome::Ok(())
        }
    });
    for planner in together(planners).await? {
        planner?;
    }
    let mut given = BTreeSet::new();
    for _ in 0..runs.len() * EACH {
        let what = "a wait of one of 12 on 4 handles for one of 12 tasks of 3 runs";
        let (_, claim) = waits.first_claimed(&mut waiters, what).await?;
        check_eq!(
            (claim.task.status, claim.task.attempt_count),
            (TaskStatus::InProgress, 1),
            "state and attempts of the task that {what} ended with"
        );
        given.insert((claim.task.run_id, claim.task.position));
    }
    check_eq!(
        given.len(),
        runs.len() * EACH,
        "the tasks given to as many waits on 4 handles, each once"
    );
    Ok(())
}
