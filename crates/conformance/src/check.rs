//! How a scenario ends, and the checks that end it.

use std::fmt;
use std::panic::Location;

use runstore_core::Error;

use crate::harness::Lacking;

/// What a scenario gives: nothing, or why it stopped.
pub(crate) type Outcome<T = ()> = Result<T, Stop>;

/// Why a scenario stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The store broke the contract.
    Failed(String),
    /// The harness lacks what the scenario needs.
    Skipped(String),
}

impl Stop {
    #[track_caller]
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        let place = Location::caller();
        Self::Failed(format!("{message} ({}:{})", place.file(), place.line()))
    }
}

/// A call that had to succeed did not.
impl From<Error> for Stop {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::failed(format_args!(
            "a call that must succeed failed: {error} [{error:?}]"
        ))
    }
}

impl From<Lacking> for Stop {
    #[track_caller]
    fn from(lacking: Lacking) -> Self {
        match lacking {
            Lacking::Unsupported(reason) => Self::Skipped(reason),
            failed @ Lacking::Failed(_) => Self::failed(failed),
        }
    }
}

impl From<tokio::task::JoinError> for Stop {
    #[track_caller]
    fn from(error: tokio::task::JoinError) -> Self {
        Self::failed(format_args!("a call panicked: {error}"))
    }
}

/// Ends the scenario unless the condition holds. The message says what was done and what must hold.
macro_rules! check {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::check::Stop::failed(format_args!($($message)+)));
        }
    };
}
pub(crate) use check;

/// Ends the scenario unless both are equal. The message says what the first is.
macro_rules! check_eq {
    ($actual:expr, $expected:expr, $($message:tt)+) => {
        match (&$actual, &$expected) {
            (actual, expected) => {
                if actual != expected {
                    return Err($crate::check::Stop::failed(format_args!(
                        "{}: got {}, must be {}{}",
                        format_args!($($message)+),
                        $crate::check::shortened(actual),
                        $crate::check::shortened(expected),
                        $crate::check::first_difference(actual, expected),
                    )));
                }
            }
        }
    };
}
pub(crate) use check_eq;

/// Ends the scenario unless the result is an error of the given pattern. The message says what was asked.
macro_rules! check_refused {
    ($result:expr, $pattern:pat $(if $guard:expr)?, $($message:tt)+) => {
        match $result {
            Err($pattern) $(if $guard)? => {}
            Err(error) => {
                return Err($crate::check::Stop::failed(format_args!(
                    "{}: refused, but not as {}: {error} [{error:?}]",
                    format_args!($($message)+),
                    stringify!($pattern $(if $guard)?),
                )));
            }
            Ok(answer) => {
                return Err($crate::check::Stop::failed(format_args!(
                    "{}: must be refused as {}, but was answered {}",
                    format_args!($($message)+),
                    stringify!($pattern $(if $guard)?),
                    $crate::check::shortened(&answer),
                )));
            }
        }
    };
}
pub(crate) use check_refused;

/// The debug form of a value, cut where it is too long to be read.
pub(crate) fn shortened(value: &impl fmt::Debug) -> String {
    const MOST: usize = 600;
    let text = format!("{value:?}");
    match text.char_indices().nth(MOST) {
        Some((end, _)) => {
            let kept = text.get(..end).unwrap_or_default();
            format!("{kept}… ({} bytes in all)", text.len())
        }
        None => text,
    }
}

/// Where the debug forms of two values part, if they are too long to be compared by eye: a field may
/// differ far within a record, or behind the end of what is shown.
pub(crate) fn first_difference(actual: &impl fmt::Debug, expected: &impl fmt::Debug) -> String {
    const READABLE: usize = 120;
    const BEFORE: usize = 50;
    const AFTER: usize = 70;
    let (actual, expected) = (format!("{actual:?}"), format!("{expected:?}"));
    if actual.len().max(expected.len()) <= READABLE {
        return String::new();
    }
    let pairs = actual.chars().zip(expected.chars());
    let alike = pairs.take_while(|(a, b)| a == b).count();
    let around = |text: &str| -> String {
        let start = alike.saturating_sub(BEFORE);
        let length = alike - start + AFTER;
        text.chars().skip(start).take(length).collect()
    };
    format!(
        "; they part at …{}… and …{}…",
        around(&actual),
        around(&expected)
    )
}
