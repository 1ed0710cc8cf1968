//! The journal: events (clause J1), attempts (J3), artifacts (J4), approvals (J5), checkpoints (J6).

use runstore_core::rules::{claims, create, retry};
use runstore_core::{
    Approval, ApprovalSource, Artifact, Checkpoint, Event, EventDraft, ListApprovals,
    ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, NewAttempt, Page, PageRequest,
    Result, RunId, TaskAttempt, TaskId, Timestamp,
};
use sqlx::query;

use crate::claims::standing_of_fence;
use crate::codec::{Columns, Query, Record, select, time};
use crate::connections::Session;
use crate::entries::{Entry, NewEntry};
use crate::statement::{after, find, find_by_id, list, list_last, page, rows};
use crate::text::text;
use crate::write::Write;
use crate::{runs, tasks};

/// The stored entry, if the call repeats the one that made it (clause G9).
pub(crate) async fn repeated<E: Entry>(
    session: &mut Session,
    is_named: bool,
    entry: &E,
) -> Result<Option<E>> {
    // An id that the store has just made is not taken.
    let (true, Some(id)) = (is_named, entry.stored_id()) else {
        return Ok(None);
    };
    let stored = find_by_id::<E>(session, id).await?;
    let answer = stored.map(|stored| retry::answer(stored, entry));
    answer.transpose()
}

/// What became of one of several entries that were added by one statement.
#[derive(Debug)]
pub(crate) struct Added {
    /// Which of them, from 1.
    pub(crate) request: usize,
    pub(crate) run_id: RunId,
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
}

impl Record for Added {
    const TABLE: &'static str = "the journal";

    fn from_row(row: &Columns<'_>) -> Result<Self> {
        Ok(Self {
            request: row.number("request")?,
            run_id: row.id("run_id")?,
            seq: row.number("seq")?,
            at: row.time("at")?,
        })
    }
}

/// Adds entries at the end of their runs', whatever their fences.
///
/// # Errors
/// `NotFound` if a run is not there.
pub(crate) async fn insert<E: Entry>(write: &mut Write<'_>, entries: Vec<E>) -> Result<Vec<E>> {
    if entries.is_empty() {
        return Ok(entries);
    }
    let entries: Vec<_> = entries.into_iter().map(|entry| (entry, None)).collect();
    let add = E::add(Some(time(write.now)), &entries);
    let mut added: Vec<Added> = list(write.session, add).await?;
    added.sort_unstable_by_key(|added| added.request);
    if added.len() < entries.len() {
        let run_id = entries.first().map(|(entry, _)| entry.run_id());
        return Err(runs::unknown(run_id.unwrap_or_else(RunId::generate)));
    }
    let numbered = entries
        .into_iter()
        .zip(added)
        .map(|((entry, _), added)| entry.numbered(added.run_id, added.seq, added.at));
    Ok(numbered.collect())
}

/// Adds events that the store writes of itself.
pub(crate) async fn add_own_events(
    write: &mut Write<'_>,
    run_id: RunId,
    drafts: impl IntoIterator<Item = EventDraft>,
) -> Result<()> {
    let now = write.now;
    let events = drafts.into_iter();
    let events = events.map(|draft| create::event(run_id, 0, draft, now));
    let events: Vec<Event> = events.collect();
    insert(write, events).await.map(|_| ())
}

/// Adds what a call creates in a run, after all that can refuse it.
pub(crate) async fn add<N: NewEntry>(
    mut write: Write<'_>,
    run_id: RunId,
    new: N,
) -> Result<N::Entry> {
    let (is_named, fence) = (new.is_named(), new.fence());
    let entry = new.entry(run_id, write.now);
    let standing = standing_of_fence(write.session, fence).await?;
    runs::check(write.session, run_id).await?;
    if let Some(repeated) = repeated(write.session, is_named, &entry).await? {
        return Ok(repeated);
    }
    if let Some(token) = fence {
        claims::check_fence(token, standing, run_id)?;
    }
    one(insert(&mut write, vec![entry]).await?, run_id)
}

pub(crate) async fn add_attempt(mut write: Write<'_>, new: NewAttempt) -> Result<TaskAttempt> {
    let (task_id, fence) = (new.task_id, new.fence);
    // A fence is on the attempt's own task: that was checked with the input.
    let standing = tasks::standing(write.session, task_id).await?;
    let Some(standing) = standing else {
        fence.map_or(Ok(()), |token| claims::check_held(token, None))?;
        return Err(tasks::unknown(task_id));
    };
    let is_named = new.is_named();
    let attempt = new.entry(standing.run_id, write.now);
    if let Some(repeated) = repeated(write.session, is_named, &attempt).await? {
        return Ok(repeated);
    }
    if let Some(token) = fence {
        claims::check_fence(token, Some(standing), standing.run_id)?;
    }
    one(insert(&mut write, vec![attempt]).await?, standing.run_id)
}

fn one<E>(entries: Vec<E>, run_id: RunId) -> Result<E> {
    let entry = entries.into_iter().next();
    entry.ok_or_else(|| runs::unknown(run_id))
}

/// The statements that list a kind of entry of a run, all or those that a filter wants.
struct Listing {
    all: &'static str,
    filtered: &'static str,
}

macro_rules! listing {
    ($record:ident, $filter:literal) => {
        Listing {
            all: select!(
                $record,
                "WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
            ),
            filtered: select!(
                $record,
                "WHERE run_id = $1 AND seq > $2 AND ",
                $filter,
                " = $4 ORDER BY seq LIMIT $3"
            ),
        }
    };
}

fn of_run(sql: &'static str, run_id: RunId, request: PageRequest) -> Query {
    query(sql)
        .bind(run_id.as_uuid())
        .bind(after(request))
        .bind(rows(request))
}

/// A page of what a run has; if there is none, a look whether there is such a run (clause G7).
async fn page_of_run<E: Entry>(
    session: &mut Session,
    query: Query,
    run_id: RunId,
    request: PageRequest,
) -> Result<Page<E>> {
    let page = page::<E>(session, query, request).await?;
    if page.items.is_empty() {
        runs::check(session, run_id).await?;
    }
    Ok(page)
}

pub(crate) async fn list_events(session: &mut Session, wanted: ListEvents) -> Result<Page<Event>> {
    let sql = select!(
        Event,
        "WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
    );
    let query = || of_run(sql, wanted.run_id, wanted.page);
    let page = page_of_run(session, query(), wanted.run_id, wanted.page).await?;
    match (page.items.is_empty(), wanted.page.after) {
        // The run was made between the two looks, and an event with it (clause R1).
        (true, None) => page_of_run(session, query(), wanted.run_id, wanted.page).await,
        _ => Ok(page),
    }
}

pub(crate) async fn list_attempts(
    session: &mut Session,
    wanted: ListAttempts,
) -> Result<Page<TaskAttempt>> {
    const LISTING: Listing = listing!(TaskAttempt, "task_id");
    let query = match wanted.task_id {
        None => of_run(LISTING.all, wanted.run_id, wanted.page),
        Some(task_id) => {
            of_run(LISTING.filtered, wanted.run_id, wanted.page).bind(task_id.as_uuid())
        }
    };
    let page = page_of_run(session, query, wanted.run_id, wanted.page).await?;
    if let (Some(task_id), true) = (wanted.task_id, page.items.is_empty()) {
        tasks::check_of_run(session, task_id, wanted.run_id).await?;
    }
    Ok(page)
}

pub(crate) async fn list_artifacts(
    session: &mut Session,
    wanted: ListArtifacts,
) -> Result<Page<Artifact>> {
    const LISTING: Listing = listing!(Artifact, "role");
    let query = match &wanted.role {
        None => of_run(LISTING.all, wanted.run_id, wanted.page),
        Some(role) => {
            of_run(LISTING.filtered, wanted.run_id, wanted.page).bind(text(role.as_str()))
        }
    };
    page_of_run(session, query, wanted.run_id, wanted.page).await
}

pub(crate) async fn list_approvals(
    session: &mut Session,
    wanted: ListApprovals,
) -> Result<Page<Approval>> {
    const LISTING: Listing = listing!(Approval, "source");
    let query = match &wanted.source {
        None => of_run(LISTING.all, wanted.run_id, wanted.page),
        Some(source) => {
            of_run(LISTING.filtered, wanted.run_id, wanted.page).bind(text(source.as_str()))
        }
    };
    page_of_run(session, query, wanted.run_id, wanted.page).await
}

pub(crate) async fn list_checkpoints(
    session: &mut Session,
    wanted: ListCheckpoints,
) -> Result<Page<Checkpoint>> {
    let sql = select!(
        Checkpoint,
        "WHERE run_id = $1 AND seq > $2 ORDER BY seq LIMIT $3"
    );
    let query = of_run(sql, wanted.run_id, wanted.page);
    page_of_run(session, query, wanted.run_id, wanted.page).await
}

/// The last entries of a run, oldest first; all of them without a count.
pub(crate) async fn last_of_run<E: Entry>(
    session: &mut Session,
    run_id: RunId,
    count: Option<u32>,
) -> Result<Vec<E>> {
    let newest_first = query(E::NEWEST_OF_RUN)
        .bind(run_id.as_uuid())
        .bind(count.map(i64::from));
    list_last(session, newest_first).await
}

/// The last entries of a run that is checked to be there (clause G7).
pub(crate) async fn recent<E: Entry>(
    session: &mut Session,
    run_id: RunId,
    count: u32,
) -> Result<Vec<E>> {
    let last = last_of_run(session, run_id, Some(count)).await?;
    if last.is_empty() {
        runs::check(session, run_id).await?;
    }
    Ok(last)
}

/// The last events of a run, which has one from its beginning (clause R1).
pub(crate) async fn recent_events(
    session: &mut Session,
    run_id: RunId,
    count: u32,
) -> Result<Vec<Event>> {
    let last = recent(session, run_id, count).await?;
    match last.is_empty() {
        // The run was made between the two looks, and an event with it.
        true => recent(session, run_id, count).await,
        false => Ok(last),
    }
}

pub(crate) async fn latest_attempt(
    session: &mut Session,
    task_id: TaskId,
) -> Result<Option<TaskAttempt>> {
    let sql = select!(
        TaskAttempt,
        "WHERE run_id = (SELECT run_id FROM tasks WHERE id = $1) AND task_id = $1 \
         ORDER BY seq DESC LIMIT 1"
    );
    let latest = query(sql).bind(task_id.as_uuid());
    let latest = find(session, latest).await?;
    if latest.is_none() {
        let standing = tasks::standing(session, task_id).await?;
        standing.ok_or_else(|| tasks::unknown(task_id))?;
    }
    Ok(latest)
}

pub(crate) async fn latest_approval(
    session: &mut Session,
    run_id: RunId,
    source: ApprovalSource,
) -> Result<Option<Approval>> {
    let sql = select!(
        Approval,
        "WHERE run_id = $1 AND source = $2 ORDER BY seq DESC LIMIT 1"
    );
    let latest = query(sql)
        .bind(run_id.as_uuid())
        .bind(text(source.as_str()));
    let latest = find(session, latest).await?;
    if latest.is_none() {
        runs::check(session, run_id).await?;
    }
    Ok(latest)
}

pub(crate) async fn latest_checkpoint(
    session: &mut Session,
    run_id: RunId,
) -> Result<Option<Checkpoint>> {
    Ok(recent(session, run_id, 1).await?.pop())
}
