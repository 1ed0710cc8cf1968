//! What a replay found.

use hdrhistogram::Histogram;
use runstore_core::StoreInfo;
use serde::{Deserialize, Serialize};

use super::compare::Found;
use crate::Steps;
use crate::calls::Call;
use crate::report::Percentiles;
use crate::trace::RecordedCall;

/// When the calls of a replay are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Timing {
    /// Each when it was made then, counted from the first; later only where it has to wait for calls that were over
    /// then before it began.
    AsRecorded,
    /// Each as soon as the calls are over that were over then before it began: as many at a time as then, without the
    /// pauses.
    AsFastAsPossible,
}

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// What the recorded store said of itself.
    pub recorded_on: StoreInfo,
    /// What the store that the calls were made on again says of itself.
    pub replayed_on: StoreInfo,
    /// When the calls were made.
    pub timing: Timing,
    /// How many calls were made.
    pub calls: u64,
    /// How many of them had been dropped, so that there is no answer to compare theirs with.
    pub dropped: u64,
    /// How many calls were left out, for the trace does not hold what they were given.
    pub left_out: u64,
    /// How long it took from the first call to the end of the last, with the comparing between them.
    pub seconds: f64,
    /// How long that took in the recording, with the application's own work.
    pub recorded_seconds: f64,
    /// How much later than in the recording a call began at most; 0 if that was not aimed at.
    pub behind_seconds: f64,
    /// How long the calls took, one row for each method that was called, in the order of the trait.
    pub methods: Vec<MethodLatency>,
    /// The calls that were answered otherwise than then, and should not have been.
    pub differences: Differences,
    /// The calls that were answered otherwise than then, as the store may: they overlapped others, or it follows from
    /// calls that did.
    pub overlapped: Differences,
}

/// How long the calls of a method took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodLatency {
    /// The name of the method.
    pub method: String,
    /// How many calls were made.
    pub calls: u64,
    /// How long they took then; those that were dropped do not count.
    pub recorded: Percentiles,
    /// How long they took now; those that were dropped do not count.
    pub replayed: Percentiles,
}

/// Calls that were answered otherwise than in the recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Differences {
    /// How many calls.
    pub count: u64,
    /// The first of them, at most 100.
    pub first: Vec<Difference>,
}

/// A call that was answered otherwise than in the recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The number of the call's line in the trace, counted from 1.
    pub line: usize,
    /// The name of the method.
    pub method: String,
    /// Where the answer differs first, as `answer.items[3].title`; `outcome` if the one is an answer and the other a
    /// refusal, or both are refusals and of other kinds.
    pub path: String,
    /// What stands there in the recorded answer, shortened if it is long.
    pub recorded: String,
    /// What stands there in the answer of the replay, shortened if it is long.
    pub replayed: String,
}

/// How many differences are kept.
const MOST_KEPT: usize = 100;

impl Differences {
    pub(super) fn add(&mut self, call: &RecordedCall, found: Found) {
        self.count += 1;
        if self.first.len() < MOST_KEPT {
            let Found {
                path,
                recorded,
                replayed,
            } = found;
            self.first.push(Difference {
                line: call.line,
                method: call.method.to_owned(),
                path,
                recorded,
                replayed,
            });
        }
    }
}

/// The rows of the methods that were called.
pub(super) fn latencies(recorded: &Steps, replayed: &Steps) -> Vec<MethodLatency> {
    fn of<'s>(steps: &'s Steps, method: &str) -> Option<&'s Histogram<u64>> {
        let found = steps.steps.iter().find(|(name, _)| *name == method);
        found.map(|(_, times)| times)
    }
    let row = |method: &&'static str| {
        let (recorded, replayed) = (of(recorded, method), of(replayed, method));
        recorded.or(replayed)?;
        Some(MethodLatency {
            method: (*method).to_owned(),
            calls: replayed.map_or(0, Histogram::len),
            recorded: recorded.map(Percentiles::of).unwrap_or_default(),
            replayed: replayed.map(Percentiles::of).unwrap_or_default(),
        })
    };
    Call::METHODS.iter().filter_map(row).collect()
}
