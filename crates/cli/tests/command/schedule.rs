//! Plans with an order of their own, tasks of the dead, and why tasks wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use runstore::{
    ClaimRequest, Event, FinishOutcome, FinishReport, ListEvents, ListRuns, ListTasks, NewRun,
    RunStatus, Store, Task, TaskDraft, TaskId, TaskPlan, TaskStatus, Timestamp,
};
use serde_json::{Value, json};

use crate::support::{FILES, Folder, demo};

async fn open(folder: &Folder, store: &str) -> Arc<dyn Store> {
    let (scheme, file) = store.split_once(':').unwrap();
    let url = format!("{scheme}:{}", folder.path().join(file).display());
    runstore::open(&url).await.unwrap()
}

/// What a demo left in the store.
async fn left(folder: &Folder, store: &str) -> (Vec<Task>, Vec<Event>) {
    let store = open(folder, store).await;
    let runs = store.list_runs(ListRuns::all()).await.unwrap().items;
    let run_id = runs[0].id;
    let tasks = store.list_tasks(ListTasks::new(run_id)).await.unwrap();
    let events = store.list_events(ListEvents::new(run_id)).await.unwrap();
    store.close().await.unwrap();
    (tasks.items, events.items)
}

fn task(fields: Value) -> Value {
    let mut task = json!({
        "title": "t", "objective": "o", "acceptanceCriteria": [], "verificationSteps": [],
        "allowedPaths": [],
    });
    let fields = fields.as_object().unwrap().clone();
    task.as_object_mut().unwrap().extend(fields);
    task
}

#[tokio::test]
async fn no_task_of_the_built_in_plan_is_claimed_before_those_that_it_depends_on_are_completed() {
    let folder = Folder::new();
    let store = "sqlite:demo.db";
    folder.succeed(["demo", "--store", store, "--workers", "8"]);
    let (tasks, events) = left(&folder, store).await;
    let of_kind = |kind: &str| -> HashMap<TaskId, u64> {
        let of_kind = events.iter().filter(|event| event.kind == kind).rev();
        let task_id = |event: &Event| event.payload["taskId"].as_str().unwrap().parse().unwrap();
        of_kind.map(|event| (task_id(event), event.seq)).collect()
    };
    let (claimed, completed) = (of_kind("task_claimed"), of_kind("task_completed"));
    let mut looked_at = 0;
    for task in &tasks {
        let Some(first_claim) = claimed.get(&task.id) else {
            continue;
        };
        for dependency in &task.depends_on {
            assert!(completed[dependency] < *first_claim, "{task:?}");
            looked_at += 1;
        }
    }
    assert!(looked_at > 30, "{looked_at}");
}

#[tokio::test]
async fn what_a_killed_process_had_in_its_hands_is_taken_over_without_a_requeue() {
    for store in FILES {
        let folder = Folder::new();
        let plan = json!(vec![task(json!({})); 4]);
        folder.write("four.json", plan.to_string().as_bytes());
        let told = folder.succeed([
            "demo",
            "--plan",
            "four.json",
            "--store",
            store,
            "--workers",
            "1",
        ]);
        assert!(told.contains("is taken over"), "{told}");
        assert!(!told.contains("claims that ran out: 0"), "{told}");
        assert!(
            told.contains("each with its lease and not before"),
            "{told}"
        );
        let (tasks, events) = left(&folder, store).await;
        assert!(
            events
                .iter()
                .all(|event| !event.kind.starts_with("requeue"))
        );
        assert!(tasks.iter().any(|task| task.attempt_count > 1));
    }
}

#[tokio::test]
async fn a_plan_whose_tasks_have_one_attempt_comes_to_its_end_too() {
    let folder = Folder::new();
    let mut tasks = vec![task(json!({ "maxAttempts": 1, "priority": 2 })); 6];
    tasks.push(task(json!({ "dependsOn": [0, 1, 2, 3, 4, 5] })));
    folder.write("once.json", json!(tasks).to_string().as_bytes());
    let store = "sqlite:demo.db";
    let told = folder.succeed(["demo", "--plan", "once.json", "--store", store]);
    assert!(told.contains("each exactly once"), "{told}");
    let (tasks, _) = left(&folder, store).await;
    for task in tasks {
        if let Some(bound) = task.max_attempts {
            assert!(task.attempt_count <= bound, "{task:?}");
        }
    }
}

#[tokio::test]
async fn a_run_that_was_left_without_its_plan_is_taken_up_by_the_next_demo() {
    for store in FILES {
        let folder = Folder::new();
        let before = open(&folder, store).await;
        let new = NewRun::new("Carry out plan.json", ".");
        let run = before.create_run(new).await.unwrap();
        before.close().await.unwrap();
        let told = folder.succeed(demo(store));
        assert!(told.starts_with(&format!("run {} ", run.id)), "{told}");
        let after = open(&folder, store).await;
        let runs = after.list_runs(ListRuns::all()).await.unwrap().items;
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].status, RunStatus::Completed);
        after.close().await.unwrap();
    }
}

/// The row of the task at this position.
fn row(told: &str, position: u64) -> String {
    let is_it = |line: &&str| {
        let first = line.split('┆').next().unwrap();
        first.trim_start_matches('│').trim() == position.to_string()
    };
    let row = told.lines().find(is_it).unwrap();
    row.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn show_tells_who_has_a_task_and_why_the_others_wait() {
    for store in FILES {
        let folder = Folder::new();
        let open = open(&folder, store).await;
        let run = open.create_run(NewRun::new("goal", "")).await.unwrap();
        let later: Timestamp = "2099-01-01T00:00:00Z".parse().unwrap();
        let drafts = [
            TaskDraft::new("claimed", "").with_priority(9),
            TaskDraft::new("blocked", "").with_priority(8),
            TaskDraft::new("later", "").with_not_before(later),
            TaskDraft::new("after", "").with_depends_on([0, 2]),
            TaskDraft::new("stuck", "")
                .with_depends_on([1])
                .with_not_before(later),
            TaskDraft::new("free", "").with_priority(-5),
        ];
        let plan = TaskPlan::new(run.id, drafts);
        open.append_tasks(plan).await.unwrap();
        let request = ClaimRequest::of_run(run.id).with_worker("crew 7");
        let leased = request.clone().with_lease(Duration::from_secs(3600));
        let claim = open.claim_next_task(leased).await.unwrap().unwrap();
        let expires = claim.task.lease_expires_at.unwrap();
        let other = open.claim_next_task(request).await.unwrap().unwrap();
        let outcome = FinishOutcome::Blocked {
            summary: None,
            blocker_signature: Some("no key".to_owned()),
        };
        let attempt = runstore::AttemptReport::new("blocked", "");
        let report = FinishReport::new(outcome, attempt);
        let blocked = open.finish_task(other.token(), report).await.unwrap();
        assert_eq!(blocked.status, TaskStatus::Blocked);
        open.close().await.unwrap();

        let told = folder.succeed(["show", "latest", "--store", store]);
        let words = [
            (
                1,
                format!("in_progress ┆ 9 ┆ 1 ┆ claimed ┆ with crew 7, lease until {expires}"),
            ),
            (2, "blocked ┆ 8 ┆ 1 ┆ blocked ┆ no key".to_owned()),
            (3, format!("pending ┆ 0 ┆ 0 ┆ later ┆ waits until {later}")),
            (4, "pending ┆ 0 ┆ 0 ┆ after ┆ waits for #1, #3".to_owned()),
            (
                5,
                format!("stuck ┆ waits for #2 (blocked, stuck), and until {later}"),
            ),
            (6, "pending ┆ -5 ┆ 0 ┆ free ┆ claimable".to_owned()),
        ];
        for (position, expected) in words {
            let row = row(&told, position);
            assert!(row.contains(&expected), "{row} lacks {expected}");
        }
    }
}
