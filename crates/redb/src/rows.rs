//! The rows of runs, agents and the journal. A row is a part of the format: `docs/formats.md` says how one
//! gets a field more.

use std::borrow::Cow;

use runstore_core::{
    AgentState, Approval, Artifact, Checkpoint, Event, Run, TaskAttempt, TaskId, Uuid,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::codec::{CodecError, Record, time};

/// JSON is kept as its text: numbers and the order of keys stay.
fn text_of(json: &Value) -> Result<Cow<'_, str>, CodecError> {
    Ok(Cow::Owned(serde_json::to_string(json)?))
}

fn json_of(text: &str) -> Result<Value, CodecError> {
    Ok(serde_json::from_str(text)?)
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

#[derive(Serialize, Deserialize)]
pub(crate) struct RunRow<'a> {
    id: Uuid,
    goal: &'a str,
    repo_path: &'a str,
    status: &'a str,
    summary: Option<&'a str>,
    cycle_count: u32,
    replan_count: u32,
    current_task_id: Option<Uuid>,
    created_at: i64,
    updated_at: i64,
}

impl Record for Run {
    type Row<'a> = RunRow<'a>;

    fn row(&self) -> Result<RunRow<'_>, CodecError> {
        Ok(RunRow {
            id: self.id.as_uuid(),
            goal: &self.goal,
            repo_path: &self.repo_path,
            status: self.status.as_str(),
            summary: self.summary.as_deref(),
            cycle_count: self.cycle_count,
            replan_count: self.replan_count,
            current_task_id: self.current_task_id.map(TaskId::as_uuid),
            created_at: self.created_at.as_micros(),
            updated_at: self.updated_at.as_micros(),
        })
    }

    fn of_row(row: RunRow<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            id: row.id.into(),
            goal: row.goal.to_owned(),
            repo_path: row.repo_path.to_owned(),
            status: row.status.into(),
            summary: owned(row.summary),
            cycle_count: row.cycle_count,
            replan_count: row.replan_count,
            current_task_id: row.current_task_id.map(TaskId::from),
            created_at: time(row.created_at)?,
            updated_at: time(row.updated_at)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AgentRow<'a> {
    run_id: Uuid,
    role: &'a str,
    session_id: Option<&'a str>,
    turns: u32,
    rotation_count: u32,
    last_prompt_path: Option<&'a str>,
    last_response_path: Option<&'a str>,
    updated_at: i64,
}

impl Record for AgentState {
    type Row<'a> = AgentRow<'a>;

    fn row(&self) -> Result<AgentRow<'_>, CodecError> {
        Ok(AgentRow {
            run_id: self.run_id.as_uuid(),
            role: self.role.as_str(),
            session_id: self.session_id.as_deref(),
            turns: self.turns,
            rotation_count: self.rotation_count,
            last_prompt_path: self.last_prompt_path.as_deref(),
            last_response_path: self.last_response_path.as_deref(),
            updated_at: self.updated_at.as_micros(),
        })
    }

    fn of_row(row: AgentRow<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            run_id: row.run_id.into(),
            role: row.role.into(),
            session_id: owned(row.session_id),
            turns: row.turns,
            rotation_count: row.rotation_count,
            last_prompt_path: owned(row.last_prompt_path),
            last_response_path: owned(row.last_response_path),
            updated_at: time(row.updated_at)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AttemptRow<'a> {
    id: Uuid,
    run_id: Uuid,
    task_id: Uuid,
    attempt_number: u32,
    status: &'a str,
    summary: &'a str,
    blocker_signature: Option<&'a str>,
    #[serde(borrow)]
    result: Cow<'a, str>,
    created_at: i64,
}

impl Record for TaskAttempt {
    type Row<'a> = AttemptRow<'a>;

    fn row(&self) -> Result<AttemptRow<'_>, CodecError> {
        Ok(AttemptRow {
            id: self.id.as_uuid(),
            run_id: self.run_id.as_uuid(),
            task_id: self.task_id.as_uuid(),
            attempt_number: self.attempt_number,
            status: self.status.as_str(),
            summary: &self.summary,
            blocker_signature: self.blocker_signature.as_deref(),
            result: text_of(&self.result)?,
            created_at: self.created_at.as_micros(),
        })
    }

    fn of_row(row: AttemptRow<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            id: row.id.into(),
            run_id: row.run_id.into(),
            task_id: row.task_id.into(),
            attempt_number: row.attempt_number,
            status: row.status.into(),
            summary: row.summary.to_owned(),
            blocker_signature: owned(row.blocker_signature),
            result: json_of(&row.result)?,
            created_at: time(row.created_at)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct EventRow<'a> {
    run_id: Uuid,
    seq: u64,
    event_id: Option<Uuid>,
    ts: i64,
    source: &'a str,
    kind: &'a str,
    message: &'a str,
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

impl Record for Event {
    type Row<'a> = EventRow<'a>;

    fn row(&self) -> Result<EventRow<'_>, CodecError> {
        Ok(EventRow {
            run_id: self.run_id.as_uuid(),
            seq: self.seq,
            event_id: self.event_id.map(Uuid::from),
            ts: self.ts.as_micros(),
            source: &self.source,
            kind: &self.kind,
            message: &self.message,
            payload: text_of(&self.payload)?,
        })
    }

    fn of_row(row: EventRow<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            run_id: row.run_id.into(),
            seq: row.seq,
            event_id: row.event_id.map(Into::into),
            ts: time(row.ts)?,
            source: row.source.to_owned(),
            kind: row.kind.to_owned(),
            message: row.message.to_owned(),
            payload: json_of(&row.payload)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ArtifactRow<'a> {
    id: Uuid,
    run_id: Uuid,
    role: Option<&'a str>,
    kind: &'a str,
    path: &'a str,
    created_at: i64,
    #[serde(borrow)]
    metadata: Cow<'a, str>,
}

impl Record for Artifact {
    type Row<'a> = ArtifactRow<'a>;

    fn row(&self) -> Result<ArtifactRow<'_>, CodecError> {
        Ok(ArtifactRow {
            id: self.id.as_uuid(),
            run_id: self.run_id.as_uuid(),
            role: self.role.as_ref().map(|role| role.as_str()),
            kind: &self.kind,
            path: &self.path,
            created_at: self.created_at.as_micros(),
            metadata: text_of(&self.metadata)?,
        })
    }

    fn of_row(row: ArtifactRow<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            id: row.id.into(),
            run_id: row.run_id.into(),
            role: row.role.map(Into::into),
            kind: row.kind.to_owned(),
            path: row.path.to_owned(),
            created_at: time(row.created_at)?,
            metadata: json_of(&row.metadata)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ApprovalRow<'a> {
    id: Uuid,
    run_id: Uuid,
    source: &'a str,
    verdict: &'a str,
    rationale: &'a str,
    #[serde(borrow)]
    payload: Cow<'a, str>,
    created_at: i64,
}

impl Record for Approval {
    type Row<'a> = ApprovalRow<'a>;

    fn row(&self) -> Result<ApprovalRow<'_>, CodecError> {
        Ok(ApprovalRow {
            id: self.id.as_uuid(),
            run_id: self.run_id.as_uuid(),
            source: self.source.as_str(),
            verdict: self.verdict.as_str(),
            rationale: &self.rationale,
            payload: text_of(&self.payload)?,
            created_at: self.created_at.as_micros(),
        })
    }

    fn of_row(row: ApprovalRow<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            id: row.id.into(),
            run_id: row.run_id.into(),
            source: row.source.into(),
            verdict: row.verdict.into(),
            rationale: row.rationale.to_owned(),
            payload: json_of(&row.payload)?,
            created_at: time(row.created_at)?,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CheckpointRow<'a> {
    id: Uuid,
    run_id: Uuid,
    status: &'a str,
    #[serde(borrow)]
    payload: Cow<'a, str>,
    created_at: i64,
}

impl Record for Checkpoint {
    type Row<'a> = CheckpointRow<'a>;

    fn row(&self) -> Result<CheckpointRow<'_>, CodecError> {
        Ok(CheckpointRow {
            id: self.id.as_uuid(),
            run_id: self.run_id.as_uuid(),
            status: self.status.as_str(),
            payload: text_of(&self.payload)?,
            created_at: self.created_at.as_micros(),
        })
    }

    fn of_row(row: CheckpointRow<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            id: row.id.into(),
            run_id: row.run_id.into(),
            status: row.status.into(),
            payload: json_of(&row.payload)?,
            created_at: time(row.created_at)?,
        })
    }
}
