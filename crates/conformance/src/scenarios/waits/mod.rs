//! Waiting for a claim (clause C11).

mod choice;
mod due;
mod ends;
mod made_due;
mod shared;
mod turns;
mod waiter;
mod woken;

pub(crate) use choice::*;
pub(crate) use due::*;
pub(crate) use ends::*;
pub(crate) use made_due::*;
pub(crate) use shared::*;
pub(crate) use turns::*;
pub(crate) use woken::*;
