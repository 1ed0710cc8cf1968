//! Claims (clauses C1 to C5, C7, C8 and C10).

use runstore_core::rules::claims::{Extension, Offer};
use runstore_core::rules::schedule::Place;
use runstore_core::rules::tasks::Changed;
use runstore_core::rules::{claims, create, tasks};
use runstore_core::{
    Claim, ClaimRequest, ClaimToken, Error, FinishReport, Heartbeat, RecordKind, Result, Task,
    Timestamp,
};

use crate::error;
use crate::parts::TaskState;
use crate::schedule::Indexed;
use crate::schema::Tables;
use crate::table::Writing;

impl Tables<Writing<'_>> {
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
        self.check_scope(request.run_id)?;
        self.take_up_due(request.run_id, now)?;
        let mut claimed = Vec::new();
        for (was, offer) in self.offers(request, limit as usize, now)? {
            match offer {
                Offer::Taken(task) => {
                    self.put_changed(&was, &task, now)?;
                    claimed.push(Claim { task });
                }
                Offer::Exhausted(task, event) => {
                    let event = Some(event);
                    self.put_with_event(&was, Changed { task, event }, now)?;
                }
                Offer::NotYet(place) => self.put_into_place(was.slot, was.place, place)?,
            }
        }
        Ok(claimed)
    }

    /// What becomes of the tasks that a claim comes to, up to the last that it takes. All of it is
    /// decided before the first change: a batch goes on after a refusal, and would keep what was changed.
    fn offers(
        &self,
        request: &ClaimRequest,
        wanted: usize,
        now: Timestamp,
    ) -> Result<Vec<(Indexed, Offer)>> {
        let mut offers = Vec::new();
        let mut taken = 0;
        for task_id in self.ready_tasks(request.run_id)? {
            let task_id = task_id?;
            let state = self.task_states.get(task_id.as_uuid())?;
            let (task, was) = self.with_plan(task_id, state)?;
            if was.place != Place::Ready {
                return Err(error::contradicted(self.ready.name(), &task_id));
            }
            let offer = claims::offer(task, was.unmet, request, now)?;
            taken += usize::from(matches!(offer, Offer::Taken(_)));
            offers.push((was, offer));
            if taken == wanted {
                break;
            }
        }
        Ok(offers)
    }

    pub(crate) fn heartbeat(
        &mut self,
        beat: Heartbeat,
        now: Timestamp,
    ) -> Result<Option<Timestamp>> {
        let Heartbeat { token, lease, .. } = beat;
        let state = self.task_states.find(token.task_id.as_uuid())?;
        let standing = state.as_ref().map(TaskState::standing);
        let extension = claims::extended(token, standing, lease, now)?;
        if let (Extension::Extended(until), Some(mut state)) = (extension, state) {
            let was = self.indexed(token.task_id, &state)?;
            state.lease_expires_at = Some(until);
            state.updated_at = now;
            self.put_state(&was, &state, now)?;
        }
        Ok(extension.until())
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
        let found = self.find_for_change(token.task_id)?;
        claims::check_held(token, found.as_ref().map(|(task, _)| task.standing()))?;
        let (task, was) = found.ok_or_else(|| Error::not_found(RecordKind::Task, token.task_id))?;
        let run_id = task.run_id;

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
        self.put_with_event(&was, finished, now)
    }
}
