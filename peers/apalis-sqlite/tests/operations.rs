//! The engines do what they count.
#![allow(clippy::unwrap_used)]

use runstore_bench::{Case, Length, Plan, Workload, run};
use runstore_core::Durability;
use runstore_peers_apalis_sqlite::engines;

fn case(workload: Workload, workers: usize, durability: Durability) -> Case {
    Case {
        workload,
        workers,
        tasks: 20,
        runs: 1,
        payload_bytes: 40,
        rate: None,
        durability,
    }
}

/// More than three callers that fetch ten at once can have left over from the round before: so each round has a claim.
const OPERATIONS: u64 = 31;

/// That each operation is done once is checked by the engine itself: it refuses to end a case otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_engine_does_the_operations_of_each_round_at_the_durability_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let workloads = [Workload::Cycle, Workload::Finish, Workload::Snapshot];
    let full = workloads.map(|workload| case(workload, 3, Durability::Full));
    let relaxed = case(Workload::Finish, 1, Durability::Relaxed);
    let plan = Plan {
        cases: full.into_iter().chain([relaxed]).collect(),
        rounds: 2,
        length: Length::Operations(OPERATIONS),
        folder: folder.path().to_owned(),
        allow_tmpfs: true,
        fsync: None,
    };
    let engines = engines(folder.path());
    let report = run(&engines, &plan, &mut |_| {}).await.unwrap();
    let done = report
        .rows
        .iter()
        .map(|row| (row.case.workload, row.durability));
    let expected = [
        (Workload::Cycle, Durability::Full),
        (Workload::Finish, Durability::Full),
        (Workload::Finish, Durability::Relaxed),
    ];
    let expected = expected.into_iter().flat_map(|of| vec![of; engines.len()]);
    assert_eq!(Vec::from_iter(done), Vec::from_iter(expected));
    for row in &report.rows {
        let operations = Vec::from_iter(row.rounds.iter().map(|round| round.operations));
        assert_eq!(operations, [OPERATIONS; 2], "{}", row.engine);
        for round in &row.rounds {
            let mut steps = Vec::from_iter(round.steps.iter().map(|of| of.step.as_str()));
            // A caller that has tasks left over begins with a report.
            steps.sort_unstable();
            assert_eq!(steps, ["claim", "report"], "{}", row.engine);
        }
    }
    let left = folder.path().read_dir().unwrap().count();
    assert_eq!(left, 0, "files are left");
}
