use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use redb::Database;
use runstore_core::rules::input::{Input, check_claims, check_limit, check_timeout, check_word};
use runstore_core::{
    AbandonTask, AgentRole, AgentState, Approval, ApprovalSource, Artifact, BlockTask, Checkpoint,
    Claim, ClaimRequest, ClaimToken, Clock, CompleteTask, Durability, Event, FinishReport,
    Heartbeat, ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns,
    ListTasks, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, Page, Reply,
    Result, Run, RunId, RunSnapshot, RunUpdate, SaveAgentState, SnapshotRequest, Store, StoreInfo,
    Task, TaskAttempt, TaskId, TaskPlan, Timestamp, WaitSource, WaitingReason, WakeHub, WriteQueue,
    claim_or_wait,
};

use crate::config::RedbOptions;
use crate::engine::{Engine, unblocked};
use crate::file;
use crate::schema::Tables;
use crate::table::{Reading, Writing};
use crate::writer::{Job, Writer};

/// A store in a file of redb. Clones are handles on the same store.
///
/// The file is let go when one of them is [closed](Store::close), or when the last of them is dropped.
/// Either waits for the writes that were accepted; a drop blocks its thread for it.
#[derive(Debug, Clone)]
pub struct RedbStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: WriteQueue<Job>,
    engine: Arc<Engine>,
    clock: Arc<dyn Clock>,
    /// Those who wait for a claim, at whichever handle.
    hub: Arc<WakeHub>,
}

impl RedbStore {
    /// Opens the store, and creates it if it is missing or an empty file.
    ///
    /// After a crash, redb reads the whole file here to repair it.
    ///
    /// # Errors
    /// - `Busy` if the file is held by another for longer than the options allow to wait;
    /// - `Incompatible` if the file is not a store of this format: it is left as it is;
    /// - `Corrupt` if it is damaged;
    /// - `Unavailable` if it cannot be reached.
    pub async fn open(options: RedbOptions) -> Result<Self> {
        unblocked(move || Self::open_blocking(options)).await
    }

    fn open_blocking(options: RedbOptions) -> Result<Self> {
        let database = file::open(&options)?;
        Self::start(database, options.clock)
    }

    pub(crate) fn start(database: Database, clock: Arc<dyn Clock>) -> Result<Self> {
        let engine = Arc::new(Engine::new(database));
        let hub = Arc::new(WakeHub::new());
        let writer = Writer {
            engine: Arc::clone(&engine),
            hub: Arc::clone(&hub),
        };
        let queue = WriteQueue::start("runstore-redb", move |batch| writer.write(batch))?;
        Ok(Self {
            shared: Arc::new(Shared {
                queue,
                engine,
                clock,
                hub,
            }),
        })
    }

    async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&mut Tables<Writing<'_>>, Timestamp) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let clock = Arc::clone(&self.shared.clock);
        let job = |reply: Reply<T>| -> Job {
            // Read on the writer's thread, so that times agree with the order of calls if the clock
            // runs forward.
            Box::new(move |tables| reply.hold(tables.and_then(|tables| write(tables, clock.now()))))
        };
        self.shared.queue.submit(job).await
    }

    /// Reads a few rows where it is: they are mostly in the cache, and a way to another thread and back
    /// costs more than they do.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Tables<Reading<'_>>) -> Result<T>,
    ) -> Result<T> {
        self.shared.engine.read(read)
    }

    /// Reads any number of rows, off the caller's thread.
    async fn read_many<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Tables<Reading<'_>>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let engine = Arc::clone(&self.shared.engine);
        unblocked(move || engine.read(read)).await
    }
}

#[async_trait]
impl WaitSource for RedbStore {
    async fn claim(&self, request: ClaimRequest) -> Result<Option<Claim>> {
        self.claim_next_task(request).await
    }

    async fn next_due(&self, scope: Option<RunId>) -> Result<Option<Timestamp>> {
        self.read(|tables| tables.next_due(scope))
    }

    async fn changed_elsewhere(&self) {
        // No other process is let in.
        pending().await
    }
}

#[async_trait]
impl Store for RedbStore {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            backend: "redb".to_owned(),
            durability: Durability::Full,
        }
    }

    async fn close(&self) -> Result<()> {
        self.shared.queue.close().await;
        Ok(())
    }

    async fn create_run(&self, new: NewRun) -> Result<Run> {
        new.check()?;
        self.write(|tables, now| tables.create_run(new, now)).await
    }

    async fn get_run(&self, run_id: RunId) -> Result<Run> {
        self.read(|tables| tables.get_run(run_id))
    }

    async fn list_runs(&self, list: ListRuns) -> Result<Page<Run>> {
        list.check()?;
        self.read_many(move |tables| tables.list_runs(&list)).await
    }

    async fn update_run(&self, update: RunUpdate) -> Result<Run> {
        update.check()?;
        self.write(|tables, now| tables.update_run(update, now))
            .await
    }

    async fn increment_cycle(&self, run_id: RunId) -> Result<Run> {
        self.write(move |tables, now| tables.increment_cycle(run_id, now))
            .await
    }

    async fn increment_replan(&self, run_id: RunId) -> Result<Run> {
        self.write(move |tables, now| tables.increment_replan(run_id, now))
            .await
    }

    async fn delete_run(&self, run_id: RunId) -> Result<()> {
        self.write(move |tables, _| tables.delete_run(run_id)).await
    }

    async fn save_agent_state(&self, save: SaveAgentState) -> Result<AgentState> {
        save.check()?;
        self.write(|tables, now| tables.save_agent_state(save, now))
            .await
    }

    async fn get_agent_state(&self, run_id: RunId, role: AgentRole) -> Result<Option<AgentState>> {
        check_word("role", role.as_str())?;
        self.read(|tables| tables.get_agent_state(run_id, &role))
    }

    async fn list_agent_states(&self, run_id: RunId) -> Result<Vec<AgentState>> {
        self.read_many(move |tables| tables.list_agent_states(run_id))
            .await
    }

    async fn replace_pending_tasks(&self, plan: TaskPlan) -> Result<Vec<Task>> {
        plan.check()?;
        self.write(|tables, now| tables.replace_pending_tasks(plan, now))
            .await
    }

    async fn append_tasks(&self, plan: TaskPlan) -> Result<Vec<Task>> {
        plan.check()?;
        self.write(|tables, now| tables.append_tasks(plan, now))
            .await
    }

    async fn get_task(&self, task_id: TaskId) -> Result<Task> {
        self.read(|tables| tables.get_task(task_id))
    }

    async fn list_tasks(&self, list: ListTasks) -> Result<Page<Task>> {
        list.check()?;
        self.read_many(move |tables| tables.list_tasks(&list)).await
    }

    async fn complete_task(&self, complete: CompleteTask) -> Result<Task> {
        complete.check()?;
        self.write(|tables, now| tables.settle_task(complete.task_id, complete, now))
            .await
    }

    async fn block_task(&self, block: BlockTask) -> Result<Task> {
        block.check()?;
        self.write(|tables, now| tables.settle_task(block.task_id, block, now))
            .await
    }

    async fn abandon_task(&self, abandon: AbandonTask) -> Result<Task> {
        abandon.check()?;
        self.write(|tables, now| tables.settle_task(abandon.task_id, abandon, now))
            .await
    }

    async fn requeue_task(&self, task_id: TaskId) -> Result<Task> {
        self.write(move |tables, now| tables.requeue_task(task_id, now))
            .await
    }

    async fn requeue_in_progress_tasks(&self, run_id: RunId) -> Result<u64> {
        self.write(move |tables, now| tables.requeue_in_progress_tasks(run_id, now))
            .await
    }

    async fn requeue_expired_tasks(&self, run_id: Option<RunId>) -> Result<u64> {
        self.write(move |tables, now| tables.requeue_expired_tasks(run_id, now))
            .await
    }

    async fn waiting_reason(&self, task_id: TaskId) -> Result<WaitingReason> {
        // Before the snapshot is taken: a claim that runs out in between still holds.
        let now = self.shared.clock.now();
        self.read_many(move |tables| tables.waiting_reason(task_id, now))
            .await
    }

    async fn claim_next_task(&self, request: ClaimRequest) -> Result<Option<Claim>> {
        request.check()?;
        let clock = Arc::clone(&self.shared.clock);
        let job = |reply: Reply<Option<Claim>>| -> Job {
            Box::new(move |tables| {
                // Nobody would know of the task: it would be held until its lease runs out, if it had one.
                if reply.is_unwanted() {
                    return reply.hold(Ok(None));
                }
                let claim = tables.and_then(|tables| tables.claim_next_task(&request, clock.now()));
                reply.hold(claim)
            })
        };
        self.shared.queue.submit(job).await
    }

    async fn claim_tasks(&self, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
        request.check()?;
        check_claims(limit)?;
        self.write(move |tables, now| tables.claim_tasks(&request, limit, now))
            .await
    }

    async fn claim_or_wait(
        &self,
        request: ClaimRequest,
        timeout: Duration,
    ) -> Result<Option<Claim>> {
        request.check()?;
        check_timeout(timeout)?;
        let Shared { hub, clock, .. } = &*self.shared;
        claim_or_wait(self, hub, &**clock, request, timeout).await
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<Option<Timestamp>> {
        beat.check()?;
        self.write(move |tables, now| tables.heartbeat(beat, now))
            .await
    }

    async fn finish_task(&self, token: ClaimToken, report: FinishReport) -> Result<Task> {
        report.check()?;
        self.write(move |tables, now| tables.finish_task(token, report, now))
            .await
    }

    async fn add_attempt(&self, new: NewAttempt) -> Result<TaskAttempt> {
        new.check()?;
        self.write(|tables, now| tables.add_attempt(new, now)).await
    }

    async fn latest_attempt(&self, task_id: TaskId) -> Result<Option<TaskAttempt>> {
        self.read(|tables| tables.latest_attempt(task_id))
    }

    async fn recent_attempts(&self, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>> {
        check_limit("limit", limit)?;
        self.read_many(move |tables| tables.recent_attempts(run_id, limit))
            .await
    }

    async fn list_attempts(&self, list: ListAttempts) -> Result<Page<TaskAttempt>> {
        list.check()?;
        self.read_many(move |tables| tables.list_attempts(&list))
            .await
    }

    async fn add_event(&self, new: NewEvent) -> Result<Event> {
        new.check()?;
        self.write(|tables, now| tables.add_event(new, now)).await
    }

    async fn recent_events(&self, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
        check_limit("limit", limit)?;
        self.read_many(move |tables| tables.recent_events(run_id, limit))
            .await
    }

    async fn list_events(&self, list: ListEvents) -> Result<Page<Event>> {
        list.check()?;
        self.read_many(move |tables| tables.list_events(&list))
            .await
    }

    async fn add_artifact(&self, new: NewArtifact) -> Result<Artifact> {
        new.check()?;
        self.write(|tables, now| tables.add_artifact(new, now))
            .await
    }

    async fn list_artifacts(&self, list: ListArtifacts) -> Result<Page<Artifact>> {
        list.check()?;
        self.read_many(move |tables| tables.list_artifacts(&list))
            .await
    }

    async fn add_approval(&self, new: NewApproval) -> Result<Approval> {
        new.check()?;
        self.write(|tables, now| tables.add_approval(new, now))
            .await
    }

    async fn list_approvals(&self, list: ListApprovals) -> Result<Page<Approval>> {
        list.check()?;
        self.read_many(move |tables| tables.list_approvals(&list))
            .await
    }

    async fn latest_approval(
        &self,
        run_id: RunId,
        source: ApprovalSource,
    ) -> Result<Option<Approval>> {
        check_word("source", source.as_str())?;
        // There is no index by source: it may have to look at every approval of the run.
        self.read_many(move |tables| tables.latest_approval(run_id, &source))
            .await
    }

    async fn add_checkpoint(&self, new: NewCheckpoint) -> Result<Checkpoint> {
        new.check()?;
        self.write(|tables, now| tables.add_checkpoint(new, now))
            .await
    }

    async fn latest_checkpoint(&self, run_id: RunId) -> Result<Option<Checkpoint>> {
        self.read(|tables| tables.latest_checkpoint(run_id))
    }

    async fn list_checkpoints(&self, list: ListCheckpoints) -> Result<Page<Checkpoint>> {
        list.check()?;
        self.read_many(move |tables| tables.list_checkpoints(&list))
            .await
    }

    async fn snapshot(&self, request: SnapshotRequest) -> Result<RunSnapshot> {
        request.check()?;
        self.read_many(move |tables| tables.snapshot(&request))
            .await
    }
}
