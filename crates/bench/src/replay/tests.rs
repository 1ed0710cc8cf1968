//! Replays of what was recorded on the store in memory.

#[path = "../../examples/record/application.rs"]
mod application;
#[path = "../../tests/support/buffer.rs"]
mod buffer;
#[path = "../../tests/support/every_call.rs"]
mod every_call;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runstore_core::*;
use runstore_memory::MemoryStore;
use serde_json::{Value, json};

use self::buffer::Buffer;
use super::{Difference, Replayed, Timing, replay};
use crate::calls::each_call;
use crate::{Recorded, Trace, read_trace};

/// A store that answers otherwise than the one inside of it.
struct Altered<F> {
    inner: MemoryStore,
    /// Is given the name of the method and the answer.
    alter: F,
}

macro_rules! altered {
    ($(
        $kind:ident $variant:ident
        $method:ident($($(#[$meta:meta])* $param:ident: $type:ty),*) -> $answer:ty;
    )+) => {
        #[async_trait]
        impl<F: Fn(&str, &mut Value) + Send + Sync + 'static> Store for Altered<F> {
            fn info(&self) -> StoreInfo {
                self.inner.info()
            }

            $(
                async fn $method(&self, $($param: $type),*) -> Result<$answer> {
                    let mut answer = json!(self.inner.$method($($param),*).await?);
                    (self.alter)(stringify!($method), &mut answer);
                    Ok(serde_json::from_value(answer).unwrap())
                }
            )+
        }
    };
}
each_call!(altered);

fn altered(alter: impl Fn(&str, &mut Value) + Send + Sync + 'static) -> Arc<dyn Store> {
    let inner = MemoryStore::new();
    Arc::new(Altered { inner, alter })
}

async fn every_call() -> Trace {
    let buffer = Buffer::default();
    let store = Recorded::new(MemoryStore::new(), buffer.clone());
    every_call::make_every_call(&store).await.unwrap();
    store.finish().unwrap();
    read_trace(buffer.text().as_bytes()).unwrap()
}

async fn agents_at_work() -> Trace {
    let buffer = Buffer::default();
    let store = Arc::new(Recorded::new(MemoryStore::new(), buffer.clone()));
    application::run(store.clone(), Duration::ZERO)
        .await
        .unwrap();
    store.finish().unwrap();
    read_trace(buffer.text().as_bytes()).unwrap()
}

/// The line of the trace on which a method was called first.
fn line_of(trace: &Trace, method: &str) -> usize {
    let call = trace.calls.iter().find(|call| call.method == method);
    call.unwrap().line
}

fn assert_alike(replayed: &Replayed) {
    assert_eq!(replayed.differences.first, []);
    assert_eq!(replayed.overlapped.first, []);
}

#[tokio::test]
async fn what_was_called_in_turn_is_answered_alike_with_either_timing() {
    let trace = every_call().await;
    for timing in [Timing::AsRecorded, Timing::AsFastAsPossible] {
        let replayed = replay(&trace, Arc::new(MemoryStore::new()), timing).await;
        let replayed = replayed.unwrap();
        assert_alike(&replayed);
        assert_eq!(replayed.calls, trace.len() as u64);
        let by_method: u64 = replayed.methods.iter().map(|row| row.calls).sum();
        assert_eq!(by_method, replayed.calls);
        let as_json = json!(replayed);
        assert_eq!(
            serde_json::from_value::<Replayed>(as_json).unwrap().calls,
            by_method
        );
    }
}

#[tokio::test]
async fn an_answer_that_differs_is_told_with_its_line_and_path() {
    let trace = every_call().await;
    let differences = async |store| {
        let replayed = replay(&trace, store, Timing::AsFastAsPossible)
            .await
            .unwrap();
        assert_eq!(replayed.overlapped.count, 0);
        replayed.differences
    };

    let without_payload = altered(|method, answer| {
        if method == "add_event" {
            answer["payload"] = Value::Null;
        }
    });
    let found = differences(without_payload).await;
    let expected = Difference {
        line: line_of(&trace, "add_event"),
        method: "add_event".to_owned(),
        path: "answer.payload".to_owned(),
        recorded: r#"{"z":1.0,"a":[1,-0.0,null]}"#.to_owned(),
        replayed: "null".to_owned(),
    };
    assert_eq!((found.count, found.first), (1, vec![expected]));

    let skips_a_task = altered(|method, answer| {
        if method == "list_tasks" {
            answer["items"].as_array_mut().unwrap().pop();
        }
    });
    let found = differences(skips_a_task).await;
    let [found] = found.first.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(found.line, line_of(&trace, "list_tasks"));
    assert_eq!(
        [&found.path, &found.recorded, &found.replayed],
        ["answer.items", "6 entries", "5 entries"]
    );

    let sorts_keys = altered(|method, answer| {
        if method == "list_events" {
            answer["items"][4]["payload"] = json!({ "a": [1, -0.0, null], "z": 1.0 });
        }
    });
    let found = differences(sorts_keys).await;
    assert_eq!(found.first[0].path, "answer.items[4].payload");
}

#[tokio::test]
async fn a_refusal_of_another_kind_is_a_difference() {
    let trace = every_call().await;
    let closed = MemoryStore::new();
    closed.close().await.unwrap();
    let replayed = replay(&trace, Arc::new(closed), Timing::AsFastAsPossible).await;
    let found = &replayed.unwrap().differences.first[0];
    assert_eq!((&*found.method, &*found.path), ("create_run", "outcome"));
    assert_eq!(found.replayed, "error unavailable");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_who_worked_at_the_same_time_may_get_each_others_tasks() {
    let trace = agents_at_work().await;
    for timing in [Timing::AsRecorded, Timing::AsFastAsPossible] {
        let store = Arc::new(MemoryStore::new());
        let replayed = replay(&trace, store, timing).await.unwrap();
        assert_eq!(replayed.differences.first, []);
        assert_eq!(replayed.calls, trace.len() as u64);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_record_says_is_compared_also_where_the_order_was_chance() {
    let trace = agents_at_work().await;
    let without_payload = altered(|method, answer| {
        if method == "add_event" {
            answer["payload"] = Value::Null;
        }
    });
    let replayed = replay(&trace, without_payload, Timing::AsFastAsPossible).await;
    let found = replayed.unwrap().differences.first;
    assert!(!found.is_empty());
    for found in found {
        assert_eq!(
            (&*found.method, &*found.path),
            ("add_event", "answer.payload")
        );
    }
}

mod edited;
