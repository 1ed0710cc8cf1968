//! Made-up reports for tests.

use std::time::Duration;

use runstore_core::Durability;

use super::{
    EngineFacts, Fact, Fsync, LeftOut, Machine, Percentiles, Report, Round, Rounds, Row,
    StepLatency,
};
use crate::{Case, Length, Workload};

pub(crate) fn case(workload: Workload, workers: usize, tasks: u64) -> Case {
    Case {
        workload,
        workers,
        tasks,
        runs: 1,
        payload_bytes: 200,
        rate: None,
        durability: Durability::Full,
    }
}

fn latency(p50: f64) -> Percentiles {
    Percentiles {
        mean: p50 * 1.1,
        p50,
        p90: p50 * 1.6,
        p99: p50 * 3.2,
        p99_9: p50 * 9.0,
        max: p50 * 40.0,
    }
}

/// A row of three rounds, the middle one with this rate, the others 3 % off. A name with `bare` is a reference.
pub(crate) fn row(engine: &str, case: &Case, per_second: f64) -> Row {
    let round = |factor: f64| {
        let per_second = per_second * factor;
        #[expect(clippy::cast_precision_loss, reason = "a few workers")]
        let p50 = case.workers as f64 * 0.8e6 / per_second;
        let step = |name: &str, share: f64| StepLatency {
            step: name.to_owned(),
            latency: latency(p50 * share),
        };
        Round {
            operations: 10_000,
            seconds: 10_000.0 / per_second,
            per_second,
            latency: latency(p50),
            steps: match case.workload {
                Workload::Cycle => vec![
                    step("claim", 0.4),
                    step("attempt", 0.2),
                    step("event", 0.15),
                    step("complete", 0.25),
                ],
                _ => Vec::new(),
            },
            cpu_micros: Some(2e5 / per_second),
            disk_bytes: Some(13_000.0 * factor),
            memory_bytes: Some(3 << 20),
        }
    };
    let rounds = vec![round(0.97), round(1.0), round(1.03)];
    let p50 = rounds[1].latency.p50;
    let shares = (0..60).map(|step| 1.0 - 0.5_f64.powf(f64::from(step) / 4.0));
    let points = shares.chain([1.0]).enumerate();
    Row {
        engine: engine.to_owned(),
        is_reference: engine.contains("bare"),
        case: case.clone(),
        durability: case.durability,
        rounds,
        distribution: points
            .map(|(at, share)| (share, p50 * 0.6 * 1.06_f64.powf(at as f64)))
            .collect(),
        file_bytes: Some((123_456, 45_678_900)),
    }
}

/// A report with 1, 4 and 16 workers in one workload, and 100 and 10,000 tasks in another.
pub(crate) fn report() -> Report {
    let mut report = Report {
        version: 1,
        began_at: 1_772_359_261,
        program: Some("runstore 0.1.0".to_owned()),
        rounds: Some(Rounds {
            count: 3,
            length: Length::Time(Duration::from_secs(1)),
        }),
        machine: Machine {
            processor: Some("AMD EPYC 7B13".to_owned()),
            cores: 8,
            memory_bytes: Some(32 << 30),
            system: "linux 6.12.0".to_owned(),
            folder: "/srv/bench".to_owned(),
            file_system: Some("ext4 on /dev/vda".to_owned()),
        },
        fsync: Some(Fsync {
            per_second: 3_214.0,
            latency: Percentiles {
                p50: 290.0,
                p99: 910.0,
                ..latency(290.0)
            },
        }),
        fsync_in_place: Some(Fsync {
            per_second: 8_021.0,
            latency: latency(110.0),
        }),
        engines: ["sqlite", "bare sqlite"]
            .map(|engine| EngineFacts {
                engine: engine.to_owned(),
                facts: vec![Fact::new("SQLite", "3.51.0")],
            })
            .into(),
        left_out: vec![LeftOut {
            workload: Workload::Open,
            engines: vec!["memory".to_owned()],
        }],
        rows: Vec::new(),
    };
    for workers in [1, 4, 16] {
        let of = case(Workload::Cycle, workers, 1_000);
        let scale = 1.0 + f64::from(u32::try_from(workers).unwrap()).log2() * 0.4;
        for (engine, per_second) in [
            ("memory", 61_000.0),
            ("sqlite", 760.0),
            ("bare sqlite", 900.0),
            ("redb", 640.0),
            ("postgres", 410.0),
            ("bare postgres", 520.0),
        ] {
            let mut row = row(engine, &of, per_second * scale);
            if engine == "memory" {
                row.durability = Durability::Volatile;
                row.file_bytes = None;
                for round in &mut row.rounds {
                    round.disk_bytes = Some(0.0);
                }
            }
            report.rows.push(row);
        }
    }
    for (tasks, slower) in [(100, 1.0), (10_000, 70.0)] {
        let of = case(Workload::Snapshot, 1, tasks);
        report.rows.push(row("sqlite", &of, 5_000.0 / slower));
        report.rows.push(row("redb", &of, 8_000.0 / slower));
    }
    report
}
