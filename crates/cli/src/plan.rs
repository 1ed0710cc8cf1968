//! Reading a plan, and telling what is wrong with one.

use std::collections::HashSet;
use std::fmt::{self, Display};
use std::path::Path;

use runstore::rules::input::Input;
use runstore::{Dependency, Error, NewRun, RunId, TaskDraft, TaskId, TaskPlan, Timestamp};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_path_to_error::{Path as Place, Segment};

use crate::failure::{Context, Failure};

const BUILT_IN: &str = include_str!("../../../examples/plans/multi-tenant-billing.json");

/// A goal with the tasks toward it.
#[derive(Debug, Deserialize)]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "an object with goal, repoPath and tasks, or a list of tasks"
)]
pub(crate) struct Plan {
    #[serde(deserialize_with = "text_with_content")]
    pub(crate) goal: String,
    pub(crate) repo_path: String,
    pub(crate) tasks: Tasks,
    /// What the replan adds in place of the task that got blocked.
    #[serde(default)]
    pub(crate) replan: Vec<PlannedTask>,
}

/// One task at least.
#[derive(Debug)]
pub(crate) struct Tasks(Vec<PlannedTask>);

/// A task as it stands in a plan. No other field is known, so that a typing error is told and not lost.
#[derive(Debug, Deserialize)]
// By itself the derive would take a list of the fields' values too: it is called for objects only.
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlannedTask {
    #[serde(deserialize_with = "text_with_content")]
    title: String,
    objective: String,
    acceptance_criteria: Vec<String>,
    verification_steps: Vec<String>,
    allowed_paths: Vec<String>,
    #[serde(default)]
    id: Option<TaskId>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    priority: i32,
    #[serde(default, deserialize_with = "time")]
    not_before: Option<Timestamp>,
    #[serde(default)]
    depends_on: Vec<Dependency>,
    #[serde(default)]
    max_attempts: Option<u32>,
}

impl Plan {
    /// Reads the plan in `file`, or the built-in one, and checks all of it.
    pub(crate) fn read(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file else {
            return Self::parse("the built-in plan", BUILT_IN.as_bytes());
        };
        let name = file.display().to_string();
        let text = std::fs::read(file).or_fail(format!("cannot read the plan {name}"))?;
        Self::parse(&name, &text)
    }

    fn parse(name: &str, text: &[u8]) -> Result<Self, Failure> {
        if let Some(problem) = encoding_problem(text) {
            return Err(refusal(name, "", problem));
        }
        let plan = match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => Self {
                goal: format!("Carry out {name}"),
                repo_path: ".".to_owned(),
                tasks: from_json(name, text)?,
                replan: Vec::new(),
            },
            _ => from_json(name, text)?,
        };
        plan.check().map_err(|error| match error {
            Error::InvalidInput { field, problem } => refusal(name, &field, problem),
            error => refusal(name, "", error),
        })?;
        Ok(plan)
    }

    pub(crate) fn new_run(&self) -> NewRun {
        NewRun::new(&self.goal, &self.repo_path)
    }

    pub(crate) fn drafts(&self) -> impl Iterator<Item = TaskDraft> {
        self.tasks.0.iter().map(PlannedTask::draft)
    }

    /// The bounds of the store (clause G8), before there is one.
    fn check(&self) -> Result<(), Error> {
        self.new_run().check()?;
        check_list("tasks", self.drafts().collect())?;
        check_list(
            "replan",
            self.replan.iter().map(PlannedTask::draft).collect(),
        )
    }
}

/// Checks the tasks of one list. The places are told as they stand in the file.
fn check_list(list: &str, drafts: Vec<TaskDraft>) -> Result<(), Error> {
    let plan = TaskPlan::new(RunId::generate(), drafts);
    let checked = plan.check().and_then(|()| check_task_ids(&plan.drafts));
    checked.map_err(|error| match error {
        Error::InvalidInput { field, problem } => {
            let place = |text: &str| text.replace("drafts[", &format!("{list}["));
            Error::invalid_input(in_json(&place(&field)), place(&problem))
        }
        error => error,
    })
}

/// A run that is yet to be created has no task that a plan could depend on, but those of the plan.
fn check_task_ids(drafts: &[TaskDraft]) -> Result<(), Error> {
    let ids: HashSet<TaskId> = drafts.iter().filter_map(|draft| draft.id).collect();
    for (index, draft) in drafts.iter().enumerate() {
        for (number, dependency) in draft.depends_on.iter().enumerate() {
            if let Dependency::Task { task_id } = dependency
                && !ids.contains(task_id)
            {
                let field = format!("drafts[{index}].depends_on[{number}]");
                let problem = format!("names task {task_id}, which is no task of this list");
                return Err(Error::invalid_input(field, problem));
            }
        }
    }
    Ok(())
}

/// A field as it is called in the file: `dependsOn` for `depends_on`.
fn in_json(field: &str) -> String {
    let mut words = field.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

impl PlannedTask {
    pub(crate) fn draft(&self) -> TaskDraft {
        let mut draft = TaskDraft::new(&self.title, &self.objective)
            .with_acceptance_criteria(&self.acceptance_criteria)
            .with_verification_steps(&self.verification_steps)
            .with_allowed_paths(&self.allowed_paths)
            .with_priority(self.priority)
            .with_depends_on(self.depends_on.iter().cloned());
        draft.id = self.id;
        draft.key.clone_from(&self.key);
        draft.not_before = self.not_before;
        draft.max_attempts = self.max_attempts;
        draft
    }
}

impl Tasks {
    pub(crate) const fn count(&self) -> usize {
        self.0.len()
    }
}

impl<'de> Deserialize<'de> for PlannedTask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TaskVisitor)
    }
}

struct TaskVisitor;

impl<'de> Visitor<'de> for TaskVisitor {
    type Value = PlannedTask;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a task, which is an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<PlannedTask, A::Error> {
        // The derived function, which stands before that of the trait.
        PlannedTask::deserialize(MapAccessDeserializer::new(fields))
    }
}

impl<'de> Deserialize<'de> for Tasks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(TasksVisitor)
    }
}

/// Looks at the number while the list is read: an error afterwards would not know where the list is.
struct TasksVisitor;

impl<'de> Visitor<'de> for TasksVisitor {
    type Value = Tasks;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of tasks")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tasks, A::Error> {
        let mut tasks = Vec::new();
        while let Some(task) = list.next_element()? {
            tasks.push(task);
        }
        if tasks.is_empty() {
            return Err(de::Error::custom("there must be at least one task"));
        }
        Ok(Tasks(tasks))
    }
}

fn text_with_content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() {
        return Err(de::Error::custom("must not be empty"));
    }
    Ok(text)
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let time = text.map(|text| {
        let time = text.parse();
        time.map_err(|error| format!("{text:?} is no time like 2026-03-01T10:00:01Z: {error}"))
    });
    time.transpose().map_err(de::Error::custom)
}

/// What keeps a text from being read as JSON before its first character. Editors show such a file like
/// any other, so that the parser's own words would be a riddle.
fn encoding_problem(text: &[u8]) -> Option<&'static str> {
    match text {
        [0xEF, 0xBB, 0xBF, ..] => {
            Some("it begins with a byte order mark; save it as UTF-8 without one")
        }
        // With a byte order mark, or with a first character that is ASCII, as that of all JSON is.
        [0xFE, 0xFF, ..] | [0xFF, 0xFE, ..] | [0, 1..=0xFF, ..] | [1..=0xFF, 0, ..] => {
            Some("it is in UTF-16; save it as UTF-8")
        }
        _ => None,
    }
}

fn from_json<T: DeserializeOwned>(name: &str, text: &[u8]) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let place = place(error.path());
        refusal(name, &place, error.into_inner())
    })?;
    let end = deserializer.end();
    end.map_err(|error| refusal(name, "", error))?;
    Ok(value)
}

/// The place as a path. Where the document ends between two fields, the next one has no name: the place
/// is then what holds it.
fn place(path: &Place) -> String {
    let shown = path.to_string();
    match path.iter().next_back() {
        Some(Segment::Unknown) => {
            let known = shown.strip_suffix('?').unwrap_or(&shown);
            known.strip_suffix('.').unwrap_or(known).to_owned()
        }
        _ => shown,
    }
}

/// One line with the file, the place and the reason; JSON's own errors end in line and column.
fn refusal(name: &str, path: &str, reason: impl Display) -> Failure {
    Failure::new(match path {
        // The document itself.
        "" | "." => format!("{name} is no plan: {reason}"),
        path => format!("{name} is no plan: {path}: {reason}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_plan_is_a_plan() {
        let plan = Plan::read(None).unwrap();
        assert!((35..=45).contains(&plan.tasks.count()));
        assert!(!plan.replan.is_empty());
    }
}
