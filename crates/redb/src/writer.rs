//! The writer: one transaction and one flush to disk for all calls that wait.

use std::cell::Cell;
use std::sync::Arc;

use redb::{Database, Durability, WriteTransaction};
use runstore_core::{Applied, Error, Result, WakeHub};

use crate::engine::Engine;
use crate::error;
use crate::schema::Tables;
use crate::table::Writing;

/// A write with its reply: handed the tables of the batch, or the reason why there are none.
pub(crate) type Job =
    Box<dyn for<'a, 't> FnOnce(Result<&'a mut Tables<Writing<'t>>>) -> Applied + Send>;

/// The owner of the write side. Closes the engine when it goes, which is when the queue is closed.
pub(crate) struct Writer {
    pub(crate) engine: Arc<Engine>,
    /// Those who wait for a claim.
    pub(crate) hub: Arc<WakeHub>,
}

impl Writer {
    /// Applies, commits and answers a batch.
    pub(crate) fn write(&self, batch: Vec<Job>) {
        // Taken out of the option by the first branch that has a transaction.
        let mut batch = Some(batch);
        let written = self.engine.with(|database| {
            let transaction = begin(database)?;
            if let Some(batch) = batch.take() {
                write_batch(transaction, batch, &self.hub);
            }
            Ok(())
        });
        if let Err(error) = written {
            for job in batch.into_iter().flatten() {
                job(Err(error.clone())).answer(Ok(()));
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.engine.close();
        // Not before the engine takes no more calls: their next look ends the waits.
        self.hub.wake_all();
    }
}

fn begin(database: &Database) -> Result<WriteTransaction> {
    let mut transaction = database.begin_write().map_err(error::transaction)?;
    transaction
        .set_durability(Durability::Immediate)
        .map_err(error::durability)?;
    Ok(transaction)
}

fn write_batch(transaction: WriteTransaction, batch: Vec<Job>, hub: &WakeHub) {
    let writes = Cell::new(0);
    let mut tables = Tables::new(Writing {
        transaction: &transaction,
        writes: &writes,
    });
    let mut applied = Vec::with_capacity(batch.len());
    let mut failure: Option<Error> = None;
    for job in batch {
        if let Some(failure) = &failure {
            applied.push(job(Err(failure.clone())));
            continue;
        }
        let before = writes.get();
        let write = job(Ok(&mut tables));
        // A call that failed before it wrote anything (a record that cannot be read) leaves nothing
        // in the transaction: the others need not fail with it.
        if writes.get() != before {
            failure = write.failure().cloned();
        }
        applied.push(write);
    }
    if failure.is_none() {
        failure = tables.settle().err();
    }
    let wakes = std::mem::take(&mut tables.wakes);
    drop(tables);
    let committed = match failure {
        Some(failure) => {
            abort(transaction);
            Err(failure)
        }
        // Nothing to make durable: a claim that found nothing costs no flush.
        None if writes.get() == 0 => {
            abort(transaction);
            Ok(())
        }
        None => transaction.commit().map_err(error::commit),
    };
    match &committed {
        Ok(()) => hub.wake(&wakes),
        Err(error) => {
            tracing::warn!(%error, writes = applied.len(), "a batch was not committed");
        }
    }
    for write in applied {
        write.answer(committed.clone());
    }
}

/// Gives a transaction up. If redb cannot tidy up after it, it refuses the next one and says why; of
/// this one nothing is kept either way.
fn abort(transaction: WriteTransaction) {
    if let Err(error) = transaction.abort() {
        tracing::warn!(%error, "a transaction could not be tidied up after it was given up");
    }
}

/// One write in a transaction of its own, before there is a queue.
pub(crate) fn write_one(
    database: &Database,
    write: impl for<'t> FnOnce(&mut Tables<Writing<'t>>, Writing<'t>) -> Result<()>,
) -> Result<()> {
    let transaction = begin(database)?;
    let writes = Cell::new(0);
    let writing = Writing {
        transaction: &transaction,
        writes: &writes,
    };
    let mut tables = Tables::new(writing);
    let written = write(&mut tables, writing).and_then(|()| tables.settle());
    drop(tables);
    match written {
        Ok(()) => transaction.commit().map_err(error::commit),
        Err(error) => {
            abort(transaction);
            Err(error)
        }
    }
}
