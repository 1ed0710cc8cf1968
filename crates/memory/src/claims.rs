//! Claims (clauses C1 to C5, C7, C8 and C10).

use runstore_core::rules::claims::{Extension, Offer};
use runstore_core::rules::tasks::Changed;
use runstore_core::rules::{claims, create, events, tasks};
use runstore_core::{
    Claim, ClaimRequest, ClaimToken, FinishReport, Heartbeat, Result, RunId, Task, TaskId,
    Timestamp,
};

use crate::state::State;

impl State {
    pub(crate) fn claim_next_task(
        &mut self,
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Option<Claim>> {
        Ok(self.claim_tasks(request, 1, now)?.pop())
    }

    pub(crate) fn claim_tasks(
        &mut self,
        request: &ClaimRequest,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Claim>> {
        let scope = request.run_id;
        self.take_up_due(scope, now)?;
        let mut claimed = Vec::new();
        while claimed.len() < limit as usize
            && let Some(task_id) = self.queue_of(scope)?.first()
        {
            let unmet = self.scheduled.get(&task_id).map_or(0, |task| task.unmet);
            match claims::offer(self.get_task(task_id)?, unmet, request, now)? {
                Offer::Taken(task) => {
                    let task = self.put_task(task, now)?;
                    claimed.push(Claim { task });
                }
                Offer::Exhausted(task, event) => {
                    let event = Some(event);
                    self.put_changed(Changed { task, event }, now)?;
                }
                Offer::NotYet(_) => self.put_into_place(task_id, now)?,
            }
        }
        Ok(claimed)
    }

    /// Claims these tasks, in turn or not.
    pub(crate) fn claim_these(
        &mut self,
        task_ids: Vec<TaskId>,
        request: &ClaimRequest,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Claim>> {
        let mut claimed = Vec::new();
        for task_id in task_ids {
            if claimed.len() >= limit as usize {
                break;
            }
            let task = self.get_task(task_id)?;
            let bound = task.max_attempts.or(request.max_attempts);
            if tasks::is_exhausted(&task, bound) {
                let from = task.status;
                let task = tasks::exhausted(task, now);
                let event = Some(events::max_attempts(&task, from, bound));
                self.put_changed(Changed { task, event }, now)?;
            } else {
                let task = self.put_task(tasks::claimed(task, request, now)?, now)?;
                claimed.push(Claim { task });
            }
        }
        Ok(claimed)
    }

    pub(crate) fn heartbeat(
        &mut self,
        beat: Heartbeat,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let Heartbeat { token, lease, .. } = beat;
        let extension = claims::extended(token, self.standing(token.task_id), lease, now)?;
        if let Extension::Extended(expires) = extension {
            let task = Task {
                lease_expires_at: Some(expires),
                updated_at: now,
                ..self.get_task(token.task_id)?
            };
            self.put_task(task, now)?;
        }
        Ok(extension.until())
    }

    pub(crate) fn finish_task(
        &mut self,
        token: ClaimToken,
        report: FinishReport,
        now: Timestamp,
    ) -> Result<Task> {
        let standing = self.standing(token.task_id);
        if let Some(standing) = standing
            && self.run(standing.run_id)?.finished.contains(&token)
        {
            return self.get_task(token.task_id);
        }
        claims::check_held(token, standing)?;
        let task = self.get_task(token.task_id)?;
        let run_id = task.run_id;

        let number = token.attempt_number;
        let attempt = create::attempt(run_id, task.id, number, report.attempt, now);
        // Everything that can refuse the report comes before the first change.
        let attempt_is_stored = self.find_repeated(|run| &run.attempts, &attempt)?.is_some();
        let mut events = Vec::new();
        for draft in report.events {
            let event = create::event(run_id, 0, draft, now);
            if self.find_repeated(|run| &run.events, &event)?.is_none() {
                events.push(event);
            }
        }
        let mut artifacts = Vec::new();
        for draft in report.artifacts {
            let artifact = create::artifact(run_id, draft, now);
            if self
                .find_repeated(|run| &run.artifacts, &artifact)?
                .is_none()
            {
                artifacts.push(artifact);
            }
        }
        let finished = tasks::finished(task, report.outcome, now)?;

        if !attempt_is_stored {
            self.push_record(run_id, |run| &mut run.attempts, attempt)?;
        }
        for event in events {
            self.push_event(run_id, event)?;
        }
        for artifact in artifacts {
            self.push_record(run_id, |run| &mut run.artifacts, artifact)?;
        }
        self.run_mut(run_id)?.finished.insert(token);
        self.put_changed(finished, now)
    }

    /// Checks that the task of the claim is still there, before anything else is looked up.
    pub(crate) fn check_task_of_claim(&self, fence: Option<ClaimToken>) -> Result<()> {
        match fence {
            Some(token) if self.find_task(token.task_id).is_none() => {
                claims::check_held(token, None)
            }
            _ => Ok(()),
        }
    }

    /// Checks the fence of a write, if it has one.
    pub(crate) fn check_fence(&self, fence: Option<ClaimToken>, run_id: RunId) -> Result<()> {
        match fence {
            Some(token) => claims::check_fence(token, self.standing(token.task_id), run_id),
            None => Ok(()),
        }
    }
}
