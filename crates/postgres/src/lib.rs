//! The PostgreSQL backend of runstore: a store on a server, for workers on many machines.
//!
//! ```no_run
//! use runstore_core::{ClaimRequest, FinishReport, NewRun, Store, TaskDraft, TaskPlan};
//! use runstore_postgres::{PostgresOptions, PostgresStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "postgres://app@db.example/agents?schema=runs".parse()?;
//! let store = PostgresStore::open(PostgresOptions::from_url(&url)?).await?;
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
//! With [`Durability::Full`], the default, a write is flushed to the server's disk before it returns
//! (`synchronous_commit = on`). With [`Durability::Relaxed`] the last writes may be lost if the server crashes,
//! in order, and no other way. On a server with `fsync = off` the store says that it is relaxed, whatever was
//! asked for.
//!
//! # Processes
//!
//! Any number, on any machines. A handle is cheap to clone, and its clones share connections; calls of one kind
//! that wait at the same time travel to the server as one statement and share a commit. A call that waits for a
//! claim is told of what other processes make claimable by `NOTIFY`.
//!
//! The store talks to the server on threads of its own, or on the runtime that opens it if it is
//! [told so](PostgresOptions::with_callers_runtime). A call that is dropped is carried out or not, wholly; the
//! next calls of the handle wait for it, for up to a second.
//!
//! # Time
//!
//! Leases and delays go by the server's clock, read once what the call needs is locked.
//!
//! # Schema
//!
//! Everything is in one schema of the database, `runstore` unless named otherwise, which is created when it is
//! first opened, and says its [`FORMAT_VERSION`]. A newer one, a schema of something else, a server before
//! PostgreSQL 14 and a database that is not in UTF-8 are [`Error::Incompatible`] and left as they are.
//!
//! # Errors
//!
//! By SQLSTATE. Serialisation failures, deadlocks and statements whose plan went stale are tried again within the
//! call, up to a bound. A connection that is lost before an answer is [`Error::Unavailable`] with the outcome
//! unknown, where the write may have been done: repeat it, with ids of your own or the same token, and it is done
//! once (clauses G9 and C5).
//!
//! [`Durability::Full`]: runstore_core::Durability::Full
//! [`Durability::Relaxed`]: runstore_core::Durability::Relaxed
//! [`Error::Incompatible`]: runstore_core::Error::Incompatible
//! [`Error::Unavailable`]: runstore_core::Error::Unavailable

mod add_one;
mod background;
mod calls;
mod changes;
mod claims;
mod codec;
mod config;
mod connections;
mod entries;
mod error;
mod journal;
mod listener;
mod open;
mod plans;
mod queue;
mod runs;
mod schema;
mod shared;
mod snapshot;
mod statement;
mod store;
mod tasks;
mod text;
mod together;
mod under_way;
mod url;
mod waiting;
mod write;

pub use config::PostgresOptions;
pub use schema::FORMAT_VERSION;
#[doc(no_inline)]
pub use sqlx::postgres::PgConnectOptions;
pub use store::PostgresStore;
