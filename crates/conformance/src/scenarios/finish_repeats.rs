//! Reports that are repeated or refused (clause C5).

use runstore_core::{
    ArtifactDraft, AttemptReport, ClaimToken, CompleteTask, Error, EventDraft, FinishOutcome,
    FinishReport, NewArtifact, NewAttempt, NewEvent, NewRun, RecordKind, RunUpdate, SaveAgentState,
    Store, Task, TaskDraft, TaskId, TaskPlan, TaskStatus, Uuid,
};
use serde_json::json;

use super::finish::full_report;
use super::tokens::{fenced_calls, finish_calls};
use crate::calls::{call, check_all_accepted, check_all_refused, check_each_refused};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::world;

/// Reports that have nothing in common.
fn reports() -> Vec<FinishReport> {
    let blocked = FinishOutcome::Blocked {
        summary: Some("another".to_owned()),
        blocker_signature: Some("another".to_owned()),
    };
    let abandoned = FinishOutcome::Abandoned {
        summary: None,
        blocker_signature: None,
    };
    vec![
        FinishReport::completed("another"),
        FinishReport::released("another"),
        full_report(blocked),
        full_report(abandoned),
    ]
}

/// Repeats a report that took effect, as it was and as others, at every handle and after a reopen: the
/// answer must be the task as it is now, and nothing may change.
async fn check_repeats(
    c: &mut Context<'_>,
    token: ClaimToken,
    report: &FinishReport,
    what: &str,
) -> Outcome {
    let before = Dump::of(&*c.store).await?;
    let task = c.store.get_task(token.task_id).await?;
    let mut repeats = reports();
    repeats.insert(0, report.clone());
    let second = c.second_handle().await?;
    for reopened in [false, true] {
        c.clock.advance_micros(1);
        let store = if reopened { &c.store } else { &second };
        for report in &repeats {
            let answer = store.finish_task(token, report.clone()).await?;
            let outcome = &report.outcome;
            check_eq!(
                answer,
                task,
                "the answer to a report that is repeated {what}, now as {outcome:?}"
            );
            let what = format!("a report that is repeated {what}, now as {outcome:?},");
            check_unchanged(&**store, &before, &what).await?;
        }
        if !reopened {
            c.reopen().await?;
        }
    }
    Ok(())
}

async fn finished(
    store: &dyn Store,
    outcome: FinishOutcome,
) -> Outcome<(ClaimToken, FinishReport, Task)> {
    let (_, claim) = world::claimed(store).await?;
    let report = full_report(outcome);
    let task = store.finish_task(claim.token(), report.clone()).await?;
    Ok((claim.token(), report, task))
}

fn completed() -> FinishOutcome {
    FinishOutcome::Completed {
        summary: "done".to_owned(),
    }
}

pub(crate) async fn a_repeat_after_each_outcome_changes_nothing(c: &mut Context<'_>) -> Outcome {
    let mut outcomes: Vec<_> = reports().into_iter().map(|report| report.outcome).collect();
    outcomes.push(completed());
    for outcome in outcomes {
        let what = format!("after {outcome:?}");
        let (token, report, _) = finished(&*c.store, outcome).await?;
        check_repeats(c, token, &report, &what).await?;
    }
    Ok(())
}

pub(crate) async fn a_repeat_without_any_id_changes_nothing(c: &mut Context<'_>) -> Outcome {
    let (_, claim) = world::claimed(&*c.store).await?;
    let report = FinishReport::completed("done")
        .with_event(EventDraft::new("worker", "note", "m"))
        .with_artifact(ArtifactDraft::new("log", "a.log"));
    c.store.finish_task(claim.token(), report.clone()).await?;
    check_repeats(c, claim.token(), &report, "without ids").await
}

pub(crate) async fn a_repeat_after_another_claimed_the_task_changes_nothing(
    c: &mut Context<'_>,
) -> Outcome {
    let (token, report, task) =
        finished(&*c.store, FinishOutcome::Released { delay: None }).await?;
    let second = world::claim(&*c.store, task.run_id).await?;
    check_repeats(c, token, &report, "while another has the task").await?;
    check_all_accepted(fenced_calls(&*c.store, task.run_id, second.token())).await?;
    let done = full_report(completed());
    c.store.finish_task(second.token(), done.clone()).await?;
    check_repeats(c, token, &report, "after another completed the task").await?;
    check_repeats(c, second.token(), &done, "by the other").await
}

pub(crate) async fn a_repeat_after_an_operator_took_the_task_changes_nothing(
    c: &mut Context<'_>,
) -> Outcome {
    let (token, report, task) = finished(&*c.store, completed()).await?;
    c.store.requeue_task(task.id).await?;
    check_repeats(c, token, &report, "after an operator requeued the task").await?;
    world::claim(&*c.store, task.run_id).await?;
    check_repeats(c, token, &report, "after it was then claimed").await?;
    c.store.requeue_in_progress_tasks(task.run_id).await?;
    check_repeats(c, token, &report, "after it was then requeued on resume").await?;
    let complete = CompleteTask::new(task.id, "by an operator");
    c.store.complete_task(complete).await?;
    check_repeats(c, token, &report, "after an operator completed it").await
}

pub(crate) async fn a_repeat_after_a_new_plan_changes_nothing(c: &mut Context<'_>) -> Outcome {
    let (token, report, task) =
        finished(&*c.store, FinishOutcome::Released { delay: None }).await?;
    let plan = TaskPlan::new(task.run_id, world::drafts(2));
    c.store.replace_pending_tasks(plan).await?;
    let task = c.store.get_task(task.id).await?;
    check_eq!(
        task.status,
        TaskStatus::Abandoned,
        "the state of a released task after a new plan"
    );
    check_repeats(c, token, &report, "after a new plan left the task out").await
}

pub(crate) async fn a_repeat_after_other_changes_changes_nothing(c: &mut Context<'_>) -> Outcome {
    let (token, report, task) = finished(&*c.store, completed()).await?;
    let run_id = task.run_id;
    let plan = TaskPlan::new(run_id, world::drafts(2));
    c.store.append_tasks(plan).await?;
    check_repeats(c, token, &report, "after tasks were appended").await?;
    world::claim(&*c.store, run_id).await?;
    check_repeats(c, token, &report, "after the next task was claimed").await?;
    c.store.requeue_in_progress_tasks(run_id).await?;
    check_repeats(c, token, &report, "after a requeue on resume").await?;
    let update = RunUpdate::new(run_id).with_status("completed");
    c.store.update_run(update).await?;
    c.store.increment_replan(run_id).await?;
    let save = SaveAgentState::new(run_id, "strategy");
    c.store.save_agent_state(save).await?;
    let record = AttemptReport::new("failed", "by an operator");
    let new = NewAttempt::new(task.id, token.attempt_number, record);
    c.store.add_attempt(new).await?;
    let (other, _) = world::populated(&*c.store).await?;
    c.store.delete_run(other.id).await?;
    check_repeats(
        c,
        token,
        &report,
        "after run, agents and journal were changed",
    )
    .await
}

pub(crate) async fn a_repeat_is_known_after_many_other_reports(c: &mut Context<'_>) -> Outcome {
    let (token, report, task) =
        finished(&*c.store, FinishOutcome::Released { delay: None }).await?;
    for _ in 0..40 {
        let claim = world::claim(&*c.store, task.run_id).await?;
        let report = FinishReport::released("again");
        c.store.finish_task(claim.token(), report).await?;
    }
    check_repeats(c, token, &report, "after forty other reports").await
}

pub(crate) async fn a_report_under_an_earlier_unfinished_token_is_no_repeat(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, first) = world::claimed(&*c.store).await?;
    c.store.requeue_task(first.task.id).await?;
    let second = world::claim(&*c.store, run.id).await?;
    let report = full_report(completed());
    let task = c.store.finish_task(second.token(), report).await?;
    let refused = Error::StaleClaim {
        token: first.token(),
        current: Some(task.standing()),
    };
    let calls = finish_calls(&*c.store, first.token());
    check_all_refused(&*c.store, calls, &refused).await
}

pub(crate) async fn a_record_of_the_attempt_is_not_taken_for_its_finish(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, first) = world::claimed(&*c.store).await?;
    let record = AttemptReport::new("completed", "done");
    let new = NewAttempt::of_claim(first.token(), record.clone());
    c.store.add_attempt(new).await?;
    let complete = CompleteTask::new(first.task.id, "done");
    let task = c.store.complete_task(complete).await?;
    // Everything looks as if it had been finished, but an operator did it.
    let refused = Error::StaleClaim {
        token: first.token(),
        current: Some(task.standing()),
    };
    let calls = finish_calls(&*c.store, first.token());
    check_all_refused(&*c.store, calls, &refused).await?;
    c.store.requeue_task(task.id).await?;
    let second = world::claim(&*c.store, run.id).await?;
    let new = NewAttempt::of_claim(second.token(), record);
    c.store.add_attempt(new).await?;
    let report = FinishReport::completed("by its holder");
    let task = c.store.finish_task(second.token(), report).await?;
    check_eq!(
        (task.status, task.implementation_summary),
        (TaskStatus::Completed, Some("by its holder".to_owned())),
        "a task finished by a holder who had added a record of the attempt before"
    );
    Ok(())
}

pub(crate) async fn a_finish_is_forgotten_with_its_run(c: &mut Context<'_>) -> Outcome {
    let task_id = TaskId::generate();
    let (token, _, task) = finished(&*c.store, completed()).await?;
    c.store.delete_run(task.run_id).await?;
    let gone = Error::StaleClaim {
        token,
        current: None,
    };
    let calls = finish_calls(&*c.store, token);
    check_all_refused(&*c.store, calls, &gone).await?;
    // The same ids again: the same token, and yet another claim.
    for round in 1..=2 {
        let run = NewRun::new("goal", "/repo").with_id(task.run_id);
        let run = c.store.create_run(run).await?;
        let draft = TaskDraft::new("title", "objective").with_id(task_id);
        let plan = TaskPlan::new(run.id, [draft]);
        c.store.append_tasks(plan).await?;
        let claim = world::claim(&*c.store, run.id).await?;
        let report = FinishReport::completed(format!("round {round}"));
        let task = c.store.finish_task(claim.token(), report).await?;
        check_eq!(
            (task.status, task.implementation_summary),
            (TaskStatus::Completed, Some(format!("round {round}"))),
            "a task finished in a run that was created under the id of a deleted one"
        );
        c.store.delete_run(run.id).await?;
    }
    Ok(())
}

pub(crate) async fn a_report_with_a_taken_id_leaves_nothing(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let (other, _) = world::claimed(&*c.store).await?;
    let taken = full_report(FinishOutcome::Released { delay: None });
    let attempt = NewAttempt::new(claim.task.id, 9, taken.attempt.clone());
    c.store.add_attempt(attempt).await?;
    let event = world::first(taken.events)?;
    let mut stored = event.clone();
    stored.message = "another".to_owned();
    c.store.add_event(NewEvent::new(run.id, stored)).await?;
    // The same content in another run is other content.
    let artifact = world::first(taken.artifacts)?;
    let new = NewArtifact::new(other.id, artifact.clone());
    c.store.add_artifact(new).await?;
    let mut calls = Vec::new();
    for kind in [RecordKind::Attempt, RecordKind::Event, RecordKind::Artifact] {
        let mut report = full_report(completed());
        let id = match kind {
            RecordKind::Attempt => {
                report.attempt = taken.attempt.clone();
                taken.attempt.id.map(Into::into)
            }
            RecordKind::Event => {
                report = report.with_event(event.clone());
                event.id.map(Into::into)
            }
            _ => {
                report = report.with_artifact(artifact.clone());
                artifact.id.map(Into::into)
            }
        };
        let id: Uuid = id.unwrap_or_default();
        let call = call!(c.store, finish_task(claim.token(), report));
        calls.push((call, Error::already_exists(kind, id)));
    }
    check_each_refused(&*c.store, calls).await?;
    // The claim is held as before, and nothing of the refused reports is in the way.
    let mut report = full_report(completed());
    report.attempt.result = json!("at last");
    let task = c.store.finish_task(claim.token(), report).await?;
    check_eq!(
        task.status,
        TaskStatus::Completed,
        "the state of a task finished after three reports with a taken id"
    );
    Ok(())
}
