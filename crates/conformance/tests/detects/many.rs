//! What shows only with much: numbers over a digit, a byte and 16 bits, and lists over a page.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;

const PAGE: u32 = limits::MAX_PAGE;

faults! {
    a_list_of_tasks_has_the_greatest_limit [G11] {
        async fn list_tasks(&self, inner: &MemoryStore, mut list: ListTasks) -> Result<Page<Task>> {
            list.page.limit = list.page.limit.or(Some(PAGE));
            inner.list_tasks(list).await
        }
    }

    a_list_of_events_has_the_greatest_limit [G11] {
        async fn list_events(&self, inner: &MemoryStore, mut list: ListEvents) -> Result<Page<Event>> {
            list.page.limit = list.page.limit.or(Some(PAGE));
            inner.list_events(list).await
        }
    }

    a_list_of_runs_has_1000 [G11] {
        async fn list_runs(&self, inner: &MemoryStore, mut list: ListRuns) -> Result<Page<Run>> {
            list.page.limit = list.page.limit.or(Some(1000));
            inner.list_runs(list).await
        }
    }

    a_list_of_attempts_has_200 [G11] {
        async fn list_attempts(&self, inner: &MemoryStore, mut list: ListAttempts) -> Result<Page<TaskAttempt>> {
            list.page.limit = list.page.limit.or(Some(200));
            inner.list_attempts(list).await
        }
    }

    a_list_of_approvals_has_200 [G11] {
        async fn list_approvals(&self, inner: &MemoryStore, mut list: ListApprovals) -> Result<Page<Approval>> {
            list.page.limit = list.page.limit.or(Some(200));
            inner.list_approvals(list).await
        }
    }

    a_list_of_agents_has_100 [A2] {
        async fn list_agent_states(&self, inner: &MemoryStore, run_id: RunId) -> Result<Vec<AgentState>> {
            let mut all = inner.list_agent_states(run_id).await?;
            all.truncate(100);
            Ok(all)
        }
    }

    recent_events_are_never_more_than_1000 [J1] {
        async fn recent_events(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
            rules::input::check_limit("limit", limit)?;
            inner.recent_events(run_id, limit.min(1000)).await
        }
    }

    recent_attempts_are_never_more_than_200 [J3] {
        async fn recent_attempts(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>> {
            rules::input::check_limit("limit", limit)?;
            inner.recent_attempts(run_id, limit.min(200)).await
        }
    }

    attempts_of_a_task_are_a_byte [C1] {
        fn view_task(&self, task: Task) -> Task {
            Task { attempt_count: task.attempt_count % 256, ..task }
        }
    }

    cycles_are_a_byte [R4] {
        fn view_run(&self, run: Run) -> Run {
            Run { cycle_count: run.cycle_count % 256, ..run }
        }
    }

    cycles_stop_at_100 [R4] {
        async fn increment_cycle(&self, inner: &MemoryStore, run_id: RunId) -> Result<Run> {
            let run = inner.get_run(run_id).await?;
            if run.cycle_count >= 100 { return Ok(run); }
            inner.increment_cycle(run_id).await
        }
    }

    a_task_is_claimed_ten_times_at_most [C1] {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            let fork = inner.fork()?;
            match fork.claim_next_task(request.clone()).await? {
                Some(claim) if claim.task.attempt_count > 10 => Ok(None),
                _ => inner.claim_next_task(request).await,
            }
        }
    }

    a_token_is_compared_by_its_last_digit [C4] {
        async fn finish_task(&self, inner: &MemoryStore, mut token: ClaimToken, report: FinishReport) -> Result<Task> {
            if let Ok(task) = inner.get_task(token.task_id).await
                && task.attempt_count % 10 == token.attempt_number % 10 && task.status == TaskStatus::InProgress
            { token.attempt_number = task.attempt_count; }
            inner.finish_task(token, report).await
        }
    }

    a_fence_holds_if_its_number_is_no_less_as_text [C4] {
        async fn add_event(&self, inner: &MemoryStore, mut new: NewEvent) -> Result<Event> {
            if let Some(token) = &mut new.fence && let Ok(task) = inner.get_task(token.task_id).await
                && token.attempt_number < task.attempt_count
                && token.attempt_number.to_string() >= task.attempt_count.to_string()
            { token.attempt_number = task.attempt_count; }
            inner.add_event(new).await
        }
    }

    recent_events_are_ordered_as_texts_of_three_digits [J1] {
        async fn recent_events(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
            let mut events = inner.recent_events(run_id, limit).await?;
            events.sort_by_key(|event| format!("{:02}", event.seq));
            Ok(events)
        }
    }

    positions_are_16_bits [T3] {
        async fn list_tasks(&self, inner: &MemoryStore, list: ListTasks) -> Result<Page<Task>> {
            let mut page = inner.list_tasks(list).await?;
            page.items.sort_by_key(|task| task.position % 65_536);
            Ok(page)
        }
    }

    positions_of_a_task_read_by_id_are_a_byte [T3] {
        async fn get_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let task = inner.get_task(task_id).await?;
            Ok(Task { position: (task.position - 1) % 255 + 1, ..task })
        }
    }

    positions_of_an_answer_are_16_bits [T1] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let mut tasks = inner.replace_pending_tasks(plan).await?;
            for task in &mut tasks { task.position = (task.position - 1) % 65_535 + 1; }
            Ok(tasks)
        }
    }

    a_snapshot_counts_attempts_to_100 [S3] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.counts.attempts = snapshot.counts.attempts.min(100);
            Ok(snapshot)
        }
    }

    a_snapshot_counts_checkpoints_to_100 [S3] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.counts.checkpoints = snapshot.counts.checkpoints.min(100);
            Ok(snapshot)
        }
    }

    a_snapshot_has_100_completed_tasks [S3] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.completed_tasks.truncate(100);
            snapshot.blocked_tasks.truncate(100);
            snapshot.in_progress_tasks.truncate(100);
            Ok(snapshot)
        }
    }

    a_snapshot_counts_completed_tasks_to_100 [S3] {
        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let mut snapshot = inner.snapshot(request).await?;
            snapshot.counts.completed = snapshot.counts.completed.min(100);
            snapshot.counts.abandoned = snapshot.counts.abandoned.min(100);
            Ok(snapshot)
        }
    }

    /// Only the content of the first drafts is compared.
    a_repeated_plan_is_compared_up_to_64 [G9] {
        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            rules::input::Input::check(&plan)?;
            for draft in plan.drafts.iter_mut().skip(64) {
                if let Some(id) = draft.id && let Ok(task) = inner.get_task(id).await {
                    draft.title = task.title;
                    draft.objective = task.objective;
                }
            }
            inner.append_tasks(plan).await
        }
    }

    /// A plan is written in batches, each a change of its own.
    a_refused_plan_leaves_its_first_100_tasks [G1] {
        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            match inner.append_tasks(plan.clone()).await {
                Err(error @ Error::AlreadyExists { .. }) => {
                    let mut first = 0;
                    for draft in &plan.drafts {
                        match draft.id { Some(id) if inner.get_task(id).await.is_ok() => break, _ => first += 1 }
                    }
                    plan.drafts.truncate(first / 100 * 100);
                    if !plan.drafts.is_empty() { inner.append_tasks(plan).await?; }
                    Err(error)
                }
                answer => answer,
            }
        }
    }

    a_refused_report_looks_at_10_ids [G9] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            for event in report.events.iter_mut().skip(10) { event.id = None; }
            inner.finish_task(token, report).await
        }
    }

    a_resume_requeues_100_tasks [T5] {
        async fn requeue_in_progress_tasks(&self, inner: &MemoryStore, run_id: RunId) -> Result<u64> {
            let list = ListTasks::new(run_id).with_statuses([TaskStatus::InProgress]);
            let held = inner.list_tasks(list).await?.items.len();
            if held > 100 {
                return Ok(100);
            }
            inner.requeue_in_progress_tasks(run_id).await
        }
    }

    /// What is deleted is looked for in the first page.
    deleting_leaves_the_ids_of_events_over_100 [R5] (Mutex<HashSet<EventId>>) {
        async fn delete_run(&self, inner: &MemoryStore, run_id: RunId) -> Result<()> {
            let events = inner.list_events(ListEvents::new(run_id)).await?.items;
            self.0.lock().unwrap().extend(events.into_iter().skip(100).filter_map(|event| event.event_id));
            inner.delete_run(run_id).await
        }
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            match new.draft.id {
                Some(id) if self.0.lock().unwrap().contains(&id) => Err(Error::already_exists(RecordKind::Event, id)),
                _ => inner.add_event(new).await,
            }
        }
    }

    an_id_is_known_for_a_hundred_others [G9] (Mutex<VecDeque<EventId>>) {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            let Some(id) = new.draft.id else { return inner.add_event(new).await; };
            let stored = inner.list_events(ListEvents::new(new.run_id)).await?.items;
            let known = self.0.lock().unwrap().contains(&id);
            if !known && stored.iter().any(|event| event.event_id == Some(id)) {
                return Err(Error::already_exists(RecordKind::Event, id));
            }
            let event = inner.add_event(new).await?;
            let mut ids = self.0.lock().unwrap();
            ids.push_back(id);
            if ids.len() > 100 { ids.pop_front(); }
            Ok(event)
        }
    }

    a_finish_is_known_for_a_hundred_others [C5] (Mutex<VecDeque<ClaimToken>>) {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            rules::input::Input::check(&report)?;
            if !self.0.lock().unwrap().contains(&token) && let Ok(task) = inner.get_task(token.task_id).await {
                rules::claims::check_held(token, Some(task.standing()))?;
            }
            let task = inner.finish_task(token, report).await?;
            let mut tokens = self.0.lock().unwrap();
            tokens.push_back(token);
            if tokens.len() > 100 { tokens.pop_front(); }
            Ok(task)
        }
    }
}
