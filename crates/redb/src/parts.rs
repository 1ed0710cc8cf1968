//! A task in its two parts, as the tables hold them.

use runstore_core::rules::schedule;
use runstore_core::{RunId, Task, TaskId, TaskStatus, Timestamp, Uuid};
use serde::{Deserialize, Serialize};

use crate::codec::{CodecError, Record, time, time_if_set};
use crate::states::Found;

/// The part of a task that never changes and that only those who want the whole task read. It is kept
/// apart because what a claim and a completion cost is the size of the value that they write.
#[derive(Debug)]
pub(crate) struct TaskPlanned {
    pub(crate) id: TaskId,
    title: String,
    objective: String,
    acceptance_criteria: Vec<String>,
    verification_steps: Vec<String>,
    allowed_paths: Vec<String>,
    pub(crate) depends_on: Vec<TaskId>,
    max_attempts: Option<u32>,
    created_at: Timestamp,
}

/// [`TaskPlanned`] as it is written.
#[derive(Serialize, Deserialize)]
pub(crate) struct PlannedRow<'a> {
    id: Uuid,
    title: &'a str,
    objective: &'a str,
    #[serde(borrow)]
    acceptance_criteria: Vec<&'a str>,
    #[serde(borrow)]
    verification_steps: Vec<&'a str>,
    #[serde(borrow)]
    allowed_paths: Vec<&'a str>,
    depends_on: Vec<Uuid>,
    max_attempts: Option<u32>,
    created_at: i64,
}

fn borrowed(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}

fn owned(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}

impl<'a> PlannedRow<'a> {
    pub(crate) fn of(task: &'a Task) -> Self {
        Self {
            id: task.id.as_uuid(),
            title: &task.title,
            objective: &task.objective,
            acceptance_criteria: borrowed(&task.acceptance_criteria),
            verification_steps: borrowed(&task.verification_steps),
            allowed_paths: borrowed(&task.allowed_paths),
            depends_on: task.depends_on.iter().map(|id| id.as_uuid()).collect(),
            max_attempts: task.max_attempts,
            created_at: task.created_at.as_micros(),
        }
    }
}

impl Record for TaskPlanned {
    type Row<'a> = PlannedRow<'a>;

    fn row(&self) -> Result<PlannedRow<'_>, CodecError> {
        Ok(PlannedRow {
            id: self.id.as_uuid(),
            title: &self.title,
            objective: &self.objective,
            acceptance_criteria: borrowed(&self.acceptance_criteria),
            verification_steps: borrowed(&self.verification_steps),
            allowed_paths: borrowed(&self.allowed_paths),
            depends_on: self.depends_on.iter().map(|id| id.as_uuid()).collect(),
            max_attempts: self.max_attempts,
            created_at: self.created_at.as_micros(),
        })
    }

    fn of_row(row: PlannedRow<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            id: row.id.into(),
            title: row.title.to_owned(),
            objective: row.objective.to_owned(),
            acceptance_criteria: owned(row.acceptance_criteria),
            verification_steps: owned(row.verification_steps),
            allowed_paths: owned(row.allowed_paths),
            depends_on: row.depends_on.into_iter().map(TaskId::from).collect(),
            max_attempts: row.max_attempts,
            created_at: time(row.created_at)?,
        })
    }
}

/// What the store keeps of a task for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Its number among all tasks of the store, from 1 on in the order of their planning.
    pub(crate) number: u64,
    /// How many of the tasks that it depends on are not completed.
    pub(crate) unmet: u32,
    /// The number of its latest attempt in the run's journal; 0 if it has none.
    pub(crate) last_attempt: u64,
    /// Whether the claim with the number of its last attempt ended with a report (clause C5).
    pub(crate) is_reported: bool,
}

/// The part of a task that changes, with all that the keys of the indexes are made of, so that these can
/// be kept without the other part. Its status is told by the table that it is in.
#[derive(Debug)]
pub(crate) struct TaskState {
    pub(crate) kept: Kept,
    pub(crate) attempt_count: u32,
    pub(crate) priority: i32,
    not_before: Option<Timestamp>,
    delayed_until: Option<Timestamp>,
    worker: Option<String>,
    pub(crate) lease_expires_at: Option<Timestamp>,
    implementation_summary: Option<String>,
    blocker_signature: Option<String>,
    pub(crate) updated_at: Timestamp,
}

/// [`TaskState`] as it is written.
#[derive(Serialize, Deserialize)]
pub(crate) struct StateRow<'a> {
    kept: Kept,
    attempt_count: u32,
    priority: i32,
    not_before: Option<i64>,
    delayed_until: Option<i64>,
    #[serde(borrow)]
    worker: Option<&'a str>,
    lease_expires_at: Option<i64>,
    #[serde(borrow)]
    implementation_summary: Option<&'a str>,
    #[serde(borrow)]
    blocker_signature: Option<&'a str>,
    updated_at: i64,
}

fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_micros)
}

impl<'a> StateRow<'a> {
    pub(crate) fn of(task: &'a Task, kept: Kept) -> Self {
        Self {
            kept,
            attempt_count: task.attempt_count,
            priority: task.priority,
            not_before: micros(task.not_before),
            delayed_until: micros(task.delayed_until),
            worker: task.worker.as_deref(),
            lease_expires_at: micros(task.lease_expires_at),
            implementation_summary: task.implementation_summary.as_deref(),
            blocker_signature: task.blocker_signature.as_deref(),
            updated_at: task.updated_at.as_micros(),
        }
    }
}

impl Record for TaskState {
    type Row<'a> = StateRow<'a>;

    fn row(&self) -> Result<StateRow<'_>, CodecError> {
        Ok(StateRow {
            kept: self.kept,
            attempt_count: self.attempt_count,
            priority: self.priority,
            not_before: micros(self.not_before),
            delayed_until: micros(self.delayed_until),
            worker: self.worker.as_deref(),
            lease_expires_at: micros(self.lease_expires_at),
            implementation_summary: self.implementation_summary.as_deref(),
            blocker_signature: self.blocker_signature.as_deref(),
            updated_at: self.updated_at.as_micros(),
        })
    }

    fn of_row(row: StateRow<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            kept: row.kept,
            attempt_count: row.attempt_count,
            priority: row.priority,
            not_before: time_if_set(row.not_before)?,
            delayed_until: time_if_set(row.delayed_until)?,
            worker: row.worker.map(str::to_owned),
            lease_expires_at: time_if_set(row.lease_expires_at)?,
            implementation_summary: row.implementation_summary.map(str::to_owned),
            blocker_signature: row.blocker_signature.map(str::to_owned),
            updated_at: time(row.updated_at)?,
        })
    }
}

impl TaskState {
    /// From when on the task can be claimed, as [`schedule::available_from`] has it.
    pub(crate) fn available_from(&self, status: TaskStatus) -> Option<Timestamp> {
        // The rule takes a whole task and looks at its state and its times: the texts are left out.
        schedule::available_from(&Task {
            id: TaskId::from(Uuid::nil()),
            run_id: RunId::from(Uuid::nil()),
            position: 0,
            title: String::new(),
            objective: String::new(),
            acceptance_criteria: Vec::new(),
            verification_steps: Vec::new(),
            allowed_paths: Vec::new(),
            status,
            attempt_count: self.attempt_count,
            implementation_summary: None,
            blocker_signature: None,
            priority: self.priority,
            not_before: self.not_before,
            depends_on: Vec::new(),
            max_attempts: None,
            delayed_until: self.delayed_until,
            worker: None,
            lease_expires_at: self.lease_expires_at,
            created_at: self.updated_at,
            updated_at: self.updated_at,
        })
    }
}

/// The task of its two parts.
pub(crate) fn task(found: Found, planned: TaskPlanned) -> Task {
    let state = found.state;
    Task {
        id: planned.id,
        run_id: found.run.id,
        position: found.position,
        title: planned.title,
        objective: planned.objective,
        acceptance_criteria: planned.acceptance_criteria,
        verification_steps: planned.verification_steps,
        allowed_paths: planned.allowed_paths,
        status: found.status,
        attempt_count: state.attempt_count,
        implementation_summary: state.implementation_summary,
        blocker_signature: state.blocker_signature,
        priority: state.priority,
        not_before: state.not_before,
        depends_on: planned.depends_on,
        max_attempts: planned.max_attempts,
        delayed_until: state.delayed_until,
        worker: state.worker,
        lease_expires_at: state.lease_expires_at,
        created_at: planned.created_at,
        updated_at: state.updated_at,
    }
}
