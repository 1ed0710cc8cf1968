//! Clause G9: what a repeated call does.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use runstore_core::*;
use runstore_memory::MemoryStore;

faults! {
    /// A repeat is refused, also with the same content.
    a_repeat_is_refused [G9] {
        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            match new.id {
                Some(id) if inner.get_run(id).await.is_ok() => Err(Error::already_exists(RecordKind::Run, id)),
                _ => inner.create_run(new).await,
            }
        }
    }

    /// A taken id is answered with its record, whatever the content.
    the_content_of_a_repeat_is_ignored [G9] {
        async fn add_checkpoint(&self, inner: &MemoryStore, new: NewCheckpoint) -> Result<Checkpoint> {
            let (run_id, id) = (new.run_id, new.id);
            match inner.add_checkpoint(new).await {
                Err(Error::AlreadyExists { .. }) => {
                    let stored = inner.list_checkpoints(ListCheckpoints::new(run_id)).await?.items;
                    let same = stored.into_iter().find(|checkpoint| Some(checkpoint.id) == id);
                    same.ok_or_else(|| Error::already_exists(RecordKind::Checkpoint, id.unwrap()))
                }
                answer => answer,
            }
        }
    }

    /// A field is left out when contents are compared.
    a_field_of_a_repeat_is_ignored [G9] {
        async fn add_approval(&self, inner: &MemoryStore, new: NewApproval) -> Result<Approval> {
            let (run_id, id, verdict) = (new.run_id, new.id, new.verdict.clone());
            match inner.add_approval(new.clone()).await {
                Err(Error::AlreadyExists { .. }) => {
                    let stored = inner.list_approvals(ListApprovals::new(run_id)).await?.items;
                    match stored.into_iter().find(|approval| Some(approval.id) == id) {
                        Some(approval) if approval.verdict == verdict => {
                            let mut same = new;
                            same.rationale.clone_from(&approval.rationale);
                            inner.add_approval(same).await
                        }
                        _ => Err(Error::already_exists(RecordKind::Approval, id.unwrap())),
                    }
                }
                answer => answer,
            }
        }
    }

    /// The record of another run is answered.
    a_repeat_in_another_run_is_answered [G9] {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            match inner.add_event(new.clone()).await {
                Err(Error::AlreadyExists { .. }) => {
                    for run in inner.list_runs(ListRuns::all()).await?.items {
                        let mut there = new.clone();
                        there.run_id = run.id;
                        if let Ok(event) = inner.add_event(there).await {
                            return Ok(event);
                        }
                    }
                    Err(Error::already_exists(RecordKind::Event, new.draft.id.unwrap()))
                }
                answer => answer,
            }
        }
    }

    /// A run that is created again writes its first event again.
    a_repeat_writes_a_second_run_created [G9] {
        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            let is_there = match new.id {
                Some(id) => inner.get_run(id).await.is_ok(),
                None => false,
            };
            let run = inner.create_run(new).await?;
            if is_there {
                let event = rules::events::run_created(&run);
                inner.add_event(NewEvent::new(run.id, event)).await?;
            }
            Ok(run)
        }
    }

    /// A repeat is answered with the record as it was, not as it is now.
    a_repeat_is_answered_as_it_was [G9] {
        async fn create_run(&self, inner: &MemoryStore, new: NewRun) -> Result<Run> {
            let run = inner.create_run(new).await?;
            Ok(Run { summary: None, status: RunStatus::Planning, ..run })
        }
    }

    /// A repeat moves the time of the record.
    a_repeat_has_the_time_of_the_repeat [G9] (Mutex<HashSet<ArtifactId>>) {
        async fn add_artifact(&self, inner: &MemoryStore, new: NewArtifact) -> Result<Artifact> {
            let artifact = inner.add_artifact(new).await?;
            if self.0.lock().unwrap().insert(artifact.id) {
                return Ok(artifact);
            }
            let now = inner.fork()?.create_run(NewRun::new("asks", "the time")).await?.created_at;
            Ok(Artifact { created_at: now, ..artifact })
        }
    }

    /// The fence is looked at before the id.
    a_repeat_is_stale_once_the_claim_has_ended [G9] {
        async fn add_attempt(&self, inner: &MemoryStore, new: NewAttempt) -> Result<TaskAttempt> {
            if let Some(token) = new.fence {
                let task = inner.get_task(token.task_id).await.ok();
                rules::claims::check_held(token, task.map(|task| task.standing()))?;
            }
            inner.add_attempt(new).await
        }
    }

    /// What was written before the store was opened again is not known to be a repeat.
    a_repeat_is_forgotten_on_reopen [G9] (Mutex<HashSet<CheckpointId>>) {
        fn reopened(_: &Arc<Self>) -> Arc<Self> {
            Arc::default()
        }

        async fn add_checkpoint(&self, inner: &MemoryStore, new: NewCheckpoint) -> Result<Checkpoint> {
            let Some(id) = new.id else {
                return inner.add_checkpoint(new).await;
            };
            let before = inner.list_checkpoints(ListCheckpoints::new(new.run_id)).await?.items;
            let is_repeat = before.iter().any(|checkpoint| checkpoint.id == id);
            if is_repeat && !self.0.lock().unwrap().contains(&id) {
                return Err(Error::already_exists(RecordKind::Checkpoint, id));
            }
            self.0.lock().unwrap().insert(id);
            inner.add_checkpoint(new).await
        }
    }

    /// A second handle does not know the ids that the first one wrote.
    a_repeat_is_unknown_to_another_handle [G9] (Mutex<HashSet<EventId>>) {
        fn second(_: &Arc<Self>) -> Arc<Self> {
            Arc::default()
        }

        async fn add_event(&self, inner: &MemoryStore, mut new: NewEvent) -> Result<Event> {
            let Some(id) = new.draft.id else {
                return inner.add_event(new).await;
            };
            let is_known = !self.0.lock().unwrap().insert(id);
            let stored = inner.list_events(ListEvents::new(new.run_id)).await?.items;
            if !is_known && stored.iter().any(|event| event.event_id == Some(id)) {
                new.draft.id = None;
            }
            inner.add_event(new).await
        }
    }

    /// The tasks of a repeated plan come in order of position.
    a_repeated_plan_is_answered_by_position [G9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let mut tasks = inner.append_tasks(plan).await?;
            tasks.sort_by_key(|task| task.position);
            Ok(tasks)
        }
    }

    /// A plan that is stored in part is completed.
    the_rest_of_a_stored_plan_is_added [G9] {
        async fn append_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            match inner.append_tasks(plan.clone()).await {
                Err(Error::AlreadyExists { .. }) => {
                    let mut tasks = Vec::new();
                    for draft in plan.drafts {
                        tasks.extend(inner.append_tasks(TaskPlan::new(plan.run_id, [draft])).await?);
                    }
                    Ok(tasks)
                }
                answer => answer,
            }
        }
    }

    /// A plan that is repeated abandons what is pending all the same.
    a_repeated_plan_abandons_tasks [G9] {
        async fn replace_pending_tasks(&self, inner: &MemoryStore, plan: TaskPlan) -> Result<Vec<Task>> {
            let first = plan.drafts.first().and_then(|draft| draft.id);
            let is_there = match first {
                Some(id) => inner.get_task(id).await.is_ok(),
                None => false,
            };
            let run_id = plan.run_id;
            let tasks = inner.replace_pending_tasks(plan).await?;
            if is_there {
                inner.replace_pending_tasks(TaskPlan::new(run_id, [])).await?;
            }
            Ok(tasks)
        }
    }

    /// An id within a report is taken by other content, and the rest is written.
    a_taken_id_in_a_report_is_skipped [G9] {
        async fn finish_task(&self, inner: &MemoryStore, token: ClaimToken, mut report: FinishReport) -> Result<Task> {
            match inner.finish_task(token, report.clone()).await {
                Err(Error::AlreadyExists { kind: RecordKind::Event, id }) => {
                    report.events.retain(|event| event.id.map(EventId::as_uuid) != Some(id));
                    inner.finish_task(token, report).await
                }
                answer => answer,
            }
        }
    }

    /// Ids of all kinds are in one table, so that an event cannot have the id of a run.
    an_id_is_taken_by_another_kind [G9] {
        async fn add_event(&self, inner: &MemoryStore, new: NewEvent) -> Result<Event> {
            if let Some(id) = new.draft.id {
                let other = RunId::from(id.as_uuid());
                if inner.get_run(other).await.is_ok() {
                    return Err(Error::already_exists(RecordKind::Event, id));
                }
            }
            inner.add_event(new).await
        }
    }
}
