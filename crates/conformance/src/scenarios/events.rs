//! Events (clause J1).

use runstore_core::{
    Clock, Cursor, Event, EventDraft, EventId, FinishReport, ListEvents, NewEvent, PageRequest,
    RunId, SnapshotRequest, Store, TaskPlan, Timestamp,
};
use serde_json::json;

use crate::beside::Beside;
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::lists::{check_last, check_pages};
use crate::world;

/// Adds an event whose message is `message`.
async fn add(store: &dyn Store, run_id: RunId, message: &str) -> Outcome<Event> {
    let draft = EventDraft::new("worker", "note", message);
    Ok(store.add_event(NewEvent::new(run_id, draft)).await?)
}

/// All events of a run by their numbers.
async fn all(store: &dyn Store, run_id: RunId) -> Outcome<Vec<Event>> {
    Ok(store.list_events(ListEvents::new(run_id)).await?.items)
}

fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.seq).collect()
}

pub(crate) async fn an_event_is_stored_as_it_was_given(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let id = EventId::generate();
    let drafts = [
        EventDraft::new("a source", "a kind", "a message")
            .with_id(id)
            .with_payload(json!({"a": [1, null]})),
        EventDraft::new("another source", "another kind", "another message"),
    ];
    let mut written = vec![world::first(all(&*c.store, run.id).await?)?];
    for (index, draft) in drafts.into_iter().enumerate() {
        c.clock.advance_micros(7);
        let ts = c.clock.now();
        let mut new = NewEvent::new(run.id, draft.clone());
        // The second is written in a claim's name, which leaves no trace in the record.
        new.fence = (index == 1).then(|| claim.token());
        let event = c.store.add_event(new).await?;
        let expected = Event {
            run_id: run.id,
            seq: index as u64 + 2,
            event_id: draft.id,
            ts,
            source: draft.source,
            kind: draft.kind,
            message: draft.message,
            payload: draft.payload,
        };
        check_eq!(event, expected, "the event that add_event returned");
        written.push(event);
    }
    check_eq!(all(&*c.store, run.id).await?, written, "the events listed");
    let recent = c.store.recent_events(run.id, 10).await?;
    check_eq!(recent, written, "the recent events");
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    check_eq!(
        snapshot.recent_events,
        written,
        "the events in the snapshot"
    );
    Ok(())
}

pub(crate) async fn events_are_numbered_without_gaps_in_each_run(c: &mut Context<'_>) -> Outcome {
    let one = world::run(&*c.store).await?;
    let other = world::run(&*c.store).await?;
    // Unevenly interleaved, so that a number taken from the other run or from all runs shows.
    for turn in 0..12_u64 {
        let run_id = if turn % 3 == 1 { other.id } else { one.id };
        let event = add(&*c.store, run_id, &format!("turn {turn}")).await?;
        let listed = world::last(all(&*c.store, run_id).await?)?;
        check_eq!(event, listed, "the last event after turn {turn}");
        check_eq!(
            event.run_id,
            run_id,
            "the run of the event added in turn {turn}"
        );
    }
    for (run_id, count) in [(one.id, 9), (other.id, 5)] {
        let events = all(&*c.store, run_id).await?;
        check_eq!(
            numbers(&events),
            (1..=count).collect::<Vec<u64>>(),
            "the numbers of the events of one of two runs written in turns"
        );
    }
    Ok(())
}

pub(crate) async fn every_call_that_writes_events_numbers_them_in_one_row(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 2).await?;
    add(&*c.store, run.id, "first").await?;
    let claim = world::claim(&*c.store, run.id).await?;
    let note = |text: &str| EventDraft::new("worker", text, "m");
    let report = FinishReport::completed("done")
        .with_event(note("report 1"))
        .with_event(note("report 2"));
    c.store.finish_task(claim.token(), report).await?;
    c.store.requeue_task(claim.task.id).await?;
    world::claim(&*c.store, run.id).await?;
    c.store.requeue_in_progress_tasks(run.id).await?;
    add(&*c.store, run.id, "last").await?;
    let events = all(&*c.store, run.id).await?;
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    let expected = [
        "run_created",
        "note",
        "report 1",
        "report 2",
        "requeue_task",
        "requeue_in_progress",
        "note",
    ];
    check_eq!(
        kinds,
        expected,
        "the kinds of the events, in the order of the calls"
    );
    check_eq!(
        numbers(&events),
        (1..=7).collect::<Vec<u64>>(),
        "their numbers"
    );
    check_eq!(tasks.len(), 2, "the tasks planned");
    Ok(())
}

pub(crate) async fn calls_that_write_no_event_leave_the_journal_alone(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    let events = all(&*c.store, run.id).await?;
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    check_eq!(
        kinds,
        ["run_created", "note"],
        "the kinds of the events of a run with calls of every kind, one add_event among them"
    );
    let plan = TaskPlan::new(run.id, world::drafts(2));
    c.store.replace_pending_tasks(plan).await?;
    c.store.increment_cycle(run.id).await?;
    c.store.increment_replan(run.id).await?;
    check_eq!(
        c.store.requeue_in_progress_tasks(run.id).await?,
        0,
        "the tasks requeued after a new plan"
    );
    check_eq!(
        all(&*c.store, run.id).await?,
        events,
        "the events after calls that write none"
    );
    Ok(())
}

pub(crate) async fn the_last_events_are_given_oldest_first(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let neighbour = world::run(&*c.store).await?;
    for number in 2..=7 {
        add(&*c.store, run.id, &format!("event {number}")).await?;
        add(&*c.store, neighbour.id, "beside").await?;
    }
    let events = all(&*c.store, run.id).await?;
    check_eq!(events.len(), 7, "the number of events");
    check_last("events", &events, |limit| {
        c.store.recent_events(run.id, limit)
    })
    .await
}

pub(crate) async fn more_than_fifty_recent_events_can_be_asked_for(c: &mut Context<'_>) -> Outcome {
    let (run, claim) = world::claimed(&*c.store).await?;
    let mut report = FinishReport::completed("done");
    for number in 0..60 {
        let draft = EventDraft::new("worker", "note", format!("event {number}"));
        report = report.with_event(draft);
    }
    c.store.finish_task(claim.token(), report).await?;
    for limit in [49_u64, 50, 51, 60, 61] {
        let events = c.store.recent_events(run.id, limit as u32).await?;
        check_eq!(
            numbers(&events),
            (62 - limit..=61).collect::<Vec<u64>>(),
            "the numbers of the last {limit} of 61 events"
        );
    }
    Ok(())
}

pub(crate) async fn events_after_a_number_are_exactly_those_that_follow(
    c: &mut Context<'_>,
) -> Outcome {
    let run = world::run(&*c.store).await?;
    for number in 2..=5 {
        add(&*c.store, run.id, &format!("event {number}")).await?;
    }
    let beyond = [6, 100, i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX];
    for seen in (0..=5).chain(beyond) {
        let page = PageRequest::all().after(Cursor::new(seen));
        let list = ListEvents::new(run.id).with_page(page);
        let page = c.store.list_events(list).await?;
        let expected: Vec<u64> = (1..=5).filter(|number| *number > seen).collect();
        check_eq!(
            numbers(&page.items),
            expected,
            "the numbers of the events after {seen} of 5"
        );
        check_eq!(page.next, None, "the cursor after the last event");
    }
    Ok(())
}

pub(crate) async fn the_pages_of_events_join_and_their_cursors_are_numbers(
    c: &mut Context<'_>,
) -> Outcome {
    let run = world::run(&*c.store).await?;
    let neighbour = world::run(&*c.store).await?;
    for number in 2..=6 {
        add(&*c.store, neighbour.id, "beside").await?;
        add(&*c.store, run.id, &format!("event {number}")).await?;
    }
    let events = c.store.recent_events(run.id, 100).await?;
    check_pages("the events of a run", &events, |page| {
        c.store.list_events(ListEvents::new(run.id).with_page(page))
    })
    .await?;
    for limit in 1..=5_u32 {
        let list = ListEvents::new(run.id).with_page(PageRequest::first(limit));
        let page = c.store.list_events(list).await?;
        check_eq!(
            page.next,
            Some(Cursor::new(u64::from(limit))),
            "the cursor after the first {limit} events"
        );
    }
    Ok(())
}

pub(crate) async fn a_follower_misses_no_event_and_sees_none_twice(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let mut request = PageRequest::first(3);
    let mut seen = Vec::new();
    for burst in [0, 1, 2, 3, 4, 0, 7] {
        for number in 0..burst {
            add(&*c.store, run.id, &format!("{number} of {burst}")).await?;
        }
        loop {
            let list = ListEvents::new(run.id).with_page(request);
            let page = c.store.list_events(list).await?;
            let Some(last) = page.items.last() else { break };
            // A follower goes on from what it saw, also where the list ended.
            request = request.after(Cursor::new(last.seq));
            seen.extend(page.items);
        }
    }
    check_eq!(
        seen,
        all(&*c.store, run.id).await?,
        "what a follower saw that read pages between bursts of events"
    );
    check_eq!(
        numbers(&seen),
        (1..=18).collect::<Vec<u64>>(),
        "the numbers that it saw"
    );
    Ok(())
}

pub(crate) async fn adding_an_event_touches_nothing_else(c: &mut Context<'_>) -> Outcome {
    let beside = Beside::new(c).await?;
    let before = all(&*c.store, beside.run.id).await?;
    let event = add(&*c.store, beside.run.id, "new").await?;
    beside
        .check_unchanged_but(&*c.store, &["events", "recentEvents"], "adding an event")
        .await?;
    let mut expected = before;
    expected.push(event);
    check_eq!(
        all(&*c.store, beside.run.id).await?,
        expected,
        "the events after one was added"
    );
    Ok(())
}

pub(crate) async fn equal_events_without_ids_are_events_of_their_own(
    c: &mut Context<'_>,
) -> Outcome {
    let run = world::run(&*c.store).await?;
    let one = add(&*c.store, run.id, "same").await?;
    let two = add(&*c.store, run.id, "same").await?;
    check_eq!(
        (one.seq, two.seq),
        (2, 3),
        "the numbers of two equal events that were added without ids"
    );
    check_eq!((one.event_id, two.event_id), (None, None), "their ids");
    check_eq!(
        all(&*c.store, run.id).await?.len(),
        3,
        "the number of events"
    );
    Ok(())
}

pub(crate) async fn events_have_the_time_at_which_they_were_added(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let mut times = vec![run.created_at];
    for micros in [1, 999_999, -5_000_000, 0] {
        c.clock.advance_micros(micros);
        times.push(c.clock.now());
        add(&*c.store, run.id, "event").await?;
    }
    let events = all(&*c.store, run.id).await?;
    let stored: Vec<Timestamp> = events.iter().map(|event| event.ts).collect();
    check_eq!(
        stored,
        times,
        "the times of the events, by the clock at each call"
    );
    Ok(())
}
