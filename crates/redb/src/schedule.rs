//! What a change of a task changes in the indexes: by state, in the queues, and in those of the tasks
//! that depend on it (clauses C1, C7 and C9).

use runstore_core::rules::schedule::{Place, concerns_dependents, place, unmet_after};
use runstore_core::{Error, RecordKind, Result, RunId, Task, TaskId, TaskStatus, Timestamp, Uuid};

use crate::codec::status_number;
use crate::error;
use crate::parts::{self, TaskPlanned, TaskState};
use crate::queue::Slot;
use crate::schema::Tables;
use crate::table::{Access, Writing};

/// How the indexes have a task, for the write that changes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Indexed {
    pub(crate) slot: Slot,
    pub(crate) status: TaskStatus,
    pub(crate) unmet: u32,
    pub(crate) place: Place,
}

impl<A: Access> Tables<A> {
    /// The task with what a write has to know to change it; `None` if there is no such task.
    pub(crate) fn find_for_change(&self, task_id: TaskId) -> Result<Option<(Task, Indexed)>> {
        let Some(state) = self.task_states.find(task_id.as_uuid())? else {
            return Ok(None);
        };
        self.with_plan(task_id, state).map(Some)
    }

    pub(crate) fn get_for_change(&self, task_id: TaskId) -> Result<(Task, Indexed)> {
        let task = self.find_for_change(task_id)?;
        task.ok_or_else(|| Error::not_found(RecordKind::Task, task_id))
    }

    /// As [`get_for_change`](Self::get_for_change), for a state that was read already.
    pub(crate) fn with_plan(&self, task_id: TaskId, state: TaskState) -> Result<(Task, Indexed)> {
        let indexed = self.indexed(task_id, &state)?;
        let planned = self.tasks.get(task_id.as_uuid())?;
        Ok((parts::task(task_id, planned, state), indexed))
    }

    pub(crate) fn indexed(&self, task_id: TaskId, state: &TaskState) -> Result<Indexed> {
        let slot = Slot::of(task_id, state);
        // What time alone makes claimable is in `due` until a claim takes it up. Whether one has, only
        // the queue knows; what was claimable from the beginning of time is in `ready` in any case.
        let place = match place(state.available_from(), state.unmet, Timestamp::MIN) {
            Place::Due(_) if self.is_ready(slot)? => Place::Ready,
            place => place,
        };
        Ok(Indexed {
            slot,
            status: state.status,
            unmet: state.unmet,
            place,
        })
    }

    fn dependents(&self, task_id: TaskId) -> Result<Vec<TaskId>> {
        let id = task_id.as_uuid();
        let keys = (id, Uuid::nil())..=(id, Uuid::max());
        let dependents = self.dependents.keys(keys, |(_, dependent)| dependent)?;
        dependents.map(|id| id.map(TaskId::from)).collect()
    }
}

impl Tables<Writing<'_>> {
    /// Adds a task that was just planned, with its number and so many unmet dependencies.
    pub(crate) fn put_new(
        &mut self,
        task: &Task,
        number: u64,
        unmet: u32,
        now: Timestamp,
    ) -> Result<()> {
        let id = task.id.as_uuid();
        self.tasks.write(id, &TaskPlanned::from(task))?;
        for dependency in &task.depends_on {
            self.dependents.put((dependency.as_uuid(), id), ())?;
        }
        let state = TaskState::of(task, number, unmet);
        let slot = Slot::of(task.id, &state);
        self.tasks_by_status
            .put(status_key(slot, task.status), id)?;
        self.task_states.write(id, &state)?;
        let to = place(state.available_from(), unmet, now);
        self.put_into_place(slot, Place::Nowhere, to)
    }

    /// Writes a task that the indexes had like this, and puts those that depend on it where they belong.
    pub(crate) fn put_changed(&mut self, was: &Indexed, task: &Task, now: Timestamp) -> Result<()> {
        let state = TaskState::of(task, was.slot.number, was.unmet);
        self.put_state(was, &state, now)?;
        if concerns_dependents(was.status, task.status) {
            self.update_dependents(task.id, task.status, now)?;
        }
        Ok(())
    }

    /// Writes the state of a task that the indexes had like this. Entries that stay as they are are not
    /// written again.
    pub(crate) fn put_state(
        &mut self,
        was: &Indexed,
        state: &TaskState,
        now: Timestamp,
    ) -> Result<()> {
        let slot = was.slot;
        let id = slot.task_id.as_uuid();
        if was.status != state.status {
            self.tasks_by_status.remove(status_key(slot, was.status))?;
            self.tasks_by_status
                .put(status_key(slot, state.status), id)?;
        }
        self.task_states.write(id, state)?;
        let to = place(state.available_from(), state.unmet, now);
        self.put_into_place(slot, was.place, to)
    }

    /// Counts anew what the dependents of a task wait for that is now in state `to`.
    fn update_dependents(&mut self, task_id: TaskId, to: TaskStatus, now: Timestamp) -> Result<()> {
        for dependent in self.dependents(task_id)? {
            let mut state = self.task_states.get(dependent.as_uuid())?;
            let was = self.indexed(dependent, &state)?;
            state.unmet = unmet_after(state.unmet, to);
            self.put_state(&was, &state, now)?;
        }
        Ok(())
    }

    /// Puts what has become due among what can be claimed, of a run or of all.
    pub(crate) fn take_up_due(&mut self, scope: Option<RunId>, now: Timestamp) -> Result<()> {
        let due = self.due_tasks(scope, now)?.collect::<Result<Vec<_>>>()?;
        for task_id in due {
            let state = self.task_states.get(task_id.as_uuid())?;
            let from = place(state.available_from(), state.unmet, Timestamp::MIN);
            let to = place(state.available_from(), state.unmet, now);
            if !matches!((from, to), (Place::Due(_), Place::Ready)) {
                return Err(error::contradicted(self.due.name(), &task_id));
            }
            self.put_into_place(Slot::of(task_id, &state), from, to)?;
        }
        Ok(())
    }

    /// Takes a task that is being deleted out of the indexes, but for those by its run.
    pub(crate) fn unschedule(&mut self, task_id: TaskId) -> Result<()> {
        let id = task_id.as_uuid();
        let state = self.task_states.get(id)?;
        let was = self.indexed(task_id, &state)?;
        self.put_into_place(was.slot, was.place, Place::Nowhere)?;
        // What depends on it is of its run, and goes too.
        self.dependents
            .remove_range((id, Uuid::nil())..=(id, Uuid::max()))
    }
}

fn status_key(slot: Slot, status: TaskStatus) -> (Uuid, u8, u64) {
    (slot.run_id.as_uuid(), status_number(status), slot.position)
}
