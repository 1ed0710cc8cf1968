//! Clauses C9, G7 and G8: drafts and stored tasks that are named by keys and ids, taken wrongly.

use std::collections::HashSet;
use std::sync::Mutex;

use runstore_core::rules::input::Input;
use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::plan_input::{only, spelt, told};

fn names_key(on: &Dependency) -> Option<&str> {
    match on {
        Dependency::Key(key) => Some(key),
        _ => None,
    }
}

/// Whether the dependency is on a stored task that is not wanted.
async fn unwanted(
    inner: &MemoryStore,
    plan: &TaskPlan,
    wanted: impl Fn(&TaskPlan, Option<&Task>) -> bool,
) -> HashSet<TaskId> {
    let mut unwanted = HashSet::new();
    for on in plan.drafts.iter().flat_map(|draft| &draft.depends_on) {
        if let Dependency::Task { task_id } = on
            && !plan.drafts.iter().any(|draft| draft.id == Some(*task_id))
        {
            let task = inner.get_task(*task_id).await.ok();
            if !wanted(plan, task.as_ref()) {
                unwanted.insert(*task_id);
            }
        }
    }
    unwanted
}

fn not_in(unwanted: &HashSet<TaskId>) -> impl Fn(usize, &TaskDraft, &Dependency) -> bool {
    move |_, _, on| !matches!(on, Dependency::Task { task_id } if unwanted.contains(task_id))
}

faults! {
    an_unknown_key_is_ignored [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let keys: HashSet<String> = plan.drafts.iter().filter_map(|draft| draft.key.clone()).collect();
            inner.append_tasks(only(plan, |_, _, on| names_key(on).is_none_or(|key| keys.contains(key)))).await
        }
    }

    an_unknown_key_is_unknown_as_a_task [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            told(inner.append_tasks(plan).await, |field, problem| match problem.contains("names key") {
                true => Error::not_found(RecordKind::Task, Uuid::nil()),
                false => Error::invalid_input(field, problem),
            })
        }
    }

    an_unknown_key_is_told_of_the_whole_draft [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            told(inner.append_tasks(plan).await, |field, problem| match field.rsplit_once('[') {
                Some((field, _)) if field.ends_with("depends_on") => Error::invalid_input(field, problem),
                _ => Error::invalid_input(field, problem),
            })
        }
    }

    keys_are_compared_without_regard_to_case [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let keys: Vec<String> = plan.drafts.iter().filter_map(|draft| draft.key.clone()).collect();
            let stored = |key: &str| keys.iter().find(|other| other.eq_ignore_ascii_case(key));
            inner.append_tasks(spelt(plan, |on| match names_key(&on).and_then(stored) {
                Some(key) => Dependency::Key(key.clone()),
                None => on,
            })).await
        }
    }

    keys_are_trimmed [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let keys: HashSet<String> = plan.drafts.iter().filter_map(|draft| draft.key.clone()).collect();
            inner.append_tasks(spelt(plan, |on| match names_key(&on) {
                Some(key) if !keys.contains(key) => Dependency::Key(key.trim().to_owned()),
                _ => on,
            })).await
        }
    }

    a_key_may_be_a_title [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let keys: HashSet<String> = plan.drafts.iter().filter_map(|draft| draft.key.clone()).collect();
            let titles: Vec<String> = plan.drafts.iter().map(|draft| draft.title.clone()).collect();
            let titled = |key: &str| titles.iter().position(|title| title == key && !keys.contains(key));
            inner.append_tasks(spelt(plan, |on| names_key(&on).and_then(titled).map_or(on, Dependency::Index))).await
        }
    }

    a_key_may_be_an_index [C9 G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let keys: HashSet<String> = plan.drafts.iter().filter_map(|draft| draft.key.clone()).collect();
            let number = |key: &str| key.parse().ok().filter(|_| !keys.contains(key));
            inner.append_tasks(spelt(plan, |on| names_key(&on).and_then(number).map_or(on, Dependency::Index))).await
        }
    }

    keys_are_kept_for_the_next_plan [C9 G8] (Mutex<HashSet<String>>) {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let keys: HashSet<String> = plan.drafts.iter().filter_map(|draft| draft.key.clone()).collect();
            let earlier = self.0.lock().unwrap().clone();
            let is_known = |key: &str| keys.contains(key) || !earlier.contains(key);
            let tasks = inner.append_tasks(only(plan, |_, _, on| names_key(on).is_none_or(is_known))).await?;
            self.0.lock().unwrap().extend(keys);
            Ok(tasks)
        }
    }

    a_key_stands_once_in_all_plans [G8] (Mutex<HashSet<(RunId, String)>>) {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let (run_id, drafts) = (plan.run_id, plan.drafts.clone());
            for (index, draft) in drafts.iter().enumerate() {
                let known = |key: &String| self.0.lock().unwrap().contains(&(run_id, key.clone()));
                if draft.key.as_ref().is_some_and(known) {
                    return Err(Error::invalid_input(format!("drafts[{index}].key"), "stands in an earlier plan"));
                }
            }
            let tasks = inner.append_tasks(plan).await?;
            self.0.lock().unwrap().extend(drafts.into_iter().filter_map(|draft| Some((run_id, draft.key?))));
            Ok(tasks)
        }
    }

    the_last_draft_of_a_key_is_meant [G8] {
        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            let mut seen = HashSet::new();
            for draft in plan.drafts.iter_mut().rev() {
                draft.key = draft.key.take().filter(|key| seen.insert(key.clone()));
            }
            inner.append_tasks(plan).await
        }
    }

    a_key_names_the_draft_before_it [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let keys: Vec<Option<String>> = plan.drafts.iter().map(|draft| draft.key.clone()).collect();
            let before = |key: &str| keys.iter().position(|other| other.as_deref() == Some(key))?.checked_sub(1);
            let other = spelt(plan.clone(), |on| names_key(&on).and_then(before).map_or(on, Dependency::Index));
            inner.append_tasks(if other.check().is_ok() { other } else { plan }).await
        }
    }

    a_key_is_not_bounded [G8] {
        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            for draft in &mut plan.drafts { draft.key = draft.key.take().filter(|key| key.len() <= limits::MAX_WORD_BYTES); }
            inner.append_tasks(plan).await
        }
    }

    a_key_is_bounded_in_characters [G8] {
        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            for draft in &mut plan.drafts {
                let is_bounded = |key: &String| key.chars().count() > limits::MAX_WORD_BYTES;
                draft.key = draft.key.take().filter(|key| key.len() <= limits::MAX_WORD_BYTES || is_bounded(key));
            }
            inner.append_tasks(plan).await
        }
    }

    an_empty_key_is_refused [C9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            if plan.drafts.iter().any(|draft| draft.key.as_deref() == Some("")) {
                return Err(Error::invalid_input("drafts[0].key", "is empty"));
            }
            inner.append_tasks(plan).await
        }
    }

    an_unknown_task_is_ignored [C9 G7] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let unwanted = unwanted(inner, &plan, |_, task| task.is_some()).await;
            inner.append_tasks(only(plan, not_in(&unwanted))).await
        }
    }

    an_unknown_task_is_bad_input [C9 G7] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            match inner.append_tasks(plan).await {
                Err(Error::NotFound { kind: RecordKind::Task, id }) => {
                    Err(Error::invalid_input("drafts[0].depends_on", format!("names task {id}")))
                }
                answer => answer,
            }
        }
    }

    an_unknown_task_is_told_as_the_run [C9 G7] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let run_id = plan.run_id;
            match inner.append_tasks(plan).await {
                Err(Error::NotFound { .. }) => Err(Error::not_found(RecordKind::Run, run_id)),
                answer => answer,
            }
        }
    }

    a_task_of_another_run_may_be_named [C9 G7] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let unwanted = unwanted(inner, &plan, |plan, task| task.is_none_or(|task| task.run_id == plan.run_id)).await;
            inner.append_tasks(only(plan, not_in(&unwanted))).await
        }
    }

    a_completed_task_of_another_run_may_be_named [C9 G7] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let is_other = |plan: &TaskPlan, task: &Task| task.run_id != plan.run_id && task.status == TaskStatus::Completed;
            let unwanted = unwanted(inner, &plan, |plan, task| task.is_none_or(|task| !is_other(plan, task))).await;
            inner.append_tasks(only(plan, not_in(&unwanted))).await
        }
    }

    the_nil_id_depends_on_nothing [C9 G7] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let is_nil = |on: &Dependency| matches!(on, Dependency::Task { task_id } if task_id.as_uuid().is_nil());
            inner.append_tasks(only(plan, |_, _, on| !is_nil(on))).await
        }
    }
}
