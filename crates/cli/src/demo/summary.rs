//! The figures of a demo.

use std::time::Duration;

use runstore::{AttemptStatus, TaskStatus};

use super::endings::{Ending, endings};
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
    claims: usize,
    /// Attempts that were recorded: claims that ended with a report.
    attempts: usize,
    failed: usize,
    /// Claims whose leases ran out.
    pub(crate) taken_over: usize,
    /// Claims that a new plan ended.
    replanned: usize,
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
        let endings = endings(records);
        let ended = |as_this: &[Ending]| {
            let ended = endings.iter().filter(|(_, end)| as_this.contains(end));
            ended.count()
        };
        Self {
            tasks: tasks.len(),
            completed: count(TaskStatus::Completed),
            blocked: count(TaskStatus::Blocked),
            abandoned: count(TaskStatus::Abandoned),
            claims: endings.len(),
            attempts: attempts.len(),
            failed: failed.count(),
            taken_over: ended(&[Ending::TakenOver, Ending::Exhausted]),
            replanned: ended(&[Ending::Replanned]),
            replans: events.iter().filter_map(Replan::of).count(),
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
            format!(
                "claims      {}: {} reported, {} ran out, {} ended by the replan",
                self.claims, self.attempts, self.taken_over, self.replanned
            ),
            format!(
                "attempts    {}, {} of them failed",
                self.attempts, self.failed
            ),
            format!("replans     {}", self.replans),
            format!("seconds     {seconds:.2}"),
            format!("claims/s    {rate:.1}"),
        ]
    }
}
