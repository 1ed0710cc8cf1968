//! A loop that claims tasks and has them carried out.

mod backoff;
mod carry_out;
mod claiming;
mod context;
mod failure;
mod handle;
mod handler;
mod heartbeat;
mod retry;
mod run;
mod summary;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use runstore_core::rules::input::Input;
use runstore_core::{Claim, ClaimRequest, FinishReport, Result, Store};

pub use self::backoff::Backoff;
use self::context::{Context, Observer};
pub use self::handle::WorkerHandle;
use self::retry::Retries;
use self::run::Loop;
pub use self::summary::{ClaimEnd, WorkerEvent, WorkerSummary};

/// What a handler gives back: its report, or why it failed.
pub type HandlerResult = std::result::Result<FinishReport, Box<dyn Error + Send + Sync>>;

/// A loop that claims tasks, has a handler carry them out, keeps the claims alive meanwhile, and reports.
///
#[cfg_attr(feature = "memory", doc = "```")]
#[cfg_attr(not(feature = "memory"), doc = "```no_run")]
/// use std::time::Duration;
///
/// use runstore::{Claim, ClaimRequest, FinishReport, HandlerResult};
/// use runstore::{NewRun, TaskDraft, TaskPlan, Worker};
/// # async fn agent(task: &runstore::Task) -> std::io::Result<String> {
/// #     Ok(format!("{} is done", task.title))
/// # }
///
/// async fn carry_out(claim: Claim) -> HandlerResult {
///     // An error becomes a failed attempt, and the task comes back after a while.
///     let summary = agent(&claim.task).await?;
///     Ok(FinishReport::completed(summary))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> runstore::Result<()> {
/// let store = runstore::open("memory:").await?;
/// let run = store.create_run(NewRun::new("Ship it", "/srv/repo")).await?;
/// let plan = [TaskDraft::new("Build", "Make it build"), TaskDraft::new("Test", "Make it pass")];
/// store.append_tasks(TaskPlan::new(run.id, plan)).await?;
///
/// let request = ClaimRequest::of_run(run.id)
///     .with_worker("worker 1")
///     .with_lease(Duration::from_secs(30))
///     .with_max_attempts(5_u32);
/// let worker = Worker::new(store, request)
///     .with_concurrency(2)
///     .with_idle_timeout(Duration::ZERO); // ends when nothing is left to claim
/// let handle = worker.handle(); // handle.stop() ends it gracefully, from anywhere
/// let summary = worker.run(carry_out).await?;
/// assert_eq!((summary.claimed, summary.finished), (2, 2));
/// # drop(handle);
/// # Ok(())
/// # }
/// ```
///
/// # What becomes of a claim
///
/// - The handler's report is written with the claim's token, in one change (clause C5). If the store
///   refuses it for what it says, the attempt counts as failed.
/// - An error or a panic of the handler is recorded as a failed attempt with its text, and the task is
///   released for as long as [`with_retry_backoff`](Self::with_retry_backoff) says. The store blocks it
///   when its attempts are used up (clause C8); bound them in the plan or in the request.
/// - Every claim has a lease, that of the request or [`DEFAULT_LEASE`](Self::DEFAULT_LEASE), for without
///   one nobody could take over from a worker that crashed. It is extended at each third of it, until the
///   report is answered. A heartbeat that fails is tried again in time.
/// - Once the claim is lost (the task was requeued, replaced or taken over, or the lease ran out because no
///   heartbeat got through, also if nobody took over), the handler is cancelled and nothing is reported.
///
/// The handler runs on a task of its own and is cancelled by dropping its future. One that blocks its
/// thread should do so in [`tokio::task::spawn_blocking`], as everywhere.
///
/// # How it ends
///
/// - [`WorkerHandle::stop`]: no more is claimed, what runs is finished.
/// - [`WorkerHandle::abort`]: what runs is cancelled and given back.
/// - [`with_idle_timeout`](Self::with_idle_timeout): there was nothing to do for that long.
/// - The store fails: a call that failed with a retryable error is tried again, with growing delays, for
///   as long as [`with_patience`](Self::with_patience) says; any other error ends the worker, once the
///   handlers that run are through.
/// - The future of [`run`](Self::run) is dropped: the handlers are cancelled, and nothing can be said to
///   the store any more. Their tasks are claimable again when their leases have run out, as after a crash.
///   So is one that was being claimed at that moment.
pub struct Worker {
    store: Arc<dyn Store>,
    request: ClaimRequest,
    control: WorkerHandle,
    concurrency: usize,
    idle_timeout: Option<Duration>,
    patience: Duration,
    backoff: Backoff,
    observer: Option<Observer>,
}

impl Worker {
    /// The lease of claims if the request names none: a minute.
    pub const DEFAULT_LEASE: Duration = Duration::from_secs(60);

    /// A worker on this store that claims by this request: of one run or of any, in whose name, for how
    /// long, and how often.
    pub fn new(store: Arc<dyn Store>, request: ClaimRequest) -> Self {
        Self {
            store,
            request,
            control: WorkerHandle::new(),
            concurrency: 1,
            idle_timeout: None,
            patience: Duration::from_secs(60),
            backoff: Backoff::exponential(Duration::from_secs(1), Duration::from_secs(600)),
            observer: None,
        }
    }

    /// Lets so many handlers run at a time; 1 if this is not called. 0 counts as 1. As many tasks are
    /// claimed in one change as there is room for.
    #[must_use]
    pub fn with_concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers.max(1);
        self
    }

    /// Ends the worker when for that long, by the store's clock, no handler ran and nothing could be
    /// claimed. It waits for ever if this is not called.
    #[must_use]
    pub const fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Says how long the task of a failed attempt is not to be claimed, by the number of the attempt. If
    /// this is not called: a second after the first, doubled with each, at most ten minutes, with jitter.
    #[must_use]
    pub fn with_retry_backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Says for how long after its first failure a call on the store is tried again before the worker
    /// gives up; a minute if this is not called. A store that was closed fails like one that cannot be
    /// reached.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Tells somebody of each claim and of its end, as soon as the store has answered, and of the error that
    /// the worker is to end with. It must neither block nor panic.
    #[must_use]
    pub fn with_observer(
        mut self,
        observer: impl Fn(WorkerEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// What stops this worker.
    #[must_use]
    pub fn handle(&self) -> WorkerHandle {
        self.control.clone()
    }

    /// Works until it is stopped, has nothing to do, or fails. Must be called within a tokio runtime whose
    /// timer is on; a handler that blocks needs one with several threads.
    ///
    /// # Errors
    /// `InvalidInput` if the request breaks a bound (clause G8); otherwise the first error of a claim or a
    /// report that was not worth another try, or was tried for too long.
    pub async fn run<F, R, E>(mut self, handler: F) -> Result<WorkerSummary>
    where
        F: Fn(Claim) -> R + Send + Sync + 'static,
        R: Future<Output = std::result::Result<FinishReport, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>> + 'static,
    {
        let lease = *self.request.lease.get_or_insert(Self::DEFAULT_LEASE);
        self.request.check()?;
        let context = Context {
            store: self.store,
            handler: handler::erased(handler),
            lease,
            backoff: self.backoff,
            retries: Retries::new(self.patience),
            observer: self.observer,
            control: self.control,
        };
        let running = Loop::new(context, self.request, self.concurrency, self.idle_timeout);
        running.run().await
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Worker")
            .field("request", &self.request)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
