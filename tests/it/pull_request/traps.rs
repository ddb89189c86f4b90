//! Traps that tools which write into infrastructure repositories have fallen into, and the tests that would notice:
//!
//! - tags that read like numbers, dates or truth values:
//!   `a_plain_scalar_is_quoted_when_any_reader_would_take_it_for_something_else`,
//!   `a_tag_stays_plain_only_when_nobody_could_take_it_for_something_else`, `kustomize_takes_what_an_edit_of_a_kustomization_leaves`
//! - the old digest beside the new tag:
//!   `a_digest_never_stays_beside_another_tag`, `a_key_takes_the_place_of_one_that_goes_from_a_flow_mapping`,
//!   `kustomize_takes_what_an_edit_of_a_kustomization_leaves`
//! - an entry of a kustomization that is a regular expression, or is known by its `newName` only:
//!   `entries_get_their_tags_and_digests`, `what_a_person_should_know_is_noted`, `kustomize_takes_what_an_edit_of_a_kustomization_leaves`
//! - an entry that is there twice, or a key that is:
//!   `entries_get_their_tags_and_digests`, `what_is_not_understood_is_refused_with_its_place`, `duplicate_keys_name_both_lines`
//! - quotes that change:
//!   `a_scalar_keeps_its_style_and_everything_around_it`, `edits_of_a_corpus_keep_all_other_bytes`
//! - files with several documents:
//!   `image_fields_of_all_documents_change_and_no_other_byte`, `kustomize_renders_manifests_after_their_edit`,
//!   `documents_are_cut_at_their_marks`
//! - anchors, aliases, merge keys:
//!   `what_cannot_be_changed_in_place_is_refused_with_its_place`, `a_key_that_a_merge_brings_is_set_in_the_entry_itself`,
//!   `what_a_person_should_know_is_noted`, `merge_keys_fill_in_what_is_not_there`
//! - CRLF, a byte order mark, no line break at the end:
//!   `a_scalar_keeps_its_style_and_everything_around_it`, `setting_a_value_changes_no_other_byte`, `only_the_values_of_our_entries_change`,
//!   `only_the_tags_of_the_image_differ`, `edits_of_a_corpus_keep_all_other_bytes`
//! - the three names of a kustomization, and two of them in one folder:
//!   `a_kustomization_may_have_three_names_and_a_folder_only_one_of_them`
//! - templates of charts, read as YAML:
//!   `templates_of_charts_are_no_manifests`, `files_without_the_images_are_not_even_read`
//! - a placeholder that is left over:
//!   `unknown_names_and_broken_results_are_refused_with_their_places`
//! - a commit, a branch or a pull request without a change:
//!   `nothing_to_change_leaves_no_branch_and_no_pull_request`, `nothing_to_change_takes_two_requests`,
//!   `two_environments_get_their_pull_requests_and_a_second_run_writes_nothing`,
//!   `a_pull_request_takes_few_requests_and_a_second_run_writes_nothing`
//! - a pull request whose changes the base has by now:
//!   `what_the_base_has_already_is_closed_and_its_branch_deleted`, `what_is_not_needed_any_more_is_closed_with_a_comment_and_its_branch_deleted`
//! - somebody's commit on our branch:
//!   `a_persons_commit_keeps_its_pull_request_open`, `a_branch_is_made_anew_on_its_base_and_a_persons_commit_stays`,
//!   `a_merge_with_a_persons_work_in_it_stays_theirs`,
//!   `a_branch_that_somebody_brought_up_to_date_is_made_anew_and_one_with_their_work_is_not`,
//!   `a_commit_that_appears_between_reading_and_writing_is_not_overwritten`, `ours_are_told_from_those_of_others`
//! - others who write at the same time:
//!   `a_branch_that_moves_under_our_hands_is_read_again`, `a_base_that_moves_under_our_hands_is_read_again_and_nothing_of_it_is_lost`,
//!   `runs_that_race_for_the_base_all_land`, `runs_that_race_for_the_base_all_land_through_the_api`,
//!   `runs_that_race_for_one_branch_end_with_one_pull_request`, `runs_that_race_for_one_branch_end_with_one_pull_request_through_the_api`,
//!   `twenty_applications_commit_to_one_file_and_all_changes_land`,
//!   `twenty_applications_propose_changes_of_one_file_each_in_its_own_pull_request`
//! - a push that is answered with success and was refused:
//!   `a_report_tells_confirmation_and_refusal_apart`, `one_that_fails_does_not_stop_the_others`, `a_protected_branch_names_the_way_out`,
//!   `a_reference_that_moved_is_a_race_and_a_hook_is_not`
//! - executable files and links:
//!   `the_mode_of_a_file_stays_and_a_link_is_not_followed`, `the_mode_of_a_file_stays_through_the_api`,
//!   `links_are_neither_followed_nor_written_over`
//! - "Validation Failed", and not why:
//!   `each_reason_of_a_refusal_is_shown`, `one_that_fails_does_not_stop_the_others`
//! - a request that is sent again although it had its effect:
//!   `an_answer_that_gets_lost_opens_no_second_pull_request`, `a_comment_whose_answer_gets_lost_is_not_written_twice`,
//!   `an_answer_that_got_lost_does_not_matter_when_the_branch_is_where_it_was_to_go`,
//!   `a_push_whose_answer_got_lost_is_told_as_uncertain_and_finished_by_the_next_run`,
//!   `a_pull_request_that_appears_meanwhile_is_updated_and_a_lost_answer_opens_no_second_one`
//! - Enterprise servers: other addresses, older versions:
//!   `an_enterprise_server_is_asked_under_its_own_addresses_for_everything`, `every_kind_of_server_has_its_addresses`,
//!   `a_server_that_is_too_old_for_a_query_is_worked_with_through_git`
//! - proxies, and authorities of one's own:
//!   `a_server_behind_a_proxy_with_an_authority_of_its_own_gets_pull_requests_by_both_ways`, `https_goes_by_the_given_roots`
//! - the workflow's own token, where it has no business:
//!   `the_workflows_own_token_is_sent_nowhere`, `no_token_is_bad_input_and_nothing_is_written`,
//!   `an_app_gets_a_token_for_just_these_repositories_and_gives_it_back`
//! - an App's token that reaches too much, lives too long, or lacks a permission:
//!   `an_app_gets_a_token_for_just_these_repositories_and_gives_it_back`, `an_app_without_rights_is_told_before_anything_is_written`,
//!   `commits_alone_need_no_right_to_pull_requests`, `each_owner_gets_one_token_for_all_its_repositories`,
//!   `teams_are_asked_for_a_review_by_an_app_that_may_see_them`
//! - a reviewer who is the author, or nobody, or a team out of sight:
//!   `two_environments_get_their_pull_requests_and_a_second_run_writes_nothing`,
//!   `one_wrong_reviewer_does_not_cost_the_others_and_nobody_is_asked_twice`, `who_can_not_review_is_a_warning_and_the_pull_request_is_there`,
//!   `teams_are_asked_for_a_review_by_an_app_that_may_see_them`
//! - labels that are not there yet, and a pull request that not every server of GitHub's knows yet:
//!   `labels_that_are_missing_are_added_and_those_of_people_stay`,
//!   `a_pull_request_is_opened_with_all_that_belongs_to_it_and_a_second_run_writes_nothing`,
//!   `a_pull_request_that_is_not_known_everywhere_yet_gets_what_belongs_to_it`
//! - automatic merging of what is ready already:
//!   `what_has_nothing_to_wait_for_is_merged_at_once`, `what_github_says_of_merging_is_told_apart`,
//!   `a_repository_that_allows_no_automatic_merging_is_a_warning_that_says_what_to_do`,
//!   `what_has_nothing_to_wait_for_is_merged_by_the_chosen_method`
//! - merge queues:
//!   `a_merge_queue_decides_about_the_method`
//! - people and issues that are mentioned by accident:
//!   `a_pull_request_shows_what_changes_and_disturbs_nobody`, `an_entry_words_title_and_message_itself_and_values_mention_nobody`
//! - older releases after newer ones:
//!   `an_older_release_than_the_bases_is_refused_unless_it_was_asked_for`, `a_newer_release_that_is_proposed_already_is_not_taken_back`,
//!   `versions_are_compared_and_nothing_else`, `a_rollback_is_asked_for_by_its_version_and_a_late_release_is_not`
//! - one environment that fails:
//!   `one_that_fails_does_not_stop_the_others`, `one_environment_that_fails_does_not_stop_the_other_and_a_rerun_finishes_it`
//! - paths that lead out of the repository, and text from there that would be a command:
//!   `all_mistakes_are_told_at_once`, `links_are_neither_followed_nor_written_over`, `a_path_cannot_leave_its_quotes`,
//!   `what_stands_in_an_infrastructure_repository_and_its_servers_answers_is_text`, `branches_and_pull_requests_are_no_release`
//! - tokens in logs, in the form that git sends too:
//!   `a_token_is_masked_in_the_form_that_git_sends_too`, `an_app_gets_a_token_for_just_these_repositories_and_gives_it_back`,
//!   `a_token_without_rights_is_told_and_never_shown`
//! - files that are larger than an answer:
//!   `every_edit_gives_the_same_tree_through_both_ways`
//! - listings that are cut off:
//!   `git_is_taken_where_the_api_does_not_do_and_the_plan_says_why`,
//!   `a_listing_that_is_cut_off_is_read_folder_by_folder_where_nothing_but_the_api_may_be_used`
//! - repositories that are archived, or have another name by now:
//!   `one_that_fails_does_not_stop_the_others`, `a_repository_with_a_new_name_is_told_by_it`,
//!   `a_repository_with_a_new_name_is_told_by_it_before_anything_is_written`,
//!   `what_moves_between_reading_and_writing_is_not_followed_with_a_write`, `a_redirect_is_followed_on_the_host_and_nowhere_else`,
//!   `what_can_not_be_done_is_told_before_anything_is_written`
//! - a repository without a commit:
//!   `a_repository_without_a_commit_is_told_as_such`, `failures_say_what_they_are`
//! - names that differ by case, addresses that don't look alike:
//!   `names_of_repositories_do_not_differ_by_case`, `a_repository_is_the_same_however_its_address_is_written`,
//!   `each_owner_gets_one_token_for_all_its_repositories`
//! - a limit that asks to sleep for an hour, or looks like a missing permission:
//!   `a_rate_limit_of_an_hour_is_not_waited_for_and_said_to_be_one`, `a_rate_limit_is_waited_for_and_a_missing_permission_is_not`,
//!   `a_rate_limit_is_waited_for_and_a_moved_repository_is_told`, `a_limit_is_no_missing_permission`

#[test]
fn every_test_that_is_named_here_is_there() {
    crate::checklist::check(include_str!("traps.rs"), 38);
}
