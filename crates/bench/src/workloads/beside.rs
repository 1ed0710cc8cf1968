//! What goes on beside the operations of a round, without a pause.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use runstore_core::{SnapshotRequest, Store};
use tokio::task::JoinSet;

use super::{World, journal};
use crate::{Failure, Result, Workload};

/// How many add events beside snapshots.
const WRITERS: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct Beside {
    is_over: Arc<AtomicBool>,
    tasks: Mutex<JoinSet<runstore_core::Result<()>>>,
}

impl Beside {
    pub(super) fn begin(&self, world: &World) -> Result<()> {
        self.is_over.store(false, Ordering::Relaxed);
        let (_, run_id) = world.next_run()?;
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        match world.case.workload {
            Workload::SnapshotBesideAppends => {
                for _ in 0..WRITERS {
                    let new = journal::event(world, run_id);
                    tasks.spawn(self.repeated(world, move |store| {
                        let new = new.clone();
                        async move { store.add_event(new).await.map(drop) }
                    }));
                }
            }
            _ => {
                tasks.spawn(self.repeated(world, move |store| async move {
                    let request = SnapshotRequest::of_run(run_id);
                    store.snapshot(request).await.map(drop)
                }));
            }
        }
        Ok(())
    }

    /// A call over and over until the round is over.
    fn repeated<C>(
        &self,
        world: &World,
        call: impl Fn(Arc<dyn Store>) -> C + Send + 'static,
    ) -> impl Future<Output = runstore_core::Result<()>> + Send + 'static
    where
        C: Future<Output = runstore_core::Result<()>> + Send,
    {
        let is_over = Arc::clone(&self.is_over);
        let store = Arc::clone(&world.opened.store);
        async move {
            while !is_over.load(Ordering::Relaxed) {
                call(Arc::clone(&store)).await?;
                // A store in memory never lets others go by itself.
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    }

    pub(super) async fn end(&self) -> Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        let tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        for done in tasks.join_all().await {
            done.map_err(Failure::from)?;
        }
        Ok(())
    }
}
