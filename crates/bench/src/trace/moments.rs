//! Whether all lines of a trace are there, and each once.

use super::RecordedCall;
use crate::{Failure, Result};

/// How many of the moments that are counted up to the last one are of no call.
///
/// # Errors
/// [`Failure::Trace`] if two calls have the same moment, naming the later line.
pub(super) fn missing(calls: &[RecordedCall]) -> Result<u64> {
    let moments = |call: &RecordedCall| [(call.number, call.line), (call.end, call.line)];
    let mut moments = Vec::from_iter(calls.iter().flat_map(moments));
    moments.sort_unstable();
    for pair in moments.windows(2) {
        if let [(moment, first), (same, line)] = *pair
            && moment == same
        {
            return Err(Failure::Trace {
                line,
                what: format!(
                    "its call begins or ends at the moment {moment}, and so does that of line {first}"
                ),
            });
        }
    }
    let last = moments.last().map(|(moment, _)| *moment);
    let up_to_last = last.map_or(0, |last| last.saturating_add(1));
    let known = u64::try_from(moments.len()).unwrap_or(u64::MAX);
    Ok(up_to_last.saturating_sub(known))
}
