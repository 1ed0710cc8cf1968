//! The rows of a case together, a case in words, and which reference belongs to which engine.

use super::figures::{counted, rate, size, whole_bytes};
use super::{Report, Row};
use crate::{Case, Workload};

/// The rows of one case, as they come in the report.
#[derive(Debug)]
pub(crate) struct Group<'r> {
    pub(crate) case: &'r Case,
    pub(crate) rows: Vec<&'r Row>,
}

/// The cases of the report in their order.
pub(crate) fn groups(report: &Report) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for row in &report.rows {
        match groups.iter_mut().find(|group| *group.case == row.case) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group {
                case: &row.case,
                rows: vec![row],
            }),
        }
    }
    groups
}

/// The names of the engines, each once, as they come in the report.
pub(crate) fn engines(report: &Report) -> Vec<&str> {
    let mut engines: Vec<&str> = Vec::new();
    for row in &report.rows {
        if !engines.contains(&row.engine.as_str()) {
            engines.push(&row.engine);
        }
    }
    engines
}

/// The row of the bare loop that a store's row is to be held against: of the same case, with a name that ends with
/// the engine's (`bare sqlite` for `sqlite`; the shortest of several), and whose writes survive the same, as the
/// ratio would else tell what a flush costs and not what the store does.
#[must_use]
pub fn reference_of<'r>(report: &'r Report, row: &Row) -> Option<&'r Row> {
    if row.is_reference {
        return None;
    }
    let rows = report.rows.iter();
    let references = rows.filter(|reference| {
        reference.is_reference
            && reference.case == row.case
            && reference.durability == row.durability
            && is_named_after(&reference.engine, &row.engine)
    });
    references.min_by_key(|reference| reference.engine.len())
}

/// Whether a reference of this name is one of the engine: the name ends with the engine's, as a word of its own. Behind
/// a question mark an engine's name tells its options.
pub(crate) fn is_named_after(reference: &str, engine: &str) -> bool {
    let (engine, _) = engine.split_once('?').unwrap_or((engine, ""));
    let before = reference.strip_suffix(engine);
    before.is_some_and(|before| !before.ends_with(char::is_alphanumeric))
}

/// The operations in a second of the store for each of the bare loop's.
pub(crate) fn ratio_to_reference(report: &Report, row: &Row) -> Option<f64> {
    let bare = reference_of(report, row)?.per_second()?.median;
    let store = row.per_second()?.median;
    (bare > 0.0).then_some(store / bare)
}

/// A parameter of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameter {
    Workers,
    Tasks,
    Runs,
}

/// The parameters in words, without some of them.
pub(crate) fn parameters(case: &Case, without: &[Parameter]) -> Vec<String> {
    let workers = counted(size(case.workers), "worker");
    let runs = counted(size(case.runs), "run");
    let several = [
        (Parameter::Workers, workers),
        (Parameter::Tasks, counted(case.tasks, "task")),
        (Parameter::Runs, runs),
    ];
    let mut words: Vec<String> = several
        .into_iter()
        .filter(|(parameter, _)| !without.contains(parameter))
        .map(|(_, words)| words)
        .collect();
    words.push(format!("{} payload", whole_bytes(size(case.payload_bytes))));
    if let Some(per_second) = case.rate {
        words.push(format!("begun at {}", rate(per_second)));
    }
    words.push(format!("{} durability", case.durability));
    words
}

/// The case in one line.
pub(crate) fn headline(case: &Case) -> String {
    format!("{} · {}", case.workload, parameters(case, &[]).join(" · "))
}

/// Cases beside each other: what all of them have is told once.
#[derive(Debug)]
pub(crate) struct Naming {
    common: Vec<String>,
}

impl Naming {
    pub(crate) fn of<'c>(cases: impl IntoIterator<Item = &'c Case>) -> Self {
        let mut cases = cases.into_iter().map(|case| parameters(case, &[]));
        let mut common = cases.next().unwrap_or_default();
        for words in cases {
            common.retain(|word| words.contains(word));
        }
        Self { common }
    }

    /// What all cases have.
    pub(crate) fn common(&self) -> String {
        self.common.join(" · ")
    }

    /// A case by its workload and what it does not share with all.
    pub(crate) fn name(&self, case: &Case) -> String {
        let mut words = parameters(case, &[]);
        words.retain(|word| !self.common.contains(word));
        words.insert(0, case.workload.to_string());
        words.join(" · ")
    }
}

/// What one operation of the workload is.
pub(crate) fn explanation(workload: Workload) -> &'static str {
    match workload {
        Workload::Cycle => {
            "Claim a task, add an attempt, add an event, complete the task: each a durable call of its own."
        }
        Workload::Finish => {
            "Claim a task, then report on it with its attempt and an event in one call."
        }
        Workload::Claim => "Claim a task.",
        Workload::ClaimNothing => "Ask for a task where there is none.",
        Workload::Append => "Add an event.",
        Workload::AppendBesideSnapshots => {
            "Add an event while one caller takes snapshots of the run without a pause."
        }
        Workload::Plan => "Replace the pending tasks of a run by as many new ones.",
        Workload::Snapshot => "Take the whole snapshot of a run.",
        Workload::SnapshotBesideAppends => {
            "Take the whole snapshot of a run while four callers add events without a pause."
        }
        Workload::Pages => "Read all tasks of a run page by page, a thousand at a time.",
        Workload::Wake => {
            "Append a task for a caller that waits for one: from the call to the waiting caller’s claim."
        }
        Workload::Resume => {
            "Put the tasks of a run, all of them in progress, back among the pending ones."
        }
        Workload::Mixed => {
            "Nine reads for each event added: of a run, its latest events, or a page of its tasks."
        }
        Workload::Open => "Open the store with its tasks in it.",
    }
}

#[cfg(test)]
mod tests {
    use runstore_core::Durability;

    use super::*;
    use crate::report::sample::{case, row};

    #[test]
    fn a_reference_is_of_the_same_case_and_survives_the_same() {
        let mut report = crate::report::sample::report();
        let of = case(Workload::Cycle, 1, 10);
        report.rows = vec![
            row("sqlite", &of, 100.0),
            row("old bare sqlite", &of, 300.0),
            row("bare sqlite", &of, 200.0),
            row("bare sqlite", &case(Workload::Claim, 1, 10), 400.0),
            row("sqlite?readers=2", &of, 100.0),
            row("lite", &of, 50.0),
        ];
        let [store, .., optioned, lite] = report.rows.as_slice() else {
            panic!("six rows");
        };
        for store in [store, optioned] {
            assert_eq!(reference_of(&report, store).unwrap().engine, "bare sqlite");
        }
        assert!((ratio_to_reference(&report, store).unwrap() - 0.5).abs() < 0.01);
        assert_eq!(reference_of(&report, lite), None);
        assert_eq!(reference_of(&report, &report.rows[2]), None);

        report.rows[2].durability = Durability::Relaxed;
        let other = reference_of(&report, &report.rows[0]).unwrap();
        assert_eq!(other.engine, "old bare sqlite");
    }

    #[test]
    fn a_case_is_told_in_one_line() {
        let mut of = case(Workload::ClaimNothing, 4, 1_000);
        let line =
            "claim-nothing · 4 workers · 1,000 tasks · 1 run · 200 B payload · full durability";
        assert_eq!(headline(&of), line);
        of.rate = Some(500.0);
        assert!(headline(&of).contains("payload · begun at 500/s · full"));
    }

    #[test]
    fn cases_beside_each_other_are_named_by_what_they_differ_in() {
        let cases = [(1, 10), (4, 10), (4, 1_000)].map(|(w, t)| case(Workload::Claim, w, t));
        let naming = Naming::of(&cases);
        assert_eq!(naming.common(), "1 run · 200 B payload · full durability");
        assert_eq!(naming.name(&cases[1]), "claim · 4 workers · 10 tasks");
        let naming = Naming::of(&cases[1..]);
        assert_eq!(naming.name(&cases[1]), "claim · 10 tasks");
        assert_eq!(Naming::of(&cases[..1]).name(&cases[0]), "claim");
        assert_eq!(Naming::of([]).common(), "");
    }
}
