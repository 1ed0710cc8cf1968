//! Claims of many tasks in one change (clause C10).

mod at_once;
mod choice;
mod given;
mod written;

use std::time::Duration;

use runstore_core::{Claim, ClaimRequest, Store};

use crate::check::{Outcome, check_eq};
use crate::planning::titles;

pub(crate) use at_once::*;
pub(crate) use choice::*;
pub(crate) use given::*;
pub(crate) use written::*;

const MICRO: Duration = Duration::from_micros(1);

/// Checks the tasks of one batch.
async fn check_batch(
    store: &dyn Store,
    request: ClaimRequest,
    limit: u32,
    expected: &[&str],
    what: &str,
) -> Outcome<Vec<Claim>> {
    let claims = store.claim_tasks(request, limit).await?;
    check_eq!(
        titles(claims.clone()),
        expected,
        "the tasks of a batch of at most {limit}, {what}"
    );
    Ok(claims)
}
