//! What the tests of this crate's modules share.

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
    let explain = format!("EXPLAIN QUERY PLAN {sql}");
    let mut explain = opened.connection.prepare(&explain).unwrap();
    let steps = explain.raw_query().mapped(|row| row.get("detail"));
    steps.map(Result::unwrap).collect()
}
