//! Creating calls that are made again (clause G9); those that take a plan are in a group of their own.

use std::fmt::Debug;

use futures_util::future::BoxFuture;
use runstore_core::{
    ApprovalId, ArtifactDraft, ArtifactId, AttemptId, AttemptReport, CheckpointId, Error,
    EventDraft, EventId, ListEvents, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent,
    NewRun, RecordKind, Result, RunId, RunUpdate, SnapshotRequest, Store, TaskDraft, TaskId,
    TaskPlan, Uuid,
};
use serde_json::{Map, Value, json};

use crate::calls::{Call, check_all_refused};
use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::world;

/// A creating call.
type Create<N, T> = for<'s> fn(&'s dyn Store, N) -> BoxFuture<'s, Result<T>>;

/// Makes a call, then again at every handle and after a reopen: the first record must be returned and
/// nothing may change. Then with each other content: that must be refused.
async fn check_made_again<N: Clone + Debug, T: PartialEq + Debug>(
    c: &mut Context<'_>,
    create: Create<N, T>,
    new: N,
    others: Vec<(&'static str, N)>,
    taken: Error,
) -> Outcome {
    let stored = create(&*c.store, new.clone()).await?;
    // What comes later has other times and numbers.
    c.clock.advance_micros(1_000_001);
    world::populated(&*c.store).await?;
    let before = Dump::of(&*c.store).await?;
    let second = c.second_handle().await?;
    for store in [&c.store, &second] {
        let answer = create(&**store, new.clone()).await?;
        check_eq!(answer, stored, "what {new:?}, made again, returns");
        check_unchanged(&**store, &before, "a creating call made again").await?;
    }
    drop(second);
    c.reopen().await?;
    let answer = create(&*c.store, new.clone()).await?;
    check_eq!(answer, stored, "what {new:?}, after a reopen, returns");
    for (what, other) in others {
        let name = format!("{new:?}, made again with another {what}: {other:?},");
        let call = Call::new(name, create(&*c.store, other));
        check_all_refused(&*c.store, vec![call], &taken).await?;
    }
    let answer = create(&*c.store, new.clone()).await?;
    check_eq!(
        answer,
        stored,
        "what {new:?}, made again after other content was refused, returns"
    );
    check_unchanged(&*c.store, &before, "a creating call made again").await
}

/// The variations of a value: one a field, made by the statement beside the field's name.
macro_rules! variations {
    ($base:expr; $($what:literal: |$field:ident| $change:expr),+ $(,)?) => {
        vec![$(($what, {
            let mut $field = $base.clone();
            $change;
            $field
        })),+]
    };
}

/// A value and others that differ from it in little.
fn value() -> Value {
    json!({"a": 1, "b": [1, 2], "c": null, "d": [{"x": 0.0, "y": (1_u64 << 53) + 1}]})
}

fn like_value() -> [Value; 11] {
    let with = |change: fn(&mut Map<String, Value>)| {
        let mut value = value();
        value.as_object_mut().map(change);
        value
    };
    [
        with(|fields| {
            let first = fields.shift_remove("a");
            fields.extend(first.map(|first| ("a".to_owned(), first)));
        }),
        with(|fields| fields.extend([("a".to_owned(), json!(1.0))])),
        with(|fields| fields.extend([("a".to_owned(), json!("1"))])),
        with(|fields| fields.extend([("b".to_owned(), json!([2, 1]))])),
        with(|fields| fields.retain(|name, _| name != "c")),
        // Deeper down: the order of keys, the sign of zero, and an integer beyond a float's.
        with(|fields| fields.extend([nested(json!({"y": (1_u64 << 53) + 1, "x": 0.0}))])),
        with(|fields| fields.extend([nested(json!({"x": -0.0, "y": (1_u64 << 53) + 1}))])),
        with(|fields| fields.extend([nested(json!({"x": 0.0, "y": 1_u64 << 53}))])),
        with(|fields| fields.extend([nested(json!({"x": 0, "y": (1_u64 << 53) + 1}))])),
        json!(null),
        json!({}),
    ]
}

fn nested(value: Value) -> (String, Value) {
    ("d".to_owned(), json!([value]))
}

pub(crate) async fn a_run_is_created_once_under_its_id(c: &mut Context<'_>) -> Outcome {
    let id = RunId::generate();
    let new = NewRun::new("goal", "/repo").with_id(id);
    let others = variations!(new;
        "goal": |new| new.goal.push(' '),
        "path": |new| new.repo_path.clear(),
        "order of goal and path": |new| std::mem::swap(&mut new.goal, &mut new.repo_path),
    );
    let taken = Error::already_exists(RecordKind::Run, id);
    let create: Create<_, _> = |store, new| store.create_run(new);
    check_made_again(c, create, new, others, taken).await
}

pub(crate) async fn a_run_created_again_is_returned_as_it_is_now(c: &mut Context<'_>) -> Outcome {
    let new = NewRun::new("goal", "/repo").with_id(RunId::generate());
    let run = c.store.create_run(new.clone()).await?;
    c.clock.advance_micros(1);
    let update = RunUpdate::new(run.id)
        .with_status("running")
        .with_summary("under way");
    c.store.update_run(update).await?;
    c.store.increment_cycle(run.id).await?;
    let run = c.store.increment_replan(run.id).await?;
    let before = Dump::of(&*c.store).await?;
    c.clock.advance_micros(1);
    check_eq!(
        c.store.create_run(new).await?,
        run,
        "what creating a run again returns, after it was changed"
    );
    check_unchanged(&*c.store, &before, "creating a run again").await?;
    let events = c.store.list_events(ListEvents::new(run.id)).await?.items;
    check_eq!(
        events.len(),
        1,
        "the number of events of a run that was created twice"
    );
    Ok(())
}

pub(crate) async fn an_attempt_is_added_once_under_its_id(c: &mut Context<'_>) -> Outcome {
    let (_, tasks) = world::planned(&*c.store, 2).await?;
    let (_, foreign) = world::planned(&*c.store, 1).await?;
    let (task, other, foreign) = (
        world::first(tasks.clone())?.id,
        world::last(tasks)?.id,
        world::first(foreign)?.id,
    );
    let id = AttemptId::generate();
    let report = AttemptReport::new("failed", "summary")
        .with_id(id)
        .with_blocker_signature("signature")
        .with_result(value());
    let new = NewAttempt::new(task, 1, report);
    let mut others = variations!(new;
        "task": |new| new.task_id = other,
        "run": |new| new.task_id = foreign,
        "number": |new| new.attempt_number = 2,
        "status": |new| new.report.status = "Failed".into(),
        "summary": |new| new.report.summary.clear(),
        "signature (another)": |new| new.report.blocker_signature = Some("Signature".to_owned()),
        "signature (empty)": |new| new.report.blocker_signature = Some(String::new()),
        "signature (unset)": |new| new.report.blocker_signature = None,
    );
    others.extend(like_value().map(|value| {
        let mut new = new.clone();
        new.report.result = value;
        ("result", new)
    }));
    let taken = Error::already_exists(RecordKind::Attempt, id);
    let create: Create<_, _> = |store, new| store.add_attempt(new);
    check_made_again(c, create, new, others, taken).await
}

pub(crate) async fn an_event_is_added_once_under_its_id(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let other = world::run(&*c.store).await?.id;
    let id = EventId::generate();
    let draft = EventDraft::new("source", "kind", "message").with_id(id);
    let new = NewEvent::new(run_id, draft.with_payload(value()));
    let mut others = variations!(new;
        "run": |new| new.run_id = other,
        "source": |new| new.draft.source.push('s'),
        "kind": |new| new.draft.kind.clear(),
        "message": |new| new.draft.message.push('\0'),
    );
    others.extend(like_value().map(|value| {
        let mut new = new.clone();
        new.draft.payload = value;
        ("payload", new)
    }));
    let taken = Error::already_exists(RecordKind::Event, id);
    let create: Create<_, _> = |store, new| store.add_event(new);
    check_made_again(c, create, new, others, taken).await
}

pub(crate) async fn an_artifact_is_added_once_under_its_id(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let other = world::run(&*c.store).await?.id;
    let id = ArtifactId::generate();
    let draft = ArtifactDraft::new("kind", "path")
        .with_id(id)
        .with_role("checker");
    let new = NewArtifact::new(run_id, draft.with_metadata(value()));
    let mut others = variations!(new;
        "run": |new| new.run_id = other,
        "role (another)": |new| new.draft.role = Some("strategy".into()),
        "role (empty)": |new| new.draft.role = Some("".into()),
        "role (unset)": |new| new.draft.role = None,
        "kind": |new| new.draft.kind.push('s'),
        "path": |new| new.draft.path.clear(),
    );
    others.extend(like_value().map(|value| {
        let mut new = new.clone();
        new.draft.metadata = value;
        ("metadata", new)
    }));
    let taken = Error::already_exists(RecordKind::Artifact, id);
    let create: Create<_, _> = |store, new| store.add_artifact(new);
    check_made_again(c, create, new, others, taken).await
}

pub(crate) async fn an_approval_is_added_once_under_its_id(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let other = world::run(&*c.store).await?.id;
    let id = ApprovalId::generate();
    let new = NewApproval::new(run_id, "human", "approved", "rationale")
        .with_id(id)
        .with_payload(value());
    let mut others = variations!(new;
        "run": |new| new.run_id = other,
        "source": |new| new.source = "checker".into(),
        "verdict": |new| new.verdict = "rejected".into(),
        "rationale": |new| new.rationale.clear(),
    );
    others.extend(like_value().map(|value| {
        let mut new = new.clone();
        new.payload = value;
        ("payload", new)
    }));
    let taken = Error::already_exists(RecordKind::Approval, id);
    let create: Create<_, _> = |store, new| store.add_approval(new);
    check_made_again(c, create, new, others, taken).await
}

pub(crate) async fn a_checkpoint_is_added_once_under_its_id(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    let other = world::run(&*c.store).await?.id;
    let id = CheckpointId::generate();
    let new = NewCheckpoint::new(run_id, "running", value()).with_id(id);
    let mut others = variations!(new;
        "run": |new| new.run_id = other,
        "status": |new| new.status = "paused".into(),
    );
    others.extend(like_value().map(|value| {
        let mut new = new.clone();
        new.payload = value;
        ("payload", new)
    }));
    let taken = Error::already_exists(RecordKind::Checkpoint, id);
    let create: Create<_, _> = |store, new| store.add_checkpoint(new);
    check_made_again(c, create, new, others, taken).await
}

pub(crate) async fn without_an_id_each_call_adds_a_record(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 1).await?;
    let task_id = world::first(tasks)?.id;
    let store = &*c.store;
    let mut ids: Vec<Uuid> = Vec::new();
    for _ in 0..2 {
        ids.push(world::run(store).await?.id.into());
        let report = AttemptReport::new("failed", "no");
        let new = NewAttempt::new(task_id, 1, report);
        ids.push(store.add_attempt(new).await?.id.into());
        let new = NewArtifact::new(run.id, ArtifactDraft::new("log", "a.log"));
        ids.push(store.add_artifact(new).await?.id.into());
        let new = NewApproval::new(run.id, "human", "approved", "why");
        ids.push(store.add_approval(new).await?.id.into());
        let new = NewCheckpoint::new(run.id, "running", Value::Null);
        ids.push(store.add_checkpoint(new).await?.id.into());
        let new = NewEvent::new(run.id, EventDraft::new("s", "k", "m"));
        let event = store.add_event(new).await?;
        check!(
            event.event_id.is_none(),
            "an event added without an id must have none, but is {event:?}"
        );
    }
    ids.sort_unstable();
    ids.dedup();
    check_eq!(
        ids.len(),
        10,
        "the number of ids of ten records that were created without one"
    );
    let snapshot = SnapshotRequest::of_run(run.id);
    let counts = store.snapshot(snapshot).await?.counts;
    check_eq!(
        [
            counts.attempts,
            counts.artifacts,
            counts.approvals,
            counts.checkpoints,
            counts.events
        ],
        [2, 2, 2, 2, 3],
        "the numbers of attempts, artifacts, approvals, checkpoints and events (creation included)"
    );
    Ok(())
}

pub(crate) async fn one_id_may_name_a_record_of_every_kind(c: &mut Context<'_>) -> Outcome {
    let id = Uuid::from_u128(0x5eed);
    let new = NewRun::new("goal", "/repo").with_id(RunId::from(id));
    let run = c.store.create_run(new).await?;
    let draft = TaskDraft::new("t", "o").with_id(TaskId::from(id));
    let plan = TaskPlan::new(run.id, [draft]);
    let task = world::first(c.store.append_tasks(plan).await?)?;
    let report = AttemptReport::new("failed", "no").with_id(AttemptId::from(id));
    let attempt = NewAttempt::new(task.id, 1, report);
    let attempt = c.store.add_attempt(attempt).await?;
    let draft = EventDraft::new("s", "k", "m").with_id(EventId::from(id));
    let event = c.store.add_event(NewEvent::new(run.id, draft)).await?;
    let draft = ArtifactDraft::new("log", "a.log").with_id(ArtifactId::from(id));
    let artifact = NewArtifact::new(run.id, draft);
    let artifact = c.store.add_artifact(artifact).await?;
    let approval = NewApproval::new(run.id, "human", "approved", "why");
    let approval = approval.with_id(ApprovalId::from(id));
    let approval = c.store.add_approval(approval).await?;
    let checkpoint = NewCheckpoint::new(run.id, "running", Value::Null);
    let checkpoint = checkpoint.with_id(CheckpointId::from(id));
    let checkpoint = c.store.add_checkpoint(checkpoint).await?;
    let ids = [
        run.id.as_uuid(),
        task.id.as_uuid(),
        attempt.id.as_uuid(),
        event.event_id.map_or(Uuid::nil(), EventId::as_uuid),
        artifact.id.as_uuid(),
        approval.id.as_uuid(),
        checkpoint.id.as_uuid(),
    ];
    check_eq!(
        ids,
        [id; 7],
        "the ids of records of seven kinds under one id"
    );
    Ok(())
}
