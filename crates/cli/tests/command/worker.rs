//! The worker process when something goes wrong with it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Folder, SMALL_PLAN, json};

#[test]
fn a_worker_process_that_is_killed_by_others_fails_the_demo() {
    let folder = Folder::new();
    // So long a plan that the demo itself does not come to kill it.
    let small = json(SMALL_PLAN);
    let tasks: Vec<_> = small.as_array().unwrap().iter().cycle().take(800).collect();
    folder.write("long.json", json!(tasks).to_string().as_bytes());
    let store = "redb:demo.redb";
    let demo = ["demo", "--plan", "long.json", "--store", store];
    let mut demo = folder.command(demo).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let run = first.split_whitespace().nth(1).unwrap();
    let process = lines
        .find_map(|line| {
            let line = line.unwrap();
            let (process, _) = line.strip_prefix("process ")?.split_once(' ')?;
            Some(process.to_owned())
        })
        .unwrap();
    let killed = Command::new("kill").args(["-9", &process]).status();
    assert!(killed.unwrap().success());
    lines.for_each(drop);
    let show = format!(
        "{} show {run} --store {store}",
        env!("CARGO_BIN_EXE_runstore")
    );
    let output = demo.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    let expected = "error: the worker process ended before it was killed: signal: 9";
    assert!(told.starts_with(expected), "{told}");
    let advice = format!("; to see the run as it stands: {show}\n");
    assert!(told.ends_with(&advice), "{told} lacks {advice}");
    folder.succeed(["show", run, "--store", store]);
}

/// Starts a worker process with this job, ends its input, and returns what it says.
fn worker(job: &str) -> String {
    let folder = Folder::new();
    let mut worker = folder.command(["demo-worker"]);
    let mut worker = worker.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = worker.stdin.take().unwrap();
    input.write_all(job.as_bytes()).unwrap();
    drop(input);
    let output = worker.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr, b"");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_worker_process_tells_why_it_cannot_go_on() {
    let told = json(&worker("no job\n"));
    assert_eq!(told["kind"], "failed");
    let job = json!({
        "store": "mongodb:x", "runId": "00000000-0000-0000-0000-000000000000", "workers": 1,
        "firstSeat": 1, "plans": true, "seed": 1, "blockedPosition": null, "substitutes": [],
        "settleAtMost": null,
    });
    let told = json(&worker(&format!("{job}\n")));
    assert_eq!(told["kind"], "failed");
    let problem = told["problem"].as_str().unwrap();
    assert!(
        problem.starts_with("cannot open the store mongodb:x: "),
        "{problem}"
    );
}
