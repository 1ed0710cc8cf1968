//! A list without a limit is all there is, also where that is much (clauses R2, T3, J1, J3 to J6 and S3).

use futures_util::future::try_join_all;
use runstore_core::{
    ArtifactDraft, AttemptReport, EventDraft, FinishReport, ListApprovals, ListArtifacts,
    ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks, NewApproval, NewAttempt,
    NewCheckpoint, PageRequest, SnapshotRequest, TaskPlan,
};
use serde_json::json;

use crate::check::{Outcome, check, check_eq};
use crate::context::Context;
use crate::world;

/// How many records are made of those that take a call each, at once: more than a page usually has.
const SOME: usize = 1_010;
/// How many are made of those that one call can make many of.
const MANY: usize = 1_000;

pub(crate) async fn every_run_is_listed_without_a_limit(c: &mut Context<'_>) -> Outcome {
    let runs = try_join_all((0..SOME).map(|_| world::run(&*c.store))).await?;
    let mut created: Vec<_> = runs.iter().map(|run| run.id).collect();
    created.sort_unstable();
    let page = c.store.list_runs(ListRuns::all()).await?;
    let mut listed: Vec<_> = page.items.iter().map(|run| run.id).collect();
    listed.sort_unstable();
    check!(
        listed == created && page.next.is_none(),
        "{SOME} runs listed without a limit: got {} and the next page at {:?}",
        listed.len(),
        page.next
    );
    Ok(())
}

pub(crate) async fn every_task_is_listed_without_a_limit(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let count = MANY + 100;
    let plan = TaskPlan::new(run.id, world::drafts(count));
    c.store.append_tasks(plan).await?;
    let page = c.store.list_tasks(ListTasks::new(run.id)).await?;
    let positions: Vec<_> = page.items.iter().map(|task| task.position).collect();
    let expected: Vec<_> = (1..=count as u64).collect();
    check!(
        positions == expected && page.next.is_none(),
        "{count} tasks listed without a limit: got {} and the next page at {:?}",
        positions.len(),
        page.next
    );
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    check_eq!(
        (snapshot.pending_tasks.len(), snapshot.counts.pending),
        (count, count as u64),
        "pending tasks of a snapshot without a cap, and their count"
    );
    Ok(())
}

pub(crate) async fn a_long_page_is_full_while_the_list_has_rows(c: &mut Context<'_>) -> Outcome {
    let run = world::run(&*c.store).await?;
    let plan = TaskPlan::new(run.id, world::drafts(MANY + 100));
    c.store.append_tasks(plan).await?;
    for limit in [MANY as u32, MANY as u32 + 99] {
        let list = ListTasks::new(run.id).with_page(PageRequest::first(limit));
        let page = c.store.list_tasks(list).await?;
        check!(
            page.items.len() == limit as usize && page.next.is_some(),
            "a page of {limit} out of {} tasks: got {} and the next page at {:?}",
            MANY + 100,
            page.items.len(),
            page.next
        );
    }
    Ok(())
}

pub(crate) async fn every_event_and_artifact_is_listed_without_a_limit(
    c: &mut Context<'_>,
) -> Outcome {
    let (run, _) = world::planned(&*c.store, 2).await?;
    for _ in 0..2 {
        let claim = world::claim(&*c.store, run.id).await?;
        let mut report = FinishReport::completed("done");
        report.events = vec![EventDraft::new("worker", "note", "hello"); MANY];
        report.artifacts = vec![ArtifactDraft::new("file", "a.md"); MANY];
        c.store.finish_task(claim.token(), report).await?;
    }
    let events = c.store.list_events(ListEvents::new(run.id)).await?;
    let numbers: Vec<_> = events.items.iter().map(|event| event.seq).collect();
    let expected: Vec<_> = (1..=2 * MANY as u64 + 1).collect();
    check!(
        numbers == expected && events.next.is_none(),
        "{} events listed without a limit: got {} and the next page at {:?}",
        expected.len(),
        numbers.len(),
        events.next
    );
    let artifacts = c.store.list_artifacts(ListArtifacts::new(run.id)).await?;
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    check_eq!(
        (artifacts.items.len(), snapshot.artifacts.len()),
        (2 * MANY, 2 * MANY),
        "artifacts listed without a limit, and those of a snapshot without a cap"
    );
    check_eq!(
        (snapshot.counts.events, snapshot.counts.artifacts),
        (2 * MANY as u64 + 1, 2 * MANY as u64),
        "the counts of events and artifacts of a snapshot"
    );
    Ok(())
}

pub(crate) async fn every_other_record_is_listed_without_a_limit(c: &mut Context<'_>) -> Outcome {
    let (run, tasks) = world::planned(&*c.store, 1).await?;
    let (store, run_id, task_id) = (&*c.store, run.id, world::first(tasks)?.id);
    let writes = (1..=SOME as u32).map(|number| async move {
        let report = AttemptReport::new("failed", "no");
        let attempt = NewAttempt::new(task_id, number, report);
        store.add_attempt(attempt).await?;
        let approval = NewApproval::new(run_id, "human", "approved", number.to_string());
        store.add_approval(approval).await?;
        let checkpoint = NewCheckpoint::new(run_id, "running", json!(number));
        store.add_checkpoint(checkpoint).await?;
        Outcome::Ok(())
    });
    try_join_all(writes).await?;
    let attempts = c.store.list_attempts(ListAttempts::new(run.id)).await?;
    let approvals = c.store.list_approvals(ListApprovals::new(run.id)).await?;
    let checkpoints = c
        .store
        .list_checkpoints(ListCheckpoints::new(run.id))
        .await?;
    check_eq!(
        [
            attempts.items.len(),
            approvals.items.len(),
            checkpoints.items.len()
        ],
        [SOME; 3],
        "attempts, approvals and checkpoints listed without a limit"
    );
    let recent = c.store.recent_attempts(run.id, SOME as u32).await?;
    check_eq!(recent, attempts.items, "the last {SOME} of {SOME} attempts");
    let snapshot = c.store.snapshot(SnapshotRequest::of_run(run.id)).await?;
    check_eq!(
        snapshot.approvals,
        approvals.items,
        "approvals of a snapshot without a cap"
    );
    Ok(())
}
