//! What GitHub's API may answer besides what was asked for.

use serde_json::{Value, json};

use super::*;
use crate::servers::Recorded;
use crate::servers::http1::Reply;

fn by_api() -> Vec<Entry> {
    entries("- {repository: acme/infra, path: overlays/shop, environment: production, publish: api}")
}

/// The request that opens the pull request; the question before it names one branch twice.
fn opens(request: &Recorded) -> bool {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    request.method == "POST" && request.path().ends_with("/pulls") && body["head"] != body["base"]
}

fn is_query(request: &Recorded, text: &str) -> bool {
    request.path().ends_with("/graphql") && String::from_utf8_lossy(&request.body).contains(text)
}

async fn said(world: &World, entries: &[Entry]) -> String {
    let error = world.run(entries, "1.11").await.remove(0).result.unwrap_err();
    format!("{error}\n{}", error.hint())
}

#[tokio::test]
async fn each_reason_of_a_refusal_is_shown() {
    let world = World::new();
    world.repository("acme/infra");
    let body = json!({
        "message": "Validation Failed",
        "errors": [
            { "resource": "PullRequest", "code": "custom", "message": "The head commit is unknown" },
            { "resource": "PullRequest", "field": "base", "code": "invalid" },
            "a reason without a form",
        ],
    });
    world.github.proxy().on(opens).fault(Fault::Reply(Reply::json(422, &body)));
    insta::assert_snapshot!(said(&world, &by_api()).await, @"
    couldn't POST /repos/acme/infra/pulls of 127.0.0.1: 422: Validation Failed: The head commit is unknown: PullRequest base invalid: a reason without a form
    the server refuses the values; the reason is above
    ");
}

#[tokio::test]
async fn a_setting_that_keeps_workflows_from_opening_pull_requests_is_named_before_anything_is_written() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    let message = json!({ "message": "GitHub Actions is not permitted to create or approve pull requests." });
    let opening = |request: &Recorded| request.method == "POST" && request.path().ends_with("/pulls");
    world.github.proxy().on(opening).fault(Fault::Reply(Reply::json(403, &message)));
    insta::assert_snapshot!(said(&world, &by_api()).await, @r#"
    couldn't change acme/infra: the token may push to it but not open pull requests
    turn on "Allow GitHub Actions to create and approve pull requests" in the settings of the repository and its organization (Actions, General), or use another token
    "#);
    assert_eq!((repository.branches().len(), world.written()), (1, vec![]));
}

#[tokio::test]
async fn a_comment_whose_answer_gets_lost_is_not_written_twice() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    world.run(&by_api(), "1.10").await;
    repository.commit("main", &[(FILE, KUSTOMIZATION.replace("'1.9'", "'1.10'").as_bytes())], "By hand");
    world.github.proxy().on(|request| request.path().ends_with("/comments")).fault(Fault::LoseAnswer);
    let outcome = world.run(&by_api(), "1.10").await.remove(0);
    assert_eq!(state(&outcome), State::Closed);
    assert_eq!((pull(&world).open, pull(&world).comments.len(), repository.branches()), (false, 1, vec!["main".to_owned()]));
    let done = outcome.result.unwrap();
    assert_eq!(done.closed.len(), 1);
    insta::assert_snapshot!(done.warnings.join("\n"), @"acme/infra#41 closed without a comment: couldn't reach 127.0.0.1 for POST /repos/acme/infra/issues/41/comments; check the network, the proxy and `ca-bundle`; then run it again");
}

#[tokio::test]
async fn a_pull_request_that_is_not_known_everywhere_yet_gets_what_belongs_to_it() {
    let world = World::new();
    world.repository("acme/infra");
    let unknown = json!({ "message": "Validation Failed", "errors": ["Could not resolve to a node with the global id of 'PR_kwDO'."] });
    for end in ["/labels", "/assignees", "/requested_reviewers"] {
        world.github.proxy().on(move |request| request.path().ends_with(end)).first(1).fault(Fault::Reply(Reply::json(422, &unknown)));
    }
    let entries = entries(
        "- {repository: acme/infra, path: overlays/shop, environment: production, publish: api, labels: [deploy], assignees: [bob], reviewers: [ada]}",
    );
    let outcome = world.run(&entries, "1.10").await.remove(0);
    assert_eq!(outcome.result.unwrap().warnings, Vec::<String>::new());
    let pull = pull(&world);
    assert_eq!((pull.labels, pull.assignees, pull.reviewers), (vec!["deploy".to_owned()], vec!["bob".to_owned()], vec!["ada".to_owned()]));
}

#[tokio::test]
async fn what_moves_between_reading_and_writing_is_not_followed_with_a_write() {
    let world = World::new();
    world.repository("acme/infra");
    let moved =
        Reply::new(307, r#"{"message": "Moved Permanently"}"#).with("Location", format!("{}/repositories/7/pulls", world.github.url()));
    world.github.proxy().on(opens).fault(Fault::Reply(moved));
    insta::assert_snapshot!(said(&world, &by_api()).await, @"
    couldn't POST /repos/acme/infra/pulls of 127.0.0.1: 307: Moved Permanently
    the repository has moved: put its present name into `repository` of the input `infra`
    ");
    assert!(world.github.requests().iter().all(|request| !request.path().contains("/repositories/")));
}

#[tokio::test]
async fn a_repository_with_a_new_name_is_told_by_it() {
    let world = World::new();
    world.repository("acme/infra");
    let moved = Reply::new(301, r#"{"message": "Moved Permanently"}"#).with("Location", format!("{}/repositories/7", world.github.url()));
    world.github.proxy().on(|request| request.path().ends_with("/repos/acme/infra")).fault(Fault::Reply(moved));
    let renamed = json!({ "full_name": "acme/infrastructure", "default_branch": "main" });
    world.github.proxy().on(|request| request.path().ends_with("/repositories/7")).fault(Fault::Reply(Reply::json(200, &renamed)));
    insta::assert_snapshot!(said(&world, &by_api()).await, @"
    couldn't find acme/infra any more: it is acme/infrastructure now
    put acme/infrastructure into `repository` of the input `infra`
    ");
    assert_eq!((world.github.writes(), world.written()), (vec![], vec![]));
}

#[tokio::test]
async fn a_rate_limit_of_an_hour_is_not_waited_for_and_said_to_be_one() {
    let world = World::new();
    world.repository("acme/infra");
    let limit = |status| {
        let message = json!({ "message": "API rate limit exceeded for installation ID 4711." });
        Reply::json(status, &message).with("X-Accepted-GitHub-Permissions", "contents=write")
    };
    let an_hour = (std::time::SystemTime::now() + Duration::from_secs(3590)).duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let replies = [
        limit(429).with("Retry-After", "3600"),
        limit(403).with("Retry-After", "3600"),
        limit(403).with("X-RateLimit-Remaining", "0").with("X-RateLimit-Reset", an_hour.to_string()),
    ];
    for reply in replies {
        for entries in [by_api(), production()] {
            let world = World { publish: Publish::Commit, ..World::new() };
            world.repository("acme/infra");
            world.github.proxy().on(|request| request.path().ends_with("/repos/acme/infra")).fault(Fault::Reply(reply.clone()));
            let said = said(&world, &entries).await;
            assert!(said.contains("API rate limit exceeded") && said.contains("run it again in 60 minutes"), "{said}");
            assert_eq!(world.github.requests().len(), 1, "nobody waits for an hour");
        }
        // A limit is no rule of the branch, for which a pull request would be the way out.
        let world = World { publish: Publish::Commit, ..World::new() };
        let repository = world.repository("acme/infra");
        world.github.proxy().on(|request| request.method == "PATCH").fault(Fault::Reply(reply.clone()));
        let proposing =
            "- {repository: acme/infra, path: overlays/shop, environment: production, publish: api, on-protected: pull-request}";
        let said = said(&world, &entries(proposing)).await;
        assert!(said.contains("run it again in 60 minutes"), "{said}");
        assert_eq!((repository.branches(), world.written()), (vec!["main".to_owned()], vec![]));
    }
    // Queries are refused with 200.
    let limited = json!({ "errors": [{ "type": "RATE_LIMITED", "message": "API rate limit exceeded for user ID 7." }] });
    world.github.proxy().on(|request| is_query(request, "")).fault(Fault::Reply(Reply::json(200, &limited)));
    insta::assert_snapshot!(said(&world, &by_api()).await, @"
    couldn't query 127.0.0.1: API rate limit exceeded for user ID 7.
    run it again later; what was done already is found and not repeated
    ");
}

#[tokio::test]
async fn a_server_that_is_too_old_for_a_query_is_worked_with_through_git() {
    let world = World::new();
    world.repository("acme/infra");
    let too_old = |field: &str, kind: &str| {
        let message = format!("Field '{field}' doesn't exist on type '{kind}'");
        Fault::Reply(Reply::json(200, &json!({ "errors": [{ "message": message, "extensions": { "code": "undefinedField" } }] })))
    };
    // Its branches can't be moved with a condition: nothing is done by half, and the way out is named.
    world.run(&by_api(), "1.10").await;
    world.github.proxy().on(|request| is_query(request, "updateRefs")).fault(too_old("updateRefs", "Mutation"));
    insta::assert_snapshot!(said(&world, &by_api()).await, @"
    couldn't query 127.0.0.1: Field 'updateRefs' doesn't exist on type 'Mutation'
    the server is too old for this: use `publish: git` in the input `infra`, and no `auto-merge`
    ");

    world.github.proxy().on(|request| is_query(request, "")).fault(too_old("file", "Commit"));
    let auto = entries("- {repository: acme/infra, path: overlays/shop, environment: production, publish: auto}");
    let plan = world.verb_with(world.git.token()).plan(&auto, &images("1.11")).await.remove(0).unwrap().plan;
    insta::assert_snapshot!(plan.way.unwrap(), @"through git: couldn't query 127.0.0.1: Field 'file' doesn't exist on type 'Commit'");
    assert_eq!(state(&world.run(&auto, "1.11").await[0]), State::Updated);
    insta::assert_snapshot!(said(&world, &by_api()).await, @"
    couldn't query 127.0.0.1: Field 'file' doesn't exist on type 'Commit'
    the server is too old for this: use `publish: git` in the input `infra`, and no `auto-merge`
    ");
}

#[tokio::test]
async fn a_listing_that_is_cut_off_is_read_folder_by_folder_where_nothing_but_the_api_may_be_used() {
    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: a, image: 'web:1.9'}\n";
    let world = World::new();
    let files: Vec<(String, &[u8])> = (0..18).map(|n| (format!("k/{}/{n}.yaml", n % 3), POD.as_bytes())).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
    let repository = world.git.create_repository("acme/infra", &files);
    world.github.add_repository("acme/infra", &repository);
    world.github.cut_listings("acme/infra", 7);
    let entries = entries("- {repository: acme/infra, environment: production, publish: api, path: k}");
    assert_eq!(state(&world.run(&entries, "1.10").await[0]), State::Opened);
    for (path, _) in files {
        assert!(String::from_utf8(repository.read(BRANCH, path).unwrap()).unwrap().contains("ghcr.io/acme/web:1.10"), "{path}");
    }
}

#[tokio::test]
async fn a_repository_without_a_commit_is_told_as_such() {
    let mut told = Vec::new();
    for way in ["api", "git"] {
        let world = World::new();
        world.repository("acme/infra").git(&["update-ref", "-d", "refs/heads/main"]);
        let entries = entries(&format!("- {{repository: acme/infra, path: overlays/shop, publish: {way}}}"));
        told.push(said(&world, &entries).await.replace(&world.git.url(), "http://git"));
        assert_eq!((world.github.writes(), world.written()), (vec![], vec![]));
    }
    insta::assert_snapshot!(told.join("\n"), @"
    couldn't find the branch main in acme/infra
    check `base` in the input `infra`, or push a first commit
    couldn't find the branch main in http://git/acme/infra.git
    check `base` in the input `infra`, or push a first commit
    ");
}

#[tokio::test]
async fn names_of_repositories_do_not_differ_by_case() {
    for (way, publish) in [("api", Publish::Commit), ("git", Publish::Commit), ("api", Publish::PullRequest), ("git", Publish::PullRequest)]
    {
        let world = World { publish, ..World::new() };
        let files = ["a", "b", "c"].map(|name| (format!("{name}/kustomization.yaml"), KUSTOMIZATION));
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
        let repository = world.git.create_repository("acme/infra", &files);
        world.github.add_repository("acme/infra", &repository);
        let entry = |slug: &str, path: &str| format!("- {{repository: {slug}, path: {path}, environment: {path}, publish: {way}}}\n");
        let entries = entries(&[entry("Acme/Infra", "a"), entry("acme/infra", "b"), entry("ACME/infra", "c")].concat());
        for second in [false, true] {
            for outcome in world.run(&entries, "1.10").await {
                let expected: &[State] = match (publish, second) {
                    (Publish::Commit, false) => &[State::Committed],
                    (Publish::Commit, true) => &[State::Nothing],
                    (Publish::PullRequest, false) => &[State::Opened],
                    (Publish::PullRequest, true) => &[State::Proposed],
                };
                assert!(expected.contains(&state(&outcome)), "{way}: {outcome:?}");
            }
        }
        match publish {
            Publish::Commit => assert_eq!(repository.log("main").len(), 4),
            Publish::PullRequest => assert_eq!(world.github.pulls("acme/infra").len(), 3),
        }
    }
}
