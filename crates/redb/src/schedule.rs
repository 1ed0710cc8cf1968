//! What a change of a task changes in the indexes: by status, in the queues, and in those of the tasks
//! that depend on it (clauses C1, C7 and C9).

use runstore_core::rules::schedule::{
    Place, available_from, concerns_dependents, place, unmet_after,
};
use runstore_core::{Error, RecordKind, Result, RunId, Task, TaskId, TaskStatus, Timestamp};

use crate::codec::Record;
use crate::error;
use crate::parts::{Kept, PlannedRow, StateRow};
use crate::queue::Queue;
use crate::schema::Tables;
use crate::states::{Found, RunKey, TaskKey};
use crate::table::{Access, Writing};

/// What a task's keys are made of, beside a time. Never changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) run: RunKey,
    pub(crate) position: u64,
    number: u64,
    priority: i32,
}

impl Slot {
    const fn of(found: &Found) -> Self {
        Self {
            run: found.run,
            position: found.position,
            number: found.state.kept.number,
            priority: found.state.priority,
        }
    }

    pub(crate) const fn key(self) -> TaskKey {
        self.run.task(self.position)
    }

    /// What orders the task in `ready`: the highest priority first, then as planned.
    fn rank(self) -> (i64, u64) {
        (-i64::from(self.priority), self.number)
    }
}

/// How the tables have a task, for the write that changes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Indexed {
    pub(crate) slot: Slot,
    pub(crate) status: TaskStatus,
    pub(crate) attempt_count: u32,
    pub(crate) place: Place,
    pub(crate) kept: Kept,
}

impl<A: Access> Tables<A> {
    /// The task of that state with what a write has to know to change it.
    pub(crate) fn for_change(&self, found: Found) -> Result<(Task, Indexed)> {
        let indexed = self.indexed(&found)?;
        Ok((self.task(found)?, indexed))
    }

    pub(crate) fn get_for_change(&self, task_id: TaskId) -> Result<(Task, Indexed)> {
        let found = self.find_state(task_id)?;
        self.for_change(found.ok_or_else(|| Error::not_found(RecordKind::Task, task_id))?)
    }

    pub(crate) fn indexed(&self, found: &Found) -> Result<Indexed> {
        let (slot, state) = (Slot::of(found), &found.state);
        // What time alone makes claimable is in `due` until a claim takes it up. Whether one has, only
        // the queue knows; what was claimable from the beginning of time is in `ready` in any case.
        let from = state.available_from(found.status);
        let place = match place(from, state.kept.unmet, Timestamp::MIN) {
            Place::Due(_) if self.ready.contains(slot.run.number, slot.rank())? => Place::Ready,
            place => place,
        };
        Ok(Indexed {
            slot,
            status: found.status,
            attempt_count: state.attempt_count,
            place,
            kept: state.kept,
        })
    }

    fn dependents(&self, (run, position): TaskKey) -> Result<Vec<u64>> {
        let keys = (run, position, 0)..=(run, position, u64::MAX);
        self.dependents
            .keys(keys, |(.., dependent)| dependent)?
            .collect()
    }

    /// When the first of the tasks becomes due that wait for a time, of a run or of all (clause C11).
    pub(crate) fn next_due(&self, scope: Option<RunId>) -> Result<Option<Timestamp>> {
        let run = self.run_in_scope(scope)?;
        let Some((micros, _)) = self.due.first(run.map(|run| run.number))? else {
            return Ok(None);
        };
        let time = Timestamp::from_micros(micros);
        let no_time = || error::contradicted(self.due.name(), &micros);
        time.map(Some).ok_or_else(no_time)
    }
}

impl<'t> Tables<Writing<'t>> {
    /// Adds a task that was just planned, with what the store keeps of it.
    pub(crate) fn put_new(
        &mut self,
        run: RunKey,
        task: &Task,
        kept: Kept,
        now: Timestamp,
    ) -> Result<()> {
        let key = run.task(task.position);
        self.task_ids.put(task.id.as_uuid(), key)?;
        self.tasks.write_row(key, &PlannedRow::of(task))?;
        self.states
            .write(key, task.status, &StateRow::of(task, kept))?;
        let slot = Slot {
            run,
            position: task.position,
            number: kept.number,
            priority: task.priority,
        };
        let to = place(available_from(task), kept.unmet, now);
        self.put_into_place(slot, Place::Nowhere, to)
    }

    /// Notes for each task of a run what depends on it, once all of them are there.
    pub(crate) fn put_dependencies<'d>(
        &mut self,
        run: RunKey,
        position: u64,
        depends_on: impl IntoIterator<Item = &'d TaskId>,
    ) -> Result<()> {
        for dependency in depends_on {
            let (_, dependency) = self.task_ids.get(dependency.as_uuid())?;
            self.dependents
                .put((run.number, dependency, position), ())?;
        }
        Ok(())
    }

    /// Writes a task that the tables had like this, and puts those that depend on it where they belong.
    pub(crate) fn put_changed(&mut self, was: &Indexed, task: &Task, now: Timestamp) -> Result<()> {
        let Indexed { slot, mut kept, .. } = *was;
        // The state tells of its last claim alone whether it ended with a report.
        if task.attempt_count != was.attempt_count && kept.is_reported {
            let (run, position) = slot.key();
            let claim = (run, position, was.attempt_count);
            self.finished_claims.put(claim, ())?;
            kept.is_reported = false;
        }
        let to = place(available_from(task), kept.unmet, now);
        self.put_state(was, task.status, &StateRow::of(task, kept), to)?;
        if concerns_dependents(was.status, task.status) {
            self.update_dependents(slot, task.status, now)?;
        }
        Ok(())
    }

    /// Writes the state of a task that the tables had like this. Entries that stay as they are are not
    /// written again.
    pub(crate) fn put_state(
        &mut self,
        was: &Indexed,
        status: TaskStatus,
        state: &StateRow<'_>,
        to: Place,
    ) -> Result<()> {
        let key = was.slot.key();
        if was.status != status {
            self.states.of_mut(was.status).remove(key)?;
        }
        self.states.write(key, status, state)?;
        self.put_into_place(was.slot, was.place, to)
    }

    /// Writes the state of a task whose status stays, after `change` changed something else in it.
    pub(crate) fn change_state(
        &mut self,
        mut found: Found,
        change: impl FnOnce(&mut Found),
        now: Timestamp,
    ) -> Result<()> {
        let was = self.indexed(&found)?;
        change(&mut found);
        let state = &found.state;
        let to = place(state.available_from(was.status), state.kept.unmet, now);
        let row = state.row();
        let table = self.states.of(was.status).name();
        let row = row.map_err(|error| error::unencodable(table, error))?;
        self.put_state(&was, was.status, &row, to)
    }

    /// Counts anew what the dependents of a task wait for that is now in state `to`.
    fn update_dependents(&mut self, slot: Slot, to: TaskStatus, now: Timestamp) -> Result<()> {
        for position in self.dependents(slot.key())? {
            let found = self.state_at(slot.run, position, TaskStatus::Pending)?;
            let count = |found: &mut Found| {
                found.state.kept.unmet = unmet_after(found.state.kept.unmet, to)
            };
            self.change_state(found, count, now)?;
        }
        Ok(())
    }

    /// Puts what has become due among what can be claimed, of a run or of all.
    pub(crate) fn take_up_due(&mut self, scope: Option<RunKey>, now: Timestamp) -> Result<()> {
        if scope.is_none() {
            self.due.settle()?;
        }
        let run = scope.map(|run| run.number);
        let due = self.due.tasks(run, now.as_micros())?;
        for (run, position) in due.collect::<Result<Vec<_>>>()? {
            let run = self.run_numbered(run, scope)?;
            let found = self.state_at(run, position, TaskStatus::Pending)?;
            let available_from = found.state.available_from(found.status);
            let unmet = found.state.kept.unmet;
            let from = place(available_from, unmet, Timestamp::MIN);
            let to = place(available_from, unmet, now);
            if !matches!((from, to), (Place::Due(_), Place::Ready)) {
                return Err(error::contradicted(self.due.name(), &found.key()));
            }
            self.put_into_place(Slot::of(&found), from, to)?;
        }
        Ok(())
    }

    /// Moves a task from one place to another.
    pub(crate) fn put_into_place(&mut self, slot: Slot, from: Place, to: Place) -> Result<()> {
        if from == to {
            return Ok(());
        }
        if let Some((queue, order)) = self.queue_of(slot, from) {
            queue.remove(slot.run.number, order)?;
        }
        if let Some((queue, order)) = self.queue_of(slot, to) {
            queue.insert(slot.key(), order)?;
        }
        self.wakes.placed(slot.run.id, to);
        Ok(())
    }

    /// The queue that a place is in, with what orders the task there.
    fn queue_of(
        &mut self,
        slot: Slot,
        place: Place,
    ) -> Option<(&mut Queue<Writing<'t>>, (i64, u64))> {
        match place {
            Place::Nowhere => None,
            Place::Ready => Some((&mut self.ready, slot.rank())),
            Place::Due(at) => Some((&mut self.due, (at.as_micros(), slot.number))),
        }
    }
}
