//! The trait that every backend implements; its documentation is the contract.

use std::time::Duration;

use async_trait::async_trait;

#[expect(unused_imports, reason = "named by links in the contract")]
use crate::Error;
use crate::{
    AbandonTask, AgentRole, AgentState, Approval, ApprovalSource, Artifact, BlockTask, Checkpoint,
    Claim, ClaimRequest, ClaimToken, CompleteTask, Event, FinishReport, Heartbeat, ListApprovals,
    ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks, NewApproval,
    NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, Page, Result, Run, RunId,
    RunSnapshot, RunUpdate, SaveAgentState, SnapshotRequest, StoreInfo, Task, TaskAttempt, TaskId,
    TaskPlan, Timestamp, WaitingReason,
};

#[doc = include_str!("contract.md")]
///
/// No method has a default body: a wrapper that forgets one must not compile.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What the store is and how durable its writes are (G2). Never fails and reads nothing.
    fn info(&self) -> StoreInfo;

    /// Finishes the writes that were accepted, then lets go of the engine's files and connections, for
    /// this handle and its clones. Every later call is [`Error::Unavailable`]; a second close is fine.
    async fn close(&self) -> Result<()>;

    /// Creates a run and its first event (R1, G9).
    async fn create_run(&self, new: NewRun) -> Result<Run>;

    /// Reads a run (R2, G7).
    async fn get_run(&self, run_id: RunId) -> Result<Run>;

    /// Lists runs, newest first (R2).
    async fn list_runs(&self, list: ListRuns) -> Result<Page<Run>>;

    /// Writes the fields that the update names and returns the run (R3, G7).
    async fn update_run(&self, update: RunUpdate) -> Result<Run>;

    /// Adds one to the run's count of cycles and returns the run (R4). Not safe to repeat after an
    /// unknown outcome.
    async fn increment_cycle(&self, run_id: RunId) -> Result<Run>;

    /// Adds one to the run's count of replans and returns the run (R4). Not safe to repeat after an
    /// unknown outcome.
    async fn increment_replan(&self, run_id: RunId) -> Result<Run>;

    /// Deletes a run and everything below it (R5).
    async fn delete_run(&self, run_id: RunId) -> Result<()>;

    /// Saves the record of a role, over the one that was there (A1), and returns it.
    async fn save_agent_state(&self, save: SaveAgentState) -> Result<AgentState>;

    /// Reads the record of a role; `None` if the run has none (A2, G7).
    async fn get_agent_state(&self, run_id: RunId, role: AgentRole) -> Result<Option<AgentState>>;

    /// Lists the records of a run in order of the role's word (A2, G7).
    async fn list_agent_states(&self, run_id: RunId) -> Result<Vec<AgentState>>;

    /// Abandons what is pending or in progress and makes the drafts the plan (T1, C9, G9); returns the new
    /// tasks in order.
    async fn replace_pending_tasks(&self, plan: TaskPlan) -> Result<Vec<Task>>;

    /// Adds the drafts at the end of the plan (T2, C9, G9); returns the new tasks in order.
    async fn append_tasks(&self, plan: TaskPlan) -> Result<Vec<Task>>;

    /// Reads a task (T3, G7).
    async fn get_task(&self, task_id: TaskId) -> Result<Task>;

    /// Lists tasks of a run in position order (T3, G7). The number of a cursor is a position.
    async fn list_tasks(&self, list: ListTasks) -> Result<Page<Task>>;

    /// Completes a task without a token (C6, T4) and returns it.
    async fn complete_task(&self, complete: CompleteTask) -> Result<Task>;

    /// Blocks a task without a token (C6, T4) and returns it.
    async fn block_task(&self, block: BlockTask) -> Result<Task>;

    /// Abandons a task without a token (C6, T4) and returns it.
    async fn abandon_task(&self, abandon: AbandonTask) -> Result<Task>;

    /// Makes a task that is not pending pending again (T6, C6, C8) and returns it.
    async fn requeue_task(&self, task_id: TaskId) -> Result<Task>;

    /// Makes every task in progress pending again, for a resume after a crash (T5, C8), and returns how
    /// many are.
    async fn requeue_in_progress_tasks(&self, run_id: RunId) -> Result<u64>;

    /// Makes the tasks pending again whose lease has run out (T7, C8), of a run or, without one, of all,
    /// and returns how many are.
    async fn requeue_expired_tasks(&self, run_id: Option<RunId>) -> Result<u64>;

    /// Tells why a task waits, or that it does not (C9, G7).
    async fn waiting_reason(&self, task_id: TaskId) -> Result<WaitingReason>;

    /// Claims the next task of a run, or of any (C1 to C3, C7 to C10, G7); `None` if nothing is claimable.
    async fn claim_next_task(&self, request: ClaimRequest) -> Result<Option<Claim>>;

    /// Claims the next tasks, at most `limit` (C10), from 1 to
    /// [`MAX_CLAIMS`](crate::limits::MAX_CLAIMS); none if nothing is claimable.
    async fn claim_tasks(&self, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>>;

    /// Claims the next task and waits for one if there is none (C11), at most for `timeout`, which is up
    /// to [`MAX_DURATION`](crate::limits::MAX_DURATION). Dropped while it waits, it has claimed nothing;
    /// dropped while it looks, it may have (G4), and nobody then knows of the claim: give it a lease.
    async fn claim_or_wait(
        &self,
        request: ClaimRequest,
        timeout: Duration,
    ) -> Result<Option<Claim>>;

    /// Extends the lease of a claim and returns its end (C7); `None` if the claim has no lease.
    async fn heartbeat(&self, beat: Heartbeat) -> Result<Option<Timestamp>>;

    /// Ends a claim with its report, in one change, and returns the task (C4, C5, C8). An id in the report
    /// that is taken by other content is `AlreadyExists` (G9).
    async fn finish_task(&self, token: ClaimToken, report: FinishReport) -> Result<Task>;

    /// Adds an attempt to a task (J3, C3, G9).
    async fn add_attempt(&self, new: NewAttempt) -> Result<TaskAttempt>;

    /// Reads the attempt that was added to a task last, by whatever number (J3, G6); `None` if the
    /// task has none.
    async fn latest_attempt(&self, task_id: TaskId) -> Result<Option<TaskAttempt>>;

    /// Reads the last `limit` attempts of a run, oldest first (J3).
    async fn recent_attempts(&self, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>>;

    /// Lists attempts, oldest first (J3). A task of another run is `NotFound` (G7).
    async fn list_attempts(&self, list: ListAttempts) -> Result<Page<TaskAttempt>>;

    /// Adds an event to a run (J1, C3, G9).
    async fn add_event(&self, new: NewEvent) -> Result<Event>;

    /// Reads the last `limit` events of a run, oldest first (J1).
    async fn recent_events(&self, run_id: RunId, limit: u32) -> Result<Vec<Event>>;

    /// Lists events by number (J1). The number of a cursor is an event's number.
    async fn list_events(&self, list: ListEvents) -> Result<Page<Event>>;

    /// Adds an artifact to a run (J4, C3, G9).
    async fn add_artifact(&self, new: NewArtifact) -> Result<Artifact>;

    /// Lists artifacts, oldest first (J4).
    async fn list_artifacts(&self, list: ListArtifacts) -> Result<Page<Artifact>>;

    /// Adds an approval to a run (J5, G9).
    async fn add_approval(&self, new: NewApproval) -> Result<Approval>;

    /// Lists approvals, oldest first (J5).
    async fn list_approvals(&self, list: ListApprovals) -> Result<Page<Approval>>;

    /// Reads the approval that a source gave last (J5, G6); `None` if it gave none.
    async fn latest_approval(
        &self,
        run_id: RunId,
        source: ApprovalSource,
    ) -> Result<Option<Approval>>;

    /// Adds a checkpoint to a run (J6, C3, G9).
    async fn add_checkpoint(&self, new: NewCheckpoint) -> Result<Checkpoint>;

    /// Reads the checkpoint that was written last (J6, G6); `None` if there is none.
    async fn latest_checkpoint(&self, run_id: RunId) -> Result<Option<Checkpoint>>;

    /// Lists checkpoints, oldest first (J6).
    async fn list_checkpoints(&self, list: ListCheckpoints) -> Result<Page<Checkpoint>>;

    /// Shows a run with all that belongs to it at one instant (S1 to S3, G7).
    async fn snapshot(&self, request: SnapshotRequest) -> Result<RunSnapshot>;
}
