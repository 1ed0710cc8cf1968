//! Where tasks are until they can be claimed (clauses C1, C7 and C9).

use std::cmp::Reverse;
use std::collections::BTreeMap;

use runstore_core::rules::schedule::{
    Place, available_from, concerns_dependents, place, unmet_after,
};
use runstore_core::{Result, RunId, Task, TaskId, TaskStatus, Timestamp};

use crate::state::State;

/// The tasks of one run, or of all, that can be claimed or will be. The number of a task is that of its
/// planning in the store, which within a run rises with the position.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue {
    ready: BTreeMap<(Reverse<i32>, u64), TaskId>,
    due: BTreeMap<(Timestamp, u64), TaskId>,
}

impl Queue {
    /// The first task in the order of claims.
    pub(crate) fn first(&self) -> Option<TaskId> {
        self.ready.first_key_value().map(|(_, id)| *id)
    }

    /// When the first of those that wait for a time becomes claimable.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    fn due_until(&self, now: Timestamp) -> Vec<TaskId> {
        let due = self.due.range(..=(now, u64::MAX));
        due.map(|(_, id)| *id).collect()
    }

    fn remove(&mut self, task: &Scheduled) {
        match task.place {
            Place::Nowhere => {}
            Place::Ready => drop(self.ready.remove(&(task.priority, task.number))),
            Place::Due(at) => drop(self.due.remove(&(at, task.number))),
        }
    }

    fn insert(&mut self, task: &Scheduled, task_id: TaskId) {
        match task.place {
            Place::Nowhere => {}
            Place::Ready => drop(self.ready.insert((task.priority, task.number), task_id)),
            Place::Due(at) => drop(self.due.insert((at, task.number), task_id)),
        }
    }
}

/// What is kept of a task beside its record.
#[derive(Debug, Clone)]
pub(crate) struct Scheduled {
    priority: Reverse<i32>,
    number: u64,
    /// How many of the tasks that it depends on are not completed.
    pub(crate) unmet: u32,
    /// Where it is in the queue of its run and in that of the store.
    place: Place,
    /// The tasks that depend on it.
    dependents: Vec<TaskId>,
}

impl State {
    /// Takes up a task that was just planned, with so many unmet dependencies.
    pub(crate) fn schedule(&mut self, task: &Task, unmet: u32, now: Timestamp) -> Result<()> {
        self.last_task_number += 1;
        let scheduled = Scheduled {
            priority: Reverse(task.priority),
            number: self.last_task_number,
            unmet,
            place: Place::Nowhere,
            dependents: Vec::new(),
        };
        self.scheduled.insert(task.id, scheduled);
        self.put_into_place(task.id, now)
    }

    /// Notes which tasks wait for a planned one, once the whole plan is taken up.
    pub(crate) fn link_dependents(&mut self, task: &Task) {
        for id in &task.depends_on {
            if let Some(scheduled) = self.scheduled.get_mut(id) {
                scheduled.dependents.push(task.id);
            }
        }
    }

    /// Puts a task that changed, and those that depend on it, where they belong.
    pub(crate) fn reschedule(
        &mut self,
        task_id: TaskId,
        from: TaskStatus,
        to: TaskStatus,
        now: Timestamp,
    ) -> Result<()> {
        if concerns_dependents(from, to) {
            let dependents = self
                .scheduled
                .get(&task_id)
                .map(|task| task.dependents.clone());
            for dependent in dependents.unwrap_or_default() {
                if let Some(scheduled) = self.scheduled.get_mut(&dependent) {
                    scheduled.unmet = unmet_after(scheduled.unmet, to);
                }
                self.put_into_place(dependent, now)?;
            }
        }
        self.put_into_place(task_id, now)
    }

    /// Puts a task into the place that it belongs into at this time.
    pub(crate) fn put_into_place(&mut self, task_id: TaskId, now: Timestamp) -> Result<()> {
        let task = self.task(task_id)?;
        let (run_id, from) = (task.run_id, available_from(task));
        let Some(mut scheduled) = self.scheduled.get(&task_id).cloned() else {
            return Ok(());
        };
        let place = place(from, scheduled.unmet, now);
        if place == scheduled.place {
            return Ok(());
        }
        self.queue.remove(&scheduled);
        self.run_mut(run_id)?.queue.remove(&scheduled);
        scheduled.place = place;
        self.queue.insert(&scheduled, task_id);
        self.run_mut(run_id)?.queue.insert(&scheduled, task_id);
        self.scheduled.insert(task_id, scheduled);
        self.wakes.placed(run_id, place);
        Ok(())
    }

    /// Forgets a task whose run is being deleted.
    pub(crate) fn unschedule(&mut self, task_id: TaskId) {
        if let Some(scheduled) = self.scheduled.remove(&task_id) {
            self.queue.remove(&scheduled);
        }
    }

    /// The queue of a run, or of all.
    pub(crate) fn queue_of(&self, scope: Option<RunId>) -> Result<&Queue> {
        match scope {
            Some(run_id) => Ok(&self.run(run_id)?.queue),
            None => Ok(&self.queue),
        }
    }

    /// The tasks of a run, or of all, in the order in which they were planned.
    pub(crate) fn tasks_as_planned(&self, scope: Option<RunId>) -> Vec<Task> {
        let runs = self.run_ids().into_iter();
        let runs = runs.filter(|run_id| scope.is_none_or(|scope| scope == *run_id));
        let tasks = runs.filter_map(|run_id| self.find_run(run_id));
        let mut tasks: Vec<Task> = tasks.flat_map(|run| run.tasks.clone()).collect();
        let number = |task: &Task| self.scheduled.get(&task.id).map(|task| task.number);
        tasks.sort_by_key(number);
        tasks
    }

    /// Puts what has become due among what can be claimed.
    pub(crate) fn take_up_due(&mut self, scope: Option<RunId>, now: Timestamp) -> Result<()> {
        for task_id in self.queue_of(scope)?.due_until(now) {
            self.put_into_place(task_id, now)?;
        }
        Ok(())
    }
}
