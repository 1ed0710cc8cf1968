//! What the tests of several engines need.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use runstore_core::{Durability, Store};

use crate::{Opened, Opener, Result};

/// A store that a test has a handle of beside the engine.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) is_removed: Arc<AtomicBool>,
}

#[async_trait]
impl Opener for Shared {
    async fn open(&self, _: Durability) -> Result<Opened> {
        Ok(Opened {
            store: Arc::clone(&self.store),
            place: String::new(),
            // With a file that is its own no run is deleted in the end, so that a test can look.
            files: vec![PathBuf::from("none")],
            is_in_process: true,
        })
    }

    async fn open_again(&self, _: &Opened) -> Result<Option<Arc<dyn Store>>> {
        Ok(None)
    }

    async fn remove(&self, _: &Opened) -> Result<()> {
        self.is_removed.store(true, Ordering::Relaxed);
        Ok(())
    }
}
