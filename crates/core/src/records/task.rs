use serde::{Deserialize, Serialize};

use crate::{RunId, TaskId, TaskStatus, Timestamp};

/// A task of a run's plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The run.
    pub run_id: RunId,
    /// Its place among all tasks that the run ever had: 1, 2, 3 … Never reused and never changed.
    pub position: u64,
    /// What it is called. Never empty.
    pub title: String,
    /// What it is to reach.
    pub objective: String,
    /// What must hold when it is done.
    pub acceptance_criteria: Vec<String>,
    /// How to see that it does.
    pub verification_steps: Vec<String>,
    /// What may be changed for it.
    pub allowed_paths: Vec<String>,
    /// Where it stands.
    pub status: TaskStatus,
    /// How often it was claimed. Rises at a claim only and is never reset.
    pub attempt_count: u32,
    /// A word on how it was settled.
    pub implementation_summary: Option<String>,
    /// What it is blocked on, in a form that two blocks can be compared by.
    pub blocker_signature: Option<String>,
    /// The higher, the sooner it is claimed (clause C1).
    #[serde(default)]
    pub priority: i32,
    /// It is not claimed before this time (clause C9). As planned, and never changed.
    pub not_before: Option<Timestamp>,
    /// It is not claimed before these tasks of its run are completed (clause C9). As planned, each once,
    /// and never changed.
    #[serde(default)]
    pub depends_on: Vec<TaskId>,
    /// How often it may be claimed (clause C8); without it, as often as the claims' own default allows.
    pub max_attempts: Option<u32>,
    /// It is not claimed before this time either: the worker that released it asked for a delay
    /// (clause C5). Set only while it is pending.
    pub delayed_until: Option<Timestamp>,
    /// Who claimed it, as the claim says. Set only while it is in progress.
    pub worker: Option<String>,
    /// When its claim runs out (clause C7); never, if unset. Set only while it is in progress.
    pub lease_expires_at: Option<Timestamp>,
    /// When it was planned; one time for all tasks of one plan.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Task {
    /// What a token is held against: the state and the number of the latest claim.
    #[must_use]
    pub const fn standing(&self) -> TaskStanding {
        TaskStanding {
            run_id: self.run_id,
            status: self.status,
            attempt_count: self.attempt_count,
            lease_expires_at: self.lease_expires_at,
        }
    }
}

/// The part of a task that decides whether a claim on it is still held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStanding {
    /// The task's run.
    pub run_id: RunId,
    /// Where the task stands.
    pub status: TaskStatus,
    /// How often it was claimed.
    pub attempt_count: u32,
    /// When the claim runs out that it is in progress under (clause C7); never, if unset.
    #[serde(default)]
    pub lease_expires_at: Option<Timestamp>,
}

/// What a claim is held by: the task and the number of the attempt that the claim began (clause C3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimToken {
    /// The claimed task.
    pub task_id: TaskId,
    /// The task's `attempt_count` right after the claim.
    pub attempt_number: u32,
}

/// A claimed task: in progress, and held by whoever has the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claim {
    /// The task as the claim left it.
    pub task: Task,
}

impl Claim {
    /// The token that everything done in this claim's name needs.
    #[must_use]
    pub const fn token(&self) -> ClaimToken {
        ClaimToken {
            task_id: self.task.id,
            attempt_number: self.task.attempt_count,
        }
    }
}
