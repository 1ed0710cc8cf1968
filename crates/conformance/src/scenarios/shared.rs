//! What one handle wrote, every other sees at once (clause G3). With callers that take turns; those at
//! the same time are in `races.rs`.

use std::sync::Arc;

use runstore_core::{
    AgentRole, BlockTask, ClaimRequest, CompleteTask, Error, EventDraft, FinishReport, ListEvents,
    ListRuns, ListTasks, NewEvent, NewRun, RecordKind, RunUpdate, SaveAgentState, SnapshotRequest,
    Store, TaskPlan, TaskStatus,
};

use crate::check::{Outcome, check, check_eq, check_refused};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::reads::READS;
use crate::stage::{Stage, Stages};
use crate::world;
use crate::writes::Write;

/// Handles that take turns, endlessly.
fn turns(handles: &[Arc<dyn Store>]) -> impl Iterator<Item = &dyn Store> {
    handles.iter().map(|handle| &**handle).cycle()
}

pub(crate) async fn each_write_is_seen_by_another_handle_at_once(c: &mut Context<'_>) -> Outcome {
    let other = c.second_handle().await?;
    let mut stages = Stages::of(&*c.store, &c.clock);
    for write in Write::all() {
        let stage = stages.take().await?;
        // The other handle has read all of it before, and must not go on from what it then saw.
        let before = stage.dump(&*other).await?;
        write.run(&*c.store, &stage).await?;
        let seen = stage.dump(&*other).await?;
        let own = stage.dump(&*c.store).await?;
        check!(
            before.difference(&seen).is_some(),
            "after {} by one handle another still saw what was there before",
            write.name
        );
        let difference = own.difference(&seen);
        check!(
            difference.is_none(),
            "after {} two handles must see the same, but see {}",
            write.name,
            difference.unwrap_or_default()
        );
    }
    let late = c.second_handle().await?;
    let last = stages.take().await?;
    let own = last.dump(&*c.store).await?;
    let difference = own.difference(&last.dump(&*late).await?);
    check!(
        difference.is_none(),
        "a handle that was opened last must see what the first one sees, but sees {}",
        difference.unwrap_or_default()
    );
    Ok(())
}

pub(crate) async fn handles_write_in_turns_as_one(c: &mut Context<'_>) -> Outcome {
    let handles = c.handles(3).await?;
    let mut turns = turns(&handles);
    let mut next = || turns.next().unwrap_or(&*c.store);
    let run = world::run(next()).await?;
    let plan = TaskPlan::new(run.id, world::drafts(2));
    next().append_tasks(plan.clone()).await?;
    let claim = world::claim(next(), run.id).await?;
    c.clock.advance_micros(5);
    let finished = next()
        .finish_task(claim.token(), FinishReport::completed("done"))
        .await?;
    check_eq!(
        next().get_task(claim.task.id).await?,
        finished,
        "a task that three handles planned, claimed and finished"
    );
    check_eq!(
        finished.updated_at,
        runstore_core::Clock::now(&c.clock),
        "its time, by the clock of the store"
    );
    let second = world::claim(next(), run.id).await?;
    check_eq!(
        second.task.position,
        2,
        "the position of the task claimed next, by another handle"
    );
    check_eq!(
        next().claim_next_task(ClaimRequest::of_run(run.id)).await?,
        None,
        "what another handle claims where nothing is pending"
    );
    check_eq!(
        next().requeue_in_progress_tasks(run.id).await?,
        1,
        "the tasks in progress that another handle requeues"
    );
    next().replace_pending_tasks(plan).await?;
    check_refused!(
        next()
            .finish_task(second.token(), FinishReport::completed("late"))
            .await,
        Error::StaleClaim { current: Some(standing), .. }
            if standing.status == TaskStatus::Abandoned,
        "finishing on one handle a task that another replaced"
    );
    let tasks = next().list_tasks(ListTasks::new(run.id)).await?.items;
    let positions: Vec<_> = tasks.iter().map(|task| task.position).collect();
    check_eq!(positions, [1, 2, 3, 4], "the positions after all that");
    Ok(())
}

pub(crate) async fn numbers_go_on_over_all_handles(c: &mut Context<'_>) -> Outcome {
    let handles = c.handles(4).await?;
    let run = world::run(&*c.store).await?;
    for (turn, store) in turns(&handles).take(12).enumerate() {
        let draft = EventDraft::new("s", "k", turn.to_string());
        let event = store.add_event(NewEvent::new(run.id, draft)).await?;
        check_eq!(
            event.seq,
            turn as u64 + 2,
            "the number of an event, with four handles that take turns"
        );
        let plan = TaskPlan::new(run.id, world::drafts(1));
        let task = world::first(store.append_tasks(plan).await?)?;
        check_eq!(
            task.position,
            turn as u64 + 1,
            "the position of a task, with four handles that take turns"
        );
        let cycled = store.increment_cycle(run.id).await?;
        check_eq!(
            cycled.cycle_count,
            turn as u32 + 1,
            "the count of cycles, with four handles that take turns"
        );
    }
    for (turn, store) in turns(&handles).take(12).enumerate() {
        let claim = world::claim(store, run.id).await?;
        check_eq!(
            claim.task.position,
            turn as u64 + 1,
            "the position of the task claimed, with four handles that take turns"
        );
    }
    Ok(())
}

pub(crate) async fn claims_of_one_task_are_counted_over_all_handles(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = c.handles(3).await?;
    let (run, _) = world::planned(&*c.store, 1).await?;
    let mut turns = turns(&handles);
    let mut next = || turns.next().unwrap_or(&*c.store);
    let mut earlier: Option<runstore_core::Claim> = None;
    for number in 1..=4 {
        let claim = world::claim(next(), run.id).await?;
        check_eq!(
            claim.token().attempt_number,
            number,
            "the number of an attempt, with handles that take turns"
        );
        if let Some(earlier) = earlier {
            let before = Dump::of(next()).await?;
            check_refused!(
                next()
                    .finish_task(earlier.token(), FinishReport::completed("late"))
                    .await,
                Error::StaleClaim { current: Some(standing), .. }
                    if standing == claim.task.standing(),
                "finishing with the token before, on a handle that did not make the claim"
            );
            check_unchanged(next(), &before, "a stale report").await?;
        }
        next().requeue_task(claim.task.id).await?;
        earlier = Some(claim);
    }
    Ok(())
}

pub(crate) async fn retries_are_known_on_another_handle(c: &mut Context<'_>) -> Outcome {
    let other = c.second_handle().await?;
    let mut stages = Stages::of(&*c.store, &c.clock);
    for write in Write::all().filter(|write| is_repeatable(write.name)) {
        let stage = stages.take().await?;
        write.run(&*c.store, &stage).await?;
        let before = stage.dump(&*c.store).await?;
        c.clock.advance_micros(1_000);
        write.run(&*other, &stage).await?;
        for (handle, store) in [("first", &c.store), ("second", &other)] {
            let difference = before.difference(&stage.dump(&**store).await?);
            check!(
                difference.is_none(),
                "{} repeated on another handle must change nothing, but on the {handle} changed {}",
                write.name,
                difference.unwrap_or_default()
            );
        }
    }
    Ok(())
}

/// Whether the call can be repeated by its ids or its token (clauses G9 and C5).
pub(super) fn is_repeatable(name: &str) -> bool {
    let repeatable = ["create_run", "append_tasks", "finish_task", "add_"];
    let plan = name.starts_with("replace_pending_tasks") && !name.ends_with("no tasks");
    plan || repeatable.iter().any(|start| name.starts_with(start))
}

pub(crate) async fn a_deleted_run_is_gone_for_every_handle(c: &mut Context<'_>) -> Outcome {
    let other = c.second_handle().await?;
    let (run, tasks) = world::populated(&*c.store).await?;
    let task = world::first(tasks)?;
    Dump::of(&*other).await?;
    c.store.delete_run(run.id).await?;
    check_refused!(
        other.get_run(run.id).await,
        Error::NotFound { kind: RecordKind::Run, id } if id == run.id.as_uuid(),
        "reading a run that another handle deleted"
    );
    check_refused!(
        other.get_task(task.id).await,
        Error::NotFound { kind: RecordKind::Task, id } if id == task.id.as_uuid(),
        "reading a task of a run that another handle deleted"
    );
    check_refused!(
        other.snapshot(SnapshotRequest::of_run(run.id)).await,
        Error::NotFound { .. },
        "taking a snapshot of a run that another handle deleted"
    );
    let draft = EventDraft::new("s", "k", "m");
    check_refused!(
        other.add_event(NewEvent::new(run.id, draft)).await,
        Error::NotFound { .. },
        "adding an event to a run that another handle deleted"
    );
    check_eq!(
        other.list_runs(ListRuns::all()).await?.items,
        vec![],
        "the runs left for another handle"
    );
    // The ids are free again, and nothing of the run that had them comes back.
    let new = NewRun::new("again", "/again").with_id(run.id);
    let again = other.create_run(new).await?;
    check_eq!(
        c.store.get_run(run.id).await?,
        again,
        "a run created by another handle under the id of a deleted one"
    );
    let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
    let numbers: Vec<_> = events.iter().map(|event| event.seq).collect();
    check_eq!(numbers, [1], "the numbers of the events of the new run");
    Ok(())
}

pub(crate) async fn a_run_changed_by_two_handles_in_turns_keeps_both(
    c: &mut Context<'_>,
) -> Outcome {
    let other = c.second_handle().await?;
    let run = world::run(&*c.store).await?;
    for turn in 0..4 {
        let status = format!("status {turn}");
        let summary = format!("summary {turn}");
        c.store
            .update_run(RunUpdate::new(run.id).with_status(status.as_str()))
            .await?;
        let updated = other
            .update_run(RunUpdate::new(run.id).with_summary(summary.as_str()))
            .await?;
        check_eq!(
            (updated.status.as_str(), updated.summary.as_deref()),
            (status.as_str(), Some(summary.as_str())),
            "what one handle is answered after it set the summary, another having set the status"
        );
        let save = |turns| SaveAgentState::new(run.id, "checker").with_turns(turns);
        c.store.save_agent_state(save(2 * turn)).await?;
        let saved = other.save_agent_state(save(2 * turn + 1)).await?;
        check_eq!(
            c.store.get_agent_state(run.id, AgentRole::Checker).await?,
            Some(saved),
            "the state that the other handle saved last"
        );
    }
    Ok(())
}

pub(crate) async fn settling_on_one_handle_ends_the_claim_of_another(
    c: &mut Context<'_>,
) -> Outcome {
    let operator = c.second_handle().await?;
    let (run, _) = world::planned(&*c.store, 2).await?;
    let completed = world::claim(&*c.store, run.id).await?;
    let blocked = world::claim(&*c.store, run.id).await?;
    operator
        .complete_task(CompleteTask::new(completed.task.id, "by hand"))
        .await?;
    operator.block_task(BlockTask::new(blocked.task.id)).await?;
    let before = Dump::of(&*operator).await?;
    for (claim, status) in [
        (completed, TaskStatus::Completed),
        (blocked, TaskStatus::Blocked),
    ] {
        check_refused!(
            c.store
                .finish_task(claim.token(), FinishReport::completed("late"))
                .await,
            Error::StaleClaim { current: Some(standing), .. } if standing.status == status,
            "finishing a task that another handle made {status}"
        );
        let draft = EventDraft::new("s", "k", "late");
        let new = NewEvent::new(run.id, draft).with_fence(claim.token());
        check_refused!(
            c.store.add_event(new).await,
            Error::StaleClaim { .. },
            "adding an event in the name of a claim that another handle ended"
        );
    }
    check_unchanged(&*c.store, &before, "a call in the name of a stale claim").await
}

pub(crate) async fn reading_changes_nothing(c: &mut Context<'_>) -> Outcome {
    let stage = Stage::set(&*c.store, &c.clock).await?;
    let before = Dump::of(&*c.store).await?;
    for read in READS {
        c.clock.advance_micros(1_000);
        read.run(&*c.store, &stage).await?;
        check_unchanged(&*c.store, &before, read.name).await?;
    }
    Ok(())
}
