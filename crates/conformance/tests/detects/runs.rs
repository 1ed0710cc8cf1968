//! Clauses R1 to R5, A1 and A2.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use runstore_core::*;
use runstore_memory::MemoryStore;
use tokio::task::yield_now;

faults! {
    a_new_run_has_counted_a_cycle [R1] {
        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            let run = inner.create_run(new).await?;
            match run.cycle_count {
                0 => inner.increment_cycle(run.id).await,
                _ => Ok(run),
            }
        }
    }

    a_new_run_is_running [R1] {
        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            let run = inner.create_run(new).await?;
            inner.update_run(RunUpdate::new(run.id).with_status("running")).await
        }
    }

    the_first_event_lacks_the_path [R1] {
        fn view_event(&self, mut event: Event) -> Event {
            if let Some(payload) = event.payload.as_object_mut().filter(|_| event.kind == "run_created") {
                payload.remove("repoPath");
            }
            event
        }
    }

    runs_are_listed_oldest_first [R2] {
        async fn list_runs(&self, inner: &MemoryStore, list: ListRuns) -> Result<Page<Run>> {
            let mut page = inner.list_runs(list).await?;
            page.items.reverse();
            Ok(page)
        }
    }

    the_status_of_a_list_is_ignored [R2] {
        async fn list_runs(&self, inner: &MemoryStore, mut list: ListRuns) -> Result<Page<Run>> {
            list.status = None;
            inner.list_runs(list).await
        }
    }

    a_page_of_runs_has_one_more [R2] {
        async fn list_runs(&self, inner: &MemoryStore, mut list: ListRuns) -> Result<Page<Run>> {
            rules::input::Input::check(&list)?;
            list.page.limit = list.page.limit.map(|limit| limit + 1);
            inner.list_runs(list).await
        }
    }

    the_cursor_of_runs_is_inclusive [R2] {
        async fn list_runs(&self, inner: &MemoryStore, mut list: ListRuns) -> Result<Page<Run>> {
            list.page.after = list.page.after.map(|cursor| Cursor::new(cursor.number() + 1));
            inner.list_runs(list).await
        }
    }

    /// The cursor counts rows, so that a page shifts when a run is created.
    a_cursor_is_an_offset [R2 G11] {
        async fn list_runs(&self, inner: &MemoryStore, list: ListRuns) -> Result<Page<Run>> {
            rules::input::Input::check(&list)?;
            let offset = list.page.after.map_or(0, Cursor::number);
            let mut all = list.clone();
            all.page = PageRequest::all();
            let rows = (1..).zip(inner.list_runs(all).await?.items).filter(|(number, _)| *number > offset);
            Ok(Page::from_numbered(rows, list.page))
        }
    }

    /// The run is read, changed and written back whole.
    an_update_is_read_and_written_back [R3] {
        async fn update_run(&self, inner: &MemoryStore, update: RunUpdate) -> Result<Run> {
            let run = inner.get_run(update.run_id).await?;
            yield_now().await;
            if update.is_empty() {
                return inner.update_run(update).await;
            }
            let change = |field: Option<String>| field.map_or(Change::Clear, Change::Set);
            let mut whole = RunUpdate::new(run.id).with_status(update.status.unwrap_or(run.status));
            whole.summary = change(update.summary.apply(run.summary));
            whole.current_task_id = match update.current_task_id.apply(run.current_task_id) {
                Some(task_id) => Change::Set(task_id),
                None => Change::Clear,
            };
            inner.update_run(whole).await
        }
    }

    an_empty_update_touches_the_time [R3] {
        async fn update_run(&self, inner: &MemoryStore, update: RunUpdate) -> Result<Run> {
            if update.is_empty() {
                let status = inner.get_run(update.run_id).await?.status;
                return inner.update_run(update.with_status(status)).await;
            }
            inner.update_run(update).await
        }
    }

    clearing_the_summary_leaves_it [R3] {
        async fn update_run(&self, inner: &MemoryStore, mut update: RunUpdate) -> Result<Run> {
            if update.summary == Change::Clear {
                update.summary = Change::Keep;
            }
            inner.update_run(update).await
        }
    }

    a_new_status_clears_the_current_task [R3] {
        async fn update_run(&self, inner: &MemoryStore, mut update: RunUpdate) -> Result<Run> {
            if update.status.is_some() && update.current_task_id.is_keep() {
                update.current_task_id = Change::Clear;
            }
            inner.update_run(update).await
        }
    }

    /// A current task of another run is taken.
    a_current_task_of_another_run_is_taken [R3] (Mutex<HashMap<RunId, TaskId>>) {
        fn view_run(&self, run: Run) -> Run {
            let overlaid = self.0.lock().unwrap().get(&run.id).copied();
            Run { current_task_id: overlaid.or(run.current_task_id), ..run }
        }

        async fn update_run(&self, inner: &MemoryStore, mut update: RunUpdate) -> Result<Run> {
            if let Change::Set(task_id) = update.current_task_id
                && inner.get_task(task_id).await.is_ok_and(|task| task.run_id != update.run_id)
            {
                update.current_task_id = Change::Keep;
                self.0.lock().unwrap().insert(update.run_id, task_id);
            }
            inner.update_run(update).await
        }
    }

    /// Two counts at once are one.
    a_count_is_read_and_written_back [R4] {
        async fn increment_cycle(&self, inner: &MemoryStore, run_id: RunId) -> Result<Run> {
            let before = inner.get_run(run_id).await?;
            yield_now().await;
            let run = inner.get_run(run_id).await?;
            if run.cycle_count != before.cycle_count {
                return Ok(run);
            }
            inner.increment_cycle(run_id).await
        }
    }

    a_replan_counts_a_cycle_too [R4] {
        async fn increment_replan(&self, inner: &MemoryStore, run_id: RunId) -> Result<Run> {
            inner.increment_cycle(run_id).await?;
            inner.increment_replan(run_id).await
        }
    }

    /// The tasks of a deleted run can still be read.
    deleting_leaves_the_tasks [R5] (Mutex<HashMap<TaskId, Task>>) {
        async fn delete_run(&self, inner: &MemoryStore, run_id: RunId) -> Result<()> {
            let tasks = inner.list_tasks(ListTasks::new(run_id)).await?.items;
            self.0.lock().unwrap().extend(tasks.into_iter().map(|task| (task.id, task)));
            inner.delete_run(run_id).await
        }

        async fn get_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let left = self.0.lock().unwrap().get(&task_id).cloned();
            match inner.get_task(task_id).await {
                Err(error) => left.ok_or(error),
                found => found,
            }
        }
    }

    /// A run that takes a deleted one's id gets its events.
    deleting_leaves_the_events [R5] (Mutex<HashMap<RunId, Vec<Event>>>) {
        async fn delete_run(&self, inner: &MemoryStore, run_id: RunId) -> Result<()> {
            let events = inner.list_events(ListEvents::new(run_id)).await?.items;
            self.0.lock().unwrap().insert(run_id, events);
            inner.delete_run(run_id).await
        }

        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            let run = inner.create_run(new).await?;
            let left = self.0.lock().unwrap().remove(&run.id).unwrap_or_default();
            for event in left {
                let draft = EventDraft::new(event.source, event.kind, event.message);
                inner.add_event(NewEvent::new(run.id, draft)).await?;
            }
            Ok(run)
        }
    }

    the_ids_of_a_deleted_run_stay_taken [R5] (Mutex<HashSet<RunId>>) {
        async fn delete_run(&self, inner: &MemoryStore, run_id: RunId) -> Result<()> {
            inner.delete_run(run_id).await?;
            self.0.lock().unwrap().insert(run_id);
            Ok(())
        }

        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            match new.id {
                Some(id) if self.0.lock().unwrap().contains(&id) => Err(Error::already_exists(RecordKind::Run, id)),
                _ => inner.create_run(new).await,
            }
        }
    }

    the_event_ids_of_a_deleted_run_stay_taken [R5] (Mutex<HashSet<EventId>>) {
        async fn delete_run(&self, inner: &MemoryStore, run_id: RunId) -> Result<()> {
            let events = inner.list_events(ListEvents::new(run_id)).await?.items;
            self.0.lock().unwrap().extend(events.into_iter().filter_map(|event| event.event_id));
            inner.delete_run(run_id).await
        }

        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            match new.draft.id {
                Some(id) if self.0.lock().unwrap().contains(&id) => Err(Error::already_exists(RecordKind::Event, id)),
                _ => inner.add_event(new).await,
            }
        }
    }

    deleting_an_unknown_run_is_fine [R5 G7] {
        async fn delete_run(&self, inner: &MemoryStore, run_id: RunId) -> Result<()> {
            inner.delete_run(run_id).await.or(Ok(()))
        }
    }

    /// What is unset in a save is left as it was.
    a_save_is_merged [A1] {
        async fn save_agent_state(&self, inner: &MemoryStore, mut save: SaveAgentState) -> Result<AgentState> {
            rules::input::Input::check(&save)?;
            let before = inner.get_agent_state(save.run_id, save.role.clone()).await?;
            save.session_id = save.session_id.or(before.and_then(|agent| agent.session_id));
            inner.save_agent_state(save).await
        }
    }

    only_three_roles_are_kept [A1] {
        async fn save_agent_state(&self, inner: &MemoryStore, save: SaveAgentState) -> Result<AgentState> {
            match save.role {
                AgentRole::Other(_) => Err(Error::invalid_input("role", "is none of three")),
                _ => inner.save_agent_state(save).await,
            }
        }
    }

    the_time_of_a_save_is_always_the_clocks [A1] {
        async fn save_agent_state(&self, inner: &MemoryStore, mut save: SaveAgentState) -> Result<AgentState> {
            save.updated_at = None;
            inner.save_agent_state(save).await
        }
    }

    saving_an_agent_touches_the_run [R6] {
        async fn save_agent_state(&self, inner: &MemoryStore, save: SaveAgentState) -> Result<AgentState> {
            let agent = inner.save_agent_state(save).await?;
            let status = inner.get_run(agent.run_id).await?.status;
            inner.update_run(RunUpdate::new(agent.run_id).with_status(status)).await?;
            Ok(agent)
        }
    }

    a_role_without_a_record_is_an_error [A2] {
        async fn get_agent_state(&self, inner: &MemoryStore, run_id: RunId, role: AgentRole) -> Result<Option<AgentState>> {
            match inner.get_agent_state(run_id, role).await? {
                None => Err(Error::not_found(RecordKind::Run, run_id)),
                found => Ok(found),
            }
        }
    }

    agents_are_listed_backwards [A2] {
        async fn list_agent_states(&self, inner: &MemoryStore, run_id: RunId) -> Result<Vec<AgentState>> {
            let mut agents = inner.list_agent_states(run_id).await?;
            agents.reverse();
            Ok(agents)
        }
    }

    agents_are_listed_without_regard_to_case [A2] {
        async fn list_agent_states(&self, inner: &MemoryStore, run_id: RunId) -> Result<Vec<AgentState>> {
            let mut agents = inner.list_agent_states(run_id).await?;
            agents.sort_by_key(|agent| agent.role.as_str().to_lowercase());
            Ok(agents)
        }
    }
}
