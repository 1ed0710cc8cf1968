//! Clauses C9, G8 and G9: what a plan depends on that it abandons, how much it depends on, and plans that
//! are given again.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use runstore_core::rules::input::Input;
use runstore_core::*;
use runstore_memory::MemoryStore;

/// Replaces the plan, but refuses dependencies on stored tasks in these states as well.
async fn refusing(
    inner: &MemoryStore,
    plan: TaskPlan,
    statuses: &[TaskStatus],
) -> Result<Vec<Task>> {
    for on in plan.drafts.iter().flat_map(|draft| &draft.depends_on) {
        if let Dependency::Task { task_id } = on
            && let Ok(task) = inner.get_task(*task_id).await
            && statuses.contains(&task.status)
        {
            return Err(Error::invalid_input(
                "drafts[0].depends_on[0]",
                format!("is task {task_id}"),
            ));
        }
    }
    inner.replace_pending_tasks(plan).await
}

/// Replaces the plan, without its dependencies on tasks in these states.
async fn ignoring(
    inner: &MemoryStore,
    mut plan: TaskPlan,
    statuses: &[TaskStatus],
) -> Result<Vec<Task>> {
    let tasks = inner
        .list_tasks(ListTasks::new(plan.run_id))
        .await
        .map(|page| page.items)
        .unwrap_or_default();
    let ignored: HashSet<TaskId> = tasks
        .iter()
        .filter(|task| statuses.contains(&task.status))
        .map(|task| task.id)
        .collect();
    for draft in &mut plan.drafts {
        draft
            .depends_on
            .retain(|on| !matches!(on, Dependency::Task { task_id } if ignored.contains(task_id)));
    }
    inner.replace_pending_tasks(plan).await
}

fn is_told_of_what_is_abandoned(answer: &Result<Vec<Task>>) -> bool {
    matches!(answer, Err(Error::InvalidInput { problem, .. }) if problem.contains("abandons"))
}

/// The plan with what the stored tasks of its drafts have of this.
async fn as_stored(
    inner: &MemoryStore,
    mut plan: TaskPlan,
    take: fn(&mut TaskDraft, Task),
) -> TaskPlan {
    for draft in &mut plan.drafts {
        if let Some(id) = draft.id
            && let Ok(task) = inner.get_task(id).await
        {
            take(draft, task);
        }
    }
    plan
}

const OPEN: [TaskStatus; 2] = [TaskStatus::Pending, TaskStatus::InProgress];

faults! {
    a_plan_may_depend_on_what_it_abandons [C9] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            ignoring(inner, plan, &OPEN).await
        }
    }

    a_plan_may_depend_on_what_is_in_progress [C9] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            ignoring(inner, plan, &[TaskStatus::InProgress]).await
        }
    }

    a_plan_may_depend_on_what_is_pending [C9] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            ignoring(inner, plan, &[TaskStatus::Pending]).await
        }
    }

    a_plan_cannot_depend_on_what_is_completed [C9] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            refusing(inner, plan, &[TaskStatus::Completed]).await
        }
    }

    a_plan_cannot_depend_on_what_is_blocked [C9] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            refusing(inner, plan, &[TaskStatus::Blocked]).await
        }
    }

    a_plan_cannot_depend_on_what_was_abandoned_before [C9] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            refusing(inner, plan, &[TaskStatus::Abandoned]).await
        }
    }

    what_is_appended_cannot_depend_on_what_is_open [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let answer = inner.fork()?.replace_pending_tasks(plan.clone()).await;
            if is_told_of_what_is_abandoned(&answer) { return answer; }
            inner.append_tasks(plan).await
        }
    }

    what_a_plan_abandons_is_an_invalid_transition [C9] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let answer = inner.replace_pending_tasks(plan).await;
            match is_told_of_what_is_abandoned(&answer) {
                true => {
                    let (from, to) = (TaskStatus::Pending, TaskStatus::Abandoned);
                    Err(Error::InvalidTransition { task_id: TaskId::generate(), from, to })
                }
                false => answer,
            }
        }
    }

    what_a_plan_abandons_is_unknown [C9] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let named = plan.drafts.iter().flat_map(|draft| &draft.depends_on);
            let mut ids = named.filter_map(|on| match on { Dependency::Task { task_id } => Some(*task_id), _ => None });
            let task_id = ids.next_back();
            let answer = inner.replace_pending_tasks(plan).await;
            match task_id {
                Some(task_id) if is_told_of_what_is_abandoned(&answer) => Err(Error::not_found(RecordKind::Task, task_id)),
                _ => answer,
            }
        }
    }

    what_a_plan_abandons_is_told_of_the_first_draft [C9] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let answer = inner.replace_pending_tasks(plan).await;
            match answer {
                Err(Error::InvalidInput { problem, .. }) if problem.contains("abandons") => {
                    Err(Error::invalid_input("drafts[0].depends_on[0]", problem))
                }
                answer => answer,
            }
        }
    }

    /// The old plan is gone when it is seen what the new one depends on.
    a_refused_plan_abandons_the_old_one [C9 G1] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let run_id = plan.run_id;
            let answer = inner.replace_pending_tasks(plan).await;
            if is_told_of_what_is_abandoned(&answer) { inner.replace_pending_tasks(TaskPlan::new(run_id, [])).await?; }
            answer
        }
    }

    what_a_plan_abandons_is_looked_at_before_a_repeat [G9] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            plan.check()?;
            let mut new = plan.clone();
            for draft in &mut new.drafts { draft.id = None; }
            let answer = inner.fork()?.replace_pending_tasks(new).await;
            if is_told_of_what_is_abandoned(&answer) { return answer; }
            inner.replace_pending_tasks(plan).await
        }
    }

    a_task_depends_on_at_most_1000 [G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            if plan.drafts.iter().any(|draft| draft.depends_on.len() > 1_000) {
                return Err(Error::invalid_input("drafts[1].depends_on", "has too many entries; at most 10000 are allowed"));
            }
            inner.append_tasks(plan).await
        }
    }

    only_distinct_dependencies_are_bounded [G8] {
        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            for draft in &mut plan.drafts {
                if draft.depends_on.len() > limits::MAX_DEPENDENCIES { draft.depends_on.dedup(); }
            }
            inner.append_tasks(plan).await
        }
    }

    only_10000_dependencies_are_kept_of_more [G8] {
        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            for draft in &mut plan.drafts { draft.depends_on.truncate(limits::MAX_DEPENDENCIES); }
            inner.append_tasks(plan).await
        }
    }

    a_dependency_that_is_named_twice_is_refused [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            for draft in &plan.drafts {
                let distinct: HashSet<String> = draft.depends_on.iter().map(|on| format!("{on:?}")).collect();
                if distinct.len() < draft.depends_on.len() && distinct.len() > 1 {
                    return Err(Error::invalid_input("drafts[0].depends_on", "names a task twice"));
                }
            }
            inner.append_tasks(plan).await
        }
    }

    dependencies_have_no_size [G8] {
        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            if let Err(Error::InvalidInput { field, problem }) = plan.check()
                && field == "drafts[0].depends_on" && problem.contains("bytes")
            { plan.drafts.iter_mut().take(1).for_each(|draft| draft.depends_on.clear()); }
            inner.append_tasks(plan).await
        }
    }

    priorities_are_bounded [G5] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            if plan.drafts.iter().any(|draft| !(-1_000_000..=1_000_000).contains(&draft.priority)) {
                return Err(Error::invalid_input("drafts[0].priority", "is out of range"));
            }
            inner.append_tasks(plan).await
        }
    }

    a_repeat_is_compared_without_priority [G9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            inner.append_tasks(as_stored(inner, plan, |draft, task| draft.priority = task.priority).await).await
        }
    }

    a_repeat_is_compared_without_its_time [G9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            inner.append_tasks(as_stored(inner, plan, |draft, task| draft.not_before = task.not_before).await).await
        }
    }

    a_repeat_is_compared_without_its_dependencies [G9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            plan.check()?;
            inner.append_tasks(as_stored(inner, plan, |draft, task| {
                draft.depends_on = task.depends_on.into_iter().map(Into::into).collect();
            }).await).await
        }
    }

    a_repeat_is_compared_without_the_order_of_its_dependencies [G9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            plan.check()?;
            let ids: Vec<Option<TaskId>> = plan.drafts.iter().map(|draft| draft.id).collect();
            let mut sorted = plan.clone();
            for draft in &mut sorted.drafts {
                let Some(id) = draft.id else { continue };
                let Ok(task) = inner.get_task(id).await else { continue };
                draft.depends_on.sort_by_key(|on| task.depends_on.iter().position(|id| match on {
                    Dependency::Index(index) => ids.get(*index) == Some(&Some(*id)),
                    Dependency::Key(_) => false,
                    Dependency::Task { task_id } => task_id == id,
                }));
            }
            inner.append_tasks(sorted).await
        }
    }

    /// By id, index and key is not the same.
    a_repeat_is_compared_as_it_is_spelt [G9] (Mutex<HashMap<TaskId, Vec<Dependency>>>) {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let drafts = plan.drafts.clone();
            let tasks = inner.append_tasks(plan).await?;
            let mut spelt = self.0.lock().unwrap();
            for draft in drafts {
                let Some(id) = draft.id else { continue };
                if *spelt.entry(id).or_insert(draft.depends_on.clone()) != draft.depends_on {
                    return Err(Error::already_exists(RecordKind::Task, id));
                }
            }
            Ok(tasks)
        }
    }
}
