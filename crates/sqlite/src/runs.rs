//! Runs (clauses R1 to R5) and agents (A1, A2).

use runstore_core::rules::{create, events, retry, runs};
use runstore_core::{
    AgentRole, AgentState, Approval, Artifact, Change, Checkpoint, Error, Event, ListRuns, NewRun,
    Page, RecordKind, Result, Run, RunId, RunUpdate, SaveAgentState, TaskAttempt, Timestamp,
};

use crate::codec::{Named, Record, select};
use crate::driver::{Connection, query};
use crate::keys::Keys;
use crate::statement::{before, change, find, find_by_id, list, page, rows, value};
use crate::write::Write;
use crate::{journal, tasks};

impl Named for Run {
    const BY_ID: &'static str = select!(Run, "WHERE id = ?");
}

pub(crate) fn create(mut write: Write<'_>, new: NewRun) -> Result<Run> {
    let is_named = new.id.is_some();
    let run = create::run(new, write.now);
    if is_named && let Some(stored) = find_by_id::<Run>(write.connection, run.id)? {
        return retry::answer(stored, &run);
    }
    let insert = query(
        "INSERT INTO runs (id, status, cycle_count, replan_count, current_task_id, created_at, \
         updated_at, summary, goal, repo_path) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(run.id.as_uuid())
    .bind(run.status.as_str())
    .bind(run.cycle_count)
    .bind(run.replan_count)
    .bind(run.current_task_id.map(|id| id.as_uuid()))
    .bind(run.created_at.as_micros())
    .bind(run.updated_at.as_micros())
    .bind(run.summary.as_deref())
    .bind(run.goal.as_str())
    .bind(run.repo_path.as_str());
    change(write.connection, Run::TABLE, insert)?;
    journal::add_own_events(&mut write, run.id, [events::run_created(&run)])?;
    Ok(run)
}

pub(crate) fn get(connection: &Connection, run_id: RunId) -> Result<Run> {
    let run = find_by_id(connection, run_id)?;
    run.ok_or_else(|| unknown(run_id))
}

/// Checks that there is such a run (clause G7).
pub(crate) fn check(connection: &Connection, run_id: RunId) -> Result<()> {
    keys(connection, run_id).map(|_| ())
}

/// The keys of a run's entries.
///
/// # Errors
/// `NotFound` if there is no such run.
pub(crate) fn keys(connection: &Connection, run_id: RunId) -> Result<Keys> {
    let number = query("SELECT seq FROM runs WHERE id = ?").bind(run_id.as_uuid());
    let number: Option<u32> = value(connection, Run::TABLE, number)?;
    number.map(Keys::of_run).ok_or_else(|| unknown(run_id))
}

pub(crate) fn unknown(run_id: RunId) -> Error {
    Error::not_found(RecordKind::Run, run_id)
}

pub(crate) fn list_page(connection: &Connection, wanted: ListRuns) -> Result<Page<Run>> {
    let query = match &wanted.status {
        None => query(select!(Run, "WHERE seq < ? ORDER BY seq DESC LIMIT ?")),
        Some(status) => query(select!(
            Run,
            "WHERE status = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        ))
        .bind(status.as_str()),
    };
    let query = query.bind(before(wanted.page)).bind(rows(wanted.page));
    page(connection, query, wanted.page)
}

pub(crate) fn update(write: Write<'_>, update: RunUpdate) -> Result<Run> {
    let run = get(write.connection, update.run_id)?;
    if let Change::Set(task_id) = update.current_task_id {
        tasks::check_of_run(write.connection, task_id, run.id)?;
    }
    if update.is_empty() {
        return Ok(run);
    }
    save(write.connection, runs::updated(run, update, write.now))
}

pub(crate) fn count(
    write: Write<'_>,
    run_id: RunId,
    counted: fn(Run, Timestamp) -> Result<Run>,
) -> Result<Run> {
    let run = get(write.connection, run_id)?;
    save(write.connection, counted(run, write.now)?)
}

/// Saves what can change of a run.
fn save(connection: &Connection, run: Run) -> Result<Run> {
    let update = query(
        "UPDATE runs SET status = ?, cycle_count = ?, replan_count = ?, current_task_id = ?, \
         updated_at = ?, summary = ? WHERE id = ?",
    )
    .bind(run.status.as_str())
    .bind(run.cycle_count)
    .bind(run.replan_count)
    .bind(run.current_task_id.map(|id| id.as_uuid()))
    .bind(run.updated_at.as_micros())
    .bind(run.summary.as_deref())
    .bind(run.id.as_uuid());
    change(connection, Run::TABLE, update)?;
    Ok(run)
}

/// Deletes a run. Its entries go by their keys, its agents and tasks by the foreign keys.
pub(crate) fn delete(write: Write<'_>, run_id: RunId) -> Result<()> {
    let keys = keys(write.connection, run_id)?;
    journal::delete::<TaskAttempt>(write.connection, keys)?;
    journal::delete::<Event>(write.connection, keys)?;
    journal::delete::<Artifact>(write.connection, keys)?;
    journal::delete::<Approval>(write.connection, keys)?;
    journal::delete::<Checkpoint>(write.connection, keys)?;
    let delete = query("DELETE FROM runs WHERE id = ?").bind(run_id.as_uuid());
    change(write.connection, Run::TABLE, delete)?;
    write.wakes.gone(run_id);
    Ok(())
}

pub(crate) fn save_agent(write: Write<'_>, save: SaveAgentState) -> Result<AgentState> {
    let agent = create::agent_state(save, write.now);
    let replace = query(
        "INSERT OR REPLACE INTO agents (run_id, role, turns, rotation_count, updated_at, \
         session_id, last_prompt_path, last_response_path) \
         SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM runs WHERE id = ?1",
    )
    .bind(agent.run_id.as_uuid())
    .bind(agent.role.as_str())
    .bind(agent.turns)
    .bind(agent.rotation_count)
    .bind(agent.updated_at.as_micros())
    .bind(agent.session_id.as_deref())
    .bind(agent.last_prompt_path.as_deref())
    .bind(agent.last_response_path.as_deref());
    match change(write.connection, AgentState::TABLE, replace)? {
        0 => Err(unknown(agent.run_id)),
        _ => Ok(agent),
    }
}

pub(crate) fn get_agent(
    connection: &Connection,
    run_id: RunId,
    role: AgentRole,
) -> Result<Option<AgentState>> {
    check(connection, run_id)?;
    let by_role = query(select!(AgentState, "WHERE run_id = ? AND role = ?"));
    let by_role = by_role.bind(run_id.as_uuid()).bind(role.as_str());
    find(connection, by_role)
}

pub(crate) fn list_agents(connection: &Connection, run_id: RunId) -> Result<Vec<AgentState>> {
    check(connection, run_id)?;
    let of_run = query(select!(AgentState, "WHERE run_id = ? ORDER BY role"));
    list(connection, of_run.bind(run_id.as_uuid()))
}
