//! `mode: commit`: one commit straight to the base branch.

use super::*;

impl World {
    fn committing() -> World {
        World { publish: Publish::Commit, ..World::new() }
    }
}

#[tokio::test]
async fn a_commit_goes_straight_to_the_base_and_a_second_run_writes_nothing() {
    let world = World::committing();
    let repository = world.repository("acme/infra");
    let plan = world.verb_with(world.git.token()).plan(&production(), &images("1.10")).await.remove(0).unwrap().plan;
    insta::assert_snapshot!(plan, @"
    acme/infra overlays/shop (production): commit to main
      overlays/shop/kustomization.yaml:7: web 1.9 → 1.10
    ");
    let outcome = world.run(&production(), "1.10").await.remove(0);
    assert_eq!(state(&outcome), State::Committed);
    assert_eq!(outcome.result.unwrap().to_string(), "committed to main");
    assert_eq!(repository.read("main", FILE).unwrap(), KUSTOMIZATION.replace("'1.9'", "'1.10'").as_bytes());
    assert_eq!(repository.log("main"), ["Deploy shop v1.10 to production", "First commit"]);
    assert_eq!((repository.branches(), world.written().len()), (vec!["main".to_owned()], 1));
    assert_eq!(world.github.writes(), Vec::<String>::new());

    let pushes = world.pushes();
    assert_eq!(state(&world.run(&production(), "1.10").await[0]), State::Nothing);
    assert_eq!((world.pushes(), world.written().len()), (pushes, 1));
}

/// An earlier run has proposed a version; from now on they are committed.
async fn after_a_pull_request(entries: &[Entry], version: &str) -> (World, RepositoryHandle) {
    let world = World { release: release(&format!("v{version}"), version), ..World::new() };
    let repository = world.repository("acme/infra");
    assert_eq!(state(&world.run(entries, version).await[0]), State::Opened);
    let world = World { publish: Publish::Commit, release: release("v1.10", "1.10.0"), ..world };
    (world, repository)
}

#[tokio::test]
async fn a_pull_request_that_a_commit_makes_needless_is_closed_and_a_second_run_writes_nothing() {
    for publish in ["git", "api"] {
        let entry = format!("- {{repository: acme/infra, path: overlays/shop, environment: production, publish: {publish}}}");
        let entries = entries(&entry);
        let (world, repository) = after_a_pull_request(&entries, "1.9.1").await;
        let plan = world.verb_with(world.git.token()).plan(&entries, &images("1.10")).await.remove(0).unwrap().plan;
        let url = "https://github.example/acme/infra/pull/41".to_owned();
        assert!(plan.to_string().contains(&format!("commit to main, close {url}\n")), "{plan}");

        let done = world.run(&entries, "1.10").await.remove(0).result.unwrap();
        assert_eq!((done.state, &done.closed, &done.warnings), (State::Committed, &vec![url.clone()], &vec![]));
        assert_eq!(done.to_string(), format!("committed to main; closed {url}"));
        assert_eq!((pull(&world).open, repository.branches()), (false, vec!["main".to_owned()]));
        assert_eq!(pull(&world).comments, ["Closed: `main` has everything of v1.10 already."]);

        let (writes, written) = (world.github.writes(), world.written());
        assert_eq!(state(&world.run(&entries, "1.10").await[0]), State::Nothing);
        assert_eq!((world.github.writes(), world.written()), (writes, written));
    }
}

#[tokio::test]
async fn a_run_that_ended_before_it_closed_the_pull_request_is_made_up_for() {
    let (world, repository) = after_a_pull_request(&production(), "1.10.0").await;
    repository.commit("main", &[(FILE, KUSTOMIZATION.replace("'1.9'", "'1.10'").as_bytes())], "What a run committed");
    assert_eq!(state(&world.run(&production(), "1.10").await[0]), State::Closed);
    assert!(!pull(&world).open);
}

#[tokio::test]
async fn a_pull_request_with_a_newer_release_than_the_commits_stays_open() {
    let (world, _) = after_a_pull_request(&production(), "2.0.0").await;
    let prepared = world.verb_with(world.git.token()).plan(&production(), &images("1.10")).await.remove(0).unwrap();
    insta::assert_snapshot!(prepared.plan, @"
    acme/infra overlays/shop (production): commit to main
      overlays/shop/kustomization.yaml:7: web 1.9 → 1.10
      note: https://github.example/acme/infra/pull/41 stays open: it proposes the newer 2.0.0
    ");
    assert_eq!(state(&world.run(&production(), "1.10").await[0]), State::Committed);
    assert!(pull(&world).open);
}

#[tokio::test]
async fn a_token_that_may_not_read_pull_requests_commits_and_says_what_it_leaves_open() {
    let (world, repository) = after_a_pull_request(&production(), "1.9.1").await;
    let forbid = |reply: &mut crate::servers::http1::Reply| {
        *reply = crate::servers::http1::Reply::json(403, &serde_json::json!({ "message": "Resource not accessible by integration" }));
    };
    world.github.proxy().on(|r| r.path().ends_with("/pulls") && r.method == "GET").fault(Fault::tamper(forbid));
    let prepared = world.verb_with(world.git.token()).plan(&production(), &images("1.10")).await.remove(0).unwrap();
    insta::assert_snapshot!(prepared.plan, @"
    acme/infra overlays/shop (production): commit to main
      overlays/shop/kustomization.yaml:7: web 1.9 → 1.10
      note: the branch tagboat/shop/production and its pull request are left as they are: couldn't GET /repos/acme/infra/pulls?state=open&per_page=100&page=1 of 127.0.0.1: 403: Resource not accessible by integration; give the token in `infra-token` the permissions `contents: write` and `pull-requests: write` on this repository
    ");
    assert_eq!(state(&world.run(&production(), "1.10").await[0]), State::Committed);
    assert_eq!(repository.log("main").len(), 2);
}

#[tokio::test]
async fn a_commit_asks_for_no_pull_requests_where_none_of_ours_can_be() {
    let world = World::committing();
    world.repository("acme/infra");
    assert_eq!(state(&world.run(&production(), "1.10").await[0]), State::Committed);
    let asked: Vec<String> = world.github.requests().iter().map(|request| request.line()).collect();
    insta::assert_snapshot!(asked.join("\n"), @"
    GET /api/v3/repos/acme/infra
    GET /api/v3/repos/acme/infra/rules/branches/main?per_page=100
    ");
}

#[tokio::test]
async fn runs_that_race_for_the_base_all_land() {
    let world = World::committing();
    let files: Vec<(String, &[u8])> = (0..12).map(|n| (format!("e{n}/kustomization.yaml"), KUSTOMIZATION.as_bytes())).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
    let repository = world.git.create_repository("acme/infra", &files);
    world.github.add_repository("acme/infra", &repository);
    let all: Vec<Vec<Entry>> = (0..12).map(|n| entries(&format!("- {{repository: acme/infra, path: e{n}, environment: e{n}}}"))).collect();
    let runs = all.iter().map(|entries| world.run(entries, "1.10"));
    for outcome in futures::future::join_all(runs).await.into_iter().flatten() {
        assert_eq!(state(&outcome), State::Committed);
    }
    assert_eq!(repository.log("main").len(), 13, "none lost, none doubled");
    for (path, _) in files {
        assert_eq!(repository.read("main", path).unwrap(), KUSTOMIZATION.replace("'1.9'", "'1.10'").as_bytes());
    }
}

#[tokio::test]
async fn a_base_that_moves_under_our_hands_is_read_again_and_nothing_of_it_is_lost() {
    let world = World::committing();
    let repository = world.repository("acme/infra");
    let verb = world.verb_with(world.git.token());
    let prepared = verb.plan(&production(), &images("1.10")).await.remove(0).unwrap();
    repository.commit("main", &[(FILE, KUSTOMIZATION.replace("\"7\"", "\"8\"").as_bytes())], "Newer redis");
    let outcomes = verb.publish(vec![prepared], &images("1.10"), &|_| {}).await;
    assert_eq!(state(&outcomes[0]), State::Committed);
    let expected = KUSTOMIZATION.replace("'1.9'", "'1.10'").replace("\"7\"", "\"8\"");
    assert_eq!(repository.read("main", FILE).unwrap(), expected.as_bytes());
    assert_eq!(repository.log("main"), ["Deploy shop v1.10 to production", "Newer redis", "First commit"]);

    // Somebody else brought it there meanwhile: nothing is left to commit.
    let prepared = verb.plan(&production(), &images("1.11")).await.remove(0).unwrap();
    repository.commit("main", &[(FILE, expected.replace("'1.10'", "'1.11'").as_bytes())], "By hand");
    let outcomes = verb.publish(vec![prepared], &images("1.11"), &|_| {}).await;
    assert_eq!((state(&outcomes[0]), repository.log("main").len()), (State::Nothing, 4));
}

#[tokio::test]
async fn a_protected_branch_names_the_way_out() {
    let world = World::committing();
    let repository = world.repository("acme/infra");
    repository.reject_pushes("GH006: Protected branch update failed for refs/heads/main.");
    let error = world.run(&production(), "1.10").await.remove(0).result.unwrap_err();
    insta::assert_snapshot!(format!("{error}\n{}\nexit {}", error.hint(), error.exit().code()), @"
    couldn't commit to the branch main of acme/infra: pre-receive hook declined; the server said: GH006: Protected branch update failed for refs/heads/main.
    use `mode: pull-request`, set `on-protected: pull-request` in the input `infra`, or let the owner of `infra-token` push to this branch in its protection rules
    exit 3
    ");
    assert_eq!((repository.log("main").len(), world.written().len()), (1, 0));
}
