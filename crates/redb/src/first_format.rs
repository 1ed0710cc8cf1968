//! What becomes of a store of format 1.

use redb::{
    Builder, Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle,
    UntypedTableHandle,
};
use runstore_core::{
    AttemptReport, ClaimRequest, ClaimToken, EventDraft, FinishReport, NewAttempt, NewRun, RunId,
    RunSnapshot, SnapshotRequest, Store, TaskDraft, TaskId, TaskPlan, Uuid,
};
use serde_json::{Map, Value};

use crate::RedbStore;
use crate::audit::{Random, audit};
use crate::faults::{Disk, after_power_loss};

const META: TableDefinition<&str, u64> = TableDefinition::new("runstore_meta");
const TASK_STATES: TableDefinition<Uuid, &[u8]> = TableDefinition::new("task_states");

/// The tables that format 1 has.
const TABLES: [&str; 20] = [
    "agents",
    "approval_ids",
    "approvals",
    "artifact_ids",
    "artifacts",
    "attempt_ids",
    "attempts",
    "attempts_by_task",
    "checkpoint_ids",
    "checkpoints",
    "event_ids",
    "events",
    "finished_claims",
    "run_numbers",
    "runs",
    "runs_by_number",
    "runstore_meta",
    "task_states",
    "tasks",
    "tasks_by_status",
];

fn database(disk: &Disk) -> Database {
    Builder::new().create_with_backend(disk.clone()).unwrap()
}

/// Takes away all that format 1 does not have.
fn make_first_format(disk: &Disk) {
    let database = database(disk);
    let write = database.begin_write().unwrap();
    let tables: Vec<UntypedTableHandle> = write.list_tables().unwrap().collect();
    for table in tables {
        if !TABLES.contains(&table.name()) {
            write.delete_table(table).unwrap();
        }
    }
    {
        let mut meta = write.open_table(META).unwrap();
        meta.remove("last_task_number").unwrap();
        meta.insert("format", 1).unwrap();
        let mut states = write.open_table(TASK_STATES).unwrap();
        let rows = states.iter().unwrap().map(|row| {
            let (id, state) = row.unwrap();
            let state: Map<String, Value> = serde_json::from_slice(state.value()).unwrap();
            (id.value(), state)
        });
        for (id, mut state) in rows.collect::<Vec<_>>() {
            state.remove("number").unwrap();
            let known = [
                "runId",
                "position",
                "status",
                "attemptCount",
                "implementationSummary",
                "blockerSignature",
                "updatedAt",
            ];
            assert!(state.keys().all(|key| known.contains(&key.as_str())));
            let state = serde_json::to_vec(&state).unwrap();
            states.insert(id, state.as_slice()).unwrap();
        }
    }
    write.commit().unwrap();
    database.close().unwrap();
}

/// The format of the store, and whether it has the tables of this one.
fn format(disk: &Disk) -> (u64, bool) {
    let database = database(disk);
    let read = database.begin_read().unwrap();
    let meta = read.open_table(META).unwrap();
    let format = meta.get("format").unwrap().unwrap().value();
    let mut tables = read.list_tables().unwrap();
    (format, tables.any(|table| table.name() == "ready"))
}

/// What is in a store of format 1: two runs, the second planned before the first.
struct Content {
    runs: [RunId; 2],
    snapshots: Vec<RunSnapshot>,
    held: ClaimToken,
    finished: ClaimToken,
    /// The pending tasks in the order of their runs' creation, then of their positions.
    pending: Vec<TaskId>,
}

async fn snapshots(store: &RedbStore, runs: [RunId; 2]) -> Vec<RunSnapshot> {
    let mut snapshots = Vec::new();
    for run_id in runs {
        let request = SnapshotRequest::of_run(run_id);
        snapshots.push(store.snapshot(request).await.unwrap());
    }
    snapshots
}

async fn fill(store: &RedbStore) -> Content {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let new = NewRun::new("g", "r").with_id(RunId::generate());
        runs.push(store.create_run(new).await.unwrap().id);
    }
    let runs = [runs[0], runs[1]];
    let mut tasks = Vec::new();
    for run_id in [runs[1], runs[0]] {
        let drafts = (0..40).map(|n| TaskDraft::new(format!("task {n}"), "o"));
        let plan = TaskPlan::new(run_id, drafts);
        tasks.insert(0, store.append_tasks(plan).await.unwrap());
    }
    let mut tokens = Vec::new();
    for run_id in [runs[0], runs[1], runs[1]] {
        let claim = store.claim_next_task(ClaimRequest::of_run(run_id)).await;
        tokens.push(claim.unwrap().unwrap().token());
    }
    let report = FinishReport::completed("done").with_event(EventDraft::new("s", "k", "m"));
    store.finish_task(tokens[0], report).await.unwrap();
    let report = FinishReport::released("later");
    store.finish_task(tokens[1], report).await.unwrap();
    let attempt = NewAttempt::of_claim(tokens[2], AttemptReport::new("failed", "s"));
    store.add_attempt(attempt).await.unwrap();
    let pending = tasks.iter().flatten().map(|task| task.id);
    let is_pending = |id: &TaskId| *id != tokens[0].task_id && *id != tokens[2].task_id;
    Content {
        runs,
        snapshots: snapshots(store, runs).await,
        held: tokens[2],
        finished: tokens[0],
        pending: pending.filter(is_pending).collect(),
    }
}

/// Writes a store of format 1.
async fn first_format() -> (Disk, Content) {
    let disk = Disk::default();
    let store = disk.open();
    let content = fill(&store).await;
    store.close().await.unwrap();
    make_first_format(&disk);
    assert_eq!(format(&disk), (1, false));
    (disk, content)
}

#[tokio::test]
async fn a_store_of_the_first_format_opens_with_its_data_and_its_tasks_are_claimed_in_order() {
    let (disk, content) = first_format().await;
    let store = disk.open();
    store.read(audit).unwrap();
    assert_eq!(snapshots(&store, content.runs).await, content.snapshots);

    let mut claimed = Vec::new();
    let request = ClaimRequest::of_any_run();
    while let Some(claim) = store.claim_next_task(request.clone()).await.unwrap() {
        claimed.push(claim.task.id);
    }
    assert_eq!(claimed, content.pending);
    let report = || FinishReport::completed("done");
    store.finish_task(content.held, report()).await.unwrap();
    let repeated = store.finish_task(content.finished, report()).await;
    assert_eq!(repeated.unwrap().attempt_count, 1);
    // What is planned from now on comes after them.
    let draft = TaskDraft::new("t", "o").with_depends_on([content.held.task_id]);
    let plan = TaskPlan::new(content.runs[1], [draft]);
    store.append_tasks(plan).await.unwrap();
    store.read(audit).unwrap();
    store.close().await.unwrap();
    assert_eq!(format(&disk), (2, true));
    disk.open().read(audit).unwrap();
}

#[tokio::test]
async fn a_loss_of_power_leaves_the_first_format_or_a_store_that_is_converted() {
    let (disk, content) = first_format().await;
    let before = disk.with(|content| content.log.len());
    drop(disk.open());
    let log = disk.with(|content| content.log.clone());
    let mut random = Random(0x2026_1122);
    let mut formats = Vec::new();
    for end in (before..=log.len()).step_by(3) {
        let survivor = Disk::default();
        survivor.with(|content| content.bytes = after_power_loss(&log[..end], &mut random));
        let (format, has_tables) = format(&survivor);
        assert_eq!(has_tables, format == 2);
        formats.push(format);
        let store = survivor.open();
        store.read(audit).unwrap();
        assert_eq!(snapshots(&store, content.runs).await, content.snapshots);
    }
    assert!(formats.contains(&1) && formats.contains(&2));
}
