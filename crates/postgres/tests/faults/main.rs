//! What the store does when the server, or the way to it, fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod cut;
mod proxy;
mod restarts;
mod server;
