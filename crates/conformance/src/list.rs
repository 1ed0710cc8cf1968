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
        a_run_has_the_id_that_was_given_or_one_of_its_own [R1 R2],
        goal_and_path_are_kept_to_the_byte [R1 G5 G8],
        a_new_run_and_its_event_have_one_time [R1],
        times_are_the_clocks_also_when_it_runs_backwards [R1 R2 G5],
        every_read_shows_the_same_run [R2 G3 G5],
        runs_are_listed_newest_first_whatever_the_clock [R2 G6],
        a_changed_run_keeps_its_place_in_the_list [R2 G6],
        runs_are_listed_by_status [R2],
        runs_are_listed_in_pages [R2],
        a_cursor_of_runs_outlives_changes_of_the_list [R2],
    }
    run_changes {
        an_update_writes_the_named_field_and_no_other [R3],
        an_update_that_names_nothing_changes_nothing [R3],
        an_update_of_one_run_leaves_the_others [R3 R4],
        the_current_task_may_stand_in_any_state_and_change_it [R3],
        the_current_task_must_be_one_of_the_run [R3 G7 G1],
        no_call_below_a_run_touches_its_record [R3],
        cycles_and_replans_are_counted_one_by_one [R4],
        counts_made_at_once_all_count [R4 G3],
        updates_of_different_fields_at_once_keep_all [R3 R4 G3],
    }
    deletion {
        a_deleted_run_is_unknown_with_all_below_it [R5 G7],
        a_deletion_leaves_the_other_runs [R5],
        a_run_created_under_a_deleted_id_begins_anew [R5 R1 J1],
    }
    unknown {
        every_call_on_an_unknown_run_is_refused [G7],
        every_call_on_an_unknown_task_is_refused [G7 R3 J3],
        an_empty_store_knows_no_id [G7],
        a_task_of_another_run_is_refused [G7 R3 J3],
        an_id_of_another_kind_names_nothing [G7],
    }
}
