//! Tasks that wait for others (clause C9): for which, and until when. What becomes of it when a task is
//! undone is among the dependencies undone.

mod beside;
mod completed;
mod dependents;
mod named;

pub(crate) use beside::*;
pub(crate) use completed::*;
pub(crate) use dependents::*;
pub(crate) use named::*;
