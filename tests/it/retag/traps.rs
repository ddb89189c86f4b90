//! Traps that other tools have fallen into, and the tests that would notice:
//!
//! - a digest that changes, because a manifest is parsed and written anew:
//!   `six_images_get_their_tag_with_the_same_bytes_at_the_same_time_and_no_blob_is_asked_for`, `faults_that_stay_are_told_apart`
//! - an index of which one platform is left:
//!   `every_kind_of_manifest_is_asked_for_and_the_old_one_too`, `an_index_is_pushed_once_with_the_digest_that_it_has_in_the_engine`
//! - an answer that is an older kind of manifest, or "not found", because too little is accepted; schema 1:
//!   `every_kind_of_manifest_is_asked_for_and_the_old_one_too`, `faults_that_stay_are_told_apart`
//! - `latest`, `1` and `1.2` that move backwards, or differ among the images of a release:
//!   `keeps_latest_when_an_old_line_is_patched`, `floats_never_move_backwards_and_all_images_agree`
//! - a pre-release, or what isn't a version, that gets `latest`:
//!   `pre_releases_move_no_floats_and_0_has_no_major_line`, `what_is_not_a_release_is_an_error_that_lists_what_was_seen`
//! - `+` in a version:
//!   `what_a_tag_was_made_of_is_kept_where_it_is_not_the_same`, `a_version_that_differs_in_its_build_only_is_found_among_the_tags`
//! - immutable tags that may not even be pushed as they are:
//!   `a_locked_tag_that_is_right_already_is_no_error`, `a_release_tag_that_names_another_image_is_a_conflict_before_anything_is_written`
//! - floats where tags are immutable, told by each registry in its own words:
//!   `a_float_that_is_locked_is_told_with_what_to_do_and_the_release_tags_are_there`,
//!   `every_registrys_way_to_say_that_a_tag_is_locked_is_understood`
//! - some images of a release have their tag and others haven't:
//!   `one_missing_image_and_nothing_is_written_anywhere`, `release_tags_of_all_images_come_before_the_first_float_and_latest_comes_last`,
//!   `a_run_killed_after_any_of_its_requests_is_finished_by_the_next_one`,
//!   `a_promotion_killed_after_any_of_its_requests_is_finished_by_the_next_one`
//! - a rate limit that is 403, and one that asks for an hour:
//!   `passing_faults_are_waited_out`, `a_403_passes_only_when_it_is_a_rate_limit`, `a_server_says_how_long_to_wait`,
//!   `waits_double_are_spread_and_never_exceed_the_cap`, `registries_that_limit_rates_are_asked_less_at_a_time`,
//!   `mounts_and_uploads_that_come_too_fast_are_repeated_when_the_registry_says`
//! - "manifest unknown" for seconds after a push:
//!   `a_registry_that_shows_its_writes_late_is_waited_for`, `what_the_engine_pushed_is_waited_for_where_registries_are_late`,
//!   `a_list_that_is_shown_late_is_not_written_again`
//! - two releases at once:
//!   `floats_that_a_newer_release_took_since_the_plan_are_left_to_it`, `a_float_written_over_a_newer_release_is_given_back`
//! - several tags in one request, believed to be written:
//!   `a_registry_that_confirms_them_gets_the_tags_of_a_wave_in_one_request`, `a_registry_that_ignores_them_is_asked_once`,
//!   `what_a_registry_refuses_or_confirms_in_part_is_written_one_by_one`
//! - mounts that are refused in all ways:
//!   `a_mount_that_fails_is_followed_by_a_plain_upload`, `an_upload_that_a_refused_mount_hands_over_is_used`,
//!   `blobs_are_sent_where_a_token_is_good_for_one_repository_only`
//! - token services that take one scope, or keep the last:
//!   `a_service_that_denies_several_scopes_is_asked_for_each_repository`,
//!   `a_token_that_is_good_for_the_last_scope_only_is_replaced_by_others`, `commas_in_quotes_and_several_scopes_are_understood`
//! - a mount from another registry:
//!   `another_registry_gets_each_blob_once_and_mounts_what_images_share`
//! - a token that expires, in a copy too; a 401 without end:
//!   `an_expired_token_is_renewed_for_all_repositories`, `a_token_that_expires_in_mid_copy_is_renewed_once_for_all_blobs`,
//!   `a_registry_that_never_stops_asking_is_believed_after_some_rounds`
//! - logins: identity tokens, paths, helpers, podman's file:
//!   `an_identity_token_of_az_acr_login_is_exchanged_at_the_realm`, `each_path_of_a_registry_is_used_with_the_login_that_is_meant_for_it`,
//!   `the_longest_prefix_of_the_first_source_wins`, `a_helper_is_an_error_only_where_nothing_else_is_known`,
//!   `podmans_files_come_after_dockers_and_their_keys_have_paths`
//! - `name:tag@sha256:…` that loses a part:
//!   `a_tag_and_a_digest_are_both_kept`, `the_source_is_a_digest_then_the_input_then_the_files_tag`
//! - credentials that cross hosts:
//!   `authorization_never_crosses_hosts`, `a_password_is_sent_where_basic_is_asked_for_and_never_to_another_host`,
//!   `a_configuration_kept_elsewhere_is_fetched_without_the_credentials`, `an_upload_on_another_host_gets_no_authorization`,
//!   `credentials_go_to_no_realm_without_tls_or_inside_the_network`
//! - a `Location` that leads nowhere, or none:
//!   `the_place_that_a_write_is_answered_with_is_ignored`
//! - repositories that have to be made before anything is pushed to them:
//!   `a_repository_that_nobody_has_made_is_told_with_who_makes_it`
//! - foreign layers:
//!   `foreign_layers_stay_where_they_are`
//! - an index before its children:
//!   `tags_are_written_last_and_children_before_their_index`, `an_index_whose_children_are_gone_is_refused_by_the_registry_and_told`
//! - children that a clean-up job has deleted:
//!   `a_platform_that_is_gone_is_found_before_the_release`, `a_missing_child_is_found_before_anything_is_written`
//! - Docker Hub's names:
//!   `names_get_their_canonical_repository`, `a_name_without_a_host_is_docker_hubs`, `the_longest_prefix_of_the_first_source_wins`
//! - hosts with ports, capitals, brackets:
//!   `every_part_of_a_reference_is_found_again`, `a_tag_is_what_the_specification_allows_and_no_more`
//! - plain HTTP, roots of one's own:
//!   `tls_is_left_out_only_for_loopback_and_listed_hosts`, `a_registry_of_ones_own_needs_its_root_certificate_or_to_be_listed`
//! - `latest` where there is no release:
//!   `what_is_not_a_release_is_an_error_that_lists_what_was_seen`
//! - an engine that drops platforms or the index, or tells no digest:
//!   `an_index_is_pushed_once_with_the_digest_that_it_has_in_the_engine`, `an_index_of_which_the_engine_lacks_a_platform_is_not_pushed`,
//!   `an_engine_that_pushes_something_else_than_the_index_fails_the_release`, `a_digest_is_found_where_it_is_told_in_words_only`,
//!   `what_a_registry_refuses_the_engine_is_told_with_what_to_do`
//! - an image that is neither built nor pushed:
//!   `an_image_that_was_not_built_names_its_service_and_what_builds_it`, `one_missing_image_and_nothing_is_written_anywhere`
//! - signatures left behind, of the index or of a platform:
//!   `signatures_are_good_at_the_target_whatever_the_two_registries_can_do`,
//!   `signatures_attestations_and_sboms_go_along_with_the_index_and_with_each_child`
//! - the list of what refers to an image, overwritten:
//!   `what_the_target_has_of_its_own_is_kept`, `a_list_that_another_writer_replaces_is_merged_again`
//! - the image of another commit:
//!   `an_image_of_another_commit_is_not_released`, `images_of_the_released_commit_are_found_by_the_tag_that_names_it`
//! - bodies that are not what was promised, or break off:
//!   `answers_that_cannot_be_are_told`, `a_truncated_answer_is_asked_for_again`, `a_blob_that_is_not_what_was_promised_leaves_no_tag`,
//!   `the_last_piece_is_held_back_until_the_whole_is_right`
//! - answers without end, bytes one by one, transfers that stand still:
//!   `an_answer_without_end_is_cut_off`, `a_slow_drip_ends_at_the_deadline`, `a_transfer_by_drops_ends_with_the_time_for_all`,
//!   `an_upload_that_stands_still_is_given_up`, `a_list_of_tags_without_end_is_given_up`, `one_deadline_ends_all_requests_to_a_registry`
//! - folders as other tools write them, as sources and as targets:
//!   `a_folder_that_crane_has_written_is_released_whether_it_names_the_image_or_not`, `containerds_names_are_read`,
//!   `a_folder_that_crane_has_written_is_a_target_too`,
//!   `a_folder_with_short_names_is_one_repository_and_stays_so`, `folders_are_sources_and_targets_too`
//! - layers in memory:
//!   `a_large_layer_tells_how_far_it_is_and_never_is_in_memory`
//! - compose files read otherwise than docker compose reads them:
//!   `images_are_read_as_docker_compose_reads_them`

#[test]
fn every_test_that_is_named_here_is_there() {
    crate::checklist::check(include_str!("traps.rs"), 39);
}
