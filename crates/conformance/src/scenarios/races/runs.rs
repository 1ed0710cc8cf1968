//! Changes of one run at the same time.

use runstore_core::{
    Error, EventDraft, ListEvents, ListRuns, NewEvent, NewRun, RecordKind, Result, RunId,
    RunUpdate, SaveAgentState, SnapshotRequest,
};

use crate::check::{Outcome, Stop, check, check_eq};
use crate::context::Context;
use crate::race::{Handles, together};
use crate::world;

pub(crate) async fn updates_of_other_fields_lose_nothing(c: &mut Context<'_>) -> Outcome {
    const UPDATES: usize = 12;
    let handles = Handles::four(c).await?;
    let (run, tasks) = world::planned(&*c.store, UPDATES).await?;
    let tasks: Vec<_> = tasks.iter().map(|task| task.id).collect();
    let last = tasks.last().copied();
    let updaters = (0..4).map(|caller| {
        let store = handles.of(caller);
        let tasks = tasks.clone();
        async move {
            for (number, task_id) in tasks.into_iter().enumerate() {
                let update = RunUpdate::new(run.id);
                let text = format!("update {number}");
                match caller {
                    0 => drop(store.update_run(update.with_status(text)).await?),
                    1 => drop(store.update_run(update.with_summary(text)).await?),
                    2 => drop(store.update_run(update.with_current_task(task_id)).await?),
                    _ => drop(store.increment_cycle(run.id).await?),
                }
            }
            Result::Ok(())
        }
    });
    for updater in together(updaters).await? {
        updater?;
    }
    let text = format!("update {}", UPDATES - 1);
    let run = c.store.get_run(run.id).await?;
    check_eq!(
        (
            run.status.as_str(),
            run.summary.as_deref(),
            run.current_task_id,
            run.cycle_count
        ),
        (text.as_str(), Some(text.as_str()), last, UPDATES as u32),
        "status, summary, current task and cycles after four callers changed one each at once"
    );
    Ok(())
}

pub(crate) async fn every_count_is_counted_once(c: &mut Context<'_>) -> Outcome {
    const EACH: u32 = 6;
    let handles = Handles::four(c).await?;
    let run = world::run(&*c.store).await?;
    let counters = (0..8).map(|caller| {
        let store = handles.of(caller);
        async move {
            let mut counts = Vec::new();
            for _ in 0..EACH {
                counts.push(if caller % 2 == 0 {
                    store.increment_cycle(run.id).await?.cycle_count
                } else {
                    store.increment_replan(run.id).await?.replan_count
                });
            }
            Result::Ok(counts)
        }
    });
    let mut cycles = Vec::new();
    let mut replans = Vec::new();
    for (caller, counts) in together(counters).await?.into_iter().enumerate() {
        let counts = counts?;
        check!(
            counts.is_sorted(),
            "the counts answered to one caller must rise: {counts:?}"
        );
        let all = if caller % 2 == 0 {
            &mut cycles
        } else {
            &mut replans
        };
        all.extend(counts);
    }
    for (name, counts) in [("cycles", &mut cycles), ("replans", &mut replans)] {
        counts.sort_unstable();
        check_eq!(
            *counts,
            (1..=4 * EACH).collect::<Vec<_>>(),
            "the {name} answered to 4 callers who counted 6 times each at once, every count once"
        );
    }
    let run = c.store.get_run(run.id).await?;
    check_eq!(
        (run.cycle_count, run.replan_count),
        (4 * EACH, 4 * EACH),
        "the counts afterwards"
    );
    Ok(())
}

pub(crate) async fn a_run_of_one_id_is_created_once(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..6 {
        let id = RunId::generate();
        let creators = (0..8).map(|caller| {
            let store = handles.of(caller + round);
            async move {
                store
                    .create_run(NewRun::new("goal", "/p").with_id(id))
                    .await
            }
        });
        let answers = together(creators).await?;
        let run = c.store.get_run(id).await?;
        for answer in answers {
            check_eq!(
                answer?,
                run,
                "the run answered to one of 8 callers who created it at once"
            );
        }
        let events = c.store.list_events(ListEvents::new(id)).await?.items;
        check_eq!(events.len(), 1, "the events of a run created 8 times");
        let runs = c.store.list_runs(ListRuns::all()).await?.items;
        check_eq!(runs.len(), round + 1, "the runs after as many rounds");
    }
    Ok(())
}

pub(crate) async fn of_runs_that_want_one_id_one_is_created(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..6 {
        let id = RunId::generate();
        let creators = (0..6).map(|caller| {
            let store = handles.of(caller + round);
            async move {
                let new = NewRun::new(format!("goal {caller}"), "/p").with_id(id);
                store.create_run(new).await
            }
        });
        let mut created = Vec::new();
        for answer in together(creators).await? {
            match answer {
                Ok(run) => created.push(run),
                Err(Error::AlreadyExists { kind, id: taken }) => check_eq!(
                    (kind, taken),
                    (RecordKind::Run, id.as_uuid()),
                    "kind and id told to who came too late"
                ),
                Err(error) => return Err(error.into()),
            }
        }
        check_eq!(
            created,
            vec![c.store.get_run(id).await?],
            "the runs created by 6 callers who wanted one id for other goals"
        );
    }
    Ok(())
}

pub(crate) async fn a_run_is_deleted_once(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..4 {
        let (run, _) = world::planned(&*c.store, 3).await?;
        let callers = (0..6).map(|caller| {
            let store = handles.of(caller + round);
            async move { store.delete_run(run.id).await }
        });
        let mut deleted = 0;
        for answer in together(callers).await? {
            match answer {
                Ok(()) => deleted += 1,
                Err(Error::NotFound { kind, id }) => check_eq!(
                    (kind, id),
                    (RecordKind::Run, run.id.as_uuid()),
                    "kind and id told to who deleted a run that was gone"
                ),
                Err(error) => return Err(error.into()),
            }
        }
        check_eq!(
            deleted,
            1,
            "the deletions of one run that took effect, of 6"
        );
    }
    Ok(())
}

pub(crate) async fn nothing_is_left_of_a_run_deleted_beside_writers(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..8 {
        let (run, tasks) = world::planned(&*c.store, 2).await?;
        let task_id = world::first(tasks)?.id;
        let callers = (0..6).map(|caller| {
            let store = handles.of(caller + round);
            async move {
                if caller == 3 {
                    return store.delete_run(run.id).await;
                }
                for turns in 0..3 {
                    let draft = EventDraft::new("s", "k", "m");
                    store.add_event(NewEvent::new(run.id, draft)).await?;
                    let save = SaveAgentState::new(run.id, "checker").with_turns(turns);
                    store.save_agent_state(save).await?;
                }
                Ok(())
            }
        });
        for answer in together(callers).await? {
            match answer {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let gone = c.store.get_task(task_id).await;
        check!(
            matches!(gone, Err(Error::NotFound { .. })),
            "a task of a run that was deleted beside writers must be gone: {gone:?}"
        );
        // Under its old id a run begins anew: what was left of the old one would show.
        let new = NewRun::new("goal", "/repo").with_id(run.id);
        c.store.create_run(new).await?;
        let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
        check_eq!(
            (snapshot.counts.events, snapshot.agents.len()),
            (1, 0),
            "events and agents of a run created under the id of one deleted beside writers"
        );
        check_eq!(
            (snapshot.counts.pending, snapshot.recent_events.len()),
            (0, 1),
            "its pending tasks and the events shown"
        );
    }
    Ok(())
}

pub(crate) async fn of_states_saved_at_once_the_last_stands_whole(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..6 {
        let run = world::run(&*c.store).await?;
        let savers = (0..8).map(|caller| {
            let store = handles.of(caller + round);
            async move {
                let text = format!("caller {caller}");
                let mut save = SaveAgentState::new(run.id, "checker").with_turns(caller as u32);
                // Half of them leave unset what the others set.
                if caller % 2 == 0 {
                    save = save
                        .with_session_id(text.as_str())
                        .with_last_prompt_path(text.as_str())
                        .with_last_response_path(text)
                        .with_rotation_count(caller as u32);
                }
                store.save_agent_state(save).await
            }
        });
        let answers = together(savers).await?;
        let states = c.store.list_agent_states(run.id).await?;
        check_eq!(states.len(), 1, "the states of one role saved by 8 callers");
        let state = world::first(states)?;
        let winner = answers.into_iter().nth(state.turns as usize);
        let winner = winner.ok_or_else(|| Stop::failed("turns that no caller saved"))?;
        check_eq!(
            winner?,
            state,
            "the state that stands, by the answer to the caller whose turns it has"
        );
    }
    Ok(())
}
