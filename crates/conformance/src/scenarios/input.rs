//! Words, numbers of rows, and depths that a call may give (clause G8).

use runstore_core::limits::{MAX_JSON_DEPTH, MAX_PAGE, MAX_WORD_BYTES};
use runstore_core::{
    AgentRole, ApprovalSource, ArtifactDraft, AttemptReport, ClaimToken, EventDraft, FinishReport,
    ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks,
    NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, PageRequest, RunId, RunUpdate,
    SaveAgentState, SnapshotRequest, Store, TaskId,
};
use serde_json::{Value, json};

use crate::calls::{Call, call, check_all_accepted, check_each_refused, invalid};
use crate::check::{Outcome, check_eq};
use crate::context::Context;
use crate::world;

/// A run, a task of it, and the token of the claim on the task.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    pub(crate) run_id: RunId,
    pub(crate) task_id: TaskId,
    pub(crate) token: ClaimToken,
}

impl Ids {
    /// Of a run whose only task is claimed.
    pub(crate) async fn claimed(store: &dyn Store) -> Outcome<Self> {
        let (run, claim) = world::claimed(store).await?;
        Ok(Self {
            run_id: run.id,
            task_id: claim.task.id,
            token: claim.token(),
        })
    }

    /// Of nothing at all.
    pub(crate) fn unknown() -> Self {
        let task_id = TaskId::generate();
        Self {
            run_id: RunId::generate(),
            task_id,
            token: ClaimToken {
                task_id,
                attempt_number: 1,
            },
        }
    }
}

/// Calls that each give a field of this size, and how the field is named.
pub(crate) type Table = for<'s> fn(&'s dyn Store, Ids, usize) -> Vec<(&'static str, Call<'s>)>;

/// Checks that every call of the table is carried out at the bound, and refused over it whether its ids
/// are known or not.
pub(crate) async fn check_bound(
    c: &Context<'_>,
    table: Table,
    bound: usize,
    over: &[usize],
) -> Outcome {
    let ids = Ids::claimed(&*c.store).await?;
    c.clock.advance_micros(1);
    for size in over {
        for ids in [ids, Ids::unknown()] {
            let calls = table(&*c.store, ids, *size);
            let refused = calls
                .into_iter()
                .map(|(field, call)| (call, invalid(field, bound)));
            check_each_refused(&*c.store, refused.collect()).await?;
        }
    }
    check_accepted(c, table, bound).await
}

/// Checks that every call of the table is carried out with this size, each on a claim of its own.
async fn check_accepted(c: &Context<'_>, table: Table, size: usize) -> Outcome {
    let count = table(&*c.store, Ids::unknown(), size).len();
    for index in 0..count {
        let ids = Ids::claimed(&*c.store).await?;
        let call = table(&*c.store, ids, size).into_iter().nth(index);
        check_all_accepted(call.into_iter().map(|(_, call)| call).collect()).await?;
    }
    Ok(())
}

fn words<'s>(store: &'s dyn Store, ids: Ids, bytes: usize) -> Vec<(&'static str, Call<'s>)> {
    let Ids {
        run_id,
        task_id,
        token,
    } = ids;
    // Two bytes each, but for the last: the bound counts bytes, not characters.
    let word = "é".repeat(bytes / 2) + &"x".repeat(bytes % 2);
    let role = AgentRole::from(word.as_str());
    let source = ApprovalSource::from(word.as_str());
    let word = word.as_str();
    let artifact = |role| ArtifactDraft::new("log", "a.log").with_role(role);
    let in_report = FinishReport::released("no")
        .with_artifact(artifact("checker".into()))
        .with_artifact(artifact(role.clone()));
    let of_attempt = FinishReport::released("no").with_attempt(AttemptReport::new(word, "no"));
    vec![
        (
            "status",
            call!(store, update_run(RunUpdate::new(run_id).with_status(word))),
        ),
        (
            "status",
            call!(store, list_runs(ListRuns::all().with_status(word))),
        ),
        (
            "role",
            call!(store, save_agent_state(SaveAgentState::new(run_id, word))),
        ),
        ("role", call!(store, get_agent_state(run_id, role.clone()))),
        (
            "report.status",
            call!(
                store,
                add_attempt(NewAttempt::new(task_id, 1, AttemptReport::new(word, "s")))
            ),
        ),
        (
            "draft.role",
            call!(
                store,
                add_artifact(NewArtifact::new(run_id, artifact(role.clone())))
            ),
        ),
        (
            "role",
            call!(
                store,
                list_artifacts(ListArtifacts::new(run_id).with_role(role))
            ),
        ),
        (
            "source",
            call!(
                store,
                add_approval(NewApproval::new(run_id, word, "approved", "why"))
            ),
        ),
        (
            "verdict",
            call!(
                store,
                add_approval(NewApproval::new(run_id, "human", word, "why"))
            ),
        ),
        (
            "source",
            call!(
                store,
                list_approvals(ListApprovals::new(run_id).with_source(word))
            ),
        ),
        ("source", call!(store, latest_approval(run_id, source))),
        (
            "status",
            call!(
                store,
                add_checkpoint(NewCheckpoint::new(run_id, word, Value::Null))
            ),
        ),
        (
            "attempt.status",
            call!(store, finish_task(token, of_attempt)),
        ),
        (
            "artifacts[1].role",
            call!(store, finish_task(token, in_report)),
        ),
    ]
}

pub(crate) async fn a_word_has_at_most_255_bytes(c: &mut Context<'_>) -> Outcome {
    check_bound(c, words, MAX_WORD_BYTES, &[MAX_WORD_BYTES + 1, 2_000]).await
}

pub(crate) async fn a_word_of_255_bytes_is_kept_and_found(c: &mut Context<'_>) -> Outcome {
    let run_id = world::run(&*c.store).await?.id;
    // They differ in their last byte only.
    let [one, other] = ["1", "2"].map(|end| "w".repeat(MAX_WORD_BYTES - 1) + end);
    for word in [&one, &other] {
        let save = SaveAgentState::new(run_id, word.as_str());
        c.store.save_agent_state(save).await?;
        let draft = ArtifactDraft::new("log", "a.log").with_role(word.as_str());
        c.store
            .add_artifact(NewArtifact::new(run_id, draft))
            .await?;
        let approval = NewApproval::new(run_id, word.as_str(), word.as_str(), "why");
        c.store.add_approval(approval).await?;
        let update = RunUpdate::new(run_id).with_status(word.as_str());
        c.store.update_run(update).await?;
    }
    for (word, runs) in [(&one, 0), (&other, 1)] {
        let agent = c
            .store
            .get_agent_state(run_id, word.as_str().into())
            .await?;
        check_eq!(
            agent.map(|agent| agent.role.to_string()).as_ref(),
            Some(word),
            "the role of an agent, a word of 255 bytes"
        );
        let list = ListArtifacts::new(run_id).with_role(word.as_str());
        let artifacts = c.store.list_artifacts(list).await?.items;
        let roles: Vec<_> = artifacts
            .iter()
            .filter_map(|artifact| artifact.role.as_ref())
            .map(AgentRole::as_str)
            .collect();
        check_eq!(roles, [word], "the roles of artifacts, found by the word");
        let list = ListApprovals::new(run_id).with_source(word.as_str());
        let approvals = c.store.list_approvals(list).await?.items;
        check_eq!(approvals.len(), 1, "the number of approvals of the source");
        let approval = world::first(approvals)?;
        check_eq!(
            (approval.source.as_str(), approval.verdict.as_str()),
            (word.as_str(), word.as_str()),
            "source and verdict of an approval, found by the word"
        );
        let listed = c
            .store
            .list_runs(ListRuns::all().with_status(word.as_str()));
        check_eq!(
            listed.await?.items.len(),
            runs,
            "the number of runs of the status"
        );
    }
    Ok(())
}

fn limits<'s>(store: &'s dyn Store, ids: Ids, limit: usize) -> Vec<(&'static str, Call<'s>)> {
    let run_id = ids.run_id;
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    let page = PageRequest::first(limit);
    let capped = SnapshotRequest::of_run(run_id).with_max_per_list(limit);
    vec![
        (
            "page.limit",
            call!(store, list_runs(ListRuns::all().with_page(page))),
        ),
        (
            "page.limit",
            call!(store, list_tasks(ListTasks::new(run_id).with_page(page))),
        ),
        (
            "page.limit",
            call!(
                store,
                list_attempts(ListAttempts::new(run_id).with_page(page))
            ),
        ),
        (
            "page.limit",
            call!(store, list_events(ListEvents::new(run_id).with_page(page))),
        ),
        (
            "page.limit",
            call!(
                store,
                list_artifacts(ListArtifacts::new(run_id).with_page(page))
            ),
        ),
        (
            "page.limit",
            call!(
                store,
                list_approvals(ListApprovals::new(run_id).with_page(page))
            ),
        ),
        (
            "page.limit",
            call!(
                store,
                list_checkpoints(ListCheckpoints::new(run_id).with_page(page))
            ),
        ),
        ("limit", call!(store, recent_attempts(run_id, limit))),
        ("limit", call!(store, recent_events(run_id, limit))),
        ("max_per_list", call!(store, snapshot(capped))),
    ]
}

pub(crate) async fn a_limit_is_from_1_to_10_000(c: &mut Context<'_>) -> Outcome {
    let most = MAX_PAGE as usize;
    check_bound(c, limits, most, &[0, most + 1, u32::MAX as usize]).await?;
    check_accepted(c, limits, 1).await
}

/// Arrays and objects in turn, nested to so many levels; what is nested is not the first entry.
fn nested(levels: usize) -> Value {
    (0..levels).fold(json!("core"), |inner, level| match level % 2 {
        0 => json!([0, inner]),
        _ => json!({"a": 0, "b": inner}),
    })
}

fn depths<'s>(store: &'s dyn Store, ids: Ids, levels: usize) -> Vec<(&'static str, Call<'s>)> {
    let Ids {
        run_id,
        task_id,
        token,
    } = ids;
    let report = AttemptReport::new("failed", "no").with_result(nested(levels));
    let event = EventDraft::new("s", "k", "m").with_payload(nested(levels));
    let artifact = ArtifactDraft::new("log", "a.log").with_metadata(nested(levels));
    let approval =
        NewApproval::new(run_id, "human", "approved", "why").with_payload(nested(levels));
    let checkpoint = NewCheckpoint::new(run_id, "running", nested(levels));
    let finish = || FinishReport::released("no");
    vec![
        (
            "report.result",
            call!(
                store,
                add_attempt(NewAttempt::new(task_id, 1, report.clone()))
            ),
        ),
        (
            "draft.payload",
            call!(store, add_event(NewEvent::new(run_id, event.clone()))),
        ),
        (
            "draft.metadata",
            call!(
                store,
                add_artifact(NewArtifact::new(run_id, artifact.clone()))
            ),
        ),
        ("payload", call!(store, add_approval(approval))),
        ("payload", call!(store, add_checkpoint(checkpoint))),
        (
            "attempt.result",
            call!(store, finish_task(token, finish().with_attempt(report))),
        ),
        (
            "events[0].payload",
            call!(store, finish_task(token, finish().with_event(event))),
        ),
        (
            "artifacts[0].metadata",
            call!(store, finish_task(token, finish().with_artifact(artifact))),
        ),
    ]
}

pub(crate) async fn json_is_nested_at_most_100_levels_deep(c: &mut Context<'_>) -> Outcome {
    check_bound(
        c,
        depths,
        MAX_JSON_DEPTH,
        &[MAX_JSON_DEPTH + 1, 2 * MAX_JSON_DEPTH],
    )
    .await?;
    let run_id = world::run(&*c.store).await?.id;
    let value = nested(MAX_JSON_DEPTH);
    let event = EventDraft::new("s", "k", "m").with_payload(value.clone());
    c.store.add_event(NewEvent::new(run_id, event)).await?;
    let new = NewCheckpoint::new(run_id, "running", value.clone());
    c.store.add_checkpoint(new).await?;
    c.reopen().await?;
    let event = world::last(c.store.recent_events(run_id, 1).await?)?;
    check_eq!(event.payload, value, "a payload of 100 levels, read back");
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run_id)).await?;
    check_eq!(
        snapshot
            .latest_checkpoint
            .map(|checkpoint| checkpoint.payload),
        Some(value),
        "a checkpoint of 100 levels, in the snapshot"
    );
    Ok(())
}
