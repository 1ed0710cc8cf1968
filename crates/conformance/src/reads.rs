//! Every call of the trait that reads, as it is made on a [`Stage`].

use futures_util::future::BoxFuture;
use runstore_core::{
    ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks,
    Result, SnapshotRequest, Store,
};

use crate::stage::Stage;

/// A call that reads.
pub(crate) struct Read {
    /// The call.
    pub(crate) name: &'static str,
    run: for<'a> fn(&'a dyn Store, &'a Stage) -> BoxFuture<'a, Result<()>>,
}

impl Read {
    /// Makes the call.
    pub(crate) fn run<'a>(
        &self,
        store: &'a dyn Store,
        stage: &'a Stage,
    ) -> BoxFuture<'a, Result<()>> {
        (self.run)(store, stage)
    }
}

macro_rules! reads {
    ($($name:ident($($argument:expr),+) of $stage:ident;)+) => {
        /// All of them.
        pub(crate) const READS: &[Read] = &[$(Read {
            name: stringify!($name),
            run: |store, $stage| Box::pin(async move {
                store.$name($($argument),+).await?;
                Ok(())
            }),
        }),+];
    };
}

reads! {
    get_run(stage.run_id) of stage;
    list_runs(ListRuns::all()) of _stage;
    get_agent_state(stage.run_id, "strategy".into()) of stage;
    list_agent_states(stage.run_id) of stage;
    get_task(stage.task(1)) of stage;
    list_tasks(ListTasks::new(stage.run_id)) of stage;
    waiting_reason(stage.waiting(6)) of stage;
    latest_attempt(stage.task(1)) of stage;
    recent_attempts(stage.run_id, 12) of stage;
    list_attempts(ListAttempts::new(stage.run_id)) of stage;
    recent_events(stage.run_id, 50) of stage;
    list_events(ListEvents::new(stage.run_id)) of stage;
    list_artifacts(ListArtifacts::new(stage.run_id)) of stage;
    list_approvals(ListApprovals::new(stage.run_id)) of stage;
    latest_approval(stage.run_id, "human".into()) of stage;
    latest_checkpoint(stage.run_id) of stage;
    list_checkpoints(ListCheckpoints::new(stage.run_id)) of stage;
    snapshot(SnapshotRequest::of_run(stage.run_id)) of stage;
}
