//! The connections of the provider.

use duroxide::providers::sqlite::SqliteProvider;
use runstore_bench::{Failure, Result};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqlitePool};
use tokio::sync::Mutex;

/// How many connections the provider has.
pub(crate) const CONNECTIONS: usize = 5;

/// What `PRAGMA synchronous` is while tasks are made, which is not measured.
pub(crate) const OFF: i64 = 0;

/// The provider's pool, all of it.
///
/// The provider asks for `PRAGMA synchronous = WAL` on each connection. SQLite knows no such level and takes it for
/// NORMAL, and no option says otherwise. So each connection is told its level here, and asked for it in the end.
pub(crate) struct Pool {
    pool: SqlitePool,
    /// How many connections the provider may use.
    used: usize,
    /// Those that it may not.
    kept: Mutex<Vec<PoolConnection<Sqlite>>>,
}

impl Pool {
    pub(crate) async fn of(provider: &SqliteProvider, used: usize) -> Result<Self> {
        let pool = provider.get_pool().clone();
        let mut all = acquired(&pool, CONNECTIONS).await?;
        Ok(Self {
            pool,
            used,
            kept: Mutex::new(all.split_off(used.min(CONNECTIONS))),
        })
    }

    /// Sets the level of all connections that are in use, none of which is at work.
    pub(crate) async fn set_synchronous(&self, level: i64) -> Result<()> {
        for mut connection in acquired(&self.pool, self.used).await? {
            let set = sqlx::query(match level {
                0 => "PRAGMA synchronous = OFF",
                1 => "PRAGMA synchronous = NORMAL",
                _ => "PRAGMA synchronous = FULL",
            });
            set.execute(&mut *connection)
                .await
                .map_err(Failure::engine)?;
        }
        self.check_synchronous(level).await
    }

    /// SQLite ignores a setting that it cannot do, and a connection may have been opened anew.
    pub(crate) async fn check_synchronous(&self, level: i64) -> Result<()> {
        for mut connection in acquired(&self.pool, self.used).await? {
            let found: i64 = sqlx::query_scalar("PRAGMA synchronous")
                .fetch_one(&mut *connection)
                .await
                .map_err(Failure::engine)?;
            if found != level {
                return Err(Failure::Refused(format!(
                    "a connection is at synchronous {found} and not at {level}"
                )));
            }
        }
        Ok(())
    }

    pub(crate) async fn close(&self) {
        // The pool is closed once all are back.
        self.kept.lock().await.clear();
        self.pool.close().await;
    }
}

/// So many connections at the same time, so that each is another.
async fn acquired(pool: &SqlitePool, count: usize) -> Result<Vec<PoolConnection<Sqlite>>> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        all.push(pool.acquire().await.map_err(Failure::engine)?);
    }
    Ok(all)
}
