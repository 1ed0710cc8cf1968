//! Stores that pass on all calls but some to the store in memory inside of them.

/// Implements the trait for a type with a field `inner`; what is not given is passed on.
macro_rules! delegating {
    ($type:ident { $($own:tt)* }) => {
        delegating! {
            $type { $($own)* }
            close() -> ();
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
    };
    (
        $type:ident { $($own:tt)* }
        $($method:ident($($param:ident: $param_type:ty),*) -> $answer:ty;)+
    ) => {
        #[async_trait]
        impl Store for $type {
            fn info(&self) -> StoreInfo {
                self.inner.info()
            }

            $($own)*

            $(
                async fn $method(&self, $($param: $param_type),*) -> Result<$answer> {
                    self.inner.$method($($param),*).await
                }
            )+
        }
    };
}
pub(crate) use delegating;
