//! Calls that change the same tasks, made at once (clauses G3, T5, T6, C4 and C5).

use std::sync::Arc;

use futures_util::future::BoxFuture;
use runstore_core::{
    ArtifactDraft, ClaimRequest, Error, EventDraft, FinishOutcome, FinishReport, ListArtifacts,
    ListAttempts, ListEvents, RunId, Store, TaskPlan, TaskStatus,
};

use super::finish::full_report;
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::race::together;
use crate::tasks::task_in;
use crate::world;

async fn count_events(store: &dyn Store, run_id: RunId) -> Outcome<usize> {
    Ok(store
        .list_events(ListEvents::new(run_id))
        .await?
        .items
        .len())
}

pub(crate) async fn requeues_at_once_take_each_task_back_once(c: &mut Context<'_>) -> Outcome {
    const TASKS: u64 = 5;
    let handles = c.handles(4).await?;
    let (run, _) = world::planned(&*c.store, 5).await?;
    let run_id = run.id;
    let mut events = 1;
    for round in 1..=8 {
        while let Some(claim) = c
            .store
            .claim_next_task(ClaimRequest::of_run(run_id))
            .await?
        {
            drop(claim);
        }
        let callers = handles.iter().map(|store| {
            let store = Arc::clone(store);
            async move { store.requeue_in_progress_tasks(run_id).await }
        });
        let mut changes = Vec::new();
        for answer in together(callers.collect::<Vec<_>>()).await? {
            changes.push(answer?);
        }
        check_eq!(
            changes.iter().sum::<u64>(),
            TASKS,
            "the sum of what four resumes at once requeued ({changes:?}), round {round}"
        );
        events += changes.iter().filter(|count| **count > 0).count();
        check_eq!(
            count_events(&*c.store, run_id).await?,
            events,
            "the number of events after four resumes at once ({changes:?}), round {round}"
        );
    }
    Ok(())
}

pub(crate) async fn one_of_several_requeues_at_once_is_done(c: &mut Context<'_>) -> Outcome {
    let handles = c.handles(4).await?;
    for _ in 0..8 {
        let task = task_in(&*c.store, TaskStatus::InProgress).await?;
        let callers = handles.iter().map(|store| {
            let (store, task_id) = (Arc::clone(store), task.id);
            async move { store.requeue_task(task_id).await }
        });
        let answers = together(callers.collect::<Vec<_>>()).await?;
        let done = answers.iter().filter(|answer| answer.is_ok()).count();
        let refused = |error: &&Error| {
            matches!(
                error,
                Error::InvalidTransition { from, to, .. }
                    if (*from, *to) == (TaskStatus::Pending, TaskStatus::Pending)
            )
        };
        let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
        let refused = errors.filter(refused).count();
        check!(
            (done, refused) == (1, 3),
            "of four requeues of one task at once one must be done and three refused as from \
             pending to pending, but they were answered {answers:?}"
        );
        check_eq!(
            count_events(&*c.store, task.run_id).await?,
            2,
            "the number of events of the run after them"
        );
    }
    Ok(())
}

pub(crate) async fn reports_at_once_under_one_token_take_effect_once(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = c.handles(4).await?;
    for _ in 0..10 {
        let (run, claim) = world::claimed(&*c.store).await?;
        let token = claim.token();
        let callers = handles.iter().zip(0..).map(|(store, caller)| {
            let store = Arc::clone(store);
            let report = FinishReport::completed(format!("by {caller}"))
                .with_event(EventDraft::new("worker", "done", caller.to_string()))
                .with_artifact(ArtifactDraft::new("log", caller.to_string()));
            async move { store.finish_task(token, report).await }
        });
        let mut answers = Vec::new();
        for answer in together(callers.collect::<Vec<_>>()).await? {
            answers.push(answer?);
        }
        let task = c.store.get_task(token.task_id).await?;
        check!(
            answers.iter().all(|answer| *answer == task),
            "of four reports at once under one token one must take effect and be told to all: the \
             task is {task:?}, and the answers are {answers:?}"
        );
        let attempts = c.store.list_attempts(ListAttempts::new(run.id)).await?;
        let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
        let artifacts = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
        check_eq!(
            (attempts.items.len(), events.len(), artifacts.items.len()),
            (1, 2, 1),
            "the number of attempts, events (creation included) and artifacts after them"
        );
        let summary = task.implementation_summary.unwrap_or_default();
        let caller = summary.trim_start_matches("by ");
        check_eq!(
            (
                world::first(attempts.items)?.summary,
                world::last(events)?.message,
                world::first(artifacts.items)?.path,
            ),
            (summary.clone(), caller.to_owned(), caller.to_owned()),
            "attempt, event and artifact, which must be of the report that took effect"
        );
    }
    Ok(())
}

pub(crate) async fn a_report_beside_a_new_plan_is_written_whole_or_refused(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = c.handles(2).await?;
    let mut handles = handles.into_iter();
    let (worker, planner) = (handles.next(), handles.next());
    let (Some(worker), Some(planner)) = (worker, planner) else {
        return Ok(());
    };
    for _ in 0..10 {
        let (run, claim) = world::claimed(&*c.store).await?;
        let (worker, planner) = (Arc::clone(&worker), Arc::clone(&planner));
        let token = claim.token();
        let report = full_report(FinishOutcome::Completed {
            summary: "done".to_owned(),
        });
        let plan = TaskPlan::new(run.id, world::drafts(2));
        let both: [BoxFuture<'static, _>; 2] = [
            Box::pin(async move { worker.finish_task(token, report).await.map(drop) }),
            Box::pin(async move { planner.replace_pending_tasks(plan).await.map(drop) }),
        ];
        let answers = together(both).await?;
        let refused = matches!(answers.first(), Some(Err(Error::StaleClaim { .. })));
        for answer in answers.into_iter().skip(usize::from(refused)) {
            answer?;
        }
        let task = c.store.get_task(token.task_id).await?;
        let attempts = c.store.list_attempts(ListAttempts::new(run.id)).await?;
        let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
        let artifacts = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
        let expected = match refused {
            true => (TaskStatus::Abandoned, 0, 1, 0),
            false => (TaskStatus::Completed, 1, 4, 2),
        };
        check_eq!(
            (
                task.status,
                attempts.items.len(),
                events.len(),
                artifacts.items.len()
            ),
            expected,
            "state, attempts, events and artifacts after a report beside a new plan, which was \
             refused: {refused}"
        );
    }
    Ok(())
}
