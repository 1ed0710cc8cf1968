//! What is written and read, whichever engine does it.

use std::error::Error;

use runstore_bench::{Case, Workload};
use runstore_core::{Task, Uuid};

/// A result of an engine's own calls, before it is a failure of the benchmark.
pub(crate) type Caught<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The words of the rows, as the workloads over a store write them.
pub(crate) const SOURCE: &str = "worker";
pub(crate) const DONE: &str = "done";
pub(crate) const COMPLETED: &str = "completed";

/// A write that is durable by itself.
#[derive(Debug)]
pub(crate) enum Write {
    /// Adds pending tasks to a run, the first at this position.
    Add {
        run: usize,
        first: u64,
        count: u64,
    },
    /// The same in place of those that are pending.
    Plan {
        run: usize,
        first: u64,
        count: u64,
    },
    /// Takes the first pending task.
    Claim {
        run: usize,
        worker: String,
    },
    /// Takes all of them.
    ClaimAll {
        run: usize,
    },
    /// Puts the tasks in progress back among the pending ones.
    Requeue {
        run: usize,
    },
    Attempt(Attempt),
    Event(Event),
    Complete(Completion),
    /// What the three before do, at once.
    Finish(Attempt, Event, Completion),
}

/// An attempt that is completed.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) run: usize,
    pub(crate) task_id: Uuid,
    pub(crate) number: u32,
    /// JSON.
    pub(crate) result: String,
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) run: usize,
    pub(crate) kind: &'static str,
    pub(crate) message: &'static str,
    /// JSON.
    pub(crate) payload: String,
}

/// The end of a task that is in progress.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) run: usize,
    pub(crate) position: u64,
    pub(crate) summary: String,
}

/// What a write gives.
#[derive(Debug)]
pub(crate) enum Written {
    Nothing,
    /// The task that was claimed, whole, for a worker begins with its texts.
    Claimed(Option<Box<Task>>),
    /// So many tasks were changed.
    Changed(u64),
}

/// A read of one instant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Read {
    /// Whether a run has a pending task.
    HasPending { run: usize },
    /// The tasks of a run in their order.
    Tasks { run: usize },
    /// As many of them at most that come after a position.
    Page { run: usize, after: u64, limit: u32 },
    /// What there is, to be held against what was done.
    Tally,
}

/// What a read gives.
#[derive(Debug)]
pub(crate) enum Found {
    HasPending(bool),
    Tasks(Vec<Task>),
    Tally(Tally),
}

/// How many rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// The sum of the tasks' counts of claims.
    pub(crate) claims: u64,
    /// How often the task was claimed that was claimed most often.
    pub(crate) most_claims: u64,
    pub(crate) completed: u64,
    pub(crate) attempts: u64,
    pub(crate) events: u64,
}

/// The runs of a case, and the text that its rows have.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) run_ids: Vec<Uuid>,
    pub(crate) text: String,
}

/// The workloads that no bare loop does.
pub(crate) fn left_out() -> Vec<Workload> {
    let all = Workload::ALL.into_iter();
    all.filter(|workload| !is_done(*workload)).collect()
}

const fn is_done(workload: Workload) -> bool {
    matches!(
        workload,
        Workload::Cycle
            | Workload::Finish
            | Workload::Claim
            | Workload::ClaimNothing
            | Workload::Append
            | Workload::Plan
            | Workload::Snapshot
            | Workload::Pages
            | Workload::Resume
    )
}

impl Scene {
    /// That of the case; `None` if its workload is none of a bare loop.
    pub(crate) fn of(case: &Case) -> Option<Self> {
        if !is_done(case.workload) {
            return None;
        }
        let runs = match case.workload {
            // As over a store: each worker has tasks of its own.
            Workload::Plan | Workload::Resume => case.runs.max(case.workers),
            _ => case.runs,
        };
        Some(Self {
            run_ids: (0..runs).map(|_| Uuid::now_v7()).collect(),
            text: case.text(),
        })
    }

    pub(crate) fn run_id(&self, run: usize) -> Caught<Uuid> {
        let run_id = self.run_ids.get(run);
        run_id
            .copied()
            .ok_or_else(|| format!("there is no run {run}").into())
    }
}
