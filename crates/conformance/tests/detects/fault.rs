//! The layer that broken stores are made with: a [`Fault`] overrides one call, or changes how records
//! look when they are read, and everything else goes to a sound store in memory.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use runstore_conformance::{Fixture, Harness, Provided};
use runstore_core::*;
use runstore_memory::{MemoryOptions, MemoryStore};

use crate::view::Viewed;

macro_rules! calls {
    ($($method:ident($($param:ident: $type:ty),+) -> $answer:ty;)+) => {
        /// One way in which a store is broken. It lives as long as a handle; what two handles share, or
        /// a reopened store keeps, is said by [`second`](Self::second) and [`reopened`](Self::reopened).
        #[async_trait]
        pub(crate) trait Fault: Default + Send + Sync + 'static {
            /// The fault of a second handle on the same data.
            fn second(this: &Arc<Self>) -> Arc<Self> {
                Arc::clone(this)
            }

            /// The fault after the store was closed and opened again.
            fn reopened(this: &Arc<Self>) -> Arc<Self> {
                Arc::clone(this)
            }

            /// What a process killed at this moment leaves.
            fn killed(_: &Arc<Self>, inner: &MemoryStore) -> MemoryStore {
                inner.reopen()
            }

            async fn close(&self, inner: &MemoryStore) -> Result<()> {
                inner.close().await
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
                async fn $method(&self, inner: &MemoryStore, $($param: $type),+) -> Result<$answer> {
                    inner.$method($($param),+).await
                }
            )+
        }

        #[async_trait]
        impl<F: Fault> Store for Broken<F> {
            fn info(&self) -> StoreInfo {
                self.inner.info()
            }

            async fn close(&self) -> Result<()> {
                self.fault.close(&self.inner).await
            }

            $(
                async fn $method(&self, $($param: $type),+) -> Result<$answer> {
                    let fault = &*self.fault;
                    match fault.$method(&self.inner, $($param),+).await {
                        Ok(answer) => Ok(answer.viewed(fault)),
                        Err(error) => Err(fault.view_error(error)),
                    }
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
    claim_next_task(request: ClaimRequest) -> Option<Claim>;
    claim_tasks(request: ClaimRequest, limit: u32) -> Vec<Claim>;
    claim_or_wait(request: ClaimRequest, timeout: Duration) -> Option<Claim>;
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

tokio::task_local! {
    static SHIFT: i64;
}

/// Makes a call as if the clock showed a time so many microseconds later.
pub(crate) async fn shifted<T>(micros: i64, call: impl Future<Output = T>) -> T {
    SHIFT.scope(micros, call).await
}

#[derive(Debug)]
struct ShiftedClock(Arc<dyn Clock>);

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let shift = SHIFT.try_with(|micros| *micros).unwrap_or_default();
        self.0.now().saturating_add_micros(shift)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.0.sleep(duration)
    }
}

/// A store in memory with a fault.
pub(crate) struct Broken<F> {
    inner: MemoryStore,
    fault: Arc<F>,
}

/// Makes stores with one fault.
pub(crate) struct Faulty<F> {
    make: fn() -> F,
}

impl<F: Fault> Faulty<F> {
    pub(crate) fn new() -> Self {
        Self { make: F::default }
    }
}

#[async_trait]
impl<F: Fault> Harness for Faulty<F> {
    fn name(&self) -> &str {
        std::any::type_name::<F>()
    }

    async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>> {
        let clock = Arc::new(ShiftedClock(clock));
        let inner = MemoryStore::open(MemoryOptions::new().with_clock(clock));
        let fault = Arc::new((self.make)());
        Ok(Box::new(FaultyFixture { inner, fault }))
    }
}

struct FaultyFixture<F> {
    inner: MemoryStore,
    fault: Arc<F>,
}

#[async_trait]
impl<F: Fault> Fixture for FaultyFixture<F> {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(Broken {
            inner: self.inner.clone(),
            fault: Arc::clone(&self.fault),
        })
    }

    async fn second_handle(&self) -> Provided<Arc<dyn Store>> {
        Ok(Arc::new(Broken {
            inner: self.inner.reopen(),
            fault: F::second(&self.fault),
        }))
    }

    async fn reopen(&mut self) -> Provided<()> {
        self.store().close().await?;
        self.inner = self.inner.reopen();
        self.fault = F::reopened(&self.fault);
        Ok(())
    }

    async fn kill(&mut self) -> Provided<()> {
        self.inner = F::killed(&self.fault, &self.inner);
        self.fault = F::reopened(&self.fault);
        Ok(())
    }
}
