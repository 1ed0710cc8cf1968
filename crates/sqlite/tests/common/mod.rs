//! What the tests of this crate share.

#![allow(dead_code, reason = "each test binary uses a part of it")]
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use runstore_core::{ClaimRequest, NewRun, Run, RunId, Store, TaskDraft, TaskPlan};
use runstore_sqlite::{SqliteOptions, SqliteStore};
use rusqlite::Connection;
use tempfile::TempDir;

/// A folder that goes with the test, and a path in it.
pub(crate) fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    (folder, path)
}

pub(crate) async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(SqliteOptions::new(path)).await.unwrap()
}

/// Each file of the folder with what it holds.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// A connection of SQLite's own making, without anything of the store's.
pub(crate) fn plain_connection(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

/// Runs statements on the file by a connection of its own.
pub(crate) fn run_sql(path: &Path, sql: &str) {
    let connection = plain_connection(path);
    connection.execute_batch(sql).unwrap();
    connection.close().unwrap();
}

/// Creates a run with that many pending tasks.
pub(crate) async fn run_with_tasks(store: &SqliteStore, tasks: usize) -> Run {
    let run = store
        .create_run(NewRun::new("goal", "/repo"))
        .await
        .unwrap();
    let drafts = (0..tasks).map(|number| TaskDraft::new(format!("task {number}"), "objective"));
    store
        .append_tasks(TaskPlan::new(run.id, drafts))
        .await
        .unwrap();
    run
}

/// Claims until nothing is left and returns the positions in the order of the claims.
pub(crate) async fn claim_all(store: &SqliteStore, run_id: RunId) -> Vec<u64> {
    let mut positions = Vec::new();
    while let Some(claim) = store
        .claim_next_task(ClaimRequest::of_run(run_id))
        .await
        .unwrap()
    {
        positions.push(claim.task.position);
    }
    positions
}

/// Checks that the positions, sorted, are 1 to `tasks`, each once.
pub(crate) fn assert_each_once(mut positions: Vec<u64>, tasks: u64) {
    positions.sort_unstable();
    assert!(positions.into_iter().eq(1..=tasks));
}
