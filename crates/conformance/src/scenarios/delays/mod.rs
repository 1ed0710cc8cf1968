//! Tasks that wait for a time (clause C9): the one that was planned, and the delay of a release.

mod back;
mod clock_back;
mod planned;

use std::time::Duration;

use runstore_core::{Claim, FinishReport, RunId, Store, Task, TaskDraft, Timestamp};

use crate::check::Outcome;
use crate::context::Context;
use crate::dump::{Dump, check_unchanged};
use crate::planning::{check_claims, check_nothing, draft, in_micros};

pub(crate) use back::*;
pub(crate) use clock_back::*;
pub(crate) use planned::*;

/// A draft that is not to be claimed before so many microseconds are over.
fn delayed(c: &Context<'_>, title: &str, micros: i64) -> TaskDraft {
    draft(title).with_not_before(in_micros(c, micros))
}

/// Releases a claim for so many microseconds from now.
async fn release_for(store: &dyn Store, claim: &Claim, micros: u64) -> Outcome<Task> {
    let report = FinishReport::released_for(Duration::from_micros(micros), "not now");
    Ok(store.finish_task(claim.token(), report).await?)
}

/// Checks that nothing of the run can be claimed up to the microsecond before the time, and at that
/// very instant just these tasks, in this order.
async fn check_from(
    c: &Context<'_>,
    run_id: RunId,
    time: Timestamp,
    expected: &[&str],
    what: &str,
) -> Outcome<Vec<Claim>> {
    let before = Dump::of(&*c.store).await?;
    c.clock.set(time.saturating_add_micros(-1));
    let early = format!("a microsecond before the time, {what},");
    check_nothing(&*c.store, run_id, &early).await?;
    check_unchanged(&*c.store, &before, &format!("claims {early}")).await?;
    c.clock.set(time);
    let what = format!("at the very instant, {what}");
    check_claims(&*c.store, run_id, expected, &what).await
}
