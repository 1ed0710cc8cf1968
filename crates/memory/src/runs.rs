//! Runs (clauses R1 to R5) and agents (A1, A2).

use runstore_core::rules::{create, events, retry, runs};
use runstore_core::{
    AgentRole, AgentState, Change, ListRuns, NewRun, Page, Result, Run, RunId, RunUpdate,
    SaveAgentState, Timestamp,
};

use crate::state::State;

impl State {
    pub(crate) fn create_run(&mut self, new: NewRun, now: Timestamp) -> Result<Run> {
        let run = create::run(new, now);
        if let Some(stored) = self.find_run(run.id) {
            return retry::answer(stored.run.clone(), &run);
        }
        self.insert_run(run.clone());
        self.push_event_draft(run.id, events::run_created(&run), now)?;
        Ok(run)
    }

    pub(crate) fn get_run(&self, run_id: RunId) -> Result<Run> {
        Ok(self.run(run_id)?.run.clone())
    }

    pub(crate) fn list_runs(&self, list: &ListRuns) -> Page<Run> {
        let wanted = |run: &Run| {
            list.status
                .as_ref()
                .is_none_or(|status| *status == run.status)
        };
        let rows = self
            .runs_before(list.page.after)
            .map(|(number, state)| (number, state.run.clone()))
            .filter(|(_, run)| wanted(run));
        Page::from_numbered(rows, list.page)
    }

    pub(crate) fn update_run(&mut self, update: RunUpdate, now: Timestamp) -> Result<Run> {
        self.run(update.run_id)?;
        if let Change::Set(task_id) = update.current_task_id {
            self.task_of_run(task_id, update.run_id)?;
        }
        self.change_run(update.run_id, |run| Ok(runs::updated(run, update, now)))
    }

    pub(crate) fn increment_cycle(&mut self, run_id: RunId, now: Timestamp) -> Result<Run> {
        self.change_run(run_id, |run| runs::with_cycle(run, now))
    }

    pub(crate) fn increment_replan(&mut self, run_id: RunId, now: Timestamp) -> Result<Run> {
        self.change_run(run_id, |run| runs::with_replan(run, now))
    }

    fn change_run(
        &mut self,
        run_id: RunId,
        change: impl FnOnce(Run) -> Result<Run>,
    ) -> Result<Run> {
        let state = self.run_mut(run_id)?;
        state.run = change(state.run.clone())?;
        Ok(state.run.clone())
    }

    pub(crate) fn save_agent_state(
        &mut self,
        save: SaveAgentState,
        now: Timestamp,
    ) -> Result<AgentState> {
        let agent = create::agent_state(save, now);
        let run = self.run_mut(agent.run_id)?;
        run.agents.insert(agent.role.clone(), agent.clone());
        Ok(agent)
    }

    pub(crate) fn get_agent_state(
        &self,
        run_id: RunId,
        role: &AgentRole,
    ) -> Result<Option<AgentState>> {
        Ok(self.run(run_id)?.agents.get(role).cloned())
    }

    pub(crate) fn list_agent_states(&self, run_id: RunId) -> Result<Vec<AgentState>> {
        Ok(self.run(run_id)?.agents.values().cloned().collect())
    }
}
