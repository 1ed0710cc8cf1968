//! Which refusal comes first where several clauses refuse a call; the order stands at the end of the
//! contract.

use runstore_core::limits::{MAX_JSON_DEPTH, MAX_REPORT_ITEMS, MAX_WORD_BYTES};
use runstore_core::{
    ApprovalId, ArtifactDraft, ArtifactId, AttemptId, AttemptReport, CheckpointId, ClaimToken,
    CompleteTask, Error, EventDraft, EventId, FinishReport, NewApproval, NewArtifact, NewAttempt,
    NewCheckpoint, NewEvent, NewRun, RecordKind, RunId, Store, TaskDraft, TaskId, TaskPlan, Uuid,
};
use serde_json::{Value, json};

use super::input::Ids;
use super::tokens::{fenced_calls_on_run, finish_calls};
use crate::calls::{Call, call, check_all_refused, check_each_refused, invalid};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::world;

/// One id for a record of every kind, and calls that create those records under it.
#[derive(Clone, Copy)]
struct OneId(Uuid);

impl OneId {
    fn attempt(self, task_id: TaskId, summary: &str) -> NewAttempt {
        let report = AttemptReport::new("failed", summary).with_id(AttemptId::from(self.0));
        NewAttempt::new(task_id, 1, report)
    }

    fn event(self, run_id: RunId, message: &str) -> NewEvent {
        let draft = EventDraft::new("s", "k", message).with_id(EventId::from(self.0));
        NewEvent::new(run_id, draft)
    }

    fn artifact(self, run_id: RunId, path: &str) -> NewArtifact {
        let draft = ArtifactDraft::new("log", path).with_id(ArtifactId::from(self.0));
        NewArtifact::new(run_id, draft)
    }

    fn approval(self, run_id: RunId, rationale: &str) -> NewApproval {
        let approval = NewApproval::new(run_id, "human", "approved", rationale);
        approval.with_id(ApprovalId::from(self.0))
    }

    fn checkpoint(self, run_id: RunId, payload: &str) -> NewCheckpoint {
        let checkpoint = NewCheckpoint::new(run_id, "running", json!(payload));
        checkpoint.with_id(CheckpointId::from(self.0))
    }

    fn plan(self, run_id: RunId, title: &str) -> TaskPlan {
        let draft = TaskDraft::new(title, "o").with_id(TaskId::from(self.0));
        TaskPlan::new(run_id, [draft])
    }

    /// Stores a record of every kind with the text `stored`.
    async fn store_all(self, store: &dyn Store, ids: Ids) -> Outcome {
        store
            .add_attempt(self.attempt(ids.task_id, "stored"))
            .await?;
        store.add_event(self.event(ids.run_id, "stored")).await?;
        let artifact = self.artifact(ids.run_id, "stored");
        store.add_artifact(artifact).await?;
        let approval = self.approval(ids.run_id, "stored");
        store.add_approval(approval).await?;
        let checkpoint = self.checkpoint(ids.run_id, "stored");
        store.add_checkpoint(checkpoint).await?;
        store.append_tasks(self.plan(ids.run_id, "stored")).await?;
        Ok(())
    }

    /// The writes that can carry a fence, with this fence and text, and the kinds of their records.
    fn fenced<'s>(
        self,
        store: &'s dyn Store,
        ids: Ids,
        fence: ClaimToken,
        text: &str,
    ) -> Vec<(Call<'s>, RecordKind)> {
        let event = self.event(ids.run_id, text).with_fence(fence);
        let artifact = self.artifact(ids.run_id, text).with_fence(fence);
        let checkpoint = self.checkpoint(ids.run_id, text).with_fence(fence);
        vec![
            (call!(store, add_event(event)), RecordKind::Event),
            (call!(store, add_artifact(artifact)), RecordKind::Artifact),
            (
                call!(store, add_checkpoint(checkpoint)),
                RecordKind::Checkpoint,
            ),
        ]
    }

    fn fenced_attempt<'s>(
        self,
        store: &'s dyn Store,
        fence: ClaimToken,
        text: &str,
    ) -> (Call<'s>, RecordKind) {
        let mut attempt = self.attempt(fence.task_id, text);
        attempt.fence = Some(fence);
        (call!(store, add_attempt(attempt)), RecordKind::Attempt)
    }
}

fn too_deep() -> Value {
    (0..=MAX_JSON_DEPTH).fold(Value::Null, |inner, _| json!([inner]))
}

pub(crate) async fn input_comes_before_a_claim_whose_task_is_gone(c: &mut Context<'_>) -> Outcome {
    let known = Ids::claimed(&*c.store).await?;
    let gone = Ids::unknown().token;
    let event = EventDraft::new("s", "k", "m").with_payload(too_deep());
    let event = NewEvent::new(known.run_id, event).with_fence(gone);
    let artifact = ArtifactDraft::new("k", "p").with_metadata(too_deep());
    let artifact = NewArtifact::new(known.run_id, artifact).with_fence(gone);
    let checkpoint = NewCheckpoint::new(known.run_id, "w", too_deep()).with_fence(gone);
    let report = AttemptReport::new("w".repeat(MAX_WORD_BYTES + 1), "s");
    let attempt = NewAttempt::of_claim(gone, report.clone());
    let finish = FinishReport::released("no").with_attempt(report);
    check_each_refused(
        &*c.store,
        vec![
            (
                call!(c.store, add_event(event)),
                invalid("draft.payload", MAX_JSON_DEPTH),
            ),
            (
                call!(c.store, add_artifact(artifact)),
                invalid("draft.metadata", MAX_JSON_DEPTH),
            ),
            (
                call!(c.store, add_checkpoint(checkpoint)),
                invalid("payload", MAX_JSON_DEPTH),
            ),
            (
                call!(c.store, add_attempt(attempt)),
                invalid("report.status", MAX_WORD_BYTES),
            ),
            (
                call!(c.store, finish_task(gone, finish)),
                invalid("attempt.status", MAX_WORD_BYTES),
            ),
        ],
    )
    .await
}

pub(crate) async fn input_comes_before_a_taken_id_and_a_repeat(c: &mut Context<'_>) -> Outcome {
    let ids = Ids::claimed(&*c.store).await?;
    let id = OneId(Uuid::from_u128(7));
    id.store_all(&*c.store, ids).await?;
    let mut event = id.event(ids.run_id, "stored");
    event.draft.payload = too_deep();
    let mut plan = id.plan(ids.run_id, "stored");
    plan.drafts.push(TaskDraft::new("", "o"));
    let done = FinishReport::completed("done");
    c.store.finish_task(ids.token, done.clone()).await?;
    let mut repeat = done;
    repeat.events = vec![EventDraft::new("s", "k", "m"); MAX_REPORT_ITEMS + 1];
    let run = NewRun::new("", "/repo").with_id(ids.run_id);
    check_each_refused(
        &*c.store,
        vec![
            (call!(c.store, create_run(run)), invalid("goal", "")),
            (
                call!(c.store, add_event(event)),
                invalid("draft.payload", MAX_JSON_DEPTH),
            ),
            (
                call!(c.store, append_tasks(plan.clone())),
                invalid("drafts[1].title", ""),
            ),
            (
                call!(c.store, replace_pending_tasks(plan)),
                invalid("drafts[1].title", ""),
            ),
            (
                call!(c.store, finish_task(ids.token, repeat)),
                invalid("events", MAX_REPORT_ITEMS),
            ),
        ],
    )
    .await
}

pub(crate) async fn a_claim_whose_task_is_gone_comes_before_an_unknown_run(
    c: &mut Context<'_>,
) -> Outcome {
    world::claimed(&*c.store).await?;
    let gone = Ids::unknown();
    let refused = Error::StaleClaim {
        token: gone.token,
        current: None,
    };
    let mut calls = fenced_calls_on_run(&*c.store, gone.run_id, gone.token);
    let report = AttemptReport::new("failed", "no");
    let attempt = NewAttempt::of_claim(gone.token, report);
    calls.push(call!(c.store, add_attempt(attempt)));
    calls.extend(finish_calls(&*c.store, gone.token));
    check_all_refused(&*c.store, calls, &refused).await
}

pub(crate) async fn a_claim_whose_task_is_gone_comes_before_a_taken_id(
    c: &mut Context<'_>,
) -> Outcome {
    let ids = Ids::claimed(&*c.store).await?;
    let id = OneId(Uuid::from_u128(7));
    id.store_all(&*c.store, ids).await?;
    let gone = Ids::unknown().token;
    let refused = Error::StaleClaim {
        token: gone,
        current: None,
    };
    for text in ["stored", "other content"] {
        let mut calls = id.fenced(&*c.store, ids, gone, text);
        calls.push(id.fenced_attempt(&*c.store, gone, text));
        let calls = calls.into_iter().map(|(call, _)| call).collect();
        check_all_refused(&*c.store, calls, &refused).await?;
    }
    Ok(())
}

pub(crate) async fn an_unknown_run_or_task_comes_before_a_taken_id(c: &mut Context<'_>) -> Outcome {
    let ids = Ids::claimed(&*c.store).await?;
    let id = OneId(Uuid::from_u128(7));
    id.store_all(&*c.store, ids).await?;
    let unknown = RunId::generate();
    let refused = Error::not_found(RecordKind::Run, unknown);
    let store = &*c.store;
    let calls = vec![
        call!(store, add_event(id.event(unknown, "stored"))),
        call!(store, add_artifact(id.artifact(unknown, "stored"))),
        call!(store, add_approval(id.approval(unknown, "stored"))),
        call!(store, add_checkpoint(id.checkpoint(unknown, "stored"))),
        call!(store, append_tasks(id.plan(unknown, "stored"))),
        call!(store, replace_pending_tasks(id.plan(unknown, "stored"))),
    ];
    check_all_refused(store, calls, &refused).await?;
    let task_id = TaskId::generate();
    let refused = Error::not_found(RecordKind::Task, task_id);
    let attempt = id.attempt(task_id, "stored");
    check_all_refused(store, vec![call!(store, add_attempt(attempt))], &refused).await
}

pub(crate) async fn an_unknown_run_comes_before_a_fence_that_is_not_held(
    c: &mut Context<'_>,
) -> Outcome {
    let held = Ids::claimed(&*c.store).await?;
    let stale = Ids::claimed(&*c.store).await?;
    c.store.requeue_task(stale.task_id).await?;
    let unknown = RunId::generate();
    let refused = Error::not_found(RecordKind::Run, unknown);
    for token in [held.token, stale.token] {
        let calls = fenced_calls_on_run(&*c.store, unknown, token);
        check_all_refused(&*c.store, calls, &refused).await?;
    }
    Ok(())
}

pub(crate) async fn a_taken_id_comes_before_a_fence_that_is_not_held(
    c: &mut Context<'_>,
) -> Outcome {
    let ids = Ids::claimed(&*c.store).await?;
    let foreign = Ids::claimed(&*c.store).await?;
    let id = OneId(Uuid::from_u128(7));
    id.store_all(&*c.store, ids).await?;
    c.store.requeue_task(ids.task_id).await?;
    for fence in [ids.token, foreign.token] {
        let mut calls = id.fenced(&*c.store, ids, fence, "other content");
        if fence == ids.token {
            calls.push(id.fenced_attempt(&*c.store, fence, "other content"));
        }
        let calls = calls.into_iter();
        let refused = calls.map(|(call, kind)| (call, Error::already_exists(kind, id.0)));
        check_each_refused(&*c.store, refused.collect()).await?;
        // With the same content it is a repeat, and answered.
        let before = Dump::of(&*c.store).await?;
        let mut calls = id.fenced(&*c.store, ids, fence, "stored");
        if fence == ids.token {
            calls.push(id.fenced_attempt(&*c.store, fence, "stored"));
        }
        let calls = calls.into_iter().map(|(call, _)| call).collect();
        crate::calls::check_all_accepted(calls).await?;
        check_unchanged(
            &*c.store,
            &before,
            "a repeat under a fence that is not held",
        )
        .await?;
    }
    Ok(())
}

pub(crate) async fn a_finish_looks_at_the_token_before_the_ids_of_its_report(
    c: &mut Context<'_>,
) -> Outcome {
    let id = OneId(Uuid::from_u128(7));
    let ids = Ids::claimed(&*c.store).await?;
    id.store_all(&*c.store, ids).await?;
    let report = FinishReport::completed("done")
        .with_attempt(id.attempt(ids.task_id, "other content").report)
        .with_event(id.event(ids.run_id, "other content").draft)
        .with_artifact(id.artifact(ids.run_id, "other content").draft);
    c.store.requeue_task(ids.task_id).await?;
    let task = c.store.get_task(ids.task_id).await?;
    let refused = Error::StaleClaim {
        token: ids.token,
        current: Some(task.standing()),
    };
    let call = call!(c.store, finish_task(ids.token, report.clone()));
    check_all_refused(&*c.store, vec![call], &refused).await?;
    // Of a token that was finished, the same report is a repeat.
    let again = world::claim(&*c.store, ids.run_id).await?;
    let released = FinishReport::released("no");
    let task = c.store.finish_task(again.token(), released).await?;
    let before = Dump::of(&*c.store).await?;
    check_eq!(
        c.store.finish_task(again.token(), report).await?,
        task,
        "the answer to a repeat whose report names taken ids"
    );
    check_unchanged(&*c.store, &before, "a repeat whose report names taken ids").await
}

pub(crate) async fn a_token_that_is_not_held_comes_before_the_state(
    c: &mut Context<'_>,
) -> Outcome {
    let ids = Ids::claimed(&*c.store).await?;
    let complete = CompleteTask::new(ids.task_id, "by an operator");
    let task = c.store.complete_task(complete).await?;
    let refused = Error::StaleClaim {
        token: ids.token,
        current: Some(task.standing()),
    };
    check_all_refused(&*c.store, finish_calls(&*c.store, ids.token), &refused).await
}
