//! The journal: events (clause J1), attempts (J3), artifacts (J4), approvals (J5), checkpoints (J6).

use std::ops::{Bound, RangeInclusive};

use runstore_core::rules::retry::{self, Created};
use runstore_core::rules::{claims, create};
use runstore_core::{
    Approval, ApprovalSource, Artifact, Checkpoint, ClaimToken, Cursor, Event, EventDraft,
    ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, NewApproval,
    NewArtifact, NewAttempt, NewCheckpoint, NewEvent, Page, PageRequest, Result, RunId,
    TaskAttempt, TaskId, TaskStanding, Timestamp, Uuid,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::Json;
use crate::schema::Tables;
use crate::table::{Access, Table, Writing};

/// The records of one kind: numbered 1, 2, 3 … within their run, and found by their ids.
pub(crate) struct Journal<A: Access, T: 'static> {
    records: Table<A, (Uuid, u64), Json<T>>,
    ids: Table<A, Uuid, (Uuid, u64)>,
}

impl<A: Access, T: Created + DeserializeOwned + 'static> Journal<A, T> {
    pub(crate) fn new(access: A, records: &'static str, ids: &'static str) -> Self {
        Self {
            records: Table::new(access, records),
            ids: Table::new(access, ids),
        }
    }

    pub(crate) fn open(&self) -> Result<()> {
        self.records.open()?;
        self.ids.open()?;
        Ok(())
    }

    /// The number of the run's last record, which is also how many there are: only the end of the run
    /// takes any away.
    pub(crate) fn last_number(&self, run_id: RunId) -> Result<u64> {
        Ok(self.records.last_number(all_of(run_id))?.unwrap_or(0))
    }

    /// The answer of a call that would create `new`, if its id is taken (clause G9).
    pub(crate) fn find_repeated(&self, new: &T) -> Result<Option<T>> {
        let Some(id) = new.stored_id() else {
            return Ok(None);
        };
        let Some(place) = self.ids.find(id)? else {
            return Ok(None);
        };
        retry::answer(self.records.get(place)?, new).map(Some)
    }

    pub(crate) fn last(&self, run_id: RunId) -> Result<Option<T>> {
        let mut rows = self.records.rows(all_of(run_id))?.rev();
        rows.next()
            .map(|row| row.map(|(_, record)| record))
            .transpose()
    }

    /// The last `count` records, oldest first.
    pub(crate) fn recent(&self, run_id: RunId, count: u32) -> Result<Vec<T>> {
        let rows = self.records.rows(all_of(run_id))?.rev();
        let records = rows.map(|row| row.map(|(_, record)| record));
        let mut records = records.take(count as usize).collect::<Result<Vec<_>>>()?;
        records.reverse();
        Ok(records)
    }

    fn page(
        &self,
        run_id: RunId,
        request: PageRequest,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Page<T>> {
        let rows = self.records.rows(after(run_id.as_uuid(), request))?;
        page(rows, request, wanted)
    }
}

impl<T: Created + Serialize + DeserializeOwned + 'static> Journal<Writing<'_>, T> {
    /// Adds a record under the run's next number, which is returned.
    fn push(&mut self, run_id: RunId, record: &T) -> Result<u64> {
        let number = self.last_number(run_id)? + 1;
        self.put(run_id, number, record)?;
        Ok(number)
    }

    fn put(&mut self, run_id: RunId, number: u64, record: &T) -> Result<()> {
        let place = (run_id.as_uuid(), number);
        self.records.write(place, record)?;
        match record.stored_id() {
            Some(id) => self.ids.put(id, place),
            None => Ok(()),
        }
    }

    pub(crate) fn remove_run(&mut self, run_id: RunId) -> Result<()> {
        for row in self.records.rows(all_of(run_id))? {
            if let Some(id) = row?.1.stored_id() {
                self.ids.remove(id)?;
            }
        }
        self.records.remove_range(all_of(run_id))
    }
}

fn all_of(run_id: RunId) -> RangeInclusive<(Uuid, u64)> {
    let run_id = run_id.as_uuid();
    (run_id, 0)..=(run_id, u64::MAX)
}

/// A part of a table that is keyed by an id and a number.
type Keys = (Bound<(Uuid, u64)>, Bound<(Uuid, u64)>);

/// The keys that begin with `id` and come after the place that a page begins at.
fn after(id: Uuid, request: PageRequest) -> Keys {
    let number = request.after.map_or(0, Cursor::number);
    (
        Bound::Excluded((id, number)),
        Bound::Included((id, u64::MAX)),
    )
}

/// The page that begins with the first of these rows.
pub(crate) fn page<T>(
    rows: impl Iterator<Item = Result<(u64, T)>>,
    request: PageRequest,
    wanted: impl Fn(&T) -> bool,
) -> Result<Page<T>> {
    let rows = rows.filter(|row| row.as_ref().map_or(true, |(_, record)| wanted(record)));
    let rows = rows
        .take(rows_of_page(request))
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::from_numbered(rows, request))
}

/// How many rows a page is made from: one more than its limit.
pub(crate) fn rows_of_page(request: PageRequest) -> usize {
    request
        .limit
        .map_or(usize::MAX, |limit| (limit as usize).saturating_add(1))
}

/// Checks the fence of a write, if it has one, on a task that stands like this.
fn check_fence(
    fence: Option<ClaimToken>,
    standing: Option<TaskStanding>,
    run_id: RunId,
) -> Result<()> {
    match fence {
        Some(token) => claims::check_fence(token, standing, run_id),
        None => Ok(()),
    }
}

impl<A: Access> Tables<A> {
    /// How the task of a fence stands: looked up once, and handed on to [`check_fence`].
    ///
    /// # Errors
    /// `StaleClaim` if its task is gone, before anything else is looked up.
    fn standing_of_fence(&self, fence: Option<ClaimToken>) -> Result<Option<TaskStanding>> {
        let Some(token) = fence else { return Ok(None) };
        let standing = self.find_standing(token.task_id)?;
        if standing.is_none() {
            claims::check_held(token, None)?;
        }
        Ok(standing)
    }

    pub(crate) fn latest_attempt(&self, task_id: TaskId) -> Result<Option<TaskAttempt>> {
        let run_id = self.task_state(task_id)?.run_id.as_uuid();
        let of_task = after(task_id.as_uuid(), PageRequest::all());
        match self.attempts_by_task.last_number(of_task)? {
            Some(number) => self.attempts.records.get((run_id, number)).map(Some),
            None => Ok(None),
        }
    }

    pub(crate) fn recent_attempts(&self, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>> {
        self.check_run(run_id)?;
        self.attempts.recent(run_id, limit)
    }

    pub(crate) fn list_attempts(&self, list: &ListAttempts) -> Result<Page<TaskAttempt>> {
        let run_id = list.run_id;
        self.check_run(run_id)?;
        let Some(task_id) = list.task_id else {
            return self.attempts.page(run_id, list.page, |_| true);
        };
        self.check_task_of_run(task_id, run_id)?;
        let numbers = self
            .attempts_by_task
            .rows(after(task_id.as_uuid(), list.page))?;
        let rows = numbers.map(|number| {
            let (number, ()) = number?;
            let attempt = self.attempts.records.get((run_id.as_uuid(), number))?;
            Ok((number, attempt))
        });
        page(rows, list.page, |_| true)
    }

    pub(crate) fn recent_events(&self, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
        self.check_run(run_id)?;
        self.events.recent(run_id, limit)
    }

    pub(crate) fn list_events(&self, list: &ListEvents) -> Result<Page<Event>> {
        self.check_run(list.run_id)?;
        self.events.page(list.run_id, list.page, |_| true)
    }

    pub(crate) fn list_artifacts(&self, list: &ListArtifacts) -> Result<Page<Artifact>> {
        self.check_run(list.run_id)?;
        let wanted = |artifact: &Artifact| list.role.is_none() || list.role == artifact.role;
        self.artifacts.page(list.run_id, list.page, wanted)
    }

    pub(crate) fn list_approvals(&self, list: &ListApprovals) -> Result<Page<Approval>> {
        self.check_run(list.run_id)?;
        let source = list.source.as_ref();
        let wanted = |approval: &Approval| source.is_none_or(|source| *source == approval.source);
        self.approvals.page(list.run_id, list.page, wanted)
    }

    pub(crate) fn latest_approval(
        &self,
        run_id: RunId,
        source: &ApprovalSource,
    ) -> Result<Option<Approval>> {
        self.check_run(run_id)?;
        for row in self.approvals.records.rows(all_of(run_id))?.rev() {
            let (_, approval) = row?;
            if approval.source == *source {
                return Ok(Some(approval));
            }
        }
        Ok(None)
    }

    pub(crate) fn latest_checkpoint(&self, run_id: RunId) -> Result<Option<Checkpoint>> {
        self.check_run(run_id)?;
        self.checkpoints.last(run_id)
    }

    pub(crate) fn list_checkpoints(&self, list: &ListCheckpoints) -> Result<Page<Checkpoint>> {
        self.check_run(list.run_id)?;
        self.checkpoints.page(list.run_id, list.page, |_| true)
    }
}

impl Tables<Writing<'_>> {
    pub(crate) fn add_attempt(&mut self, new: NewAttempt, now: Timestamp) -> Result<TaskAttempt> {
        let standing = self.standing_of_fence(new.fence)?;
        let run_id = self.task_state(new.task_id)?.run_id;
        let (task_id, number) = (new.task_id, new.attempt_number);
        let attempt = create::attempt(run_id, task_id, number, new.report, now);
        if let Some(repeated) = self.attempts.find_repeated(&attempt)? {
            return Ok(repeated);
        }
        check_fence(new.fence, standing, run_id)?;
        self.push_attempt(&attempt)?;
        Ok(attempt)
    }

    pub(crate) fn push_attempt(&mut self, attempt: &TaskAttempt) -> Result<()> {
        let number = self.attempts.push(attempt.run_id, attempt)?;
        let of_task = (attempt.task_id.as_uuid(), number);
        self.attempts_by_task.put(of_task, ())
    }

    pub(crate) fn add_event(&mut self, new: NewEvent, now: Timestamp) -> Result<Event> {
        let standing = self.standing_of_fence(new.fence)?;
        self.check_run(new.run_id)?;
        let event = create::event(new.run_id, 0, new.draft, now);
        if let Some(repeated) = self.events.find_repeated(&event)? {
            return Ok(repeated);
        }
        check_fence(new.fence, standing, new.run_id)?;
        self.push_event(event)
    }

    /// Adds an event under the run's next number, whatever number it has.
    pub(crate) fn push_event(&mut self, event: Event) -> Result<Event> {
        let seq = self.events.last_number(event.run_id)? + 1;
        let event = Event { seq, ..event };
        self.events.put(event.run_id, seq, &event)?;
        Ok(event)
    }

    pub(crate) fn push_event_draft(
        &mut self,
        run_id: RunId,
        draft: EventDraft,
        now: Timestamp,
    ) -> Result<Event> {
        self.push_event(create::event(run_id, 0, draft, now))
    }

    pub(crate) fn add_artifact(&mut self, new: NewArtifact, now: Timestamp) -> Result<Artifact> {
        let standing = self.standing_of_fence(new.fence)?;
        self.check_run(new.run_id)?;
        let artifact = create::artifact(new.run_id, new.draft, now);
        if let Some(repeated) = self.artifacts.find_repeated(&artifact)? {
            return Ok(repeated);
        }
        check_fence(new.fence, standing, new.run_id)?;
        self.push_artifact(&artifact)?;
        Ok(artifact)
    }

    pub(crate) fn push_artifact(&mut self, artifact: &Artifact) -> Result<()> {
        self.artifacts.push(artifact.run_id, artifact).map(drop)
    }

    pub(crate) fn add_approval(&mut self, new: NewApproval, now: Timestamp) -> Result<Approval> {
        self.check_run(new.run_id)?;
        let approval = create::approval(new, now);
        if let Some(repeated) = self.approvals.find_repeated(&approval)? {
            return Ok(repeated);
        }
        self.approvals.push(approval.run_id, &approval)?;
        Ok(approval)
    }

    pub(crate) fn add_checkpoint(
        &mut self,
        new: NewCheckpoint,
        now: Timestamp,
    ) -> Result<Checkpoint> {
        let (run_id, fence) = (new.run_id, new.fence);
        let standing = self.standing_of_fence(fence)?;
        self.check_run(run_id)?;
        let checkpoint = create::checkpoint(new, now);
        if let Some(repeated) = self.checkpoints.find_repeated(&checkpoint)? {
            return Ok(repeated);
        }
        check_fence(fence, standing, run_id)?;
        self.checkpoints.push(run_id, &checkpoint)?;
        Ok(checkpoint)
    }
}
