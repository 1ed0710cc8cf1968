//! Where an answer differs from the recorded one.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::{Map, Value};

use super::ids::{ID_FIELDS, Ids, OPAQUE_FIELDS};
use crate::trace::Outcome;

/// The fields that hold times of the store's clock, or what only the store that made it can read: whether they are
/// set is all that can be compared.
const STORES_OWN: [&str; 9] = [
    "createdAt",
    "updatedAt",
    "ts",
    "leaseExpiresAt",
    "delayedUntil",
    "notBefore",
    "time",
    "until",
    "next",
];

/// A difference between two answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: String,
    pub(super) recorded: String,
    pub(super) replayed: String,
}

/// A comparison of an answer with the recorded one: the first difference of each sort that it finds.
pub(super) struct Comparison<'v, 'i> {
    ids: &'i mut Ids,
    /// Whether the answer may hang on the order of calls that overlapped.
    is_loose: bool,
    path: Vec<Step<'v>>,
    /// One that no order of the calls explains.
    pub(super) real: Option<Found>,
    /// One that another order of the calls may explain.
    pub(super) of_order: Option<Found>,
}

enum Step<'v> {
    Field(&'v str),
    Index(usize),
}

/// Where a value stands: in which field of which record.
#[derive(Clone, Copy)]
struct Place<'v> {
    record: Option<&'v Map<String, Value>>,
    field: &'v str,
}

static UNSET: Value = Value::Null;

impl<'v, 'i> Comparison<'v, 'i> {
    pub(super) const fn new(ids: &'i mut Ids, is_loose: bool) -> Self {
        Self {
            ids,
            is_loose,
            path: Vec::new(),
            real: None,
            of_order: None,
        }
    }

    /// Compares what came of a call of this method.
    pub(super) fn compare(&mut self, method: &str, recorded: &'v Outcome, replayed: &'v Outcome) {
        match (recorded, replayed) {
            (Outcome::Answer(recorded), Outcome::Answer(replayed)) => {
                self.path.push(Step::Field("answer"));
                // A heartbeat answers with a bare time.
                let field = match method {
                    "heartbeat" => "leaseExpiresAt",
                    _ => "",
                };
                let place = Place {
                    record: None,
                    field,
                };
                self.values(place, recorded, replayed);
            }
            _ if recorded == replayed => {}
            _ => {
                self.path.push(Step::Field("outcome"));
                self.found(self.is_loose, || {
                    (shown_outcome(recorded), shown_outcome(replayed))
                });
            }
        }
    }

    fn values(&mut self, place: Place<'v>, recorded: &'v Value, replayed: &'v Value) {
        if OPAQUE_FIELDS.contains(&place.field) {
            return self.opaque(place, recorded, replayed);
        }
        if STORES_OWN.contains(&place.field) {
            if recorded.is_null() != replayed.is_null() {
                self.differ(place, recorded, replayed);
            }
            return;
        }
        match (recorded, replayed) {
            (Value::Object(a), Value::Object(b)) => {
                if self.is_loose && self.identities_differ(recorded, replayed) {
                    self.found(true, || (shown(recorded), shown(replayed)));
                    return;
                }
                let added = b.keys().filter(|name| !a.contains_key(*name));
                for name in a.keys().chain(added) {
                    // What is left out is unset.
                    let field = |of: &'v Map<String, Value>| of.get(name).unwrap_or(&UNSET);
                    let place = Place {
                        record: Some(a),
                        field: name,
                    };
                    self.path.push(Step::Field(name));
                    self.values(place, field(a), field(b));
                    self.path.pop();
                }
            }
            (Value::Array(a), Value::Array(b)) if self.is_loose && are_records(a, b) => {
                self.unordered(place, a, b);
            }
            (Value::Array(a), Value::Array(b)) => {
                for (index, (a, b)) in a.iter().zip(b).enumerate() {
                    self.path.push(Step::Index(index));
                    self.values(place, a, b);
                    self.path.pop();
                }
                if a.len() != b.len() {
                    let is_of_order = self.is_of_order(place);
                    self.found(is_of_order, || (entries(a.len()), entries(b.len())));
                }
            }
            (Value::String(a), Value::String(b)) if ID_FIELDS.contains(&place.field) => {
                if !self.is_same_id(place, a, b) {
                    self.differ(place, recorded, replayed);
                }
            }
            _ if is_same_leaf(recorded, replayed) => {}
            _ => self.differ(place, recorded, replayed),
        }
    }

    fn is_same_id(&mut self, place: Place<'_>, recorded: &str, replayed: &str) -> bool {
        // Where the order is chance, one that says the same may stand in the place of the other; no call takes the
        // ids of these.
        let is_exchangeable = self.is_loose
            && place.field == "id"
            && place.record.is_some_and(|record| {
                record.contains_key("resultJson") || record.contains_key("metadata")
            });
        let is_known = self.ids.is_known(recorded) || self.ids.is_known_as_new(replayed);
        (is_exchangeable && !is_known) || self.ids.matches(recorded, replayed)
    }

    /// Compares a caller's own JSON, which every store keeps to the order of keys and the kind of numbers (G5).
    fn opaque(&mut self, place: Place<'v>, recorded: &'v Value, replayed: &'v Value) {
        match (recorded, replayed) {
            (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
                for ((name, a), b) in a.iter().zip(b.values()) {
                    self.path.push(Step::Field(name));
                    self.opaque(place, a, b);
                    self.path.pop();
                }
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                for (index, (a, b)) in a.iter().zip(b).enumerate() {
                    self.path.push(Step::Index(index));
                    self.opaque(place, a, b);
                    self.path.pop();
                }
            }
            _ if is_same_leaf(recorded, replayed) => {}
            _ => self.differ(place, recorded, replayed),
        }
    }

    /// Compares lists of records whose order and number may be chance: each record with itself.
    fn unordered(&mut self, place: Place<'v>, recorded: &'v [Value], replayed: &'v [Value]) {
        let mut rest: HashMap<String, Vec<(usize, &'v Value)>> = HashMap::new();
        for (index, record) in replayed.iter().enumerate().rev() {
            let identity = self.identity(record, true);
            rest.entry(identity).or_default().push((index, record));
        }
        let mut missing = 0;
        let mut is_moved = false;
        for (index, record) in recorded.iter().enumerate() {
            let identity = self.identity(record, false);
            match rest.get_mut(&identity).and_then(Vec::pop) {
                None => missing += 1,
                Some((index_there, there)) => {
                    is_moved |= index != index_there;
                    self.path.push(Step::Index(index));
                    self.values(place, record, there);
                    self.path.pop();
                }
            }
        }
        let added: usize = rest.values().map(Vec::len).sum();
        if missing > 0 || added > 0 {
            let told =
                |of: usize, alone: usize| format!("{}, {alone} of them only here", entries(of));
            self.found(true, || {
                (told(recorded.len(), missing), told(replayed.len(), added))
            });
        } else if is_moved {
            self.found(true, || ("this order".to_owned(), "another".to_owned()));
        }
    }

    /// What a record is told from others by: its id, as far as that is known to be of it; else what it says.
    fn identity(&self, record: &Value, is_replayed: bool) -> String {
        if let Some(task) = record.get("task") {
            return self.identity(task, is_replayed);
        }
        if record.get("turns").is_some() {
            let role = record.get("role").and_then(Value::as_str);
            return role.unwrap_or_default().to_owned();
        }
        for field in ["eventId", "id", "taskId"] {
            let Some(id) = record.get(field).and_then(Value::as_str) else {
                continue;
            };
            if is_replayed && self.ids.is_known_as_new(id) {
                return id.to_owned();
            }
            if !is_replayed && self.ids.is_known(id) {
                return self.ids.new_of(id).to_owned();
            }
            if field == "id" {
                // The task that an attempt is of does not tell it from other attempts.
                break;
            }
        }
        let Value::Object(fields) = record else {
            return record.to_string();
        };
        let mut said = fields.clone();
        said.retain(|name, _| {
            let name = name.as_str();
            !STORES_OWN.contains(&name)
                && !ID_FIELDS.contains(&name)
                && !is_decided_by_order(fields, name)
        });
        Value::Object(said).to_string()
    }

    fn identities_differ(&self, recorded: &Value, replayed: &Value) -> bool {
        // An event that is compared by itself is the one that the call added, whatever its number.
        let is_record = recorded.get("id").is_some_and(Value::is_string)
            || ["task", "turns"]
                .iter()
                .any(|field| recorded.get(field).is_some());
        is_record && self.identity(recorded, false) != self.identity(replayed, true)
    }

    fn differ(&mut self, place: Place<'v>, recorded: &Value, replayed: &Value) {
        let is_of_order = self.is_of_order(place);
        self.found(is_of_order, || (shown(recorded), shown(replayed)));
    }

    /// Whether another order of calls explains that this value is another.
    fn is_of_order(&self, place: Place<'_>) -> bool {
        let decided = |record| is_decided_by_order(record, place.field);
        self.is_loose && place.record.is_none_or(decided)
    }

    fn found(&mut self, is_of_order: bool, values: impl FnOnce() -> (String, String)) {
        let slot = match is_of_order {
            true => &mut self.of_order,
            false => &mut self.real,
        };
        if slot.is_none() {
            let (recorded, replayed) = values();
            *slot = Some(Found {
                path: shown_path(&self.path),
                recorded,
                replayed,
            });
        }
    }
}

/// Whether a field of a record hangs on what other calls did before, and not only on what its creator gave.
fn is_decided_by_order(record: &Map<String, Value>, field: &str) -> bool {
    let has = |name: &str| record.contains_key(name);
    if has("acceptanceCriteria") {
        // Of a task.
        return matches!(
            field,
            "position"
                | "status"
                | "attemptCount"
                | "implementationSummary"
                | "blockerSignature"
                | "worker"
                | "leaseExpiresAt"
                | "delayedUntil"
        );
    }
    if has("replanCount") {
        // Of a run.
        return !matches!(field, "id" | "goal" | "repoPath");
    }
    if has("resultJson") {
        // Of an attempt, in whose claim's name it was written.
        return matches!(field, "taskId" | "attemptNumber");
    }
    if has("ts") {
        // Of an event: its number.
        return field == "id";
    }
    let all_are = [
        "turns",
        "reason",
        "canComplete",
        "checkpoints",
        "counts",
        "items",
    ];
    // The agents of a snapshot stand by their roles.
    let is_of_agents = || record.values().all(|value| value.get("turns").is_some());
    all_are.iter().any(|name| has(name)) || is_of_agents()
}

fn are_records(a: &[Value], b: &[Value]) -> bool {
    a.iter().chain(b).all(Value::is_object)
}

/// Numbers are compared by their text: as numbers, `0.0` and `-0.0` are equal.
fn is_same_leaf(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.to_string() == b.to_string(),
        _ => a == b,
    }
}

fn entries(count: usize) -> String {
    match count {
        1 => "1 entry".to_owned(),
        _ => format!("{count} entries"),
    }
}

fn shown_outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answer(answer) => shown(answer),
        Outcome::Error(kind) => format!("error {kind}"),
        Outcome::Dropped => "dropped".to_owned(),
    }
}

/// The most characters that are shown of a value.
const MOST_SHOWN: usize = 200;

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn shown_path(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        // Writing to a text cannot fail.
        let _ = match step {
            Step::Field(name) if text.is_empty() => write!(text, "{name}"),
            Step::Field(name) => write!(text, ".{name}"),
            Step::Index(index) => write!(text, "[{index}]"),
        };
    }
    text
}
