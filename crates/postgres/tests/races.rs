//! Calls of several processes that meet in the middle of what each of them does.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use runstore_core::{
    AttemptReport, AttemptStatus, ClaimRequest, CompleteTask, Error, EventDraft, EventId,
    FinishReport, ListAttempts, ListEvents, ManualClock, NewAttempt, NewEvent, NewRun, RunId,
    Store, TaskDraft, TaskPlan, TaskStatus, Timestamp,
};
use runstore_postgres::PostgresStore;
use runstore_postgres_testing::Cluster;
use sqlx::{Connection, PgConnection, query_scalar};

use common::{hold, options, options_at, run, schema, url, waited_for, waited_for_by};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_requeue_leaves_what_a_heartbeat_extends_meanwhile() {
    let start = Timestamp::from_micros(1_772_359_200_000_000).unwrap();
    for is_of_run in [true, false] {
        let (name, clock) = (schema(), Arc::new(ManualClock::new(start)));
        let options = options_at(&url()).with_schema(&name);
        let options = options.with_clock(Arc::clone(&clock) as Arc<_>);
        let store = PostgresStore::open(options).await.unwrap();
        let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
        let plan = TaskPlan::new(run_id, [TaskDraft::new("t", "o").with_max_attempts(1)]);
        store.append_tasks(plan).await.unwrap();
        let request = ClaimRequest::of_run(run_id).with_lease(Duration::from_secs(1));
        let claim = store.claim_next_task(request).await.unwrap().unwrap();

        // Another process's heartbeat, in time, whose commit is a little late.
        let mut other = PgConnection::connect(&url()).await.unwrap();
        let beat = format!(
            "SET search_path = '{name}'; BEGIN; SELECT heartbeat('2026-03-01 10:00:00.5+00', \
             ARRAY['{}'::uuid], ARRAY[1::bigint], ARRAY[60000000::bigint])",
            claim.task.id
        );
        run(&mut other, beat).await;
        clock.advance_micros(2_000_000);
        let requeue = tokio::spawn({
            let store = store.clone();
            async move {
                store
                    .requeue_expired_tasks(is_of_run.then_some(run_id))
                    .await
            }
        });
        waited_for(&mut other).await;
        run(&mut other, "COMMIT").await;
        assert_eq!(requeue.await.unwrap().unwrap(), 0);
        let report = FinishReport::completed("done");
        let task = store.finish_task(claim.token(), report).await.unwrap();
        assert_eq!(task.status, TaskStatus::Completed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_leaves_what_a_heartbeat_extends_meanwhile() {
    let start = Timestamp::from_micros(1_772_359_200_000_000).unwrap();
    let (name, clock) = (schema(), Arc::new(ManualClock::new(start)));
    let options = options_at(&url()).with_schema(&name);
    let options = options.with_clock(Arc::clone(&clock) as Arc<_>);
    let store = PostgresStore::open(options).await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    let append = |title, priority| {
        let draft = TaskDraft::new(title, "o").with_priority(priority);
        store.append_tasks(TaskPlan::new(run_id, [draft]))
    };
    let request = ClaimRequest::of_run(run_id).with_lease(Duration::from_secs(1));
    append("leased", 1).await.unwrap();
    let leased = store.claim_next_task(request.clone()).await;
    let leased = leased.unwrap().unwrap();
    clock.advance_micros(2_000_000);
    // A claim of another task finds that the lease is over: this one can be claimed too from then on.
    append("other", 2).await.unwrap();
    let of_run = ClaimRequest::of_run(run_id);
    let other = store.claim_next_task(of_run.clone()).await;
    assert_eq!(other.unwrap().unwrap().task.title, "other");

    // Another process's heartbeat, in time, whose commit is a little late.
    let mut connection = PgConnection::connect(&url()).await.unwrap();
    let beat = format!(
        "SET search_path = '{name}'; BEGIN; SELECT heartbeat('2026-03-01 10:00:00.5+00', \
         ARRAY['{}'::uuid], ARRAY[1::bigint], ARRAY[60000000::bigint])",
        leased.task.id
    );
    run(&mut connection, beat).await;
    let claiming = tokio::spawn({
        let store = store.clone();
        async move { store.claim_next_task(of_run).await }
    });
    waited_for(&mut connection).await;
    run(&mut connection, "COMMIT").await;
    assert_eq!(claiming.await.unwrap().unwrap(), None);
    let report = FinishReport::completed("done");
    let task = store.finish_task(leased.token(), report).await.unwrap();
    assert_eq!(task.status, TaskStatus::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn claims_that_find_used_up_attempts_and_reports_never_wait_for_each_other_in_a_circle() {
    const ROUNDS: u64 = 40;
    let cluster = Cluster::start(&[]).unwrap();
    let options = options_at(&cluster.url());
    let store = PostgresStore::open(options.clone()).await.unwrap();
    let other = PostgresStore::open(options).await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    let workers = (1..=6).map(|number| {
        let store = if number % 2 == 0 { &store } else { &other }.clone();
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                let drafts = [Some(1), None].map(|bound| {
                    let draft = TaskDraft::new("t", "o");
                    bound.map_or(draft.clone(), |bound: u32| draft.with_max_attempts(bound))
                });
                let plan = TaskPlan::new(run_id, drafts);
                store.append_tasks(plan).await.unwrap();
                let lease = Duration::from_millis(number);
                let request = ClaimRequest::of_run(run_id).with_lease(lease);
                let Some(claim) = store.claim_next_task(request).await.unwrap() else {
                    continue;
                };
                let report = FinishReport::completed("done");
                let report = report.with_event(EventDraft::new("w", "done", ""));
                match store.finish_task(claim.token(), report).await {
                    Ok(_) | Err(Error::StaleClaim { .. }) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        })
    });
    for worker in Vec::from_iter(workers) {
        worker.await.unwrap();
    }
    let log = cluster.log();
    assert_eq!(log.matches("deadlock detected").count(), 0, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_is_seen_is_seen_with_its_first_event() {
    let options = options_at(&url());
    let store = PostgresStore::open(options.clone()).await.unwrap();
    let followers = PostgresStore::open(options).await.unwrap();
    for round in 0..150 {
        let run_id = RunId::generate();
        let follow = tokio::spawn({
            let followers = followers.clone();
            async move {
                loop {
                    let events = match round % 2 {
                        0 => followers.recent_events(run_id, 10).await,
                        _ => {
                            let page = followers.list_events(ListEvents::new(run_id)).await;
                            page.map(|page| page.items)
                        }
                    };
                    match events {
                        Err(Error::NotFound { .. }) => {}
                        events => return events,
                    }
                }
            }
        });
        let new = NewRun::new("goal", "").with_id(run_id);
        store.create_run(new).await.unwrap();
        let events = follow.await.unwrap().unwrap();
        assert_eq!(events.len(), 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_added_alone_and_together_by_several_processes_are_numbered_without_gaps() {
    const ROUNDS: usize = 60;
    const TOGETHER: usize = 8;
    let options = options();
    let stores = try_join_all([1, 2, 3].map(|_| PostgresStore::open(options.clone()))).await;
    let stores = stores.unwrap();
    let run_id = stores[0].create_run(NewRun::new("goal", "")).await.unwrap();
    let run_id = run_id.id;
    // The first two add one event after the other, the third many at a time.
    let adding = stores.iter().zip([1, 1, TOGETHER]).map(|(store, at_once)| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                let adding = (0..at_once).map(|_| {
                    let event = EventDraft::new("worker", "noted", "message");
                    store.add_event(NewEvent::new(run_id, event))
                });
                let mut last = 0;
                for event in join_all(adding).await {
                    last = last.max(event.unwrap().seq);
                }
                // What was answered is seen, and all that came before it.
                let seen = store.recent_events(run_id, 10_000).await.unwrap();
                let numbers = Vec::from_iter(seen.iter().map(|event| event.seq));
                assert_eq!(numbers, Vec::from_iter(1..=numbers.len() as u64));
                assert!(numbers.len() as u64 >= last);
            }
        })
    });
    for adding in Vec::from_iter(adding) {
        adding.await.unwrap();
    }
    let events = stores[0].recent_events(run_id, 10_000).await.unwrap();
    assert_eq!(events.len(), 1 + ROUNDS * (2 + TOGETHER));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_two_processes_add_at_the_same_time_is_added_once() {
    let name = schema();
    let options = options().with_schema(&name);
    let store = PostgresStore::open(options.clone()).await.unwrap();
    let other = PostgresStore::open(options).await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    let mut holder = PgConnection::connect(&url()).await.unwrap();
    hold(&mut holder, &name, run_id, "events").await;
    let event = EventDraft::new("worker", "noted", "message").with_id(EventId::generate());
    // Both find that there is no such event, and then wait for their turn.
    let adding = [&store, &other].map(|store| {
        let (store, event) = (store.clone(), event.clone());
        tokio::spawn(async move { store.add_event(NewEvent::new(run_id, event)).await })
    });
    waited_for_by(&mut holder, 2).await;
    run(&mut holder, "COMMIT").await;
    let [first, second] = adding;
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!(first.unwrap(), second.unwrap());
    let events = store.recent_events(run_id, 10).await.unwrap();
    assert_eq!(events.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completion_that_waited_for_a_plan_frees_what_the_plan_made_depend_on_it() {
    let name = schema();
    let options = options().with_schema(&name);
    let store = PostgresStore::open(options.clone()).await.unwrap();
    let other = PostgresStore::open(options).await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    let append = |store: &PostgresStore, draft| {
        let (store, plan) = (store.clone(), TaskPlan::new(run_id, [draft]));
        tokio::spawn(async move { store.append_tasks(plan).await })
    };
    let first = append(&store, TaskDraft::new("first", "o")).await;
    let first = first.unwrap().unwrap().remove(0);
    let mut holder = PgConnection::connect(&url()).await.unwrap();
    hold(&mut holder, &name, run_id, "tasks").await;
    let second = TaskDraft::new("second", "o").with_depends_on([first.id]);
    let planning = append(&other, second);
    waited_for_by(&mut holder, 1).await;
    let completing = tokio::spawn({
        let (store, complete) = (store.clone(), CompleteTask::new(first.id, "done"));
        async move { store.complete_task(complete).await }
    });
    waited_for_by(&mut holder, 2).await;
    run(&mut holder, "COMMIT").await;
    planning.await.unwrap().unwrap();
    let first = completing.await.unwrap().unwrap();
    assert_eq!(first.status, TaskStatus::Completed);
    let claim = store.claim_next_task(ClaimRequest::of_run(run_id)).await;
    assert_eq!(claim.unwrap().unwrap().task.title, "second");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_waits_while_its_claim_ends_is_refused() {
    let name = schema();
    let store = PostgresStore::open(options().with_schema(&name));
    let store = store.await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    for waits_for in ["the counter", "the task"] {
        let plan = TaskPlan::new(run_id, [TaskDraft::new("t", "o")]);
        store.append_tasks(plan).await.unwrap();
        let claim = store.claim_next_task(ClaimRequest::of_run(run_id)).await;
        let claim = claim.unwrap().unwrap();
        let mut other = PgConnection::connect(&url()).await.unwrap();
        let begin = format!("SET search_path = '{name}'; BEGIN");
        run(&mut other, begin).await;
        if waits_for == "the counter" {
            hold(&mut other, &name, run_id, "attempts").await;
        }
        let position = claim.task.position;
        let end = format!(
            "UPDATE task_states SET status = 'blocked' WHERE run_id = '{run_id}' AND position = {position}"
        );
        run(&mut other, end).await;
        let adding = tokio::spawn({
            let (store, token) = (store.clone(), claim.token());
            let report = AttemptReport::new(AttemptStatus::Completed, "done");
            async move { store.add_attempt(NewAttempt::of_claim(token, report)).await }
        });
        waited_for(&mut other).await;
        run(&mut other, "COMMIT").await;
        let refused = adding.await.unwrap();
        assert!(
            matches!(refused, Err(Error::StaleClaim { .. })),
            "{waits_for}: {refused:?}"
        );
        let attempts = store.list_attempts(ListAttempts::new(run_id)).await;
        assert_eq!(attempts.unwrap().items, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_waits_for_its_turn_while_the_run_is_deleted_is_refused() {
    let name = schema();
    let options = options().with_schema(&name);
    let store = PostgresStore::open(options).await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    let mut other = PgConnection::connect(&url()).await.unwrap();
    hold(&mut other, &name, run_id, "events").await;
    let adding = tokio::spawn({
        let store = store.clone();
        let event = EventDraft::new("worker", "noted", "message");
        async move { store.add_event(NewEvent::new(run_id, event)).await }
    });
    waited_for(&mut other).await;
    // What the deletion of a run does to what the event needs.
    let delete = format!(
        "DELETE FROM counters WHERE run_id = '{run_id}'; DELETE FROM events WHERE run_id = '{run_id}'; \
         DELETE FROM runs WHERE run_id = '{run_id}'; COMMIT"
    );
    run(&mut other, delete).await;
    let refused = adding.await.unwrap();
    assert!(
        matches!(refused, Err(Error::NotFound { .. })),
        "{refused:?}"
    );
    let left = query_scalar("SELECT count(*) FROM events WHERE run_id::text = $1");
    let left: i64 = left
        .bind(run_id.to_string())
        .fetch_one(&mut other)
        .await
        .unwrap();
    assert_eq!(left, 0);
}
