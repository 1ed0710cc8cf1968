//! What a plan may say of dependencies and schedules (clauses C9, G7 and G8), and in which order it is
//! refused.

mod bounds;
mod cycles;
mod names;
mod refused;

use runstore_core::{Error, RunId, Store, TaskDraft, TaskPlan};

use crate::calls::{Call, check_each_refused, invalid};
use crate::check::Outcome;
use crate::context::Context;
use crate::scenarios::plans::PlanCall;
use crate::world;

pub(crate) use bounds::*;
pub(crate) use cycles::*;
pub(crate) use names::*;
pub(crate) use refused::*;

/// Gives the plan by both calls to the run; it must be refused as `refused`, and change nothing.
async fn check_plan_refused(
    store: &dyn Store,
    run_id: RunId,
    drafts: &[TaskDraft],
    refused: &Error,
    what: &str,
) -> Outcome {
    for plan_call in PlanCall::BOTH {
        let plan = TaskPlan::new(run_id, drafts.to_vec());
        let name = format!("{plan_call:?} of {what}");
        let call = Call::new(name, plan_call.make(store, plan));
        check_each_refused(store, vec![(call, refused.clone())]).await?;
    }
    Ok(())
}

/// Gives the plan to a known run and to an unknown one: what is wrong with it can be seen without the
/// store, and comes first.
async fn check_invalid(
    store: &dyn Store,
    run_id: RunId,
    drafts: &[TaskDraft],
    (field, bound): (&str, &str),
    what: &str,
) -> Outcome {
    for run_id in [run_id, RunId::generate()] {
        check_plan_refused(store, run_id, drafts, &invalid(field, bound), what).await?;
    }
    Ok(())
}

/// A run with a task of every state, whose pending ones a plan must not touch when it is refused.
async fn busy_run(c: &Context<'_>) -> Outcome<RunId> {
    let (run, _) = world::populated(&*c.store).await?;
    c.clock.advance_micros(1_000);
    Ok(run.id)
}
