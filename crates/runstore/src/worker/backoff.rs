use std::time::Duration;

use fastrand::Rng;
use runstore_core::limits::MAX_DURATION;

/// How long to wait before something is tried again: twice as long after each failure, up to a cap, with
/// jitter.
///
/// The jitter is *equal*: half of the time is fixed, the other half is random. What failed together is
/// spread, and yet no delay comes close to none: attempts may be bounded (clause C8), and full jitter
/// could use them all up in one short outage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    jitter: Jitter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Jitter {
    Random,
    Seeded(u64),
    Off,
}

impl Backoff {
    /// `first` after the first failure, twice that after the second, and so on, at most `cap`; neither
    /// is over [`MAX_DURATION`], which is the longest delay of a release.
    #[must_use]
    pub fn exponential(first: Duration, cap: Duration) -> Self {
        let cap = cap.min(MAX_DURATION);
        Self {
            first: first.min(cap),
            cap,
            jitter: Jitter::Random,
        }
    }

    /// Always the whole time.
    #[must_use]
    pub const fn without_jitter(mut self) -> Self {
        self.jitter = Jitter::Off;
        self
    }

    /// The same jitter for the same failure whenever it is asked for, for tests.
    #[must_use]
    pub const fn with_jitter_seed(mut self, seed: u64) -> Self {
        self.jitter = Jitter::Seeded(seed);
        self
    }

    /// The time to wait after so many failures in a row; none before the first.
    #[must_use]
    pub fn delay(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(factor).min(self.cap);
        let mut random = match self.jitter {
            Jitter::Off => return whole,
            Jitter::Random => Rng::new(),
            Jitter::Seeded(seed) => Rng::with_seed(seed.wrapping_add(u64::from(failures))),
        };
        let half = whole / 2;
        let most = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        whole - half + Duration::from_nanos(random.u64(..=most))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_time_doubles_up_to_the_cap_and_no_number_of_failures_is_too_large() {
        let backoff = Backoff::exponential(SECOND, 60 * SECOND).without_jitter();
        let seconds = [0, 1, 2, 3, 6, 7, 8, 33, u32::MAX];
        let seconds = seconds.map(|failures| backoff.delay(failures).as_secs());
        assert_eq!(seconds, [0, 1, 2, 4, 32, 60, 60, 60, 60]);
        let endless = Backoff::exponential(Duration::MAX, Duration::MAX).without_jitter();
        assert_eq!(endless.delay(9), MAX_DURATION);
    }

    #[test]
    fn the_jitter_takes_away_at_most_half_and_adds_nothing() {
        let backoff = Backoff::exponential(SECOND, 8 * SECOND);
        let mut shortest = SECOND;
        let mut longest = Duration::ZERO;
        for seed in 0..1_000 {
            let backoff = backoff.clone().with_jitter_seed(seed);
            let delay = backoff.delay(1);
            assert_eq!(backoff.delay(1), delay);
            shortest = shortest.min(delay);
            longest = longest.max(delay);
            assert!((4 * SECOND..=8 * SECOND).contains(&backoff.delay(30)));
        }
        assert!(
            (SECOND / 2..SECOND * 6 / 10).contains(&shortest),
            "{shortest:?}"
        );
        assert!((SECOND * 9 / 10..=SECOND).contains(&longest), "{longest:?}");
        assert!((SECOND / 2..=SECOND).contains(&Backoff::exponential(SECOND, SECOND).delay(1)));
    }
}
