//! Of which runs claims of any run take tasks, and for whom.

use std::time::Duration;

use runstore_core::{RunUpdate, Task, TaskStatus};

use super::{MICRO, runs};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::planning::{append, append_one, check_claims, draft, in_micros, next_of, titles};
use crate::tasks::check_task;
use crate::used_up::used_up;
use crate::world;

pub(crate) async fn tasks_of_hundreds_of_runs_are_claimed(c: &mut Context<'_>) -> Outcome {
    const RUNS: usize = 250;
    let store = &*c.store;
    let mut run_ids = Vec::new();
    for _ in 0..RUNS {
        run_ids.push(world::run(store).await?.id);
    }
    // Of the oldest and the newest, and of some in between; the rest have none.
    let mut expected = Vec::new();
    for number in [120, 0, RUNS - 1, 30, 200, 99, 100, 101] {
        if let Some(run_id) = run_ids.get(number) {
            append(store, *run_id, [draft(number.to_string())]).await?;
            expected.push(number.to_string());
        }
    }
    let (single, batch) = expected.split_at(4);
    for title in single {
        let claim = store.claim_next_task(next_of(None)).await?;
        check_eq!(
            claim.map(|claim| claim.task.title).as_ref(),
            Some(title),
            "the task of the next claim of any of {RUNS} runs"
        );
    }
    let claims = store.claim_tasks(next_of(None), 100).await?;
    check_eq!(
        titles(claims),
        batch,
        "the tasks of a batch of any of {RUNS} runs"
    );
    Ok(())
}

pub(crate) async fn the_status_of_a_run_means_nothing_to_claims_of_any(
    c: &mut Context<'_>,
) -> Outcome {
    const STATUSES: [&str; 7] = [
        "planning",
        "running",
        "paused",
        "completed",
        "failed",
        "cancelled",
        "archived",
    ];
    let store = &*c.store;
    for batch in [false, true] {
        for status in STATUSES {
            let run_id = world::run(store).await?.id;
            append(store, run_id, [draft(status)]).await?;
            let update = RunUpdate::new(run_id).with_status(status);
            store.update_run(update).await?;
        }
        match batch {
            false => drop(check_claims(store, None, &STATUSES, "of runs of every status").await?),
            true => {
                let claims = store.claim_tasks(next_of(None), 100).await?;
                check_eq!(
                    titles(claims),
                    STATUSES,
                    "the tasks of a batch of runs of every status"
                );
            }
        }
    }
    Ok(())
}

pub(crate) async fn a_claim_of_any_run_has_worker_lease_and_bound(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let [one, two] = runs(store).await?;
    let first = append_one(store, one, draft("first")).await?;
    let second = append_one(store, two, draft("second")).await?;
    c.clock.advance_micros(5);
    let request = next_of(None)
        .with_worker("any")
        .with_lease(Duration::from_micros(3))
        .with_max_attempts(1_u32);
    for task in [&first, &second] {
        let claim = store.claim_next_task(request.clone()).await?;
        let expected = Task {
            status: TaskStatus::InProgress,
            attempt_count: 1,
            worker: Some("any".to_owned()),
            lease_expires_at: Some(in_micros(c, 3)),
            updated_at: in_micros(c, 0),
            ..task.clone()
        };
        check_eq!(
            claim.map(|claim| claim.task),
            Some(expected.clone()),
            "what a claim of any run gives that names a worker and a lease"
        );
        check_task(store, &expected, "a task claimed from any run").await?;
    }
    c.clock.advance_micros(3);
    // The bound of a claim without one holds for nobody; that of the next one does.
    let unbounded = store
        .claim_next_task(next_of(None).with_lease(MICRO))
        .await?;
    check_eq!(
        unbounded.map(|claim| claim.task.id),
        Some(first.id),
        "the task of a claim of any run without a bound"
    );
    let bounded = store.claim_next_task(request).await?;
    check_eq!(
        bounded,
        None,
        "what a claim of any run gives whose bound the only task breaks"
    );
    let blocked = used_up(&second, in_micros(c, 0));
    let blocked = Task {
        attempt_count: 1,
        ..blocked
    };
    check_task(store, &blocked, "a task that breaks a claim's own bound").await
}
