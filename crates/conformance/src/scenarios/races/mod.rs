//! Calls at the same time on several handles (clauses G3 and C2): whatever order they take effect in,
//! it must be one that explains every answer and what is there afterwards.

mod claims;
mod journal;
mod plans;
mod runs;
mod settlements;

pub(crate) use claims::*;
pub(crate) use journal::*;
pub(crate) use plans::*;
pub(crate) use runs::*;
pub(crate) use settlements::*;
