//! Clause C9: tasks that are released by other steps than the completion of all that they depend on, or do
//! not show what that is.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::dependencies::{Marked, mark, marked, unmet};
use crate::look::{Look, Turns};

/// Which task depends on which.
type Links = HashSet<(TaskId, TaskId)>;

/// Whether a task, or one that it waits for in turn, is not completed.
fn is_unmet_through(look: &Look<'_>, id: TaskId) -> bool {
    let depends_on = |task: &Task| task.depends_on.iter().any(|on| is_unmet_through(look, *on));
    look.find(id)
        .is_none_or(|task| task.status != TaskStatus::Completed || depends_on(task))
}

async fn dependents(inner: &MemoryStore, on: &Task) -> Result<Vec<Task>> {
    let mut tasks = inner.list_tasks(ListTasks::new(on.run_id)).await?.items;
    tasks.retain(|task| task.depends_on.contains(&on.id));
    Ok(tasks)
}

/// Which of these tasks depend on which completed one.
async fn completed(inner: &MemoryStore, tasks: &[Task]) -> Result<Links> {
    let mut links = HashSet::new();
    for task in tasks {
        for on in &task.depends_on {
            if inner.get_task(*on).await?.status == TaskStatus::Completed {
                links.insert((task.id, *on));
            }
        }
    }
    Ok(links)
}

faults! {
    what_was_released_once_stays_released [C9] (Marked) {
        fn turns(&self, look: &Look<'_>) -> Turns {
            mark(&self.0, look.tasks().iter().filter(|task| look.is_released(task)).map(|task| task.id));
            look.unless_waiting(|task| !marked(&self.0, task.id))
        }
    }

    /// A completion is noted, and a requeue takes no note back.
    what_was_completed_once_stays_done_for_its_dependents [C9] (Marked) {
        async fn complete_task(&self, inner: &MemoryStore, complete: CompleteTask) -> Result<Task> {
            let task = inner.complete_task(complete).await?;
            mark(&self.0, [task.id]);
            Ok(task)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| unmet(look, task.depends_on.iter().filter(|id| !marked(&self.0, **id))))
        }
    }

    /// The number of what it waits for is not raised when the requeue finds the attempts used up.
    what_becomes_blocked_when_requeued_stays_done_for_its_dependents [C9] (Marked) {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let before = inner.get_task(task_id).await?.status;
            let task = inner.requeue_task(task_id).await?;
            if (before, task.status) == (TaskStatus::Completed, TaskStatus::Blocked) { mark(&self.0, [task_id]); }
            Ok(task)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| unmet(look, task.depends_on.iter().filter(|id| !marked(&self.0, **id))))
        }
    }

    what_a_dependency_depends_on_is_waited_for_too [C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| task.depends_on.iter().any(|id| is_unmet_through(look, *id)))
        }
    }

    only_a_report_releases [C9] (Marked) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            mark(&self.0, [token.task_id]);
            inner.finish_task(token, report).await
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| task.depends_on.iter().any(|id| !look.is_completed(*id) || !marked(&self.0, *id)))
        }
    }

    only_an_operator_releases [C9] (Marked) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            mark(&self.0, [token.task_id]);
            inner.finish_task(token, report).await
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| task.depends_on.iter().any(|id| !look.is_completed(*id) || marked(&self.0, *id)))
        }
    }

    a_blocked_task_that_is_completed_releases_nothing [C9] (Marked) {
        async fn complete_task(&self, inner: &MemoryStore, complete: CompleteTask) -> Result<Task> {
            let is_blocked = inner.get_task(complete.task_id).await?.status == TaskStatus::Blocked;
            let task = inner.complete_task(complete).await?;
            if is_blocked { mark(&self.0, [task.id]); }
            Ok(task)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| task.depends_on.iter().any(|id| !look.is_completed(*id) || marked(&self.0, *id)))
        }
    }

    /// The number of what it waits for is not lowered while it is set aside.
    a_settled_dependent_is_not_told_of_a_completion [C9] (Marked) {
        async fn complete_task(&self, inner: &MemoryStore, complete: CompleteTask) -> Result<Task> {
            let task = inner.complete_task(complete).await?;
            let settled = |task: &&Task| !matches!(task.status, TaskStatus::Pending | TaskStatus::InProgress);
            mark(&self.0, dependents(inner, &task).await?.iter().filter(settled).map(|task| task.id));
            Ok(task)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| marked(&self.0, task.id) || !look.is_released(task))
        }
    }

    /// The number of what its dependents wait for is raised whatever it was before.
    a_requeue_of_what_was_not_completed_counts_too [C9] (Marked) {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let before = inner.get_task(task_id).await?.status;
            let task = inner.requeue_task(task_id).await?;
            if before != TaskStatus::Completed { mark(&self.0, [task_id]); }
            Ok(task)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| task.depends_on.iter().any(|id| !look.is_completed(*id) || marked(&self.0, *id)))
        }
    }

    a_report_given_again_releases_again [C9] (Mutex<HashMap<TaskId, usize>>) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let completes = matches!(report.outcome, FinishOutcome::Completed { .. });
            let task = inner.finish_task(token, report).await?;
            if completes { *self.0.lock().unwrap().entry(task.id).or_default() += 1; }
            Ok(task)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            let reports = self.0.lock().unwrap();
            let met = |id: &TaskId| reports.get(id).copied().unwrap_or(look.is_completed(*id).into());
            look.unless_waiting(|task| task.depends_on.iter().map(met).sum::<usize>() < task.depends_on.len())
        }
    }

    a_dependency_that_is_named_twice_is_counted_twice [C9] (Marked) {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let named: Vec<usize> = plan.drafts.iter().map(|draft| draft.depends_on.len()).collect();
            let tasks = inner.append_tasks(plan).await?;
            let twice = tasks.iter().zip(named).filter(|(task, named)| task.depends_on.len() < *named);
            mark(&self.0, twice.map(|(task, _)| task.id));
            Ok(tasks)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| marked(&self.0, task.id) || !look.is_released(task))
        }
    }

    what_was_completed_before_the_plan_is_waited_for [C9] (Mutex<Links>) {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let tasks = inner.append_tasks(plan).await?;
            let links = completed(inner, &tasks).await?;
            self.0.lock().unwrap().extend(links);
            Ok(tasks)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            let links = self.0.lock().unwrap();
            let waits = |task: &Task, on: TaskId| !look.is_completed(on) || links.contains(&(task.id, on));
            look.unless_waiting(|task| task.depends_on.iter().any(|on| waits(task, *on)))
        }
    }

    /// No link to it is kept, so that its requeue concerns nobody.
    what_was_completed_before_the_plan_is_never_waited_for [C9] (Mutex<Links>) {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let tasks = inner.append_tasks(plan).await?;
            let links = completed(inner, &tasks).await?;
            self.0.lock().unwrap().extend(links);
            Ok(tasks)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            let links = self.0.lock().unwrap();
            let waits = |task: &Task, on: TaskId| !look.is_completed(on) && !links.contains(&(task.id, on));
            look.unless_waiting(|task| task.depends_on.iter().any(|on| waits(task, *on)))
        }
    }

    only_100_dependents_are_released [C9] (Marked) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let task = inner.finish_task(token, report).await?;
            mark(&self.0, dependents(inner, &task).await?.iter().skip(100).map(|task| task.id));
            Ok(task)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| marked(&self.0, task.id) || !look.is_released(task))
        }
    }

    dependents_of_other_plans_are_not_released [C9] (Marked) {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let tasks = inner.append_tasks(plan).await?;
            let outside = rules::plan::outside(&tasks);
            let of_others = tasks.iter().filter(|task| task.depends_on.iter().any(|id| outside.contains(id)));
            mark(&self.0, of_others.map(|task| task.id));
            Ok(tasks)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            look.unless_waiting(|task| marked(&self.0, task.id) || !look.is_released(task))
        }
    }

    a_dependent_in_progress_is_taken_from_its_holder [C9] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let before = inner.get_task(task_id).await?;
            let task = inner.requeue_task(task_id).await?;
            for dependent in dependents(inner, &before).await? {
                if dependent.status == TaskStatus::InProgress { inner.requeue_task(dependent.id).await?; }
            }
            Ok(task)
        }
    }

    what_is_completed_goes_from_what_a_task_depends_on [C9 G5] (Marked) {
        fn view_task(&self, mut task: Task) -> Task {
            if task.status == TaskStatus::Completed { mark(&self.0, [task.id]); }
            task.depends_on.retain(|id| !marked(&self.0, *id));
            task
        }
    }

    what_a_task_depends_on_is_sorted [C9 G5] {
        fn view_task(&self, mut task: Task) -> Task {
            task.depends_on.sort_unstable();
            task
        }
    }

    what_a_task_depends_on_is_left_out_of_lists [C9 G5] {
        async fn list_tasks(&self, inner: &MemoryStore, list: ListTasks) -> Result<Page<Task>> {
            let mut page = inner.list_tasks(list).await?;
            for task in &mut page.items { task.depends_on.clear(); }
            Ok(page)
        }
    }

    what_a_task_depends_on_is_lost_after_a_reopen [C9 G5] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(true.into()))
        }
        fn view_task(&self, mut task: Task) -> Task {
            if self.0.load(Ordering::SeqCst) { task.depends_on.clear(); }
            task
        }
    }
}
