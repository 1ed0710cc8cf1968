//! The records as the format has them, byte by byte, and what becomes of damaged ones.

use std::fmt::Debug;

use runstore_core::{
    AgentState, Approval, Artifact, Checkpoint, Event, Run, TaskAttempt, TaskStatus,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::codec::{Binary, CodecError, Record, Stored, to_bytes};
use crate::parts::{TaskPlanned, TaskState};

const ID: &str = "01234567-89ab-7def-8123-456789abcdef";
const TIME: &str = "1970-01-01T00:00:00.000001Z";

/// The bytes of [`ID`], with their number before them.
const ID_BYTES: &[u8] = b"\x10\x01\x23\x45\x67\x89\xab\x7d\xef\x81\x23\x45\x67\x89\xab\xcd\xef";
/// [`TIME`] as a number of microseconds.
const TIME_BYTES: &[u8] = b"\x02";

fn bytes<T: Record>(record: &T) -> Vec<u8> {
    to_bytes(&record.row().unwrap()).unwrap()
}

/// Whatever is lost or changed of a record, reading it is an error or gives another record, and no panic.
fn check_damage<T: Record>(bytes: &[u8]) {
    for length in 0..bytes.len() {
        assert!(Binary::<T>::decode(&bytes[..length]).is_err(), "{length}");
    }
    let longer = [bytes, b"\0"].concat();
    let left_over = Binary::<T>::decode(&longer);
    assert!(matches!(left_over, Err(CodecError::LeftOver(1))));
    for index in 0..bytes.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff, bytes[index] ^ 1] {
            let mut damaged = bytes.to_vec();
            damaged[index] = value;
            drop(Binary::<T>::decode(&damaged));
        }
        // A length, a number or a time as large as there can be.
        let longest = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        let damaged = [&bytes[..index], longest, &bytes[index..]].concat();
        assert!(Binary::<T>::decode(&damaged).is_err());
    }
}

/// Checks that the record is written as these parts, which follow the byte of the layout, and reads as it.
fn check<T: Record + PartialEq + Debug + DeserializeOwned>(record: Value, parts: &[&[u8]]) {
    let record: T = serde_json::from_value(record).unwrap();
    let expected = [b"\x01", parts.concat().as_slice()].concat();
    assert_eq!(bytes(&record), expected, "{record:?}");
    assert_eq!(Binary::<T>::decode(&expected).unwrap(), record);
    check_damage::<T>(&expected);
}

#[test]
fn runs_and_agents_read_and_are_written_as_the_format_has_them() {
    let (id, time) = (ID_BYTES, TIME_BYTES);
    check::<Run>(
        json!({
            "id": ID, "goal": "g", "repoPath": "/r", "status": "planning", "summary": null,
            "cycleCount": 1, "replanCount": 128, "currentTaskId": ID,
            "createdAt": TIME, "updatedAt": TIME,
        }),
        &[
            id,
            b"\x01g",
            b"\x02/r",
            b"\x08planning",
            b"\0",
            b"\x01",
            b"\x80\x01",
            b"\x01",
            id,
            time,
            time,
        ],
    );
    check::<AgentState>(
        json!({
            "runId": ID, "role": "a word", "sessionId": "s", "turns": 0, "rotationCount": 2,
            "lastPromptPath": null, "lastResponsePath": null, "updatedAt": TIME,
        }),
        &[
            id,
            b"\x06a word",
            b"\x01\x01s",
            b"\0",
            b"\x02",
            b"\0",
            b"\0",
            time,
        ],
    );
}

#[test]
fn the_journal_reads_and_is_written_as_the_format_has_it() {
    let (id, time) = (ID_BYTES, TIME_BYTES);
    check::<TaskAttempt>(
        json!({
            "id": ID, "runId": ID, "taskId": ID, "attemptNumber": 1, "status": "failed",
            "summary": "s", "blockerSignature": "b", "resultJson": "{\"b\":1.0,\"a\":1}",
            "createdAt": TIME,
        }),
        &[
            id,
            id,
            id,
            b"\x01",
            b"\x06failed",
            b"\x01s",
            b"\x01\x01b",
            b"\x0f{\"b\":1.0,\"a\":1}",
            time,
        ],
    );
    check::<Event>(
        json!({
            "runId": ID, "id": 300, "eventId": ID, "ts": TIME, "source": "s", "kind": "k",
            "message": "m", "payload": {"b": 1, "a": 1.0},
        }),
        &[
            id,
            b"\xac\x02",
            b"\x01",
            id,
            time,
            b"\x01s",
            b"\x01k",
            b"\x01m",
            b"\x0f{\"b\":1,\"a\":1.0}",
        ],
    );
    check::<Artifact>(
        json!({
            "id": ID, "runId": ID, "role": "checker", "kind": "k", "path": "p",
            "createdAt": "1969-12-31T23:59:59.999999Z", "metadata": null,
        }),
        &[
            id,
            id,
            b"\x01\x07checker",
            b"\x01k",
            b"\x01p",
            b"\x01",
            b"\x04null",
        ],
    );
    check::<Approval>(
        json!({
            "id": ID, "runId": ID, "source": "human", "verdict": "approved", "rationale": "",
            "payload": [], "createdAt": TIME,
        }),
        &[
            id,
            id,
            b"\x05human",
            b"\x08approved",
            b"\0",
            b"\x02[]",
            time,
        ],
    );
    check::<Checkpoint>(
        json!({
            "id": ID, "runId": ID, "status": "running", "payload": "\u{0}", "createdAt": TIME,
        }),
        &[id, id, b"\x07running", b"\x08\"\\u0000\"", time],
    );
}

/// Checks that a value of these parts reads, and is written the same.
fn check_part<T: Record>(parts: &[&[u8]]) -> T {
    let value = [b"\x01", parts.concat().as_slice()].concat();
    let part = Binary::<T>::decode(&value).unwrap();
    assert_eq!(bytes(&part), value);
    check_damage::<T>(&value);
    part
}

#[test]
fn both_parts_of_a_task_read_and_are_written_as_the_format_has_them() {
    let (id, time) = (ID_BYTES, TIME_BYTES);
    let planned: TaskPlanned = check_part(&[
        id,
        b"\x01t",
        b"\x01o",
        b"\x02\x01a\x01b",
        b"\0",
        b"\x01\x01p",
        b"\x01",
        id,
        b"\x01\x03",
        time,
    ]);
    assert_eq!(planned.id.to_string(), ID);
    assert_eq!(planned.depends_on, [planned.id]);
    let state: TaskState = check_part(&[
        // What the store keeps: number, unmet dependencies, last attempt, whether it is reported.
        b"\x80\x01",
        b"\x02",
        b"\x07",
        b"\x01",
        // Attempts, priority, not before, delayed until, worker, end of the lease, summary, blocker.
        b"\x03",
        b"\x01",
        b"\x01",
        time,
        b"\x01",
        time,
        b"\x01\x01w",
        b"\x01",
        b"\x04",
        b"\x01\x01s",
        b"\x01\x01b",
        time,
    ]);
    let kept = state.kept;
    assert_eq!((kept.number, kept.unmet), (128, 2));
    assert_eq!((kept.last_attempt, kept.is_reported), (7, true));
    assert_eq!((state.attempt_count, state.priority), (3, -1));
    assert_eq!(state.lease_expires_at.unwrap().as_micros(), 2);
    let available_from = state.available_from(TaskStatus::InProgress);
    assert_eq!(available_from, state.lease_expires_at);
}

#[test]
fn a_layout_of_a_later_version_and_a_time_that_is_none_are_told() {
    let unknown = Binary::<TaskState>::decode(b"\x02\0\0");
    assert!(matches!(unknown, Err(CodecError::Layout(Some(2)))));
    let empty = Binary::<TaskState>::decode(b"");
    assert!(matches!(empty, Err(CodecError::Layout(None))));
    let parts: [&[u8]; 6] = [
        b"\x01",
        ID_BYTES,
        ID_BYTES,
        b"\0",
        b"\x04null",
        b"\xff\xff\xff\xff",
    ];
    let late = [&parts.concat()[..], b"\xff\xff\xff\xff\xff\x01"].concat();
    let late = Binary::<Checkpoint>::decode(&late);
    assert!(matches!(late, Err(CodecError::Time(i64::MIN))), "{late:?}");
}
