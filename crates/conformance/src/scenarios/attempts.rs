//! Attempts (clause J3).

use runstore_core::{
    AttemptId, AttemptReport, AttemptStatus, Clock, FinishReport, ListAttempts, NewAttempt,
    SnapshotRequest, Store, TaskAttempt, TaskId, TaskPlan,
};
use serde_json::json;

use crate::beside::Beside;
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::lists::{check_last, check_pages};
use crate::world;

/// What adding an attempt may change in what can be read.
const ATTEMPTS: &[&str] = &["attempts", "latestAttempts", "recentAttempts"];

/// Adds an attempt in no claim's name.
async fn add(
    store: &dyn Store,
    task_id: TaskId,
    number: u32,
    summary: &str,
) -> Outcome<TaskAttempt> {
    let report = AttemptReport::new(AttemptStatus::Failed, summary);
    Ok(store
        .add_attempt(NewAttempt::new(task_id, number, report))
        .await?)
}

pub(crate) async fn an_attempt_is_stored_as_it_was_given(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let task_id = claim.task.id;
    let id = AttemptId::generate();
    let full = AttemptReport::new(AttemptStatus::Interrupted, "a summary")
        .with_id(id)
        .with_blocker_signature("a signature")
        .with_result(json!({"tests": 3, "log": ["x"]}));
    let bare = AttemptReport::new("a word of its own", "another summary");
    let news = [
        NewAttempt::new(task_id, 40, full.clone()),
        NewAttempt::of_claim(claim.token(), bare.clone()),
    ];
    let mut written = Vec::new();
    for (new, report) in news.into_iter().zip([full, bare]) {
        c.clock.advance_micros(7);
        let attempt_number = new.attempt_number;
        let attempt = c.store.add_attempt(new).await?;
        let expected = TaskAttempt {
            id: report.id.unwrap_or(attempt.id),
            run_id: run.id,
            task_id,
            attempt_number,
            status: report.status,
            summary: report.summary,
            blocker_signature: report.blocker_signature,
            result: report.result,
            created_at: c.clock.now(),
        };
        check_eq!(attempt, expected, "the attempt that add_attempt returned");
        let latest = c.store.latest_attempt(task_id).await?;
        check_eq!(latest, Some(expected), "the latest attempt of the task");
        written.push(attempt);
    }
    let of_run = c.store.list_attempts(ListAttempts::new(run.id)).await?;
    check_eq!(of_run.items, written, "the attempts listed of the run");
    let of_task = ListAttempts::new(run.id).with_task_id(task_id);
    let of_task = c.store.list_attempts(of_task).await?;
    check_eq!(of_task.items, written, "the attempts listed of the task");
    let recent = c.store.recent_attempts(run.id, 12).await?;
    check_eq!(recent, written, "the recent attempts");
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    check_eq!(
        snapshot.recent_attempts,
        written,
        "the attempts in the snapshot"
    );
    Ok(())
}

pub(crate) async fn an_attempt_without_an_id_is_given_one_of_its_own(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 1).await?;
    let task = world::first(tasks)?;
    let one = add(&*c.store, task.id, 1, "same").await?;
    let two = add(&*c.store, task.id, 1, "same").await?;
    check!(
        one.id != two.id,
        "two equal attempts that were added without ids must have ids of their own"
    );
    let listed = c.store.list_attempts(ListAttempts::new(run.id)).await?;
    check_eq!(
        listed.items,
        vec![one, two],
        "the attempts after two equal ones without ids, with one number"
    );
    Ok(())
}

pub(crate) async fn an_attempt_is_added_in_any_state_and_changes_nothing_else(
    c: &mut Context<'_>,
) -> Outcome {
    let beside = Beside::new(c).await?;
    let list = ListAttempts::new(beside.run.id);
    let mut expected = c.store.list_attempts(list.clone()).await?.items;
    for task in &beside.tasks {
        let attempt = add(&*c.store, task.id, 9, task.status.as_str()).await?;
        expected.push(attempt.clone());
        let what = format!("adding an attempt to a task that is {}", task.status);
        beside
            .check_unchanged_but(&*c.store, ATTEMPTS, &what)
            .await?;
        check_eq!(
            c.store.latest_attempt(task.id).await?,
            Some(attempt),
            "the latest attempt of a task that is {}",
            task.status
        );
        check_eq!(
            c.store.list_attempts(list.clone()).await?.items,
            expected,
            "the attempts of the run after {what}"
        );
    }
    Ok(())
}

pub(crate) async fn the_latest_attempt_is_the_one_added_last_by_whatever_number(
    c: &mut Context<'_>,
) -> Outcome {
    let (_, tasks) = world::planned(&*c.store, 2).await?;
    for (turn, number) in [3, 1, u32::MAX, 0, 2].into_iter().enumerate() {
        // The clock runs backwards, so that neither number nor time names the latest.
        c.clock.advance_micros(-1_000);
        for task in &tasks {
            let attempt = add(&*c.store, task.id, number, &format!("turn {turn}")).await?;
            check_eq!(
                attempt.attempt_number,
                number,
                "the number of an attempt, as its writer counts"
            );
            check_eq!(
                c.store.latest_attempt(task.id).await?,
                Some(attempt),
                "the latest attempt after one with number {number} was added"
            );
        }
    }
    Ok(())
}

pub(crate) async fn attempts_are_kept_apart_by_task_and_by_run(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 3).await?;
    let (other, other_tasks) = world::planned(&*c.store, 1).await?;
    let other_task = world::first(other_tasks)?;
    let mut by_task = [Vec::new(), Vec::new(), Vec::new()];
    let mut of_other = Vec::new();
    for turn in 0..4 {
        // The third task gets none.
        for (task, attempts) in tasks.iter().zip(&mut by_task).take(2) {
            attempts.push(add(&*c.store, task.id, turn, &task.title).await?);
        }
        of_other.push(add(&*c.store, other_task.id, turn, "other").await?);
    }
    for (task, attempts) in tasks.iter().zip(&by_task) {
        let list = ListAttempts::new(run.id).with_task_id(task.id);
        check_pages("the attempts of one task", attempts, |page| {
            c.store.list_attempts(list.clone().with_page(page))
        })
        .await?;
        check_eq!(
            c.store.latest_attempt(task.id).await?.as_ref(),
            attempts.last(),
            "the latest attempt of {}",
            task.title
        );
    }
    check_pages("the attempts of another run", &of_other, |page| {
        let list = ListAttempts::new(other.id).with_page(page);
        c.store.list_attempts(list)
    })
    .await?;
    check_last("attempts of another run", &of_other, |limit| {
        c.store.recent_attempts(other.id, limit)
    })
    .await
}

pub(crate) async fn attempts_of_a_run_are_listed_oldest_first_in_pages(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 3).await?;
    let mut written = Vec::new();
    for turn in 0..6_u32 {
        for task in tasks.iter().rev().skip((turn % 2) as usize).step_by(2) {
            written.push(add(&*c.store, task.id, 10 - turn, "try").await?);
        }
    }
    check_pages("the attempts of a run", &written, |page| {
        let list = ListAttempts::new(run.id).with_page(page);
        c.store.list_attempts(list)
    })
    .await
}

pub(crate) async fn the_last_attempts_of_a_run_are_given_oldest_first(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 2).await?;
    let mut written = Vec::new();
    // More than the 12 of a snapshot: the call has no such bound.
    for turn in 0..7 {
        for task in &tasks {
            written.push(add(&*c.store, task.id, turn, "try").await?);
        }
    }
    check_last("attempts of a run", &written, |limit| {
        c.store.recent_attempts(run.id, limit)
    })
    .await
}

pub(crate) async fn a_run_and_a_task_without_attempts_have_none(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let listed = c.store.list_attempts(ListAttempts::new(run.id)).await?;
    check_eq!(
        (listed.items, listed.next),
        (vec![], None),
        "the attempts of a run whose task was claimed only"
    );
    let recent = c.store.recent_attempts(run.id, 12).await?;
    check_eq!(recent, vec![], "its recent attempts");
    let latest = c.store.latest_attempt(claim.task.id).await?;
    check_eq!(latest, None, "the latest attempt of its task");
    Ok(())
}

pub(crate) async fn attempts_outlast_every_change_of_their_task(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let by_hand = add(&*c.store, claim.task.id, 7, "by hand").await?;
    let report = FinishReport::released("no luck");
    c.store.finish_task(claim.token(), report).await?;
    let list = ListAttempts::new(run.id);
    let written = c.store.list_attempts(list.clone()).await?.items;
    let numbers: Vec<_> = written.iter().map(|it| it.attempt_number).collect();
    check_eq!(
        numbers,
        [7, 1],
        "the numbers of an attempt by hand and of a report, oldest first"
    );
    check_eq!(
        written.first(),
        Some(&by_hand),
        "the attempt that came first"
    );
    world::claim(&*c.store, run.id).await?;
    c.store.requeue_task(claim.task.id).await?;
    let plan = TaskPlan::new(run.id, world::drafts(1));
    c.store.replace_pending_tasks(plan).await?;
    c.store.requeue_task(claim.task.id).await?;
    check_eq!(
        c.store.list_attempts(list).await?.items,
        written,
        "the attempts after their task was claimed, requeued, replaced and requeued again"
    );
    check_eq!(
        c.store.latest_attempt(claim.task.id).await?.as_ref(),
        written.last(),
        "the latest attempt after all that"
    );
    Ok(())
}
