//! Writing down the calls that an application makes.

mod calls;
mod tape;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use runstore_core::Store;

use self::tape::Tape;
use crate::{Failure, Result};

/// A store that passes every call on to the one inside of it, and writes the call down in a trace, which
/// [`replay`](crate::replay) makes again on any store.
///
/// ```
/// use std::sync::Arc;
///
/// use runstore_bench::{Recorded, Timing, Trace, replay};
/// use runstore_core::{NewRun, Store};
/// use runstore_memory::MemoryStore;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("trace.jsonl");
/// let recorded = Arc::new(Recorded::to_file(MemoryStore::new(), &path)?);
/// // Whatever takes a `dyn Store` takes this one.
/// let store: Arc<dyn Store> = recorded.clone();
/// store.create_run(NewRun::new("Add CSV export", "/srv/reports")).await?;
/// store.close().await?;
/// assert_eq!(recorded.finish()?, 2);
///
/// let trace = Trace::from_file(&path)?;
/// let another = Arc::new(MemoryStore::new());
/// let replayed = replay(&trace, another, Timing::AsFastAsPossible).await?;
/// assert_eq!(replayed.differences.count, 0);
/// # Ok(())
/// # }
/// ```
///
/// # The trace
///
/// Lines of JSON, of which [`read_trace`](crate::read_trace) tells the fields: one for each call, written when the call
/// is over, with its name, what it was given, when it began and how long the store took, and what came of it. A call
/// whose future was dropped (or panicked) before it was over is written as dropped, without an answer; a future that
/// was never polled made no call, and leaves no line.
///
/// # What it costs
///
/// What a call is given is written as JSON before the call goes on to the store, and its answer after it has come
/// back, both by the caller itself; neither counts for the time that is written down. Only to write the finished
/// line to the trace, at once and whole, the callers wait for each other.
///
/// # When the trace cannot be written
///
/// The application must not suffer from that: its calls go on as if nothing had happened, nothing more is written to
/// the trace, and [`finish`](Self::finish) tells the error. Call it; a trace that is only dropped keeps its error to
/// itself.
#[derive(Debug)]
pub struct Recorded<S: ?Sized> {
    tape: Tape,
    store: Arc<S>,
}

impl<S: Store> Recorded<S> {
    /// Records the calls on `store` to `trace`, which is written a line at a time: a buffer of its own gains nothing.
    pub fn new(store: S, trace: impl Write + Send + 'static) -> Self {
        Self::shared(Arc::new(store), trace)
    }

    /// Records the calls on `store` to a new file, in the place of one that is there.
    ///
    /// # Errors
    /// Only if the file cannot be created.
    pub fn to_file(store: S, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let created = File::create(path);
        let file = created.map_err(|error| {
            Failure::io(
                format!("the trace {} cannot be created", path.display()),
                error,
            )
        })?;
        Ok(Self::new(store, file))
    }
}

impl<S: Store + ?Sized> Recorded<S> {
    /// Records the calls that are made through this wrapper on a store that others may use besides: of theirs the
    /// trace knows nothing.
    pub fn shared(store: Arc<S>, trace: impl Write + Send + 'static) -> Self {
        let tape = Tape::new(store.info(), Box::new(trace));
        Self { tape, store }
    }

    /// The store inside.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Ends the trace, and tells how many calls it holds. What is called from now on, or is not over yet, goes on to
    /// the store and is not recorded.
    ///
    /// # Errors
    /// The first error of the trace, also of an earlier write to it. It then ends somewhere before that.
    pub fn finish(&self) -> Result<u64> {
        self.tape.finish()
    }
}
