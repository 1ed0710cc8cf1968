//! Claims (clauses C1 to C5, C7, C8 and C10), one by one and by the rules: what the functions of the schema leave.

use std::collections::BTreeMap;

use runstore_core::rules::claims::{Extension, Offer};
use runstore_core::rules::schedule::available_from;
use runstore_core::rules::tasks::Changed;
use runstore_core::rules::{claims, create, tasks as rules};
use runstore_core::{
    Claim, ClaimRequest, ClaimToken, EventDraft, FinishReport, Heartbeat, Result, RunId, Task,
    TaskStanding, Timestamp,
};
use sqlx::query;

use crate::changes::{StoredTask, Waiting, save, save_all, save_places};
use crate::codec::{integer, optional_time, time};
use crate::connections::Session;
use crate::journal::{add_own_events, insert, repeated};
use crate::statement::{change, value};
use crate::write::{Kind, Write, lock};
use crate::{queue, runs, tasks};

const FINISHED_CLAIMS: &str = "finished_claims";

/// The most tasks that are offered by one look, where many of the first ones cannot be taken.
const MAX_LOOK: usize = 1_024;

/// What a report changes in its task's run.
pub(crate) const OF_REPORTS: &[Kind] =
    &[Kind::Tasks, Kind::Attempts, Kind::Events, Kind::Artifacts];

/// What a claim by itself changes in a run: it is one that found attempts that are used up, and tells of them.
pub(crate) const OF_CLAIMS: &[Kind] = &[Kind::Tasks, Kind::Events];

/// Claims the next tasks for requests of one scope and one bound on attempts: one each, in their order, as far
/// as there are any. What claims change in the run is locked, or the whole store.
pub(crate) async fn claim(mut write: Write<'_>, requests: &[&ClaimRequest]) -> Result<Vec<Claim>> {
    let scope = requests.first().and_then(|request| request.run_id);
    let mut taken = Vec::new();
    let mut exhausted = Vec::new();
    let mut events = BTreeMap::<RunId, Vec<EventDraft>>::new();
    let mut not_yet = Vec::new();
    queue::take_up_due(&mut write, scope).await?;
    // What was offered is passed over by the next look, for it is changed only in the end.
    let mut offered = 0;
    while taken.len() < requests.len() {
        let wanted = requests.len() - taken.len();
        let rows = wanted.max(offered).min(MAX_LOOK);
        let first = queue::first(&mut write, scope, rows, offered).await?;
        let is_all = first.len() < rows;
        for StoredTask { task, before } in first {
            let Some(request) = requests.get(taken.len()) else {
                break;
            };
            offered += 1;
            let waiting = Waiting {
                run_id: task.run_id,
                position: task.position,
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
        runs::check(write.session, run_id).await?;
    }
    // Of which runs is known only now. Nobody else claims or settles meanwhile, so nobody waits for this the other
    // way round but a fenced event on a task that was just taken up, which is tried again.
    let run_ids = events.keys().map(|run_id| run_id.as_uuid()).collect();
    if scope.is_none() && !events.is_empty() {
        lock(write.session, run_ids, &[Kind::Events]).await?;
    }
    save_all(&mut write, &taken).await?;
    save_all(&mut write, &exhausted).await?;
    save_places(&mut write, &not_yet).await?;
    for (run_id, events) in events {
        add_own_events(&mut write, run_id, events).await?;
    }
    let claims = taken.into_iter().map(|(_, task)| Claim { task });
    Ok(claims.collect())
}

pub(crate) async fn heartbeat(mut write: Write<'_>, beat: Heartbeat) -> Result<Option<Timestamp>> {
    let Heartbeat { token, lease, .. } = beat;
    let stored = tasks::find_stored(write.session, token.task_id).await?;
    let standing = stored.as_ref().map(|stored| stored.task.standing());
    let extension = claims::extended(token, standing, lease, write.now)?;
    if let (Extension::Extended(expires), Some(StoredTask { task, before })) = (extension, stored) {
        let task = Task {
            lease_expires_at: Some(expires),
            updated_at: write.now,
            ..task
        };
        let from = available_from(&task);
        let place = write.place(task.run_id, from, before.unmet);
        let update = query(
            "UPDATE task_states SET updated_at = $3, lease_expires_at = $4, available_from = $5, \
             place = $6 WHERE run_id = $1 AND position = $2",
        )
        .bind(task.run_id.as_uuid())
        .bind(integer(task.position)?)
        .bind(time(task.updated_at))
        .bind(time(expires))
        .bind(optional_time(from))
        .bind(place);
        change(write.session, "task_states", update).await?;
    }
    Ok(extension.until())
}

pub(crate) async fn finish(
    mut write: Write<'_>,
    token: ClaimToken,
    report: FinishReport,
) -> Result<Task> {
    let now = write.now;
    let stored = tasks::find_stored(write.session, token.task_id).await?;
    let standing = stored.as_ref().map(|stored| stored.task.standing());
    if let Err(stale) = claims::check_held(token, standing) {
        return match stored {
            Some(stored) if is_finished(write.session, &stored.task, token).await? => {
                Ok(stored.task)
            }
            _ => Err(stale),
        };
    }
    let StoredTask { task, before } = stored.ok_or_else(|| tasks::unknown(token.task_id))?;
    let run_id = task.run_id;

    // All that can refuse the report comes before the first change.
    let is_named = report.attempt.id.is_some();
    let number = token.attempt_number;
    let attempt = create::attempt(run_id, task.id, number, report.attempt, now);
    let attempt_is_stored = repeated(write.session, is_named, &attempt).await?.is_some();
    let mut events = Vec::new();
    for draft in report.events {
        let is_named = draft.id.is_some();
        let event = create::event(run_id, 0, draft, now);
        if repeated(write.session, is_named, &event).await?.is_none() {
            events.push(event);
        }
    }
    let mut artifacts = Vec::new();
    for draft in report.artifacts {
        let is_named = draft.id.is_some();
        let artifact = create::artifact(run_id, draft, now);
        if repeated(write.session, is_named, &artifact)
            .await?
            .is_none()
        {
            artifacts.push(artifact);
        }
    }
    let Changed { task, event } = rules::finished(task, report.outcome, now)?;

    if !attempt_is_stored {
        insert(&mut write, vec![attempt]).await?;
    }
    insert(&mut write, events).await?;
    insert(&mut write, artifacts).await?;
    let remember = query("INSERT INTO finished_claims VALUES ($1, $2, $3)")
        .bind(run_id.as_uuid())
        .bind(integer(task.position)?)
        .bind(i64::from(number));
    change(write.session, FINISHED_CLAIMS, remember).await?;
    add_own_events(&mut write, run_id, event).await?;
    save(&mut write, before, task).await
}

/// Whether the claim has ended with a report (clause C5).
async fn is_finished(session: &mut Session, task: &Task, token: ClaimToken) -> Result<bool> {
    let finished = query(
        "SELECT 1 FROM finished_claims WHERE run_id = $1 AND position = $2 AND attempt_number = $3",
    );
    let finished = finished
        .bind(task.run_id.as_uuid())
        .bind(integer(task.position)?)
        .bind(i64::from(token.attempt_number));
    let finished: Option<i32> = value(session, FINISHED_CLAIMS, finished).await?;
    Ok(finished.is_some())
}

/// What a fence is held against; nobody changes it until the commit.
///
/// # Errors
/// `StaleClaim` if its task is gone, before anything else is looked up.
pub(crate) async fn standing_of_fence(
    session: &mut Session,
    fence: Option<ClaimToken>,
) -> Result<Option<TaskStanding>> {
    let Some(token) = fence else { return Ok(None) };
    let standing = tasks::standing_held(session, token.task_id).await?;
    if standing.is_none() {
        claims::check_held(token, None)?;
    }
    Ok(standing)
}
