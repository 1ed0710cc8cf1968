//! The form of a trace, and how it is read.

mod moments;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use runstore_core::{StoreInfo, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::calls::Call;
use crate::{Failure, Result};

/// The version of the form that is written, and the newest that can be read.
pub(crate) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Header {
    /// The version of the form.
    pub(crate) runstore_trace: u32,
    /// When the first call began.
    pub(crate) began_at: Timestamp,
    /// The store that was recorded.
    pub(crate) store: StoreInfo,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome<A = Value, E = String> {
    /// What the store answered.
    Answer(A),
    /// The kind of the error that it answered with.
    Error(E),
    /// Nothing: the call's future was dropped.
    Dropped,
}

impl Outcome {
    pub(crate) fn of<T: Serialize>(answer: &runstore_core::Result<T>) -> Self {
        match answer {
            Ok(answer) => match serde_json::to_value(answer) {
                Ok(answer) => Self::Answer(answer),
                // What a store answers has no keys but texts; a difference to look into otherwise.
                Err(error) => Self::Error(format!("not JSON: {error}")),
            },
            Err(error) => Self::Error(error.kind_name().to_owned()),
        }
    }
}

/// A line of a call, as it is written: `{"method", "input", "number", "end", "began", "took", "outcome"}`.
#[derive(Deserialize)]
struct Line {
    method: String,
    /// `null` if it cannot be written.
    #[serde(default)]
    input: Value,
    number: u64,
    end: u64,
    began: f64,
    took: f64,
    outcome: Outcome,
}

/// A recorded call.
#[derive(Debug, Clone)]
pub(crate) struct RecordedCall {
    /// The number of its line in the trace, counted from 1.
    pub(crate) line: usize,
    pub(crate) method: &'static str,
    /// `None` if what it was given could not be written: that had been refused.
    pub(crate) call: Option<Call>,
    /// Its beginning among the beginnings and ends of all calls.
    pub(crate) number: u64,
    /// Its end among these.
    pub(crate) end: u64,
    /// Since the first call began.
    pub(crate) began: Duration,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

/// The calls that an application made, as [`Recorded`](crate::Recorded) wrote them down.
#[derive(Debug, Clone)]
pub struct Trace {
    pub(crate) header: Header,
    /// In the order in which they began.
    pub(crate) calls: Vec<RecordedCall>,
    is_cut_off: bool,
    missing: u64,
}

impl Trace {
    /// What the recorded store said of itself.
    #[must_use]
    pub const fn store(&self) -> &StoreInfo {
        &self.header.store
    }

    /// When the first call began.
    #[must_use]
    pub const fn began_at(&self) -> Timestamp {
        self.header.began_at
    }

    /// From the beginning of the first call to the end of the last one.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let first = self.calls.first().map_or(Duration::ZERO, |call| call.began);
        let ends = self.calls.iter().map(|call| call.began + call.took);
        ends.max().unwrap_or_default().saturating_sub(first)
    }

    /// How many calls there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether the last line was cut off, as an application that dies may leave it: its call is left out.
    #[must_use]
    pub const fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// How many beginnings and ends of calls are on no line, of those that were counted before the last one that is: 0 if
    /// the trace is whole. A call that was under way when the recording ended, or when its application died, leaves its
    /// beginning; a line that was lost since leaves a beginning and an end.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        self.missing
    }

    /// Whether there is no call.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// How often each method was called, in the order of the trait.
    #[must_use]
    pub fn methods(&self) -> Vec<(&'static str, usize)> {
        let count = |method: &'static str| {
            let calls = self.calls.iter().filter(|call| call.method == method);
            (method, calls.count())
        };
        let counted = Call::METHODS.iter().copied().map(count);
        counted.filter(|(_, count)| *count > 0).collect()
    }
}

/// Reads a trace.
///
/// The first line is its header: `runstoreTrace`, the version of the form; `beganAt`, when the first call began; and
/// `store`, what the recorded store said of itself. Every other line is a call:
///
/// - `method` and `input`: the name, and an object of what the call was given, by the names that the trait has for
///   it (in camelCase; the timeout of `claim_or_wait` is `timeoutMicros`). `input` is `null` where the store had
///   refused what is nested too deeply to be read from JSON.
/// - `number` and `end`: when it began and when it was over, counting the beginnings and ends of all calls from 0. A
///   call was over before another began if its `end` is less than the other's `number`; otherwise they overlapped.
/// - `began` and `took`, in microseconds: since the first call began, and how long the store took.
/// - `outcome`: `{"answer": …}`, `{"error": …}` with the name of the error's kind, or `"dropped"`.
///
/// Lines without anything in them are passed over, and so is the last one if it ends before its call and its line do:
/// an application that dies leaves such a one. What else is missing is counted ([`Trace::missing`]); a line that is there
/// twice is refused, for its call was made once.
///
/// The lines are read one by one, but all calls are kept in memory: a call's line stands where the call ended, so
/// that the first call may well be the last line.
///
/// # Errors
/// [`Failure::Trace`], naming the line, if it is not the line of a trace, or of one that a newer version wrote;
/// [`Failure::Io`] if there is no reading on.
pub fn read_trace(mut trace: impl BufRead) -> Result<Trace> {
    let mut header = None;
    let mut calls = Vec::new();
    let mut is_cut_off = false;
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        let read = trace.read_until(b'\n', &mut text).map_err(|error| {
            Failure::io(format!("line {number} of the trace cannot be read"), error)
        })?;
        if read == 0 {
            break;
        }
        let off = |what| Failure::Trace { line: number, what };
        let is_whole = text.ends_with(b"\n");
        let line = text.trim_ascii();
        match header {
            None => header = Some(read_header(line).map_err(off)?),
            Some(_) if line.is_empty() => {}
            Some(_) if !is_whole && is_beginning(line) => is_cut_off = true,
            Some(_) => calls.push(read_call(number, line).map_err(off)?),
        }
    }
    let what = || "there is none, and the header of the trace should be there".to_owned();
    let header = header.ok_or_else(|| Failure::Trace {
        line: 1,
        what: what(),
    })?;
    let missing = moments::missing(&calls)?;
    calls.sort_by_key(|call| call.number);
    Ok(Trace {
        header,
        calls,
        is_cut_off,
        missing,
    })
}

impl Trace {
    /// Reads a trace from a file.
    ///
    /// # Errors
    /// As [`read_trace`]; [`Failure::Io`] too if the file cannot be opened.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let opened = File::open(path);
        let file = opened.map_err(|error| {
            Failure::io(
                format!("the trace {} cannot be opened", path.display()),
                error,
            )
        })?;
        read_trace(BufReader::new(file))
    }
}

type Read<T> = std::result::Result<T, String>;

fn read_header(text: &[u8]) -> Read<Header> {
    let value = read_json(text)?;
    let Some(version) = value.get("runstoreTrace") else {
        return Err("this is not a trace of runstore: its header is missing".to_owned());
    };
    match version.as_u64() {
        Some(version) if version <= u64::from(VERSION) => {}
        _ => {
            return Err(format!(
                "the trace has the form of version {version}, and this version of runstore reads up to {VERSION}"
            ));
        }
    }
    serde_json::from_value(value).map_err(|error| format!("the header is off: {error}"))
}

fn read_call(line: usize, text: &[u8]) -> Read<RecordedCall> {
    let value = read_json(text)?;
    let read = serde_json::from_value(value);
    let read: Line = read.map_err(|error| format!("this is not the line of a call: {error}"))?;
    let known = Call::METHODS.iter().find(|method| **method == read.method);
    let Some(method) = known.copied() else {
        return Err(format!("no store has a method {:?}", read.method));
    };
    if read.end <= read.number {
        return Err("the call ends before it begins".to_owned());
    }
    let call = match read.input {
        Value::Null => None,
        input => {
            let call = Value::Object(Map::from_iter([(read.method, input)]));
            let call = serde_json::from_value(call);
            Some(call.map_err(|error| format!("the input of {method} is off: {error}"))?)
        }
    };
    Ok(RecordedCall {
        line,
        method,
        call,
        number: read.number,
        end: read.end,
        began: duration("began", read.began)?,
        took: duration("took", read.took)?,
        outcome: read.outcome,
    })
}

/// Whether more of it would make it JSON, and nothing less.
fn is_beginning(text: &[u8]) -> bool {
    serde_json::from_slice::<Value>(text).is_err_and(|error| error.is_eof())
}

fn read_json(text: &[u8]) -> Read<Value> {
    serde_json::from_slice(text).map_err(|error| {
        if error.is_eof() {
            return "the line is empty or cut off".to_owned();
        }
        // The place that the error tells is one in this line alone.
        let told = error.to_string();
        let what = told
            .rsplit_once(" at line ")
            .map_or(&*told, |(what, _)| what);
        format!("this is not JSON: {what} at column {}", error.column())
    })
}

const MICROS_IN_SECOND: f64 = 1e6;

/// A duration as a trace has it: microseconds, to the nanosecond.
#[expect(clippy::cast_precision_loss, reason = "far from 2^53 nanoseconds")]
pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e3
}

fn duration(field: &str, micros: f64) -> Read<Duration> {
    let duration = Duration::try_from_secs_f64(micros / MICROS_IN_SECOND);
    duration.map_err(|error| format!("{field} is off: {error}"))
}
