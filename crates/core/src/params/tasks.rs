use serde::{Deserialize, Serialize};

use super::with;
use crate::{PageRequest, RunId, TaskId, TaskStatus};

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
        }
    }

    with! {
        /// Gives the task an id, so that the call can be retried (clause G9).
        with_id: id = TaskId
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

/// Tasks to give to a run, in the order in which they are to be claimed (clauses T1 and T2).
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
