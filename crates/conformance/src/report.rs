//! What came of a run of the suite.

use std::fmt;

use serde::Serialize;

use crate::clause::Clause;

/// What came of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// The store kept the clauses.
    Passed,
    /// It did not.
    Failed {
        /// What was done, what must hold, what was seen, and where in the suite.
        message: String,
    },
    /// The harness lacks what the scenario needs; the clauses are not proved.
    Skipped {
        /// What it lacks.
        reason: String,
    },
}

/// One scenario of a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScenarioReport {
    /// Its full name.
    pub scenario: String,
    /// The clauses that it checks.
    pub clauses: Vec<Clause>,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What came of a run of the suite, or of a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The harness's name.
    pub harness: String,
    /// How many scenarios the whole suite has.
    pub suite_size: usize,
    /// The scenarios that were run, in the order of the list.
    pub scenarios: Vec<ScenarioReport>,
}

impl Report {
    /// Whether the store was proved to keep the contract: the whole suite ran, nothing failed and
    /// nothing was skipped.
    #[must_use]
    pub fn is_conformant(&self) -> bool {
        let passed = |entry: &ScenarioReport| entry.verdict == Verdict::Passed;
        self.scenarios.len() == self.suite_size && self.scenarios.iter().all(passed)
    }

    /// The scenarios that failed.
    pub fn failures(&self) -> impl Iterator<Item = &ScenarioReport> {
        let failed = |entry: &&ScenarioReport| matches!(entry.verdict, Verdict::Failed { .. });
        self.scenarios.iter().filter(failed)
    }

    /// The scenarios that were skipped.
    pub fn skips(&self) -> impl Iterator<Item = &ScenarioReport> {
        let skipped = |entry: &&ScenarioReport| matches!(entry.verdict, Verdict::Skipped { .. });
        self.scenarios.iter().filter(skipped)
    }
}

impl fmt::Display for ScenarioReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scenario,
            clauses,
            verdict,
        } = self;
        match verdict {
            Verdict::Passed => write!(formatter, "passed  {scenario}")?,
            Verdict::Failed { .. } => write!(formatter, "FAILED  {scenario}")?,
            Verdict::Skipped { .. } => write!(formatter, "skipped {scenario}")?,
        }
        let codes: Vec<_> = clauses.iter().map(|clause| clause.code()).collect();
        write!(formatter, " [{}]", codes.join(", "))?;
        match verdict {
            Verdict::Passed => Ok(()),
            Verdict::Failed { message } => write!(formatter, "\n        {message}"),
            Verdict::Skipped { reason } => write!(formatter, "\n        {reason}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in &self.scenarios {
            writeln!(formatter, "{entry}")?;
        }
        let (failed, skipped) = (self.failures().count(), self.skips().count());
        let passed = self.scenarios.len() - failed - skipped;
        let verdict = if self.is_conformant() {
            "conformant"
        } else {
            "not proved conformant"
        };
        write!(
            formatter,
            "{}: {verdict}: {passed} passed, {failed} failed, {skipped} skipped, {} of {} run",
            self.harness,
            self.scenarios.len(),
            self.suite_size,
        )
    }
}
