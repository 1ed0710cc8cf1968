//! What a claim sees when it chooses, for stores that choose wrongly. Without a fault the choice is the
//! contract's.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::HashMap;

use runstore_core::rules::schedule;
use runstore_core::*;

/// Which tasks a claim takes, in this order; `None` leaves it to the store.
pub(crate) type Turns = Option<Vec<TaskId>>;

/// The tasks that a claim looks at, at one instant.
pub(crate) struct Look<'a> {
    pub(crate) now: Timestamp,
    /// The run that is claimed from; any, if unset.
    pub(crate) scope: Option<RunId>,
    /// For how many tasks; `None` if it is no batch.
    pub(crate) limit: Option<u32>,
    read: &'a dyn Fn() -> Vec<Task>,
    tasks: OnceCell<Vec<Task>>,
    by_id: OnceCell<HashMap<TaskId, usize>>,
}

impl<'a> Look<'a> {
    pub(crate) fn new(
        scope: Option<RunId>,
        limit: Option<u32>,
        now: Timestamp,
        read: &'a dyn Fn() -> Vec<Task>,
    ) -> Self {
        Self {
            now,
            scope,
            limit,
            read,
            tasks: OnceCell::new(),
            by_id: OnceCell::new(),
        }
    }

    /// In the order of planning.
    pub(crate) fn tasks(&self) -> &[Task] {
        self.tasks.get_or_init(|| (self.read)())
    }

    pub(crate) fn find(&self, id: TaskId) -> Option<&Task> {
        let numbered = || self.tasks().iter().map(|task| task.id).zip(0..);
        let index = *self.by_id.get_or_init(|| numbered().collect()).get(&id)?;
        self.tasks().get(index)
    }

    pub(crate) fn is_completed(&self, id: TaskId) -> bool {
        let task = self.find(id);
        task.is_some_and(|task| task.status == TaskStatus::Completed)
    }

    /// Whether all that it depends on is completed.
    pub(crate) fn is_released(&self, task: &Task) -> bool {
        task.depends_on.iter().all(|id| self.is_completed(*id))
    }

    /// Whether its time has come, or its lease has run out.
    pub(crate) fn is_due(&self, task: &Task) -> bool {
        schedule::available_from(task).is_some_and(|from| from <= self.now)
    }

    pub(crate) fn is_ready(&self, task: &Task) -> bool {
        self.is_due(task) && self.is_released(task)
    }

    /// The tasks that are wanted, in the order of their keys and, among equal ones, of planning.
    pub(crate) fn sorted<K: Ord>(
        &self,
        wanted: impl Fn(&Task) -> bool,
        key: impl Fn(&Task) -> K,
    ) -> Turns {
        let mut wanted: Vec<&Task> = self.tasks().iter().filter(|task| wanted(task)).collect();
        wanted.sort_by_key(|task| key(task));
        Some(wanted.into_iter().map(|task| task.id).collect())
    }

    /// What is ready, in this order.
    pub(crate) fn ready_by<K: Ord>(&self, key: impl Fn(&Task) -> K) -> Turns {
        self.sorted(|task| self.is_ready(task), key)
    }

    /// What is wanted, in the order of claims.
    pub(crate) fn by_priority(&self, wanted: impl Fn(&Task) -> bool) -> Turns {
        self.sorted(wanted, |task| Reverse(task.priority))
    }

    /// What is released and due from these times on: the times of tasks that are pending or held.
    pub(crate) fn available(&self, from: impl Fn(&Task) -> Option<Timestamp>) -> Turns {
        self.by_priority(|task| {
            let is_open = schedule::available_from(task).is_some();
            is_open && self.is_released(task) && from(task).is_none_or(|from| from <= self.now)
        })
    }

    /// What is due and depends on nothing that is in the way.
    pub(crate) fn unless_waiting(&self, waits: impl Fn(&Task) -> bool) -> Turns {
        self.by_priority(|task| self.is_due(task) && !waits(task))
    }
}
