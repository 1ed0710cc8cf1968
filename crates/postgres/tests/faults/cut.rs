//! A connection that is cut between a write and its answer: nobody knows whether the write is there, and a
//! retry is safe (clauses G9 and C5).

use runstore_core::{
    AttemptReport, ClaimRequest, Error, EventDraft, EventId, FinishReport, ListEvents, ListTasks,
    NewEvent, NewRun, Outcome, Result, Run, Store, TaskDraft, TaskId, TaskPlan, TaskStatus,
};
use runstore_postgres::PostgresStore;

use crate::common::{options_at, url};
use crate::proxy::{Cut, Proxy};

/// A store behind a way that can be cut, with one connection that is there already.
async fn store() -> (PostgresStore, Proxy, Run) {
    let server = url();
    let port = server.rsplit_once(':').unwrap().1;
    let port = port.split(['/', '?']).next().unwrap().parse().unwrap();
    let proxy = Proxy::to(port).await;
    let options = options_at(&proxy.url()).with_connections(1);
    let store = PostgresStore::open(options).await.unwrap();
    let run = store.create_run(NewRun::new("goal", "")).await.unwrap();
    // Its statements are prepared, so that what is cut is a statement and not its preparation.
    let plan = TaskPlan::new(run.id, [TaskDraft::new("first", "o")]);
    store.replace_pending_tasks(plan).await.unwrap();
    let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
    let token = claim.unwrap().unwrap().token();
    store.finish_task(token, report("first")).await.unwrap();
    let event = EventDraft::new("w", "k", "first");
    store.add_event(NewEvent::new(run.id, event)).await.unwrap();
    (store, proxy, run)
}

fn report(word: &str) -> FinishReport {
    FinishReport::completed(word)
        .with_event(EventDraft::new("worker", "settled", word))
        .with_attempt(AttemptReport::new("completed", word))
}

fn outcome<T: std::fmt::Debug>(result: Result<T>) -> Outcome {
    match result {
        Err(Error::Unavailable { outcome, .. }) => outcome,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_report_whose_answer_is_lost_is_unknown_and_done_once_when_repeated() {
    let (store, proxy, run) = store().await;
    let plan = TaskPlan::new(run.id, [TaskDraft::new("t", "o")]);
    store.append_tasks(plan).await.unwrap();
    let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
    let token = claim.unwrap().unwrap().token();
    proxy.cut(Cut::Answer);
    let lost = store.finish_task(token, report("second")).await;
    assert_eq!(outcome(lost), Outcome::Unknown);
    assert_eq!(proxy.cuts(), 1);
    let task = store.finish_task(token, report("second")).await.unwrap();
    assert_eq!(task.status, TaskStatus::Completed);
    let events = store.list_events(ListEvents::new(run.id)).await.unwrap();
    let of_second = events
        .items
        .iter()
        .filter(|event| event.message == "second");
    assert_eq!(of_second.count(), 1);
    assert_eq!(store.recent_attempts(run.id, 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_claim_whose_answer_is_lost_is_unknown_and_holds_its_task() {
    let (store, proxy, run) = store().await;
    let plan = TaskPlan::new(run.id, ["a", "b"].map(|title| TaskDraft::new(title, "o")));
    store.append_tasks(plan).await.unwrap();
    proxy.cut(Cut::Answer);
    let lost = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
    assert_eq!(outcome(lost), Outcome::Unknown);
    let next = store.claim_next_task(ClaimRequest::of_run(run.id)).await;
    assert_eq!(next.unwrap().unwrap().task.title, "b");
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_and_its_plan_can_be_repeated() {
    let (store, proxy, run) = store().await;
    let id = TaskId::generate();
    let plan = || TaskPlan::new(run.id, [TaskDraft::new("t", "o").with_id(id)]);
    proxy.cut(Cut::AnswerToCommit);
    let lost = store.replace_pending_tasks(plan()).await;
    assert_eq!(outcome(lost), Outcome::Unknown);
    assert_eq!(proxy.cuts(), 1);
    let tasks = store.replace_pending_tasks(plan()).await.unwrap();
    assert_eq!(tasks.len(), 1);
    let tasks = store.list_tasks(ListTasks::new(run.id)).await.unwrap();
    assert_eq!(tasks.items.len(), 2);
}

#[tokio::test]
async fn an_event_with_an_id_whose_answer_is_lost_is_there_once_when_repeated() {
    let (store, proxy, run) = store().await;
    let event = EventDraft::new("w", "k", "again").with_id(EventId::generate());
    proxy.cut(Cut::Answer);
    let lost = store.add_event(NewEvent::new(run.id, event.clone())).await;
    assert_eq!(outcome(lost), Outcome::Unknown);
    let added = store.add_event(NewEvent::new(run.id, event)).await.unwrap();
    assert_eq!(added.message, "again");
    let events = store.list_events(ListEvents::new(run.id)).await.unwrap();
    let again = events.items.iter().filter(|event| event.message == "again");
    assert_eq!(again.count(), 1);
}

#[tokio::test]
async fn a_write_that_did_not_reach_the_server_is_not_taken_for_done() {
    let (store, proxy, run) = store().await;
    proxy.cut(Cut::Question);
    let lost = store.increment_cycle(run.id).await;
    // From here the two cannot be told apart but for a transaction that was not ended.
    assert_eq!(outcome(lost), Outcome::NotApplied);
    assert_eq!(store.get_run(run.id).await.unwrap().cycle_count, 0);
    assert_eq!(store.increment_cycle(run.id).await.unwrap().cycle_count, 1);
}

#[tokio::test]
async fn a_read_goes_on_by_another_connection_and_its_caller_sees_nothing_of_it() {
    let (store, proxy, run) = store().await;
    for cut in [Cut::Question, Cut::Answer] {
        proxy.cut(cut);
        assert_eq!(store.get_run(run.id).await.unwrap().goal, "goal");
    }
    assert_eq!(proxy.cuts(), 2);
}
