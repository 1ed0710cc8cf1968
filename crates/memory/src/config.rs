use std::sync::Arc;

use runstore_core::{Clock, Error, Result, StoreUrl, SystemClock};

/// How to open a store in memory.
#[derive(Debug, Clone)]
pub struct MemoryOptions {
    pub(crate) clock: Arc<dyn Clock>,
}

impl MemoryOptions {
    /// A store with the system's clock.
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: Arc::new(SystemClock),
        }
    }

    /// Reads `memory:`, which has neither location nor options.
    ///
    /// # Errors
    /// `InvalidInput` if the URL has either.
    pub fn from_url(url: &StoreUrl) -> Result<Self> {
        if !url.location().is_empty() {
            let problem = format!("names {:?}, and memory: has no location", url.location());
            return Err(Error::invalid_input("url", problem));
        }
        match url.options().next() {
            Some((key, _)) => Err(url.unknown_option(key, &[])),
            None => Ok(Self::new()),
        }
    }

    /// Reads the time from `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl Default for MemoryOptions {
    fn default() -> Self {
        Self::new()
    }
}
