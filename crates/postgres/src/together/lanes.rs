//! The lanes of a store, one for each kind of call that can travel with others.

use std::sync::Arc;

use runstore_core::{Heartbeat, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent};

use super::{Ending, Lane, OfAnyRun, OfRun, Together};

/// The calls that travel together, by their kinds.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) claims: Arc<Lane<OfRun>>,
    pub(crate) claims_of_any_run: Arc<Lane<OfAnyRun>>,
    pub(crate) heartbeats: Arc<Lane<Heartbeat>>,
    pub(crate) endings: Arc<Lane<Ending>>,
    pub(crate) attempts: Arc<Lane<NewAttempt>>,
    pub(crate) events: Arc<Lane<NewEvent>>,
    pub(crate) artifacts: Arc<Lane<NewArtifact>>,
    pub(crate) approvals: Arc<Lane<NewApproval>>,
    pub(crate) checkpoints: Arc<Lane<NewCheckpoint>>,
}

impl Lanes {
    /// Lanes on which calls travel together, or each by itself, over so many connections.
    pub(crate) fn new(together: bool, connections: u32) -> Self {
        Self {
            claims: lane(together, connections),
            claims_of_any_run: lane(together, connections),
            heartbeats: lane(together, connections),
            endings: lane(together, connections),
            attempts: lane(together, connections),
            events: lane(together, connections),
            artifacts: lane(together, connections),
            approvals: lane(together, connections),
            checkpoints: lane(together, connections),
        }
    }
}

fn lane<C: Together>(together: bool, connections: u32) -> Arc<Lane<C>> {
    Arc::new(Lane::new(together, connections))
}
