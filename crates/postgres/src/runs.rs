//! Runs (clauses R1 to R5) and agents (A1, A2).

use runstore_core::rules::{create, events, retry, runs};
use runstore_core::{
    AgentRole, AgentState, Change, Error, ListRuns, NewRun, Page, RecordKind, Result, Run, RunId,
    RunUpdate, SaveAgentState, Timestamp,
};
use sqlx::query;

use crate::codec::{Named, Record, select, time};
use crate::connections::Session;
use crate::statement::{before, change, find, find_by_id, list, page, rows, value};
use crate::text::{optional_text, text};
use crate::write::{Kind, Write, names};
use crate::{journal, tasks};

impl Named for Run {
    const BY_ID: &'static str = select!(Run, "WHERE run_id = $1");
}

pub(crate) async fn create(mut write: Write<'_>, new: NewRun) -> Result<Run> {
    let is_named = new.id.is_some();
    let run = create::run(new, write.now);
    if is_named && let Some(stored) = find_by_id::<Run>(write.session, run.id).await? {
        return retry::answer(stored, &run);
    }
    // The number is taken last, for whoever creates another run waits for it until the commit.
    let counters = query("INSERT INTO counters SELECT $1, kind, 0 FROM unnest($2) AS kind")
        .bind(run.id.as_uuid())
        .bind(names(&Kind::ALL));
    change(write.session, "counters", counters).await?;
    journal::add_own_events(&mut write, run.id, [events::run_created(&run)]).await?;
    let insert = query(
        "WITH numbered AS (\
             UPDATE store_counters SET last = last + 1 WHERE name = 'runs' RETURNING last\
         ) INSERT INTO runs (run_id, seq, status, cycle_count, replan_count, current_task_id, \
         created_at, updated_at, summary, goal, repo_path) \
         SELECT $1, last, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM numbered",
    )
    .bind(run.id.as_uuid())
    .bind(text(run.status.as_str()))
    .bind(i64::from(run.cycle_count))
    .bind(i64::from(run.replan_count))
    .bind(run.current_task_id.map(|id| id.as_uuid()))
    .bind(time(run.created_at))
    .bind(time(run.updated_at))
    .bind(optional_text(run.summary.as_deref()))
    .bind(text(&run.goal))
    .bind(text(&run.repo_path));
    change(write.session, Run::TABLE, insert).await?;
    Ok(run)
}

pub(crate) async fn get(session: &mut Session, run_id: RunId) -> Result<Run> {
    let run = find_by_id(session, run_id).await?;
    run.ok_or_else(|| unknown(run_id))
}

/// Checks that there is such a run (clause G7).
pub(crate) async fn check(session: &mut Session, run_id: RunId) -> Result<()> {
    let known = query("SELECT 1 FROM runs WHERE run_id = $1").bind(run_id.as_uuid());
    let known: Option<i32> = value(session, Run::TABLE, known).await?;
    known.map(|_| ()).ok_or_else(|| unknown(run_id))
}

pub(crate) fn unknown(run_id: RunId) -> Error {
    Error::not_found(RecordKind::Run, run_id)
}

pub(crate) async fn list_page(session: &mut Session, wanted: ListRuns) -> Result<Page<Run>> {
    let query = match &wanted.status {
        None => query(select!(Run, "WHERE seq < $1 ORDER BY seq DESC LIMIT $2")),
        Some(_) => query(select!(
            Run,
            "WHERE seq < $1 AND status = $3 ORDER BY seq DESC LIMIT $2"
        )),
    };
    let query = query.bind(before(wanted.page)).bind(rows(wanted.page));
    let query = match &wanted.status {
        None => query,
        Some(status) => query.bind(text(status.as_str())),
    };
    page(session, query, wanted.page).await
}

pub(crate) async fn update(write: Write<'_>, update: RunUpdate) -> Result<Run> {
    let run = get(write.session, update.run_id).await?;
    if let Change::Set(task_id) = update.current_task_id {
        tasks::check_of_run(write.session, task_id, run.id).await?;
    }
    if update.is_empty() {
        return Ok(run);
    }
    save(write.session, runs::updated(run, update, write.now)).await
}

pub(crate) async fn count(
    write: Write<'_>,
    run_id: RunId,
    counted: fn(Run, Timestamp) -> Result<Run>,
) -> Result<Run> {
    let run = get(write.session, run_id).await?;
    save(write.session, counted(run, write.now)?).await
}

/// Saves what can change of a run.
async fn save(session: &mut Session, run: Run) -> Result<Run> {
    let update = query(
        "UPDATE runs SET status = $2, cycle_count = $3, replan_count = $4, current_task_id = $5, \
         updated_at = $6, summary = $7 WHERE run_id = $1",
    )
    .bind(run.id.as_uuid())
    .bind(text(run.status.as_str()))
    .bind(i64::from(run.cycle_count))
    .bind(i64::from(run.replan_count))
    .bind(run.current_task_id.map(|id| id.as_uuid()))
    .bind(time(run.updated_at))
    .bind(optional_text(run.summary.as_deref()));
    change(session, Run::TABLE, update).await?;
    Ok(run)
}

/// What is below a run.
const BELOW: [&str; 11] = [
    "DELETE FROM counters WHERE run_id = $1",
    "DELETE FROM task_states WHERE run_id = $1",
    "DELETE FROM tasks WHERE run_id = $1",
    "DELETE FROM dependents WHERE run_id = $1",
    "DELETE FROM finished_claims WHERE run_id = $1",
    "DELETE FROM agents WHERE run_id = $1",
    "DELETE FROM attempts WHERE run_id = $1",
    "DELETE FROM events WHERE run_id = $1",
    "DELETE FROM artifacts WHERE run_id = $1",
    "DELETE FROM approvals WHERE run_id = $1",
    "DELETE FROM checkpoints WHERE run_id = $1",
];

/// Deletes a run whose counters are locked: whoever adds below it needs one of them, and finds none after this.
pub(crate) async fn delete(write: Write<'_>, run_id: RunId) -> Result<()> {
    let delete = query("DELETE FROM runs WHERE run_id = $1").bind(run_id.as_uuid());
    if change(write.session, Run::TABLE, delete).await? == 0 {
        return Err(unknown(run_id));
    }
    for delete in BELOW {
        let delete = query(delete).bind(run_id.as_uuid());
        change(write.session, Run::TABLE, delete).await?;
    }
    write.wakes.gone(run_id);
    Ok(())
}

/// Saves the record of an agent of a run whose row is locked.
pub(crate) async fn save_agent(write: Write<'_>, save: SaveAgentState) -> Result<AgentState> {
    let agent = create::agent_state(save, write.now);
    let replace = query(
        "INSERT INTO agents (run_id, role, turns, rotation_count, updated_at, session_id, \
         last_prompt_path, last_response_path) \
         SELECT run_id, $2, $3, $4, $5, $6, $7, $8 FROM runs WHERE run_id = $1 \
         ON CONFLICT (run_id, role) DO UPDATE SET turns = excluded.turns, \
         rotation_count = excluded.rotation_count, updated_at = excluded.updated_at, \
         session_id = excluded.session_id, last_prompt_path = excluded.last_prompt_path, \
         last_response_path = excluded.last_response_path",
    )
    .bind(agent.run_id.as_uuid())
    .bind(text(agent.role.as_str()))
    .bind(i64::from(agent.turns))
    .bind(i64::from(agent.rotation_count))
    .bind(time(agent.updated_at))
    .bind(optional_text(agent.session_id.as_deref()))
    .bind(optional_text(agent.last_prompt_path.as_deref()))
    .bind(optional_text(agent.last_response_path.as_deref()));
    match change(write.session, AgentState::TABLE, replace).await? {
        0 => Err(unknown(agent.run_id)),
        _ => Ok(agent),
    }
}

pub(crate) async fn get_agent(
    session: &mut Session,
    run_id: RunId,
    role: AgentRole,
) -> Result<Option<AgentState>> {
    let by_role = query(select!(AgentState, "WHERE run_id = $1 AND role = $2"));
    let by_role = by_role.bind(run_id.as_uuid()).bind(text(role.as_str()));
    let agent = find(session, by_role).await?;
    if agent.is_none() {
        check(session, run_id).await?;
    }
    Ok(agent)
}

pub(crate) async fn list_agents(session: &mut Session, run_id: RunId) -> Result<Vec<AgentState>> {
    let of_run = query(select!(AgentState, "WHERE run_id = $1")).bind(run_id.as_uuid());
    let mut agents: Vec<AgentState> = list(session, of_run).await?;
    if agents.is_empty() {
        check(session, run_id).await?;
    }
    // By the word, and not by how it is stored.
    agents.sort_by(|a, b| a.role.as_str().cmp(b.role.as_str()));
    Ok(agents)
}
