//! One entry of the list.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::check::Outcome;
use crate::clause::Clause;
use crate::context::Context;

/// One thing that the contract promises, and how to see whether a store keeps it.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    pub(crate) clauses: &'static [Clause],
    pub(crate) run: for<'a> fn(&'a mut Context<'_>) -> BoxFuture<'a, Outcome>,
}

impl Scenario {
    /// The group that it belongs to: the first part of its full name.
    #[must_use]
    pub const fn group(&self) -> &'static str {
        self.group
    }

    /// Its name within the group: what must hold, with underscores for spaces.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The clauses that it checks.
    #[must_use]
    pub const fn clauses(&self) -> &'static [Clause] {
        self.clauses
    }

    /// Group and name: `claims::each_task_goes_to_one_caller`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}::{}", self.group, self.name)
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:?}", self.full_name(), self.clauses)
    }
}
