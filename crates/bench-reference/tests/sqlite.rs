//! The bare loop on SQLite.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::path::PathBuf;

use async_trait::async_trait;
use common::{Look, Rows, cycles_leave_their_rows, does_every_workload_it_says};
use runstore_bench_reference::BareSqlite;
use rusqlite::Connection;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_every_workload_it_says() {
    let folder = tempfile::tempdir().unwrap();
    does_every_workload_it_says(BareSqlite::new(folder.path().to_owned())).await;
    let left = folder.path().read_dir().unwrap().count();
    assert_eq!(left, 0, "files are left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cycles_leave_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    cycles_leave_their_rows(BareSqlite::new(folder.path().to_owned()), Beside).await;
}

struct Beside;

#[async_trait]
impl Look for Beside {
    async fn rows(&self, files: &[PathBuf]) -> Rows {
        let connection = Connection::open(&files[0]).unwrap();
        let count = |what: &str| {
            let select = format!("SELECT count(*) FROM {what}");
            connection.query_row(&select, (), |row| row.get(0)).unwrap()
        };
        let attempted = "status = 'completed' AND id IN (SELECT task_id FROM attempts)";
        Rows {
            claimed: count("tasks WHERE attempt_count > 0"),
            completed_at_once: count("tasks WHERE status = 'completed' AND attempt_count = 1"),
            attempts: count("attempts"),
            with_attempt: count(&format!("tasks WHERE {attempted}")),
            events: count("(SELECT DISTINCT run_id, seq FROM events)"),
            pending: count("tasks WHERE status = 'pending'"),
        }
    }
}
