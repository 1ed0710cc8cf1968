//! The one list of scenarios. It reads as the contract: a group a subject, a name a promise, and the
//! clauses that it checks. It drives [`scenarios`], [`suite!`](crate::suite) and the report.

use crate::clause::Clause::*;
use crate::scenario::Scenario;
use crate::scenarios as all;

macro_rules! scenario_list {
    // The dollar sign is handed in, because a macro cannot write one into the macro that it makes.
    ($dollar:tt $($group:ident { $($name:ident [$($clause:ident)+],)+ })+) => {
        /// Every scenario of the suite, in the order of the contract.
        #[must_use]
        pub fn scenarios() -> Vec<Scenario> {
            vec![$($(
                Scenario {
                    group: stringify!($group),
                    name: stringify!($name),
                    clauses: &[$($clause),+],
                    run: |context| Box::pin(all::$group::$name(context)),
                },
            )+)+]
        }

        /// Makes a test of every scenario: `suite!(MyHarness);` in a file of a backend's `tests` folder.
        ///
        /// The argument is an expression that gives a [`Harness`](crate::Harness); it is evaluated once
        /// a test. The tests are in a module a group, so that `cargo test claims::` runs one group.
        #[macro_export]
        macro_rules! suite {
            ($dollar harness:expr) => {
                $(
                    mod $group {
                        #[allow(unused_imports)]
                        use super::*;
                        $(
                            #[test]
                            fn $name() {
                                $dollar crate::test_one(
                                    &$dollar harness,
                                    stringify!($group),
                                    stringify!($name),
                                );
                            }
                        )+
                    }
                )+
            };
        }
    };
}

scenario_list! { $
    runs {
        a_new_run_is_planning_with_zero_counters [R1],
        creating_a_run_writes_its_first_event [R1 J1],
    }
    random {
        any_sequence_of_calls_answers_as_the_reference
            [G3 G5 G6 G7 G8 G9 R1 R2 R3 R4 R5 A1 A2 T1 T2 T3 T4 T5 T6 C1 C3 C4 C5 C6 J1 J3 J4 J5 J6 S1 S3],
        any_sequence_on_tasks_and_claims_answers_as_the_reference
            [G3 G5 G7 G9 T1 T2 T3 T4 T5 T6 C1 C3 C4 C5 C6 S1 S3],
        any_sequence_with_repeated_calls_answers_as_the_reference
            [G3 G5 G9 T1 T2 C3 C4 C5 J1 J3 J4 J5 J6],
    }
    histories {
        claims_and_reports_at_once_are_linearizable
            [G3 C1 C2 C4 C5 T5 T6],
        changes_of_the_plan_at_once_are_linearizable
            [G1 G3 G9 T1 T2 T4 T6 C2 C4 C6 S1],
        writes_to_the_journal_at_once_are_linearizable
            [G3 G9 R3 R4 A1 C3 C4 J1 J3 J4 J5 J6 S1],
    }
}
