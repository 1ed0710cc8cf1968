//! What becomes of a store of a former format.

use redb::{
    Builder, Database, Key, ReadableDatabase, TableDefinition, TableHandle, Value, WriteTransaction,
};
use runstore_core::{
    AttemptReport, ClaimRequest, ClaimToken, EventDraft, FinishReport, NewAttempt, NewRun,
    PageRequest, Result, RunId, RunSnapshot, SnapshotRequest, Store, Task, TaskDraft, TaskId,
    TaskPlan, Uuid,
};
use serde::Serialize;
use serde_json::{Map, json};

use crate::RedbStore;
use crate::audit::{Random, Scene, audit};
use crate::codec::Record;
use crate::faults::{Disk, after_power_loss};
use crate::former::status_number;
use crate::journal::Journal;
use crate::schema::{META_LAST_RUN_NUMBER, META_LAST_TASK_NUMBER, Tables};
use crate::states::RunKey;
use crate::table::Reading;

const META: TableDefinition<&str, u64> = TableDefinition::new("runstore_meta");

/// The fields of the part of a task that never changes.
const PLANNED: [&str; 8] = [
    "title",
    "objective",
    "acceptanceCriteria",
    "verificationSteps",
    "allowedPaths",
    "dependsOn",
    "maxAttempts",
    "createdAt",
];

/// The fields that format 1 does not have.
const SECOND: [&str; 9] = [
    "dependsOn",
    "maxAttempts",
    "number",
    "unmet",
    "priority",
    "notBefore",
    "delayedUntil",
    "worker",
    "leaseExpiresAt",
];

fn database(disk: &Disk) -> Database {
    Builder::new().create_with_backend(disk.clone()).unwrap()
}

/// A store of a former format that is being written.
struct Former<'t> {
    transaction: &'t WriteTransaction,
    format: u64,
}

impl Former<'_> {
    fn put<'k, K: Key + 'static, V: Value + 'static>(
        &self,
        table: &str,
        key: K::SelfType<'k>,
        value: V::SelfType<'k>,
    ) {
        let definition = TableDefinition::<K, V>::new(table);
        let mut table = self.transaction.open_table(definition).unwrap();
        table.insert(&key, &value).unwrap();
    }

    fn put_json<'k, K: Key + 'static>(
        &self,
        table: &str,
        key: K::SelfType<'k>,
        record: &impl Serialize,
    ) {
        let json = serde_json::to_vec(record).unwrap();
        let definition = TableDefinition::<K, &[u8]>::new(table);
        let mut table = self.transaction.open_table(definition).unwrap();
        table.insert(&key, json.as_slice()).unwrap();
    }

    fn put_task(&self, tables: &Tables<Reading<'_>>, task: &Task) -> Result<()> {
        let found = tables.get_state(task.id)?;
        let (id, run_id) = (task.id.as_uuid(), task.run_id.as_uuid());
        let mut fields: Map<_, _> = serde_json::from_value(json!(task)).unwrap();
        fields.remove("id");
        fields.insert("number".to_owned(), json!(found.state.kept.number));
        fields.insert("unmet".to_owned(), json!(found.state.kept.unmet));
        fields.retain(|name, value| {
            !value.is_null() && (self.format > 1 || !SECOND.contains(&name.as_str()))
        });
        let parts = fields.into_iter();
        let (planned, state): (Map<_, _>, Map<_, _>) =
            parts.partition(|(name, _)| PLANNED.contains(&name.as_str()));
        self.put_json::<Uuid>("tasks", id, &planned);
        self.put_json::<Uuid>("task_states", id, &state);
        let key = (run_id, status_number(task.status), task.position);
        self.put::<(Uuid, u8, u64), Uuid>("tasks_by_status", key, id);
        for dependency in &task.depends_on {
            let pair = (dependency.as_uuid(), id);
            self.put::<(Uuid, Uuid), ()>("dependents", pair, ());
        }
        for attempt_number in 1..=task.attempt_count {
            let token = ClaimToken {
                task_id: task.id,
                attempt_number,
            };
            if tables.is_reported(token, &found)? {
                self.put::<(Uuid, u32), ()>("finished_claims", (id, attempt_number), ());
            }
        }
        Ok(())
    }

    fn put_journal<T: Serialize + Record + runstore_core::rules::retry::Created>(
        &self,
        name: &str,
        run: RunKey,
        journal: &Journal<Reading<'_>, T>,
    ) -> Result<()> {
        for (index, record) in journal.recent(run, u32::MAX)?.iter().enumerate() {
            let place = (run.id.as_uuid(), index as u64 + 1);
            self.put_json::<(Uuid, u64)>(name, place, record);
        }
        Ok(())
    }

    fn put_run(&self, tables: &Tables<Reading<'_>>, run: RunKey) -> Result<()> {
        let id = run.id.as_uuid();
        self.put_json::<Uuid>("runs", id, &tables.get_run(run.id)?);
        self.put::<Uuid, u64>("run_numbers", id, run.number);
        self.put::<u64, Uuid>("runs_by_number", run.number, id);
        for agent in tables.agents_of(run)? {
            let key = (id, agent.role.as_str().as_bytes());
            self.put_json::<(Uuid, &[u8])>("agents", key, &agent);
        }
        for task in tables.tasks_in_states(run, |_| true, PageRequest::all(), usize::MAX)? {
            self.put_task(tables, &task)?;
        }
        let attempts = tables.attempts.recent(run, u32::MAX)?;
        for (index, attempt) in attempts.iter().enumerate() {
            let key = (attempt.task_id.as_uuid(), index as u64 + 1);
            self.put::<(Uuid, u64), ()>("attempts_by_task", key, ());
        }
        self.put_journal("attempts", run, &tables.attempts)?;
        self.put_journal("events", run, &tables.events)?;
        self.put_journal("artifacts", run, &tables.artifacts)?;
        self.put_journal("approvals", run, &tables.approvals)?;
        self.put_journal("checkpoints", run, &tables.checkpoints)
    }
}

/// What is in the store, written as a former format had it.
fn in_format(format: u64, store: &RedbStore) -> Disk {
    let disk = Disk::default();
    let database = database(&disk);
    let transaction = database.begin_write().unwrap();
    let former = Former {
        transaction: &transaction,
        format,
    };
    let written = store.read(|tables| {
        for run in tables.run_keys()? {
            former.put_run(tables, run)?;
        }
        let last_run = tables.meta.find(META_LAST_RUN_NUMBER)?;
        former.put::<&str, u64>("runstore_meta", META_LAST_RUN_NUMBER, last_run.unwrap_or(0));
        former.put::<&str, u64>("runstore_meta", "format", format);
        if format == 1 {
            return Ok(());
        }
        let last_task = tables.meta.find(META_LAST_TASK_NUMBER)?;
        let last_task = last_task.unwrap_or(0);
        former.put::<&str, u64>("runstore_meta", META_LAST_TASK_NUMBER, last_task);
        // Of other types than in this format, and of no use for it.
        let nobody = Uuid::nil();
        former.put::<(Uuid, i64, u64), Uuid>("ready_by_run", (nobody, 0, 1), nobody);
        former.put::<(i64, u64), Uuid>("ready", (0, 1), nobody);
        former.put::<(Uuid, i64, u64), Uuid>("due_by_run", (nobody, 0, 1), nobody);
        former.put::<(i64, u64), Uuid>("due", (0, 1), nobody);
        former.put::<Uuid, (Uuid, u64)>("attempt_ids", nobody, (nobody, 1));
        Ok(())
    });
    written.unwrap();
    transaction.commit().unwrap();
    database.close().unwrap();
    disk
}

/// The format of the store, and the names of its tables.
fn format(disk: &Disk) -> (u64, Vec<String>) {
    let database = database(disk);
    let read = database.begin_read().unwrap();
    let meta = read.open_table(META).unwrap();
    let format = meta.get("format").unwrap().unwrap().value();
    let tables = read.list_tables().unwrap();
    (
        format,
        tables.map(|table| table.name().to_owned()).collect(),
    )
}

/// What is in a store: two runs, the second planned before the first.
struct Content {
    runs: [RunId; 2],
    snapshots: Vec<RunSnapshot>,
    held: ClaimToken,
    finished: ClaimToken,
    released: ClaimToken,
    /// The tasks of the first run.
    first: Vec<TaskId>,
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
        released: tokens[1],
        first: tasks[0].iter().map(|task| task.id).collect(),
        pending: pending.filter(is_pending).collect(),
    }
}

/// A store of a former format.
async fn former(format: u64) -> (Disk, Content) {
    let new = Disk::default();
    let store = new.open();
    let content = fill(&store).await;
    let disk = in_format(format, &store);
    store.close().await.unwrap();
    (disk, content)
}

/// The tables of a store that was never of another format.
async fn tables_of_this_format() -> Vec<String> {
    let disk = Disk::default();
    disk.open().close().await.unwrap();
    format(&disk).1
}

#[tokio::test]
async fn a_store_of_a_former_format_opens_with_its_data_and_its_tasks_are_claimed_in_order() {
    for former_format in [1, 2] {
        let (disk, content) = former(former_format).await;
        assert_eq!(format(&disk).0, former_format);
        let store = disk.open();
        store.read(audit).unwrap();
        assert_eq!(snapshots(&store, content.runs).await, content.snapshots);

        let mut claimed = Vec::new();
        let request = ClaimRequest::of_any_run();
        while let Some(claim) = store.claim_next_task(request.clone()).await.unwrap() {
            claimed.push(claim.task.id);
        }
        let mut expected = content.pending;
        if former_format == 2 {
            // The second run was planned before the first, which format 1 did not keep.
            let of_first = expected
                .iter()
                .filter(|id| content.first.contains(id))
                .count();
            expected.rotate_left(of_first);
        }
        assert_eq!(claimed, expected);
        let report = || FinishReport::completed("done");
        store.finish_task(content.held, report()).await.unwrap();
        let repeated = store.finish_task(content.finished, report()).await;
        assert_eq!(repeated.unwrap().attempt_count, 1);
        // Released, and claimed once more since.
        let repeated = store.finish_task(content.released, report()).await;
        assert_eq!(repeated.unwrap().attempt_count, 2);
        // What is planned from now on comes after them.
        let draft = TaskDraft::new("t", "o").with_depends_on([content.held.task_id]);
        let plan = TaskPlan::new(content.runs[1], [draft]);
        store.append_tasks(plan).await.unwrap();
        store.read(audit).unwrap();
        store.close().await.unwrap();
        assert_eq!(format(&disk), (3, tables_of_this_format().await));
        disk.open().read(audit).unwrap();
    }
}

#[tokio::test]
async fn whatever_was_called_in_the_second_format_is_as_it_was() {
    for seed in 1..=10 {
        let mut scene = Scene::new(0x2026_1126 * seed);
        for _ in 0..100 {
            scene.random_call().await;
        }
        let store = in_format(2, &scene.store).open();
        store.read(audit).unwrap();
        for run_id in scene.runs {
            let snapshot = async |store: &RedbStore| {
                store.snapshot(SnapshotRequest::of_run(run_id)).await.ok()
            };
            assert_eq!(snapshot(&store).await, snapshot(&scene.store).await);
        }
        for task_id in scene.tasks {
            let latest = async |store: &RedbStore| store.latest_attempt(task_id).await.ok();
            assert_eq!(latest(&store).await, latest(&scene.store).await);
        }
    }
}

#[tokio::test]
async fn a_loss_of_power_leaves_the_former_format_or_a_store_that_is_converted() {
    let new_tables = tables_of_this_format().await;
    for former_format in [1, 2] {
        let (disk, content) = former(former_format).await;
        let former_tables = format(&disk).1;
        let before = disk.with(|content| content.log.len());
        drop(disk.open());
        let log = disk.with(|content| content.log.clone());
        let mut random = Random(0x2026_1122);
        let mut formats = Vec::new();
        for end in (before..=log.len()).step_by(3) {
            let survivor = Disk::default();
            survivor.with(|content| content.bytes = after_power_loss(&log[..end], &mut random));
            let (format, tables) = format(&survivor);
            let whole = [(former_format, &former_tables), (3, &new_tables)];
            assert!(whole.contains(&(format, &tables)), "{format}: {tables:?}");
            formats.push(format);
            let store = survivor.open();
            store.read(audit).unwrap();
            assert_eq!(snapshots(&store, content.runs).await, content.snapshots);
        }
        assert!(formats.contains(&former_format) && formats.contains(&3));
    }
}
