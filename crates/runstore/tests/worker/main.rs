//! The promises of the worker loop. Time is tokio's, paused: it jumps to the next thing that is due.

#![cfg(feature = "memory")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../support/mod.rs"]
mod backends;
mod ends;
mod failures;
mod heartbeats;
mod races;
mod store_trouble;
mod support;
mod work;
