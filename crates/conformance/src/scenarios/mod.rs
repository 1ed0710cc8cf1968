//! The scenarios, a file a group. Each is listed in `list.rs`, and nowhere else.

pub(crate) mod agents;
pub(crate) mod claims;
pub(crate) mod deletion;
pub(crate) mod finish;
pub(crate) mod finish_repeats;
pub(crate) mod input;
pub(crate) mod input_lists;
pub(crate) mod operators;
pub(crate) mod plans;
pub(crate) mod precedence;
pub(crate) mod record_size;
pub(crate) mod requeue;
pub(crate) mod retry;
pub(crate) mod retry_later;
pub(crate) mod retry_plans;
pub(crate) mod run_changes;
pub(crate) mod runs;
pub(crate) mod seen_whole;
pub(crate) mod states;
pub(crate) mod tasks;
pub(crate) mod tasks_at_once;
pub(crate) mod tokens;
pub(crate) mod unknown;
