//! Operators, who need no token (clause C6).

use runstore_core::{
    AbandonTask, BlockTask, CompleteTask, Error, FinishReport, ListAttempts, ListEvents, Result,
    Store, Task, TaskId, TaskStanding, TaskStatus,
};

use super::tokens::{fenced_calls, finish_calls};
use crate::calls::{check_all_accepted, check_all_refused};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::tasks::check_task;
use crate::world;

/// What an operator can do to a task.
const SETTLED: [TaskStatus; 4] = [
    TaskStatus::Completed,
    TaskStatus::Blocked,
    TaskStatus::Abandoned,
    TaskStatus::Pending,
];

async fn settle(store: &dyn Store, task_id: TaskId, to: TaskStatus) -> Result<Task> {
    match to {
        TaskStatus::Completed => {
            store
                .complete_task(CompleteTask::new(task_id, "done"))
                .await
        }
        TaskStatus::Blocked => store.block_task(BlockTask::new(task_id)).await,
        TaskStatus::Abandoned => store.abandon_task(AbandonTask::new(task_id)).await,
        _ => store.requeue_task(task_id).await,
    }
}

pub(crate) async fn an_operator_takes_a_task_from_its_holder(c: &mut Context<'_>) -> Outcome {
    let operator = c.second_handle().await?;
    for to in SETTLED {
        let (run, claim) = world::claimed(&*c.store).await?;
        let task = settle(&*operator, claim.task.id, to).await?;
        check_eq!(
            (task.status, task.attempt_count),
            (to, 1),
            "state and attempts of a task that an operator took from its holder"
        );
        let token = claim.token();
        let refused = Error::StaleClaim {
            token,
            current: Some(TaskStanding {
                run_id: run.id,
                status: to,
                attempt_count: 1,
                lease_expires_at: None,
            }),
        };
        let mut calls = finish_calls(&*c.store, token);
        calls.extend(fenced_calls(&*c.store, run.id, token));
        check_all_refused(&*c.store, calls, &refused).await?;
        check_task(&*c.store, &task, "the task after its holder was refused").await?;
    }
    Ok(())
}

pub(crate) async fn an_operator_takes_the_named_task_and_no_other(c: &mut Context<'_>) -> Outcome {
    for to in SETTLED {
        let (run, _) = world::planned(&*c.store, 3).await?;
        let mut claims = Vec::new();
        for _ in 0..3 {
            claims.push(world::claim(&*c.store, run.id).await?);
        }
        let taken = claims.remove(1);
        settle(&*c.store, taken.task.id, to).await?;
        for held in claims {
            check_task(&*c.store, &held.task, "a claimed task beside it").await?;
            let calls = fenced_calls(&*c.store, run.id, held.token());
            check_all_accepted(calls).await?;
        }
    }
    Ok(())
}

pub(crate) async fn an_operator_adds_nothing_to_the_journal_but_a_requeue(
    c: &mut Context<'_>,
) -> Outcome {
    for (to, events) in SETTLED.into_iter().zip([1, 1, 1, 2]) {
        let (run, claim) = world::claimed(&*c.store).await?;
        settle(&*c.store, claim.task.id, to).await?;
        let attempts = c.store.list_attempts(ListAttempts::new(run.id)).await?;
        check_eq!(
            attempts.items,
            [],
            "the attempts after an operator made a task {to}"
        );
        let listed = c.store.list_events(ListEvents::new(run.id)).await?.items;
        check_eq!(
            listed.len(),
            events,
            "the number of events, creation included, after an operator made a task {to}"
        );
    }
    Ok(())
}

pub(crate) async fn an_operator_can_requeue_what_a_worker_finished(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let report = FinishReport::completed("done");
    let finished = c.store.finish_task(claim.token(), report).await?;
    let requeued = c.store.requeue_task(finished.id).await?;
    let expected = Task {
        status: TaskStatus::Pending,
        ..finished
    };
    check_eq!(requeued, expected, "a finished task that was requeued");
    let again = world::claim(&*c.store, run.id).await?;
    check_eq!(
        (again.task.id, again.token().attempt_number),
        (expected.id, 2),
        "the claim after it"
    );
    let report = FinishReport::completed("done better");
    let finished = c.store.finish_task(again.token(), report).await?;
    check_eq!(
        finished.implementation_summary,
        Some("done better".to_owned()),
        "the summary of the task that was finished again"
    );
    Ok(())
}
