//! The calls of an application, recorded and made again.

use std::fs::File;
use std::path::Path;

use runstore::{
    AttemptReport, ClaimRequest, EventDraft, FinishReport, ListTasks, NewAttempt, NewEvent, NewRun,
    RunId, SnapshotRequest, Store, TaskDraft, TaskPlan,
};
use runstore_bench::Recorded;
use serde_json::Value;

use crate::support::{FILES, Folder, json};

/// Records a small application over a store in memory.
async fn record(trace: &Path) {
    let store = runstore::open("memory:").await.unwrap();
    let store = Recorded::shared(store, File::create(trace).unwrap());
    let run = store.create_run(NewRun::new("goal", "/srv")).await.unwrap();
    let drafts = ["one", "two", "three"].map(|title| TaskDraft::new(title, "work"));
    let plan = TaskPlan::new(run.id, drafts);
    store.replace_pending_tasks(plan).await.unwrap();
    let request = ClaimRequest::of_run(run.id).with_worker("worker");
    while let Some(claim) = store.claim_next_task(request.clone()).await.unwrap() {
        let attempt = NewAttempt::of_claim(claim.token(), AttemptReport::new("tried", "it"));
        store.add_attempt(attempt).await.unwrap();
        let event = EventDraft::new("worker", "progress", "half of it");
        store.add_event(NewEvent::new(run.id, event)).await.unwrap();
        let report = FinishReport::completed("done");
        store.finish_task(claim.token(), report).await.unwrap();
    }
    let missing = store.get_run(RunId::generate()).await;
    assert!(missing.is_err());
    store.list_tasks(ListTasks::new(run.id)).await.unwrap();
    let request = SnapshotRequest::of_run(run.id);
    store.snapshot(request).await.unwrap();
    store.close().await.unwrap();
    store.finish().unwrap();
}

#[tokio::test]
async fn a_recorded_application_is_answered_alike_by_any_engine() {
    let folder = Folder::new();
    record(&folder.path().join("trace.jsonl")).await;
    for store in FILES.into_iter().chain(["memory:"]) {
        for timing in ["fast", "recorded"] {
            // Each begins with nothing.
            let store = store.replace("demo", timing);
            let replay = ["bench", "replay", "trace.jsonl", "--store", &store];
            let replay = [&replay[..], &["--timing", timing, "--json"]].concat();
            let found = json(&folder.succeed(replay));
            assert_eq!(found["differences"]["count"], 0, "{found}");
            assert_eq!(found["overlapped"]["count"], 0, "{found}");
            let methods = found["methods"].as_array().unwrap();
            let claims = methods.iter().find(|of| of["method"] == "claim_next_task");
            assert_eq!(claims.unwrap()["calls"], 4);
        }
    }
    let replay = ["bench", "replay", "trace.jsonl", "--store", "memory:"];
    let told = folder.succeed(replay);
    assert!(told.contains("answered otherwise: 0;"), "{told}");
    assert!(told.contains("finish_task"), "{told}");
    assert!(!told.contains("later than in the recording"), "{told}");
    let told = folder.succeed([&replay[..], &["--timing", "recorded"]].concat());
    assert!(told.contains(" later than in the recording"), "{told}");
}

#[tokio::test]
async fn an_answer_that_is_another_is_told_with_its_line() {
    let folder = Folder::new();
    let trace = folder.path().join("trace.jsonl");
    record(&trace).await;
    let text = std::fs::read_to_string(&trace).unwrap();
    let edited = text.lines().map(|line| {
        let mut line = json(line);
        if line["method"] == "snapshot" {
            line["outcome"]["answer"]["completedTasks"][1]["title"] = Value::from("another");
        }
        format!("{line}\n")
    });
    folder.write("edited.jsonl", String::from_iter(edited).as_bytes());
    let replay = ["bench", "replay", "edited.jsonl", "--store", "memory:"];
    let output = folder.run(replay);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    let expected = "error: 1 call was answered otherwise than in the recording\n";
    assert_eq!(told, expected);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains("snapshot, answer.completedTasks[1].title: \"two\" in place of \"another\""),
        "{shown}"
    );
}

#[tokio::test]
async fn what_is_missing_and_how_long_it_takes_is_told_before_the_replay() {
    let folder = Folder::new();
    let trace = folder.path().join("trace.jsonl");
    record(&trace).await;
    let text = std::fs::read_to_string(&trace).unwrap();
    let mut lines = Vec::from_iter(text.split_inclusive('\n'));
    let told = |timing| {
        let store = ["--store", "memory:", "--timing", timing];
        let replay = [&["bench", "replay", "trace.jsonl"][..], &store].concat();
        String::from_utf8(folder.run(replay).stderr).unwrap()
    };
    assert_eq!(told("fast"), "");
    let lasted = told("recorded");
    assert!(
        lasted.starts_with("trace.jsonl: the recording lasted "),
        "{lasted}"
    );
    let event = lines.iter().position(|line| line.contains("add_event"));
    let event = lines.remove(event.unwrap());
    folder.write("trace.jsonl", lines.concat().as_bytes());
    let missing = told("fast");
    assert!(
        missing.starts_with("trace.jsonl: 2 of the beginnings and ends of calls are on no line: "),
        "{missing}"
    );
    lines.extend([event, event]);
    folder.write("trace.jsonl", lines.concat().as_bytes());
    let twice = told("fast");
    assert!(twice.contains("and so does that of line "), "{twice}");
}

#[test]
fn a_trace_that_cannot_be_read_is_refused_and_makes_no_store() {
    let folder = Folder::new();
    folder.write("text", b"no trace\n");
    folder.write("half.jsonl", b"{\"runstoreTrace\":9}\n");
    for (trace, expected) in [
        ("nowhere", "cannot open the trace nowhere: No such file"),
        ("text", "cannot read the trace text: line 1 of the trace"),
        ("half.jsonl", "the form of version 9"),
    ] {
        let store = "sqlite:replay.db";
        let told = folder.fail(["bench", "replay", trace, "--store", store]);
        assert!(told.contains(expected), "no {expected} in {told}");
    }
    assert_eq!(folder.files(), ["half.jsonl", "text"]);
}
