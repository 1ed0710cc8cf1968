//! Where the lines of a trace go.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use runstore_core::{Clock, StoreInfo, SystemClock};
use serde::Serialize;
use serde_json::Value;

use crate::trace::{Header, Outcome, VERSION, micros};
use crate::{Failure, Result};

type Writer = Box<dyn Write + Send>;

/// A trace that is being written.
pub(super) struct Tape {
    info: StoreInfo,
    /// When the first call began; the header is written then, with the time of the day.
    origin: OnceLock<Instant>,
    /// Counts the beginnings and the ends of calls together. Times cannot tell the order of calls that take less than
    /// the clock shows.
    moment: AtomicU64,
    /// Whether nothing more is to be written.
    is_over: AtomicBool,
    state: Mutex<State>,
}

struct State {
    writer: Writer,
    calls: u64,
    /// The first one.
    error: Option<io::Error>,
}

impl Tape {
    pub(super) fn new(info: StoreInfo, trace: Box<dyn Write + Send>) -> Self {
        Self {
            info,
            origin: OnceLock::new(),
            moment: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            state: Mutex::new(State {
                writer: trace,
                calls: 0,
                error: None,
            }),
        }
    }

    /// Begins to write a call down, unless the trace is over.
    pub(super) fn begin(&self, method: &'static str, given: &impl Serialize) -> Option<Line<'_>> {
        if self.is_over.load(Ordering::Relaxed) {
            return None;
        }
        let mut text = format!("{{\"method\":\"{method}\",\"input\":").into_bytes();
        let from = text.len();
        if let Err(error) = serde_json::to_writer(&mut text, given) {
            self.fail(error.into());
            return None;
        }
        let input = from..text.len();
        let origin = self.origin();
        // Nothing else is done between this and the call itself.
        let number = self.next_moment();
        let began = Instant::now();
        Some(Line {
            tape: self,
            text,
            input,
            number,
            origin,
            began,
            is_ended: false,
        })
    }

    pub(super) fn finish(&self) -> Result<u64> {
        self.origin();
        let state = self.state();
        self.is_over.store(true, Ordering::Relaxed);
        match &state.error {
            None => Ok(state.calls),
            Some(error) => Err(Failure::io(
                "the trace cannot be written",
                // An error of the system cannot be copied whole, and a second call must tell it too.
                io::Error::new(error.kind(), error.to_string()),
            )),
        }
    }

    fn origin(&self) -> Instant {
        *self.origin.get_or_init(|| {
            let header = Header {
                runstore_trace: VERSION,
                began_at: SystemClock.now(),
                store: self.info.clone(),
            };
            match serde_json::to_vec(&header) {
                Ok(mut line) => {
                    line.push(b'\n');
                    self.write(&line, 0);
                }
                Err(error) => self.fail(error.into()),
            }
            Instant::now()
        })
    }

    fn next_moment(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst)
    }

    /// Writes a line that is of so many calls.
    fn write(&self, line: &[u8], calls: u64) {
        let mut state = self.state();
        // After an error nothing: half a line would stand before it.
        if self.is_over.load(Ordering::Relaxed) {
            return;
        }
        // At once, for an application that dies is one to look at.
        match state
            .writer
            .write_all(line)
            .and_then(|()| state.writer.flush())
        {
            Ok(()) => state.calls += calls,
            Err(error) => {
                drop(state);
                self.fail(error);
            }
        }
    }

    fn fail(&self, error: io::Error) {
        self.is_over.store(true, Ordering::Relaxed);
        self.state().error.get_or_insert(error);
    }

    /// What a panic left behind is a whole line or none: the writer takes a line at a time.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tape").finish_non_exhaustive()
    }
}

/// A call that is under way. Dropped before its end, it is written down as dropped.
pub(super) struct Line<'t> {
    tape: &'t Tape,
    /// The line, as far as it is known.
    text: Vec<u8>,
    /// Where what the call was given stands in it.
    input: Range<usize>,
    number: u64,
    origin: Instant,
    began: Instant,
    is_ended: bool,
}

impl Line<'_> {
    /// Writes the call down with its answer.
    pub(super) fn end<T: Serialize>(mut self, answer: &runstore_core::Result<T>) {
        self.is_ended = true;
        let outcome = match answer {
            Ok(answer) => Outcome::Answer(answer),
            Err(error) => Outcome::Error(error.kind_name()),
        };
        let was_refused = matches!(outcome, Outcome::Error("invalid_input"));
        self.write(&outcome, was_refused);
    }

    fn write<T: Serialize>(&mut self, outcome: &Outcome<&T, &'static str>, was_refused: bool) {
        let end = self.tape.next_moment();
        let took = micros(self.began.elapsed());
        let began = micros(self.began.saturating_duration_since(self.origin));
        let mut line = std::mem::take(&mut self.text);
        // What is nested too deeply for the store is so for whoever reads the trace, and would spoil it.
        if was_refused && !is_readable(line.get(self.input.clone())) {
            line.splice(self.input.clone(), *b"null");
        }
        line.extend(
            format!(
                ",\"number\":{},\"end\":{end},\"began\":{began},\"took\":{took},\"outcome\":",
                self.number
            )
            .into_bytes(),
        );
        match serde_json::to_writer(&mut line, outcome) {
            Ok(()) => {
                line.extend(b"}\n");
                self.tape.write(&line, 1);
            }
            Err(error) => self.tape.fail(error.into()),
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.is_ended {
            self.write::<()>(&Outcome::Dropped, false);
        }
    }
}

fn is_readable(json: Option<&[u8]>) -> bool {
    json.is_some_and(|json| serde_json::from_slice::<Value>(json).is_ok())
}
