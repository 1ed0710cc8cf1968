//! What is recorded, and what the application notices of it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/buffer.rs"]
mod buffer;
#[path = "support/every_call.rs"]
mod every_call;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use runstore_bench::{Failure, Recorded, Trace, read_trace};
use runstore_core::{ClaimRequest, EventDraft, NewEvent, NewRun, Store};
use runstore_memory::MemoryStore;
use serde_json::{Value, json};

use buffer::Buffer;
use every_call::make_every_call;

/// The names in the trait's own source: what is forgotten in the table of the methods is not forgotten here.
fn methods_of_the_trait() -> BTreeSet<&'static str> {
    let source = include_str!("../../core/src/store.rs");
    let lines = source.lines().map(str::trim_start);
    let names = lines.filter_map(|line| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")?.split('(').next()
    });
    names.collect()
}

fn lines(trace: &Buffer) -> Vec<Value> {
    let text = trace.text();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn every_method_of_the_trait_is_recorded() {
    let trace = Buffer::default();
    let store = Recorded::new(MemoryStore::new(), trace.clone());
    make_every_call(&store).await.unwrap();
    let calls = store.finish().unwrap();

    let recorded = read_trace(trace.text().as_bytes()).unwrap();
    assert_eq!(recorded.len() as u64, calls);
    let seen = BTreeSet::from_iter(recorded.methods().iter().map(|(method, _)| *method));
    assert_eq!(seen, methods_of_the_trait());
    assert_eq!(recorded.store(), &store.info());
}

#[tokio::test]
async fn a_line_tells_what_was_given_what_came_of_it_and_when() {
    let trace = Buffer::default();
    let store = Recorded::new(MemoryStore::new(), trace.clone());
    let run = store.create_run(NewRun::new("goal", "/a")).await.unwrap();
    let unknown = runstore_core::RunId::generate();
    store.recent_events(unknown, 3).await.unwrap_err();
    let request = ClaimRequest::of_run(run.id);
    let none = store.claim_or_wait(request.clone(), Duration::from_micros(1));
    assert_eq!(none.await.unwrap(), None);
    store.finish().unwrap();
    store.get_run(run.id).await.unwrap();

    let lines = lines(&trace);
    assert_eq!(lines.len(), 4, "what comes after the end is not recorded");
    assert_eq!(lines[1]["outcome"], json!({ "answer": run }));
    assert_eq!(lines[2]["input"], json!({ "runId": unknown, "limit": 3 }));
    assert_eq!(lines[2]["outcome"], json!({ "error": "not_found" }));
    assert_eq!(
        lines[3]["input"],
        json!({ "request": request, "timeoutMicros": 1 })
    );
    assert_eq!(lines[3]["outcome"], json!({ "answer": null }));
    let moments = lines[1..]
        .iter()
        .map(|line| (&line["number"], &line["end"]));
    let moments = Vec::from_iter(moments.map(|(number, end)| (number.as_u64(), end.as_u64())));
    assert_eq!(
        moments,
        [(0, 1), (2, 3), (4, 5)].map(|(number, end)| (Some(number), Some(end)))
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_is_recorded_without_an_answer() {
    let trace = Buffer::default();
    let store = Recorded::new(MemoryStore::new(), trace.clone());
    let run = store.create_run(NewRun::new("goal", "/a")).await.unwrap();
    let hour = Duration::from_secs(3_600);
    let mut wait = store.claim_or_wait(ClaimRequest::of_run(run.id), hour);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(wait.as_mut().poll(&mut context).is_pending());
    store.get_run(run.id).await.unwrap();
    drop(wait);
    drop(store.get_run(run.id));
    store.finish().unwrap();

    let lines = lines(&trace);
    assert_eq!(
        lines.len(),
        4,
        "a future that was never polled made no call"
    );
    assert_eq!(lines[3]["method"], "claim_or_wait");
    assert_eq!(lines[3]["outcome"], "dropped");
    assert!(lines[3]["number"].as_u64() < lines[2]["number"].as_u64());
    assert!(lines[3]["end"].as_u64() > lines[2]["end"].as_u64());
    read_trace(trace.text().as_bytes()).unwrap();
}

/// Takes some bytes and then no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.checked_sub(bytes.len()) {
            Some(left) => {
                self.0 = left;
                Ok(bytes.len())
            }
            None => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_trace_that_cannot_be_written_fails_no_call_and_is_told_at_the_end() {
    for room in [0, 20_000] {
        let store = Recorded::new(MemoryStore::new(), Full(room));
        make_every_call(&store).await.unwrap();
        for _ in 0..2 {
            let told = store.finish().unwrap_err();
            let Failure::Io { source, .. } = told else {
                panic!("{told:?}");
            };
            assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        }
    }
}

#[tokio::test]
async fn a_file_is_whole_when_the_store_was_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.jsonl");
    let store = Recorded::to_file(MemoryStore::new(), &path).unwrap();
    store.create_run(NewRun::new("goal", "/a")).await.unwrap();
    store.close().await.unwrap();
    let trace = Trace::from_file(&path).unwrap();
    assert_eq!(trace.methods(), [("close", 1), ("create_run", 1)]);

    let nowhere = folder.path().join("missing").join("trace.jsonl");
    Recorded::to_file(MemoryStore::new(), &nowhere).unwrap_err();
}

#[tokio::test]
async fn a_store_behind_a_pointer_is_recorded_as_well() {
    let inner: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let trace = Buffer::default();
    let store: Arc<dyn Store> = Arc::new(Recorded::shared(inner, trace.clone()));
    store.create_run(NewRun::new("goal", "/a")).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(read_trace(trace.text().as_bytes()).unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_nested_too_deeply_to_be_read_does_not_spoil_the_trace() {
    let trace = Buffer::default();
    let store = Recorded::new(MemoryStore::new(), trace.clone());
    let run = store.create_run(NewRun::new("goal", "/a")).await.unwrap();
    let deep = (0..200).fold(json!(0), |inner, _| json!([inner]));
    let event = EventDraft::new("s", "k", "m").with_payload(deep);
    store
        .add_event(NewEvent::new(run.id, event))
        .await
        .unwrap_err();
    store.finish().unwrap();
    assert_eq!(lines(&trace)[2]["input"], Value::Null);
    assert_eq!(read_trace(trace.text().as_bytes()).unwrap().len(), 2);
}
