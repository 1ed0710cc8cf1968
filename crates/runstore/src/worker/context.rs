use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use runstore_core::Store;

use super::handler::Handler;
use super::retry::Retries;
use super::{Backoff, WorkerEvent, WorkerHandle};

/// Who is told of what a worker does.
pub(super) type Observer = Arc<dyn Fn(WorkerEvent<'_>) + Send + Sync>;

/// What those who carry out the claims of one worker share.
pub(super) struct Context {
    pub(super) store: Arc<dyn Store>,
    pub(super) handler: Handler,
    pub(super) lease: Duration,
    /// For attempts that failed.
    pub(super) backoff: Backoff,
    /// For calls that failed.
    pub(super) retries: Retries,
    pub(super) observer: Option<Observer>,
    pub(super) control: WorkerHandle,
}

impl Context {
    pub(super) fn tell(&self, event: WorkerEvent<'_>) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Context").finish_non_exhaustive()
    }
}
