use serde::{Deserialize, Serialize};

use crate::{AgentRole, RunId, RunStatus, TaskId, Timestamp};

/// A run: work toward one goal in one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// What it is to reach. Never empty.
    pub goal: String,
    /// The repository that it works in.
    pub repo_path: String,
    /// Where it stands; `planning` at first.
    pub status: RunStatus,
    /// A word on where it stands.
    pub summary: Option<String>,
    /// How often its cycle was counted.
    pub cycle_count: u32,
    /// How often a new plan was counted.
    pub replan_count: u32,
    /// The task that its orchestrator names as current.
    pub current_task_id: Option<TaskId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When one of its own fields last changed; no task call touches it.
    pub updated_at: Timestamp,
}

/// The state of an agent in a run: one record a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentState {
    /// The run.
    pub run_id: RunId,
    /// The agent's part in it.
    pub role: AgentRole,
    /// The agent's session with its model.
    pub session_id: Option<String>,
    /// Turns taken.
    pub turns: u32,
    /// How often the session was replaced by a new one.
    pub rotation_count: u32,
    /// Where the last prompt is kept.
    pub last_prompt_path: Option<String>,
    /// Where the last response is kept.
    pub last_response_path: Option<String>,
    /// When the record was saved, by the store's clock unless the caller gave a time.
    pub updated_at: Timestamp,
}
