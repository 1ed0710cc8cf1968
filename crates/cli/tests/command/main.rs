//! The command, run as its users run it.

#![cfg(all(unix, feature = "memory", feature = "redb", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod bad_plans;
mod bench;
mod bench_broken_off;
#[cfg(feature = "postgres")]
mod bench_on_servers;
mod bench_replay;
mod demo;
mod killed;
mod look;
mod schedule;
mod support;
mod worker;
