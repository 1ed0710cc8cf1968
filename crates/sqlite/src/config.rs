use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runstore_core::limits::MAX_DURATION;
use runstore_core::{Clock, Durability, Error, Result, StoreUrl, SystemClock};

/// The most connections that a store may read by.
const MAX_READERS: u32 = 64;

/// How to open a store in an SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    pub(crate) path: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) busy_timeout: Duration,
    pub(crate) readers: u32,
    pub(crate) poll_interval: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

impl SqliteOptions {
    /// The store in the file at `path`, which is created if there is none: full durability, a busy
    /// timeout of ten seconds, four readers, a poll interval of 25 milliseconds, the system's clock.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Full,
            busy_timeout: Duration::from_secs(10),
            readers: 4,
            poll_interval: Duration::from_millis(25),
            clock: Arc::new(SystemClock),
        }
    }

    /// Reads `sqlite:FILE`, with the options `durability` (`full` or `relaxed`), `busy_timeout_ms`,
    /// `readers` and `poll_ms`.
    ///
    /// # Errors
    /// `InvalidInput` if the URL names no file, another option, or a value that cannot be.
    pub fn from_url(url: &StoreUrl) -> Result<Self> {
        let mut options = Self::new(url.file()?);
        for (key, value) in url.options() {
            match key {
                "durability" => options.durability = StoreUrl::durability(value)?,
                "busy_timeout_ms" => {
                    options.busy_timeout = Duration::from_millis(number(key, value)?.into());
                }
                "readers" => options.readers = number(key, value)?,
                "poll_ms" => {
                    options.poll_interval = Duration::from_millis(number(key, value)?.into());
                }
                _ => {
                    let known = ["durability", "busy_timeout_ms", "readers", "poll_ms"];
                    return Err(url.unknown_option(key, &known));
                }
            }
        }
        options.check()?;
        Ok(options)
    }

    /// What a write survives once it has returned: [`Durability::Full`] or [`Durability::Relaxed`].
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long to wait while another connection or process holds the file, before a call is
    /// [`Error::Busy`].
    #[must_use]
    pub fn with_busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.busy_timeout = busy_timeout;
        self
    }

    /// How many connections to read by, at most. Each has a thread and is opened when first needed. One
    /// more watches the file while a call waits for a claim.
    #[must_use]
    pub fn with_readers(mut self, readers: u32) -> Self {
        self.readers = readers;
        self
    }

    /// How often to look for what other processes wrote while a call waits for a claim (clause C11), by the
    /// system's clock, whatever the store's own is. A task that another process makes claimable is taken
    /// after at most this long and the time that a look and a claim take. What this store writes itself
    /// ends a wait at once.
    #[must_use]
    pub fn with_poll_interval(mut self, poll_interval: Duration) -> Self {
        self.poll_interval = poll_interval;
        self
    }

    /// Reads the time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let invalid = |field: &str, problem: String| Err(Error::invalid_input(field, problem));
        if self.path.to_str().is_none() {
            let problem = format!("is {:?}; SQLite needs it in UTF-8", self.path);
            return invalid("path", problem);
        }
        if self.path.as_os_str().is_empty() || self.path == Path::new(":memory:") {
            let problem = "names no file; a store in memory is another backend".to_owned();
            return invalid("path", problem);
        }
        if self.durability == Durability::Volatile {
            let problem = "is volatile; it must be full or relaxed".to_owned();
            return invalid("durability", problem);
        }
        if !(1..=MAX_READERS).contains(&self.readers) {
            let problem = format!("is {}; it must be from 1 to {MAX_READERS}", self.readers);
            return invalid("readers", problem);
        }
        if !(Duration::from_millis(1)..=MAX_DURATION).contains(&self.poll_interval) {
            let days = MAX_DURATION.as_secs() / (24 * 60 * 60);
            let problem = format!(
                "is {:?}; it must be from a millisecond to {days} days",
                self.poll_interval
            );
            return invalid("poll_interval", problem);
        }
        // SQLite keeps the milliseconds in 32 bits, with a sign.
        if i32::try_from(self.busy_timeout.as_millis()).is_err() {
            let problem = format!("is over {} milliseconds", i32::MAX);
            return invalid("busy_timeout", problem);
        }
        Ok(())
    }
}

fn number(key: &str, value: &str) -> Result<u32> {
    value.parse().map_err(|_| {
        Error::invalid_input("url", format!("has {key} {value:?}, which is no number"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(url: &str) -> Result<SqliteOptions> {
        SqliteOptions::from_url(&url.parse()?)
    }

    #[test]
    fn a_url_sets_the_file_and_every_option() {
        let options =
            from("sqlite:runs.db?durability=relaxed&busy_timeout_ms=250&readers=2&poll_ms=5")
                .unwrap();
        assert_eq!(options.path, Path::new("runs.db"));
        assert_eq!(options.durability, Durability::Relaxed);
        assert_eq!(options.busy_timeout, Duration::from_millis(250));
        assert_eq!(options.readers, 2);
        assert_eq!(options.poll_interval, Duration::from_millis(5));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for url in [
            "sqlite:",
            "sqlite::memory:",
            "sqlite:runs.db?mode=ro",
            "sqlite:runs.db?durability=volatile",
            "sqlite:runs.db?readers=0",
            "sqlite:runs.db?readers=many",
            "sqlite:runs.db?busy_timeout_ms=4000000000",
            "sqlite:runs.db?poll_ms=0",
        ] {
            assert!(
                matches!(from(url), Err(Error::InvalidInput { .. })),
                "{url}"
            );
        }
        let volatile = SqliteOptions::new("runs.db").with_durability(Durability::Volatile);
        assert!(volatile.check().is_err());
    }
}
