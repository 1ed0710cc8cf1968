//! The rules that every backend calls, as pure functions: none reads a store, a clock or a file.

pub mod claims;
pub mod create;
pub mod events;
pub mod input;
pub mod plan;
pub mod retry;
pub mod runs;
pub mod schedule;
pub mod tasks;
pub mod waiting;
