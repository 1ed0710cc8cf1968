//! What changed, and what did not.

use std::time::Duration;

use runstore_core::Durability;

use super::*;
use crate::report::sample::{case, report, row};
use crate::report::{EngineFacts, Fact, Rounds};
use crate::{Length, Workload};

fn spread(least: f64, median: f64, most: f64) -> Spread {
    Spread {
        least,
        median,
        most,
    }
}

fn compared(figure: Figure, old: Spread, new: Spread) -> Compared {
    Compared {
        engine: "a".to_owned(),
        case: case(Workload::Claim, 1, 10),
        figure,
        old,
        new,
        rounds: (3, 3),
    }
}

#[test]
fn a_figure_changed_if_all_its_rounds_lie_beyond_all_of_the_others() {
    let old = spread(10.0, 12.0, 14.0);
    let is_changed = |new| compared(Figure::P50, old, new).is_beyond_spread();
    assert!(is_changed(spread(14.1, 15.0, 16.0)));
    assert!(is_changed(spread(5.0, 6.0, 9.9)));
    assert!(!is_changed(spread(14.0, 15.0, 16.0)));
    assert!(!is_changed(spread(5.0, 20.0, 30.0)));
}

#[test]
fn more_operations_are_better_and_more_of_anything_else_is_worse() {
    let (low, high) = (spread(1.0, 1.0, 1.0), spread(2.0, 2.0, 2.0));
    for figure in Figure::ALL {
        let is_better = figure == Figure::PerSecond;
        assert_eq!(compared(figure, low, high).is_better(), is_better);
        assert_eq!(compared(figure, high, low).is_better(), !is_better);
    }
    assert_eq!(compared(Figure::Cpu, low, high).ratio(), 2.0);
    let nothing = spread(0.0, 0.0, 0.0);
    assert_eq!(compared(Figure::DiskBytes, nothing, nothing).ratio(), 1.0);
}

#[test]
fn what_changed_is_sorted_by_its_size_and_what_did_not_is_counted() {
    let (mut old, mut new) = (report(), report());
    let of = [Workload::Claim, Workload::Append, Workload::Pages].map(|of| case(of, 1, 10));
    let rows = |rates: [f64; 3]| of.iter().zip(rates).map(|(of, rate)| row("a", of, rate));
    old.rows = rows([100.0, 100.0, 100.0]).collect();
    new.rows = rows([200.0, 20.0, 102.0]).collect();
    let comparison = compare(&old, &new);
    // Of the first two rows, all but the bytes to disk.
    let worse = comparison.worse();
    assert_eq!((worse.len(), comparison.better().len()), (4, 4));
    assert!(worse.iter().all(|of| of.case.workload == Workload::Append));
    assert_eq!(comparison.unchanged(), 2 + 5);
    assert_eq!(comparison.warnings, Vec::<String>::new());

    let (old, new) = (spread(9.0, 9.0, 9.0), spread(10.0, 10.0, 10.0));
    let far = compared(Figure::P99, spread(0.0, 0.0, 0.0), new);
    let figures = [compared(Figure::P50, old, new), far];
    let comparison = Comparison {
        figures: figures.into(),
        ..comparison
    };
    assert_eq!(comparison.worse()[0].figure, Figure::P99);
}

#[test]
fn fewer_rounds_are_more_often_beyond_the_spread_by_chance() {
    let nothing = spread(1.0, 1.0, 1.0);
    let chance = |old, new| {
        let of = compared(Figure::P50, nothing, nothing);
        let rounds = (old, new);
        Compared { rounds, ..of }.chance()
    };
    let chances = [chance(1, 1), chance(1, 3), chance(3, 3), chance(5, 5)];
    for (chance, expected) in chances.iter().zip([1.0, 0.5, 0.1, 2.0 / 252.0]) {
        assert!((chance - expected).abs() < 1e-9, "{chance} {expected}");
    }
}

#[test]
fn what_only_one_has_is_named() {
    let (mut old, mut new) = (report(), report());
    old.rows = vec![row("a", &case(Workload::Claim, 1, 10), 10.0)];
    new.rows = vec![row("a", &case(Workload::Claim, 2, 10), 10.0)];
    let comparison = compare(&old, &new);
    assert!(comparison.only_old[0].starts_with("a: claim · 1 worker · "));
    assert!(comparison.only_new[0].starts_with("a: claim · 2 workers · "));

    new.rows = old.rows.clone();
    for round in &mut new.rows[0].rounds {
        round.cpu_micros = None;
    }
    let comparison = compare(&old, &new);
    assert_eq!((comparison.one_sided, comparison.figures.len()), (1, 4));
}

#[test]
fn what_makes_the_comparison_mean_less_is_said() {
    let (old, mut new) = (report(), report());
    new.machine.cores = 2;
    new.machine.file_system = None;
    new.machine.folder = "/elsewhere".to_owned();
    new.fsync_in_place.as_mut().unwrap().latency.p50 *= 3.0;
    new.rows[1].durability = Durability::Relaxed;
    let warnings = compare(&old, &new).warnings;
    let expected = [
        "another number of cores: 8 then, 2 now",
        "another file system: ext4 on /dev/vda then, – now",
        "another cost of a flush: 110 µs then, 330 µs now",
        "another durability: full then, relaxed now, of sqlite: cycle",
    ];
    assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
    for (warning, expected) in warnings.iter().zip(expected) {
        assert!(warning.starts_with(expected), "{warning}");
    }
}

#[test]
fn other_rounds_are_said_and_so_is_that_they_are_not_known() {
    let (mut old, mut new) = (report(), report());
    new.rounds = Some(Rounds {
        count: 1,
        length: Length::Time(Duration::from_millis(100)),
    });
    let expected = [
        "another number of rounds: 3 then, 1 now",
        "another length of a round: 1 s then, 100 ms now",
    ];
    assert_eq!(compare(&old, &new).warnings, expected);
    new.rounds = Some(Rounds {
        count: 3,
        length: Length::Operations(500),
    });
    let expected = ["another length of a round: 1 s then, 500 operations now"];
    assert_eq!(compare(&old, &new).warnings, expected);
    old.rounds = None;
    let expected = ["the old report does not tell its rounds' length"];
    assert_eq!(compare(&old, &new).warnings, expected);
    new.rounds = None;
    assert_eq!(compare(&old, &new).warnings, [""; 0]);
}

#[test]
fn what_is_another_beneath_the_engines_is_said_once_of_those_that_share_it() {
    let (mut old, mut new) = (report(), report());
    let of = |engines: &[&str], facts: &[(&str, &str)]| {
        let facts = facts.iter().map(|(name, value)| Fact::new(*name, *value));
        let facts = Vec::from_iter(facts);
        let engines = engines.iter().map(|engine| EngineFacts {
            engine: (*engine).to_owned(),
            facts: facts.clone(),
        });
        Vec::from_iter(engines)
    };
    let both = ["postgres", "bare postgres"];
    old.engines = of(
        &both,
        &[("version", "15"), ("fsync", "on"), ("gone", "yes")],
    );
    new.engines = of(&both, &[("version", "16"), ("fsync", "on"), ("more", "1")]);
    new.engines.extend(of(&["sqlite"], &[("SQLite", "3")]));
    let expected = [
        "another version of postgres, bare postgres: 15 then, 16 now",
        "another more of postgres, bare postgres: – then, 1 now",
        "another gone of postgres, bare postgres: yes then, – now",
    ];
    assert_eq!(compare(&old, &new).warnings, expected);
    // Of an engine that is only in one of them there is nothing to say.
    old.engines.clear();
    assert_eq!(compare(&old, &new).warnings, [""; 0]);
}
