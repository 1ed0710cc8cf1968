//! Which ids a replay sends, and how those that it cannot choose are told apart.
//!
//! Every record that a call creates can be given an id by its caller (clause G9). Where the application left that to
//! the store, the store's answer tells which it made, and the replay sends it: so nearly all ids are kept. Those of
//! the attempt and the artifacts of a claim's report are not in its answer, and a call without an answer tells none:
//! such ids are mapped to those that the new store made, as answers show the one in the place of the other.

use std::collections::{HashMap, HashSet};

use runstore_core::{ClaimToken, PageRequest, Uuid};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::calls::Call;
use crate::trace::{Outcome, RecordedCall, Trace};
use crate::{Failure, Result};

/// The fields that hold ids of records.
pub(super) const ID_FIELDS: [&str; 6] = [
    "id",
    "runId",
    "taskId",
    "eventId",
    "currentTaskId",
    "dependsOn",
];

/// The fields that hold a caller's own JSON: nothing in them is a store's.
pub(super) const OPAQUE_FIELDS: [&str; 4] = ["payload", "metadata", "result", "resultJson"];

/// Gives the records that a call creates the ids that the recorded store made for them.
pub(super) fn keep(call: &mut Call, outcome: &Outcome) {
    fn made<T: DeserializeOwned>(id: &mut Option<T>, record: &Value) {
        let made = record.get("id").cloned();
        if let (None, Some(made)) = (&id, made) {
            *id = serde_json::from_value(made).ok();
        }
    }
    let Outcome::Answer(answer) = outcome else {
        return;
    };
    match call {
        Call::CreateRun { new } => made(&mut new.id, answer),
        Call::AppendTasks { plan } | Call::ReplacePendingTasks { plan } => {
            let tasks = answer.as_array().into_iter().flatten();
            for (draft, task) in plan.drafts.iter_mut().zip(tasks) {
                made(&mut draft.id, task);
            }
        }
        Call::AddAttempt { new } => made(&mut new.report.id, answer),
        Call::AddArtifact { new } => made(&mut new.draft.id, answer),
        Call::AddApproval { new } => made(&mut new.id, answer),
        Call::AddCheckpoint { new } => made(&mut new.id, answer),
        _ => {}
    }
}

/// The ids that the caller gives to the records of a call.
fn given(call: &Call) -> Vec<Uuid> {
    fn uuid<T: Into<Uuid>>(id: Option<T>) -> Option<Uuid> {
        id.map(Into::into)
    }
    match call {
        Call::CreateRun { new } => Vec::from_iter(uuid(new.id)),
        Call::AppendTasks { plan } | Call::ReplacePendingTasks { plan } => {
            let ids = plan.drafts.iter().filter_map(|draft| uuid(draft.id));
            ids.collect()
        }
        Call::FinishTask { report, .. } => {
            let events = report.events.iter().filter_map(|event| uuid(event.id));
            let artifacts = report.artifacts.iter();
            let artifacts = artifacts.filter_map(|artifact| uuid(artifact.id));
            let attempt = uuid(report.attempt.id).into_iter();
            attempt.chain(events).chain(artifacts).collect()
        }
        Call::AddAttempt { new } => Vec::from_iter(uuid(new.report.id)),
        Call::AddEvent { new } => Vec::from_iter(uuid(new.draft.id)),
        Call::AddArtifact { new } => Vec::from_iter(uuid(new.draft.id)),
        Call::AddApproval { new } => Vec::from_iter(uuid(new.id)),
        Call::AddCheckpoint { new } => Vec::from_iter(uuid(new.id)),
        _ => Vec::new(),
    }
}

/// The ids and cursors of the recorded store, and what the new one has in their place.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// Those that the replay gives itself.
    kept: HashSet<String>,
    mapped: HashMap<String, String>,
    /// The other side of the map.
    taken: HashSet<String>,
    /// By the list that a cursor is of, and its number.
    cursors: HashMap<(String, u64), u64>,
}

impl Ids {
    pub(super) fn new(trace: &Trace) -> Self {
        let kept = trace.calls.iter().flat_map(|recorded: &RecordedCall| {
            let mut call = recorded.call.clone()?;
            keep(&mut call, &recorded.outcome);
            Some(given(&call))
        });
        Self {
            kept: kept.flatten().map(|id| id.to_string()).collect(),
            ..Self::default()
        }
    }

    /// Whether it is known what the new store has in the place of a recorded id.
    pub(super) fn is_known(&self, recorded: &str) -> bool {
        self.kept.contains(recorded) || self.mapped.contains_key(recorded)
    }

    /// Whether it is known in whose place an id of the new store is.
    pub(super) fn is_known_as_new(&self, replayed: &str) -> bool {
        self.kept.contains(replayed) || self.taken.contains(replayed)
    }

    /// The id of the new store in the place of a recorded one, as far as is known.
    pub(super) fn new_of<'i>(&'i self, recorded: &'i str) -> &'i str {
        self.mapped.get(recorded).map_or(recorded, String::as_str)
    }

    /// Whether an id of the new store may be in the place of a recorded one. If both are seen for the first time, it
    /// is from now on.
    pub(super) fn matches(&mut self, recorded: &str, replayed: &str) -> bool {
        if self.new_of(recorded) == replayed {
            return true;
        }
        if self.is_known(recorded) || self.is_known_as_new(replayed) {
            return false;
        }
        self.mapped.insert(recorded.to_owned(), replayed.to_owned());
        self.taken.insert(replayed.to_owned());
        true
    }

    /// The same claim on the new store.
    pub(super) fn token(&self, recorded: ClaimToken) -> ClaimToken {
        let id = recorded.task_id.to_string();
        ClaimToken {
            task_id: self.new_of(&id).parse().unwrap_or(recorded.task_id),
            ..recorded
        }
    }

    /// The call with the ids of the new store.
    pub(super) fn translated(&self, call: Call) -> Result<Call> {
        if self.mapped.is_empty() {
            return Ok(call);
        }
        let mut value = serde_json::to_value(call).map_err(Failure::engine)?;
        self.translate("", &mut value);
        serde_json::from_value(value).map_err(Failure::engine)
    }

    fn translate(&self, field: &str, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    if OPAQUE_FIELDS.contains(&name.as_str()) {
                        continue;
                    }
                    // The id that a change sets stands below the name of the change.
                    let of_change = name == "set" && ID_FIELDS.contains(&field);
                    self.translate(if of_change { field } else { name }, value);
                }
            }
            Value::Array(items) => items
                .iter_mut()
                .for_each(|value| self.translate(field, value)),
            Value::String(id) if ID_FIELDS.contains(&field) => {
                if let Some(new) = self.mapped.get(id) {
                    id.clone_from(new);
                }
            }
            _ => {}
        }
    }

    /// Puts the place in a list that the new store named in the place of the recorded one, which means nothing to it.
    pub(super) fn translate_cursor(&self, recorded: &Call, call: &mut Call) {
        let list = list_of(recorded);
        let (Some(list), Some(page)) = (list, call.page()) else {
            return;
        };
        if let Some(after) = page.after
            && let Some(new) = self.cursors.get(&(list, after.number()))
        {
            *page = page.after(runstore_core::Cursor::new(*new));
        }
    }

    /// Notes where the pages of a list ended on both stores.
    pub(super) fn note_cursor(&mut self, call: &Call, recorded: &Value, replayed: &Value) {
        let next = |page: &Value| page.get("next").and_then(Value::as_u64);
        if let (Some(recorded), Some(replayed)) = (next(recorded), next(replayed))
            && recorded != replayed
            && let Some(list) = list_of(call)
        {
            self.cursors.insert((list, recorded), replayed);
        }
    }
}

/// The list that a call asks for a part of.
fn list_of(call: &Call) -> Option<String> {
    let mut call = call.clone();
    *call.page()? = PageRequest::all();
    serde_json::to_string(&call).ok()
}
