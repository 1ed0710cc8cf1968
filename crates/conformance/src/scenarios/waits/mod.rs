//! Waiting for a claim (clause C11).

mod due;
mod ends;
mod shared;
mod waiter;
mod woken;

pub(crate) use due::*;
pub(crate) use ends::*;
pub(crate) use shared::*;
pub(crate) use woken::*;
