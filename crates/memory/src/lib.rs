//! The reference backend of runstore: everything in memory, under one lock.
//!
//! It is the clearest reading of the contract and no more: the conformance suite takes it for the model
//! that other backends are compared with. Nothing survives the process ([`Durability::Volatile`]), so
//! use it for tests and for trying things out.
//!
//! ```
//! use runstore_core::{ClaimRequest, NewRun, Store, TaskDraft, TaskPlan};
//! use runstore_memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> runstore_core::Result<()> {
//! let store = MemoryStore::new();
//! let run = store.create_run(NewRun::new("Ship it", "/srv/repo")).await?;
//! store.append_tasks(TaskPlan::new(run.id, [TaskDraft::new("Build", "Make it build")])).await?;
//! let claim = store.claim_next_task(ClaimRequest::of_run(run.id)).await?;
//! assert_eq!(claim.map(|claim| claim.task.title).as_deref(), Some("Build"));
//! # Ok(())
//! # }
//! ```
//!
//! [`Durability::Volatile`]: runstore_core::Durability::Volatile

mod claims;
mod config;
mod journal;
mod runs;
mod schedule;
mod snapshot;
mod state;
mod store;
mod tasks;

pub use config::MemoryOptions;
pub use store::MemoryStore;
