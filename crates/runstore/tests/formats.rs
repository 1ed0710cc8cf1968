//! A file that an earlier version wrote opens with its data.
//!
//! `formats/` holds a store of each engine in each format that there ever was, with the snapshots that it
//! must give, a run each. A new format adds a file and leaves the others: set `RUNSTORE_WRITE_FORMAT` to the name of
//! the new ones, as in `format-2`, and run this test once.
#![cfg(all(feature = "sqlite", feature = "redb"))]
#![allow(clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runstore::{
    AbandonTask, ArtifactDraft, AttemptReport, BlockTask, Claim, ClaimRequest, ClaimToken, Clock,
    CompleteTask, Error, EventDraft, FinishReport, ManualClock, NewApproval, NewArtifact,
    NewAttempt, NewCheckpoint, NewEvent, NewRun, Result, RunId, RunSnapshot, RunUpdate,
    SaveAgentState, SnapshotRequest, Store, TaskDraft, TaskId, TaskPlan, Timestamp, Uuid,
};
use serde_json::json;

const SECOND: Duration = Duration::from_secs(1);
const ENGINES: [(&str, &str); 2] = [("sqlite", "db"), ("redb", "redb")];
const FORMATS: [&str; 3] = ["format-1", "format-2", "format-3"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats")
}

fn run_id() -> RunId {
    RunId::from(Uuid::from_u128(1))
}

/// The run whose tasks wait for times, leases and each other; there since format 2.
fn scheduled_run_id() -> RunId {
    RunId::from(Uuid::from_u128(2))
}

fn task_id(number: u128) -> TaskId {
    TaskId::from(Uuid::from_u128(0x100 + number))
}

async fn claim(store: &dyn Store) -> Result<Claim> {
    let request = ClaimRequest::of_run(run_id());
    let claim = store.claim_next_task(request).await?;
    Ok(claim.expect("a task is claimable"))
}

/// Writes a run with a task that waits for a time, one that was released with a delay, one that waits
/// for two others, and claims with and without a lease.
async fn fill_schedule(store: &dyn Store, clock: &ManualClock) -> Result<()> {
    let run_id = scheduled_run_id();
    let new = NewRun::new("In its time", "/srv/repo").with_id(run_id);
    store.create_run(new).await?;
    let draft = |number| TaskDraft::new(format!("task {number}"), "").with_id(task_id(number));
    let drafts = [
        draft(11).with_not_before(clock.now().saturating_add(SECOND * 60)),
        draft(12).with_priority(2).with_max_attempts(3),
        draft(13).with_key("last").with_depends_on([1_usize, 3]),
        draft(14).with_priority(1),
        draft(15).with_priority(-1).with_depends_on(["last"]),
        draft(16),
    ];
    store.append_tasks(TaskPlan::new(run_id, drafts)).await?;
    let request = ClaimRequest::of_run(run_id).with_worker("w");
    let claims = store.claim_tasks(request.with_lease(SECOND), 2).await?;
    let [delayed, done] = &claims[..] else {
        panic!("two tasks are claimable: {claims:?}");
    };
    let attempt = AttemptReport::new("failed", "later").with_id(Uuid::from_u128(0x210));
    let report = FinishReport::released_for(SECOND * 30, "later").with_attempt(attempt);
    store.finish_task(delayed.token(), report).await?;
    let attempt = AttemptReport::new("completed", "did it").with_id(Uuid::from_u128(0x211));
    let report = FinishReport::completed("done").with_attempt(attempt);
    store.finish_task(done.token(), report).await?;
    let leased = ClaimRequest::of_run(run_id)
        .with_worker("leased")
        .with_lease(SECOND * 10);
    store.claim_next_task(leased).await?.expect("the last task");
    Ok(())
}

/// Checks that what waited in the file goes on waiting for the same.
async fn check_schedule(store: &dyn Store, clock: &ManualClock) -> Result<()> {
    clock.set(filled_clock().now());
    let request = ClaimRequest::of_run(scheduled_run_id());
    let next = async |after: Duration| {
        clock.set(filled_clock().now().saturating_add(after));
        let claim = store.claim_next_task(request.clone()).await?;
        Ok::<_, Error>(claim.map(|claim| claim.task.id))
    };
    assert_eq!(next(SECOND * 9).await?, None);
    assert_eq!(next(SECOND * 10).await?, Some(task_id(16)));
    assert_eq!(next(SECOND * 29).await?, None);
    assert_eq!(next(SECOND * 30).await?, Some(task_id(12)));
    assert_eq!(next(SECOND * 58).await?, None);
    assert_eq!(next(SECOND * 60).await?, Some(task_id(11)));
    let token = ClaimToken {
        task_id: task_id(12),
        attempt_number: 2,
    };
    store
        .finish_task(token, FinishReport::completed("done"))
        .await?;
    assert_eq!(next(SECOND * 60).await?, Some(task_id(13)));
    assert_eq!(next(SECOND * 60).await?, None);
    store
        .complete_task(CompleteTask::new(task_id(13), "done"))
        .await?;
    assert_eq!(next(SECOND * 60).await?, Some(task_id(15)));
    Ok(())
}

/// Writes a record of every kind and a task in every state, with ids and times of its own.
async fn fill(store: &dyn Store, clock: &ManualClock) -> Result<()> {
    let new = NewRun::new("Goal with \u{0} and ü", "/srv/repo").with_id(run_id());
    store.create_run(new).await?;
    let drafts = (1..=6).map(|number| {
        TaskDraft::new(format!("task {number}"), "objective")
            .with_id(task_id(number))
            .with_acceptance_criteria(["it holds"])
            .with_verification_steps(["cargo test"])
            .with_allowed_paths(["src/**"])
    });
    store
        .replace_pending_tasks(TaskPlan::new(run_id(), drafts))
        .await?;
    clock.advance_micros(1_000_001);

    let done = claim(store).await?;
    let attempt = AttemptReport::new("completed", "did it")
        .with_id(Uuid::from_u128(0x200))
        .with_result(json!({"z": 1, "a": [1.0, u64::MAX, 1e308, null]}));
    let artifact = ArtifactDraft::new("diff", "a.patch").with_id(Uuid::from_u128(0x300));
    let report = FinishReport::completed("done")
        .with_attempt(attempt)
        .with_event(EventDraft::new("worker", "task_completed", "one"))
        .with_artifact(artifact.with_role("implementation"));
    store.finish_task(done.token(), report).await?;
    let released = claim(store).await?;
    let attempt = AttemptReport::new("failed", "not yet")
        .with_id(Uuid::from_u128(0x201))
        .with_blocker_signature("E1");
    let report = FinishReport::released("not yet").with_attempt(attempt);
    store.finish_task(released.token(), report).await?;
    let block = BlockTask::new(task_id(2)).with_blocker_signature("E1");
    store.block_task(block.with_summary("")).await?;
    store.abandon_task(AbandonTask::new(task_id(3))).await?;
    let requeued = claim(store).await?;
    store.requeue_task(requeued.task.id).await?;
    let held = claim(store).await?;
    let attempt = AttemptReport::new("odd word", "").with_id(Uuid::from_u128(0x202));
    store
        .add_attempt(NewAttempt::of_claim(held.token(), attempt))
        .await?;

    let save = SaveAgentState::new(run_id(), "narrator")
        .with_session_id("s")
        .with_turns(3);
    store.save_agent_state(save).await?;
    let event = EventDraft::new("a", "b", "c").with_id(Uuid::from_u128(0x400));
    store.add_event(NewEvent::new(run_id(), event)).await?;
    let artifact = ArtifactDraft::new("log", "b.log").with_id(Uuid::from_u128(0x301));
    store
        .add_artifact(NewArtifact::new(run_id(), artifact))
        .await?;
    let approval = NewApproval::new(run_id(), "checker", "approved", "it is good");
    store
        .add_approval(approval.with_id(Uuid::from_u128(0x500)))
        .await?;
    let checkpoint = NewCheckpoint::new(run_id(), "running", json!({"step": 2}));
    store
        .add_checkpoint(checkpoint.with_id(Uuid::from_u128(0x600)))
        .await?;
    let update = RunUpdate::new(run_id())
        .with_status("running")
        .with_summary("under way");
    store
        .update_run(update.with_current_task(task_id(4)))
        .await?;
    store.increment_cycle(run_id()).await?;
    store.increment_replan(run_id()).await?;
    fill_schedule(store, clock).await
}

fn clock() -> ManualClock {
    ManualClock::new(Timestamp::from_micros(1_772_359_200_123_456).expect("a time"))
}

/// The clock as [`fill`] leaves it.
fn filled_clock() -> ManualClock {
    let clock = clock();
    clock.advance_micros(1_000_001);
    clock
}

async fn open(engine: &str, file: &Path, clock: &ManualClock) -> Result<Arc<dyn Store>> {
    let url = format!("{engine}:{}", file.display());
    runstore::open_with_clock(&url, Arc::new(clock.clone())).await
}

/// A snapshot of each of the runs that are there.
async fn snapshots(store: &dyn Store) -> Vec<RunSnapshot> {
    let mut snapshots = Vec::new();
    for run_id in [run_id(), scheduled_run_id()] {
        match store.snapshot(SnapshotRequest::of_run(run_id)).await {
            Err(Error::NotFound { .. }) => {}
            snapshot => snapshots.push(snapshot.expect("a snapshot")),
        }
    }
    snapshots
}

async fn snapshot_text(store: &dyn Store) -> String {
    serde_json::to_string_pretty(&snapshots(store).await).expect("JSON") + "\n"
}

#[tokio::test]
async fn a_file_of_each_earlier_format_opens_with_its_data() {
    write_new_format().await;
    for format in FORMATS {
        let expected = std::fs::read_to_string(folder().join(format!("{format}.json")))
            .expect("the snapshots of the format");
        let expected: Vec<RunSnapshot> = serde_json::from_str(&expected).expect("snapshots");
        for (engine, ending) in ENGINES {
            let copies = tempfile::tempdir().expect("a folder");
            let file = copies.path().join("store");
            std::fs::copy(folder().join(format!("{format}.{ending}")), &file).expect("a copy");
            let clock = clock();
            let store = open(engine, &file, &clock).await.expect("the file opens");
            assert_eq!(snapshots(&*store).await, expected, "{format}, {engine}");
            check_claims(&*store).await;
            if expected.len() > 1 {
                check_schedule(&*store, &clock).await.expect("the schedule");
            }
        }
    }
}

/// The claims that the file was left with are held, finished and stale as they were.
async fn check_claims(store: &dyn Store) {
    let token = |number, attempt_number| ClaimToken {
        task_id: task_id(number),
        attempt_number,
    };
    let report = || FinishReport::completed("later");
    let repeated = store
        .finish_task(token(1, 1), report())
        .await
        .expect("a repeat");
    assert_eq!(repeated.implementation_summary.as_deref(), Some("done"));
    let repeated = store
        .finish_task(token(2, 1), report())
        .await
        .expect("a repeat");
    assert_eq!(repeated.blocker_signature.as_deref(), Some("E1"));
    let stale = store.finish_task(token(4, 1), report()).await;
    assert!(matches!(stale, Err(Error::StaleClaim { .. })), "{stale:?}");
    store
        .finish_task(token(4, 2), report())
        .await
        .expect("the held claim");
    let next = claim(store).await.expect("a claim");
    assert_eq!((next.task.id, next.task.attempt_count), (task_id(5), 1));
}

/// Writes the files of a new format, when told to.
async fn write_new_format() {
    let Ok(format) = std::env::var("RUNSTORE_WRITE_FORMAT") else {
        return;
    };
    for (engine, ending) in ENGINES {
        let file = folder().join(format!("{format}.{ending}"));
        let clock = clock();
        let store = open(engine, &file, &clock).await.expect("a new file");
        fill(&*store, &clock).await.expect("the records");
        let text = snapshot_text(&*store).await;
        store.close().await.expect("the file is whole");
        std::fs::write(folder().join(format!("{format}.json")), text).expect("the snapshot");
    }
}

#[tokio::test]
async fn both_engines_write_what_the_newest_format_has() {
    let newest = FORMATS.last().expect("a format");
    let expected = std::fs::read_to_string(folder().join(format!("{newest}.json")));
    let expected = expected.expect("the snapshot of the format");
    for (engine, _) in ENGINES {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = clock();
        let store = open(engine, &folder.path().join("store"), &clock)
            .await
            .expect("a store");
        fill(&*store, &clock).await.expect("the records");
        assert_eq!(snapshot_text(&*store).await, expected, "{engine}");
    }
}
