//! Changes of a run's own record (clauses R3 and R4).

use std::sync::Arc;
use std::time::Duration;

use runstore_core::{
    AbandonTask, ApprovalSource, ApprovalVerdict, ArtifactDraft, AttemptReport, BlockTask,
    ClaimRequest, Clock, CompleteTask, Error, EventDraft, FinishReport, Heartbeat, NewApproval,
    NewArtifact, NewAttempt, NewCheckpoint, NewEvent, RecordKind, Run, RunId, RunStatus, RunUpdate,
    SaveAgentState, Store, TaskId, TaskPlan, TaskStatus,
};
use serde_json::Value;

use super::runs::check_run;
use crate::calls::{call, check_all_refused};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::race::together;
use crate::tasks::tasks_of;
use crate::world;

pub(crate) async fn an_update_writes_the_named_field_and_no_other(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::populated(&*c.store).await?;
    let task_id = world::first(tasks)?.id;
    let before = full(&*c.store, run.id).await?;
    c.clock.advance_micros(1_000_001);
    let updated_at = c.clock.now();
    let new = || RunUpdate::new(run.id);
    let cases = [
        (
            new().with_status("cancelled"),
            Run {
                status: RunStatus::Cancelled,
                ..before.clone()
            },
        ),
        (
            new().with_status("a word of their own"),
            Run {
                status: RunStatus::from("a word of their own"),
                ..before.clone()
            },
        ),
        (
            new().with_summary("another"),
            Run {
                summary: Some("another".to_owned()),
                ..before.clone()
            },
        ),
        (
            new().with_summary(""),
            Run {
                summary: Some(String::new()),
                ..before.clone()
            },
        ),
        (
            new().clear_summary(),
            Run {
                summary: None,
                ..before.clone()
            },
        ),
        (
            new().with_current_task(task_id),
            Run {
                current_task_id: Some(task_id),
                ..before.clone()
            },
        ),
        (
            new().clear_current_task(),
            Run {
                current_task_id: None,
                ..before.clone()
            },
        ),
        (
            new()
                .with_status("failed")
                .with_summary("all at once")
                .with_current_task(task_id),
            Run {
                status: RunStatus::Failed,
                summary: Some("all at once".to_owned()),
                current_task_id: Some(task_id),
                ..before.clone()
            },
        ),
        (
            new()
                .with_status("failed")
                .clear_summary()
                .clear_current_task(),
            Run {
                status: RunStatus::Failed,
                summary: None,
                current_task_id: None,
                ..before.clone()
            },
        ),
    ];
    for (update, expected) in cases {
        let what = format!("the run after {update:?}");
        let expected = Run {
            updated_at,
            ..expected
        };
        let answer = c.store.update_run(update).await?;
        check_eq!(answer, expected, "{what}, as the call returns it");
        check_run(&*c.store, &expected, &what).await?;
        restore(&*c.store, &before).await?;
    }
    Ok(())
}

pub(crate) async fn an_update_that_names_nothing_changes_nothing(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    let before = Dump::of(&*c.store).await?;
    c.clock.advance_micros(1_000_000);
    check_eq!(
        c.store.update_run(RunUpdate::new(run.id)).await?,
        run,
        "what an update that names no field returns"
    );
    check_unchanged(&*c.store, &before, "an update that names no field").await
}

pub(crate) async fn an_update_of_one_run_leaves_the_others(c: &mut Context<'_>) -> Outcome {
    let (other, _) = world::populated(&*c.store).await?;
    let run = world::run(&*c.store).await?;
    let newer = world::run(&*c.store).await?;
    c.clock.advance_micros(1);
    let update = RunUpdate::new(run.id)
        .with_status("failed")
        .with_summary("s");
    c.store.update_run(update).await?;
    c.store.increment_cycle(run.id).await?;
    c.store.increment_replan(run.id).await?;
    check_run(&*c.store, &other, "a run beside one that was changed").await?;
    check_run(&*c.store, &newer, "a newer run beside one that was changed").await
}

pub(crate) async fn the_current_task_may_stand_in_any_state_and_change_it(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, tasks) = world::populated(&*c.store).await?;
    for task in tasks {
        let update = RunUpdate::new(run.id).with_current_task(task.id);
        let updated = c.store.update_run(update).await?;
        check_eq!(
            updated.current_task_id,
            Some(task.id),
            "the current task, set to one that is {}",
            task.status
        );
        if task.status != TaskStatus::Completed && task.status != TaskStatus::Abandoned {
            c.clock.advance_micros(1);
            c.store.abandon_task(AbandonTask::new(task.id)).await?;
            check_run(&*c.store, &updated, "the run whose current task ended").await?;
        }
    }
    Ok(())
}

pub(crate) async fn the_current_task_must_be_one_of_the_run(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    let (_, others) = world::populated(&*c.store).await?;
    c.clock.advance_micros(1);
    let foreign = world::last(others)?.id;
    for task_id in [foreign, TaskId::generate(), TaskId::from(run.id.as_uuid())] {
        let update = RunUpdate::new(run.id)
            .with_status("failed")
            .with_summary("must not be written")
            .with_current_task(task_id);
        let call = call!(c.store, update_run(update));
        let refused = Error::not_found(RecordKind::Task, task_id);
        check_all_refused(&*c.store, vec![call], &refused).await?;
    }
    Ok(())
}

pub(crate) async fn no_call_below_a_run_touches_its_record(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let update = RunUpdate::new(run.id)
        .with_status("running")
        .with_summary("under way");
    c.store.update_run(update).await?;
    let before = c.store.increment_cycle(run.id).await?;
    c.clock.advance_micros(1);
    every_change_below(c, run.id).await?;
    check_run(
        &*c.store,
        &before,
        "a run after every call on what is below it",
    )
    .await
}

/// Makes every call that changes something below a run.
async fn every_change_below(c: &Context<'_>, run_id: RunId) -> Outcome {
    let store = &*c.store;
    let plan = || TaskPlan::new(run_id, world::drafts(5));
    store.append_tasks(plan()).await?;
    store.replace_pending_tasks(plan()).await?;
    let finished = world::claim(store, run_id).await?;
    let draft = ArtifactDraft::new("log", "a.log");
    let report = FinishReport::completed("done")
        .with_event(EventDraft::new("worker", "note", "m"))
        .with_artifact(draft.clone());
    store.finish_task(finished.token(), report).await?;
    store.requeue_task(finished.task.id).await?;
    let completed = world::claim(store, run_id).await?.task.id;
    store
        .complete_task(CompleteTask::new(completed, "done"))
        .await?;
    let blocked = world::claim(store, run_id).await?.task.id;
    store.block_task(BlockTask::new(blocked)).await?;
    let abandoned = world::claim(store, run_id).await?.task.id;
    store.abandon_task(AbandonTask::new(abandoned)).await?;
    let claim = world::claim(store, run_id).await?;
    let report = AttemptReport::new("failed", "no");
    store
        .add_attempt(NewAttempt::of_claim(claim.token(), report))
        .await?;
    store.requeue_in_progress_tasks(run_id).await?;
    change_by_leases(c, run_id).await?;
    store
        .save_agent_state(SaveAgentState::new(run_id, "checker"))
        .await?;
    let event = NewEvent::new(run_id, EventDraft::new("s", "k", "m"));
    store.add_event(event).await?;
    store.add_artifact(NewArtifact::new(run_id, draft)).await?;
    let (source, verdict) = (ApprovalSource::Human, ApprovalVerdict::Approved);
    store
        .add_approval(NewApproval::new(run_id, source, verdict, "why"))
        .await?;
    let checkpoint = NewCheckpoint::new(run_id, "paused", Value::Null);
    store.add_checkpoint(checkpoint).await?;
    Ok(())
}

/// Makes every call that gives a lease, extends one or finds that it has run out.
async fn change_by_leases(c: &Context<'_>, run_id: RunId) -> Outcome {
    const LEASE: Duration = Duration::from_secs(60);
    let store = &*c.store;
    store
        .append_tasks(TaskPlan::new(run_id, world::drafts(3)))
        .await?;
    let request = ClaimRequest::of_run(run_id).with_lease(LEASE);
    let claims = store.claim_tasks(request.clone(), 10).await?;
    for claim in &claims {
        store
            .heartbeat(Heartbeat::new(claim.token(), 2 * LEASE))
            .await?;
    }
    let delayed = world::first(claims)?;
    let report = FinishReport::released_for(LEASE, "later");
    store.finish_task(delayed.token(), report).await?;
    store.waiting_reason(delayed.task.id).await?;
    // Both the leases and the delay are over.
    c.clock.advance_micros(1_000_000_000);
    store.claim_or_wait(request.clone(), Duration::ZERO).await?;
    store.requeue_expired_tasks(Some(run_id)).await?;
    store
        .claim_next_task(request.with_max_attempts(1_u32))
        .await?;
    Ok(())
}

pub(crate) async fn cycles_and_replans_are_counted_one_by_one(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    let mut expected = run;
    for (cycle, replan) in [(1, 0), (1, 1), (2, 1), (3, 1), (3, 2)] {
        c.clock.advance_micros(1);
        let counted = if cycle > expected.cycle_count {
            c.store.increment_cycle(expected.id).await?
        } else {
            c.store.increment_replan(expected.id).await?
        };
        expected = Run {
            cycle_count: cycle,
            replan_count: replan,
            updated_at: c.clock.now(),
            ..expected
        };
        check_eq!(
            counted,
            expected,
            "the run after {cycle} cycles and {replan} replans"
        );
        check_run(&*c.store, &expected, "the run after a count").await?;
    }
    c.reopen().await?;
    check_run(&*c.store, &expected, "the counted run after a reopen").await
}

pub(crate) async fn counts_made_at_once_all_count(c: &mut Context<'_>) -> Outcome {
    const COUNTS: u32 = 6;
    let run_id = world::run(&*c.store).await?.id;
    let handles = c.handles(4).await?;
    let callers = handles.into_iter().enumerate().map(|(caller, store)| {
        async move {
            let mut seen = Vec::new();
            for _ in 0..COUNTS {
                // Two count cycles, two replans: neither may undo the other.
                seen.push(if caller % 2 == 0 {
                    store.increment_cycle(run_id).await?.cycle_count
                } else {
                    store.increment_replan(run_id).await?.replan_count
                });
            }
            runstore_core::Result::Ok(seen)
        }
    });
    let mut seen = [Vec::new(), Vec::new()];
    for (caller, counts) in together(callers).await?.into_iter().enumerate() {
        if let Some(seen) = seen.get_mut(caller % 2) {
            seen.extend(counts?);
        }
    }
    let all: Vec<u32> = (1..=2 * COUNTS).collect();
    for (mut seen, what) in seen.into_iter().zip(["cycles", "replans"]) {
        seen.sort_unstable();
        check_eq!(
            seen,
            all,
            "the counts of {what} that two callers at once were told"
        );
    }
    let run = c.store.get_run(run_id).await?;
    check_eq!(
        (run.cycle_count, run.replan_count),
        (2 * COUNTS, 2 * COUNTS),
        "cycles and replans counted by four callers at once"
    );
    Ok(())
}

pub(crate) async fn updates_of_different_fields_at_once_keep_all(c: &mut Context<'_>) -> Outcome {
    let handles = c.handles(4).await?;
    let (run, tasks) = world::planned(&*c.store, 1).await?;
    let task_id = world::first(tasks)?.id;
    let run_id = run.id;
    for round in 1..=12_u32 {
        let updates = [
            RunUpdate::new(run_id).with_status(format!("status {round}")),
            RunUpdate::new(run_id).with_summary(format!("summary {round}")),
            if round % 2 == 0 {
                RunUpdate::new(run_id).clear_current_task()
            } else {
                RunUpdate::new(run_id).with_current_task(task_id)
            },
        ];
        let mut handles = handles.iter().map(Arc::clone);
        let counter = handles.next();
        let mut callers: Vec<futures_util::future::BoxFuture<'static, _>> = Vec::new();
        for (store, update) in handles.zip(updates) {
            callers.push(Box::pin(async move { store.update_run(update).await }));
        }
        if let Some(store) = counter {
            callers.push(Box::pin(async move { store.increment_cycle(run_id).await }));
        }
        for answer in together(callers).await? {
            answer?;
        }
        let run = c.store.get_run(run_id).await?;
        let expected = Run {
            status: RunStatus::from(format!("status {round}")),
            summary: Some(format!("summary {round}")),
            current_task_id: (round % 2 == 1).then_some(task_id),
            cycle_count: round,
            ..run.clone()
        };
        check_eq!(
            run,
            expected,
            "the run after three fields were updated and a cycle counted at once, round {round}"
        );
    }
    Ok(())
}

/// Fills every field of the run's record that is unset in a populated run.
async fn full(store: &dyn Store, run_id: RunId) -> Outcome<Run> {
    store.increment_cycle(run_id).await?;
    store.increment_cycle(run_id).await?;
    Ok(store.increment_replan(run_id).await?)
}

/// Gives the run the status, summary and current task that it had.
async fn restore(store: &dyn Store, before: &Run) -> Outcome {
    let current = tasks_of(store, before.id).await?;
    let current = current
        .into_iter()
        .find(|task| Some(task.id) == before.current_task_id);
    let mut update = RunUpdate::new(before.id)
        .with_status(before.status.clone())
        .with_summary(before.summary.clone().unwrap_or_default());
    if let Some(task) = current {
        update = update.with_current_task(task.id);
    }
    store.update_run(update).await?;
    Ok(())
}
