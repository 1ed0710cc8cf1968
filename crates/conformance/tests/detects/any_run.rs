//! Clause C10: claims of any run in another order than by priority and planning, or that miss runs.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use runstore_core::*;
use runstore_memory::MemoryStore;

use crate::look::{Look, Turns};

/// What is ready in any run, where one is claimed from, in the order of the keys.
fn of_any<K: Ord>(look: &Look<'_>, key: impl Fn(&Task) -> K) -> Turns {
    match look.scope {
        Some(_) => None,
        None => look.ready_by(key),
    }
}

/// What is wanted of any run, where one is claimed from, in the order of claims.
fn only(look: &Look<'_>, wanted: impl Fn(&Task) -> bool) -> Turns {
    match look.scope {
        Some(_) => None,
        None => look.by_priority(|task| look.is_ready(task) && wanted(task)),
    }
}

/// The runs in the order in which they were created.
#[derive(Default)]
pub(crate) struct Runs(Mutex<Vec<RunId>>);

impl Runs {
    fn add(&self, run: &Run) {
        let mut runs = self.0.lock().unwrap();
        runs.retain(|run_id| *run_id != run.id);
        runs.push(run.id);
    }

    fn number(&self, task: &Task) -> usize {
        let runs = self.0.lock().unwrap();
        runs.iter()
            .position(|run_id| *run_id == task.run_id)
            .unwrap_or_default()
    }
}

faults! {
    priority_does_not_count_among_runs [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            of_any(look, |_| ())
        }
    }

    the_lowest_priority_of_all_runs_comes_first [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            of_any(look, |task| task.priority)
        }
    }

    /// Run after run, each by its priorities.
    the_run_that_was_planned_first_is_drained_first [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let ready = look.tasks().iter().filter(|task| look.is_ready(task));
            let runs: Vec<RunId> = ready.map(|task| task.run_id).collect();
            of_any(look, |task| (runs.iter().position(|run_id| *run_id == task.run_id), Reverse(task.priority)))
        }
    }

    the_oldest_run_comes_first [C10] (Runs) {
        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            let run = inner.create_run(new).await?;
            self.0.add(&run);
            Ok(run)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            of_any(look, |task| (self.0.number(task), Reverse(task.priority)))
        }
    }

    the_oldest_run_comes_first_among_equal_priorities [C10] (Runs) {
        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            let run = inner.create_run(new).await?;
            self.0.add(&run);
            Ok(run)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            of_any(look, |task| (Reverse(task.priority), self.0.number(task)))
        }
    }

    the_newest_run_comes_first_among_equal_priorities [C10] (Runs) {
        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            let run = inner.create_run(new).await?;
            self.0.add(&run);
            Ok(run)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            of_any(look, |task| (Reverse(task.priority), Reverse(self.0.number(task)), task.position))
        }
    }

    the_smallest_id_of_a_run_comes_first [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            of_any(look, |task| (Reverse(task.priority), task.run_id))
        }
    }

    the_smallest_id_of_a_task_comes_first [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            of_any(look, |task| (Reverse(task.priority), task.id))
        }
    }

    the_lowest_position_comes_first [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            of_any(look, |task| (Reverse(task.priority), task.position))
        }
    }

    the_earliest_time_of_planning_comes_first [C10 G6] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            of_any(look, |task| (Reverse(task.priority), task.created_at))
        }
    }

    what_was_planned_last_comes_first [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let number = |task: &Task| look.tasks().iter().position(|other| other.id == task.id);
            of_any(look, |task| (Reverse(task.priority), Reverse(number(task))))
        }
    }

    the_latest_change_comes_last_among_runs [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            of_any(look, |task| (Reverse(task.priority), task.updated_at))
        }
    }

    what_was_never_claimed_comes_first_among_runs [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            of_any(look, |task| (Reverse(task.priority), task.attempt_count))
        }
    }

    /// As a scheduler that wants to be fair.
    runs_take_turns [C10] (Mutex<HashMap<RunId, u64>>) {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let mut claims = self.0.lock().unwrap();
            let turns = of_any(look, |task| (Reverse(task.priority), claims.get(&task.run_id).copied()))?;
            let first = turns.first().and_then(|id| look.find(*id)).map(|task| task.run_id);
            if let Some(run_id) = first { *claims.entry(run_id).or_default() += 1; }
            Some(turns)
        }
    }

    a_run_with_a_task_in_progress_is_passed_over [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let held = look.tasks().iter().filter(|task| task.status == TaskStatus::InProgress && !look.is_due(task));
            let held: HashSet<RunId> = held.map(|task| task.run_id).collect();
            only(look, |task| !held.contains(&task.run_id))
        }
    }

    /// The first tasks of a page of runs.
    a_claim_of_any_run_looks_at_ten_runs [C10] (Runs) {
        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            let run = inner.create_run(new).await?;
            self.0.add(&run);
            Ok(run)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            let last = self.0.0.lock().unwrap().len();
            only(look, |task| self.0.number(task) + 10 >= last)
        }
    }

    a_claim_of_any_run_looks_at_a_hundred_runs [C10] (Runs) {
        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            let run = inner.create_run(new).await?;
            self.0.add(&run);
            Ok(run)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            let last = self.0.0.lock().unwrap().len();
            only(look, |task| self.0.number(task) + 100 >= last)
        }
    }

    /// The first task of each run is looked at, and no other.
    only_the_first_open_task_of_each_run_is_looked_at [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            let mut seen = HashSet::new();
            let open = look.by_priority(|task| task.status == TaskStatus::Pending || look.is_ready(task))?;
            let open = open.into_iter().filter_map(|id| look.find(id));
            let first: HashSet<TaskId> = open.filter(|task| seen.insert(task.run_id)).map(|task| task.id).collect();
            only(look, |task| first.contains(&task.id))
        }
    }

    runs_that_are_done_are_passed_over [C10] (Mutex<HashSet<RunId>>) {
        async fn update_run(&self, inner: &MemoryStore, update: RunUpdate) -> Result<Run> {
            let run = inner.update_run(update).await?;
            if run.status.as_str() == "completed" { self.0.lock().unwrap().insert(run.id); }
            Ok(run)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            only(look, |task| !self.0.lock().unwrap().contains(&task.run_id))
        }
    }

    runs_that_are_still_planning_are_passed_over [C10] (Mutex<HashSet<RunId>>) {
        async fn update_run(&self, inner: &MemoryStore, update: RunUpdate) -> Result<Run> {
            let run = inner.update_run(update).await?;
            if run.status.as_str() != "planning" { self.0.lock().unwrap().insert(run.id); }
            Ok(run)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            only(look, |task| self.0.lock().unwrap().contains(&task.run_id))
        }
    }

    a_replacing_plan_is_planned_as_the_one_before_it [C10] (Mutex<HashMap<RunId, usize>>) {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            self.0.lock().unwrap().insert(plan.run_id, 1);
            inner.replace_pending_tasks(plan).await
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            let replaced = self.0.lock().unwrap();
            of_any(look, |task| (Reverse(task.priority), !replaced.contains_key(&task.run_id)))
        }
    }

    what_ran_out_is_not_claimed_from_any_run [C10 C7] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            only(look, |task| task.status == TaskStatus::Pending)
        }
    }

    what_was_released_is_claimed_from_its_run_only [C10] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            only(look, |task| task.status != TaskStatus::Pending || task.attempt_count == 0)
        }
    }

    what_became_due_is_claimed_from_its_run_only [C10 C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            only(look, |task| task.not_before.is_none_or(|from| from <= task.created_at))
        }
    }

    what_was_released_by_a_completion_is_claimed_from_its_run_only [C10 C9] {
        fn turns(&self, look: &Look<'_>) -> Turns {
            only(look, |task| task.depends_on.is_empty())
        }
    }

    runs_of_another_handle_are_not_seen [C10] (Mutex<HashSet<RunId>>) {
        fn second(_: &Arc<Self>) -> Arc<Self> {
            Arc::default()
        }
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            self.0.lock().unwrap().insert(plan.run_id);
            inner.append_tasks(plan).await
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            only(look, |task| self.0.lock().unwrap().contains(&task.run_id))
        }
    }

    the_order_of_planning_is_lost_after_a_reopen [C10] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(true.into()))
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            if !self.0.load(Ordering::SeqCst) { return None; }
            of_any(look, |task| (Reverse(task.priority), task.run_id))
        }
    }

    numbers_of_planning_begin_anew_after_a_reopen [C10] (Mutex<(bool, HashSet<TaskId>)>) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(Mutex::new((true, HashSet::new()))))
        }
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let tasks = inner.append_tasks(plan).await?;
            let mut planned = self.0.lock().unwrap();
            if planned.0 { planned.1.extend(tasks.iter().map(|task| task.id)); }
            Ok(tasks)
        }
        fn turns(&self, look: &Look<'_>) -> Turns {
            let planned = self.0.lock().unwrap();
            of_any(look, |task| (Reverse(task.priority), !planned.1.contains(&task.id)))
        }
    }

    a_deleted_run_is_in_the_way [C10 R5] (Mutex<HashSet<RunId>>) {
        async fn delete_run(&self, inner: &MemoryStore, run_id: RunId) -> Result<()> {
            inner.delete_run(run_id).await?;
            self.0.lock().unwrap().insert(run_id);
            Ok(())
        }
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let deleted = self.0.lock().unwrap().drain().next();
            match (request.run_id, deleted) {
                (None, Some(run_id)) => Err(Error::not_found(RecordKind::Run, run_id)),
                _ => inner.claim_next_task(request).await,
            }
        }
    }

    a_store_without_runs_has_no_task_to_claim_and_says_so [C10] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            if request.run_id.is_none() && inner.list_runs(ListRuns::all()).await?.items.is_empty() {
                return Err(Error::not_found(RecordKind::Run, Uuid::nil()));
            }
            inner.claim_next_task(request).await
        }
    }

    a_claim_of_any_run_has_no_worker [C10] {
        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            request.worker = request.worker.filter(|_| request.run_id.is_some());
            inner.claim_next_task(request).await
        }
    }

    a_claim_of_any_run_has_no_lease [C10 C7] {
        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            request.lease = request.lease.filter(|_| request.run_id.is_some());
            inner.claim_next_task(request).await
        }
    }

    a_claim_of_any_run_is_not_bounded [C10 C8] {
        async fn claim_next_task(&self, inner: &MemoryStore, mut request: ClaimRequest) -> Result<Option<Claim>> {
            rules::input::Input::check(&request)?;
            request.max_attempts = request.max_attempts.filter(|_| request.run_id.is_some());
            inner.claim_next_task(request).await
        }
    }
}
