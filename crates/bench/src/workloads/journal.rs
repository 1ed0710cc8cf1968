//! Events, and reads beside them.

use runstore_core::{EventDraft, ListTasks, NewEvent, PageRequest, RunId};
use serde_json::json;

use super::World;
use crate::{Result, Steps};

/// Of so many operations of a mixed load one writes.
const MIX: usize = 10;

const PAGE: u32 = 50;

pub(super) fn event(world: &World, run_id: RunId) -> NewEvent {
    let draft = EventDraft::new("worker", "progress", "a step is done");
    NewEvent::new(run_id, draft.with_payload(json!({ "text": world.text })))
}

pub(super) async fn append(world: &World, steps: &mut Steps) -> Result<()> {
    let (_, run_id) = world.next_run()?;
    let event = world.store().add_event(event(world, run_id));
    steps.time("append", event).await.map(drop)
}

pub(super) async fn mixed(world: &World, steps: &mut Steps) -> Result<()> {
    let (turn, run_id) = world.next_run()?;
    let store = world.store();
    match turn % MIX {
        0 => append(world, steps).await,
        1 | 4 | 7 => {
            let list = ListTasks::new(run_id).with_page(PageRequest::first(PAGE));
            steps
                .time("list_tasks", store.list_tasks(list))
                .await
                .map(drop)
        }
        2 | 5 | 8 => {
            let events = store.recent_events(run_id, PAGE);
            steps.time("recent_events", events).await.map(drop)
        }
        _ => steps.time("get_run", store.get_run(run_id)).await.map(drop),
    }
}
