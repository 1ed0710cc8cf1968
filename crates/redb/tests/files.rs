//! Which files are taken for a store, and what is left of those that are not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{open, place, run_with_tasks, try_open};
use redb::{Database, MultimapTableDefinition, ReadableDatabase, TableDefinition};
use runstore_core::{Error, ListRuns, NewRun, Outcome, SnapshotRequest, Store, Uuid};
use runstore_redb::{RedbOptions, RedbStore};

const META: TableDefinition<&str, u64> = TableDefinition::new("runstore_meta");

/// Opens the file and expects that it is refused and left as it is; gives what was found.
async fn refused(file: &Path) -> String {
    let before = fs::read(file).unwrap();
    let error = try_open(file).await.unwrap_err();
    assert_eq!(fs::read(file).unwrap(), before, "{error}");
    match error {
        Error::Incompatible { found, advice, .. } => {
            assert!(!advice.is_empty());
            found
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_that_is_not_redbs_is_refused_and_left_as_it_is() {
    let (_folder, file) = place();
    for (content, found) in [
        (b"x".to_vec(), "not a file of redb"),
        (b"redb".to_vec(), "not a file of redb"),
        (vec![0; 1 << 17], "not a file of redb"),
        (b"SQLite format 3\0 and so on".to_vec(), "a file of SQLite"),
    ] {
        fs::write(&file, content).unwrap();
        let told = refused(&file).await;
        assert!(told.contains(found), "{told}");
    }
}

#[tokio::test]
async fn another_applications_redb_file_is_refused_and_left_as_it_is() {
    let (_folder, file) = place();
    let database = Database::create(&file).unwrap();
    let write = database.begin_write().unwrap();
    let table = MultimapTableDefinition::<u64, u64>::new("theirs");
    write
        .open_multimap_table(table)
        .unwrap()
        .insert(1, 2)
        .unwrap();
    write.commit().unwrap();
    database.close().unwrap();
    assert!(refused(&file).await.contains("another application"));

    // A table of the same name that holds something else.
    fs::remove_file(&file).unwrap();
    let database = Database::create(&file).unwrap();
    let write = database.begin_write().unwrap();
    let table = TableDefinition::<u64, &str>::new("runstore_meta");
    write
        .open_table(table)
        .unwrap()
        .insert(1, "theirs")
        .unwrap();
    write.commit().unwrap();
    database.close().unwrap();
    assert!(refused(&file).await.contains("another application"));
}

#[tokio::test]
async fn another_format_is_refused_and_left_as_it_is() {
    for (format, told) in [
        (
            4,
            "format 4, and this version of runstore knows up to 3; upgrade runstore",
        ),
        (
            0,
            "format 0, which no version of runstore wrote; name another file",
        ),
    ] {
        let (_folder, file) = place();
        open(&file).await.close().await.unwrap();
        let database = Database::open(&file).unwrap();
        let write = database.begin_write().unwrap();
        write
            .open_table(META)
            .unwrap()
            .insert("format", format)
            .unwrap();
        write.commit().unwrap();
        database.close().unwrap();
        refused(&file).await;
        let error = try_open(&file).await.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[tokio::test]
async fn an_old_file_format_of_redb_is_refused_and_left_as_it_is() {
    let (_folder, file) = place();
    open(&file).await.close().await.unwrap();
    // The byte of each commit slot that says which format it is in.
    let mut bytes = fs::read(&file).unwrap();
    for slot in [64, 192] {
        bytes[slot] = 1;
    }
    fs::write(&file, &bytes).unwrap();
    assert!(refused(&file).await.contains("file format 1"));
}

#[tokio::test]
async fn a_file_cut_short_is_reported_and_no_panic() {
    let (_folder, file) = place();
    let store = open(&file).await;
    run_with_tasks(&store, 500).await;
    store.close().await.unwrap();
    let whole = fs::read(&file).unwrap();
    for length in [9, 100, 320, 4096, whole.len() / 2, whole.len() - 1] {
        let cut = &whole[..length];
        fs::write(&file, cut).unwrap();
        let error = try_open(&file).await.unwrap_err();
        assert!(
            matches!(error, Error::Corrupt { .. }),
            "{length}: {error:?}"
        );
    }
}

#[tokio::test]
async fn damage_inside_a_file_is_reported_by_its_name_and_no_panic() {
    let (_folder, file) = place();
    let store = open(&file).await;
    run_with_tasks(&store, 500).await;
    store.close().await.unwrap();
    let mut bytes = fs::read(&file).unwrap();
    for byte in bytes[5 * 4096..].iter_mut().step_by(7) {
        *byte ^= 0xff;
    }
    fs::write(&file, &bytes).unwrap();
    let named = fs::canonicalize(&file).unwrap().display().to_string();
    match try_open(&file).await {
        Err(Error::Corrupt { place, .. }) => assert!(place.starts_with(&named), "{place}"),
        other => panic!("{other:?}"),
    }
    // Nobody holds it any more.
    fs::remove_file(&file).unwrap();
    run_with_tasks(&open(&file).await, 1).await;
}

#[tokio::test]
async fn an_empty_file_becomes_a_store() {
    let (_folder, file) = place();
    fs::write(&file, "").unwrap();
    let run = run_with_tasks(&open(&file).await, 1).await;
    open(&file).await.get_run(run.id).await.unwrap();
}

#[tokio::test]
async fn a_redb_file_without_any_table_becomes_a_store() {
    let (_folder, file) = place();
    Database::create(&file).unwrap().close().unwrap();
    run_with_tasks(&open(&file).await, 1).await;
}

#[tokio::test]
async fn a_creation_that_was_killed_half_way_is_taken_up_again() {
    let (_folder, file) = place();
    fs::write(&file, "").unwrap();
    let unfinished = file.with_file_name("runs.redb.runstore-new");
    fs::write(&unfinished, vec![0; 5000]).unwrap();
    run_with_tasks(&open(&file).await, 1).await;
    assert!(!unfinished.exists());
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_regular_file_is_refused_and_stays_what_it_is() {
    use std::os::unix::fs::FileTypeExt;

    let (_folder, file) = place();
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.unwrap().success());
    let error = try_open(&file).await.unwrap_err();
    assert!(matches!(error, Error::Incompatible { .. }), "{error:?}");
    assert!(fs::metadata(&file).unwrap().file_type().is_fifo());
}

#[tokio::test]
async fn a_folder_is_refused() {
    let (folder, _) = place();
    let error = try_open(folder.path()).await.unwrap_err();
    assert!(matches!(error, Error::Incompatible { .. }), "{error:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn files_and_folders_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, _) = place();
    let file = folder.path().join("a/b/runs.redb");
    let store = open(&file).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(&folder.path().join("a/b")), 0o700);
    assert_eq!(mode(&folder.path().join("a")), 0o700);
    drop(store);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_an_empty_file_stays_a_link() {
    let (folder, file) = place();
    fs::write(&file, "").unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let run = run_with_tasks(&open(&link).await, 1).await;
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    open(&file).await.get_run(run.id).await.unwrap();
}

#[tokio::test]
async fn an_open_right_after_the_last_handle_is_dropped_succeeds() {
    let (_folder, file) = place();
    let at_once = || RedbOptions::new(&file).with_busy_timeout(Duration::ZERO);
    for _ in 0..20 {
        let store = RedbStore::open(at_once()).await.unwrap();
        let clone = store.clone();
        clone.create_run(NewRun::new("g", "r")).await.unwrap();
        drop(store);
    }
    let store = RedbStore::open(at_once()).await.unwrap();
    assert_eq!(
        store.list_runs(ListRuns::all()).await.unwrap().items.len(),
        20
    );
}

#[tokio::test]
async fn a_closed_store_takes_no_call_and_has_let_go_of_the_file() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let run = run_with_tasks(&store, 1).await;
    let clone = store.clone();
    clone.close().await.unwrap();
    clone.close().await.unwrap();
    let calls = [
        store.get_run(run.id).await.map(drop),
        store.list_runs(ListRuns::all()).await.map(drop),
        store.increment_cycle(run.id).await.map(drop),
        store
            .snapshot(SnapshotRequest::of_run(run.id))
            .await
            .map(drop),
    ];
    for call in calls {
        assert!(
            matches!(
                call,
                Err(Error::Unavailable {
                    outcome: Outcome::NotApplied,
                    ..
                })
            ),
            "{call:?}"
        );
    }
    let at_once = RedbOptions::new(&file).with_busy_timeout(Duration::ZERO);
    let again = RedbStore::open(at_once).await.unwrap();
    again.get_run(run.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn handles_that_open_one_new_file_at_once_make_one_store() {
    let (_folder, file) = place();
    let openers = (0..16).map(|_| {
        let file = file.clone();
        tokio::spawn(async move {
            let options = RedbOptions::new(&file).with_busy_timeout(Duration::from_secs(60));
            let store = RedbStore::open(options).await.unwrap();
            store.create_run(NewRun::new("g", "r")).await.unwrap();
            store.close().await.unwrap();
        })
    });
    for opener in openers.collect::<Vec<_>>() {
        opener.await.unwrap();
    }
    let runs = open(&file).await.list_runs(ListRuns::all()).await.unwrap();
    assert_eq!(runs.items.len(), 16);
}

#[test]
fn a_store_can_be_used_outside_a_runtime_of_tokio() {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
        let mut context = std::task::Context::from_waker(&waker);
        let mut future = std::pin::pin!(future);
        loop {
            match future.as_mut().poll(&mut context) {
                std::task::Poll::Ready(output) => return output,
                std::task::Poll::Pending => std::thread::park(),
            }
        }
    }

    let (_folder, file) = place();
    let store = block_on(open(&file));
    let run = block_on(run_with_tasks(&store, 2));
    let snapshot = block_on(store.snapshot(SnapshotRequest::of_run(run.id))).unwrap();
    assert_eq!(snapshot.pending_tasks.len(), 2);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_reported_with_its_place_and_left_as_it_is() {
    const RUNS: TableDefinition<Uuid, &[u8]> = TableDefinition::new("runs");
    let (_folder, file) = place();
    let store = open(&file).await;
    let broken = run_with_tasks(&store, 0).await;
    let well = run_with_tasks(&store, 0).await;
    store.close().await.unwrap();
    let database = Database::open(&file).unwrap();
    let write = database.begin_write().unwrap();
    let key = broken.id.as_uuid();
    write
        .open_table(RUNS)
        .unwrap()
        .insert(key, b"{\"id\":".as_slice())
        .unwrap();
    write.commit().unwrap();
    database.close().unwrap();

    let store = open(&file).await;
    let reports = [
        store.get_run(broken.id).await.map(drop),
        store.increment_cycle(broken.id).await.map(drop),
        store.list_runs(ListRuns::all()).await.map(drop),
        store
            .snapshot(SnapshotRequest::of_run(broken.id))
            .await
            .map(drop),
    ];
    for report in reports {
        match report {
            Err(Error::Corrupt { place, source, .. }) => {
                assert_eq!(place, format!("table runs, key {key}"));
                assert!(source.is_some());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.increment_cycle(well.id).await.unwrap().cycle_count, 1);
    store.close().await.unwrap();
    let database = Database::open(&file).unwrap();
    let read = database.begin_read().unwrap();
    let value = read.open_table(RUNS).unwrap().get(key).unwrap().unwrap();
    assert_eq!(value.value(), b"{\"id\":");
}

#[tokio::test]
async fn a_file_gives_back_what_it_does_not_need_when_it_is_compacted_and_keeps_every_record() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let kept = run_with_tasks(&store, 10).await;
    for _ in 0..4 {
        let gone = run_with_tasks(&store, 2_000).await;
        store.delete_run(gone.id).await.unwrap();
    }
    let request = SnapshotRequest::of_run(kept.id);
    let before = store.snapshot(request.clone()).await.unwrap();
    store.close().await.unwrap();
    let large = fs::metadata(&file).unwrap().len();

    let options = RedbOptions::new(&file).with_compaction(true);
    let store = RedbStore::open(options).await.unwrap();
    assert_eq!(store.snapshot(request).await.unwrap(), before);
    run_with_tasks(&store, 1).await;
    store.close().await.unwrap();
    let small = fs::metadata(&file).unwrap().len();
    assert!(small * 2 < large, "{large} bytes became {small}");
}
