//! What the tests of the engines share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use runstore_bench::{Case, Engine, Length, Plan, Report, Result, Steps, Subject, Workload, run};
use runstore_core::Durability;

/// What a bare loop does.
const WORKLOADS: [Workload; 9] = [
    Workload::Cycle,
    Workload::Finish,
    Workload::Claim,
    Workload::ClaimNothing,
    Workload::Append,
    Workload::Plan,
    Workload::Snapshot,
    Workload::Pages,
    Workload::Resume,
];

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

async fn measured(engine: impl Engine + 'static, cases: Vec<Case>) -> Result<Report> {
    let plan = Plan {
        cases,
        rounds: 2,
        length: Length::Operations(7),
        folder: std::env::temp_dir(),
        allow_tmpfs: true,
        fsync: None,
    };
    let engines: [Box<dyn Engine>; 1] = [Box::new(engine)];
    run(&engines, &plan, &mut |_| {}).await
}

/// The engine does the workloads that it says, by the steps of those over a store, and no other. That it did them is
/// also checked by itself: it refuses to end a case whose rows are not as many as were written.
pub(crate) async fn does_every_workload_it_says(engine: impl Engine + 'static) {
    assert!(engine.is_reference());
    let about = engine.look(Durability::Full).await.unwrap();
    for workload in Workload::ALL {
        let is_left_out = about.leaves_out.contains(&workload);
        assert_eq!(is_left_out, !WORKLOADS.contains(&workload), "{workload}");
    }
    let cases = Vec::from_iter(Workload::ALL.map(case));
    let report = measured(engine, cases).await.unwrap();
    let done = Vec::from_iter(report.rows.iter().map(|row| row.case.workload));
    let expected = Workload::ALL.into_iter();
    assert_eq!(
        done,
        Vec::from_iter(expected.filter(|of| WORKLOADS.contains(of)))
    );
    for row in &report.rows {
        assert!(row.is_reference);
        let of = row.case.workload;
        let operations = Vec::from_iter(row.rounds.iter().map(|round| round.operations));
        assert_eq!(operations, [7, 7], "{of}");
        for round in &row.rounds {
            let steps = Vec::from_iter(round.steps.iter().map(|of| of.step.as_str()));
            match of {
                Workload::Cycle => assert_eq!(steps, ["claim", "attempt", "event", "complete"]),
                Workload::Finish => assert_eq!(steps, ["claim", "finish"]),
                _ => assert!(steps.is_empty(), "{of}"),
            }
        }
    }
}

/// A look at the rows that does not go through the engine.
#[async_trait]
pub(crate) trait Look: Send + Sync {
    async fn rows(&self, files: &[PathBuf]) -> Rows;
}

/// What the operations of cycles leave, each once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Tasks that were ever claimed.
    pub(crate) claimed: u64,
    /// Tasks that are completed and were claimed once.
    pub(crate) completed_at_once: u64,
    pub(crate) attempts: u64,
    /// Completed tasks with an attempt.
    pub(crate) with_attempt: u64,
    pub(crate) events: u64,
    /// The tasks that are left to be claimed.
    pub(crate) pending: u64,
}

/// After each round every task was claimed once, and has its attempt and its event.
pub(crate) async fn cycles_leave_their_rows(
    engine: impl Engine + 'static,
    look: impl Look + 'static,
) {
    let looked = Arc::new(Mutex::new(Vec::new()));
    let watched = Watched {
        engine: Box::new(engine),
        look: Arc::new(look),
        looked: Arc::clone(&looked),
    };
    measured(watched, vec![case(Workload::Cycle)])
        .await
        .unwrap();
    let looked = std::mem::take(&mut *looked.lock().unwrap());
    // It warms up by single operations, as many as a round has at most; tasks are prepared for both runs alike, so that
    // each time one more is left over.
    let warm_up = looked.len() as u64 - 2;
    assert!((1..=7).contains(&warm_up), "{looked:?}");
    let rounds = [warm_up + 7, warm_up + 14];
    let expected = (1..=warm_up).chain(rounds).zip(21..);
    let expected = expected.map(|(operations, pending)| Rows {
        claimed: operations,
        completed_at_once: operations,
        attempts: operations,
        with_attempt: operations,
        events: operations,
        pending,
    });
    assert_eq!(looked, Vec::from_iter(expected));
}

/// An engine whose rows are looked at after each round.
struct Watched {
    engine: Box<dyn Engine>,
    look: Arc<dyn Look>,
    looked: Arc<Mutex<Vec<Rows>>>,
}

struct WatchedSubject {
    subject: Box<dyn Subject>,
    look: Arc<dyn Look>,
    looked: Arc<Mutex<Vec<Rows>>>,
}

#[async_trait]
impl Engine for Watched {
    fn name(&self) -> &str {
        self.engine.name()
    }

    async fn begin(&self, case: &Case) -> Result<Option<Box<dyn Subject>>> {
        let subject = self.engine.begin(case).await?;
        Ok(subject.map(|subject| {
            let (look, looked) = (Arc::clone(&self.look), Arc::clone(&self.looked));
            let watched = WatchedSubject {
                subject,
                look,
                looked,
            };
            Box::new(watched) as Box<dyn Subject>
        }))
    }
}

#[async_trait]
impl Subject for WatchedSubject {
    async fn prepare(&self, operations: u64) -> Result<()> {
        self.subject.prepare(operations).await
    }

    async fn operate(&self, worker: usize, steps: &mut Steps) -> Result<()> {
        self.subject.operate(worker, steps).await
    }

    async fn settle(&self) -> Result<()> {
        let rows = self.look.rows(&self.subject.files()).await;
        self.looked.lock().unwrap().push(rows);
        self.subject.settle().await
    }

    fn durability(&self) -> Durability {
        self.subject.durability()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.subject.files()
    }

    async fn end(&self) -> Result<()> {
        self.subject.end().await?;
        for file in self.subject.files() {
            assert!(!file.exists(), "{} is left", file.display());
        }
        Ok(())
    }
}
