//! Claims (clauses C1 to C5, C7, C8 and C10).

use runstore_core::rules::claims::{Extension, Offer};
use runstore_core::rules::schedule::Place;
use runstore_core::rules::tasks::Changed;
use runstore_core::rules::{claims, create, tasks};
use runstore_core::{
    Claim, ClaimRequest, ClaimToken, Error, FinishReport, Heartbeat, RecordKind, Result, Task,
    TaskStatus, Timestamp,
};

use crate::error;
use crate::schedule::Indexed;
use crate::schema::Tables;
use crate::states::{Found, RunKey};
use crate::table::{Access, Writing};

impl<A: Access> Tables<A> {
    /// Whether the claim ended with a report (clause C5).
    pub(crate) fn is_reported(&self, token: ClaimToken, found: &Found) -> Result<bool> {
        if token.attempt_number == found.state.attempt_count {
            return Ok(found.state.kept.is_reported);
        }
        let (run, position) = found.key();
        let claim = (run, position, token.attempt_number);
        self.finished_claims.contains(claim)
    }
}

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
        let scope = self.run_in_scope(request.run_id)?;
        self.take_up_due(scope, now)?;
        if scope.is_none() {
            self.ready.settle()?;
        }
        let mut claimed = Vec::new();
        for (was, offer) in self.offers(request, scope, limit as usize, now)? {
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
        scope: Option<RunKey>,
        wanted: usize,
        now: Timestamp,
    ) -> Result<Vec<(Indexed, Offer)>> {
        let mut offers = Vec::new();
        let mut taken = 0;
        let run = scope.map(|run| run.number);
        for key in self.ready.tasks(run, i64::MAX)? {
            let (run, position) = key?;
            let run = self.run_numbered(run, scope)?;
            let found = self.state_at(run, position, TaskStatus::Pending)?;
            let (task, was) = self.for_change(found)?;
            if was.place != Place::Ready {
                return Err(error::contradicted(self.ready.name(), &task.id));
            }
            let offer = claims::offer(task, was.kept.unmet, request, now)?;
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
        let found = self.find_state(token.task_id)?;
        let standing = found.as_ref().map(Found::standing);
        let extension = claims::extended(token, standing, lease, now)?;
        if let (Extension::Extended(until), Some(found)) = (extension, found) {
            let extend = |found: &mut Found| {
                found.state.lease_expires_at = Some(until);
                found.state.updated_at = now;
            };
            self.change_state(found, extend, now)?;
        }
        Ok(extension.until())
    }

    pub(crate) fn finish_task(
        &mut self,
        token: ClaimToken,
        report: FinishReport,
        now: Timestamp,
    ) -> Result<Task> {
        let Some(found) = self.find_state(token.task_id)? else {
            claims::check_held(token, None)?;
            return Err(Error::not_found(RecordKind::Task, token.task_id));
        };
        if self.is_reported(token, &found)? {
            return self.task(found);
        }
        claims::check_held(token, Some(found.standing()))?;
        let (task, mut was) = self.for_change(found)?;
        let run = was.slot.run;

        let number = token.attempt_number;
        let attempt = create::attempt(run.id, task.id, number, report.attempt, now);
        // A batch goes on after a refusal, so everything that can refuse the report comes before the
        // first write.
        let attempt_is_stored = self.attempts.find_repeated(&attempt)?.is_some();
        let mut events = Vec::new();
        for draft in report.events {
            let event = create::event(run.id, 0, draft, now);
            if self.events.find_repeated(&event)?.is_none() {
                events.push(event);
            }
        }
        let mut artifacts = Vec::new();
        for draft in report.artifacts {
            let artifact = create::artifact(run.id, draft, now);
            if self.artifacts.find_repeated(&artifact)?.is_none() {
                artifacts.push(artifact);
            }
        }
        let finished = tasks::finished(task, report.outcome, now)?;

        if !attempt_is_stored {
            was.kept.last_attempt = self.push_attempt(was.slot.key(), was.kept, &attempt)?;
        }
        for event in events {
            self.push_event(run, event)?;
        }
        for artifact in &artifacts {
            self.push_artifact(run, artifact)?;
        }
        was.kept.is_reported = true;
        self.put_with_event(&was, finished, now)
    }
}
