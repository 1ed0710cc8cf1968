//! The course of a benchmark: the engines take turns over the rounds of each case.

mod warm_up;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::begin::{begin, check};
use crate::measure::process::Usage;
use crate::pace::Pace;
use crate::report::{LeftOut, Percentiles, Report, Round, Row, StepLatency, distribution};
use crate::{Case, Engine, Failure, Length, Result, Steps, Subject, Workload};

/// What is to be measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The cases, each measured by itself.
    pub cases: Vec<Case>,
    /// How many rounds an engine makes in a case, without that for warming up.
    pub rounds: usize,
    /// How long each is.
    pub length: Length,
    /// The folder of the stores; what a flush costs is measured there, unless it is to be left out.
    pub folder: PathBuf,
    /// Whether durable writes are measured even where the folder is in memory.
    pub allow_tmpfs: bool,
    /// For how long to measure what a flush costs; not at all if unset.
    pub fsync: Option<Duration>,
}

/// How far a benchmark has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'p> {
    /// How many rounds are over, of all engines and cases, with those for warming up.
    pub done: usize,
    /// How many there are at most.
    pub of: usize,
    /// The case at hand.
    pub case: &'p Case,
    /// The engine whose turn it is.
    pub engine: &'p str,
}

/// The most operations of a round whose length is a time: what they use up is made before and held in the store.
pub(crate) const MOST_OPERATIONS: u64 = 400_000;

/// How much later than a round an operation is due at most, for what is later cannot be told.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Measures the engines in the cases of the plan.
///
/// # Errors
/// The first thing that goes wrong; what was measured until then is lost. [`begin`] and [`run_into`] keep it.
pub async fn run(
    engines: &[Box<dyn Engine>],
    plan: &Plan,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<Report> {
    let mut report = begin(engines, plan).await?;
    run_into(&mut report, engines, plan, progress).await?;
    Ok(report)
}

/// Measures the engines in the cases of the plan, and adds the rows of each case to the report when the case is over:
/// what the report holds is whole, also where this fails or is dropped.
///
/// # Errors
/// The first thing that goes wrong.
pub async fn run_into(
    report: &mut Report,
    engines: &[Box<dyn Engine>],
    plan: &Plan,
    progress: &mut (dyn FnMut(Progress<'_>) + Send),
) -> Result<()> {
    check(engines, plan)?;
    let of = plan.cases.len() * engines.len() * (plan.rounds + 1);
    let mut done = 0;
    for case in &plan.cases {
        let mut turns = Vec::new();
        for engine in engines {
            progress(Progress {
                done,
                of,
                case,
                engine: engine.name(),
            });
            done += 1;
            let turn = Turn::begun(engine.as_ref(), case, plan.length).await;
            match turn.map_err(|error| error.during(engine.name(), case.workload))? {
                Some(turn) => turns.push(turn),
                None => LeftOut::note(&mut report.left_out, case.workload, engine.name()),
            }
        }
        for _ in 0..plan.rounds {
            for turn in &mut turns {
                progress(Progress {
                    done,
                    of,
                    case,
                    engine: &turn.row.engine,
                });
                done += 1;
                let round = turn.round().await;
                round.map_err(|error| error.during(&turn.row.engine, case.workload))?;
            }
        }
        let mut rows = Vec::new();
        for turn in turns {
            let engine = turn.row.engine.clone();
            let row = turn.end().await;
            rows.push(row.map_err(|error| error.during(&engine, case.workload))?);
        }
        report.rows.append(&mut rows);
    }
    Ok(())
}

/// An engine in a case.
pub(crate) struct Turn {
    subject: Arc<dyn Subject>,
    row: Row,
    operations: u64,
    times: hdrhistogram::Histogram<u64>,
    bytes_before: Option<u64>,
}

impl Turn {
    /// Begins the case and warms up; `None` if the engine does not do the workload.
    async fn begun(engine: &dyn Engine, case: &Case, length: Length) -> Result<Option<Self>> {
        let Some(subject) = engine.begin(case).await? else {
            return Ok(None);
        };
        let row = Row {
            engine: engine.name().to_owned(),
            is_reference: engine.is_reference(),
            case: case.clone(),
            durability: subject.durability(),
            rounds: Vec::new(),
            distribution: Vec::new(),
            file_bytes: None,
        };
        let mut turn = Self {
            subject: Arc::from(subject),
            row,
            operations: 0,
            times: crate::steps::histogram()?,
            bytes_before: None,
        };
        turn.operations = match (length, case.rate) {
            (Length::Operations(operations), _) => turn.warmed_up_for(operations).await?,
            (Length::Time(time), Some(rate)) => turn.warmed_up_for(due_in(time, rate)).await?,
            (Length::Time(time), None) => turn.operations_in(time).await?,
        };
        turn.bytes_before = turn.file_bytes();
        Ok(Some(turn))
    }

    async fn round(&mut self) -> Result<()> {
        let (round, steps) = self.measured(self.operations).await?;
        self.times.add(&steps.operations).map_err(Failure::engine)?;
        self.row.rounds.push(round);
        Ok(())
    }

    /// Carries out so many operations and measures them.
    async fn measured(&self, operations: u64) -> Result<(Round, Steps)> {
        self.subject.prepare(operations).await?;
        let usage = Usage::begin();
        let begun = Instant::now();
        let done = self.operated(operations, begun).await;
        let wall = begun.elapsed();
        let used = usage.end();
        // Also after an error: what goes on beside would go on for ever.
        self.subject.settle().await?;
        let (steps, measured) = done?;

        let case = &self.row.case;
        #[expect(clippy::cast_precision_loss, reason = "far from 2^53")]
        let (count, at_once) = (operations as f64, at_once(case, operations) as f64);
        let seconds = match case.workload.is_interrupted() {
            true => measured.as_secs_f64() / at_once,
            // At a rate a round lasts until the next operation would be due, or longer if the engine does not keep up.
            false => wall
                .as_secs_f64()
                .max(case.rate.map_or(0.0, |rate| count / rate)),
        };
        let is_own = self.subject.is_in_process() && !case.workload.is_interrupted();
        let step_latencies = steps.steps.iter().map(|(step, times)| StepLatency {
            step: (*step).to_owned(),
            latency: Percentiles::of(times),
        });
        let round = Round {
            operations,
            seconds,
            per_second: count / seconds.max(f64::MIN_POSITIVE),
            latency: Percentiles::of(&steps.operations),
            steps: match steps.steps.len() {
                0 | 1 => Vec::new(),
                _ => step_latencies.collect(),
            },
            cpu_micros: used.cpu_micros.filter(|_| is_own).map(|cpu| cpu / count),
            disk_bytes: used
                .disk_bytes
                .filter(|_| is_own)
                .map(|bytes| bytes / count),
            memory_bytes: used.memory_bytes.filter(|_| self.subject.is_in_process()),
        };
        Ok((round, steps))
    }

    /// Lets the workers carry out so many operations, and gives the sum of what was measured of them too.
    async fn operated(&self, operations: u64, begun: Instant) -> Result<(Steps, Duration)> {
        let taken = Arc::new(AtomicU64::new(0));
        let pace = self
            .row
            .case
            .rate
            .map(|rate| Pace::start(operations, move |number| begun + due_after(number, rate)));
        let pace = pace.transpose()?.map(Arc::new);
        let mut workers = JoinSet::new();
        for worker in 0..self.row.case.workers {
            let (subject, taken) = (Arc::clone(&self.subject), Arc::clone(&taken));
            let pace = pace.clone();
            workers.spawn(async move {
                let mut steps = Steps::new()?;
                let mut measured = Duration::ZERO;
                loop {
                    let number = taken.fetch_add(1, Ordering::Relaxed);
                    if number >= operations {
                        return Result::Ok((steps, measured));
                    }
                    let due = match &pace {
                        Some(pace) => Some(pace.next().await),
                        None => None,
                    };
                    subject.operate(worker, &mut steps).await?;
                    measured += steps.end_operation(due.map(|due| due.elapsed()));
                }
            });
        }
        let mut all = Steps::new()?;
        let mut measured = Duration::ZERO;
        while let Some(worker) = workers.join_next().await {
            let (steps, of_worker) = worker.map_err(Failure::engine)??;
            all.merge(steps)?;
            measured += of_worker;
        }
        Ok((all, measured))
    }

    fn file_bytes(&self) -> Option<u64> {
        let files = self.subject.files();
        if files.is_empty() {
            return None;
        }
        let bytes = files.iter().filter_map(|file| file.metadata().ok());
        Some(bytes.map(|found| found.len()).sum())
    }

    async fn end(mut self) -> Result<Row> {
        self.row.file_bytes = self.bytes_before.zip(self.file_bytes());
        self.row.distribution = distribution(&self.times);
        self.subject.end().await?;
        Ok(self.row)
    }
}

/// How many operations of a round are carried out at the same time, as a rule.
fn at_once(case: &Case, operations: u64) -> u64 {
    match case.workload {
        // A file may be open once.
        Workload::Open => 1,
        _ => operations.min(case.workers as u64),
    }
}

/// How long after the first the operation of this number is to begin.
fn due_after(number: u64, rate: f64) -> Duration {
    #[expect(clippy::cast_precision_loss, reason = "far from 2^53")]
    let seconds = number as f64 / rate;
    Duration::try_from_secs_f64(seconds).map_or(FAR, |after| after.min(FAR))
}

/// How many operations are to begin in this time.
fn due_in(time: Duration, rate: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is not negative, and a cast ends at the bounds"
    )]
    let due = (time.as_secs_f64() * rate).round() as u64;
    due.clamp(1, MOST_OPERATIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operations_of_a_rate_begin_at_even_distances() {
        let due = [0, 1, 50].map(|number| due_after(number, 100.0));
        assert_eq!(due, [0, 10, 500].map(Duration::from_millis));
        assert_eq!(due_after(1, 1e-300), FAR);
        assert_eq!(due_in(Duration::from_millis(500), 100.0), 50);
        assert_eq!(due_in(Duration::from_millis(1), 1e-300), 1);
        assert_eq!(due_in(Duration::MAX, 1e9), MOST_OPERATIONS);
    }
}
