use std::fmt;
use std::str::FromStr;

use runstore_core::Durability;
use serde::{Deserialize, Serialize};

use crate::Failure;

/// What is done over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Workload {
    /// Claim a task, add an attempt, add an event, complete the task: each a durable call of its own. The tasks
    /// that wait beside stay as many as the case says.
    Cycle,
    /// Claim a task, then report on it with its attempt and an event in one call.
    Finish,
    /// Claim a task.
    Claim,
    /// Ask for a task where there is none.
    ClaimNothing,
    /// Add an event.
    Append,
    /// The same while one caller takes snapshots of the run without a pause.
    AppendBesideSnapshots,
    /// Replace the pending tasks of a run by as many new ones as the case has tasks.
    Plan,
    /// Take the whole snapshot of a run with that many tasks.
    Snapshot,
    /// The same while four callers add events without a pause.
    SnapshotBesideAppends,
    /// Read all tasks of a run page by page, a thousand at a time.
    Pages,
    /// Append a task for a caller that waits for one: from the call to the waiting caller's claim.
    Wake,
    /// Put the tasks of a run, all of them in progress, back among the pending ones.
    Resume,
    /// Nine reads (of a run, its latest events, or a page of its tasks) for each event added.
    Mixed,
    /// Open the store with its tasks in it; that it is closed again is not measured.
    Open,
}

impl Workload {
    /// All workloads, in the order of the report.
    pub const ALL: [Self; 14] = [
        Self::Cycle,
        Self::Finish,
        Self::Claim,
        Self::ClaimNothing,
        Self::Append,
        Self::AppendBesideSnapshots,
        Self::Plan,
        Self::Snapshot,
        Self::SnapshotBesideAppends,
        Self::Pages,
        Self::Wake,
        Self::Resume,
        Self::Mixed,
        Self::Open,
    ];

    /// Its name, as in a report and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cycle => "cycle",
            Self::Finish => "finish",
            Self::Claim => "claim",
            Self::ClaimNothing => "claim-nothing",
            Self::Append => "append",
            Self::AppendBesideSnapshots => "append-beside-snapshots",
            Self::Plan => "plan",
            Self::Snapshot => "snapshot",
            Self::SnapshotBesideAppends => "snapshot-beside-appends",
            Self::Pages => "pages",
            Self::Wake => "wake",
            Self::Resume => "resume",
            Self::Mixed => "mixed",
            Self::Open => "open",
        }
    }

    /// Whether each operation claims a task and reports on it: what workers do, and nothing else.
    pub(crate) const fn works_on_tasks(self) -> bool {
        matches!(self, Self::Cycle | Self::Finish)
    }

    /// Whether each operation needs something made before it that is not measured: then the rate is that of the
    /// measured time alone.
    #[must_use]
    pub const fn is_interrupted(self) -> bool {
        matches!(self, Self::Wake | Self::Resume | Self::Open)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Workload {
    type Err = Failure;

    fn from_str(name: &str) -> Result<Self, Failure> {
        let found = Self::ALL.into_iter().find(|of| of.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Failure::Refused(format!("there is no workload {name:?}; there are {known}"))
        })
    }
}

/// A workload with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// What is done.
    pub workload: Workload,
    /// By how many callers at the same time.
    pub workers: usize,
    /// How many tasks there are, beside those that the operations use up.
    pub tasks: u64,
    /// Over how many runs the tasks and the workers are spread.
    pub runs: usize,
    /// How many bytes of text an objective, a summary and a payload have.
    pub payload_bytes: usize,
    /// How many operations are to begin each second (an open loop): the time of each is counted from when it was
    /// to begin, so that it holds the wait behind slow ones. Without it, each worker begins the next operation when
    /// the last one is over.
    pub rate: Option<f64>,
    /// What a write survives once it has returned.
    pub durability: Durability,
}

impl Case {
    /// A payload of the size of the case: words as an agent writes them, so that it compresses as such.
    #[must_use]
    pub fn text(&self) -> String {
        const WORDS: &str = "the agent read the file and changed the test so that it fails first; ";
        WORDS.chars().cycle().take(self.payload_bytes).collect()
    }
}
