//! The journal: events (clause J1), attempts (J3), artifacts (J4), approvals (J5), checkpoints (J6).

use std::collections::HashMap;

use runstore_core::rules::{claims, create, retry};
use runstore_core::{
    Approval, ApprovalSource, Artifact, Checkpoint, ClaimToken, Cursor, Event, EventDraft,
    ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, NewApproval,
    NewArtifact, NewAttempt, NewCheckpoint, NewEvent, Page, PageRequest, Result, RunId,
    TaskAttempt, TaskId,
};

use crate::claims::standing_of_fence;
use crate::codec::select;
use crate::driver::{Connection, Query, QueryBuilder, Row, query};
use crate::entries::Entry;
use crate::keys::{Keys, Last, LastEntries};
use crate::statement::{
    ROWS_A_STATEMENT, change, find, find_by_id, list_last, page, rows, run_built, value,
};
use crate::write::Write;
use crate::{runs, tasks};

/// The stored entry, if the call repeats the one that made it (clause G9).
pub(crate) fn repeated<E: Entry>(
    connection: &Connection,
    is_named: bool,
    entry: &E,
) -> Result<Option<E>> {
    // An id that the store has just made is not taken.
    let (true, Some(id)) = (is_named, entry.stored_id()) else {
        return Ok(None);
    };
    let stored = find_by_id::<E>(connection, id)?;
    let answer = stored.map(|stored| retry::answer(stored, entry));
    answer.transpose()
}

/// Adds the entry at the end of its run's.
///
/// # Errors
/// `NotFound` if there is no such run.
pub(crate) fn insert<E: Entry>(connection: &Connection, entry: E) -> Result<E> {
    let seq: Option<u64> = value(connection, E::TABLE, entry.insert())?;
    let seq = seq.ok_or_else(|| runs::unknown(entry.run_id()))?;
    Ok(entry.numbered(seq))
}

/// Adds events that the store writes of itself.
pub(crate) fn add_own_events(
    write: &mut Write<'_>,
    run_id: RunId,
    drafts: impl IntoIterator<Item = EventDraft, IntoIter: Send>,
) -> Result<()> {
    let now = write.now;
    let events = drafts.into_iter();
    let mut events = Vec::from_iter(events.map(|draft| create::event(run_id, 0, draft, now)));
    if events.len() > 1 {
        let mut last = LastEntries::of_runs(write.connection, &[run_id.as_uuid()])?;
        return insert_all(
            write.connection,
            &keyed(&mut last, &events, |last| &mut last.event)?,
        );
    }
    match events.pop() {
        Some(event) => insert(write.connection, event).map(|_| ()),
        None => Ok(()),
    }
}

/// Numbers the next entry of a kind in a run, and gives its number and its key.
///
/// # Errors
/// `NotFound` if there is no such run.
pub(crate) fn next(
    last: &mut HashMap<RunId, LastEntries>,
    run_id: RunId,
    kind: fn(&mut LastEntries) -> &mut Last,
) -> Result<(u64, i64)> {
    let last = last.get_mut(&run_id);
    last.ok_or_else(|| runs::unknown(run_id))?.next(kind)
}

/// Numbers entries of a kind, each after the last one of its run.
///
/// # Errors
/// `NotFound` if there is no such run.
pub(crate) fn keyed<'e, E: Entry>(
    last: &mut HashMap<RunId, LastEntries>,
    entries: impl IntoIterator<Item = &'e E>,
    kind: fn(&mut LastEntries) -> &mut Last,
) -> Result<Vec<(i64, &'e E)>> {
    let keyed = entries
        .into_iter()
        .map(|entry| Ok((next(last, entry.run_id(), kind)?.1, entry)));
    keyed.collect()
}

/// Adds entries to runs that there are, by statements for many at once.
pub(crate) fn insert_all<E: Entry>(connection: &Connection, entries: &[(i64, &E)]) -> Result<()> {
    insert_with(connection, entries, "", |_| {})
}

/// Adds the attempts that came with the reports that end their claims, and notes that of them (clause C5).
pub(crate) fn insert_ends(connection: &Connection, attempts: &[(i64, &TaskAttempt)]) -> Result<()> {
    insert_with(connection, attempts, ", ends_claim", |row| {
        row.push_bind(1_i64);
    })
}

/// The same with more columns than those of the record.
fn insert_with<E: Entry>(
    connection: &Connection,
    entries: &[(i64, &E)],
    columns: &str,
    bind_more: impl Fn(&mut Row<'_, '_>),
) -> Result<()> {
    for chunk in entries.chunks(ROWS_A_STATEMENT) {
        let mut statement = QueryBuilder::new(E::INSERT_ALL);
        statement.push(columns).push(") ");
        statement.push_values(chunk, |mut row, (key, entry)| {
            row.push_bind(*key);
            entry.bind_to(&mut row);
            bind_more(&mut row);
        });
        run_built(connection, E::TABLE, statement)?;
    }
    Ok(())
}

/// Deletes the entries of a run.
pub(crate) fn delete<E: Entry>(connection: &Connection, keys: Keys) -> Result<()> {
    let delete = query(E::DELETE_OF_RUN);
    let delete = delete.bind(keys.up_to(0)).bind(keys.last());
    change(connection, E::TABLE, delete).map(|_| ())
}

/// Adds what a call creates in a run, after all that can refuse it.
fn add<E: Entry>(
    connection: &Connection,
    is_named: bool,
    fence: Option<ClaimToken>,
    entry: E,
) -> Result<E> {
    let run_id = entry.run_id();
    let standing = standing_of_fence(connection, fence)?;
    let is_run_known = standing.is_some_and(|standing| standing.run_id == run_id);
    // With neither id nor fence nothing is looked at before the insert, which tells by itself.
    if !is_run_known && (is_named || fence.is_some()) {
        runs::check(connection, run_id)?;
    }
    if let Some(repeated) = repeated(connection, is_named, &entry)? {
        return Ok(repeated);
    }
    if let Some(token) = fence {
        claims::check_fence(token, standing, run_id)?;
    }
    insert(connection, entry)
}

pub(crate) fn add_event(write: Write<'_>, new: NewEvent) -> Result<Event> {
    let is_named = new.draft.id.is_some();
    let event = create::event(new.run_id, 0, new.draft, write.now);
    add(write.connection, is_named, new.fence, event)
}

pub(crate) fn add_artifact(write: Write<'_>, new: NewArtifact) -> Result<Artifact> {
    let is_named = new.draft.id.is_some();
    let artifact = create::artifact(new.run_id, new.draft, write.now);
    add(write.connection, is_named, new.fence, artifact)
}

pub(crate) fn add_approval(write: Write<'_>, new: NewApproval) -> Result<Approval> {
    let is_named = new.id.is_some();
    let approval = create::approval(new, write.now);
    add(write.connection, is_named, None, approval)
}

pub(crate) fn add_checkpoint(write: Write<'_>, new: NewCheckpoint) -> Result<Checkpoint> {
    let (is_named, fence) = (new.id.is_some(), new.fence);
    let checkpoint = create::checkpoint(new, write.now);
    add(write.connection, is_named, fence, checkpoint)
}

pub(crate) fn add_attempt(write: Write<'_>, new: NewAttempt) -> Result<TaskAttempt> {
    let Write {
        connection, now, ..
    } = write;
    let (task_id, number, fence) = (new.task_id, new.attempt_number, new.fence);
    // A fence is on the attempt's own task: that was checked with the input.
    let Some(standing) = tasks::standing(connection, task_id)? else {
        fence.map_or(Ok(()), |token| claims::check_held(token, None))?;
        return Err(tasks::unknown(task_id));
    };
    let is_named = new.report.id.is_some();
    let attempt = create::attempt(standing.run_id, task_id, number, new.report, now);
    if let Some(repeated) = repeated(connection, is_named, &attempt)? {
        return Ok(repeated);
    }
    if let Some(token) = fence {
        claims::check_fence(token, Some(standing), standing.run_id)?;
    }
    insert(connection, attempt)
}

/// The statements that list a kind of entry of a run, all or those that a filter wants.
struct Listing {
    all: &'static str,
    filtered: &'static str,
}

macro_rules! listing {
    ($record:ident, $filter:literal in $index:literal) => {
        Listing {
            all: select!(
                $record,
                "WHERE key > ?1 AND key <= ?2 ORDER BY key LIMIT ?3"
            ),
            // It names its index, for SQLite could as well look through all entries of the run.
            filtered: select!(
                $record,
                "INDEXED BY ",
                $index,
                " WHERE key > ?1 AND key <= ?2 AND ",
                $filter,
                " = ?4 ORDER BY key LIMIT ?3"
            ),
        }
    };
}

fn of_run(sql: &'static str, keys: Keys, request: PageRequest) -> Query<'static> {
    let after = request.after.map_or(0, Cursor::number);
    query(sql)
        .bind(keys.up_to(after))
        .bind(keys.last())
        .bind(rows(request))
}

pub(crate) fn list_events(connection: &Connection, wanted: ListEvents) -> Result<Page<Event>> {
    let keys = runs::keys(connection, wanted.run_id)?;
    let sql = select!(Event, "WHERE key > ? AND key <= ? ORDER BY key LIMIT ?");
    let query = of_run(sql, keys, wanted.page);
    page(connection, query, wanted.page)
}

pub(crate) fn list_attempts(
    connection: &Connection,
    wanted: ListAttempts,
) -> Result<Page<TaskAttempt>> {
    const LISTING: Listing = listing!(TaskAttempt, "task_id" in "attempts_by_task");
    let keys = runs::keys(connection, wanted.run_id)?;
    let query = match wanted.task_id {
        None => of_run(LISTING.all, keys, wanted.page),
        Some(task_id) => {
            tasks::check_of_run(connection, task_id, wanted.run_id)?;
            of_run(LISTING.filtered, keys, wanted.page).bind(task_id.as_uuid())
        }
    };
    page(connection, query, wanted.page)
}

pub(crate) fn list_artifacts(
    connection: &Connection,
    wanted: ListArtifacts,
) -> Result<Page<Artifact>> {
    const LISTING: Listing = listing!(Artifact, "role" in "artifacts_by_role");
    let keys = runs::keys(connection, wanted.run_id)?;
    let query = match &wanted.role {
        None => of_run(LISTING.all, keys, wanted.page),
        Some(role) => of_run(LISTING.filtered, keys, wanted.page).bind(role.as_str()),
    };
    page(connection, query, wanted.page)
}

pub(crate) fn list_approvals(
    connection: &Connection,
    wanted: ListApprovals,
) -> Result<Page<Approval>> {
    const LISTING: Listing = listing!(Approval, "source" in "approvals_by_source");
    let keys = runs::keys(connection, wanted.run_id)?;
    let query = match &wanted.source {
        None => of_run(LISTING.all, keys, wanted.page),
        Some(source) => of_run(LISTING.filtered, keys, wanted.page).bind(source.as_str()),
    };
    page(connection, query, wanted.page)
}

pub(crate) fn list_checkpoints(
    connection: &Connection,
    wanted: ListCheckpoints,
) -> Result<Page<Checkpoint>> {
    let keys = runs::keys(connection, wanted.run_id)?;
    let sql = select!(
        Checkpoint,
        "WHERE key > ? AND key <= ? ORDER BY key LIMIT ?"
    );
    let query = of_run(sql, keys, wanted.page);
    page(connection, query, wanted.page)
}

/// The last entries of a run, oldest first; all of them if `count` is negative.
pub(crate) fn last_of_run<E: Entry>(
    connection: &Connection,
    keys: Keys,
    count: i64,
) -> Result<Vec<E>> {
    let newest_first = query(E::NEWEST_OF_RUN).bind(keys.up_to(0));
    let newest_first = newest_first.bind(keys.last()).bind(count);
    list_last(connection, newest_first)
}

/// The last entries of a run that is checked to be there (clause G7).
pub(crate) fn recent<E: Entry>(
    connection: &Connection,
    run_id: RunId,
    count: u32,
) -> Result<Vec<E>> {
    let keys = runs::keys(connection, run_id)?;
    last_of_run(connection, keys, count.into())
}

pub(crate) fn latest_attempt(
    connection: &Connection,
    task_id: TaskId,
) -> Result<Option<TaskAttempt>> {
    let sql = select!(TaskAttempt, "WHERE task_id = ? ORDER BY key DESC LIMIT 1");
    let latest = query(sql).bind(task_id.as_uuid());
    let latest = find(connection, latest)?;
    if latest.is_none() {
        let standing = tasks::standing(connection, task_id)?;
        standing.ok_or_else(|| tasks::unknown(task_id))?;
    }
    Ok(latest)
}

pub(crate) fn latest_approval(
    connection: &Connection,
    run_id: RunId,
    source: ApprovalSource,
) -> Result<Option<Approval>> {
    let keys = runs::keys(connection, run_id)?;
    let sql = select!(
        Approval,
        "INDEXED BY approvals_by_source WHERE source = ? AND key > ? AND key <= ? \
         ORDER BY key DESC LIMIT 1"
    );
    let latest = query(sql).bind(source.as_str());
    find(connection, latest.bind(keys.up_to(0)).bind(keys.last()))
}

pub(crate) fn latest_checkpoint(
    connection: &Connection,
    run_id: RunId,
) -> Result<Option<Checkpoint>> {
    Ok(recent(connection, run_id, 1)?.pop())
}
