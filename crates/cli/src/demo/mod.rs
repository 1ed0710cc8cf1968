//! The main job in one command: plan, work, crash, resume, and prove from the journal that every task
//! was completed exactly once.
//!
//! The demo itself ([`parent`]) plans the run, then has processes of its own do the work ([`child`]), one
//! or several at once ([`shift`]): those are killed half-way, and others take the run up, with the tasks
//! whose leases run out. They speak over pipes ([`message`]).

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
mod shift;
mod summary;

pub(crate) use child::work;
pub(crate) use parent::run;
