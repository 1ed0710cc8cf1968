//! The scenarios, a file a group. Each is listed in `list.rs`, and nowhere else.

pub(crate) mod approvals;
pub(crate) mod artifacts;
pub(crate) mod attempts;
pub(crate) mod cancel;
pub(crate) mod checkpoints;
pub(crate) mod durable;
pub(crate) mod events;
pub(crate) mod faithful;
pub(crate) mod instants;
pub(crate) mod order;
pub(crate) mod races;
pub(crate) mod runs;
pub(crate) mod shared;
pub(crate) mod snapshot;
