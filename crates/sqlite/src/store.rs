use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runstore_core::rules::input::{Input, check_claims, check_limit, check_timeout, check_word};
use runstore_core::rules::runs as run_rules;
use runstore_core::rules::tasks::Settlement;
use runstore_core::{
    AbandonTask, AgentRole, AgentState, Approval, ApprovalSource, Artifact, BlockTask, Checkpoint,
    Claim, ClaimRequest, ClaimToken, Clock, CompleteTask, Durability, Event, FinishReport,
    Heartbeat, ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns,
    ListTasks, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, Page, Reply,
    Result, Run, RunId, RunSnapshot, RunUpdate, SaveAgentState, SnapshotRequest, Store, StoreInfo,
    Task, TaskAttempt, TaskId, TaskPlan, Timestamp, WaitingReason, WakeHub, WriteQueue,
    claim_or_wait,
};

use crate::readers::Readers;
use crate::together::Together;
use crate::waiting::{self, Elsewhere, Wait};
use crate::write::{self, Job, Write};
use crate::{SqliteOptions, claims, journal, open, plans, runs, snapshot, tasks};

/// A store in an SQLite file. Clones are handles on the same connections; the last one that is dropped
/// lets go of the file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    durability: Durability,
    poll_interval: Duration,
    clock: Arc<dyn Clock>,
    /// Those who wait for a claim, at whichever clone.
    hub: Arc<WakeHub>,
    elsewhere: Elsewhere,
    readers: Readers,
    /// Dropped, it waits for the writer, which closes every connection.
    queue: WriteQueue<Job>,
}

impl SqliteStore {
    /// Opens the store in a file; creates the file and the folders above it if they are not there.
    ///
    /// # Errors
    /// `InvalidInput` for options that cannot be; `Incompatible` for a file that is not a store or is
    /// one of a newer format, which is left as it is; `Busy` if others hold the file for longer than the
    /// busy timeout; `Unavailable`, `Corrupt` or `Backend` for what the system and the engine say.
    pub async fn open(options: SqliteOptions) -> Result<Self> {
        options.check()?;
        let durability = options.durability;
        let poll_interval = options.poll_interval;
        let clock = Arc::clone(&options.clock);
        let hub = Arc::new(WakeHub::new());
        let (readers, queue) = open::open(options, Arc::clone(&hub)).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                durability,
                poll_interval,
                clock,
                hub,
                elsewhere: Elsewhere::default(),
                readers,
                queue,
            }),
        })
    }

    async fn write<T, F>(&self, apply: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(Write<'c>) -> Result<T> + Send + 'static,
    {
        let queue = &self.inner.queue;
        queue.submit(|reply| write::job(reply, apply)).await
    }

    /// A write that is carried out together with others that wait.
    async fn together<T: Send + 'static>(
        &self,
        call: impl FnOnce(Reply<T>) -> Together,
    ) -> Result<T> {
        let queue = &self.inner.queue;
        queue.submit(|reply| Job::Together(vec![call(reply)])).await
    }

    async fn settle(&self, task_id: TaskId, settlement: impl Into<Settlement>) -> Result<Task> {
        let settlement = settlement.into();
        self.together(|reply| Together::Settle(task_id, settlement, reply))
            .await
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.inner.readers
    }

    pub(crate) fn queue(&self) -> &WriteQueue<Job> {
        &self.inner.queue
    }

    /// What other processes write.
    pub(crate) fn elsewhere(&self) -> &Elsewhere {
        &self.inner.elsewhere
    }

    /// How often to look for what other processes wrote.
    pub(crate) fn poll_interval(&self) -> Duration {
        self.inner.poll_interval
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            backend: "sqlite".to_owned(),
            durability: self.inner.durability,
        }
    }

    async fn close(&self) -> Result<()> {
        // Readers first: the last connection to leave a file folds the log into it, and a reader cannot.
        self.readers().close().await;
        self.inner.queue.close().await;
        self.inner.hub.wake_all();
        Ok(())
    }

    async fn create_run(&self, new: NewRun) -> Result<Run> {
        new.check()?;
        self.write(move |write| runs::create(write, new)).await
    }

    async fn get_run(&self, run_id: RunId) -> Result<Run> {
        self.readers()
            .by_statement(move |reader| runs::get(reader, run_id))
            .await
    }

    async fn list_runs(&self, list: ListRuns) -> Result<Page<Run>> {
        list.check()?;
        self.readers()
            .by_statement(move |reader| runs::list_page(reader, list))
            .await
    }

    async fn update_run(&self, update: RunUpdate) -> Result<Run> {
        update.check()?;
        self.write(move |write| runs::update(write, update)).await
    }

    async fn increment_cycle(&self, run_id: RunId) -> Result<Run> {
        self.write(move |write| runs::count(write, run_id, run_rules::with_cycle))
            .await
    }

    async fn increment_replan(&self, run_id: RunId) -> Result<Run> {
        self.write(move |write| runs::count(write, run_id, run_rules::with_replan))
            .await
    }

    async fn delete_run(&self, run_id: RunId) -> Result<()> {
        self.write(move |write| runs::delete(write, run_id)).await
    }

    async fn save_agent_state(&self, save: SaveAgentState) -> Result<AgentState> {
        save.check()?;
        self.write(move |write| runs::save_agent(write, save)).await
    }

    async fn get_agent_state(&self, run_id: RunId, role: AgentRole) -> Result<Option<AgentState>> {
        check_word("role", role.as_str())?;
        self.readers()
            .by_transaction(move |reader| runs::get_agent(reader, run_id, role))
            .await
    }

    async fn list_agent_states(&self, run_id: RunId) -> Result<Vec<AgentState>> {
        self.readers()
            .by_transaction(move |reader| runs::list_agents(reader, run_id))
            .await
    }

    async fn replace_pending_tasks(&self, plan: TaskPlan) -> Result<Vec<Task>> {
        plan.check()?;
        self.write(move |write| plans::replace_pending(write, plan))
            .await
    }

    async fn append_tasks(&self, plan: TaskPlan) -> Result<Vec<Task>> {
        plan.check()?;
        self.write(move |write| plans::append(write, plan)).await
    }

    async fn get_task(&self, task_id: TaskId) -> Result<Task> {
        self.readers()
            .by_statement(move |reader| tasks::get(reader, task_id))
            .await
    }

    async fn list_tasks(&self, list: ListTasks) -> Result<Page<Task>> {
        list.check()?;
        self.readers()
            .by_transaction(move |reader| tasks::list_page(reader, list))
            .await
    }

    async fn complete_task(&self, complete: CompleteTask) -> Result<Task> {
        complete.check()?;
        self.settle(complete.task_id, complete).await
    }

    async fn block_task(&self, block: BlockTask) -> Result<Task> {
        block.check()?;
        self.settle(block.task_id, block).await
    }

    async fn abandon_task(&self, abandon: AbandonTask) -> Result<Task> {
        abandon.check()?;
        self.settle(abandon.task_id, abandon).await
    }

    async fn requeue_task(&self, task_id: TaskId) -> Result<Task> {
        self.write(move |write| tasks::requeue(write, task_id))
            .await
    }

    async fn requeue_in_progress_tasks(&self, run_id: RunId) -> Result<u64> {
        self.write(move |write| tasks::requeue_in_progress(write, run_id))
            .await
    }

    async fn requeue_expired_tasks(&self, run_id: Option<RunId>) -> Result<u64> {
        self.write(move |write| tasks::requeue_expired(write, run_id))
            .await
    }

    async fn waiting_reason(&self, task_id: TaskId) -> Result<WaitingReason> {
        let clock = Arc::clone(&self.inner.clock);
        self.readers()
            .by_transaction(move |reader| waiting::reason(reader, task_id, clock))
            .await
    }

    async fn claim_next_task(&self, request: ClaimRequest) -> Result<Option<Claim>> {
        request.check()?;
        let queue = &self.inner.queue;
        queue.submit(|reply| Job::claim(request, reply)).await
    }

    async fn claim_tasks(&self, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
        request.check()?;
        check_claims(limit)?;
        self.write(move |write| claims::claim(write, &vec![&request; limit as usize]))
            .await
    }

    async fn claim_or_wait(
        &self,
        request: ClaimRequest,
        timeout: Duration,
    ) -> Result<Option<Claim>> {
        request.check()?;
        check_timeout(timeout)?;
        let Inner { hub, clock, .. } = &*self.inner;
        let wait = Wait::new(self, request.run_id);
        claim_or_wait(&wait, hub, &**clock, request, timeout).await
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<Option<Timestamp>> {
        beat.check()?;
        self.write(move |write| claims::heartbeat(write, beat))
            .await
    }

    async fn finish_task(&self, token: ClaimToken, report: FinishReport) -> Result<Task> {
        report.check()?;
        let report = Box::new(report);
        self.together(|reply| Together::Finish(token, report, reply))
            .await
    }

    async fn add_attempt(&self, new: NewAttempt) -> Result<TaskAttempt> {
        new.check()?;
        self.together(|reply| Together::Attempt(new, reply)).await
    }

    async fn latest_attempt(&self, task_id: TaskId) -> Result<Option<TaskAttempt>> {
        self.readers()
            .by_transaction(move |reader| journal::latest_attempt(reader, task_id))
            .await
    }

    async fn recent_attempts(&self, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>> {
        check_limit("limit", limit)?;
        self.readers()
            .by_transaction(move |reader| journal::recent(reader, run_id, limit))
            .await
    }

    async fn list_attempts(&self, list: ListAttempts) -> Result<Page<TaskAttempt>> {
        list.check()?;
        self.readers()
            .by_transaction(move |reader| journal::list_attempts(reader, list))
            .await
    }

    async fn add_event(&self, new: NewEvent) -> Result<Event> {
        new.check()?;
        self.together(|reply| Together::Event(new, reply)).await
    }

    async fn recent_events(&self, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
        check_limit("limit", limit)?;
        self.readers()
            .by_transaction(move |reader| journal::recent(reader, run_id, limit))
            .await
    }

    async fn list_events(&self, list: ListEvents) -> Result<Page<Event>> {
        list.check()?;
        self.readers()
            .by_transaction(move |reader| journal::list_events(reader, list))
            .await
    }

    async fn add_artifact(&self, new: NewArtifact) -> Result<Artifact> {
        new.check()?;
        self.write(move |write| journal::add_artifact(write, new))
            .await
    }

    async fn list_artifacts(&self, list: ListArtifacts) -> Result<Page<Artifact>> {
        list.check()?;
        self.readers()
            .by_transaction(move |reader| journal::list_artifacts(reader, list))
            .await
    }

    async fn add_approval(&self, new: NewApproval) -> Result<Approval> {
        new.check()?;
        self.write(move |write| journal::add_approval(write, new))
            .await
    }

    async fn list_approvals(&self, list: ListApprovals) -> Result<Page<Approval>> {
        list.check()?;
        self.readers()
            .by_transaction(move |reader| journal::list_approvals(reader, list))
            .await
    }

    async fn latest_approval(
        &self,
        run_id: RunId,
        source: ApprovalSource,
    ) -> Result<Option<Approval>> {
        check_word("source", source.as_str())?;
        self.readers()
            .by_transaction(move |reader| journal::latest_approval(reader, run_id, source))
            .await
    }

    async fn add_checkpoint(&self, new: NewCheckpoint) -> Result<Checkpoint> {
        new.check()?;
        self.write(move |write| journal::add_checkpoint(write, new))
            .await
    }

    async fn latest_checkpoint(&self, run_id: RunId) -> Result<Option<Checkpoint>> {
        self.readers()
            .by_transaction(move |reader| journal::latest_checkpoint(reader, run_id))
            .await
    }

    async fn list_checkpoints(&self, list: ListCheckpoints) -> Result<Page<Checkpoint>> {
        list.check()?;
        self.readers()
            .by_transaction(move |reader| journal::list_checkpoints(reader, list))
            .await
    }

    async fn snapshot(&self, request: SnapshotRequest) -> Result<RunSnapshot> {
        request.check()?;
        self.readers()
            .by_transaction(move |reader| snapshot::take(reader, request))
            .await
    }
}
