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
    events {
        an_event_is_stored_as_it_was_given [J1 C3 G5],
        events_are_numbered_without_gaps_in_each_run [J1],
        every_call_that_writes_events_numbers_them_in_one_row [J1 R1 T5 T6 C5],
        calls_that_write_no_event_leave_the_journal_alone [J1 T1 T5],
        the_last_events_are_given_oldest_first [J1],
        more_than_fifty_recent_events_can_be_asked_for [J1],
        events_after_a_number_are_exactly_those_that_follow [J1],
        the_pages_of_events_join_and_their_cursors_are_numbers [J1],
        a_follower_misses_no_event_and_sees_none_twice [J1],
        adding_an_event_touches_nothing_else [J1],
        equal_events_without_ids_are_events_of_their_own [J1 G9],
        events_have_the_time_at_which_they_were_added [J1 G6],
    }
    attempts {
        an_attempt_is_stored_as_it_was_given [J3 C3 G5],
        an_attempt_without_an_id_is_given_one_of_its_own [J3 G9],
        an_attempt_is_added_in_any_state_and_changes_nothing_else [J3],
        the_latest_attempt_is_the_one_added_last_by_whatever_number [J3 G6],
        attempts_are_kept_apart_by_task_and_by_run [J3],
        attempts_of_a_run_are_listed_oldest_first_in_pages [J3],
        the_last_attempts_of_a_run_are_given_oldest_first [J3],
        a_run_and_a_task_without_attempts_have_none [J3],
        attempts_outlast_every_change_of_their_task [J3 C5],
    }
    artifacts {
        an_artifact_is_stored_as_it_was_given [J4 C3 G5],
        an_artifact_without_an_id_is_given_one_of_its_own [J4 G9],
        artifacts_are_listed_oldest_first_in_pages [J4],
        artifacts_are_listed_by_role_in_pages [J4],
        adding_an_artifact_touches_nothing_else [J4],
        a_run_without_artifacts_has_none [J4],
    }
    approvals {
        an_approval_is_stored_as_it_was_given [J5 G5],
        an_approval_without_an_id_is_given_one_of_its_own [J5 G9],
        approvals_are_listed_oldest_first_in_pages [J5],
        approvals_are_listed_by_source_in_pages [J5],
        the_latest_approval_of_a_source_is_the_one_given_last [J5 G6],
        adding_an_approval_touches_nothing_else [J5],
        a_run_without_approvals_has_none [J5],
    }
    checkpoints {
        a_checkpoint_is_stored_as_it_was_given [J6 C3 G5],
        a_checkpoint_without_an_id_is_given_one_of_its_own [J6 G9],
        checkpoints_are_listed_oldest_first_in_pages [J6],
        the_latest_checkpoint_is_the_one_written_last [J6 G6],
        adding_a_checkpoint_touches_nothing_else [J6],
    }
    snapshot {
        a_snapshot_agrees_with_the_single_reads [S1 S3],
        every_task_is_in_exactly_one_list_by_its_state [S1],
        the_counts_are_of_all_there_is [S3],
        a_cap_bounds_every_list [S3],
        a_snapshot_shows_the_last_12_attempts [S3],
        a_snapshot_shows_the_last_50_events [S3],
        a_snapshot_without_a_cap_leaves_no_task_out [S1 S3],
        a_snapshot_of_a_new_run_has_its_first_event_only [S1 S3],
        a_snapshot_follows_every_change_of_a_task [S1 S3],
    }
    order {
        runs_are_listed_newest_first_whatever_the_clock_says [G6 R2],
        runs_that_change_keep_their_place [G6 R2],
        tasks_are_claimed_in_plan_order_whatever_the_clock_says [G6 T2 T3 C1],
        attempts_are_in_the_order_of_the_calls_whatever_the_clock_says [G6 J3],
        events_are_in_the_order_of_the_calls_whatever_the_clock_says [G6 J1],
        artifacts_are_in_the_order_of_the_calls_whatever_the_clock_says [G6 J4],
        approvals_are_in_the_order_of_the_calls_whatever_the_clock_says [G6 J5],
        checkpoints_are_in_the_order_of_the_calls_whatever_the_clock_says [G6 J6],
        ids_do_not_order_records [G6],
        the_records_of_one_change_have_one_time [G3 T1 T2 T5 C5],
    }
    faithful {
        every_text_is_kept_to_the_byte [G5],
        long_texts_and_words_are_kept [G5],
        a_mebibyte_is_kept_in_a_record_of_every_kind [G5],
        json_of_every_shape_is_kept [G5],
        numbers_keep_their_kind_and_value [G5],
        the_order_of_keys_is_kept [G5],
        json_nested_to_the_bound_is_kept [G5 G8],
        times_are_kept_to_the_microsecond [G5 A1],
        an_unset_field_stays_unset_and_an_empty_text_empty [G5],
        lists_of_texts_keep_their_entries [G5],
        words_are_told_apart_to_the_byte [G5 R2 A1 A2 J4 J5],
        counts_and_numbers_are_kept_to_their_ends [G5],
        any_uuid_names_a_record_of_each_kind [G5 G9],
    }
    durable {
        everything_written_is_there_after_a_reopen [G2 G5],
        each_write_is_there_after_a_reopen [G2],
        what_a_second_handle_wrote_is_there_after_a_reopen [G2 G3],
        a_claim_is_held_or_stale_after_a_reopen_as_before [G2 C3 C4],
        retries_are_known_after_a_reopen [G2 G9 C5],
        ids_with_other_content_are_refused_after_a_reopen [G2 G9],
        numbers_go_on_after_a_reopen [G2 G6 J1 T2 C1],
        work_goes_on_after_a_reopen [G2 T5 C1],
        a_closed_handle_answers_unavailable [G2],
        a_second_close_is_fine [G2],
        a_close_beside_writers_loses_nothing_that_was_acknowledged [G1 G2],
        a_store_says_how_durable_it_is [G2],
    }
    shared {
        each_write_is_seen_by_another_handle_at_once [G3],
        handles_write_in_turns_as_one [G3 C4],
        numbers_go_on_over_all_handles [G3 J1 T2 R4 C1],
        claims_of_one_task_are_counted_over_all_handles [G3 C3 C4],
        retries_are_known_on_another_handle [G3 G9 C5],
        a_deleted_run_is_gone_for_every_handle [G3 R5],
        a_run_changed_by_two_handles_in_turns_keeps_both [G3 R3 A1],
        settling_on_one_handle_ends_the_claim_of_another [G3 C4 C6],
        reading_changes_nothing [G3],
    }
    races {
        each_task_is_claimed_by_exactly_one_caller [G3 C1 C2],
        no_claimer_goes_without_while_a_task_is_left [C2],
        claims_that_follow_each_other_follow_the_plan [G3 C1],
        a_claim_beside_a_new_plan_gets_a_task_of_either [G3 C2 T1],
        workers_drain_a_plan_with_one_attempt_a_claim [G3 C2 C5],
        reports_with_one_token_take_effect_once [G3 C5],
        a_report_beside_a_requeue_is_done_or_stale [G3 C4 C5 T6],
        a_report_beside_an_operator_leaves_one_of_both [G3 C4 C5 C6 T4],
        of_operators_who_settle_one_task_one_wins [G3 T4 C6],
        requeues_of_one_task_take_effect_once [G3 T6],
        requeues_on_resume_share_the_tasks_among_them [G3 T5],
        a_fenced_write_beside_a_requeue_comes_before_it_or_not_at_all [G3 C3 C4],
        a_claim_beside_an_operator_agrees_with_what_is_left [G3 C2 C6],
        a_report_beside_a_new_plan_is_kept_or_stale [G3 C4 C5 T1],
        events_of_many_writers_are_numbered_without_gaps [G3 J1],
        followers_miss_no_event_beside_writers [G3 J1],
        an_event_is_there_for_whoever_reads_after_its_answer [G3 J1],
        the_latest_is_what_the_list_ends_with_beside_writers [G3 G6 J6],
        a_record_of_one_id_is_written_once_by_many [G3 G9],
        plans_appended_at_once_each_stand_together [G3 T2],
        of_plans_that_replace_each_other_one_stands_whole [G1 G3 T1],
        appends_beside_a_replacement_are_kept_or_abandoned_whole [G3 T1 T2],
        one_plan_sent_by_many_is_planned_once [G3 G9],
        counts_of_attempts_agree_with_the_claims_beside_requeues [G3 C2 C3 T5],
        updates_of_other_fields_lose_nothing [G3 R3 R4],
        every_count_is_counted_once [G3 R4],
        a_run_of_one_id_is_created_once [G3 G9 R1],
        of_runs_that_want_one_id_one_is_created [G3 G9],
        a_run_is_deleted_once [G3 R5],
        nothing_is_left_of_a_run_deleted_beside_writers [G1 G3 R5],
        of_states_saved_at_once_the_last_stands_whole [G3 A1],
    }
    instants {
        a_report_is_seen_whole_or_not_at_all [S1 G1 C5],
        a_plan_is_seen_whole_or_not_at_all [S1 G1 T1],
        a_requeue_is_seen_with_its_event_or_not_at_all [S1 G1 T5],
        an_update_is_seen_whole_or_not_at_all [S1 G1],
        a_run_is_seen_whole_or_not_at_all [S1 G1 R1 R5],
        a_capped_snapshot_agrees_with_its_counts [S1 S3],
        a_list_is_of_one_instant [G3 T1],
        writers_and_snapshots_go_on_side_by_side [S2],
    }
    cancel {
        a_dropped_call_on_runs_is_done_or_not_done [G4 G1],
        a_dropped_call_on_tasks_is_done_or_not_done [G4 G1],
        a_dropped_claim_or_report_is_done_or_not_done [G4 G1 C5],
        a_dropped_call_on_the_journal_is_done_or_not_done [G4 G1],
        dropped_reads_leave_the_store_in_working_order [G4],
        dropped_writes_leave_the_store_in_working_order [G4],
        dropped_claims_leave_every_task_pending_or_in_progress [G4 C1],
        aborted_writers_leave_the_events_without_gaps [G4 J1],
        a_dropped_close_can_be_closed_again [G4],
    }
}
