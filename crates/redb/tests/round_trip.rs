//! What was written is read back after the store was closed and opened again (clause G5).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use common::{open, place};
use runstore_core::{
    AgentRole, ArtifactDraft, ArtifactId, AttemptId, AttemptReport, BlockTask, ClaimRequest,
    EventDraft, EventId, FinishReport, ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints,
    ListEvents, ListRuns, ListTasks, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent,
    NewRun, RunSnapshot, RunUpdate, SaveAgentState, SnapshotRequest, Store, TaskDraft, TaskPlan,
    Timestamp, limits,
};
use serde_json::{Value, json};

/// NUL, a byte order mark, a surrogate pair, quotes, ends of lines, and what is no character yet.
const TEXT: &str = "\0 \u{feff}\u{1f980}\"\\'\r\n\t\u{7f}\u{2028}\u{10ffff} \u{0}";

fn payload() -> Value {
    let text = format!(
        "{{\"z\":1,\"a\":1.0,\"\":-0.0,\"most\":{},\"least\":{},\"huge\":1e308,\"tiny\":5e-324,\
         \"tenth\":0.1,\"m\":null}}",
        u64::MAX,
        i64::MIN
    );
    let mut value: Value = serde_json::from_str(&text).unwrap();
    let fields = value.as_object_mut().unwrap();
    fields.insert(TEXT.to_owned(), json!([TEXT, true, {}, []]));
    // The array around both is the last level that is allowed.
    let deepest = (2..limits::MAX_JSON_DEPTH).fold(json!([]), |value, _| json!([value]));
    json!([value, deepest])
}

/// Written, because equality of JSON values passes over the order of keys.
fn written(snapshot: &RunSnapshot) -> String {
    serde_json::to_string(snapshot).unwrap()
}

#[tokio::test]
async fn every_kind_of_record_comes_back_as_it_was() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let run = store.create_run(NewRun::new(TEXT, TEXT)).await.unwrap();
    let id = run.id;
    let draft = TaskDraft::new(TEXT, TEXT)
        .with_acceptance_criteria([TEXT, ""])
        .with_verification_steps([TEXT])
        .with_allowed_paths([""]);
    let plan = TaskPlan::new(id, (0..4).map(|_| draft.clone()));
    let tasks = store.append_tasks(plan).await.unwrap();

    let claim = store.claim_next_task(ClaimRequest::of_run(id)).await;
    let token = claim.unwrap().unwrap().token();
    let report = AttemptReport::new(TEXT, TEXT)
        .with_id(AttemptId::generate())
        .with_blocker_signature("")
        .with_result(payload());
    let event = EventDraft::new(TEXT, "", TEXT)
        .with_id(EventId::generate())
        .with_payload(payload());
    let artifact = ArtifactDraft::new(TEXT, TEXT)
        .with_id(ArtifactId::generate())
        .with_role(TEXT)
        .with_metadata(payload());
    let finish = FinishReport::completed("")
        .with_attempt(report.clone().with_id(AttemptId::generate()))
        .with_event(event.clone().with_id(EventId::generate()))
        .with_artifact(ArtifactDraft::new("", ""));
    store.finish_task(token, finish.clone()).await.unwrap();
    let block = BlockTask::new(tasks[1].id)
        .with_summary("")
        .with_blocker_signature(TEXT);
    store.block_task(block).await.unwrap();
    let leased = ClaimRequest::of_run(id)
        .with_worker(TEXT)
        .with_lease(limits::MAX_DURATION);
    store.claim_next_task(leased).await.unwrap();
    let scheduled = TaskDraft::new("t", "o")
        .with_priority(i32::MIN)
        .with_not_before(Timestamp::MAX)
        .with_max_attempts(limits::MAX_PAGE)
        .with_depends_on([tasks[3].id, tasks[0].id]);
    let delayed = TaskDraft::new("t", "o").with_priority(i32::MAX);
    let plan = TaskPlan::new(id, [scheduled, delayed]);
    store.append_tasks(plan).await.unwrap();
    let claim = store.claim_next_task(ClaimRequest::of_any_run()).await;
    let delayed = claim.unwrap().unwrap().token();
    let released = FinishReport::released_for(limits::MAX_DURATION, "later");
    store.finish_task(delayed, released).await.unwrap();

    let attempt = NewAttempt::new(tasks[3].id, u32::MAX, report);
    let attempt = store.add_attempt(attempt).await.unwrap();
    let event = store.add_event(NewEvent::new(id, event)).await.unwrap();
    let artifact = store
        .add_artifact(NewArtifact::new(id, artifact))
        .await
        .unwrap();
    let approval = NewApproval::new(id, TEXT, "", TEXT).with_payload(payload());
    let approval = store.add_approval(approval).await.unwrap();
    let checkpoint = NewCheckpoint::new(id, TEXT, payload());
    let checkpoint = store.add_checkpoint(checkpoint).await.unwrap();
    let update = RunUpdate::new(id)
        .with_status(TEXT)
        .with_summary("")
        .with_current_task(tasks[1].id);
    let run = store.update_run(update).await.unwrap();
    let agent = SaveAgentState::new(id, TEXT)
        .with_turns(u32::MAX)
        .with_session_id("")
        .with_updated_at(Timestamp::MIN);
    let agent = store.save_agent_state(agent).await.unwrap();
    let longest = "\u{10ffff}".repeat(limits::MAX_WORD_BYTES / 4);
    let last_agent = SaveAgentState::new(id, longest.as_str());
    store.save_agent_state(last_agent).await.unwrap();
    let before = store.snapshot(SnapshotRequest::of_run(id)).await.unwrap();
    store.close().await.unwrap();

    let store = open(&file).await;
    let after = store.snapshot(SnapshotRequest::of_run(id)).await.unwrap();
    assert_eq!(before, after);
    assert_eq!(written(&before), written(&after));
    assert_eq!(store.get_run(id).await.unwrap(), run);
    let role = AgentRole::from(TEXT);
    assert_eq!(store.get_agent_state(id, role).await.unwrap(), Some(agent));
    let last_task = store.get_task(tasks[3].id).await.unwrap();
    assert_eq!(last_task, tasks[3]);
    let latest = store.latest_attempt(tasks[3].id).await.unwrap().unwrap();
    assert_eq!(latest.result.to_string(), payload().to_string());
    assert_eq!(latest, attempt);
    let of_task = ListAttempts::new(id).with_task_id(tasks[3].id);
    assert_eq!(store.list_attempts(of_task).await.unwrap().items, [attempt]);
    let events = store.list_events(ListEvents::new(id)).await.unwrap();
    assert_eq!(events.items.last(), Some(&event));
    assert_eq!(event.payload.to_string(), payload().to_string());
    let of_role = ListArtifacts::new(id).with_role(TEXT);
    assert_eq!(
        store.list_artifacts(of_role).await.unwrap().items,
        [artifact]
    );
    let of_source = ListApprovals::new(id).with_source(TEXT);
    assert_eq!(
        store.list_approvals(of_source).await.unwrap().items,
        [approval]
    );
    let checkpoints = store
        .list_checkpoints(ListCheckpoints::new(id))
        .await
        .unwrap();
    assert_eq!(checkpoints.items, [checkpoint]);
    assert_eq!(store.list_runs(ListRuns::all()).await.unwrap().items, [run]);
    assert_eq!(
        store
            .list_tasks(ListTasks::new(id))
            .await
            .unwrap()
            .items
            .len(),
        6
    );

    // The claim ended before the store was closed, and is known to have (clause C5).
    let repeated = store.finish_task(token, finish).await.unwrap();
    assert_eq!(repeated, after.completed_tasks[0]);
    assert_eq!(
        store.snapshot(SnapshotRequest::of_run(id)).await.unwrap(),
        after
    );
}

#[tokio::test]
async fn a_record_of_many_bytes_that_have_to_be_escaped_is_kept() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let run = store
        .create_run(NewRun::new("goal", "/repo"))
        .await
        .unwrap();
    let payload = json!("\0".repeat(1024 * 1024));
    let event = EventDraft::new("s", "k", "m").with_payload(payload);
    let event = store.add_event(NewEvent::new(run.id, event)).await.unwrap();
    drop(store);
    let events = open(&file).await.recent_events(run.id, 1).await.unwrap();
    assert_eq!(events, [event]);
}
