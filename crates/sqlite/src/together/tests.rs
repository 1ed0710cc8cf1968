use std::pin::pin;

use futures_util::FutureExt;
use futures_util::future::join_all;
use runstore_core::{
    ArtifactDraft, AttemptReport, Claim, ClaimRequest, CompleteTask, Error, EventDraft, EventId,
    FinishReport, ListArtifacts, ListAttempts, ListEvents, ListTasks, NewAttempt, NewEvent, NewRun,
    RunId, Store, TaskDraft, TaskId, TaskPlan, TaskStatus,
};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::write::job;
use crate::{SqliteOptions, SqliteStore};

/// A store with a run of tasks of which the first ones are claimed.
async fn scene(drafts: Vec<TaskDraft>, claims: u32) -> (TempDir, SqliteStore, RunId, Vec<Claim>) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new(folder.path().join("runs.db"));
    let store = SqliteStore::open(options).await.unwrap();
    let run_id = store.create_run(NewRun::new("g", "/r")).await.unwrap().id;
    let plan = TaskPlan::new(run_id, drafts);
    store.append_tasks(plan).await.unwrap();
    let request = ClaimRequest::of_run(run_id);
    let claims = store.claim_tasks(request, claims).await.unwrap();
    (folder, store, run_id, claims)
}

fn draft(title: &str) -> TaskDraft {
    TaskDraft::new(title, "objective")
}

/// Holds the writer until what this gives is dropped: what is called meanwhile is one batch.
async fn hold(store: &SqliteStore) -> oneshot::Sender<()> {
    let (begun, has_begun) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let store = store.clone();
    tokio::spawn(async move {
        let hold = |reply| {
            job(reply, |_| {
                let _ = begun.send(());
                let _ = released.blocking_recv();
                Ok(())
            })
        };
        store.queue().submit(hold).await
    });
    has_begun.await.unwrap();
    release
}

macro_rules! in_one_batch {
    ($store:expr, $($call:expr),+ $(,)?) => {{
        let release = hold($store).await;
        tokio::join!(biased; $($call,)+ async { drop(release) })
    }};
}

#[tokio::test]
async fn calls_that_wait_together_take_effect_as_one_by_one_would() {
    let last = draft("last").with_depends_on([0, 1]);
    let drafts = vec![draft("a"), draft("b"), draft("c"), last];
    let (_folder, store, run_id, claims) = scene(drafts, 3).await;
    let [a, b, c] = <[Claim; 3]>::try_from(claims).unwrap();
    let report = AttemptReport::new("completed", "tried");
    let event = |message: &str| EventDraft::new("test", "kind", message);
    let finish = FinishReport::completed("done by report")
        .with_event(event("in the report"))
        .with_artifact(ArtifactDraft::new("file", "/a"));
    let release = FinishReport::released("not now");
    let (attempt, first, finished, second, completed, released, ()) = in_one_batch!(
        &store,
        store.add_attempt(NewAttempt::of_claim(a.token(), report)),
        store.add_event(NewEvent::new(run_id, event("one"))),
        store.finish_task(a.token(), finish),
        store.add_event(NewEvent::new(run_id, event("two"))),
        store.complete_task(CompleteTask::new(b.task.id, "done by operator")),
        store.finish_task(c.token(), release),
    );
    assert_eq!(attempt.unwrap().task_id, a.task.id);
    let finished = finished.unwrap();
    assert_eq!(finished.status, TaskStatus::Completed);
    let summary = finished.implementation_summary.as_deref();
    assert_eq!(summary, Some("done by report"));
    assert_eq!(completed.unwrap().status, TaskStatus::Completed);
    assert_eq!(released.unwrap().status, TaskStatus::Pending);

    // Every answer is what the store holds, and the events are numbered without a gap.
    let events = store.list_events(ListEvents::new(run_id)).await.unwrap();
    let numbers = Vec::from_iter(events.items.iter().map(|event| event.seq));
    assert_eq!(numbers, Vec::from_iter(1..=numbers.len() as u64));
    for event in [first.unwrap(), second.unwrap()] {
        assert!(events.items.contains(&event));
    }
    let told = |of: &str| {
        events
            .items
            .iter()
            .filter(|event| event.message == of)
            .count()
    };
    assert_eq!([told("one"), told("two"), told("in the report")], [1, 1, 1]);
    let attempts = store
        .list_attempts(ListAttempts::new(run_id))
        .await
        .unwrap();
    assert_eq!(attempts.items.len(), 3);
    let artifacts = store
        .list_artifacts(ListArtifacts::new(run_id))
        .await
        .unwrap();
    assert_eq!(artifacts.items.len(), 1);
    let tasks = store
        .list_tasks(ListTasks::new(run_id))
        .await
        .unwrap()
        .items;
    assert!(tasks.contains(&finished));

    // Both of its dependencies were completed by one batch.
    let request = ClaimRequest::of_run(run_id);
    let claims = store.claim_tasks(request, 9).await.unwrap();
    let titles = Vec::from_iter(claims.iter().map(|claim| claim.task.title.as_str()));
    assert_eq!(titles, ["c", "last"]);
}

#[tokio::test]
async fn what_is_not_ordinary_is_answered_as_it_would_be_alone() {
    let drafts = vec![draft("a"), draft("b")];
    let (_folder, store, run_id, claims) = scene(drafts, 2).await;
    let [a, b] = <[Claim; 2]>::try_from(claims).unwrap();
    let (taken, unknown) = (EventId::generate(), RunId::generate());
    let named = |message: &str| {
        let draft = EventDraft::new("test", "kind", message).with_id(taken);
        store.add_event(NewEvent::new(run_id, draft))
    };
    let report = FinishReport::completed("done");
    let stale = runstore_core::ClaimToken {
        attempt_number: b.token().attempt_number + 1,
        ..b.token()
    };
    let plain = EventDraft::new("test", "kind", "plain");
    let fenced = NewEvent::new(run_id, plain.clone()).with_fence(stale);
    let (once, again, other, finished, repeated, completed, missing, no_run, fenced, ()) = in_one_batch!(
        &store,
        named("same"),
        named("same"),
        named("other"),
        store.finish_task(a.token(), report.clone()),
        store.finish_task(a.token(), report),
        store.complete_task(CompleteTask::new(a.task.id, "by hand")),
        store.complete_task(CompleteTask::new(TaskId::generate(), "nowhere")),
        store.add_event(NewEvent::new(unknown, plain)),
        store.add_event(fenced),
    );
    let once = once.unwrap();
    assert_eq!(again.unwrap(), once);
    assert!(
        matches!(other, Err(Error::AlreadyExists { .. })),
        "{other:?}"
    );
    assert_eq!(finished.unwrap(), repeated.unwrap());
    assert!(
        matches!(completed, Err(Error::InvalidTransition { .. })),
        "{completed:?}"
    );
    assert!(
        matches!(missing, Err(Error::NotFound { .. })),
        "{missing:?}"
    );
    assert!(matches!(no_run, Err(Error::NotFound { .. })), "{no_run:?}");
    assert!(
        matches!(fenced, Err(Error::StaleClaim { .. })),
        "{fenced:?}"
    );
    let attempts = store
        .list_attempts(ListAttempts::new(run_id))
        .await
        .unwrap();
    assert_eq!(
        attempts.items.len(),
        1,
        "the report that was repeated added nothing"
    );
}

#[tokio::test]
async fn a_call_whose_caller_is_gone_takes_effect_before_what_the_caller_does_next() {
    let (_folder, store, run_id, claims) = scene(vec![draft("a")], 1).await;
    let token = claims.first().unwrap().token();
    let fenced = |message: &str| {
        let draft = EventDraft::new("test", "kind", message);
        store.add_event(NewEvent::new(run_id, draft).with_fence(token))
    };
    let release = hold(&store).await;
    {
        let mut dropped = pin!(store.finish_task(token, FinishReport::completed("done")));
        assert!(dropped.as_mut().now_or_never().is_none());
    }
    let (one, two, ()) = tokio::join!(
        biased;
        fenced("one"), fenced("two"), async { drop(release) }
    );
    for late in [one, two] {
        assert!(matches!(late, Err(Error::StaleClaim { .. })), "{late:?}");
    }
    let task = store.get_task(token.task_id).await.unwrap();
    assert_eq!(task.status, TaskStatus::Completed);
}

#[tokio::test]
async fn a_call_of_another_kind_whose_caller_is_gone_comes_first_too() {
    let (_folder, store, _, claims) = scene(vec![draft("a"), draft("b")], 2).await;
    let [a, b] = <[Claim; 2]>::try_from(claims).unwrap();
    let release = hold(&store).await;
    {
        let mut dropped = pin!(store.requeue_task(a.task.id));
        assert!(dropped.as_mut().now_or_never().is_none());
    }
    let complete = |task_id| store.complete_task(CompleteTask::new(task_id, "done"));
    let (of_a, of_b, ()) = tokio::join!(
        biased;
        complete(a.task.id), complete(b.task.id), async { drop(release) }
    );
    for completed in [of_a.unwrap(), of_b.unwrap()] {
        assert_eq!(store.get_task(completed.id).await.unwrap(), completed);
        assert_eq!(completed.status, TaskStatus::Completed);
    }
}

#[tokio::test]
async fn more_calls_than_one_statement_holds_are_numbered_without_a_gap() {
    let drafts = Vec::from_iter((0..150).map(|number| draft(&number.to_string())));
    let last = draft("last").with_depends_on(0..150);
    let drafts = [drafts, vec![last]].concat();
    let (_folder, store, run_id, claims) = scene(drafts, 150).await;
    let release = hold(&store).await;
    let finishes = claims.iter().map(|claim| {
        let event = EventDraft::new("test", "kind", claim.task.title.as_str());
        store.finish_task(
            claim.token(),
            FinishReport::completed("done").with_event(event),
        )
    });
    let (finished, ()) = tokio::join!(biased; join_all(finishes), async { drop(release) });
    assert!(finished.iter().all(Result::is_ok));
    let events = store.list_events(ListEvents::new(run_id)).await.unwrap();
    let numbers = events.items.iter().map(|event| event.seq);
    assert!(numbers.eq(1..=events.items.len() as u64));
    let next = store
        .claim_next_task(ClaimRequest::of_run(run_id))
        .await
        .unwrap();
    assert_eq!(next.unwrap().task.title, "last");
}
