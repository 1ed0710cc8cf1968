//! How long the rounds of a benchmark are.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::report::figures::{counted, plain, time};

/// How long a round is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Length {
    /// So many operations.
    Operations(u64),
    /// About as many operations as an engine carries out in that time, found out while it warms up; at a rate, as many
    /// as are to begin in that time, whether or not the engine keeps up. In a report it is a number of seconds.
    #[serde(rename = "seconds", with = "seconds")]
    Time(Duration),
}

/// As a report tells it: `1 s`, `250 ms`, `5,000 operations`.
impl fmt::Display for Length {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&match self {
            Self::Operations(operations) => counted(*operations, "operation"),
            Self::Time(of) => plain(&time(of.as_secs_f64() * 1e6)),
        })
    }
}

/// A time as a number of seconds.
mod seconds {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_length_is_told_in_its_unit_and_kept_by_its_name() {
        for (length, told, kept) in [
            (
                Length::Operations(1),
                "1 operation",
                json!({ "operations": 1 }),
            ),
            (
                Length::Operations(5_000),
                "5,000 operations",
                json!({ "operations": 5_000 }),
            ),
            (
                Length::Time(Duration::from_secs(1)),
                "1 s",
                json!({ "seconds": 1.0 }),
            ),
            (
                Length::Time(Duration::from_millis(250)),
                "250 ms",
                json!({ "seconds": 0.25 }),
            ),
        ] {
            assert_eq!(length.to_string(), told);
            assert_eq!(json!(length), kept);
            assert_eq!(serde_json::from_value::<Length>(kept).unwrap(), length);
        }
        let before_it_began = serde_json::from_value::<Length>(json!({ "seconds": -1.0 }));
        assert!(before_it_began.is_err());
    }
}
