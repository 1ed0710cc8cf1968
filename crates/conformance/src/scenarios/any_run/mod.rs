//! Claims of a task of any run (clause C10).

mod order;
mod runs;
mod taken;

use std::time::Duration;

use runstore_core::{RunId, Store};

use crate::check::Outcome;
use crate::world;

pub(crate) use order::*;
pub(crate) use runs::*;
pub(crate) use taken::*;

const MICRO: Duration = Duration::from_micros(1);

async fn runs<const COUNT: usize>(store: &dyn Store) -> Outcome<[RunId; COUNT]> {
    let mut ids = [RunId::generate(); COUNT];
    for id in &mut ids {
        *id = world::run(store).await?.id;
    }
    Ok(ids)
}
