//! Clauses G1 to G4 and G6 to G8.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use runstore_core::*;
use runstore_memory::MemoryStore;
use tokio::task::yield_now;

faults! {
    /// A plan that is refused has already abandoned the old one.
    a_refused_plan_abandons_the_old_one [G1] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let run_id = plan.run_id;
            let answer = inner.replace_pending_tasks(plan).await;
            if let Err(Error::AlreadyExists { .. }) = answer {
                inner.replace_pending_tasks(TaskPlan::new(run_id, [])).await?;
            }
            answer
        }
    }

    /// A report whose artifact is refused has already written its events.
    a_refused_report_leaves_its_events [G1] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, report: FinishReport) -> Result<Task> {
            let events = report.events.clone();
            let answer = inner.finish_task(token, report).await;
            if let Err(Error::AlreadyExists { kind: RecordKind::Artifact, .. }) = answer {
                let run_id = inner.get_task(token.task_id).await?.run_id;
                for event in events {
                    inner.add_event(NewEvent::new(run_id, event)).await?;
                }
            }
            answer
        }
    }

    /// Everything is kept in memory and written when the store is closed.
    it_is_written_when_it_is_closed [G2] (Mutex<Option<MemoryStore>>) {
        fn killed(this: &Arc<Self>, _: &MemoryStore) -> MemoryStore {
            this.0.lock().unwrap().take().unwrap_or_default()
        }

        async fn close(&self, inner: &MemoryStore) -> Result<()> {
            *self.0.lock().unwrap() = Some(inner.fork()?);
            inner.close().await
        }
    }

    /// A closed handle goes on.
    closing_does_nothing [G10] {
        async fn close(&self, _: &MemoryStore) -> Result<()> {
            Ok(())
        }
    }

    /// A store that is closed once more says that it is closed.
    a_second_close_is_refused [G10] {
        async fn close(&self, inner: &MemoryStore) -> Result<()> {
            inner.list_runs(ListRuns::all()).await?;
            inner.close().await
        }
    }

    /// What an agent saved is kept by the handle and never written.
    agents_are_lost_on_reopen [G2] (Mutex<HashMap<(RunId, AgentRole), AgentState>>) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::default()
        }

        async fn save_agent_state(&self, inner: &MemoryStore, save: SaveAgentState) -> Result<AgentState> {
            // Asked of a copy, which is dropped with the write.
            let saved = inner.fork()?.save_agent_state(save).await?;
            self.0.lock().unwrap().insert((saved.run_id, saved.role.clone()), saved.clone());
            Ok(saved)
        }

        async fn get_agent_state(&self, inner: &MemoryStore, run_id: RunId, role: AgentRole) -> Result<Option<AgentState>> {
            inner.get_agent_state(run_id, role.clone()).await?;
            Ok(self.0.lock().unwrap().get(&(run_id, role)).cloned())
        }

        async fn list_agent_states(&self, inner: &MemoryStore, run_id: RunId) -> Result<Vec<AgentState>> {
            inner.list_agent_states(run_id).await?;
            let agents = self.0.lock().unwrap();
            let mut agents: Vec<_> = agents.values().filter(|agent| agent.run_id == run_id).cloned().collect();
            agents.sort_by(|a, b| a.role.cmp(&b.role));
            Ok(agents)
        }

        async fn snapshot(&self, inner: &MemoryStore, request: SnapshotRequest) -> Result<RunSnapshot> {
            let run_id = request.run_id;
            let mut snapshot = inner.snapshot(request).await?;
            let agents = self.list_agent_states(inner, run_id).await?;
            snapshot.agents = agents.into_iter().map(|agent| (agent.role.clone(), agent)).collect();
            Ok(snapshot)
        }
    }

    /// The last event is lost when the store is opened again.
    the_last_event_is_lost_on_reopen [G2] (AtomicBool) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::new(Self(AtomicBool::new(true)))
        }

        async fn list_events(&self, inner: &MemoryStore, list: ListEvents) -> Result<Page<Event>> {
            let mut page = inner.list_events(list).await?;
            if self.0.load(Ordering::SeqCst) && page.next.is_none() {
                page.items.pop();
            }
            Ok(page)
        }
    }

    /// A handle keeps the runs that it has read, and sees its own writes only.
    a_handle_reads_its_own_cache [G3] (Mutex<HashMap<RunId, Run>>) {
        fn second(_: &Arc<Self>) -> Arc<Self> {
            Arc::default()
        }

        async fn get_run(&self, inner: &MemoryStore, run_id: RunId) -> Result<Run> {
            let read = inner.get_run(run_id).await?;
            Ok(self.0.lock().unwrap().entry(run_id).or_insert(read).clone())
        }

        async fn update_run(&self, inner: &MemoryStore, update: RunUpdate) -> Result<Run> {
            let run = inner.update_run(update).await?;
            self.0.lock().unwrap().insert(run.id, run.clone());
            Ok(run)
        }
    }

    /// Reads of tasks go to a replica that is one write behind what other handles wrote.
    a_read_misses_what_another_handle_wrote [G3] (Mutex<Option<MemoryStore>>) {
        async fn claim_next_task(&self, inner: &MemoryStore, request: ClaimRequest) -> Result<Option<Claim>> {
            *self.0.lock().unwrap() = Some(inner.fork()?);
            inner.claim_next_task(request).await
        }

        async fn get_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            let replica = self.0.lock().unwrap().take();
            match replica {
                Some(replica) => replica.get_task(task_id).await,
                None => inner.get_task(task_id).await,
            }
        }
    }

    /// A plan that is dropped half-way has abandoned the old one and added nothing.
    a_dropped_plan_is_half_done [G4] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            inner.fork()?.replace_pending_tasks(plan.clone()).await?;
            inner.replace_pending_tasks(TaskPlan::new(plan.run_id, [])).await?;
            yield_now().await;
            inner.append_tasks(plan).await
        }
    }

    /// A report that is dropped half-way has written its events and not finished the task.
    a_dropped_report_is_half_done [G4] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            let finished = inner.fork()?.finish_task(token, report.clone()).await?;
            for event in std::mem::take(&mut report.events) {
                inner.add_event(NewEvent::new(finished.run_id, event).with_fence(token)).await?;
            }
            yield_now().await;
            inner.finish_task(token, report).await
        }
    }

    /// A call that is dropped half-way keeps the store for itself.
    a_dropped_call_leaves_the_store_locked [G4] (AtomicBool) {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            if self.0.swap(true, Ordering::SeqCst) {
                return Err(Error::Busy { what: "another call".to_owned(), source: None });
            }
            yield_now().await;
            self.0.store(false, Ordering::SeqCst);
            inner.append_tasks(plan).await
        }
    }

    /// The latest attempt is the one with the latest time.
    the_latest_attempt_is_by_time [G6] {
        async fn latest_attempt(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Option<TaskAttempt>> {
            let run_id = inner.get_task(task_id).await?.run_id;
            let list = ListAttempts::new(run_id).with_task_id(task_id);
            Ok(inner.list_attempts(list).await?.items.into_iter().max_by_key(|attempt| attempt.created_at))
        }
    }

    /// Of two approvals in one millisecond the older one is the latest.
    order_is_by_millisecond [G6] {
        async fn latest_approval(&self, inner: &MemoryStore, run_id: RunId, source: ApprovalSource) -> Result<Option<Approval>> {
            let list = ListApprovals::new(run_id).with_source(source);
            let approvals = inner.list_approvals(list).await?.items;
            Ok(approvals.into_iter().rev().max_by_key(|approval| approval.created_at.as_micros() / 1_000))
        }
    }

    /// Runs are listed by the time of their creation.
    runs_are_listed_by_time [G6] {
        async fn list_runs(&self, inner: &MemoryStore, list: ListRuns) -> Result<Page<Run>> {
            let mut page = inner.list_runs(list).await?;
            page.items.sort_by_key(|run| std::cmp::Reverse(run.created_at));
            Ok(page)
        }
    }

    /// Checkpoints are listed by their ids, which are made by time.
    checkpoints_are_listed_by_id [G6] {
        async fn list_checkpoints(&self, inner: &MemoryStore, list: ListCheckpoints) -> Result<Page<Checkpoint>> {
            let mut page = inner.list_checkpoints(list).await?;
            page.items.sort_by_key(|checkpoint| checkpoint.id);
            Ok(page)
        }
    }

    /// The events of an unknown run are none.
    an_unknown_run_lists_empty [G7] {
        async fn list_events(&self, inner: &MemoryStore, list: ListEvents) -> Result<Page<Event>> {
            match inner.list_events(list).await {
                Err(Error::NotFound { .. }) => Ok(Page { items: vec![], next: None }),
                answer => answer,
            }
        }
    }

    /// The attempts of a task of another run are none.
    a_task_of_another_run_lists_empty [G7] {
        async fn list_attempts(&self, inner: &MemoryStore, list: ListAttempts) -> Result<Page<TaskAttempt>> {
            match inner.list_attempts(list).await {
                Err(Error::NotFound { kind: RecordKind::Task, .. }) => Ok(Page { items: vec![], next: None }),
                answer => answer,
            }
        }
    }

    /// An unknown task is told as an unknown run.
    an_unknown_task_is_told_as_a_run [G7] {
        async fn requeue_task(&self, inner: &MemoryStore, task_id: TaskId) -> Result<Task> {
            match inner.requeue_task(task_id).await {
                Err(Error::NotFound { id, .. }) => Err(Error::NotFound { kind: RecordKind::Run, id }),
                answer => answer,
            }
        }
    }

    /// A limit of nothing is answered with nothing.
    a_limit_of_zero_is_accepted [G8] {
        async fn recent_events(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<Event>> {
            inner.recent_events(run_id, limit.max(1)).await
        }
    }

    /// An empty title is stored under another name.
    an_empty_title_is_accepted [G8] {
        async fn append_tasks(&self, inner: &MemoryStore, mut plan: TaskPlan) -> Result<Vec<Task>> {
            for draft in plan.drafts.iter_mut().filter(|draft| draft.title.is_empty()) {
                draft.title = "untitled".to_owned();
            }
            inner.append_tasks(plan).await
        }
    }

    /// A word that is too long is cut.
    a_long_word_is_cut [G8] {
        async fn save_agent_state(&self, inner: &MemoryStore, mut save: SaveAgentState) -> Result<AgentState> {
            let word = save.role.as_str();
            save.role = word[..word.floor_char_boundary(255)].into();
            inner.save_agent_state(save).await
        }
    }

    /// A draft that breaks a bound is told without its place in the plan.
    the_field_of_a_bound_is_told_without_its_path [G8] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            match inner.append_tasks(plan).await {
                Err(Error::InvalidInput { field, problem }) => {
                    let field = field.rsplit('.').next().unwrap_or_default().to_owned();
                    Err(Error::InvalidInput { field, problem })
                }
                answer => answer,
            }
        }
    }

    /// The run is looked up before the input is looked at.
    input_is_looked_at_after_the_run [G8] {
        async fn recent_attempts(&self, inner: &MemoryStore, run_id: RunId, limit: u32) -> Result<Vec<TaskAttempt>> {
            inner.get_run(run_id).await?;
            inner.recent_attempts(run_id, limit).await
        }
    }

    /// A text with NUL is refused.
    a_text_with_nul_is_refused [G8] {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            if new.draft.message.contains('\0') {
                return Err(Error::invalid_input("draft.message", "holds NUL"));
            }
            inner.add_event(new).await
        }
    }
}
