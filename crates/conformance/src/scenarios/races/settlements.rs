//! Ends of a claim at the same time: reports, requeues, operators.

use runstore_core::{
    AbandonTask, ArtifactDraft, BlockTask, ClaimRequest, CompleteTask, Error, EventDraft,
    FinishReport, ListEvents, NewEvent, SnapshotRequest, Task, TaskPlan, TaskStatus,
};
use serde_json::json;

use crate::check::{Outcome, Stop, check, check_eq};
use crate::context::Context;
use crate::race::{Handles, both, together};
use crate::world;

pub(crate) async fn reports_with_one_token_take_effect_once(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..6 {
        let (run, claim) = world::claimed(&*c.store).await?;
        let token = claim.token();
        let reporters = (0..8).map(|caller| {
            let store = handles.of(caller + round);
            async move {
                let summary = format!("report {caller}");
                let report = FinishReport::completed(summary.as_str())
                    .with_event(EventDraft::new("worker", "done", summary.as_str()))
                    .with_artifact(ArtifactDraft::new("log", summary.as_str()));
                store.finish_task(token, report).await
            }
        });
        let mut answers: Vec<Task> = Vec::new();
        for answer in together(reporters).await? {
            answers.push(answer?);
        }
        let task = c.store.get_task(claim.task.id).await?;
        for answer in answers {
            check_eq!(
                answer,
                task,
                "the answer to one of 8 reports with one token, by the task as it is"
            );
        }
        let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
        let summary = task.implementation_summary.clone().unwrap_or_default();
        let attempts: Vec<_> = snapshot
            .recent_attempts
            .iter()
            .map(|attempt| attempt.summary.clone())
            .collect();
        let messages: Vec<_> = snapshot
            .recent_events
            .iter()
            .skip(1)
            .map(|event| event.message.clone())
            .collect();
        let paths: Vec<_> = snapshot
            .artifacts
            .iter()
            .map(|it| it.path.clone())
            .collect();
        check_eq!(
            [attempts, messages, paths],
            [vec![summary.clone()], vec![summary.clone()], vec![summary]],
            "attempts, events and artifacts after 8 reports with one token: those of the report that \
             the task shows, once"
        );
    }
    Ok(())
}

/// What is at hand of an error that has to be stale.
fn stale(error: Error, allowed: &[TaskStatus]) -> Outcome {
    match error {
        Error::StaleClaim {
            current: Some(standing),
            ..
        } if allowed.contains(&standing.status) => Ok(()),
        error => Err(Stop::failed(format_args!(
            "a report whose claim ended meanwhile must be refused as stale, with the task {allowed:?}, \
             and is {error:?}"
        ))),
    }
}

pub(crate) async fn a_report_beside_a_requeue_is_done_or_stale(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..16 {
        let (run, claim) = world::claimed(&*c.store).await?;
        let (worker, operator) = (handles.of(round), handles.of(round + 1));
        let token = claim.token();
        let (finished, requeued) = both(
            async move {
                let report = FinishReport::completed("done")
                    .with_event(EventDraft::new("worker", "done", "m"));
                worker.finish_task(token, report).await
            },
            async move { operator.requeue_task(token.task_id).await },
        )
        .await?;
        let requeued = requeued?;
        let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
        let kinds: Vec<_> = snapshot
            .recent_events
            .iter()
            .map(|event| event.kind.as_str())
            .collect();
        let event = world::last(snapshot.recent_events.clone())?;
        let from = event.payload.get("from").cloned().unwrap_or_default();
        match finished {
            Ok(task) => {
                check!(
                    task.status == TaskStatus::Completed,
                    "the answer to a report that took effect must be the completed task: {task:?}"
                );
                check_eq!(
                    (kinds, from, snapshot.recent_attempts.len()),
                    (
                        vec!["run_created", "done", "requeue_task"],
                        json!("completed"),
                        1
                    ),
                    "events, the state requeued from, and attempts, where the report came before the \
                     requeue"
                );
            }
            Err(error) => {
                stale(error, &[TaskStatus::Pending])?;
                check_eq!(
                    (kinds, from, snapshot.recent_attempts.len()),
                    (vec!["run_created", "requeue_task"], json!("in_progress"), 0),
                    "events, the state requeued from, and attempts, where the report came after the \
                     requeue"
                );
            }
        }
        check_eq!(
            snapshot.pending_tasks,
            vec![requeued],
            "the pending tasks, by the answer to the requeue"
        );
    }
    Ok(())
}

pub(crate) async fn a_report_beside_an_operator_leaves_one_of_both(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..16 {
        let (run, claim) = world::claimed(&*c.store).await?;
        let (worker, operator) = (handles.of(round), handles.of(round + 1));
        let token = claim.token();
        let (finished, settled) = both(
            async move {
                let report = FinishReport::completed("by the worker");
                worker.finish_task(token, report).await
            },
            async move {
                let abandon = AbandonTask::new(token.task_id).with_summary("by hand");
                operator.abandon_task(abandon).await
            },
        )
        .await?;
        let task = c.store.get_task(token.task_id).await?;
        let attempts = c.store.recent_attempts(run.id, 10).await?.len();
        match (finished, settled) {
            (Ok(finished), Err(Error::InvalidTransition { from, to, .. })) => {
                check_eq!(
                    (from, to),
                    (TaskStatus::Completed, TaskStatus::Abandoned),
                    "the states named to an operator who came after the report"
                );
                check_eq!(task, finished, "the task, by the answer to the report");
                check_eq!(attempts, 1, "the attempts after the report won");
            }
            (Err(error), Ok(settled)) => {
                stale(error, &[TaskStatus::Abandoned])?;
                check_eq!(task, settled, "the task, by the answer to the operator");
                check_eq!(attempts, 0, "the attempts after the operator won");
            }
            both => {
                return Err(Stop::failed(format_args!(
                    "of a report and an operator's settlement exactly one must take effect: {both:?}"
                )));
            }
        }
    }
    Ok(())
}

pub(crate) async fn of_operators_who_settle_one_task_one_wins(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..8 {
        let (_, tasks) = world::planned(&*c.store, 1).await?;
        let task_id = world::first(tasks)?.id;
        let operators = (0..8).map(|caller| {
            let store = handles.of(caller + round);
            async move {
                let summary = format!("operator {caller}");
                if caller % 2 == 0 {
                    let complete = CompleteTask::new(task_id, summary);
                    store.complete_task(complete).await
                } else {
                    let abandon = AbandonTask::new(task_id).with_summary(summary);
                    store.abandon_task(abandon).await
                }
            }
        });
        let mut winners = Vec::new();
        let mut losers = Vec::new();
        for answer in together(operators).await? {
            match answer {
                Ok(task) => winners.push(task),
                Err(Error::InvalidTransition { from, .. }) => losers.push(from),
                Err(error) => return Err(error.into()),
            }
        }
        let task = c.store.get_task(task_id).await?;
        check_eq!(
            winners,
            vec![task.clone()],
            "the answers of success to 8 operators who settled one task at once"
        );
        check_eq!(
            losers,
            vec![task.status; 7],
            "the state that the others were told"
        );
    }
    Ok(())
}

pub(crate) async fn requeues_of_one_task_take_effect_once(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..6 {
        let (run, claim) = world::claimed(&*c.store).await?;
        let task_id = claim.task.id;
        let operators = (0..6).map(|caller| {
            let store = handles.of(caller + round);
            async move { store.requeue_task(task_id).await }
        });
        let mut requeued = 0;
        for answer in together(operators).await? {
            match answer {
                Ok(_) => requeued += 1,
                Err(Error::InvalidTransition { from, to, .. }) => check_eq!(
                    (from, to),
                    (TaskStatus::Pending, TaskStatus::Pending),
                    "the states named to who requeued a task that another had requeued"
                ),
                Err(error) => return Err(error.into()),
            }
        }
        check_eq!(requeued, 1, "the requeues of one task that took effect");
        let events = c.store.recent_events(run.id, 10).await?;
        check_eq!(events.len(), 2, "the events after 6 requeues of one task");
    }
    Ok(())
}

pub(crate) async fn requeues_on_resume_share_the_tasks_among_them(c: &mut Context<'_>) -> Outcome {
    const TASKS: usize = 8;
    let handles = Handles::four(c).await?;
    for round in 0..6 {
        let (run, _) = world::planned(&*c.store, TASKS).await?;
        for _ in 0..TASKS {
            world::claim(&*c.store, run.id).await?;
        }
        let resumers = (0..6).map(|caller| {
            let store = handles.of(caller + round);
            async move { store.requeue_in_progress_tasks(run.id).await }
        });
        let mut answers = Vec::new();
        for answer in together(resumers).await? {
            answers.push(answer?);
        }
        answers.sort_unstable();
        check_eq!(
            answers,
            [0, 0, 0, 0, 0, TASKS as u64],
            "the numbers told to 6 callers who resumed a run with 8 tasks in progress at once"
        );
        let events = c.store.recent_events(run.id, 10).await?;
        check_eq!(events.len(), 2, "the events after 6 resumes at once");
    }
    Ok(())
}

pub(crate) async fn a_fenced_write_beside_a_requeue_comes_before_it_or_not_at_all(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..16 {
        let (run, claim) = world::claimed(&*c.store).await?;
        let (worker, operator) = (handles.of(round), handles.of(round + 1));
        let token = claim.token();
        let (added, requeued) = both(
            async move {
                let draft = EventDraft::new("worker", "fenced", "m");
                let new = NewEvent::new(run.id, draft).with_fence(token);
                worker.add_event(new).await
            },
            async move { operator.requeue_task(token.task_id).await },
        )
        .await?;
        requeued?;
        let list = ListEvents::new(run.id);
        let events = c.store.list_events(list).await?.items;
        let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
        match added {
            Ok(_) => check_eq!(
                kinds,
                ["run_created", "fenced", "requeue_task"],
                "the events where a fenced one was acknowledged beside a requeue"
            ),
            Err(error) => {
                stale(error, &[TaskStatus::Pending])?;
                check_eq!(
                    kinds,
                    ["run_created", "requeue_task"],
                    "the events where a fenced one was refused beside a requeue"
                );
            }
        }
    }
    Ok(())
}

pub(crate) async fn a_claim_beside_an_operator_agrees_with_what_is_left(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..16 {
        let (run, tasks) = world::planned(&*c.store, 1).await?;
        let task_id = world::first(tasks)?.id;
        let (worker, operator) = (handles.of(round), handles.of(round + 1));
        let (claim, settled) = both(
            async move { worker.claim_next_task(ClaimRequest::of_run(run.id)).await },
            async move { operator.block_task(BlockTask::new(task_id)).await },
        )
        .await?;
        let settled = settled?;
        let task = c.store.get_task(task_id).await?;
        check_eq!(task, settled, "the task, by the answer to the operator");
        let claimed = u32::from(claim?.is_some());
        check_eq!(
            (task.status, task.attempt_count),
            (TaskStatus::Blocked, claimed),
            "state and attempts of a task that was blocked beside a claim which got {claimed} task"
        );
    }
    Ok(())
}

pub(crate) async fn a_report_beside_a_new_plan_is_kept_or_stale(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..16 {
        let (run, claim) = world::claimed(&*c.store).await?;
        let (worker, planner) = (handles.of(round), handles.of(round + 1));
        let token = claim.token();
        let (finished, planned) = both(
            async move {
                let report = FinishReport::completed("done");
                worker.finish_task(token, report).await
            },
            async move {
                let plan = TaskPlan::new(run.id, world::drafts(2));
                planner.replace_pending_tasks(plan).await
            },
        )
        .await?;
        planned?;
        let task = c.store.get_task(token.task_id).await?;
        let attempts = c.store.recent_attempts(run.id, 10).await?.len();
        match finished {
            Ok(finished) => {
                check_eq!(task, finished, "a task completed before a new plan came");
                check_eq!(attempts, 1, "the attempts of a task completed in time");
            }
            Err(error) => {
                stale(error, &[TaskStatus::Abandoned])?;
                check_eq!(
                    (task.status, attempts),
                    (TaskStatus::Abandoned, 0),
                    "state and attempts of a task that a new plan abandoned before the report"
                );
            }
        }
    }
    Ok(())
}
