//! The events that the demo writes, and how they are read back.

use runstore::{Claim, ClaimToken, Event, EventDraft, EventId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(crate) const PLANNED: &str = "planned";
pub(crate) const TASK_CLAIMED: &str = "task_claimed";
pub(crate) const TASK_COMPLETED: &str = "task_completed";
pub(crate) const TASK_BLOCKED: &str = "task_blocked";
pub(crate) const REPLANNED: &str = "replanned";

/// An event of a worker on the task that it claimed.
pub(crate) fn task_event(worker: &str, kind: &str, token: ClaimToken, message: &str) -> EventDraft {
    EventDraft::new(worker, kind, message).with_payload(json!(token))
}

/// The claim that an event of a worker is about.
pub(crate) fn token_of(event: &Event) -> Option<ClaimToken> {
    ClaimToken::deserialize(&event.payload).ok()
}

/// What is noted of a claim, in the payload of its event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClaimNote {
    #[serde(flatten)]
    pub(crate) token: ClaimToken,
    /// When it runs out, unless heartbeats extend it.
    pub(crate) lease_expires_at: Option<Timestamp>,
    #[serde(skip)]
    title: String,
}

impl ClaimNote {
    pub(crate) fn of(claim: &Claim) -> Self {
        Self {
            token: claim.token(),
            lease_expires_at: claim.task.lease_expires_at,
            title: claim.task.title.clone(),
        }
    }

    pub(crate) fn event(&self, worker: &str) -> EventDraft {
        EventDraft::new(worker, TASK_CLAIMED, &self.title).with_payload(json!(self))
    }

    pub(crate) fn read(event: &Event) -> Option<Self> {
        (event.kind == TASK_CLAIMED)
            .then(|| Self::deserialize(&event.payload).ok())
            .flatten()
    }
}

/// What a replan did, in the payload of its event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replan {
    pub(crate) event_id: EventId,
    /// The task that made it necessary.
    pub(crate) blocked: TaskId,
    /// Which new task carries on which abandoned one.
    pub(crate) successions: Vec<Succession>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Succession {
    pub(crate) abandoned: TaskId,
    pub(crate) successor: TaskId,
}

impl Replan {
    pub(crate) fn event(&self) -> EventDraft {
        EventDraft::new("planner", REPLANNED, "The remaining work was planned anew.")
            .with_id(self.event_id)
            .with_payload(json!(self))
    }

    pub(crate) fn of(event: &Event) -> Option<Self> {
        (event.kind == REPLANNED)
            .then(|| Self::deserialize(&event.payload).ok())
            .flatten()
    }
}
