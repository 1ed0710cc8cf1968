//! What a write returned, every later read returns, to the byte and to the number (clause G5).

mod fields;
mod reads;
mod records;
mod values;

use futures_util::future::try_join_all;
use runstore_core::limits::{MAX_JSON_DEPTH, MAX_WORD_BYTES};
use runstore_core::{
    AgentRole, ArtifactDraft, AttemptReport, EventDraft, NewApproval, NewArtifact, NewAttempt,
    NewCheckpoint, NewEvent, NewRun, SaveAgentState, SnapshotRequest, TaskDraft, TaskPlan,
    Timestamp,
};
use serde_json::json;

pub(crate) use self::fields::*;
use self::records::{Given, Records};
use crate::check::{Outcome, Stop, check, check_eq};
use crate::context::{Context, start};
use crate::dump::Dump;
use crate::world;

/// Writes records of every kind with each of what is given, all at once so that they share commits, and
/// reads them on every way: after the others were written, and after a reopen.
async fn check_kept(c: &mut Context<'_>, all: Vec<Given>) -> Outcome {
    let (store, clock) = (&*c.store, &c.clock);
    let writes = all.iter().map(|given| async move {
        let records = Records::write(store, clock, given).await;
        within(records, given, "while it was written")
    });
    let written = try_join_all(writes).await?;
    for when in ["at once", "after a reopen"] {
        let store = &*c.store;
        let reads = all.iter().zip(&written).map(|(given, records)| async move {
            within(records.check_reads(store).await, given, when)
        });
        try_join_all(reads).await?;
        c.reopen().await?;
    }
    Ok(())
}

/// Checks that all is as it was before a reopen.
async fn check_same(c: &Context<'_>, before: &Dump) -> Outcome {
    let difference = before.difference(&Dump::of(&*c.store).await?);
    check!(
        difference.is_none(),
        "after a reopen all must read as before, but differs: {} (before, after)",
        difference.unwrap_or_default()
    );
    Ok(())
}

/// Says what was written where a check failed.
fn within<T>(outcome: Outcome<T>, given: &Given, when: &str) -> Outcome<T> {
    outcome.map_err(|stop| match stop {
        Stop::Failed(message) => Stop::Failed(format!(
            "with {}, {when}: {message}",
            crate::check::shortened(given)
        )),
        skipped @ Stop::Skipped(_) => skipped,
    })
}

pub(crate) async fn every_text_is_kept_to_the_byte(c: &mut Context<'_>) -> Outcome {
    let texts = values::texts();
    check_kept(c, texts.iter().map(|text| Given::text(text)).collect()).await
}

pub(crate) async fn long_texts_and_words_are_kept(c: &mut Context<'_>) -> Outcome {
    let long = "0123456789\u{e9}\0".repeat(5_100);
    let mut given = Given::text(&long);
    given.word = "w".repeat(MAX_WORD_BYTES);
    given.json = json!(long);
    let umlauts = "\u{e4}".repeat(MAX_WORD_BYTES / 2);
    check_kept(c, vec![given, Given::text(&umlauts)]).await
}

pub(crate) async fn a_mebibyte_is_kept_in_a_record_of_every_kind(c: &mut Context<'_>) -> Outcome {
    let text = "m\u{e9}bi\0".repeat(1024 * 1024 / 7);
    let json = json!({ "text": text });
    let new = NewRun::new("goal", text.as_str());
    let run = c.store.create_run(new).await?;
    let id = run.id;
    let save = SaveAgentState::new(id, "checker").with_session_id(text.as_str());
    let agent = c.store.save_agent_state(save).await?;
    let draft = TaskDraft::new("title", text.as_str());
    let tasks = c.store.append_tasks(TaskPlan::new(id, [draft])).await?;
    let task = world::first(tasks)?;
    let report = AttemptReport::new("failed", text.as_str());
    let attempt = c
        .store
        .add_attempt(NewAttempt::new(task.id, 1, report))
        .await?;
    let draft = EventDraft::new("s", "k", text.as_str());
    let event = c.store.add_event(NewEvent::new(id, draft)).await?;
    let draft = ArtifactDraft::new("k", "p").with_metadata(json.clone());
    let artifact = c.store.add_artifact(NewArtifact::new(id, draft)).await?;
    let new = NewApproval::new(id, "human", "approved", text.as_str());
    let approval = c.store.add_approval(new).await?;
    let new = NewCheckpoint::new(id, "running", json.clone());
    let checkpoint = c.store.add_checkpoint(new).await?;
    check!(
        run.repo_path == text
            && agent.session_id.as_deref() == Some(&text)
            && task.objective == text
            && attempt.summary == text
            && event.message == text
            && artifact.metadata == json
            && approval.rationale == text
            && checkpoint.payload == json,
        "each call must return the mebibyte of text that it was given"
    );
    c.reopen().await?;
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(id)).await?;
    check!(
        c.store.get_run(id).await? == run
            && c.store.list_agent_states(id).await? == [agent]
            && c.store.get_task(task.id).await? == task
            && c.store.latest_attempt(task.id).await? == Some(attempt)
            && c.store.recent_events(id, 1).await? == [event]
            && snapshot.artifacts == [artifact]
            && snapshot.approvals == [approval]
            && snapshot.latest_checkpoint == Some(checkpoint),
        "every record with a mebibyte of text must be read as it was written"
    );
    Ok(())
}

pub(crate) async fn json_of_every_shape_is_kept(c: &mut Context<'_>) -> Outcome {
    check_kept(c, values::shapes().into_iter().map(Given::json).collect()).await
}

pub(crate) async fn numbers_keep_their_kind_and_value(c: &mut Context<'_>) -> Outcome {
    let numbers = values::numbers();
    let mut all: Vec<_> = [json!(numbers), json!({ "list": numbers })].into();
    all.extend(numbers);
    check_kept(c, all.into_iter().map(Given::json).collect()).await
}

pub(crate) async fn the_order_of_keys_is_kept(c: &mut Context<'_>) -> Outcome {
    let orders = values::orders_of_keys();
    check_kept(c, orders.into_iter().map(Given::json).collect()).await
}

pub(crate) async fn json_nested_to_the_bound_is_kept(c: &mut Context<'_>) -> Outcome {
    let all = [1, 2, 50, MAX_JSON_DEPTH - 1, MAX_JSON_DEPTH].map(values::nested);
    check_kept(c, all.into_iter().flatten().map(Given::json).collect()).await
}

pub(crate) async fn times_are_kept_to_the_microsecond(c: &mut Context<'_>) -> Outcome {
    let micros = [
        Timestamp::MIN.as_micros(),
        Timestamp::MIN.as_micros() + 1,
        -62_135_596_799_999_999,
        -1_000_001,
        -1_000_000,
        -999_999,
        -1,
        0,
        1,
        999,
        999_999,
        1_000_000,
        1_000_001,
        i64::from(i32::MAX) * 1_000_000 + 999_999,
        i64::from(u32::MAX) * 1_000_000 + 1,
        start().as_micros(),
        // The nanoseconds of later times do not fit 64 bits.
        9_223_372_036_854_775_807 / 1_000 + 1,
        Timestamp::MAX.as_micros() - 1,
        Timestamp::MAX.as_micros(),
    ];
    let mut written = Vec::new();
    let mut saved = Vec::new();
    for time in micros.into_iter().filter_map(Timestamp::from_micros) {
        c.clock.set(time);
        let given = Given::json(json!(time.as_micros()));
        let records = Records::write(&*c.store, &c.clock, &given).await;
        let records = within(records, &given, "while it was written")?;
        within(records.check_reads(&*c.store).await, &given, "at once")?;
        written.push((given, records));
        // A time of the caller's, where the clock shows another.
        c.clock.set(start());
        let run = world::run(&*c.store).await?;
        let save = SaveAgentState::new(run.id, "checker").with_updated_at(time);
        let agent = c.store.save_agent_state(save).await?;
        check_eq!(agent.updated_at, time, "the time that a caller gave");
        saved.push(agent);
    }
    c.reopen().await?;
    for (given, records) in &written {
        within(
            records.check_reads(&*c.store).await,
            given,
            "after a reopen",
        )?;
    }
    for agent in saved {
        let read = c.store.get_agent_state(agent.run_id, AgentRole::Checker);
        check_eq!(
            read.await?,
            Some(agent),
            "a state with a time of the caller's, after a reopen"
        );
    }
    Ok(())
}
