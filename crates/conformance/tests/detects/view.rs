//! How a fault changes what is read, in every answer that holds records.

use runstore_core::*;

use crate::fault::Fault;

/// An answer as a store with this fault gives it.
pub(crate) trait Viewed: Sized {
    fn viewed(self, fault: &dyn Fault) -> Self;
}

macro_rules! viewed {
    ($($record:ty => $view:ident),+ $(,)?) => {
        $(
            impl Viewed for $record {
                fn viewed(self, fault: &dyn Fault) -> Self {
                    fault.$view(self)
                }
            }
        )+
    };
}

viewed! {
    Run => view_run,
    AgentState => view_agent,
    Task => view_task,
    TaskAttempt => view_attempt,
    Event => view_event,
    Artifact => view_artifact,
    Approval => view_approval,
    Checkpoint => view_checkpoint,
    WaitingReason => view_reason,
}

macro_rules! holds_no_record {
    ($($answer:ty),+) => {
        $(
            impl Viewed for $answer {
                fn viewed(self, _: &dyn Fault) -> Self {
                    self
                }
            }
        )+
    };
}

holds_no_record!((), u64, Timestamp);

impl<T: Viewed> Viewed for Option<T> {
    fn viewed(self, fault: &dyn Fault) -> Self {
        self.map(|record| record.viewed(fault))
    }
}

impl<T: Viewed> Viewed for Vec<T> {
    fn viewed(self, fault: &dyn Fault) -> Self {
        self.into_iter()
            .map(|record| record.viewed(fault))
            .collect()
    }
}

impl<T: Viewed> Viewed for Page<T> {
    fn viewed(self, fault: &dyn Fault) -> Self {
        Self {
            items: self.items.viewed(fault),
            next: self.next,
        }
    }
}

impl Viewed for Claim {
    fn viewed(self, fault: &dyn Fault) -> Self {
        Self {
            task: self.task.viewed(fault),
        }
    }
}

impl Viewed for RunSnapshot {
    fn viewed(self, fault: &dyn Fault) -> Self {
        let agents = self.agents.into_iter();
        Self {
            run: self.run.viewed(fault),
            agents: agents
                .map(|(role, agent)| (role, agent.viewed(fault)))
                .collect(),
            pending_tasks: self.pending_tasks.viewed(fault),
            in_progress_tasks: self.in_progress_tasks.viewed(fault),
            completed_tasks: self.completed_tasks.viewed(fault),
            blocked_tasks: self.blocked_tasks.viewed(fault),
            recent_attempts: self.recent_attempts.viewed(fault),
            recent_events: self.recent_events.viewed(fault),
            approvals: self.approvals.viewed(fault),
            artifacts: self.artifacts.viewed(fault),
            latest_checkpoint: self.latest_checkpoint.viewed(fault),
            counts: self.counts,
        }
    }
}
