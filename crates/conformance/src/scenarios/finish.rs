//! Claims that end with a report (clause C5).

use std::sync::Arc;

use runstore_core::rules::create;
use runstore_core::{
    ArtifactDraft, ArtifactId, AttemptId, AttemptReport, AttemptStatus, BlockTask, Clock, Event,
    EventDraft, EventId, FinishOutcome, FinishReport, ListArtifacts, ListAttempts, ListEvents,
    NewArtifact, NewAttempt, NewEvent, Task, TaskPlan, TaskStatus,
};
use serde_json::json;

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::tasks::{check_task, task_with_a_past, tasks_of};
use crate::ticking::TickingClock;
use crate::world;

/// A report with a record, three events and two artifacts, all fields set and all different.
pub(crate) fn full_report(outcome: FinishOutcome) -> FinishReport {
    let attempt = AttemptReport::new("a word of their own", "what the attempt did")
        .with_id(AttemptId::generate())
        .with_blocker_signature("what the attempt met")
        .with_result(json!({"z": 1, "a": [1.0, null, "\0"]}));
    let mut report = FinishReport::new(outcome, attempt);
    for number in 0..3 {
        let event = EventDraft::new(
            format!("source {number}"),
            format!("kind {number}"),
            format!("message {number}"),
        );
        // The one in the middle has no id.
        let event = match number {
            1 => event,
            _ => event.with_id(EventId::generate()),
        };
        report = report.with_event(event.with_payload(json!({"number": number})));
    }
    for (kind, role) in [("prompt", "strategy"), ("log", "another role")] {
        let artifact = ArtifactDraft::new(kind, format!("{kind}.md"))
            .with_id(ArtifactId::generate())
            .with_role(role)
            .with_metadata(json!([kind]));
        report = report.with_artifact(artifact);
    }
    report
}

/// Finishes a claim on a task with a past, beside others, and checks all that the report must write.
async fn check_finished(
    c: &mut Context<'_>,
    outcome: FinishOutcome,
    expected: impl FnOnce(Task) -> Task,
) -> Outcome {
    let run_id = task_with_a_past(&*c.store).await?.run_id;
    let plan = TaskPlan::new(run_id, world::drafts(2));
    c.store.append_tasks(plan).await?;
    let claim = world::claim(&*c.store, run_id).await?;
    world::claim(&*c.store, run_id).await?;
    let before = tasks_of(&*c.store, run_id).await?;
    let events = c.store.list_events(ListEvents::new(run_id)).await?.items;
    c.clock.advance_micros(1_001);
    let now = c.clock.now();
    let what = format!("a task finished as {outcome:?}");

    let report = full_report(outcome);
    let finished = c.store.finish_task(claim.token(), report.clone()).await?;
    let expected = Task {
        updated_at: now,
        ..expected(claim.task.clone())
    };
    check_eq!(finished, expected, "{what}, as the call returns it");
    check_eq!(finished.attempt_count, 2, "the attempts of {what}");

    for reopened in [false, true] {
        if reopened {
            c.reopen().await?;
        }
        check_task(&*c.store, &expected, &what).await?;
        let others: Vec<Task> = before.iter().skip(1).cloned().collect();
        let mut tasks = tasks_of(&*c.store, run_id).await?;
        tasks.remove(0);
        check_eq!(tasks, others, "the other tasks after {what}");
        let attempt = create::attempt(run_id, expected.id, 2, report.attempt.clone(), now);
        let listed = c.store.list_attempts(ListAttempts::new(run_id)).await?;
        check_eq!(
            listed.items,
            std::slice::from_ref(&attempt),
            "the record of the attempt, whose number is the token's"
        );
        check_eq!(
            c.store.latest_attempt(expected.id).await?,
            Some(attempt),
            "the latest attempt of the task"
        );
        let drafts = report.events.iter().cloned();
        let first = events.len() as u64 + 1;
        let numbered = (first..).zip(drafts);
        let new = numbered.map(|(seq, draft)| create::event(run_id, seq, draft, now));
        let all: Vec<Event> = events.iter().cloned().chain(new).collect();
        check_eq!(
            c.store.list_events(ListEvents::new(run_id)).await?.items,
            all,
            "the events after {what}: the earlier ones and the report's in their order"
        );
        let drafts = report.artifacts.iter().cloned();
        let artifacts: Vec<_> = drafts
            .map(|draft| create::artifact(run_id, draft, now))
            .collect();
        let listed = c.store.list_artifacts(ListArtifacts::new(run_id)).await?;
        check_eq!(
            listed.items,
            artifacts,
            "the artifacts after {what}: the report's in their order"
        );
    }
    Ok(())
}

pub(crate) async fn a_completed_report_is_written_whole(c: &mut Context<'_>) -> Outcome {
    for summary in ["done", ""] {
        let outcome = FinishOutcome::Completed {
            summary: summary.to_owned(),
        };
        check_finished(c, outcome, |task| Task {
            status: TaskStatus::Completed,
            implementation_summary: Some(summary.to_owned()),
            blocker_signature: None,
            ..task
        })
        .await?;
    }
    Ok(())
}

/// Summary and signature, set, empty and unset.
fn settlements() -> Vec<(Option<String>, Option<String>)> {
    let text = |text: &str| Some(text.to_owned());
    vec![
        (text("waits"), text("E0308")),
        (text("waits"), None),
        (None, text("E0308")),
        (text(""), text("")),
        (None, None),
    ]
}

pub(crate) async fn a_blocked_report_is_written_whole(c: &mut Context<'_>) -> Outcome {
    for (summary, blocker_signature) in settlements() {
        let outcome = FinishOutcome::Blocked {
            summary: summary.clone(),
            blocker_signature: blocker_signature.clone(),
        };
        check_finished(c, outcome, |task| Task {
            status: TaskStatus::Blocked,
            implementation_summary: summary,
            blocker_signature,
            ..task
        })
        .await?;
    }
    Ok(())
}

pub(crate) async fn an_abandoned_report_is_written_whole(c: &mut Context<'_>) -> Outcome {
    for (summary, blocker_signature) in settlements() {
        let outcome = FinishOutcome::Abandoned {
            summary: summary.clone(),
            blocker_signature: blocker_signature.clone(),
        };
        check_finished(c, outcome, |task| Task {
            status: TaskStatus::Abandoned,
            implementation_summary: summary,
            blocker_signature,
            ..task
        })
        .await?;
    }
    Ok(())
}

pub(crate) async fn a_released_report_is_written_whole(c: &mut Context<'_>) -> Outcome {
    check_finished(c, FinishOutcome::Released { delay: None }, |task| Task {
        status: TaskStatus::Pending,
        ..task
    })
    .await
}

pub(crate) async fn a_report_may_have_a_record_only(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let report = FinishReport::completed("done");
    let finished = c.store.finish_task(claim.token(), report).await?;
    let attempts = c.store.list_attempts(ListAttempts::new(run.id)).await?;
    let attempt = world::first(attempts.items)?;
    check_eq!(
        (
            attempt.task_id,
            attempt.attempt_number,
            &attempt.status,
            attempt.summary.as_str(),
            &attempt.blocker_signature,
            &attempt.result,
        ),
        (
            finished.id,
            1,
            &AttemptStatus::Completed,
            "done",
            &None,
            &json!(null),
        ),
        "the record of an attempt that gave and met nothing"
    );
    let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
    check_eq!(events.len(), 1, "the number of events, creation included");
    let artifacts = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
    check_eq!(artifacts.items, [], "the artifacts");
    Ok(())
}

pub(crate) async fn every_attempt_of_a_task_can_be_finished(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 1).await?;
    for number in 1..=4 {
        let claim = world::claim(&*c.store, run.id).await?;
        let report = FinishReport::released(format!("try {number}"));
        let task = c.store.finish_task(claim.token(), report).await?;
        check_eq!(
            (task.status, task.attempt_count),
            (TaskStatus::Pending, number),
            "state and attempts after release {number}"
        );
        let latest = c.store.latest_attempt(task.id).await?;
        check_eq!(
            latest.map(|attempt| (attempt.attempt_number, attempt.summary)),
            Some((number, format!("try {number}"))),
            "number and summary of the latest attempt after release {number}"
        );
    }
    Ok(())
}

pub(crate) async fn all_that_a_report_writes_has_one_time(c: &mut Context<'_>) -> Outcome {
    let fixture = c.with_clock(Arc::new(TickingClock::default())).await?;
    let store = fixture.store();
    let (run, claim) = world::claimed(&*store).await?;
    let report = full_report(FinishOutcome::Released { delay: None });
    let time = store.finish_task(claim.token(), report).await?.updated_at;
    let mut times = Vec::new();
    let attempts = store.list_attempts(ListAttempts::new(run.id)).await?.items;
    times.extend(attempts.iter().map(|attempt| attempt.created_at));
    let events = store.list_events(ListEvents::new(run.id)).await?.items;
    times.extend(events.iter().skip(1).map(|event| event.ts));
    let artifacts = store.list_artifacts(ListArtifacts::new(run.id)).await?;
    times.extend(artifacts.items.iter().map(|artifact| artifact.created_at));
    check_eq!(
        times,
        vec![time; 6],
        "the times of an attempt, three events and two artifacts, beside their task's"
    );
    Ok(())
}

pub(crate) async fn a_finish_ends_its_own_claim_only(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 3).await?;
    let mut claims = Vec::new();
    for _ in 0..3 {
        claims.push(world::claim(&*c.store, run.id).await?);
    }
    // Not in the order of the claims.
    for index in [1, 1, 0] {
        let claim = claims.remove(index);
        let report = FinishReport::completed(format!("done {}", claim.task.position));
        let task = c.store.finish_task(claim.token(), report).await?;
        check_eq!(
            (task.id, task.implementation_summary),
            (claim.task.id, Some(format!("done {}", claim.task.position))),
            "id and summary of the finished task"
        );
        for held in &claims {
            check_task(&*c.store, &held.task, "a task that is still claimed").await?;
        }
    }
    Ok(())
}

pub(crate) async fn what_was_added_before_under_its_id_is_not_added_again(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let token = claim.token();
    let report = full_report(FinishOutcome::Released { delay: None });
    let attempt = NewAttempt::of_claim(token, report.attempt.clone());
    let mut attempts = vec![c.store.add_attempt(attempt).await?];
    let draft = world::last(report.events.clone())?;
    let early = c.store.add_event(NewEvent::new(run.id, draft)).await?;
    let draft = world::last(report.artifacts.clone())?;
    let artifact = NewArtifact::new(run.id, draft).with_fence(token);
    let early_artifact = c.store.add_artifact(artifact).await?;
    c.clock.advance_micros(1);
    c.store.finish_task(token, report).await?;
    let listed = c.store.list_attempts(ListAttempts::new(run.id)).await?;
    check_eq!(
        listed.items,
        attempts,
        "the attempts after a report whose record was added before"
    );
    let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
    let kinds: Vec<_> = events
        .iter()
        .map(|event| (event.seq, event.kind.as_str()))
        .collect();
    check_eq!(
        kinds,
        [
            (1, "run_created"),
            (2, "kind 2"),
            (3, "kind 0"),
            (4, "kind 1")
        ],
        "the events after a report whose third event was added before"
    );
    check_eq!(
        events.get(1),
        Some(&early),
        "the event that was added before"
    );
    let listed = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
    check_eq!(
        (listed.items.len(), listed.items.first()),
        (2, Some(&early_artifact)),
        "number and first of the artifacts after a report whose second was added before"
    );
    // A record of this attempt without an id is one of its own.
    let again = world::claim(&*c.store, run.id).await?;
    let record = AttemptReport::new("failed", "no");
    let attempt = NewAttempt::of_claim(again.token(), record.clone());
    attempts.push(c.store.add_attempt(attempt).await?);
    let report = FinishReport::new(FinishOutcome::Released { delay: None }, record);
    let task = c.store.finish_task(again.token(), report).await?;
    check_eq!(
        task.status,
        TaskStatus::Pending,
        "the task after a finish whose attempt had a record already"
    );
    let listed = c.store.list_attempts(ListAttempts::new(run.id)).await?;
    check_eq!(
        listed.items.len(),
        attempts.len() + 1,
        "the number of attempts after a report like a record before, without ids"
    );
    Ok(())
}

pub(crate) async fn a_blocked_task_of_a_worker_is_like_an_operators(
    c: &mut Context<'_>,
) -> Outcome {
    let (_, claim) = world::claimed(&*c.store).await?;
    let outcome = FinishOutcome::Blocked {
        summary: None,
        blocker_signature: Some("b".to_owned()),
    };
    let report = FinishReport::new(outcome, AttemptReport::new("blocked", "waits"));
    let by_worker = c.store.finish_task(claim.token(), report).await?;
    let (_, claim) = world::claimed(&*c.store).await?;
    let block = BlockTask::new(claim.task.id).with_blocker_signature("b");
    let by_operator = c.store.block_task(block).await?;
    let expected = Task {
        id: by_operator.id,
        run_id: by_operator.run_id,
        ..by_worker
    };
    check_eq!(
        by_operator,
        expected,
        "a task that an operator blocked, beside one that its worker did"
    );
    Ok(())
}
