//! Tasks (clauses T1 to T6) and their settling by an operator (C6).

use runstore_core::rules::tasks::Settlement;
use runstore_core::rules::{create, events, retry, tasks};
use runstore_core::{
    ListTasks, Page, Result, RunId, Task, TaskId, TaskPlan, TaskStatus, Timestamp,
};

use crate::state::{State, page};

impl State {
    pub(crate) fn replace_pending_tasks(
        &mut self,
        plan: TaskPlan,
        now: Timestamp,
    ) -> Result<Vec<Task>> {
        let run_id = plan.run_id;
        self.add_plan(plan, now, |state| {
            for task in state.tasks_where(run_id, tasks::is_replaceable)? {
                state.put_task(tasks::replaced(task, now))?;
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
        let next = self.run(plan.run_id)?.tasks.len() as u64 + 1;
        let named = plan.drafts.iter().map(|draft| draft.id);
        let stored = named.map(|id| self.find_task(id?).cloned()).collect();
        let new: Vec<Task> = (next..)
            .zip(plan.drafts)
            .map(|(position, draft)| create::task(plan.run_id, position, draft, now))
            .collect();
        if let Some(repeated) = retry::answer_plan(stored, &new)? {
            return Ok(repeated);
        }
        before(self)?;
        for task in &new {
            self.push_task(task.clone())?;
        }
        Ok(new)
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
        self.put_task(settled)
    }

    pub(crate) fn requeue_task(&mut self, task_id: TaskId, now: Timestamp) -> Result<Task> {
        let task = self.get_task(task_id)?;
        let from = task.status;
        let requeued = tasks::requeued(task, now)?;
        let event = events::requeue_task(&requeued, from);
        self.push_event_draft(requeued.run_id, event, now)?;
        self.put_task(requeued)
    }

    pub(crate) fn requeue_in_progress_tasks(
        &mut self,
        run_id: RunId,
        now: Timestamp,
    ) -> Result<u64> {
        let in_progress = self.tasks_where(run_id, |status| status == TaskStatus::InProgress)?;
        let changes = in_progress.len() as u64;
        if changes == 0 {
            return Ok(0);
        }
        for task in in_progress {
            self.put_task(tasks::requeued(task, now)?)?;
        }
        self.push_event_draft(run_id, events::requeue_in_progress(changes), now)?;
        Ok(changes)
    }
}
