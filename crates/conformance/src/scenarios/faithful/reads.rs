//! The comparison of records on every way by which they can be read.

use runstore_core::{
    ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks,
    SnapshotRequest, Store, TaskAttempt, TaskStatus,
};

use super::records::{Records, check_kept};
use crate::check::Outcome;

impl Records {
    /// Compares the records on every way by which they can be read.
    pub(super) async fn check_reads(&self, store: &dyn Store) -> Outcome {
        let id = self.run.id;
        check_kept("the run read", &store.get_run(id).await?, &self.run)?;
        let list = ListRuns::all().with_status(self.run.status.clone());
        let runs = store.list_runs(list).await?.items;
        let listed: Vec<_> = runs.iter().filter(|run| run.id == id).collect();
        check_kept("the run listed by its status", &listed, &[&self.run])?;

        let agent = store.get_agent_state(id, self.agent.role.clone()).await?;
        check_kept("the agent's state read", &agent, &self.agent)?;
        let agents = store.list_agent_states(id).await?;
        check_kept("the agents' states listed", &agents, &[&self.agent])?;

        for task in &self.tasks {
            let read = store.get_task(task.id).await?;
            check_kept("the task read", &read, task)?;
            let list = ListAttempts::new(id).with_task_id(task.id);
            let listed = store.list_attempts(list).await?.items;
            let of_task = |attempt: &&TaskAttempt| attempt.task_id == task.id;
            let attempts: Vec<_> = self.attempts.iter().filter(of_task).collect();
            check_kept("the attempts listed by task", &listed, &attempts)?;
            let latest = store.latest_attempt(task.id).await?;
            check_kept("the latest attempt", &latest, &attempts.last())?;
        }
        let list = ListTasks::new(id).with_statuses([TaskStatus::Blocked]);
        let tasks = store.list_tasks(list).await?.items;
        check_kept("the tasks listed by state", &tasks, &self.tasks)?;

        let listed = store.list_attempts(ListAttempts::new(id)).await?.items;
        check_kept("the attempts listed", &listed, &self.attempts)?;
        let recent = store.recent_attempts(id, 12).await?;
        check_kept("the recent attempts", &recent, &self.attempts)?;
        let listed = store.list_events(ListEvents::new(id)).await?.items;
        check_kept("the events listed", &listed, &self.events)?;
        let recent = store.recent_events(id, 50).await?;
        check_kept("the recent events", &recent, &self.events)?;
        let listed = store.list_artifacts(ListArtifacts::new(id)).await?.items;
        check_kept("the artifacts listed", &listed, &self.artifacts)?;
        let list = ListArtifacts::new(id).with_role(self.agent.role.clone());
        let listed = store.list_artifacts(list).await?.items;
        check_kept("the artifacts listed by role", &listed, &self.artifacts)?;
        let listed = store.list_approvals(ListApprovals::new(id)).await?.items;
        check_kept("the approvals listed", &listed, &[&self.approval])?;
        let source = self.approval.source.clone();
        let list = ListApprovals::new(id).with_source(source.clone());
        let listed = store.list_approvals(list).await?.items;
        check_kept("the approvals listed by source", &listed, &[&self.approval])?;
        let latest = store.latest_approval(id, source).await?;
        check_kept("the latest approval", &latest, &self.approval)?;
        let listed = store.list_checkpoints(ListCheckpoints::new(id)).await?;
        check_kept("the checkpoints listed", &listed.items, &[&self.checkpoint])?;
        let latest = store.latest_checkpoint(id).await?;
        check_kept("the latest checkpoint", &latest, &self.checkpoint)?;
        self.check_snapshot(store).await
    }

    async fn check_snapshot(&self, store: &dyn Store) -> Outcome {
        let snapshot = store.snapshot(SnapshotRequest::of_run(self.run.id)).await?;
        check_kept("the run in the snapshot", &snapshot.run, &self.run)?;
        let agents: Vec<_> = snapshot.agents.values().collect();
        check_kept("the agents in the snapshot", &agents, &[&self.agent])?;
        let roles: Vec<_> = snapshot.agents.keys().collect();
        check_kept("the roles in the snapshot", &roles, &[&self.agent.role])?;
        check_kept(
            "the tasks in the snapshot",
            &snapshot.blocked_tasks,
            &self.tasks,
        )?;
        check_kept(
            "the attempts in the snapshot",
            &snapshot.recent_attempts,
            &self.attempts,
        )?;
        check_kept(
            "the events in the snapshot",
            &snapshot.recent_events,
            &self.events,
        )?;
        check_kept(
            "the artifacts in the snapshot",
            &snapshot.artifacts,
            &self.artifacts,
        )?;
        check_kept(
            "the approvals in the snapshot",
            &snapshot.approvals,
            &[&self.approval],
        )?;
        check_kept(
            "the checkpoint in the snapshot",
            &snapshot.latest_checkpoint,
            &self.checkpoint,
        )
    }
}
