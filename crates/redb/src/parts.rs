//! A task in its two parts, as the tables hold them.

use runstore_core::rules::schedule;
use runstore_core::{RunId, Task, TaskId, TaskStanding, TaskStatus, Timestamp, Uuid};
use serde::{Deserialize, Serialize};

/// The part of a task that never changes and that only those who want the whole task read. It is kept
/// apart because what a claim and a completion cost is the size of the value that they write.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskPlanned {
    title: String,
    objective: String,
    acceptance_criteria: Vec<String>,
    verification_steps: Vec<String>,
    allowed_paths: Vec<String>,
    #[serde(default, skip_serializing_if = "is_unset")]
    pub(crate) depends_on: Vec<TaskId>,
    #[serde(default, skip_serializing_if = "is_unset")]
    max_attempts: Option<u32>,
    created_at: Timestamp,
}

/// The part of a task that changes, with all that the keys of the indexes are made of, so that these can
/// be kept without the other part.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskState {
    pub(crate) run_id: RunId,
    pub(crate) position: u64,
    /// Its number among all tasks of the store, from 1 on in the order of their planning. Format 1 has
    /// none.
    #[serde(default)]
    pub(crate) number: u64,
    pub(crate) status: TaskStatus,
    attempt_count: u32,
    #[serde(default, skip_serializing_if = "is_unset")]
    pub(crate) priority: i32,
    #[serde(default, skip_serializing_if = "is_unset")]
    not_before: Option<Timestamp>,
    /// How many of the tasks that it depends on are not completed.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub(crate) unmet: u32,
    #[serde(default, skip_serializing_if = "is_unset")]
    delayed_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_unset")]
    worker: Option<String>,
    #[serde(default, skip_serializing_if = "is_unset")]
    pub(crate) lease_expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_unset")]
    implementation_summary: Option<String>,
    #[serde(default, skip_serializing_if = "is_unset")]
    blocker_signature: Option<String>,
    pub(crate) updated_at: Timestamp,
}

fn is_unset<T: Default + PartialEq>(field: &T) -> bool {
    *field == T::default()
}

impl From<&Task> for TaskPlanned {
    fn from(task: &Task) -> Self {
        Self {
            title: task.title.clone(),
            objective: task.objective.clone(),
            acceptance_criteria: task.acceptance_criteria.clone(),
            verification_steps: task.verification_steps.clone(),
            allowed_paths: task.allowed_paths.clone(),
            depends_on: task.depends_on.clone(),
            max_attempts: task.max_attempts,
            created_at: task.created_at,
        }
    }
}

impl TaskState {
    /// The state of the task with this number and so many unmet dependencies.
    pub(crate) fn of(task: &Task, number: u64, unmet: u32) -> Self {
        Self {
            run_id: task.run_id,
            position: task.position,
            number,
            status: task.status,
            attempt_count: task.attempt_count,
            priority: task.priority,
            not_before: task.not_before,
            unmet,
            delayed_until: task.delayed_until,
            worker: task.worker.clone(),
            lease_expires_at: task.lease_expires_at,
            implementation_summary: task.implementation_summary.clone(),
            blocker_signature: task.blocker_signature.clone(),
            updated_at: task.updated_at,
        }
    }

    /// What a token is held against.
    pub(crate) const fn standing(&self) -> TaskStanding {
        TaskStanding {
            run_id: self.run_id,
            status: self.status,
            attempt_count: self.attempt_count,
            lease_expires_at: self.lease_expires_at,
        }
    }

    /// From when on the task can be claimed, as [`schedule::available_from`] has it.
    pub(crate) fn available_from(&self) -> Option<Timestamp> {
        // The rule takes a whole task and looks at its state and its times: the texts are left out.
        let planned = TaskPlanned {
            title: String::new(),
            objective: String::new(),
            acceptance_criteria: Vec::new(),
            verification_steps: Vec::new(),
            allowed_paths: Vec::new(),
            depends_on: Vec::new(),
            max_attempts: None,
            created_at: self.updated_at,
        };
        let state = Self {
            worker: None,
            implementation_summary: None,
            blocker_signature: None,
            ..*self
        };
        schedule::available_from(&task(TaskId::from(Uuid::nil()), planned, state))
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
