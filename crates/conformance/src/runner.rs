//! Runs scenarios.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::check::{Outcome, Stop};
use crate::clause::Clause;
use crate::context::Context;
use crate::harness::Harness;
use crate::list::scenarios;
use crate::report::{Report, ScenarioReport, Verdict};
use crate::scenario::Scenario;

/// Which scenarios to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Filter<'a> {
    /// All of them.
    #[default]
    All,
    /// Those that cite this clause.
    Clause(Clause),
    /// Those whose full name contains this text.
    Name(&'a str),
}

impl Filter<'_> {
    fn wants(self, scenario: &Scenario) -> bool {
        match self {
            Self::All => true,
            Self::Clause(clause) => scenario.clauses.contains(&clause),
            Self::Name(part) => scenario.full_name().contains(part),
        }
    }
}

/// Runs the scenarios that the filter wants, one after the other. Needs a tokio runtime with several
/// threads, as the scenarios of races do.
pub async fn run_all(harness: &dyn Harness, filter: Filter<'_>) -> Report {
    let all = scenarios();
    let mut report = Report {
        harness: harness.name().to_owned(),
        suite_size: all.len(),
        scenarios: Vec::new(),
    };
    for scenario in all.iter().filter(|scenario| filter.wants(scenario)) {
        report.scenarios.push(run_one(harness, scenario).await);
    }
    report
}

async fn run_one(harness: &dyn Harness, scenario: &Scenario) -> ScenarioReport {
    let run = async {
        let mut context = Context::new(harness).await?;
        (scenario.run)(&mut context).await
    };
    let outcome: Outcome = match AssertUnwindSafe(run).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(panic) => Err(Stop::Failed(panic_message(&*panic))),
    };
    ScenarioReport {
        scenario: scenario.full_name(),
        clauses: scenario.clauses.to_vec(),
        verdict: match outcome {
            Ok(()) => Verdict::Passed,
            Err(Stop::Failed(message)) => Verdict::Failed { message },
            Err(Stop::Skipped(reason)) => Verdict::Skipped { reason },
        },
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!(
        "the store or the harness panicked: {}",
        text.unwrap_or("without a message")
    )
}

/// What a skipped scenario is as a test, which can only pass or fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skips {
    /// A failure: what the scenario checks is not proved.
    Fail,
    /// A pass, with the reason on standard error.
    Pass,
}

/// Runs one scenario as a test, on a runtime of its own: what [`suite!`](crate::suite) calls.
///
/// # Panics
/// If the scenario fails, if it is skipped and skips fail, or if there is none of this name.
#[expect(clippy::panic, reason = "a test fails by panicking")]
pub fn test_one(harness: &dyn Harness, group: &str, name: &str, skips: Skips) {
    let all = scenarios();
    let scenario = all
        .iter()
        .find(|entry| (entry.group, entry.name) == (group, name));
    let Some(scenario) = scenario else {
        panic!("there is no scenario {group}::{name}");
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build();
    let report = match runtime {
        Ok(runtime) => runtime.block_on(run_one(harness, scenario)),
        Err(error) => panic!("no runtime: {error}"),
    };
    match report.verdict {
        Verdict::Passed => {}
        Verdict::Skipped { .. } if skips == Skips::Pass => eprintln!("{report}"),
        Verdict::Skipped { .. } => panic!("{report}\n        (see suite! for how to allow skips)"),
        Verdict::Failed { .. } => panic!("{report}"),
    }
}
