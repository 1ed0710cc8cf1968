//! Claims of several tasks by one call.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use runstore_core::{Claim, RunId};

/// What each worker claimed by one call and has not begun to work on.
#[derive(Debug)]
pub(crate) struct Batches {
    size: NonZeroU32,
    /// How many were claimed by then and are worked on by nobody any more.
    forgotten: AtomicU64,
    held: Vec<Mutex<VecDeque<Claim>>>,
}

impl Batches {
    /// So many workers that claim one task by a call.
    pub(crate) fn of_one(workers: usize) -> Self {
        Self::new(NonZeroU32::MIN, workers)
    }

    /// So many workers that claim so many tasks by a call.
    pub(crate) fn new(size: NonZeroU32, workers: usize) -> Self {
        Self {
            size,
            forgotten: AtomicU64::new(0),
            held: (0..workers).map(|_| Mutex::default()).collect(),
        }
    }

    /// How many tasks a call asks for.
    pub(crate) const fn size(&self) -> u32 {
        self.size.get()
    }

    /// How many tasks may be claimed and not begun at most.
    pub(crate) fn most_held(&self) -> u64 {
        u64::from(self.size() - 1) * self.held.len() as u64
    }

    /// Lets all that is held lie, as workers do that are gone, so that each has a claim to make; and tells of which
    /// runs it was.
    pub(crate) fn forget(&self) -> Vec<RunId> {
        let held = (0..self.held.len()).filter_map(|worker| self.of(worker));
        let held = held.flat_map(|mut held| std::mem::take(&mut *held));
        let runs = Vec::from_iter(held.map(|claim| claim.task.run_id));
        self.forgotten
            .fetch_add(runs.len() as u64, Ordering::Relaxed);
        runs
    }

    /// How many tasks are claimed and were not worked on.
    pub(crate) fn claimed(&self) -> u64 {
        let held = (0..self.held.len()).filter_map(|worker| self.of(worker));
        let held: usize = held.map(|held| held.len()).sum();
        self.forgotten.load(Ordering::Relaxed) + held as u64
    }

    /// The next task that this worker holds.
    pub(crate) fn next(&self, worker: usize) -> Option<Claim> {
        self.of(worker)?.pop_front()
    }

    /// Holds what is left of a call's claims for this worker.
    pub(crate) fn hold(&self, worker: usize, claims: impl IntoIterator<Item = Claim>) {
        if let Some(mut held) = self.of(worker) {
            held.extend(claims);
        }
    }

    fn of(&self, worker: usize) -> Option<std::sync::MutexGuard<'_, VecDeque<Claim>>> {
        let held = self.held.get(worker)?;
        // A list of claims is whole whatever became of its worker.
        Some(held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
