//! What the benchmark of storage engines is held against: for each engine a bare loop on its own API, which keeps
//! the same rows at the same durability without a store's contract.
//!
//! There are no fences, no retries, no checks of input, no waits and no lists by state: only the rows, the index
//! that a claim needs, and the engine's own way to make them durable. What a store is slower than that is what its
//! contract costs; what it is faster, the loop leaves to be gained.
//!
//! | feature | engine | how |
//! |---|---|---|
//! | `sqlite` | `BareSqlite` | `rusqlite`, one thread that commits what waits, threads that read |
//! | `redb` | `BareRedb` | `redb`, one thread that commits what waits, threads that read |
//! | `postgres` | `BarePostgres` | `sqlx`, a connection a worker, a statement a step |

#[cfg(any(feature = "postgres", feature = "redb", feature = "sqlite"))]
mod bare;
#[cfg(any(feature = "redb", feature = "sqlite"))]
mod embedded;
#[cfg(any(feature = "redb", feature = "sqlite"))]
mod group;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redb")]
mod redb;
#[cfg(any(feature = "postgres", feature = "redb", feature = "sqlite"))]
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use self::postgres::BarePostgres;
#[cfg(feature = "redb")]
pub use self::redb::BareRedb;
#[cfg(feature = "sqlite")]
pub use self::sqlite::BareSqlite;
