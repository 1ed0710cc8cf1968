use serde::{Deserialize, Serialize};

use super::with;
use crate::{PageRequest, RunId, TaskId, TaskStatus, Timestamp};

/// A task as a planner writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TaskDraft {
    /// Its id; made by the store if unset (clause G9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<TaskId>,
    /// What it is called; must not be empty.
    pub title: String,
    /// What it is to reach.
    pub objective: String,
    /// What must hold when it is done.
    pub acceptance_criteria: Vec<String>,
    /// How to see that it does.
    pub verification_steps: Vec<String>,
    /// What may be changed for it.
    pub allowed_paths: Vec<String>,
    /// A name by which other drafts of the plan can depend on it; not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The higher, the sooner it is claimed (clause C1).
    #[serde(default)]
    pub priority: i32,
    /// It is not to be claimed before this time (clause C9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// It is not to be claimed before these are completed (clause C9).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// How often it may be claimed (clause C8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
}

impl TaskDraft {
    /// A task with a title and an objective.
    pub fn new(title: impl Into<String>, objective: impl Into<String>) -> Self {
        Self {
            id: None,
            title: title.into(),
            objective: objective.into(),
            acceptance_criteria: Vec::new(),
            verification_steps: Vec::new(),
            allowed_paths: Vec::new(),
            key: None,
            priority: 0,
            not_before: None,
            depends_on: Vec::new(),
            max_attempts: None,
        }
    }

    with! {
        /// Gives the task an id, so that the call can be retried (clause G9).
        with_id: id = TaskId,
        /// Names the draft, so that others of its plan can depend on it.
        with_key: key = String,
        /// Lets nobody claim it before this time.
        with_not_before: not_before = Timestamp,
    }

    /// Bounds how often it may be claimed.
    #[must_use]
    pub const fn with_max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = Some(max_attempts);
        self
    }

    /// Sets its priority.
    #[must_use]
    pub const fn with_priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Lets nobody claim it before these are completed: each a [`Dependency`], or an index, a key or a
    /// task's id.
    #[must_use]
    pub fn with_depends_on<T: Into<Dependency>>(
        mut self,
        dependencies: impl IntoIterator<Item = T>,
    ) -> Self {
        self.depends_on = dependencies.into_iter().map(Into::into).collect();
        self
    }

    /// Says what must hold when it is done.
    #[must_use]
    pub fn with_acceptance_criteria<T: Into<String>>(
        mut self,
        criteria: impl IntoIterator<Item = T>,
    ) -> Self {
        self.acceptance_criteria = criteria.into_iter().map(Into::into).collect();
        self
    }

    /// Says how to see that it does.
    #[must_use]
    pub fn with_verification_steps<T: Into<String>>(
        mut self,
        steps: impl IntoIterator<Item = T>,
    ) -> Self {
        self.verification_steps = steps.into_iter().map(Into::into).collect();
        self
    }

    /// Says what may be changed for it.
    #[must_use]
    pub fn with_allowed_paths<T: Into<String>>(
        mut self,
        paths: impl IntoIterator<Item = T>,
    ) -> Self {
        self.allowed_paths = paths.into_iter().map(Into::into).collect();
        self
    }
}

/// What a draft depends on. In JSON an index is a number, a key is a text, and a task is an object:
/// `[0, "build", {"taskId": "…"}]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    untagged,
    rename_all_fields = "camelCase",
    expecting = "expected a draft's index, a draft's key, or {\"taskId\": …}"
)]
pub enum Dependency {
    /// The draft at this index of the plan, counted from 0.
    Index(usize),
    /// The draft of the plan with this key.
    Key(String),
    /// The task with this id: a stored one of the run, or one that a draft of the plan makes.
    Task {
        /// The id.
        task_id: TaskId,
    },
}

impl From<usize> for Dependency {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl From<&str> for Dependency {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<String> for Dependency {
    fn from(key: String) -> Self {
        Self::Key(key)
    }
}

impl From<TaskId> for Dependency {
    fn from(task_id: TaskId) -> Self {
        Self::Task { task_id }
    }
}

/// Tasks to give to a run, in the order of their positions (clauses T1 and T2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TaskPlan {
    /// The run.
    pub run_id: RunId,
    /// The tasks; there may be none.
    pub drafts: Vec<TaskDraft>,
}

impl TaskPlan {
    /// These tasks for this run.
    pub fn new(run_id: RunId, drafts: impl IntoIterator<Item = TaskDraft>) -> Self {
        Self {
            run_id,
            drafts: drafts.into_iter().collect(),
        }
    }
}

/// Which tasks of a run to list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ListTasks {
    /// The run.
    pub run_id: RunId,
    /// Only those in one of these states; all if empty.
    #[serde(default)]
    pub statuses: Vec<TaskStatus>,
    /// Which part of the list.
    #[serde(default)]
    pub page: PageRequest,
}

impl ListTasks {
    /// All tasks of the run.
    #[must_use]
    pub const fn new(run_id: RunId) -> Self {
        Self {
            run_id,
            statuses: Vec::new(),
            page: PageRequest::all(),
        }
    }

    /// Only tasks in one of these states; all if there are none.
    #[must_use]
    pub fn with_statuses(mut self, statuses: impl IntoIterator<Item = TaskStatus>) -> Self {
        self.statuses = statuses.into_iter().collect();
        self
    }

    /// Only this part of the list.
    #[must_use]
    pub fn with_page(mut self, page: PageRequest) -> Self {
        self.page = page;
        self
    }

    /// Whether a task in this state is asked for.
    #[must_use]
    pub fn wants(&self, status: TaskStatus) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status)
    }
}

/// A task that an operator declares done (clause C6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CompleteTask {
    /// The task.
    pub task_id: TaskId,
    /// A word on how it was done.
    pub summary: String,
}

impl CompleteTask {
    /// The task is done.
    pub fn new(task_id: TaskId, summary: impl Into<String>) -> Self {
        Self {
            task_id,
            summary: summary.into(),
        }
    }
}

/// A task that an operator takes out of the way until it is settled or requeued (clause C6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BlockTask {
    /// The task.
    pub task_id: TaskId,
    /// The task's summary from now on; unset clears it.
    #[serde(default)]
    pub summary: Option<String>,
    /// What it is blocked on; unset clears it.
    #[serde(default)]
    pub blocker_signature: Option<String>,
}

impl BlockTask {
    /// The task is blocked, with neither summary nor signature.
    #[must_use]
    pub const fn new(task_id: TaskId) -> Self {
        Self {
            task_id,
            summary: None,
            blocker_signature: None,
        }
    }

    with! {
        /// Sets the task's summary.
        with_summary: summary = String,
        /// Says what it is blocked on.
        with_blocker_signature: blocker_signature = String,
    }
}

/// A task that an operator gives up (clause C6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AbandonTask {
    /// The task.
    pub task_id: TaskId,
    /// The task's summary from now on; unset clears it.
    #[serde(default)]
    pub summary: Option<String>,
    /// What it failed on; unset clears it.
    #[serde(default)]
    pub blocker_signature: Option<String>,
}

impl AbandonTask {
    /// The task is given up, with neither summary nor signature.
    #[must_use]
    pub const fn new(task_id: TaskId) -> Self {
        Self {
            task_id,
            summary: None,
            blocker_signature: None,
        }
    }

    with! {
        /// Sets the task's summary.
        with_summary: summary = String,
        /// Says what it failed on.
        with_blocker_signature: blocker_signature = String,
    }
}
