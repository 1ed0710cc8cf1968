//! The database while it is open, and where reads run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{PoisonError, RwLock};

use redb::{Database, ReadableDatabase};
use runstore_core::{Pauses, Result};
use tokio::runtime::Handle;

use crate::error;
use crate::schema::Tables;
use crate::table::Reading;

/// The database while it is open. Whoever uses it holds the lock shared, so that closing waits for the
/// reads in flight and lets go of the file at a known moment.
#[derive(Debug)]
pub(crate) struct Engine(RwLock<Option<Database>>);

impl Engine {
    pub(crate) const fn new(database: Database) -> Self {
        Self(RwLock::new(Some(database)))
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        // A panic elsewhere cannot have left half of the option.
        let database = self.0.read().unwrap_or_else(PoisonError::into_inner);
        work(database.as_ref().ok_or_else(error::closed)?)
    }

    /// Reads one snapshot. It is taken after the call began, so it holds every write that was answered.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Tables<Reading<'_>>) -> Result<T>,
    ) -> Result<T> {
        // redb panics on some damage inside a file. Nothing that a read leaves behind is looked at again.
        let read = AssertUnwindSafe(|| {
            self.with(|database| {
                let transaction = database.begin_read().map_err(error::transaction)?;
                read(&Tables::new(Reading {
                    transaction: &transaction,
                    pauses: &Pauses::default(),
                }))
            })
        });
        catch_unwind(read).unwrap_or_else(|_| Err(error::panicked()))
    }

    pub(crate) fn close(&self) {
        let database = self
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Every write that was answered is on disk; what fails here costs the next open a repair.
        if let Some(Err(error)) = database.map(Database::close) {
            tracing::warn!(%error, "the database was not closed cleanly");
        }
    }
}

/// Runs work that may block for long on a thread that may be blocked, if the caller is in a runtime of
/// tokio; elsewhere there is nobody else to be kept waiting.
pub(crate) async fn unblocked<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match Handle::try_current() {
        Ok(runtime) => runtime
            .spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(error::unfinished(error))),
        Err(_) => work(),
    }
}

#[cfg(test)]
mod tests {
    use redb::Builder;
    use redb::backends::InMemoryBackend;
    use runstore_core::Error;

    use super::*;

    #[test]
    fn a_panic_of_the_engine_in_a_read_is_an_error_and_the_next_read_goes_on() {
        let database = Builder::new().create_with_backend(InMemoryBackend::new());
        let engine = Engine::new(database.unwrap());
        let panicked = engine.read(|_| -> Result<()> { panic!("a page that is none") });
        assert!(matches!(panicked, Err(Error::Backend { .. })));
        assert_eq!(engine.read(|_| Ok(7)).unwrap(), 7);
    }
}
