//! One report of what several programs told in their turns.

use runstore_bench::{Case, Report, Row};

/// The reports as one: what the same engine did in the same case are the rounds of one row. What is beneath an engine, and
/// what it leaves out, is as it was told first; the program, the machine and its flushes are those of the first report.
/// `None` of none.
///
/// The distribution of times is left out, for that of several rounds cannot be told from theirs.
#[must_use]
pub fn merged(reports: impl IntoIterator<Item = Report>) -> Option<Report> {
    let mut reports = reports.into_iter();
    let mut whole = reports.next()?;
    let mut rows = std::mem::take(&mut whole.rows);
    for mut report in reports {
        rows.append(&mut report.rows);
        for of in report.engines {
            if !whole.engines.iter().any(|known| known.engine == of.engine) {
                whole.engines.push(of);
            }
        }
        for of in report.left_out {
            if !whole.left_out.contains(&of) {
                whole.left_out.push(of);
            }
        }
    }
    let mut cases: Vec<(Case, Vec<Row>)> = Vec::new();
    for mut row in rows {
        row.distribution.clear();
        let of_case = match cases.iter().position(|(case, _)| *case == row.case) {
            Some(at) => cases.get_mut(at),
            None => {
                cases.push((row.case.clone(), Vec::new()));
                cases.last_mut()
            }
        };
        let Some((_, of_case)) = of_case else {
            continue;
        };
        match of_case.iter_mut().find(|known| known.engine == row.engine) {
            Some(known) => {
                known.rounds.append(&mut row.rounds);
                known.file_bytes = row.file_bytes;
            }
            None => of_case.push(row),
        }
    }
    whole.rows = cases.into_iter().flat_map(|(_, rows)| rows).collect();
    Some(whole)
}

#[cfg(test)]
mod tests {
    use runstore_bench::{EngineFacts, Fact, Machine, Percentiles, Round, Workload};
    use runstore_core::Durability;

    use super::*;

    fn row(engine: &str, workload: Workload, per_second: f64) -> Row {
        Row {
            engine: engine.to_owned(),
            is_reference: false,
            case: Case {
                workload,
                workers: 1,
                tasks: 1,
                runs: 1,
                payload_bytes: 1,
                rate: None,
                durability: Durability::Full,
            },
            durability: Durability::Full,
            rounds: vec![Round {
                operations: 1,
                seconds: 1.0,
                per_second,
                latency: Percentiles::default(),
                steps: Vec::new(),
                cpu_micros: None,
                disk_bytes: None,
                memory_bytes: None,
            }],
            distribution: vec![(1.0, 1.0)],
            file_bytes: None,
        }
    }

    fn report(began_at: u64, rows: Vec<Row>) -> Report {
        Report {
            version: 1,
            began_at,
            program: None,
            rounds: None,
            machine: Machine::default(),
            fsync: None,
            fsync_in_place: None,
            engines: Vec::new(),
            left_out: Vec::new(),
            rows,
        }
    }

    #[test]
    fn the_rounds_of_an_engine_in_a_case_come_together_and_the_engines_of_a_case_too() {
        let of_store = |rate| {
            vec![
                row("store", Workload::Cycle, rate),
                row("store", Workload::Finish, rate),
            ]
        };
        let of_peer = |rate| vec![row("peer", Workload::Cycle, rate)];
        let turns = [of_store(1.0), of_peer(2.0), of_store(3.0), of_peer(4.0)];
        let reports = turns.into_iter().zip(7..);
        let reports = reports.map(|(rows, began_at)| {
            let mut report = report(began_at, rows);
            let engine = report.rows[0].engine.clone();
            let facts = vec![Fact::new("version", began_at.to_string())];
            report.engines.push(EngineFacts { engine, facts });
            report
        });
        let whole = merged(reports).unwrap();
        let told = whole.engines.iter();
        let told = told.map(|of| (of.engine.as_str(), of.facts[0].value.as_str()));
        assert_eq!(Vec::from_iter(told), [("store", "7"), ("peer", "8")]);
        let told = whole.rows.iter().map(|row| {
            let rates = row.rounds.iter().map(|round| round.per_second);
            (
                row.engine.as_str(),
                row.case.workload,
                Vec::from_iter(rates),
            )
        });
        let expected = [
            ("store", Workload::Cycle, vec![1.0, 3.0]),
            ("peer", Workload::Cycle, vec![2.0, 4.0]),
            ("store", Workload::Finish, vec![1.0, 3.0]),
        ];
        assert_eq!(Vec::from_iter(told), expected);
        assert_eq!(whole.began_at, 7);
        assert!(whole.rows.iter().all(|row| row.distribution.is_empty()));
        assert_eq!(merged([]), None);
    }
}
