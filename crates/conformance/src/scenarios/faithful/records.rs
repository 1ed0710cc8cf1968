//! One record of every kind with a given text in every field of text and a given value in every field
//! of JSON, and their comparison on every way by which they can be read.

use runstore_core::{
    AgentState, Approval, Artifact, ArtifactDraft, AttemptReport, BlockTask, Checkpoint, Clock,
    Event, EventDraft, FinishOutcome, FinishReport, ListArtifacts, ListTasks, ManualClock,
    NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, Run, RunUpdate,
    SaveAgentState, Store, Task, TaskAttempt, TaskDraft, TaskPlan, TaskStatus,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::check::{Outcome, Stop, check};
use crate::dump::difference;
use crate::world;

/// What the fields are given.
#[derive(Debug, Clone)]
pub(super) struct Given {
    /// Every field of free text; an `x` stands in for an empty goal or title.
    pub(super) text: String,
    /// Every open word.
    pub(super) word: String,
    /// Every field of JSON.
    pub(super) json: Value,
}

impl Given {
    pub(super) fn text(text: &str) -> Self {
        let fits = text.len() <= runstore_core::limits::MAX_WORD_BYTES;
        Self {
            text: text.to_owned(),
            word: if fits { text } else { "a word" }.to_owned(),
            json: json!({ text: text, "in": [text, { "a": text }] }),
        }
    }

    pub(super) fn json(json: Value) -> Self {
        Self {
            text: "a text".to_owned(),
            word: "a word".to_owned(),
            json,
        }
    }

    /// The text, or an `x` where none must not be.
    fn name(&self) -> String {
        match self.text.as_str() {
            "" => "x".to_owned(),
            text => text.to_owned(),
        }
    }

    fn texts(&self) -> Vec<String> {
        vec![self.text.clone(), String::new(), self.text.clone()]
    }

    fn attempt(&self) -> AttemptReport {
        AttemptReport::new(self.word.as_str(), self.text.as_str())
            .with_blocker_signature(self.text.as_str())
            .with_result(self.json.clone())
    }

    fn event(&self) -> EventDraft {
        let text = self.text.as_str();
        EventDraft::new(text, text, text).with_payload(self.json.clone())
    }

    fn artifact(&self) -> ArtifactDraft {
        let text = self.text.as_str();
        ArtifactDraft::new(text, text)
            .with_role(self.word.as_str())
            .with_metadata(self.json.clone())
    }
}

/// The records as they must be read from now on.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) run: Run,
    pub(super) agent: AgentState,
    /// The first blocked by an operator, the second by a report.
    pub(super) tasks: Vec<Task>,
    pub(super) attempts: Vec<TaskAttempt>,
    pub(super) events: Vec<Event>,
    pub(super) artifacts: Vec<Artifact>,
    pub(super) approval: Approval,
    pub(super) checkpoint: Checkpoint,
}

/// Checks that what was read is what was written: to the byte, to the number and to the order of keys.
#[track_caller]
pub(super) fn check_kept(what: &str, read: &impl Serialize, written: &impl Serialize) -> Outcome {
    let value = |error: serde_json::Error| Stop::failed(format_args!("{what}: {error}"));
    let read = serde_json::to_value(read).map_err(value)?;
    let written = serde_json::to_value(written).map_err(value)?;
    let difference = difference(what, &read, &written);
    check!(
        difference.is_none(),
        "what was read must be what was written, but differs (read, written): {}",
        difference.unwrap_or_default()
    );
    Ok(())
}

impl Records {
    /// Writes the records and checks what each call returns against what it was given.
    pub(super) async fn write(
        store: &dyn Store,
        clock: &ManualClock,
        given: &Given,
    ) -> Outcome<Self> {
        let now = clock.now();
        let text = given.text.as_str();
        let word = given.word.as_str();

        let created = store.create_run(NewRun::new(given.name(), text)).await?;
        let update = RunUpdate::new(created.id)
            .with_status(word)
            .with_summary(text);
        let answered = store.update_run(update).await?;
        let run = Run {
            id: created.id,
            goal: given.name(),
            repo_path: text.to_owned(),
            status: word.into(),
            summary: Some(text.to_owned()),
            cycle_count: 0,
            replan_count: 0,
            current_task_id: None,
            created_at: now,
            updated_at: now,
        };
        check_kept("the run returned", &answered, &run)?;

        let save = SaveAgentState::new(run.id, word)
            .with_session_id(text)
            .with_last_prompt_path(text)
            .with_last_response_path(text);
        let answered = store.save_agent_state(save).await?;
        let agent = AgentState {
            run_id: run.id,
            role: word.into(),
            session_id: Some(text.to_owned()),
            turns: 0,
            rotation_count: 0,
            last_prompt_path: Some(text.to_owned()),
            last_response_path: Some(text.to_owned()),
            updated_at: now,
        };
        check_kept("the agent's state returned", &answered, &agent)?;

        let mut records = Self {
            tasks: write_tasks(store, clock, given, &run).await?,
            attempts: Vec::new(),
            events: store.recent_events(run.id, 1).await?,
            artifacts: Vec::new(),
            approval: write_approval(store, clock, given, &run).await?,
            checkpoint: write_checkpoint(store, clock, given, &run).await?,
            run,
            agent,
        };
        let payload = json!({ "goal": given.name(), "repoPath": text });
        let first: Vec<_> = records.events.iter().map(|event| &event.payload).collect();
        check_kept("the payload of run_created", &first, &[payload])?;
        records.write_journal(store, clock, given).await?;
        records.finish(store, clock, given).await?;
        Ok(records)
    }

    /// An attempt at the first task, an event and an artifact, each by a call of its own.
    async fn write_journal(
        &mut self,
        store: &dyn Store,
        clock: &ManualClock,
        given: &Given,
    ) -> Outcome {
        let task_id = world::first(self.tasks.clone())?.id;
        let new = NewAttempt::new(task_id, 3, given.attempt());
        let attempt = store.add_attempt(new).await?;
        self.check_attempt(&attempt, clock, given, 3)?;
        self.attempts.push(attempt);
        let new = NewEvent::new(self.run.id, given.event());
        let event = store.add_event(new).await?;
        self.check_event(&event, clock, given, 2)?;
        self.events.push(event);
        let new = NewArtifact::new(self.run.id, given.artifact());
        let artifact = store.add_artifact(new).await?;
        self.check_artifact(&artifact, clock, given)?;
        self.artifacts.push(artifact);
        Ok(())
    }

    /// The same once more by a report, with which the second task is blocked.
    async fn finish(&mut self, store: &dyn Store, clock: &ManualClock, given: &Given) -> Outcome {
        let claim = world::claim(store, self.run.id).await?;
        let outcome = FinishOutcome::Blocked {
            summary: Some(given.text.clone()),
            blocker_signature: Some(given.text.clone()),
        };
        let report = FinishReport::new(outcome, given.attempt())
            .with_event(given.event())
            .with_artifact(given.artifact());
        let task = store.finish_task(claim.token(), report).await?;
        let planned = world::last(std::mem::take(&mut self.tasks))?;
        let blocked = Task {
            status: TaskStatus::Blocked,
            attempt_count: 1,
            implementation_summary: Some(given.text.clone()),
            blocker_signature: Some(given.text.clone()),
            ..planned
        };
        check_kept("the task that finish_task returned", &task, &blocked)?;
        let list = ListTasks::new(self.run.id);
        self.tasks = store.list_tasks(list).await?.items;
        let attempt = store.latest_attempt(task.id).await?;
        let attempt = world::first(attempt.into_iter().collect())?;
        self.check_attempt(&attempt, clock, given, 1)?;
        self.attempts.push(attempt);
        let event = world::last(store.recent_events(self.run.id, 1).await?)?;
        self.check_event(&event, clock, given, 3)?;
        self.events.push(event);
        let list = ListArtifacts::new(self.run.id);
        let artifact = world::last(store.list_artifacts(list).await?.items)?;
        self.check_artifact(&artifact, clock, given)?;
        self.artifacts.push(artifact);
        Ok(())
    }

    fn check_attempt(
        &self,
        attempt: &TaskAttempt,
        clock: &ManualClock,
        given: &Given,
        attempt_number: u32,
    ) -> Outcome {
        let written = TaskAttempt {
            id: attempt.id,
            run_id: self.run.id,
            task_id: attempt.task_id,
            attempt_number,
            status: given.word.as_str().into(),
            summary: given.text.clone(),
            blocker_signature: Some(given.text.clone()),
            result: given.json.clone(),
            created_at: clock.now(),
        };
        check_kept("the attempt", attempt, &written)
    }

    fn check_event(&self, event: &Event, clock: &ManualClock, given: &Given, seq: u64) -> Outcome {
        let written = Event {
            run_id: self.run.id,
            seq,
            event_id: None,
            ts: clock.now(),
            source: given.text.clone(),
            kind: given.text.clone(),
            message: given.text.clone(),
            payload: given.json.clone(),
        };
        check_kept("the event", event, &written)
    }

    fn check_artifact(&self, artifact: &Artifact, clock: &ManualClock, given: &Given) -> Outcome {
        let written = Artifact {
            id: artifact.id,
            run_id: self.run.id,
            role: Some(given.word.as_str().into()),
            kind: given.text.clone(),
            path: given.text.clone(),
            created_at: clock.now(),
            metadata: given.json.clone(),
        };
        check_kept("the artifact", artifact, &written)
    }
}

/// Two tasks: the first blocked by an operator, the second pending.
async fn write_tasks(
    store: &dyn Store,
    clock: &ManualClock,
    given: &Given,
    run: &Run,
) -> Outcome<Vec<Task>> {
    let draft = TaskDraft::new(given.name(), given.text.as_str())
        .with_acceptance_criteria(given.texts())
        .with_verification_steps(given.texts())
        .with_allowed_paths(given.texts());
    let plan = TaskPlan::new(run.id, [draft.clone(), draft]);
    let planned = store.append_tasks(plan).await?;
    let mut expected = Vec::new();
    for (position, task) in (1..).zip(&planned) {
        expected.push(Task {
            id: task.id,
            run_id: run.id,
            position,
            title: given.name(),
            objective: given.text.clone(),
            acceptance_criteria: given.texts(),
            verification_steps: given.texts(),
            allowed_paths: given.texts(),
            status: TaskStatus::Pending,
            attempt_count: 0,
            implementation_summary: None,
            blocker_signature: None,
            priority: 0,
            not_before: None,
            depends_on: vec![],
            max_attempts: None,
            delayed_until: None,
            worker: None,
            lease_expires_at: None,
            created_at: clock.now(),
            updated_at: clock.now(),
        });
    }
    check_kept("the tasks returned", &planned, &expected)?;
    let first = world::first(planned)?;
    let block = BlockTask::new(first.id)
        .with_summary(given.text.as_str())
        .with_blocker_signature(given.text.as_str());
    let blocked = store.block_task(block).await?;
    let expected_block = Task {
        status: TaskStatus::Blocked,
        implementation_summary: Some(given.text.clone()),
        blocker_signature: Some(given.text.clone()),
        ..first
    };
    check_kept(
        "the task that block_task returned",
        &blocked,
        &expected_block,
    )?;
    if let Some(place) = expected.first_mut() {
        *place = blocked;
    }
    Ok(expected)
}

async fn write_approval(
    store: &dyn Store,
    clock: &ManualClock,
    given: &Given,
    run: &Run,
) -> Outcome<Approval> {
    let word = given.word.as_str();
    let new = NewApproval::new(run.id, word, word, given.text.as_str());
    let approval = store
        .add_approval(new.with_payload(given.json.clone()))
        .await?;
    let written = Approval {
        id: approval.id,
        run_id: run.id,
        source: word.into(),
        verdict: word.into(),
        rationale: given.text.clone(),
        payload: given.json.clone(),
        created_at: clock.now(),
    };
    check_kept("the approval", &approval, &written)?;
    Ok(approval)
}

async fn write_checkpoint(
    store: &dyn Store,
    clock: &ManualClock,
    given: &Given,
    run: &Run,
) -> Outcome<Checkpoint> {
    let word = given.word.as_str();
    let new = NewCheckpoint::new(run.id, word, given.json.clone());
    let checkpoint = store.add_checkpoint(new).await?;
    let written = Checkpoint {
        id: checkpoint.id,
        run_id: run.id,
        status: word.into(),
        payload: given.json.clone(),
        created_at: clock.now(),
    };
    check_kept("the checkpoint", &checkpoint, &written)?;
    Ok(checkpoint)
}
