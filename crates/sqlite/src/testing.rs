//! What the tests of this crate's modules share.

use sqlx::{AssertSqlSafe, Row, query};
use tempfile::TempDir;

use crate::SqliteOptions;
use crate::open::{self, Opened};

/// A new file, opened without a writer, and the folder that goes with it.
pub(crate) fn opened() -> (TempDir, Opened) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("runs.db");
    let opened = open::open_file(&SqliteOptions::new(path)).unwrap();
    (folder, opened)
}

/// The steps by which SQLite would run the statement.
pub(crate) fn steps(opened: &mut Opened, sql: &str) -> Vec<String> {
    let explain = query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
    let explained = explain.fetch_all(&mut opened.connection);
    let steps = opened.runtime.block_on(explained).unwrap();
    steps.iter().map(|step| step.get("detail")).collect()
}
