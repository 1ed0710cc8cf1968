//! Points in time, in UTC and to the microsecond.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time in UTC, counted in whole microseconds, within the years 1 to 9999.
///
/// Its text, in JSON too, is RFC 3339 with six digits: `2026-03-01T10:00:01.000000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest point: the start of year 1.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// The latest point: the last microsecond of year 9999.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// The point that many microseconds after the start of 1970, or `None` outside years 1 to 9999.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Option<Self> {
        if micros < Self::MIN.0 || micros > Self::MAX.0 {
            None
        } else {
            Some(Self(micros))
        }
    }

    /// Microseconds since the start of 1970; negative before it.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The point that many microseconds later (earlier if negative), held within [`MIN`](Self::MIN)
    /// and [`MAX`](Self::MAX).
    #[must_use]
    pub fn saturating_add_micros(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros)).clamp(Self::MIN, Self::MAX)
    }

    /// The point that much later, in whole microseconds, held at [`MAX`](Self::MAX).
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.saturating_add_micros(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
    }

    /// How long after `earlier` this point is; nothing if it is before it.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

/// Nanoseconds are cut off; a time outside years 1 to 9999 becomes the nearest one within.
impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_micros()).clamp(Self::MIN, Self::MAX)
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> Self {
        // chrono's own range is wider than ours, so the default is never taken.
        Self::from_timestamp_micros(time.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = DateTime::<Utc>::from(*self).to_rfc3339_opts(SecondsFormat::Micros, true);
        formatter.write_str(&text)
    }
}

impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(DateTime::parse_from_rfc3339(text)?.to_utc()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_six_digits_and_reads_back() {
        for micros in [
            0,
            1,
            -1,
            1_772_359_201_000_000,
            Timestamp::MIN.0,
            Timestamp::MAX.0,
        ] {
            let time = Timestamp::from_micros(micros).unwrap();
            assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
        }
        let time = Timestamp::from_micros(1_772_359_201_000_000).unwrap();
        assert_eq!(time.to_string(), "2026-03-01T10:00:01.000000Z");
    }

    #[test]
    fn times_outside_the_four_digit_years_are_refused_or_held_at_the_bound() {
        assert_eq!(Timestamp::from_micros(Timestamp::MAX.0 + 1), None);
        assert_eq!(Timestamp::from_micros(Timestamp::MIN.0 - 1), None);
        assert_eq!(Timestamp::MAX.saturating_add_micros(1), Timestamp::MAX);
        assert_eq!(
            Timestamp::MIN.saturating_add_micros(i64::MIN),
            Timestamp::MIN
        );
    }
}
