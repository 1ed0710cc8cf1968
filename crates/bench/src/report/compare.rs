//! Two reports side by side: what changed by more than the rounds differ among themselves.

mod shown;

use std::fmt;

use super::figures::{bytes, float, rate, size, time};
use super::group::headline;
use super::{Report, Round, Row, Spread, facts};
use crate::Case;

/// A figure that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Figure {
    /// Operations in a second.
    PerSecond,
    /// The time that half of the operations took at most.
    P50,
    /// The time that 99 of a hundred operations took at most.
    P99,
    /// Time of the processor for an operation.
    Cpu,
    /// Bytes sent to the disk for an operation.
    DiskBytes,
}

impl Figure {
    /// All figures, in the order in which they are compared.
    pub const ALL: [Self; 5] = [
        Self::PerSecond,
        Self::P50,
        Self::P99,
        Self::Cpu,
        Self::DiskBytes,
    ];

    /// Whether more of it is better.
    #[must_use]
    pub const fn is_better_if_more(self) -> bool {
        matches!(self, Self::PerSecond)
    }

    fn of(self, round: &Round) -> Option<f64> {
        match self {
            Self::PerSecond => Some(round.per_second),
            Self::P50 => Some(round.latency.p50),
            Self::P99 => Some(round.latency.p99),
            Self::Cpu => round.cpu_micros,
            Self::DiskBytes => round.disk_bytes,
        }
    }

    /// A value of it as text.
    fn shown(self, value: f64) -> String {
        match self {
            Self::PerSecond => rate(value),
            Self::P50 | Self::P99 | Self::Cpu => time(value),
            Self::DiskBytes => bytes(value),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::PerSecond => "ops/s",
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::Cpu => "CPU/op",
            Self::DiskBytes => "disk/op",
        })
    }
}

/// A figure of an engine in a case, in both reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The engine.
    pub engine: String,
    /// The case.
    pub case: Case,
    /// Which figure it is.
    pub figure: Figure,
    /// What it was.
    pub old: Spread,
    /// What it is.
    pub new: Spread,
    /// How many rounds of the old and of the new report have it.
    pub rounds: (usize, usize),
}

impl Compared {
    /// How many times the old median the new one is.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        match self.old.median == self.new.median {
            // Also of nothing.
            true => 1.0,
            false => self.new.median / self.old.median,
        }
    }

    /// Whether all rounds of one report lie beyond all rounds of the other.
    #[must_use]
    pub fn is_beyond_spread(&self) -> bool {
        self.old.most < self.new.least || self.new.most < self.old.least
    }

    /// Whether the new median is the better one.
    #[must_use]
    pub fn is_better(&self) -> bool {
        match self.figure.is_better_if_more() {
            true => self.new.median > self.old.median,
            false => self.new.median < self.old.median,
        }
    }

    /// How likely it is that all rounds of one report lie beyond all of the other if nothing changed: of all orders
    /// of the rounds, it is those that begin or end with all of the old ones.
    fn chance(&self) -> f64 {
        let (old, new) = (size(self.rounds.0), size(self.rounds.1));
        let orders = (1..=old).fold(1.0, |orders, at| orders * float(new + at) / float(at));
        (2.0 / orders).min(1.0)
    }

    /// How much it changed, by the same measure whether up or down.
    fn extent(&self) -> f64 {
        self.ratio().ln().abs()
    }
}

/// What two reports have in common and in what they differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// When the old one began, in seconds since 1970 (UTC).
    pub old_began_at: u64,
    /// When the new one began.
    pub new_began_at: u64,
    /// What makes the comparison mean less than it seems to.
    pub warnings: Vec<String>,
    /// The figures that both have.
    pub figures: Vec<Compared>,
    /// The engines and cases that only the old one has.
    pub only_old: Vec<String>,
    /// The engines and cases that only the new one has.
    pub only_new: Vec<String>,
    /// How many figures only one of the two has, of engines and cases that both have.
    pub one_sided: usize,
}

/// Compares what the same engines did in the same cases.
#[must_use]
pub fn compare(old: &Report, new: &Report) -> Comparison {
    let mut comparison = Comparison {
        old_began_at: old.began_at,
        new_began_at: new.began_at,
        warnings: of_machines(old, new),
        figures: Vec::new(),
        only_old: Vec::new(),
        only_new: Vec::new(),
        one_sided: 0,
    };
    // Each row is matched once, should a case be there twice.
    let mut left: Vec<&Row> = old.rows.iter().collect();
    for row in &new.rows {
        let is_same = |of: &&Row| of.engine == row.engine && of.case == row.case;
        let Some(at) = left.iter().position(is_same) else {
            comparison.only_new.push(name(row));
            continue;
        };
        let before = left.remove(at);
        comparison.add(before, row);
    }
    comparison.only_old.extend(left.into_iter().map(name));
    comparison
}

impl Comparison {
    fn add(&mut self, old: &Row, new: &Row) {
        if old.durability != new.durability {
            self.warnings.push(format!(
                "another durability: {} then, {} now, of {}",
                old.durability,
                new.durability,
                name(new)
            ));
        }
        for figure in Figure::ALL {
            let spread = |row: &Row| row.spread(|round| figure.of(round));
            let rounds = |row: &Row| row.rounds.iter().filter_map(|of| figure.of(of)).count();
            match (spread(old), spread(new)) {
                (Some(then), Some(now)) => self.figures.push(Compared {
                    engine: new.engine.clone(),
                    case: new.case.clone(),
                    figure,
                    rounds: (rounds(old), rounds(new)),
                    old: then,
                    new: now,
                }),
                (None, None) => {}
                _ => self.one_sided += 1,
            }
        }
    }

    /// What got better beyond the spread, the most first.
    #[must_use]
    pub fn better(&self) -> Vec<&Compared> {
        self.changed(true)
    }

    /// What got worse beyond the spread, the most first.
    #[must_use]
    pub fn worse(&self) -> Vec<&Compared> {
        self.changed(false)
    }

    /// How many figures did not change beyond the spread.
    #[must_use]
    pub fn unchanged(&self) -> usize {
        let within = self.figures.iter().filter(|of| !of.is_beyond_spread());
        within.count()
    }

    /// About how many figures would lie beyond the spread if nothing had changed. More rounds make them fewer.
    #[must_use]
    pub fn by_chance(&self) -> f64 {
        self.figures.iter().map(Compared::chance).sum()
    }

    fn changed(&self, is_better: bool) -> Vec<&Compared> {
        let figures = self.figures.iter();
        let mut changed: Vec<&Compared> = figures
            .filter(|of| of.is_beyond_spread() && of.is_better() == is_better)
            .collect();
        changed.sort_by(|one, other| other.extent().total_cmp(&one.extent()));
        changed
    }
}

/// A row in words.
fn name(row: &Row) -> String {
    format!("{}: {}", row.engine, headline(&row.case))
}

/// By how much the cost of a flush must differ for a warning: it varies by itself.
const OTHER_DISK: f64 = 1.5;

/// In what the machines differ.
fn of_machines(old: &Report, new: &Report) -> Vec<String> {
    let differing = |what: &str, then: &str, now: &str| {
        (then != now).then(|| format!("another {what}: {then} then, {now} now"))
    };
    // What is told of the machine, but for the folder: another one on the same file system makes no difference.
    let (then, now) = (facts::of_machine(old), facts::of_machine(new));
    let pairs = then.iter().zip(&now);
    let told = pairs.filter_map(|((what, then), (_, now))| match *what {
        "folder" | "flush" => None,
        "cores" => differing("number of cores", then, now),
        what => differing(what, then, now),
    });
    let mut warnings: Vec<String> = told.collect();
    if let (Some(then), Some(now)) = (&old.fsync, &new.fsync) {
        let (then, now) = (then.latency.p50, now.latency.p50);
        if then.max(now) > then.min(now) * OTHER_DISK {
            warnings.extend(differing("cost of a flush", &time(then), &time(now)));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use runstore_core::Durability;

    use super::*;
    use crate::Workload;
    use crate::report::sample::{case, report, row};

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
        new.fsync.as_mut().unwrap().latency.p50 *= 3.0;
        new.rows[1].durability = Durability::Relaxed;
        let warnings = compare(&old, &new).warnings;
        let expected = [
            "another number of cores: 8 then, 2 now",
            "another file system: ext4 on /dev/vda then, – now",
            "another cost of a flush: 290 µs then, 870 µs now",
            "another durability: full then, relaxed now, of sqlite: cycle",
        ];
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            assert!(warning.starts_with(expected), "{warning}");
        }
    }
}
