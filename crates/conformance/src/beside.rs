//! Two populated runs, to see that a call touches what it is for and nothing else.

use runstore_core::{Run, RunId, Store, Task};

use crate::check::Outcome;
use crate::context::Context;
use crate::dump::{Dump, check_run_unchanged, check_unchanged_but};
use crate::world;

/// A run to write to, with another beside it, and what the store held at first.
pub(crate) struct Beside {
    pub(crate) run: Run,
    pub(crate) tasks: Vec<Task>,
    neighbour: RunId,
    neighbour_before: Dump,
    before: Dump,
}

impl Beside {
    /// Two populated runs. The clock has moved on since, so that a time which is written shows.
    pub(crate) async fn new(c: &Context<'_>) -> Outcome<Self> {
        let (run, tasks) = world::populated(&*c.store).await?;
        let (neighbour, _) = world::populated(&*c.store).await?;
        c.clock.advance_micros(1_000);
        Ok(Self {
            run,
            tasks,
            neighbour: neighbour.id,
            neighbour_before: Dump::of_run(&*c.store, neighbour.id).await?,
            before: Dump::of(&*c.store).await?,
        })
    }

    /// Checks that a call changed these fields of the run at most, and the other run not at all.
    pub(crate) async fn check_unchanged_but(
        &self,
        store: &dyn Store,
        fields: &[&str],
        what: &str,
    ) -> Outcome {
        check_unchanged_but(store, &self.before, fields, what).await?;
        check_run_unchanged(store, &self.neighbour_before, self.neighbour, what).await
    }
}
