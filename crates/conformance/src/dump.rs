//! All that can be read of a store, to compare two instants or two stores.

use runstore_core::{
    Error, ListApprovals, ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns,
    ListTasks, Result, RunId, SnapshotRequest, Store,
};
use serde_json::{Value, json};

use crate::check::{Outcome, check};

/// The fields of a dumped run that tell of its tasks as they stand. The rest is the run itself, its agents
/// and its journal.
pub(crate) const OF_TASKS: [&str; 4] = ["tasks", "tasksById", "waitingReasons", "snapshot"];

/// All that can be read of a store, by every call that reads. Why a task waits follows from the time too:
/// two dumps between which a lease ran out or a task became due differ there and nowhere else.
#[derive(Debug, Clone)]
pub(crate) struct Dump(Value);

impl Dump {
    pub(crate) async fn of(store: &dyn Store) -> Result<Self> {
        let runs = store.list_runs(ListRuns::all()).await?.items;
        let mut dumps = Vec::new();
        for run in &runs {
            dumps.push(dump_run(store, run.id).await?);
        }
        Ok(Self(json!({ "runs": runs, "below": dumps })))
    }

    /// The whole as one text, to tell states apart by.
    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }

    /// All that can be read of one run.
    pub(crate) async fn of_run(store: &dyn Store, run_id: RunId) -> Result<Self> {
        Self::of_runs(store, &[run_id]).await
    }

    /// All that can be read of some runs; `null` in the place of one that does not exist.
    pub(crate) async fn of_runs(store: &dyn Store, run_ids: &[RunId]) -> Result<Self> {
        let mut dumps = Vec::new();
        for run_id in run_ids {
            dumps.push(match store.get_run(*run_id).await {
                Err(Error::NotFound { .. }) => Value::Null,
                _ => dump_run(store, *run_id).await?,
            });
        }
        Ok(Self(json!({ "below": dumps })))
    }

    /// The same with another text in the place of one, in every text and key.
    pub(crate) fn renamed(&self, from: &str, to: &str) -> Self {
        let renamed = self.0.to_string().replace(from, to);
        Self(serde_json::from_str(&renamed).unwrap_or_default())
    }

    /// The same without these fields of a run, of its snapshot and of the counts there, to compare the
    /// rest.
    pub(crate) fn without(&self, fields: &[&str]) -> Self {
        let mut value = self.0.clone();
        let runs = value.get_mut("below").and_then(Value::as_array_mut);
        for run in runs.into_iter().flatten() {
            for place in ["", "/snapshot", "/snapshot/counts"] {
                if let Some(Value::Object(object)) = run.pointer_mut(place) {
                    object.retain(|name, _| !fields.contains(&name.as_str()));
                }
            }
        }
        Self(value)
    }

    /// The same with no more of why tasks wait than for which tasks: the rest changes with the time alone.
    pub(crate) fn at_any_time(&self) -> Self {
        let mut value = self.0.clone();
        let runs = value.get_mut("below").and_then(Value::as_array_mut);
        for run in runs.into_iter().flatten() {
            let reasons = run.get_mut("waitingReasons").and_then(Value::as_array_mut);
            for reason in reasons.into_iter().flatten() {
                *reason = reason.get("tasks").cloned().unwrap_or_default();
            }
        }
        Self(value)
    }

    /// Where the two differ first, as a path and both values; `None` if they are alike to the order of
    /// keys and the kind of numbers.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        difference("store", &self.0, &other.0)
    }
}

async fn dump_run(store: &dyn Store, run_id: RunId) -> Result<Value> {
    let agents = store.list_agent_states(run_id).await?;
    let mut agents_by_role = Vec::new();
    for agent in &agents {
        agents_by_role.push(store.get_agent_state(run_id, agent.role.clone()).await?);
    }
    let tasks = store.list_tasks(ListTasks::new(run_id)).await?.items;
    let mut tasks_by_id = Vec::new();
    let mut waiting_reasons = Vec::new();
    let mut latest_attempts = Vec::new();
    for task in &tasks {
        tasks_by_id.push(store.get_task(task.id).await?);
        waiting_reasons.push(store.waiting_reason(task.id).await?);
        latest_attempts.push(store.latest_attempt(task.id).await?);
    }
    let approvals = store
        .list_approvals(ListApprovals::new(run_id))
        .await?
        .items;
    let mut latest_approvals = Vec::new();
    for approval in &approvals {
        latest_approvals.push(
            store
                .latest_approval(run_id, approval.source.clone())
                .await?,
        );
    }
    Ok(json!({
        "run": store.get_run(run_id).await?,
        "agents": agents,
        "agentsByRole": agents_by_role,
        "tasks": tasks,
        "tasksById": tasks_by_id,
        "waitingReasons": waiting_reasons,
        "attempts": store.list_attempts(ListAttempts::new(run_id)).await?.items,
        "latestAttempts": latest_attempts,
        "recentAttempts": store.recent_attempts(run_id, 12).await?,
        "events": store.list_events(ListEvents::new(run_id)).await?.items,
        "recentEvents": store.recent_events(run_id, 50).await?,
        "artifacts": store.list_artifacts(ListArtifacts::new(run_id)).await?.items,
        "approvals": approvals,
        "latestApprovals": latest_approvals,
        "checkpoints": store.list_checkpoints(ListCheckpoints::new(run_id)).await?.items,
        "latestCheckpoint": store.latest_checkpoint(run_id).await?,
        "snapshot": store.snapshot(SnapshotRequest::of_run(run_id)).await?,
    }))
}

/// Checks that the store holds what it held before. `what` says which call must have changed nothing.
#[track_caller]
pub(crate) fn check_unchanged(
    store: &dyn Store,
    before: &Dump,
    what: &str,
) -> impl Future<Output = Outcome> {
    let place = std::panic::Location::caller();
    async move {
        let after = Dump::of(store).await?.at_any_time();
        let difference = before.at_any_time().difference(&after);
        check!(
            difference.is_none(),
            "{what} must change nothing, but changed {} (before, after), checked at {place}",
            difference.unwrap_or_default()
        );
        Ok(())
    }
}

/// Checks that the store holds what it held before but for these fields of its runs. `what` says which
/// call must have changed nothing else.
#[track_caller]
pub(crate) fn check_unchanged_but(
    store: &dyn Store,
    before: &Dump,
    fields: &[&str],
    what: &str,
) -> impl Future<Output = Outcome> {
    let place = std::panic::Location::caller();
    async move {
        let after = Dump::of(store).await?.at_any_time().without(fields);
        let before = before.at_any_time().without(fields);
        let difference = before.difference(&after);
        check!(
            difference.is_none(),
            "{what} must change nothing but {fields:?}, but changed {} (before, after), checked at {place}",
            difference.unwrap_or_default()
        );
        Ok(())
    }
}

/// Checks that one run is as it was. `what` says which call must not have touched it.
#[track_caller]
pub(crate) fn check_run_unchanged(
    store: &dyn Store,
    before: &Dump,
    run_id: RunId,
    what: &str,
) -> impl Future<Output = Outcome> {
    let place = std::panic::Location::caller();
    async move {
        let after = Dump::of_run(store, run_id).await?.at_any_time();
        let difference = before.at_any_time().difference(&after);
        check!(
            difference.is_none(),
            "{what} must not touch another run, but changed {} (before, after), checked at {place}",
            difference.unwrap_or_default()
        );
        Ok(())
    }
}

/// Where two JSON values differ first. Unlike `==`, it counts the order of keys.
pub(crate) fn difference(path: &str, a: &Value, b: &Value) -> Option<String> {
    let differ = || Some(format!("{path}: {} and {}", short(a), short(b)));
    match (a, b) {
        (Value::Object(a_fields), Value::Object(b_fields)) => {
            if !a_fields.keys().eq(b_fields.keys()) {
                return differ();
            }
            let pairs = a_fields.iter().zip(b_fields.values());
            pairs
                .filter_map(|((key, a), b)| difference(&format!("{path}.{key}"), a, b))
                .next()
        }
        (Value::Array(a_items), Value::Array(b_items)) => {
            let pairs = a_items.iter().zip(b_items).enumerate();
            let within = pairs
                .filter_map(|(index, (a, b))| difference(&format!("{path}[{index}]"), a, b))
                .next();
            let lengths = || {
                let (a, b) = (a_items.len(), b_items.len());
                (a != b).then(|| format!("{path}: {a} entries and {b} entries"))
            };
            within.or_else(lengths)
        }
        // By their text: as numbers, `0.0` and `-0.0` are equal.
        (Value::Number(a), Value::Number(b)) if a.to_string() != b.to_string() => differ(),
        _ if a == b => None,
        _ => differ(),
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
