//! The worker loop over a store in memory, which the tests look into and break.

use std::sync::atomic::{AtomicBool, Ordering};

use runstore_core::{ListAttempts, ListRuns, ListTasks, Store, TaskStatus};
use runstore_memory::{MemoryOptions, MemoryStore};
use tokio::task::{JoinSet, yield_now};

use super::*;
use crate::StoreEngine;
use crate::testing::Shared;

/// Twice the least batch.
const HANDLERS: usize = 20;

/// A case of the engine, and the store below it.
struct Bench {
    store: Arc<dyn Store>,
    is_removed: Arc<AtomicBool>,
    subject: Arc<dyn Subject>,
}

impl Bench {
    async fn begun(workload: Workload, runs: usize) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::open(MemoryOptions::default()));
        let is_removed = Arc::new(AtomicBool::new(false));
        let shared = Shared {
            store: Arc::clone(&store),
            is_removed: Arc::clone(&is_removed),
        };
        let case = Case {
            workload,
            workers: 3,
            tasks: 6,
            runs,
            payload_bytes: 40,
            rate: None,
            durability: Durability::Full,
        };
        let engine = StoreEngine::new("memory", shared).worker();
        let subject = engine.begin(&case).await.unwrap().unwrap();
        Self {
            store,
            is_removed,
            subject: Arc::from(subject),
        }
    }

    /// A round of so many operations, by three callers.
    async fn round(&self, operations: usize) -> Result<()> {
        self.subject.prepare(operations as u64).await?;
        let mut callers = JoinSet::new();
        for caller in 0..3 {
            let subject = Arc::clone(&self.subject);
            callers.spawn(async move {
                let mut steps = Steps::new()?;
                for _ in (caller..operations).step_by(3) {
                    subject.operate(caller, &mut steps).await?;
                }
                Result::Ok(())
            });
        }
        while let Some(caller) = callers.join_next().await {
            caller.map_err(Failure::engine)??;
        }
        Ok(())
    }

    async fn run_ids(&self) -> Vec<runstore_core::RunId> {
        let runs = self.store.list_runs(ListRuns::default()).await.unwrap();
        runs.items.iter().map(|run| run.id).collect()
    }

    /// How many tasks are pending, held and completed, and how many attempts there are.
    async fn rows(&self) -> (usize, usize, usize, usize) {
        let mut rows = (0, 0, 0, 0);
        for run_id in self.run_ids().await {
            let tasks = self.store.list_tasks(ListTasks::new(run_id)).await.unwrap();
            for task in tasks.items {
                match task.status {
                    TaskStatus::Pending => rows.0 += 1,
                    TaskStatus::InProgress => rows.1 += 1,
                    TaskStatus::Completed => rows.2 += 1,
                    other => panic!("a task is {other}"),
                }
            }
            let attempts = ListAttempts::new(run_id);
            rows.3 += self
                .store
                .list_attempts(attempts)
                .await
                .unwrap()
                .items
                .len();
        }
        rows
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_a_round_is_over_its_reports_are_written_and_as_many_tasks_held_as_before() {
    for workload in [Workload::Finish, Workload::Cycle] {
        for runs in [1, 2] {
            let bench = Bench::begun(workload, runs).await;
            bench.round(4).await.unwrap();
            assert_eq!(bench.rows().await, (6, HANDLERS, 4, 4), "{workload}");
            bench.round(50).await.unwrap();
            assert_eq!(bench.rows().await, (6, HANDLERS, 54, 54), "{workload}");
            // It counts the rows itself, after a report on what is held.
            bench.subject.end().await.unwrap();
            assert!(bench.is_removed.load(Ordering::Relaxed));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_too_many_is_told_in_the_end() {
    let bench = Bench::begun(Workload::Finish, 1).await;
    bench.round(3).await.unwrap();
    let run_id = bench.run_ids().await[0];
    let request = runstore_core::ClaimRequest::of_run(run_id);
    let claim = bench.store.claim_next_task(request).await.unwrap();
    let report = runstore_core::FinishReport::completed("by another");
    let finish = bench.store.finish_task(claim.unwrap().token(), report);
    finish.await.unwrap();
    let told = bench.subject.end().await.unwrap_err().to_string();
    assert!(
        told.contains("others: 2 } where Count { completed: 23"),
        "{told}"
    );
    assert!(
        bench.is_removed.load(Ordering::Relaxed),
        "removed all the same"
    );
}

/// Until the worker, and all of its handlers, have let go of the store.
async fn let_go(bench: Bench) {
    let Bench { store, subject, .. } = bench;
    drop(subject);
    while Arc::strong_count(&store) > 1 {
        yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_lost_ends_the_round_with_its_reason() {
    let bench = Bench::begun(Workload::Finish, 1).await;
    bench.round(3).await.unwrap();
    let run_id = bench.run_ids().await[0];
    bench.store.delete_run(run_id).await.unwrap();
    let mut steps = Steps::new().unwrap();
    let told = loop {
        if let Err(told) = bench.subject.operate(0, &mut steps).await {
            break told.to_string();
        }
    };
    assert_eq!(told, "a claim of the worker ended as Lost");
    bench.subject.end().await.unwrap_err();
    let_go(bench).await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_fails_ends_a_round_that_waits_for_it() {
    let bench = Bench::begun(Workload::Finish, 1).await;
    bench.subject.prepare(1).await.unwrap();
    bench.store.close().await.unwrap();
    let mut steps = Steps::new().unwrap();
    // The last operation of the round, which waits until its report is written.
    let told = bench.subject.operate(0, &mut steps).await.unwrap_err();
    assert!(told.to_string().contains("closed"), "{told}");
    let_go(bench).await;
}

#[tokio::test]
async fn it_does_cycles_and_finishes_and_has_its_options_last_in_its_name() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::open(MemoryOptions::default()));
    let shared = || Shared {
        store: Arc::clone(&store),
        is_removed: Arc::default(),
    };
    let named = |name| StoreEngine::new(name, shared()).worker().name().to_owned();
    assert_eq!(named("memory"), "memory worker");
    assert_eq!(named("sqlite?readers=2"), "sqlite worker?readers=2");
    for workload in Workload::ALL {
        let case = Case {
            workload,
            workers: 1,
            tasks: 1,
            runs: 1,
            payload_bytes: 1,
            rate: None,
            durability: Durability::Full,
        };
        let begun = StoreEngine::new("memory", shared()).worker();
        let does = begun.begin(&case).await.unwrap().is_some();
        let expected = matches!(workload, Workload::Cycle | Workload::Finish);
        assert_eq!(does, expected, "{workload}");
    }
}
