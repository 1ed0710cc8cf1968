//! The connections that read, beside the writer and each other, each on a thread of its own: a read waits for the
//! disk, and no runtime of the callers' is to wait with it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use runstore_core::Result;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot, watch};

use crate::SqliteOptions;
use crate::connect;
use crate::driver::{Connection, query};
use crate::error::{self, closed, engine};
use crate::file::DatabaseFile;

/// What a reader is asked.
type Job = Box<dyn FnOnce(&mut ReadSide) + Send>;

/// What the thread of a reader owns.
struct ReadSide {
    /// `None` until it is first needed.
    connection: Option<Connection>,
    options: SqliteOptions,
    file: DatabaseFile,
}

impl ReadSide {
    fn connection(&mut self) -> Result<&Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect::reader(&self.options, &self.file)?,
        };
        Ok(self.connection.insert(connection))
    }
}

/// Readers that nobody uses at the moment, and how many there are.
#[derive(Debug)]
pub(crate) struct IdleReaders {
    state: Mutex<State>,
    ended: Condvar,
    alive: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<mpsc::Sender<Job>>,
    alive: usize,
    /// Who comes back ends.
    is_closed: bool,
}

impl IdleReaders {
    fn new() -> Self {
        Self {
            state: Mutex::default(),
            ended: Condvar::new(),
            alive: watch::Sender::new(0),
        }
    }

    /// An idle reader; without one, counts one that is to be started.
    fn take(&self) -> Result<Option<mpsc::Sender<Job>>> {
        let mut state = self.state();
        if state.is_closed {
            return Err(closed());
        }
        let idle = state.idle.pop();
        if idle.is_none() {
            state.alive += 1;
            self.alive.send_replace(state.alive);
        }
        Ok(idle)
    }

    fn put(&self, reader: mpsc::Sender<Job>) {
        let mut state = self.state();
        if !state.is_closed {
            state.idle.push(reader);
        }
    }

    /// Lets every reader end: those that are idle now, the others once they come back.
    fn end(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.idle.clear();
    }

    /// Ends the readers and waits until they have let go of the file.
    async fn close(&self) {
        self.end();
        // Never an error: the sender is held here.
        let _ = self.alive.subscribe().wait_for(|alive| *alive == 0).await;
    }

    /// The same, waiting here.
    pub(crate) fn close_here(&self) {
        self.end();
        let mut state = self.state();
        while state.alive > 0 {
            state = self
                .ended
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn count_out(&self) {
        let mut state = self.state();
        state.alive = state.alive.saturating_sub(1);
        self.alive.send_replace(state.alive);
        self.ended.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here is done by halves where it could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader's thread, for as long as it runs.
struct Alive(Arc<IdleReaders>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.count_out();
    }
}

/// The places of those who read at the same time.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    number: u32,
    of_readers: Arc<Semaphore>,
    /// The place of the one that watches, so that no long read keeps it waiting.
    of_watcher: Arc<Semaphore>,
}

impl Places {
    fn new(number: u32) -> Self {
        Self {
            number,
            of_readers: Arc::new(Semaphore::new(number as usize)),
            of_watcher: Arc::new(Semaphore::new(1)),
        }
    }

    fn all(&self) -> [(&Arc<Semaphore>, u32); 2] {
        [(&self.of_readers, self.number), (&self.of_watcher, 1)]
    }

    /// All places, if nobody reads: whoever would, waits until they are given back.
    pub(crate) fn try_take_all(&self) -> Option<[SemaphorePermit<'_>; 2]> {
        let [readers, watcher] = self
            .all()
            .map(|(places, number)| places.try_acquire_many(number).ok());
        Some([readers?, watcher?])
    }

    /// Lets nobody read any more, and waits for those who do.
    async fn close(&self) {
        for (places, number) in self.all() {
            // An error says that it is closed already.
            let all = places.acquire_many(number).await;
            places.close();
            drop(all);
        }
    }
}

/// The readers of a store: at most a number of them at once, started when first needed.
#[derive(Debug)]
pub(crate) struct Readers {
    places: Places,
    idle: Arc<IdleReaders>,
    file: DatabaseFile,
    options: SqliteOptions,
}

impl Readers {
    pub(crate) fn new(options: SqliteOptions, file: DatabaseFile) -> Self {
        Self {
            places: Places::new(options.readers),
            idle: Arc::new(IdleReaders::new()),
            file,
            options,
        }
    }

    pub(crate) fn places(&self) -> Places {
        self.places.clone()
    }

    pub(crate) fn idle(&self) -> Arc<IdleReaders> {
        Arc::clone(&self.idle)
    }

    /// Reads by one statement, which sees one instant by itself.
    pub(crate) async fn by_statement<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_at(&self.places.of_readers, read).await
    }

    /// Reads by one statement what other processes may have written, beside all who read.
    pub(crate) async fn watch<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_at(&self.places.of_watcher, read).await
    }

    /// Reads by several statements, which all see the instant of the first.
    pub(crate) async fn by_transaction<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.read_at(&self.places.of_readers, move |connection| {
            let run = |sql| {
                let done = query(sql).execute(connection);
                done.map_err(|error| engine("a transaction that reads", error))
            };
            run("BEGIN")?;
            let found = read(connection);
            let ended = run("ROLLBACK");
            match (found, ended) {
                // What went wrong first is what the caller has to know.
                (Err(error), _) if !error.is_refusal() => Err(error),
                (found, Ok(_)) => found,
                (_, Err(error)) => Err(error),
            }
        })
        .await
    }

    /// Reads on a thread of a reader. Dropped, the read goes on to its end, and keeps its place until then.
    async fn read_at<T: Send + 'static>(
        &self,
        places: &Arc<Semaphore>,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let place = Arc::clone(places).acquire_owned().await;
        let place = place.map_err(|_| closed())?;
        let (answer, answered) = oneshot::channel();
        self.send(place, move |side| {
            let found = side.connection().and_then(read);
            // What the engine failed on is not used again.
            if found.as_ref().is_err_and(|error| !error.is_refusal()) {
                side.connection = None;
            }
            // Once the reader is back, so that the caller's next read finds it.
            move || drop(answer.send(found))
        })?;
        answered
            .await
            .unwrap_or_else(|_| Err(error::unavailable("a reader is gone".to_owned(), None)))
    }

    /// Gives a reader something to do; what it gives back is done once the reader and its place are free again.
    fn send<A: FnOnce()>(
        &self,
        place: OwnedSemaphorePermit,
        job: impl FnOnce(&mut ReadSide) -> A + Send + 'static,
    ) -> Result<()> {
        let reader = match self.idle.take()? {
            Some(reader) => reader,
            None => self.start()?,
        };
        let (idle, back) = (Arc::clone(&self.idle), reader.clone());
        let job: Job = Box::new(move |side| {
            let answer = job(side);
            idle.put(back);
            drop(place);
            answer();
        });
        let gone = |_| error::unavailable("a reader is gone".to_owned(), None);
        reader.send(job).map_err(gone)
    }

    /// Starts a reader that was counted.
    fn start(&self) -> Result<mpsc::Sender<Job>> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let side = ReadSide {
            connection: None,
            options: self.options.clone(),
            file: self.file.clone(),
        };
        let alive = Alive(Arc::clone(&self.idle));
        let thread = thread::Builder::new().name("runstore-sqlite-reader".to_owned());
        let started = thread.spawn(move || {
            // Dropped last, also when a read panics: that tells those who wait for the end that the connection is
            // closed.
            let _alive = alive;
            let mut side = side;
            for job in jobs {
                job(&mut side);
            }
        });
        let no_thread =
            |source| error::file("the system gives no thread to read".to_owned(), source);
        started.map_err(no_thread)?;
        Ok(sender)
    }

    /// Lets nobody read any more, waits for those who do, and closes the connections.
    pub(crate) async fn close(&self) {
        self.places.close().await;
        self.idle.close().await;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use runstore_core::{Error, NewRun, Store};

    use crate::{SqliteOptions, SqliteStore};

    use super::*;

    async fn store() -> (tempfile::TempDir, SqliteStore) {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions::new(folder.path().join("runs.db"));
        let store = SqliteStore::open(options).await.unwrap();
        store.create_run(NewRun::new("g", "/r")).await.unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn a_read_that_panics_ends_its_reader_and_nothing_else() {
        let (folder, store) = store().await;
        let panics = |_: &Connection| -> Result<()> { panic!("on purpose") };
        let told = store.readers().by_transaction(panics).await;
        assert!(matches!(told, Err(Error::Unavailable { .. })), "{told:?}");
        let read = store.readers().by_transaction(|_| Ok(()));
        read.await.unwrap();
        store.close().await.unwrap();
        // Whoever leaves last folds the log into the file: no connection was left open.
        assert!(!folder.path().join("runs.db-wal").exists());
    }

    #[tokio::test]
    async fn a_close_waits_for_a_read_whose_caller_is_gone() {
        let (folder, store) = store().await;
        let (begun, has_begun) = oneshot::channel();
        let (release, released) = oneshot::channel::<()>();
        {
            let read = store.readers().by_transaction(move |_| {
                let _ = begun.send(());
                let _ = released.blocking_recv();
                Ok(())
            });
            let mut read = pin!(read);
            assert!(read.as_mut().now_or_never().is_none());
            has_begun.await.unwrap();
        }
        let mut close = pin!(store.close());
        assert!(close.as_mut().now_or_never().is_none());
        release.send(()).unwrap();
        close.await.unwrap();
        let late = store.readers().by_statement(|_| Ok(())).await;
        assert!(matches!(late, Err(Error::Unavailable { .. })), "{late:?}");
        assert!(!folder.path().join("runs.db-wal").exists());
    }
}
