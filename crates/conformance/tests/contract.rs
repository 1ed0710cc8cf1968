//! The suite and the contract name the same clauses, and no clause is left unchecked.
#![allow(clippy::expect_used)]

use std::collections::BTreeSet;

use runstore_conformance::{Clause, scenarios};

const CONTRACT: &str = include_str!("../../core/src/contract.md");

/// The codes of the clauses in the text: each is the first word of an entry in bold.
fn codes_of_the_contract() -> BTreeSet<String> {
    let entries = CONTRACT
        .lines()
        .filter_map(|line| line.strip_prefix("- **"));
    let codes = entries.map(|entry| entry.split(' ').next().expect("a first word").to_owned());
    codes.collect()
}

#[test]
fn the_contract_and_the_suite_have_the_same_clauses() {
    let known = Clause::ALL.iter().map(|clause| clause.code().to_owned());
    assert_eq!(codes_of_the_contract(), known.collect());
}

#[test]
fn every_clause_reads_back_from_its_code() {
    for clause in Clause::ALL {
        assert_eq!(clause.code().parse(), Ok(*clause));
    }
    assert!("G0".parse::<Clause>().is_err());
}

#[test]
fn every_clause_is_cited_by_a_scenario() {
    let cited: BTreeSet<Clause> = scenarios()
        .iter()
        .flat_map(|scenario| scenario.clauses().to_vec())
        .collect();
    let uncited: Vec<_> = Clause::ALL
        .iter()
        .filter(|clause| !cited.contains(clause))
        .collect();
    assert!(uncited.is_empty(), "no scenario cites {uncited:?}");
}

#[test]
fn no_two_scenarios_have_one_name() {
    let mut names = BTreeSet::new();
    for scenario in scenarios() {
        assert!(names.insert(scenario.full_name()), "{scenario:?} is twice");
    }
}

#[test]
fn no_scenario_cites_a_clause_twice() {
    for scenario in scenarios() {
        let distinct: BTreeSet<_> = scenario.clauses().iter().collect();
        assert_eq!(distinct.len(), scenario.clauses().len(), "{scenario:?}");
    }
}

/// The page `docs/scenarios.md`, as the list has it.
fn page_of_scenarios() -> String {
    let mut page = String::from(
        "# Scenarios\n\nWhat the conformance suite checks, with the clauses of the \
         [contract](../crates/core/src/contract.md)\nthat each scenario cites. Made from the suite's own list \
         by a test, which fails when the two differ:\n`RUNSTORE_WRITE_SCENARIOS=1 cargo test -p \
         runstore-conformance --test contract` writes it anew.\n",
    );
    let mut group = "";
    let all = scenarios();
    for scenario in &all {
        if scenario.group() != group {
            group = scenario.group();
            page += &format!("\n## {group}\n\n");
        }
        let clauses: Vec<_> = scenario
            .clauses()
            .iter()
            .map(|clause| clause.code())
            .collect();
        let promise = scenario.name().replace('_', " ");
        page += &format!("- {promise} ({})\n", clauses.join(", "));
    }
    page
}

#[test]
fn the_page_of_scenarios_is_the_list() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/scenarios.md");
    let page = page_of_scenarios();
    if std::env::var_os("RUNSTORE_WRITE_SCENARIOS").is_some() {
        std::fs::write(file, &page).expect("docs/scenarios.md is written");
    }
    let written = std::fs::read_to_string(file).expect("docs/scenarios.md is there");
    assert!(
        written == page,
        "docs/scenarios.md is not what the list says: write it anew, as it tells"
    );
}
