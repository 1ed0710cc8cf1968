//! The SQLite backend of runstore: a store in one file, for any number of processes of one machine.
//!
//! ```
//! use runstore_core::{ClaimRequest, FinishReport, NewRun, Store, TaskDraft, TaskPlan};
//! use runstore_sqlite::{SqliteOptions, SqliteStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("runs.db");
//! let store = SqliteStore::open(SqliteOptions::new(path)).await?;
//! let run = store.create_run(NewRun::new("Ship it", "/srv/repo")).await?;
//! store.append_tasks(TaskPlan::new(run.id, [TaskDraft::new("Build", "Make it build")])).await?;
//! if let Some(claim) = store.claim_next_task(ClaimRequest::of_run(run.id)).await? {
//!     store.finish_task(claim.token(), FinishReport::completed("It builds.")).await?;
//! }
//! store.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Durability
//!
//! With [`Durability::Full`], the default, a write is flushed to disk before it returns; callers that
//! write at the same time share a flush. With [`Durability::Relaxed`] the last writes may be lost at a
//! loss of power, in order, and no other way.
//!
//! # Processes
//!
//! Several processes, and several handles in one, may use a file at once. One writes at a time; the
//! others wait for the file for as long as [`SqliteOptions::with_busy_timeout`] says, and are then
//! [`Error::Busy`]. They do not wait in a line: under steady load on all sides one may wait for long. So
//! share a handle within a process: [`SqliteStore`] is cheap to clone. Reads wait for no write,
//! but about once in a thousand written pages for some ten milliseconds at most, while those are moved from the log into
//! the file.
//!
//! A call that waits for a claim looks every 25 milliseconds for what other processes made claimable, or as
//! [`SqliteOptions::with_poll_interval`] says. Handles that were opened separately count as two processes.
//!
//! # Files
//!
//! A new file is for its owner alone, and so are the two that SQLite keeps beside it while it is open,
//! `-wal` and `-shm`. They are part of the store: copy all three, or none before [`Store::close`], which
//! folds them into the file if nobody else has it open. The file must be on a disk of the machine, for the
//! locks and the shared memory that SQLite needs do not work over a network.
//!
//! The file says what it is: [`APPLICATION_ID`] and [`FORMAT_VERSION`] are in its header. An older format
//! is migrated when it is opened. A newer one, the file of another application, and what is no database
//! at all are [`Error::Incompatible`] and left as they are.
//!
//! [`Durability::Full`]: runstore_core::Durability::Full
//! [`Durability::Relaxed`]: runstore_core::Durability::Relaxed
//! [`Error::Busy`]: runstore_core::Error::Busy
//! [`Error::Incompatible`]: runstore_core::Error::Incompatible
//! [`Store::close`]: runstore_core::Store::close

mod changes;
mod claims;
mod codec;
mod config;
mod connect;
mod driver;
mod entries;
mod error;
mod file;
mod journal;
mod keys;
mod log;
mod open;
mod plans;
mod queue;
mod readers;
mod runs;
mod schema;
mod snapshot;
mod statement;
mod store;
mod tasks;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod testing;
mod together;
mod waiting;
mod write;
mod writer;

pub use config::SqliteOptions;
pub use schema::{APPLICATION_ID, FORMAT_VERSION};
pub use store::SqliteStore;
