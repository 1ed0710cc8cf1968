//! A store on the runtime that opened it: what becomes of its calls when that is of one thread, shut down, or not there.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use futures_util::FutureExt;
use futures_util::future::join_all;
use runstore_core::{Error, Event, EventDraft, NewEvent, NewRun, Result, RunId, Store};
use runstore_postgres::PostgresStore;
use sqlx::{Connection, PgConnection};
use tokio::runtime::{Builder, Runtime};

use common::{hold, options, run, schema, url, waited_for};

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

async fn add_event(store: &PostgresStore, run_id: RunId) -> Result<Event> {
    let event = EventDraft::new("worker", "noted", "message");
    store.add_event(NewEvent::new(run_id, event)).await
}

#[tokio::test]
async fn a_runtime_of_one_thread_carries_out_calls_one_after_the_other_and_at_once() {
    let store = PostgresStore::open(options().with_callers_runtime(true)).await;
    let store = store.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    let alone = add_event(&store, run_id).await.unwrap();
    let together = join_all((0..20).map(|_| add_event(&store, run_id))).await;
    let mut numbers = vec![alone.seq];
    numbers.extend(together.into_iter().map(|event| event.unwrap().seq));
    numbers.sort_unstable();
    // The first event is that of the run.
    assert_eq!(numbers, Vec::from_iter(2..=22));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_call_that_its_caller_drops_is_carried_out_before_the_next_one() {
    let name = schema();
    let options = options().with_schema(&name).with_callers_runtime(true);
    let store = PostgresStore::open(options).await.unwrap();
    let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
    let mut other = PgConnection::connect(&url()).await.unwrap();
    hold(&mut other, &name, run_id, "events").await;
    let mut dropped = Box::pin(add_event(&store, run_id));
    assert!(dropped.as_mut().now_or_never().is_none());
    waited_for(&mut other).await;
    drop(dropped);
    let (next, ()) = tokio::join!(add_event(&store, run_id), run(&mut other, "COMMIT"));
    assert_eq!(next.unwrap().seq, 3);
    store.close().await.unwrap();
}

#[test]
fn once_its_runtime_is_shut_down_every_call_is_unavailable_and_none_waits_for_ever() {
    let (opening, calling) = (runtime(), runtime());
    let name = schema();
    let options = options().with_schema(&name).with_connections(1);
    let options = options.with_callers_runtime(true);
    let store = opening.block_on(PostgresStore::open(options)).unwrap();
    calling.block_on(async {
        let run_id = store.create_run(NewRun::new("goal", "")).await.unwrap().id;
        let mut other = PgConnection::connect(&url()).await.unwrap();
        hold(&mut other, &name, run_id, "events").await;
        let mut under_way = Box::pin(add_event(&store, run_id));
        assert!(under_way.as_mut().now_or_never().is_none());
        waited_for(&mut other).await;
        let mut behind = Box::pin(add_event(&store, run_id));
        assert!(behind.as_mut().now_or_never().is_none());
        opening.shutdown_background();
        for answer in [
            under_way.await,
            behind.await,
            add_event(&store, run_id).await,
        ] {
            assert!(
                matches!(answer, Err(Error::Unavailable { .. })),
                "{answer:?}"
            );
        }
        let read = store.get_run(run_id).await;
        assert!(matches!(read, Err(Error::Unavailable { .. })), "{read:?}");
    });
}

#[test]
fn without_a_runtime_there_is_none_to_open_the_store_on() {
    let opened = PostgresStore::open(options().with_callers_runtime(true)).now_or_never();
    let Some(Err(Error::InvalidInput { field, .. })) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(field, "runtime");
}
