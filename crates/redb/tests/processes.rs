//! One process at a time, and a process that is killed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use common::{child, file_of_child, open, place};
use runstore_core::{Error, EventDraft, ListEvents, ListRuns, NewEvent, NewRun, Store};
use runstore_redb::{RedbOptions, RedbStore};
use serde_json::json;

/// What a child prints before each line that is meant for its parent.
const TOLD: &str = "told:";

fn tell(word: impl std::fmt::Display) {
    // Locked and flushed: what was printed is out of the process, and survives its death.
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{TOLD}{word}").unwrap();
    out.flush().unwrap();
}

fn told(line: &str) -> Option<&str> {
    line.strip_prefix(TOLD)
}

async fn open_at_once(file: &std::path::Path) -> Result<RedbStore, Error> {
    RedbStore::open(RedbOptions::new(file).with_busy_timeout(Duration::ZERO)).await
}

fn expect_busy(opened: Result<RedbStore, Error>) {
    match opened {
        Err(error @ Error::Busy { .. }) => {
            let text = error.to_string();
            assert!(
                text.contains("one process") && text.contains("clones"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_second_open_in_the_process_is_busy_and_does_the_first_no_harm() {
    let (_folder, file) = place();
    let store = open(&file).await;
    expect_busy(open_at_once(&file).await);
    store.create_run(NewRun::new("g", "r")).await.unwrap();
    expect_busy(open_at_once(&file).await);
    store.close().await.unwrap();
    open_at_once(&file).await.unwrap();
}

#[tokio::test]
async fn an_open_waits_for_the_holder_to_let_go() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let patient = RedbOptions::new(&file).with_busy_timeout(Duration::from_secs(3600));
    let (waiting, closed) = tokio::join!(RedbStore::open(patient), async {
        expect_busy(open_at_once(&file).await);
        store.close().await
    });
    closed.unwrap();
    waiting.unwrap();
}

#[tokio::test]
async fn a_second_process_is_busy() {
    let name = "a_second_process_is_busy";
    if let Some(file) = file_of_child() {
        let _store = open(&file).await;
        tell("open");
        // Until the parent is through, or gone.
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        return;
    }
    let (_folder, file) = place();
    let mut child = child(name, &file);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| told(&line.unwrap()) == Some("open")));
    expect_busy(open_at_once(&file).await);
    drop(child.stdin.take());
    // Waits for the child to let go, with the time that an open waits anyway.
    open(&file)
        .await
        .create_run(NewRun::new("g", "r"))
        .await
        .unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn every_event_that_was_acknowledged_survives_a_killed_process() {
    let name = "every_event_that_was_acknowledged_survives_a_killed_process";
    if let Some(file) = file_of_child() {
        add_events_until_killed(&file).await;
    }
    let (_folder, file) = place();
    let run = open(&file)
        .await
        .create_run(NewRun::new("g", "r"))
        .await
        .unwrap();
    let mut acknowledged = 0;
    for round in 1..=3 {
        let mut child = child(name, &file);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < 100 * round {
            let line = lines.next().unwrap().unwrap();
            if let Some(seq) = told(&line) {
                acknowledged = acknowledged.max(seq.parse::<u64>().unwrap());
                seen += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What was on its way when it was killed was acknowledged too.
        for line in lines.map_while(Result::ok) {
            if let Some(Ok(seq)) = told(&line).map(str::parse::<u64>) {
                acknowledged = acknowledged.max(seq);
            }
        }
        let store = open(&file).await;
        let events = store.list_events(ListEvents::new(run.id)).await.unwrap();
        let seqs: Vec<u64> = events.items.iter().map(|event| event.seq).collect();
        let expected: Vec<u64> = (1..=seqs.len() as u64).collect();
        assert_eq!(seqs, expected);
        assert!(
            seqs.len() as u64 >= acknowledged,
            "{} < {acknowledged}",
            seqs.len()
        );
        store.close().await.unwrap();
    }
}

async fn add_events_until_killed(file: &std::path::Path) {
    let store = open(file).await;
    let run = store
        .list_runs(ListRuns::all())
        .await
        .unwrap()
        .items
        .remove(0);
    let writers = (0..4).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let draft = EventDraft::new("child", "count", "An event.")
                    .with_payload(json!({ "writer": writer, "number": number }));
                let event = store.add_event(NewEvent::new(run.id, draft)).await.unwrap();
                tell(event.seq);
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn processes_that_open_one_new_file_at_once_make_one_store() {
    let name = "processes_that_open_one_new_file_at_once_make_one_store";
    if let Some(file) = file_of_child() {
        let options = RedbOptions::new(&file).with_busy_timeout(Duration::from_secs(3600));
        let store = RedbStore::open(options).await.unwrap();
        store.create_run(NewRun::new("g", "r")).await.unwrap();
        return;
    }
    let (_folder, file) = place();
    let children: Vec<_> = (0..6).map(|_| child(name, &file)).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let runs = open(&file).await.list_runs(ListRuns::all()).await.unwrap();
    assert_eq!(runs.items.len(), 6);
}
