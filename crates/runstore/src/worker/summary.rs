use runstore_core::{Claim, Error, Task};

/// What a [`Worker`](super::Worker) did from its start to its end. Each claim ends in one of five ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WorkerSummary {
    /// Tasks that were claimed.
    pub claimed: u64,
    /// Reports of the handler that took effect, whatever they said.
    pub finished: u64,
    /// Claims whose handler failed or panicked, or gave a report that the store refused; the failed
    /// attempt was recorded.
    pub failed: u64,
    /// Claims that were given back by [`WorkerHandle::abort`](super::WorkerHandle::abort).
    pub interrupted: u64,
    /// Claims that were no longer held (clause C4), for which nothing was reported.
    pub lost: u64,
    /// Claims whose end could not be reported, for the store failed.
    pub unreported: u64,
}

impl WorkerSummary {
    pub(super) const fn count(&mut self, end: &ClaimEnd) {
        let count = match end {
            ClaimEnd::Finished(_) => &mut self.finished,
            ClaimEnd::Failed(_) => &mut self.failed,
            ClaimEnd::Interrupted(_) => &mut self.interrupted,
            ClaimEnd::Lost => &mut self.lost,
            ClaimEnd::Unreported(_) => &mut self.unreported,
        };
        *count += 1;
    }
}

/// How a claim of a [`Worker`](super::Worker) ended. A task is as the store answered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ClaimEnd {
    /// The handler's report took effect.
    Finished(Task),
    /// The handler failed or panicked, or its report was refused; the failed attempt was recorded.
    Failed(Task),
    /// The handler was cancelled by [`WorkerHandle::abort`](super::WorkerHandle::abort).
    Interrupted(Task),
    /// The claim was no longer held (clause C4); nothing was reported.
    Lost,
    /// The store failed, and the end could not be reported.
    Unreported(Error),
}

impl ClaimEnd {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Finished(_) => "finished",
            Self::Failed(_) => "failed",
            Self::Interrupted(_) => "interrupted",
            Self::Lost => "lost",
            Self::Unreported(_) => "unreported",
        }
    }
}

/// What a [`Worker`](super::Worker) tells its observer.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum WorkerEvent<'a> {
    /// A task was claimed.
    Claimed {
        /// The claim.
        claim: &'a Claim,
    },
    /// A claim ended, once for each that was told as claimed.
    Ended {
        /// The claim.
        claim: &'a Claim,
        /// How.
        end: &'a ClaimEnd,
    },
    /// The store failed: no more is claimed, and the worker ends with this error once the handlers that run are
    /// through. Told once.
    Failed {
        /// The error.
        error: &'a Error,
    },
}
