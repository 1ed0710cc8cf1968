//! The main job in one command: plan, work, crash, resume, and prove from the journal that every task
//! was completed exactly once.
//!
//! The demo itself ([`parent`]) plans the run, then has a process of its own do the work ([`child`]):
//! that one is killed half-way, and another takes the run up, with the tasks whose leases run out. They
//! speak over pipes ([`message`]).

mod agent;
mod child;
mod closing;
mod crew;
mod endings;
mod handler;
mod journal;
mod message;
mod observer;
mod parent;
mod planning;
mod proof;
mod records;
mod replan;
mod summary;

pub(crate) use child::work;
pub(crate) use parent::run;
