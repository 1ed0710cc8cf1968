//! A call of every kind, and what is asked of its plans.

use std::time::Duration;

use runstore_core::{
    AbandonTask, AgentRole, ApprovalSource, ArtifactDraft, AttemptReport, AttemptStatus, BlockTask,
    ClaimRequest, ClaimToken, CompleteTask, Dependency, EventDraft, EventId, FinishReport,
    Heartbeat, ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns,
    ListTasks, NewApproval, NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, PageRequest,
    RunId, RunStatus, RunUpdate, SaveAgentState, SnapshotRequest, Store, TaskDraft, TaskPlan,
    TaskStatus,
};
use runstore_postgres::PostgresStore;
use serde_json::json;

use crate::plans::{Scan, Watched, indexes};
use crate::scene::report;

const LEASE: Duration = Duration::from_secs(3_600);

/// The most rows of a table that a statement of a call looks at which concerns one task, one entry, or a page.
const FEW: u64 = 100;

/// The tables that grow.
const TABLES: [&str; 12] = [
    "runs",
    "counters",
    "agents",
    "tasks",
    "task_states",
    "dependents",
    "finished_claims",
    "attempts",
    "events",
    "artifacts",
    "approvals",
    "checkpoints",
];

/// What is asked of the plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checks {
    Nothing,
    /// That they look at few rows, and at no table as a whole.
    FewRows,
    /// That too, and that they go by the indexes that are meant for them.
    Indexes,
}

/// A round and what is wrong with it.
struct Round<'w> {
    watched: &'w mut Watched,
    run_id: RunId,
    checks: Checks,
    wrong: Vec<String>,
}

impl Round<'_> {
    /// The plans of what was called since the last look.
    async fn scans(&mut self) -> Vec<Scan> {
        // Over the same connection, so that all that came before is in the log by then.
        self.watched.store.get_run(self.run_id).await.unwrap();
        self.watched.scans()
    }

    async fn check(&mut self, call: &str, wanted: &[&str], most: u64) {
        let scans = self.scans().await;
        if self.checks == Checks::Nothing {
            return;
        }
        for scan in &scans {
            let is_by_index = scan.index.is_some() || !TABLES.contains(&scan.table.as_str());
            // The heap's part of a scan by a bitmap of an index.
            let is_by_bitmap = scan.kind == "Bitmap Heap Scan";
            if !(is_by_index || is_by_bitmap) || scan.rows > most {
                self.wrong.push(format!("{call}: {scan}"));
            }
        }
        let used = indexes(&scans);
        for index in wanted.iter().filter(|_| self.checks == Checks::Indexes) {
            if !used.contains(index) {
                self.wrong
                    .push(format!("{call}: not by {index}, but by {used:?}"));
            }
        }
    }
}

/// Checks a call that concerns little: which indexes it must use is said before it.
macro_rules! check {
    ($round:ident, $most:expr, $([$($index:literal)*] $call:expr;)+) => {
        $(
            $call.await.unwrap();
            $round.check(stringify!($call), &[$($index),*], $most).await;
        )+
    };
}

/// Makes a call of every kind, and checks their plans.
pub(crate) async fn round(watched: &mut Watched, run_id: RunId, checks: Checks) {
    let store = watched.store.clone();
    // Over the same connection, so that all that came before is in the log by then.
    store.get_run(run_id).await.unwrap();
    watched.forget();
    let mut round = Round {
        watched,
        run_id,
        checks,
        wrong: Vec::new(),
    };
    claims(&mut round, &store).await;
    endings(&mut round, &store).await;
    journal(&mut round, &store).await;
    looks(&mut round, &store).await;
    rest(&mut round, &store).await;
    assert!(round.wrong.is_empty(), "{}", round.wrong.join("\n"));
}

/// Claims of one run, and their checks.
pub(crate) async fn claims_of_run(watched: &mut Watched, run_id: RunId) {
    let store = watched.store.clone();
    store.get_run(run_id).await.unwrap();
    watched.forget();
    let mut round = Round {
        watched,
        run_id,
        checks: Checks::Indexes,
        wrong: Vec::new(),
    };
    let request = ClaimRequest::of_run(run_id).with_lease(LEASE);
    check! { round, FEW,
        ["task_states_ready_of_run" "task_states_due_of_run"] store.claim_next_task(request.clone());
        ["task_states_ready_of_run" "task_states_due_of_run"] store.claim_tasks(request.clone(), 10);
    }
    assert!(round.wrong.is_empty(), "{}", round.wrong.join("\n"));
}

async fn claims(round: &mut Round<'_>, store: &PostgresStore) {
    let of_run = ClaimRequest::of_run(round.run_id).with_lease(LEASE);
    let of_any = ClaimRequest::of_any_run().with_lease(LEASE);
    check! { round, FEW,
        ["task_states_ready_of_run" "task_states_due_of_run"] store.claim_next_task(of_run.clone());
        ["task_states_ready_of_run" "task_states_due_of_run"] store.claim_tasks(of_run.clone(), 10);
        ["task_states_ready" "task_states_due"] store.claim_next_task(of_any.clone());
        ["task_states_ready" "task_states_due"] store.claim_tasks(of_any.clone(), 10);
    }
    let empty = store
        .create_run(NewRun::new("goal", "/repo"))
        .await
        .unwrap();
    let nothing = ClaimRequest::of_run(empty.id);
    check! { round, FEW,
        [] store.claim_next_task(nothing.clone());
        [] store.claim_or_wait(nothing.clone(), Duration::ZERO);
        [] store.claim_or_wait(of_run.clone(), Duration::ZERO);
        [] store.claim_or_wait(of_any.clone(), Duration::ZERO);
        [] store.delete_run(empty.id);
    }
}

async fn token(round: &Round<'_>, store: &PostgresStore) -> ClaimToken {
    let request = ClaimRequest::of_run(round.run_id).with_lease(LEASE);
    let claim = store.claim_next_task(request).await.unwrap();
    claim.unwrap().token()
}

async fn endings(round: &mut Round<'_>, store: &PostgresStore) {
    let mut tokens = Vec::new();
    for _ in 0..6 {
        tokens.push(token(round, store).await);
    }
    round.scans().await;
    let [first, second, third, fourth, fifth, sixth] = tokens[..] else {
        unreachable!()
    };
    let stale = ClaimToken {
        attempt_number: 77,
        ..first
    };
    let beat = |token| Heartbeat::new(token, 2 * LEASE);
    check! { round, FEW,
        ["tasks_by_id" "task_states_pkey"] store.heartbeat(beat(first));
        ["tasks_by_id" "task_states_pkey"] store.finish_task(first, report());
        ["finished_claims_pkey"] store.finish_task(first, report());
        ["tasks_by_id"] store.finish_task(second, FinishReport::released("later"));
        ["tasks_by_id"] store.finish_task(third, FinishReport::released_for(LEASE, "later"));
        ["dependents_pkey"] store.complete_task(CompleteTask::new(fourth.task_id, "done"));
        ["tasks_by_id"] store.block_task(BlockTask::new(fifth.task_id));
        ["tasks_by_id"] store.abandon_task(AbandonTask::new(sixth.task_id));
        ["tasks_by_id"] store.requeue_task(fourth.task_id);
    }
    store.finish_task(stale, report()).await.unwrap_err();
    store.heartbeat(beat(stale)).await.unwrap_err();
    round
        .check("stale calls", &["finished_claims_pkey"], FEW)
        .await;
}

async fn journal(round: &mut Round<'_>, store: &PostgresStore) {
    let token = token(round, store).await;
    round.scans().await;
    let id = round.run_id;
    let event = || EventDraft::new("worker", "noted", "message").with_id(EventId::generate());
    let repeated = NewEvent::new(id, event());
    let artifact = || NewArtifact::new(id, ArtifactDraft::new("patch", "/patch"));
    let attempt = || AttemptReport::new(AttemptStatus::Failed, "tried");
    let checkpoint = || NewCheckpoint::new(id, "running", json!({}));
    check! { round, FEW,
        ["attempts_by_id"] store.add_attempt(NewAttempt::new(token.task_id, 1, attempt()));
        ["attempts_by_id"] store.add_attempt(NewAttempt::of_claim(token, attempt()));
        ["events_by_id"] store.add_event(repeated.clone());
        ["events_by_id"] store.add_event(repeated.clone());
        ["events_by_id" "tasks_by_id"] store.add_event(NewEvent::new(id, event()).with_fence(token));
        ["artifacts_by_id"] store.add_artifact(artifact());
        ["artifacts_by_id" "tasks_by_id"] store.add_artifact(artifact().with_fence(token));
        ["approvals_by_id"] store.add_approval(NewApproval::new(id, "human", "approved", "good"));
        ["checkpoints_by_id"] store.add_checkpoint(checkpoint());
        ["checkpoints_by_id" "tasks_by_id"] store.add_checkpoint(checkpoint().with_fence(token));
    }
}

async fn looks(round: &mut Round<'_>, store: &PostgresStore) {
    let id = round.run_id;
    let all = store
        .list_tasks(ListTasks::new(id).with_page(PageRequest::first(4)))
        .await;
    let task = all.unwrap().items[3].clone();
    round.scans().await;
    let page = || PageRequest::first(10);
    let runs = || ListRuns::all().with_page(page());
    let tasks = || ListTasks::new(id).with_page(page());
    let attempts = || ListAttempts::new(id).with_page(page());
    let artifacts = || ListArtifacts::new(id).with_page(page());
    let approvals = || ListApprovals::new(id).with_page(page());
    let (role, source) = (AgentRole::Checker, ApprovalSource::Human);
    let states = [TaskStatus::Pending, TaskStatus::Completed];
    check! { round, FEW,
        ["runs_pkey"] store.get_run(id);
        ["tasks_by_id" "task_states_pkey"] store.get_task(task.id);
        ["runs_by_seq"] store.list_runs(runs());
        ["task_states_pkey" "tasks_pkey"] store.list_tasks(tasks());
        ["task_states_by_status" "tasks_pkey"] store.list_tasks(tasks().with_statuses(states));
        ["events_pkey"] store.list_events(ListEvents::new(id).with_page(page()));
        ["attempts_pkey"] store.list_attempts(attempts());
        ["attempts_by_task"] store.list_attempts(attempts().with_task_id(task.id));
        ["artifacts_pkey"] store.list_artifacts(artifacts());
        ["artifacts_by_role"] store.list_artifacts(artifacts().with_role(role.clone()));
        ["approvals_pkey"] store.list_approvals(approvals());
        ["approvals_by_source"] store.list_approvals(approvals().with_source(source.clone()));
        ["checkpoints_pkey"] store.list_checkpoints(ListCheckpoints::new(id).with_page(page()));
        ["events_pkey"] store.recent_events(id, 10);
        ["attempts_pkey"] store.recent_attempts(id, 10);
        ["attempts_by_task"] store.latest_attempt(task.id);
        ["approvals_by_source"] store.latest_approval(id, source.clone());
        ["checkpoints_pkey"] store.latest_checkpoint(id);
        ["agents_pkey"] store.get_agent_state(id, role.clone());
        ["agents_pkey"] store.list_agent_states(id);
        ["tasks_by_id"] store.waiting_reason(task.id);
    }
    // Either by their state or by their number from the newest on: the server cannot know how many there are.
    let most = u64::MAX;
    let paused = runs().with_status(RunStatus::from("paused"));
    check! { round, most, [] store.list_runs(paused.clone()); }
    // It counts the tasks of a run in each state.
    let snapshot = SnapshotRequest::of_run(id).with_max_per_list(10);
    check! { round, most, ["task_states_by_status"] store.snapshot(snapshot); }
}

async fn rest(round: &mut Round<'_>, store: &PostgresStore) {
    let id = round.run_id;
    let of_other = token(round, store).await.task_id;
    round.scans().await;
    let plan = |run_id| {
        let draft = || TaskDraft::new("one more", "objective");
        let waits = draft().with_depends_on([Dependency::Task { task_id: of_other }]);
        TaskPlan::new(run_id, [draft(), waits])
    };
    check! { round, FEW,
        ["runs_pkey"] store.update_run(RunUpdate::new(id).with_summary("summary"));
        ["runs_pkey"] store.increment_cycle(id);
        [] store.save_agent_state(SaveAgentState::new(id, AgentRole::Checker));
        [] store.append_tasks(plan(id));
        ["task_states_leased"] store.requeue_expired_tasks(None);
    }
    // Either by what is leased or by what the run has: both are few beside what the store has.
    check! { round, u64::MAX, [] store.requeue_expired_tasks(Some(id)); }
}
