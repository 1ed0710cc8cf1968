//! What the tests share.

#![allow(dead_code, reason = "no test binary uses all of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use runstore_core::{NewRun, Result, Run, Store, TaskDraft, TaskPlan};
use runstore_redb::{RedbOptions, RedbStore};
use tempfile::TempDir;

/// A folder of the test's own, with the path of a file that is not there yet.
pub(crate) fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("runs.redb");
    (folder, file)
}

pub(crate) async fn open(file: &Path) -> RedbStore {
    try_open(file).await.unwrap()
}

pub(crate) async fn try_open(file: &Path) -> Result<RedbStore> {
    RedbStore::open(RedbOptions::new(file)).await
}

pub(crate) async fn run_with_tasks(store: &RedbStore, tasks: usize) -> Run {
    let run = store
        .create_run(NewRun::new("goal", "/repo"))
        .await
        .unwrap();
    let drafts = (1..=tasks).map(|n| TaskDraft::new(format!("task {n}"), "objective"));
    let plan = TaskPlan::new(run.id, drafts);
    store.append_tasks(plan).await.unwrap();
    run
}

/// The variable by which a test tells a process of its own which file to work on.
const CHILD_FILE: &str = "RUNSTORE_REDB_TEST_FILE";

/// The file to work on, if this process was started by [`child`].
pub(crate) fn file_of_child() -> Option<PathBuf> {
    std::env::var_os(CHILD_FILE).map(PathBuf::from)
}

/// Starts the test of that name in a process of its own, which is told the file to work on.
pub(crate) fn child(test: &str, file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD_FILE, file)
        .stdout(Stdio::piped())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap()
}
