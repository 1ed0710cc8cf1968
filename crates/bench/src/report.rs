//! What a benchmark found, as it is kept; how it is shown and compared.

mod bars;
mod compare;
mod engines;
mod facts;
pub(crate) mod figures;
mod grid;
mod group;
mod html;
mod json;
mod palette;
mod plots;
#[cfg(test)]
mod sample;
mod scale;
mod svg;
pub(crate) mod terminal;

use hdrhistogram::Histogram;
use runstore_core::Durability;
use serde::{Deserialize, Serialize};

use crate::{Case, Length};

pub use compare::{Compared, Comparison, Figure, compare};
pub use engines::{EngineFacts, Fact, LeftOut};
pub use group::reference_of;
pub use html::html;
pub use terminal::terminal;

/// What a benchmark found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this form; 1.
    pub version: u32,
    /// When it began, in seconds since 1970 (UTC).
    pub began_at: u64,
    /// The program that made it, with its version, as `runstore 0.1.0`; unknown of a report from before that was told.
    #[serde(default)]
    pub program: Option<String>,
    /// Which rounds were asked for; unknown of a report from before that was told.
    #[serde(default)]
    pub rounds: Option<Rounds>,
    /// The machine that it was made on.
    pub machine: Machine,
    /// What a flush of the disk costs there where the file grows.
    pub fsync: Option<Fsync>,
    /// What it costs where the file has its size, as a log that is written anew.
    #[serde(default)]
    pub fsync_in_place: Option<Fsync>,
    /// What is beneath the engines that tell of it.
    #[serde(default)]
    pub engines: Vec<EngineFacts>,
    /// The workloads that were to be measured and that not every engine does.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// One row for each engine and case, the engines of a case together.
    pub rows: Vec<Row>,
}

/// The rounds that each engine was to make in a case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rounds {
    /// How many, without that for warming up.
    pub count: usize,
    /// How long each was to be.
    pub length: Length,
}

/// A machine, as far as it tells.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// The model of its processor.
    pub processor: Option<String>,
    /// How many threads can run at the same time.
    pub cores: usize,
    /// Its memory.
    pub memory_bytes: Option<u64>,
    /// Its system.
    pub system: String,
    /// The folder in which the stores were.
    pub folder: String,
    /// The file system of that folder, as `ext4 on /dev/vda`.
    pub file_system: Option<String>,
}

/// What a flush costs: four KiB are written to a file and flushed (`fdatasync`), over and over.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fsync {
    /// Flushes in a second.
    pub per_second: f64,
    /// How long one took.
    pub latency: Percentiles,
}

/// What one engine did in one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The name of the engine.
    pub engine: String,
    /// Whether it is a bare loop on an engine's own API.
    pub is_reference: bool,
    /// The workload and its parameters.
    pub case: Case,
    /// What the engine's writes survived once they had returned; not what was asked for where it has no such.
    pub durability: Durability,
    /// The rounds, without those for warming up.
    pub rounds: Vec<Round>,
    /// The times of all rounds together: the share of operations (0 to 1) that took at most so many
    /// microseconds, rising.
    pub distribution: Vec<(f64, f64)>,
    /// The bytes of its files before the first and after the last round.
    pub file_bytes: Option<(u64, u64)>,
}

/// One round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Round {
    /// How many operations were carried out.
    pub operations: u64,
    /// How long the round took.
    pub seconds: f64,
    /// Operations in a second.
    pub per_second: f64,
    /// How long an operation took.
    pub latency: Percentiles,
    /// How long its steps took, if it has several.
    pub steps: Vec<StepLatency>,
    /// Time of the processor, in microseconds, for an operation; of this process.
    pub cpu_micros: Option<f64>,
    /// Bytes sent to the disk for an operation; by this process.
    pub disk_bytes: Option<f64>,
    /// The most memory that the process had, beyond what it had when the round began.
    pub memory_bytes: Option<u64>,
}

/// How long a step of an operation took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepLatency {
    /// The name of the step.
    pub step: String,
    /// How long it took.
    pub latency: Percentiles,
}

/// How long something took, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Percentiles {
    /// On average.
    pub mean: f64,
    /// Half of the times.
    pub p50: f64,
    /// 90 of a hundred.
    pub p90: f64,
    /// 99 of a hundred.
    pub p99: f64,
    /// 999 of a thousand.
    pub p99_9: f64,
    /// The longest.
    pub max: f64,
}

const NANOS_IN_MICRO: f64 = 1_000.0;

#[expect(clippy::cast_precision_loss, reason = "far from 2^53 nanoseconds")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / NANOS_IN_MICRO
}

impl Percentiles {
    pub(crate) fn of(times: &Histogram<u64>) -> Self {
        let at = |quantile| micros(times.value_at_quantile(quantile));
        Self {
            mean: times.mean() / NANOS_IN_MICRO,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: micros(times.max()),
        }
    }
}

/// The points of a distribution: closer towards the slow end, which is where engines differ.
pub(crate) fn distribution(times: &Histogram<u64>) -> Vec<(f64, f64)> {
    let points = times.iter_quantiles(5).map(|point| {
        (
            point.quantile_iterated_to(),
            micros(point.value_iterated_to()),
        )
    });
    points.collect()
}

/// A figure over the rounds of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The one in the middle; the mean of the two there if there are two.
    pub median: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of figures; `None` of none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted = Vec::from_iter(figures);
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let lower = match sorted.len() % 2 {
            0 => *sorted.get(middle - 1)?,
            _ => upper,
        };
        Some(Self {
            least: *sorted.first()?,
            median: f64::midpoint(lower, upper),
            most: *sorted.last()?,
        })
    }
}

impl Row {
    /// Operations in a second, over the rounds.
    #[must_use]
    pub fn per_second(&self) -> Option<Spread> {
        self.spread(|round| Some(round.per_second))
    }

    /// A figure over the rounds that have it.
    #[must_use]
    pub fn spread(&self, figure: impl Fn(&Round) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(figure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        let spread = Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 2.5, 4.0));
        assert_eq!(Spread::of([5.0]).unwrap().median, 5.0);
        assert_eq!(Spread::of([]), None);
    }
}
