//! Writers and followers of the journal at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use runstore_core::{
    ArtifactDraft, AttemptReport, Cursor, Event, EventDraft, EventId, ListArtifacts, ListAttempts,
    ListEvents, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, PageRequest, Result,
};
use serde_json::json;

use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::race::{Handles, both, together};
use crate::world;

pub(crate) async fn events_of_many_writers_are_numbered_without_gaps(
    c: &mut Context<'_>,
) -> Outcome {
    const WRITERS: usize = 12;
    const EACH: usize = 10;
    let handles = Handles::four(c).await?;
    let run = world::run(&*c.store).await?;
    let neighbour = world::run(&*c.store).await?;
    let writers = (0..WRITERS).map(|writer| {
        let store = handles.of(writer);
        async move {
            let mut events = Vec::new();
            for number in 0..EACH {
                // Every third event goes to another run, whose numbers are its own.
                let to = if number % 3 == 2 {
                    neighbour.id
                } else {
                    run.id
                };
                let draft = EventDraft::new(format!("writer {writer}"), "k", number.to_string());
                events.push(store.add_event(NewEvent::new(to, draft)).await?);
            }
            Result::Ok(events)
        }
    });
    let answers = together(writers).await?;
    let mut stored = Vec::new();
    for (run_id, count) in [
        (run.id, 1 + WRITERS * (EACH - EACH / 3)),
        (neighbour.id, 1 + WRITERS * (EACH / 3)),
    ] {
        let events = c.store.list_events(ListEvents::new(run_id)).await?.items;
        let numbers: Vec<_> = events.iter().map(|event| event.seq).collect();
        check_eq!(
            numbers,
            (1..=count as u64).collect::<Vec<_>>(),
            "the numbers of the events that 12 writers added to one of two runs at once"
        );
        stored.push(events);
    }
    for (writer, answer) in answers.into_iter().enumerate() {
        let source = format!("writer {writer}");
        let answer = answer?;
        for events in &stored {
            let own: Vec<_> = events
                .iter()
                .filter(|event| event.source == source)
                .collect();
            let told: Vec<&Event> = answer
                .iter()
                .filter(|event| own.iter().any(|own| own.run_id == event.run_id))
                .collect();
            check_eq!(
                own,
                told,
                "the events of one writer, in its order and as it was answered"
            );
        }
    }
    Ok(())
}

pub(crate) async fn followers_miss_no_event_beside_writers(c: &mut Context<'_>) -> Outcome {
    const WRITERS: usize = 6;
    const EACH: usize = 16;
    let handles = Handles::four(c).await?;
    let run = world::run(&*c.store).await?;
    let writing = Arc::new(AtomicUsize::new(WRITERS));
    let followers = (0..3).map(|follower| {
        let store = handles.of(follower);
        let writing = Arc::clone(&writing);
        tokio::spawn(async move {
            let mut seen: Vec<Event> = Vec::new();
            loop {
                // Looked at before the read: what was written by then must be in it.
                let over = writing.load(Ordering::SeqCst) == 0;
                let last = seen.last().map_or(0, |event| event.seq);
                let page = PageRequest::first(5).after(Cursor::new(last));
                let list = ListEvents::new(run.id).with_page(page);
                let page = store.list_events(list).await?;
                if page.items.is_empty() {
                    if over {
                        return Result::Ok(seen);
                    }
                    tokio::task::yield_now().await;
                }
                seen.extend(page.items);
            }
        })
    });
    let followers: Vec<_> = followers.collect();
    let writers = (0..WRITERS).map(|writer| {
        let store = handles.of(writer);
        let writing = Arc::clone(&writing);
        async move {
            let mut answers = Vec::new();
            for number in 0..EACH {
                let draft = EventDraft::new(format!("{writer}"), "k", number.to_string());
                answers.push(store.add_event(NewEvent::new(run.id, draft)).await);
            }
            writing.fetch_sub(1, Ordering::SeqCst);
            answers.into_iter().collect::<Result<Vec<_>>>()
        }
    });
    for writer in together(writers).await? {
        writer?;
    }
    let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
    check_eq!(
        events.len(),
        1 + WRITERS * EACH,
        "the events that 6 writers added"
    );
    for follower in followers {
        check_eq!(
            follower.await??,
            events,
            "what a follower saw that asked for the events after its last one, beside writers"
        );
    }
    Ok(())
}

pub(crate) async fn a_record_of_one_id_is_written_once_by_many(c: &mut Context<'_>) -> Outcome {
    let handles = Handles::four(c).await?;
    for round in 0..4 {
        let (run, claim) = world::claimed(&*c.store).await?;
        let task_id = claim.task.id;
        let id = EventId::generate().as_uuid();
        let writers = (0..6).map(|caller| {
            let store = handles.of(caller + round);
            async move {
                let draft = EventDraft::new("s", "k", "m").with_id(id);
                let event = store.add_event(NewEvent::new(run.id, draft)).await?;
                let draft = ArtifactDraft::new("k", "p").with_id(id);
                let artifact = store.add_artifact(NewArtifact::new(run.id, draft)).await?;
                let report = AttemptReport::new("failed", "s").with_id(id);
                let new = NewAttempt::new(task_id, 1, report);
                let attempt = store.add_attempt(new).await?;
                let new = NewCheckpoint::new(run.id, "running", json!(1)).with_id(id);
                let checkpoint = store.add_checkpoint(new).await?;
                Result::Ok((event, artifact, attempt, checkpoint))
            }
        });
        let events = |run_id| c.store.list_events(ListEvents::new(run_id));
        let answers = together(writers).await?;
        let event = world::last(events(run.id).await?.items)?;
        let artifacts = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
        let attempts = c.store.list_attempts(ListAttempts::new(run.id)).await?;
        let checkpoint = c.store.latest_checkpoint(run.id).await?;
        check_eq!(
            (event.seq, artifacts.items.len(), attempts.items.len()),
            (2, 1, 1),
            "events, artifacts and attempts after 6 callers wrote the same ones by id at once"
        );
        for answer in answers {
            let (its_event, artifact, attempt, its_checkpoint) = answer?;
            check_eq!(its_event, event, "the event answered to one of them");
            check_eq!(
                vec![artifact],
                artifacts.items,
                "the artifact answered to one of them"
            );
            check_eq!(
                vec![attempt],
                attempts.items,
                "the attempt answered to one of them"
            );
            check_eq!(
                Some(its_checkpoint),
                checkpoint,
                "the checkpoint answered to one of them"
            );
        }
    }
    Ok(())
}

pub(crate) async fn the_latest_is_what_the_list_ends_with_beside_writers(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = Handles::four(c).await?;
    let run = world::run(&*c.store).await?;
    let writers = (0..6).map(|writer| {
        let store = handles.of(writer);
        async move {
            for number in 0..6 {
                let payload = json!([writer, number]);
                let new = NewCheckpoint::new(run.id, "running", payload);
                store.add_checkpoint(new).await?;
            }
            Result::Ok(())
        }
    });
    for writer in together(writers).await? {
        writer?;
    }
    let list = runstore_core::ListCheckpoints::new(run.id);
    let listed = c.store.list_checkpoints(list).await?.items;
    check_eq!(listed.len(), 36, "the checkpoints that 6 writers added");
    for caller in 0..4 {
        check_eq!(
            handles.of(caller).latest_checkpoint(run.id).await?.as_ref(),
            listed.last(),
            "the latest checkpoint, by the end of the list"
        );
    }
    for writer in 0..6 {
        let own = listed.iter().filter_map(|checkpoint| {
            let pair = checkpoint.payload.as_array()?;
            let of_writer = pair.first()?.as_u64()? == writer;
            of_writer.then(|| pair.last()?.as_u64()).flatten()
        });
        check!(
            own.eq(0..6),
            "the checkpoints of one writer must be listed in its order: {listed:?}"
        );
    }
    Ok(())
}

pub(crate) async fn an_event_is_there_for_whoever_reads_after_its_answer(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = Handles::four(c).await?;
    let run = world::run(&*c.store).await?;
    // The number last acknowledged to any writer: whoever reads after that sees it.
    let acknowledged = Arc::new(AtomicUsize::new(1));
    let (writer, reader) = (handles.of(0), handles.of(1));
    let told = Arc::clone(&acknowledged);
    let (written, read) = both(
        async move {
            for _ in 0..40 {
                let draft = EventDraft::new("s", "k", "m");
                let event = writer.add_event(NewEvent::new(run.id, draft)).await?;
                told.store(event.seq as usize, Ordering::SeqCst);
            }
            Result::Ok(())
        },
        async move {
            let mut pairs = Vec::new();
            for _ in 0..40 {
                let floor = acknowledged.load(Ordering::SeqCst);
                let recent = reader.recent_events(run.id, 1).await?;
                pairs.push((floor, recent.last().map_or(0, |event| event.seq as usize)));
                tokio::task::yield_now().await;
            }
            Result::Ok(pairs)
        },
    )
    .await?;
    written?;
    for (floor, last) in read? {
        check!(
            last >= floor,
            "a read that began after event {floor} was acknowledged must see it, and ended at {last}"
        );
    }
    Ok(())
}
