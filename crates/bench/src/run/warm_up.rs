//! How an engine warms up: what it does at first is not what it does for long.

use std::time::{Duration, Instant};

use super::{MOST_OPERATIONS, Turn};
use crate::Result;

/// How much of the time of a round the warm-up must have taken to tell how many operations fill it.
const ENOUGH: f64 = 0.2;

/// How many bytes an engine with files has written at least before it is warm, if it writes at all. As long as a file
/// grows each of its flushes costs more, for its size is flushed too; the log of SQLite grows to four MiB, from where on
/// it is written anew.
const WARM_BYTES: f64 = 8.0 * 1024.0 * 1024.0;

/// How long it may take to write them; what is slower is warm by then.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an engine has done to warm up.
struct WarmUp {
    begun: Instant,
    /// The bytes of all operations.
    written: f64,
    /// Those of the last ones.
    last: f64,
}

impl WarmUp {
    fn begin() -> Self {
        Self {
            begun: Instant::now(),
            written: 0.0,
            last: 0.0,
        }
    }

    fn is_over(&self) -> bool {
        self.last == 0.0 || self.written >= WARM_BYTES || self.begun.elapsed() >= PATIENCE
    }
}

impl Turn {
    /// Warms up for rounds of so many operations.
    pub(super) async fn warmed_up_for(&self, operations: u64) -> Result<u64> {
        let mut warm_up = WarmUp::begin();
        let part = operations.div_ceil(10);
        let mut done = 0;
        loop {
            self.warm(&mut warm_up, part).await?;
            done += part;
            if warm_up.is_over() || done >= operations {
                return Ok(operations);
            }
        }
    }

    /// Carries out more and more operations, until their number in this time can be told.
    pub(super) async fn operations_in(&self, time: Duration) -> Result<u64> {
        let workers = self.row.case.workers as u64;
        let mut warm_up = WarmUp::begin();
        let mut operations = workers;
        loop {
            let mut seconds = self.warm(&mut warm_up, operations).await?;
            let is_enough = |seconds: f64| {
                seconds >= ENOUGH * time.as_secs_f64() || operations >= MOST_OPERATIONS
            };
            if is_enough(seconds) {
                // One stall, of a disk that still deletes the files of the case before, would make all rounds short.
                seconds = seconds.min(self.warm(&mut warm_up, operations).await?);
            }
            if !is_enough(seconds) {
                operations = (operations * 4).min(MOST_OPERATIONS);
            } else if warm_up.is_over() {
                let share = seconds / time.as_secs_f64();
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_precision_loss,
                    reason = "bounded, and far from 2^53"
                )]
                let fitting = (operations as f64 / share.max(f64::MIN_POSITIVE)) as u64;
                return Ok(fitting.min(MOST_OPERATIONS).max(workers));
            }
        }
    }

    /// Carries out so many operations, and tells how many seconds they took.
    async fn warm(&self, warm_up: &mut WarmUp, operations: u64) -> Result<f64> {
        let (round, _) = self.measured(operations).await?;
        // What the process writes is its own only where there are files.
        let is_on_disk = !self.subject.files().is_empty();
        let written = round.disk_bytes.filter(|_| is_on_disk).unwrap_or(0.0);
        #[expect(clippy::cast_precision_loss, reason = "far from 2^53")]
        let written = written * operations as f64;
        warm_up.last = written;
        warm_up.written += written;
        Ok(round.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_is_warm_when_its_files_have_grown_and_who_does_not_is_at_once() {
        let mut warm_up = WarmUp::begin();
        assert!(warm_up.is_over());
        warm_up.last = 4_096.0;
        warm_up.written = WARM_BYTES - 1.0;
        assert!(!warm_up.is_over());
        warm_up.written += 1.0;
        assert!(warm_up.is_over());
    }
}
