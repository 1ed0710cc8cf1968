//! Claims (clauses C1 to C5).

use runstore_core::rules::{claims, create, tasks as rules};
use runstore_core::{
    Claim, ClaimRequest, ClaimToken, FinishReport, Result, Task, TaskStanding, TaskStatus,
};
use sqlx::query;
use sqlx::sqlite::SqliteConnection;

use crate::journal::{insert, repeated};
use crate::statement::{change, find_by_id, list, value};
use crate::writer::Write;
use crate::{runs, tasks};

const FINISHED_CLAIMS: &str = "finished_claims";

/// Claims the next tasks for callers who wait together: one each, in their order, as far as there are any.
pub(crate) async fn claim_next(
    write: Write<'_>,
    request: ClaimRequest,
    callers: usize,
) -> Result<Vec<Claim>> {
    let most = i64::try_from(callers).unwrap_or(i64::MAX);
    let first = tasks::in_status(request.run_id, TaskStatus::Pending, 0, most);
    let first: Vec<Task> = list(write.connection, first).await?;
    if first.is_empty() {
        runs::check(write.connection, request.run_id).await?;
        return Ok(Vec::new());
    }
    let claimed = first
        .into_iter()
        .map(|task| rules::claimed(task, write.now));
    let claimed: Vec<Task> = claimed.collect::<Result<_>>()?;
    tasks::save_all(write.connection, &claimed).await?;
    Ok(claimed.into_iter().map(|task| Claim { task }).collect())
}

pub(crate) async fn finish(
    write: Write<'_>,
    token: ClaimToken,
    report: FinishReport,
) -> Result<Task> {
    let Write { connection, now } = write;
    let task = find_by_id::<Task>(connection, token.task_id).await?;
    if let Err(stale) = claims::check_held(token, task.as_ref().map(Task::standing)) {
        return match task {
            Some(task) if is_finished(connection, token).await? => Ok(task),
            _ => Err(stale),
        };
    }
    let task = task.ok_or_else(|| tasks::unknown(token.task_id))?;
    let run_id = task.run_id;

    // All that can refuse the report comes before the first change.
    let is_named = report.attempt.id.is_some();
    let number = token.attempt_number;
    let attempt = create::attempt(run_id, task.id, number, report.attempt, now);
    let attempt_is_stored = repeated(connection, is_named, &attempt).await?.is_some();
    let mut events = Vec::new();
    for draft in report.events {
        let is_named = draft.id.is_some();
        let event = create::event(run_id, 0, draft, now);
        if repeated(connection, is_named, &event).await?.is_none() {
            events.push(event);
        }
    }
    let mut artifacts = Vec::new();
    for draft in report.artifacts {
        let is_named = draft.id.is_some();
        let artifact = create::artifact(run_id, draft, now);
        if repeated(connection, is_named, &artifact).await?.is_none() {
            artifacts.push(artifact);
        }
    }
    let finished = rules::finished(task, report.outcome, now)?;

    if !attempt_is_stored {
        insert(connection, attempt).await?;
    }
    for event in events {
        insert(connection, event).await?;
    }
    for artifact in artifacts {
        insert(connection, artifact).await?;
    }
    let remember = query("INSERT INTO finished_claims (task_id, attempt_number) VALUES (?, ?)")
        .bind(token.task_id.as_uuid())
        .bind(number);
    change(connection, FINISHED_CLAIMS, remember).await?;
    tasks::save(connection, finished).await
}

/// Whether the claim has ended with a report (clause C5).
async fn is_finished(connection: &mut SqliteConnection, token: ClaimToken) -> Result<bool> {
    let finished = "SELECT 1 FROM finished_claims WHERE task_id = ? AND attempt_number = ?";
    let finished = query(finished).bind(token.task_id.as_uuid());
    let finished = finished.bind(token.attempt_number);
    let finished: Option<i64> = value(connection, FINISHED_CLAIMS, finished).await?;
    Ok(finished.is_some())
}

/// What a fence is held against.
///
/// # Errors
/// `StaleClaim` if its task is gone, before anything else is looked up.
pub(crate) async fn standing_of_fence(
    connection: &mut SqliteConnection,
    fence: Option<ClaimToken>,
) -> Result<Option<TaskStanding>> {
    let Some(token) = fence else { return Ok(None) };
    let standing = tasks::standing(connection, token.task_id).await?;
    if standing.is_none() {
        claims::check_held(token, None)?;
    }
    Ok(standing)
}
