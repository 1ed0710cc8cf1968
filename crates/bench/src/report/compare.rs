//! Two reports side by side: what changed by more than the rounds differ among themselves.

mod shown;
mod warnings;

use std::fmt;

use super::figures::{bytes, float, rate, size, time};
use super::group::headline;
use super::{Report, Round, Row, Spread};
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
    /// The program that made the old one, with its version, if it is told.
    pub old_program: Option<String>,
    /// The program that made the new one.
    pub new_program: Option<String>,
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
        old_program: old.program.clone(),
        new_program: new.program.clone(),
        warnings: warnings::of(old, new),
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

#[cfg(test)]
mod tests;
