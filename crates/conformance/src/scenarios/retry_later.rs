//! Creating calls that are made again after something came between, or at once (clause G9).

use std::sync::Arc;

use runstore_core::{
    ApprovalId, ArtifactDraft, ArtifactId, AttemptId, AttemptReport, CheckpointId, Claim, Error,
    EventDraft, EventId, FinishReport, NewApproval, NewArtifact, NewAttempt, NewCheckpoint,
    NewEvent, NewRun, RecordKind, RunId, Store, TaskDraft, TaskId, TaskPlan, Uuid,
};
use serde_json::json;

use crate::calls::{call, check_each_refused};
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::race::together;
use crate::world;

/// A write of every kind that can be made in a claim's name, each with an id.
struct Fenced {
    attempt: NewAttempt,
    event: NewEvent,
    artifact: NewArtifact,
    checkpoint: NewCheckpoint,
}

impl Fenced {
    fn of(claim: &Claim) -> Self {
        let (token, run_id) = (claim.token(), claim.task.run_id);
        let report = AttemptReport::new("failed", "no").with_id(AttemptId::generate());
        let event = EventDraft::new("s", "k", "m").with_id(EventId::generate());
        let artifact = ArtifactDraft::new("log", "a.log").with_id(ArtifactId::generate());
        let checkpoint = NewCheckpoint::new(run_id, "running", json!(1));
        Self {
            attempt: NewAttempt::of_claim(token, report),
            event: NewEvent::new(run_id, event).with_fence(token),
            artifact: NewArtifact::new(run_id, artifact).with_fence(token),
            checkpoint: checkpoint
                .with_id(CheckpointId::generate())
                .with_fence(token),
        }
    }

    /// Makes all of them; the answers as text.
    async fn make(&self, store: &dyn Store) -> Outcome<[String; 4]> {
        Ok([
            format!("{:?}", store.add_attempt(self.attempt.clone()).await?),
            format!("{:?}", store.add_event(self.event.clone()).await?),
            format!("{:?}", store.add_artifact(self.artifact.clone()).await?),
            format!("{:?}", store.add_checkpoint(self.checkpoint.clone()).await?),
        ])
    }

    /// The same with other content.
    async fn check_refused(mut self, store: &dyn Store) -> Outcome {
        let id = |id: Option<Uuid>| id.unwrap_or_default();
        self.attempt.report.summary.push('!');
        self.event.draft.message.push('!');
        self.artifact.draft.path.push('!');
        self.checkpoint.payload = json!("!");
        let taken = [
            Error::already_exists(
                RecordKind::Attempt,
                id(self.attempt.report.id.map(Into::into)),
            ),
            Error::already_exists(RecordKind::Event, id(self.event.draft.id.map(Into::into))),
            Error::already_exists(
                RecordKind::Artifact,
                id(self.artifact.draft.id.map(Into::into)),
            ),
            Error::already_exists(
                RecordKind::Checkpoint,
                id(self.checkpoint.id.map(Into::into)),
            ),
        ];
        let calls = vec![
            call!(store, add_attempt(self.attempt)),
            call!(store, add_event(self.event)),
            call!(store, add_artifact(self.artifact)),
            call!(store, add_checkpoint(self.checkpoint)),
        ];
        check_each_refused(store, calls.into_iter().zip(taken).collect()).await
    }
}

pub(crate) async fn a_fenced_write_is_answered_again_once_its_claim_ended(
    c: &mut Context<'_>,
) -> Outcome {
    for way in ["finished", "requeued", "claimed again", "replaced"] {
        let (run, claim) = world::claimed(&*c.store).await?;
        let writes = Fenced::of(&claim);
        let answers = writes.make(&*c.store).await?;
        c.clock.advance_micros(1);
        match way {
            "finished" => {
                let report = FinishReport::completed("done");
                c.store.finish_task(claim.token(), report).await?;
            }
            "replaced" => {
                let plan = TaskPlan::new(run.id, []);
                c.store.replace_pending_tasks(plan).await?;
            }
            _ => {
                c.store.requeue_task(claim.task.id).await?;
                if way == "claimed again" {
                    world::claim(&*c.store, run.id).await?;
                }
            }
        }
        let before = Dump::of(&*c.store).await?;
        let what = format!("fenced writes made again after the task was {way}");
        check_eq!(
            writes.make(&*c.store).await?,
            answers,
            "the answers to {what}"
        );
        check_unchanged(&*c.store, &before, &what).await?;
        c.reopen().await?;
        check_eq!(
            writes.make(&*c.store).await?,
            answers,
            "the answers to {what}, and a reopen"
        );
        writes.check_refused(&*c.store).await?;
    }
    Ok(())
}

pub(crate) async fn an_event_added_again_after_others_keeps_its_number(
    c: &mut Context<'_>,
) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let new = |number: u64| {
        let id = EventId::from(Uuid::from_u128(1_000 - u128::from(number)));
        let draft = EventDraft::new("s", "k", number.to_string()).with_id(id);
        NewEvent::new(run_id, draft)
    };
    let mut events = Vec::new();
    for number in 2..=60 {
        c.clock.advance_micros(-1);
        let event = c.store.add_event(new(number)).await?;
        check_eq!(event.seq, number, "the number of an event");
        events.push(event);
    }
    let before = Dump::of(&*c.store).await?;
    for (event, number) in events.into_iter().zip(2..) {
        check_eq!(
            c.store.add_event(new(number)).await?,
            event,
            "an event added again after all others"
        );
    }
    check_unchanged(&*c.store, &before, "adding 59 events again").await
}

pub(crate) async fn ids_are_free_again_once_their_run_was_deleted(c: &mut Context<'_>) -> Outcome {
    let run_id = RunId::generate();
    let ids = (
        TaskId::generate(),
        AttemptId::generate(),
        EventId::generate(),
        ArtifactId::generate(),
        ApprovalId::generate(),
        CheckpointId::generate(),
    );
    let other = world::run(&*c.store).await?.id;
    // Each round with other content, the last one in another run.
    for (round, run_id) in [run_id, run_id, other].into_iter().enumerate() {
        let text = format!("round {round}");
        let store = &*c.store;
        if run_id != other {
            let new = NewRun::new(text.as_str(), "/repo").with_id(run_id);
            store.create_run(new).await?;
        }
        let draft = TaskDraft::new(text.as_str(), "o").with_id(ids.0);
        let plan = TaskPlan::new(run_id, [draft]);
        let task = match round {
            1 => store.replace_pending_tasks(plan).await?,
            _ => store.append_tasks(plan).await?,
        };
        let task = world::first(task)?;
        check_eq!(
            (task.run_id, task.title.as_str(), task.position),
            (run_id, text.as_str(), 1),
            "run, title and position of a task under the id of a deleted one"
        );
        let report = AttemptReport::new("failed", text.as_str()).with_id(ids.1);
        let attempt = store
            .add_attempt(NewAttempt::new(task.id, 1, report))
            .await?;
        check_eq!(
            (attempt.run_id, attempt.summary),
            (run_id, text.clone()),
            "run and summary of an attempt under the id of a deleted one"
        );
        let draft = EventDraft::new("s", "k", text.as_str()).with_id(ids.2);
        let event = store.add_event(NewEvent::new(run_id, draft)).await?;
        check_eq!(
            (event.run_id, event.message, event.seq),
            (run_id, text.clone(), 2),
            "run, message and number of an event under the id of a deleted one"
        );
        let draft = ArtifactDraft::new("log", text.as_str()).with_id(ids.3);
        let artifact = store.add_artifact(NewArtifact::new(run_id, draft)).await?;
        check_eq!(
            (artifact.run_id, artifact.path),
            (run_id, text.clone()),
            "run and path of an artifact under the id of a deleted one"
        );
        let new = NewApproval::new(run_id, "human", "approved", text.as_str());
        let approval = store.add_approval(new.with_id(ids.4)).await?;
        check_eq!(
            (approval.run_id, approval.rationale),
            (run_id, text.clone()),
            "run and rationale of an approval under the id of a deleted one"
        );
        let new = NewCheckpoint::new(run_id, "running", json!(text));
        let checkpoint = store.add_checkpoint(new.with_id(ids.5)).await?;
        check_eq!(
            (checkpoint.run_id, checkpoint.payload),
            (run_id, json!(text)),
            "run and payload of a checkpoint under the id of a deleted one"
        );
        if run_id != other {
            c.store.delete_run(run_id).await?;
        }
    }
    Ok(())
}

pub(crate) async fn the_same_call_made_at_once_creates_one_record(c: &mut Context<'_>) -> Outcome {
    let handles = c.handles(4).await?;
    for round in 0..6 {
        let run_id = RunId::generate();
        let callers = handles.iter().map(|store| {
            let store = Arc::clone(store);
            let new = NewRun::new("goal", "/repo").with_id(run_id);
            async move { store.create_run(new).await }
        });
        let mut runs = Vec::new();
        for answer in together(callers.collect::<Vec<_>>()).await? {
            runs.push(answer?);
        }
        runs.dedup();
        check_eq!(
            runs.len(),
            1,
            "the number of different runs that four like calls at once were answered ({runs:?}), \
             round {round}"
        );
        let event = EventId::generate();
        let callers = handles.iter().map(|store| {
            let store = Arc::clone(store);
            let draft = EventDraft::new("s", "k", "m").with_id(event);
            let new = NewEvent::new(run_id, draft);
            async move { store.add_event(new).await }
        });
        for answer in together(callers.collect::<Vec<_>>()).await? {
            check_eq!(
                answer?.seq,
                2,
                "the number of an event that four like calls at once were answered, round {round}"
            );
        }
        let events = c.store.recent_events(run_id, 10).await?;
        check_eq!(events.len(), 2, "the number of events, creation included");
        let task = TaskId::generate();
        let callers = handles.iter().zip(0..).map(|(store, caller)| {
            let store = Arc::clone(store);
            let plan = TaskPlan::new(run_id, [TaskDraft::new("t", "o").with_id(task)]);
            async move {
                match caller % 2 {
                    0 => store.append_tasks(plan).await,
                    _ => store.replace_pending_tasks(plan).await,
                }
            }
        });
        for answer in together(callers.collect::<Vec<_>>()).await? {
            let planned = answer?;
            check_eq!(
                planned.iter().map(|task| task.id).collect::<Vec<_>>(),
                [task],
                "the tasks that four calls at once with one plan were answered, round {round}"
            );
        }
        let tasks = crate::tasks::tasks_of(&*c.store, run_id).await?;
        check_eq!(tasks.len(), 1, "the number of tasks after them");
    }
    Ok(())
}

pub(crate) async fn of_different_calls_at_once_under_one_id_one_is_done(
    c: &mut Context<'_>,
) -> Outcome {
    let handles = c.handles(4).await?;
    for _ in 0..6 {
        let run_id = RunId::generate();
        let callers = handles.iter().zip(0..).map(|(store, caller)| {
            let store = Arc::clone(store);
            let new = NewRun::new(format!("goal {caller}"), "/repo").with_id(run_id);
            async move { store.create_run(new).await }
        });
        let answers = together(callers.collect::<Vec<_>>()).await?;
        let done = answers.iter().filter(|answer| answer.is_ok()).count();
        let taken = |answer: &&runstore_core::Result<_>| {
            matches!(
                answer,
                Err(Error::AlreadyExists { kind: RecordKind::Run, id }) if *id == run_id.as_uuid()
            )
        };
        check!(
            done == 1 && answers.iter().filter(taken).count() == 3,
            "of four calls at once that create different runs under one id one must be done and \
             three find the id taken, but they were answered {answers:?}"
        );
        let stored = c.store.get_run(run_id).await?;
        let created = answers.into_iter().find_map(Result::ok);
        check_eq!(
            Some(stored),
            created,
            "the stored run, beside the one that its creator was answered"
        );
        let events = c.store.recent_events(run_id, 10).await?;
        check_eq!(events.len(), 1, "the number of its events");
    }
    Ok(())
}
