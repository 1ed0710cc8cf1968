//! Tasks (clauses T1 to T6) and their settling by an operator (C6).

use std::ops::{Bound, RangeInclusive};

use runstore_core::rules::tasks::Settlement;
use runstore_core::rules::{create, events, retry, tasks};
use runstore_core::{
    Cursor, Error, ListTasks, Page, PageRequest, RecordKind, Result, RunId, Task, TaskId, TaskPlan,
    TaskStanding, TaskStatus, Timestamp, Uuid,
};

use crate::codec::{self, TaskPlanned, TaskState, status_number};
use crate::error;
use crate::journal::rows_of_page;
use crate::schema::Tables;
use crate::table::{Access, Writing};

/// The keys of a run's tasks in one state.
pub(crate) fn tasks_in(run_id: RunId, status: TaskStatus) -> RangeInclusive<(Uuid, u8, u64)> {
    let (run_id, status) = (run_id.as_uuid(), status_number(status));
    (run_id, status, 0)..=(run_id, status, u64::MAX)
}

impl<A: Access> Tables<A> {
    fn find_task(&self, task_id: TaskId) -> Result<Option<Task>> {
        let Some(state) = self.task_states.find(task_id.as_uuid())? else {
            return Ok(None);
        };
        let planned = self.tasks.get(task_id.as_uuid())?;
        Ok(Some(codec::task(task_id, planned, state)))
    }

    pub(crate) fn get_task(&self, task_id: TaskId) -> Result<Task> {
        let task = self.find_task(task_id)?;
        task.ok_or_else(|| Error::not_found(RecordKind::Task, task_id))
    }

    pub(crate) fn task_state(&self, task_id: TaskId) -> Result<TaskState> {
        let state = self.task_states.find(task_id.as_uuid())?;
        state.ok_or_else(|| Error::not_found(RecordKind::Task, task_id))
    }

    pub(crate) fn find_standing(&self, task_id: TaskId) -> Result<Option<TaskStanding>> {
        let state = self.task_states.find(task_id.as_uuid())?;
        Ok(state.as_ref().map(TaskState::standing))
    }

    /// Checks that the task is one of that run (clause G7).
    pub(crate) fn check_task_of_run(&self, task_id: TaskId, run_id: RunId) -> Result<()> {
        match self.find_standing(task_id)? {
            Some(standing) if standing.run_id == run_id => Ok(()),
            _ => Err(Error::not_found(RecordKind::Task, task_id)),
        }
    }

    /// The first tasks in these states after the place that a page begins at, at most that many, in
    /// position order.
    pub(crate) fn tasks_in_states(
        &self,
        run_id: RunId,
        wanted: impl Fn(TaskStatus) -> bool,
        request: PageRequest,
        most: usize,
    ) -> Result<Vec<(u64, Task)>> {
        let after = request.after.map_or(0, Cursor::number);
        let mut found = Vec::new();
        for status in TaskStatus::ALL.into_iter().filter(|status| wanted(*status)) {
            let (run, number) = (run_id.as_uuid(), status_number(status));
            let keys = (
                Bound::Excluded((run, number, after)),
                Bound::Included((run, number, u64::MAX)),
            );
            for row in self.tasks_by_status.rows(keys)?.take(most) {
                let (position, task_id) = row?;
                found.push((position, status, task_id));
            }
        }
        found.sort_unstable_by_key(|(position, ..)| *position);
        found.truncate(most);
        let tasks = found.into_iter().map(|(position, status, task_id)| {
            Ok((position, self.indexed_task(TaskId::from(task_id), status)?))
        });
        tasks.collect()
    }

    /// The task that the index has under that state.
    pub(crate) fn indexed_task(&self, task_id: TaskId, status: TaskStatus) -> Result<Task> {
        let index = self.tasks_by_status.name();
        match self.find_task(task_id)? {
            Some(task) if task.status == status => Ok(task),
            Some(_) => Err(error::contradicted(index, &task_id)),
            None => Err(error::missing(self.task_states.name(), &task_id)),
        }
    }

    pub(crate) fn list_tasks(&self, list: &ListTasks) -> Result<Page<Task>> {
        self.check_run(list.run_id)?;
        let wanted = |status| list.wants(status);
        let most = rows_of_page(list.page);
        let rows = self.tasks_in_states(list.run_id, wanted, list.page, most)?;
        Ok(Page::from_numbered(rows, list.page))
    }

    /// The position of the last task that the run ever had: tasks go with their run only.
    fn last_position(&self, run_id: RunId) -> Result<u64> {
        let mut last = 0;
        for status in TaskStatus::ALL {
            let of_status = self.tasks_by_status.last_number(tasks_in(run_id, status))?;
            last = last.max(of_status.unwrap_or(0));
        }
        Ok(last)
    }

    fn all_tasks_in(
        &self,
        run_id: RunId,
        wanted: impl Fn(TaskStatus) -> bool,
    ) -> Result<Vec<Task>> {
        let rows = self.tasks_in_states(run_id, wanted, PageRequest::all(), usize::MAX)?;
        Ok(rows.into_iter().map(|(_, task)| task).collect())
    }
}

impl Tables<Writing<'_>> {
    pub(crate) fn replace_pending_tasks(
        &mut self,
        plan: TaskPlan,
        now: Timestamp,
    ) -> Result<Vec<Task>> {
        let run_id = plan.run_id;
        self.add_plan(plan, now, |tables| {
            for task in tables.all_tasks_in(run_id, tasks::is_replaceable)? {
                let from = task.status;
                tables.put_changed(from, &tasks::replaced(task, now))?;
            }
            Ok(())
        })
    }

    pub(crate) fn append_tasks(&mut self, plan: TaskPlan, now: Timestamp) -> Result<Vec<Task>> {
        self.add_plan(plan, now, |_| Ok(()))
    }

    fn add_plan(
        &mut self,
        plan: TaskPlan,
        now: Timestamp,
        before: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<Vec<Task>> {
        self.check_run(plan.run_id)?;
        let named = plan.drafts.iter().map(|draft| match draft.id {
            Some(id) => self.find_task(id),
            None => Ok(None),
        });
        let stored = named.collect::<Result<Vec<_>>>()?;
        let next = self.last_position(plan.run_id)? + 1;
        let new: Vec<Task> = (next..)
            .zip(plan.drafts)
            .map(|(position, draft)| create::task(plan.run_id, position, draft, now))
            .collect();
        if let Some(repeated) = retry::answer_plan(stored, &new)? {
            return Ok(repeated);
        }
        before(self)?;
        for task in &new {
            self.tasks
                .write(task.id.as_uuid(), &TaskPlanned::from(task))?;
            self.put_state(task)?;
        }
        Ok(new)
    }

    /// Writes the state of a task that stood in `from` before.
    pub(crate) fn put_changed(&mut self, from: TaskStatus, task: &Task) -> Result<()> {
        if from != task.status {
            let key = (task.run_id.as_uuid(), status_number(from), task.position);
            self.tasks_by_status.remove(key)?;
        }
        self.put_state(task)
    }

    fn put_state(&mut self, task: &Task) -> Result<()> {
        let id = task.id.as_uuid();
        let key = (
            task.run_id.as_uuid(),
            status_number(task.status),
            task.position,
        );
        self.task_states.write(id, &TaskState::from(task))?;
        self.tasks_by_status.put(key, id)
    }

    pub(crate) fn settle_task(
        &mut self,
        task_id: TaskId,
        settlement: impl Into<Settlement>,
        now: Timestamp,
    ) -> Result<Task> {
        let task = self.get_task(task_id)?;
        let from = task.status;
        let settled = tasks::settled(task, settlement, now)?;
        self.put_changed(from, &settled)?;
        Ok(settled)
    }

    pub(crate) fn requeue_task(&mut self, task_id: TaskId, now: Timestamp) -> Result<Task> {
        let task = self.get_task(task_id)?;
        let from = task.status;
        let requeued = tasks::requeued(task, now)?;
        let event = events::requeue_task(&requeued, from);
        self.push_event_draft(requeued.run_id, event, now)?;
        self.put_changed(from, &requeued)?;
        Ok(requeued)
    }

    pub(crate) fn requeue_in_progress_tasks(
        &mut self,
        run_id: RunId,
        now: Timestamp,
    ) -> Result<u64> {
        self.check_run(run_id)?;
        let in_progress = self.all_tasks_in(run_id, |status| status == TaskStatus::InProgress)?;
        if in_progress.is_empty() {
            return Ok(0);
        }
        let changes = in_progress.len() as u64;
        for task in in_progress {
            let requeued = tasks::requeued(task, now)?;
            self.put_changed(TaskStatus::InProgress, &requeued)?;
        }
        self.push_event_draft(run_id, events::requeue_in_progress(changes), now)?;
        Ok(changes)
    }

    /// Removes the tasks of a run that is being deleted, with what is found by their ids.
    pub(crate) fn remove_tasks(&mut self, run_id: RunId) -> Result<()> {
        for status in TaskStatus::ALL {
            for row in self.tasks_by_status.rows(tasks_in(run_id, status))? {
                let (_, id) = row?;
                self.tasks.remove(id)?;
                self.task_states.remove(id)?;
                self.finished_claims
                    .remove_range((id, 0)..=(id, u32::MAX))?;
                self.attempts_by_task
                    .remove_range((id, 0)..=(id, u64::MAX))?;
            }
            self.tasks_by_status
                .remove_range(tasks_in(run_id, status))?;
        }
        Ok(())
    }
}
