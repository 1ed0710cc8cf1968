//! Clauses G5 and G8 at the bounds: what is large, deep, early or many.

use runstore_core::*;
use runstore_memory::MemoryStore;
use serde_json::Value;

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

const SIGNED: u32 = i32::MAX as u32;

faults! {
    turns_are_signed [G5] {
        fn view_agent(&self, agent: AgentState) -> AgentState {
            AgentState { turns: agent.turns.min(SIGNED), ..agent }
        }
    }

    numbers_of_attempts_are_signed [G5] {
        fn view_attempt(&self, attempt: TaskAttempt) -> TaskAttempt {
            TaskAttempt { attempt_number: attempt.attempt_number.min(SIGNED), ..attempt }
        }
    }

    times_before_1970_are_lost [G5] {
        fn view_agent(&self, agent: AgentState) -> AgentState {
            let updated_at = agent.updated_at.max(Timestamp::from_micros(0).unwrap());
            AgentState { updated_at, ..agent }
        }
    }

    long_texts_are_cut [G5] {
        fn view_event(&self, mut event: Event) -> Event {
            event.message.truncate(event.message.floor_char_boundary(65_535));
            event
        }
    }

    nul_in_json_is_dropped [G5] {
        fn view_artifact(&self, artifact: Artifact) -> Artifact {
            let metadata = artifact.metadata.to_string().replace("\\u0000", "");
            Artifact { metadata: serde_json::from_str(&metadata).unwrap(), ..artifact }
        }
    }

    roles_are_compared_without_regard_to_case [G5] {
        async fn save_agent_state(&self, inner: &MemoryStore, mut save: SaveAgentState) -> Result<AgentState> {
            save.role = save.role.as_str().to_lowercase().into();
            inner.save_agent_state(save).await
        }
    }

    json_is_bounded_at_fewer_levels [G8] {
        async fn add_checkpoint(&self, inner: &MemoryStore, new: NewCheckpoint) -> Result<Checkpoint> {
            if depth(&new.payload) > 64 {
                return Err(Error::invalid_input("payload", "is nested deeper than 64 levels"));
            }
            inner.add_checkpoint(new).await
        }
    }

    a_record_is_bounded_at_one_mebibyte [G8] {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            if new.draft.message.len() > 1 << 20 {
                return Err(Error::invalid_input("draft.message", "takes its record over 1 MiB"));
            }
            inner.add_event(new).await
        }
    }

    a_plan_is_bounded_at_fewer_tasks [G8] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            if plan.drafts.len() > 10_000 {
                return Err(Error::invalid_input("drafts", "has too many entries"));
            }
            inner.replace_pending_tasks(plan).await
        }
    }

    a_report_is_bounded_at_fewer_events [G8] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            if report.events.len() > 100 {
                return Err(Error::invalid_input("events", "has too many entries"));
            }
            inner.finish_task(token, report).await
        }
    }

    the_greatest_limit_is_refused [G8] {
        async fn list_events(&self, inner: &MemoryStore, list: ListEvents) -> Result<Page<Event>> {
            if list.page.limit == Some(limits::MAX_PAGE) {
                return Err(Error::invalid_input("limit", "is too large"));
            }
            inner.list_events(list).await
        }
    }

    a_list_of_tasks_without_limit_has_one [T3] {
        async fn list_tasks(&self, inner: &MemoryStore, mut list: ListTasks) -> Result<Page<Task>> {
            list.page.limit = list.page.limit.or(Some(100));
            inner.list_tasks(list).await
        }
    }

    a_list_of_runs_without_limit_has_one [R2] {
        async fn list_runs(&self, inner: &MemoryStore, mut list: ListRuns) -> Result<Page<Run>> {
            list.page.limit = list.page.limit.or(Some(100));
            inner.list_runs(list).await
        }
    }

    a_list_of_events_without_limit_has_one [J1] {
        async fn list_events(&self, inner: &MemoryStore, mut list: ListEvents) -> Result<Page<Event>> {
            list.page.limit = list.page.limit.or(Some(100));
            inner.list_events(list).await
        }
    }

    recent_events_are_never_more_than_a_snapshots [J1] {
        async fn recent_events(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
            rules::input::check_limit("limit", limit)?;
            inner.recent_events(run_id, limit.min(50)).await
        }
    }

    a_snapshot_without_cap_has_one [S3] {
        async fn snapshot(&self, inner: &MemoryStore, mut request: SnapshotRequest) -> Result<RunSnapshot> {
            request.max_per_list = request.max_per_list.or(Some(100));
            inner.snapshot(request).await
        }
    }

    /// A page holds 500 tasks at most, and says that there are more.
    a_long_page_of_tasks_is_cut [G11 T3] {
        async fn list_tasks(&self, inner: &MemoryStore, mut list: ListTasks) -> Result<Page<Task>> {
            list.page.limit = list.page.limit.map(|limit| if limit > 10_000 { limit } else { limit.min(500) });
            inner.list_tasks(list).await
        }
    }

    /// The tenth comes before the second.
    positions_are_ordered_as_texts [T3] {
        async fn list_tasks(&self, inner: &MemoryStore, list: ListTasks) -> Result<Page<Task>> {
            let mut page = inner.list_tasks(list).await?;
            page.items.sort_by_key(|task| task.position.to_string());
            Ok(page)
        }
    }

    events_are_ordered_as_texts [J1] {
        async fn recent_events(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
            let mut events = inner.recent_events(run_id, limit).await?;
            events.sort_by_key(|event| event.seq.to_string());
            Ok(events)
        }
    }

    a_state_given_twice_lists_twice [T3 G11] {
        async fn list_tasks(&self, inner: &MemoryStore, list: ListTasks) -> Result<Page<Task>> {
            let mut page = inner.list_tasks(list.clone()).await?;
            let times = |task: &Task| list.statuses.iter().filter(|status| **status == task.status).count().max(1);
            page.items = page.items.into_iter().flat_map(|task| vec![task.clone(); times(&task)]).collect();
            Ok(page)
        }
    }

    /// An id of zeros is taken for none.
    the_nil_id_is_taken_for_none [G9] {
        async fn create_run(&self, inner: &MemoryStore, mut new: NewRun) -> Result<Run> {
            new.id = new.id.filter(|id| !id.as_uuid().is_nil());
            inner.create_run(new).await
        }
    }
}
