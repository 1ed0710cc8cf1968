//! Claims (clauses C1 to C5, C7, C8 and C10).

use std::collections::BTreeMap;

use runstore_core::rules::claims::{Extension, Offer};
use runstore_core::rules::schedule::available_from;
use runstore_core::rules::tasks::Changed;
use runstore_core::rules::{claims, create, tasks as rules};
use runstore_core::{
    AttemptId, Claim, ClaimRequest, ClaimToken, EventDraft, FinishReport, Heartbeat, Result, RunId,
    Task, TaskAttempt, TaskStanding, Timestamp,
};

use crate::changes::{StoredTask, Waiting, save, save_all, save_places};
use crate::codec::{Record, task_columns};
use crate::driver::{Connection, query};
use crate::journal::{add_own_events, insert_all, insert_ends, keyed, repeated};
use crate::keys::LastEntries;
use crate::statement::{change, find, value};
use crate::write::Write;
use crate::{queue, runs, tasks};

/// The most tasks that are offered by one look, where many of the first ones cannot be taken.
const MAX_LOOK: usize = 1_024;

/// Claims the next tasks for requests of one scope and one bound on attempts: one each, in their order, as far
/// as there are any.
pub(crate) fn claim(mut write: Write<'_>, requests: &[&ClaimRequest]) -> Result<Vec<Claim>> {
    let scope = requests.first().and_then(|request| request.run_id);
    let mut taken = Vec::new();
    let mut exhausted = Vec::new();
    let mut events = BTreeMap::<RunId, Vec<EventDraft>>::new();
    let mut not_yet = Vec::new();
    // But for the move of what is due, nothing is written before the last offer, so that an offer that fails
    // has changed nothing. What was offered is passed over by the next look.
    let mut offered = 0;
    while taken.len() < requests.len() {
        let wanted = requests.len() - taken.len();
        let rows = wanted.max(offered).min(MAX_LOOK);
        let first = queue::first(&mut write, scope, rows, offered)?;
        let is_all = first.len() < rows;
        for StoredTask { task, before } in first {
            let Some(request) = requests.get(taken.len()) else {
                break;
            };
            offered += 1;
            let waiting = Waiting {
                id: task.id,
                run_id: task.run_id,
                available_from: available_from(&task),
                unmet: before.unmet,
            };
            match claims::offer(task, before.unmet, request, write.now)? {
                Offer::Taken(task) => taken.push((before, task)),
                Offer::Exhausted(task, event) => {
                    events.entry(task.run_id).or_default().push(event);
                    exhausted.push((before, task));
                }
                Offer::NotYet(_) => not_yet.push(waiting),
            }
        }
        if is_all {
            break;
        }
    }
    if let (Some(run_id), 0) = (scope, offered) {
        runs::check(write.connection, run_id)?;
    }
    save_all(&mut write, &taken)?;
    save_all(&mut write, &exhausted)?;
    save_places(&mut write, &not_yet)?;
    for (run_id, events) in events {
        add_own_events(&mut write, run_id, events)?;
    }
    let claims = taken.into_iter().map(|(_, task)| Claim { task });
    Ok(claims.collect())
}

pub(crate) fn heartbeat(mut write: Write<'_>, beat: Heartbeat) -> Result<Option<Timestamp>> {
    let Heartbeat { token, lease, .. } = beat;
    let by_id = query(concat!(
        "SELECT ",
        task_columns!(without texts),
        " FROM tasks WHERE id = ?"
    ));
    let by_id = by_id.bind(token.task_id.as_uuid());
    let stored: Option<StoredTask> = find(write.connection, by_id)?;
    let standing = stored.as_ref().map(|stored| stored.task.standing());
    let extension = claims::extended(token, standing, lease, write.now)?;
    if let (Extension::Extended(expires), Some(StoredTask { task, before })) = (extension, stored) {
        let task = Task {
            lease_expires_at: Some(expires),
            updated_at: write.now,
            ..task
        };
        let scheduled = write.schedule(&task, before.unmet);
        let update = query(
            "UPDATE tasks SET updated_at = ?, lease_expires_at = ?, available_from = ?, place = ? \
             WHERE id = ?",
        )
        .bind(task.updated_at.as_micros())
        .bind(expires.as_micros())
        .bind(scheduled.available_from)
        .bind(scheduled.place)
        .bind(task.id.as_uuid());
        change(write.connection, Task::TABLE, update)?;
    }
    Ok(extension.until())
}

pub(crate) fn finish(
    mut write: Write<'_>,
    token: ClaimToken,
    report: FinishReport,
) -> Result<Task> {
    let now = write.now;
    let connection = write.connection;
    let stored = tasks::find_stored(connection, token.task_id)?;
    let standing = stored.as_ref().map(|stored| stored.task.standing());
    if let Err(stale) = claims::check_held(token, standing) {
        return match stored {
            Some(stored) if is_finished(connection, token)? => Ok(stored.task),
            _ => Err(stale),
        };
    }
    let StoredTask { task, before } = stored.ok_or_else(|| tasks::unknown(token.task_id))?;
    let run_id = task.run_id;

    // All that can refuse the report comes before the first change.
    let is_named = report.attempt.id.is_some();
    let number = token.attempt_number;
    let attempt = create::attempt(run_id, task.id, number, report.attempt, now);
    let attempt_is_stored = repeated(connection, is_named, &attempt)?.is_some();
    let mut events = Vec::new();
    for draft in report.events {
        let is_named = draft.id.is_some();
        let event = create::event(run_id, 0, draft, now);
        if repeated(connection, is_named, &event)?.is_none() {
            events.push(event);
        }
    }
    let mut artifacts = Vec::new();
    for draft in report.artifacts {
        let is_named = draft.id.is_some();
        let artifact = create::artifact(run_id, draft, now);
        if repeated(connection, is_named, &artifact)?.is_none() {
            artifacts.push(artifact);
        }
    }
    let Changed { task, event } = rules::finished(task, report.outcome, now)?;

    let mut last = LastEntries::of_runs(connection, &[run_id.as_uuid()])?;
    if attempt_is_stored {
        mark_end(connection, attempt.id)?;
    } else {
        let end = keyed(&mut last, [&attempt], |last| &mut last.attempt)?;
        insert_ends(connection, &end)?;
    }
    let events = keyed(&mut last, &events, |last| &mut last.event)?;
    insert_all(connection, &events)?;
    let artifacts = keyed(&mut last, &artifacts, |last| &mut last.artifact)?;
    insert_all(connection, &artifacts)?;
    add_own_events(&mut write, run_id, event)?;
    save(&mut write, before, task)
}

/// Notes of an attempt that was added before that it came with the report that ended its claim too (clause C5).
fn mark_end(connection: &Connection, attempt_id: AttemptId) -> Result<()> {
    let mark = query("UPDATE attempts SET ends_claim = 1 WHERE id = ?").bind(attempt_id.as_uuid());
    change(connection, TaskAttempt::TABLE, mark).map(|_| ())
}

/// Whether the claim has ended with a report (clause C5).
fn is_finished(connection: &Connection, token: ClaimToken) -> Result<bool> {
    let finished = query(
        "SELECT 1 FROM attempts WHERE task_id = ? AND attempt_number = ? AND ends_claim LIMIT 1",
    );
    let finished = finished.bind(token.task_id.as_uuid());
    let finished = finished.bind(token.attempt_number);
    let finished: Option<i64> = value(connection, TaskAttempt::TABLE, finished)?;
    Ok(finished.is_some())
}

/// What a fence is held against.
///
/// # Errors
/// `StaleClaim` if its task is gone, before anything else is looked up.
pub(crate) fn standing_of_fence(
    connection: &Connection,
    fence: Option<ClaimToken>,
) -> Result<Option<TaskStanding>> {
    let Some(token) = fence else { return Ok(None) };
    let standing = tasks::standing(connection, token.task_id)?;
    if standing.is_none() {
        claims::check_held(token, None)?;
    }
    Ok(standing)
}
