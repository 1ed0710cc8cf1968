//! Every call of the trait as data, so that two stores can be asked the same and compared.
//!
//! `info` and `close` are left out: they neither read nor write what a store holds. What `claim_or_wait`
//! is asked here must not wait: its timeout is zero.

use std::fmt;
use std::time::Duration;

use runstore_core::{
    AbandonTask, AgentRole, ApprovalSource, BlockTask, ClaimRequest, ClaimToken, CompleteTask,
    Cursor, Error, FinishReport, Heartbeat, ListApprovals, ListArtifacts, ListAttempts,
    ListCheckpoints, ListEvents, ListRuns, ListTasks, NewApproval, NewArtifact, NewAttempt,
    NewCheckpoint, NewEvent, NewRun, Outcome, PageRequest, Result, RunId, RunUpdate,
    SaveAgentState, SnapshotRequest, Store, TaskId, TaskPlan,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::dump::difference;

macro_rules! calls {
    ($($variant:ident $method:ident($($param:ident: $type:ty),+);)+) => {
        /// A call on a store.
        #[derive(Clone, PartialEq)]
        pub(crate) enum Call {
            $($variant($($type),+),)+
        }

        impl Call {
            /// Makes the call.
            pub(crate) async fn run(&self, store: &dyn Store) -> Answer {
                match self {
                    $(Self::$variant($($param),+) => {
                        Answer::of(store.$method($(Clone::clone($param)),+).await)
                    })+
                }
            }

            /// The name of the method, and what it is given as JSON.
            fn parts(&self) -> (&'static str, Vec<Value>) {
                match self {
                    $(Self::$variant($($param),+) => {
                        (stringify!($method), vec![$(json!($param)),+])
                    })+
                }
            }
        }
    };
}

calls! {
    CreateRun create_run(new: NewRun);
    GetRun get_run(run_id: RunId);
    ListRuns list_runs(list: ListRuns);
    UpdateRun update_run(update: RunUpdate);
    IncrementCycle increment_cycle(run_id: RunId);
    IncrementReplan increment_replan(run_id: RunId);
    DeleteRun delete_run(run_id: RunId);
    SaveAgentState save_agent_state(save: SaveAgentState);
    GetAgentState get_agent_state(run_id: RunId, role: AgentRole);
    ListAgentStates list_agent_states(run_id: RunId);
    ReplacePendingTasks replace_pending_tasks(plan: TaskPlan);
    AppendTasks append_tasks(plan: TaskPlan);
    GetTask get_task(task_id: TaskId);
    ListTasks list_tasks(list: ListTasks);
    CompleteTask complete_task(complete: CompleteTask);
    BlockTask block_task(block: BlockTask);
    AbandonTask abandon_task(abandon: AbandonTask);
    RequeueTask requeue_task(task_id: TaskId);
    RequeueInProgressTasks requeue_in_progress_tasks(run_id: RunId);
    RequeueExpiredTasks requeue_expired_tasks(run_id: Option<RunId>);
    WaitingReason waiting_reason(task_id: TaskId);
    ClaimNextTask claim_next_task(request: ClaimRequest);
    ClaimTasks claim_tasks(request: ClaimRequest, limit: u32);
    ClaimOrWait claim_or_wait(request: ClaimRequest, timeout: Duration);
    Heartbeat heartbeat(beat: Heartbeat);
    FinishTask finish_task(token: ClaimToken, report: FinishReport);
    AddAttempt add_attempt(new: NewAttempt);
    LatestAttempt latest_attempt(task_id: TaskId);
    RecentAttempts recent_attempts(run_id: RunId, limit: u32);
    ListAttempts list_attempts(list: ListAttempts);
    AddEvent add_event(new: NewEvent);
    RecentEvents recent_events(run_id: RunId, limit: u32);
    ListEvents list_events(list: ListEvents);
    AddArtifact add_artifact(new: NewArtifact);
    ListArtifacts list_artifacts(list: ListArtifacts);
    AddApproval add_approval(new: NewApproval);
    ListApprovals list_approvals(list: ListApprovals);
    LatestApproval latest_approval(run_id: RunId, source: ApprovalSource);
    AddCheckpoint add_checkpoint(new: NewCheckpoint);
    LatestCheckpoint latest_checkpoint(run_id: RunId);
    ListCheckpoints list_checkpoints(list: ListCheckpoints);
    Snapshot snapshot(request: SnapshotRequest);
}

/// The most pages that a list is read through: one that has more never ends.
const MOST_PAGES: usize = 1_000;

impl Call {
    /// Makes the call; a list is read through to its end, page by page. What a cursor holds is the
    /// store's own affair, so that only its being there can be compared.
    pub(crate) async fn run_through(&self, store: &dyn Store) -> Answer {
        let mut call = self.clone();
        if call.page().is_none() {
            return self.run(store).await;
        }
        let mut pages = Vec::new();
        while pages.len() < MOST_PAGES {
            let answer = call.run(store).await;
            let Some(page) = answer.0.get("ok") else {
                pages.push(answer.0);
                break;
            };
            pages.push(page.get("items").cloned().unwrap_or_default());
            let next = page.get("next").and_then(Value::as_u64);
            match (next, call.page()) {
                (Some(next), Some(page)) => *page = page.after(Cursor::new(next)),
                _ => break,
            }
        }
        Answer(json!({ "pages": pages }))
    }

    fn page(&mut self) -> Option<&mut PageRequest> {
        match self {
            Self::ListRuns(list) => Some(&mut list.page),
            Self::ListTasks(list) => Some(&mut list.page),
            Self::ListAttempts(list) => Some(&mut list.page),
            Self::ListEvents(list) => Some(&mut list.page),
            Self::ListArtifacts(list) => Some(&mut list.page),
            Self::ListApprovals(list) => Some(&mut list.page),
            Self::ListCheckpoints(list) => Some(&mut list.page),
            _ => None,
        }
    }

    /// The same call in the name of this claim, where a call can be in a claim's name.
    pub(crate) fn in_name_of(mut self, token: ClaimToken) -> Self {
        match &mut self {
            Self::FinishTask(of, _) => *of = token,
            Self::Heartbeat(beat) => beat.token = token,
            Self::AddAttempt(new) => {
                new.task_id = token.task_id;
                new.fence = Some(token);
            }
            Self::AddEvent(new) => new.fence = Some(token),
            Self::AddArtifact(new) => new.fence = Some(token),
            Self::AddCheckpoint(new) => new.fence = Some(token),
            _ => {}
        }
        self
    }

    /// Whether the call creates records by ids that the caller gives, and can be repeated (clause G9),
    /// or ends a claim (C5).
    pub(crate) const fn is_repeatable(&self) -> bool {
        matches!(
            self,
            Self::CreateRun(_)
                | Self::ReplacePendingTasks(_)
                | Self::AppendTasks(_)
                | Self::FinishTask(..)
                | Self::AddAttempt(_)
                | Self::AddEvent(_)
                | Self::AddArtifact(_)
                | Self::AddApproval(_)
                | Self::AddCheckpoint(_)
        )
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (method, given) = self.parts();
        let given: Vec<_> = given.iter().map(Value::to_string).collect();
        write!(formatter, "{method}({})", given.join(", "))
    }
}

/// What a store answered, as JSON: under `ok` what it returned, under `error` the kind and the fields
/// of its refusal.
#[derive(Clone)]
pub(crate) struct Answer(Value);

impl Answer {
    fn of<T: Serialize>(answer: Result<T>) -> Self {
        Self(match answer {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": error_fields(&error) }),
        })
    }

    /// Where two answers differ first (the first one's value before the other's), to the order of keys.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        difference("answer", &self.0, &other.0)
    }

    /// Whether the call took effect, or read what it asked for.
    pub(crate) fn is_ok(&self) -> bool {
        self.0.get("error").is_none()
    }

    /// What is told of an engine that failed; `None` for an answer by the rules, a refusal included.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.0.get("error")?.get("failure")?.as_str()
    }

    /// The tokens of the claims, if the answer is one or several.
    pub(crate) fn tokens(&self) -> Vec<ClaimToken> {
        let claims = match self.0.get("ok") {
            Some(Value::Array(claims)) => claims.as_slice(),
            Some(claim) => std::slice::from_ref(claim),
            None => &[],
        };
        claims.iter().filter_map(token).collect()
    }
}

/// The token of a claim that was answered.
fn token(claim: &Value) -> Option<ClaimToken> {
    let task = claim.get("task")?;
    let field = |name| task.get(name).cloned();
    Some(ClaimToken {
        task_id: serde_json::from_value(field("id")?).ok()?,
        attempt_number: serde_json::from_value(field("attemptCount")?).ok()?,
    })
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// Kind and fields of an error. The words in which a bound is told are left out: they are for a person.
fn error_fields(error: &Error) -> Value {
    match error {
        Error::NotFound { kind, id } => json!({ "kind": "not_found", "of": kind, "id": id }),
        Error::AlreadyExists { kind, id } => {
            json!({ "kind": "already_exists", "of": kind, "id": id })
        }
        Error::InvalidInput { field, .. } => json!({ "kind": "invalid_input", "field": field }),
        Error::InvalidTransition { task_id, from, to } => {
            json!({ "kind": "invalid_transition", "taskId": task_id, "from": from, "to": to })
        }
        Error::StaleClaim { token, current } => {
            json!({ "kind": "stale_claim", "token": token, "current": current })
        }
        Error::Unavailable { outcome, .. } => json!({
            "kind": error.kind_name(),
            "failure": error.to_string(),
            "applied": if *outcome == Outcome::NotApplied { "no" } else { "unknown" },
        }),
        other => json!({ "kind": other.kind_name(), "failure": other.to_string() }),
    }
}
