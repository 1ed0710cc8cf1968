use serde::{Deserialize, Serialize};

use super::with;
use crate::{AgentRole, PageRequest, RunId, RunStatus, TaskId, Timestamp};

/// A run to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct NewRun {
    /// Its id; made by the store if unset (clause G9).
    #[serde(default)]
    pub id: Option<RunId>,
    /// What it is to reach; must not be empty.
    pub goal: String,
    /// The repository that it works in.
    pub repo_path: String,
}

impl NewRun {
    /// A run toward `goal` in the repository at `repo_path`.
    pub fn new(goal: impl Into<String>, repo_path: impl Into<String>) -> Self {
        Self {
            id: None,
            goal: goal.into(),
            repo_path: repo_path.into(),
        }
    }

    with! {
        /// Gives the run an id, so that the call can be retried (clause G9).
        with_id: id = RunId
    }
}

/// What to do with a field that may be unset.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change<T> {
    /// Leave it.
    #[default]
    Keep,
    /// Unset it.
    Clear,
    /// Set it.
    Set(T),
}

impl<T> Change<T> {
    /// Whether the field is named at all.
    #[must_use]
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The field after the change.
    #[must_use]
    pub fn apply(self, field: Option<T>) -> Option<T> {
        match self {
            Self::Keep => field,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }
}

/// Fields of a run to change; those not named are left as they are (clause R3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RunUpdate {
    /// The run.
    pub run_id: RunId,
    /// Its new status; left if unset.
    #[serde(default)]
    pub status: Option<RunStatus>,
    /// What to do with its summary.
    #[serde(default)]
    pub summary: Change<String>,
    /// What to do with its current task, which must be a task of the run.
    #[serde(default)]
    pub current_task_id: Change<TaskId>,
}

impl RunUpdate {
    /// An update of the run that names no field yet.
    #[must_use]
    pub const fn new(run_id: RunId) -> Self {
        Self {
            run_id,
            status: None,
            summary: Change::Keep,
            current_task_id: Change::Keep,
        }
    }

    with! {
        /// Sets the status.
        with_status: status = RunStatus
    }

    /// Sets the summary.
    #[must_use]
    pub fn with_summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Change::Set(summary.into());
        self
    }

    /// Clears the summary.
    #[must_use]
    pub fn clear_summary(mut self) -> Self {
        self.summary = Change::Clear;
        self
    }

    /// Sets the current task.
    #[must_use]
    pub fn with_current_task(mut self, task_id: TaskId) -> Self {
        self.current_task_id = Change::Set(task_id);
        self
    }

    /// Clears the current task.
    #[must_use]
    pub fn clear_current_task(mut self) -> Self {
        self.current_task_id = Change::Clear;
        self
    }

    /// Whether it names no field.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.status.is_none() && self.summary.is_keep() && self.current_task_id.is_keep()
    }
}

/// Which runs to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ListRuns {
    /// Only those with this status.
    pub status: Option<RunStatus>,
    /// Which part of the list.
    pub page: PageRequest,
}

impl ListRuns {
    /// All runs.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    with! {
        /// Only runs with this status.
        with_status: status = RunStatus
    }

    /// Only this part of the list.
    #[must_use]
    pub fn with_page(mut self, page: PageRequest) -> Self {
        self.page = page;
        self
    }
}

/// The state of an agent to save, over any that its role had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SaveAgentState {
    /// The run.
    pub run_id: RunId,
    /// The agent's part in it.
    pub role: AgentRole,
    /// The agent's session with its model.
    #[serde(default)]
    pub session_id: Option<String>,
    /// Turns taken.
    #[serde(default)]
    pub turns: u32,
    /// How often the session was replaced by a new one.
    #[serde(default)]
    pub rotation_count: u32,
    /// Where the last prompt is kept.
    #[serde(default)]
    pub last_prompt_path: Option<String>,
    /// Where the last response is kept.
    #[serde(default)]
    pub last_response_path: Option<String>,
    /// The record's time; the store's clock if unset.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
}

impl SaveAgentState {
    /// The state of an agent that has done nothing yet.
    pub fn new(run_id: RunId, role: impl Into<AgentRole>) -> Self {
        Self {
            run_id,
            role: role.into(),
            session_id: None,
            turns: 0,
            rotation_count: 0,
            last_prompt_path: None,
            last_response_path: None,
            updated_at: None,
        }
    }

    with! {
        /// Names the agent's session.
        with_session_id: session_id = String,
        /// Names where the last prompt is kept.
        with_last_prompt_path: last_prompt_path = String,
        /// Names where the last response is kept.
        with_last_response_path: last_response_path = String,
        /// Gives the record a time of the caller's.
        with_updated_at: updated_at = Timestamp,
    }

    /// Sets the number of turns.
    #[must_use]
    pub const fn with_turns(mut self, turns: u32) -> Self {
        self.turns = turns;
        self
    }

    /// Sets the number of rotations.
    #[must_use]
    pub const fn with_rotation_count(mut self, rotation_count: u32) -> Self {
        self.rotation_count = rotation_count;
        self
    }
}
