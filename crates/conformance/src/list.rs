//! The one list of scenarios. It reads as the contract: a group a subject, a name a promise, and the
//! clauses that it checks. It drives [`scenarios`], [`suite!`](crate::suite) and the report.

use crate::clause::Clause::*;
use crate::listing::scenario_list;
use crate::scenario::Scenario;
use crate::scenarios as all;

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
        a_cursor_of_runs_outlives_changes_of_the_list [G11 R2],
    }
    run_changes {
        an_update_writes_the_named_field_and_no_other [R3],
        an_update_that_names_nothing_changes_nothing [R3],
        an_update_of_one_run_leaves_the_others [R3 R4],
        the_current_task_may_stand_in_any_state_and_change_it [R3],
        the_current_task_must_be_one_of_the_run [R3 G7 G1],
        no_call_below_a_run_touches_its_record [R6],
        cycles_and_replans_are_counted_one_by_one [R4],
        counts_made_at_once_all_count [R4 G3],
        updates_of_different_fields_at_once_keep_all [R3 R4 G3],
    }
    deletion {
        a_deleted_run_is_unknown_with_all_below_it [R5 G7],
        a_deletion_leaves_the_other_runs [R5],
        a_run_created_under_a_deleted_id_begins_anew [R5 R1 J1],
    }
    agents {
        a_saved_record_reads_back_whole [A1 A2 G3 G5],
        the_last_saved_record_wins_whole [A1],
        a_records_time_is_the_callers_or_the_clocks [A1],
        each_role_has_a_record_of_its_own_in_order_of_its_word [A1 A2],
        each_run_has_records_of_its_own [A1 A2],
        a_role_without_a_record_reads_as_none [A2],
        a_save_changes_no_other_record [A1],
        records_saved_at_once_are_never_mixed [A1 G3],
    }
    plans {
        a_draft_becomes_a_pending_task_with_all_its_fields [T1 T2 G5],
        a_draft_without_an_id_gets_one [T1 T2],
        drafts_become_tasks_in_their_order [T1 T2 G6],
        a_new_plan_abandons_what_is_pending_or_in_progress_and_nothing_else [T1],
        abandoned_tasks_keep_their_data [T1],
        all_tasks_of_a_plan_have_one_time [T1 T2],
        a_plan_comes_after_every_task_the_run_ever_had [T1 T2 G6],
        a_plan_without_tasks_is_a_plan [T1],
        appending_changes_nothing_else [T2],
        a_plan_leaves_the_other_runs [T1 T2],
        a_plan_may_have_thousands_of_tasks [T1],
    }
    tasks {
        every_read_shows_the_same_task [T3 G3 G5],
        tasks_are_listed_in_the_order_of_their_positions [T3 G6],
        tasks_are_listed_by_any_set_of_states [T3 G11],
        tasks_are_listed_in_pages [T3],
        the_number_of_a_cursor_is_a_position [T3],
        a_cursor_of_tasks_outlives_changes_of_the_list [T3],
        each_run_lists_tasks_of_its_own [T3],
    }
    states {
        a_pending_task_can_be_settled_in_every_way [T4 C6],
        a_task_in_progress_can_be_settled_in_every_way [T4 C6],
        a_blocked_task_can_be_settled_in_every_way [T4 C6],
        settling_sets_summary_and_signature_over_earlier_ones [T4],
        a_completed_task_stays_completed [T4 C1],
        an_abandoned_task_stays_abandoned [T4 T1 C1],
        what_is_pending_cannot_be_requeued [T4 T6],
        a_blocked_task_is_not_claimed [T4 C1],
        what_ended_can_be_settled_again_once_requeued [T4 T6],
        settling_a_task_leaves_the_others [T4],
    }
    requeue {
        a_resume_with_nothing_in_progress_changes_nothing [T5],
        a_resume_requeues_some_of_the_tasks [T5 J1],
        a_resume_requeues_all_of_the_tasks [T5 C1],
        a_resume_requeues_tasks_of_its_run_only [T5],
        a_resume_after_a_reopen_requeues_what_was_in_progress [T5 G5],
        a_task_can_be_requeued_from_every_state_but_pending [T4 T6 C6 J1],
        a_requeued_task_keeps_place_data_and_attempts [T6 C1],
        a_requeue_leaves_the_other_tasks [T6],
        a_requeue_and_its_event_have_one_time [T5 T6],
        only_creation_and_requeues_write_events_of_their_own [R1 R6 T5 T6 J1],
    }
    claims {
        tasks_are_claimed_in_the_order_of_the_plan [C1 G6],
        a_claim_shows_the_task_as_it_is_stored [C1 T4 G5],
        a_claim_changes_nothing_but_its_task [C1],
        every_claim_of_a_task_counts_one_attempt [C1 C3],
        only_what_is_pending_is_claimed [C1],
        a_claim_without_a_claimable_task_is_none [C1 C2],
        a_claim_takes_a_task_of_its_run_only [C1],
        a_task_back_in_the_queue_comes_before_later_ones [C1 T6 C5],
        a_task_is_claimable_as_soon_as_it_is_planned [C1 C2],
        a_new_plans_first_task_is_claimed_next [C1 T1],
        a_task_goes_to_one_handle_only [C2 G3 G5],
    }
    tokens {
        a_token_names_task_and_attempt [C3],
        a_held_token_lets_its_holder_write [C3 J1 J3 J4 J6],
        a_token_stays_held_whatever_others_do [C3 C4 G3 G5],
        a_token_is_stale_once_its_task_was_requeued [C4 T6],
        a_token_is_stale_after_a_requeue_on_resume [C4 T5],
        a_token_is_stale_once_its_task_was_claimed_again [C3 C4],
        a_token_is_stale_once_a_new_plan_left_its_task_out [C4 T1],
        a_token_is_stale_once_an_operator_settled_its_task [C4 C6],
        a_token_is_stale_once_its_run_was_deleted [C4 R5],
        a_token_on_a_task_that_never_was_is_stale [C4],
        a_fence_is_stale_once_its_claim_was_finished [C4 C5],
        a_token_with_another_number_is_not_held [C3 C4],
        a_task_never_claimed_has_no_token [C3 C4],
        a_fence_must_be_on_a_task_of_the_run [C3],
        a_fence_must_be_on_the_attempts_own_task [C3 G8],
    }
    finish {
        a_completed_report_is_written_whole [C5 T4 G5 J1],
        a_blocked_report_is_written_whole [C5 T4],
        an_abandoned_report_is_written_whole [C5 T4],
        a_released_report_is_written_whole [C5 T4],
        a_report_may_have_a_record_only [C5],
        every_attempt_of_a_task_can_be_finished [C5 J3],
        all_that_a_report_writes_has_one_time [C5],
        a_finish_ends_its_own_claim_only [C5],
        what_was_added_before_under_its_id_is_not_added_again [C5 G9],
        a_blocked_task_of_a_worker_is_like_an_operators [C5 T4],
    }
    finish_repeats {
        a_repeat_after_each_outcome_changes_nothing [C5],
        a_repeat_without_any_id_changes_nothing [C5],
        a_repeat_after_another_claimed_the_task_changes_nothing [C5],
        a_repeat_after_an_operator_took_the_task_changes_nothing [C5 C6],
        a_repeat_after_a_new_plan_changes_nothing [C5 T1],
        a_repeat_after_other_changes_changes_nothing [C5],
        a_repeat_is_known_after_many_other_reports [C5],
        a_report_under_an_earlier_unfinished_token_is_no_repeat [C4 C5],
        a_record_of_the_attempt_is_not_taken_for_its_finish [C4 C5 J3],
        a_finish_is_forgotten_with_its_run [C5 R5],
        a_report_with_a_taken_id_leaves_nothing [C5 G1 G9],
    }
    operators {
        an_operator_takes_a_task_from_its_holder [C6 C4],
        an_operator_takes_the_named_task_and_no_other [C6],
        an_operator_adds_nothing_to_the_journal_but_a_requeue [C6 T6],
        an_operator_can_requeue_what_a_worker_finished [C6 T6],
    }
    tasks_at_once {
        requeues_at_once_take_each_task_back_once [T5 G1 G3],
        one_of_several_requeues_at_once_is_done [T6 G1 G3],
        reports_at_once_under_one_token_take_effect_once [C5 G1 G3],
        a_report_beside_a_new_plan_is_written_whole_or_refused [C4 C5 G1 G3],
    }
    seen_whole {
        every_handle_sees_every_write_at_once [G3],
        a_run_is_never_seen_without_its_event [R1 G1 G3],
        a_deletion_is_never_seen_in_part [R5 G1 G3],
        a_resume_is_never_seen_in_part [T5 G1 G3],
        a_report_is_never_seen_in_part [C5 G1 G3],
        a_new_plan_is_never_seen_in_part [T1 G1 G3],
    }
    unknown {
        every_call_on_an_unknown_run_is_refused [G7],
        every_call_on_an_unknown_task_is_refused [G7 R3 J3],
        an_empty_store_knows_no_id [G7],
        a_task_of_another_run_is_refused [G7 R3 J3],
        an_id_of_another_kind_names_nothing [G7],
    }
    input {
        a_word_has_at_most_255_bytes [G8],
        a_word_of_255_bytes_is_kept_and_found [G8 G5],
        a_limit_is_from_1_to_10_000 [G8],
        json_is_nested_at_most_100_levels_deep [G8 G5],
    }
    input_lists {
        a_report_has_at_most_1_000_events_and_artifacts [G8 C5],
        a_plan_has_at_most_100_000_tasks [G8],
        goal_and_title_must_not_be_empty [G8],
        an_id_stands_once_in_a_call [G8],
    }
    record_size {
        a_record_has_at_most_16_mib [G8],
        a_record_of_just_16_mib_is_kept [G8 G5],
        the_size_is_of_each_record_and_not_of_the_call [G8 G5],
        any_text_is_accepted_in_every_field [G8 G5],
        a_long_text_is_accepted_where_no_bound_is_named [G8 G5],
    }
    retry {
        a_run_is_created_once_under_its_id [G9],
        a_run_created_again_is_returned_as_it_is_now [G9 R1],
        an_attempt_is_added_once_under_its_id [G9 J3],
        an_event_is_added_once_under_its_id [G9 J1],
        an_artifact_is_added_once_under_its_id [G9 J4],
        an_approval_is_added_once_under_its_id [G9 J5],
        a_checkpoint_is_added_once_under_its_id [G9 J6],
        without_an_id_each_call_adds_a_record [G9],
        one_id_may_name_a_record_of_every_kind [G9],
    }
    retry_later {
        a_fenced_write_is_answered_again_once_its_claim_ended [G9 C4],
        an_event_added_again_after_others_keeps_its_number [G9 J1],
        ids_are_free_again_once_their_run_was_deleted [G9 R5],
        the_same_call_made_at_once_creates_one_record [G9 G3],
        of_different_calls_at_once_under_one_id_one_is_done [G9 G3],
    }
    retry_plans {
        a_plan_given_again_is_returned_and_changes_nothing [G9 T1 T2],
        a_plan_given_again_returns_its_tasks_as_they_are_now [G9 T1],
        a_plan_given_again_in_part_or_in_another_order_is_returned_so [G9],
        a_plan_of_which_a_part_is_stored_is_refused [G9 G1],
        a_draft_with_other_content_under_a_stored_id_is_refused [G9],
        a_plan_of_stored_tasks_one_of_them_with_other_content_is_refused [G9 G1],
        a_task_of_another_run_is_not_planned_again [G9],
        without_ids_a_plan_is_new_each_time [G9 T1 T2],
    }
    precedence {
        input_comes_before_a_claim_whose_task_is_gone [G8],
        input_comes_before_a_taken_id_and_a_repeat [G8],
        a_claim_whose_task_is_gone_comes_before_an_unknown_run [C4],
        a_claim_whose_task_is_gone_comes_before_a_taken_id [C4],
        an_unknown_run_or_task_comes_before_a_taken_id [G7],
        an_unknown_run_comes_before_a_fence_that_is_not_held [G7],
        a_taken_id_comes_before_a_fence_that_is_not_held [G9],
        a_finish_looks_at_the_token_before_the_ids_of_its_report [C4 C5],
        a_token_that_is_not_held_comes_before_the_state [C4],
    }
    random {
        any_sequence_of_calls_answers_as_the_reference
            [G3 G5 G6 G7 G8 G9 R1 R2 R3 R4 R5 A1 A2 T1 T2 T3 T4 T5 T6 C1 C3 C4 C5 C6 J1 J3 J4 J5 J6 S1 S3],
        any_sequence_on_tasks_and_claims_answers_as_the_reference
            [G3 G5 G7 G9 T1 T2 T3 T4 T5 T6 C1 C3 C4 C5 C6 S1 S3],
        any_sequence_with_repeated_calls_answers_as_the_reference [G3 G5 G9 T1 T2 C3 C4 C5 J1 J3 J4 J5 J6],
    }
    histories {
        claims_and_reports_at_once_are_linearizable [G3 C1 C2 C4 C5 T5 T6],
        changes_of_the_plan_at_once_are_linearizable [G1 G3 G9 T1 T2 T4 T6 C2 C4 C6 S1],
        writes_to_the_journal_at_once_are_linearizable [G3 G9 R3 R4 A1 C3 C4 J1 J3 J4 J5 J6 S1],
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
        each_write_is_there_after_the_process_was_killed [G2],
        work_goes_on_after_the_process_was_killed [G2 T5 C4 C5],
        what_a_second_handle_wrote_is_there_after_a_reopen [G2 G3],
        a_claim_is_held_or_stale_after_a_reopen_as_before [G2 C3 C4],
        retries_are_known_after_a_reopen [G2 G9 C5],
        ids_with_other_content_are_refused_after_a_reopen [G2 G9],
        numbers_go_on_after_a_reopen [G2 G6 J1 T2 C1],
        work_goes_on_after_a_reopen [G2 T5 C1],
        a_closed_handle_answers_unavailable [G10],
        a_second_close_is_fine [G10],
        a_close_beside_writers_loses_nothing_that_was_acknowledged [G1 G2 G10],
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
        a_dropped_close_can_be_closed_again [G4 G10],
    }
    snapshot_held { a_snapshot_held_half_way_stops_no_writer [S2], }
    places {
        a_page_of_runs_goes_on_where_the_last_ended_when_runs_were_added [G11 R2],
        a_page_of_tasks_goes_on_where_the_last_ended_when_tasks_left_the_list [G11 T3],
    }
    whole_lists {
        every_run_is_listed_without_a_limit [G11 R2],
        every_task_is_listed_without_a_limit [G11 T3 S3],
        a_long_page_is_full_while_the_list_has_rows [G11 T3],
        every_event_and_artifact_is_listed_without_a_limit [G11 J1 J4 C5 S3],
        every_other_record_is_listed_without_a_limit [G11 J3 J5 J6 S3],
    }
    many {
        a_task_can_be_claimed_any_number_of_times [C1 C3 C4],
        cycles_and_replans_are_counted_to_any_number [R4],
        every_agent_of_a_run_is_listed [A2 S3],
        a_plan_of_100_000_tasks_is_kept_in_order [G8 T1 T3 G11],
        more_events_than_a_limit_can_ask_for_are_listed [G11 J1],
        the_counts_of_a_snapshot_go_over_a_byte [S3 T5],
        every_draft_of_a_long_plan_is_compared [G9 G1 T2],
        every_id_of_a_long_report_is_looked_at [G9 G1 C5],
        repeats_are_known_after_hundreds_of_others [G9 C5],
        all_ids_of_a_long_run_are_free_once_it_is_deleted [R5 G9],
    }
    left_alone {
        no_claim_and_no_id_runs_out_with_time [C1 C4 C5 G9],
        the_status_of_a_run_means_nothing_to_the_store [C1 R2 R3 R6 T2 J1],
        nothing_of_a_deleted_run_shows_in_one_of_its_id [R5],
        nothing_comes_after_a_cursor_beyond_the_end [G11 T3 J1],
        a_word_that_was_not_given_is_not_found [G11 R2 A2 J4 J5],
        a_closed_handle_refuses_bad_input_and_empty_updates [G10],
        what_a_second_handle_wrote_is_there_after_a_kill [G2 G3],
        an_update_to_what_is_there_sets_the_time [R3],
    }
}
