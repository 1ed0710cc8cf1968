//! The figures of a demo.

use std::time::Duration;

use runstore::rules::events::REQUEUE_IN_PROGRESS;
use runstore::{AttemptStatus, TaskStatus};

use super::journal::Replan;
use super::records::Records;

/// What a run came to, counted from its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figures {
    tasks: usize,
    pub(crate) completed: usize,
    blocked: usize,
    abandoned: usize,
    /// Claims that were given out.
    pub(crate) claims: u64,
    /// Attempts that were recorded: claims that ended with a report.
    pub(crate) attempts: u64,
    failed: usize,
    /// Claims that ended with their process.
    pub(crate) requeued: u64,
    /// Claims that a new plan ended.
    pub(crate) overtaken: u64,
    replans: usize,
}

impl Figures {
    pub(crate) fn of(records: &Records) -> Self {
        let Records {
            tasks,
            attempts,
            events,
        } = records;
        let count = |status| tasks.iter().filter(|task| task.status == status).count();
        let failed = attempts
            .iter()
            .filter(|attempt| attempt.status == AttemptStatus::Failed);
        let requeued = events
            .iter()
            .filter(|event| event.kind == REQUEUE_IN_PROGRESS)
            .filter_map(|event| event.payload.get("changes")?.as_u64());
        let replans: Vec<Replan> = events.iter().filter_map(Replan::of).collect();
        Self {
            tasks: tasks.len(),
            completed: count(TaskStatus::Completed),
            blocked: count(TaskStatus::Blocked),
            abandoned: count(TaskStatus::Abandoned),
            claims: tasks.iter().map(|task| u64::from(task.attempt_count)).sum(),
            attempts: attempts.len() as u64,
            failed: failed.count(),
            requeued: requeued.sum(),
            overtaken: replans.iter().map(|replan| replan.overtaken).sum(),
            replans: replans.len(),
        }
    }

    /// The figures, one a line.
    pub(crate) fn lines(&self, took: Duration) -> Vec<String> {
        let seconds = took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
        let rate = self.claims as f64 / seconds.max(f64::EPSILON);
        vec![
            format!(
                "tasks       {}: {} completed, {} blocked, {} abandoned by the replan",
                self.tasks, self.completed, self.blocked, self.abandoned
            ),
            format!("claims      {}", self.claims),
            format!(
                "attempts    {}, {} of them failed",
                self.attempts, self.failed
            ),
            format!("requeued    {}", self.requeued),
            format!(
                "replans     {}, with {} claims overtaken",
                self.replans, self.overtaken
            ),
            format!("seconds     {seconds:.2}"),
            format!("claims/s    {rate:.1}"),
        ]
    }
}
