//! The scenarios, a file a group. Each is listed in `list.rs`, and nowhere else.

pub(crate) mod histories;
pub(crate) mod random;
pub(crate) mod runs;
