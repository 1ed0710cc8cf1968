//! The workloads over any store.

mod batches;
mod beside;
pub(crate) mod claims;
pub(crate) mod count;
mod journal;
mod opening;
mod plans;
mod reads;
mod waking;
mod world;

use crate::{Result, Steps, Workload};

pub(crate) use self::world::World;
use beside::Beside;
use opening::Opening;

/// A workload at work.
pub(crate) enum Work {
    Plain(Workload),
    Beside(Beside),
    Opening(Opening),
}

impl Work {
    pub(crate) fn of(workload: Workload) -> Self {
        match workload {
            Workload::AppendBesideSnapshots | Workload::SnapshotBesideAppends => {
                Self::Beside(Beside::default())
            }
            Workload::Open => Self::Opening(Opening::default()),
            plain => Self::Plain(plain),
        }
    }

    pub(crate) async fn prepare(&self, world: &World, operations: u64) -> Result<()> {
        match self {
            Self::Plain(Workload::Cycle | Workload::Finish | Workload::Claim) => {
                world.begin_batches().await?;
                let each = operations.div_ceil(world.run_ids.len() as u64);
                world.add_tasks(each).await
            }
            Self::Plain(_) => Ok(()),
            Self::Beside(beside) => beside.begin(world),
            Self::Opening(opening) => opening.prepare(world).await,
        }
    }

    pub(crate) async fn operate(
        &self,
        world: &World,
        worker: usize,
        steps: &mut Steps,
    ) -> Result<()> {
        let workload = match self {
            Self::Plain(workload) => *workload,
            Self::Beside(_) => world.case.workload,
            Self::Opening(opening) => return opening.operate(world, steps).await,
        };
        match workload {
            Workload::Cycle => claims::cycle(world, worker, steps).await,
            Workload::Finish => claims::finish(world, worker, steps).await,
            Workload::Claim => claims::claim(world, worker, steps).await,
            Workload::ClaimNothing => claims::claim_nothing(world, steps).await,
            Workload::Append | Workload::AppendBesideSnapshots => {
                journal::append(world, steps).await
            }
            Workload::Mixed => journal::mixed(world, steps).await,
            Workload::Plan => plans::plan(world, worker, steps).await,
            Workload::Resume => plans::resume(world, worker, steps).await,
            Workload::Snapshot | Workload::SnapshotBesideAppends => {
                reads::snapshot(world, steps).await
            }
            Workload::Pages => reads::pages(world, steps).await,
            Workload::Wake => waking::wake(world, worker, steps).await,
            // It has a work of its own.
            Workload::Open => Ok(()),
        }
    }

    pub(crate) async fn settle(&self) -> Result<()> {
        match self {
            Self::Beside(beside) => beside.end().await,
            Self::Plain(_) | Self::Opening(_) => Ok(()),
        }
    }
}
