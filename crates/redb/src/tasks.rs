//! Tasks (clauses T3 to T7), their settling by an operator (C6), and why they wait (C9).

use std::ops::{Bound, RangeInclusive};

use runstore_core::rules::schedule::has_run_out;
use runstore_core::rules::tasks::{Changed, Settlement};
use runstore_core::rules::waiting::Inquiry;
use runstore_core::rules::{events, tasks};
use runstore_core::{
    Cursor, Error, EventDraft, ListTasks, Page, PageRequest, RecordKind, Result, RunId, Task,
    TaskId, TaskStanding, TaskStatus, Timestamp, Uuid, WaitingReason,
};

use crate::codec::status_number;
use crate::error;
use crate::journal::rows_of_page;
use crate::parts::{self, TaskState};
use crate::schedule::Indexed;
use crate::schema::Tables;
use crate::table::{Access, Writing};

/// The keys of a run's tasks in one state.
pub(crate) fn tasks_in(run_id: RunId, status: TaskStatus) -> RangeInclusive<(Uuid, u8, u64)> {
    let (run_id, status) = (run_id.as_uuid(), status_number(status));
    (run_id, status, 0)..=(run_id, status, u64::MAX)
}

impl<A: Access> Tables<A> {
    pub(crate) fn find_task(&self, task_id: TaskId) -> Result<Option<Task>> {
        let Some(state) = self.task_states.find(task_id.as_uuid())? else {
            return Ok(None);
        };
        let planned = self.tasks.get(task_id.as_uuid())?;
        Ok(Some(parts::task(task_id, planned, state)))
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
        let found = self.find_in_states(run_id, wanted, request, most)?;
        let tasks = found.into_iter().map(|(position, status, task_id)| {
            let state = self.indexed_state(task_id, status)?;
            let planned = self.tasks.get(task_id.as_uuid())?;
            Ok((position, parts::task(task_id, planned, state)))
        });
        tasks.collect()
    }

    /// As [`tasks_in_states`](Self::tasks_in_states), by position, state and id.
    pub(crate) fn find_in_states(
        &self,
        run_id: RunId,
        wanted: impl Fn(TaskStatus) -> bool,
        request: PageRequest,
        most: usize,
    ) -> Result<Vec<(u64, TaskStatus, TaskId)>> {
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
                found.push((position, status, TaskId::from(task_id)));
            }
        }
        found.sort_unstable_by_key(|(position, ..)| *position);
        found.truncate(most);
        Ok(found)
    }

    /// The state of a task that the index has under that state.
    fn indexed_state(&self, task_id: TaskId, status: TaskStatus) -> Result<TaskState> {
        let state = self.task_states.get(task_id.as_uuid())?;
        match state.status == status {
            true => Ok(state),
            false => Err(error::contradicted(self.tasks_by_status.name(), &task_id)),
        }
    }

    pub(crate) fn list_tasks(&self, list: &ListTasks) -> Result<Page<Task>> {
        self.check_run(list.run_id)?;
        let wanted = |status| list.wants(status);
        let most = rows_of_page(list.page);
        let rows = self.tasks_in_states(list.run_id, wanted, list.page, most)?;
        Ok(Page::from_numbered(rows, list.page))
    }

    /// The tasks of the run in that state that are wanted, in position order, to be changed.
    pub(crate) fn all_for_change(
        &self,
        run_id: RunId,
        status: TaskStatus,
        wanted: impl Fn(&TaskState) -> bool,
    ) -> Result<Vec<(Task, Indexed)>> {
        let mut found = Vec::new();
        for id in self.tasks_by_status.values(tasks_in(run_id, status))? {
            let task_id = TaskId::from(id?);
            let state = self.indexed_state(task_id, status)?;
            if wanted(&state) {
                found.push(self.with_plan(task_id, state)?);
            }
        }
        Ok(found)
    }

    /// Tells why a task waits (clause C9).
    pub(crate) fn waiting_reason(&self, task_id: TaskId, now: Timestamp) -> Result<WaitingReason> {
        let mut inquiry = Inquiry::about(self.get_task(task_id)?);
        loop {
            let round = inquiry.next_round();
            if round.is_empty() {
                return Ok(inquiry.answer(now));
            }
            for task_id in round {
                let status = self.task_states.get(task_id.as_uuid())?.status;
                let depends_on = self.tasks.get(task_id.as_uuid())?.depends_on;
                inquiry.learn(task_id, status, depends_on);
            }
        }
    }
}

impl Tables<Writing<'_>> {
    pub(crate) fn settle_task(
        &mut self,
        task_id: TaskId,
        settlement: impl Into<Settlement>,
        now: Timestamp,
    ) -> Result<Task> {
        let (task, was) = self.get_for_change(task_id)?;
        let settled = tasks::settled(task, settlement, now)?;
        self.put_changed(&was, &settled, now)?;
        Ok(settled)
    }

    pub(crate) fn requeue_task(&mut self, task_id: TaskId, now: Timestamp) -> Result<Task> {
        let (task, was) = self.get_for_change(task_id)?;
        let requeued = tasks::requeued_alone(task, now)?;
        self.put_with_event(&was, requeued, now)
    }

    /// Writes a task that the indexes had like this, and the event that goes with the change.
    pub(crate) fn put_with_event(
        &mut self,
        was: &Indexed,
        changed: Changed,
        now: Timestamp,
    ) -> Result<Task> {
        let Changed { task, event } = changed;
        if let Some(event) = event {
            self.push_event_draft(task.run_id, event, now)?;
        }
        self.put_changed(was, &task, now)?;
        Ok(task)
    }

    pub(crate) fn requeue_in_progress_tasks(
        &mut self,
        run_id: RunId,
        now: Timestamp,
    ) -> Result<u64> {
        self.check_run(run_id)?;
        self.requeue_all(run_id, |_| true, events::requeue_in_progress, now)
    }

    pub(crate) fn requeue_expired_tasks(
        &mut self,
        run_id: Option<RunId>,
        now: Timestamp,
    ) -> Result<u64> {
        self.check_scope(run_id)?;
        let run_ids = match run_id {
            Some(run_id) => vec![run_id],
            None => self.run_ids()?,
        };
        let expired = |state: &TaskState| has_run_out(state.lease_expires_at, now);
        let mut changes = 0;
        for run_id in run_ids {
            changes += self.requeue_all(run_id, expired, events::requeue_expired, now)?;
        }
        Ok(changes)
    }

    /// Requeues the tasks of the run that are in progress and wanted.
    fn requeue_all(
        &mut self,
        run_id: RunId,
        wanted: impl Fn(&TaskState) -> bool,
        summary: fn(u64) -> EventDraft,
        now: Timestamp,
    ) -> Result<u64> {
        let found = self.all_for_change(run_id, TaskStatus::InProgress, wanted)?;
        let (tasks, were): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let requeue = tasks::requeued_together(tasks, summary, now)?;
        for (task, was) in requeue.tasks.iter().zip(were) {
            self.put_changed(&was, task, now)?;
        }
        for event in requeue.events {
            self.push_event_draft(run_id, event, now)?;
        }
        Ok(requeue.changes)
    }

    /// Removes the tasks of a run that is being deleted, with what is found by their ids.
    pub(crate) fn remove_tasks(&mut self, run_id: RunId) -> Result<()> {
        for status in TaskStatus::ALL {
            let ids = self.tasks_by_status.values(tasks_in(run_id, status))?;
            for id in ids.collect::<Result<Vec<_>>>()? {
                self.unschedule(TaskId::from(id))?;
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
