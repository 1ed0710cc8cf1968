//! How many trips to the server a call makes.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod proxy;
mod together;

use std::time::Duration;

use proxy::{Messages, Proxy};
use runstore_core::{
    AbandonTask, AgentRole, ApprovalSource, ApprovalVerdict, ArtifactDraft, AttemptReport,
    AttemptStatus, BlockTask, ClaimRequest, ClaimToken, CompleteTask, Error, EventDraft, EventId,
    FinishReport, Heartbeat, ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints,
    ListEvents, ListRuns, ListTasks, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent,
    NewRun, PageRequest, Run, RunId, RunStatus, SaveAgentState, SnapshotRequest, Store, TaskDraft,
    TaskPlan, TaskStatus,
};
use runstore_postgres::PostgresStore;
use serde_json::json;

const LEASE: Duration = Duration::from_secs(60);

/// A store whose trips are counted.
struct Counted {
    store: PostgresStore,
    proxy: Proxy,
}

impl Counted {
    async fn open(connections: u32, together: bool) -> Self {
        let proxy = Proxy::start().await;
        let options = proxy.options().with_connections(connections);
        let options = options.with_calls_together(together);
        let store = PostgresStore::open(options).await.unwrap();
        Self { store, proxy }
    }

    /// A run with that many tasks that can be claimed.
    async fn run(&self, tasks: usize) -> Run {
        let run = self.store.create_run(NewRun::new("goal", "/repo")).await;
        let run = run.unwrap();
        let drafts = (0..tasks).map(|number| TaskDraft::new(format!("task {number}"), "objective"));
        let plan = TaskPlan::new(run.id, drafts);
        self.store.append_tasks(plan).await.unwrap();
        run
    }

    async fn claim(&self, run: &Run) -> ClaimToken {
        let claim = self.store.claim_next_task(leased(run)).await;
        claim.unwrap().unwrap().token()
    }

    /// The trips that this makes after it was made once, so that its statements are prepared.
    async fn trips(&self, call: impl AsyncFn()) -> usize {
        call().await;
        let before = self.proxy.trips();
        call().await;
        self.proxy.trips() - before
    }
}

fn leased(run: &Run) -> ClaimRequest {
    ClaimRequest::of_run(run.id)
        .with_worker("worker")
        .with_lease(LEASE)
}

fn event() -> EventDraft {
    EventDraft::new("worker", "noted", "message").with_payload(json!({ "n": 1 }))
}

fn report() -> FinishReport {
    FinishReport::completed("done")
        .with_event(event())
        .with_artifact(ArtifactDraft::new("patch", "/patch"))
}

fn attempt() -> AttemptReport {
    AttemptReport::new(AttemptStatus::Failed, "tried")
}

/// Checks that the call, repeated, makes one trip.
macro_rules! one_trip {
    ($counted:ident, $($call:expr),+ $(,)?) => {
        $(
            let trips = $counted.trips(async || { $call.await.unwrap(); }).await;
            assert_eq!(trips, 1, "{}", stringify!($call));
        )+
    };
}

#[test]
fn messages_are_counted_wherever_a_read_ends() {
    // A row that holds what looks like one of the messages that are counted, and then two of those.
    let mut said = b"D\0\0\0\x0aZ\0\0\0\x05I".to_vec();
    said.extend_from_slice(b"Z\0\0\0\x05IC\0\0\0\x04Z\0\0\0\x05T");
    for size in 1..=said.len() {
        let mut messages = Messages::default();
        let answers: Vec<_> = said
            .chunks(size)
            .filter_map(|read| messages.add(read))
            .collect();
        assert_eq!(answers.iter().map(|answer| answer.trips).sum::<usize>(), 2);
        let bytes: Vec<u8> = answers
            .into_iter()
            .flat_map(|answer| answer.bytes)
            .collect();
        assert_eq!(bytes, said);
    }
}

#[tokio::test]
async fn a_claim_is_one_trip() {
    let counted = Counted::open(1, true).await;
    let store = &counted.store;
    let (run, empty) = (counted.run(100).await, counted.run(0).await);
    one_trip!(
        counted,
        store.claim_next_task(leased(&run)),
        store.claim_next_task(ClaimRequest::of_run(run.id)),
        store.claim_next_task(leased(&empty)),
        store.claim_tasks(leased(&run), 10),
        store.claim_tasks(leased(&empty), 10),
        store.claim_next_task(ClaimRequest::of_any_run().with_lease(LEASE)),
        store.claim_tasks(ClaimRequest::of_any_run(), 10),
    );
    store.claim_tasks(leased(&run), 100).await.unwrap();
    one_trip!(
        counted,
        store.claim_next_task(ClaimRequest::of_any_run()),
        store.claim_tasks(ClaimRequest::of_any_run(), 10),
    );
}

#[tokio::test]
async fn the_end_of_a_claim_is_one_trip() {
    let counted = Counted::open(1, true).await;
    let store = &counted.store;
    let run = counted.run(30).await;
    let claims = store.claim_tasks(leased(&run), 30).await.unwrap();
    let claims = std::cell::RefCell::new(claims);
    let token = || claims.borrow_mut().pop().unwrap().token();
    one_trip!(
        counted,
        store.finish_task(token(), report()),
        store.finish_task(token(), FinishReport::completed("done")),
        store.finish_task(token(), FinishReport::released("later")),
        store.finish_task(token(), FinishReport::released_for(LEASE, "much later")),
        store.complete_task(CompleteTask::new(token().task_id, "done")),
        store.block_task(BlockTask::new(token().task_id).with_blocker_signature("stuck")),
        store.abandon_task(AbandonTask::new(token().task_id).with_summary("given up")),
    );
}

#[tokio::test]
async fn the_end_of_a_task_that_others_wait_for_is_one_trip() {
    let counted = Counted::open(1, true).await;
    let store = &counted.store;
    let run = counted.run(0).await;
    let chain = (0..4).map(|number: usize| {
        TaskDraft::new("task", "objective").with_depends_on(number.checked_sub(1))
    });
    let plan = TaskPlan::new(run.id, chain);
    store.append_tasks(plan).await.unwrap();
    let claim_and_finish = async || {
        let token = counted.claim(&run).await;
        store.finish_task(token, report()).await.unwrap();
    };
    assert_eq!(counted.trips(claim_and_finish).await, 2);
}

#[tokio::test]
async fn a_heartbeat_is_one_trip() {
    let counted = Counted::open(1, true).await;
    let run = counted.run(1).await;
    let token = counted.claim(&run).await;
    one_trip!(
        counted,
        counted.store.heartbeat(Heartbeat::new(token, 2 * LEASE))
    );
}

#[tokio::test]
async fn an_entry_of_the_journal_is_one_trip() {
    let counted = Counted::open(1, true).await;
    let store = &counted.store;
    let run = counted.run(1).await;
    let (id, token) = (run.id, counted.claim(&run).await);
    let artifact = || ArtifactDraft::new("patch", "/patch").with_role(AgentRole::Implementation);
    let named = || event().with_id(EventId::generate());
    one_trip!(
        counted,
        store.add_attempt(NewAttempt::new(token.task_id, 1, attempt())),
        store.add_attempt(NewAttempt::of_claim(token, attempt())),
        store.add_event(NewEvent::new(id, event())),
        store.add_event(NewEvent::new(id, named()).with_fence(token)),
        store.add_artifact(NewArtifact::new(id, artifact())),
        store.add_artifact(NewArtifact::new(id, artifact()).with_fence(token)),
        store.add_approval(NewApproval::new(id, "reviewer", "approved", "good")),
        store.add_checkpoint(NewCheckpoint::new(id, "running", json!({}))),
        store.add_checkpoint(NewCheckpoint::new(id, "running", json!({})).with_fence(token)),
    );
}

#[tokio::test]
async fn a_look_at_what_is_there_is_one_trip() {
    let counted = Counted::open(1, true).await;
    let store = &counted.store;
    let run = counted.run(30).await;
    let (id, token) = (run.id, counted.claim(&run).await);
    fill(store, id, token).await;
    let page = || PageRequest::first(2);
    one_trip!(
        counted,
        store.get_run(id),
        store.get_task(token.task_id),
        store.list_runs(ListRuns::all().with_page(page())),
        store.list_runs(ListRuns::all().with_status(run.status.clone())),
        store.list_tasks(ListTasks::new(id).with_page(page())),
        store.list_tasks(ListTasks::new(id).with_statuses([TaskStatus::Pending])),
        store.list_events(ListEvents::new(id).with_page(page())),
        store.list_attempts(ListAttempts::new(id).with_task_id(token.task_id)),
        store.list_artifacts(ListArtifacts::new(id).with_page(page())),
        store.list_approvals(ListApprovals::new(id).with_page(page())),
        store.list_checkpoints(ListCheckpoints::new(id).with_page(page())),
        store.recent_events(id, 5),
        store.recent_attempts(id, 5),
        store.latest_attempt(token.task_id),
        store.latest_approval(id, ApprovalSource::from("reviewer")),
        store.latest_checkpoint(id),
        store.get_agent_state(id, AgentRole::Implementation),
        store.list_agent_states(id),
    );
}

/// Adds an entry of each kind.
async fn fill(store: &PostgresStore, id: RunId, token: ClaimToken) {
    let event = NewEvent::new(id, event());
    store.add_event(event).await.unwrap();
    let attempt = NewAttempt::of_claim(token, attempt());
    store.add_attempt(attempt).await.unwrap();
    let artifact = NewArtifact::new(id, ArtifactDraft::new("patch", "/patch"));
    store.add_artifact(artifact).await.unwrap();
    let (source, verdict) = (
        ApprovalSource::from("reviewer"),
        ApprovalVerdict::from("approved"),
    );
    let approval = NewApproval::new(id, source, verdict, "good");
    store.add_approval(approval).await.unwrap();
    let checkpoint = NewCheckpoint::new(id, RunStatus::from("running"), json!({}));
    store.add_checkpoint(checkpoint).await.unwrap();
    let agent = SaveAgentState::new(id, AgentRole::Implementation);
    store.save_agent_state(agent).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_of_much_makes_no_more_trips_than_one_of_little() {
    let counted = Counted::open(1, true).await;
    let (little, much) = (counted.run(1).await, counted.run(100).await);
    let token = counted.claim(&much).await;
    for _ in 0..10 {
        fill(&counted.store, much.id, token).await;
    }
    let mut trips = Vec::new();
    for run in [little, much] {
        let look = async || {
            let request = SnapshotRequest::of_run(run.id);
            counted.store.snapshot(request).await.unwrap();
        };
        trips.push(counted.trips(look).await);
    }
    assert!(trips.iter().all(|trips| *trips <= 16), "{trips:?}");
}

/// What a function of the schema leaves is carried out by several statements; but by few.
#[tokio::test]
async fn a_repeat_and_a_refusal_are_a_few_trips() {
    let counted = Counted::open(1, true).await;
    let store = &counted.store;
    let run = counted.run(3).await;
    let token = counted.claim(&run).await;
    store.finish_task(token, report()).await.unwrap();
    let mut all = Vec::new();
    let finish = async || {
        let finished = store.finish_task(token, report()).await.unwrap();
        assert_eq!(finished.status, TaskStatus::Completed);
    };
    all.push(("a repeated report", counted.trips(finish).await));
    let stale = ClaimToken {
        attempt_number: 7,
        ..token
    };
    let refused = async || {
        let refused = store.finish_task(stale, report()).await.unwrap_err();
        assert!(matches!(refused, Error::StaleClaim { .. }), "{refused:?}");
    };
    all.push(("a stale report", counted.trips(refused).await));
    let refused = async || {
        let refused = store.heartbeat(Heartbeat::new(stale, LEASE)).await;
        assert!(
            matches!(refused, Err(Error::StaleClaim { .. })),
            "{refused:?}"
        );
    };
    all.push(("a stale heartbeat", counted.trips(refused).await));
    let refused = async || {
        let new = NewEvent::new(run.id, event()).with_fence(stale);
        let refused = store.add_event(new).await.unwrap_err();
        assert!(matches!(refused, Error::StaleClaim { .. }), "{refused:?}");
    };
    all.push(("a stale event", counted.trips(refused).await));
    let draft = event().with_id(EventId::generate());
    let repeat = async || {
        let new = NewEvent::new(run.id, draft.clone());
        store.add_event(new).await.unwrap();
    };
    all.push(("a repeated event", counted.trips(repeat).await));
    let unknown = async || {
        let request = ClaimRequest::of_run(RunId::generate());
        let refused = store.claim_next_task(request).await.unwrap_err();
        assert!(matches!(refused, Error::NotFound { .. }), "{refused:?}");
    };
    all.push(("a claim of no run", counted.trips(unknown).await));
    assert!(all.iter().all(|(_, trips)| *trips <= 8), "{all:?}");
}
