//! The demo is killed at points that its own output names; what it had acknowledged is in the store.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};

use crate::support::{FILES, Folder, demo, json};
use serde_json::Value;

/// A line of the output that says that a report took effect.
struct Acknowledged {
    status: String,
    task: String,
    attempt: u64,
}

/// Reads ` 3/8 completed 01a2… attempt 1  Title`.
fn acknowledged(line: &str) -> Option<Acknowledged> {
    let mut words = line.split_whitespace();
    words.next()?.split_once('/')?;
    let (status, task) = (words.next()?.to_owned(), words.next()?.to_owned());
    (words.next()? == "attempt").then_some(())?;
    let attempt = words.next()?.parse().ok()?;
    Some(Acknowledged {
        status,
        task,
        attempt,
    })
}

/// Starts a demo, kills it once so many reports are acknowledged, and returns all that were.
fn demo_killed_after(folder: &Folder, store: &str, reports: usize) -> Vec<Acknowledged> {
    let mut demo = folder.command(demo(store)).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    while seen.len() < reports {
        let line = lines.next().expect("the demo ended before").unwrap();
        seen.extend(acknowledged(&line));
    }
    demo.kill().unwrap();
    // What was said before the kill counts too.
    seen.extend(lines.filter_map(|line| acknowledged(&line.unwrap())));
    demo.wait().unwrap();
    seen
}

/// Every task of the snapshot by its id.
fn tasks(snapshot: &Value) -> HashMap<&str, &Value> {
    [
        "pendingTasks",
        "inProgressTasks",
        "completedTasks",
        "blockedTasks",
    ]
    .iter()
    .flat_map(|list| snapshot[list].as_array().unwrap())
    .map(|task| (task["id"].as_str().unwrap(), task))
    .collect()
}

fn assert_nothing_acknowledged_is_lost(store: &str, reports: usize) {
    let folder = Folder::new();
    let acknowledged = demo_killed_after(&folder, store, reports);
    // At once: the worker process may still be on its way out.
    let snapshot = folder.succeed(["show", "latest", "--store", store, "--json"]);
    let snapshot = json(&snapshot);
    let tasks = tasks(&snapshot);
    for told in acknowledged {
        let task = tasks[&*told.task];
        match &*told.status {
            "failed" => assert!(task["attemptCount"].as_u64().unwrap() >= told.attempt),
            settled => assert_eq!(task["status"], settled, "after {reports}: {task}"),
        }
    }
    // Whoever comes next finds a store in working order.
    folder.succeed(demo(store));
}

#[test]
fn no_acknowledged_report_is_lost_in_sqlite_wherever_the_demo_is_killed() {
    for reports in [1, 3, 4, 5, 7, 8] {
        assert_nothing_acknowledged_is_lost("sqlite:demo.db", reports);
    }
}

#[test]
fn no_acknowledged_report_is_lost_in_redb_wherever_the_demo_is_killed() {
    for reports in [1, 3, 4, 5, 7, 8] {
        assert_nothing_acknowledged_is_lost("redb:demo.redb", reports);
    }
}

#[test]
fn a_demo_killed_with_its_first_line_leaves_a_run_that_can_be_shown() {
    for store in FILES {
        let folder = Folder::new();
        let mut demo = folder.command(demo(store)).spawn().unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(demo.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        demo.kill().unwrap();
        demo.wait().unwrap();
        let shown = folder.succeed(["show", "latest", "--store", store]);
        let run = line.split_whitespace().nth(1).unwrap();
        assert!(shown.contains(run), "{shown}");
    }
}
