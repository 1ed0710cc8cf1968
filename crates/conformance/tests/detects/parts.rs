//! Faults in one field, one kind or one call of many alike.

use std::collections::HashMap;
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;
use serde_json::{Map, Value};
use tokio::task::yield_now;

/// The value with its keys in order, but for those of the outermost object.
fn inner_keys_sorted(value: Value, outermost: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .into_iter()
                .map(|(k, v)| (k, inner_keys_sorted(v, false)))
                .collect();
            if !outermost {
                fields.sort_by(|a, b| a.0.cmp(&b.0));
            }
            Value::Object(Map::from_iter(fields))
        }
        Value::Array(items) => items
            .into_iter()
            .map(|item| inner_keys_sorted(item, false))
            .collect(),
        other => other,
    }
}

fn written_with_sorted_inner_keys(value: &Value) -> String {
    inner_keys_sorted(value.clone(), true).to_string()
}

async fn one_in_progress(inner: &MemoryStore, task_id: TaskId) -> Option<Task> {
    inner
        .get_task(task_id)
        .await
        .ok()
        .filter(|task| task.status == TaskStatus::InProgress)
}

faults! {
    a_fence_of_an_event_looks_at_the_number_only [C4] {
        async fn add_event(&self, inner: &MemoryStore, mut new: NewEvent) -> Result<Event> {
            if let Some(token) = new.fence && let Ok(task) = inner.get_task(token.task_id).await
                && task.run_id == new.run_id && task.attempt_count == token.attempt_number { new.fence = None; }
            inner.add_event(new).await
        }
    }

    a_fence_of_nothing_claimed_is_held [C3] {
        async fn add_checkpoint(&self, inner: &MemoryStore, mut new: NewCheckpoint) -> Result<Checkpoint> {
            if let Some(token) = new.fence && let Ok(task) = inner.get_task(token.task_id).await
                && task.run_id == new.run_id && task.attempt_count == 0 && token.attempt_number == 0 { new.fence = None; }
            inner.add_checkpoint(new).await
        }
    }

    a_stale_fence_tells_the_token_of_now [C4] {
        async fn add_artifact(&self, inner: &MemoryStore, new: NewArtifact) -> Result<Artifact> {
            match inner.add_artifact(new).await {
                Err(Error::StaleClaim { mut token, current: Some(current) }) => {
                    token.attempt_number = current.attempt_count;
                    Err(Error::StaleClaim { token, current: Some(current) })
                }
                answer => answer,
            }
        }
    }

    a_releasing_report_writes_a_requeue_event [R6] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let released = report.outcome == FinishOutcome::Released { delay: None };
            let known = one_in_progress(inner, token.task_id).await.is_some();
            let task = inner.finish_task(token, report).await?;
            if released && known {
                let event = rules::events::requeue_task(&task, TaskStatus::InProgress);
                inner.add_event(NewEvent::new(task.run_id, event)).await?;
            }
            Ok(task)
        }
    }

    a_report_without_events_writes_one [R6] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let none = report.events.is_empty() && one_in_progress(inner, token.task_id).await.is_some();
            let task = inner.finish_task(token, report).await?;
            if none { inner.add_event(NewEvent::new(task.run_id, EventDraft::new("system", "finished", ""))).await?; }
            Ok(task)
        }
    }

    a_taken_attempt_id_in_a_report_is_given_another [C5 G9] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            match inner.finish_task(token, report.clone()).await {
                Err(Error::AlreadyExists { kind: RecordKind::Attempt, .. }) => {
                    report.attempt.id = None;
                    inner.finish_task(token, report).await
                }
                answer => answer,
            }
        }
    }

    nested_keys_are_sorted_before_contents_are_compared [G9] {
        async fn add_checkpoint(&self, inner: &MemoryStore, mut new: NewCheckpoint) -> Result<Checkpoint> {
            rules::input::Input::check(&new)?;
            if let Ok(page) = inner.list_checkpoints(ListCheckpoints::new(new.run_id)).await
                && let Some(same) = page.items.iter().find(|c| Some(c.id) == new.id)
                && written_with_sorted_inner_keys(&same.payload) == written_with_sorted_inner_keys(&new.payload) {
                new.payload = same.payload.clone();
            }
            inner.add_checkpoint(new).await
        }
    }

    minus_zero_is_zero_where_contents_are_compared [G9] {
        async fn add_event(&self, inner: &MemoryStore, mut new: NewEvent) -> Result<Event> {
            rules::input::Input::check(&new)?;
            if let Ok(page) = inner.list_events(ListEvents::new(new.run_id)).await
                && let Some(same) = page.items.iter().find(|e| e.event_id.is_some() && e.event_id == new.draft.id)
                && same.payload.to_string().replace("-0.0", "0.0") == new.draft.payload.to_string().replace("-0.0", "0.0") {
                new.draft.payload = same.payload.clone();
            }
            inner.add_event(new).await
        }
    }

    large_numbers_are_floats_where_contents_are_compared [G9] {
        async fn add_artifact(&self, inner: &MemoryStore, mut new: NewArtifact) -> Result<Artifact> {
            rules::input::Input::check(&new)?;
            if let Ok(page) = inner.list_artifacts(ListArtifacts::new(new.run_id)).await
                && let Some(same) = page.items.iter().find(|a| Some(a.id) == new.draft.id)
                && same.metadata.to_string().replace("740993", "740992") == new.draft.metadata.to_string().replace("740993", "740992") {
                new.draft.metadata = same.metadata.clone();
            }
            inner.add_artifact(new).await
        }
    }

    a_repeat_must_carry_the_same_fence [G9] (Mutex<HashMap<EventId, Option<ClaimToken>>>) {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            let Some(id) = new.draft.id else { return inner.add_event(new).await; };
            let fence = new.fence;
            let before = self.0.lock().unwrap().get(&id).copied();
            let event = inner.add_event(new).await?;
            if before.is_some_and(|before| before != fence) { return Err(Error::already_exists(RecordKind::Event, id)); }
            self.0.lock().unwrap().insert(id, fence);
            Ok(event)
        }
    }

    the_order_of_a_drafts_paths_is_no_content [G9] {
        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            rules::input::Input::check(&plan)?;
            for draft in &mut plan.drafts {
                if let Some(id) = draft.id && let Ok(task) = inner.get_task(id).await {
                    let (mut a, mut b) = (task.allowed_paths.clone(), draft.allowed_paths.clone());
                    a.sort(); b.sort();
                    if a == b { draft.allowed_paths = task.allowed_paths; }
                }
            }
            inner.append_tasks(plan).await
        }
    }

    the_latest_approval_outlives_its_run [R5] (Mutex<HashMap<(RunId, ApprovalSource), Approval>>) {
        async fn add_approval(&self, inner: &MemoryStore, new: NewApproval) -> Result<Approval> {
            let approval = inner.add_approval(new).await?;
            self.0.lock().unwrap().insert((approval.run_id, approval.source.clone()), approval.clone());
            Ok(approval)
        }
        async fn latest_approval(&self, inner: &MemoryStore, run_id: RunId, source: ApprovalSource) -> Result<Option<Approval>> {
            let latest = inner.latest_approval(run_id, source.clone()).await?;
            Ok(latest.or_else(|| self.0.lock().unwrap().get(&(run_id, source)).cloned()))
        }
    }

    an_agent_outlives_its_run [R5] (Mutex<HashMap<(RunId, AgentRole), AgentState>>) {
        async fn save_agent_state(&self, inner: &MemoryStore, save: SaveAgentState) -> Result<AgentState> {
            let saved = inner.save_agent_state(save).await?;
            self.0.lock().unwrap().insert((saved.run_id, saved.role.clone()), saved.clone());
            Ok(saved)
        }
        async fn get_agent_state(&self, inner: &MemoryStore, run_id: RunId, role: AgentRole) -> Result<Option<AgentState>> {
            let found = inner.get_agent_state(run_id, role.clone()).await?;
            Ok(found.or_else(|| self.0.lock().unwrap().get(&(run_id, role)).cloned()))
        }
    }

    artifacts_by_role_outlive_their_run [R5] (Mutex<Vec<Artifact>>) {
        async fn delete_run(&self, inner: &MemoryStore, run_id: RunId) -> Result<()> {
            let left = inner.list_artifacts(ListArtifacts::new(run_id)).await?.items;
            self.0.lock().unwrap().extend(left);
            inner.delete_run(run_id).await
        }
        async fn list_artifacts(&self, inner: &MemoryStore, list: ListArtifacts) -> Result<Page<Artifact>> {
            let mut page = inner.list_artifacts(list.clone()).await?;
            if list.role.is_some() {
                let left = self.0.lock().unwrap();
                let left = left.iter().filter(|a| a.run_id == list.run_id && a.role == list.role).cloned();
                page.items = left.chain(page.items).collect();
            }
            Ok(page)
        }
    }

    sources_are_compared_as_patterns [J5] {
        async fn latest_approval(&self, inner: &MemoryStore, run_id: RunId, source: ApprovalSource) -> Result<Option<Approval>> {
            let found = inner.latest_approval(run_id, source.clone()).await?;
            let all = inner.list_approvals(ListApprovals::new(run_id)).await?.items;
            let like = |word: &str| word.len() == source.as_str().len() && word.chars().zip(source.as_str().chars()).all(|(a, b)| a == b || b == '_');
            Ok(found.or_else(|| all.into_iter().rev().find(|a| like(a.source.as_str()))))
        }
    }

    statuses_of_a_list_are_compared_to_nul [R2] {
        async fn list_runs(&self, inner: &MemoryStore, list: ListRuns) -> Result<Page<Run>> {
            let page = inner.list_runs(list.clone()).await?;
            let Some(status) = list.status.clone() else { return Ok(page); };
            let cut = |word: &RunStatus| word.as_str().split('\0').next().unwrap_or_default().to_owned();
            let mut all = list; all.status = None;
            let mut page = inner.list_runs(all).await?;
            page.items.retain(|run| cut(&run.status) == cut(&status));
            Ok(page)
        }
    }

    a_cursor_over_i64_is_negative [G11] {
        async fn list_events(&self, inner: &MemoryStore, mut list: ListEvents) -> Result<Page<Event>> {
            list.page.after = list.page.after.filter(|cursor| i64::try_from(cursor.number()).is_ok());
            inner.list_events(list).await
        }
    }

    a_cursor_of_tasks_over_32_bits_is_cut [G11] {
        async fn list_tasks(&self, inner: &MemoryStore, mut list: ListTasks) -> Result<Page<Task>> {
            list.page.after = list.page.after.map(|cursor| Cursor::new(cursor.number() & 0xffff_ffff));
            inner.list_tasks(list).await
        }
    }

    both_unknown_names_the_task [G7] {
        async fn update_run(&self, inner: &MemoryStore, update: RunUpdate) -> Result<Run> {
            rules::input::Input::check(&update)?;
            if let Change::Set(task_id) = update.current_task_id { inner.get_task(task_id).await?; }
            inner.update_run(update).await
        }
    }

    a_run_is_found_by_all_but_its_last_byte [G7] {
        async fn get_run(&self, inner: &MemoryStore, run_id: RunId) -> Result<Run> {
            let found = inner.get_run(run_id).await;
            let runs = inner.list_runs(ListRuns::all()).await?.items;
            found.or_else(|error| runs.into_iter().find(|run| run.id.as_uuid().as_bytes()[..15] == run_id.as_uuid().as_bytes()[..15]).ok_or(error))
        }
    }

    an_update_to_the_same_task_leaves_the_time [R3] {
        async fn update_run(&self, inner: &MemoryStore, mut update: RunUpdate) -> Result<Run> {
            let run = inner.get_run(update.run_id).await?;
            if update.current_task_id == run.current_task_id.map_or(Change::Clear, Change::Set) { update.current_task_id = Change::Keep; }
            inner.update_run(update).await
        }
    }

    times_of_checkpoints_are_seconds_as_floats [G5] {
        fn view_checkpoint(&self, checkpoint: Checkpoint) -> Checkpoint {
            let seconds = checkpoint.created_at.as_micros() as f64 / 1e6;
            let created_at = Timestamp::from_micros((seconds * 1e6) as i64).unwrap_or(checkpoint.created_at);
            Checkpoint { created_at, ..checkpoint }
        }
    }

    capped_blocked_and_abandoned_are_counted_apart [S3] {
        async fn snapshot(&self, inner: &MemoryStore, mut request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request.clone()).await?;
            let Some(cap) = request.max_per_list.take() else { return Ok(snapshot); };
            let all = inner.snapshot(request).await?.blocked_tasks;
            let (mut blocked, mut abandoned) = (0, 0);
            snapshot.blocked_tasks = all.into_iter().filter(|task| {
                let count = if task.status == TaskStatus::Blocked { &mut blocked } else { &mut abandoned };
                *count += 1;
                *count <= cap
            }).collect();
            Ok(snapshot)
        }
    }

    an_update_is_written_field_by_field [G4 S1] {
        async fn update_run(&self, inner: &MemoryStore, mut update: RunUpdate) -> Result<Run> {
            inner.fork()?.update_run(update.clone()).await?;
            if update.status.is_some() && !update.summary.is_keep() {
                let first = update.status.take();
                let mut of_status = RunUpdate::new(update.run_id);
                of_status.status = first;
                inner.update_run(of_status).await?;
                yield_now().await;
            }
            inner.update_run(update).await
        }
    }

    a_deleted_run_goes_in_two_steps [G4] {
        async fn delete_run(&self, inner: &MemoryStore, run_id: RunId) -> Result<()> {
            inner.replace_pending_tasks(TaskPlan::new(run_id, [])).await?;
            yield_now().await;
            inner.delete_run(run_id).await
        }
    }

    a_requeue_and_its_event_are_two_steps [T6 G1] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let from = inner.get_task(task_id).await?;
            inner.fork()?.requeue_task(task_id).await?;
            let event = rules::events::requeue_task(&from, from.status);
            let run = inner.add_event(NewEvent::new(from.run_id, event)).await;
            yield_now().await;
            run?;
            inner.get_task(task_id).await
        }
    }

    a_kind_of_event_is_a_word [G8] {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            if new.draft.kind.len() > 255 { return Err(Error::invalid_input("draft.kind", "255")); }
            inner.add_event(new).await
        }
    }

    a_kind_of_a_reported_event_is_a_word [G8] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            if report.events.iter().any(|event| event.kind.len() > 255 || event.source.len() > 255) { return Err(Error::invalid_input("events", "255")); }
            inner.finish_task(token, report).await
        }
    }

    a_reported_signature_has_2704_bytes [G8] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            if report.attempt.blocker_signature.as_ref().is_some_and(|text| text.len() > 2704) { return Err(Error::invalid_input("attempt.blocker_signature", "2704")); }
            inner.finish_task(token, report).await
        }
    }

    criteria_are_64_at_most [G5] {
        fn view_task(&self, mut task: Task) -> Task { task.acceptance_criteria.truncate(64); task }
    }
}
