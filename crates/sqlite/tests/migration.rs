//! A file of an earlier format opens with all that it holds.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{folder, open, plain_connection, run_sql};
use runstore_core::{
    ArtifactDraft, ClaimRequest, ClaimToken, Error, EventDraft, FinishReport, ListApprovals,
    ListArtifacts, ListAttempts, NewArtifact, NewEvent, PageRequest, RunId, SnapshotRequest, Store,
    TaskId, TaskStatus, Uuid, WaitingReason,
};
use runstore_sqlite::{APPLICATION_ID, FORMAT_VERSION, SqliteOptions, SqliteStore};

const FORMAT_1: &str = include_str!("../src/migrations/1.sql");

/// What format 1 holds: what is read, from where in format 1, and from where now. Entries other than events were
/// numbered through the store, and are numbered by runs since format 3.
const VALUES: [(&str, &str, &str); 9] = [
    (
        "seq, id, status, cycle_count, replan_count, current_task_id, created_at, updated_at, \
         summary, goal, repo_path",
        "runs",
        "runs",
    ),
    (
        "run_id, role, turns, rotation_count, updated_at, session_id, last_prompt_path, \
         last_response_path",
        "agents",
        "agents",
    ),
    (
        "id, run_id, position, status, attempt_count, updated_at, created_at, blocker_signature, \
         implementation_summary, title, objective, acceptance_criteria, verification_steps, \
         allowed_paths",
        "tasks",
        "tasks",
    ),
    (
        "task_id, attempt_number",
        "finished_claims",
        "attempts WHERE ends_claim",
    ),
    (
        "run_id, seq, event_id, ts, source, kind, message, payload",
        "events",
        "(SELECT key & 0xffffffff AS seq, * FROM events)",
    ),
    (
        "id, run_id, task_id, attempt_number, status, created_at, blocker_signature, summary, \
         result",
        "attempts",
        "attempts",
    ),
    (
        "id, run_id, role, created_at, kind, path, metadata",
        "artifacts",
        "artifacts",
    ),
    (
        "id, run_id, source, verdict, created_at, rationale, payload",
        "approvals",
        "approvals",
    ),
    (
        "id, run_id, status, created_at, payload",
        "checkpoints",
        "checkpoints",
    ),
];

fn run_id(number: u128) -> RunId {
    RunId::from(Uuid::from_u128(number))
}

fn task_id(number: u128) -> TaskId {
    TaskId::from(Uuid::from_u128(number))
}

fn blob(number: u128) -> String {
    format!("x'{}'", Uuid::from_u128(number).simple())
}

/// Two runs whose plans took turns, a task in every state, and a record of every kind.
fn records() -> String {
    let mut sql = String::new();
    for run in [2, 1] {
        let run = blob(run);
        sql += &format!(
            "INSERT INTO runs (id, status, cycle_count, replan_count, current_task_id, created_at,
                updated_at, summary, goal, repo_path)
             VALUES ({run}, 'running', 3, 2, {0}, 10, 20, '', 'goal', '/repo');
             INSERT INTO agents VALUES ({run}, 'planner', 4, 1, 30, 's', NULL, 'p');
             INSERT INTO events VALUES ({run}, 1, NULL, 10, 'system', 'run_created', 'm', '{{}}');
             INSERT INTO events VALUES ({run}, 2, {run}, 11, 's', 'k', 'm', '[1.0]');",
            blob(0x14),
        );
    }
    // What is numbered through the store, in turns of the runs, whose ids are not in the order of these.
    for (id, run) in [(0x39, 2), (0x34, 1), (0x32, 2), (0x36, 1)] {
        let (id, run) = (blob(id), blob(run));
        sql += &format!(
            "INSERT INTO artifacts (id, run_id, role, created_at, kind, path, metadata)
             VALUES ({id}, {run}, 'r', 11, 'diff', 'p', '[1,1.0]');
             INSERT INTO approvals (id, run_id, source, verdict, created_at, rationale, payload)
             VALUES ({id}, {run}, 'checker', 'approved', 12, 'r', 'null');
             INSERT INTO checkpoints (id, run_id, status, created_at, payload)
             VALUES ({id}, {run}, 'running', 13, '{{}}');"
        );
    }
    let tasks = [
        (0x21, 2, 1, "pending", 1, "'E1'", "NULL"),
        (0x11, 1, 1, "completed", 1, "NULL", "'done'"),
        (0x12, 1, 2, "blocked", 2, "'E2'", "''"),
        (0x13, 1, 3, "abandoned", 0, "NULL", "NULL"),
        (0x22, 2, 2, "pending", 0, "NULL", "NULL"),
        (0x14, 1, 4, "in_progress", 1, "NULL", "NULL"),
        (0x16, 1, 6, "pending", 0, "NULL", "NULL"),
        (0x15, 1, 5, "pending", 0, "NULL", "NULL"),
        (0x23, 2, 3, "pending", 0, "NULL", "NULL"),
    ];
    for (id, run, position, status, attempts, signature, summary) in tasks {
        let (id, run) = (blob(id), blob(run));
        sql += &format!(
            "INSERT INTO tasks VALUES ({id}, {run}, {position}, '{status}', {attempts}, 40, 14,
             {signature}, {summary}, 'title {position}', 'objective', '[\"a\"]', '[]', '[\"src\"]');"
        );
    }
    for (id, task, number, run) in [(0x49, 0x12, 1, 1), (0x47, 0x21, 1, 2), (0x43, 0x11, 1, 1)] {
        let (id, task, run) = (blob(id), blob(task), blob(run));
        sql += &format!(
            "INSERT INTO attempts (id, run_id, task_id, attempt_number, status, created_at,
                blocker_signature, summary, result)
             VALUES ({id}, {run}, {task}, {number}, 'completed', 15, NULL, 's', '{{}}');"
        );
    }
    sql += &format!("INSERT INTO finished_claims VALUES ({}, 1);", blob(0x11));
    sql
}

async fn write_format_1(path: &Path) {
    let records = records();
    let sql = format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA journal_mode = WAL; {FORMAT_1}
         PRAGMA user_version = 1; {records}"
    );
    run_sql(path, &sql);
}

/// Which of the tables are read.
#[derive(Clone, Copy)]
enum Tables {
    Format1,
    Now,
}

/// Every value of format 1, as SQLite would write it in a statement.
async fn values(path: &Path, tables: Tables) -> Vec<String> {
    let connection = plain_connection(path);
    let mut values = Vec::new();
    for (columns, then, now) in VALUES {
        let table = match tables {
            Tables::Format1 => then,
            Tables::Now => now,
        };
        let columns = columns.replace(", ", ") || ',' || quote(");
        let sql = format!("SELECT '{then}: ' || quote({columns}) FROM {table} ORDER BY 1");
        let mut rows = connection.prepare(&sql).unwrap();
        let rows = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let rows = Vec::from_iter(rows.map(Result::unwrap));
        assert!(!rows.is_empty(), "{table}");
        values.extend(rows);
    }
    connection.close().unwrap();
    values
}

#[tokio::test]
async fn a_file_of_format_1_is_migrated_with_every_value() {
    let (_folder, path) = folder();
    write_format_1(&path).await;
    let before = values(&path, Tables::Format1).await;
    let store = open(&path).await;
    let snapshot = store.snapshot(SnapshotRequest::of_run(run_id(1))).await;
    let snapshot = snapshot.unwrap();
    assert_eq!(snapshot.counts.pending, 2);
    assert_eq!(snapshot.counts.attempts, 2);
    for task in snapshot.pending_tasks.iter().chain(&snapshot.blocked_tasks) {
        assert_eq!((task.priority, &*task.depends_on), (0, &[][..]));
        assert_eq!(task.not_before.or(task.delayed_until), None);
        assert_eq!((task.max_attempts, &task.worker), (None, &None));
    }
    store.close().await.unwrap();
    assert_eq!(values(&path, Tables::Now).await, before);
    assert_eq!(
        fs::read(&path).unwrap()[60..64],
        FORMAT_VERSION.to_be_bytes()
    );
    // Opened again there is nothing to migrate.
    open(&path).await.close().await.unwrap();
    assert_eq!(values(&path, Tables::Now).await, before);
}

#[tokio::test]
async fn a_migration_that_fails_in_its_last_step_leaves_the_file_in_format_1() {
    let (_folder, path) = folder();
    write_format_1(&path).await;
    let before = values(&path, Tables::Format1).await;
    // In the way of the last step.
    run_sql(&path, "CREATE TABLE new_events (x)");
    let failed = SqliteStore::open(SqliteOptions::new(&path)).await;
    assert!(matches!(failed, Err(Error::Backend { .. })), "{failed:?}");
    let connection = plain_connection(&path);
    let version = connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0));
    assert_eq!(version.unwrap(), 1);
    drop(connection);
    assert_eq!(values(&path, Tables::Format1).await, before);

    run_sql(&path, "DROP TABLE new_events");
    open(&path).await.close().await.unwrap();
    assert_eq!(values(&path, Tables::Now).await, before);
}

#[tokio::test]
async fn tasks_of_format_1_are_claimed_in_the_order_in_which_they_were_planned() {
    let (_folder, path) = folder();
    write_format_1(&path).await;
    let store = open(&path).await;
    let of_run = store.claim_next_task(ClaimRequest::of_run(run_id(1))).await;
    // By position, although its row comes after that of position 6.
    assert_eq!(of_run.unwrap().unwrap().task.id, task_id(0x15));
    let of_any = store.claim_tasks(ClaimRequest::of_any_run(), 10).await;
    let of_any = Vec::from_iter(of_any.unwrap().into_iter().map(|claim| claim.task.id));
    assert_eq!(of_any, [0x21, 0x22, 0x16, 0x23].map(task_id));
}

#[tokio::test]
async fn entries_of_format_1_are_listed_by_runs_in_the_order_in_which_they_were_added() {
    let (_folder, path) = folder();
    write_format_1(&path).await;
    let store = open(&path).await;
    for (run, others, attempts) in [
        (1, &[0x34, 0x36][..], &[0x49, 0x43][..]),
        (2, &[0x39, 0x32], &[0x47]),
    ] {
        let run_id = run_id(run);
        let page = PageRequest::first(1);
        let first = ListArtifacts::new(run_id).with_role("r").with_page(page);
        let first = store.list_artifacts(first).await.unwrap();
        let rest = PageRequest::all().after(first.next.unwrap());
        let rest = ListArtifacts::new(run_id).with_page(rest);
        let rest = store.list_artifacts(rest).await.unwrap();
        let artifacts = first.items.into_iter().chain(rest.items);
        let artifacts = Vec::from_iter(artifacts.map(|artifact| artifact.id.as_uuid().as_u128()));
        assert_eq!(artifacts, others);
        let approvals = store.list_approvals(ListApprovals::new(run_id)).await;
        let approvals = approvals.unwrap().items.into_iter();
        let approvals = Vec::from_iter(approvals.map(|approval| approval.id.as_uuid().as_u128()));
        assert_eq!(approvals, others);
        let latest = store.latest_checkpoint(run_id).await.unwrap().unwrap();
        assert_eq!(Some(&latest.id.as_uuid().as_u128()), others.last());
        let listed = store.list_attempts(ListAttempts::new(run_id)).await;
        let listed = listed.unwrap().items.into_iter();
        let listed = Vec::from_iter(listed.map(|attempt| attempt.id.as_uuid().as_u128()));
        assert_eq!(listed, attempts);
        // What is added comes after them.
        let event = EventDraft::new("s", "k", "m");
        let event = store.add_event(NewEvent::new(run_id, event)).await.unwrap();
        assert_eq!(event.seq, 3);
        let added = NewArtifact::new(run_id, ArtifactDraft::new("k", "p"));
        let added = store.add_artifact(added).await.unwrap();
        let listed = store.list_artifacts(ListArtifacts::new(run_id)).await;
        assert_eq!(listed.unwrap().items.last(), Some(&added));
    }
}

#[tokio::test]
async fn a_claim_of_format_1_is_held_and_never_runs_out() {
    let (_folder, path) = folder();
    write_format_1(&path).await;
    let store = open(&path).await;
    assert_eq!(store.requeue_expired_tasks(None).await.unwrap(), 0);
    let held = store.waiting_reason(task_id(0x14)).await.unwrap();
    let expected = WaitingReason::InProgress {
        worker: None,
        lease_expires_at: None,
    };
    assert_eq!(held, expected);
    let token = |number, attempt_number| ClaimToken {
        task_id: task_id(number),
        attempt_number,
    };
    let report = FinishReport::completed("done later");
    let finished = store.finish_task(token(0x14, 1), report.clone()).await;
    assert_eq!(finished.unwrap().status, TaskStatus::Completed);
    let repeated = store.finish_task(token(0x11, 1), report.clone()).await;
    let summary = repeated.unwrap().implementation_summary;
    assert_eq!(summary.as_deref(), Some("done"));
    let stale = store.finish_task(token(0x21, 1), report).await;
    assert!(matches!(stale, Err(Error::StaleClaim { .. })), "{stale:?}");
}
