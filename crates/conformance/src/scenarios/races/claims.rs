//! Claims at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use runstore_core::{
    ArtifactDraft, ClaimRequest, EventDraft, FinishReport, ListTasks, Result, SnapshotRequest,
    TaskPlan, TaskStatus,
};

use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::race::{Handles, both, together};
use crate::world;

pub(crate) async fn each_task_is_claimed_by_exactly_one_caller(c: &mut Context<'_>) -> Outcome {
    const TASKS: usize = 96;
    let handles = Handles::four(c).await?;
    let (run, tasks) = world::planned(&*c.store, TASKS).await?;
    let claimers = (0..32).map(|caller| {
        let store = handles.of(caller);
        async move {
            let mut claims = Vec::new();
            while let Some(claim) = store.claim_next_task(ClaimRequest::of_run(run.id)).await? {
                claims.push(claim);
            }
            Result::Ok(claims)
        }
    });
    let mut claimed = Vec::new();
    for claims in together(claimers).await? {
        let claims = claims?;
        let positions: Vec<_> = claims.iter().map(|claim| claim.task.position).collect();
        check!(
            positions.is_sorted(),
            "the claims of one caller must come in the order of the plan: {positions:?}"
        );
        for claim in claims {
            check_eq!(
                (claim.task.status, claim.task.attempt_count),
                (TaskStatus::InProgress, 1),
                "state and attempt of a task as it was claimed, beside other claimers"
            );
            claimed.push(claim.task);
        }
    }
    claimed.sort_by_key(|task| task.position);
    let positions: Vec<_> = claimed.iter().map(|task| task.position).collect();
    check_eq!(
        positions,
        (1..=TASKS as u64).collect::<Vec<_>>(),
        "the positions of all tasks that 32 callers on 4 handles were given, each once"
    );
    check_eq!(
        c.store.list_tasks(ListTasks::new(run.id)).await?.items,
        claimed,
        "the tasks afterwards, as they were handed out"
    );
    check_eq!(tasks.len(), TASKS, "the tasks planned");
    Ok(())
}

pub(crate) async fn no_claimer_goes_without_while_a_task_is_left(c: &mut Context<'_>) -> Outcome {
    const CLAIMERS: usize = 12;
    let handles = Handles::four(c).await?;
    for round in 0..8 {
        let (run, _) = world::planned(&*c.store, CLAIMERS).await?;
        let claimers = (0..CLAIMERS).map(|caller| {
            let store = handles.of(caller + round);
            async move {
                let request = ClaimRequest::of_run(run.id);
                store.claim_next_task(request).await
            }
        });
        let mut positions = BTreeSet::new();
        for claim in together(claimers).await? {
            match claim? {
                Some(claim) => drop(positions.insert(claim.task.position)),
                None => check!(
                    false,
                    "of {CLAIMERS} claimers of {CLAIMERS} tasks one was told that nothing was \
                     claimable; a race that is lost must not be answered so"
                ),
            }
        }
        check_eq!(
            positions.len(),
            CLAIMERS,
            "the tasks given to as many claimers"
        );
        let request = ClaimRequest::of_run(run.id);
        check_eq!(
            c.store.claim_next_task(request).await?,
            None,
            "a claim when all tasks are in progress"
        );
    }
    Ok(())
}

pub(crate) async fn claims_that_follow_each_other_follow_the_plan(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    let (run, _) = world::planned(&*c.store, 48).await?;
    // The last position that any caller was answered: whoever claims after that gets a later one.
    let answered = Arc::new(AtomicU64::new(0));
    let claimers = (0..8).map(|caller| {
        let store = handles.of(caller);
        let answered = Arc::clone(&answered);
        async move {
            let mut pairs = Vec::new();
            for _ in 0..6 {
                let floor = answered.load(Ordering::SeqCst);
                let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await?;
                let position = claim.map(|claim| claim.task.position);
                if let Some(position) = position {
                    answered.fetch_max(position, Ordering::SeqCst);
                }
                pairs.push((floor, position));
            }
            Result::Ok(pairs)
        }
    });
    for pairs in together(claimers).await? {
        for (floor, position) in pairs? {
            check!(
                position.is_some_and(|position| position > floor),
                "a claim that began after position {floor} was handed out must get a later task, and \
                 got {position:?} of 48 for 48 claims"
            );
        }
    }
    Ok(())
}

pub(crate) async fn a_claim_beside_a_new_plan_gets_a_task_of_either(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..16 {
        let (run, old) = world::planned(&*c.store, 2).await?;
        let (claimer, planner) = (handles.of(round), handles.of(round + 1));
        let claiming = async move { claimer.claim_next_task(ClaimRequest::of_run(run.id)).await };
        let planning = async move {
            let plan = TaskPlan::new(run.id, world::drafts(3));
            planner.replace_pending_tasks(plan).await
        };
        let (claim, planned) = both(claiming, planning).await?;
        let planned = planned?;
        let Some(claim) = claim? else {
            return Err(crate::check::Stop::failed(
                "a claim beside a new plan found nothing, though either plan has pending tasks",
            ));
        };
        let tasks = c.store.list_tasks(ListTasks::new(run.id)).await?.items;
        let now: Vec<_> = tasks
            .iter()
            .map(|task| (task.status, task.attempt_count))
            .collect();
        use TaskStatus::{Abandoned, InProgress, Pending};
        let old_one = claim.task.id == world::first(old)?.id;
        let new_one = claim.task.id == world::first(planned)?.id;
        let expected = if old_one {
            [
                (Abandoned, 1),
                (Abandoned, 0),
                (Pending, 0),
                (Pending, 0),
                (Pending, 0),
            ]
        } else {
            [
                (Abandoned, 0),
                (Abandoned, 0),
                (InProgress, 1),
                (Pending, 0),
                (Pending, 0),
            ]
        };
        check!(
            old_one || new_one,
            "a claim beside a new plan must get the first task of either plan, and got {:?}",
            claim.task
        );
        check_eq!(
            now,
            expected,
            "states and attempts after a claim beside a new plan; the claim got the task at position {}",
            claim.task.position
        );
        check_eq!(
            (claim.task.status, claim.task.attempt_count),
            (InProgress, 1),
            "state and attempt in the answer to that claim"
        );
    }
    Ok(())
}

pub(crate) async fn workers_drain_a_plan_with_one_attempt_a_claim(c: &mut Context<'_>) -> Outcome {
    const TASKS: usize = 16;
    let handles = Handles::four(c).await?;
    let (run, _) = world::planned(&*c.store, TASKS).await?;
    let workers = (0..8).map(|worker| {
        let store = handles.of(worker);
        async move {
            let request = || ClaimRequest::of_run(run.id);
            while let Some(claim) = store.claim_next_task(request()).await? {
                // The first try at each other task fails, so that it is claimed again.
                let task = &claim.task;
                let report = if task.attempt_count == 1 && task.position % 2 == 0 {
                    FinishReport::released("not yet")
                } else {
                    FinishReport::completed("done")
                };
                let report = report
                    .with_event(EventDraft::new("worker", "tried", task.title.as_str()))
                    .with_artifact(ArtifactDraft::new("log", task.title.as_str()));
                store.finish_task(claim.token(), report).await?;
            }
            Result::Ok(())
        }
    });
    for worker in together(workers).await? {
        worker?;
    }
    // A worker may have found nothing pending before another released its task.
    while let Some(claim) = c
        .store
        .claim_next_task(ClaimRequest::of_run(run.id))
        .await?
    {
        let report = FinishReport::completed("done")
            .with_event(EventDraft::new("worker", "tried", "m"))
            .with_artifact(ArtifactDraft::new("log", "p"));
        c.store.finish_task(claim.token(), report).await?;
    }
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    check_eq!(
        snapshot.counts.completed,
        TASKS as u64,
        "the tasks completed by 8 workers"
    );
    let tries = TASKS as u64 + TASKS as u64 / 2;
    check_eq!(
        (
            snapshot.counts.attempts,
            snapshot.counts.events - 1,
            snapshot.counts.artifacts
        ),
        (tries, tries, tries),
        "the attempts, reported events and artifacts of 8 workers, one of each a try"
    );
    let mut numbers: BTreeMap<_, Vec<u32>> = BTreeMap::new();
    for attempt in c.store.recent_attempts(run.id, 1_000).await? {
        let of_task = numbers.entry(attempt.task_id).or_default();
        of_task.push(attempt.attempt_number);
    }
    for task in snapshot.completed_tasks {
        let tries = 1 + u32::from(task.position % 2 == 0);
        check_eq!(task.attempt_count, tries, "the attempts counted of a task");
        check_eq!(
            numbers.remove(&task.id).unwrap_or_default(),
            (1..=tries).collect::<Vec<_>>(),
            "the numbers of the attempts of {}, in the order in which they ended",
            task.title
        );
    }
    Ok(())
}
