//! What was written is there after the store was closed and opened again (clause G2).

use std::sync::Arc;

use runstore_core::{
    CompleteTask, Error, EventDraft, FinishReport, ListEvents, ListRuns, ListTasks, NewEvent,
    NewRun, Outcome as Known, Store, TaskPlan, TaskStatus,
};
use tokio::sync::Barrier;

use super::shared::is_repeatable;
use crate::check::{Outcome, check, check_eq, check_refused};
use crate::context::Context;
use crate::dump::Dump;
use crate::reads::READS;
use crate::stage::{Stage, Stages};
use crate::world;
use crate::writes::Write;

/// Checks that the store now holds what `before` holds.
async fn check_kept(store: &dyn Store, before: &Dump, what: &str) -> Outcome {
    let difference = before.difference(&Dump::of(store).await?);
    check!(
        difference.is_none(),
        "{what} must be there after a reopen, but differs: {} (before, after)",
        difference.unwrap_or_default()
    );
    Ok(())
}

pub(crate) async fn everything_written_is_there_after_a_reopen(c: &mut Context<'_>) -> Outcome {
    for _ in 0..2 {
        c.clock.advance_micros(1);
        world::populated(&*c.store).await?;
    }
    let deleted = world::run(&*c.store).await?;
    c.store.delete_run(deleted.id).await?;
    let before = Dump::of(&*c.store).await?;
    for _ in 0..2 {
        c.reopen().await?;
        check_kept(&*c.store, &before, "everything").await?;
    }
    let other = c.second_handle().await?;
    check_kept(&*other, &before, "everything, by a second handle,").await
}

/// How a store comes to be opened again.
#[derive(Debug, Clone, Copy)]
enum Again {
    /// It was closed.
    Reopened,
    /// Its process was killed.
    Killed,
}

impl Again {
    async fn open(self, c: &mut Context<'_>) -> Outcome {
        match self {
            Self::Reopened => c.reopen().await,
            Self::Killed => c.kill().await,
        }
    }
}

pub(crate) async fn each_write_is_there_after_a_reopen(c: &mut Context<'_>) -> Outcome {
    each_write_is_there(c, Again::Reopened).await
}

pub(crate) async fn each_write_is_there_after_the_process_was_killed(
    c: &mut Context<'_>,
) -> Outcome {
    each_write_is_there(c, Again::Killed).await
}

async fn each_write_is_there(c: &mut Context<'_>, again: Again) -> Outcome {
    let mut stages = Vec::new();
    let mut prepared = Stages::of(&*c.store, &c.clock);
    for _ in Write::all() {
        stages.push(prepared.take().await?);
    }
    for (write, stage) in Write::all().zip(stages) {
        stage.begin(&c.clock);
        let before = stage.dump(&*c.store).await?;
        write.run(&*c.store, &stage).await?;
        let after = stage.dump(&*c.store).await?;
        check!(
            before.difference(&after).is_some(),
            "{} must change what can be read, and did not",
            write.name
        );
        again.open(c).await?;
        let difference = after.difference(&stage.dump(&*c.store).await?);
        check!(
            difference.is_none(),
            "what {} wrote just before the store was {again:?} must be there, but differs: {} \
             (before, after)",
            write.name,
            difference.unwrap_or_default()
        );
    }
    Ok(())
}

pub(crate) async fn work_goes_on_after_the_process_was_killed(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 3).await?;
    let done = world::claim(&*c.store, run.id).await?;
    let report = FinishReport::completed("done");
    c.store.finish_task(done.token(), report.clone()).await?;
    let lost = world::claim(&*c.store, run.id).await?;
    c.kill().await?;
    let task = c.store.finish_task(done.token(), report).await?;
    check_eq!(
        task.status,
        TaskStatus::Completed,
        "the task whose report was answered before"
    );
    let requeued = c.store.requeue_in_progress_tasks(run.id).await?;
    check_eq!(
        requeued,
        1,
        "the number of tasks that the killed process had in progress"
    );
    let again = world::claim(&*c.store, run.id).await?;
    check_eq!(
        (again.task.id, again.task.attempt_count),
        (lost.task.id, 2),
        "task and attempts of the first claim after the resume"
    );
    let stale = c
        .store
        .finish_task(lost.token(), FinishReport::completed("late"))
        .await;
    check_refused!(
        stale,
        Error::StaleClaim { .. },
        "the report of the claim that was lost"
    );
    Ok(())
}

pub(crate) async fn what_a_second_handle_wrote_is_there_after_a_reopen(
    c: &mut Context<'_>,
) -> Outcome {
    let other = c.second_handle().await?;
    let (run, _) = world::populated(&*other).await?;
    c.store.increment_cycle(run.id).await?;
    other.increment_replan(run.id).await?;
    let before = Dump::of(&*other).await?;
    drop(other);
    c.reopen().await?;
    check_kept(&*c.store, &before, "what two handles wrote").await
}

pub(crate) async fn a_claim_is_held_or_stale_after_a_reopen_as_before(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::planned(&*c.store, 2).await?;
    let stale = world::claim(&*c.store, run.id).await?;
    c.store.requeue_task(stale.task.id).await?;
    let held = world::claim(&*c.store, run.id).await?;
    c.reopen().await?;
    let before = Dump::of(&*c.store).await?;
    check_refused!(
        c.store
            .finish_task(stale.token(), FinishReport::completed("late"))
            .await,
        Error::StaleClaim { current: Some(standing), .. } if standing == held.task.standing(),
        "finishing with a stale token after a reopen"
    );
    check_kept(&*c.store, &before, "what a stale report left").await?;
    let finished = c
        .store
        .finish_task(held.token(), FinishReport::completed("done"))
        .await?;
    check_eq!(
        finished.status,
        TaskStatus::Completed,
        "the task finished after a reopen with a token from before"
    );
    let next = world::claim(&*c.store, run.id).await?;
    check_eq!(
        (next.task.position, next.task.attempt_count),
        (2, 1),
        "place and attempt of the task claimed after a reopen"
    );
    Ok(())
}

pub(crate) async fn retries_are_known_after_a_reopen(c: &mut Context<'_>) -> Outcome {
    let repeatable = || Write::all().filter(|write| is_repeatable(write.name));
    let mut stages = Vec::new();
    let mut prepared = Stages::of(&*c.store, &c.clock);
    for write in repeatable() {
        let stage = prepared.take().await?;
        write.run(&*c.store, &stage).await?;
        stages.push(stage);
    }
    let before = Dump::of(&*c.store).await?;
    c.reopen().await?;
    c.clock.advance_micros(1_000);
    for (write, stage) in repeatable().zip(&stages) {
        let kept = stage.dump(&*c.store).await?;
        write.run(&*c.store, stage).await?;
        c.store.finish_task(stage.finished, stage.report()).await?;
        let difference = kept.difference(&stage.dump(&*c.store).await?);
        check!(
            difference.is_none(),
            "{} and a report, repeated after a reopen, must change nothing, but changed {}",
            write.name,
            difference.unwrap_or_default()
        );
    }
    check_kept(
        &*c.store,
        &before,
        "what was there before calls were repeated",
    )
    .await
}

pub(crate) async fn ids_with_other_content_are_refused_after_a_reopen(
    c: &mut Context<'_>,
) -> Outcome {
    let run = world::run(&*c.store).await?;
    let plan = TaskPlan::new(run.id, world::drafts(1));
    let task = world::first(c.store.append_tasks(plan).await?)?;
    c.reopen().await?;
    let before = Dump::of(&*c.store).await?;
    let new = NewRun::new("another goal", "/repo").with_id(run.id);
    check_refused!(
        c.store.create_run(new).await,
        Error::AlreadyExists { id, .. } if id == run.id.as_uuid(),
        "creating a run with an id taken before the reopen"
    );
    let draft = runstore_core::TaskDraft::new("another", "o").with_id(task.id);
    check_refused!(
        c.store.append_tasks(TaskPlan::new(run.id, [draft])).await,
        Error::AlreadyExists { id, .. } if id == task.id.as_uuid(),
        "planning a task with an id taken before the reopen"
    );
    check_kept(&*c.store, &before, "what refused calls left").await
}

pub(crate) async fn numbers_go_on_after_a_reopen(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, 2).await?;
    let newest = world::run(&*c.store).await?;
    c.store.delete_run(newest.id).await?;
    for round in 1..=3_u64 {
        c.reopen().await?;
        // Backwards, so that nothing can be put in order by time.
        c.clock.advance_micros(-1_000_000);
        let draft = EventDraft::new("s", "k", round.to_string());
        let event = c.store.add_event(NewEvent::new(run.id, draft)).await?;
        check_eq!(
            event.seq,
            round * 2,
            "the number of an event after a reopen, one requeue a round before it"
        );
        let plan = TaskPlan::new(run.id, world::drafts(1));
        let task = world::first(c.store.append_tasks(plan).await?)?;
        check_eq!(
            task.position,
            round + 2,
            "the position of a task after a reopen"
        );
        let claim = world::claim(&*c.store, run.id).await?;
        check_eq!(
            (claim.task.position, u64::from(claim.task.attempt_count)),
            (1, round),
            "place and attempt of the first task, requeued in each round"
        );
        c.store.requeue_task(claim.task.id).await?;
        let newer = world::run(&*c.store).await?;
        let listed = c.store.list_runs(ListRuns::all()).await?.items;
        check_eq!(
            listed.first(),
            Some(&newer),
            "the newest run after a reopen, with the clock running backwards"
        );
        check_eq!(
            listed.last().map(|run| run.id),
            Some(run.id),
            "the oldest run after a reopen"
        );
    }
    Ok(())
}

pub(crate) async fn a_closed_handle_answers_unavailable(c: &mut Context<'_>) -> Outcome {
    let stage = Stage::set(&*c.store, &c.clock).await?;
    let before = Dump::of(&*c.store).await?;
    c.store.close().await?;
    for write in Write::all() {
        check_refused!(
            write.run(&*c.store, &stage).await,
            Error::Unavailable { .. },
            "{} on a closed store",
            write.name
        );
    }
    for read in READS {
        check_refused!(
            read.run(&*c.store, &stage).await,
            Error::Unavailable { .. },
            "{} on a closed store",
            read.name
        );
    }
    c.store.close().await?;
    c.reopen().await?;
    check_kept(&*c.store, &before, "what was there before the close").await
}

pub(crate) async fn a_second_close_is_fine(c: &mut Context<'_>) -> Outcome {
    world::populated(&*c.store).await?;
    let before = Dump::of(&*c.store).await?;
    let barrier = Arc::new(Barrier::new(4));
    let mut closers = Vec::new();
    for _ in 0..4 {
        let (store, barrier) = (Arc::clone(&c.store), Arc::clone(&barrier));
        closers.push(tokio::spawn(async move {
            barrier.wait().await;
            store.close().await
        }));
    }
    for closer in closers {
        closer.await??;
    }
    c.store.close().await?;
    c.reopen().await?;
    check_kept(
        &*c.store,
        &before,
        "what was there before a store was closed five times",
    )
    .await
}

pub(crate) async fn a_close_beside_writers_loses_nothing_that_was_acknowledged(
    c: &mut Context<'_>,
) -> Outcome {
    let run = world::run(&*c.store).await?;
    let mut acknowledged = Vec::new();
    let mut refused = Vec::new();
    for round in 0..4 {
        let barrier = Arc::new(Barrier::new(9));
        let mut writers = Vec::new();
        for writer in 0..8 {
            let (store, barrier) = (Arc::clone(&c.store), Arc::clone(&barrier));
            writers.push(tokio::spawn(async move {
                barrier.wait().await;
                let mut answers = Vec::new();
                for number in 0..4 {
                    let message = format!("{round} {writer} {number}");
                    let draft = EventDraft::new("s", "k", message.clone());
                    let answer = store.add_event(NewEvent::new(run.id, draft)).await;
                    answers.push((message, answer));
                }
                answers
            }));
        }
        barrier.wait().await;
        c.store.close().await?;
        for writer in writers {
            for (message, answer) in writer.await? {
                match answer {
                    Ok(event) => acknowledged.push(event),
                    Err(Error::Unavailable {
                        outcome: Known::NotApplied,
                        ..
                    }) => refused.push(message),
                    Err(Error::Unavailable { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        c.reopen().await?;
    }
    let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
    let numbers = events.iter().map(|event| event.seq);
    check!(
        numbers.eq(1..=events.len() as u64),
        "the events written beside a close must be numbered without gaps: {events:?}"
    );
    for event in &acknowledged {
        check!(
            events.contains(event),
            "an event that was acknowledged beside a close must be there: {event:?}"
        );
    }
    for message in &refused {
        check!(
            !events.iter().any(|event| event.message == *message),
            "an event of which a closing store said that it was not applied must not be there: {message}"
        );
    }
    Ok(())
}

pub(crate) async fn a_store_says_how_durable_it_is(c: &mut Context<'_>) -> Outcome {
    let info = c.store.info();
    check!(
        !info.backend.is_empty() && info.backend == info.backend.to_lowercase(),
        "a store must say the name of its backend, in lower case: {info:?}"
    );
    check_eq!(
        c.second_handle().await?.info(),
        info,
        "what a second handle says of the store"
    );
    c.store.close().await?;
    check_eq!(c.store.info(), info, "what a closed store says of itself");
    c.reopen().await?;
    check_eq!(c.store.info(), info, "what a reopened store says of itself");
    Ok(())
}

pub(crate) async fn work_goes_on_after_a_reopen(c: &mut Context<'_>) -> Outcome {
    let stage = Stage::set(&*c.store, &c.clock).await?;
    c.reopen().await?;
    check_eq!(
        c.store.requeue_in_progress_tasks(stage.run_id).await?,
        2,
        "the tasks in progress that a resume gives back after a reopen"
    );
    for position in [4, 5, 6, 7] {
        let claim = world::claim(&*c.store, stage.run_id).await?;
        check_eq!(
            claim.task.id,
            stage.task(position),
            "the task claimed after a resume, in the order of the plan"
        );
        let complete = CompleteTask::new(claim.task.id, "done");
        c.store.complete_task(complete).await?;
    }
    let list = ListTasks::new(stage.run_id).with_statuses([TaskStatus::Completed]);
    let completed = c.store.list_tasks(list).await?.items;
    check_eq!(
        completed.len(),
        5,
        "the tasks completed before and after a reopen"
    );
    Ok(())
}
