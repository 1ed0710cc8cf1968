//! Every call of the trait as data. The one table of the methods is here: what records them and what plays them
//! again are both made from it, so that neither can know a method that the other does not.

use std::time::{Duration, Instant};

use runstore_core::{
    AbandonTask, AgentRole, ApprovalSource, BlockTask, ClaimRequest, ClaimToken, CompleteTask,
    FinishReport, Heartbeat, ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints,
    ListEvents, ListRuns, ListTasks, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent,
    NewRun, PageRequest, RunId, RunUpdate, SaveAgentState, SnapshotRequest, Store, TaskId,
    TaskPlan,
};
use serde::{Deserialize, Serialize};

use crate::trace::Outcome;

/// Hands the table of the methods to a macro: whether a call reads or writes, its name as data, its name as a
/// method, what it is given and what it answers. `info` is not among them, for it is neither asynchronous nor can
/// it fail.
macro_rules! each_call {
    ($with:ident) => {
        $with! {
            writes Close close() -> ();
            writes CreateRun create_run(new: NewRun) -> Run;
            reads GetRun get_run(run_id: RunId) -> Run;
            reads ListRuns list_runs(list: ListRuns) -> Page<Run>;
            writes UpdateRun update_run(update: RunUpdate) -> Run;
            writes IncrementCycle increment_cycle(run_id: RunId) -> Run;
            writes IncrementReplan increment_replan(run_id: RunId) -> Run;
            writes DeleteRun delete_run(run_id: RunId) -> ();
            writes SaveAgentState save_agent_state(save: SaveAgentState) -> AgentState;
            reads GetAgentState get_agent_state(run_id: RunId, role: AgentRole) -> Option<AgentState>;
            reads ListAgentStates list_agent_states(run_id: RunId) -> Vec<AgentState>;
            writes ReplacePendingTasks replace_pending_tasks(plan: TaskPlan) -> Vec<Task>;
            writes AppendTasks append_tasks(plan: TaskPlan) -> Vec<Task>;
            reads GetTask get_task(task_id: TaskId) -> Task;
            reads ListTasks list_tasks(list: ListTasks) -> Page<Task>;
            writes CompleteTask complete_task(complete: CompleteTask) -> Task;
            writes BlockTask block_task(block: BlockTask) -> Task;
            writes AbandonTask abandon_task(abandon: AbandonTask) -> Task;
            writes RequeueTask requeue_task(task_id: TaskId) -> Task;
            writes RequeueInProgressTasks requeue_in_progress_tasks(run_id: RunId) -> u64;
            writes RequeueExpiredTasks requeue_expired_tasks(run_id: Option<RunId>) -> u64;
            reads WaitingReason waiting_reason(task_id: TaskId) -> WaitingReason;
            writes ClaimNextTask claim_next_task(request: ClaimRequest) -> Option<Claim>;
            writes ClaimTasks claim_tasks(request: ClaimRequest, limit: u32) -> Vec<Claim>;
            writes ClaimOrWait claim_or_wait(
                request: ClaimRequest,
                #[serde(rename = "timeoutMicros", with = "crate::calls::micros")]
                timeout: Duration
            ) -> Option<Claim>;
            writes Heartbeat heartbeat(beat: Heartbeat) -> Option<Timestamp>;
            writes FinishTask finish_task(token: ClaimToken, report: FinishReport) -> Task;
            writes AddAttempt add_attempt(new: NewAttempt) -> TaskAttempt;
            reads LatestAttempt latest_attempt(task_id: TaskId) -> Option<TaskAttempt>;
            reads RecentAttempts recent_attempts(run_id: RunId, limit: u32) -> Vec<TaskAttempt>;
            reads ListAttempts list_attempts(list: ListAttempts) -> Page<TaskAttempt>;
            writes AddEvent add_event(new: NewEvent) -> Event;
            reads RecentEvents recent_events(run_id: RunId, limit: u32) -> Vec<Event>;
            reads ListEvents list_events(list: ListEvents) -> Page<Event>;
            writes AddArtifact add_artifact(new: NewArtifact) -> Artifact;
            reads ListArtifacts list_artifacts(list: ListArtifacts) -> Page<Artifact>;
            writes AddApproval add_approval(new: NewApproval) -> Approval;
            reads ListApprovals list_approvals(list: ListApprovals) -> Page<Approval>;
            reads LatestApproval latest_approval(run_id: RunId, source: ApprovalSource) -> Option<Approval>;
            writes AddCheckpoint add_checkpoint(new: NewCheckpoint) -> Checkpoint;
            reads LatestCheckpoint latest_checkpoint(run_id: RunId) -> Option<Checkpoint>;
            reads ListCheckpoints list_checkpoints(list: ListCheckpoints) -> Page<Checkpoint>;
            reads Snapshot snapshot(request: SnapshotRequest) -> RunSnapshot;
        }
    };
}
pub(crate) use each_call;

macro_rules! writes {
    (writes) => {
        true
    };
    (reads) => {
        false
    };
}

macro_rules! call {
    ($(
        $kind:ident $variant:ident
        $method:ident($($(#[$meta:meta])* $param:ident: $type:ty),*) -> $answer:ty;
    )+) => {
        /// A call on a store. In JSON an object with one key, the method's name, over an object of what the method
        /// is given, by the names that the trait has for it.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case", rename_all_fields = "camelCase")]
        pub(crate) enum Call {
            Info {},
            $($variant { $($(#[$meta])* $param: $type),* },)+
        }

        impl Call {
            /// The names of all methods.
            pub(crate) const METHODS: &[&str] = &["info", $(stringify!($method)),+];

            /// Whether it may change what the store holds.
            pub(crate) const fn writes(&self) -> bool {
                match self {
                    Self::Info {} => false,
                    $(Self::$variant { .. } => writes!($kind),)+
                }
            }

            /// Makes the call, and tells how long the store took for it.
            pub(crate) async fn make(self, store: &dyn Store) -> (Outcome, Duration) {
                match self {
                    Self::Info {} => {
                        let begun = Instant::now();
                        let info = store.info();
                        (Outcome::of(&Ok(info)), begun.elapsed())
                    }
                    $(Self::$variant { $($param),* } => {
                        let begun = Instant::now();
                        let answer = store.$method($($param),*).await;
                        let took = begun.elapsed();
                        (Outcome::of(&answer), took)
                    })+
                }
            }
        }
    };
}
each_call!(call);

impl Call {
    /// Whether it may wait for others.
    pub(crate) const fn waits(&self) -> bool {
        matches!(self, Self::ClaimOrWait { .. })
    }

    /// What it claims, if it is one task, and whether it waits for it. For whom makes no difference to what it gets.
    pub(crate) fn claims(&self) -> Option<(ClaimRequest, bool)> {
        let request = match self {
            Self::ClaimNextTask { request } | Self::ClaimOrWait { request, .. } => request,
            _ => return None,
        };
        let mut request = request.clone();
        request.worker = None;
        Some((request, self.waits()))
    }

    /// The claim in whose name it is made.
    pub(crate) const fn token(&self) -> Option<ClaimToken> {
        match self {
            Self::Heartbeat { beat } => Some(beat.token),
            Self::FinishTask { token, .. } => Some(*token),
            Self::AddAttempt { new } => new.fence,
            Self::AddEvent { new } => new.fence,
            Self::AddArtifact { new } => new.fence,
            Self::AddCheckpoint { new } => new.fence,
            _ => None,
        }
    }

    /// Makes it in the name of another claim, if it is in one's name.
    pub(crate) fn set_token(&mut self, token: ClaimToken) {
        match self {
            Self::Heartbeat { beat } => beat.token = token,
            Self::FinishTask { token: of, .. } => *of = token,
            Self::AddAttempt { new } => {
                new.task_id = token.task_id;
                if new
                    .fence
                    .is_some_and(|fence| fence.attempt_number == new.attempt_number)
                {
                    new.attempt_number = token.attempt_number;
                }
                new.fence = Some(token);
            }
            Self::AddEvent { new } => new.fence = Some(token),
            Self::AddArtifact { new } => new.fence = Some(token),
            Self::AddCheckpoint { new } => new.fence = Some(token),
            _ => {}
        }
    }

    /// The part of a list that it asks for.
    pub(crate) const fn page(&mut self) -> Option<&mut PageRequest> {
        match self {
            Self::ListRuns { list } => Some(&mut list.page),
            Self::ListTasks { list } => Some(&mut list.page),
            Self::ListAttempts { list } => Some(&mut list.page),
            Self::ListEvents { list } => Some(&mut list.page),
            Self::ListArtifacts { list } => Some(&mut list.page),
            Self::ListApprovals { list } => Some(&mut list.page),
            Self::ListCheckpoints { list } => Some(&mut list.page),
            _ => None,
        }
    }
}

/// A duration in JSON: whole microseconds, as in what the calls take.
pub(crate) mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}
