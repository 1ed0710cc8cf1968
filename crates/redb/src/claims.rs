//! Claims (clauses C1 to C5).

use runstore_core::rules::{claims, create, tasks};
use runstore_core::{
    Claim, ClaimRequest, ClaimToken, FinishReport, Result, Task, TaskId, TaskStatus, Timestamp,
};

use crate::schema::Tables;
use crate::table::Writing;
use crate::tasks::tasks_in;

impl Tables<Writing<'_>> {
    pub(crate) fn claim_next_task(
        &mut self,
        request: &ClaimRequest,
        now: Timestamp,
    ) -> Result<Option<Claim>> {
        self.check_run(request.run_id)?;
        let pending = tasks_in(request.run_id, TaskStatus::Pending);
        let first = self.tasks_by_status.rows(pending)?.next().transpose()?;
        let Some((_, task_id)) = first else {
            return Ok(None);
        };
        let task = self.indexed_task(TaskId::from(task_id), TaskStatus::Pending)?;
        let task = tasks::claimed(task, now)?;
        self.put_changed(TaskStatus::Pending, &task)?;
        Ok(Some(Claim { task }))
    }

    pub(crate) fn finish_task(
        &mut self,
        token: ClaimToken,
        report: FinishReport,
        now: Timestamp,
    ) -> Result<Task> {
        let claim = (token.task_id.as_uuid(), token.attempt_number);
        if self.finished_claims.contains(claim)? {
            return self.get_task(token.task_id);
        }
        claims::check_held(token, self.find_standing(token.task_id)?)?;
        let task = self.get_task(token.task_id)?;
        let (run_id, from) = (task.run_id, task.status);

        let number = token.attempt_number;
        let attempt = create::attempt(run_id, task.id, number, report.attempt, now);
        // A batch goes on after a refusal, so everything that can refuse the report comes before the
        // first write.
        let attempt_is_stored = self.attempts.find_repeated(&attempt)?.is_some();
        let mut events = Vec::new();
        for draft in report.events {
            let event = create::event(run_id, 0, draft, now);
            if self.events.find_repeated(&event)?.is_none() {
                events.push(event);
            }
        }
        let mut artifacts = Vec::new();
        for draft in report.artifacts {
            let artifact = create::artifact(run_id, draft, now);
            if self.artifacts.find_repeated(&artifact)?.is_none() {
                artifacts.push(artifact);
            }
        }
        let finished = tasks::finished(task, report.outcome, now)?;

        if !attempt_is_stored {
            self.push_attempt(&attempt)?;
        }
        for event in events {
            self.push_event(event)?;
        }
        for artifact in &artifacts {
            self.push_artifact(artifact)?;
        }
        self.finished_claims.put(claim, ())?;
        self.put_changed(from, &finished)?;
        Ok(finished)
    }
}
