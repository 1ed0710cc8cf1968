//! The suite proves that it can fail: stores that are each broken in one way, over the reference, and
//! each must be caught by a scenario that cites the broken clause.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use runstore_conformance::{Clause, Filter, Harness, run_all, scenarios};

mod by_hand;
mod fault;
mod faulty;
mod line;
mod look;
mod view;

/// Stores with a fault each: a doc that says which, a name, the broken clauses, the fault's state if it
/// has any, and the calls that it overrides.
macro_rules! faults {
    ($(
        $(#[$doc:meta])*
        $name:ident [$($clause:ident)+] $(($($state:ty),+))? { $($overrides:tt)* }
    )+) => {
        /// The names of the faults and the clauses that they break.
        pub(crate) const FAULTS: &[(&str, &[runstore_conformance::Clause])] = &[
            $((stringify!($name), &[$(runstore_conformance::Clause::$clause),+]),)+
        ];

        $(
            $(#[$doc])*
            pub(crate) mod $name {
                #[allow(unused_imports)]
                use super::*;

                #[derive(Default)]
                pub(crate) struct Broken $(($($state),+))?;

                #[async_trait::async_trait]
                impl crate::fault::Fault for Broken {
                    $($overrides)*
                }

                #[test]
                fn is_detected() {
                    let harness = crate::fault::Faulty::<Broken>::new();
                    for clause in [$(runstore_conformance::Clause::$clause),+] {
                        crate::must_detect(&harness, clause);
                    }
                }
            }
        )+
    };
}

mod answers;
mod any_run;
mod attempts;
mod attempts_back;
mod attempts_requeued;
mod batches;
mod bounds;
mod claims;
mod dependencies;
mod expired;
mod faithful;
mod general;
mod heartbeats;
mod journal;
mod kept_too_long;
mod kinds;
mod late_heartbeats;
mod late_reports;
mod lease_ends;
mod lease_records;
mod leases;
mod left_alone;
mod many;
mod parts;
mod plan_input;
mod plan_limits;
mod plan_names;
mod priorities;
mod released;
mod releases;
mod retry;
mod runs;
mod snapshot;
mod sound;
mod takeovers;
mod tasks;
mod timeouts;
mod times;
mod used_up;
mod waiting_reasons;
mod waits;
mod wakes;

/// Runs a future as the suite wants it, on several threads.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

/// How often the scenarios are run before a fault counts as one that they miss. Where two callers race for a task, the
/// one whose turn it is may win every time, about once in fourteen runs.
const TRIES: usize = 6;

/// Checks that a scenario fails that cites the clause. The ones that search, and then shrink what they
/// find, come last: most faults are caught before.
fn must_detect(harness: &dyn Harness, clause: Clause) {
    let citing = |searches: bool| {
        scenarios().into_iter().filter(move |scenario| {
            let is_search = ["random", "histories"].contains(&scenario.group());
            scenario.clauses().contains(&clause) && is_search == searches
        })
    };
    let mut run = 0;
    let once = || citing(false).chain(citing(true));
    for scenario in (0..TRIES).flat_map(|_| once()) {
        let report = block_on(run_all(harness, Filter::Name(&scenario.full_name())));
        run += 1;
        if let Some(failure) = report.failures().next() {
            println!("{clause}: {failure}");
            return;
        }
    }
    let all = run / TRIES;
    panic!("none of the {all} scenarios that cite {clause} caught it, each run {TRIES} times");
}

/// Checks that the scenarios of a group catch a fault by themselves.
fn must_detect_by(harness: &dyn Harness, group: &str) {
    let report = block_on(run_all(harness, Filter::Name(&format!("{group}::"))));
    assert!(report.failures().next().is_some(), "{report}");
    println!("{report}");
}

#[test]
fn every_clause_has_a_store_that_breaks_it() {
    let groups = [
        general::FAULTS,
        many::FAULTS,
        left_alone::FAULTS,
        parts::FAULTS,
        answers::FAULTS,
        bounds::FAULTS,
        faithful::FAULTS,
        retry::FAULTS,
        runs::FAULTS,
        tasks::FAULTS,
        claims::FAULTS,
        journal::FAULTS,
        snapshot::FAULTS,
        priorities::FAULTS,
        times::FAULTS,
        dependencies::FAULTS,
        released::FAULTS,
        plan_input::FAULTS,
        plan_names::FAULTS,
        plan_limits::FAULTS,
        waiting_reasons::states::FAULTS,
        waiting_reasons::unmet::FAULTS,
        batches::FAULTS,
        any_run::FAULTS,
        waits::FAULTS,
        timeouts::FAULTS,
        wakes::FAULTS,
        leases::FAULTS,
        lease_ends::FAULTS,
        lease_records::FAULTS,
        heartbeats::FAULTS,
        late_heartbeats::FAULTS,
        takeovers::FAULTS,
        late_reports::FAULTS,
        expired::FAULTS,
        releases::FAULTS,
        kept_too_long::FAULTS,
        attempts::FAULTS,
        used_up::FAULTS,
        attempts_back::FAULTS,
        attempts_requeued::FAULTS,
    ];
    let groups = [&groups, kinds::FAULTS].concat();
    for clause in Clause::ALL {
        let breaks = |(_, clauses): &&(&str, &[Clause])| clauses.contains(clause);
        assert!(
            groups.concat().iter().any(|fault| breaks(&fault)),
            "no store breaks {clause}"
        );
    }
}

#[test]
fn random_sequences_find_faults_and_shrink_them() {
    must_detect_by(
        &fault::Faulty::<tasks::completing_keeps_the_signature::Broken>::new(),
        "random",
    );
}

#[test]
fn histories_find_races() {
    for harness in [
        &fault::Faulty::<claims::a_claim_is_two_steps::Broken>::new() as &dyn Harness,
        &fault::Faulty::<tasks::a_plan_is_replaced_row_by_row::Broken>::new(),
        &fault::Faulty::<snapshot::it_is_several_reads::Broken>::new(),
    ] {
        must_detect_by(harness, "histories");
    }
}
