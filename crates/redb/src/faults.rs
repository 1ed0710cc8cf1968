//! What happens to a store when the disk fails or the power goes, on a disk of the test's own.

use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use redb::{Builder, ReadableDatabase, StorageBackend, TableDefinition};
use runstore_core::{
    ClaimRequest, Error, EventDraft, FinishReport, Heartbeat, ListEvents, ListRuns, NewEvent,
    NewRun, Outcome, Run, SnapshotRequest, Store, SystemClock, TaskDraft, TaskPlan, Uuid,
};
use tokio::task::{JoinHandle, yield_now};

use crate::RedbStore;
use crate::audit::{Random, audit};

/// What a disk writes as a whole or not at all.
const SECTOR: usize = 512;

/// A change on its way to the disk.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
    Flush,
}

#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) log: Vec<Change>,
    fails: bool,
    held: bool,
}

/// A disk that keeps a log of its changes, can fail, and can be held in the middle of a flush.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<(Mutex<Content>, Condvar)>);

impl Disk {
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Content) -> T) -> T {
        let changed = work(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        changed
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let (content, changed) = &*self.0;
        let mut content = content.lock().unwrap();
        if matches!(change, Change::Flush) {
            content = changed.wait_while(content, |content| content.held).unwrap();
        }
        if content.fails {
            return Err(io::Error::other("the disk is broken"));
        }
        apply(&mut content.bytes, &change);
        content.log.push(change);
        Ok(())
    }

    fn flushes(&self) -> usize {
        let is_flush = |change: &&Change| matches!(change, Change::Flush);
        self.with(|content| content.log.iter().filter(is_flush).count())
    }

    pub(crate) fn open(&self) -> RedbStore {
        let database = Builder::new().create_with_backend(self.clone()).unwrap();
        crate::schema::prepare("the disk".as_ref(), &database).unwrap();
        RedbStore::start(database, Arc::new(SystemClock)).unwrap()
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes } => {
            let end = offset + bytes.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[*offset..end].copy_from_slice(bytes);
        }
        Change::Length(length) => content.resize(*length, 0),
        Change::Flush => {}
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.with(|content| content.bytes.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        self.with(
            |content| match content.bytes.get(offset..offset + out.len()) {
                Some(bytes) => {
                    out.copy_from_slice(bytes);
                    Ok(())
                }
                None => Err(io::ErrorKind::UnexpectedEof.into()),
            },
        )
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.change(Change::Length(usize::try_from(length).unwrap()))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(Change::Flush)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut offset = usize::try_from(offset).unwrap();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (sector, after) = rest.split_at(rest.len().min(SECTOR - offset % SECTOR));
            let bytes = sector.to_vec();
            self.change(Change::Write { offset, bytes })?;
            offset += sector.len();
            rest = after;
        }
        Ok(())
    }
}

/// What the disk may hold if the power goes after these changes: all up to the last flush, and of those
/// after it any part.
pub(crate) fn after_power_loss(log: &[Change], random: &mut Random) -> Vec<u8> {
    let is_flush = |change: &Change| matches!(change, Change::Flush);
    let flushed = log.iter().rposition(is_flush).unwrap_or(0);
    let share = random.next() % 5;
    let mut content = Vec::new();
    for (index, change) in log.iter().enumerate() {
        if index <= flushed || random.next() % 4 < share {
            apply(&mut content, change);
        }
    }
    content
}

fn event(run: &Run) -> NewEvent {
    NewEvent::new(run.id, EventDraft::new("s", "k", "m"))
}

async fn run_of(store: &RedbStore) -> Run {
    store.create_run(NewRun::new("g", "r")).await.unwrap()
}

#[tokio::test]
async fn whatever_was_acknowledged_survives_a_loss_of_power() {
    let disk = Disk::default();
    let store = disk.open();
    let run = run_of(&store).await;
    // Each waits for the one before it, or for none, in turn.
    let drafts = (0..30).map(|n| {
        let draft = TaskDraft::new(format!("task {n}"), "o").with_priority(n % 3);
        let before = (n % 2 == 1).then(|| n as usize - 1);
        draft.with_depends_on(before)
    });
    store
        .append_tasks(TaskPlan::new(run.id, drafts))
        .await
        .unwrap();
    // How long the log was when so many tasks had been finished.
    let mut acknowledged = vec![disk.with(|content| content.log.len())];
    let lease = Duration::from_secs(3600);
    let request = ClaimRequest::of_run(run.id).with_lease(lease);
    while let Some(claim) = store.claim_next_task(request.clone()).await.unwrap() {
        let beat = Heartbeat::new(claim.token(), lease * 2);
        store.heartbeat(beat).await.unwrap();
        let report = FinishReport::completed("x".repeat(300))
            .with_event(EventDraft::new("s", "finished", "m"));
        store.finish_task(claim.token(), report).await.unwrap();
        acknowledged.push(disk.with(|content| content.log.len()));
    }
    assert_eq!(acknowledged.len(), 31);

    let log = disk.with(|content| content.log.clone());
    let mut random = Random(0x2026_1122);
    for end in (acknowledged[0]..=log.len()).step_by(13) {
        let survivor = Disk::default();
        survivor.with(|content| content.bytes = after_power_loss(&log[..end], &mut random));
        let store = survivor.open();
        let snapshot = store
            .snapshot(SnapshotRequest::of_run(run.id))
            .await
            .unwrap();
        let counts = snapshot.counts;
        let least = acknowledged.iter().filter(|length| **length <= end).count() as u64 - 1;
        assert!(counts.completed >= least, "{} < {least}", counts.completed);
        // Each report is there whole or not at all.
        assert_eq!(counts.attempts, counts.completed);
        assert_eq!(counts.events, counts.completed + 1);
        assert_eq!(counts.pending + counts.in_progress + counts.completed, 30);
        store.read(audit).unwrap();
        store.increment_cycle(run.id).await.unwrap();
    }
}

#[tokio::test]
async fn a_commit_that_failed_has_an_unknown_outcome_and_those_after_it_did_not_happen() {
    let disk = Disk::default();
    let store = disk.open();
    let run = run_of(&store).await;
    disk.with(|content| content.fails = true);
    let unavailable = |result: Result<_, Error>| match result {
        Err(Error::Unavailable {
            outcome, source, ..
        }) => {
            assert!(source.is_some());
            outcome
        }
        other => panic!("{other:?}"),
    };
    let first = store.add_event(event(&run)).await.map(drop);
    assert_eq!(unavailable(first), Outcome::Unknown);
    let second = store.add_event(event(&run)).await.map(drop);
    assert_eq!(unavailable(second), Outcome::NotApplied);

    disk.with(|content| content.fails = false);
    // Also a disk that works again does not make the store go on with what it cannot vouch for.
    let third = store.add_event(event(&run)).await.map(drop);
    assert_eq!(unavailable(third), Outcome::NotApplied);
    store.close().await.unwrap();
    let store = disk.open();
    let events = store.list_events(ListEvents::new(run.id)).await.unwrap();
    assert!((1..=2).contains(&events.items.len()));
    let seq = events.items.len() as u64 + 1;
    assert_eq!(store.add_event(event(&run)).await.unwrap().seq, seq);
}

/// Holds the disk in a flush, queues the calls behind it, and lets go.
async fn in_one_batch<T: Send + 'static>(
    disk: &Disk,
    store: &RedbStore,
    calls: impl IntoIterator<Item = JoinHandle<T>>,
) -> Vec<T> {
    disk.with(|content| content.held = true);
    let holder = store.clone();
    let first = tokio::spawn(async move { run_of(&holder).await });
    let calls: Vec<_> = calls.into_iter().collect();
    // The test's runtime has one thread: it comes back here when every call has queued its write, if
    // they are no more than it polls in one go (61).
    yield_now().await;
    disk.with(|content| content.held = false);
    first.await.unwrap();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn calls_that_wait_together_share_a_flush() {
    let disk = Disk::default();
    let store = disk.open();
    let run = run_of(&store).await;
    let before = disk.flushes();
    let calls = (0..40).map(|_| {
        let (store, event) = (store.clone(), event(&run));
        tokio::spawn(async move { store.add_event(event).await.unwrap().seq })
    });
    let seqs = in_one_batch(&disk, &store, calls).await;
    assert_eq!(seqs, (2..=41).collect::<Vec<_>>());
    // Two commits, that of the call that held the disk and that of those behind it; a commit that makes
    // the file grow flushes twice.
    let flushes = disk.flushes() - before;
    assert!(flushes <= 4, "{flushes}");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_fails_its_own_call_and_not_its_batch() {
    const RUNS: TableDefinition<Uuid, &[u8]> = TableDefinition::new("runs");
    let disk = Disk::default();
    let store = disk.open();
    let (broken, well) = (run_of(&store).await, run_of(&store).await);
    store.close().await.unwrap();
    let database = Builder::new().create_with_backend(disk.clone()).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(RUNS)
        .unwrap()
        .insert(broken.id.as_uuid(), b"{".as_slice())
        .unwrap();
    write.commit().unwrap();
    assert!(database.begin_read().is_ok());
    drop(database);

    let store = disk.open();
    let calls = (0..20).map(|n| {
        let (store, id) = (store.clone(), if n == 10 { broken.id } else { well.id });
        tokio::spawn(async move { store.increment_cycle(id).await })
    });
    let answers = in_one_batch(&disk, &store, calls).await;
    for (n, answer) in answers.into_iter().enumerate() {
        match answer {
            Ok(run) => assert_eq!(run.id, well.id),
            Err(Error::Corrupt { .. }) => assert_eq!(n, 10),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(store.get_run(well.id).await.unwrap().cycle_count, 19);
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_its_write_done_or_not_done() {
    let disk = Disk::default();
    let store = disk.open();
    let run = run_of(&store).await;
    let mut calls = Vec::new();
    disk.with(|content| content.held = true);
    for _ in 0..10 {
        let (store, event) = (store.clone(), event(&run));
        calls.push(tokio::spawn(async move { store.add_event(event).await }));
    }
    yield_now().await;
    for call in calls {
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
    disk.with(|content| content.held = false);
    assert_eq!(store.add_event(event(&run)).await.unwrap().seq, 12);
    assert_eq!(store.list_runs(ListRuns::all()).await.unwrap().items, [run]);
}
