//! What can go wrong in a benchmark.

use std::error::Error;
use std::{fmt, io};

use crate::Workload;

/// The result of a step of a benchmark.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why a benchmark cannot be made, or was broken off.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// A store refused a call.
    Store(runstore_core::Error),
    /// A storage engine that is used without a store refused an operation.
    Engine(Box<dyn Error + Send + Sync>),
    /// The system refused something.
    Io {
        /// What was to be done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A trace cannot be read.
    Trace {
        /// The number of the line, counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Something went wrong with an engine.
    During {
        /// The engine.
        engine: String,
        /// What was measured; nothing yet if it could not begin.
        workload: Option<Workload>,
        /// What went wrong.
        source: Box<Self>,
    },
    /// The folder of the stores keeps nothing beyond the machine's memory: durable writes cost nothing there, and a figure
    /// of them means nothing.
    InMemory {
        /// The engine that would write there.
        engine: String,
    },
    /// What was asked for makes no sense, or would give figures that mean nothing. The text says why.
    Refused(String),
}

impl Failure {
    /// Wraps what a storage engine said.
    pub fn engine(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Engine(error.into())
    }

    pub(crate) fn during(self, engine: &str, workload: Workload) -> Self {
        Self::During {
            engine: engine.to_owned(),
            workload: Some(workload),
            source: Box::new(self),
        }
    }

    /// Of an engine that was looked at before anything is measured.
    pub(crate) fn before(self, engine: &str) -> Self {
        Self::During {
            engine: engine.to_owned(),
            workload: None,
            source: Box::new(self),
        }
    }

    /// Wraps what the system said. `what` was to be done.
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            what: what.into(),
            source,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(formatter, "{error}"),
            Self::Engine(error) => write!(formatter, "{error}"),
            Self::Io { what, source } => write!(formatter, "{what}: {source}"),
            Self::Trace { line, what } => write!(formatter, "line {line} of the trace: {what}"),
            Self::During {
                engine,
                workload: Some(workload),
                source,
            } => write!(formatter, "{engine}, {workload}: {source}"),
            Self::During { engine, source, .. } => write!(formatter, "{engine}: {source}"),
            Self::InMemory { engine } => write!(
                formatter,
                "the folder is in memory, where the durable writes of {engine} cost nothing"
            ),
            Self::Refused(why) => formatter.write_str(why),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Store(error) => error.source(),
            Self::Engine(error) => error.source(),
            Self::Io { source, .. } => Some(source),
            // The text holds its own.
            Self::During { source, .. } => source.source(),
            Self::Trace { .. } | Self::InMemory { .. } | Self::Refused(_) => None,
        }
    }
}

impl From<runstore_core::Error> for Failure {
    fn from(error: runstore_core::Error) -> Self {
        Self::Store(error)
    }
}
