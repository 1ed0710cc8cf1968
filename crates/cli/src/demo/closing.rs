//! The end of the run: the checker's approval, the last checkpoint, and the run's own record.

use runstore::{
    AgentRole, ApprovalSource, ApprovalVerdict, Error, ListTasks, NewApproval, NewCheckpoint,
    RunStatus, RunUpdate, SaveAgentState, TaskStatus,
};
use serde_json::json;

use super::crew::Crew;
use crate::failure::{Context, Failure};

/// Closes the run, of which nothing is open.
pub(crate) async fn close(crew: &Crew) -> Result<(), Failure> {
    crew.close().await.or_fail("cannot close the run")
}

impl Crew {
    async fn close(&self) -> Result<(), Error> {
        let run_id = self.job.run_id;
        let tasks = self.store.list_tasks(ListTasks::new(run_id)).await?.items;
        let count = |status| tasks.iter().filter(|task| task.status == status).count();
        let completed = count(TaskStatus::Completed);
        let state = json!({
            "completed": completed,
            "blocked": count(TaskStatus::Blocked),
            "abandoned": count(TaskStatus::Abandoned),
        });
        let rationale = format!("{completed} tasks are completed and none is open.");
        let approval = NewApproval::new(
            run_id,
            ApprovalSource::Checker,
            ApprovalVerdict::Approved,
            &*rationale,
        );
        self.store
            .add_approval(approval.with_payload(state.clone()))
            .await?;
        let checker = SaveAgentState::new(run_id, AgentRole::Checker).with_turns(1);
        self.store.save_agent_state(checker).await?;
        let checkpoint = NewCheckpoint::new(run_id, RunStatus::Completed, state);
        self.store.add_checkpoint(checkpoint).await?;
        let update = RunUpdate::new(run_id)
            .with_status(RunStatus::Completed)
            .with_summary(rationale);
        self.store.update_run(update).await?;
        Ok(())
    }
}
