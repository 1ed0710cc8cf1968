//! The connections that read, beside the writer and each other.
//!
//! Neither a runtime nor a timer of the caller's is involved: a connection is a thread of the driver's.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use runstore_core::Result;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::SqliteOptions;
use crate::connect;
use crate::error::{closed, engine};
use crate::file::DatabaseFile;

/// Readers that nobody uses at the moment.
#[derive(Debug, Default)]
pub(crate) struct IdleReaders(Mutex<Vec<SqliteConnection>>);

impl IdleReaders {
    fn take(&self) -> Option<SqliteConnection> {
        self.with(Vec::pop)
    }

    fn put(&self, connection: SqliteConnection) {
        self.with(|idle| idle.push(connection));
    }

    /// Closes them and waits until they have let go of the file.
    pub(crate) async fn close(&self) {
        while let Some(connection) = self.take() {
            connect::close(connection).await;
        }
    }

    fn with<T>(&self, access: impl FnOnce(&mut Vec<SqliteConnection>) -> T) -> T {
        access(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The readers of a store: at most a number of them at once, opened when first needed.
#[derive(Debug)]
pub(crate) struct Readers {
    places: Semaphore,
    /// The place of the one that watches, so that no long read keeps it waiting.
    watcher: Semaphore,
    idle: Arc<IdleReaders>,
    file: DatabaseFile,
    options: SqliteOptions,
}

impl Readers {
    pub(crate) fn new(options: SqliteOptions, file: DatabaseFile, idle: Arc<IdleReaders>) -> Self {
        Self {
            places: Semaphore::new(options.readers as usize),
            watcher: Semaphore::new(1),
            idle,
            file,
            options,
        }
    }

    /// Reads by one statement, which sees one instant by itself.
    pub(crate) async fn by_statement<T, F>(&self, read: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>>,
    {
        self.by_statement_at(&self.places, read).await
    }

    /// Reads by one statement what other processes may have written, beside all who read.
    pub(crate) async fn watch<T, F>(&self, read: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>>,
    {
        self.by_statement_at(&self.watcher, read).await
    }

    async fn by_statement_at<T, F>(&self, places: &Semaphore, read: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>>,
    {
        let mut reader = self.reader(places).await?;
        let found = read(reader.connection()?).await;
        reader.end(found)
    }

    /// Reads by several statements, which all see the instant of the first.
    pub(crate) async fn by_transaction<T, F>(&self, read: F) -> Result<T>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T>>,
    {
        const WHAT: &str = "a transaction that reads";
        let mut reader = self.reader(&self.places).await?;
        let connection = reader.connection()?;
        // Dropped at any point, the transaction queues its own end on the connection, before whatever
        // the next one asks of it (clause G4).
        let found = match connection.begin().await {
            Err(error) => Err(engine(WHAT, error)),
            Ok(mut transaction) => match read(&mut transaction).await {
                Err(error) => Err(error),
                Ok(found) => {
                    let ended = transaction.rollback().await;
                    ended.map_err(|error| engine(WHAT, error)).map(|()| found)
                }
            },
        };
        reader.end(found)
    }

    /// Lets nobody read any more, waits for those who do, and closes the connections.
    pub(crate) async fn close(&self) {
        // An error says that it is closed already.
        for (places, number) in [(&self.places, self.options.readers), (&self.watcher, 1)] {
            let all = places.acquire_many(number).await;
            places.close();
            drop(all);
        }
        self.idle.close().await;
    }

    async fn reader<'r>(&'r self, places: &'r Semaphore) -> Result<Reader<'r>> {
        let place = places.acquire().await.map_err(|_| closed())?;
        let connection = match self.idle.take() {
            Some(connection) => connection,
            None => connect::reader(&self.options, &self.file).await?,
        };
        Ok(Reader {
            connection: Some(connection),
            idle: &self.idle,
            _place: place,
        })
    }
}

/// A reader in use. Dropped, it is given back, also in the middle of a read whose caller has gone.
struct Reader<'r> {
    connection: Option<SqliteConnection>,
    idle: &'r IdleReaders,
    /// Given back after the connection, so that who gets the place finds the connection.
    _place: SemaphorePermit<'r>,
}

impl Reader<'_> {
    fn connection(&mut self) -> Result<&mut SqliteConnection> {
        self.connection.as_mut().ok_or_else(closed)
    }

    /// Gives up the connection if the engine failed on it.
    fn end<T>(mut self, found: Result<T>) -> Result<T> {
        if found.as_ref().is_err_and(|error| !error.is_refusal()) {
            self.connection = None;
        }
        found
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.idle.put(connection);
        }
    }
}
