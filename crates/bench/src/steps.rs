use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::{Failure, Result};

/// How long operations and their steps took, as one worker measures them.
#[derive(Debug)]
pub struct Steps {
    /// Times in nanoseconds.
    pub(crate) operations: Histogram<u64>,
    /// In the order in which they were first taken.
    pub(crate) steps: Vec<(&'static str, Histogram<u64>)>,
    /// What was measured of the operation that is under way.
    measured: Duration,
}

/// The longest time that is told from a longer one.
const LONGEST: Duration = Duration::from_secs(3_600);

impl Steps {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            operations: histogram()?,
            steps: Vec::new(),
            measured: Duration::ZERO,
        })
    }

    /// Carries out a step and measures it as a part of the operation.
    ///
    /// # Errors
    /// That of the step, which is not measured then.
    pub async fn time<T, E: Into<Failure>>(
        &mut self,
        name: &'static str,
        step: impl Future<Output = std::result::Result<T, E>>,
    ) -> Result<T> {
        let begun = Instant::now();
        let done = step.await.map_err(Into::into)?;
        self.add(name, begun.elapsed())?;
        Ok(done)
    }

    /// Adds a step that was measured in another way.
    ///
    /// # Errors
    /// Only if there is no memory for its figures.
    pub fn add(&mut self, name: &'static str, took: Duration) -> Result<()> {
        self.measured += took;
        let known = self.steps.iter_mut().find(|(of, _)| *of == name);
        match known {
            Some((_, histogram)) => record(histogram, took),
            None => {
                let mut histogram = histogram()?;
                record(&mut histogram, took);
                self.steps.push((name, histogram));
            }
        }
        Ok(())
    }

    /// Ends the operation: its time is that of its steps, or as given.
    pub(crate) fn end_operation(&mut self, took: Option<Duration>) -> Duration {
        let measured = std::mem::take(&mut self.measured);
        record(&mut self.operations, took.unwrap_or(measured));
        measured
    }

    pub(crate) fn merge(&mut self, other: Self) -> Result<()> {
        let unmergeable = Failure::engine;
        self.operations
            .add(&other.operations)
            .map_err(unmergeable)?;
        for (name, of_other) in other.steps {
            match self.steps.iter_mut().find(|(of, _)| *of == name) {
                Some((_, histogram)) => histogram.add(&of_other).map_err(unmergeable)?,
                None => self.steps.push((name, of_other)),
            }
        }
        Ok(())
    }
}

pub(crate) fn histogram() -> Result<Histogram<u64>> {
    let highest = u64::try_from(LONGEST.as_nanos()).unwrap_or(u64::MAX);
    // To 1 %: each worker has one for each step, and they are not to count as memory of the store.
    Histogram::new_with_bounds(1, highest, 2).map_err(Failure::engine)
}

pub(crate) fn record(histogram: &mut Histogram<u64>, took: Duration) {
    histogram.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
}
