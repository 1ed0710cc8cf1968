use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runstore_core::{Clock, Durability, Error, Result, StoreUrl, SystemClock};

/// How much memory redb may take for its cache unless told otherwise; redb's own default is 1 GiB.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// How long an open waits for another to let go of the file unless told otherwise.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// How to open a store in a file of redb.
#[derive(Debug, Clone)]
pub struct RedbOptions {
    pub(crate) path: PathBuf,
    pub(crate) cache_bytes: usize,
    pub(crate) compacts: bool,
    pub(crate) busy_timeout: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

impl RedbOptions {
    /// The store in the file at `path`, which is created if it is missing.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            cache_bytes: CACHE_BYTES,
            compacts: false,
            busy_timeout: BUSY_TIMEOUT,
            clock: Arc::new(SystemClock),
        }
    }

    /// Reads `redb:FILE`, with these options:
    ///
    /// | option | meaning |
    /// |---|---|
    /// | `durability` | `full`, which is the only one |
    /// | `busy_timeout_ms` | as [`with_busy_timeout`](Self::with_busy_timeout), in milliseconds |
    /// | `compact` | `true` or `false`: as [`with_compaction`](Self::with_compaction) |
    /// | `cache_mib` | as [`with_cache_bytes`](Self::with_cache_bytes), in MiB |
    ///
    /// # Errors
    /// `InvalidInput` if the URL names no file, or has an option or a value that does not exist;
    /// `durability=relaxed` is one of them.
    pub fn from_url(url: &StoreUrl) -> Result<Self> {
        let mut options = Self::new(url.file()?);
        for (key, value) in url.options() {
            match key {
                "durability" => check_durability(StoreUrl::durability(value)?)?,
                "busy_timeout_ms" => {
                    options.busy_timeout = Duration::from_millis(number(key, value)?);
                }
                "compact" => {
                    options.compacts = match value {
                        "true" => true,
                        "false" => false,
                        _ => {
                            let problem = format!("has compact={value:?}; it is true or false");
                            return Err(Error::invalid_input("url", problem));
                        }
                    };
                }
                "cache_mib" => {
                    let bytes = number(key, value)?.checked_mul(1024 * 1024);
                    options.cache_bytes = bytes
                        .and_then(|bytes| usize::try_from(bytes).ok())
                        .ok_or_else(|| not_a_number(key, value))?;
                }
                key => {
                    let known = ["durability", "busy_timeout_ms", "compact", "cache_mib"];
                    return Err(url.unknown_option(key, &known));
                }
            }
        }
        Ok(options)
    }

    /// Lets redb take that much memory for its cache; 64 MiB if unset.
    #[must_use]
    pub const fn with_cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Gives back to the file system, while the store is opened, what its rows do not need. A file of redb grows by
    /// doubling, and does not shrink by itself. Compacting reads and writes the whole file.
    #[must_use]
    pub const fn with_compaction(mut self, compacts: bool) -> Self {
        self.compacts = compacts;
        self
    }

    /// How long to wait while the file is held by another, which may be a process that is just ending;
    /// 2 seconds if unset.
    #[must_use]
    pub const fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Reads the time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

fn check_durability(durability: Durability) -> Result<()> {
    match durability {
        Durability::Full => Ok(()),
        _ => Err(Error::invalid_input(
            "url",
            "asks for relaxed durability, which redb does not have: without a flush to disk, its \
             commits are lost already when the process is killed",
        )),
    }
}

fn number(key: &str, value: &str) -> Result<u64> {
    value.parse().map_err(|_| not_a_number(key, value))
}

fn not_a_number(key: &str, value: &str) -> Error {
    let problem = format!("has {key}={value:?}, which is no whole number or too large");
    Error::invalid_input("url", problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<RedbOptions> {
        RedbOptions::from_url(&url.parse().unwrap())
    }

    #[test]
    fn a_url_names_the_file_and_the_options() {
        let options = read(
            "redb:///srv/runs.redb?busy_timeout_ms=5&cache_mib=2&durability=full&compact=true",
        )
        .unwrap();
        assert_eq!(options.path, PathBuf::from("/srv/runs.redb"));
        assert_eq!(options.busy_timeout, Duration::from_millis(5));
        assert_eq!(options.cache_bytes, 2 * 1024 * 1024);
        assert!(options.compacts);
    }

    #[test]
    fn what_redb_does_not_have_is_refused() {
        for url in [
            "redb:",
            "redb:f?readers=3",
            "redb:f?cache_mib=-1",
            "redb:f?cache_mib=18446744073709551615",
            "redb:f?durability=none",
            "redb:f?compact=yes",
        ] {
            assert!(
                matches!(read(url), Err(Error::InvalidInput { .. })),
                "{url}"
            );
        }
    }

    #[test]
    fn relaxed_durability_is_refused_with_the_reason() {
        match read("redb:f?durability=relaxed") {
            Err(Error::InvalidInput { problem, .. }) => assert!(problem.contains("killed")),
            other => panic!("{other:?}"),
        }
    }
}
