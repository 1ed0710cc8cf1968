//! Runs (clauses R1 to R5) and agents (A1, A2).

use std::ops::{Bound, Range};

use runstore_core::rules::{create, events, retry, runs};
use runstore_core::{
    AgentRole, AgentState, Change, Error, ListRuns, NewRun, Page, RecordKind, Result, Run, RunId,
    RunUpdate, SaveAgentState, Timestamp,
};

use crate::journal::page;
use crate::schema::{META_LAST_RUN_NUMBER, Tables};
use crate::states::RunKey;
use crate::table::{Access, Writing};

fn agents_of(run: RunKey) -> Range<(u64, &'static [u8])> {
    (run.number, b"".as_slice())..(run.number, b"\xff".as_slice())
}

impl<A: Access> Tables<A> {
    /// The run with its number.
    ///
    /// # Errors
    /// `NotFound` if there is no such run (clause G7).
    pub(crate) fn run_key(&self, id: RunId) -> Result<RunKey> {
        match self.run_numbers.find(id.as_uuid())? {
            Some(number) => Ok(RunKey { id, number }),
            None => Err(Error::not_found(RecordKind::Run, id)),
        }
    }

    /// As [`run_key`](Self::run_key), if the call names a run.
    pub(crate) fn run_in_scope(&self, scope: Option<RunId>) -> Result<Option<RunKey>> {
        scope.map(|run_id| self.run_key(run_id)).transpose()
    }

    /// The run with that number; it is looked up if it is not the one that is known already.
    pub(crate) fn run_numbered(&self, number: u64, known: Option<RunKey>) -> Result<RunKey> {
        match known {
            Some(run) if run.number == number => Ok(run),
            _ => {
                let id = self.runs_by_number.get(number)?.into();
                Ok(RunKey { id, number })
            }
        }
    }

    /// All runs, in creation order.
    pub(crate) fn run_keys(&self) -> Result<Vec<RunKey>> {
        let runs = self.runs_by_number.entries(.., |number, id| RunKey {
            id: id.into(),
            number,
        });
        runs?.collect()
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
        let run = self.run_key(run_id)?;
        self.agents.find((run.number, role.as_str().as_bytes()))
    }

    pub(crate) fn list_agent_states(&self, run_id: RunId) -> Result<Vec<AgentState>> {
        let run = self.run_key(run_id)?;
        self.agents_of(run)
    }

    pub(crate) fn agents_of(&self, run: RunKey) -> Result<Vec<AgentState>> {
        self.agents.values(agents_of(run))?.collect()
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
        let key = RunKey { id: run.id, number };
        self.push_event_draft(key, events::run_created(&run), now)?;
        Ok(run)
    }

    pub(crate) fn update_run(&mut self, update: RunUpdate, now: Timestamp) -> Result<Run> {
        let run = self.get_run(update.run_id)?;
        if let Change::Set(task_id) = update.current_task_id {
            self.check_task_of_run(task_id, self.run_key(run.id)?)?;
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
        let run = self.run_key(run_id)?;
        self.remove_tasks(run)?;
        self.attempts.remove_run(run)?;
        self.events.remove_run(run)?;
        self.artifacts.remove_run(run)?;
        self.approvals.remove_run(run)?;
        self.checkpoints.remove_run(run)?;
        self.agents.remove_range(agents_of(run))?;
        self.runs_by_number.remove(run.number)?;
        self.run_numbers.remove(run_id.as_uuid())?;
        self.runs.remove(run_id.as_uuid())?;
        self.wakes.gone(run_id);
        Ok(())
    }

    pub(crate) fn save_agent_state(
        &mut self,
        save: SaveAgentState,
        now: Timestamp,
    ) -> Result<AgentState> {
        let run = self.run_key(save.run_id)?;
        let agent = create::agent_state(save, now);
        let key = (run.number, agent.role.as_str().as_bytes());
        self.agents.write(key, &agent)?;
        Ok(agent)
    }
}
