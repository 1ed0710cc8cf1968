//! Runs as they are created and read (clauses R1 and R2).

use std::sync::Arc;

use runstore_core::{
    Clock, Cursor, ListEvents, ListRuns, NewRun, PageRequest, Run, RunId, RunStatus, RunUpdate,
    SnapshotRequest, Store, Uuid,
};
use serde_json::json;

use crate::check::{Outcome, check, check_eq};
use crate::context::{Context, start};
use crate::pages::check_pages;
use crate::ticking::TickingClock;
use crate::world;

pub(crate) async fn a_new_run_is_planning_with_zero_counters(c: &mut Context<'_>) -> Outcome {
    let run = c.store.create_run(NewRun::new("a goal", "/a/path")).await?;
    check_eq!(run.goal, "a goal", "the goal of a new run");
    check_eq!(run.repo_path, "/a/path", "the path of a new run");
    check_eq!(run.status, RunStatus::Planning, "the status of a new run");
    check_eq!(
        (run.cycle_count, run.replan_count),
        (0, 0),
        "the counters of a new run"
    );
    check_eq!(
        (&run.summary, run.current_task_id),
        (&None, None),
        "what is unset in a new run"
    );
    check_eq!(
        (run.created_at, run.updated_at),
        (start(), start()),
        "the times of a new run"
    );
    check_eq!(
        c.store.get_run(run.id).await?,
        run,
        "the run read after it was created"
    );
    Ok(())
}

pub(crate) async fn creating_a_run_writes_its_first_event(c: &mut Context<'_>) -> Outcome {
    let run = c.store.create_run(NewRun::new("a goal", "/a/path")).await?;
    let events = c.store.recent_events(run.id, 10).await?;
    check_eq!(events.len(), 1, "the number of events of a new run");
    let event = world::first(events)?;
    check_eq!(
        (event.seq, event.run_id),
        (1, run.id),
        "number and run of the first event"
    );
    check_eq!(
        (event.kind.as_str(), event.source.as_str(), event.event_id),
        ("run_created", "system", None),
        "kind, source and id of the first event"
    );
    check_eq!(
        event.payload,
        json!({"goal": "a goal", "repoPath": "/a/path"}),
        "the payload of the first event"
    );
    check!(
        event.ts == start(),
        "the first event has the time of the store's clock"
    );
    Ok(())
}

pub(crate) async fn a_run_has_the_id_that_was_given_or_one_of_its_own(
    c: &mut Context<'_>,
) -> Outcome {
    for id in [Uuid::nil(), Uuid::max(), RunId::generate().into()] {
        let id = RunId::from(id);
        let new = NewRun::new(format!("goal of {id}"), "/repo").with_id(id);
        let run = c.store.create_run(new).await?;
        check_eq!(run.id, id, "the id of a run that was created with one");
        check_eq!(
            c.store.get_run(id).await?,
            run,
            "the run read by the id it was given"
        );
    }
    let a = world::run(&*c.store).await?;
    let b = world::run(&*c.store).await?;
    check!(
        a.id != b.id,
        "two runs created without an id must be two, but both have {}",
        a.id
    );
    let count = c.store.list_runs(ListRuns::all()).await?.items.len();
    check_eq!(count, 5, "the number of runs after five were created");
    Ok(())
}

pub(crate) async fn goal_and_path_are_kept_to_the_byte(c: &mut Context<'_>) -> Outcome {
    for (goal, path) in [
        (" ", ""),
        ("goal\0with\u{1}control\r\n", " /path with spaces "),
        ("\u{fffd}é\u{65}\u{301}😀\u{10ffff}", "C:\\repo\\\"'`%_"),
        ("path", "goal"),
    ] {
        let run = c.store.create_run(NewRun::new(goal, path)).await?;
        check_eq!(
            (run.goal.as_str(), run.repo_path.as_str()),
            (goal, path),
            "goal and path of a new run"
        );
        check_run(&*c.store, &run, "the new run").await?;
        let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
        check_eq!(
            world::first(events)?.payload,
            json!({"goal": goal, "repoPath": path}),
            "goal and path in the run's first event"
        );
    }
    Ok(())
}

pub(crate) async fn a_new_run_and_its_event_have_one_time(c: &mut Context<'_>) -> Outcome {
    let fixture = c.with_clock(Arc::new(TickingClock::default())).await?;
    let store = fixture.store();
    let run = world::run(&*store).await?;
    let event = world::first(store.recent_events(run.id, 1).await?)?;
    check_eq!(
        (run.updated_at, event.ts),
        (run.created_at, run.created_at),
        "the time of the last change and of the event of a run just created"
    );
    Ok(())
}

pub(crate) async fn times_are_the_clocks_also_when_it_runs_backwards(
    c: &mut Context<'_>,
) -> Outcome {
    for micros in [0, 1, -86_400_000_001, 1_000_000] {
        c.clock.advance_micros(micros);
        let now = Clock::now(&c.clock);
        let run = world::run(&*c.store).await?;
        check_eq!(
            (run.created_at, run.updated_at),
            (now, now),
            "the times of a run that was created at {now}"
        );
        check_run(&*c.store, &run, "the new run").await?;
    }
    Ok(())
}

pub(crate) async fn every_read_shows_the_same_run(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    let (other, _) = world::populated(&*c.store).await?;
    c.clock.advance_micros(1);
    let changed = c.store.increment_cycle(run.id).await?;
    for (run, what) in [(&changed, "a run"), (&other, "its neighbour")] {
        check_run(&*c.store, run, what).await?;
        let second = c.second_handle().await?;
        check_run(&*second, run, &format!("{what}, at a second handle")).await?;
    }
    c.reopen().await?;
    for (run, what) in [(&changed, "a run"), (&other, "its neighbour")] {
        check_run(&*c.store, run, &format!("{what}, after a reopen")).await?;
    }
    Ok(())
}

pub(crate) async fn runs_are_listed_newest_first_whatever_the_clock(
    c: &mut Context<'_>,
) -> Outcome {
    // Neither by time nor by id nor by goal is this the order of creation.
    let ids = [5, 2, 9, 7, 1_u128];
    for (index, id) in ids.into_iter().enumerate() {
        if index >= 2 {
            c.clock.advance_micros(-1_000);
        }
        let new = NewRun::new(format!("goal {id}"), "/repo");
        let new = new.with_id(RunId::from(Uuid::from_u128(id)));
        c.store.create_run(new).await?;
    }
    let newest_first: Vec<u128> = ids.into_iter().rev().collect();
    check_eq!(
        listed(&*c.store, ListRuns::all()).await?,
        newest_first,
        "runs listed after the clock stood and ran backwards"
    );
    c.reopen().await?;
    check_eq!(
        listed(&*c.store, ListRuns::all()).await?,
        newest_first,
        "runs listed after a reopen"
    );
    Ok(())
}

pub(crate) async fn a_changed_run_keeps_its_place_in_the_list(c: &mut Context<'_>) -> Outcome {
    let runs = numbered(&*c.store, 3).await?;
    c.clock.advance_micros(1_000_000);
    for run in &runs {
        let update = RunUpdate::new(run.id).with_status("running");
        c.store.update_run(update).await?;
        c.store.increment_replan(run.id).await?;
        check_eq!(
            listed(&*c.store, ListRuns::all()).await?,
            [3, 2, 1],
            "runs listed after run {} was changed",
            run.goal
        );
    }
    Ok(())
}

pub(crate) async fn runs_are_listed_by_status(c: &mut Context<'_>) -> Outcome {
    let runs = numbered(&*c.store, 6).await?;
    let words = ["paused", "on hold", "planning", "Paused", "paused", ""];
    for (run, word) in runs.iter().zip(words) {
        c.store
            .update_run(RunUpdate::new(run.id).with_status(word))
            .await?;
    }
    let cases: [(&str, &[u128]); 7] = [
        ("paused", &[5, 1]),
        ("Paused", &[4]),
        ("on hold", &[2]),
        ("planning", &[3]),
        ("", &[6]),
        ("running", &[]),
        ("paus", &[]),
    ];
    for (word, expected) in cases {
        let by_word = ListRuns::all().with_status(word);
        check_eq!(
            listed(&*c.store, by_word).await?,
            expected,
            "runs of status {word:?}"
        );
        let other = ListRuns::all().with_status(RunStatus::Other(word.to_owned()));
        check_eq!(
            listed(&*c.store, other).await?,
            expected,
            "runs of status Other({word:?}), which is the same word"
        );
    }
    check_eq!(
        listed(&*c.store, ListRuns::all()).await?,
        [6, 5, 4, 3, 2, 1],
        "runs of any status"
    );
    Ok(())
}

pub(crate) async fn runs_are_listed_in_pages(c: &mut Context<'_>) -> Outcome {
    check_pages(&[], "the list of runs", |page| {
        c.store.list_runs(ListRuns::all().with_page(page))
    })
    .await?;
    let mut runs = numbered(&*c.store, 7).await?;
    for run in runs.iter_mut().step_by(3) {
        let update = RunUpdate::new(run.id).with_status("running");
        *run = c.store.update_run(update).await?;
    }
    runs.reverse();
    check_pages(&runs, "the list of runs", |page| {
        c.store.list_runs(ListRuns::all().with_page(page))
    })
    .await?;
    for status in [RunStatus::Running, RunStatus::Planning] {
        let of_status = runs.iter().filter(|run| run.status == status);
        let expected: Vec<Run> = of_status.cloned().collect();
        check_pages(&expected, &format!("the list of {status} runs"), |page| {
            let list = ListRuns::all().with_status(status.clone());
            c.store.list_runs(list.with_page(page))
        })
        .await?;
    }
    Ok(())
}

pub(crate) async fn a_cursor_of_runs_outlives_changes_of_the_list(c: &mut Context<'_>) -> Outcome {
    let runs = numbered(&*c.store, 6).await?;
    let first = ListRuns::all().with_page(PageRequest::first(2));
    let page = c.store.list_runs(first).await?;
    check_eq!(numbers(&page.items)?, [6, 5], "the first two runs of six");
    let next: Option<Cursor> = page.next;
    check!(next.is_some(), "two runs of six must name a next page");
    // The run at the cursor goes, the next one too; others come and change.
    for number in [5, 4] {
        let gone = runs.get(number - 1).map(|run| run.id);
        c.store
            .delete_run(gone.unwrap_or_else(RunId::generate))
            .await?;
    }
    world::run(&*c.store).await?;
    c.clock.advance_micros(1);
    if let Some(run) = runs.first() {
        let update = RunUpdate::new(run.id).with_summary("changed");
        c.store.update_run(update).await?;
    }
    c.reopen().await?;
    let mut rest = ListRuns::all();
    rest.page.after = next;
    check_eq!(
        listed(&*c.store, rest).await?,
        [3, 2, 1],
        "runs after the cursor at run 5, when 5 and 4 were deleted, one was added and 1 was changed"
    );
    Ok(())
}

/// Runs created in this order, whose goals are 1, 2, 3 …
async fn numbered(store: &dyn Store, count: u32) -> Outcome<Vec<Run>> {
    let mut runs = Vec::new();
    for number in 1..=count {
        let new = NewRun::new(number.to_string(), "/repo");
        runs.push(store.create_run(new).await?);
    }
    Ok(runs)
}

/// The numbers that stand in the goals of the listed runs.
async fn listed(store: &dyn Store, list: ListRuns) -> Outcome<Vec<u128>> {
    numbers(&store.list_runs(list).await?.items)
}

fn numbers(runs: &[Run]) -> Outcome<Vec<u128>> {
    let number = |run: &Run| {
        let digits = run.goal.trim_start_matches("goal ");
        let unexpected = |_| crate::check::Stop::failed(format_args!("an unexpected run: {run:?}"));
        digits.parse().map_err(unexpected)
    };
    runs.iter().map(number).collect()
}

/// Checks that every call that shows the run shows it like this.
pub(crate) async fn check_run(store: &dyn Store, expected: &Run, what: &str) -> Outcome {
    check_eq!(
        store.get_run(expected.id).await?,
        *expected,
        "{what}, read by its id"
    );
    let of_status = ListRuns::all().with_status(expected.status.clone());
    for (list, how) in [
        (ListRuns::all(), "listed"),
        (of_status, "listed by its status"),
    ] {
        let listed = store.list_runs(list).await?.items;
        let same: Vec<Run> = listed
            .into_iter()
            .filter(|run| run.id == expected.id)
            .collect();
        check_eq!(same, std::slice::from_ref(expected), "{what}, {how}");
    }
    let snapshot = store.snapshot(SnapshotRequest::of_run(expected.id)).await?;
    check_eq!(snapshot.run, *expected, "{what}, in its snapshot");
    Ok(())
}
