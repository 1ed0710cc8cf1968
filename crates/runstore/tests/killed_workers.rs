//! Workers of two processes on one store, killed at random while they hold leased claims: every task is
//! settled exactly once, none is lost, and nothing is needed to go on but the leases' end.
//!
//! `RUNSTORE_TASKS=5000 cargo test -p runstore --all-features --test killed_workers` makes it longer.
#![cfg(any(feature = "sqlite", feature = "postgres"))]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use runstore::{
    AttemptReport, ClaimRequest, ClaimToken, Error, EventDraft, FinishReport, ListAttempts,
    ListEvents, ListTasks, NewRun, RunId, Store, TaskDraft, TaskId, TaskPlan, TaskStatus, Uuid,
};

const LEASE: Duration = Duration::from_millis(500);
const WORKERS_A_PROCESS: usize = 4;
const URL: &str = "RUNSTORE_KILLED_WORKERS_URL";

fn run_id() -> RunId {
    Uuid::from_u128(1).into()
}

async fn open(url: &str) -> Arc<dyn Store> {
    runstore::open(url).await.expect("the store opens")
}

/// What a process does that is to be killed: it works until nothing is left, and says what it was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_workers() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    let store = open(&url).await;
    let workers = (0..WORKERS_A_PROCESS).map(|_| tokio::spawn(work(Arc::clone(&store))));
    for worker in workers.collect::<Vec<_>>() {
        worker.await.expect("a worker");
    }
}

async fn work(store: Arc<dyn Store>) {
    let request = ClaimRequest::of_run(run_id())
        .with_worker(format!("process {}", std::process::id()))
        .with_lease(LEASE);
    loop {
        let claim = store.claim_or_wait(request.clone(), LEASE).await;
        let Some(claim) = claim.expect("a claim or none") else {
            let open = [TaskStatus::Pending, TaskStatus::InProgress];
            let left = ListTasks::new(run_id()).with_statuses(open);
            match store.list_tasks(left).await.expect("the tasks").items[..] {
                [] => return,
                _ => continue,
            }
        };
        let token = claim.token();
        let event = EventDraft::new("worker", "settled", token.task_id.to_string());
        let attempt = AttemptReport::new("completed", "done");
        let report = FinishReport::completed("done").with_attempt(attempt);
        let told = store.finish_task(token, report.with_event(event)).await;
        let word = match told {
            Ok(_) => "settled",
            Err(Error::StaleClaim { .. }) => "stale",
            Err(error) => panic!("{error}"),
        };
        println!("{word} {} {}", token.task_id, token.attempt_number);
    }
}

/// A process of workers, with the lines that it has still to say before it is killed.
struct Process {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    lives_for: u64,
}

impl Process {
    fn start(url: &str, lives_for: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "a_process_of_workers", "--nocapture"])
            .env(URL, url)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let lines = BufReader::new(child.stdout.take().expect("its output"));
        Self {
            child,
            lines,
            lives_for,
        }
    }

    /// What it was told of its next report; `None` if it has come to its end.
    fn next(&mut self) -> Option<(String, ClaimToken)> {
        let mut line = String::new();
        while self.lines.read_line(&mut line).expect("a line") > 0 {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [word @ ("settled" | "stale"), task_id, attempt_number] = words[..] {
                let token = ClaimToken {
                    task_id: task_id.parse().expect("an id"),
                    attempt_number: attempt_number.parse().expect("a number"),
                };
                return Some((word.to_owned(), token));
            }
            line.clear();
        }
        None
    }
}

/// Runs processes one after the other until one comes to its end by itself, killing each after a number
/// of reports, and returns what all were told.
fn kill_again_and_again(url: &str, mut seed: u64) -> (Vec<(String, ClaimToken)>, usize) {
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed >> 33
    };
    let (mut told, mut kills) = (Vec::new(), 0);
    loop {
        let mut process = Process::start(url, 5 + random() % 60);
        while process.lives_for > 0
            && let Some(report) = process.next()
        {
            told.push(report);
            process.lives_for -= 1;
        }
        let killed = process.lives_for == 0;
        if killed {
            process.child.kill().expect("a kill");
            kills += 1;
            // What it had said before counts too.
            while let Some(report) = process.next() {
                told.push(report);
            }
        }
        let status = process.child.wait().expect("its end");
        if !killed {
            assert!(status.success(), "{status}");
            return (told, kills);
        }
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_of_two_processes_that_are_killed_settle_every_task_once_in_a_file() {
    workers_that_are_killed_settle_every_task_once("sqlite").await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_of_two_processes_that_are_killed_settle_every_task_once_on_a_server() {
    workers_that_are_killed_settle_every_task_once("postgres").await;
}

async fn workers_that_are_killed_settle_every_task_once(backend: &str) {
    let tasks: u128 = match std::env::var("RUNSTORE_TASKS") {
        Ok(number) => number.parse().expect("RUNSTORE_TASKS is a number"),
        Err(_) => 400,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let url = support::url(backend, &folder);
    let store = open(&url).await;
    let new = NewRun::new("Survive", "/srv/repo").with_id(run_id());
    store.create_run(new).await.expect("a run");
    let task_id = |number: u128| TaskId::from(Uuid::from_u128(number));
    let drafts = (1..=tasks).map(|number| TaskDraft::new("t", "o").with_id(task_id(number)));
    let plan = TaskPlan::new(run_id(), drafts);
    store.append_tasks(plan).await.expect("a plan");

    let processes = [1, 2].map(|seed| {
        let url = url.clone();
        tokio::task::spawn_blocking(move || kill_again_and_again(&url, seed))
    });
    let (mut told, mut kills) = (Vec::new(), 0);
    for process in processes {
        let (of_process, killed) = process.await.expect("its reports");
        told.extend(of_process);
        kills += killed;
    }
    assert!(kills > 0, "nobody was killed");

    let all: BTreeSet<TaskId> = (1..=tasks).map(task_id).collect();
    let done = ListTasks::new(run_id()).with_statuses([TaskStatus::Completed]);
    let done = store.list_tasks(done).await.expect("the tasks").items;
    assert_eq!(
        done.iter().map(|task| task.id).collect::<BTreeSet<_>>(),
        all
    );

    let events = store.list_events(ListEvents::new(run_id())).await;
    let mut settled = BTreeMap::<TaskId, u32>::new();
    for event in events.expect("the events").items {
        if event.kind == "settled" {
            *settled
                .entry(event.message.parse().expect("an id"))
                .or_default() += 1;
        }
    }
    assert_eq!(settled.len(), all.len());
    assert!(settled.values().all(|times| *times == 1), "{settled:?}");

    let attempts = store.list_attempts(ListAttempts::new(run_id())).await;
    let attempts = attempts.expect("the attempts").items;
    let written: BTreeSet<ClaimToken> = attempts
        .iter()
        .map(|attempt| ClaimToken {
            task_id: attempt.task_id,
            attempt_number: attempt.attempt_number,
        })
        .collect();
    assert_eq!(attempts.len(), all.len());
    for (word, token) in &told {
        assert_eq!(
            word == "settled",
            written.contains(token),
            "{word} {token:?}"
        );
    }
    println!("{backend}: {tasks} tasks, {kills} processes killed");
}
