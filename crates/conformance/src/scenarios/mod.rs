//! The scenarios, a file a group. Each is listed in `list.rs`, and nowhere else.

pub(crate) mod deletion;
pub(crate) mod run_changes;
pub(crate) mod runs;
pub(crate) mod unknown;
