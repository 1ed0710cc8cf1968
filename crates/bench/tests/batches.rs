//! Workers that claim several tasks by one call.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "support/buffer.rs"]
mod buffer;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use runstore_bench::{
    Case, Engine, Length, Opened, Opener, Plan, Recorded, Report, Result, StoreEngine, Workload,
    run,
};
use runstore_core::{Durability, Store};
use runstore_memory::MemoryStore;
use serde_json::Value;

use buffer::Buffer;

/// Stores in memory, each in a trace of its own.
#[derive(Default)]
struct Traced(Buffer);

#[async_trait]
impl Opener for Traced {
    async fn open(&self, _: Durability) -> Result<Opened> {
        Ok(Opened {
            store: Arc::new(Recorded::new(MemoryStore::new(), self.0.clone())),
            place: String::new(),
            files: Vec::new(),
            is_in_process: true,
        })
    }

    async fn open_again(&self, _: &Opened) -> Result<Option<Arc<dyn Store>>> {
        Ok(None)
    }

    async fn remove(&self, _: &Opened) -> Result<()> {
        Ok(())
    }
}

fn case(workload: Workload, tasks: u64) -> Case {
    Case {
        workload,
        workers: 2,
        tasks,
        runs: 2,
        payload_bytes: 40,
        rate: None,
        durability: Durability::Full,
    }
}

/// Measures workers that claim three tasks by one call, in rounds of twenty operations; and what they called.
async fn measured(cases: Vec<Case>) -> (Report, BTreeMap<String, Vec<Value>>) {
    let trace = Buffer::default();
    let engine = StoreEngine::new("a?option=1", Traced(trace.clone()));
    let engine = engine.in_batches(NonZeroU32::new(3).unwrap());
    let plan = Plan {
        cases,
        rounds: 3,
        length: Length::Operations(20),
        folder: std::env::temp_dir(),
        allow_tmpfs: true,
        fsync: None,
    };
    let engines = [Box::new(engine) as Box<dyn Engine>];
    let report = run(&engines, &plan, &mut |_| {}).await.unwrap();
    let mut calls: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in trace.text().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(method) = line["method"].as_str() {
            calls.entry(method.to_owned()).or_default().push(line);
        }
    }
    (report, calls)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_claims_as_many_tasks_as_asked_for_and_each_is_worked_on() {
    // Also where nothing is pending but what the operations use up.
    let (report, calls) = measured(vec![case(Workload::Cycle, 0), case(Workload::Finish, 5)]).await;
    assert_eq!(report.rows.len(), 2);
    for row in &report.rows {
        assert_eq!(row.engine, "a batch 3?option=1");
        assert!(row.rounds.iter().all(|round| round.operations == 20));
    }
    let of = |method: &str| calls.get(method).map_or(0, Vec::len);
    // Each with two operations for warming up.
    let operations = 62;
    assert_eq!(
        (of("complete_task"), of("add_attempt")),
        (operations, operations)
    );
    assert_eq!((of("finish_task"), of("claim_next_task")), (operations, 0));
    // A round of twenty begins with a claim of each worker, and has one for three tasks from there on.
    let of_rounds = 2 * 3 * 7..=2 * 3 * 8;
    let claims = of("claim_tasks") - 2;
    assert!(of_rounds.contains(&claims), "{claims} calls in rounds");
}

#[tokio::test]
async fn what_is_no_work_on_tasks_is_left_out() {
    let (report, calls) =
        measured(vec![case(Workload::Append, 5), case(Workload::Finish, 5)]).await;
    assert_eq!(report.rows.len(), 1);
    assert_eq!(report.left_out[0].workload, Workload::Append);
    assert!(!calls.contains_key("add_event"));
}
