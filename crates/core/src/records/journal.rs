use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    AgentRole, ApprovalId, ApprovalSource, ApprovalVerdict, ArtifactId, AttemptId, AttemptStatus,
    CheckpointId, EventId, RunId, RunStatus, TaskId, Timestamp,
};

/// One try at a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskAttempt {
    /// Its id.
    pub id: AttemptId,
    /// The task's run.
    pub run_id: RunId,
    /// The task.
    pub task_id: TaskId,
    /// Which try it was, as its writer counts.
    pub attempt_number: u32,
    /// How it ended.
    pub status: AttemptStatus,
    /// A word on it.
    pub summary: String,
    /// What it met, in a form that two tries can be compared by.
    pub blocker_signature: Option<String>,
    /// What it gave. In JSON the field is `resultJson`, a text that holds JSON.
    #[serde(rename = "resultJson", with = "json_text")]
    pub result: Value,
    /// When it was written.
    pub created_at: Timestamp,
}

/// An entry of a run's journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The run.
    pub run_id: RunId,
    /// Its number within the run: 1, 2, 3 … without gaps (clause J1). In JSON the field is `id`.
    #[serde(rename = "id")]
    pub seq: u64,
    /// The id that its writer gave it, if any (clause G9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// When it was written.
    pub ts: Timestamp,
    /// Who wrote it.
    pub source: String,
    /// What kind of thing happened.
    pub kind: String,
    /// What happened, for a person.
    pub message: String,
    /// What happened, for a program.
    pub payload: Value,
}

/// A file or other product of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Its id.
    pub id: ArtifactId,
    /// The run.
    pub run_id: RunId,
    /// Whose it is.
    pub role: Option<AgentRole>,
    /// What it is.
    pub kind: String,
    /// Where it is.
    pub path: String,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// More about it.
    pub metadata: Value,
}

/// A saved state of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// Its id.
    pub id: CheckpointId,
    /// The run.
    pub run_id: RunId,
    /// Where the run stood.
    pub status: RunStatus,
    /// The state itself.
    pub payload: Value,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A verdict on a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The run.
    pub run_id: RunId,
    /// Who gave it.
    pub source: ApprovalSource,
    /// What it says.
    pub verdict: ApprovalVerdict,
    /// Why.
    pub rationale: String,
    /// More about it.
    pub payload: Value,
    /// When it was given.
    pub created_at: Timestamp,
}

/// JSON kept as a text within JSON.
mod json_text {
    use serde::{Deserialize, Deserializer, Serializer, de, ser};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(
        value: &Value,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(value).map_err(ser::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Value, D::Error> {
        let text = String::deserialize(deserializer)?;
        serde_json::from_str(&text).map_err(de::Error::custom)
    }
}
