//! Traces that were edited, so that calls overlap in a known way.

use super::*;

/// A trace as its lines.
struct Edited(Vec<Value>);

impl Edited {
    fn of(buffer: &Buffer) -> Self {
        let text = buffer.text();
        let lines = text.lines().map(serde_json::from_str);
        Self(lines.collect::<std::result::Result<_, _>>().unwrap())
    }

    /// Lets the call on this line begin and end at these moments.
    fn at(&mut self, line: usize, number: u64, end: u64) {
        self.0[line - 1]["number"] = json!(number);
        self.0[line - 1]["end"] = json!(end);
    }

    fn swap(&mut self, field: &str, a: usize, b: usize) {
        let of_a = self.0[a - 1][field].take();
        let of_b = std::mem::replace(&mut self.0[b - 1][field], of_a);
        self.0[a - 1][field] = of_b;
    }

    fn read(&self) -> Trace {
        let lines = Vec::from_iter(self.0.iter().map(Value::to_string));
        read_trace(lines.join("\n").as_bytes()).unwrap()
    }
}

fn plan(run: &Run, titles: &[&str]) -> TaskPlan {
    let drafts = titles.iter().map(|title| TaskDraft::new(*title, "do it"));
    TaskPlan::new(run.id, drafts)
}

async fn replayed(trace: &Trace) -> Replayed {
    let replayed = replay(
        trace,
        Arc::new(MemoryStore::new()),
        Timing::AsFastAsPossible,
    )
    .await;
    replayed.unwrap()
}

#[tokio::test]
async fn claims_that_got_each_others_tasks_are_used_by_their_tasks() {
    let buffer = Buffer::default();
    let store = Recorded::new(MemoryStore::new(), buffer.clone());
    let run = store.create_run(NewRun::new("goal", "/a")).await.unwrap();
    store.append_tasks(plan(&run, &["a", "b"])).await.unwrap();
    let request = ClaimRequest::of_run(run.id);
    for _ in 0..2 {
        store.claim_next_task(request.clone()).await.unwrap();
    }
    let tasks = store
        .list_tasks(ListTasks::new(run.id))
        .await
        .unwrap()
        .items;
    for task in &tasks {
        let token = ClaimToken {
            task_id: task.id,
            attempt_number: 1,
        };
        let report = FinishReport::completed(format!("{} is done", task.title));
        store.finish_task(token, report).await.unwrap();
    }
    store.list_tasks(ListTasks::new(run.id)).await.unwrap();
    store.finish().unwrap();

    let mut edited = Edited::of(&buffer);
    edited.at(4, 4, 7);
    edited.at(5, 5, 6);
    edited.swap("outcome", 4, 5);
    // All is as it was: each task was finished with what was reported of it.
    assert_alike(&replayed(&edited.read()).await);
}

#[tokio::test]
async fn a_claim_of_a_task_that_was_not_there_yet_is_the_one_that_the_call_got() {
    let buffer = Buffer::default();
    let store = Recorded::new(MemoryStore::new(), buffer.clone());
    let run = store.create_run(NewRun::new("goal", "/a")).await.unwrap();
    store.append_tasks(plan(&run, &["a"])).await.unwrap();
    let urgent = TaskDraft::new("urgent", "do it").with_priority(9);
    let urgent = TaskPlan::new(run.id, [urgent]);
    store.append_tasks(urgent).await.unwrap();
    for _ in 0..2 {
        let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
        let token = claim.unwrap().unwrap().token();
        let report = FinishReport::completed("done");
        store.finish_task(token, report).await.unwrap();
    }
    let all = ListTasks::new(run.id).with_statuses([TaskStatus::Completed]);
    store.list_tasks(all).await.unwrap();
    store.finish().unwrap();

    // The first claim comes a moment before the urgent task, and so does not get it for certain.
    let mut edited = Edited::of(&buffer);
    edited.at(5, 4, 7);
    edited.at(4, 5, 6);
    let replayed = replayed(&edited.read()).await;
    assert_eq!(replayed.differences.first, []);
    let found = replayed.overlapped.first.iter();
    let found = Vec::from_iter(found.map(|found| (found.line, found.path.as_str())));
    // Nothing was refused, and in the end both are completed as they were.
    assert_eq!(found, [5, 6, 7, 8].map(|line| (line, "answer")));
}

#[tokio::test]
async fn waits_that_got_each_others_tasks_change_places() {
    let buffer = Buffer::default();
    let store = Recorded::new(MemoryStore::new(), buffer.clone());
    let run = store.create_run(NewRun::new("goal", "/a")).await.unwrap();
    let hour = Duration::from_secs(3_600);
    for (title, worker) in [("a", "second"), ("b", "first")] {
        store.append_tasks(plan(&run, &[title])).await.unwrap();
        let request = ClaimRequest::of_run(run.id).with_worker(worker);
        store.claim_or_wait(request, hour).await.unwrap().unwrap();
    }
    store.finish().unwrap();

    // Both wait from the beginning, and the second to come gets the first task: so no store need do it.
    let mut edited = Edited::of(&buffer);
    edited.at(6, 2, 9);
    edited.at(4, 3, 6);
    edited.at(3, 4, 5);
    edited.at(5, 7, 8);
    let replayed = replayed(&edited.read()).await;
    assert_eq!(replayed.differences.first, []);
    let found = replayed.overlapped.first.iter();
    let found = Vec::from_iter(found.map(|found| (found.line, found.path.as_str())));
    assert_eq!(
        found,
        [(4, "answer.task.worker"), (6, "answer.task.worker")]
    );
}

#[tokio::test]
async fn a_wait_that_was_dropped_is_dropped() {
    let buffer = Buffer::default();
    let store = Recorded::new(MemoryStore::new(), buffer.clone());
    let run = store.create_run(NewRun::new("goal", "/a")).await.unwrap();
    let request = ClaimRequest::of_run(run.id);
    let mut wait = store.claim_or_wait(request.clone(), Duration::from_secs(3_600));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(wait.as_mut().poll(&mut context).is_pending());
    drop(wait);
    store.append_tasks(plan(&run, &["a"])).await.unwrap();
    store.claim_next_task(request).await.unwrap().unwrap();
    store.finish().unwrap();

    let trace = read_trace(buffer.text().as_bytes()).unwrap();
    for timing in [Timing::AsRecorded, Timing::AsFastAsPossible] {
        let replayed = replay(&trace, Arc::new(MemoryStore::new()), timing)
            .await
            .unwrap();
        assert_alike(&replayed);
        assert_eq!((replayed.calls, replayed.dropped), (4, 1));
    }
}

#[tokio::test]
async fn an_id_that_no_answer_told_is_known_once_an_answer_shows_it() {
    let buffer = Buffer::default();
    let store = Recorded::new(MemoryStore::new(), buffer.clone());
    let run = store.create_run(NewRun::new("goal", "/a")).await.unwrap();
    store.list_runs(ListRuns::all()).await.unwrap();
    let tasks = store.append_tasks(plan(&run, &["a"])).await.unwrap();
    let update = RunUpdate::new(run.id).with_current_task(tasks[0].id);
    store.update_run(update).await.unwrap();
    store
        .snapshot(SnapshotRequest::of_run(run.id))
        .await
        .unwrap();
    store.finish().unwrap();

    let mut edited = Edited::of(&buffer);
    edited.0[1]["outcome"] = json!("dropped");
    assert_alike(&replayed(&edited.read()).await);
}
