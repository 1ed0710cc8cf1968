//! The trait, passed on and written down.

use std::marker::PhantomData;
use std::time::Duration;

use async_trait::async_trait;
use runstore_core::{
    AbandonTask, AgentRole, AgentState, Approval, ApprovalSource, Artifact, BlockTask, Checkpoint,
    Claim, ClaimRequest, ClaimToken, CompleteTask, Event, FinishReport, Heartbeat, ListApprovals,
    ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks, NewApproval,
    NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, Page, Result, Run, RunId,
    RunSnapshot, RunUpdate, SaveAgentState, SnapshotRequest, Store, StoreInfo, Task, TaskAttempt,
    TaskId, TaskPlan, Timestamp, WaitingReason,
};
use serde::Serialize;

use super::Recorded;
use crate::calls::each_call;

macro_rules! recorded {
    ($(
        $kind:ident $variant:ident
        $method:ident($($(#[$meta:meta])* $param:ident: $type:ty),*) -> $answer:ty;
    )+) => {
        #[async_trait]
        impl<S: Store + ?Sized> Store for Recorded<S> {
            fn info(&self) -> StoreInfo {
                let call = self.tape.begin("info", &serde_json::Map::new());
                let info = self.store.info();
                if let Some(call) = call {
                    call.end(&Ok(&info));
                }
                info
            }

            $(
                async fn $method(&self, $($param: $type),*) -> Result<$answer> {
                    #[derive(Serialize)]
                    #[serde(rename_all = "camelCase")]
                    struct Given<'g> {
                        $($(#[$meta])* $param: &'g $type,)*
                        #[serde(skip)]
                        nothing: PhantomData<&'g ()>,
                    }
                    let given = Given { $($param: &$param,)* nothing: PhantomData };
                    let call = self.tape.begin(stringify!($method), &given);
                    let answer = self.store.$method($($param),*).await;
                    if let Some(call) = call {
                        call.end(&answer);
                    }
                    answer
                }
            )+
        }
    };
}
each_call!(recorded);
