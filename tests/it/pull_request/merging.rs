//! `auto-merge`: what the server lets wait, what it wants merged at once, and what it refuses.

use super::*;
use crate::servers::github::{Merging, Queue};

fn automatic() -> Vec<Entry> {
    entries("- {repository: acme/infra, path: overlays/shop, environment: production, auto-merge: squash}")
}

#[tokio::test]
async fn a_pull_request_that_has_to_wait_merges_by_itself_and_a_second_run_writes_nothing() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    let outcome = world.run(&automatic(), "1.10").await.remove(0);
    let done = outcome.result.unwrap();
    assert_eq!((done.state, done.automatic, done.warnings.len()), (State::Opened, true, 0));
    assert_eq!(pull(&world).automatic.as_deref(), Some("SQUASH"));
    let writes = world.github.writes();
    assert!(world.github.requests().iter().all(|r| r.path().starts_with("/api/v3/") || r.path() == "/api/graphql"));
    let done = world.run(&automatic(), "1.10").await.remove(0).result.unwrap();
    assert_eq!((done.state, done.automatic), (State::Proposed, true));
    assert_eq!(done.commit, repository.head(BRANCH));
    assert_eq!(world.github.writes(), writes);
}

#[tokio::test]
async fn the_method_is_the_one_that_is_asked_for_and_another_one_is_changed() {
    let world = World::new();
    world.repository("acme/infra");
    for method in ["squash", "merge", "rebase"] {
        let entry = entries(&format!("- {{repository: acme/infra, path: overlays/shop, environment: production, auto-merge: {method}}}"));
        let done = world.run(&entry, "1.10").await.remove(0).result.unwrap();
        assert_eq!((done.automatic, done.warnings), (true, vec![]));
        assert_eq!(pull(&world).automatic, Some(method.to_ascii_uppercase()));
    }
}

#[tokio::test]
async fn what_has_nothing_to_wait_for_is_merged_at_once() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    world.github.set_merging("acme/infra", Merging::Clean, Queue::None);
    let outcome = world.run(&automatic(), "1.10").await.remove(0);
    assert_eq!(state(&outcome), State::Merged);
    assert!(pull(&world).merged);
    assert_eq!(repository.read("main", FILE).unwrap(), KUSTOMIZATION.replace("'1.9'", "'1.10'").as_bytes());
    assert_eq!(state(&world.run(&automatic(), "1.10").await[0]), State::Nothing);
}

#[tokio::test]
async fn a_merge_queue_decides_about_the_method() {
    let world = World::new();
    world.repository("acme/infra");
    world.github.set_merging("acme/infra", Merging::Clean, Queue::Required);
    let done = world.run(&automatic(), "1.10").await.remove(0).result.unwrap();
    assert_eq!((done.automatic, done.warnings), (true, vec![]));
    assert_eq!(pull(&world).automatic.as_deref(), Some("queue"));
    let writes = world.github.writes();
    world.run(&automatic(), "1.10").await;
    assert_eq!(world.github.writes(), writes);
}

#[tokio::test]
async fn a_repository_that_allows_no_automatic_merging_is_a_warning_that_says_what_to_do() {
    let world = World::new();
    world.repository("acme/infra");
    world.github.set_merging("acme/infra", Merging::Forbidden, Queue::None);
    let done = world.run(&automatic(), "1.10").await.remove(0).result.unwrap();
    assert_eq!((done.state, done.automatic), (State::Opened, false));
    insta::assert_snapshot!(done.warnings.join("\n"), @r#"acme/infra#41: auto-merge squash not turned on: couldn't query 127.0.0.1: Auto merge is not allowed for this repository; turn on "Allow auto-merge" in the settings of the repository, or take `auto-merge` out of the input `infra`"#);
    world.github.set_merging("acme/infra", Merging::Ignored, Queue::None);
    let done = world.run(&automatic(), "1.10").await.remove(0).result.unwrap();
    assert_eq!(done.warnings, ["acme/infra#41: the server took the wish to merge it and did nothing"]);
}
