//! The size of a record, and any text within it (clause G8).

use runstore_core::limits::MAX_RECORD_BYTES;
use runstore_core::rules::create;
use runstore_core::{
    AbandonTask, ApprovalId, ArtifactDraft, ArtifactId, AttemptId, AttemptReport, BlockTask,
    CheckpointId, Clock, CompleteTask, EventDraft, FinishOutcome, FinishReport, ListApprovals,
    ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, NewApproval, NewArtifact, NewAttempt,
    NewCheckpoint, NewEvent, NewRun, RunId, RunUpdate, SaveAgentState, Store, TaskDraft, TaskId,
    TaskPlan,
};
use serde_json::{Value, json};

use super::input::Ids;
use super::runs::check_run;
use crate::calls::{Call, call, check_each_refused, invalid};
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::tasks::check_task;
use crate::world;

/// A call with a record that is one byte too big, and the field that takes it over the bound.
type TooBig = (&'static str, for<'s> fn(&'s dyn Store, Ids) -> Call<'s>);

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

/// A JSON value that is so many bytes when written: a text and its quotation marks.
fn json_text(bytes: usize) -> Value {
    Value::String(text(bytes.saturating_sub(2)))
}

/// The room that is left in a record with so many bytes, and one byte more.
const fn over(bytes: usize) -> usize {
    MAX_RECORD_BYTES - bytes + 1
}

const TOO_BIG: [TooBig; 17] = [
    ("goal", |store, _| {
        call!(store, create_run(NewRun::new(text(over(0)), "")))
    }),
    ("repo_path", |store, _| {
        call!(store, create_run(NewRun::new("g", text(over(1)))))
    }),
    ("summary", |store, ids| {
        let update = RunUpdate::new(ids.run_id).with_status("running");
        call!(store, update_run(update.with_summary(text(over(7)))))
    }),
    ("last_response_path", |store, ids| {
        let save = SaveAgentState::new(ids.run_id, "r")
            .with_session_id("s")
            .with_last_prompt_path("p")
            .with_last_response_path(text(over(3)));
        call!(store, save_agent_state(save))
    }),
    ("drafts[1].objective", |store, ids| {
        let drafts = [TaskDraft::new("t", "o"), TaskDraft::new("t", text(over(1)))];
        call!(
            store,
            replace_pending_tasks(TaskPlan::new(ids.run_id, drafts))
        )
    }),
    ("drafts[0].allowed_paths", |store, ids| {
        let draft = TaskDraft::new("t", "o")
            .with_acceptance_criteria(["c"])
            .with_verification_steps(["v"])
            .with_allowed_paths(["p".to_owned(), text(over(5))]);
        call!(store, append_tasks(TaskPlan::new(ids.run_id, [draft])))
    }),
    ("summary", |store, ids| {
        let complete = CompleteTask::new(ids.task_id, text(over(0)));
        call!(store, complete_task(complete))
    }),
    ("blocker_signature", |store, ids| {
        let block = BlockTask::new(ids.task_id).with_summary("s");
        call!(
            store,
            block_task(block.with_blocker_signature(text(over(1))))
        )
    }),
    ("blocker_signature", |store, ids| {
        let abandon = AbandonTask::new(ids.task_id).with_summary("s");
        call!(
            store,
            abandon_task(abandon.with_blocker_signature(text(over(1))))
        )
    }),
    ("report.blocker_signature", |store, ids| {
        let report = AttemptReport::new("w", "s").with_blocker_signature(text(over(2)));
        call!(store, add_attempt(NewAttempt::new(ids.task_id, 1, report)))
    }),
    ("draft.payload", |store, ids| {
        let draft = EventDraft::new("s", "k", "m").with_payload(json_text(over(3)));
        call!(store, add_event(NewEvent::new(ids.run_id, draft)))
    }),
    // Of the metadata that is unset, `null` is written, which has four bytes.
    ("draft.metadata", |store, ids| {
        let draft = ArtifactDraft::new("k", text(over(1 + 4)));
        call!(store, add_artifact(NewArtifact::new(ids.run_id, draft)))
    }),
    ("rationale", |store, ids| {
        let approval = NewApproval::new(ids.run_id, "s", "v", text(over(2)));
        call!(store, add_approval(approval))
    }),
    ("payload", |store, ids| {
        let checkpoint = NewCheckpoint::new(ids.run_id, "s", json_text(over(1)));
        call!(store, add_checkpoint(checkpoint))
    }),
    ("outcome.blocker_signature", |store, ids| {
        let outcome = FinishOutcome::Blocked {
            summary: Some("s".to_owned()),
            blocker_signature: Some(text(over(1))),
        };
        let report = FinishReport::new(outcome, AttemptReport::new("w", "s"));
        call!(store, finish_task(ids.token, report))
    }),
    ("attempt.summary", |store, ids| {
        let attempt = AttemptReport::new("w", text(over(1)));
        let report = FinishReport::released("").with_attempt(attempt);
        call!(store, finish_task(ids.token, report))
    }),
    ("events[1].message", |store, ids| {
        let report = FinishReport::released("no")
            .with_event(EventDraft::new("s", "k", "m"))
            .with_event(EventDraft::new("s", "k", text(over(2))));
        call!(store, finish_task(ids.token, report))
    }),
];

pub(crate) async fn a_record_has_at_most_16_mib(c: &mut Context<'_>) -> Outcome {
    let known = Ids::claimed(&*c.store).await?;
    for (index, (field, call)) in TOO_BIG.into_iter().enumerate() {
        // Known and unknown ids in turn: each call is too big to be made with both.
        let ids = match index % 2 {
            0 => known,
            _ => Ids::unknown(),
        };
        let refused = invalid(field, MAX_RECORD_BYTES);
        check_each_refused(&*c.store, vec![(call(&*c.store, ids), refused)]).await?;
    }
    Ok(())
}

pub(crate) async fn a_record_of_just_16_mib_is_kept(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let payload = json_text(MAX_RECORD_BYTES / 2);
    let message = text(MAX_RECORD_BYTES / 2 - 2);
    let draft = EventDraft::new("s", "k", message).with_payload(payload);
    let new = NewEvent::new(run_id, draft);
    let added = c.store.add_event(new).await?;
    let events = c.store.recent_events(run_id, 1).await?;
    check!(
        events == [added],
        "an event of just 16 MiB must read back as it was added"
    );
    Ok(())
}

pub(crate) async fn the_size_is_of_each_record_and_not_of_the_call(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let drafts = [
        TaskDraft::new("t", text(MAX_RECORD_BYTES - 1)),
        TaskDraft::new("t", text(MAX_RECORD_BYTES / 8)),
    ];
    let planned = c.store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
    for task in planned {
        check!(
            c.store.get_task(task.id).await? == task,
            "a task in a plan of more than 16 MiB must read back as it was planned"
        );
    }
    Ok(())
}

/// Texts that engines, encodings and queries trip over.
const TEXTS: [&str; 8] = [
    "",
    "\0",
    "a\0b",
    "\u{1}\u{7f}\r\n\t",
    "'; --\"\\`%_*?",
    "\u{feff}é e\u{301} \u{202e}😀\u{10ffff}\u{fffd}",
    " blank ",
    "\\u0000 \\0 null",
];

pub(crate) async fn any_text_is_accepted_in_every_field(c: &mut Context<'_>) -> Outcome {
    for text in TEXTS {
        let what = format!("of text {text:?}");
        let run = world::run(&*c.store).await?;
        let update = RunUpdate::new(run.id).with_status(text).with_summary(text);
        let run = c.store.update_run(update).await?;
        check_eq!(
            (run.status.as_str(), run.summary.as_deref()),
            (text, Some(text)),
            "status and summary of a run {what}"
        );
        check_run(&*c.store, &run, &format!("a run {what}")).await?;
        let draft = TaskDraft::new(format!("t{text}"), text)
            .with_id(TaskId::generate())
            .with_acceptance_criteria([text, text])
            .with_verification_steps([text])
            .with_allowed_paths([text, "", text]);
        let expected = create::task(run.id, 1, draft.clone(), c.clock.now());
        let plan = TaskPlan::new(run.id, [draft]);
        let task = world::first(c.store.append_tasks(plan).await?)?;
        check_eq!(task, expected, "a task {what}, as the call returns it");
        check_task(&*c.store, &task, &format!("a task {what}")).await?;
        let block = BlockTask::new(task.id)
            .with_summary(text)
            .with_blocker_signature(text);
        let task = c.store.block_task(block).await?;
        check_eq!(
            (
                task.implementation_summary.as_deref(),
                task.blocker_signature.as_deref()
            ),
            (Some(text), Some(text)),
            "summary and signature of a task {what}"
        );
        check_task(&*c.store, &task, &format!("a blocked task {what}")).await?;
        check_journal(c, run.id, task.id, text).await?;
    }
    Ok(())
}

/// Writes a record of every kind of the journal, and an agent, with the text in every field.
async fn check_journal(c: &Context<'_>, run_id: RunId, task_id: TaskId, text: &str) -> Outcome {
    let (store, value, now) = (&*c.store, json!({text: [text]}), c.clock.now());
    let save = SaveAgentState::new(run_id, text)
        .with_session_id(text)
        .with_last_prompt_path(text)
        .with_last_response_path(text);
    store.save_agent_state(save.clone()).await?;
    check_eq!(
        store.get_agent_state(run_id, text.into()).await?,
        Some(create::agent_state(save, now)),
        "an agent of text {text:?}"
    );
    let report = AttemptReport::new(text, text)
        .with_id(AttemptId::generate())
        .with_blocker_signature(text)
        .with_result(value.clone());
    let new = NewAttempt::new(task_id, 1, report.clone());
    store.add_attempt(new).await?;
    check_eq!(
        store.list_attempts(ListAttempts::new(run_id)).await?.items,
        [create::attempt(run_id, task_id, 1, report, now)],
        "an attempt of text {text:?}"
    );
    let draft = EventDraft::new(text, text, text).with_payload(value.clone());
    store
        .add_event(NewEvent::new(run_id, draft.clone()))
        .await?;
    check_eq!(
        world::last(store.list_events(ListEvents::new(run_id)).await?.items)?,
        create::event(run_id, 2, draft, now),
        "an event of text {text:?}"
    );
    let draft = ArtifactDraft::new(text, text)
        .with_id(ArtifactId::generate())
        .with_role(text)
        .with_metadata(value.clone());
    let new = NewArtifact::new(run_id, draft.clone());
    store.add_artifact(new).await?;
    let list = ListArtifacts::new(run_id).with_role(text);
    check_eq!(
        store.list_artifacts(list).await?.items,
        [create::artifact(run_id, draft, now)],
        "an artifact of text {text:?}"
    );
    let new = NewApproval::new(run_id, text, text, text)
        .with_id(ApprovalId::generate())
        .with_payload(value.clone());
    store.add_approval(new.clone()).await?;
    let list = ListApprovals::new(run_id).with_source(text);
    check_eq!(
        store.list_approvals(list).await?.items,
        [create::approval(new, now)],
        "an approval of text {text:?}"
    );
    let new = NewCheckpoint::new(run_id, text, value).with_id(CheckpointId::generate());
    store.add_checkpoint(new.clone()).await?;
    let list = ListCheckpoints::new(run_id);
    check_eq!(
        store.list_checkpoints(list).await?.items,
        [create::checkpoint(new, now)],
        "a checkpoint of text {text:?}"
    );
    Ok(())
}

pub(crate) async fn a_long_text_is_accepted_where_no_bound_is_named(
    c: &mut Context<'_>,
) -> Outcome {
    // Longer than a word, than an entry of most indexes and than a path of most systems.
    let long = "path/".repeat(14_000);
    let text = long.as_str();
    let new = NewRun::new(text, text);
    let run = c.store.create_run(new).await?;
    let update = RunUpdate::new(run.id).with_summary(text);
    let run = c.store.update_run(update).await?;
    let draft = TaskDraft::new(text, text).with_allowed_paths([text]);
    let plan = TaskPlan::new(run.id, [draft.clone(), draft]);
    let tasks = c.store.append_tasks(plan).await?;
    let claim = world::claim(&*c.store, run.id).await?;
    let event = EventDraft::new(text, text, text).with_payload(json!({text: text}));
    let artifact = ArtifactDraft::new(text, text).with_metadata(json!({text: text}));
    let attempt = AttemptReport::new("failed", text).with_blocker_signature(text);
    let outcome = FinishOutcome::Blocked {
        summary: Some(long.clone()),
        blocker_signature: Some(long.clone()),
    };
    let report = FinishReport::new(outcome, attempt.with_result(json!(text)))
        .with_event(event.clone())
        .with_artifact(artifact.clone());
    c.store.finish_task(claim.token(), report).await?;
    let event = NewEvent::new(run.id, event);
    let event = c.store.add_event(event).await?;
    let artifact = NewArtifact::new(run.id, artifact);
    c.store.add_artifact(artifact).await?;
    let block = BlockTask::new(world::last(tasks)?.id)
        .with_summary(text)
        .with_blocker_signature(text);
    let task = c.store.block_task(block).await?;
    let new = NewApproval::new(run.id, "human", "approved", text).with_payload(json!(text));
    let approval = c.store.add_approval(new).await?;
    check!(
        [&run.goal, &run.repo_path] == [text; 2]
            && run.summary.as_deref() == Some(text)
            && [&task.title, &task.objective] == [text; 2]
            && task.blocker_signature.as_deref() == Some(text)
            && [&event.source, &event.kind, &event.message] == [text; 3]
            && approval.payload == json!(text),
        "each call must return the text of {} bytes that it was given",
        text.len()
    );
    check_run(&*c.store, &run, "a run of long texts").await?;
    check_task(&*c.store, &task, "a task of long texts").await?;
    let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
    let is_long = |event: &&runstore_core::Event| event.kind == text && event.source == text;
    check_eq!(
        events.iter().filter(is_long).count(),
        2,
        "the events of long kind and source"
    );
    let artifacts = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
    let whole = artifacts
        .items
        .iter()
        .filter(|artifact| artifact.path == text);
    check_eq!(whole.count(), 2, "the artifacts with a long path");
    let read = c.store.list_approvals(ListApprovals::new(run.id)).await?;
    check!(
        read.items == [approval],
        "an approval with a long payload must be read as it was written"
    );
    Ok(())
}
