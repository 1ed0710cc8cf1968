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
    task_fields {
        a_schedule_is_kept_in_every_field [G5 T1 T2],
        dependencies_are_kept_in_the_order_given [G5 C9],
        worker_and_lease_of_a_claim_are_kept [G5 C1],
        the_delay_of_a_release_is_kept [G5 C5],
        what_was_planned_stays_as_planned [G5],
        neighbours_keep_what_is_theirs [C1 G5],
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
    priorities {
        the_highest_priority_is_claimed_first [C1],
        tasks_of_one_priority_keep_the_order_of_the_plan [C1 G6],
        priority_comes_before_position_and_position_before_all_else [C1],
        a_task_of_higher_priority_planned_later_is_claimed_first [C1 T2],
        a_task_back_in_the_queue_keeps_its_place_among_priorities [C1 T5 T6 C5],
        a_task_taken_over_is_claimed_at_its_place_among_priorities [C1 C7],
        what_cannot_be_claimed_holds_up_nothing_of_lower_priority [C1 C8 C9],
        the_priorities_of_one_run_do_not_matter_to_another [C1],
        a_new_plan_is_claimed_by_priorities_of_its_own [C1 T1],
        priorities_are_known_at_another_handle_and_after_a_reopen [C1 G3 G5],
        many_tasks_of_mixed_priorities_are_claimed_in_order [C1 C10],
        claims_at_once_follow_the_priorities [C1 C2 G3],
    }
    delays {
        a_task_is_claimable_from_its_time_on [C9],
        a_task_is_claimable_after_its_time_too [C9],
        a_time_that_has_come_delays_nothing [C9],
        the_end_of_time_is_a_time_too [C9],
        a_delayed_task_holds_up_no_other [C1 C9],
        what_is_due_is_claimed_by_priority_and_position_not_by_time [C1 C9],
        many_times_come_one_after_the_other [C9],
        a_clock_that_ran_back_makes_a_ready_task_wait_again [C9],
        a_clock_that_ran_back_is_seen_by_every_kind_of_claim [C9],
        a_released_task_waits_until_its_delay_is_over [C9 C5],
        a_released_task_waits_for_the_later_of_both_times [C9 C5],
        a_task_back_in_the_queue_still_waits_for_its_time [C9 T5 T6],
        a_delay_ends_with_the_state_it_belongs_to [T4 C9],
        a_task_that_left_the_queue_does_not_become_due [C9 T1 R5],
        a_time_that_came_is_seen_in_the_run_and_in_all [C9 C10],
        times_are_known_at_another_handle_and_after_a_reopen [C9 G3 G5],
    }
    dependencies {
        a_task_waits_until_an_operator_completed_what_it_depends_on [C9],
        a_task_waits_until_a_worker_completed_what_it_depends_on [C9],
        an_index_a_key_and_an_id_name_a_draft_before_or_after [C9],
        a_task_may_depend_on_a_stored_one_in_any_state [C9],
        a_task_waits_for_all_that_it_depends_on [C9],
        a_dependency_that_is_named_twice_counts_once [C9],
        a_chain_is_released_link_by_link [C9],
        both_sides_of_a_diamond_are_waited_for [C9],
        what_was_blocked_or_given_up_releases_nothing [C9],
        all_dependents_of_a_task_are_released_together [C9 G1],
        thousands_of_dependents_are_released [C9],
        dependents_of_every_plan_are_released [C9],
        a_task_that_waits_holds_its_place_and_holds_up_no_other [C1 C9],
        a_task_waits_for_its_time_and_for_others [C9],
        completing_a_task_leaves_its_dependents_records_alone [C9 R6],
        dependencies_completed_at_once_release_their_dependent_once [C9 C2 G3],
        what_a_task_depends_on_stays_as_planned [C9 G5],
    }
    dependencies_undone {
        what_is_requeued_after_it_was_completed_is_waited_for_again [C9],
        each_of_several_is_waited_for_again_by_itself [C9],
        only_a_step_to_or_from_completed_counts [C9],
        a_completion_that_is_repeated_or_refused_counts_once [C9 C5],
        a_dependent_in_progress_goes_on_when_its_dependency_is_requeued [C9 C4],
        a_dependent_back_in_the_queue_waits_for_what_was_requeued [C9 T5 T6 C5],
        an_expired_dependent_is_not_taken_over_while_its_dependency_is_undone [C9 C7],
        what_is_settled_stays_settled_when_its_dependency_is_requeued [C9],
        what_is_settled_early_waits_for_nothing_new_once_requeued [C9],
        a_requeue_concerns_direct_dependents_only [C9],
        a_completed_task_whose_attempts_are_used_up_is_waited_for_when_requeued [C9 C8],
        a_dependent_planned_after_the_completion_waits_after_a_requeue_too [C9],
        a_dependent_that_a_new_plan_left_out_is_not_released [C9 T1],
        steps_made_at_once_leave_a_dependent_as_its_dependency_is [C9 G3],
    }
    dependencies_kept {
        dependencies_are_known_at_another_handle [C9 G3],
        dependencies_are_known_after_a_reopen [C9 G5],
        a_new_plan_may_depend_on_what_the_earlier_one_completed [C9 T1],
        a_new_plan_cannot_depend_on_what_it_abandons [C9 G1],
        dependencies_of_runs_are_apart [C9],
        a_deleted_runs_dependencies_are_gone [C9 R5],
        a_plan_that_was_refused_leaves_no_dependencies [C9 G1 G7],
        claims_made_before_a_new_plan_are_stale_whatever_depends_on_them [C9 C4 T1],
    }
    waiting_reasons {
        a_task_in_each_state_tells_why_it_waits [C9],
        an_unknown_task_waits_for_nothing_that_can_be_told [G7],
        asking_why_changes_nothing [C9],
        a_task_behind_others_is_claimable [C9],
        a_task_waits_until_the_later_of_its_times [C9],
        a_claimed_task_tells_by_whom_and_until_when [C9 C7],
        an_expired_task_with_no_attempt_left_is_exhausted [C9 C8],
        what_is_not_completed_is_named_in_its_order [C9],
        a_time_is_told_besides_while_it_is_still_to_come [C9],
        whether_a_dependency_can_complete_is_told_through_chains [C9],
        a_completed_link_hides_what_it_waited_for [C9],
        one_stuck_branch_is_enough [C9],
        a_delay_keeps_no_dependency_from_completing [C9],
        what_is_settled_waits_for_nothing [C9],
        what_is_said_to_be_claimable_is_claimed [C9],
    }
    batches {
        a_batch_is_given_in_the_order_of_claims [C10 C1],
        a_batch_has_as_many_as_there_are_up_to_its_limit [C10],
        a_batch_may_have_1_000_tasks [C10],
        a_batch_has_from_1_to_1_000_tasks [G8 C10],
        a_batch_of_an_unknown_run_is_refused [G7 C10],
        a_batch_that_finds_nothing_changes_nothing [C10],
        every_task_of_a_batch_has_worker_and_lease_of_the_claim [C10 C1 C7 G5],
        all_that_a_batch_writes_has_one_time [G6 C10],
        each_task_of_a_batch_has_a_token_of_its_own [C10 C3],
        a_batch_changes_nothing_but_its_tasks [C10 C1],
        a_batch_goes_on_behind_exhausted_tasks [C10 C8],
        a_batch_that_finds_exhausted_tasks_only_blocks_them [C10 C8],
        a_batch_releases_no_dependents_of_its_own [C10 C9],
        a_batch_is_as_that_many_claims_one_after_the_other [C10],
        a_batch_is_seen_whole_or_not_at_all [C10 G1 G3],
        callers_at_once_never_share_a_task [C10 C2 G3],
        a_batch_takes_what_is_new_back_due_and_expired [C10 C7 C9],
        batches_go_on_at_another_handle_and_after_a_reopen [C10 G3 G5],
    }
    any_run {
        in_a_store_without_tasks_there_is_nothing_to_claim [C10],
        the_task_planned_first_comes_first_whatever_its_run [C10 G6],
        neither_ids_nor_runs_nor_positions_order_the_tasks_of_all_runs [C10 G6],
        the_highest_priority_of_all_runs_comes_first [C10],
        a_task_planned_later_or_in_a_later_run_is_seen [C10],
        a_new_plan_is_planned_later_than_what_is_there [C10 T1],
        tasks_back_in_the_queue_keep_their_place_among_all_runs [C10 T5 T6 C5 C7],
        claims_of_a_run_and_of_any_take_from_one_queue [C10 C1],
        a_batch_goes_over_all_runs [C10],
        what_is_used_up_is_blocked_in_its_own_run [C10 C8],
        what_cannot_be_claimed_in_one_run_holds_up_no_other [C10 C9],
        a_deleted_runs_tasks_are_given_to_nobody [C10 R5],
        a_claim_of_any_run_leaves_the_other_runs [C10],
        a_claim_of_any_run_has_a_token_like_any_other [C10 C3],
        the_order_over_runs_is_known_at_another_handle_and_after_a_reopen [C10 G3 G5],
        callers_of_any_run_at_once_drain_all_runs [C10 C2 G3],
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
    leases {
        a_claim_shows_its_worker_and_the_end_of_its_lease [C1 C7 T3 G2 G3 G5],
        a_claim_without_a_lease_never_runs_out [C7 C9],
        a_lease_runs_out_at_the_very_instant [C1 C7 C9],
        a_takeover_is_a_claim_of_its_own [C1 C3 C7 R6],
        a_lease_goes_on_over_a_reopen_and_for_every_handle [C7 G2 G3],
        a_lease_is_counted_from_the_one_time_of_its_claim [C7 G6],
    }
    expiry {
        what_ran_out_is_claimed_in_the_order_of_what_is_pending [C1 C7],
        what_ran_out_is_claimed_with_others_and_from_any_run [C1 C7 C10],
        a_clock_that_runs_back_gives_a_lease_its_time_again [C7],
        each_lease_runs_out_by_itself [C7],
        what_ran_out_waits_for_what_it_depends_on [C1 C7 C9],
    }
    takeovers {
        a_holder_can_report_after_its_lease_ran_out [C3 C4 C5 C7],
        a_token_is_stale_once_its_task_was_taken_over [C3 C4 C7],
        a_report_repeated_after_a_takeover_changes_nothing [C5],
        worker_and_lease_go_with_the_claim [T4 G5],
        a_resume_requeues_whatever_the_leases [T5],
    }
    heartbeats {
        a_heartbeat_moves_the_end_of_the_lease [C7 T3 G2 G3 G5 R6],
        a_heartbeat_never_shortens_a_lease [C7],
        a_heartbeat_after_the_clock_ran_back_never_shortens_a_lease [C7],
        a_heartbeat_comes_too_late_at_the_very_instant [C7],
        an_extended_claim_runs_out_at_its_new_end [C7 T7 G2 G3],
        a_heartbeat_leaves_a_claim_without_a_lease_as_it_is [C7],
        a_heartbeat_extends_no_other_claim [C7],
        a_heartbeat_is_refused_once_its_token_is_stale [C3 C4 C7],
        a_heartbeat_counts_from_the_one_time_of_its_change [C7 G6],
    }
    expired {
        what_expired_in_a_run_is_requeued [T7 R6 J1],
        what_expired_in_all_runs_is_requeued [T7 J1],
        where_nothing_expired_nothing_is_written [T7],
        claims_without_a_lease_do_not_expire [T7 C7],
        what_expires_is_what_the_clock_shows [T7 C7 G3],
        what_expired_keeps_its_data_and_ends_its_claim [T7 T4 C4],
        an_unknown_run_has_nothing_to_expire [G7 T7],
        all_that_a_requeue_of_expired_writes_has_one_time [T7 G6],
        what_expired_is_never_seen_requeued_in_part [T7 G1 G3 S1],
    }
    attempts_end {
        a_task_is_claimed_as_often_as_its_bound_says [C8 G2],
        a_claim_blocks_what_is_used_up_and_goes_on [C8 G2 J1 R6],
        a_claim_that_finds_nothing_else_is_none_and_blocks_all_the_same [C8 C9],
        a_batch_goes_on_until_it_is_full [C8 C10],
        a_claim_of_any_run_tells_each_run_of_its_own [C8 C10],
    }
    attempt_bounds {
        a_claims_own_bound_holds_for_that_claim_alone [C8],
        a_tasks_own_bound_comes_before_the_claims [C8],
        a_bound_is_kept_and_shown_by_every_read [C8 T3 G2 G3 G5],
    }
    attempts_back {
        a_release_of_the_last_attempt_blocks [C8 C5 T4],
        a_requeue_of_used_up_attempts_blocks_instead [C8 T6],
        a_resume_blocks_used_up_attempts_and_does_not_count_them [C8 T5],
        a_requeue_of_expired_blocks_used_up_attempts_and_does_not_count_them [C8 T7],
        all_that_finds_used_up_attempts_writes_one_time [C8 G6],
    }
    last_attempts {
        the_last_attempt_may_end_as_its_worker_says [C8 C5],
        an_operator_settles_what_used_its_attempts_up [C8 C6 T4],
        the_token_of_a_blocked_last_attempt_is_stale [C4 C8],
        what_waits_for_used_up_attempts_goes_on_waiting [C8 C9],
        a_new_plan_abandons_the_last_attempt_too [C8 T1],
    }
    releases {
        a_release_with_a_delay_is_written_whole [C5 T4 T3 G2 G3 G5],
        a_delay_is_over_at_the_very_instant [C5 C9 T4],
        a_delay_counts_from_the_release [C5 C9],
        a_release_without_a_delay_is_claimable_at_once [C5 C9],
        a_repeated_release_does_not_begin_its_delay_anew [C5],
        a_delay_counts_from_the_one_time_of_its_report [C5 G6],
    }
    released_delays {
        a_delayed_task_is_passed_over_and_comes_back_to_its_place [C1 C5 C9],
        a_delay_goes_with_the_next_claim [T4 C5],
        a_delay_goes_when_the_task_is_settled [T4 T1 C6],
        a_delayed_task_is_pending [T4 T5 T6 T7 T2],
        a_clock_that_runs_back_gives_a_delay_its_time_again [C9],
        each_delay_is_over_by_itself [C5 C9 G2],
        the_later_of_delay_and_planned_time_counts [C9],
    }
    lease_bounds {
        a_lease_is_from_a_microsecond_to_365_days [G8 C7],
        a_heartbeat_is_for_a_microsecond_to_365_days [G8 C7],
        a_delay_is_of_at_most_365_days [G8 C5],
        a_worker_has_at_most_255_bytes [G8],
        attempts_are_bounded_by_at_least_one [G8 C8],
        what_is_bounded_is_looked_at_though_nothing_is_claimable [G8],
    }
    lease_races {
        what_ran_out_is_taken_over_by_exactly_one [C2 C7 G3],
        a_report_beside_a_takeover_is_kept_or_stale [C4 C5 G1 G3],
        a_heartbeat_beside_a_requeue_is_done_or_stale [C4 C7 G3],
        requeues_of_what_expired_share_the_tasks_among_them [T7 G1 G3],
        used_up_attempts_are_found_once_by_claims_at_once [C2 C8 G3 J1],
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
    dependency_input {
        an_index_that_no_draft_has_is_refused [G8 C9],
        a_key_that_no_draft_has_is_refused [G8 C9],
        a_key_stands_once_in_a_plan [G8],
        a_key_has_at_most_255_bytes [G8 C9],
        a_cycle_is_refused_with_its_path [C9 G8],
        what_leads_back_to_no_draft_is_no_cycle [C9],
        a_task_depends_on_at_most_10_000 [G8],
        a_task_that_depends_on_10_000_keeps_and_awaits_them_all [G8 G5 C9],
        dependencies_count_for_the_size_of_a_record [G8],
        a_bound_on_attempts_is_at_least_1 [G8],
        a_dependency_on_an_unknown_task_is_refused [G7 C9],
        a_plan_is_refused_for_what_comes_first [G7 G8 G9],
        a_repeat_comes_before_what_a_new_plan_abandons [G9 C9],
        a_refused_plan_leaves_the_queue_and_the_claims [G1 G7 G8 C9],
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
    retry_schedules {
        a_plan_with_a_schedule_given_again_changes_nothing [G9],
        the_same_dependencies_spelt_otherwise_are_the_same_content [G9],
        another_schedule_under_a_stored_id_is_refused [G9],
        a_plan_is_known_after_claims_delays_and_completions [G9],
        a_repeat_counts_no_dependency_twice [G9 C9],
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
        any_sequence_on_tasks_that_wait_answers_as_the_reference
            [G3 G5 G6 G7 T1 T2 T4 T5 T6 T7 C1 C3 C4 C5 C6 C7 C8 C9 C10],
        any_sequence_with_repeated_calls_answers_as_the_reference [G3 G5 G9 T1 T2 C3 C4 C5 J1 J3 J4 J5 J6],
    }
    waits {
        what_is_claimable_is_given_at_once [C11 C1 C7 C10],
        every_write_that_makes_a_task_claimable_ends_the_wait [C11 C5 C9 T5 T6],
        a_write_of_another_handle_ends_the_wait [C11],
        what_makes_nothing_claimable_ends_no_wait [C11 C9],
        a_wait_goes_on_past_a_task_whose_attempts_are_used_up [C8 C11],
        a_wait_for_an_unknown_run_is_refused_at_once [C11 G7],
        a_task_that_becomes_due_ends_the_wait_at_that_instant [C5 C7 C9 C11],
        a_task_that_is_due_sooner_ends_the_wait_sooner [C9 C10 C11],
        a_lease_that_is_extended_is_waited_for_to_its_new_end [C7 C11],
        what_is_no_longer_due_ends_no_wait [C11 T4],
        a_task_is_due_at_its_time_though_the_clock_ran_back [C9 C11],
        what_was_due_before_a_reopen_is_waited_for [C5 C7 C9 C11 G5],
        a_wait_ends_with_none_when_its_time_is_over [C11],
        what_is_due_as_the_time_ends_is_given [C9 C11],
        a_wait_is_at_most_of_365_days [C11 G8],
        a_wait_for_a_run_that_is_deleted_ends_as_unknown [C11 G7 R5],
        closing_the_store_ends_every_wait [C11 G10],
        each_new_task_is_given_to_one_of_those_who_wait [C2 C11],
        the_longest_waiting_is_given_a_task_first [C11],
        a_wait_for_any_run_is_given_a_task_of_any [C10 C11],
        all_that_become_due_together_are_given_out [C2 C9 C11],
        a_wait_that_is_dropped_has_claimed_nothing_and_loses_no_task [C11 G4],
        what_a_dropped_wait_was_to_look_for_is_looked_for_by_another [C11 G4],
        waits_at_once_share_what_is_planned_at_once [C2 C11 G3],
    }
    interleavings {
        two_workers_after_one_task_are_answered_in_every_order_as_the_reference [C1 C2 C3 C4 C5 C7 J1],
        a_worker_beside_an_operator_is_answered_in_every_order_as_the_reference [C4 C5 C6 C7 C9 T4 T6],
        workers_beside_requeues_are_answered_in_every_order_as_the_reference [C4 C5 C7 C8 T5 T7],
        attempts_end_in_every_order_as_with_the_reference [C4 C5 C7 C8 T6 T7],
        a_worker_beside_new_plans_is_answered_in_every_order_as_the_reference [C1 C4 C7 C9 T1 T2],
        a_worker_beside_a_deletion_is_answered_in_every_order_as_the_reference [C4 C5 G7 R5],
        tasks_that_wait_are_handed_out_in_every_order_as_by_the_reference [C4 C5 C9 C10 T6],
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
        a_snapshot_follows_every_call_that_writes [S1 G3],
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
