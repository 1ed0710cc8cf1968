//! Plans (clauses T1, T2 and C9).

use std::collections::BTreeMap;

use runstore_core::rules::schedule::Place;
use runstore_core::rules::{plan, retry, tasks};
use runstore_core::{Error, RecordKind, Result, Task, TaskId, TaskPlan, TaskStatus, Timestamp};

use crate::parts::Kept;
use crate::schedule::Indexed;
use crate::schema::{META_LAST_TASK_NUMBER, Tables};
use crate::states::RunKey;
use crate::table::{Access, Writing};
use crate::tasks::tasks_of;

/// What a call that takes a plan comes down to.
enum Plan {
    /// It is a repeat: these are the stored tasks.
    Repeated(Vec<Task>),
    /// These are its tasks, with the states of those outside the plan that they depend on.
    New(RunKey, Vec<Task>, BTreeMap<TaskId, TaskStatus>),
}

impl<A: Access> Tables<A> {
    fn read_plan(&self, plan: TaskPlan, now: Timestamp) -> Result<Plan> {
        let run = self.run_key(plan.run_id)?;
        let named = plan.drafts.iter().map(|draft| match draft.id {
            Some(id) => self.find_task(id),
            None => Ok(None),
        });
        let stored = named.collect::<Result<Vec<_>>>()?;
        let new = plan::tasks(plan, self.last_position(run)? + 1, now)?;
        let mut outside = BTreeMap::new();
        for task_id in plan::outside(&new) {
            match self.find_state(task_id)? {
                Some(found) if found.run == run => {
                    outside.insert(task_id, found.status);
                }
                _ => return Err(Error::not_found(RecordKind::Task, task_id)),
            }
        }
        Ok(match retry::answer_plan(stored, &new)? {
            Some(repeated) => Plan::Repeated(repeated),
            None => Plan::New(run, new, outside),
        })
    }

    /// The position of the last task that the run ever had: tasks go with their run only.
    fn last_position(&self, run: RunKey) -> Result<u64> {
        let last = self.tasks.last_number(tasks_of(run))?;
        Ok(last.unwrap_or(0))
    }
}

impl Tables<Writing<'_>> {
    pub(crate) fn replace_pending_tasks(
        &mut self,
        plan: TaskPlan,
        now: Timestamp,
    ) -> Result<Vec<Task>> {
        let (run, new, outside) = match self.read_plan(plan, now)? {
            Plan::Repeated(tasks) => return Ok(tasks),
            Plan::New(run, new, outside) => (run, new, outside),
        };
        plan::check_kept(&new, |id| outside.get(&id).copied())?;
        self.abandon_replaced(run, now)?;
        self.add_tasks(run, new, &outside, now)
    }

    /// Abandons what a new plan replaces (clause T1). That is all that claims could come to, so it is taken
    /// out of its lists and of the queues in one go.
    fn abandon_replaced(&mut self, run: RunKey, now: Timestamp) -> Result<()> {
        let replaceable = TaskStatus::ALL.into_iter();
        let replaceable = replaceable.filter(|status| tasks::is_replaceable(*status));
        let mut replaced = Vec::new();
        for status in replaceable.clone() {
            replaced.extend(self.all_for_change(run, status, |_| true)?);
        }
        if replaced.is_empty() {
            return Ok(());
        }
        for status in replaceable {
            self.states.of_mut(status).remove_range(tasks_of(run))?;
        }
        self.ready.remove_run(run.number)?;
        self.due.remove_run(run.number)?;
        for (task, was) in replaced {
            let abandoned = tasks::replaced(task, now);
            // Nothing is left of it in the tables that it was in.
            let was = Indexed {
                status: abandoned.status,
                place: Place::Nowhere,
                ..was
            };
            self.put_changed(&was, &abandoned, now)?;
        }
        Ok(())
    }

    pub(crate) fn append_tasks(&mut self, plan: TaskPlan, now: Timestamp) -> Result<Vec<Task>> {
        match self.read_plan(plan, now)? {
            Plan::Repeated(tasks) => Ok(tasks),
            Plan::New(run, new, outside) => self.add_tasks(run, new, &outside, now),
        }
    }

    fn add_tasks(
        &mut self,
        run: RunKey,
        new: Vec<Task>,
        outside: &BTreeMap<TaskId, TaskStatus>,
        now: Timestamp,
    ) -> Result<Vec<Task>> {
        if new.is_empty() {
            return Ok(new);
        }
        // Counted rather than found: the number of a deleted task is not given again.
        let mut number = self.meta.find(META_LAST_TASK_NUMBER)?.unwrap_or(0);
        for task in &new {
            number += 1;
            let kept = Kept {
                number,
                // Those of the plan are not completed, and not outside.
                unmet: plan::unmet(task, |id| outside.get(&id).copied()),
                last_attempt: 0,
                is_reported: false,
            };
            self.put_new(run, task, kept, now)?;
        }
        for task in &new {
            self.put_dependencies(run, task.position, &task.depends_on)?;
        }
        self.meta.put(META_LAST_TASK_NUMBER, number)?;
        Ok(new)
    }
}
