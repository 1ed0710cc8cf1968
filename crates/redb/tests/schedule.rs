//! Where tasks wait, where redb has to take care of it by itself.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{open, place, run_with_tasks};
use redb::{Database, ReadableTable, TableDefinition};
use runstore_core::{
    Claim, ClaimRequest, Clock, CompleteTask, Error, FinishReport, ManualClock, NewRun, Run,
    SnapshotRequest, Store, Task, TaskDraft, TaskPlan, Timestamp,
};
use runstore_redb::{RedbOptions, RedbStore};

async fn with_plan(
    store: &RedbStore,
    drafts: impl IntoIterator<Item = TaskDraft>,
) -> (Run, Vec<Task>) {
    let run = store.create_run(NewRun::new("g", "r")).await.unwrap();
    let tasks = store.append_tasks(TaskPlan::new(run.id, drafts)).await;
    (run, tasks.unwrap())
}

async fn claim(store: &RedbStore, run: &Run) -> Option<Claim> {
    let request = ClaimRequest::of_run(run.id);
    store.claim_next_task(request).await.unwrap()
}

/// The state of a task as it is written: the layout, what the store keeps (number, unmet dependencies, last
/// attempt, whether it is reported), how many attempts there were, and the rest.
type State = (
    u8,
    (u64, u32, u64, bool),
    u32,
    i32,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<String>,
    Option<String>,
    i64,
);

/// Changes the state of a pending task of the first run, in a file that nobody has open.
fn change_state(file: &std::path::Path, task: &Task, change: impl FnOnce(&mut State)) {
    const PENDING: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("tasks_pending");
    let database = Database::open(file).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut states = write.open_table(PENDING).unwrap();
        let key = (1, task.position);
        let state = states.get(key).unwrap().unwrap().value().to_vec();
        let mut state: State = postcard::from_bytes(&state).unwrap();
        change(&mut state);
        let state = postcard::to_extend(&state, Vec::new()).unwrap();
        states.insert(key, state.as_slice()).unwrap();
    }
    write.commit().unwrap();
    database.close().unwrap();
}

#[tokio::test]
async fn a_batch_of_claims_that_is_refused_has_claimed_and_blocked_nothing() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let drafts = [
        TaskDraft::new("used up", "o").with_priority(3),
        TaskDraft::new("well", "o").with_priority(2),
        TaskDraft::new("counted to the end", "o").with_priority(1),
    ];
    let (run, tasks) = with_plan(&store, drafts).await;
    let token = claim(&store, &run).await.unwrap().token();
    let released = FinishReport::released("later");
    store.finish_task(token, released).await.unwrap();
    store.close().await.unwrap();
    change_state(&file, &tasks[2], |state| state.2 = u32::MAX);

    let store = open(&file).await;
    let snapshot = async || {
        let request = SnapshotRequest::of_run(run.id);
        store.snapshot(request).await.unwrap()
    };
    let before = snapshot().await;
    // What the claim's bound uses up comes first, what it takes second, and what it cannot count last.
    let request = ClaimRequest::of_run(run.id);
    let refused = store.claim_tasks(request.clone(), 3).await;
    assert!(
        matches!(refused, Err(Error::InvalidInput { .. })),
        "{refused:?}"
    );
    assert_eq!(snapshot().await, before);
    let claimed = store.claim_tasks(request, 2).await.unwrap();
    assert_eq!(claimed.len(), 2);
}

#[tokio::test]
async fn an_entry_of_the_queue_that_contradicts_its_task_is_reported_and_nothing_is_claimed() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let (run, tasks) = with_plan(&store, [TaskDraft::new("t", "o")]).await;
    store.close().await.unwrap();
    change_state(&file, &tasks[0], |state| state.1.1 = 1);
    let store = open(&file).await;
    let claimed = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
    match claimed {
        Err(Error::Corrupt { place, .. }) => assert!(place.contains("ready"), "{place}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_completion_makes_thousands_of_dependents_claimable_in_one_change() {
    const DEPENDENTS: usize = 10_000;
    let (_folder, file) = place();
    let store = open(&file).await;
    let dependents = (0..DEPENDENTS).map(|_| TaskDraft::new("after", "o").with_depends_on([0]));
    let drafts = [TaskDraft::new("first", "o")].into_iter().chain(dependents);
    let (run, tasks) = with_plan(&store, drafts).await;
    assert_eq!(claim(&store, &run).await.unwrap().task.id, tasks[0].id);
    assert_eq!(claim(&store, &run).await, None);
    let complete = CompleteTask::new(tasks[0].id, "done");
    store.complete_task(complete).await.unwrap();
    store.close().await.unwrap();

    let store = open(&file).await;
    assert_eq!(claim(&store, &run).await.unwrap().task.id, tasks[1].id);
    store.requeue_task(tasks[0].id).await.unwrap();
    assert_eq!(claim(&store, &run).await.unwrap().task.id, tasks[0].id);
    assert_eq!(claim(&store, &run).await, None);
}

#[tokio::test]
async fn a_wait_at_one_handle_is_over_when_another_adds_a_task_or_when_one_becomes_due() {
    let (_folder, file) = place();
    let clock = ManualClock::new(Timestamp::from_micros(0).unwrap());
    let options = RedbOptions::new(&file).with_clock(Arc::new(clock.clone()));
    let store = RedbStore::open(options).await.unwrap();
    let run = run_with_tasks(&store, 0).await;
    let hour = Duration::from_secs(3600);
    let wait = || {
        let store = store.clone();
        let request = ClaimRequest::of_run(run.id);
        tokio::spawn(async move { store.claim_or_wait(request, hour).await })
    };
    let waiting = wait();
    let later = clock.now().saturating_add(hour / 2);
    let drafts = [
        TaskDraft::new("now", "o"),
        TaskDraft::new("later", "o").with_not_before(later),
    ];
    let plan = TaskPlan::new(run.id, drafts);
    store.append_tasks(plan).await.unwrap();
    let title = |claim: Option<Claim>| claim.unwrap().task.title;
    assert_eq!(title(waiting.await.unwrap().unwrap()), "now");
    let waiting = wait();
    clock.set(later);
    assert_eq!(title(waiting.await.unwrap().unwrap()), "later");
}

#[tokio::test]
async fn closing_the_store_ends_every_wait() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let run = run_with_tasks(&store, 0).await;
    let waits = [Some(run.id), Some(run.id), None, None].map(|run_id| {
        let store = store.clone();
        let mut request = ClaimRequest::of_any_run();
        request.run_id = run_id;
        let day = Duration::from_secs(24 * 3600);
        tokio::spawn(async move { store.claim_or_wait(request, day).await })
    });
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    for wait in waits {
        let ended = wait.await.unwrap();
        assert!(matches!(ended, Err(Error::Unavailable { .. })), "{ended:?}");
    }
}
