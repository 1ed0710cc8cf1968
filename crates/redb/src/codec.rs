//! Bytes to records and back. `docs/formats.md` describes the file.

use std::any::type_name;
use std::fmt::{self, Debug};
use std::marker::PhantomData;

use redb::{Key, TypeName, Value};
use runstore_core::{TaskStatus, Uuid};
use serde::de::DeserializeOwned;

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

#[cfg(test)]
mod tests {
    use runstore_core::{AgentState, Approval, Artifact, Checkpoint, Event, Run, TaskAttempt};
    use serde::Serialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::parts::{TaskPlanned, TaskState};

    const ID: &str = "01234567-89ab-7def-8123-456789abcdef";
    const TIME: &str = "2026-03-01T10:00:01.000000Z";

    /// A record as the format has it: it must read, and be written the same.
    fn check<T: Serialize + DeserializeOwned + 'static>(written: &Value) {
        let bytes = serde_json::to_vec(written).unwrap();
        let record = Json::<T>::decode(&bytes).unwrap();
        let again = serde_json::to_string(&record).unwrap();
        assert_eq!(again, written.to_string());
    }

    #[test]
    fn records_of_the_format_read_and_are_written_alike() {
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
        check::<TaskPlanned>(&json!({
            "title": "t", "objective": "o", "acceptanceCriteria": [], "verificationSteps": [],
            "allowedPaths": [], "dependsOn": [ID], "maxAttempts": 3, "createdAt": TIME,
        }));
        check::<TaskState>(&json!({
            "runId": ID, "position": 1, "number": 7, "status": "pending", "attemptCount": 0,
            "updatedAt": TIME,
        }));
        check::<TaskState>(&json!({
            "runId": ID, "position": 1, "number": 7, "status": "blocked", "attemptCount": 1,
            "priority": -1, "notBefore": TIME, "unmet": 2, "delayedUntil": TIME, "worker": "w",
            "leaseExpiresAt": TIME, "implementationSummary": "s", "blockerSignature": "b",
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
    fn a_state_of_the_first_format_reads_as_one_without_a_number() {
        let state = json!({
            "runId": ID, "position": 1, "status": "in_progress", "attemptCount": 1,
            "updatedAt": TIME,
        });
        let bytes = serde_json::to_vec(&state).unwrap();
        assert_eq!(Json::<TaskState>::decode(&bytes).unwrap().number, 0);
    }

    #[test]
    fn a_field_of_a_later_version_is_passed_over() {
        let state = json!({
            "runId": ID, "position": 1, "number": 1, "status": "pending", "attemptCount": 0,
            "updatedAt": TIME, "later": 7,
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
