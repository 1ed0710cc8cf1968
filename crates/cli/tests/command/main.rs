//! The command, run as its users run it.

#![cfg(all(unix, feature = "memory", feature = "redb", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bad_plans;
mod demo;
mod killed;
mod look;
mod schedule;
mod support;
mod worker;
