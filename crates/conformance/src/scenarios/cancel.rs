//! Calls that are dropped at any of their awaits (clause G4).

use std::sync::Arc;

use runstore_core::{
    ClaimRequest, EventDraft, ListEvents, ListTasks, NewEvent, SaveAgentState, Store, TaskStatus,
};

use crate::cancel::Polls;
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::reads::READS;
use crate::stage::{Stage, Stages};
use crate::world;
use crate::writes::{self, Write};

/// More awaits than a call is likely to have.
const MOST_POLLS: usize = 50;

/// More calls than a pool is likely to have connections.
const MORE_THAN_A_POOL: usize = 64;

/// Drops each call after its first, second … await: the store must then hold what the same call leaves
/// when it completes, or what it held before.
async fn check_whole_or_not_at_all(c: &mut Context<'_>, writes: &[Write]) -> Outcome {
    // What a call leaves that completes is seen on a store where none was ever dropped.
    let sound = c.another().await?;
    let mut sound_stages = Stages::of(&*sound.store, &sound.clock);
    let store = &*c.store;
    let mut stages = Stages::of(store, &c.clock);
    let untouched = stages.take().await?;
    untouched.flush(store).await?;
    let before = untouched.dump(store).await?;
    for write in writes {
        let completed = sound_stages.take().await?;
        write.run(&*sound.store, &completed).await?;
        completed.flush(&*sound.store).await?;
        let after = completed.dump(&*sound.store).await?;
        check!(
            before.difference(&after).is_some(),
            "{} must change what can be read, and did not",
            write.name
        );
        for polls in 0..=MOST_POLLS {
            let stage = stages.take().await?;
            let output = Polls::at_most(polls, write.run(store, &stage)).await;
            stage.flush(store).await?;
            let dump = stage.dump(store).await?;
            let differs = dump.difference(&after);
            match output {
                Some(answer) => {
                    answer?;
                    check!(
                        differs.is_none(),
                        "{} completed and left something else than before: {}",
                        write.name,
                        differs.unwrap_or_default()
                    );
                    break;
                }
                None => check!(
                    differs.is_none() || dump.difference(&before).is_none(),
                    "{} was dropped after {polls} polls and must be done wholly or not at all; but \
                     it is not undone: {}; nor done (found, done): {}",
                    write.name,
                    before.difference(&dump).unwrap_or_default(),
                    differs.unwrap_or_default()
                ),
            }
        }
    }
    check_works(store, &untouched, "many a call").await
}

/// A claim, a write and a read succeed.
async fn check_works(store: &dyn Store, stage: &Stage, what: &str) -> Outcome {
    let claim = store
        .claim_next_task(ClaimRequest::of_run(stage.run_id))
        .await?;
    check!(
        claim.is_some(),
        "after {what} was dropped half-way, a claim must find the task that is pending"
    );
    let draft = EventDraft::new("s", "k", "after a call was dropped");
    let event = store.add_event(NewEvent::new(stage.run_id, draft)).await?;
    let read = store.recent_events(stage.run_id, 1).await?;
    check_eq!(
        read,
        vec![event],
        "the event written after {what} was dropped half-way"
    );
    Ok(())
}

pub(crate) async fn a_dropped_call_on_runs_is_done_or_not_done(c: &mut Context<'_>) -> Outcome {
    check_whole_or_not_at_all(c, writes::RUNS).await
}

pub(crate) async fn a_dropped_call_on_tasks_is_done_or_not_done(c: &mut Context<'_>) -> Outcome {
    check_whole_or_not_at_all(c, writes::TASKS).await
}

pub(crate) async fn a_dropped_claim_or_report_is_done_or_not_done(c: &mut Context<'_>) -> Outcome {
    check_whole_or_not_at_all(c, writes::CLAIMS).await
}

pub(crate) async fn a_dropped_call_on_the_journal_is_done_or_not_done(
    c: &mut Context<'_>,
) -> Outcome {
    check_whole_or_not_at_all(c, writes::JOURNAL).await
}

pub(crate) async fn dropped_reads_leave_the_store_in_working_order(c: &mut Context<'_>) -> Outcome {
    let store = &*c.store;
    let stage = Stage::set(store, &c.clock).await?;
    let before = stage.dump(store).await?;
    for read in READS {
        // Each is dropped often enough to use up a pool that does not get its connections back.
        for _ in 0..8 {
            for polls in 0..=3 {
                if let Some(answer) = Polls::at_most(polls, read.run(store, &stage)).await {
                    answer?;
                    break;
                }
            }
        }
    }
    for turn in 0..MORE_THAN_A_POOL {
        if let Some(read) = READS.get(turn % READS.len()) {
            read.run(store, &stage).await?;
        }
    }
    let difference = before.difference(&stage.dump(store).await?);
    check!(
        difference.is_none(),
        "reads that were dropped half-way must change nothing, but changed {}",
        difference.unwrap_or_default()
    );
    check_works(store, &stage, "many a read").await
}

pub(crate) async fn dropped_writes_leave_the_store_in_working_order(
    c: &mut Context<'_>,
) -> Outcome {
    let store = &*c.store;
    let stage = Stage::set(store, &c.clock).await?;
    for turn in 0..2 * MORE_THAN_A_POOL {
        let save = SaveAgentState::new(stage.run_id, "dropped").with_turns(1);
        let polls = 1 + turn % 2;
        if let Some(answer) = Polls::at_most(polls, store.save_agent_state(save)).await {
            answer?;
        }
    }
    for turn in 1..=MORE_THAN_A_POOL {
        let turns = u32::try_from(turn).unwrap_or_default();
        let save = SaveAgentState::new(stage.run_id, "kept").with_turns(turns);
        let saved = store.save_agent_state(save).await?;
        check_eq!(
            store.get_agent_state(stage.run_id, "kept".into()).await?,
            Some(saved),
            "what was saved after many writes were dropped half-way"
        );
    }
    check_works(store, &stage, "many a write").await
}

pub(crate) async fn dropped_claims_leave_every_task_pending_or_in_progress(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 12).await?;
    let mut answered = 0;
    for turn in 0..8 {
        let request = ClaimRequest::of_run(run.id);
        let claim = Polls::at_most(turn % 3, c.store.claim_next_task(request)).await;
        if let Some(claim) = claim {
            answered += usize::from(claim?.is_some());
        }
    }
    c.store.increment_cycle(run.id).await?;
    let listed = c.store.list_tasks(ListTasks::new(run.id)).await?.items;
    check_eq!(listed.len(), tasks.len(), "the tasks after dropped claims");
    let claimed = listed
        .iter()
        .take_while(|task| (task.status, task.attempt_count) == (TaskStatus::InProgress, 1))
        .count();
    check!(
        (answered..=8).contains(&claimed),
        "8 claims of which {answered} were answered and the rest dropped must leave the first tasks \
         in progress, one for each claim that was done; {claimed} are"
    );
    let untouched = listed.iter().skip(claimed);
    let pending = untouched
        .filter(|task| (task.status, task.attempt_count) == (TaskStatus::Pending, 0))
        .count();
    check_eq!(
        pending,
        tasks.len() - claimed,
        "the tasks still pending and never claimed, beside {claimed} that dropped claims took"
    );
    let claim = world::claim(&*c.store, run.id).await?;
    check_eq!(
        claim.task.position,
        claimed as u64 + 1,
        "the position of the task claimed after dropped claims"
    );
    Ok(())
}

pub(crate) async fn aborted_writers_leave_the_events_without_gaps(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let mut acknowledged = Vec::new();
    for round in 0..8 {
        let mut writers = Vec::new();
        for writer in 0..8 {
            let store = Arc::clone(&c.store);
            let new = NewEvent::new(run.id, EventDraft::new("s", format!("{round}"), "m"));
            let handle = tokio::spawn(async move { store.add_event(new).await });
            if writer % 2 == 1 {
                tokio::task::yield_now().await;
            }
            writers.push(handle);
        }
        for (index, writer) in writers.into_iter().enumerate() {
            if index % 3 != 0 {
                writer.abort();
            }
            match writer.await {
                Ok(answer) => acknowledged.push(answer?),
                Err(error) => check!(error.is_cancelled(), "a call panicked: {error}"),
            }
        }
    }
    let flushed = c.store.increment_cycle(run.id).await?;
    check_eq!(flushed.cycle_count, 1, "the cycles counted");
    let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
    let numbers = events.iter().map(|event| event.seq);
    check!(
        numbers.eq(1..=events.len() as u64),
        "the events must be numbered without gaps after writers were aborted: {events:?}"
    );
    for event in &acknowledged {
        check!(
            events.contains(event),
            "an event that was acknowledged beside aborted writers must be there: {event:?}"
        );
    }
    Ok(())
}

pub(crate) async fn a_dropped_close_can_be_closed_again(c: &mut Context<'_>) -> Outcome {
    let stage = Stage::set(&*c.store, &c.clock).await?;
    let before = stage.dump(&*c.store).await?;
    for polls in 0..=2 {
        if let Some(closed) = Polls::at_most(polls, c.store.close()).await {
            closed?;
        }
    }
    c.store.close().await?;
    c.reopen().await?;
    let difference = before.difference(&stage.dump(&*c.store).await?);
    check!(
        difference.is_none(),
        "after a close that was dropped, and another, the reopened store must hold what it held: {}",
        difference.unwrap_or_default()
    );
    check_works(&*c.store, &stage, "a close").await
}
