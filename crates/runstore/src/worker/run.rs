//! The loop: claims as long as there is room, and looks after the claims that are carried out.

use std::sync::Arc;
use std::time::Duration;

use runstore_core::limits::MAX_DURATION;
use runstore_core::{Claim, ClaimRequest, Error, Result};
use tokio::task::{JoinError, JoinSet};

use super::carry_out::carry_out;
use super::claiming::Claiming;
use super::context::Context;
use super::{ClaimEnd, WorkerEvent, WorkerSummary};

/// A worker that runs. Dropped, it cancels all handlers.
pub(super) struct Loop {
    context: Arc<Context>,
    request: ClaimRequest,
    concurrency: usize,
    idle_timeout: Option<Duration>,
    running: JoinSet<ClaimEnd>,
    summary: WorkerSummary,
    /// The error that the worker ends with, once the handlers are through.
    failure: Option<Error>,
    /// Whether the claim on its way ends when the worker has been idle for long enough.
    counts_idleness: bool,
    was_idle_for_long: bool,
}

impl Loop {
    pub(super) fn new(
        context: Context,
        request: ClaimRequest,
        concurrency: usize,
        idle_timeout: Option<Duration>,
    ) -> Self {
        Self {
            context: Arc::new(context),
            request,
            concurrency,
            idle_timeout,
            running: JoinSet::new(),
            summary: WorkerSummary::default(),
            failure: None,
            counts_idleness: false,
            was_idle_for_long: false,
        }
    }

    pub(super) async fn run(mut self) -> Result<WorkerSummary> {
        let context = Arc::clone(&self.context);
        let mut claiming = None;
        loop {
            if self.wants_tasks() {
                let free = self.concurrency.saturating_sub(self.running.len());
                if claiming.is_none() && free > 0 {
                    claiming = Some(self.claim(free));
                }
                tokio::select! {
                    biased;
                    () = context.control.stopped() => {}
                    Some(ended) = self.running.join_next() => self.count(ended),
                    claimed = claimed(&mut claiming) => {
                        claiming = None;
                        self.take(claimed);
                    }
                }
            }
            if (!self.wants_tasks() || self.begins_to_idle())
                && let Some(claiming) = claiming.take()
            {
                let claimed = Claiming::withdraw(claiming, &*context.store).await;
                self.take(claimed);
            }
            if !self.wants_tasks() {
                let Some(ended) = self.running.join_next().await else {
                    break;
                };
                self.count(ended);
            }
        }
        match self.failure {
            Some(error) => Err(error),
            None => Ok(self.summary),
        }
    }

    fn wants_tasks(&self) -> bool {
        self.failure.is_none() && !self.was_idle_for_long && !self.context.control.is_stopped()
    }

    /// Whether the last handler has ended, so that the claim on its way has to be replaced by one that
    /// ends.
    fn begins_to_idle(&self) -> bool {
        self.idle_timeout.is_some() && self.running.is_empty() && !self.counts_idleness
    }

    fn claim(&mut self, free: usize) -> Claiming {
        let timeout = self.idle_timeout.filter(|_| self.running.is_empty());
        self.counts_idleness = timeout.is_some();
        let timeout = timeout.unwrap_or(MAX_DURATION).min(MAX_DURATION);
        Claiming::start(&self.context, &self.request, free, timeout)
    }

    /// Has what was claimed carried out.
    fn take(&mut self, claimed: Result<Vec<Claim>>) {
        match claimed {
            Ok(claims) => {
                self.was_idle_for_long = claims.is_empty() && self.counts_idleness;
                for claim in claims {
                    self.summary.claimed += 1;
                    let context = Arc::clone(&self.context);
                    self.running
                        .spawn(async move { carry_out(&context, claim).await });
                }
            }
            Err(error) => self.fail(error),
        }
    }

    fn count(&mut self, ended: std::result::Result<ClaimEnd, JoinError>) {
        match ended {
            Ok(end) => {
                self.summary.count(&end);
                if let ClaimEnd::Unreported(error) = end {
                    self.fail(error);
                }
            }
            // Only the observer can panic there, and that is the caller's to know.
            Err(error) => {
                if let Ok(payload) = error.try_into_panic() {
                    std::panic::resume_unwind(payload);
                }
            }
        }
    }

    fn fail(&mut self, error: Error) {
        tracing::warn!(
            error = error.kind_name(),
            "a worker ends for its store failed"
        );
        if self.failure.is_none() {
            self.context.tell(WorkerEvent::Failed { error: &error });
            self.failure = Some(error);
        }
    }
}

async fn claimed(claiming: &mut Option<Claiming>) -> Result<Vec<Claim>> {
    match claiming {
        Some(claiming) => claiming.claimed().await,
        None => std::future::pending().await,
    }
}
