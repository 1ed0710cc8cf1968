//! The two queues that claims are served from (clauses C1, C7 and C9): `ready`, in the order of claims,
//! and `due`, in the order of times.

use runstore_core::rules::schedule::Place;
use runstore_core::{Result, RunId, TaskId, Timestamp, Uuid};

use crate::error;
use crate::parts::TaskState;
use crate::schema::Tables;
use crate::table::{Access, Table, Writing};

/// What a task's keys in the queues are made of, beside a time. Never changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) task_id: TaskId,
    pub(crate) run_id: RunId,
    pub(crate) position: u64,
    pub(crate) number: u64,
    priority: i32,
}

impl Slot {
    pub(crate) const fn of(task_id: TaskId, state: &TaskState) -> Self {
        Self {
            task_id,
            run_id: state.run_id,
            position: state.position,
            number: state.number,
            priority: state.priority,
        }
    }

    /// What orders the task in `ready`: the highest priority first.
    fn rank(self) -> i64 {
        -i64::from(self.priority)
    }
}

/// A queue of tasks, by run and of the whole store: a task is in both or in neither. What orders them is
/// a rank or a time, then the order in which they were planned: in a run the position, in the store the
/// number.
pub(crate) struct Queue<A: Access> {
    of_run: Table<A, (Uuid, i64, u64), Uuid>,
    of_store: Table<A, (i64, u64), Uuid>,
}

impl<A: Access> Queue<A> {
    pub(crate) fn new(access: A, of_run: &'static str, of_store: &'static str) -> Self {
        Self {
            of_run: Table::new(access, of_run),
            of_store: Table::new(access, of_store),
        }
    }

    pub(crate) fn open(&self) -> Result<()> {
        self.of_run.open()?;
        self.of_store.open()?;
        Ok(())
    }

    pub(crate) fn name(&self) -> &str {
        self.of_store.name()
    }

    fn contains(&self, slot: Slot, order: i64) -> Result<bool> {
        let key = (slot.run_id.as_uuid(), order, slot.position);
        self.of_run.contains(key)
    }

    /// The tasks of a run, or of all, up to this place in the order.
    pub(crate) fn tasks(
        &self,
        scope: Option<RunId>,
        last: i64,
    ) -> Result<impl Iterator<Item = Result<TaskId>>> {
        let ids: Box<dyn Iterator<Item = Result<Uuid>>> = match scope {
            Some(run_id) => {
                let run_id = run_id.as_uuid();
                let keys = (run_id, i64::MIN, 0)..=(run_id, last, u64::MAX);
                Box::new(self.of_run.values(keys)?)
            }
            None => Box::new(self.of_store.values((i64::MIN, 0)..=(last, u64::MAX))?),
        };
        Ok(ids.map(|id| id.map(TaskId::from)))
    }

    /// What orders the first task of a run, or of all.
    fn first_order(&self, scope: Option<RunId>) -> Result<Option<i64>> {
        match scope {
            Some(run_id) => {
                let run_id = run_id.as_uuid();
                let keys = (run_id, i64::MIN, 0)..=(run_id, i64::MAX, u64::MAX);
                let mut orders = self.of_run.keys(keys, |(_, order, _)| order)?;
                orders.next().transpose()
            }
            None => {
                let mut orders = self.of_store.keys(.., |(order, _)| order)?;
                orders.next().transpose()
            }
        }
    }
}

impl Queue<Writing<'_>> {
    fn insert(&mut self, slot: Slot, order: i64) -> Result<()> {
        let id = slot.task_id.as_uuid();
        let key = (slot.run_id.as_uuid(), order, slot.position);
        self.of_run.put(key, id)?;
        self.of_store.put((order, slot.number), id)
    }

    fn remove(&mut self, slot: Slot, order: i64) -> Result<()> {
        let key = (slot.run_id.as_uuid(), order, slot.position);
        self.of_run.remove(key)?;
        self.of_store.remove((order, slot.number))
    }
}

impl<A: Access> Tables<A> {
    /// Whether the task is in `ready`.
    pub(crate) fn is_ready(&self, slot: Slot) -> Result<bool> {
        self.ready.contains(slot, slot.rank())
    }

    /// The tasks of a run, or of all, that are in `ready`, in the order of claims.
    pub(crate) fn ready_tasks(
        &self,
        scope: Option<RunId>,
    ) -> Result<impl Iterator<Item = Result<TaskId>>> {
        self.ready.tasks(scope, i64::MAX)
    }

    /// The tasks of a run, or of all, that are in `due` and belong into `ready` at this time.
    pub(crate) fn due_tasks(
        &self,
        scope: Option<RunId>,
        now: Timestamp,
    ) -> Result<impl Iterator<Item = Result<TaskId>>> {
        self.due.tasks(scope, now.as_micros())
    }

    /// When the first of the tasks becomes due that wait for a time, of a run or of all (clause C11).
    pub(crate) fn next_due(&self, scope: Option<RunId>) -> Result<Option<Timestamp>> {
        self.check_scope(scope)?;
        let Some(micros) = self.due.first_order(scope)? else {
            return Ok(None);
        };
        let time = Timestamp::from_micros(micros);
        let no_time = || error::contradicted(self.due.name(), &micros);
        time.map(Some).ok_or_else(no_time)
    }
}

impl<'t> Tables<Writing<'t>> {
    /// Moves a task from one place to another.
    pub(crate) fn put_into_place(&mut self, slot: Slot, from: Place, to: Place) -> Result<()> {
        if from == to {
            return Ok(());
        }
        if let Some((queue, order)) = self.queue_of(slot, from) {
            queue.remove(slot, order)?;
        }
        if let Some((queue, order)) = self.queue_of(slot, to) {
            queue.insert(slot, order)?;
        }
        self.wakes.placed(slot.run_id, to);
        Ok(())
    }

    /// The queue that a place is in, with what orders the task there.
    fn queue_of(&mut self, slot: Slot, place: Place) -> Option<(&mut Queue<Writing<'t>>, i64)> {
        match place {
            Place::Nowhere => None,
            Place::Ready => Some((&mut self.ready, slot.rank())),
            Place::Due(at) => Some((&mut self.due, at.as_micros())),
        }
    }
}
