//! What was written is read back, also after the file was closed and opened again (clause G5).

#![allow(clippy::unwrap_used)]

mod common;

use common::{folder, open};
use runstore_core::{ArtifactDraft, Cursor, RunSnapshot, Uuid};
use runstore_core::{
    AttemptReport, ClaimRequest, EventDraft, EventId, FinishReport, ListArtifacts, ListAttempts,
    ListEvents, ListRuns, ListTasks, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent,
    NewRun, PageRequest, RunUpdate, SaveAgentState, SnapshotRequest, Store, TaskDraft, TaskPlan,
};
use serde_json::{Value, json};

const ODD: &str = "NUL \0 in the middle, \u{1f980}, \" ' \\ \r\n and at the end \0";

fn odd_json() -> Value {
    json!({
        "z": u64::MAX,
        "a": i64::MIN,
        "huge": 1e308,
        "tiny": 5e-324,
        "one": 1,
        "one as float": 1.0,
        "minus zero": -0.0,
        "tenth": 0.1,
        ODD: [ODD, null, true, {}, [], ""],
    })
}

/// Snapshots are equal in content, JSON to the character.
fn assert_same(before: &RunSnapshot, after: &RunSnapshot) {
    assert_eq!(before, after);
    let written = |snapshot| serde_json::to_string(snapshot).unwrap();
    assert_eq!(written(before), written(after));
}

#[tokio::test]
async fn every_kind_of_record_survives_a_reopening() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let run = store.create_run(NewRun::new(ODD, "")).await.unwrap();
    let draft = TaskDraft::new(ODD, "")
        .with_acceptance_criteria([ODD, ""])
        .with_verification_steps(["\0"])
        .with_allowed_paths(Vec::<String>::new());
    let plan = TaskPlan::new(run.id, [draft, TaskDraft::new("second", "o")]);
    let tasks = store.append_tasks(plan).await.unwrap();
    let update = RunUpdate::new(run.id)
        .with_status(ODD)
        .with_summary("")
        .with_current_task(tasks[0].id);
    store.update_run(update).await.unwrap();
    let agent = SaveAgentState::new(run.id, ODD)
        .with_session_id("")
        .with_turns(u32::MAX);
    store.save_agent_state(agent).await.unwrap();
    let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
    let claim = claim.unwrap().unwrap();
    let report = FinishReport::completed(ODD)
        .with_attempt(AttemptReport::new(ODD, "").with_result(odd_json()))
        .with_event(EventDraft::new(ODD, "", ODD).with_payload(odd_json()))
        .with_artifact(ArtifactDraft::new(ODD, "").with_role(ODD));
    store.finish_task(claim.token(), report).await.unwrap();
    let attempt = AttemptReport::new("failed", "").with_blocker_signature("");
    let attempt = NewAttempt::new(tasks[1].id, u32::MAX, attempt);
    store.add_attempt(attempt).await.unwrap();
    let event = EventDraft::new("s", "k", "m").with_id(Uuid::nil());
    store.add_event(NewEvent::new(run.id, event)).await.unwrap();
    let artifact = ArtifactDraft::new("k", "p").with_metadata(odd_json());
    let artifact = NewArtifact::new(run.id, artifact);
    store.add_artifact(artifact).await.unwrap();
    let approval = NewApproval::new(run.id, ODD, "", ODD).with_payload(odd_json());
    store.add_approval(approval).await.unwrap();
    let checkpoint = NewCheckpoint::new(run.id, ODD, odd_json());
    store.add_checkpoint(checkpoint).await.unwrap();

    let request = SnapshotRequest::of_run(run.id);
    let before = store.snapshot(request.clone()).await.unwrap();
    assert_eq!(before.run.goal, ODD);
    assert_eq!(before.run.summary.as_deref(), Some(""));
    assert_eq!(before.completed_tasks[0].acceptance_criteria, [ODD, ""]);
    assert_eq!(
        before.recent_attempts[1].blocker_signature.as_deref(),
        Some("")
    );
    let payload = &before.latest_checkpoint.as_ref().unwrap().payload;
    assert_eq!(payload.to_string(), odd_json().to_string());
    assert_eq!(
        before.recent_events[2].event_id,
        Some(EventId::from(Uuid::nil()))
    );
    store.close().await.unwrap();

    let store = open(&path).await;
    assert_same(&before, &store.snapshot(request).await.unwrap());
    let listed = store.list_runs(ListRuns::all()).await.unwrap();
    assert_eq!(listed.items, [before.run]);
}

#[tokio::test]
async fn a_text_of_the_largest_size_comes_back() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let run = store.create_run(NewRun::new("g", "r")).await.unwrap();
    let message = "\0x".repeat(8 * 1024 * 1024 - 8);
    let event = EventDraft::new("", "", message.clone());
    store.add_event(NewEvent::new(run.id, event)).await.unwrap();
    let read = store.recent_events(run.id, 1).await.unwrap();
    assert!(read[0].message == message);
}

#[tokio::test]
async fn a_cursor_beyond_every_number_is_the_end_of_a_list_and_the_beginning_of_the_runs() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let run = common::run_with_tasks(&store, 3).await;
    for number in [i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX] {
        let page = PageRequest::all().after(Cursor::new(number));
        let tasks = ListTasks::new(run.id).with_page(page);
        assert!(store.list_tasks(tasks).await.unwrap().items.is_empty());
        let events = ListEvents::new(run.id).with_page(page);
        assert!(store.list_events(events).await.unwrap().items.is_empty());
        let attempts = ListAttempts::new(run.id).with_page(page);
        assert!(
            store
                .list_attempts(attempts)
                .await
                .unwrap()
                .items
                .is_empty()
        );
        let artifacts = ListArtifacts::new(run.id).with_page(page);
        assert!(
            store
                .list_artifacts(artifacts)
                .await
                .unwrap()
                .items
                .is_empty()
        );
        let runs = store.list_runs(ListRuns::all().with_page(page)).await;
        assert_eq!(runs.unwrap().items, std::slice::from_ref(&run));
    }
}

#[tokio::test]
async fn a_plan_of_many_tasks_keeps_their_order_and_is_known_when_repeated() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let run = common::run_with_tasks(&store, 200).await;
    let drafts = (0..333).map(|number| {
        TaskDraft::new(format!("new {number}"), "o").with_id(Uuid::from_u128(number))
    });
    let plan = TaskPlan::new(run.id, drafts);
    let tasks = store.replace_pending_tasks(plan.clone()).await.unwrap();
    assert!(tasks.iter().map(|task| task.position).eq(201..=533));
    assert_eq!(store.replace_pending_tasks(plan).await.unwrap(), tasks);
    let snapshot = store.snapshot(SnapshotRequest::of_run(run.id)).await;
    let snapshot = snapshot.unwrap();
    assert_eq!(snapshot.pending_tasks, tasks);
    assert_eq!(snapshot.counts.abandoned, 200);
    assert!(
        snapshot
            .blocked_tasks
            .iter()
            .map(|task| task.position)
            .eq(1..=200)
    );
}
