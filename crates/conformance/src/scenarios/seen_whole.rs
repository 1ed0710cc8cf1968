//! Changes of many records that readers beside them see whole or not at all (clauses G1 and G3).

use std::sync::Arc;

use futures_util::future::BoxFuture;
use runstore_core::{
    Error, FinishOutcome, ListAttempts, ListRuns, ListTasks, NewRun, Result, RunId, Store, Task,
    TaskDraft, TaskPlan, TaskStatus,
};

use super::finish::full_report;
use crate::calls::check_all_accepted;
use crate::check::{Outcome, check};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::race::together;
use crate::world;

/// The most reads that a reader makes beside a change; the change has mostly ended long before.
const MOST_READS: usize = 400;

/// Makes the change while `read` is repeated on another handle, until it says that the change is done
/// or has read often enough. What it finds wrong is told.
async fn check_seen_whole<R>(
    c: &Context<'_>,
    change: BoxFuture<'static, Result<()>>,
    read: impl Fn(Arc<dyn Store>) -> R + Send + 'static,
) -> Outcome
where
    R: Future<Output = Outcome<bool>> + Send + 'static,
{
    let reader = c.second_handle().await?;
    let read = async move {
        for _ in 0..MOST_READS {
            if read(Arc::clone(&reader)).await? {
                break;
            }
        }
        Outcome::Ok(())
    };
    let both: [BoxFuture<'static, Outcome>; 2] =
        [Box::pin(async move { Ok(change.await?) }), Box::pin(read)];
    for answer in together(both).await? {
        answer?;
    }
    Ok(())
}

pub(crate) async fn every_handle_sees_every_write_at_once(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    let handles = c.handles(2).await?;
    let (Some(a), Some(b)) = (handles.first(), handles.get(1)) else {
        return Ok(());
    };
    let mut calls = Vec::new();
    for (writer, other) in [(a, b), (b, a), (a, b)] {
        let writes = super::unknown::calls_on_run(&**writer, run.id).into_iter();
        // The calls on a run are reads and writes; the one that deletes it is left out here.
        calls.extend(
            writes
                .filter(|call| !call.name().starts_with("delete_run"))
                .map(|call| (call, writer, other)),
        );
    }
    for (call, writer, other) in calls {
        c.clock.advance_micros(1);
        let what = call.name().to_owned();
        check_all_accepted(vec![call]).await?;
        // Both have read all there is before the next write, so that what they keep shows.
        let written = Dump::of(&**writer).await?;
        check_unchanged(
            &**other,
            &written,
            &format!("reading at another handle what a handle shows after {what}"),
        )
        .await?;
    }
    a.delete_run(run.id).await?;
    check!(
        matches!(b.get_run(run.id).await, Err(Error::NotFound { .. })),
        "a run that one handle deleted must be unknown at the other"
    );
    Ok(())
}

pub(crate) async fn a_run_is_never_seen_without_its_event(c: &mut Context<'_>) -> Outcome {
    const RUNS: usize = 25;
    let store = Arc::clone(&c.store);
    let change = Box::pin(async move {
        for _ in 0..RUNS {
            store.create_run(NewRun::new("goal", "/repo")).await?;
        }
        Ok(())
    });
    check_seen_whole(c, change, |store| async move {
        let runs = store.list_runs(ListRuns::all()).await?.items;
        if let Some(newest) = runs.first() {
            let events = store.recent_events(newest.id, 10).await?;
            check!(
                events.len() == 1,
                "a run that is seen must have its first event, but has {events:?}"
            );
        }
        Ok(runs.len() == RUNS)
    })
    .await
}

pub(crate) async fn a_deletion_is_never_seen_in_part(c: &mut Context<'_>) -> Outcome {
    const TASKS: usize = 30;
    for _ in 0..6 {
        let (run, _) = world::planned(&*c.store, TASKS).await?;
        let (store, run_id) = (Arc::clone(&c.store), run.id);
        let change = Box::pin(async move { store.delete_run(run_id).await });
        check_seen_whole(c, change, move |store| async move {
            match store.list_tasks(ListTasks::new(run_id)).await {
                Ok(page) => {
                    check!(
                        page.items.len() == TASKS,
                        "a run beside its deletion must have all of its {TASKS} tasks or be \
                         unknown, but has {}",
                        page.items.len()
                    );
                    Ok(false)
                }
                Err(Error::NotFound { .. }) => Ok(true),
                Err(error) => Err(error.into()),
            }
        })
        .await?;
    }
    Ok(())
}

pub(crate) async fn a_resume_is_never_seen_in_part(c: &mut Context<'_>) -> Outcome {
    const TASKS: usize = 12;
    for _ in 0..3 {
        let (run, _) = world::planned(&*c.store, TASKS).await?;
        for _ in 0..TASKS {
            world::claim(&*c.store, run.id).await?;
        }
        let (store, run_id) = (Arc::clone(&c.store), run.id);
        let change = Box::pin(async move {
            let requeue = store.requeue_in_progress_tasks(run_id);
            requeue.await.map(drop)
        });
        check_seen_whole(c, change, move |store| async move {
            // The event first: once it is there, so are all the tasks.
            let events = store.recent_events(run_id, 10).await?.len();
            let in_progress = ListTasks::new(run_id).with_statuses([TaskStatus::InProgress]);
            let left = store.list_tasks(in_progress).await?.items.len();
            check!(
                (left == TASKS && events == 1) || left == 0,
                "whoever reads beside a requeue on resume of {TASKS} tasks must see all of them in \
                 progress or none, and none once its event is there, but saw {left} and then \
                 {events} events, creation included"
            );
            Ok(left == 0)
        })
        .await?;
    }
    Ok(())
}

pub(crate) async fn a_report_is_never_seen_in_part(c: &mut Context<'_>) -> Outcome {
    for _ in 0..10 {
        let (run, claim) = world::claimed(&*c.store).await?;
        let (store, run_id, token) = (Arc::clone(&c.store), run.id, claim.token());
        let report = full_report(FinishOutcome::Completed {
            summary: "done".to_owned(),
        });
        let change = Box::pin(async move { store.finish_task(token, report).await.map(drop) });
        check_seen_whole(c, change, move |store| async move {
            // Read in turn: what is seen of the report first binds what is read after.
            let attempts = store.list_attempts(ListAttempts::new(run_id)).await?;
            let attempts = attempts.items.len();
            let status = store.get_task(token.task_id).await?.status;
            let events = store.recent_events(run_id, 10).await?.len();
            check!(
                attempts == 0 || status == TaskStatus::Completed,
                "once the attempt of a report is seen, its task must be completed, but is {status}"
            );
            check!(
                events == 4 || (status == TaskStatus::InProgress && events == 1),
                "once a task is completed by a report with three events they must be seen, all or \
                 none, but the task is {status} and the events are {events}, creation included"
            );
            Ok(status == TaskStatus::Completed)
        })
        .await?;
    }
    Ok(())
}

pub(crate) async fn a_new_plan_is_never_seen_in_part(c: &mut Context<'_>) -> Outcome {
    const PLANS: usize = 12;
    const TASKS: usize = 15;
    fn plan(run_id: RunId, number: usize) -> TaskPlan {
        let title = |draft: TaskDraft| TaskDraft::new(number.to_string(), draft.objective);
        TaskPlan::new(run_id, world::drafts(TASKS).into_iter().map(title))
    }
    let run_id = world::run(&*c.store).await?.id;
    c.store.replace_pending_tasks(plan(run_id, 0)).await?;
    let store = Arc::clone(&c.store);
    let change = Box::pin(async move {
        for number in 1..=PLANS {
            store.replace_pending_tasks(plan(run_id, number)).await?;
        }
        Ok(())
    });
    check_seen_whole(c, change, move |store| async move {
        let pending = ListTasks::new(run_id).with_statuses([TaskStatus::Pending]);
        let pending: Vec<Task> = store.list_tasks(pending).await?.items;
        let title = pending.first().map(|task| task.title.clone());
        let of_one = pending
            .iter()
            .all(|task| Some(&task.title) == title.as_ref());
        check!(
            pending.len() == TASKS && of_one,
            "whoever lists pending tasks beside new plans of {TASKS} must see one plan whole, but \
             saw {} tasks: {:?}",
            pending.len(),
            pending.iter().map(|task| &task.title).collect::<Vec<_>>()
        );
        Ok(title == Some(PLANS.to_string()))
    })
    .await
}
