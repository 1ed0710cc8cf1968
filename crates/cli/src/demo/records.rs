//! What a run left in the store, read back whole.

use runstore::{
    Error, Event, ListAttempts, ListEvents, ListTasks, RunId, Store, Task, TaskAttempt,
};

/// The tasks of a run and its journal.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    pub(crate) tasks: Vec<Task>,
    pub(crate) attempts: Vec<TaskAttempt>,
    pub(crate) events: Vec<Event>,
}

impl Records {
    pub(crate) async fn read(store: &dyn Store, run_id: RunId) -> Result<Self, Error> {
        Ok(Self {
            tasks: store.list_tasks(ListTasks::new(run_id)).await?.items,
            attempts: store.list_attempts(ListAttempts::new(run_id)).await?.items,
            events: store.list_events(ListEvents::new(run_id)).await?.items,
        })
    }
}
