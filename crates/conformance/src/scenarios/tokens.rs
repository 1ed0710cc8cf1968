//! The tokens of claims: what they are good for, and when they no longer are (clauses C3 and C4).

use runstore_core::rules::create;
use runstore_core::{
    AbandonTask, ArtifactDraft, AttemptReport, BlockTask, Claim, ClaimToken, Clock, CompleteTask,
    Error, EventDraft, FinishOutcome, FinishReport, ListArtifacts, ListCheckpoints, NewArtifact,
    NewAttempt, NewCheckpoint, NewEvent, Run, RunId, Store, TaskId, TaskPlan, TaskStanding,
    TaskStatus,
};
use serde_json::json;

use crate::calls::{
    Call, call, check_all_accepted, check_all_refused, check_each_refused, invalid,
};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::leased::check_stale;
use crate::tasks::{check_task, token_of};
use crate::world;

/// Every call that can carry the token as a fence, on the run.
pub(crate) fn fenced_calls<'s>(
    store: &'s dyn Store,
    run_id: RunId,
    token: ClaimToken,
) -> Vec<Call<'s>> {
    let report = AttemptReport::new("failed", "no");
    let mut calls = fenced_calls_on_run(store, run_id, token);
    calls.push(call!(
        store,
        add_attempt(NewAttempt::of_claim(token, report))
    ));
    calls
}

/// Every call that names a run and can carry a fence.
pub(crate) fn fenced_calls_on_run<'s>(
    store: &'s dyn Store,
    run_id: RunId,
    token: ClaimToken,
) -> Vec<Call<'s>> {
    let event = NewEvent::new(run_id, EventDraft::new("worker", "note", "m"));
    let artifact = NewArtifact::new(run_id, ArtifactDraft::new("log", "a.log"));
    let checkpoint = NewCheckpoint::new(run_id, "running", json!({"at": 1}));
    vec![
        call!(store, add_event(event.with_fence(token))),
        call!(store, add_artifact(artifact.with_fence(token))),
        call!(store, add_checkpoint(checkpoint.with_fence(token))),
    ]
}

/// A finish with every outcome.
pub(crate) fn finish_calls<'s>(store: &'s dyn Store, token: ClaimToken) -> Vec<Call<'s>> {
    let with_outcome = |outcome| {
        FinishReport::new(outcome, AttemptReport::new("completed", "did it"))
            .with_event(EventDraft::new("worker", "note", "m"))
            .with_artifact(ArtifactDraft::new("log", "a.log"))
    };
    let outcomes = [
        FinishOutcome::Completed {
            summary: "done".to_owned(),
        },
        FinishOutcome::Blocked {
            summary: None,
            blocker_signature: None,
        },
        FinishOutcome::Abandoned {
            summary: None,
            blocker_signature: None,
        },
        FinishOutcome::Released { delay: None },
    ];
    outcomes
        .into_iter()
        .map(|outcome| call!(store, finish_task(token, with_outcome(outcome))))
        .collect()
}

/// The standing of a task of the run.
fn standing(run: &Run, status: TaskStatus, attempt_count: u32) -> Option<TaskStanding> {
    Some(TaskStanding {
        run_id: run.id,
        status,
        attempt_count,
        lease_expires_at: None,
    })
}

/// Checks that the claim is held: what its holder writes is written.
async fn check_held(store: &dyn Store, claim: &Claim) -> Outcome {
    let calls = fenced_calls(store, claim.task.run_id, claim.token());
    check_all_accepted(calls).await
}

pub(crate) async fn a_token_names_task_and_attempt(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 2).await?;
    for attempt_number in 1..=3 {
        let claim = world::claim(&*c.store, run.id).await?;
        let expected = ClaimToken {
            task_id: claim.task.id,
            attempt_number,
        };
        check_eq!(claim.token(), expected, "the token of a claim");
        check_held(&*c.store, &claim).await?;
        c.store.requeue_task(claim.task.id).await?;
    }
    Ok(())
}

pub(crate) async fn a_held_token_lets_its_holder_write(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let (token, store) = (claim.token(), &*c.store);
    c.clock.advance_micros(1_001);
    let now = c.clock.now();
    let report = AttemptReport::new("failed", "no").with_result(json!({"exit": 1}));
    // The number in the record is the writer's own and need not be the claim's.
    for number in [1, 7] {
        let mut new = NewAttempt::of_claim(token, report.clone());
        new.attempt_number = number;
        let added = store.add_attempt(new).await?;
        let report = report.clone().with_id(added.id);
        let expected = create::attempt(run.id, token.task_id, number, report, now);
        check_eq!(added, expected, "an attempt written under a fence");
        check_eq!(
            store.latest_attempt(token.task_id).await?,
            Some(expected),
            "the latest attempt after it"
        );
    }
    let draft = EventDraft::new("worker", "note", "m").with_payload(json!([1]));
    let new = NewEvent::new(run.id, draft.clone()).with_fence(token);
    let event = create::event(run.id, 2, draft, now);
    check_eq!(
        store.add_event(new).await?,
        event,
        "an event written under a fence"
    );
    check_eq!(
        store.recent_events(run.id, 1).await?,
        [event],
        "the last event after it"
    );
    let draft = ArtifactDraft::new("log", "a.log").with_role("checker");
    let new = NewArtifact::new(run.id, draft.clone()).with_fence(token);
    let added = store.add_artifact(new).await?;
    let artifact = create::artifact(run.id, draft.with_id(added.id), now);
    check_eq!(added, artifact, "an artifact written under a fence");
    check_eq!(
        store
            .list_artifacts(ListArtifacts::new(run.id))
            .await?
            .items,
        [artifact],
        "the artifacts after it"
    );
    let new = NewCheckpoint::new(run.id, "running", json!({"at": 1}));
    let added = store.add_checkpoint(new.clone().with_fence(token)).await?;
    let checkpoint = create::checkpoint(new.with_id(added.id), now);
    check_eq!(added, checkpoint, "a checkpoint written under a fence");
    let list = ListCheckpoints::new(run.id);
    check_eq!(
        store.list_checkpoints(list).await?.items,
        [checkpoint],
        "the checkpoints after it"
    );
    check_task(store, &claim.task, "a task whose holder wrote").await
}

pub(crate) async fn a_token_stays_held_whatever_others_do(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 3).await?;
    let claim = world::claim(&*c.store, run.id).await?;
    let second = world::claim(&*c.store, run.id).await?;
    let third = world::claim(&*c.store, run.id).await?;
    c.store.requeue_task(second.task.id).await?;
    check_held(&*c.store, &claim).await?;
    let report = FinishReport::completed("done");
    c.store.finish_task(third.token(), report).await?;
    check_held(&*c.store, &claim).await?;
    world::claim(&*c.store, run.id).await?;
    let plan = TaskPlan::new(run.id, world::drafts(2));
    c.store.append_tasks(plan).await?;
    c.store.increment_cycle(run.id).await?;
    // The same in another run, where it concerns other tasks.
    let (other, _) = world::claimed(&*c.store).await?;
    c.store.requeue_in_progress_tasks(other.id).await?;
    c.store
        .replace_pending_tasks(TaskPlan::new(other.id, []))
        .await?;
    c.store.delete_run(other.id).await?;
    c.clock.advance_micros(1_000_000_000_000);
    check_held(&*c.store, &claim).await?;
    check_task(&*c.store, &claim.task, "the claimed task").await?;
    let handle = c.second_handle().await?;
    check_held(&*handle, &claim).await?;
    drop(handle);
    c.reopen().await?;
    check_held(&*c.store, &claim).await?;
    let report = FinishReport::completed("done");
    let finished = c.store.finish_task(claim.token(), report).await?;
    check_eq!(
        finished.status,
        TaskStatus::Completed,
        "the task that the holder then finished"
    );
    Ok(())
}

pub(crate) async fn a_token_is_stale_once_its_task_was_requeued(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    c.store.requeue_task(claim.task.id).await?;
    let current = standing(&run, TaskStatus::Pending, 1);
    check_stale(c, run.id, claim.token(), current).await
}

pub(crate) async fn a_token_is_stale_after_a_requeue_on_resume(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    c.store.requeue_in_progress_tasks(run.id).await?;
    let current = standing(&run, TaskStatus::Pending, 1);
    check_stale(c, run.id, claim.token(), current).await
}

pub(crate) async fn a_token_is_stale_once_its_task_was_claimed_again(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, first) = world::claimed(&*c.store).await?;
    c.store.requeue_task(first.task.id).await?;
    let second = world::claim(&*c.store, run.id).await?;
    check_held(&*c.store, &second).await?;
    let current = standing(&run, TaskStatus::InProgress, 2);
    check_stale(c, run.id, first.token(), current).await?;
    check_held(&*c.store, &second).await?;
    // And stays so when the one who has it now finishes.
    let report = FinishReport::completed("done");
    c.store.finish_task(second.token(), report).await?;
    let current = standing(&run, TaskStatus::Completed, 2);
    check_stale(c, run.id, first.token(), current).await
}

pub(crate) async fn a_token_is_stale_once_a_new_plan_left_its_task_out(
    c: &mut Context<'_>,
) -> Outcome {
    for tasks in [0, 2] {
        let (run, claim) = world::claimed(&*c.store).await?;
        let plan = TaskPlan::new(run.id, world::drafts(tasks));
        c.store.replace_pending_tasks(plan).await?;
        let current = standing(&run, TaskStatus::Abandoned, 1);
        check_stale(c, run.id, claim.token(), current).await?;
    }
    Ok(())
}

pub(crate) async fn a_token_is_stale_once_an_operator_settled_its_task(
    c: &mut Context<'_>,
) -> Outcome {
    for status in [
        TaskStatus::Completed,
        TaskStatus::Blocked,
        TaskStatus::Abandoned,
    ] {
        let (run, claim) = world::claimed(&*c.store).await?;
        let id = claim.task.id;
        match status {
            TaskStatus::Completed => c.store.complete_task(CompleteTask::new(id, "done")).await?,
            TaskStatus::Blocked => c.store.block_task(BlockTask::new(id)).await?,
            _ => c.store.abandon_task(AbandonTask::new(id)).await?,
        };
        check_stale(c, run.id, claim.token(), standing(&run, status, 1)).await?;
        // A requeue does not give it back.
        c.store.requeue_task(id).await?;
        let current = standing(&run, TaskStatus::Pending, 1);
        check_stale(c, run.id, claim.token(), current).await?;
    }
    Ok(())
}

pub(crate) async fn a_token_is_stale_once_its_run_was_deleted(c: &mut Context<'_>) -> Outcome {
    let (other, _) = world::claimed(&*c.store).await?;
    let (run, claim) = world::claimed(&*c.store).await?;
    c.store.delete_run(run.id).await?;
    check_stale(c, run.id, claim.token(), None).await?;
    // A write to a run that is there is refused all the same.
    check_stale(c, other.id, claim.token(), None).await
}

pub(crate) async fn a_token_on_a_task_that_never_was_is_stale(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::claimed(&*c.store).await?;
    let token = ClaimToken {
        task_id: TaskId::generate(),
        attempt_number: 1,
    };
    check_stale(c, run.id, token, None).await
}

pub(crate) async fn a_fence_is_stale_once_its_claim_was_finished(c: &mut Context<'_>) -> Outcome {
    for (index, status) in [
        TaskStatus::Completed,
        TaskStatus::Blocked,
        TaskStatus::Abandoned,
        TaskStatus::Pending,
    ]
    .into_iter()
    .enumerate()
    {
        let (run, claim) = world::claimed(&*c.store).await?;
        let token = claim.token();
        let finish = finish_calls(&*c.store, token).into_iter().nth(index);
        check_all_accepted(finish.into_iter().collect()).await?;
        let refused = Error::StaleClaim {
            token,
            current: standing(&run, status, 1),
        };
        let calls = fenced_calls(&*c.store, run.id, token);
        check_all_refused(&*c.store, calls, &refused).await?;
    }
    Ok(())
}

pub(crate) async fn a_token_with_another_number_is_not_held(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    c.store.requeue_task(claim.task.id).await?;
    let with_number = |attempt_number| ClaimToken {
        task_id: claim.task.id,
        attempt_number,
    };
    for number in [0, 2] {
        let current = standing(&run, TaskStatus::Pending, 1);
        check_stale(c, run.id, with_number(number), current).await?;
    }
    let second = world::claim(&*c.store, run.id).await?;
    for number in [0, 1, 3, 4, u32::MAX] {
        let current = standing(&run, TaskStatus::InProgress, 2);
        check_stale(c, run.id, with_number(number), current).await?;
    }
    check_held(&*c.store, &second).await
}

pub(crate) async fn a_task_never_claimed_has_no_token(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 1).await?;
    let task = world::first(tasks)?;
    let current = standing(&run, TaskStatus::Pending, 0);
    check_stale(c, run.id, token_of(&task), current).await?;
    let token = ClaimToken {
        attempt_number: 1,
        ..token_of(&task)
    };
    check_stale(c, run.id, token, current).await
}

pub(crate) async fn a_fence_must_be_on_a_task_of_the_run(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::claimed(&*c.store).await?;
    let (other, foreign) = world::claimed(&*c.store).await?;
    let calls = || fenced_calls_on_run(&*c.store, run.id, foreign.token());
    let refused = invalid("fence", "");
    check_all_refused(&*c.store, calls(), &refused).await?;
    // Held or not makes no difference.
    c.store.requeue_in_progress_tasks(other.id).await?;
    check_all_refused(&*c.store, calls(), &refused).await
}

pub(crate) async fn a_fence_must_be_on_the_attempts_own_task(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 2).await?;
    let first = world::claim(&*c.store, run.id).await?;
    let second = world::claim(&*c.store, run.id).await?;
    let (_, foreign) = world::claimed(&*c.store).await?;
    let unknown = ClaimToken {
        task_id: TaskId::generate(),
        attempt_number: 1,
    };
    let mut calls = Vec::new();
    for token in [second.token(), foreign.token(), unknown] {
        let report = AttemptReport::new("failed", "no");
        let mut new = NewAttempt::of_claim(first.token(), report);
        new.fence = Some(token);
        let call = call!(c.store, add_attempt(new));
        calls.push((call, invalid("fence", "")));
    }
    check_each_refused(&*c.store, calls).await
}
