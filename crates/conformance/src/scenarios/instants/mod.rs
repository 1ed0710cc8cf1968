//! Snapshots beside writers (clauses S1 and S2): every part of each must agree with every other.

mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runstore_core::{
    ArtifactDraft, ClaimRequest, Error, EventDraft, FinishReport, ListEvents, ListTasks, NewEvent,
    NewRun, PageRequest, Result, RunId, RunSnapshot, RunUpdate, SaveAgentState, SnapshotRequest,
    Task, TaskDraft, TaskPlan, TaskStatus,
};
use tokio::task::JoinHandle;

use self::watch::{check_agrees, tasks, watch};
use crate::check::{Outcome, Stop, check, check_eq};
use crate::context::Context;
use crate::race::{Handles, together};
use crate::world;

pub(crate) async fn a_report_is_seen_whole_or_not_at_all(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    let (run, _) = world::planned(&*c.store, 32).await?;
    let workers = (0..4).map(|worker| {
        let store = handles.of(worker);
        async move {
            let request = || ClaimRequest::of_run(run.id);
            while let Some(claim) = store.claim_next_task(request()).await? {
                let report = FinishReport::completed("done")
                    .with_event(EventDraft::new("worker", "done", "one"))
                    .with_event(EventDraft::new("worker", "done", "two"))
                    .with_artifact(ArtifactDraft::new("log", "p"));
                store.finish_task(claim.token(), report).await?;
            }
            Ok(())
        }
    });
    for snapshot in watch(&handles, run.id, workers).await?.iter().flatten() {
        let counts = snapshot.counts;
        check_eq!(
            [counts.attempts, counts.artifacts, (counts.events - 1) / 2],
            [counts.completed; 3],
            "attempts, artifacts and pairs of events in a snapshot, by the tasks completed there, \
             where each report writes all of them"
        );
        check_eq!(
            (counts.events - 1) % 2,
            0,
            "half a pair of events of a report in a snapshot"
        );
        let newest = snapshot.recent_attempts.last();
        check!(
            newest.is_none_or(|attempt| {
                let completed = snapshot.completed_tasks.iter();
                completed.clone().any(|task| task.id == attempt.task_id)
            }),
            "the task of the last attempt in a snapshot must be completed there"
        );
    }
    Ok(())
}

pub(crate) async fn a_plan_is_seen_whole_or_not_at_all(c: &mut Context<'_>) -> Outcome {
    const PLAN: usize = 7;
    let handles = Handles::four(c).await?;
    let (run, _) = world::planned(&*c.store, PLAN).await?;
    let planners = (0..2).map(|planner| {
        let store = handles.of(planner);
        async move {
            for number in 0..10 {
                let name = format!("{planner} {number}");
                let draft = |_| TaskDraft::new(name.as_str(), "o");
                let plan = TaskPlan::new(run.id, (0..PLAN).map(draft));
                store.replace_pending_tasks(plan).await?;
            }
            Ok(())
        }
    });
    for snapshot in watch(&handles, run.id, planners).await?.iter().flatten() {
        let pending = &snapshot.pending_tasks;
        let first = world::first(pending.clone())?;
        check!(
            pending.len() == PLAN
                && pending.iter().all(|task| task.title == first.title
                    || first.position == 1 && task.position <= PLAN as u64),
            "the pending tasks of a snapshot beside new plans must be those of one plan: {pending:?}"
        );
        let newest = tasks(snapshot).iter().map(|task| task.position).max();
        check_eq!(
            newest,
            pending.last().map(|task| task.position),
            "the last position of all, by that of the pending tasks: the last plan is the one that stands"
        );
    }
    Ok(())
}

pub(crate) async fn a_requeue_is_seen_with_its_event_or_not_at_all(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    let (run, _) = world::planned(&*c.store, 4).await?;
    let callers = (0..3).map(|caller| {
        let store = handles.of(caller);
        async move {
            for _ in 0..12 {
                if caller == 0 {
                    store.requeue_in_progress_tasks(run.id).await?;
                } else {
                    store.claim_next_task(ClaimRequest::of_run(run.id)).await?;
                }
            }
            Ok(())
        }
    });
    for snapshot in watch(&handles, run.id, callers).await?.iter().flatten() {
        let claims = |task: &&Task| u64::from(task.attempt_count);
        let claimed: u64 = tasks(snapshot).iter().map(claims).sum();
        let requeued: u64 = snapshot
            .recent_events
            .iter()
            .filter_map(|event| event.payload.get("changes")?.as_u64())
            .sum();
        check_eq!(
            claimed,
            requeued + snapshot.counts.in_progress,
            "the claims counted in a snapshot, by the tasks requeued in its events and those in progress"
        );
    }
    Ok(())
}

pub(crate) async fn an_update_is_seen_whole_or_not_at_all(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    let (run, planned) = world::planned(&*c.store, 2).await?;
    let ids: Vec<_> = planned.iter().map(|task| task.id).collect();
    let update = RunUpdate::new(run.id).with_status("0").with_summary("0");
    c.store.update_run(update).await?;
    let writers = (0..2).map(|writer| {
        let store = handles.of(writer);
        let ids = ids.clone();
        async move {
            for (number, task_id) in (0..20_u32).zip(ids.into_iter().cycle()) {
                let text = number.to_string();
                if writer == 0 {
                    let update = RunUpdate::new(run.id)
                        .with_status(text.as_str())
                        .with_summary(text)
                        .with_current_task(task_id);
                    store.update_run(update).await?;
                } else {
                    let save = SaveAgentState::new(run.id, "checker")
                        .with_turns(number)
                        .with_rotation_count(number)
                        .with_session_id(text.as_str())
                        .with_last_prompt_path(text);
                    store.save_agent_state(save).await?;
                }
            }
            Ok(())
        }
    });
    for snapshot in watch(&handles, run.id, writers).await?.iter().flatten() {
        check_eq!(
            snapshot.run.summary.as_deref(),
            Some(snapshot.run.status.as_str()),
            "the summary of the run in a snapshot, by its status, where each update sets both alike"
        );
        for agent in snapshot.agents.values() {
            let turns = Some(agent.turns.to_string());
            check_eq!(
                (
                    &agent.session_id,
                    &agent.last_prompt_path,
                    agent.rotation_count
                ),
                (&turns, &turns, agent.turns),
                "the state of an agent in a snapshot, by its turns, where each save sets all alike"
            );
        }
    }
    Ok(())
}

pub(crate) async fn a_run_is_seen_whole_or_not_at_all(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    let id = RunId::generate();
    let writing = Arc::new(AtomicUsize::new(1));
    let watchers = (1..3).map(|index| {
        let store = handles.of(index);
        let writing = Arc::clone(&writing);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                let over = writing.load(Ordering::SeqCst) == 0;
                match store.snapshot(SnapshotRequest::of_run(id)).await {
                    Ok(snapshot) => taken.push(snapshot),
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
                if over {
                    return Ok(taken);
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let watchers: Vec<_> = watchers.collect();
    let write = async {
        for _ in 0..12 {
            let new = NewRun::new("goal", "/p").with_id(id);
            c.store.create_run(new).await?;
            let plan = TaskPlan::new(id, world::drafts(3));
            c.store.append_tasks(plan).await?;
            c.store.delete_run(id).await?;
        }
        Result::Ok(())
    };
    let written = write.await;
    writing.fetch_sub(1, Ordering::SeqCst);
    written?;
    for watcher in watchers {
        for snapshot in watcher.await?? {
            check_agrees(&snapshot)?;
            let counts = snapshot.counts;
            check!(
                counts.events == 1 && (counts.pending == 0 || counts.pending == 3),
                "a run that is created, given three tasks and deleted over and over must be seen with \
                 its first event and with none or all of the tasks: {counts:?}"
            );
        }
    }
    Ok(())
}

pub(crate) async fn a_capped_snapshot_agrees_with_its_counts(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    let (run, _) = world::planned(&*c.store, 24).await?;
    let mut callers: Vec<JoinHandle<Result<Vec<RunSnapshot>>>> = Vec::new();
    for caller in 0..4 {
        let store = handles.of(caller);
        callers.push(tokio::spawn(async move {
            let mut taken = Vec::new();
            for _ in 0..12 {
                if caller % 2 == 0 {
                    let request = ClaimRequest::of_run(run.id);
                    if let Some(claim) = store.claim_next_task(request).await? {
                        let report = FinishReport::completed("done")
                            .with_artifact(ArtifactDraft::new("log", "p"));
                        store.finish_task(claim.token(), report).await?;
                    }
                } else {
                    let request = SnapshotRequest::of_run(run.id).with_max_per_list(2);
                    taken.push(store.snapshot(request).await?);
                }
            }
            Ok(taken)
        }));
    }
    for caller in callers {
        for snapshot in caller.await?? {
            let counts = snapshot.counts;
            check_eq!(
                [
                    counts.pending + counts.in_progress + counts.completed,
                    counts.attempts,
                    counts.artifacts
                ],
                [24, counts.completed, counts.completed],
                "tasks of all states, attempts and artifacts counted in a snapshot with a cap"
            );
            check_eq!(
                [
                    snapshot.pending_tasks.len() as u64,
                    snapshot.in_progress_tasks.len() as u64,
                    snapshot.completed_tasks.len() as u64,
                    snapshot.recent_attempts.len() as u64,
                    snapshot.artifacts.len() as u64
                ],
                [
                    counts.pending.min(2),
                    counts.in_progress.min(2),
                    counts.completed.min(2),
                    counts.attempts.min(2),
                    counts.artifacts.min(2)
                ],
                "the lists of a snapshot with a cap of 2 beside writers, by its counts"
            );
        }
    }
    Ok(())
}

pub(crate) async fn a_list_is_of_one_instant(c: &mut Context<'_>) -> Outcome {
    const PLAN: usize = 5;
    let handles = Handles::four(c).await?;
    let (run, _) = world::planned(&*c.store, PLAN).await?;
    let callers = (0..4).map(|caller| {
        let store = handles.of(caller);
        async move {
            let mut lists = Vec::new();
            for _ in 0..10 {
                if caller % 2 == 0 {
                    let plan = TaskPlan::new(run.id, world::drafts(PLAN));
                    store.replace_pending_tasks(plan).await?;
                } else {
                    lists.push(store.list_tasks(ListTasks::new(run.id)).await?.items);
                }
            }
            Result::Ok(lists)
        }
    });
    for lists in together(callers).await? {
        for list in lists? {
            let (old, plan) = list.split_at(list.len().saturating_sub(PLAN));
            let positions = list.iter().map(|task| task.position);
            check!(
                positions.eq(1..=list.len() as u64)
                    && old.iter().all(|task| task.status == TaskStatus::Abandoned)
                    && plan.iter().all(|task| task.status == TaskStatus::Pending),
                "a list of tasks beside new plans must show the last plan pending and every other \
                 abandoned: {list:?}"
            );
        }
    }
    Ok(())
}

pub(crate) async fn writers_and_snapshots_go_on_side_by_side(c: &mut Context<'_>) -> Outcome {
    const EVENTS: usize = 24;
    let handles = Handles::four(c).await?;
    let (run, _) = world::planned(&*c.store, 40).await?;
    let callers = (0..8).map(|caller| {
        let store = handles.of(caller);
        async move {
            for number in 0..EVENTS {
                if caller % 2 == 0 {
                    // None is refused as busy: neither side waits out the other.
                    store.snapshot(SnapshotRequest::of_run(run.id)).await?;
                    let page = PageRequest::first(10);
                    let list = ListEvents::new(run.id).with_page(page);
                    store.list_events(list).await?;
                } else {
                    let draft = EventDraft::new("s", "k", number.to_string());
                    store.add_event(NewEvent::new(run.id, draft)).await?;
                }
            }
            Result::Ok(())
        }
    });
    for caller in together(callers).await? {
        caller.map_err(|error| {
            Stop::failed(format_args!(
                "a call failed where snapshots and writes went on side by side: {error} [{error:?}]"
            ))
        })?;
    }
    let events = c.store.recent_events(run.id, 1).await?;
    check_eq!(
        world::last(events)?.seq,
        4 * EVENTS as u64 + 1,
        "the number of the last event after 4 writers beside 4 readers"
    );
    Ok(())
}
