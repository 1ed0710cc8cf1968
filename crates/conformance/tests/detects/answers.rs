//! Answers that differ from what is stored, effects on neighbours, and what is remembered too long.

use std::collections::HashSet;
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;

faults! {
    a_count_leaves_the_time [R4] {
        fn view_run(&self, run: Run) -> Run {
            let untouched = run.status == RunStatus::Planning && run.summary.is_none() && run.current_task_id.is_none();
            let updated_at = if untouched { run.created_at } else { run.updated_at };
            Run { updated_at, ..run }
        }
    }

    a_count_answers_the_one_before [R4] {
        async fn increment_replan(&self, inner: &MemoryStore, run_id: RunId) -> Result<Run> {
            let run = inner.increment_replan(run_id).await?;
            Ok(Run { replan_count: run.replan_count - 1, ..run })
        }
    }

    a_report_answers_the_task_before_it [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let before = inner.get_task(token.task_id).await;
            inner.finish_task(token, report).await?;
            before
        }
    }

    a_claim_answers_the_time_before_it [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let claim = inner.claim_next_task(request).await?;
            Ok(claim.map(|claim| Claim { task: Task { updated_at: claim.task.created_at, ..claim.task } }))
        }
    }

    an_update_answers_the_run_before_it [R3] {
        async fn update_run(&self, inner: &MemoryStore, update: RunUpdate) -> Result<Run> {
            let before = inner.get_run(update.run_id).await;
            inner.update_run(update).await?;
            before
        }
    }

    a_requeue_answers_the_task_before_it [T6] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let before = inner.get_task(task_id).await;
            inner.requeue_task(task_id).await?;
            before
        }
    }

    an_agent_of_another_run_is_read [A2] {
        async fn get_agent_state(&self, inner: &MemoryStore, run_id: RunId, role: AgentRole) -> Result<Option<AgentState>> {
            if let Some(agent) = inner.get_agent_state(run_id, role.clone()).await? {
                return Ok(Some(agent));
            }
            for run in inner.list_runs(ListRuns::all()).await?.items {
                if let Some(agent) = inner.get_agent_state(run.id, role.clone()).await? {
                    return Ok(Some(agent));
                }
            }
            Ok(None)
        }
    }

    a_save_reaches_every_run [A1] {
        async fn save_agent_state(&self, inner: &MemoryStore, save: SaveAgentState) -> Result<AgentState> {
            let agent = inner.save_agent_state(save.clone()).await?;
            for run in inner.list_runs(ListRuns::all()).await?.items {
                if inner.get_agent_state(run.id, save.role.clone()).await?.is_some() {
                    let mut there = save.clone();
                    there.run_id = run.id;
                    inner.save_agent_state(there).await?;
                }
            }
            Ok(agent)
        }
    }

    a_checkpoint_of_another_run_is_the_latest [J6] {
        async fn latest_checkpoint(&self, inner: &MemoryStore, run_id: RunId) -> Result<Option<Checkpoint>> {
            if let Some(checkpoint) = inner.latest_checkpoint(run_id).await? {
                return Ok(Some(checkpoint));
            }
            for run in inner.list_runs(ListRuns::all()).await?.items {
                if let Some(checkpoint) = inner.latest_checkpoint(run.id).await? {
                    return Ok(Some(checkpoint));
                }
            }
            Ok(None)
        }
    }

    an_unknown_task_has_no_attempts [G7] {
        async fn latest_attempt(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Option<TaskAttempt>> {
            inner.latest_attempt(task_id).await.or(Ok(None))
        }
    }

    the_paths_of_an_agent_are_swapped [A1] {
        async fn save_agent_state(&self, inner: &MemoryStore, mut save: SaveAgentState) -> Result<AgentState> {
            std::mem::swap(&mut save.last_prompt_path, &mut save.last_response_path);
            inner.save_agent_state(save).await
        }
    }

    rotations_are_not_kept [A1] {
        fn view_agent(&self, agent: AgentState) -> AgentState {
            AgentState { rotation_count: 0, ..agent }
        }
    }

    /// The reports of a deleted run are remembered by ids that are free again.
    a_report_of_a_deleted_run_counts_as_made [R5] (Mutex<HashSet<ClaimToken>>) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            if self.0.lock().unwrap().contains(&token) && inner.get_task(token.task_id).await.is_ok() {
                return inner.get_task(token.task_id).await;
            }
            let task = inner.finish_task(token, report).await?;
            self.0.lock().unwrap().insert(token);
            Ok(task)
        }
    }

    a_repeated_plan_is_refused_once_its_tasks_have_changed [G9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let tasks = inner.append_tasks(plan).await?;
            match tasks.iter().find(|task| task.status != TaskStatus::Pending) {
                Some(changed) => Err(Error::already_exists(RecordKind::Task, changed.id)),
                None => Ok(tasks),
            }
        }
    }

    /// An attempt that was added before is no obstacle to the report that holds it, and here it is.
    a_report_with_a_stored_attempt_is_refused [G9] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            if let (Some(id), Ok(task)) = (report.attempt.id, inner.get_task(token.task_id).await)
                && rules::claims::check_held(token, Some(task.standing())).is_ok()
            {
                let list = ListAttempts::new(task.run_id);
                if inner.list_attempts(list).await?.items.iter().any(|attempt| attempt.id == id) {
                    return Err(Error::already_exists(RecordKind::Attempt, id));
                }
            }
            inner.finish_task(token, report).await
        }
    }

    /// A repeat must have the same report.
    a_repeated_report_with_another_summary_is_refused [C5] (Mutex<std::collections::HashMap<ClaimToken, String>>) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let summary = report.attempt.summary.clone();
            let before = self.0.lock().unwrap().get(&token).cloned();
            if before.is_some_and(|before| before != summary) {
                return Err(Error::StaleClaim { token, current: None });
            }
            let task = inner.finish_task(token, report).await?;
            self.0.lock().unwrap().insert(token, summary);
            Ok(task)
        }
    }

    a_blocked_report_drops_the_summary [C5] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            if let FinishOutcome::Blocked { summary, .. } = &mut report.outcome {
                *summary = None;
            }
            inner.finish_task(token, report).await
        }
    }

    an_attempt_in_a_claims_name_is_not_fenced [C3] {
        async fn add_attempt(&self, inner: &MemoryStore, mut new: NewAttempt) -> Result<TaskAttempt> {
            rules::input::Input::check(&new)?;
            new.fence = None;
            inner.add_attempt(new).await
        }
    }

    what_is_abandoned_cannot_be_requeued [T6] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let task = inner.get_task(task_id).await?;
            if task.status == TaskStatus::Abandoned {
                return Err(Error::InvalidTransition { task_id, from: task.status, to: TaskStatus::Pending });
            }
            inner.requeue_task(task_id).await
        }
    }

    the_latest_checkpoint_is_missing_in_a_snapshot [S1] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            Ok(RunSnapshot { latest_checkpoint: None, ..inner.snapshot(request).await? })
        }
    }

    a_capped_snapshot_has_no_checkpoint [S3] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let is_capped = request.max_per_list.is_some();
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.latest_checkpoint = snapshot.latest_checkpoint.filter(|_| !is_capped);
            Ok(snapshot)
        }
    }

    /// The time of an event is its run's.
    an_event_has_the_time_of_its_run [J1] {
        async fn list_events(&self, inner: &MemoryStore, list: ListEvents) -> Result<Page<Event>> {
            let created_at = inner.get_run(list.run_id).await.map(|run| run.created_at);
            let mut page = inner.list_events(list).await?;
            for event in &mut page.items {
                event.ts = created_at.clone()?;
            }
            Ok(page)
        }
    }
}
