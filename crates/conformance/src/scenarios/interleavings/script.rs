//! What the two callers do, and the calls that they make.

use std::time::Duration;

use runstore_core::{
    AbandonTask, AttemptId, BlockTask, ClaimRequest, ClaimToken, CompleteTask, EventDraft, EventId,
    FinishReport, Heartbeat as Beat, NewEvent, RunId, TaskDraft, TaskId, TaskPlan, Uuid,
};

use crate::call::Call;

/// How far the clock moves at a time. The shortest lease is as long: it has run out at the very instant
/// to which the clock moves next.
pub(super) const HALF: Duration = Duration::from_secs(30);

/// A step of a caller. What is done in a claim's name is done in that of the caller's last claim, and
/// left out if it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A claim with a lease of so many times [`HALF`], or without one.
    Claim(Option<u32>),
    /// A claim that bounds the attempts to one.
    ClaimOnce,
    /// A claim of up to two tasks.
    ClaimTwo,
    /// A heartbeat for twice [`HALF`].
    Heartbeat,
    /// A fenced event.
    Event,
    /// A report that completes the task.
    Complete,
    /// A report that releases it at once.
    Release,
    /// A report that releases it with a delay of [`HALF`].
    ReleaseForHalf,
    /// The clock moves by [`HALF`].
    Half,
    /// The run's first task is requeued.
    Requeue,
    RequeueInProgress,
    RequeueExpired,
    /// An operator settles the run's first task.
    OperatorComplete,
    OperatorBlock,
    OperatorAbandon,
    /// A new plan of two tasks, one of which depends on the other.
    Replace,
    /// A task more, which depends on the run's first.
    Append,
    Delete,
}

/// The ids of one interleaving.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids(pub(super) u64);

impl Ids {
    fn id<I: From<Uuid>>(self, number: u64) -> I {
        Uuid::from_u64_pair(self.0, number).into()
    }

    pub(super) fn run_id(self) -> RunId {
        self.id(0)
    }

    /// The id of a task of the first plan, counted from 1.
    pub(super) fn task(self, number: u64) -> TaskId {
        self.id(number)
    }

    pub(super) fn plan(self, drafts: Vec<TaskDraft>) -> TaskPlan {
        let drafts = (1..).zip(drafts);
        let named = drafts.map(|(number, draft)| draft.with_id(self.task(number)));
        TaskPlan::new(self.run_id(), named)
    }
}

impl Step {
    /// The call of the step, or `None` for one that makes none. `place` is the number of the step within
    /// the interleaving, from 1, and `name` is the caller's.
    pub(super) fn call(
        self,
        ids: Ids,
        place: u64,
        name: &str,
        token: Option<ClaimToken>,
    ) -> Option<Call> {
        let run_id = ids.run_id();
        let request = || ClaimRequest::of_run(run_id).with_worker(name);
        // What a step makes has ids of its own.
        let own = |number: u64| place * 100 + number;
        let report = |report: FinishReport| {
            let attempt = report.attempt.clone().with_id(ids.id::<AttemptId>(own(1)));
            report.with_attempt(attempt)
        };
        let draft = |number| TaskDraft::new("new", "o").with_id(ids.id::<TaskId>(own(number)));
        let finish = |of| Some(Call::FinishTask(token?, report(of)));
        Some(match self {
            Self::Half => return None,
            Self::Claim(lease) => {
                let mut request = request();
                request.lease = lease.map(|halves| HALF * halves);
                Call::ClaimNextTask(request)
            }
            Self::ClaimOnce => {
                Call::ClaimNextTask(request().with_lease(HALF).with_max_attempts(1_u32))
            }
            Self::ClaimTwo => Call::ClaimTasks(request().with_lease(HALF), 2),
            Self::Heartbeat => Call::Heartbeat(Beat::new(token?, HALF * 2)),
            Self::Event => {
                let event = EventDraft::new("worker", "note", name);
                let event = event.with_id(ids.id::<EventId>(own(2)));
                Call::AddEvent(NewEvent::new(run_id, event).with_fence(token?))
            }
            Self::Complete => return finish(FinishReport::completed(name)),
            Self::Release => return finish(FinishReport::released(name)),
            Self::ReleaseForHalf => return finish(FinishReport::released_for(HALF, name)),
            Self::Requeue => Call::RequeueTask(ids.task(1)),
            Self::RequeueInProgress => Call::RequeueInProgressTasks(run_id),
            Self::RequeueExpired => Call::RequeueExpiredTasks(Some(run_id)),
            Self::OperatorComplete => Call::CompleteTask(CompleteTask::new(ids.task(1), name)),
            Self::OperatorBlock => Call::BlockTask(BlockTask::new(ids.task(1)).with_summary(name)),
            Self::OperatorAbandon => Call::AbandonTask(AbandonTask::new(ids.task(1))),
            Self::Replace => {
                let plan = [draft(3).with_depends_on([1_usize]), draft(4)];
                Call::ReplacePendingTasks(TaskPlan::new(run_id, plan))
            }
            Self::Append => {
                let plan = [draft(3).with_depends_on([ids.task(1)])];
                Call::AppendTasks(TaskPlan::new(run_id, plan))
            }
            Self::Delete => Call::DeleteRun(run_id),
        })
    }
}
