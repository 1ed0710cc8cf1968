//! The redb backend of runstore: one file, pure Rust, for one process.
//!
//! Take it where one process does all the work and no C library is wanted.
//!
//! ```
//! use runstore_core::{ClaimRequest, NewRun, Store, TaskDraft, TaskPlan};
//! use runstore_redb::{RedbOptions, RedbStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> runstore_core::Result<()> {
//! # let folder = tempfile::tempdir().map_err(|e| runstore_core::Error::invalid_input("", e.to_string()))?;
//! # let file = folder.path().join("runs.redb");
//! let store = RedbStore::open(RedbOptions::new(file)).await?;
//! let run = store.create_run(NewRun::new("Ship it", "/srv/repo")).await?;
//! store.append_tasks(TaskPlan::new(run.id, [TaskDraft::new("Build", "Make it build")])).await?;
//! let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await?;
//! assert_eq!(claim.map(|claim| claim.task.title).as_deref(), Some("Build"));
//! store.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Durability
//!
//! [Full](runstore_core::Durability::Full), and no other: a write that returned is on disk. The calls
//! that wait together share one transaction and one flush, so many callers cost hardly more than one.
//! redb's commits without a flush would be lost when the process is killed, so that
//! `durability=relaxed` is refused.
//!
//! When the disk fails, redb refuses all further writes, and perhaps reads, until the file is opened
//! again: calls are then [`Unavailable`](runstore_core::Error::Unavailable) until the store was closed
//! and opened anew. Only the writes in the commit that failed have an
//! [unknown outcome](runstore_core::Outcome::Unknown).
//!
//! # Processes
//!
//! redb lets in one process at a time. Within it, open the store once and clone the handle: a second
//! open is [`Busy`](runstore_core::Error::Busy), here as in another process, once it has waited for
//! [a while](RedbOptions::with_busy_timeout).
//!
//! Reads see a snapshot of their own; they never wait for the writer, nor the writer for them.
//!
//! # Files
//!
//! One file, created for its owner alone (mode 0600), as are missing folders (0700). While it is being
//! created there is a second one beside it, with `.runstore-new` added to the name. A file that is not
//! a store is refused as [`Incompatible`](runstore_core::Error::Incompatible) and left as it is; an
//! empty one is made a store. After a crash, opening reads the whole file and repairs it. A store of
//! an earlier format is converted when it is opened, in one transaction; one of a later format is refused.
//! The format is described in `docs/formats.md`.

#[cfg(test)]
mod audit;
mod claims;
mod codec;
mod config;
mod engine;
mod error;
#[cfg(test)]
mod faults;
mod file;
mod former;
#[cfg(test)]
mod former_formats;
mod journal;
#[cfg(test)]
mod layouts;
mod parts;
mod plans;
mod queue;
mod rows;
mod runs;
mod schedule;
mod schema;
mod snapshot;
mod states;
mod store;
mod table;
mod tasks;
mod writer;

pub use config::RedbOptions;
pub use store::RedbStore;
