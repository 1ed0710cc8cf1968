//! The conformance suite of runstore: proves that a backend keeps the contract of
//! [`Store`](runstore_core::Store), clause by clause.
//!
//! An author of a backend supplies a [`Harness`] and writes one line. Every scenario becomes a test with
//! a name of its own. For a backend that keeps a store in a file, [`InFiles`] is the harness; another one
//! looks like this:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use runstore_conformance::{Fixture, Harness, Provided};
//! use runstore_core::{Clock, Store};
//! use runstore_memory::{MemoryOptions, MemoryStore};
//!
//! struct Memory;
//!
//! #[async_trait]
//! impl Harness for Memory {
//!     fn name(&self) -> &str {
//!         "memory"
//!     }
//!
//!     async fn fresh(&self, clock: Arc<dyn Clock>) -> Provided<Box<dyn Fixture>> {
//!         let store = MemoryStore::open(MemoryOptions::new().with_clock(clock));
//!         Ok(Box::new(MemoryFixture(store)))
//!     }
//! }
//!
//! struct MemoryFixture(MemoryStore);
//!
//! #[async_trait]
//! impl Fixture for MemoryFixture {
//!     fn store(&self) -> Arc<dyn Store> {
//!         Arc::new(self.0.clone())
//!     }
//!
//!     async fn second_handle(&self) -> Provided<Arc<dyn Store>> {
//!         Ok(Arc::new(self.0.reopen()))
//!     }
//!
//!     async fn reopen(&mut self) -> Provided<()> {
//!         self.0.close().await?;
//!         self.0 = self.0.reopen();
//!         Ok(())
//!     }
//! }
//!
//! // What is in memory is gone with its process: `Fixture::kill` is left out, and what it would prove.
//! runstore_conformance::suite!(Memory, allowing skips);
//! # fn main() {}
//! ```
//!
//! - [`scenarios`] is the one list of what is checked; it drives the macro, [`run_all`] and the report.
//! - What a harness cannot do is reported as skipped with its reason: the test fails unless skips are
//!   allowed, and a [`Report`] with a skip is never conformant.
//! - The suite names no backend, sleeps nowhere and bounds no time: the clock is a
//!   [`ManualClock`](runstore_core::ManualClock), and races are run with real concurrency. Only what a
//!   broken store would wait for without end is given up, after [`Harness::patience`].
//! - Random sequences begin with a fixed seed, so that a failure comes again; the environment variable
//!   `RUNSTORE_SUITE_SEED` sets another.
//! - It proves that it can fail: `tests/detects` runs it against stores that are each broken in one way.

mod arbitrary;
mod beside;
mod call;
mod calls;
mod cancel;
mod check;
mod clause;
mod context;
mod dump;
mod files;
mod harness;
mod history;
mod leased;
mod list;
mod listing;
mod lists;
mod pages;
mod planning;
mod race;
mod reads;
mod report;
mod runner;
mod scenario;
mod scenarios;
mod stage;
mod tasks;
mod ticking;
mod used_up;
mod world;
mod writes;

pub use clause::Clause;
pub use files::{FileBackend, InFiles};
pub use harness::{Fixture, Harness, Lacking, Provided};
pub use list::scenarios;
pub use report::{Report, ScenarioReport, Verdict};
pub use runner::{Filter, Skips, run_all, test_one};
pub use scenario::Scenario;
