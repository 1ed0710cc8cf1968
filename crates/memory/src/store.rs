use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use runstore_core::rules::input::{Input, check_claims, check_limit, check_timeout, check_word};
use runstore_core::{
    AbandonTask, AgentRole, AgentState, Approval, ApprovalSource, Artifact, BlockTask, Checkpoint,
    Claim, ClaimRequest, ClaimToken, Clock, CompleteTask, Durability, Error, Event, FinishReport,
    Heartbeat, ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns,
    ListTasks, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, Outcome,
    Page, Result, Run, RunId, RunSnapshot, RunUpdate, SaveAgentState, SnapshotRequest, Store,
    StoreInfo, Task, TaskAttempt, TaskId, TaskPlan, Timestamp, WaitSource, WaitingReason, WakeHub,
    claim_or_wait,
};

use crate::MemoryOptions;
use crate::state::State;

/// A store in memory. Clones are handles on the same data; the data goes with the last of them.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    closed: Arc<AtomicBool>,
    /// Those who wait for a claim, at whichever handle.
    hub: Arc<WakeHub>,
}

impl MemoryStore {
    /// An empty store with the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::open(MemoryOptions::new())
    }

    /// An empty store.
    #[must_use]
    pub fn open(options: MemoryOptions) -> Self {
        Self {
            state: Arc::default(),
            clock: options.clock,
            closed: Arc::default(),
            hub: Arc::default(),
        }
    }

    /// Another handle on the same data, which stays open when this one is closed.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            clock: Arc::clone(&self.clock),
            closed: Arc::default(),
            hub: Arc::clone(&self.hub),
        }
    }

    /// A store of its own that holds what this one holds now.
    ///
    /// # Errors
    /// `Unavailable` if this one is closed.
    pub fn fork(&self) -> Result<Self> {
        let state = self.lock()?.clone();
        Ok(Self {
            state: Arc::new(Mutex::new(state)),
            clock: Arc::clone(&self.clock),
            closed: Arc::default(),
            hub: Arc::default(),
        })
    }

    /// Claims as [`Store::claim_tasks`] does, but the tasks that `turns` names, in that order, whether it is
    /// their turn or not; in the store's own order if it names none. It is given a look at the tasks of the
    /// run, or of all, in the order of planning, and the time.
    ///
    /// No store should do this: it is there for tests of tests, which need stores that claim wrongly.
    ///
    /// # Errors
    /// As `claim_tasks`.
    #[doc(hidden)]
    pub fn claim_out_of_turn(
        &self,
        request: &ClaimRequest,
        limit: u32,
        turns: impl FnOnce(&dyn Fn() -> Vec<Task>, Timestamp) -> Option<Vec<TaskId>>,
    ) -> Result<Vec<Claim>> {
        request.check()?;
        check_claims(limit)?;
        self.write(|state, now| {
            state.queue_of(request.run_id)?;
            let turns = turns(&|| state.tasks_as_planned(request.run_id), now);
            match turns {
                Some(turns) => state.claim_these(turns, request, limit, now),
                None => state.claim_tasks(request, limit, now),
            }
        })
    }

    fn lock(&self) -> Result<MutexGuard<'_, State>> {
        let unavailable = |what: &str, outcome| Error::Unavailable {
            what: what.to_owned(),
            outcome,
            source: None,
        };
        if self.closed.load(Ordering::SeqCst) {
            return Err(unavailable("the store is closed", Outcome::NotApplied));
        }
        // A panic under the lock may have left half of a change.
        let poisoned = |_| unavailable("a call panicked half-way", Outcome::NotApplied);
        self.state.lock().map_err(poisoned)
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> Result<T>) -> Result<T> {
        read(&*self.lock()?)
    }

    fn write<T>(&self, write: impl FnOnce(&mut State, Timestamp) -> Result<T>) -> Result<T> {
        let mut state = self.lock()?;
        // Read under the lock, so that times agree with the order of calls if the clock runs forward.
        let now = self.clock.now();
        let written = write(&mut state, now);
        let wakes = std::mem::take(&mut state.wakes);
        drop(state);
        self.hub.wake(&wakes);
        written
    }
}

#[async_trait]
impl WaitSource for MemoryStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Option<Claim>> {
        self.claim_next_task(request).await
    }

    async fn next_due(&self, scope: Option<RunId>) -> Result<Option<Timestamp>> {
        self.read(|state| Ok(state.queue_of(scope)?.next_due()))
    }

    async fn changed_elsewhere(&self) {
        pending().await
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            backend: "memory".to_owned(),
            durability: Durability::Volatile,
        }
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::SeqCst);
        self.hub.wake_all();
        Ok(())
    }

    async fn create_run(&self, new: NewRun) -> Result<Run> {
        new.check()?;
        self.write(|state, now| state.create_run(new, now))
    }

    async fn get_run(&self, run_id: RunId) -> Result<Run> {
        self.read(|state| state.get_run(run_id))
    }

    async fn list_runs(&self, list: ListRuns) -> Result<Page<Run>> {
        list.check()?;
        self.read(|state| Ok(state.list_runs(&list)))
    }

    async fn update_run(&self, update: RunUpdate) -> Result<Run> {
        update.check()?;
        self.write(|state, now| state.update_run(update, now))
    }

    async fn increment_cycle(&self, run_id: RunId) -> Result<Run> {
        self.write(|state, now| state.increment_cycle(run_id, now))
    }

    async fn increment_replan(&self, run_id: RunId) -> Result<Run> {
        self.write(|state, now| state.increment_replan(run_id, now))
    }

    async fn delete_run(&self, run_id: RunId) -> Result<()> {
        self.write(|state, _| state.remove_run(run_id))
    }

    async fn save_agent_state(&self, save: SaveAgentState) -> Result<AgentState> {
        save.check()?;
        self.write(|state, now| state.save_agent_state(save, now))
    }

    async fn get_agent_state(&self, run_id: RunId, role: AgentRole) -> Result<Option<AgentState>> {
        check_word("role", role.as_str())?;
        self.read(|state| state.get_agent_state(run_id, &role))
    }

    async fn list_agent_states(&self, run_id: RunId) -> Result<Vec<AgentState>> {
        self.read(|state| state.list_agent_states(run_id))
    }

    async fn replace_pending_tasks(&self, plan: TaskPlan) -> Result<Vec<Task>> {
        plan.check()?;
        self.write(|state, now| state.replace_pending_tasks(plan, now))
    }

    async fn append_tasks(&self, plan: TaskPlan) -> Result<Vec<Task>> {
        plan.check()?;
        self.write(|state, now| state.append_tasks(plan, now))
    }

    async fn get_task(&self, task_id: TaskId) -> Result<Task> {
        self.read(|state| state.get_task(task_id))
    }

    async fn list_tasks(&self, list: ListTasks) -> Result<Page<Task>> {
        list.check()?;
        self.read(|state| state.list_tasks(&list))
    }

    async fn complete_task(&self, complete: CompleteTask) -> Result<Task> {
        complete.check()?;
        self.write(|state, now| state.settle_task(complete.task_id, complete, now))
    }

    async fn block_task(&self, block: BlockTask) -> Result<Task> {
        block.check()?;
        self.write(|state, now| state.settle_task(block.task_id, block, now))
    }

    async fn abandon_task(&self, abandon: AbandonTask) -> Result<Task> {
        abandon.check()?;
        self.write(|state, now| state.settle_task(abandon.task_id, abandon, now))
    }

    async fn requeue_task(&self, task_id: TaskId) -> Result<Task> {
        self.write(|state, now| state.requeue_task(task_id, now))
    }

    async fn requeue_in_progress_tasks(&self, run_id: RunId) -> Result<u64> {
        self.write(|state, now| state.requeue_in_progress_tasks(run_id, now))
    }

    async fn requeue_expired_tasks(&self, run_id: Option<RunId>) -> Result<u64> {
        self.write(|state, now| state.requeue_expired_tasks(run_id, now))
    }

    async fn waiting_reason(&self, task_id: TaskId) -> Result<WaitingReason> {
        self.read(|state| state.waiting_reason(task_id, self.clock.now()))
    }

    async fn claim_next_task(&self, request: ClaimRequest) -> Result<Option<Claim>> {
        request.check()?;
        self.write(|state, now| state.claim_next_task(&request, now))
    }

    async fn claim_tasks(&self, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
        request.check()?;
        check_claims(limit)?;
        self.write(|state, now| state.claim_tasks(&request, limit, now))
    }

    async fn claim_or_wait(
        &self,
        request: ClaimRequest,
        timeout: Duration,
    ) -> Result<Option<Claim>> {
        request.check()?;
        check_timeout(timeout)?;
        claim_or_wait(self, &self.hub, &*self.clock, request, timeout).await
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<Option<Timestamp>> {
        beat.check()?;
        self.write(|state, now| state.heartbeat(beat, now))
    }

    async fn finish_task(&self, token: ClaimToken, report: FinishReport) -> Result<Task> {
        report.check()?;
        self.write(|state, now| state.finish_task(token, report, now))
    }

    async fn add_attempt(&self, new: NewAttempt) -> Result<TaskAttempt> {
        new.check()?;
        self.write(|state, now| state.add_attempt(new, now))
    }

    async fn latest_attempt(&self, task_id: TaskId) -> Result<Option<TaskAttempt>> {
        self.read(|state| state.latest_attempt(task_id))
    }

    async fn recent_attempts(&self, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>> {
        check_limit("limit", limit)?;
        self.read(|state| state.recent_attempts(run_id, limit))
    }

    async fn list_attempts(&self, list: ListAttempts) -> Result<Page<TaskAttempt>> {
        list.check()?;
        self.read(|state| state.list_attempts(&list))
    }

    async fn add_event(&self, new: NewEvent) -> Result<Event> {
        new.check()?;
        self.write(|state, now| state.add_event(new, now))
    }

    async fn recent_events(&self, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
        check_limit("limit", limit)?;
        self.read(|state| state.recent_events(run_id, limit))
    }

    async fn list_events(&self, list: ListEvents) -> Result<Page<Event>> {
        list.check()?;
        self.read(|state| state.list_events(&list))
    }

    async fn add_artifact(&self, new: NewArtifact) -> Result<Artifact> {
        new.check()?;
        self.write(|state, now| state.add_artifact(new, now))
    }

    async fn list_artifacts(&self, list: ListArtifacts) -> Result<Page<Artifact>> {
        list.check()?;
        self.read(|state| state.list_artifacts(&list))
    }

    async fn add_approval(&self, new: NewApproval) -> Result<Approval> {
        new.check()?;
        self.write(|state, now| state.add_approval(new, now))
    }

    async fn list_approvals(&self, list: ListApprovals) -> Result<Page<Approval>> {
        list.check()?;
        self.read(|state| state.list_approvals(&list))
    }

    async fn latest_approval(
        &self,
        run_id: RunId,
        source: ApprovalSource,
    ) -> Result<Option<Approval>> {
        check_word("source", source.as_str())?;
        self.read(|state| state.latest_approval(run_id, &source))
    }

    async fn add_checkpoint(&self, new: NewCheckpoint) -> Result<Checkpoint> {
        new.check()?;
        self.write(|state, now| state.add_checkpoint(new, now))
    }

    async fn latest_checkpoint(&self, run_id: RunId) -> Result<Option<Checkpoint>> {
        self.read(|state| state.latest_checkpoint(run_id))
    }

    async fn list_checkpoints(&self, list: ListCheckpoints) -> Result<Page<Checkpoint>> {
        list.check()?;
        self.read(|state| state.list_checkpoints(&list))
    }

    async fn snapshot(&self, request: SnapshotRequest) -> Result<RunSnapshot> {
        request.check()?;
        self.read(|state| state.snapshot(&request))
    }
}
