//! The layer that broken stores are made with: a [`Fault`] overrides one call, or changes how records
//! look when they are read, and everything else goes to a sound store in memory.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runstore_core::*;
use runstore_memory::MemoryStore;

pub(crate) use crate::faulty::{Faulty, shifted};
use crate::line::{InLine, Line, Sleeper};
use crate::look::{Look, Turns};
use crate::view::Viewed;

/// What a call gives: boxed, so that a fault that does not override it costs no code of its own.
type Answer<'f, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'f>>;

macro_rules! calls {
    ($($method:ident($($param:ident: $type:ty),+) -> $answer:ty;)+) => {
        /// One way in which a store is broken. It lives as long as a handle; what two handles share, or
        /// a reopened store keeps, is said by [`second`](Self::second) and [`reopened`](Self::reopened).
        ///
        /// The calls are written out as `async_trait` has them, for there are hundreds of faults, and an
        /// `async fn` that each of them inherits is compiled for each of them.
        pub(crate) trait Fault: Send + Sync + 'static {
            /// The fault of a second handle on the same data.
            fn second(this: &Arc<Self>) -> Arc<Self>
            where
                Self: Sized,
            {
                Arc::clone(this)
            }

            /// The fault after the store was closed and opened again.
            fn reopened(this: &Arc<Self>) -> Arc<Self>
            where
                Self: Sized,
            {
                Arc::clone(this)
            }

            /// What a process killed at this moment leaves.
            fn killed(_: &Arc<Self>, inner: &MemoryStore) -> MemoryStore
            where
                Self: Sized,
            {
                inner.reopen()
            }

            fn close<'s, 'i, 'f>(&'s self, inner: &'i MemoryStore) -> Answer<'f, ()>
            where
                's: 'f,
                'i: 'f,
                Self: 'f,
            {
                inner.close()
            }

            /// Which tasks a claim takes, in which order, where the fault is in that.
            fn turns(&self, _: &Look<'_>) -> Turns {
                None
            }

            fn claim_next_task<'s, 'i, 'f>(
                &'s self,
                inner: &'i MemoryStore,
                request: ClaimRequest,
            ) -> Answer<'f, Option<Claim>>
            where
                's: 'f,
                'i: 'f,
                Self: 'f,
            {
                let claims = claim_by(&|look| self.turns(look), inner, &request, None);
                Box::pin(ready(claims.map(|mut claims| claims.pop())))
            }

            fn claim_tasks<'s, 'i, 'f>(
                &'s self,
                inner: &'i MemoryStore,
                request: ClaimRequest,
                limit: u32,
            ) -> Answer<'f, Vec<Claim>>
            where
                's: 'f,
                'i: 'f,
                Self: 'f,
            {
                let turns = |look: &Look<'_>| self.turns(look);
                Box::pin(ready(claim_by(&turns, inner, &request, Some(limit))))
            }

            fn claim_or_wait<'s, 'i, 'f>(
                &'s self,
                inner: &'i MemoryStore,
                request: ClaimRequest,
                timeout: Duration,
            ) -> Answer<'f, Option<Claim>>
            where
                's: 'f,
                'i: 'f,
                Self: 'f,
            {
                inner.claim_or_wait(request, timeout)
            }

            /// Whether those who wait stand in a line of the fault's own, which the rest is about.
            fn has_a_line(&self) -> bool {
                false
            }

            /// Whether each handle has a line of its own, and tells no other of what it writes.
            fn keeps_handles_apart(&self) -> bool {
                false
            }

            /// Whether a call that made the task claimable tells those who wait.
            fn tells(&self, _call: &str, _task: &Task) -> bool {
                true
            }

            /// Whether a call that closed the store or deleted a run tells those who wait.
            fn tells_the_end(&self, _call: &str) -> bool {
                true
            }

            /// Whether those who wait look after a call when a task becomes due next.
            fn rearms(&self, _call: &str) -> bool {
                true
            }

            /// When the task becomes claimable by the passing of time alone.
            fn due(&self, look: &Look<'_>, task: &Task) -> Option<Timestamp> {
                rules::schedule::available_from(task).filter(|_| look.is_released(task))
            }

            /// Which of those who sleep, in the order of their coming, are woken for a new task.
            fn whom(&self, asleep: &[&Sleeper], run_id: RunId) -> Vec<u64> {
                let mut asleep = asleep.iter().filter(|sleeper| sleeper.waits_for(run_id));
                asleep.next().map(|first| first.number).into_iter().collect()
            }

            /// Whether one that was woken and leaves without a look wakes others in its place.
            fn passes_on(&self) -> bool {
                true
            }

            /// Whether one that is done with waiting leaves the line.
            fn leaves_the_line(&self) -> bool {
                true
            }

            /// Whether one that was woken and found nothing keeps its place in the line.
            fn keeps_its_place(&self) -> bool {
                true
            }

            /// Waits in the line.
            fn wait<'s, 'l, 'o, 'i, 'f>(
                &'s self,
                line: &'l InLine<'o>,
                inner: &'i MemoryStore,
                request: ClaimRequest,
                timeout: Duration,
            ) -> Answer<'f, Option<Claim>>
            where
                's: 'f,
                'l: 'f,
                'o: 'f,
                'i: 'f,
                Self: 'f,
            {
                line.wait(inner, request, timeout)
            }

            fn view_run(&self, run: Run) -> Run {
                run
            }

            fn view_agent(&self, agent: AgentState) -> AgentState {
                agent
            }

            fn view_task(&self, task: Task) -> Task {
                task
            }

            fn view_attempt(&self, attempt: TaskAttempt) -> TaskAttempt {
                attempt
            }

            fn view_event(&self, event: Event) -> Event {
                event
            }

            fn view_artifact(&self, artifact: Artifact) -> Artifact {
                artifact
            }

            fn view_approval(&self, approval: Approval) -> Approval {
                approval
            }

            fn view_checkpoint(&self, checkpoint: Checkpoint) -> Checkpoint {
                checkpoint
            }

            fn view_reason(&self, reason: WaitingReason) -> WaitingReason {
                reason
            }

            fn view_error(&self, error: Error) -> Error {
                error
            }

            $(
                fn $method<'s, 'i, 'f>(&'s self, inner: &'i MemoryStore, $($param: $type),+) -> Answer<'f, $answer>
                where
                    's: 'f,
                    'i: 'f,
                    Self: 'f,
                {
                    inner.$method($($param),+)
                }
            )+
        }

        #[async_trait]
        impl Store for Broken {
            fn info(&self) -> StoreInfo {
                self.inner.info()
            }

            async fn close(&self) -> Result<()> {
                self.fault.close(&self.inner).await?;
                self.tell("close").await;
                Ok(())
            }

            async fn claim_next_task(&self, request: ClaimRequest) -> Result<Option<Claim>> {
                let answer = self.fault.claim_next_task(&self.inner, request).await;
                self.tell("claim_next_task").await;
                self.viewed(answer)
            }

            async fn claim_tasks(&self, request: ClaimRequest, limit: u32) -> Result<Vec<Claim>> {
                let answer = self.fault.claim_tasks(&self.inner, request, limit).await;
                self.tell("claim_tasks").await;
                self.viewed(answer)
            }

            async fn claim_or_wait(&self, request: ClaimRequest, timeout: Duration) -> Result<Option<Claim>> {
                let answer = match self.fault.has_a_line() {
                    true => self.fault.wait(&self.in_line(), &self.inner, request, timeout).await,
                    false => self.fault.claim_or_wait(&self.inner, request, timeout).await,
                };
                self.tell("claim_or_wait").await;
                self.viewed(answer)
            }

            $(
                async fn $method(&self, $($param: $type),+) -> Result<$answer> {
                    let answer = self.fault.$method(&self.inner, $($param),+).await;
                    self.tell(stringify!($method)).await;
                    self.viewed(answer)
                }
            )+
        }
    };
}

calls! {
    create_run(new: NewRun) -> Run;
    get_run(run_id: RunId) -> Run;
    list_runs(list: ListRuns) -> Page<Run>;
    update_run(update: RunUpdate) -> Run;
    increment_cycle(run_id: RunId) -> Run;
    increment_replan(run_id: RunId) -> Run;
    delete_run(run_id: RunId) -> ();
    save_agent_state(save: SaveAgentState) -> AgentState;
    get_agent_state(run_id: RunId, role: AgentRole) -> Option<AgentState>;
    list_agent_states(run_id: RunId) -> Vec<AgentState>;
    replace_pending_tasks(plan: TaskPlan) -> Vec<Task>;
    append_tasks(plan: TaskPlan) -> Vec<Task>;
    get_task(task_id: TaskId) -> Task;
    list_tasks(list: ListTasks) -> Page<Task>;
    complete_task(complete: CompleteTask) -> Task;
    block_task(block: BlockTask) -> Task;
    abandon_task(abandon: AbandonTask) -> Task;
    requeue_task(task_id: TaskId) -> Task;
    requeue_in_progress_tasks(run_id: RunId) -> u64;
    requeue_expired_tasks(run_id: Option<RunId>) -> u64;
    waiting_reason(task_id: TaskId) -> WaitingReason;
    heartbeat(beat: Heartbeat) -> Option<Timestamp>;
    finish_task(token: ClaimToken, report: FinishReport) -> Task;
    add_attempt(new: NewAttempt) -> TaskAttempt;
    latest_attempt(task_id: TaskId) -> Option<TaskAttempt>;
    recent_attempts(run_id: RunId, limit: u32) -> Vec<TaskAttempt>;
    list_attempts(list: ListAttempts) -> Page<TaskAttempt>;
    add_event(new: NewEvent) -> Event;
    recent_events(run_id: RunId, limit: u32) -> Vec<Event>;
    list_events(list: ListEvents) -> Page<Event>;
    add_artifact(new: NewArtifact) -> Artifact;
    list_artifacts(list: ListArtifacts) -> Page<Artifact>;
    add_approval(new: NewApproval) -> Approval;
    list_approvals(list: ListApprovals) -> Page<Approval>;
    latest_approval(run_id: RunId, source: ApprovalSource) -> Option<Approval>;
    add_checkpoint(new: NewCheckpoint) -> Checkpoint;
    latest_checkpoint(run_id: RunId) -> Option<Checkpoint>;
    list_checkpoints(list: ListCheckpoints) -> Page<Checkpoint>;
    snapshot(request: SnapshotRequest) -> RunSnapshot;
}

/// Claims in the store's own order, or as it is said.
fn claim_by(
    turns: &dyn Fn(&Look<'_>) -> Turns,
    inner: &MemoryStore,
    request: &ClaimRequest,
    limit: Option<u32>,
) -> Result<Vec<Claim>> {
    inner.claim_out_of_turn(request, limit.unwrap_or(1), |tasks, now| {
        turns(&Look::new(request.run_id, limit, now, tasks))
    })
}

/// A store in memory with a fault.
pub(crate) struct Broken {
    pub(crate) inner: MemoryStore,
    pub(crate) fault: Arc<dyn Fault>,
    pub(crate) line: Arc<Line>,
}

impl Broken {
    fn in_line(&self) -> InLine<'_> {
        InLine::new(&self.line, &*self.fault)
    }

    fn viewed<T: Viewed>(&self, answer: Result<T>) -> Result<T> {
        match answer {
            Ok(answer) => Ok(answer.viewed(&*self.fault)),
            Err(error) => Err(self.fault.view_error(error)),
        }
    }

    async fn tell(&self, call: &str) {
        if self.fault.has_a_line() {
            self.in_line().tell(&self.inner, call).await;
        }
    }
}
