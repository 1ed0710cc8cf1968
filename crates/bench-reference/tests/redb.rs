//! The bare loop on redb.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;

use async_trait::async_trait;
use common::{Look, Rows, cycles_leave_their_rows, does_every_workload_it_says};
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition};
use runstore_bench_reference::BareRedb;
use runstore_core::Uuid;

type Key = (u64, u64);
type Text = &'static str;
type Texts = Vec<&'static str>;
type Planned = (
    Uuid,
    i64,
    i32,
    Option<i64>,
    Option<u32>,
    Text,
    Text,
    Texts,
    Texts,
    Texts,
    Vec<Uuid>,
);
type State = (
    Text,
    u32,
    i64,
    Option<i64>,
    Option<i64>,
    Option<Text>,
    Option<Text>,
    Option<Text>,
);
type Attempt = (Uuid, Uuid, u32, i64, Text, Option<Text>, Text, Text);
type Event = (i64, Text, Text, Text, Text);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_every_workload_it_says() {
    let folder = tempfile::tempdir().unwrap();
    does_every_workload_it_says(BareRedb::new(folder.path().to_owned())).await;
    let left = folder.path().read_dir().unwrap().count();
    assert_eq!(left, 0, "files are left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cycles_leave_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    cycles_leave_their_rows(BareRedb::new(folder.path().to_owned()), Copied).await;
}

/// A copy of the file as it is on the disk at that moment, for the file itself lets nobody else in: what is not
/// committed is not in it.
struct Copied;

#[async_trait]
impl Look for Copied {
    async fn rows(&self, files: &[PathBuf]) -> Rows {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("copy");
        std::fs::copy(&files[0], &copy).unwrap();
        let database = Database::open(&copy).unwrap();
        let transaction = database.begin_read().unwrap();
        macro_rules! table {
            ($name:literal, $value:ty) => {
                transaction
                    .open_table(TableDefinition::<Key, $value>::new($name))
                    .unwrap()
            };
        }
        let (states, planned) = (table!("states", State), table!("planned", Planned));
        let (attempts, events) = (table!("attempts", Attempt), table!("events", Event));
        let attempted = attempts.iter().unwrap();
        let attempted = attempted.map(|row| row.unwrap().1.value().1);
        let attempted = BTreeSet::from_iter(attempted);
        let mut rows = Rows {
            claimed: 0,
            completed_at_once: 0,
            attempts: attempts.len().unwrap(),
            with_attempt: 0,
            events: events.len().unwrap(),
            pending: table!("ready", ()).len().unwrap(),
        };
        for state in states.iter().unwrap() {
            let (key, state) = state.unwrap();
            let (status, claims, ..) = state.value();
            let id = planned.get(key.value()).unwrap().unwrap().value().0;
            let is_completed = status == "completed";
            rows.claimed += u64::from(claims > 0);
            rows.completed_at_once += u64::from(is_completed && claims == 1);
            rows.with_attempt += u64::from(is_completed && attempted.contains(&id));
        }
        rows
    }
}
