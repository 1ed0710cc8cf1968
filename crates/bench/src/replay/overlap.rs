//! Which calls of a recording a store may answer otherwise than then, for their order was chance.

use std::collections::HashMap;

use serde_json::Value;

use super::ids::OPAQUE_FIELDS;
use crate::calls::Call;
use crate::trace::{Outcome, RecordedCall, Trace};

/// What a call reads or writes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Scope {
    Nothing,
    Run(String),
    /// Any run, or one that is not known.
    All,
}

impl Scope {
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => false,
            (Self::All, _) | (_, Self::All) => true,
            (Self::Run(a), Self::Run(b)) => a == b,
        }
    }
}

/// Where the order of calls was chance.
///
/// Two calls that overlapped may take effect in either order; if both are about one run and one of them writes, what
/// they answer, and what the run holds from then on, may hang on that order. The same is so after a write of which
/// the recording does not tell whether it took effect.
#[derive(Debug, Default)]
pub(super) struct Overlap {
    /// For each call, whether its answer may hang on an order that was chance.
    is_loose: Vec<bool>,
}

impl Overlap {
    pub(super) fn of(trace: &Trace) -> Self {
        let runs = runs_of_tasks(trace);
        let scopes = Vec::from_iter(trace.calls.iter().map(|call| scope(call, &runs)));
        let calls = || trace.calls.iter().zip(&scopes);
        let mut overlapped = vec![false; trace.calls.len()];
        // From which moment on a run, or what any run holds, is a matter of chance.
        let mut since = HashMap::new();
        let mut all_since = None;
        let mut note = |scope: &Scope, moment: u64| match scope {
            Scope::Nothing => {}
            Scope::Run(run) => {
                since.entry(run.clone()).or_insert(moment);
            }
            Scope::All => {
                all_since.get_or_insert(moment);
            }
        };
        let mut under_way: Vec<(usize, &RecordedCall, &Scope)> = Vec::new();
        for (index, (call, scope)) in calls().enumerate() {
            under_way.retain(|(_, other, _)| other.end > call.number);
            for (other_index, other, other_scope) in &under_way {
                if !(writes(call) || writes(other)) || !scope.meets(other_scope) {
                    continue;
                }
                for index in [index, *other_index] {
                    if let Some(overlapped) = overlapped.get_mut(index) {
                        *overlapped = true;
                    }
                }
                // A write of any run, as a claim of any is, may have gone to another one instead.
                match (writes(call) && writes(other), other_scope) {
                    (false, _) => {}
                    (true, Scope::All) => note(&Scope::All, call.number),
                    (true, _) => note(scope, call.number),
                }
            }
            if writes(call) && is_unknown(&call.outcome) {
                note(scope, call.number);
            }
            under_way.push((index, call, scope));
        }
        let first = since.values().copied().chain(all_since).min();
        let is_loose = |((call, scope), overlapped): ((&RecordedCall, &Scope), &bool)| {
            let since = match scope {
                Scope::Nothing => None,
                Scope::Run(run) => since.get(run).copied().into_iter().chain(all_since).min(),
                Scope::All => first,
            };
            *overlapped || since.is_some_and(|since| since < call.end)
        };
        Self {
            is_loose: calls().zip(&overlapped).map(is_loose).collect(),
        }
    }

    /// Whether the answer of this call may hang on an order that was chance.
    pub(super) fn is_loose(&self, index: usize) -> bool {
        self.is_loose.get(index).copied().unwrap_or(false)
    }
}

fn writes(call: &RecordedCall) -> bool {
    call.call.as_ref().is_some_and(Call::writes)
}

/// Whether the recording does not tell what the call did, or would have done in a better moment.
fn is_unknown(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Answer(_) => false,
        Outcome::Error(kind) => matches!(kind.as_str(), "busy" | "unavailable" | "backend"),
        Outcome::Dropped => true,
    }
}

fn scope(recorded: &RecordedCall, runs: &HashMap<String, String>) -> Scope {
    match &recorded.call {
        None | Some(Call::Info {}) => Scope::Nothing,
        Some(Call::CreateRun { new }) => match new.id {
            Some(id) => Scope::Run(id.to_string()),
            None => Scope::All,
        },
        Some(call) => {
            let call = serde_json::to_value(call).unwrap_or_default();
            let of_task = || find("taskId", &call).and_then(|task| runs.get(task).cloned());
            let run = find("runId", &call).map(str::to_owned).or_else(of_task);
            run.map_or(Scope::All, Scope::Run)
        }
    }
}

/// The first text in a field of this name.
fn find<'v>(field: &str, value: &'v Value) -> Option<&'v str> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            if OPAQUE_FIELDS.contains(&name.as_str()) {
                return None;
            }
            let here = value.as_str().filter(|_| name == field);
            here.or_else(|| find(field, value))
        }),
        Value::Array(items) => items.iter().find_map(|value| find(field, value)),
        _ => None,
    }
}

/// The runs of all tasks that the answers of the recording show.
fn runs_of_tasks(trace: &Trace) -> HashMap<String, String> {
    fn note(value: &Value, runs: &mut HashMap<String, String>) {
        match value {
            Value::Object(fields) => {
                let text = |name: &str| fields.get(name).and_then(Value::as_str);
                if let (Some(id), Some(run), true) =
                    (text("id"), text("runId"), fields.contains_key("position"))
                {
                    if !runs.contains_key(id) {
                        runs.insert(id.to_owned(), run.to_owned());
                    }
                    return;
                }
                let known = |name: &String| !OPAQUE_FIELDS.contains(&name.as_str());
                let inner = fields.iter().filter(|(name, _)| known(name));
                inner.for_each(|(_, value)| note(value, runs));
            }
            Value::Array(items) => items.iter().for_each(|value| note(value, runs)),
            _ => {}
        }
    }
    let mut runs = HashMap::new();
    for call in &trace.calls {
        if let Outcome::Answer(answer) = &call.outcome {
            note(answer, &mut runs);
        }
    }
    runs
}
