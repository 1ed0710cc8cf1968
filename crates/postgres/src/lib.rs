//! The PostgreSQL backend of runstore: a store on a server, for workers on many machines.

mod background;
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
mod together;
mod under_way;
mod waiting;
mod write;

pub use config::PostgresOptions;
pub use schema::FORMAT_VERSION;
#[doc(no_inline)]
pub use sqlx::postgres::PgConnectOptions;
pub use store::PostgresStore;
