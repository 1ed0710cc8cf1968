//! Releases and requeues of tasks whose attempts are used up, and what becomes of these (clause C8).

use std::sync::Arc;
use std::time::Duration;

use runstore_core::rules::create;
use runstore_core::{
    AbandonTask, ArtifactDraft, AttemptId, AttemptReport, BlockTask, ClaimRequest, Clock,
    CompleteTask, Error, EventDraft, FinishReport, ListArtifacts, NewArtifact, NewAttempt,
    NewEvent, RecordKind, Task, TaskStatus, Uuid,
};
use serde_json::json;

use crate::calls::{call, check_each_refused};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::leased::{LEASE, check_nothing_claimable, claim, micros, request};
use crate::tasks::{check_task, tasks_of};
use crate::ticking::TickingClock;
use crate::used_up::{
    at_its_last_attempt, bounded, check_new_events, count_events, end_of, used_up,
};
use crate::world;

pub(crate) async fn a_release_of_the_last_attempt_blocks(c: &mut Context<'_>) -> Outcome {
    for report in [
        FinishReport::released("gave up"),
        FinishReport::released_for(LEASE, "gave up"),
    ] {
        let held = at_its_last_attempt(&*c.store).await?;
        let (token, run_id) = (held.token(), held.task.run_id);
        let events = count_events(&*c.store, run_id).await?;
        c.clock.advance_micros(1_001);
        let tried = AttemptReport::new("failed", "gave up")
            .with_id(AttemptId::generate())
            .with_blocker_signature("what it met")
            .with_result(json!({"exit": 1}));
        let mut report = report.with_attempt(tried.clone());
        for kind in ["first", "second"] {
            report = report
                .with_event(EventDraft::new("system", kind, "m").with_payload(json!({"at": kind})))
                .with_artifact(ArtifactDraft::new(kind, "p"));
        }
        let expected = used_up(&held.task, c.clock.now());
        let task = c.store.finish_task(token, report.clone()).await?;
        check_eq!(
            task,
            expected,
            "a task whose last attempt was released, as the call returns it"
        );
        check_task(
            &*c.store,
            &expected,
            "a task whose last attempt was released",
        )
        .await?;
        let reported = ["first", "second"].map(|kind| (kind, json!({"at": kind})));
        let all = reported
            .into_iter()
            .chain([end_of(&held.task, 2)])
            .collect();
        check_new_events(c, run_id, events, all, "a release of the last attempt").await?;
        let attempt = create::attempt(run_id, task.id, 2, tried, c.clock.now());
        check_eq!(
            c.store.latest_attempt(task.id).await?,
            Some(attempt),
            "the record of the last attempt"
        );
        let artifacts = c.store.list_artifacts(ListArtifacts::new(run_id)).await?;
        check_eq!(
            artifacts.items.len(),
            2,
            "the artifacts of the last attempt's report"
        );
        let before = Dump::of(&*c.store).await?;
        c.clock.advance_micros(micros(LEASE));
        let again = c.store.finish_task(token, report).await?;
        check_eq!(again, task, "the answer to that report repeated");
        check_unchanged(&*c.store, &before, "a repeated release of the last attempt").await?;
        check_nothing_claimable(&*c.store, run_id, "after the last attempt").await?;
        c.reopen().await?;
        check_task(
            &*c.store,
            &expected,
            "a released last attempt after a reopen",
        )
        .await?;
    }
    Ok(())
}

pub(crate) async fn a_refused_report_of_the_last_attempt_changes_nothing(
    c: &mut Context<'_>,
) -> Outcome {
    let held = at_its_last_attempt(&*c.store).await?;
    let run_id = held.task.run_id;
    let [attempt, event, artifact] = std::array::from_fn(|_| Uuid::now_v7());
    let tried = AttemptReport::new("failed", "before").with_id(attempt);
    c.store
        .add_attempt(NewAttempt::of_claim(held.token(), tried))
        .await?;
    let before = EventDraft::new("w", "before", "m").with_id(event);
    c.store.add_event(NewEvent::new(run_id, before)).await?;
    let before = ArtifactDraft::new("before", "p").with_id(artifact);
    c.store
        .add_artifact(NewArtifact::new(run_id, before))
        .await?;
    c.clock.advance_micros(1);
    for report in [
        FinishReport::released("gave up"),
        FinishReport::released_for(LEASE, "gave up"),
    ] {
        let other = AttemptReport::new("failed", "other").with_id(attempt);
        let reports = [
            (
                RecordKind::Attempt,
                attempt,
                report.clone().with_attempt(other),
            ),
            (
                RecordKind::Event,
                event,
                report
                    .clone()
                    .with_event(EventDraft::new("w", "other", "m").with_id(event)),
            ),
            (
                RecordKind::Artifact,
                artifact,
                report.with_artifact(ArtifactDraft::new("other", "p").with_id(artifact)),
            ),
        ];
        let calls = reports.map(|(kind, id, report)| {
            let call = call!(c.store, finish_task(held.token(), report));
            (call, Error::AlreadyExists { kind, id })
        });
        check_each_refused(&*c.store, calls.into_iter().collect()).await?;
    }
    Ok(())
}

pub(crate) async fn a_requeue_of_used_up_attempts_blocks_instead(c: &mut Context<'_>) -> Outcome {
    for from in [
        TaskStatus::InProgress,
        TaskStatus::Completed,
        TaskStatus::Blocked,
        TaskStatus::Abandoned,
    ] {
        let held = at_its_last_attempt(&*c.store).await?;
        let id = held.task.id;
        match from {
            TaskStatus::Completed => drop(c.store.complete_task(CompleteTask::new(id, "s")).await?),
            TaskStatus::Blocked => {
                let block = BlockTask::new(id)
                    .with_summary("s")
                    .with_blocker_signature("b");
                c.store.block_task(block).await?;
            }
            TaskStatus::Abandoned => drop(c.store.abandon_task(AbandonTask::new(id)).await?),
            _ => {}
        }
        // The second time it is blocked already.
        for _ in 0..2 {
            let before = c.store.get_task(id).await?;
            let events = count_events(&*c.store, before.run_id).await?;
            c.clock.advance_micros(1_001);
            let expected = used_up(&before, c.clock.now());
            let task = c.store.requeue_task(id).await?;
            check_eq!(
                task,
                expected,
                "a task requeued from {from} whose attempts are used up"
            );
            check_task(&*c.store, &expected, "that task").await?;
            let ends = vec![end_of(&before, 2)];
            let what = format!(
                "a requeue from {}, where attempts are used up",
                before.status
            );
            check_new_events(c, before.run_id, events, ends, &what).await?;
        }
        check_nothing_claimable(&*c.store, held.task.run_id, "after a requeue in vain").await?;
    }
    Ok(())
}

/// A run of five claimed tasks; the attempts of 1, 3 and 4 are used up.
async fn three_of_five_used_up(c: &Context<'_>) -> Outcome<Vec<Task>> {
    let bounds = [Some(1), None, Some(1), Some(1), Some(2)];
    let (run, _) = bounded(&*c.store, &bounds).await?;
    let claims = c.store.claim_tasks(request(run.id), 5).await?;
    Ok(claims.into_iter().map(|claim| claim.task).collect())
}

/// Checks tasks and events after a requeue of all five, whose summary is an event of this kind.
async fn check_two_requeued(c: &Context<'_>, before: &[Task], kind: &'static str) -> Outcome {
    let now = c.clock.now();
    let run_id = world::first(before.to_vec())?.run_id;
    let is_used_up = |task: &Task| task.max_attempts == Some(1);
    let expected: Vec<Task> = before
        .iter()
        .map(|task| match is_used_up(task) {
            true => used_up(task, now),
            false => Task {
                status: TaskStatus::Pending,
                worker: None,
                lease_expires_at: None,
                updated_at: now,
                ..task.clone()
            },
        })
        .collect();
    check_eq!(
        tasks_of(&*c.store, run_id).await?,
        expected,
        "the tasks after {kind} where the attempts of three of five are used up"
    );
    let ends = before.iter().filter(|task| is_used_up(task));
    let ends = ends.map(|task| end_of(task, 1));
    let all = ends.chain([(kind, json!({"changes": 2}))]).collect();
    check_new_events(
        c,
        run_id,
        1,
        all,
        "it: those of the blocked tasks come first",
    )
    .await
}

pub(crate) async fn a_resume_blocks_used_up_attempts_and_does_not_count_them(
    c: &mut Context<'_>,
) -> Outcome {
    let before = three_of_five_used_up(c).await?;
    let run_id = world::first(before.clone())?.run_id;
    c.clock.advance_micros(1_001);
    let number = c.store.requeue_in_progress_tasks(run_id).await?;
    check_eq!(
        number,
        2,
        "the tasks requeued on resume, of five with three used up"
    );
    check_two_requeued(c, &before, "requeue_in_progress").await?;
    // Where all are used up, none is counted, and no event tells of a requeue.
    let (run, _) = bounded(&*c.store, &[Some(1)]).await?;
    let held = claim(&*c.store, ClaimRequest::of_run(run.id)).await?.task;
    let number = c.store.requeue_in_progress_tasks(run.id).await?;
    check_eq!(
        number,
        0,
        "the tasks requeued on resume, of one that is used up"
    );
    check_task(&*c.store, &used_up(&held, c.clock.now()), "that task").await?;
    let ends = vec![end_of(&held, 1)];
    check_new_events(c, run.id, 1, ends, "a resume of one that is used up").await?;
    let before = Dump::of(&*c.store).await?;
    let number = c.store.requeue_in_progress_tasks(run.id).await?;
    check_eq!(number, 0, "the tasks requeued by a second resume");
    check_unchanged(&*c.store, &before, "a second resume").await
}

pub(crate) async fn a_requeue_of_expired_blocks_used_up_attempts_and_does_not_count_them(
    c: &mut Context<'_>,
) -> Outcome {
    for of_all in [false, true] {
        let before = three_of_five_used_up(c).await?;
        let run_id = world::first(before.clone())?.run_id;
        let (other, _) = bounded(&*c.store, &[Some(1)]).await?;
        let held = claim(&*c.store, request(other.id)).await?.task;
        c.clock.advance_micros(micros(LEASE));
        let scopes = match of_all {
            true => vec![(None, 2)],
            false => vec![(Some(other.id), 0), (Some(run_id), 2)],
        };
        for (scope, expected) in scopes {
            let number = c.store.requeue_expired_tasks(scope).await?;
            check_eq!(
                number,
                expected,
                "the expired tasks requeued that are not used up"
            );
        }
        check_two_requeued(c, &before, "requeue_expired").await?;
        check_task(
            &*c.store,
            &used_up(&held, c.clock.now()),
            "the other run's only task",
        )
        .await?;
        let ends = vec![end_of(&held, 1)];
        check_new_events(c, other.id, 1, ends, "a requeue of what expired, used up").await?;
        let before = Dump::of(&*c.store).await?;
        let number = c.store.requeue_expired_tasks(None).await?;
        check_eq!(number, 0, "the tasks requeued a second time");
        check_unchanged(&*c.store, &before, "a second requeue of what expired").await?;
    }
    Ok(())
}

pub(crate) async fn all_that_finds_used_up_attempts_writes_one_time(
    c: &mut Context<'_>,
) -> Outcome {
    let fixture = c.with_clock(Arc::new(TickingClock::default())).await?;
    let store = fixture.store();
    let one = Some(1);
    for how in 0..4 {
        let (run, _) = bounded(&*store, &[one, one, None]).await?;
        let short = ClaimRequest::of_run(run.id).with_lease(Duration::from_micros(1));
        let claims = store.claim_tasks(short.clone(), 2).await?;
        match how {
            0 => drop(store.claim_next_task(short).await?),
            1 => drop(store.requeue_in_progress_tasks(run.id).await?),
            2 => drop(store.requeue_expired_tasks(None).await?),
            _ => {
                for held in claims {
                    let report = FinishReport::released("no");
                    let task = store.finish_task(held.token(), report).await?;
                    let event = world::last(store.recent_events(run.id, 1).await?)?;
                    check_eq!(
                        event.ts,
                        task.updated_at,
                        "the time of event {} by that of the task that a release blocked",
                        event.kind
                    );
                }
                continue;
            }
        }
        let tasks = tasks_of(&*store, run.id).await?;
        let mut times: Vec<_> = tasks
            .iter()
            .filter(|task| task.status != TaskStatus::Pending)
            .map(|task| task.updated_at)
            .collect();
        let events = store.recent_events(run.id, 2).await?;
        times.extend(events.iter().map(|event| event.ts));
        let time = world::first(times.clone())?;
        let expected = vec![time; times.len()];
        check_eq!(
            times,
            expected,
            "the times of what one call wrote (0: a claim, 1: a resume, 2: a requeue of expired): {how}"
        );
    }
    Ok(())
}
