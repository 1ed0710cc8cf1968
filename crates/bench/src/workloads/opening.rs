//! Opening a store that is full.

use tokio::sync::Mutex;

use super::World;
use crate::{Failure, Result, Steps};

/// One at a time: some engines let one process have their file.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    turn: Mutex<()>,
}

impl Opening {
    /// Closes the store that was filled. That does nothing the second time.
    pub(super) async fn prepare(&self, world: &World) -> Result<()> {
        if world.opened.is_in_process {
            world.store().close().await?;
        }
        Ok(())
    }

    pub(super) async fn operate(&self, world: &World, steps: &mut Steps) -> Result<()> {
        let _turn = self.turn.lock().await;
        let opened = world.opener.open_again(&world.opened);
        let store = steps.time("open", opened).await?;
        let store = store.ok_or_else(|| {
            Failure::Refused("a store was to be opened again that cannot be".to_owned())
        })?;
        store.close().await?;
        Ok(())
    }
}
