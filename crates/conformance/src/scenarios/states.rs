//! The states of a task (clause T4).

use runstore_core::{
    AbandonTask, BlockTask, ClaimRequest, Clock, CompleteTask, Error, FinishReport, Result, Store,
    Task, TaskPlan, TaskStatus,
};

use crate::calls::{Call, call, check_all_refused};
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::tasks::{check_task, task_in, task_with_a_past, tasks_of, token_of};
use crate::world;

/// A way to settle a task, with what it makes of summary and signature.
struct Settling {
    what: &'static str,
    to: TaskStatus,
    summary: Option<&'static str>,
    signature: Option<&'static str>,
}

impl Settling {
    /// Every way, with every way to give summary and signature.
    fn all() -> Vec<Self> {
        let new = |what, to, summary, signature| Self {
            what,
            to,
            summary,
            signature,
        };
        let mut all = vec![
            new("completed", TaskStatus::Completed, Some("done"), None),
            new(
                "completed without a word",
                TaskStatus::Completed,
                Some(""),
                None,
            ),
        ];
        for to in [TaskStatus::Blocked, TaskStatus::Abandoned] {
            for summary in [None, Some(""), Some("a word")] {
                for signature in [None, Some(""), Some("E0308")] {
                    all.push(new(to.as_str(), to, summary, signature));
                }
            }
        }
        all
    }

    async fn make(&self, store: &dyn Store, task: &Task) -> Result<Task> {
        let summary = self.summary.map(str::to_owned);
        let blocker_signature = self.signature.map(str::to_owned);
        match self.to {
            TaskStatus::Completed => {
                let summary = summary.unwrap_or_default();
                store
                    .complete_task(CompleteTask::new(task.id, summary))
                    .await
            }
            TaskStatus::Blocked => {
                let mut block = BlockTask::new(task.id);
                (block.summary, block.blocker_signature) = (summary, blocker_signature);
                store.block_task(block).await
            }
            _ => {
                let mut abandon = AbandonTask::new(task.id);
                (abandon.summary, abandon.blocker_signature) = (summary, blocker_signature);
                store.abandon_task(abandon).await
            }
        }
    }

    /// The task afterwards.
    fn expected(&self, task: &Task, c: &Context<'_>) -> Task {
        Task {
            status: self.to,
            implementation_summary: self.summary.map(str::to_owned),
            blocker_signature: self.signature.map(str::to_owned),
            updated_at: c.clock.now(),
            ..task.clone()
        }
    }
}

/// Settles a task of this state in every way, each time a task of its own.
async fn check_settled_in_every_way(c: &Context<'_>, status: TaskStatus) -> Outcome {
    for settling in Settling::all() {
        let task = task_in(&*c.store, status).await?;
        c.clock.advance_micros(1_001);
        let what = format!(
            "a task that was {status} and then {} with summary {:?} and signature {:?}",
            settling.what, settling.summary, settling.signature
        );
        let expected = settling.expected(&task, c);
        let answer = settling.make(&*c.store, &task).await?;
        check_eq!(answer, expected, "{what}, as the call returns it");
        check_task(&*c.store, &expected, &what).await?;
    }
    Ok(())
}

pub(crate) async fn a_pending_task_can_be_settled_in_every_way(c: &mut Context<'_>) -> Outcome {
    check_settled_in_every_way(c, TaskStatus::Pending).await
}

pub(crate) async fn a_task_in_progress_can_be_settled_in_every_way(c: &mut Context<'_>) -> Outcome {
    check_settled_in_every_way(c, TaskStatus::InProgress).await
}

pub(crate) async fn a_blocked_task_can_be_settled_in_every_way(c: &mut Context<'_>) -> Outcome {
    check_settled_in_every_way(c, TaskStatus::Blocked).await
}

pub(crate) async fn settling_sets_summary_and_signature_over_earlier_ones(
    c: &mut Context<'_>,
) -> Outcome {
    for settling in Settling::all() {
        let task = task_with_a_past(&*c.store).await?;
        check!(
            task.implementation_summary.is_some() && task.blocker_signature.is_some(),
            "a task that was blocked and requeued must keep summary and signature, but is {task:?}"
        );
        c.clock.advance_micros(1);
        let expected = settling.expected(&task, c);
        settling.make(&*c.store, &task).await?;
        let what = format!(
            "a task with summary and signature, then {} with summary {:?} and signature {:?}",
            settling.what, settling.summary, settling.signature
        );
        check_task(&*c.store, &expected, &what).await?;
    }
    Ok(())
}

/// Every call that settles a task, and the state it would lead to.
fn settling_calls<'s>(store: &'s dyn Store, task: &Task) -> Vec<(Call<'s>, TaskStatus)> {
    let block = BlockTask::new(task.id)
        .with_summary("s")
        .with_blocker_signature("b");
    let abandon = AbandonTask::new(task.id)
        .with_summary("s")
        .with_blocker_signature("b");
    vec![
        (
            call!(store, complete_task(CompleteTask::new(task.id, "again"))),
            TaskStatus::Completed,
        ),
        (call!(store, block_task(block)), TaskStatus::Blocked),
        (call!(store, abandon_task(abandon)), TaskStatus::Abandoned),
    ]
}

/// Checks that no call but a requeue moves the task.
async fn check_ended(c: &Context<'_>, task: &Task) -> Outcome {
    c.clock.advance_micros(1);
    for (call, to) in settling_calls(&*c.store, task) {
        let refused = Error::InvalidTransition {
            task_id: task.id,
            from: task.status,
            to,
        };
        check_all_refused(&*c.store, vec![call], &refused).await?;
    }
    let claim = ClaimRequest::of_run(task.run_id);
    check_eq!(
        c.store.claim_next_task(claim).await?,
        None,
        "a claim in a run whose only task is {}",
        task.status
    );
    check_task(&*c.store, task, "a task that ended, after every call").await
}

pub(crate) async fn a_completed_task_stays_completed(c: &mut Context<'_>) -> Outcome {
    let by_operator = task_in(&*c.store, TaskStatus::Completed).await?;
    check_ended(c, &by_operator).await?;
    let claimed = task_in(&*c.store, TaskStatus::InProgress).await?;
    let report = FinishReport::completed("done");
    let by_worker = c.store.finish_task(token_of(&claimed), report).await?;
    check_ended(c, &by_worker).await
}

pub(crate) async fn an_abandoned_task_stays_abandoned(c: &mut Context<'_>) -> Outcome {
    let by_operator = task_in(&*c.store, TaskStatus::Abandoned).await?;
    check_ended(c, &by_operator).await?;
    for status in [TaskStatus::Pending, TaskStatus::InProgress] {
        let task = task_in(&*c.store, status).await?;
        let nothing = TaskPlan::new(task.run_id, []);
        c.store.replace_pending_tasks(nothing).await?;
        let by_plan = c.store.get_task(task.id).await?;
        check_ended(c, &by_plan).await?;
    }
    Ok(())
}

pub(crate) async fn what_is_pending_cannot_be_requeued(c: &mut Context<'_>) -> Outcome {
    let new = task_in(&*c.store, TaskStatus::Pending).await?;
    let requeued = task_with_a_past(&*c.store).await?;
    let released = task_in(&*c.store, TaskStatus::InProgress).await?;
    let report = FinishReport::released("not now");
    let released = c.store.finish_task(token_of(&released), report).await?;
    for task in [new, requeued, released] {
        c.clock.advance_micros(1);
        let refused = Error::InvalidTransition {
            task_id: task.id,
            from: TaskStatus::Pending,
            to: TaskStatus::Pending,
        };
        let call = call!(c.store, requeue_task(task.id));
        check_all_refused(&*c.store, vec![call], &refused).await?;
    }
    Ok(())
}

pub(crate) async fn a_blocked_task_is_not_claimed(c: &mut Context<'_>) -> Outcome {
    let task = task_in(&*c.store, TaskStatus::Blocked).await?;
    let claim = ClaimRequest::of_run(task.run_id);
    check_eq!(
        c.store.claim_next_task(claim).await?,
        None,
        "a claim in a run whose only task is blocked"
    );
    check_task(&*c.store, &task, "a blocked task after a claim").await
}

pub(crate) async fn what_ended_can_be_settled_again_once_requeued(c: &mut Context<'_>) -> Outcome {
    for status in [TaskStatus::Completed, TaskStatus::Abandoned] {
        for settling in Settling::all() {
            let ended = task_in(&*c.store, status).await?;
            let requeued = c.store.requeue_task(ended.id).await?;
            c.clock.advance_micros(1);
            let expected = settling.expected(&requeued, c);
            let answer = settling.make(&*c.store, &requeued).await?;
            check_eq!(
                answer,
                expected,
                "a task that was {status}, requeued and then {}",
                settling.what
            );
        }
    }
    Ok(())
}

pub(crate) async fn settling_a_task_leaves_the_others(c: &mut Context<'_>) -> Outcome {
    let (run, mut expected) = world::planned(&*c.store, 5).await?;
    let (other, others) = world::planned(&*c.store, 5).await?;
    for index in [2, 0, 4] {
        c.clock.advance_micros(1_000);
        let Some(task) = expected.get_mut(index) else {
            continue;
        };
        *task = match index {
            2 => {
                let complete = CompleteTask::new(task.id, "done");
                c.store.complete_task(complete).await?
            }
            0 => {
                let block = BlockTask::new(task.id).with_blocker_signature("b");
                c.store.block_task(block).await?
            }
            _ => {
                let abandon = AbandonTask::new(task.id).with_summary("s");
                c.store.abandon_task(abandon).await?
            }
        };
        check_eq!(
            tasks_of(&*c.store, run.id).await?,
            expected,
            "the tasks of the run after task {} of five was settled",
            index + 1
        );
    }
    check_eq!(
        tasks_of(&*c.store, other.id).await?,
        others,
        "the tasks of another run"
    );
    Ok(())
}
