//! What a report tells of its engines beside their rows.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Report;
use crate::Workload;

/// Something that the figures of an engine hang on, as the version of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// What it is, as the engine calls it.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Fact {
    /// One of this name.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.value)
    }
}

/// What is beneath an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineFacts {
    /// The name of the engine.
    pub engine: String,
    /// What it tells, in its order.
    pub facts: Vec<Fact>,
}

/// A workload that was to be measured, with the engines that do not do it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// The workload.
    pub workload: Workload,
    /// The names of the engines.
    pub engines: Vec<String>,
}

impl LeftOut {
    /// Adds an engine that does not do a workload; once, though there may be several cases of it.
    pub(crate) fn note(all: &mut Vec<Self>, workload: Workload, engine: &str) {
        let of_workload = all.iter_mut().find(|of| of.workload == workload);
        match of_workload {
            Some(known) if known.engines.iter().any(|known| known == engine) => {}
            Some(known) => known.engines.push(engine.to_owned()),
            None => all.push(Self {
                workload,
                engines: vec![engine.to_owned()],
            }),
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} is not done by {}",
            self.workload,
            self.engines.join(", ")
        )
    }
}

/// What is beneath the engines in words, told once of those that have the same: a store and the bare loop on its engine.
pub(crate) fn beneath(report: &Report) -> Vec<String> {
    let mut told: Vec<(Vec<&str>, &[Fact])> = Vec::new();
    for EngineFacts { engine, facts } in &report.engines {
        match told.iter_mut().find(|(_, known)| known == facts) {
            Some((engines, _)) => engines.push(engine),
            None => told.push((vec![engine], facts)),
        }
    }
    let words = told.into_iter().map(|(engines, facts)| {
        let facts = Vec::from_iter(facts.iter().map(Fact::to_string));
        format!("{}: {}", engines.join(", "), facts.join(", "))
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn what_several_engines_have_beneath_them_is_told_once() {
        let facts = |engine: &str, version: &str| EngineFacts {
            engine: engine.to_owned(),
            facts: vec![Fact::new("version", version), Fact::new("fsync", "on")],
        };
        let mut report = sample::report();
        report.engines = vec![facts("a", "15"), facts("b", "16"), facts("bare a", "15")];
        assert_eq!(
            beneath(&report),
            ["a, bare a: version 15, fsync on", "b: version 16, fsync on"]
        );
    }

    #[test]
    fn an_engine_that_does_not_do_a_workload_is_noted_once() {
        let mut left_out = Vec::new();
        for (workload, engine) in [
            (Workload::Open, "a"),
            (Workload::Open, "b"),
            (Workload::Open, "a"),
            (Workload::Wake, "b"),
        ] {
            LeftOut::note(&mut left_out, workload, engine);
        }
        let told = Vec::from_iter(left_out.iter().map(LeftOut::to_string));
        assert_eq!(told, ["open is not done by a, b", "wake is not done by b"]);
    }
}
