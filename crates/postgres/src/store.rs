use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runstore_core::rules::input::{Input, check_claims, check_limit, check_timeout, check_word};
use runstore_core::rules::runs as run_rules;
use runstore_core::{
    AbandonTask, AgentRole, AgentState, Approval, ApprovalSource, Artifact, BlockTask, Checkpoint,
    Claim, ClaimRequest, ClaimToken, CompleteTask, Error, Event, FinishReport, Heartbeat,
    ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks,
    NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, Page, Result, Run,
    RunId, RunSnapshot, RunUpdate, SaveAgentState, SnapshotRequest, Store, StoreInfo, Task,
    TaskAttempt, TaskId, TaskPlan, Timestamp, WaitingReason, claim_or_wait,
};

use crate::calls::Inner;
use crate::together::{Ending, Lanes};
use crate::under_way::UnderWay;
use crate::waiting::{self, Wait};
use crate::write::{Kind, Turn};
use crate::{PostgresOptions, journal, open, plans, runs, snapshot, tasks};

/// What a requeue changes in a run.
const OF_REQUEUES: &[Kind] = &[Kind::Tasks, Kind::Events];

/// A store on a PostgreSQL server. Clones are handles on the same connections; they are closed with the last one
/// that is dropped.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pub(crate) inner: Arc<Inner>,
}

impl PostgresStore {
    /// Opens the store in a schema of a database; creates the schema if it is not there.
    ///
    /// # Errors
    /// `InvalidInput` for options that cannot be; `Incompatible` for a server that is too old, a database that is
    /// not in UTF-8, a schema that is another application's or of a newer format, and a standby without the
    /// schema: nothing is changed then; `Busy`, `Unavailable` or `Backend` for what the server says.
    pub async fn open(options: PostgresOptions) -> Result<Self> {
        options.check()?;
        let lanes = Arc::new(Lanes::new(options.together, options.connections));
        let (background, shared, closing) = open::open(options).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                shared,
                lanes,
                claims: UnderWay::default(),
                background,
                closing,
            }),
        })
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn info(&self) -> StoreInfo {
        StoreInfo {
            backend: "postgres".to_owned(),
            durability: self.shared().durability,
        }
    }

    async fn close(&self) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        let closed = async move {
            inner.shared.connections.close().await;
            inner.closing.send_replace(true);
            Ok(())
        };
        self.inner.background.run(closed).await?;
        self.shared().hub.wake_all();
        Ok(())
    }

    async fn create_run(&self, new: NewRun) -> Result<Run> {
        new.check()?;
        self.write(Turn::Free, new, |write, new| {
            Box::pin(runs::create(write, new))
        })
        .await
    }

    async fn get_run(&self, run_id: RunId) -> Result<Run> {
        self.read(run_id, |session, run_id| {
            Box::pin(runs::get(session, run_id))
        })
        .await
    }

    async fn list_runs(&self, list: ListRuns) -> Result<Page<Run>> {
        list.check()?;
        self.read(list, |session, list| {
            Box::pin(runs::list_page(session, list))
        })
        .await
    }

    async fn update_run(&self, update: RunUpdate) -> Result<Run> {
        update.check()?;
        self.write(Turn::Run(update.run_id), update, |write, update| {
            Box::pin(runs::update(write, update))
        })
        .await
    }

    async fn increment_cycle(&self, run_id: RunId) -> Result<Run> {
        self.write(Turn::Run(run_id), run_id, |write, run_id| {
            Box::pin(runs::count(write, run_id, run_rules::with_cycle))
        })
        .await
    }

    async fn increment_replan(&self, run_id: RunId) -> Result<Run> {
        self.write(Turn::Run(run_id), run_id, |write, run_id| {
            Box::pin(runs::count(write, run_id, run_rules::with_replan))
        })
        .await
    }

    async fn delete_run(&self, run_id: RunId) -> Result<()> {
        self.write(Turn::InRun(run_id, &Kind::ALL), run_id, |write, run_id| {
            Box::pin(runs::delete(write, run_id))
        })
        .await
    }

    async fn save_agent_state(&self, save: SaveAgentState) -> Result<AgentState> {
        save.check()?;
        self.write(Turn::Run(save.run_id), save, |write, save| {
            Box::pin(runs::save_agent(write, save))
        })
        .await
    }

    async fn get_agent_state(&self, run_id: RunId, role: AgentRole) -> Result<Option<AgentState>> {
        check_word("role", role.as_str())?;
        self.read((run_id, role), |session, (run_id, role)| {
            Box::pin(runs::get_agent(session, run_id, role))
        })
        .await
    }

    async fn list_agent_states(&self, run_id: RunId) -> Result<Vec<AgentState>> {
        self.read(run_id, |session, run_id| {
            Box::pin(runs::list_agents(session, run_id))
        })
        .await
    }

    async fn replace_pending_tasks(&self, plan: TaskPlan) -> Result<Vec<Task>> {
        plan.check()?;
        self.write(
            Turn::InRun(plan.run_id, &[Kind::Tasks]),
            plan,
            |write, plan| Box::pin(plans::replace_pending(write, plan)),
        )
        .await
    }

    async fn append_tasks(&self, plan: TaskPlan) -> Result<Vec<Task>> {
        plan.check()?;
        self.write(
            Turn::InRun(plan.run_id, &[Kind::Tasks]),
            plan,
            |write, plan| Box::pin(plans::append(write, plan)),
        )
        .await
    }

    async fn get_task(&self, task_id: TaskId) -> Result<Task> {
        self.read(task_id, |session, task_id| {
            Box::pin(tasks::get(session, task_id))
        })
        .await
    }

    async fn list_tasks(&self, list: ListTasks) -> Result<Page<Task>> {
        list.check()?;
        self.read(list, |session, list| {
            Box::pin(tasks::list_page(session, list))
        })
        .await
    }

    async fn complete_task(&self, complete: CompleteTask) -> Result<Task> {
        complete.check()?;
        self.together(|lanes| &lanes.endings, Ending::Complete(complete))
            .await
    }

    async fn block_task(&self, block: BlockTask) -> Result<Task> {
        block.check()?;
        self.together(|lanes| &lanes.endings, Ending::Block(block))
            .await
    }

    async fn abandon_task(&self, abandon: AbandonTask) -> Result<Task> {
        abandon.check()?;
        self.together(|lanes| &lanes.endings, Ending::Abandon(abandon))
            .await
    }

    async fn requeue_task(&self, task_id: TaskId) -> Result<Task> {
        self.write(
            Turn::OfTask(task_id, OF_REQUEUES),
            task_id,
            |write, task_id| Box::pin(tasks::requeue(write, task_id)),
        )
        .await
    }

    async fn requeue_in_progress_tasks(&self, run_id: RunId) -> Result<u64> {
        self.write(Turn::InRun(run_id, OF_REQUEUES), run_id, |write, run_id| {
            Box::pin(tasks::requeue_in_progress(write, run_id))
        })
        .await
    }

    async fn requeue_expired_tasks(&self, run_id: Option<RunId>) -> Result<u64> {
        let turn = run_id.map_or(Turn::Store, |run_id| Turn::InRun(run_id, OF_REQUEUES));
        self.write(turn, run_id, |write, run_id| {
            Box::pin(tasks::requeue_expired(write, run_id))
        })
        .await
    }

    async fn waiting_reason(&self, task_id: TaskId) -> Result<WaitingReason> {
        let clock = self.shared().clock.clone();
        self.read_at_once((task_id, clock), |session, (task_id, clock)| {
            Box::pin(waiting::reason(session, task_id, clock))
        })
        .await
    }

    async fn claim_next_task(&self, request: ClaimRequest) -> Result<Option<Claim>> {
        request.check()?;
        Ok(self.claimed(request, 1).await?.pop())
    }

    async fn claim_tasks(&self, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
        request.check()?;
        check_claims(limit)?;
        self.claimed(request, limit).await
    }

    async fn claim_or_wait(
        &self,
        request: ClaimRequest,
        timeout: Duration,
    ) -> Result<Option<Claim>> {
        request.check()?;
        check_timeout(timeout)?;
        let shared = self.shared();
        let wait = Wait::new(self, request.run_id);
        claim_or_wait(&wait, &shared.hub, shared.waiting_clock(), request, timeout).await
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<Option<Timestamp>> {
        beat.check()?;
        let beaten = self.together(|lanes| &lanes.heartbeats, beat).await;
        if let Err(Error::StaleClaim { .. } | Error::NotFound { .. }) = &beaten {
            // Claims and heartbeats reach the server side by side. Whoever asks for a claim that is nobody's wants
            // to know whether another call of its own has claimed: that call is told first.
            self.inner.claims.settled().await;
        }
        beaten
    }

    async fn finish_task(&self, token: ClaimToken, report: FinishReport) -> Result<Task> {
        report.check()?;
        self.together(
            |lanes| &lanes.endings,
            Ending::Report(token, Box::new(report)),
        )
        .await
    }

    async fn add_attempt(&self, new: NewAttempt) -> Result<TaskAttempt> {
        new.check()?;
        self.together(|lanes| &lanes.attempts, new).await
    }

    async fn latest_attempt(&self, task_id: TaskId) -> Result<Option<TaskAttempt>> {
        self.read(task_id, |session, task_id| {
            Box::pin(journal::latest_attempt(session, task_id))
        })
        .await
    }

    async fn recent_attempts(&self, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>> {
        check_limit("limit", limit)?;
        self.read((run_id, limit), |session, (run_id, limit)| {
            Box::pin(journal::recent(session, run_id, limit))
        })
        .await
    }

    async fn list_attempts(&self, list: ListAttempts) -> Result<Page<TaskAttempt>> {
        list.check()?;
        self.read(list, |session, list| {
            Box::pin(journal::list_attempts(session, list))
        })
        .await
    }

    async fn add_event(&self, new: NewEvent) -> Result<Event> {
        new.check()?;
        self.together(|lanes| &lanes.events, new).await
    }

    async fn recent_events(&self, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
        check_limit("limit", limit)?;
        self.read((run_id, limit), |session, (run_id, limit)| {
            Box::pin(journal::recent_events(session, run_id, limit))
        })
        .await
    }

    async fn list_events(&self, list: ListEvents) -> Result<Page<Event>> {
        list.check()?;
        self.read(list, |session, list| {
            Box::pin(journal::list_events(session, list))
        })
        .await
    }

    async fn add_artifact(&self, new: NewArtifact) -> Result<Artifact> {
        new.check()?;
        self.together(|lanes| &lanes.artifacts, new).await
    }

    async fn list_artifacts(&self, list: ListArtifacts) -> Result<Page<Artifact>> {
        list.check()?;
        self.read(list, |session, list| {
            Box::pin(journal::list_artifacts(session, list))
        })
        .await
    }

    async fn add_approval(&self, new: NewApproval) -> Result<Approval> {
        new.check()?;
        self.together(|lanes| &lanes.approvals, new).await
    }

    async fn list_approvals(&self, list: ListApprovals) -> Result<Page<Approval>> {
        list.check()?;
        self.read(list, |session, list| {
            Box::pin(journal::list_approvals(session, list))
        })
        .await
    }

    async fn latest_approval(
        &self,
        run_id: RunId,
        source: ApprovalSource,
    ) -> Result<Option<Approval>> {
        check_word("source", source.as_str())?;
        self.read((run_id, source), |session, (run_id, source)| {
            Box::pin(journal::latest_approval(session, run_id, source))
        })
        .await
    }

    async fn add_checkpoint(&self, new: NewCheckpoint) -> Result<Checkpoint> {
        new.check()?;
        self.together(|lanes| &lanes.checkpoints, new).await
    }

    async fn latest_checkpoint(&self, run_id: RunId) -> Result<Option<Checkpoint>> {
        self.read(run_id, |session, run_id| {
            Box::pin(journal::latest_checkpoint(session, run_id))
        })
        .await
    }

    async fn list_checkpoints(&self, list: ListCheckpoints) -> Result<Page<Checkpoint>> {
        list.check()?;
        self.read(list, |session, list| {
            Box::pin(journal::list_checkpoints(session, list))
        })
        .await
    }

    async fn snapshot(&self, request: SnapshotRequest) -> Result<RunSnapshot> {
        request.check()?;
        self.read_at_once(request, |session, request| {
            Box::pin(snapshot::take(session, request))
        })
        .await
    }
}
