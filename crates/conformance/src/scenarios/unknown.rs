//! Ids that name nothing (clause G7).

use std::time::Duration;

use runstore_core::{
    AbandonTask, AgentRole, ApprovalSource, ApprovalVerdict, ArtifactDraft, AttemptReport,
    BlockTask, ClaimRequest, CompleteTask, Cursor, Error, EventDraft, ListApprovals, ListArtifacts,
    ListAttempts, ListCheckpoints, ListEvents, ListTasks, NewApproval, NewArtifact, NewAttempt,
    NewCheckpoint, NewEvent, PageRequest, RecordKind, RunId, RunUpdate, SaveAgentState,
    SnapshotRequest, Store, TaskId, TaskPlan, TaskStatus, Uuid,
};
use serde_json::json;

use crate::calls::{Call, call, check_all_refused};
use crate::check::Outcome;
use crate::context::Context;
use crate::world;

/// Every call that names a run, each as plain as it can be.
pub(crate) fn calls_on_run<'s>(store: &'s dyn Store, run_id: RunId) -> Vec<Call<'s>> {
    let plan = |count| TaskPlan::new(run_id, world::drafts(count));
    let artifact = NewArtifact::new(run_id, ArtifactDraft::new("log", "a.log"));
    let event = NewEvent::new(run_id, EventDraft::new("s", "k", "m"));
    let (source, verdict) = (ApprovalSource::Checker, ApprovalVerdict::Approved);
    let approval = NewApproval::new(run_id, source, verdict, "why");
    let update = RunUpdate::new(run_id).with_status("failed");
    vec![
        call!(store, get_run(run_id)),
        call!(store, update_run(update)),
        call!(store, update_run(RunUpdate::new(run_id))),
        call!(store, increment_cycle(run_id)),
        call!(store, increment_replan(run_id)),
        call!(store, delete_run(run_id)),
        call!(
            store,
            save_agent_state(SaveAgentState::new(run_id, "strategy"))
        ),
        call!(store, get_agent_state(run_id, AgentRole::Strategy)),
        call!(store, list_agent_states(run_id)),
        call!(store, replace_pending_tasks(plan(2))),
        call!(store, replace_pending_tasks(plan(0))),
        call!(store, append_tasks(plan(2))),
        call!(store, append_tasks(plan(0))),
        call!(store, list_tasks(ListTasks::new(run_id))),
        call!(store, requeue_in_progress_tasks(run_id)),
        call!(store, requeue_expired_tasks(Some(run_id))),
        call!(store, claim_next_task(ClaimRequest::of_run(run_id))),
        call!(store, claim_tasks(ClaimRequest::of_run(run_id), 2)),
        call!(
            store,
            claim_or_wait(ClaimRequest::of_run(run_id), Duration::ZERO)
        ),
        call!(store, recent_attempts(run_id, 12)),
        call!(store, list_attempts(ListAttempts::new(run_id))),
        call!(store, add_event(event)),
        call!(store, recent_events(run_id, 50)),
        call!(store, list_events(ListEvents::new(run_id))),
        call!(store, add_artifact(artifact)),
        call!(store, list_artifacts(ListArtifacts::new(run_id))),
        call!(store, add_approval(approval)),
        call!(store, list_approvals(ListApprovals::new(run_id))),
        call!(store, latest_approval(run_id, ApprovalSource::Checker)),
        call!(
            store,
            add_checkpoint(NewCheckpoint::new(run_id, "running", json!({"a": 1})))
        ),
        call!(store, latest_checkpoint(run_id)),
        call!(store, list_checkpoints(ListCheckpoints::new(run_id))),
        call!(store, snapshot(SnapshotRequest::of_run(run_id))),
    ]
}

/// The lists of a run with filters and pages, which an empty answer would seem to fit.
fn filtered_lists<'s>(store: &'s dyn Store, run_id: RunId) -> Vec<Call<'s>> {
    let page = PageRequest::first(1).after(Cursor::new(7));
    let tasks = ListTasks::new(run_id)
        .with_statuses([TaskStatus::Blocked])
        .with_page(page);
    let artifacts = ListArtifacts::new(run_id).with_role("nobody");
    let approvals = ListApprovals::new(run_id).with_source("nobody");
    let capped = SnapshotRequest::of_run(run_id).with_max_per_list(1);
    vec![
        call!(store, list_tasks(tasks)),
        call!(
            store,
            list_attempts(ListAttempts::new(run_id).with_page(page))
        ),
        call!(store, list_events(ListEvents::new(run_id).with_page(page))),
        call!(store, list_artifacts(artifacts.with_page(page))),
        call!(store, list_approvals(approvals.with_page(page))),
        call!(
            store,
            list_checkpoints(ListCheckpoints::new(run_id).with_page(page))
        ),
        call!(
            store,
            get_agent_state(run_id, AgentRole::Other("nobody".to_owned()))
        ),
        call!(
            store,
            latest_approval(run_id, ApprovalSource::Other("nobody".to_owned()))
        ),
        call!(store, snapshot(capped)),
    ]
}

/// Every call that names a task by its id alone, without a claim.
pub(crate) fn calls_on_task<'s>(store: &'s dyn Store, task_id: TaskId) -> Vec<Call<'s>> {
    let report = AttemptReport::new("failed", "no");
    vec![
        call!(store, get_task(task_id)),
        call!(store, complete_task(CompleteTask::new(task_id, "done"))),
        call!(store, block_task(BlockTask::new(task_id))),
        call!(store, abandon_task(AbandonTask::new(task_id))),
        call!(store, requeue_task(task_id)),
        call!(store, waiting_reason(task_id)),
        call!(store, add_attempt(NewAttempt::new(task_id, 1, report))),
        call!(store, latest_attempt(task_id)),
    ]
}

pub(crate) async fn every_call_on_an_unknown_run_is_refused(c: &mut Context<'_>) -> Outcome {
    world::populated(&*c.store).await?;
    let run_id = RunId::generate();
    let mut calls = calls_on_run(&*c.store, run_id);
    calls.extend(filtered_lists(&*c.store, run_id));
    // Where both are unknown the run is named.
    let update = RunUpdate::new(run_id).with_current_task(TaskId::generate());
    calls.push(call!(c.store, update_run(update)));
    let refused = Error::not_found(RecordKind::Run, run_id);
    check_all_refused(&*c.store, calls, &refused).await
}

pub(crate) async fn every_call_on_an_unknown_task_is_refused(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    let task_id = TaskId::generate();
    let mut calls = calls_on_task(&*c.store, task_id);
    let list = ListAttempts::new(run.id).with_task_id(task_id);
    let update = RunUpdate::new(run.id).with_current_task(task_id);
    calls.push(call!(c.store, list_attempts(list)));
    calls.push(call!(c.store, update_run(update)));
    let refused = Error::not_found(RecordKind::Task, task_id);
    check_all_refused(&*c.store, calls, &refused).await
}

pub(crate) async fn an_empty_store_knows_no_id(c: &mut Context<'_>) -> Outcome {
    for id in [Uuid::nil(), Uuid::max(), Uuid::from_u128(1)] {
        let (run_id, task_id) = (RunId::from(id), TaskId::from(id));
        let refused = Error::not_found(RecordKind::Run, run_id);
        check_all_refused(&*c.store, calls_on_run(&*c.store, run_id), &refused).await?;
        let refused = Error::not_found(RecordKind::Task, task_id);
        check_all_refused(&*c.store, calls_on_task(&*c.store, task_id), &refused).await?;
    }
    Ok(())
}

pub(crate) async fn a_task_of_another_run_is_refused(c: &mut Context<'_>) -> Outcome {
    let (run, _) = world::populated(&*c.store).await?;
    let (_, others) = world::populated(&*c.store).await?;
    for task in others {
        let list = ListAttempts::new(run.id).with_task_id(task.id);
        let update = RunUpdate::new(run.id).with_current_task(task.id);
        let calls = vec![
            call!(c.store, list_attempts(list.clone())),
            call!(
                c.store,
                list_attempts(list.with_page(PageRequest::first(1)))
            ),
            call!(c.store, update_run(update)),
        ];
        let refused = Error::not_found(RecordKind::Task, task.id);
        check_all_refused(&*c.store, calls, &refused).await?;
    }
    Ok(())
}

pub(crate) async fn an_id_of_another_kind_names_nothing(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::populated(&*c.store).await?;
    let artifacts = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
    let ids = [
        world::first(tasks)?.id.as_uuid(),
        world::first(artifacts.items)?.id.as_uuid(),
    ];
    for id in ids {
        let run_id = RunId::from(id);
        let refused = Error::not_found(RecordKind::Run, run_id);
        let calls = vec![
            call!(c.store, get_run(run_id)),
            call!(c.store, list_tasks(ListTasks::new(run_id))),
            call!(c.store, delete_run(run_id)),
        ];
        check_all_refused(&*c.store, calls, &refused).await?;
    }
    let task_id = TaskId::from(run.id.as_uuid());
    let refused = Error::not_found(RecordKind::Task, task_id);
    check_all_refused(&*c.store, calls_on_task(&*c.store, task_id), &refused).await
}
