//! What becomes of one claim: the work of an agent, and its report.

use std::sync::Arc;

use runstore::{
    AgentRole, ArtifactDraft, AttemptReport, AttemptStatus, Claim, Error, FinishOutcome,
    FinishReport, HandlerResult, NewEvent, SaveAgentState,
};
use serde_json::json;

use super::agent;
use super::crew::Crew;
use super::journal::{self, ClaimNote};
use super::message::Message;

/// The signature of the block that the demo runs into.
const SIGNATURE: &str = "missing_prerequisite";

/// The place of one agent, with what is kept of it.
#[derive(Debug)]
pub(crate) struct Seat {
    name: String,
    turns: u32,
}

impl Seat {
    pub(crate) fn new(number: u16) -> Self {
        Self {
            name: format!("worker-{number}"),
            turns: 0,
        }
    }

    fn role(&self) -> AgentRole {
        AgentRole::from(&*self.name)
    }
}

/// A seat that is taken; free again when dropped, also if the handler is cancelled.
struct Taken<'c> {
    crew: &'c Crew,
    seat: Seat,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let seat = std::mem::replace(&mut self.seat, Seat::new(0));
        self.crew.seats().push(seat);
    }
}

impl Crew {
    /// Carries out a claimed task. An error is a failed attempt, and the task comes back after a while.
    pub(crate) async fn carry_out(self: Arc<Self>, claim: Claim) -> HandlerResult {
        let result = self.attempt(&claim).await;
        self.hold(&claim, result.is_ok()).await;
        result
    }

    async fn attempt(&self, claim: &Claim) -> HandlerResult {
        let taken = self.take_seat(claim).await?;
        let seat = &taken.seat;
        let (token, task) = (claim.token(), &claim.task);
        let claimed = ClaimNote::of(claim).event(&seat.name);
        let claimed = NewEvent::new(task.run_id, claimed).with_fence(token);
        self.store.add_event(claimed).await?;
        self.tell_if_taken_over(claim).await?;

        let (seed, blocked_position) = (self.job.seed, self.job.blocked_position);
        let work = tokio::task::block_in_place(|| agent::work(seed, task, blocked_position));
        let result = json!({ "digest": work.digest, "worker": seat.name });
        let event = |kind| journal::task_event(&seat.name, kind, token, &task.title);
        let report = match work.status {
            AttemptStatus::Failed => return Err("The verification steps fail.".into()),
            AttemptStatus::Blocked => FinishReport::new(
                FinishOutcome::Blocked {
                    summary: Some("It needs what the plan does not provide.".to_owned()),
                    blocker_signature: Some(SIGNATURE.to_owned()),
                },
                AttemptReport::new(AttemptStatus::Blocked, "A prerequisite is missing.")
                    .with_blocker_signature(SIGNATURE),
            )
            .with_event(event(journal::TASK_BLOCKED)),
            _ => {
                let patch = format!("patches/{:03}-{}.patch", task.position, task.attempt_count);
                let artifact = ArtifactDraft::new("patch", patch)
                    .with_role(seat.role())
                    .with_metadata(result.clone());
                FinishReport::completed(format!("Done, digest {}.", work.digest))
                    .with_event(event(journal::TASK_COMPLETED))
                    .with_artifact(artifact)
            }
        };
        let attempt = report.attempt.clone().with_result(result);
        Ok(report.with_attempt(attempt))
    }

    async fn take_seat(&self, claim: &Claim) -> Result<Taken<'_>, Error> {
        // There are as many seats as handlers.
        let mut seat = self.seats().pop().unwrap_or_else(|| Seat::new(0));
        seat.turns = seat.turns.saturating_add(1);
        let taken = Taken { crew: self, seat };
        let state = SaveAgentState::new(claim.task.run_id, taken.seat.role())
            .with_session_id(format!("{}-of-{}", taken.seat.name, std::process::id()))
            .with_turns(taken.seat.turns);
        self.store.save_agent_state(state).await?;
        Ok(taken)
    }

    /// Tells if the attempt before this one was never reported: its claim ran out.
    async fn tell_if_taken_over(&self, claim: &Claim) -> Result<(), Error> {
        let task = &claim.task;
        let before = task.attempt_count.saturating_sub(1);
        let latest = self.store.latest_attempt(task.id).await?;
        if before > latest.map_or(0, |attempt| attempt.attempt_number) {
            self.tell(Message::TookOver {
                task_id: task.id,
                attempt_number: before,
                title: task.title.clone(),
            });
        }
        Ok(())
    }
}
