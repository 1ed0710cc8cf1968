//! A run read as a whole.

use runstore_core::{ListTasks, PageRequest, SnapshotRequest};

use super::World;
use crate::{Failure, Result, Steps};

const PAGE: u32 = 1_000;

pub(super) async fn snapshot(world: &World, steps: &mut Steps) -> Result<()> {
    let (_, run_id) = world.next_run()?;
    let snapshot = world.store().snapshot(SnapshotRequest::of_run(run_id));
    let snapshot = steps.time("snapshot", snapshot).await?;
    check(world, snapshot.pending_tasks.len())
}

pub(super) async fn pages(world: &World, steps: &mut Steps) -> Result<()> {
    let (_, run_id) = world.next_run()?;
    let mut page = PageRequest::first(PAGE);
    let mut read = 0;
    loop {
        let list = world
            .store()
            .list_tasks(ListTasks::new(run_id).with_page(page));
        let found = steps.time("page", list).await?;
        read += found.items.len();
        match found.next {
            Some(next) => page = PageRequest::first(PAGE).after(next),
            None => return check(world, read),
        }
    }
}

/// Fails unless as many tasks were read as each run has.
fn check(world: &World, read: usize) -> Result<()> {
    let each = world.added() / world.run_ids.len().max(1) as u64;
    match read as u64 == each {
        true => Ok(()),
        false => Err(Failure::Refused(format!(
            "{read} tasks were read where there are {each}"
        ))),
    }
}
