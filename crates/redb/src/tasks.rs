//! Tasks (clauses T3 to T7), their settling by an operator (C6), and why they wait (C9).

use std::ops::RangeInclusive;

use runstore_core::rules::schedule::has_run_out;
use runstore_core::rules::tasks::{Changed, Settlement};
use runstore_core::rules::waiting::Inquiry;
use runstore_core::rules::{events, tasks};
use runstore_core::{
    Error, EventDraft, ListTasks, Page, PageRequest, RecordKind, Result, RunId, Task, TaskId,
    TaskStanding, TaskStatus, Timestamp, WaitingReason,
};

use crate::error;
use crate::journal::{after, rows_of_page};
use crate::parts::{self, TaskPlanned, TaskState};
use crate::schedule::Indexed;
use crate::schema::Tables;
use crate::states::{Found, RunKey, TaskKey};
use crate::table::{Access, Writing};

/// The keys of a run's tasks.
pub(crate) fn tasks_of(run: RunKey) -> RangeInclusive<TaskKey> {
    run.task(0)..=run.task(u64::MAX)
}

/// The position of the next row of a list. An error comes before every position, and the end after all.
fn position_of(next: Option<&Result<(u64, TaskState)>>) -> u64 {
    next.map_or(u64::MAX, |row| {
        row.as_ref().map_or(0, |(position, _)| *position)
    })
}

impl<A: Access> Tables<A> {
    /// The state of the task; `None` if there is no such task.
    pub(crate) fn find_state(&self, task_id: TaskId) -> Result<Option<Found>> {
        let Some((run, position)) = self.task_ids.find(task_id.as_uuid())? else {
            return Ok(None);
        };
        let run = self.run_numbered(run, None)?;
        let found = self.state_at(run, position, TaskStatus::InProgress);
        found.map(Some)
    }

    pub(crate) fn get_state(&self, task_id: TaskId) -> Result<Found> {
        let found = self.find_state(task_id)?;
        found.ok_or_else(|| Error::not_found(RecordKind::Task, task_id))
    }

    /// The state of the task at that position of the run, which probably has that status.
    pub(crate) fn state_at(&self, run: RunKey, position: u64, likely: TaskStatus) -> Result<Found> {
        let (status, state) = self.states.get(run.task(position), likely)?;
        Ok(Found {
            run,
            position,
            status,
            state,
        })
    }

    /// The task of that state.
    pub(crate) fn task(&self, found: Found) -> Result<Task> {
        let planned = self.tasks.get(found.key())?;
        Ok(parts::task(found, planned))
    }

    pub(crate) fn find_task(&self, task_id: TaskId) -> Result<Option<Task>> {
        let found = self.find_state(task_id)?;
        found.map(|found| self.task(found)).transpose()
    }

    pub(crate) fn get_task(&self, task_id: TaskId) -> Result<Task> {
        self.task(self.get_state(task_id)?)
    }

    pub(crate) fn find_standing(&self, task_id: TaskId) -> Result<Option<TaskStanding>> {
        let found = self.find_state(task_id)?;
        Ok(found.as_ref().map(Found::standing))
    }

    /// Checks that the task is one of that run (clause G7).
    pub(crate) fn check_task_of_run(&self, task_id: TaskId, run: RunKey) -> Result<()> {
        match self.task_ids.find(task_id.as_uuid())? {
            Some((of, _)) if of == run.number => Ok(()),
            _ => Err(Error::not_found(RecordKind::Task, task_id)),
        }
    }

    /// Looks up the part that never changes of one task of the run after the other. Those that follow each
    /// other are read in one go, without a search for each.
    fn plans_of(&self, run: RunKey) -> impl FnMut(u64) -> Result<TaskPlanned> {
        let mut rows = None;
        let mut next = 0;
        move |position| {
            if rows.is_none() || position != next {
                let from = run.task(position)..=run.task(u64::MAX);
                rows = Some(self.tasks.rows(from)?);
            }
            next = position.saturating_add(1);
            match rows.as_mut().and_then(Iterator::next).transpose()? {
                Some((found, planned)) if found == position => Ok(planned),
                _ => Err(error::missing(self.tasks.name(), &run.task(position))),
            }
        }
    }

    /// The first tasks in these states after the place that a page begins at, at most that many, in
    /// position order.
    pub(crate) fn tasks_in_states(
        &self,
        run: RunKey,
        wanted: impl Fn(TaskStatus) -> bool,
        request: PageRequest,
        most: usize,
    ) -> Result<Vec<Task>> {
        let mut lists = Vec::new();
        for status in TaskStatus::ALL.into_iter().filter(|status| wanted(*status)) {
            let states = self.states.of(status).rows(after(run, request))?;
            let mut states = states.peekable();
            if states.peek().is_some() {
                lists.push((status, states));
            }
        }
        let mut plan_of = self.plans_of(run);
        let mut tasks = Vec::new();
        while tasks.len() < most {
            let first = match lists.as_mut_slice() {
                [only] => Some(only),
                several => several
                    .iter_mut()
                    .map(|list| (position_of(list.1.peek()), list))
                    .min_by_key(|(position, _)| *position)
                    .map(|(_, list)| list),
            };
            let next = first.and_then(|(status, states)| Some((*status, states.next()?)));
            let Some((status, next)) = next else { break };
            let (position, state) = next?;
            let found = Found {
                run,
                position,
                status,
                state,
            };
            tasks.push(parts::task(found, plan_of(position)?));
        }
        Ok(tasks)
    }

    pub(crate) fn list_tasks(&self, list: &ListTasks) -> Result<Page<Task>> {
        let run = self.run_key(list.run_id)?;
        let wanted = |status| list.wants(status);
        let most = rows_of_page(list.page);
        let tasks = self.tasks_in_states(run, wanted, list.page, most)?;
        let rows = tasks.into_iter().map(|task| (task.position, task));
        Ok(Page::from_numbered(rows, list.page))
    }

    /// The tasks of the run in that state that are wanted, in position order, to be changed.
    pub(crate) fn all_for_change(
        &self,
        run: RunKey,
        status: TaskStatus,
        wanted: impl Fn(&TaskState) -> bool,
    ) -> Result<Vec<(Task, Indexed)>> {
        let mut plan_of = self.plans_of(run);
        let mut tasks = Vec::new();
        for row in self.states.of(status).rows(tasks_of(run))? {
            let (position, state) = row?;
            if wanted(&state) {
                let found = Found {
                    run,
                    position,
                    status,
                    state,
                };
                let indexed = self.indexed(&found)?;
                tasks.push((parts::task(found, plan_of(position)?), indexed));
            }
        }
        Ok(tasks)
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
                let (run, position) = self.task_ids.get(task_id.as_uuid())?;
                let run = self.run_numbered(run, None)?;
                let found = self.state_at(run, position, TaskStatus::Pending)?;
                let depends_on = self.tasks.get(found.key())?.depends_on;
                inquiry.learn(task_id, found.status, depends_on);
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
            self.push_event_draft(was.slot.run, event, now)?;
        }
        self.put_changed(was, &task, now)?;
        Ok(task)
    }

    pub(crate) fn requeue_in_progress_tasks(
        &mut self,
        run_id: RunId,
        now: Timestamp,
    ) -> Result<u64> {
        let run = self.run_key(run_id)?;
        self.requeue_all(run, |_| true, events::requeue_in_progress, now)
    }

    pub(crate) fn requeue_expired_tasks(
        &mut self,
        run_id: Option<RunId>,
        now: Timestamp,
    ) -> Result<u64> {
        let runs = match self.run_in_scope(run_id)? {
            Some(run) => vec![run],
            None => self.run_keys()?,
        };
        let expired = |state: &TaskState| has_run_out(state.lease_expires_at, now);
        let mut changes = 0;
        for run in runs {
            changes += self.requeue_all(run, expired, events::requeue_expired, now)?;
        }
        Ok(changes)
    }

    /// Requeues the tasks of the run that are in progress and wanted.
    fn requeue_all(
        &mut self,
        run: RunKey,
        wanted: impl Fn(&TaskState) -> bool,
        summary: fn(u64) -> EventDraft,
        now: Timestamp,
    ) -> Result<u64> {
        let found = self.all_for_change(run, TaskStatus::InProgress, wanted)?;
        let (tasks, were): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let requeue = tasks::requeued_together(tasks, summary, now)?;
        for (task, was) in requeue.tasks.iter().zip(were) {
            self.put_changed(&was, task, now)?;
        }
        for event in requeue.events {
            self.push_event_draft(run, event, now)?;
        }
        Ok(requeue.changes)
    }

    /// Removes the tasks of a run that is being deleted, with all that is kept of them.
    pub(crate) fn remove_tasks(&mut self, run: RunKey) -> Result<()> {
        for planned in self.tasks.values(tasks_of(run))? {
            self.task_ids.remove(planned?.id.as_uuid())?;
        }
        self.tasks.remove_range(tasks_of(run))?;
        for status in TaskStatus::ALL {
            self.states.of_mut(status).remove_range(tasks_of(run))?;
        }
        self.ready.remove_run(run.number)?;
        self.due.remove_run(run.number)?;
        let (first, last) = (run.task(0), run.task(u64::MAX));
        self.dependents
            .remove_range((first.0, first.1, 0)..=(last.0, last.1, u64::MAX))?;
        self.earlier_attempts
            .remove_range((first.0, first.1, 0)..=(last.0, last.1, u64::MAX))?;
        self.finished_claims
            .remove_range((first.0, first.1, 0)..=(last.0, last.1, u32::MAX))
    }
}
