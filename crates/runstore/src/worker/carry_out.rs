//! One claim, from its task to the answer of the store.

use std::pin::pin;

use runstore_core::{
    AttemptReport, AttemptStatus, Claim, ClaimToken, Error, FinishOutcome, FinishReport, Result,
    Task,
};

use super::context::Context;
use super::handler::{Outcome, Running};
use super::{ClaimEnd, WorkerEvent, heartbeat};

/// Carries out a claim and tells how it ended.
pub(super) async fn carry_out(context: &Context, claim: Claim) -> ClaimEnd {
    context.tell(WorkerEvent::Claimed { claim: &claim });
    let end = end_of(context, &claim).await;
    tracing::debug!(
        task_id = %claim.task.id,
        attempt_number = claim.task.attempt_count,
        end = end.name(),
        "a claim ended"
    );
    context.tell(WorkerEvent::Ended {
        claim: &claim,
        end: &end,
    });
    end
}

async fn end_of(context: &Context, claim: &Claim) -> ClaimEnd {
    let token = claim.token();
    let mut lost = pin!(heartbeat::until_lost(&*context.store, token, context.lease));
    let outcome = if context.control.is_aborted() {
        Outcome::Cancelled
    } else {
        let mut running = Running::start(&context.handler, claim.clone());
        let mut is_aborted = false;
        loop {
            tokio::select! {
                // A handler that is through is heard in any case: the store knows whether it still counts.
                biased;
                outcome = running.outcome() => break outcome,
                () = &mut lost => {
                    running.cancel();
                    // It must be gone before another takes its place.
                    running.outcome().await;
                    return ClaimEnd::Lost;
                }
                () = context.control.aborted(), if !is_aborted => {
                    is_aborted = true;
                    running.cancel();
                }
            }
        }
    };
    let mut reported = pin!(report(context, claim, outcome));
    tokio::select! {
        end = &mut reported => end,
        // The heartbeat may have come after the report took effect: its answer decides.
        () = &mut lost => reported.await,
    }
}

async fn report(context: &Context, claim: &Claim, outcome: Outcome) -> ClaimEnd {
    let token = claim.token();
    let failure = match outcome {
        Outcome::Cancelled => {
            let report = AttemptReport::new(AttemptStatus::Interrupted, "The worker was aborted.");
            let report = FinishReport::new(FinishOutcome::Released { delay: None }, report);
            return ended(finish(context, token, report).await, ClaimEnd::Interrupted);
        }
        Outcome::Failed(text) => text,
        Outcome::Reported(report) => match finish(context, token, *report).await {
            // The fault is the report's: without it the claim would be held for nothing.
            Err(error) if error.is_refusal() && !is_stale(&error) => {
                format!("the report was refused: {error}")
            }
            answered => return ended(answered, ClaimEnd::Finished),
        },
    };
    let delay = context.backoff.delay(token.attempt_number);
    let report = FinishReport::released_for(delay, failure);
    ended(finish(context, token, report).await, ClaimEnd::Failed)
}

/// Reports, again and again if need be: a repeat changes nothing (clause C5).
async fn finish(context: &Context, token: ClaimToken, report: FinishReport) -> Result<Task> {
    let finish = || context.store.finish_task(token, report.clone());
    context.retries.call(finish).await
}

fn ended(answered: Result<Task>, end: fn(Task) -> ClaimEnd) -> ClaimEnd {
    match answered {
        Ok(task) => end(task),
        Err(error) if is_stale(&error) => ClaimEnd::Lost,
        Err(error) => ClaimEnd::Unreported(error),
    }
}

const fn is_stale(error: &Error) -> bool {
    matches!(error, Error::StaleClaim { .. })
}
