//! Runs (clauses R1 to R5) and agents (A1, A2).

use std::ops::{Bound, Range};

use runstore_core::rules::{create, events, retry, runs};
use runstore_core::{
    AgentRole, AgentState, Change, Error, ListRuns, NewRun, Page, RecordKind, Result, Run, RunId,
    RunUpdate, SaveAgentState, Timestamp, Uuid,
};

use crate::journal::page;
use crate::schema::{META_LAST_RUN_NUMBER, Tables};
use crate::table::{Access, Writing};

fn agents_of(run_id: RunId) -> Range<(Uuid, &'static [u8])> {
    let run_id = run_id.as_uuid();
    (run_id, b"".as_slice())..(run_id, b"\xff".as_slice())
}

impl<A: Access> Tables<A> {
    /// Checks that there is such a run (clause G7).
    pub(crate) fn check_run(&self, run_id: RunId) -> Result<()> {
        match self.run_numbers.contains(run_id.as_uuid())? {
            true => Ok(()),
            false => Err(Error::not_found(RecordKind::Run, run_id)),
        }
    }

    /// Checks that there is such a run, if the call names one.
    pub(crate) fn check_scope(&self, scope: Option<RunId>) -> Result<()> {
        scope.map_or(Ok(()), |run_id| self.check_run(run_id))
    }

    /// All runs, in creation order.
    pub(crate) fn run_ids(&self) -> Result<Vec<RunId>> {
        let ids = self.runs_by_number.values(..)?;
        ids.map(|id| id.map(RunId::from)).collect()
    }

    pub(crate) fn get_run(&self, run_id: RunId) -> Result<Run> {
        let run = self.runs.find(run_id.as_uuid())?;
        run.ok_or_else(|| Error::not_found(RecordKind::Run, run_id))
    }

    pub(crate) fn list_runs(&self, list: &ListRuns) -> Result<Page<Run>> {
        let before = list
            .page
            .after
            .map_or(Bound::Unbounded, |cursor| Bound::Excluded(cursor.number()));
        let numbers = self.runs_by_number.rows((Bound::Unbounded, before))?;
        let rows = numbers.rev().map(|row| {
            let (number, run_id) = row?;
            Ok((number, self.runs.get(run_id)?))
        });
        let status = list.status.as_ref();
        page(rows, list.page, |run| {
            status.is_none_or(|status| *status == run.status)
        })
    }

    pub(crate) fn get_agent_state(
        &self,
        run_id: RunId,
        role: &AgentRole,
    ) -> Result<Option<AgentState>> {
        self.check_run(run_id)?;
        let key = (run_id.as_uuid(), role.as_str().as_bytes());
        self.agents.find(key)
    }

    pub(crate) fn list_agent_states(&self, run_id: RunId) -> Result<Vec<AgentState>> {
        self.check_run(run_id)?;
        self.agents.values(agents_of(run_id))?.collect()
    }
}

impl Tables<Writing<'_>> {
    pub(crate) fn create_run(&mut self, new: NewRun, now: Timestamp) -> Result<Run> {
        let run = create::run(new, now);
        let id = run.id.as_uuid();
        if let Some(stored) = self.runs.find(id)? {
            return retry::answer(stored, &run);
        }
        // Counted rather than found: the number of a deleted run is not given again.
        let number = self.meta.find(META_LAST_RUN_NUMBER)?.unwrap_or(0) + 1;
        self.meta.put(META_LAST_RUN_NUMBER, number)?;
        self.run_numbers.put(id, number)?;
        self.runs_by_number.put(number, id)?;
        self.runs.write(id, &run)?;
        self.push_event_draft(run.id, events::run_created(&run), now)?;
        Ok(run)
    }

    pub(crate) fn update_run(&mut self, update: RunUpdate, now: Timestamp) -> Result<Run> {
        let run = self.get_run(update.run_id)?;
        if let Change::Set(task_id) = update.current_task_id {
            self.check_task_of_run(task_id, run.id)?;
        }
        if update.is_empty() {
            return Ok(run);
        }
        self.put_run(runs::updated(run, update, now))
    }

    pub(crate) fn increment_cycle(&mut self, run_id: RunId, now: Timestamp) -> Result<Run> {
        let run = runs::with_cycle(self.get_run(run_id)?, now)?;
        self.put_run(run)
    }

    pub(crate) fn increment_replan(&mut self, run_id: RunId, now: Timestamp) -> Result<Run> {
        let run = runs::with_replan(self.get_run(run_id)?, now)?;
        self.put_run(run)
    }

    fn put_run(&mut self, run: Run) -> Result<Run> {
        self.runs.write(run.id.as_uuid(), &run)?;
        Ok(run)
    }

    pub(crate) fn delete_run(&mut self, run_id: RunId) -> Result<()> {
        self.check_run(run_id)?;
        let id = run_id.as_uuid();
        let number = self.run_numbers.get(id)?;
        self.remove_tasks(run_id)?;
        self.attempts.remove_run(run_id)?;
        self.events.remove_run(run_id)?;
        self.artifacts.remove_run(run_id)?;
        self.approvals.remove_run(run_id)?;
        self.checkpoints.remove_run(run_id)?;
        self.agents.remove_range(agents_of(run_id))?;
        self.runs_by_number.remove(number)?;
        self.run_numbers.remove(id)?;
        self.runs.remove(id)?;
        self.wakes.gone(run_id);
        Ok(())
    }

    pub(crate) fn save_agent_state(
        &mut self,
        save: SaveAgentState,
        now: Timestamp,
    ) -> Result<AgentState> {
        self.check_run(save.run_id)?;
        let agent = create::agent_state(save, now);
        let key = (agent.run_id.as_uuid(), agent.role.as_str().as_bytes());
        self.agents.write(key, &agent)?;
        Ok(agent)
    }
}
