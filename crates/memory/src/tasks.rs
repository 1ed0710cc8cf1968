//! Tasks (clauses T1 to T7) and their settling by an operator (C6).

use runstore_core::rules::tasks::{Changed, Settlement};
use runstore_core::rules::waiting::Inquiry;
use runstore_core::rules::{events, plan, retry, schedule, tasks};
use runstore_core::{
    EventDraft, ListTasks, Page, Result, RunId, Task, TaskId, TaskPlan, TaskStatus, Timestamp,
    WaitingReason,
};

use crate::state::{State, page};

impl State {
    pub(crate) fn replace_pending_tasks(
        &mut self,
        plan: TaskPlan,
        now: Timestamp,
    ) -> Result<Vec<Task>> {
        let run_id = plan.run_id;
        let new = match self.new_tasks(plan, now)? {
            Plan::Repeated(tasks) => return Ok(tasks),
            Plan::New(tasks) => tasks,
        };
        plan::check_kept(&new, |id| self.status(id))?;
        for task in self.tasks_where(run_id, tasks::is_replaceable)? {
            self.put_task(tasks::replaced(task, now), now)?;
        }
        self.push_plan(new, now)
    }

    pub(crate) fn append_tasks(&mut self, plan: TaskPlan, now: Timestamp) -> Result<Vec<Task>> {
        match self.new_tasks(plan, now)? {
            Plan::Repeated(tasks) => Ok(tasks),
            Plan::New(tasks) => self.push_plan(tasks, now),
        }
    }

    fn new_tasks(&self, plan: TaskPlan, now: Timestamp) -> Result<Plan> {
        let run_id = plan.run_id;
        let next = self.run(run_id)?.tasks.len() as u64 + 1;
        let named = plan.drafts.iter().map(|draft| draft.id);
        let stored = named.map(|id| self.find_task(id?).cloned()).collect();
        let new = plan::tasks(plan, next, now)?;
        for task_id in plan::outside(&new) {
            self.task_of_run(task_id, run_id)?;
        }
        Ok(match retry::answer_plan(stored, &new)? {
            Some(repeated) => Plan::Repeated(repeated),
            None => Plan::New(new),
        })
    }

    fn push_plan(&mut self, new: Vec<Task>, now: Timestamp) -> Result<Vec<Task>> {
        for task in &new {
            // Drafts are not stored yet, and not completed.
            let unmet = plan::unmet(task, |id| self.status(id));
            self.push_task(task.clone(), unmet, now)?;
        }
        for task in &new {
            self.link_dependents(task);
        }
        Ok(new)
    }

    fn status(&self, task_id: TaskId) -> Option<TaskStatus> {
        self.find_task(task_id).map(|task| task.status)
    }

    fn tasks_where(&self, run_id: RunId, wanted: fn(TaskStatus) -> bool) -> Result<Vec<Task>> {
        let tasks = self.run(run_id)?.tasks.iter();
        Ok(tasks.filter(|task| wanted(task.status)).cloned().collect())
    }

    pub(crate) fn get_task(&self, task_id: TaskId) -> Result<Task> {
        self.task(task_id).cloned()
    }

    pub(crate) fn list_tasks(&self, list: &ListTasks) -> Result<Page<Task>> {
        let tasks = &self.run(list.run_id)?.tasks;
        Ok(page(tasks, |task| list.wants(task.status), list.page))
    }

    pub(crate) fn settle_task(
        &mut self,
        task_id: TaskId,
        settlement: impl Into<Settlement>,
        now: Timestamp,
    ) -> Result<Task> {
        let settled = tasks::settled(self.get_task(task_id)?, settlement, now)?;
        self.put_task(settled, now)
    }

    pub(crate) fn requeue_task(&mut self, task_id: TaskId, now: Timestamp) -> Result<Task> {
        let changed = tasks::requeued_alone(self.get_task(task_id)?, now)?;
        self.put_changed(changed, now)
    }

    /// Puts the changed task in its place and writes the event that goes with the change.
    pub(crate) fn put_changed(&mut self, changed: Changed, now: Timestamp) -> Result<Task> {
        let Changed { task, event } = changed;
        if let Some(event) = event {
            self.push_event_draft(task.run_id, event, now)?;
        }
        self.put_task(task, now)
    }

    pub(crate) fn requeue_in_progress_tasks(
        &mut self,
        run_id: RunId,
        now: Timestamp,
    ) -> Result<u64> {
        let in_progress = |task: &Task| task.status == TaskStatus::InProgress;
        self.requeue_all(run_id, in_progress, events::requeue_in_progress, now)
    }

    pub(crate) fn requeue_expired_tasks(
        &mut self,
        run_id: Option<RunId>,
        now: Timestamp,
    ) -> Result<u64> {
        let expired = |task: &Task| schedule::has_run_out(task.lease_expires_at, now);
        let run_ids = match run_id {
            Some(run_id) => vec![run_id],
            None => self.run_ids(),
        };
        let mut changes = 0;
        for run_id in run_ids {
            changes += self.requeue_all(run_id, expired, events::requeue_expired, now)?;
        }
        Ok(changes)
    }

    fn requeue_all(
        &mut self,
        run_id: RunId,
        wanted: impl Fn(&Task) -> bool,
        summary: fn(u64) -> EventDraft,
        now: Timestamp,
    ) -> Result<u64> {
        let tasks = self.run(run_id)?.tasks.iter();
        let found: Vec<Task> = tasks.filter(|task| wanted(task)).cloned().collect();
        let requeue = tasks::requeued_together(found, summary, now)?;
        for task in requeue.tasks {
            self.put_task(task, now)?;
        }
        for event in requeue.events {
            self.push_event_draft(run_id, event, now)?;
        }
        Ok(requeue.changes)
    }

    pub(crate) fn waiting_reason(&self, task_id: TaskId, now: Timestamp) -> Result<WaitingReason> {
        let mut inquiry = Inquiry::about(self.get_task(task_id)?);
        loop {
            let round = inquiry.next_round();
            if round.is_empty() {
                return Ok(inquiry.answer(now));
            }
            for id in round {
                let task = self.task(id)?;
                inquiry.learn(id, task.status, task.depends_on.clone());
            }
        }
    }
}

enum Plan {
    Repeated(Vec<Task>),
    New(Vec<Task>),
}
