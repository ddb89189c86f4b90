//! `publish: api`: the same work through GitHub's API, and no repository fetched.

use serde_json::json;

use super::*;
use crate::servers::http1::Reply;

const HELM: &str = "image:\n  repository: ghcr.io/acme/web\n  tag: \"1.9\"\n";
const MANIFEST: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: a, image: 'web:1.9'}\n";

/// Paths with bytes.
type Files<'f> = &'f [(&'f str, &'f [u8])];

fn by_api() -> Vec<Entry> {
    entries("- {repository: acme/infra, path: overlays/shop, environment: production, publish: api}")
}

fn by(way: &str, rest: &str) -> Vec<Entry> {
    entries(&format!("- {{repository: acme/infra, environment: production, publish: {way}, {rest}}}"))
}

/// Requests to GitHub's API since there were so many of them.
fn since(world: &World, before: usize) -> Vec<String> {
    world.github.requests()[before..].iter().map(crate::servers::Recorded::line).collect()
}

#[tokio::test]
async fn a_pull_request_takes_few_requests_and_a_second_run_writes_nothing() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    assert_eq!(state(&world.run(&by_api(), "1.10").await[0]), State::Opened);
    let mut requests = since(&world, 0);
    // Asked at the same time: which are there, and whether the token may open one.
    requests[2..4].sort_unstable();
    insta::assert_snapshot!(requests.join("\n"), @"
    GET /api/v3/repos/acme/infra
    POST /api/graphql
    GET /api/v3/repos/acme/infra/pulls?state=open&per_page=100&page=1
    POST /api/v3/repos/acme/infra/pulls
    POST /api/v3/repos/acme/infra/git/trees
    POST /api/v3/repos/acme/infra/git/commits
    POST /api/v3/repos/acme/infra/git/refs
    POST /api/v3/repos/acme/infra/pulls
    ");
    assert_eq!(repository.read(BRANCH, FILE).unwrap(), KUSTOMIZATION.replace("'1.9'", "'1.10'").as_bytes());
    assert_eq!(repository.git(&["diff", "--name-only", "main", BRANCH]), FILE);
    assert_eq!(repository.log(BRANCH), ["Deploy shop v1.10 to production", "First commit"]);
    assert_eq!(world.written().len(), 2, "{:?}", world.written());
    let events = world.events.lock().unwrap().join("\n");
    assert!(events.contains(" (verified) to tagboat/shop/production"), "{events}");

    let (before, writes, head) = (world.github.requests().len(), world.github.writes().len(), repository.head(BRANCH));
    let outcome = world.run(&by_api(), "1.10").await.remove(0);
    assert_eq!((state(&outcome), outcome.result.unwrap().commit), (State::Proposed, head.clone()));
    assert_eq!((world.github.writes().len(), since(&world, before).len()), (writes, 3), "{:?}", since(&world, before));
    assert_eq!((repository.head(BRANCH), world.fetches()), (head, 0), "nothing is fetched");
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named_as_the_server_names_it() {
    let world = World::new();
    world.repository("acme/infra");
    let reply = Reply::json(403, &json!({ "message": "Resource not accessible by personal access token" }));
    let reply = reply.with("X-Accepted-GitHub-Permissions", "contents=write");
    world.github.proxy().on(|request| request.path().ends_with("/git/trees") && request.method == "POST").fault(Fault::Reply(reply));
    let error = world.run(&by_api(), "1.10").await.remove(0).result.unwrap_err();
    assert_eq!(error.hint(), "give the token in `infra-token` this permission on the repository: contents=write");
    assert_eq!(world.written(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_that_may_not_push_is_found_while_nothing_is_written_yet() {
    let world = World::new();
    world.repository("acme/infra");
    // The API tells that the token's owner may push, and not that this token may not.
    world.git.proxy().on(|request| request.target.ends_with("service=git-receive-pack")).fault(Fault::Reply(Reply::new(403, "Forbidden")));
    for entries in [by_api(), production()] {
        let error = world.verb_with(world.git.token()).plan(&entries, &images("1.10")).await.remove(0).unwrap_err();
        assert_eq!(error.to_string(), "couldn't change acme/infra: the token may read it but not push to it");
        assert!(error.hint().contains("`contents: write`"), "{}", error.hint());
    }
    assert_eq!((world.github.writes(), world.written()), (vec![], vec![]));
}

#[tokio::test]
async fn a_token_that_may_not_open_pull_requests_is_found_while_nothing_is_written_yet() {
    let world = World::new();
    world.repository("acme/infra");
    let reply = Reply::json(403, &json!({ "message": "Resource not accessible by personal access token" }));
    let reply = reply.with("X-Accepted-GitHub-Permissions", "pull_requests=write");
    world.github.proxy().on(|request| request.path().ends_with("/pulls") && request.method == "POST").fault(Fault::Reply(reply));
    for entries in [by_api(), production()] {
        let error = world.verb_with(world.git.token()).plan(&entries, &images("1.10")).await.remove(0).unwrap_err();
        assert_eq!(error.to_string(), "couldn't change acme/infra: the token may push to it but not open pull requests");
        assert_eq!(error.hint(), "give the token in `infra-token` this permission on the repository: pull_requests=write");
    }
    assert_eq!((world.github.writes(), world.written()), (vec![], vec![]));
}

#[tokio::test]
async fn nothing_to_change_takes_two_requests() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    assert_eq!(state(&world.run(&by_api(), "1.9").await[0]), State::Nothing);
    assert_eq!((since(&world, 0).len(), world.github.writes(), world.written()), (2, vec![], vec![]));
    assert_eq!((repository.branches(), world.fetches()), (vec!["main".to_owned()], 0));
}

#[tokio::test]
async fn a_branch_is_made_anew_on_its_base_and_a_persons_commit_stays() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    world.github.leave_unsigned("acme/infra");
    world.run(&by_api(), "1.10").await;
    repository.commit("main", &[("README.md", b"new\n")], "Somebody's change");
    assert_eq!(state(&world.run(&by_api(), "2.0.0").await[0]), State::Updated);
    assert_eq!(repository.log(BRANCH), ["Deploy shop v1.10 to production", "Somebody's change", "First commit"]);
    assert!(world.events.lock().unwrap().join("\n").contains(" (unsigned) to "));
    // What git finds there is known to it as ours, and the other way round.
    assert_eq!(state(&world.run(&production(), "2.0.0").await[0]), State::Proposed);
    assert_eq!(state(&world.run(&production(), "2.0.1").await[0]), State::Updated);
    assert_eq!(state(&world.run(&by_api(), "2.0.2").await[0]), State::Updated);

    let foreign = repository.commit(BRANCH, &[("README.md", b"mine\n")], "Somebody's commit on our branch");
    let error = world.run(&by_api(), "3.0.0").await.remove(0).result.unwrap_err();
    assert!(matches!(error, infra::Error::ForeignCommit { .. }), "{error}");
    // The token's owner is a person here: the same name on a commit of another content is not ours either.
    let tree = repository.git(&["rev-parse", "main^{tree}"]);
    let message = repository.git(&["show", "--no-patch", "--format=%B", &format!("{BRANCH}~1")]);
    let amended = repository.git(&[
        "-c",
        "user.name=tagboat-bot",
        "-c",
        "user.email=1+tagboat-bot@users.noreply.github.com",
        "commit-tree",
        &tree,
        "-p",
        "main",
        "-m",
        &message,
    ]);
    repository.git(&["update-ref", &format!("refs/heads/{BRANCH}"), &amended, &foreign]);
    let error = world.run(&by_api(), "3.0.0").await.remove(0).result.unwrap_err();
    assert!(matches!(error, infra::Error::ForeignCommit { .. }), "{error}");
    assert_eq!(repository.head(BRANCH).unwrap(), amended);
}

#[tokio::test]
async fn a_commit_that_appears_between_reading_and_writing_is_not_overwritten() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    world.run(&by_api(), "1.10").await;
    let verb = world.verb_with(world.git.token());
    let prepared = verb.plan(&by_api(), &images("1.11")).await.remove(0).unwrap();
    let foreign = repository.commit(BRANCH, &[("README.md", b"mine\n")], "Somebody's commit on our branch");
    let error = verb.publish(vec![prepared], &images("1.11"), &|_| {}).await.remove(0).result.unwrap_err();
    assert!(matches!(error, infra::Error::ForeignCommit { .. }), "{error}");
    assert_eq!(repository.head(BRANCH).unwrap(), foreign);
}

/// Runs every entry through both ways, in repositories of the same content; gives the tree of each.
async fn both_ways(files: Files<'_>, rest: &str, content: infra::Content, publish: Publish) -> [String; 2] {
    let mut trees = Vec::new();
    for way in ["git", "api"] {
        let world = World { publish, ..World::new() };
        let repository = world.git.create_repository("acme/infra", files);
        let executable = repository.git(&["ls-tree", "-r", "--name-only", "main"]).lines().any(|path| path.ends_with("run.yaml"));
        if executable {
            make_executable(&repository, "k/run.yaml");
        }
        world.github.add_repository("acme/infra", &repository);
        let verb = world.verb_of(content.clone());
        let outcome = verb.run(&by(way, rest), &images("1.10"), &|_| {}).await.remove(0);
        let head = match publish {
            Publish::Commit => "main",
            Publish::PullRequest => BRANCH,
        };
        assert!(matches!(state(&outcome), State::Opened | State::Committed), "{way}: {outcome:?}");
        assert_eq!(world.fetches() == 0, way == "api");
        trees.push(repository.git(&["ls-tree", "-r", "-t", head]));
    }
    trees.try_into().unwrap()
}

fn make_executable(repository: &RepositoryHandle, path: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(repository.path()).args(args).env("GIT_INDEX_FILE", scratch.path().join("index"));
        git.envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@b"), ("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@b")]);
        let output = git.output().unwrap();
        assert!(output.status.success(), "{args:?} {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    run(&["read-tree", "main"]);
    let blob = run(&["rev-parse", &format!("main:{path}")]);
    run(&["update-index", "--cacheinfo", &format!("100755,{blob},{path}")]);
    let tree = run(&["write-tree"]);
    let commit = run(&["commit-tree", &tree, "-p", "main", "-m", "executable"]);
    run(&["update-ref", "refs/heads/main", &commit]);
}

#[tokio::test]
async fn every_edit_gives_the_same_tree_through_both_ways() {
    let content = infra::Content {
        variables: [("VERSION".to_owned(), "1.10".to_owned())].into(),
        rendered: [("01-a.yaml".to_owned(), format!("{}---\n{}", tagboat::render::MARK, MANIFEST))].into(),
    };
    let stale = format!("{}---\n{MANIFEST}", tagboat::render::MARK);
    // Larger than what a query gives of a file, and than what the contents API gives (1 MB).
    let large = format!("{KUSTOMIZATION}\r\n# {}\r\n", "x".repeat(1_500_000));
    let chart = "apiVersion: v2\nname: shop\nversion: 1.0.0\nappVersion: '1.9'\n";
    let template = "tag: '%%VERSION%%'\nimage: %%WEB_IMAGE%%\n";
    let kinds: [(&str, Files<'_>, &str); 9] = [
        ("kustomization", &[(FILE, KUSTOMIZATION.as_bytes()), ("a/b", b"c")], "path: overlays/shop"),
        ("a file by its name", &[(FILE, KUSTOMIZATION.as_bytes())], "path: overlays/shop/kustomization.yaml"),
        ("in the root", &[("kustomization.yaml", KUSTOMIZATION.as_bytes()), ("a", b"c")], "labels: [x]"),
        ("large", &[(FILE, large.as_bytes())], "path: overlays/shop"),
        (
            "helm",
            &[("c/Chart.yaml", chart.as_bytes()), ("c/values.yaml", HELM.as_bytes()), ("c/t/x", b"")],
            "path: c, chart-version: minor",
        ),
        ("manifests", &[("k/run.yaml", MANIFEST.as_bytes()), ("k/x/y/é.yml", MANIFEST.as_bytes()), ("k-x", b""), ("k.y", b"")], "path: k"),
        ("placeholders, below", &[("t/a/b.tmpl.yaml", template.as_bytes()), ("t/z.yaml", b"a: 1\n")], "path: t, edit: placeholders"),
        ("placeholders, new folder", &[("t/b.yaml", template.as_bytes())], "path: t, templates: {b.yaml: new/er/b.yaml}"),
        ("render", &[("r/00-old.yaml", stale.as_bytes()), ("z", b"")], "path: r, edit: render"),
    ];
    for (name, files, rest) in kinds {
        let [git, api] = both_ways(files, rest, content.clone(), Publish::PullRequest).await;
        assert_eq!(git, api, "{name}");
        let [git, api] = both_ways(files, rest, content.clone(), Publish::Commit).await;
        assert_eq!(git, api, "{name}, committed");
    }
    // The last file of a folder goes, and the folder with it.
    let nothing =
        infra::Content { rendered: [("x.yaml".to_owned(), tagboat::render::MARK.to_owned())].into(), ..infra::Content::default() };
    let [git, api] = both_ways(&[("r/00-old.yaml", stale.as_bytes())], "path: r, edit: render", nothing, Publish::Commit).await;
    assert_eq!(git, api, "removed");
}

#[tokio::test]
async fn the_mode_of_a_file_stays_through_the_api() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    make_executable(&repository, FILE);
    assert_eq!(state(&world.run(&by_api(), "1.10").await[0]), State::Opened);
    assert!(repository.git(&["ls-tree", BRANCH, FILE]).starts_with("100755 "));
}

#[tokio::test]
async fn runs_that_race_for_one_branch_end_with_one_pull_request_through_the_api() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    let entries = by_api();
    let runs = ["1.10", "1.11", "1.12", "1.13"].map(|tag| world.run(&entries, tag));
    for outcome in futures::future::join_all(runs).await.into_iter().flatten() {
        assert!(matches!(state(&outcome), State::Opened | State::Updated), "{outcome:?}");
    }
    assert_eq!((repository.branches().len(), world.github.pulls("acme/infra").len()), (2, 1));
    assert_eq!(repository.log(BRANCH).len(), 2);
}

#[tokio::test]
async fn runs_that_race_for_the_base_all_land_through_the_api() {
    let world = World { publish: Publish::Commit, ..World::new() };
    let files: Vec<(String, &[u8])> = (0..8).map(|n| (format!("e{n}/kustomization.yaml"), KUSTOMIZATION.as_bytes())).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
    let repository = world.git.create_repository("acme/infra", &files);
    world.github.add_repository("acme/infra", &repository);
    let all: Vec<Vec<Entry>> =
        (0..8).map(|n| entries(&format!("- {{repository: acme/infra, path: e{n}, environment: e{n}, publish: api}}"))).collect();
    for outcome in futures::future::join_all(all.iter().map(|entries| world.run(entries, "1.10"))).await.into_iter().flatten() {
        assert_eq!(state(&outcome), State::Committed);
    }
    assert_eq!(repository.log("main").len(), 9, "none lost, none doubled");
    for (path, _) in files {
        assert_eq!(repository.read("main", path).unwrap(), KUSTOMIZATION.replace("'1.9'", "'1.10'").as_bytes());
    }
}

#[tokio::test]
async fn a_protected_branch_names_the_way_out_through_the_api() {
    let world = World { publish: Publish::Commit, ..World::new() };
    world.repository("acme/infra");
    world.github.protect("acme/infra", "Repository rule violations found: Changes must be made through a pull request.");
    let error = world.run(&by_api(), "1.10").await.remove(0).result.unwrap_err();
    insta::assert_snapshot!(error, @"couldn't commit to the branch main of acme/infra: Repository rule violations found: Changes must be made through a pull request.");
    assert!(world.written().is_empty(), "{:?}", world.written());
}

#[tokio::test]
async fn an_answer_that_got_lost_does_not_matter_when_the_branch_is_where_it_was_to_go() {
    let world = World::new();
    world.repository("acme/infra");
    world.github.proxy().on(|r| r.method == "POST" && r.path().ends_with("/git/refs")).first(1).fault(Fault::LoseAnswer);
    assert_eq!(state(&world.run(&by_api(), "1.10").await[0]), State::Opened);
    world
        .github
        .proxy()
        .on(|r| r.method == "POST" && String::from_utf8_lossy(&r.body).contains("updateRefs"))
        .first(1)
        .fault(Fault::LoseAnswer);
    assert_eq!(state(&world.run(&by_api(), "1.11").await[0]), State::Updated);
    assert_eq!(world.github.pulls("acme/infra").len(), 1);
}

#[tokio::test]
async fn git_is_taken_where_the_api_does_not_do_and_the_plan_says_why() {
    let world = World::new();
    let files: Vec<(String, &[u8])> = (0..30).map(|n| (format!("k/{n}.yaml"), MANIFEST.as_bytes())).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
    let repository = world.git.create_repository("acme/infra", &files);
    world.github.add_repository("acme/infra", &repository);
    let verb = world.verb_with(world.git.token());
    let way = |plan: infra::Plan| plan.way.unwrap_or_default();
    let auto = by("auto", "path: k");
    assert_eq!(
        way(verb.plan(&auto, &images("1.10")).await.remove(0).unwrap().plan),
        "through GitHub's API: the server has one, and there is a token"
    );
    assert_eq!(world.fetches(), 0);
    world.github.cut_listings("acme/infra", 7);
    assert_eq!(way(verb.plan(&auto, &images("1.10")).await.remove(0).unwrap().plan), "through git: the API cuts off the listing of k");
}
