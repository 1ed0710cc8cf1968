//! Whose turn it is among those who wait, to the letter: they are polled by hand, the one whose turn it is
//! last, so that who looks without being woken is seen to.

use std::collections::BTreeSet;
use std::sync::Arc;

use runstore_core::{Claim, ClaimRequest, FinishReport, RunId, Store, Task, TaskDraft, TaskPlan};

use super::waiter::{LONG, Waiter, Waits};
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::planning::{append_one, draft, next_of};
use crate::world;

/// One that waits for a task of the run, and others behind it.
async fn in_a_row(waits: &Waits<'_, '_>, scope: Option<RunId>) -> Outcome<[Waiter; 3]> {
    let begin = async |worker: &str| waits.begin(next_of(scope).with_worker(worker), LONG).await;
    Ok([begin("1").await?, begin("2").await?, begin("3").await?])
}

/// Checks that it goes on, however often it is polled before the one whose turn it is.
async fn check_unwoken(waits: &Waits<'_, '_>, waiter: &mut Waiter) -> Outcome {
    let what = "a wait whose turn it is not, or that has nothing to take,";
    waits.check_waits(waiter, what).await
}

async fn check_given(
    waits: &Waits<'_, '_>,
    waiter: Waiter,
    worker: &str,
    task: &Task,
    what: &str,
) -> Outcome {
    let claim = waits.claimed(waiter, what).await?;
    check_eq!(
        (claim.task.worker.as_deref(), claim.task.id),
        (Some(worker), task.id),
        "who was given a task, and which, by {what}"
    );
    Ok(())
}

pub(crate) async fn a_new_task_wakes_the_longest_waiting_and_no_other(
    c: &mut Context<'_>,
) -> Outcome {
    let waits = Waits::on(c).await?;
    for of_run in [true, false] {
        let run_id = world::run(&*c.store).await?.id;
        let [first, mut second, mut third] = in_a_row(&waits, of_run.then_some(run_id)).await?;
        let task = append_one(&*c.store, run_id, draft("one")).await?;
        check_unwoken(&waits, &mut third).await?;
        check_unwoken(&waits, &mut second).await?;
        check_given(&waits, first, "1", &task, "the longest of three waits").await?;
        let task = append_one(&*c.store, run_id, draft("two")).await?;
        check_unwoken(&waits, &mut third).await?;
        check_given(&waits, second, "2", &task, "the longest of two waits").await?;
        let task = append_one(&*c.store, run_id, draft("three")).await?;
        check_given(&waits, third, "3", &task, "the last of three waits").await?;
    }
    Ok(())
}

pub(crate) async fn who_was_woken_for_nothing_keeps_its_turn(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    for of_run in [true, false] {
        let mut tries = 0;
        while !keeps_its_turn(&waits, of_run).await? {
            tries += 1;
            check!(
                tries < TRIES,
                "the wait behind the longest one, which was woken for a task that another took, was given the next \
                 task each time"
            );
        }
    }
    Ok(())
}

/// How often the second of two waits may be given the task that is the first one's. Nothing tells from without
/// that a wait has looked for what it was woken for: one whose look takes long is still up for the task that is
/// gone, and then the next task is rightly the second one's. A wait that loses its turn always loses it.
const TRIES: usize = 20;

async fn keeps_its_turn(waits: &Waits<'_, '_>, of_run: bool) -> Outcome<bool> {
    let store = waits.store();
    let run_id = world::run(store).await?.id;
    let [mut first, mut second, third] = in_a_row(waits, of_run.then_some(run_id)).await?;
    // Somebody who does not wait is quicker.
    append_one(store, run_id, draft("taken")).await?;
    world::claim(store, run_id).await?;
    check_unwoken(waits, &mut first).await?;
    check_unwoken(waits, &mut second).await?;
    let task = append_one(store, run_id, draft("one")).await?;
    if !waits.goes_on(&mut second).await? {
        return Ok(false);
    }
    // Both, for the second one may have been given the task and not come to tell of it.
    let mut waiters = vec![first, second];
    let what = "the longest wait, which was woken for a task that another took";
    let (index, claim) = waits.first_claimed(&mut waiters, what).await?;
    if index > 0 {
        return Ok(false);
    }
    check_eq!(claim.task.id, task.id, "the task that was given to {what}");
    let second = world::first(waiters)?;
    drop(third);
    let task = append_one(store, run_id, draft("two")).await?;
    check_given(waits, second, "2", &task, "the wait that is left").await?;
    Ok(true)
}

/// A write that makes three tasks claimable.
#[derive(Debug, Clone, Copy)]
enum Way {
    Append,
    Replace,
    Resume,
    CompleteByReport,
    CompleteByOperator,
}

impl Way {
    const ALL: [Self; 5] = [
        Self::Append,
        Self::Replace,
        Self::Resume,
        Self::CompleteByReport,
        Self::CompleteByOperator,
    ];

    /// Makes what the write needs, in which nothing is claimable, and gives the claims of its tasks.
    async fn prepare(self, store: &dyn Store, run_id: RunId) -> Outcome<Vec<Claim>> {
        let drafts = match self {
            Self::Append | Self::Replace => vec![],
            Self::Resume => world::drafts(3),
            Self::CompleteByReport | Self::CompleteByOperator => {
                let after = |title: &str| draft(title).with_depends_on([0]);
                vec![draft("first"), after("a"), after("b"), after("c")]
            }
        };
        store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
        Ok(store.claim_tasks(next_of(run_id), 10).await?)
    }

    async fn write(self, store: &dyn Store, run_id: RunId, held: Vec<Claim>) -> Outcome {
        let plan = TaskPlan::new(run_id, world::drafts(3));
        match self {
            Self::Append => drop(store.append_tasks(plan).await?),
            Self::Replace => drop(store.replace_pending_tasks(plan).await?),
            Self::Resume => {
                let resumed = store.requeue_in_progress_tasks(run_id).await?;
                check_eq!(resumed, 3, "the number of tasks that a resume took back");
            }
            Self::CompleteByReport => {
                let report = FinishReport::completed("done");
                let token = world::first(held)?.token();
                store.finish_task(token, report).await?;
            }
            Self::CompleteByOperator => {
                let task_id = world::first(held)?.task.id;
                crate::planning::complete(store, task_id).await?;
            }
        }
        Ok(())
    }
}

pub(crate) async fn all_that_a_write_makes_claimable_is_given_out(c: &mut Context<'_>) -> Outcome {
    let waits = Waits::on(c).await?;
    for way in Way::ALL {
        let run_id = world::run(&*c.store).await?.id;
        let held = way.prepare(&*c.store, run_id).await?;
        let mut waiters = Vec::new();
        for _ in 0..4 {
            let request = ClaimRequest::of_run(run_id);
            waiters.push(waits.begin_by_itself(request).await?);
        }
        way.write(&*c.store, run_id, held).await?;
        let mut given = BTreeSet::new();
        for _ in 0..3 {
            let what =
                format!("a wait of one of 4 for one of 3 tasks that {way:?} makes claimable");
            let (_, claim) = waits.first_claimed(&mut waiters, &what).await?;
            given.insert(claim.task.position);
        }
        check_eq!(
            given.len(),
            3,
            "the tasks given out that {way:?} made claimable, each once"
        );
        for waiter in &mut waiters {
            let what = "the wait that nothing was left for";
            waits.check_waits(waiter, what).await?;
        }
    }
    Ok(())
}

pub(crate) async fn any_number_can_wait_at_once(c: &mut Context<'_>) -> Outcome {
    const IDLE: usize = 150;
    let waits = Waits::on(c).await?;
    let (idle, busy) = (
        world::run(&*c.store).await?.id,
        world::run(&*c.store).await?.id,
    );
    let store = Arc::clone(&c.store);
    let requests = vec![ClaimRequest::of_run(idle); IDLE];
    let mut waiters = waits.begin_many(&[store], requests).await?;
    // Behind all who wait for a task of a run that gets none.
    for _ in 0..2 {
        let waiter = waits.begin(ClaimRequest::of_run(busy), LONG).await?;
        let task = append_one(&*c.store, busy, TaskDraft::new("busy", "o")).await?;
        let what = format!("a wait behind {IDLE} for another run");
        let claim = waits.claimed(waiter, &what).await?;
        check_eq!(claim.task.id, task.id, "the task that {what} ended with");
    }
    let plan = TaskPlan::new(idle, world::drafts(IDLE));
    c.store.append_tasks(plan).await?;
    let mut given = BTreeSet::new();
    for _ in 0..IDLE {
        let what = format!("a wait of one of {IDLE} for one of as many tasks");
        let (_, claim) = waits.first_claimed(&mut waiters, &what).await?;
        given.insert(claim.task.position);
    }
    check_eq!(given.len(), IDLE, "the tasks given out, each once");
    Ok(())
}
