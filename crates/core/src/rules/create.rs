//! What a creating call stores: the record made of what the caller gave, where it belongs, and the time.

use crate::{
    AgentState, Approval, ApprovalId, Artifact, ArtifactDraft, ArtifactId, AttemptId,
    AttemptReport, Checkpoint, CheckpointId, Event, EventDraft, NewApproval, NewCheckpoint, NewRun,
    Run, RunId, RunStatus, SaveAgentState, Task, TaskAttempt, TaskDraft, TaskId, TaskStatus,
    Timestamp,
};

/// A new run (clause R1).
#[must_use]
pub fn run(new: NewRun, now: Timestamp) -> Run {
    Run {
        id: new.id.unwrap_or_else(RunId::generate),
        goal: new.goal,
        repo_path: new.repo_path,
        status: RunStatus::Planning,
        summary: None,
        cycle_count: 0,
        replan_count: 0,
        current_task_id: None,
        created_at: now,
        updated_at: now,
    }
}

/// The record of an agent (clause A1).
#[must_use]
pub fn agent_state(save: SaveAgentState, now: Timestamp) -> AgentState {
    AgentState {
        run_id: save.run_id,
        role: save.role,
        session_id: save.session_id,
        turns: save.turns,
        rotation_count: save.rotation_count,
        last_prompt_path: save.last_prompt_path,
        last_response_path: save.last_response_path,
        updated_at: save.updated_at.unwrap_or(now),
    }
}

/// A new task at a position of a run (clauses T1 and T2), depending on nothing: what it depends on is
/// known by the whole plan, which [`plan::tasks`](super::plan::tasks) makes.
#[must_use]
pub fn task(run_id: RunId, position: u64, draft: TaskDraft, now: Timestamp) -> Task {
    Task {
        id: draft.id.unwrap_or_else(TaskId::generate),
        run_id,
        position,
        title: draft.title,
        objective: draft.objective,
        acceptance_criteria: draft.acceptance_criteria,
        verification_steps: draft.verification_steps,
        allowed_paths: draft.allowed_paths,
        status: TaskStatus::Pending,
        attempt_count: 0,
        implementation_summary: None,
        blocker_signature: None,
        priority: draft.priority,
        not_before: draft.not_before,
        depends_on: Vec::new(),
        max_attempts: draft.max_attempts,
        delayed_until: None,
        worker: None,
        lease_expires_at: None,
        created_at: now,
        updated_at: now,
    }
}

/// A new attempt (clauses C5 and J3).
#[must_use]
pub fn attempt(
    run_id: RunId,
    task_id: TaskId,
    attempt_number: u32,
    report: AttemptReport,
    now: Timestamp,
) -> TaskAttempt {
    TaskAttempt {
        id: report.id.unwrap_or_else(AttemptId::generate),
        run_id,
        task_id,
        attempt_number,
        status: report.status,
        summary: report.summary,
        blocker_signature: report.blocker_signature,
        result: report.result,
        created_at: now,
    }
}

/// A new event with its number (clause J1).
#[must_use]
pub fn event(run_id: RunId, seq: u64, draft: EventDraft, now: Timestamp) -> Event {
    Event {
        run_id,
        seq,
        event_id: draft.id,
        ts: now,
        source: draft.source,
        kind: draft.kind,
        message: draft.message,
        payload: draft.payload,
    }
}

/// A new artifact (clause J4).
#[must_use]
pub fn artifact(run_id: RunId, draft: ArtifactDraft, now: Timestamp) -> Artifact {
    Artifact {
        id: draft.id.unwrap_or_else(ArtifactId::generate),
        run_id,
        role: draft.role,
        kind: draft.kind,
        path: draft.path,
        created_at: now,
        metadata: draft.metadata,
    }
}

/// A new approval (clause J5).
#[must_use]
pub fn approval(new: NewApproval, now: Timestamp) -> Approval {
    Approval {
        id: new.id.unwrap_or_else(ApprovalId::generate),
        run_id: new.run_id,
        source: new.source,
        verdict: new.verdict,
        rationale: new.rationale,
        payload: new.payload,
        created_at: now,
    }
}

/// A new checkpoint (clause J6).
#[must_use]
pub fn checkpoint(new: NewCheckpoint, now: Timestamp) -> Checkpoint {
    Checkpoint {
        id: new.id.unwrap_or_else(CheckpointId::generate),
        run_id: new.run_id,
        status: new.status,
        payload: new.payload,
        created_at: now,
    }
}
