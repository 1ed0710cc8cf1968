//! Clauses C9 and G8: plans that lead back to themselves, and indexes of drafts, taken wrongly.

use std::collections::HashSet;

use runstore_core::rules::input::Input;
use runstore_core::*;
use runstore_memory::MemoryStore;

/// The plan without the dependencies of its drafts, each with its index, that are not wanted.
pub(crate) fn only(
    mut plan: TaskPlan,
    wanted: impl Fn(usize, &TaskDraft, &Dependency) -> bool,
) -> TaskPlan {
    for (index, draft) in plan.drafts.iter_mut().enumerate() {
        let whole = draft.clone();
        draft.depends_on.retain(|on| wanted(index, &whole, on));
    }
    plan
}

/// The plan with its dependencies spelt otherwise.
pub(crate) fn spelt(mut plan: TaskPlan, spell: impl Fn(Dependency) -> Dependency) -> TaskPlan {
    for draft in &mut plan.drafts {
        draft.depends_on = std::mem::take(&mut draft.depends_on)
            .into_iter()
            .map(&spell)
            .collect();
    }
    plan
}

/// How many drafts the cycle has that the plan is refused for.
fn cycle(plan: &TaskPlan) -> usize {
    match plan.check() {
        Err(Error::InvalidInput { problem, .. }) if problem.contains("back to itself") => {
            let steps = problem.split(" -> ").skip(1);
            let left_out = |step: &str| step.strip_suffix(" more").and_then(|n| n.parse().ok());
            steps.map(|step| left_out(step).unwrap_or(1)).sum()
        }
        _ => 0,
    }
}

/// What a plan is refused for, told in another way.
pub(crate) fn told(
    answer: Result<Vec<Task>>,
    tell: impl Fn(String, String) -> Error,
) -> Result<Vec<Task>> {
    match answer {
        Err(Error::InvalidInput { field, problem }) => Err(tell(field, problem)),
        answer => answer,
    }
}

/// Accepts what the wrapped store refuses as leading back to itself, in plans with a longer cycle.
macro_rules! accepts_cycles_over {
    ($length:expr, $inner:ident, $plan:ident) => {
        match cycle(&$plan) > $length {
            true => $inner.append_tasks(only($plan, |_, _, _| false)).await,
            false => $inner.append_tasks($plan).await,
        }
    };
}

faults! {
    a_draft_may_depend_on_itself [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            inner.append_tasks(only(plan, |index, draft, on| match on {
                Dependency::Index(on) => *on != index,
                Dependency::Key(key) => draft.key.as_ref() != Some(key),
                Dependency::Task { task_id } => draft.id != Some(*task_id),
            })).await
        }
    }

    a_draft_may_depend_on_itself_by_its_id [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let is_own = |draft: &TaskDraft, on: &Dependency| matches!(on, Dependency::Task { task_id } if draft.id == Some(*task_id));
            inner.append_tasks(only(plan, |_, draft, on| !is_own(draft, on))).await
        }
    }

    a_cycle_of_two_is_accepted [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            accepts_cycles_over!(1, inner, plan)
        }
    }

    a_cycle_of_three_is_accepted [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            accepts_cycles_over!(2, inner, plan)
        }
    }

    a_long_cycle_is_accepted [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            accepts_cycles_over!(100, inner, plan)
        }
    }

    only_a_plan_that_replaces_may_have_a_cycle [C9 G8] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            match cycle(&plan) {
                0 => inner.replace_pending_tasks(plan).await,
                _ => inner.replace_pending_tasks(only(plan, |_, _, _| false)).await,
            }
        }
    }

    a_cycle_is_looked_for_among_indexes [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let indexes = only(plan.clone(), |_, _, on| matches!(on, Dependency::Index(_)));
            match (cycle(&plan), cycle(&indexes)) {
                (1.., 0) => inner.append_tasks(indexes).await,
                _ => inner.append_tasks(plan).await,
            }
        }
    }

    a_cycle_is_looked_for_from_the_first_draft [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            match plan.check() {
                Err(Error::InvalidInput { field, .. }) if cycle(&plan) > 0 && field != "drafts[0].depends_on" => {
                    inner.append_tasks(only(plan, |_, _, _| false)).await
                }
                _ => inner.append_tasks(plan).await,
            }
        }
    }

    what_two_drafts_depend_on_is_taken_for_a_cycle [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let mut seen = HashSet::new();
            let all = plan.drafts.iter().flat_map(|draft| &draft.depends_on);
            let mut indexes = all.filter_map(|on| match on { Dependency::Index(index) => Some(*index), _ => None });
            if plan.drafts.len() == 5 && !indexes.all(|index| seen.insert(index)) {
                return Err(Error::invalid_input("drafts[0].depends_on", "lead back to itself"));
            }
            inner.append_tasks(plan).await
        }
    }

    a_dependency_on_a_later_draft_is_refused [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            for (index, draft) in plan.drafts.iter().enumerate() {
                let is_later = |on: &Dependency| matches!(on, Dependency::Index(on) if *on > index && *on < plan.drafts.len());
                if cycle(&plan) == 0 && draft.depends_on.iter().any(is_later) {
                    return Err(Error::invalid_input(format!("drafts[{index}].depends_on"), "is a later draft"));
                }
            }
            inner.append_tasks(plan).await
        }
    }

    a_cycle_is_told_without_its_path [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            told(inner.append_tasks(plan).await, |field, problem| match problem.split_once(':') {
                Some((what, _)) if what.contains("itself") => Error::invalid_input(field, what),
                _ => Error::invalid_input(field, problem),
            })
        }
    }

    a_cycle_is_told_backwards [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            told(inner.append_tasks(plan).await, |field, problem| match problem.split_once(": ") {
                Some((what, path)) => {
                    let path: Vec<&str> = path.split(" -> ").collect();
                    let path: Vec<&str> = path.into_iter().rev().collect();
                    Error::invalid_input(field, format!("{what}: {}", path.join(" -> ")))
                }
                None => Error::invalid_input(field, problem),
            })
        }
    }

    a_cycle_is_told_with_what_leads_to_it [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let is_cycle = cycle(&plan) > 0;
            told(inner.append_tasks(plan).await, |field, problem| match is_cycle {
                true => Error::invalid_input("drafts[0].depends_on", problem),
                false => Error::invalid_input(field, problem),
            })
        }
    }

    an_unknown_index_is_ignored [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let drafts = plan.drafts.len();
            inner.append_tasks(only(plan, |_, _, on| !matches!(on, Dependency::Index(index) if *index >= drafts))).await
        }
    }

    an_index_may_be_the_number_of_drafts [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let drafts = plan.drafts.len();
            inner.append_tasks(only(plan, |_, _, on| *on != Dependency::Index(drafts))).await
        }
    }

    an_index_is_counted_from_one [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            inner.append_tasks(spelt(plan, |on| match on {
                Dependency::Index(index) => Dependency::Index(index.wrapping_sub(1)),
                on => on,
            })).await
        }
    }

    /// As an index of 32 bits.
    a_large_index_comes_round [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            inner.append_tasks(spelt(plan, |on| match on {
                Dependency::Index(usize::MAX) => Dependency::Index(0),
                on => on,
            })).await
        }
    }

    an_index_is_a_position_of_the_run [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let stored = match inner.list_tasks(ListTasks::new(plan.run_id)).await {
                Ok(page) if plan.check().is_ok() => page.items,
                _ => Vec::new(),
            };
            inner.append_tasks(spelt(plan, |on| match on {
                Dependency::Index(index) => stored.get(index).map_or(on, |task| task.id.into()),
                on => on,
            })).await
        }
    }

    an_unknown_index_is_unknown_as_a_task [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            told(inner.append_tasks(plan).await, |field, problem| match problem.contains("names draft") {
                true => Error::not_found(RecordKind::Task, Uuid::nil()),
                false => Error::invalid_input(field, problem),
            })
        }
    }
}
