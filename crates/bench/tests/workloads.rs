//! Every workload on the reference backend.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runstore_bench::{
    Case, Engine, Failure, Length, Opened, Opener, Plan, Progress, Report, Result, StoreEngine,
    Workload, run,
};
use runstore_core::{Durability, Store};
use runstore_memory::{MemoryOptions, MemoryStore};

struct Memory;

#[async_trait]
impl Opener for Memory {
    async fn open(&self, _: Durability) -> Result<Opened> {
        Ok(Opened {
            store: Arc::new(MemoryStore::open(MemoryOptions::default())),
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

fn case(workload: Workload) -> Case {
    Case {
        workload,
        workers: 3,
        tasks: 20,
        runs: 2,
        payload_bytes: 40,
        rate: None,
        durability: Durability::Full,
    }
}

async fn measured(cases: Vec<Case>, rounds: usize, length: Length) -> Result<Report> {
    let names = ["a", "b"];
    let engines = names.map(|name| Box::new(StoreEngine::new(name, Memory)) as Box<dyn Engine>);
    let folder = tempfile::tempdir();
    let folder = folder.map_err(|error| Failure::io("no folder", error))?;
    let plan = Plan {
        cases,
        rounds,
        length,
        folder: folder.path().to_owned(),
        allow_tmpfs: true,
        fsync: None,
    };
    run(&engines, &plan, &mut |_| {}).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_workload_is_carried_out_as_often_as_asked_for() {
    let cases = Vec::from_iter(Workload::ALL.map(case));
    let report = measured(cases, 2, Length::Operations(7)).await.unwrap();
    for workload in Workload::ALL {
        let rows = report
            .rows
            .iter()
            .filter(|row| row.case.workload == workload);
        let rows = Vec::from_iter(rows);
        // What is in memory cannot be opened again.
        let engines = if workload == Workload::Open { 0 } else { 2 };
        let left_out = report.left_out.iter().find(|of| of.workload == workload);
        assert_eq!(left_out.map_or(0, |of| of.engines.len()), 2 - engines);
        assert_eq!(rows.len(), engines, "{workload}");
        for row in rows {
            assert_eq!(
                row.durability,
                Durability::Volatile,
                "what it has, not what was asked"
            );
            let operations = Vec::from_iter(row.rounds.iter().map(|round| round.operations));
            assert_eq!(operations, [7, 7], "{workload}");
            for round in &row.rounds {
                let latency = round.latency;
                assert!(round.per_second > 0.0 && latency.p50 > 0.0, "{workload}");
                assert!(
                    latency.p50 <= latency.p99 && latency.p99 <= latency.max,
                    "{workload}"
                );
            }
        }
    }
    let cycle = report
        .rows
        .iter()
        .find(|row| row.case.workload == Workload::Cycle);
    let steps = cycle.unwrap().rounds.first().unwrap().steps.iter();
    let steps = Vec::from_iter(steps.map(|of| of.step.as_str()));
    assert_eq!(steps, ["claim", "attempt", "event", "complete"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engines_take_turns_and_warm_up_before() {
    let names = ["a", "b"];
    let engines = names.map(|name| Box::new(StoreEngine::new(name, Memory)) as Box<dyn Engine>);
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        cases: vec![case(Workload::Append)],
        rounds: 2,
        length: Length::Operations(1),
        folder: folder.path().to_owned(),
        allow_tmpfs: true,
        fsync: Some(Duration::from_millis(2)),
    };
    let mut turns = Vec::new();
    let mut note = |progress: Progress<'_>| {
        assert!(progress.done < progress.of);
        turns.push(progress.engine.to_owned());
    };
    let report = run(&engines, &plan, &mut note).await.unwrap();
    assert!(report.fsync.is_some());
    assert_eq!(turns, ["a", "b", "a", "b", "a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_round_of_a_time_finds_out_how_many_operations_fill_it() {
    let length = Length::Time(Duration::from_millis(20));
    let report = measured(vec![case(Workload::Cycle)], 1, length)
        .await
        .unwrap();
    // Far more than what it began with: a store in memory does a cycle in microseconds.
    let operations = report
        .rows
        .first()
        .unwrap()
        .rounds
        .first()
        .unwrap()
        .operations;
    assert!(operations > 3, "{operations}");
}

#[tokio::test]
async fn at_a_rate_a_round_has_the_operations_that_are_due_in_its_time() {
    let of = Case {
        rate: Some(500.0),
        ..case(Workload::Append)
    };
    let length = Length::Time(Duration::from_millis(20));
    let report = measured(vec![of], 1, length).await.unwrap();
    for row in &report.rows {
        assert_eq!(row.rounds.first().unwrap().operations, 10);
    }
}

#[tokio::test]
async fn workers_without_an_operation_make_no_round_faster() {
    let of = Case {
        workers: 9,
        ..case(Workload::Resume)
    };
    let report = measured(vec![of], 1, Length::Operations(1)).await.unwrap();
    for row in &report.rows {
        let round = row.rounds.first().unwrap();
        let micros = round.latency.max;
        // To the 1 % of the histogram.
        assert!(
            (round.seconds * 1e6 / micros - 1.0).abs() < 0.02,
            "{round:?}"
        );
    }
}

#[tokio::test]
async fn a_failure_names_the_engine_and_the_workload() {
    let of = Case {
        tasks: 200_000,
        ..case(Workload::Plan)
    };
    let refused = measured(vec![of], 1, Length::Operations(1)).await;
    let told = refused.unwrap_err().to_string();
    assert!(told.starts_with("a, plan: invalid input: drafts"), "{told}");
}

#[tokio::test]
async fn what_means_nothing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let engines: [Box<dyn Engine>; 1] = [Box::new(StoreEngine::new("a", Memory))];
    let refused = async |rounds, length, change: fn(&mut Case)| {
        let mut of = case(Workload::Append);
        change(&mut of);
        let plan = Plan {
            cases: vec![of],
            rounds,
            length,
            folder: folder.path().to_owned(),
            allow_tmpfs: true,
            fsync: None,
        };
        run(&engines, &plan, &mut |_| {})
            .await
            .unwrap_err()
            .to_string()
    };
    let one = Length::Operations(1);
    assert!(refused(0, one, |_| {}).await.contains("rounds"));
    assert!(
        refused(1, Length::Operations(0), |_| {})
            .await
            .contains("operations")
    );
    let at_a_rate = |of: &mut Case| {
        of.workload = Workload::Wake;
        of.rate = Some(1.0);
    };
    let told = refused(1, one, at_a_rate).await;
    assert!(told.contains("wake cannot be measured at a rate"), "{told}");
    let no_time = Length::Time(Duration::ZERO);
    assert!(refused(1, no_time, |_| {}).await.contains("time"));
    assert!(
        refused(1, one, |of| of.workers = 0)
            .await
            .contains("workers")
    );
    assert!(refused(1, one, |of| of.runs = 0).await.contains("runs"));
    assert!(
        refused(1, one, |of| of.rate = Some(0.0))
            .await
            .contains("rate")
    );
}

#[tokio::test]
async fn at_a_rate_the_wait_behind_a_slow_operation_counts() {
    /// Each operation takes a millisecond, and they are to begin at once.
    struct Slow;

    #[async_trait]
    impl Engine for Slow {
        fn name(&self) -> &str {
            "slow"
        }

        async fn begin(&self, _: &Case) -> Result<Option<Box<dyn runstore_bench::Subject>>> {
            Ok(Some(Box::new(Slow)))
        }
    }

    #[async_trait]
    impl runstore_bench::Subject for Slow {
        async fn prepare(&self, _: u64) -> Result<()> {
            Ok(())
        }

        async fn operate(&self, _: usize, steps: &mut runstore_bench::Steps) -> Result<()> {
            let wait = steps.time("wait", async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Result::Ok(())
            });
            wait.await
        }

        fn durability(&self) -> Durability {
            Durability::Volatile
        }

        async fn end(&self) -> Result<()> {
            Ok(())
        }
    }

    let engines: [Box<dyn Engine>; 1] = [Box::new(Slow)];
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        cases: vec![Case {
            workers: 1,
            rate: Some(1e9),
            ..case(Workload::Append)
        }],
        rounds: 1,
        length: Length::Operations(50),
        folder: folder.path().to_owned(),
        allow_tmpfs: true,
        fsync: None,
    };
    let report = run(&engines, &plan, &mut |_| {}).await.unwrap();
    let latency = report.rows.first().unwrap().rounds.first().unwrap().latency;
    // The last one waited for 49 others.
    assert!(latency.max >= 49_000.0, "{latency:?}");
}
