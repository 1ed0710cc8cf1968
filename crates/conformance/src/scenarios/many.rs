//! What holds for a few holds for many: numbers over a digit, a byte and 16 bits, and lists over a page.

use futures_util::future::try_join_all;
use runstore_core::limits::{MAX_PAGE, MAX_PLAN_TASKS, MAX_REPORT_ITEMS};
use runstore_core::{
    AbandonTask, AgentRole, AttemptReport, BlockTask, ClaimRequest, ClaimToken, CompleteTask,
    Error, EventDraft, EventId, FinishReport, ListEvents, ListTasks, NewAttempt, NewCheckpoint,
    NewEvent, RecordKind, RunId, SaveAgentState, SnapshotRequest, Store, TaskDraft, TaskId,
    TaskPlan,
};
use serde_json::json;

use super::tokens::{fenced_calls, finish_calls};
use crate::calls::{check_all_accepted, check_all_refused};
use crate::check::{Outcome, check, check_eq, check_refused};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::world;

/// More than a byte counts.
const MANY: u32 = 260;

pub(crate) async fn a_task_can_be_claimed_any_number_of_times(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 1).await?;
    let task_id = world::first(tasks)?.id;
    let token = |attempt_number| ClaimToken {
        task_id,
        attempt_number,
    };
    for number in 1..=MANY {
        let claim = world::claim(&*c.store, run.id).await?;
        check_eq!(claim.token(), token(number), "the token of claim {number}");
        // Numbers that are alike as texts, by their last digit, or in a byte.
        if [10, 11, 100, 257].contains(&number) {
            let standing = Some(claim.task.standing());
            for earlier in [1, 2, 9, 10, 99, 100, 256] {
                if earlier < number {
                    let token = token(earlier);
                    let mut calls = finish_calls(&*c.store, token);
                    calls.extend(fenced_calls(&*c.store, run.id, token));
                    let current = standing;
                    let refused = Error::StaleClaim { token, current };
                    check_all_refused(&*c.store, calls, &refused).await?;
                }
            }
            let calls = fenced_calls(&*c.store, run.id, token(number));
            check_all_accepted(calls).await?;
        }
        c.store.requeue_in_progress_tasks(run.id).await?;
    }
    Ok(())
}

pub(crate) async fn cycles_and_replans_are_counted_to_any_number(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    try_join_all((0..MANY).map(|_| c.store.increment_cycle(run_id))).await?;
    try_join_all((0..MANY).map(|_| c.store.increment_replan(run_id))).await?;
    let run = c.store.get_run(run_id).await?;
    check_eq!(
        (run.cycle_count, run.replan_count),
        (MANY, MANY),
        "cycles and replans of a run after {MANY} counts of each"
    );
    Ok(())
}

pub(crate) async fn every_agent_of_a_run_is_listed(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let roles: Vec<AgentRole> = (0..MANY)
        .map(|number| format!("role {number:03}").into())
        .collect();
    let saves = roles.iter().map(|role| {
        let save = SaveAgentState::new(run_id, role.clone());
        c.store.save_agent_state(save)
    });
    try_join_all(saves).await?;
    let listed = c.store.list_agent_states(run_id).await?;
    let listed: Vec<_> = listed.into_iter().map(|agent| agent.role).collect();
    check_eq!(
        listed,
        roles,
        "the roles of {MANY} agents, as they are listed"
    );
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run_id)).await?;
    let shown: Vec<_> = snapshot.agents.into_keys().collect();
    check_eq!(shown, roles, "the roles of {MANY} agents in a snapshot");
    Ok(())
}

pub(crate) async fn a_plan_of_100_000_tasks_is_kept_in_order(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let plan = TaskPlan::new(run.id, vec![TaskDraft::new("t", ""); MAX_PLAN_TASKS]);
    let tasks = c.store.replace_pending_tasks(plan).await?;
    let count = MAX_PLAN_TASKS as u64;
    check!(
        tasks.iter().map(|task| task.position).eq(1..=count),
        "the tasks of a plan of {count}, as the call returns them, must be at positions 1 to {count}"
    );
    let page = c.store.list_tasks(ListTasks::new(run.id)).await?;
    check!(
        page.items == tasks && page.next.is_none(),
        "{count} tasks listed without a limit must be those that were planned: got {} and the next page at {:?}",
        page.items.len(),
        page.next
    );
    for place in [255, 256, 65_535, 65_536, MAX_PLAN_TASKS - 1] {
        if let Some(task) = tasks.get(place) {
            let read = c.store.get_task(task.id).await?;
            check_eq!(read, *task, "the task at position {}", place + 1);
        }
    }
    Ok(())
}

/// A run with `reports` times a thousand events after its first.
async fn with_events(store: &dyn Store, reports: usize) -> Outcome<RunId> {
    let (run, _) = world::planned(store, reports).await?;
    for _ in 0..reports {
        let claim = world::claim(store, run.id).await?;
        let mut report = FinishReport::completed("done");
        report.events = vec![EventDraft::new("worker", "note", "hello"); MAX_REPORT_ITEMS];
        store.finish_task(claim.token(), report).await?;
    }
    Ok(run.id)
}

pub(crate) async fn more_events_than_a_limit_can_ask_for_are_listed(
    c: &mut Context<'_>,
) -> Outcome {
    let reports = MAX_PAGE as usize / MAX_REPORT_ITEMS + 1;
    let run_id = with_events(&*c.store, reports).await?;
    let count = (reports * MAX_REPORT_ITEMS) as u64 + 1;
    let events = c.store.list_events(ListEvents::new(run_id)).await?;
    let numbers = events.items.iter().map(|event| event.seq);
    check!(
        numbers.eq(1..=count) && events.next.is_none(),
        "{count} events listed without a limit: got {} and the next page at {:?}",
        events.items.len(),
        events.next
    );
    for limit in [257, 1_001, MAX_PAGE] {
        let recent = c.store.recent_events(run_id, limit).await?;
        let numbers = recent.iter().map(|event| event.seq);
        check!(
            numbers.eq(count - u64::from(limit) + 1..=count),
            "the last {limit} of {count} events must be {limit}, oldest first: got {}, from {:?} to {:?}",
            recent.len(),
            recent.first().map(|event| event.seq),
            recent.last().map(|event| event.seq)
        );
    }
    Ok(())
}

pub(crate) async fn the_counts_of_a_snapshot_go_over_a_byte(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 3 * MANY as usize).await?;
    let (many, run_id) = (u64::from(MANY), run.id);
    let claims = (0..2 * MANY).map(|_| c.store.claim_next_task(ClaimRequest::of_run(run_id)));
    try_join_all(claims).await?;
    let requeued = c.store.requeue_in_progress_tasks(run_id).await?;
    check_eq!(requeued, 2 * many, "the tasks that a resume gave back");
    let claims = (0..MANY).map(|_| c.store.claim_next_task(ClaimRequest::of_run(run_id)));
    let claimed = try_join_all(claims).await?.into_iter().flatten().count();
    check_eq!(claimed, MANY as usize, "the tasks claimed after a resume");
    let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
    let third = |n: usize| ids.iter().skip(n * MANY as usize).take(MANY as usize);
    let completed = third(1).map(|id| c.store.complete_task(CompleteTask::new(*id, "done")));
    try_join_all(completed).await?;
    let abandoned = third(2).map(|id| c.store.abandon_task(AbandonTask::new(*id)));
    try_join_all(abandoned).await?;
    let task_id = world::first(tasks)?.id;
    let report = AttemptReport::new("failed", "no");
    let attempts = (1..=MANY).map(|number| {
        let new = NewAttempt::new(task_id, number, report.clone());
        c.store.add_attempt(new)
    });
    try_join_all(attempts).await?;
    let checkpoints = (1..=MANY).map(|number| {
        let new = NewCheckpoint::new(run_id, "running", json!(number));
        c.store.add_checkpoint(new)
    });
    try_join_all(checkpoints).await?;
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run_id)).await?;
    let counts = snapshot.counts;
    check_eq!(
        [
            counts.pending,
            counts.in_progress,
            counts.completed,
            counts.abandoned,
            counts.attempts,
            counts.checkpoints
        ],
        [0, many, many, many, many, many],
        "the counts of pending tasks, tasks in progress, completed and abandoned ones, attempts and checkpoints"
    );
    check_eq!(
        [
            snapshot.in_progress_tasks.len(),
            snapshot.completed_tasks.len(),
            snapshot.blocked_tasks.len()
        ],
        [MANY as usize; 3],
        "the tasks in progress, completed and abandoned that a snapshot without a cap shows"
    );
    Ok(())
}

/// Drafts with ids.
fn named(count: usize) -> Vec<TaskDraft> {
    let drafts = world::drafts(count).into_iter();
    drafts
        .map(|draft| draft.with_id(TaskId::generate()))
        .collect()
}

pub(crate) async fn every_draft_of_a_long_plan_is_compared(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let drafts = named(MANY as usize);
    let plan = TaskPlan::new(run_id, drafts.clone());
    let tasks = c.store.append_tasks(plan.clone()).await?;
    let before = Dump::of(&*c.store).await?;
    let again = c.store.append_tasks(plan.clone()).await?;
    check!(
        again == tasks,
        "a plan of {MANY} drafts given again must return its tasks"
    );
    for place in [15, 64, 128, MANY as usize - 1] {
        let mut other = plan.clone();
        let mut taken = None;
        if let Some(draft) = other.drafts.get_mut(place) {
            draft.title.push('!');
            taken = draft.id.map(TaskId::as_uuid);
        }
        check_refused!(
            c.store.append_tasks(other).await,
            Error::AlreadyExists { kind: RecordKind::Task, id } if Some(id) == taken,
            "a plan of {MANY} stored drafts, of which the one at {place} has another title"
        );
    }
    // And one whose last id alone is taken, after as many as a backend may write at once.
    let mut late = named(MANY as usize);
    late.extend(drafts.into_iter().take(1));
    check_refused!(
        c.store.append_tasks(TaskPlan::new(run_id, late)).await,
        Error::AlreadyExists {
            kind: RecordKind::Task,
            ..
        },
        "a plan of {MANY} new drafts and then one with a taken id"
    );
    check_unchanged(
        &*c.store,
        &before,
        "long plans that were refused or repeated",
    )
    .await
}

pub(crate) async fn every_id_of_a_long_report_is_looked_at(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let id = EventId::generate();
    let taken = EventDraft::new("s", "k", "stored").with_id(id);
    c.store.add_event(NewEvent::new(run.id, taken)).await?;
    let before = Dump::of(&*c.store).await?;
    let mut report = FinishReport::completed("done");
    let event = || EventDraft::new("s", "k", "m").with_id(EventId::generate());
    report.events = (0..MANY).map(|_| event()).collect();
    report.events.push(event().with_id(id));
    check_refused!(
        c.store.finish_task(claim.token(), report).await,
        Error::AlreadyExists { kind: RecordKind::Event, id: named } if named == id.as_uuid(),
        "a report whose event after {MANY} others has a taken id"
    );
    check_unchanged(&*c.store, &before, "a long report that was refused").await
}

pub(crate) async fn repeats_are_known_after_hundreds_of_others(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::planned(&*c.store, MANY as usize).await?;
    let first = world::claim(&*c.store, run.id).await?.token();
    let report = FinishReport::completed("done");
    c.store.finish_task(first, report.clone()).await?;
    let draft = EventDraft::new("s", "k", "m");
    let new = NewEvent::new(run.id, draft.clone().with_id(EventId::generate()));
    let event = c.store.add_event(new.clone()).await?;
    let claims = (1..MANY).map(|_| c.store.claim_next_task(ClaimRequest::of_run(run.id)));
    let claims = try_join_all(claims).await?;
    let finishes = claims.iter().flatten();
    try_join_all(finishes.map(|claim| c.store.finish_task(claim.token(), report.clone()))).await?;
    let others = (0..MANY).map(|_| {
        let draft = draft.clone().with_id(EventId::generate());
        c.store.add_event(NewEvent::new(run.id, draft))
    });
    try_join_all(others).await?;
    let before = Dump::of(&*c.store).await?;
    check_eq!(
        c.store.add_event(new).await?,
        event,
        "an event added again after {MANY} others"
    );
    let task = c.store.finish_task(first, report).await?;
    check_eq!(
        task.id,
        first.task_id,
        "a report repeated after {MANY} others"
    );
    check_unchanged(&*c.store, &before, "repeats after many others").await
}

pub(crate) async fn all_ids_of_a_long_run_are_free_once_it_is_deleted(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 1).await?;
    c.store
        .block_task(BlockTask::new(world::first(tasks)?.id))
        .await?;
    let drafts: Vec<EventDraft> = (0..MANY)
        .map(|_| EventDraft::new("s", "k", "m").with_id(EventId::generate()))
        .collect();
    let add = |run_id| {
        let new = |draft: &EventDraft| NewEvent::new(run_id, draft.clone());
        let store = &c.store;
        try_join_all(drafts.iter().map(move |draft| store.add_event(new(draft))))
    };
    add(run.id).await?;
    c.store.delete_run(run.id).await?;
    let other = world::run(&*c.store).await?;
    let mut numbers: Vec<u64> = add(other.id).await?.iter().map(|event| event.seq).collect();
    numbers.sort_unstable();
    check!(
        numbers.iter().copied().eq(2..=u64::from(MANY) + 1),
        "{MANY} events with the ids of a deleted run's must be numbered on from 2: {numbers:?}"
    );
    Ok(())
}
