//! Several processes on one file, and processes that are killed. A child is this test binary, told by the
//! environment which part to play; it begins when its standard input ends.

#![allow(clippy::unwrap_used)]

mod common;

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{assert_each_once, claim_all, folder, open, run_with_tasks};
use runstore_core::{
    ClaimRequest, Clock, CompleteTask, EventDraft, ListEvents, ListRuns, NewEvent, NewRun, RunId,
    Store, SystemClock, TaskDraft, TaskId, TaskPlan,
};

const FILE: &str = "RUNSTORE_SQLITE_TEST_FILE";
const RUN: &str = "RUNSTORE_SQLITE_TEST_RUN";

/// What a child prints before each of its results, for the test harness prints to the same place.
const MARK: &str = "result: ";

/// The file, if this process is a child.
fn child_file() -> Option<PathBuf> {
    let file = env::var_os(FILE)?;
    let mut until_end = Vec::new();
    std::io::stdin().read_to_end(&mut until_end).unwrap();
    Some(file.into())
}

fn child_run() -> RunId {
    env::var(RUN).unwrap().parse().unwrap()
}

fn tell(result: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{MARK}{result}").unwrap();
    out.flush().unwrap();
}

fn start_child(test: &str, file: &Path, run_id: Option<RunId>) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(FILE, file);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    if let Some(run_id) = run_id {
        command.env(RUN, run_id.to_string());
    }
    command.spawn().unwrap()
}

fn let_begin(children: &mut [Child]) {
    for child in children {
        drop(child.stdin.take());
    }
}

fn results(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = |line: String| line.strip_prefix(MARK).map(str::to_owned);
    lines.map_while(Result::ok).filter_map(told)
}

fn end(mut child: Child) {
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn every_task_is_claimed_once_by_several_processes() {
    const TASKS: u64 = 400;
    if let Some(file) = child_file() {
        let store = open(&file).await;
        for position in claim_all(&store, child_run()).await {
            tell(position);
        }
        return;
    }
    let (_folder, path) = folder();
    let store = open(&path).await;
    let run = run_with_tasks(&store, TASKS as usize).await;
    let name = "every_task_is_claimed_once_by_several_processes";
    let mut children: Vec<Child> = (0..4)
        .map(|_| start_child(name, &path, Some(run.id)))
        .collect();
    let_begin(&mut children);
    let mut claimed = Vec::new();
    for mut child in children {
        claimed.extend(results(&mut child).map(|position| position.parse::<u64>().unwrap()));
        end(child);
    }
    assert_each_once(claimed, TASKS);
}

#[tokio::test]
async fn first_opens_of_one_new_file_by_several_processes_do_not_collide() {
    if let Some(file) = child_file() {
        let store = open(&file).await;
        store
            .create_run(NewRun::new("goal", "/repo"))
            .await
            .unwrap();
        return;
    }
    for processes in [2, 8, 8] {
        let (_folder, path) = folder();
        let name = "first_opens_of_one_new_file_by_several_processes_do_not_collide";
        let mut children: Vec<Child> = (0..processes)
            .map(|_| start_child(name, &path, None))
            .collect();
        let_begin(&mut children);
        children.into_iter().for_each(end);
        let store = open(&path).await;
        let runs = store.list_runs(ListRuns::all()).await.unwrap();
        assert_eq!(runs.items.len(), processes);
    }
}

#[tokio::test]
async fn every_acknowledged_write_of_a_killed_process_is_there() {
    if let Some(file) = child_file() {
        let store = open(&file).await;
        loop {
            let event = EventDraft::new("child", "k", "m");
            let event = NewEvent::new(child_run(), event);
            tell(store.add_event(event).await.unwrap().seq);
        }
    }
    let (_folder, path) = folder();
    let store = open(&path).await;
    let run = run_with_tasks(&store, 0).await;
    // The first child dies beside another process, the second one alone, so that the log is recovered.
    for store in [Some(store), None] {
        let name = "every_acknowledged_write_of_a_killed_process_is_there";
        let mut child = start_child(name, &path, Some(run.id));
        let_begin(std::slice::from_mut(&mut child));
        let mut acknowledged = results(&mut child);
        let mut last: u64 = acknowledged.nth(200).unwrap().parse().unwrap();
        child.kill().unwrap();
        for seq in acknowledged {
            last = last.max(seq.parse().unwrap_or(0));
        }
        assert!(!child.wait().unwrap().success());
        let store = match store {
            Some(store) => store,
            None => open(&path).await,
        };
        let events = store
            .list_events(ListEvents::new(run.id))
            .await
            .unwrap()
            .items;
        assert!(events.len() as u64 >= last);
        assert!(
            events
                .iter()
                .map(|event| event.seq)
                .eq(1..=events.len() as u64)
        );
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_wait_ends_when_another_process_makes_a_task_claimable() {
    const LONG: Duration = Duration::from_secs(3_600);
    if let Some(file) = child_file() {
        let store = open(&file).await;
        let request = ClaimRequest::of_run(child_run());
        let nothing = store.claim_next_task(request.clone()).await.unwrap();
        tell(nothing.is_none());
        for _ in 0..3 {
            let claim = store.claim_or_wait(request.clone(), LONG).await.unwrap();
            tell(claim.unwrap().task.id);
        }
        return;
    }
    let (_folder, path) = folder();
    let store = open(&path).await;
    let run = run_with_tasks(&store, 0).await;
    let name = "a_wait_ends_when_another_process_makes_a_task_claimable";
    let mut child = start_child(name, &path, Some(run.id));
    let_begin(std::slice::from_mut(&mut child));
    let mut told = results(&mut child);
    assert_eq!(told.next().unwrap(), "true");
    let mut claimed = || told.next().unwrap().parse::<TaskId>().unwrap();

    let drafts = [
        TaskDraft::new("now", "o"),
        TaskDraft::new("after it", "o").with_depends_on([0_usize]),
    ];
    let planned = store
        .append_tasks(TaskPlan::new(run.id, drafts))
        .await
        .unwrap();
    assert_eq!(claimed(), planned[0].id);
    let complete = CompleteTask::new(planned[0].id, "done");
    store.complete_task(complete).await.unwrap();
    assert_eq!(claimed(), planned[1].id);
    let soon = SystemClock.now().saturating_add(Duration::from_millis(50));
    let draft = TaskDraft::new("soon", "o").with_not_before(soon);
    let planned = store
        .append_tasks(TaskPlan::new(run.id, [draft]))
        .await
        .unwrap();
    assert_eq!(claimed(), planned[0].id);
    end(child);
}
