//! Opening a store by its URL: the one place that knows the backends by name.

use std::sync::Arc;

use runstore_core::{Clock, Error, Result, Store, StoreUrl};

/// The schemes that [`open`] knows, each with the feature of the same name.
const SCHEMES: [&str; 4] = ["memory", "postgres", "redb", "sqlite"];

/// The backends that this program was compiled with: the schemes that [`open`] takes.
pub const BACKENDS: &[&str] = &[
    #[cfg(feature = "memory")]
    "memory",
    #[cfg(feature = "postgres")]
    "postgres",
    #[cfg(feature = "redb")]
    "redb",
    #[cfg(feature = "sqlite")]
    "sqlite",
];

/// Opens the store that a URL names (see [`StoreUrl`]), and creates it if it is missing:
/// `sqlite:runs.db`, `redb:runs.redb`, `postgres://user@host/database`, `memory:`.
///
/// # Errors
/// `InvalidInput` on field `url` if it is no URL, if its backend is unknown or was not compiled in, or
/// if it has an option that the backend does not have; nothing was created then. Otherwise what the
/// backend says: `Busy`, `Unavailable`, `Incompatible`, `Corrupt`.
pub async fn open(url: &str) -> Result<Arc<dyn Store>> {
    opened(url, None).await
}

/// Opens a store as [`open`] does, and reads the time from `clock`.
///
/// # Errors
/// As [`open`].
pub async fn open_with_clock(url: &str, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>> {
    opened(url, Some(clock)).await
}

/// Opens a store that reads the time from a clock, or from where its backend does by itself.
async fn opened(url: &str, clock: Option<Arc<dyn Clock>>) -> Result<Arc<dyn Store>> {
    let url: StoreUrl = url.parse()?;
    match url.scheme() {
        #[cfg(feature = "memory")]
        "memory" => {
            use crate::memory::{MemoryOptions, MemoryStore};
            let options = MemoryOptions::from_url(&url)?;
            let options = match clock {
                Some(clock) => options.with_clock(clock),
                None => options,
            };
            Ok(Arc::new(MemoryStore::open(options)))
        }
        #[cfg(feature = "postgres")]
        "postgres" | "postgresql" => {
            use crate::postgres::{PostgresOptions, PostgresStore};
            let options = PostgresOptions::from_url(&url)?;
            let options = match clock {
                Some(clock) => options.with_clock(clock),
                None => options,
            };
            Ok(Arc::new(PostgresStore::open(options).await?))
        }
        #[cfg(feature = "redb")]
        "redb" => {
            use crate::redb::{RedbOptions, RedbStore};
            let options = RedbOptions::from_url(&url)?;
            let options = match clock {
                Some(clock) => options.with_clock(clock),
                None => options,
            };
            Ok(Arc::new(RedbStore::open(options).await?))
        }
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            use crate::sqlite::{SqliteOptions, SqliteStore};
            let options = SqliteOptions::from_url(&url)?;
            let options = match clock {
                Some(clock) => options.with_clock(clock),
                None => options,
            };
            Ok(Arc::new(SqliteStore::open(options).await?))
        }
        scheme => {
            // Without a backend nobody reads the time.
            drop(clock);
            Err(no_backend(scheme))
        }
    }
}

fn no_backend(scheme: &str) -> Error {
    let problem = if SCHEMES.contains(&scheme) {
        format!(
            "names the backend {scheme}, which this program was compiled without; enable the feature \
             {scheme} of the crate runstore: cargo add runstore --features {scheme}"
        )
    } else {
        let known = SCHEMES.map(|scheme| format!("{scheme}:")).join(", ");
        format!("names the backend {scheme:?}, which does not exist; there are {known}")
    };
    Error::invalid_input("url", problem)
}
