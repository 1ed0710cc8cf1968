//! Tasks that go back to the queue (clauses T5 and T6).

use std::sync::Arc;

use runstore_core::{
    BlockTask, Clock, FinishReport, ListEvents, Run, RunId, Store, Task, TaskPlan, TaskStatus,
};
use serde_json::{Value, json};

use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::tasks::{check_task, task_in, task_with_a_past, tasks_of};
use crate::ticking::TickingClock;
use crate::world;

/// Checks that the run's journal went on from `before` events by one of the store's own.
async fn check_one_more_event(
    c: &Context<'_>,
    run_id: RunId,
    before: usize,
    kind: &str,
    payload: Value,
) -> Outcome {
    let events = c.store.list_events(ListEvents::new(run_id)).await?.items;
    check_eq!(
        events.len(),
        before + 1,
        "the number of events after one {kind}"
    );
    let event = world::last(events)?;
    check_eq!(
        (event.kind.as_str(), event.source.as_str(), event.event_id),
        (kind, "system", None),
        "kind, source and id of the event"
    );
    check_eq!(event.payload, payload, "the payload of event {kind}");
    check_eq!(
        (event.seq, event.run_id, event.ts),
        (before as u64 + 1, run_id, c.clock.now()),
        "number, run and time of event {kind}"
    );
    Ok(())
}

async fn count_events(store: &dyn Store, run_id: RunId) -> Outcome<usize> {
    Ok(store
        .list_events(ListEvents::new(run_id))
        .await?
        .items
        .len())
}

fn back_in_the_queue(task: &Task, c: &Context<'_>) -> Task {
    Task {
        status: TaskStatus::Pending,
        updated_at: c.clock.now(),
        ..task.clone()
    }
}

/// Requeues on resume and checks number, tasks and event; `in_progress` is how many there must be.
async fn check_requeued_on_resume(c: &Context<'_>, run: &Run, in_progress: u64) -> Outcome {
    let before = tasks_of(&*c.store, run.id).await?;
    let events = count_events(&*c.store, run.id).await?;
    c.clock.advance_micros(1_001);
    check_eq!(
        c.store.requeue_in_progress_tasks(run.id).await?,
        in_progress,
        "the number of tasks requeued on resume"
    );
    let expected: Vec<Task> = before
        .iter()
        .map(|task| match task.status {
            TaskStatus::InProgress => back_in_the_queue(task, c),
            _ => task.clone(),
        })
        .collect();
    check_eq!(
        tasks_of(&*c.store, run.id).await?,
        expected,
        "the tasks after a requeue on resume"
    );
    for task in &expected {
        check_task(&*c.store, task, "a task after a requeue on resume").await?;
    }
    let payload = json!({"changes": in_progress});
    check_one_more_event(c, run.id, events, "requeue_in_progress", payload).await
}

pub(crate) async fn a_resume_with_nothing_in_progress_changes_nothing(
    c: &mut Context<'_>,
) -> Outcome {
    let empty = world::run(&*c.store).await?.id;
    let (pending, _) = world::planned(&*c.store, 2).await?;
    let (other, _) = world::claimed(&*c.store).await?;
    let mut runs = vec![empty, pending.id];
    for status in [
        TaskStatus::Completed,
        TaskStatus::Blocked,
        TaskStatus::Abandoned,
    ] {
        runs.push(task_in(&*c.store, status).await?.run_id);
    }
    let before = Dump::of(&*c.store).await?;
    c.clock.advance_micros(1);
    for run_id in runs {
        check_eq!(
            c.store.requeue_in_progress_tasks(run_id).await?,
            0,
            "the number of tasks requeued on resume where none is in progress"
        );
        check_unchanged(&*c.store, &before, "a requeue on resume of no task").await?;
    }
    check_eq!(
        c.store.requeue_in_progress_tasks(other.id).await?,
        1,
        "the number of tasks requeued on resume in the run where one is"
    );
    Ok(())
}

pub(crate) async fn a_resume_requeues_some_of_the_tasks(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 6).await?;
    // Task 1 has a past; 1, 2 and 4 are in progress, 3 is blocked, 5 and 6 are pending.
    for _ in 0..4 {
        world::claim(&*c.store, run.id).await?;
    }
    for index in [0, 2] {
        if let Some(task) = tasks.get(index) {
            let block = BlockTask::new(task.id)
                .with_summary("summary before")
                .with_blocker_signature("signature before");
            c.store.block_task(block).await?;
        }
    }
    let first = world::first(tasks)?.id;
    c.store.requeue_task(first).await?;
    let again = world::claim(&*c.store, run.id).await?;
    check_eq!(
        (again.task.id, again.task.attempt_count),
        (first, 2),
        "the task claimed after the first one was requeued"
    );
    check_requeued_on_resume(c, &run, 3).await
}

pub(crate) async fn a_resume_requeues_all_of_the_tasks(c: &mut Context<'_>) -> Outcome {
    const TASKS: u64 = 60;
    let (run, _) = world::planned(&*c.store, 60).await?;
    for _ in 0..TASKS {
        world::claim(&*c.store, run.id).await?;
    }
    check_requeued_on_resume(c, &run, TASKS).await?;
    let before = Dump::of(&*c.store).await?;
    check_eq!(
        c.store.requeue_in_progress_tasks(run.id).await?,
        0,
        "the number of tasks requeued by a second resume"
    );
    check_unchanged(&*c.store, &before, "a second requeue on resume").await?;
    for position in 1..=TASKS {
        let task = world::claim(&*c.store, run.id).await?.task;
        check_eq!(
            (task.position, task.attempt_count),
            (position, 2),
            "position and attempts of a task claimed after a resume"
        );
    }
    Ok(())
}

pub(crate) async fn a_resume_requeues_tasks_of_its_run_only(c: &mut Context<'_>) -> Outcome {
    world::claimed(&*c.store).await?;
    world::populated(&*c.store).await?;
    let before = Dump::of(&*c.store).await?;
    let (run, _) = world::claimed(&*c.store).await?;
    check_requeued_on_resume(c, &run, 1).await?;
    c.store.delete_run(run.id).await?;
    check_unchanged(&*c.store, &before, "a requeue on resume of another run").await
}

pub(crate) async fn a_resume_after_a_reopen_requeues_what_was_in_progress(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    c.reopen().await?;
    check_requeued_on_resume(c, &run, 1).await
}

pub(crate) async fn a_task_can_be_requeued_from_every_state_but_pending(
    c: &mut Context<'_>,
) -> Outcome {
    for from in TaskStatus::ALL {
        if from == TaskStatus::Pending {
            continue;
        }
        let task = task_in(&*c.store, from).await?;
        let events = count_events(&*c.store, task.run_id).await?;
        c.clock.advance_micros(1_001);
        let expected = back_in_the_queue(&task, c);
        check_eq!(
            c.store.requeue_task(task.id).await?,
            expected,
            "a task requeued that was {from}, as the call returns it"
        );
        let what = format!("a task requeued that was {from}");
        check_task(&*c.store, &expected, &what).await?;
        let payload = json!({"taskId": task.id, "from": from});
        check_one_more_event(c, task.run_id, events, "requeue_task", payload).await?;
        let claim = world::claim(&*c.store, task.run_id).await?;
        check_eq!(
            (claim.task.id, claim.task.attempt_count),
            (task.id, task.attempt_count + 1),
            "the claim after a task was requeued that was {from}"
        );
    }
    Ok(())
}

pub(crate) async fn a_requeued_task_keeps_place_data_and_attempts(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 4).await?;
    let mut before = world::first(tasks)?;
    for round in 1..=3 {
        before = world::claim(&*c.store, run.id).await?.task;
        let block = BlockTask::new(before.id)
            .with_summary(format!("summary {round}"))
            .with_blocker_signature(format!("signature {round}"));
        before = c.store.block_task(block).await?;
        c.clock.advance_micros(1);
        let requeued = c.store.requeue_task(before.id).await?;
        let expected = back_in_the_queue(&before, c);
        check_eq!(requeued, expected, "a task requeued for the {round}. time");
        check_task(&*c.store, &expected, "the requeued task").await?;
    }
    c.reopen().await?;
    for (position, attempts) in [(1, 4), (2, 1), (3, 1), (4, 1)] {
        let task = world::claim(&*c.store, run.id).await?.task;
        check_eq!(
            (task.position, task.attempt_count),
            (position, attempts),
            "position and attempts of a claim after task 1 was requeued three times"
        );
    }
    check_eq!(
        c.store.get_task(before.id).await?.blocker_signature,
        Some("signature 3".to_owned()),
        "the signature of the requeued task once it was claimed again"
    );
    Ok(())
}

pub(crate) async fn a_requeue_leaves_the_other_tasks(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::populated(&*c.store).await?;
    let mut expected = tasks.clone();
    for (index, task) in tasks.iter().enumerate().rev() {
        if task.status == TaskStatus::Pending {
            continue;
        }
        c.clock.advance_micros(1);
        let requeued = c.store.requeue_task(task.id).await?;
        if let Some(place) = expected.get_mut(index) {
            *place = requeued;
        }
        check_eq!(
            tasks_of(&*c.store, run.id).await?,
            expected,
            "all tasks after one that was {} was requeued",
            task.status
        );
    }
    Ok(())
}

pub(crate) async fn a_requeue_and_its_event_have_one_time(c: &mut Context<'_>) -> Outcome {
    let fixture = c.with_clock(Arc::new(TickingClock::default())).await?;
    let store = fixture.store();
    let (run, tasks) = world::planned(&*store, 5).await?;
    for _ in &tasks {
        world::claim(&*store, run.id).await?;
    }
    let one = world::first(tasks)?.id;
    let requeued = store.requeue_task(one).await?;
    let event = world::last(store.recent_events(run.id, 1).await?)?;
    check_eq!(
        event.ts,
        requeued.updated_at,
        "the time of the event of a requeued task, beside the task's"
    );
    store.requeue_in_progress_tasks(run.id).await?;
    let event = world::last(store.recent_events(run.id, 1).await?)?;
    let times: Vec<_> = tasks_of(&*store, run.id)
        .await?
        .into_iter()
        .filter(|task| task.id != one)
        .map(|task| task.updated_at)
        .collect();
    check_eq!(
        times,
        vec![event.ts; 4],
        "the times of four tasks requeued on resume, beside their event's"
    );
    Ok(())
}

pub(crate) async fn only_creation_and_requeues_write_events_of_their_own(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    task_with_a_past(&*c.store).await?;
    let kinds = |store: Arc<dyn Store>| async move {
        let events = store.list_events(ListEvents::new(run.id)).await?.items;
        Outcome::Ok(
            events
                .into_iter()
                .map(|event| event.kind)
                .collect::<Vec<_>>(),
        )
    };
    check_eq!(
        kinds(Arc::clone(&c.store)).await?,
        ["run_created", "note"],
        "the events of a run that was filled with records of every kind, one of them a note"
    );
    let plan = TaskPlan::new(run.id, world::drafts(2));
    c.store.replace_pending_tasks(plan).await?;
    let claim = world::claim(&*c.store, run.id).await?;
    c.store.increment_cycle(run.id).await?;
    c.store.increment_replan(run.id).await?;
    let report = FinishReport::released("not now");
    c.store.finish_task(claim.token(), report).await?;
    c.store.requeue_in_progress_tasks(run.id).await?;
    check_eq!(
        kinds(Arc::clone(&c.store)).await?,
        ["run_created", "note"],
        "the events after a plan, a claim, two counts, a release and a resume with nothing to do"
    );
    world::claim(&*c.store, run.id).await?;
    c.store.requeue_task(claim.task.id).await?;
    world::claim(&*c.store, run.id).await?;
    c.store.requeue_in_progress_tasks(run.id).await?;
    check_eq!(
        kinds(Arc::clone(&c.store)).await?,
        ["run_created", "note", "requeue_task", "requeue_in_progress"],
        "the events after one requeue of each kind"
    );
    Ok(())
}
