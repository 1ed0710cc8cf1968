//! When a thread that reads for long lets others have its processor.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

/// The time is looked at after so many rows: some ten microseconds.
const ROWS_BETWEEN_LOOKS: u32 = 32;
const READING_BETWEEN_PAUSES: Duration = Duration::from_micros(100);
/// How many times as long as its last pause a read goes on at least before the next one, so that where the machine is
/// busy with something else it takes half as long again, and not forty times as long.
const READING_PER_PAUSE: u32 = 2;
const READING_BETWEEN_PAUSES_AT_MOST: Duration = Duration::from_millis(20);
/// How long after a pause was due nobody can have read all the time.
const IDLE: Duration = Duration::from_millis(1);

/// The pauses of a thread that reads for long, one read after the other, for backends whose readers share the
/// machine with a writer.
///
/// What is read is in memory as a rule, so that all the thread does is to compute. Linux leaves such a thread its
/// processor for a slice of some milliseconds, also where the writer, or a thread of the kernel that completes its
/// flush, has just woken up there (`RUN_TO_PARITY` in `kernel/sched/features.h`; seen with 6.18 on two cores). Without
/// pauses every commit could take as long.
#[derive(Debug, Default)]
pub struct Pauses {
    rows: Cell<u32>,
    next: Cell<Option<Instant>>,
}

impl Pauses {
    /// Is told of each row that is read, and pauses if it is time to.
    pub fn passed_row(&self) {
        let rows = self.rows.get().wrapping_add(1);
        self.rows.set(rows);
        if rows.is_multiple_of(ROWS_BETWEEN_LOOKS) {
            self.pause_if_due();
        }
    }

    /// Pauses if it is time to. Meant to be called every ten microseconds or so.
    pub fn pause_if_due(&self) {
        self.look(Instant::now, thread::yield_now);
    }

    fn look(&self, now: impl Fn() -> Instant, pause: impl FnOnce()) {
        let mut at = now();
        let mut reading = READING_BETWEEN_PAUSES;
        match self.next.get() {
            Some(next) if at < next => return,
            Some(next) if at.saturating_duration_since(next) < IDLE => {
                pause();
                let over = now();
                let took = over.saturating_duration_since(at);
                reading = took
                    .saturating_mul(READING_PER_PAUSE)
                    .clamp(READING_BETWEEN_PAUSES, READING_BETWEEN_PAUSES_AT_MOST);
                at = over;
            }
            // A read begins, and if it is short it is over before its first pause.
            Some(_) | None => {}
        }
        self.next.set(at.checked_add(reading));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_comes_after_a_while_of_reading_and_after_longer_if_it_took_long() {
        let begin = Instant::now();
        let now = Cell::new(begin);
        let pauses = Pauses::default();
        let pauses_at = |micros, long| {
            now.set(begin + Duration::from_micros(micros));
            let mut paused = false;
            pauses.look(
                || now.get(),
                || {
                    paused = true;
                    now.set(now.get() + Duration::from_micros(long));
                },
            );
            paused
        };
        assert!(!pauses_at(1_000, 0), "the read has just begun");
        assert!(!pauses_at(1_099, 0));
        assert!(pauses_at(1_100, 3));
        assert!(!pauses_at(1_202, 0));
        assert!(pauses_at(1_203, 4_000));
        assert!(!pauses_at(13_202, 0), "two thirds of the time are its own");
        assert!(pauses_at(13_203, 0));
        assert!(pauses_at(13_303, 1_000_000));
        assert!(
            !pauses_at(1_033_302, 0),
            "nor does a long one end all pauses"
        );
        assert!(!pauses_at(1_033_303 - 1, 0));
        assert!(pauses_at(1_033_303, 0));
        assert!(!pauses_at(2_000_000, 0), "another read has just begun");
        assert!(pauses_at(2_000_100, 0));
    }
}
