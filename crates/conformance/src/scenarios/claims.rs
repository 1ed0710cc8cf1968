//! Claims, one after the other (clauses C1 and C2); those made at once are among the races.

use runstore_core::{
    ClaimRequest, Clock, CompleteTask, FinishReport, SnapshotRequest, Task, TaskDraft, TaskId,
    TaskPlan, TaskStatus, Uuid,
};

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::tasks::{check_task, task_in, tasks_of};
use crate::world;

pub(crate) async fn tasks_are_claimed_in_the_order_of_the_plan(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let base = run_id.as_uuid().as_u128() & !0xff;
    for plan in 0..3_u128 {
        // Later plans have earlier times and smaller ids.
        c.clock.advance_micros(-1_000);
        let drafts = (0..4_u128).map(|index| {
            let number = (2 - plan) * 4 + (index * 3 + 2) % 4;
            TaskDraft::new(format!("title {number}"), "o")
                .with_id(TaskId::from(Uuid::from_u128(base + number)))
        });
        c.store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
    }
    for position in 1..=12 {
        c.clock.advance_micros(7);
        let task = world::claim(&*c.store, run_id).await?.task;
        check_eq!(task.position, position, "the position of the next claim");
    }
    Ok(())
}

pub(crate) async fn a_claim_shows_the_task_as_it_is_stored(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 2).await?;
    for (task, attempts) in tasks.iter().zip([1, 1]) {
        c.clock.advance_micros(1_001);
        let expected = Task {
            status: TaskStatus::InProgress,
            attempt_count: attempts,
            updated_at: c.clock.now(),
            ..task.clone()
        };
        let claim = world::claim(&*c.store, run.id).await?;
        check_eq!(claim.task, expected, "the task that a claim returns");
        check_task(&*c.store, &expected, "a claimed task").await?;
    }
    c.reopen().await?;
    let claimed = tasks_of(&*c.store, run.id).await?;
    let counts: Vec<_> = claimed
        .iter()
        .map(|task| (task.status, task.attempt_count))
        .collect();
    check_eq!(
        counts,
        [(TaskStatus::InProgress, 1); 2],
        "states and attempts of two claimed tasks after a reopen"
    );
    Ok(())
}

pub(crate) async fn a_claim_changes_nothing_but_its_task(c: &mut Context<'_>) -> Outcome {
    world::populated(&*c.store).await?;
    let (run, _) = world::populated(&*c.store).await?;
    let of_run = SnapshotRequest::of_run(run.id);
    let mut expected = c.store.snapshot(of_run.clone()).await?;
    c.clock.advance_micros(1);
    let claim = world::claim(&*c.store, run.id).await?;
    expected.pending_tasks.clear();
    expected.in_progress_tasks.push(claim.task);
    expected.counts.pending -= 1;
    expected.counts.in_progress += 1;
    check_eq!(
        c.store.snapshot(of_run).await?,
        expected,
        "the snapshot after a claim"
    );
    Ok(())
}

pub(crate) async fn every_claim_of_a_task_counts_one_attempt(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 1).await?;
    let task_id = world::first(tasks)?.id;
    for number in 1..=6 {
        let claim = world::claim(&*c.store, run.id).await?;
        check_eq!(
            (claim.task.attempt_count, claim.token().attempt_number),
            (number, number),
            "the task's attempts and the token's number at claim {number}"
        );
        // Every way back to the queue leaves the count.
        match number % 3 {
            0 => {
                c.store.requeue_task(task_id).await?;
            }
            1 => {
                c.store.requeue_in_progress_tasks(run.id).await?;
            }
            _ => {
                let report = FinishReport::released("not now");
                c.store.finish_task(claim.token(), report).await?;
            }
        }
        let count = c.store.get_task(task_id).await?.attempt_count;
        check_eq!(count, number, "the attempts of the task back in the queue");
    }
    Ok(())
}

pub(crate) async fn only_what_is_pending_is_claimed(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::populated(&*c.store).await?;
    let pending = world::last(tasks)?.id;
    let claim = world::claim(&*c.store, run.id).await?;
    check_eq!(
        claim.task.id,
        pending,
        "the task claimed where only the last one is pending"
    );
    let before = Dump::of(&*c.store).await?;
    c.clock.advance_micros(1);
    for _ in 0..2 {
        let next = c
            .store
            .claim_next_task(ClaimRequest::of_run(run.id))
            .await?;
        check_eq!(next, None, "a claim where nothing is pending");
        check_unchanged(&*c.store, &before, "a claim that found nothing").await?;
    }
    Ok(())
}

pub(crate) async fn a_claim_without_a_claimable_task_is_none(c: &mut Context<'_>) -> Outcome {
    let mut runs = vec![world::run(&*c.store).await?.id];
    for status in TaskStatus::ALL {
        if status != TaskStatus::Pending {
            runs.push(task_in(&*c.store, status).await?.run_id);
        }
    }
    // Another run has something to claim.
    let (other, _) = world::planned(&*c.store, 1).await?;
    let before = Dump::of(&*c.store).await?;
    c.clock.advance_micros(1);
    for run_id in runs {
        let claim = ClaimRequest::of_run(run_id);
        check_eq!(
            c.store.claim_next_task(claim).await?,
            None,
            "a claim in a run without a pending task"
        );
        check_unchanged(&*c.store, &before, "a claim that found nothing").await?;
    }
    world::claim(&*c.store, other.id).await?;
    Ok(())
}

pub(crate) async fn a_claim_takes_a_task_of_its_run_only(c: &mut Context<'_>) -> Outcome {
    let (a, a_tasks) = world::planned(&*c.store, 2).await?;
    let (b, b_tasks) = world::planned(&*c.store, 2).await?;
    let expected = [
        (b.id, b_tasks.first()),
        (a.id, a_tasks.first()),
        (b.id, b_tasks.get(1)),
        (a.id, a_tasks.get(1)),
    ];
    for (run_id, task) in expected {
        let claim = world::claim(&*c.store, run_id).await?;
        check_eq!(
            Some(claim.task.id),
            task.map(|task| task.id),
            "the next task of one of two runs"
        );
    }
    Ok(())
}

pub(crate) async fn a_task_back_in_the_queue_comes_before_later_ones(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 4).await?;
    let first = world::claim(&*c.store, run.id).await?;
    let second = world::claim(&*c.store, run.id).await?;
    let report = FinishReport::released("not now");
    c.store.finish_task(second.token(), report).await?;
    c.clock.advance_micros(1_000);
    c.store.requeue_task(first.task.id).await?;
    // Completed and blocked ones in between are passed over.
    if let Some(third) = tasks.get(2) {
        let complete = CompleteTask::new(third.id, "done");
        c.store.complete_task(complete).await?;
    }
    let plan = TaskPlan::new(run.id, world::drafts(1));
    c.store.append_tasks(plan).await?;
    for (position, attempts) in [(1, 2), (2, 2), (4, 1), (5, 1)] {
        let task = world::claim(&*c.store, run.id).await?.task;
        check_eq!(
            (task.position, task.attempt_count),
            (position, attempts),
            "the next claim after 2 was released, 1 requeued, 3 completed and 5 appended"
        );
    }
    Ok(())
}

pub(crate) async fn a_task_is_claimable_as_soon_as_it_is_planned(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let claim = || c.store.claim_next_task(ClaimRequest::of_run(run_id));
    for position in 1..=3 {
        check_eq!(claim().await?, None, "a claim where nothing is pending");
        let plan = TaskPlan::new(run_id, world::drafts(1));
        if position == 2 {
            c.store.replace_pending_tasks(plan).await?;
        } else {
            c.store.append_tasks(plan).await?;
        }
        let claimed = claim().await?.map(|claim| claim.task.position);
        check_eq!(
            claimed,
            Some(position),
            "the position of the claim after a task was planned"
        );
    }
    Ok(())
}

pub(crate) async fn a_new_plans_first_task_is_claimed_next(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 3).await?;
    world::claim(&*c.store, run.id).await?;
    let plan = TaskPlan::new(run.id, world::drafts(2));
    let planned = c.store.replace_pending_tasks(plan).await?;
    for task in &planned {
        let claim = world::claim(&*c.store, run.id).await?;
        check_eq!(
            claim.task.id,
            task.id,
            "the next claim after a new plan of two"
        );
    }
    let claim = ClaimRequest::of_run(run.id);
    check_eq!(
        c.store.claim_next_task(claim).await?,
        None,
        "a claim after all of the new plan was claimed"
    );
    Ok(())
}

pub(crate) async fn a_task_goes_to_one_handle_only(c: &mut Context<'_>) -> Outcome {
    const TASKS: u64 = 12;
    let (run, _) = world::planned(&*c.store, 12).await?;
    let handles = c.handles(3).await?;
    let mut handles = handles.iter().cycle();
    for position in 1..=TASKS {
        let store = handles.next().map_or(&c.store, |store| store);
        let task = world::claim(&**store, run.id).await?.task;
        check_eq!(
            (task.position, task.attempt_count),
            (position, 1),
            "position and attempts of the next claim, by three handles in turn"
        );
    }
    for store in c.handles(3).await? {
        let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await?;
        check_eq!(claim, None, "a claim at a handle when all are claimed");
    }
    c.reopen().await?;
    let claim = c
        .store
        .claim_next_task(ClaimRequest::of_run(run.id))
        .await?;
    check_eq!(claim, None, "a claim after a reopen when all are claimed");
    Ok(())
}
