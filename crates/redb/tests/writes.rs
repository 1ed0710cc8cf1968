//! Many callers, one writer.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use common::{open, place, run_with_tasks};
use redb::{Database, ReadableDatabase, ReadableTableMetadata, TableHandle};
use runstore_core::{
    ArtifactDraft, ArtifactId, AttemptReport, BlockTask, ClaimRequest, Cursor, Error, EventDraft,
    EventId, FinishReport, Heartbeat, ListArtifacts, ListAttempts, ListEvents, ListRuns, ListTasks,
    NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, PageRequest, RunUpdate,
    SaveAgentState, SnapshotRequest, Store, TaskDraft, TaskId, TaskPlan, TaskStatus, Timestamp,
};
use serde_json::json;
use tokio::sync::Barrier;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_task_is_claimed_by_exactly_one_of_many_claimers() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let run = run_with_tasks(&store, 500).await;
    let start = Arc::new(Barrier::new(64));
    let claimers = (0..64).map(|_| {
        let (store, start) = (store.clone(), Arc::clone(&start));
        tokio::spawn(async move {
            start.wait().await;
            let mut claimed = Vec::new();
            while let Some(claim) = store
                .claim_next_task(ClaimRequest::of_run(run.id))
                .await
                .unwrap()
            {
                claimed.push(claim.token());
                let report = FinishReport::completed("done");
                store.finish_task(claim.token(), report).await.unwrap();
            }
            claimed
        })
    });
    let mut claimed = Vec::new();
    for claimer in claimers.collect::<Vec<_>>() {
        claimed.extend(claimer.await.unwrap());
    }
    let tasks: HashSet<TaskId> = claimed.iter().map(|token| token.task_id).collect();
    assert_eq!((claimed.len(), tasks.len()), (500, 500));
    assert!(claimed.iter().all(|token| token.attempt_number == 1));
    let counts = store
        .snapshot(SnapshotRequest::of_run(run.id))
        .await
        .unwrap()
        .counts;
    assert_eq!((counts.completed, counts.attempts), (500, 500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refused_write_leaves_nothing_and_disturbs_nobody_in_its_batch() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let run = run_with_tasks(&store, 40).await;
    let taken = ArtifactId::generate();
    let artifact = ArtifactDraft::new("kind", "first").with_id(taken);
    store
        .add_artifact(NewArtifact::new(run.id, artifact))
        .await
        .unwrap();

    let writers = (0..40).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
            let token = claim.unwrap().unwrap().token();
            let mut report =
                FinishReport::completed("done").with_event(EventDraft::new("s", "finished", "m"));
            if n % 2 == 0 {
                // Refused by the last thing that a report is checked for.
                let artifact = ArtifactDraft::new("kind", "other").with_id(taken);
                report = report.with_artifact(artifact);
            }
            let finished = store.finish_task(token, report).await;
            let refused = matches!(finished, Err(Error::AlreadyExists { .. }));
            assert_eq!(refused, n % 2 == 0, "{finished:?}");
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let snapshot = store
        .snapshot(SnapshotRequest::of_run(run.id))
        .await
        .unwrap();
    assert_eq!(
        (snapshot.counts.completed, snapshot.counts.in_progress),
        (20, 20)
    );
    assert_eq!((snapshot.counts.attempts, snapshot.counts.events), (20, 21));
    assert_eq!(snapshot.artifacts.len(), 1);

    let plan = [
        TaskDraft::new("new", "o"),
        TaskDraft::new("other", "o").with_id(snapshot.completed_tasks[0].id),
    ];
    let refused = store
        .replace_pending_tasks(TaskPlan::new(run.id, plan))
        .await;
    assert!(matches!(refused, Err(Error::AlreadyExists { .. })));
    assert_eq!(
        store
            .snapshot(SnapshotRequest::of_run(run.id))
            .await
            .unwrap(),
        snapshot
    );
}

#[tokio::test]
async fn calls_that_change_nothing_write_nothing() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let run = run_with_tasks(&store, 1).await;
    let claim = store
        .claim_next_task(ClaimRequest::of_run(run.id))
        .await
        .unwrap();
    let token = claim.unwrap().token();
    let report = FinishReport::completed("done");
    store.finish_task(token, report.clone()).await.unwrap();
    let idle = run_with_tasks(&store, 0).await;
    let event = EventDraft::new("s", "k", "m").with_id(EventId::generate());
    let event = NewEvent::new(run.id, event);
    store.add_event(event.clone()).await.unwrap();

    let later = TaskDraft::new("later", "o").with_not_before(Timestamp::MAX);
    let leased = TaskDraft::new("leased", "o").with_key("leased");
    let dependent = TaskDraft::new("dependent", "o").with_depends_on(["leased"]);
    let plan = TaskPlan::new(run.id, [later, leased, dependent]);
    store.append_tasks(plan).await.unwrap();
    let lease = Duration::from_secs(3600);
    let leased = ClaimRequest::of_run(run.id).with_lease(lease);
    let held = store
        .claim_next_task(leased)
        .await
        .unwrap()
        .unwrap()
        .token();

    let before = std::fs::read(&file).unwrap();
    for _ in 0..10 {
        let shorter = Heartbeat::new(held, lease / 2);
        store.heartbeat(shorter).await.unwrap();
        assert_eq!(store.requeue_expired_tasks(None).await.unwrap(), 0);
        store.waiting_reason(held.task_id).await.unwrap();
        let none = store.claim_next_task(ClaimRequest::of_any_run()).await;
        assert_eq!(none.unwrap(), None);
        let none = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
        assert_eq!(none.unwrap(), None);
        assert_eq!(store.requeue_in_progress_tasks(idle.id).await.unwrap(), 0);
        store.update_run(RunUpdate::new(run.id)).await.unwrap();
        store.finish_task(token, report.clone()).await.unwrap();
        store.add_event(event.clone()).await.unwrap();
        assert!(store.get_task(TaskId::generate()).await.is_err());
    }
    assert!(std::fs::read(&file).unwrap() == before);
}

#[tokio::test]
async fn a_deleted_run_leaves_no_row_in_any_table() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let run = run_with_tasks(&store, 6).await;
    let id = run.id;
    let claim = || store.claim_next_task(ClaimRequest::of_run(id));
    let report = FinishReport::completed("done")
        .with_event(EventDraft::new("s", "k", "m").with_id(EventId::generate()))
        .with_artifact(ArtifactDraft::new("k", "p"));
    let token = claim().await.unwrap().unwrap().token();
    store.finish_task(token, report).await.unwrap();
    let token = claim().await.unwrap().unwrap().token();
    let released = FinishReport::released("failed");
    store.finish_task(token, released).await.unwrap();
    let token = claim().await.unwrap().unwrap().token();
    let attempt = NewAttempt::of_claim(token, AttemptReport::new("failed", "s"));
    store.add_attempt(attempt).await.unwrap();
    let drafts = [
        TaskDraft::new("in progress", "o").with_priority(1),
        TaskDraft::new("ready", "o"),
        TaskDraft::new("blocked", "o"),
        TaskDraft::new("due", "o").with_not_before(Timestamp::MAX),
        TaskDraft::new("dependent", "o").with_depends_on([0]),
    ];
    let replaced = TaskPlan::new(id, drafts);
    let planned = store.replace_pending_tasks(replaced).await.unwrap();
    claim().await.unwrap().unwrap();
    let block = BlockTask::new(planned[2].id);
    store.block_task(block).await.unwrap();
    let approval = NewApproval::new(id, "human", "approved", "fine");
    store.add_approval(approval).await.unwrap();
    let checkpoint = NewCheckpoint::new(id, "running", json!({}));
    store.add_checkpoint(checkpoint).await.unwrap();
    let longest = "\u{10ffff}".repeat(63);
    for role in ["", "strategy", &longest] {
        let agent = SaveAgentState::new(id, role);
        store.save_agent_state(agent).await.unwrap();
    }
    let rows = rows_by_table(&store, &file).await;
    assert!(rows.iter().all(|(_, rows)| *rows > 0), "{rows:?}");

    let store = open(&file).await;
    store.delete_run(id).await.unwrap();
    assert!(matches!(
        store.get_run(id).await,
        Err(Error::NotFound { .. })
    ));
    let rows = rows_by_table(&store, &file).await;
    for (table, rows) in rows {
        assert_eq!(rows > 0, table == "runstore_meta", "{table}: {rows}");
    }
}

/// Closes the store and counts the rows of all its tables.
async fn rows_by_table(store: &impl Store, file: &std::path::Path) -> Vec<(String, u64)> {
    store.close().await.unwrap();
    let database = Database::open(file).unwrap();
    let read = database.begin_read().unwrap();
    let tables = read.list_tables().unwrap();
    let rows = tables.map(|table| {
        let name = table.name().to_owned();
        let rows = read.open_untyped_table(table).unwrap().len().unwrap();
        (name, rows)
    });
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() > 15);
    rows
}

#[tokio::test]
async fn deleting_a_run_leaves_the_others_whole() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let mut kept = Vec::new();
    let mut deleted = Vec::new();
    for n in 0..8 {
        let run = run_with_tasks(&store, 3).await;
        store
            .save_agent_state(SaveAgentState::new(run.id, "checker"))
            .await
            .unwrap();
        let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
        let token = claim.unwrap().unwrap().token();
        let report = FinishReport::completed("done").with_artifact(ArtifactDraft::new("k", "p"));
        store.finish_task(token, report).await.unwrap();
        if n % 2 == 0 {
            kept.push(
                store
                    .snapshot(SnapshotRequest::of_run(run.id))
                    .await
                    .unwrap(),
            );
        } else {
            deleted.push(run.id);
        }
    }
    for id in deleted {
        store.delete_run(id).await.unwrap();
    }
    for snapshot in &kept {
        let request = SnapshotRequest::of_run(snapshot.run.id);
        assert_eq!(store.snapshot(request).await.unwrap(), *snapshot);
    }
    let runs = store.list_runs(ListRuns::all()).await.unwrap().items;
    let kept: Vec<_> = kept
        .into_iter()
        .rev()
        .map(|snapshot| snapshot.run)
        .collect();
    assert_eq!(runs, kept);
    store.create_run(NewRun::new("g", "r")).await.unwrap();
}

#[tokio::test]
async fn pages_go_through_every_list_whatever_the_cursor() {
    let (_folder, file) = place();
    let store = open(&file).await;
    let run = run_with_tasks(&store, 9).await;
    for n in 0..4 {
        let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
        let token = claim.unwrap().unwrap().token();
        if n % 2 == 0 {
            let report = FinishReport::completed("done");
            store.finish_task(token, report).await.unwrap();
        }
    }
    let all = store
        .list_tasks(ListTasks::new(run.id))
        .await
        .unwrap()
        .items;
    let statuses: Vec<_> = all.iter().map(|task| task.status).take(5).collect();
    let (done, busy) = (TaskStatus::Completed, TaskStatus::InProgress);
    assert_eq!(statuses, [done, busy, done, busy, TaskStatus::Pending]);

    let mut page = PageRequest::first(2);
    let mut paged = Vec::new();
    loop {
        let list = ListTasks::new(run.id).with_page(page);
        let found = store.list_tasks(list).await.unwrap();
        paged.extend(found.items);
        match found.next {
            Some(next) => page = page.after(next),
            None => break,
        }
    }
    assert_eq!(paged, all);

    for number in [0, u64::MAX] {
        let page = PageRequest::first(3).after(Cursor::new(number));
        let expected = if number == 0 { 3 } else { 0 };
        let tasks = ListTasks::new(run.id).with_page(page);
        assert_eq!(store.list_tasks(tasks).await.unwrap().items.len(), expected);
        let events = ListEvents::new(run.id).with_page(page);
        let events = store.list_events(events).await.unwrap();
        assert_eq!(events.items.len(), usize::from(number == 0));
        let attempts = ListAttempts::new(run.id)
            .with_task_id(all[0].id)
            .with_page(page);
        let attempts = store.list_attempts(attempts).await.unwrap();
        assert_eq!(attempts.items.len(), usize::from(number == 0));
        let runs = store
            .list_runs(ListRuns::all().with_page(page))
            .await
            .unwrap();
        assert_eq!(runs.items.len(), usize::from(number != 0));
        let artifacts = ListArtifacts::new(run.id).with_page(page);
        assert!(
            store
                .list_artifacts(artifacts)
                .await
                .unwrap()
                .items
                .is_empty()
        );
    }

    let snapshot = SnapshotRequest::of_run(run.id).with_max_per_list(1u32);
    let snapshot = store.snapshot(snapshot).await.unwrap();
    assert_eq!(snapshot.pending_tasks, [all[4].clone()]);
    assert_eq!((snapshot.counts.pending, snapshot.counts.completed), (5, 2));
}
