//! Bytes to records and back. `docs/formats.md` describes the file.

use std::any::type_name;
use std::fmt::{self, Debug};
use std::marker::PhantomData;

use redb::{Key, TypeName, Value};
use runstore_core::{RunId, Task, TaskId, TaskStanding, TaskStatus, Timestamp, Uuid};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A value of a table, and what it is read as.
pub(crate) trait Stored: Value + 'static {
    /// What it is read as.
    type Decoded;

    /// Reads the value.
    fn decode(value: Self::SelfType<'_>) -> Result<Self::Decoded, serde_json::Error>;
}

macro_rules! stored_as_it_is {
    ($($value:ty),+) => {
        $(
            impl Stored for $value {
                type Decoded = Self;

                fn decode(value: Self) -> Result<Self, serde_json::Error> {
                    Ok(value)
                }
            }
        )+
    };
}
stored_as_it_is!((), u64, Uuid, (Uuid, u64));

/// A key that ends in a number, by which the rows of a list are ordered.
pub(crate) trait Numbered: Key + 'static {
    /// That number.
    fn number(key: Self::SelfType<'_>) -> u64;
}

impl Numbered for u64 {
    fn number(key: Self) -> u64 {
        key
    }
}

impl Numbered for (Uuid, u64) {
    fn number((_, number): Self) -> u64 {
        number
    }
}

impl Numbered for (Uuid, u8, u64) {
    fn number((_, _, number): Self) -> u64 {
        number
    }
}

/// A record as JSON. For redb these are plain bytes: reading them as a record may fail, and redb's own
/// decoding must not.
pub(crate) struct Json<T>(PhantomData<fn() -> T>);

impl<T> Debug for Json<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Json<{}>", type_name::<T>())
    }
}

impl<T: 'static> Value for Json<T> {
    type SelfType<'a> = &'a [u8];
    type AsBytes<'a> = &'a [u8];

    fn fixed_width() -> Option<usize> {
        None
    }

    fn from_bytes<'a>(data: &'a [u8]) -> &'a [u8]
    where
        Self: 'a,
    {
        data
    }

    fn as_bytes<'a, 'b: 'a>(value: &'a &'b [u8]) -> &'a [u8]
    where
        Self: 'b,
    {
        value
    }

    fn type_name() -> TypeName {
        <&[u8]>::type_name()
    }
}

impl<T: DeserializeOwned + 'static> Stored for Json<T> {
    type Decoded = T;

    fn decode(value: &[u8]) -> Result<T, serde_json::Error> {
        serde_json::from_slice(value)
    }
}

/// A status in a key. The numbers are part of the format.
pub(crate) const fn status_number(status: TaskStatus) -> u8 {
    match status {
        TaskStatus::Pending => 1,
        TaskStatus::InProgress => 2,
        TaskStatus::Completed => 3,
        TaskStatus::Blocked => 4,
        TaskStatus::Abandoned => 5,
    }
}

/// The part of a task that never changes. It is kept apart because what a claim and a completion cost is
/// the size of the value that they write.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskPlanned {
    title: String,
    objective: String,
    acceptance_criteria: Vec<String>,
    verification_steps: Vec<String>,
    allowed_paths: Vec<String>,
    created_at: Timestamp,
}

/// The part of a task that changes, with its place, so that an index can be kept without the other part.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskState {
    pub(crate) run_id: RunId,
    position: u64,
    status: TaskStatus,
    attempt_count: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    implementation_summary: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blocker_signature: Option<String>,
    updated_at: Timestamp,
}

impl From<&Task> for TaskPlanned {
    fn from(task: &Task) -> Self {
        Self {
            title: task.title.clone(),
            objective: task.objective.clone(),
            acceptance_criteria: task.acceptance_criteria.clone(),
            verification_steps: task.verification_steps.clone(),
            allowed_paths: task.allowed_paths.clone(),
            created_at: task.created_at,
        }
    }
}

impl From<&Task> for TaskState {
    fn from(task: &Task) -> Self {
        Self {
            run_id: task.run_id,
            position: task.position,
            status: task.status,
            attempt_count: task.attempt_count,
            implementation_summary: task.implementation_summary.clone(),
            blocker_signature: task.blocker_signature.clone(),
            updated_at: task.updated_at,
        }
    }
}

impl TaskState {
    /// What a token is held against.
    pub(crate) const fn standing(&self) -> TaskStanding {
        TaskStanding {
            run_id: self.run_id,
            status: self.status,
            attempt_count: self.attempt_count,
        }
    }
}

/// The task of its two parts.
pub(crate) fn task(id: TaskId, planned: TaskPlanned, state: TaskState) -> Task {
    Task {
        id,
        run_id: state.run_id,
        position: state.position,
        title: planned.title,
        objective: planned.objective,
        acceptance_criteria: planned.acceptance_criteria,
        verification_steps: planned.verification_steps,
        allowed_paths: planned.allowed_paths,
        status: state.status,
        attempt_count: state.attempt_count,
        implementation_summary: state.implementation_summary,
        blocker_signature: state.blocker_signature,
        created_at: planned.created_at,
        updated_at: state.updated_at,
    }
}

#[cfg(test)]
mod tests {
    use runstore_core::{AgentState, Approval, Artifact, Checkpoint, Event, Run, TaskAttempt};
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "01234567-89ab-7def-8123-456789abcdef";
    const TIME: &str = "2026-03-01T10:00:01.000000Z";

    /// A record as the first version of the format wrote it: it must read, and be written the same.
    fn check<T: Serialize + DeserializeOwned + 'static>(written: &Value) {
        let bytes = serde_json::to_vec(written).unwrap();
        let record = Json::<T>::decode(&bytes).unwrap();
        let again = serde_json::to_string(&record).unwrap();
        assert_eq!(again, written.to_string());
    }

    #[test]
    fn records_of_the_first_format_read_and_are_written_alike() {
        check::<Run>(&json!({
            "id": ID, "goal": "g", "repoPath": "r", "status": "planning", "summary": null,
            "cycleCount": 0, "replanCount": 0, "currentTaskId": null,
            "createdAt": TIME, "updatedAt": TIME,
        }));
        check::<AgentState>(&json!({
            "runId": ID, "role": "strategy", "sessionId": null, "turns": 0, "rotationCount": 0,
            "lastPromptPath": null, "lastResponsePath": null, "updatedAt": TIME,
        }));
        check::<TaskPlanned>(&json!({
            "title": "t", "objective": "o", "acceptanceCriteria": [], "verificationSteps": [],
            "allowedPaths": [], "createdAt": TIME,
        }));
        check::<TaskState>(&json!({
            "runId": ID, "position": 1, "status": "blocked", "attemptCount": 1,
            "implementationSummary": "s", "blockerSignature": "b", "updatedAt": TIME,
        }));
        check::<TaskState>(&json!({
            "runId": ID, "position": 1, "status": "in_progress", "attemptCount": 1,
            "updatedAt": TIME,
        }));
        check::<TaskAttempt>(&json!({
            "id": ID, "runId": ID, "taskId": ID, "attemptNumber": 1, "status": "failed",
            "summary": "s", "blockerSignature": null, "resultJson": "{\"a\":1.0}",
            "createdAt": TIME,
        }));
        check::<Event>(&json!({
            "runId": ID, "id": 1, "eventId": ID, "ts": TIME, "source": "s", "kind": "k",
            "message": "m", "payload": {"b": 1, "a": 1.0},
        }));
        check::<Artifact>(&json!({
            "id": ID, "runId": ID, "role": null, "kind": "k", "path": "p", "createdAt": TIME,
            "metadata": null,
        }));
        check::<Approval>(&json!({
            "id": ID, "runId": ID, "source": "human", "verdict": "approved", "rationale": "r",
            "payload": null, "createdAt": TIME,
        }));
        check::<Checkpoint>(&json!({
            "id": ID, "runId": ID, "status": "running", "payload": null, "createdAt": TIME,
        }));
    }

    #[test]
    fn a_field_of_a_later_version_is_passed_over() {
        let state = json!({
            "runId": ID, "position": 1, "status": "pending", "attemptCount": 0, "updatedAt": TIME,
            "priority": 7,
        });
        let bytes = serde_json::to_vec(&state).unwrap();
        assert!(Json::<TaskState>::decode(&bytes).is_ok());
    }

    #[test]
    fn every_status_has_a_number_of_its_own() {
        let numbers = TaskStatus::ALL.map(status_number);
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
    }
}
