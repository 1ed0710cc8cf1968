//! What a store does of itself and must not: with time, by the status of a run, and on other handles.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use runstore_core::*;
use runstore_memory::MemoryStore;

/// The time that the store reads now.
async fn now(inner: &MemoryStore) -> Result<Timestamp> {
    let run = NewRun::new("asks", "the time");
    Ok(inner.fork()?.create_run(run).await?.created_at)
}

faults! {
    a_finish_is_known_for_a_day [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            if let Ok(task) = inner.get_task(token.task_id).await
                && now(inner).await?.as_micros() - task.updated_at.as_micros() > 86_400_000_000 {
                rules::claims::check_held(token, Some(task.standing()))?;
            }
            inner.finish_task(token, report).await
        }
    }

    an_id_is_known_for_a_day [G9] {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            let (id, time) = (new.draft.id, now(inner).await?);
            if let Some(id) = id && let Ok(page) = inner.list_events(ListEvents::new(new.run_id)).await
                && page.items.iter().any(|event| event.event_id == Some(id) && time.as_micros() - event.ts.as_micros() > 86_400_000_000) {
                return Err(Error::already_exists(RecordKind::Event, id));
            }
            inner.add_event(new).await
        }
    }

    a_claim_is_a_lease_of_an_hour [C4] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            if let Ok(task) = inner.get_task(token.task_id).await
                && rules::claims::check_held(token, Some(task.standing())).is_ok()
                && now(inner).await?.as_micros() - task.updated_at.as_micros() > 3_600_000_000 {
                return Err(Error::StaleClaim { token, current: Some(task.standing()) });
            }
            inner.finish_task(token, report).await
        }
    }

    /// A visibility timeout.
    a_claim_takes_what_was_held_for_an_hour [C1 C4] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let Some(run_id) = request.run_id else {
                return inner.claim_next_task(request).await;
            };
            let time = now(inner).await?.as_micros();
            let list = ListTasks::new(run_id).with_statuses([TaskStatus::InProgress]);
            for task in inner.list_tasks(list).await?.items {
                if time - task.updated_at.as_micros() > 3_600_000_000 { inner.requeue_task(task.id).await?; }
            }
            inner.claim_next_task(request).await
        }
    }

    a_task_back_in_the_queue_waits_a_second [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let time = now(inner).await?.as_micros();
            let claim = inner.fork()?.claim_next_task(request.clone()).await?;
            if let Some(claim) = claim {
                let before = inner.get_task(claim.task.id).await?;
                if before.attempt_count > 3 && time - before.updated_at.as_micros() < 1_000_000 { return Ok(None); }
            }
            inner.claim_next_task(request).await
        }
    }

    nothing_is_claimed_in_a_run_that_ended [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let Some(run_id) = request.run_id else {
                return inner.claim_next_task(request).await;
            };
            let status = inner.get_run(run_id).await?.status;
            if [RunStatus::Completed, RunStatus::Failed, RunStatus::Cancelled].contains(&status) { return Ok(None); }
            inner.claim_next_task(request).await
        }
    }

    nothing_is_claimed_in_a_paused_run [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let Some(run_id) = request.run_id else {
                return inner.claim_next_task(request).await;
            };
            let status = inner.get_run(run_id).await?.status;
            if status == RunStatus::Paused { return Ok(None); }
            inner.claim_next_task(request).await
        }
    }

    a_run_that_ended_takes_no_events [J1] {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            let run = inner.get_run(new.run_id).await;
            if run.is_ok_and(|run| run.status == RunStatus::Completed || run.status == RunStatus::Cancelled) {
                return Err(Error::not_found(RecordKind::Run, new.run_id));
            }
            inner.add_event(new).await
        }
    }

    cancelling_a_run_abandons_its_tasks [R3] {
        async fn update_run(&self, inner: &MemoryStore, update: RunUpdate) -> Result<Run> {
            let run = inner.update_run(update).await?;
            if run.status == RunStatus::Cancelled { inner.replace_pending_tasks(TaskPlan::new(run.id, [])).await?; }
            Ok(run)
        }
    }

    cancelled_runs_are_not_listed [R2] {
        async fn list_runs(&self, inner: &MemoryStore, list: ListRuns) -> Result<Page<Run>> {
            let all = list.status.is_none();
            let mut page = inner.list_runs(list).await?;
            page.items.retain(|run| !all || run.status != RunStatus::Cancelled);
            Ok(page)
        }
    }

    the_last_completion_completes_the_run [R6] {
        async fn complete_task(&self, inner: &MemoryStore, complete: CompleteTask) -> Result<Task> {
            let task = inner.complete_task(complete).await?;
            let open = ListTasks::new(task.run_id).with_statuses([TaskStatus::Pending, TaskStatus::InProgress, TaskStatus::Blocked]);
            if inner.list_tasks(open).await?.items.is_empty() {
                inner.update_run(RunUpdate::new(task.run_id).with_status("completed")).await?;
            }
            Ok(task)
        }
    }

    the_last_finish_completes_the_run [R6] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let task = inner.finish_task(token, report).await?;
            let open = ListTasks::new(task.run_id).with_statuses([TaskStatus::Pending, TaskStatus::InProgress, TaskStatus::Blocked]);
            if task.status == TaskStatus::Completed && inner.list_tasks(open).await?.items.is_empty() {
                inner.update_run(RunUpdate::new(task.run_id).with_status("completed")).await?;
            }
            Ok(task)
        }
    }

    the_first_claim_sets_the_run_running [R6] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let claim = inner.claim_next_task(request).await?;
            if let Some(claim) = &claim && inner.get_run(claim.task.run_id).await?.status == RunStatus::Planning {
                inner.update_run(RunUpdate::new(claim.task.run_id).with_status("running")).await?;
            }
            Ok(claim)
        }
    }

    settling_the_current_task_clears_it [R6] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let task = inner.finish_task(token, report).await?;
            let run = inner.get_run(task.run_id).await?;
            if run.current_task_id == Some(task.id) { inner.update_run(RunUpdate::new(run.id).clear_current_task()).await?; }
            Ok(task)
        }
    }

    a_new_plan_clears_the_current_task [R6] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let tasks = inner.replace_pending_tasks(plan.clone()).await?;
            let run = inner.get_run(plan.run_id).await?;
            if let Some(id) = run.current_task_id && inner.get_task(id).await?.status == TaskStatus::Abandoned {
                inner.update_run(RunUpdate::new(run.id).clear_current_task()).await?;
            }
            Ok(tasks)
        }
    }

    /// The third replacement keeps the tasks of the second.
    the_third_plan_replaces_nothing [T1] (Mutex<HashMap<RunId, u32>>) {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let times = { let mut map = self.0.lock().unwrap(); let n = map.entry(plan.run_id).or_default(); *n += 1; *n };
            if times >= 5 { return inner.append_tasks(plan).await; }
            inner.replace_pending_tasks(plan).await
        }
    }

    /// The writes of a second handle wait for its close.
    a_second_handles_writes_are_lost_when_killed [G2] (AtomicBool, Arc<Mutex<Option<MemoryStore>>>) {
        fn second(this: &Arc<Self>) -> Arc<Self> { Arc::new(Self(AtomicBool::new(true), Arc::clone(&this.1))) }
        fn killed(this: &Arc<Self>, inner: &MemoryStore) -> MemoryStore {
            this.1.lock().unwrap().take().unwrap_or_else(|| inner.reopen())
        }
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            if self.0.load(Ordering::SeqCst) {
                let before = inner.fork()?;
                self.1.lock().unwrap().get_or_insert(before);
            }
            inner.add_event(new).await
        }
    }

    /// Agents are cached by each handle until it saves one.
    a_handle_reads_agents_from_its_cache [G3] (Mutex<HashMap<(RunId, AgentRole), AgentState>>) {
        fn second(_: &Arc<Self>) -> Arc<Self> { Arc::default() }
        async fn save_agent_state(&self, inner: &MemoryStore, save: SaveAgentState) -> Result<AgentState> {
            let saved = inner.save_agent_state(save).await?;
            self.0.lock().unwrap().insert((saved.run_id, saved.role.clone()), saved.clone());
            Ok(saved)
        }
        async fn get_agent_state(&self, inner: &MemoryStore, run_id: RunId, role: AgentRole) -> Result<Option<AgentState>> {
            let found = inner.get_agent_state(run_id, role.clone()).await?;
            Ok(self.0.lock().unwrap().get(&(run_id, role)).cloned().or(found))
        }
    }

    /// A snapshot is good until an event is written.
    a_snapshot_is_cached_until_an_event [S1] (Mutex<HashMap<(RunId, Option<u32>), RunSnapshot>>) {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let key = (request.run_id, request.max_per_list);
            let now = inner.snapshot(request).await?;
            let mut cached = self.0.lock().unwrap();
            match cached.get(&key) {
                Some(old) if old.counts == now.counts && old.recent_events == now.recent_events && old.run == now.run => Ok(old.clone()),
                _ => { cached.insert(key, now.clone()); Ok(now) }
            }
        }
    }

    finishes_are_known_to_one_handle [C5] (Mutex<HashSet<ClaimToken>>) {
        fn second(_: &Arc<Self>) -> Arc<Self> { Arc::default() }
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            if !self.0.lock().unwrap().contains(&token) && let Ok(task) = inner.get_task(token.task_id).await {
                rules::claims::check_held(token, Some(task.standing()))?;
            }
            let task = inner.finish_task(token, report).await?;
            self.0.lock().unwrap().insert(token);
            Ok(task)
        }
    }

    opening_requeues_what_is_in_progress [C4] (AtomicU32) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> { Arc::new(Self(AtomicU32::new(1))) }
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            if self.0.swap(0, Ordering::SeqCst) == 1 && let Ok(task) = inner.get_task(token.task_id).await
                && task.status == TaskStatus::InProgress {
                inner.requeue_in_progress_tasks(task.run_id).await?;
            }
            inner.finish_task(token, report).await
        }
    }

    a_closed_handle_takes_events [G10] {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            inner.reopen().add_event(new).await
        }
    }

    a_closed_handle_does_not_look_at_input [G10] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            inner.list_runs(ListRuns::all()).await?;
            inner.append_tasks(plan).await
        }
    }

    a_closed_handle_takes_updates_that_name_nothing [G10] {
        async fn update_run(&self, inner: &MemoryStore, update: RunUpdate) -> Result<Run> {
            if update.is_empty() { return inner.reopen().update_run(update).await; }
            inner.update_run(update).await
        }
    }
}
