//! The journal: events (clause J1), attempts (J3), artifacts (J4), approvals (J5), checkpoints (J6).

use runstore_core::rules::create;
use runstore_core::{
    Approval, ApprovalSource, Artifact, Checkpoint, Event, EventDraft, ListApprovals,
    ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, NewApproval, NewArtifact, NewAttempt,
    NewCheckpoint, NewEvent, Page, Result, RunId, TaskAttempt, TaskId, Timestamp,
};

use crate::state::{State, last, page};

impl State {
    pub(crate) fn add_attempt(&mut self, new: NewAttempt, now: Timestamp) -> Result<TaskAttempt> {
        self.check_task_of_claim(new.fence)?;
        let run_id = self.task(new.task_id)?.run_id;
        let NewAttempt {
            task_id,
            attempt_number,
            report,
            fence,
            ..
        } = new;
        let attempt = create::attempt(run_id, task_id, attempt_number, report, now);
        if let Some(repeated) = self.find_repeated(|run| &run.attempts, &attempt)? {
            return Ok(repeated);
        }
        self.check_fence(fence, run_id)?;
        self.push_record(run_id, |run| &mut run.attempts, attempt)
    }

    pub(crate) fn latest_attempt(&self, task_id: TaskId) -> Result<Option<TaskAttempt>> {
        let attempts = &self.run(self.task(task_id)?.run_id)?.attempts;
        let of_task = |attempt: &&TaskAttempt| attempt.task_id == task_id;
        Ok(attempts.iter().rev().find(of_task).cloned())
    }

    pub(crate) fn recent_attempts(&self, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>> {
        Ok(last(&self.run(run_id)?.attempts, limit))
    }

    pub(crate) fn list_attempts(&self, list: &ListAttempts) -> Result<Page<TaskAttempt>> {
        let attempts = &self.run(list.run_id)?.attempts;
        if let Some(task_id) = list.task_id {
            self.task_of_run(task_id, list.run_id)?;
        }
        let wanted = |attempt: &TaskAttempt| list.task_id.is_none_or(|id| id == attempt.task_id);
        Ok(page(attempts, wanted, list.page))
    }

    pub(crate) fn add_event(&mut self, new: NewEvent, now: Timestamp) -> Result<Event> {
        self.check_task_of_claim(new.fence)?;
        self.run(new.run_id)?;
        let event = create::event(new.run_id, 0, new.draft, now);
        if let Some(repeated) = self.find_repeated(|run| &run.events, &event)? {
            return Ok(repeated);
        }
        self.check_fence(new.fence, new.run_id)?;
        self.push_event(new.run_id, event)
    }

    /// Adds an event under the run's next number.
    pub(crate) fn push_event(&mut self, run_id: RunId, event: Event) -> Result<Event> {
        let seq = self.run(run_id)?.events.len() as u64 + 1;
        self.push_record(run_id, |run| &mut run.events, Event { seq, ..event })
    }

    pub(crate) fn push_event_draft(
        &mut self,
        run_id: RunId,
        draft: EventDraft,
        now: Timestamp,
    ) -> Result<Event> {
        self.push_event(run_id, create::event(run_id, 0, draft, now))
    }

    pub(crate) fn recent_events(&self, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
        Ok(last(&self.run(run_id)?.events, limit))
    }

    pub(crate) fn list_events(&self, list: &ListEvents) -> Result<Page<Event>> {
        Ok(page(&self.run(list.run_id)?.events, |_| true, list.page))
    }

    pub(crate) fn add_artifact(&mut self, new: NewArtifact, now: Timestamp) -> Result<Artifact> {
        self.check_task_of_claim(new.fence)?;
        self.run(new.run_id)?;
        let artifact = create::artifact(new.run_id, new.draft, now);
        if let Some(repeated) = self.find_repeated(|run| &run.artifacts, &artifact)? {
            return Ok(repeated);
        }
        self.check_fence(new.fence, new.run_id)?;
        self.push_record(new.run_id, |run| &mut run.artifacts, artifact)
    }

    pub(crate) fn list_artifacts(&self, list: &ListArtifacts) -> Result<Page<Artifact>> {
        let wanted = |artifact: &Artifact| list.role.is_none() || list.role == artifact.role;
        Ok(page(&self.run(list.run_id)?.artifacts, wanted, list.page))
    }

    pub(crate) fn add_approval(&mut self, new: NewApproval, now: Timestamp) -> Result<Approval> {
        let run_id = new.run_id;
        self.run(run_id)?;
        let approval = create::approval(new, now);
        match self.find_repeated(|run| &run.approvals, &approval)? {
            Some(repeated) => Ok(repeated),
            None => self.push_record(run_id, |run| &mut run.approvals, approval),
        }
    }

    pub(crate) fn list_approvals(&self, list: &ListApprovals) -> Result<Page<Approval>> {
        let wanted = |approval: &Approval| {
            let source = list.source.as_ref();
            source.is_none_or(|source| *source == approval.source)
        };
        Ok(page(&self.run(list.run_id)?.approvals, wanted, list.page))
    }

    pub(crate) fn latest_approval(
        &self,
        run_id: RunId,
        source: &ApprovalSource,
    ) -> Result<Option<Approval>> {
        let approvals = self.run(run_id)?.approvals.iter().rev();
        let mut of_source = approvals.filter(|approval| approval.source == *source);
        Ok(of_source.next().cloned())
    }

    pub(crate) fn add_checkpoint(
        &mut self,
        new: NewCheckpoint,
        now: Timestamp,
    ) -> Result<Checkpoint> {
        let (run_id, fence) = (new.run_id, new.fence);
        self.check_task_of_claim(fence)?;
        self.run(run_id)?;
        let checkpoint = create::checkpoint(new, now);
        if let Some(repeated) = self.find_repeated(|run| &run.checkpoints, &checkpoint)? {
            return Ok(repeated);
        }
        self.check_fence(fence, run_id)?;
        self.push_record(run_id, |run| &mut run.checkpoints, checkpoint)
    }

    pub(crate) fn latest_checkpoint(&self, run_id: RunId) -> Result<Option<Checkpoint>> {
        Ok(self.run(run_id)?.checkpoints.last().cloned())
    }

    pub(crate) fn list_checkpoints(&self, list: &ListCheckpoints) -> Result<Page<Checkpoint>> {
        Ok(page(
            &self.run(list.run_id)?.checkpoints,
            |_| true,
            list.page,
        ))
    }
}
