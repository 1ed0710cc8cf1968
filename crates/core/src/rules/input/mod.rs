//! Bounds on what the calls take (clause G8), checked before a store is looked at.

mod record;

use std::collections::HashSet;
use std::hash::Hash;
use std::time::Duration;

use super::plan;
use crate::limits::{
    MAX_CLAIMS, MAX_DEPENDENCIES, MAX_DURATION, MAX_PAGE, MAX_PLAN_TASKS, MAX_REPORT_ITEMS,
    MAX_WORD_BYTES,
};
use crate::{
    AbandonTask, ArtifactDraft, AttemptReport, BlockTask, Change, ClaimRequest, CompleteTask,
    Dependency, Error, EventDraft, FinishOutcome, FinishReport, Heartbeat, ListApprovals,
    ListArtifacts, ListAttempts, ListCheckpoints, ListEvents, ListRuns, ListTasks, NewApproval,
    NewArtifact, NewAttempt, NewCheckpoint, NewEvent, NewRun, PageRequest, Result, RunUpdate,
    SaveAgentState, SnapshotRequest, TaskDraft, TaskPlan,
};

use self::record::Record;

/// What a call takes, and can be checked by itself.
pub trait Input {
    /// Checks every bound that can be seen without the store.
    ///
    /// # Errors
    /// `InvalidInput`, naming the first field that breaks a bound, and the bound.
    fn check(&self) -> Result<()>;
}

/// Checks a number of rows asked for.
///
/// # Errors
/// `InvalidInput` unless it is from 1 to [`MAX_PAGE`].
pub fn check_limit(field: &str, limit: u32) -> Result<()> {
    check_from_one(field, limit, MAX_PAGE)
}

/// Checks an open word that a read filters by.
///
/// # Errors
/// `InvalidInput` if it is over [`MAX_WORD_BYTES`].
pub fn check_word(field: &str, word: &str) -> Result<()> {
    if word.len() <= MAX_WORD_BYTES {
        return Ok(());
    }
    let problem = format!(
        "has {} bytes; at most {MAX_WORD_BYTES} are allowed",
        word.len()
    );
    Err(Error::invalid_input(field, problem))
}

fn check_count(field: &str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    let problem = format!("has {count} entries; at most {most} are allowed");
    Err(Error::invalid_input(field, problem))
}

fn check_distinct<I: Eq + Hash>(
    field: &str,
    name: &str,
    ids: impl Iterator<Item = Option<I>>,
) -> Result<()> {
    let mut seen = HashSet::new();
    for (index, id) in ids.enumerate() {
        if id.is_some_and(|id| !seen.insert(id)) {
            let field = format!("{field}[{index}].{name}");
            return Err(Error::invalid_input(
                field,
                "stands more than once in one call",
            ));
        }
    }
    Ok(())
}

fn draft(path: &str, draft: &TaskDraft) -> Result<()> {
    Record::at(path)
        .text_with_content("title", &draft.title)?
        .text("objective", &draft.objective)?
        .texts("acceptance_criteria", &draft.acceptance_criteria)?
        .texts("verification_steps", &draft.verification_steps)?
        .texts("allowed_paths", &draft.allowed_paths)?
        .ids("depends_on", draft.depends_on.len())?;
    let field = |name: &str| format!("{path}.{name}");
    if let Some(key) = &draft.key {
        check_word(&field("key"), key)?;
    }
    if draft.depends_on.len() > MAX_DEPENDENCIES {
        check_count(
            &field("depends_on"),
            draft.depends_on.len(),
            MAX_DEPENDENCIES,
        )?;
    }
    for (number, dependency) in draft.depends_on.iter().enumerate() {
        if let Dependency::Key(key) = dependency {
            check_word(&field(&format!("depends_on[{number}]")), key)?;
        }
    }
    if draft.max_attempts == Some(0) {
        check_max_attempts(&field("max_attempts"), draft.max_attempts)?;
    }
    Ok(())
}

fn check_max_attempts(field: &str, max_attempts: Option<u32>) -> Result<()> {
    match max_attempts {
        Some(0) => Err(Error::invalid_input(field, "is 0; it must be at least 1")),
        _ => Ok(()),
    }
}

fn check_duration(field: &str, duration: Duration, least: Duration) -> Result<()> {
    if (least..=MAX_DURATION).contains(&duration) {
        return Ok(());
    }
    let problem = format!("is {duration:?}; it must be from {least:?} to {MAX_DURATION:?}");
    Err(Error::invalid_input(field, problem))
}

/// The shortest lease.
const MIN_LEASE: Duration = Duration::from_micros(1);

/// Checks how long a claim may be waited for.
///
/// # Errors
/// `InvalidInput` if it is over [`MAX_DURATION`].
pub fn check_timeout(timeout: Duration) -> Result<()> {
    check_duration("timeout", timeout, Duration::ZERO)
}

/// Checks how many tasks a call may claim.
///
/// # Errors
/// `InvalidInput` unless it is from 1 to [`MAX_CLAIMS`].
pub fn check_claims(limit: u32) -> Result<()> {
    check_from_one("limit", limit, MAX_CLAIMS)
}

fn check_from_one(field: &str, number: u32, most: u32) -> Result<()> {
    if (1..=most).contains(&number) {
        return Ok(());
    }
    let problem = format!("is {number}; it must be from 1 to {most}");
    Err(Error::invalid_input(field, problem))
}

fn event(path: &str, event: &EventDraft) -> Result<()> {
    Record::at(path)
        .text("source", &event.source)?
        .text("kind", &event.kind)?
        .text("message", &event.message)?
        .json("payload", &event.payload)?;
    Ok(())
}

fn artifact(path: &str, artifact: &ArtifactDraft) -> Result<()> {
    let role = artifact.role.as_ref().map_or("", |role| role.as_str());
    Record::at(path)
        .word("role", role)?
        .text("kind", &artifact.kind)?
        .text("path", &artifact.path)?
        .json("metadata", &artifact.metadata)?;
    Ok(())
}

fn attempt(path: &str, attempt: &AttemptReport) -> Result<()> {
    Record::at(path)
        .word("status", attempt.status.as_str())?
        .text("summary", &attempt.summary)?
        .optional_text("blocker_signature", attempt.blocker_signature.as_deref())?
        .json("result", &attempt.result)?;
    Ok(())
}

fn settlement(path: &str, summary: Option<&str>, signature: Option<&str>) -> Result<()> {
    Record::at(path)
        .optional_text("summary", summary)?
        .optional_text("blocker_signature", signature)?;
    Ok(())
}

fn page(page: PageRequest) -> Result<()> {
    page.limit
        .map_or(Ok(()), |limit| check_limit("page.limit", limit))
}

impl Input for NewRun {
    fn check(&self) -> Result<()> {
        Record::at("")
            .text_with_content("goal", &self.goal)?
            .text("repo_path", &self.repo_path)?;
        Ok(())
    }
}

impl Input for RunUpdate {
    fn check(&self) -> Result<()> {
        let mut record = Record::at("");
        record.word(
            "status",
            self.status.as_ref().map_or("", |status| status.as_str()),
        )?;
        if let Change::Set(summary) = &self.summary {
            record.text("summary", summary)?;
        }
        Ok(())
    }
}

impl Input for ListRuns {
    fn check(&self) -> Result<()> {
        check_word(
            "status",
            self.status.as_ref().map_or("", |status| status.as_str()),
        )?;
        page(self.page)
    }
}

impl Input for SaveAgentState {
    fn check(&self) -> Result<()> {
        Record::at("")
            .word("role", self.role.as_str())?
            .optional_text("session_id", self.session_id.as_deref())?
            .optional_text("last_prompt_path", self.last_prompt_path.as_deref())?
            .optional_text("last_response_path", self.last_response_path.as_deref())?;
        Ok(())
    }
}

impl Input for TaskPlan {
    fn check(&self) -> Result<()> {
        check_count("drafts", self.drafts.len(), MAX_PLAN_TASKS)?;
        for (index, entry) in self.drafts.iter().enumerate() {
            draft(&format!("drafts[{index}]"), entry)?;
        }
        check_distinct("drafts", "id", self.drafts.iter().map(|draft| draft.id))?;
        let keys = self.drafts.iter().map(|draft| draft.key.as_deref());
        check_distinct("drafts", "key", keys)?;
        plan::check(&self.drafts)
    }
}

impl Input for ListTasks {
    fn check(&self) -> Result<()> {
        page(self.page)
    }
}

impl Input for CompleteTask {
    fn check(&self) -> Result<()> {
        settlement("", Some(&self.summary), None)
    }
}

impl Input for BlockTask {
    fn check(&self) -> Result<()> {
        settlement(
            "",
            self.summary.as_deref(),
            self.blocker_signature.as_deref(),
        )
    }
}

impl Input for AbandonTask {
    fn check(&self) -> Result<()> {
        settlement(
            "",
            self.summary.as_deref(),
            self.blocker_signature.as_deref(),
        )
    }
}

impl Input for ClaimRequest {
    fn check(&self) -> Result<()> {
        check_word("worker", self.worker.as_deref().unwrap_or_default())?;
        if let Some(lease) = self.lease {
            check_duration("lease", lease, MIN_LEASE)?;
        }
        check_max_attempts("max_attempts", self.max_attempts)
    }
}

impl Input for Heartbeat {
    fn check(&self) -> Result<()> {
        check_duration("lease", self.lease, MIN_LEASE)
    }
}

impl Input for FinishReport {
    fn check(&self) -> Result<()> {
        match &self.outcome {
            FinishOutcome::Completed { summary } => settlement("outcome", Some(summary), None)?,
            FinishOutcome::Blocked {
                summary,
                blocker_signature,
            }
            | FinishOutcome::Abandoned {
                summary,
                blocker_signature,
            } => settlement("outcome", summary.as_deref(), blocker_signature.as_deref())?,
            FinishOutcome::Released { delay: None } => {}
            FinishOutcome::Released { delay: Some(delay) } => {
                check_duration("outcome.delay", *delay, Duration::ZERO)?;
            }
        }
        attempt("attempt", &self.attempt)?;
        check_count("events", self.events.len(), MAX_REPORT_ITEMS)?;
        for (index, entry) in self.events.iter().enumerate() {
            event(&format!("events[{index}]"), entry)?;
        }
        check_distinct("events", "id", self.events.iter().map(|event| event.id))?;
        check_count("artifacts", self.artifacts.len(), MAX_REPORT_ITEMS)?;
        for (index, entry) in self.artifacts.iter().enumerate() {
            artifact(&format!("artifacts[{index}]"), entry)?;
        }
        check_distinct(
            "artifacts",
            "id",
            self.artifacts.iter().map(|artifact| artifact.id),
        )
    }
}

impl Input for NewAttempt {
    fn check(&self) -> Result<()> {
        if let Some(fence) = self.fence
            && fence.task_id != self.task_id
        {
            let problem = format!("is on task {}, not on {}", fence.task_id, self.task_id);
            return Err(Error::invalid_input("fence", problem));
        }
        attempt("report", &self.report)
    }
}

impl Input for NewEvent {
    fn check(&self) -> Result<()> {
        event("draft", &self.draft)
    }
}

impl Input for NewArtifact {
    fn check(&self) -> Result<()> {
        artifact("draft", &self.draft)
    }
}

impl Input for NewApproval {
    fn check(&self) -> Result<()> {
        Record::at("")
            .word("source", self.source.as_str())?
            .word("verdict", self.verdict.as_str())?
            .text("rationale", &self.rationale)?
            .json("payload", &self.payload)?;
        Ok(())
    }
}

impl Input for NewCheckpoint {
    fn check(&self) -> Result<()> {
        Record::at("")
            .word("status", self.status.as_str())?
            .json("payload", &self.payload)?;
        Ok(())
    }
}

impl Input for ListEvents {
    fn check(&self) -> Result<()> {
        page(self.page)
    }
}

impl Input for ListAttempts {
    fn check(&self) -> Result<()> {
        page(self.page)
    }
}

impl Input for ListArtifacts {
    fn check(&self) -> Result<()> {
        check_word("role", self.role.as_ref().map_or("", |role| role.as_str()))?;
        page(self.page)
    }
}

impl Input for ListApprovals {
    fn check(&self) -> Result<()> {
        check_word(
            "source",
            self.source.as_ref().map_or("", |source| source.as_str()),
        )?;
        page(self.page)
    }
}

impl Input for ListCheckpoints {
    fn check(&self) -> Result<()> {
        page(self.page)
    }
}

impl Input for SnapshotRequest {
    fn check(&self) -> Result<()> {
        self.max_per_list
            .map_or(Ok(()), |limit| check_limit("max_per_list", limit))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::limits::{MAX_JSON_DEPTH, MAX_RECORD_BYTES};
    use crate::{RunId, TaskId};

    fn field(result: Result<()>) -> String {
        match result {
            Err(Error::InvalidInput { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_record_of_just_the_bound_passes_and_one_byte_more_does_not() {
        let goal = "g".repeat(MAX_RECORD_BYTES - 1);
        assert!(NewRun::new(goal.clone(), "p").check().is_ok());
        assert_eq!(field(NewRun::new(goal, "pp").check()), "repo_path");
    }

    #[test]
    fn depth_is_counted_without_recursion() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |value, _| json!([value]));
        let event = |payload| {
            NewEvent::new(
                RunId::generate(),
                EventDraft::new("s", "k", "m").with_payload(payload),
            )
        };
        assert!(event(nested(MAX_JSON_DEPTH)).check().is_ok());
        assert_eq!(
            field(event(nested(MAX_JSON_DEPTH + 1)).check()),
            "draft.payload"
        );
    }

    #[test]
    fn a_draft_is_named_by_its_index() {
        let id = TaskId::generate();
        let plan = |drafts: Vec<TaskDraft>| TaskPlan::new(RunId::generate(), drafts).check();
        let good = TaskDraft::new("t", "o").with_id(id);
        assert_eq!(
            field(plan(vec![good.clone(), TaskDraft::new("", "o")])),
            "drafts[1].title"
        );
        assert_eq!(field(plan(vec![good.clone(), good])), "drafts[1].id");
    }

    #[test]
    fn limits_run_from_one_to_the_most() {
        assert!(check_limit("limit", 1).is_ok() && check_limit("limit", MAX_PAGE).is_ok());
        assert!(check_limit("limit", 0).is_err() && check_limit("limit", MAX_PAGE + 1).is_err());
        assert!(check_word("role", &"w".repeat(MAX_WORD_BYTES)).is_ok());
        assert!(check_word("role", &"w".repeat(MAX_WORD_BYTES + 1)).is_err());
    }
}
