//! Clause C9: why a task waits, told wrongly.

use std::collections::HashMap;

use runstore_core::WaitingReason as Reason;
use runstore_core::*;
use runstore_memory::MemoryStore;

/// What the wrapped store tells, and the task that it tells it of.
async fn told(inner: &MemoryStore, task_id: TaskId) -> Result<(Reason, Task)> {
    Ok((
        inner.waiting_reason(task_id).await?,
        inner.get_task(task_id).await?,
    ))
}

/// The tasks of the run, to look up what depends on what.
struct Tasks(HashMap<TaskId, Task>);

impl Tasks {
    async fn beside(inner: &MemoryStore, task: &Task) -> Result<Self> {
        let tasks = inner.list_tasks(ListTasks::new(task.run_id)).await?.items;
        Ok(Self(
            tasks.into_iter().map(|task| (task.id, task)).collect(),
        ))
    }

    fn depends_on(&self, task: &Task) -> impl Iterator<Item = &Task> {
        task.depends_on.iter().filter_map(|id| self.0.get(id))
    }

    /// Why the task would wait if its dependencies were all that counts.
    fn unmet(&self, task: &Task) -> Option<Reason> {
        let unmet = self
            .depends_on(task)
            .filter(|on| on.status != TaskStatus::Completed);
        let unmet = unmet.map(|on| UnmetDependency {
            task_id: on.id,
            status: on.status,
            can_complete: !is_set_aside(on),
        });
        let tasks: Vec<UnmetDependency> = unmet.collect();
        (!tasks.is_empty()).then_some(Reason::Dependencies { tasks, until: None })
    }

    /// Whether a task that this one waits for is set aside, at most so many steps away.
    fn is_stuck(&self, task: &Task, steps: u32, through: fn(TaskStatus) -> bool) -> bool {
        let mut on = self.depends_on(task);
        is_set_aside(task)
            || (steps > 0
                && through(task.status)
                && on.any(|on| self.is_stuck(on, steps - 1, through)))
    }
}

const fn is_set_aside(task: &Task) -> bool {
    matches!(task.status, TaskStatus::Blocked | TaskStatus::Abandoned)
}

fn is_pending(status: TaskStatus) -> bool {
    status == TaskStatus::Pending
}

/// A store that tells something else than the wrapped one, by the task and those beside it.
macro_rules! tells {
    (|$reason:ident, $task:ident, $beside:ident| $tell:expr) => {
        fn waiting_reason<'s, 'i, 'f>(
            &'s self,
            inner: &'i MemoryStore,
            task_id: TaskId,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<Reason>> + Send + 'f>>
        where
            's: 'f,
            'i: 'f,
            Self: 'f,
        {
            Box::pin(async move {
                let ($reason, $task) = told(inner, task_id).await?;
                let $beside = Tasks::beside(inner, &$task).await?;
                Ok($tell)
            })
        }
    };
}

/// A store that tells something else of each task that is waited for.
macro_rules! tells_of_each {
    (|$on:ident| $change:expr) => {
        tells!(|reason, _task, _beside| match reason {
            Reason::Dependencies { tasks, until } => {
                let tasks = tasks
                    .into_iter()
                    .map(|$on: UnmetDependency| $change)
                    .collect();
                Reason::Dependencies { tasks, until }
            }
            reason => reason,
        });
    };
}

/// A store that judges otherwise whether a task that is waited for can be completed.
macro_rules! can_complete {
    (|$on:ident, $beside:ident| $can:expr) => {
        tells!(|reason, _task, beside| match reason {
            Reason::Dependencies { mut tasks, until } => {
                for unmet in &mut tasks {
                    if let ($beside, Some($on)) = (&beside, beside.0.get(&unmet.task_id)) {
                        unmet.can_complete = $can;
                    }
                }
                Reason::Dependencies { tasks, until }
            }
            reason => reason,
        });
    };
}

pub(crate) mod states;
pub(crate) mod unmet;
