//! The file: how it is made, whom it is for, and which files are left alone.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::{contents, folder, open, plain_connection, run_sql};
use runstore_core::{ClaimRequest, Durability, Error, ListRuns, NewRun, Outcome, Store};
use runstore_sqlite::{APPLICATION_ID, FORMAT_VERSION, SqliteOptions, SqliteStore};

const AGENT_R: &str = "
    CREATE TABLE runs (id TEXT PRIMARY KEY); CREATE TABLE agents (id TEXT PRIMARY KEY);
    CREATE TABLE tasks (id TEXT PRIMARY KEY); CREATE TABLE task_attempts (id TEXT PRIMARY KEY);
    CREATE TABLE events (id INTEGER PRIMARY KEY); CREATE TABLE artifacts (id TEXT PRIMARY KEY);
    CREATE TABLE checkpoints (id TEXT PRIMARY KEY); CREATE TABLE approvals (id TEXT PRIMARY KEY);
    INSERT INTO runs VALUES ('theirs');";

/// Opens the file, which must be refused, and returns what was found and advised. Nothing in the folder
/// may have changed.
async fn refused(folder: &Path, path: &Path) -> String {
    let before = contents(folder);
    let error = SqliteStore::open(SqliteOptions::new(path))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Incompatible { .. }), "{error:?}");
    assert!(before == contents(folder), "{:?}", contents(folder).keys());
    assert_names(&error, path);
    error.to_string()
}

fn assert_names(error: &Error, path: &Path) {
    let path = fs::canonicalize(path).unwrap();
    let told = error.to_string();
    assert!(told.contains(&path.display().to_string()), "{told}");
}

async fn assert_usable(store: &SqliteStore) {
    store
        .create_run(NewRun::new("goal", "/repo"))
        .await
        .unwrap();
    assert_eq!(
        store.list_runs(ListRuns::all()).await.unwrap().items.len(),
        1
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    for bytes in [1, 2, 15, 99, 100, 511, 512, 600, 4096, 5000] {
        let text = "not a database ".repeat(400);
        let text = &text[..bytes];
        let (folder, path) = folder();
        fs::write(&path, text).unwrap();
        assert!(
            refused(folder.path(), &path)
                .await
                .contains("not an SQLite database")
        );
    }
}

#[tokio::test]
async fn a_file_of_redb_is_refused_by_name_and_left_alone() {
    for bytes in [9, 99, 4096] {
        let mut file = b"redb\x1a\x0a\xa9\x0d\x0a".to_vec();
        file.resize(bytes, 1);
        let (folder, path) = folder();
        fs::write(&path, file).unwrap();
        let told = refused(folder.path(), &path).await;
        assert!(
            told.contains("is a file of redb") && told.contains("redb:FILE"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_folder_is_refused() {
    let (folder, path) = folder();
    for path in [folder.path(), &path.join("")] {
        let error = SqliteStore::open(SqliteOptions::new(path)).await;
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Incompatible { .. }), "{error:?}");
        assert!(error.to_string().contains("is a folder; name a file"));
    }
    assert!(contents(folder.path()).is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_no_regular_file_is_refused_and_stays_what_it_is() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    use std::os::unix::net::UnixListener;

    let (folder, _) = folder();
    let [pipe, socket, link] = ["pipe", "socket", "link"].map(|name| folder.path().join(name));
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let _listener = UnixListener::bind(&socket).unwrap();
    symlink(&pipe, &link).unwrap();
    for path in [&pipe, &socket, &link, Path::new("/dev/null")] {
        let error = SqliteStore::open(SqliteOptions::new(path)).await;
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Incompatible { .. }), "{error:?}");
        assert!(error.to_string().contains("is not a regular file"));
        assert_names(&error, path);
    }
    let kind = |path: &Path| fs::symlink_metadata(path).unwrap().file_type();
    assert!(kind(&pipe).is_fifo() && kind(&socket).is_socket() && kind(&link).is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_to_a_regular_file_is_followed() {
    let (folder, path) = folder();
    fs::write(&path, "").unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert_usable(&open(&link).await).await;
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let runs = open(&path).await.list_runs(ListRuns::all()).await.unwrap();
    assert_eq!(runs.items.len(), 1);
}

#[tokio::test]
async fn damage_that_opening_finds_is_corrupt_and_the_file_is_named() {
    let (_folder, path) = folder();
    open(&path).await.close().await.unwrap();
    let mut bytes = fs::read(&path).unwrap();
    // The head of the list of tables, right behind the header that marks the store.
    bytes[100..200].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let error = SqliteStore::open(SqliteOptions::new(&path)).await;
    let error = error.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert_names(&error, &path);
}

#[tokio::test]
async fn a_database_of_agent_r_is_refused_by_name_and_left_alone() {
    for mode in ["", "PRAGMA journal_mode = WAL;"] {
        let (folder, path) = folder();
        run_sql(&path, &format!("{mode} {AGENT_R}"));
        let told = refused(folder.path(), &path).await;
        assert!(
            told.contains("agent-r") && told.contains("choose another path"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_database_whose_tables_are_in_its_log_alone_is_refused_and_left_alone() {
    let (theirs, path) = folder();
    let connection = plain_connection(&path);
    let sql = format!("PRAGMA journal_mode = WAL; {AGENT_R}");
    connection.execute_batch(&sql).unwrap();

    // In use: the log and its index are there. A reader leaves its mark in the index, and nowhere else.
    let before = contents(theirs.path());
    let error = SqliteStore::open(SqliteOptions::new(&path)).await;
    assert!(error.unwrap_err().to_string().contains("agent-r"));
    let after = contents(theirs.path());
    assert!(before.keys().eq(after.keys()));
    for name in ["runs.db", "runs.db-wal"] {
        assert!(before[name] == after[name], "{name}");
    }

    // As it is after a crash, and as it is where only the file and its log were copied.
    for names in [
        &["runs.db", "runs.db-wal", "runs.db-shm"][..],
        &["runs.db", "runs.db-wal"][..],
    ] {
        let (copy, copied) = folder();
        for name in names {
            fs::copy(theirs.path().join(name), copy.path().join(name)).unwrap();
        }
        let before = contents(copy.path());
        let error = SqliteStore::open(SqliteOptions::new(&copied))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Incompatible { .. }), "{error:?}");
        let after = contents(copy.path());
        assert!(before.keys().eq(after.keys()), "{:?}", after.keys());
        for name in ["runs.db", "runs.db-wal"] {
            assert!(before[name] == after[name], "{name}");
        }
    }
    connection.close().unwrap();
}

#[tokio::test]
async fn another_applications_database_is_refused_and_left_alone() {
    for sql in [
        "CREATE TABLE notes (text TEXT)",
        "PRAGMA user_version = 7",
        "PRAGMA user_version = -1",
        "PRAGMA journal_mode = WAL; PRAGMA user_version = 1",
        "PRAGMA application_id = 252006675",
        "PRAGMA journal_mode = WAL; PRAGMA application_id = 252006675; CREATE TABLE runs (id)",
    ] {
        let (folder, path) = folder();
        run_sql(&path, sql);
        assert!(
            refused(folder.path(), &path)
                .await
                .contains("another application")
        );
    }
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_refused_and_left_alone() {
    let (folder, path) = folder();
    open(&path).await.close().await.unwrap();
    run_sql(
        &path,
        &format!("PRAGMA user_version = {}", FORMAT_VERSION + 1),
    );
    assert!(
        refused(folder.path(), &path)
            .await
            .contains("upgrade runstore")
    );
}

#[tokio::test]
async fn a_store_of_a_format_that_never_was_is_refused_and_left_alone() {
    let (folder, path) = folder();
    open(&path).await.close().await.unwrap();
    run_sql(&path, "PRAGMA user_version = -1");
    let told = refused(folder.path(), &path).await;
    assert!(told.contains("format -1"), "{told}");
}

#[tokio::test]
async fn an_empty_file_and_an_empty_database_are_taken() {
    for sql in [None, Some("VACUUM"), Some("PRAGMA journal_mode = WAL")] {
        let (_folder, path) = folder();
        match sql {
            None => fs::write(&path, "").unwrap(),
            Some(sql) => run_sql(&path, sql),
        }
        assert_usable(&open(&path).await).await;
    }
}

#[tokio::test]
async fn a_file_whose_opening_ended_between_the_mark_and_the_tables_is_taken_on() {
    let (_folder, path) = folder();
    run_sql(&path, &format!("PRAGMA application_id = {APPLICATION_ID}"));
    assert_usable(&open(&path).await).await;
}

#[tokio::test]
async fn the_header_names_the_store_and_its_format() {
    let (_folder, path) = folder();
    open(&path).await.close().await.unwrap();
    let header = fs::read(&path).unwrap();
    assert_eq!(header[60..64], FORMAT_VERSION.to_be_bytes());
    assert_eq!(header[68..72], *b"rstr");
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_and_all_beside_it_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, _) = folder();
    let path = folder.path().join("new").join("and newer").join("runs.db");
    let store = open(&path).await;
    assert_usable(&store).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for file in ["runs.db", "runs.db-wal", "runs.db-shm"] {
        assert_eq!(mode(&path.with_file_name(file)), 0o600, "{file}");
    }
    for folder in path.ancestors().skip(1).take(2) {
        assert_eq!(mode(folder), 0o700);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_was_there_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt;

    let (_folder, path) = folder();
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert_usable(&open(&path).await).await;
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

#[tokio::test]
async fn a_path_is_taken_as_it_is() {
    for name in ["a b?mode=memory", "file:x", "per%20cent#", "ü"] {
        let (folder, _) = folder();
        let path = folder.path().join(name);
        let store = open(&path).await;
        assert_usable(&store).await;
        store.close().await.unwrap();
        assert!(contents(folder.path()).keys().eq([name]));
    }
}

#[tokio::test]
async fn a_close_folds_the_log_into_the_file_and_every_later_call_is_unavailable() {
    let (folder, path) = folder();
    let store = open(&path).await;
    let clone = store.clone();
    assert_usable(&store).await;
    store.close().await.unwrap();
    assert!(contents(folder.path()).keys().eq(["runs.db"]));
    store.close().await.unwrap();
    let written = clone.create_run(NewRun::new("goal", "/repo")).await;
    let read = clone.list_runs(ListRuns::all()).await;
    for error in [written.unwrap_err(), read.unwrap_err()] {
        let outcome = Outcome::NotApplied;
        assert!(matches!(error, Error::Unavailable { outcome: is, .. } if is == outcome));
    }
}

#[tokio::test]
async fn dropping_the_last_handle_folds_the_log_into_the_file() {
    let (folder, path) = folder();
    let store = open(&path).await;
    assert_usable(&store).await;
    let clone = store.clone();
    drop(store);
    assert!(contents(folder.path()).len() > 1);
    drop(clone);
    assert!(contents(folder.path()).keys().eq(["runs.db"]));
}

#[tokio::test]
async fn a_store_says_how_durable_it_is() {
    let (_folder, path) = folder();
    for durability in [Durability::Full, Durability::Relaxed] {
        let options = SqliteOptions::new(&path).with_durability(durability);
        let store = SqliteStore::open(options).await.unwrap();
        assert_eq!(store.info().durability, durability);
        assert_eq!(store.info().backend, "sqlite");
    }
}

#[tokio::test]
async fn a_write_that_finds_the_file_held_for_too_long_is_busy_and_works_afterwards() {
    let (_folder, path) = folder();
    let options = SqliteOptions::new(&path).with_busy_timeout(Duration::from_millis(20));
    let store = SqliteStore::open(options).await.unwrap();
    let other = plain_connection(&path);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = store.create_run(NewRun::new("goal", "/repo")).await;
    assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
    other.execute_batch("ROLLBACK").unwrap();
    assert_usable(&store).await;
}

#[tokio::test]
async fn a_claim_that_finds_nothing_writes_nothing() {
    let (folder, path) = folder();
    let store = open(&path).await;
    let run = common::run_with_tasks(&store, 0).await;
    let log = || contents(folder.path()).remove("runs.db-wal").unwrap();
    let before = log();
    let nothing = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
    assert_eq!(nothing.unwrap(), None);
    assert!(before == log());
    store.increment_cycle(run.id).await.unwrap();
    assert!(before != log());
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_corrupt_and_named() {
    let (_folder, path) = folder();
    let store = open(&path).await;
    let run = store
        .create_run(NewRun::new("goal", "/repo"))
        .await
        .unwrap();
    run_sql(&path, "UPDATE runs SET cycle_count = -1");
    let error = store.get_run(run.id).await.unwrap_err();
    let Error::Corrupt { place, source, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(place, format!("runs.cycle_count of {}", run.id));
    assert!(source.is_some());
    run_sql(&path, "UPDATE runs SET cycle_count = 0");
    assert_eq!(store.get_run(run.id).await.unwrap(), run);
}
