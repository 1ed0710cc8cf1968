//! What an author of a backend supplies.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runstore_core::{Clock, Store};

/// What a harness gives, or why it does not.
pub type Provided<T> = Result<T, Lacking>;

/// Why a harness did not give what it was asked for.
#[derive(Debug)]
pub enum Lacking {
    /// The engine has no such thing. The scenario is reported as skipped, with this reason.
    Unsupported(String),
    /// It went wrong. The scenario fails.
    Failed(Box<dyn StdError + Send + Sync>),
}

impl Lacking {
    /// The engine has no such thing.
    pub fn unsupported(reason: impl Into<String>) -> Self {
        Self::Unsupported(reason.into())
    }
}

impl fmt::Display for Lacking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(reason) => formatter.write_str(reason),
            Self::Failed(error) => write!(formatter, "the harness failed: {error}"),
        }
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Lacking {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// Makes stores of one backend for the scenarios.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The backend's name, for the report.
    fn name(&self) -> &str;

    /// A store of its own, empty, that reads the time from `clock`. Many are asked for, also at once.
    async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>>;

    /// For how long a scenario goes on expecting what a sound store does at once or, where another process
    /// wrote, after the short time that the backend names (clause C11). Only a broken store comes to this
    /// end.
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// A store under test. Dropping it is the guard: it closes the store and removes what it left.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The first handle, the same at every call until the next [`reopen`](Self::reopen).
    fn store(&self) -> Arc<dyn Store>;

    /// Another handle on the same data: opened by itself, as another process would, where the engine
    /// lets in several; otherwise one that shares the engine with the first.
    async fn second_handle(&self) -> Provided<Arc<dyn Store>>;

    /// Closes every handle and opens the data again; [`store`](Self::store) is then a new handle.
    async fn reopen(&mut self) -> Provided<()>;

    /// Opens what a process killed at this moment would leave, without closing anything first;
    /// [`store`](Self::store) is then a handle on that. No call is under way when it is asked for, so for
    /// an engine of files a copy of them as they stand will do.
    async fn kill(&mut self) -> Provided<()> {
        Err(Lacking::unsupported(
            "the harness cannot show what a killed process leaves",
        ))
    }
}
