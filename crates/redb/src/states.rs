//! The states of tasks: a table for each status, so that a task's entry there is also its place in the list
//! of that status, and a change of it writes to no other index.

use runstore_core::{Result, RunId, TaskStanding, TaskStatus};

use crate::codec::Binary;
use crate::error;
use crate::parts::{StateRow, TaskState};
use crate::table::{Access, Table, Writing};

/// Where the rows of a task are: the number of its run, and its position in it.
pub(crate) type TaskKey = (u64, u64);

/// A run by its id and by its number, which the keys of its rows begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunKey {
    pub(crate) id: RunId,
    pub(crate) number: u64,
}

impl RunKey {
    /// The key of the task at that position.
    pub(crate) const fn task(self, position: u64) -> TaskKey {
        (self.number, position)
    }
}

/// The state of a task, and where it was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) run: RunKey,
    pub(crate) position: u64,
    pub(crate) status: TaskStatus,
    pub(crate) state: TaskState,
}

impl Found {
    pub(crate) const fn key(&self) -> TaskKey {
        self.run.task(self.position)
    }

    /// What a token is held against.
    pub(crate) const fn standing(&self) -> TaskStanding {
        TaskStanding {
            run_id: self.run.id,
            status: self.status,
            attempt_count: self.state.attempt_count,
            lease_expires_at: self.state.lease_expires_at,
        }
    }
}

type OfStatus<A> = Table<A, TaskKey, Binary<TaskState>>;

/// The tables, one a status: each task is in exactly one of them.
pub(crate) struct States<A: Access> {
    pending: OfStatus<A>,
    in_progress: OfStatus<A>,
    completed: OfStatus<A>,
    blocked: OfStatus<A>,
    abandoned: OfStatus<A>,
}

impl<A: Access> States<A> {
    pub(crate) fn new(access: A) -> Self {
        Self {
            pending: Table::new(access, "tasks_pending"),
            in_progress: Table::new(access, "tasks_in_progress"),
            completed: Table::new(access, "tasks_completed"),
            blocked: Table::new(access, "tasks_blocked"),
            abandoned: Table::new(access, "tasks_abandoned"),
        }
    }

    pub(crate) fn open(&self) -> Result<()> {
        for status in TaskStatus::ALL {
            self.of(status).open()?;
        }
        Ok(())
    }

    pub(crate) const fn of(&self, status: TaskStatus) -> &OfStatus<A> {
        match status {
            TaskStatus::Pending => &self.pending,
            TaskStatus::InProgress => &self.in_progress,
            TaskStatus::Completed => &self.completed,
            TaskStatus::Blocked => &self.blocked,
            TaskStatus::Abandoned => &self.abandoned,
        }
    }

    /// The state of a task that another table says is there, looked for first under the likely status.
    pub(crate) fn get(&self, key: TaskKey, likely: TaskStatus) -> Result<(TaskStatus, TaskState)> {
        let others = TaskStatus::ALL.into_iter();
        let others = others.filter(|status| *status != likely);
        for status in [likely].into_iter().chain(others) {
            if let Some(state) = self.of(status).find(key)? {
                return Ok((status, state));
            }
        }
        Err(error::missing("tasks_*", &key))
    }
}

impl<'t> States<Writing<'t>> {
    pub(crate) const fn of_mut(&mut self, status: TaskStatus) -> &mut OfStatus<Writing<'t>> {
        match status {
            TaskStatus::Pending => &mut self.pending,
            TaskStatus::InProgress => &mut self.in_progress,
            TaskStatus::Completed => &mut self.completed,
            TaskStatus::Blocked => &mut self.blocked,
            TaskStatus::Abandoned => &mut self.abandoned,
        }
    }

    /// Writes the state of a task that is under that status.
    pub(crate) fn write(
        &mut self,
        key: TaskKey,
        status: TaskStatus,
        state: &StateRow<'_>,
    ) -> Result<()> {
        self.of_mut(status).write_row(key, state)
    }
}
