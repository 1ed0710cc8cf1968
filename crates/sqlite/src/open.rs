//! Opening: from a path to a writer and readers.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use runstore_core::{Error, Result, WakeHub, WriteQueue};
use tokio::sync::oneshot;

use crate::SqliteOptions;
use crate::connect;
use crate::driver::Connection;
use crate::error;
use crate::file::DatabaseFile;
use crate::readers::Readers;
use crate::schema::{self, Found};
use crate::write::Job;
use crate::writer::Writer;

/// How long to wait before opening is tried again. Not every lock that others hold meanwhile is one that
/// SQLite itself waits for: the switch to a write-ahead log is not.
const PAUSE: Duration = Duration::from_millis(5);

/// Opens the file, on a thread of its own: it waits for files and locks. If the future is dropped, the
/// thread goes on to the end and lets go of the file.
///
/// The writer tells `hub` what it committed.
pub(crate) async fn open(
    options: SqliteOptions,
    hub: Arc<WakeHub>,
) -> Result<(Readers, WriteQueue<Job>)> {
    let (sender, receiver) = oneshot::channel();
    let no_thread = |source| error::file("the system gives no thread to open".to_owned(), source);
    thread::Builder::new()
        .name("runstore-sqlite-open".to_owned())
        .spawn(move || drop(sender.send(start(options, hub))))
        .map_err(no_thread)?;
    let gone = |_| error::unavailable("opening ended half-way".to_owned(), None);
    receiver.await.map_err(gone)?
}

fn start(options: SqliteOptions, hub: Arc<WakeHub>) -> Result<(Readers, WriteQueue<Job>)> {
    let opened = open_file(&options)?;
    let readers = Readers::new(options.clone(), opened.file.clone());
    let mut writer = Writer::new(opened, options, &readers, hub);
    let queue = WriteQueue::start("runstore-sqlite", move |batch| writer.apply(batch))?;
    Ok((readers, queue))
}

/// An opened file.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: DatabaseFile,
    /// The connection that writes.
    pub(crate) connection: Connection,
}

/// Opens the file and waits for it here.
pub(crate) fn open_file(options: &SqliteOptions) -> Result<Opened> {
    let file = DatabaseFile::find_or_create(&options.path)?;
    let deadline = Instant::now() + options.busy_timeout;
    let connection = loop {
        match attempt(options, &file) {
            Err(Error::Busy { .. }) if Instant::now() < deadline => thread::sleep(PAUSE),
            ended => break ended.map_err(|error| error::while_opening(file.path(), error))?,
        }
    };
    Ok(Opened { file, connection })
}

fn attempt(options: &SqliteOptions, file: &DatabaseFile) -> Result<Connection> {
    if schema::look(options, file)? == Found::Unclaimed {
        schema::claim(options, file)?;
    }
    let connection = connect::writer(options, file)?;
    schema::migrate(&connection, file)?;
    Ok(connection)
}
