//! A durable store for the state of agent runs, over an engine that is chosen at build time.
//!
//! The contract of the store is on the trait [`Store`]. Everything of `runstore-core` is here at the
//! root, and each backend under its feature:
//!
//! | feature | module | URL for [`open`] |
//! |---|---|---|
//! | `memory` | `runstore::memory` | `memory:` |
//! | `postgres` | `runstore::postgres` | `postgres://user@host/database` |
//! | `redb` | `runstore::redb` | `redb:runs.redb` |
//! | `sqlite` | `runstore::sqlite` | `sqlite:runs.db` |
//!
//! No feature is on by itself, so that an application compiles the engines that it names and no other.
//!
//! # For an application
//!
//! Open a store by its URL and call the trait; no line of this changes with the engine.
//!
#![cfg_attr(feature = "memory", doc = "```")]
#![cfg_attr(not(feature = "memory"), doc = "```no_run")]
//! use runstore::{ClaimRequest, EventDraft, FinishReport, NewRun, Result, SnapshotRequest};
//! use runstore::{TaskDraft, TaskPlan};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let store = runstore::open("memory:").await?;
//! let run = store.create_run(NewRun::new("Add CSV export", "/srv/reports")).await?;
//! let drafts = [TaskDraft::new("Writer", "Write rows as CSV"), TaskDraft::new("Route", "Serve it")];
//! store.replace_pending_tasks(TaskPlan::new(run.id, drafts)).await?;
//!
//! // A worker that crashed left tasks in progress: give them back before going on.
//! store.requeue_in_progress_tasks(run.id).await?;
//! while let Some(claim) = store.claim_next_task(ClaimRequest::of_run(run.id)).await? {
//!     let done = EventDraft::new("worker", "task_completed", &claim.task.title);
//!     // Task, attempt and event change together, if the claim is still held; a repeat is safe.
//!     let report = FinishReport::completed("as the objective says").with_event(done);
//!     store.finish_task(claim.token(), report).await?;
//! }
//!
//! let snapshot = store.snapshot(SnapshotRequest::of_run(run.id)).await?;
//! assert_eq!(snapshot.completed_tasks.len(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! That loop is also there ready-made: [`Worker`] claims or waits, sends heartbeats, turns errors and
//! panics into failed attempts that are tried again later, and stops gracefully.
//!
//! Options that no URL has, and the engine's own type, are in the module of the backend: `SqliteStore`
//! is opened with `SqliteOptions`, and so on.
//!
//! # For the author of a backend
//!
//! Depend on `runstore-core` instead: implement [`Store`] with the shared [`rules`], and prove it with
//! the crate `runstore-conformance`. [`open`] knows only the backends of this repository; a store of
//! another crate is an `Arc<dyn Store>` like any other.
//!
//! # For the choice of an engine
//!
//! What survives what is said by [`Store::info`] and told in the documentation of each backend.
//! [`open`] takes the URL from a configuration, so that one program can be tried on each.

mod open;
mod worker;

pub use open::{BACKENDS, open, open_with_clock};
pub use runstore_core::*;
pub use worker::{
    Backoff, ClaimEnd, HandlerResult, Worker, WorkerEvent, WorkerHandle, WorkerSummary,
};

/// The backend in memory, the reference (feature `memory`).
#[cfg(feature = "memory")]
pub mod memory {
    pub use runstore_memory::*;
}

/// The backend on a PostgreSQL server, for workers on many machines (feature `postgres`).
#[cfg(feature = "postgres")]
pub mod postgres {
    pub use runstore_postgres::*;
}

/// The backend over redb: one file, pure Rust, for one process (feature `redb`).
#[cfg(feature = "redb")]
pub mod redb {
    pub use runstore_redb::*;
}

/// The backend over SQLite: one file, for the processes of one machine (feature `sqlite`).
#[cfg(feature = "sqlite")]
pub mod sqlite {
    pub use runstore_sqlite::*;
}

#[cfg(all(doctest, feature = "memory"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
