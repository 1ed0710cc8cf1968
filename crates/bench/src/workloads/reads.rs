//! A run read as a whole.

use runstore_core::{ListTasks, PageRequest, SnapshotRequest};

use super::World;
use crate::{Result, Steps};

const PAGE: u32 = 1_000;

pub(super) async fn snapshot(world: &World, steps: &mut Steps) -> Result<()> {
    let (_, run_id) = world.next_run()?;
    let snapshot = world.store().snapshot(SnapshotRequest::of_run(run_id));
    steps.time("snapshot", snapshot).await.map(drop)
}

pub(super) async fn pages(world: &World, steps: &mut Steps) -> Result<()> {
    let (_, run_id) = world.next_run()?;
    let mut page = PageRequest::first(PAGE);
    loop {
        let list = world
            .store()
            .list_tasks(ListTasks::new(run_id).with_page(page));
        match steps.time("page", list).await?.next {
            Some(next) => page = PageRequest::first(PAGE).after(next),
            None => return Ok(()),
        }
    }
}
