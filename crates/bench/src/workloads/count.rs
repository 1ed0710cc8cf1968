//! What was really done: the rows of the store, counted.

use std::collections::HashSet;

use runstore_core::{
    AttemptStatus, ListAttempts, ListEvents, ListTasks, Page, PageRequest, RunId, Task, TaskId,
    TaskStatus,
};

use super::{World, claims};
use crate::{Failure, Result, Workload};

const PAGE: u32 = 1_000;

/// How many rows there are of those that the operations leave.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    /// Tasks that are completed with their summary, by one claim.
    completed: u64,
    /// Those of them that have an attempt.
    attempted: u64,
    /// Events of callers.
    events: u64,
    /// Tasks that were claimed once and are worked on.
    claimed: u64,
    /// Tasks that wait as they were planned.
    pending: u64,
    /// Tasks that are anything else, and attempts that are the second of a task or of no such task.
    others: u64,
}

/// What the operations of a case have done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Done {
    /// So many tasks were claimed, and reported on with an attempt and an event.
    Worked(u64),
    /// So many tasks were claimed.
    Claimed(u64),
    /// So many events were added.
    Appended(u64),
}

impl Done {
    /// What so many operations of a workload do; `None` if they leave nothing that could be counted.
    pub(crate) const fn by(workload: Workload, operations: u64) -> Option<Self> {
        match workload {
            Workload::Cycle | Workload::Finish => Some(Self::Worked(operations)),
            Workload::Claim => Some(Self::Claimed(operations)),
            Workload::Append | Workload::AppendBesideSnapshots => Some(Self::Appended(operations)),
            _ => None,
        }
    }
}

/// Fails unless the rows are what was done has to leave: nothing is lost and nothing was done twice.
pub(crate) async fn check(world: &World, done: Done) -> Result<()> {
    let mut found = Count::default();
    for run_id in &world.run_ids {
        let tasks = found.add_tasks(world, *run_id).await?;
        found.add_attempts(world, *run_id, tasks).await?;
        found.add_events(world, *run_id).await?;
    }
    let (completed, claimed, events) = match done {
        Done::Worked(tasks) => (tasks, world.batches.claimed(), tasks),
        Done::Claimed(tasks) => (0, tasks, 0),
        Done::Appended(events) => (0, 0, events),
    };
    let expected = Count {
        completed,
        attempted: completed,
        events,
        claimed,
        pending: world.added().saturating_sub(completed + claimed),
        others: 0,
    };
    match found == expected {
        true => Ok(()),
        false => Err(Failure::Refused(format!(
            "there are {found:?} where {expected:?} were to be"
        ))),
    }
}

impl Count {
    /// Counts the tasks of a run, and gives those that are completed.
    async fn add_tasks(&mut self, world: &World, run_id: RunId) -> Result<HashSet<TaskId>> {
        let is_reported = |task: &Task| {
            task.status == TaskStatus::Completed
                && task.attempt_count == 1
                && task.implementation_summary.as_ref() == Some(&world.text)
        };
        let mut completed = HashSet::new();
        let read = |page| {
            world
                .store()
                .list_tasks(ListTasks::new(run_id).with_page(page))
        };
        for_each(read, |task| {
            if is_reported(&task) {
                self.completed += 1;
                completed.insert(task.id);
            } else if task.status == TaskStatus::InProgress && task.attempt_count == 1 {
                self.claimed += 1;
            } else if task.status == TaskStatus::Pending && task.attempt_count == 0 {
                self.pending += 1;
            } else {
                self.others += 1;
            }
        })
        .await?;
        Ok(completed)
    }

    /// Counts the attempts of a run at these tasks.
    async fn add_attempts(
        &mut self,
        world: &World,
        run_id: RunId,
        mut tasks: HashSet<TaskId>,
    ) -> Result<()> {
        let read = |page| {
            world
                .store()
                .list_attempts(ListAttempts::new(run_id).with_page(page))
        };
        for_each(read, |attempt| {
            match attempt.status == AttemptStatus::Completed && tasks.remove(&attempt.task_id) {
                true => self.attempted += 1,
                false => self.others += 1,
            }
        })
        .await
    }

    /// Counts the events of a run that callers wrote.
    async fn add_events(&mut self, world: &World, run_id: RunId) -> Result<()> {
        let of_callers = claims::event(world);
        let read = |page| {
            world
                .store()
                .list_events(ListEvents::new(run_id).with_page(page))
        };
        for_each(read, |event| {
            if (&event.source, &event.payload) == (&of_callers.source, &of_callers.payload) {
                self.events += 1;
            }
        })
        .await
    }
}

/// Reads a list to its end, page by page.
async fn for_each<T, F>(read: impl Fn(PageRequest) -> F, mut each: impl FnMut(T)) -> Result<()>
where
    F: Future<Output = runstore_core::Result<Page<T>>>,
{
    let mut page = PageRequest::first(PAGE);
    loop {
        let found = read(page).await?;
        found.items.into_iter().for_each(&mut each);
        match found.next {
            Some(next) => page = PageRequest::first(PAGE).after(next),
            None => return Ok(()),
        }
    }
}
