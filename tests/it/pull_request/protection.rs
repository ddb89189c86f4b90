//! `mode: commit` on branches that take no commits.

use super::*;
use crate::servers::github::Rule;

fn committing() -> World {
    World { publish: Publish::Commit, ..World::new() }
}

fn or_pull_request() -> Vec<Entry> {
    entries("- {repository: acme/infra, path: overlays/shop, environment: production, on-protected: pull-request}")
}

#[tokio::test]
async fn a_rule_against_commits_is_told_before_anything_is_written() {
    let world = committing();
    world.repository("acme/infra");
    world.github.add_rule("acme/infra", Rule { kind: "pull_request", bypass: Some("never") });
    let error = world.verb_with(world.git.token()).plan(&production(), &images("1.10")).await.remove(0).unwrap_err();
    insta::assert_snapshot!(format!("{error}\n{}\nexit {}", error.hint(), error.exit().code()), @"
    couldn't commit to the branch main of acme/infra: its rule `pull_request` forbids it
    use `mode: pull-request`, set `on-protected: pull-request` in the input `infra`, or let the owner of `infra-token` push to this branch in its protection rules
    exit 3
    ");
    assert_eq!((world.pushes(), world.written().len()), (0, 0));
}

#[tokio::test]
async fn whoever_may_bypass_a_rule_commits() {
    let world = committing();
    world.repository("acme/infra");
    world.github.add_rule("acme/infra", Rule { kind: "deletion", bypass: Some("never") });
    world.github.add_rule("acme/infra", Rule { kind: "pull_request", bypass: Some("always") });
    assert_eq!(state(&world.run(&production(), "1.10").await[0]), State::Committed);
}

#[tokio::test]
async fn a_rule_that_asks_for_signatures_is_in_the_way_of_commits_that_have_none() {
    let world = committing();
    world.repository("acme/infra");
    world.github.add_rule("acme/infra", Rule { kind: "required_signatures", bypass: Some("never") });
    let error = world.run(&production(), "1.10").await.remove(0).result.unwrap_err();
    assert_eq!(error.to_string(), "couldn't commit to the branch main of acme/infra: its rule `required_signatures` forbids it");
    // GitHub signs what it commits itself.
    let by_api = entries("- {repository: acme/infra, path: overlays/shop, environment: production, publish: api}");
    assert_eq!(state(&world.run(&by_api, "1.10").await[0]), State::Committed);
}

#[tokio::test]
async fn a_pull_request_takes_the_place_of_a_commit_that_a_rule_forbids() {
    let world = committing();
    let repository = world.repository("acme/infra");
    world.github.add_rule("acme/infra", Rule { kind: "pull_request", bypass: Some("never") });
    assert_eq!(state(&world.run(&or_pull_request(), "1.10").await[0]), State::Opened);
    assert_eq!((repository.log("main").len(), pull(&world).head.as_str()), (1, BRANCH));
    let pushes = world.pushes();
    assert_eq!(state(&world.run(&or_pull_request(), "1.10").await[0]), State::Proposed);
    assert_eq!(world.pushes(), pushes);
}

#[tokio::test]
async fn a_pull_request_takes_the_place_of_a_commit_that_the_server_rejects() {
    let world = committing();
    let repository = world.repository("acme/infra");
    repository.reject_pushes_to("main", "GH006: Protected branch update failed for refs/heads/main.");
    assert_eq!(state(&world.run(&or_pull_request(), "1.10").await[0]), State::Opened);
    assert_eq!((repository.log("main").len(), pull(&world).head.as_str()), (1, BRANCH));
    let events = world.events.lock().unwrap().join("\n");
    assert!(
        events.starts_with("acme/infra overlays/shop (production): a pull request instead of a commit: couldn't commit to the branch main"),
        "{events}"
    );
}
