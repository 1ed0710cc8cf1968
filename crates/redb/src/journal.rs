//! The journal: events (clause J1), attempts (J3), artifacts (J4), approvals (J5), checkpoints (J6).

use std::ops::{Bound, RangeInclusive};

use runstore_core::rules::retry::{self, Created};
use runstore_core::rules::{claims, create};
use runstore_core::{
    Approval, ApprovalSource, Artifact, Checkpoint, ClaimToken, Cursor, Error, Event, EventDraft,
    ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, NewApproval,
    NewArtifact, NewAttempt, NewCheckpoint, NewEvent, Page, PageRequest, RecordKind, Result, RunId,
    TaskAttempt, TaskId, TaskStanding, Timestamp, Uuid,
};

use crate::codec::{Binary, Record};
use crate::parts::Kept;
use crate::schema::Tables;
use crate::states::{Found, RunKey, TaskKey};
use crate::table::{Access, Table, Writing};

/// The records of one kind: numbered 1, 2, 3 … within their run, and found by their ids.
pub(crate) struct Journal<A: Access, T: Record> {
    records: Table<A, (u64, u64), Binary<T>>,
    ids: Table<A, Uuid, (u64, u64)>,
    /// The run that was written to last in this transaction, with the number of its last record.
    last: Option<(RunKey, u64)>,
}

impl<A: Access, T: Created + Record> Journal<A, T> {
    pub(crate) fn new(access: A, records: &'static str, ids: &'static str) -> Self {
        Self {
            records: Table::new(access, records),
            ids: Table::new(access, ids),
            last: None,
        }
    }

    pub(crate) fn open(&self) -> Result<()> {
        self.records.open()?;
        self.ids.open()?;
        Ok(())
    }

    /// The number of the run's last record, which is also how many there are: only the end of the run
    /// takes any away.
    pub(crate) fn last_number(&self, run: RunKey) -> Result<u64> {
        match self.last {
            Some((of, number)) if of == run => Ok(number),
            _ => Ok(self.records.last_number(all_of(run))?.unwrap_or(0)),
        }
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

    pub(crate) fn last(&self, run: RunKey) -> Result<Option<T>> {
        let mut rows = self.records.rows(all_of(run))?.rev();
        rows.next()
            .map(|row| row.map(|(_, record)| record))
            .transpose()
    }

    /// The last `count` records, oldest first.
    pub(crate) fn recent(&self, run: RunKey, count: u32) -> Result<Vec<T>> {
        let rows = self.records.rows(all_of(run))?.rev();
        let records = rows.map(|row| row.map(|(_, record)| record));
        let mut records = records.take(count as usize).collect::<Result<Vec<_>>>()?;
        records.reverse();
        Ok(records)
    }

    fn page(
        &self,
        run: RunKey,
        request: PageRequest,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<Page<T>> {
        let rows = self.records.rows(after(run, request))?;
        page(rows, request, wanted)
    }
}

impl<T: Created + Record> Journal<Writing<'_>, T> {
    /// Adds a record under the run's next number, which is returned.
    fn push(&mut self, run: RunKey, record: &T) -> Result<u64> {
        let number = self.last_number(run)? + 1;
        self.put(run, number, record)?;
        Ok(number)
    }

    /// Adds a record under that number, which is the run's next one.
    pub(crate) fn put(&mut self, run: RunKey, number: u64, record: &T) -> Result<()> {
        let place = (run.number, number);
        self.records.write(place, record)?;
        if let Some(id) = record.stored_id() {
            self.ids.put(id, place)?;
        }
        self.last = Some((run, number));
        Ok(())
    }

    pub(crate) fn remove_run(&mut self, run: RunKey) -> Result<()> {
        self.last = None;
        for row in self.records.rows(all_of(run))? {
            if let Some(id) = row?.1.stored_id() {
                self.ids.remove(id)?;
            }
        }
        self.records.remove_range(all_of(run))
    }
}

fn all_of(run: RunKey) -> RangeInclusive<(u64, u64)> {
    (run.number, 0)..=(run.number, u64::MAX)
}

/// A part of a table that is keyed by a run and a number.
type Keys = (Bound<(u64, u64)>, Bound<(u64, u64)>);

/// The keys of a run that come after the place that a page begins at.
pub(crate) fn after(run: RunKey, request: PageRequest) -> Keys {
    let number = request.after.map_or(0, Cursor::number);
    (
        Bound::Excluded((run.number, number)),
        Bound::Included((run.number, u64::MAX)),
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
        let found = self.get_state(task_id)?;
        match found.state.kept.last_attempt {
            0 => Ok(None),
            number => {
                let attempt = self.attempts.records.get((found.run.number, number));
                attempt.map(Some)
            }
        }
    }

    pub(crate) fn recent_attempts(&self, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>> {
        self.attempts.recent(self.run_key(run_id)?, limit)
    }

    pub(crate) fn list_attempts(&self, list: &ListAttempts) -> Result<Page<TaskAttempt>> {
        let run = self.run_key(list.run_id)?;
        let Some(task_id) = list.task_id else {
            return self.attempts.page(run, list.page, |_| true);
        };
        let found = self.find_state(task_id)?;
        let found = found.filter(|found| found.run == run);
        let found = found.ok_or_else(|| Error::not_found(RecordKind::Task, task_id))?;
        let (run, position) = found.key();
        let after = list.page.after.map_or(0, Cursor::number);
        let earlier = (
            Bound::Excluded((run, position, after)),
            Bound::Included((run, position, u64::MAX)),
        );
        let earlier = self.earlier_attempts.keys(earlier, |(.., number)| number)?;
        let last = Some(found.state.kept.last_attempt).filter(|last| *last > after);
        let rows = earlier.chain(last.map(Ok)).map(|number| {
            let number = number?;
            Ok((number, self.attempts.records.get((run, number))?))
        });
        page(rows, list.page, |_| true)
    }

    pub(crate) fn recent_events(&self, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
        self.events.recent(self.run_key(run_id)?, limit)
    }

    pub(crate) fn list_events(&self, list: &ListEvents) -> Result<Page<Event>> {
        let run = self.run_key(list.run_id)?;
        self.events.page(run, list.page, |_| true)
    }

    pub(crate) fn list_artifacts(&self, list: &ListArtifacts) -> Result<Page<Artifact>> {
        let run = self.run_key(list.run_id)?;
        let wanted = |artifact: &Artifact| list.role.is_none() || list.role == artifact.role;
        self.artifacts.page(run, list.page, wanted)
    }

    pub(crate) fn list_approvals(&self, list: &ListApprovals) -> Result<Page<Approval>> {
        let run = self.run_key(list.run_id)?;
        let source = list.source.as_ref();
        let wanted = |approval: &Approval| source.is_none_or(|source| *source == approval.source);
        self.approvals.page(run, list.page, wanted)
    }

    pub(crate) fn latest_approval(
        &self,
        run_id: RunId,
        source: &ApprovalSource,
    ) -> Result<Option<Approval>> {
        let run = self.run_key(run_id)?;
        for row in self.approvals.records.rows(all_of(run))?.rev() {
            let (_, approval) = row?;
            if approval.source == *source {
                return Ok(Some(approval));
            }
        }
        Ok(None)
    }

    pub(crate) fn latest_checkpoint(&self, run_id: RunId) -> Result<Option<Checkpoint>> {
        self.checkpoints.last(self.run_key(run_id)?)
    }

    pub(crate) fn list_checkpoints(&self, list: &ListCheckpoints) -> Result<Page<Checkpoint>> {
        let run = self.run_key(list.run_id)?;
        self.checkpoints.page(run, list.page, |_| true)
    }
}

impl Tables<Writing<'_>> {
    pub(crate) fn add_attempt(&mut self, new: NewAttempt, now: Timestamp) -> Result<TaskAttempt> {
        let found = self.find_state(new.task_id)?;
        let standing = match new.fence {
            Some(token) if token.task_id == new.task_id && found.is_some() => {
                found.as_ref().map(Found::standing)
            }
            fence => self.standing_of_fence(fence)?,
        };
        let found = found.ok_or_else(|| Error::not_found(RecordKind::Task, new.task_id))?;
        let run_id = found.run.id;
        let (task_id, number) = (new.task_id, new.attempt_number);
        let attempt = create::attempt(run_id, task_id, number, new.report, now);
        if let Some(repeated) = self.attempts.find_repeated(&attempt)? {
            return Ok(repeated);
        }
        check_fence(new.fence, standing, run_id)?;
        let last_attempt = self.push_attempt(found.key(), found.state.kept, &attempt)?;
        let attach = |found: &mut Found| found.state.kept.last_attempt = last_attempt;
        self.change_state(found, attach, now)?;
        Ok(attempt)
    }

    /// Adds an attempt at a task of which that is kept. Its number in the run is then to be kept too.
    pub(crate) fn push_attempt(
        &mut self,
        (run, position): TaskKey,
        kept: Kept,
        attempt: &TaskAttempt,
    ) -> Result<u64> {
        if kept.last_attempt != 0 {
            let earlier = (run, position, kept.last_attempt);
            self.earlier_attempts.put(earlier, ())?;
        }
        let id = attempt.run_id;
        self.attempts.push(RunKey { id, number: run }, attempt)
    }

    pub(crate) fn add_event(&mut self, new: NewEvent, now: Timestamp) -> Result<Event> {
        let standing = self.standing_of_fence(new.fence)?;
        let run = self.run_key(new.run_id)?;
        let event = create::event(run.id, 0, new.draft, now);
        if let Some(repeated) = self.events.find_repeated(&event)? {
            return Ok(repeated);
        }
        check_fence(new.fence, standing, run.id)?;
        self.push_event(run, event)
    }

    /// Adds an event under the run's next number, whatever number it has.
    pub(crate) fn push_event(&mut self, run: RunKey, event: Event) -> Result<Event> {
        let seq = self.events.last_number(run)? + 1;
        let event = Event { seq, ..event };
        self.events.put(run, seq, &event)?;
        Ok(event)
    }

    pub(crate) fn push_event_draft(
        &mut self,
        run: RunKey,
        draft: EventDraft,
        now: Timestamp,
    ) -> Result<Event> {
        self.push_event(run, create::event(run.id, 0, draft, now))
    }

    pub(crate) fn add_artifact(&mut self, new: NewArtifact, now: Timestamp) -> Result<Artifact> {
        let standing = self.standing_of_fence(new.fence)?;
        let run = self.run_key(new.run_id)?;
        let artifact = create::artifact(run.id, new.draft, now);
        if let Some(repeated) = self.artifacts.find_repeated(&artifact)? {
            return Ok(repeated);
        }
        check_fence(new.fence, standing, run.id)?;
        self.push_artifact(run, &artifact)?;
        Ok(artifact)
    }

    pub(crate) fn push_artifact(&mut self, run: RunKey, artifact: &Artifact) -> Result<()> {
        self.artifacts.push(run, artifact).map(drop)
    }

    pub(crate) fn add_approval(&mut self, new: NewApproval, now: Timestamp) -> Result<Approval> {
        let run = self.run_key(new.run_id)?;
        let approval = create::approval(new, now);
        if let Some(repeated) = self.approvals.find_repeated(&approval)? {
            return Ok(repeated);
        }
        self.approvals.push(run, &approval)?;
        Ok(approval)
    }

    pub(crate) fn add_checkpoint(
        &mut self,
        new: NewCheckpoint,
        now: Timestamp,
    ) -> Result<Checkpoint> {
        let fence = new.fence;
        let standing = self.standing_of_fence(fence)?;
        let run = self.run_key(new.run_id)?;
        let checkpoint = create::checkpoint(new, now);
        if let Some(repeated) = self.checkpoints.find_repeated(&checkpoint)? {
            return Ok(repeated);
        }
        check_fence(fence, standing, run.id)?;
        self.checkpoints.push(run, &checkpoint)?;
        Ok(checkpoint)
    }
}
