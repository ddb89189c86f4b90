//! Pull requests in infrastructure repositories: the real git over HTTP, and GitHub's API as GitHub describes it.

#![allow(clippy::unwrap_used, reason = "what a test can't go on without ends it")]

mod answers;
mod api;
mod bench;
mod commit;
mod gitea;
mod lifecycle;
mod merging;
mod paths;
mod protection;
mod races;
mod traps;
mod updating;
mod wording;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use tagboat::error::{Exit, Explain as _};
use tagboat::image::Reference;
use tagboat::infra::{self, Downgrades, Entry, ImagePin, Infra, Outcome, Publish, Release, Settings, State, Through, default_author};
use tagboat::journal::Journal;
use tagboat::{forge, git, http};

use crate::servers::github::PullRequest;
use crate::servers::{Fault, GitHub, GitServer, RepositoryHandle};

const FILE: &str = "overlays/shop/kustomization.yaml";
const KUSTOMIZATION: &str = "# images of the shop\r\nresources:\r\n  - ../../base\r\nimages:\r\n  - name: web # by the frontend team\r\n    newName: ghcr.io/acme/web\r\n    newTag: '1.9'\r\n  - {name: redis, newTag: \"7\"}\r\n\r\n# end";
const BRANCH: &str = "tagboat/shop/production";

/// Both servers, and what the verb noted.
struct World {
    git: GitServer,
    github: GitHub,
    journal: Journal,
    events: Arc<Mutex<Vec<String>>>,
    publish: Publish,
    release: Release,
    downgrades: Downgrades,
}

impl World {
    fn new() -> World {
        let git = GitServer::start();
        let github = GitHub::start(git.token());
        World {
            git,
            github,
            journal: Journal::default(),
            events: Arc::default(),
            publish: Publish::PullRequest,
            release: release("v1.10", "1.10.0"),
            downgrades: Downgrades::Refuse,
        }
    }

    fn repository(&self, slug: &str) -> RepositoryHandle {
        let repository = self.git.create_repository(slug, &[(FILE, KUSTOMIZATION.as_bytes()), ("README.md", b"infra\n")]);
        self.github.add_repository(slug, &repository);
        repository
    }

    fn verb_with(&self, token: &str) -> Infra {
        self.verb_for("shop", token)
    }

    fn verb_for(&self, app: &str, token: &str) -> Infra {
        self.verb(app, token, infra::Content::default())
    }

    fn verb_of(&self, content: infra::Content) -> Infra {
        self.verb("shop", self.git.token(), content)
    }

    fn verb(&self, app: &str, token: &str, content: infra::Content) -> Infra {
        http::install_tls_provider();
        let client = http::client(&http::Settings::default()).unwrap();
        let settings = Settings {
            app: app.into(),
            release: self.release.clone(),
            publish: self.publish,
            content,
            author: default_author(),
            server: self.git.url().parse().unwrap(),
            tokens: Some(SecretString::from(token)).into(),
            downgrades: self.downgrades,
            workspace: "/".into(),
        };
        let api = self.github.url().parse().unwrap();
        let home = forge::Home::new(client.clone(), settings.server.clone(), &api, settings.tokens.clone()).unwrap();
        let forges = forge::Forges::new(client.clone(), home, settings.tokens.clone());
        Infra::new(settings, git::Client::new(client, Duration::from_secs(60)), forges, self.journal.clone())
    }

    async fn run(&self, entries: &[Entry], tag: &str) -> Vec<Outcome> {
        self.run_with(self.git.token(), entries, tag).await
    }

    async fn run_with(&self, token: &str, entries: &[Entry], tag: &str) -> Vec<Outcome> {
        let events = self.events.clone();
        let progress = move |event: infra::Event| events.lock().unwrap().push(event.to_string());
        self.verb_with(token).run(entries, &images(tag), &progress).await
    }

    fn written(&self) -> Vec<String> {
        self.journal.changes().iter().map(ToString::to_string).collect()
    }

    /// Requests to the git server that fetch.
    fn fetches(&self) -> usize {
        self.git.requests().iter().filter(|request| request.target.contains("git-upload-pack")).count()
    }

    /// Requests to the git server that push.
    fn pushes(&self) -> usize {
        self.git.requests().iter().filter(|request| request.path().ends_with("/git-receive-pack")).count()
    }
}

fn release(name: &str, version: &str) -> Release {
    Release { name: name.into(), version: version.parse().ok(), ..Release::default() }
}

fn images(tag: &str) -> Vec<ImagePin> {
    let repository = "ghcr.io/acme/web".parse::<Reference>().unwrap().repository();
    vec![ImagePin { service: "web".into(), name: "web".into(), repository, tag: tag.parse().unwrap(), digest: None }]
}

/// Entries that are published through git, unless they say something else.
fn entries(text: &str) -> Vec<Entry> {
    let mut entries = match infra::entries(text) {
        Ok(entries) => entries,
        Err(problems) => panic!("{problems:?}"),
    };
    if !text.contains("publish:") {
        entries.iter_mut().for_each(|entry| entry.through = Through::Git);
    }
    entries
}

fn production() -> Vec<Entry> {
    entries("- {repository: acme/infra, path: overlays/shop, environment: production}")
}

fn state(outcome: &Outcome) -> State {
    match &outcome.result {
        Ok(done) => done.state,
        Err(error) => panic!("{}: {error:?}", outcome.place),
    }
}

fn pull(world: &World) -> PullRequest {
    let [pull] = world.github.pulls("acme/infra").try_into().unwrap();
    pull
}

#[tokio::test]
async fn two_environments_get_their_pull_requests_and_a_second_run_writes_nothing() {
    let world = World::new();
    let (acceptance, production) = (world.repository("acme/infra-acceptance"), world.repository("acme/infra-production"));
    let entries = entries(
        "- {repository: acme/infra-acceptance, path: overlays/shop, environment: acceptance, draft: true}\n\
         - {repository: acme/infra-production, path: overlays/shop, environment: production, labels: [deploy], reviewers: [ada, tagboat-bot], team-reviewers: [acme/ops], assignees: [bob]}",
    );
    let outcomes = world.run(&entries, "1.10").await;
    assert_eq!(outcomes.iter().map(state).collect::<Vec<_>>(), [State::Opened, State::Opened]);

    let expected = KUSTOMIZATION.replace("'1.9'", "'1.10'");
    assert_eq!(production.read(BRANCH, FILE).unwrap(), expected.as_bytes());
    assert_eq!(acceptance.read("tagboat/shop/acceptance", FILE).unwrap(), expected.as_bytes());
    assert_eq!(production.read("main", FILE).unwrap(), KUSTOMIZATION.as_bytes());
    assert_eq!(production.log(BRANCH), ["Deploy shop v1.10 to production", "First commit"]);
    assert_eq!(production.git(&["diff", "--name-only", "main", BRANCH]), FILE);
    assert!(world.github.pulls("acme/infra-acceptance")[0].draft);
    let [pull] = world.github.pulls("acme/infra-production").try_into().unwrap();
    insta::assert_snapshot!(pull.body, @"
    Deploy shop v1.10 to production

    | image | old | new | file |
    | --- | --- | --- | --- |
    | `web` | `1.9` | `1.10` | `overlays/shop/kustomization.yaml:7` |

    Release: v1.10

    <!-- tagboat:app=shop&for=production&version=1.10.0 -->
    ");
    assert_eq!((pull.labels, pull.assignees), (vec!["deploy".to_owned()], vec!["bob".to_owned()]));
    assert_eq!((pull.reviewers, pull.team_reviewers), (vec!["ada".to_owned()], vec!["ops".to_owned()]));
    assert_eq!(world.written().len(), 7, "{:?}", world.written());

    let (writes, pushes) = (world.github.writes().len(), world.pushes());
    let outcomes = world.run(&entries, "1.10").await;
    assert_eq!(outcomes.iter().map(state).collect::<Vec<_>>(), [State::Proposed, State::Proposed]);
    assert_eq!((world.github.writes().len(), world.pushes()), (writes, pushes));
    assert_eq!(world.written().len(), 7);
    let asks_for_rights_to_write = |r: &crate::servers::Recorded| r.target.contains("git-receive-pack");
    assert_eq!(world.git.requests().iter().filter(|r| asks_for_rights_to_write(r)).count(), 4, "for each push: may we, the commit");
}

#[tokio::test]
async fn nothing_to_change_leaves_no_branch_and_no_pull_request() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    let outcomes = world.run(&production(), "1.9").await;
    assert_eq!(state(&outcomes[0]), State::Nothing);
    assert_eq!(repository.branches(), ["main"]);
    assert_eq!((world.github.writes(), world.pushes(), world.written()), (vec![], 0, vec![]));
    let requests = world.github.requests().len() + world.git.requests().len();
    assert_eq!(requests, 4, "repository, what the server can, the two references, and a fetch without history");
}

#[tokio::test]
async fn an_open_pull_request_is_updated_and_never_doubled() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    world.run(&production(), "1.10").await;
    let outcomes = world.run(&production(), "2.0.0").await;
    assert_eq!(state(&outcomes[0]), State::Updated);
    let text = String::from_utf8(repository.read(BRANCH, FILE).unwrap()).unwrap();
    assert!(text.contains("newTag: '2.0.0'"), "{text}");
    assert!(pull(&world).body.contains("`2.0.0`"), "{}", pull(&world).body);
    assert_eq!(repository.log(BRANCH).len(), 2, "one commit on the base");

    // The base goes on: the branch is made anew on it.
    repository.commit("main", &[("README.md", b"new\n")], "Somebody's change");
    let outcomes = world.run(&production(), "2.0.0").await;
    assert_eq!(state(&outcomes[0]), State::Updated);
    assert_eq!(repository.log(BRANCH)[1], "Somebody's change");
    assert_eq!(pull(&world).number, 41);
}

#[tokio::test]
async fn a_pull_request_that_appears_meanwhile_is_updated() {
    let world = World::new();
    world.repository("acme/infra");
    world.run(&production(), "1.10").await;
    // The list is late, as GitHub's may be.
    let empty = |reply: &mut crate::servers::http1::Reply| reply.body = b"[]".to_vec();
    world.github.proxy().on(|r| r.path().ends_with("/pulls") && r.method == "GET").first(1).fault(Fault::tamper(empty));
    let outcomes = world.run(&production(), "2.0.0").await;
    assert_eq!(state(&outcomes[0]), State::Updated);
    assert!(pull(&world).body.contains("`2.0.0`"));
    assert!(world.github.requests().iter().any(|r| r.status == Some(422)), "GitHub refused a second one");
}

#[tokio::test]
async fn an_answer_that_gets_lost_opens_no_second_pull_request() {
    let world = World::new();
    world.repository("acme/infra");
    world.github.proxy().on(|r| r.path().ends_with("/pulls") && r.method == "POST").first(1).fault(Fault::tamper(|reply| {
        *reply = crate::servers::http1::Reply::new(502, "Bad Gateway");
    }));
    let outcomes = world.run(&production(), "1.10").await;
    assert_eq!(state(&outcomes[0]), State::Opened);
    assert_eq!(pull(&world).number, 41);
    assert!(world.written().iter().all(|line| !line.contains("no answer seen")), "{:?}", world.written());
}

#[tokio::test]
async fn one_that_fails_does_not_stop_the_others() {
    let world = World::new();
    let (rejecting, good) = (world.repository("acme/a"), world.repository("acme/b"));
    let person = world.repository("acme/c");
    world.repository("acme/d");
    world.github.archive("acme/d");
    world.repository("acme/e");
    world.github.forbid_push("acme/e");
    rejecting.reject_pushes("GH006: Protected branch update failed");
    let foreign = person.commit(BRANCH, &[("x", b"x")], "A person's work");
    let entries = entries(
        "- {repository: acme/a, path: overlays/shop, environment: production}\n\
         - {repository: acme/b, path: overlays/shop/kustomization.yaml, environment: production, reviewers: [stranger]}\n\
         - {repository: acme/c, path: overlays/shop, environment: production}\n\
         - {repository: acme/d, path: overlays/shop}\n- {repository: acme/e, path: overlays/shop}\n\
         - {repository: acme/nowhere}\n- {repository: acme/b, path: overlays, environment: x}\n\
         - {repository: acme/b, base: live, environment: y}",
    );
    let outcomes = world.run(&entries, "1.10").await;
    let lines: Vec<String> = outcomes
        .iter()
        .map(|outcome| {
            let said = match &outcome.result {
                Ok(done) => format!("{done} {:?}", done.warnings),
                Err(error) => format!("{error} (exit {}; {})", error.exit().code(), error.hint()),
            };
            format!("{}: {said}", outcome.place).replace(&world.git.url(), "http://git").replace(&foreign, "COMMIT")
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    acme/a overlays/shop (production): couldn't push tagboat/shop/production to http://git/acme/a.git: pre-receive hook declined; the server said: GH006: Protected branch update failed (exit 1; the server's hook or branch protection refuses the branch; change it there or use another token)
    acme/b overlays/shop/kustomization.yaml (production): pull request opened: https://github.example/acme/b/pull/41 ["acme/b#41: reviewers stranger not set: couldn't POST /repos/acme/b/pulls/41/requested_reviewers of 127.0.0.1: 422: Reviews may only be requested from collaborators. stranger is not a collaborator.; the server refuses the values; the reason is above"]
    acme/c overlays/shop (production): couldn't update the branch tagboat/shop/production of acme/c: its last commit COMMIT is by Ada <ada@example.org>, not by tagboat <tagboat@users.noreply.github.com> (exit 3; merge or close its pull request and delete the branch, then run again; a person's commits are never overwritten)
    acme/d overlays/shop: couldn't change acme/d: it is archived (exit 3; unarchive it, or take it out of the input `infra`)
    acme/e overlays/shop: couldn't change acme/e: the token may read it but not push to it (exit 1; give the token in `infra-token` the permissions `contents: write` and `pull-requests: write` on this repository)
    acme/nowhere: couldn't GET /repos/acme/nowhere of 127.0.0.1: 404: Not Found (exit 1; check `repository` in the input `infra`; the server also answers so when `infra-token` may not see it)
    acme/b overlays (x): couldn't find the image of the service web: looked for web and ghcr.io/acme/web in overlays/shop/kustomization.yaml (exit 2; correct `path` in the input `infra`; name the image there with `image-names: NAME: web`, its key with `values: {KEY: web}`, or name the services that are there with `services`)
    acme/b (y): couldn't find the branch live in http://git/acme/b.git (exit 1; check `base` in the input `infra`, or push a first commit)
    "#);
    assert_eq!(person.head(BRANCH).unwrap(), foreign);
    assert_eq!(rejecting.branches(), ["main"]);
    assert_eq!(good.branches(), ["main", BRANCH]);
    assert_eq!(world.written().len(), 2, "{:?}", world.written());
}

#[tokio::test]
async fn a_token_without_rights_is_told_and_never_shown() {
    let world = World::new();
    world.repository("acme/infra");
    // The API does not tell the rights of every token; then the push does.
    world.github.proxy().on(|r| r.path().ends_with("/repos/acme/infra")).fault(Fault::tamper(|reply| {
        let mut body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        body.as_object_mut().unwrap().remove("permissions");
        reply.body = body.to_string().into_bytes();
    }));
    let by_url =
        entries(&format!("- {{repository: '{}/acme/infra.git', path: overlays/shop}}", world.git.url().replace("127.0.0.1", "localhost")));
    for (token, expected) in [(world.git.read_only_token(), "403"), ("no-such-token", "401")] {
        let outcomes = world.run_with(token, &by_url, "1.10").await;
        let error = outcomes[0].result.as_ref().unwrap_err();
        let said = format!("{error} {error:?} {}", error.hint());
        assert!(said.contains(expected) && !said.contains(token), "{said}");
        assert_eq!(error.exit(), Exit::Failed);
    }
    assert_eq!(world.written(), Vec::<String>::new());
}

#[tokio::test]
async fn a_branch_that_moves_under_our_hands_is_read_again() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    let verb = world.verb_with(world.git.token());
    let first = verb.plan(&production(), &images("1.10")).await.remove(0).unwrap();
    insta::assert_snapshot!(first.plan, @"
    acme/infra overlays/shop (production): push branch tagboat/shop/production on main, open a pull request
      overlays/shop/kustomization.yaml:7: web 1.9 → 1.10
    ");
    // Another run of ours was faster, and somebody changed the base.
    world.run(&production(), "1.10.1").await;
    repository.commit("main", &[(FILE, KUSTOMIZATION.replace("\"7\"", "\"8\"").as_bytes())], "Newer redis");
    let events = world.events.clone();
    events.lock().unwrap().clear();
    let outcomes =
        verb.publish(vec![first], &images("1.10"), &move |event: infra::Event| events.lock().unwrap().push(event.to_string())).await;
    assert_eq!(state(&outcomes[0]), State::Updated);
    let text = String::from_utf8(repository.read(BRANCH, FILE).unwrap()).unwrap();
    assert!(text.contains("newTag: '1.10'") && text.contains("newTag: \"8\""), "{text}");
    let events = world.events.lock().unwrap().join("\n");
    assert!(events.starts_with("acme/infra overlays/shop (production): starting again from its new state"), "{events}");
}

#[tokio::test]
async fn a_folder_gets_its_branch_and_says_that_nobody_opens_a_pull_request_there() {
    let world = World::new();
    let repository = world.git.create_repository("local", &[("kustomization.yml", b"images:\n- name: web\n")]);
    let entries = entries(&format!("- {{repository: '{}', environment: production}}", repository.path().display()));
    let outcomes = world.run(&entries, "1.10").await;
    assert_eq!(state(&outcomes[0]), State::Pushed);
    let done = outcomes[0].result.as_ref().unwrap();
    assert_eq!(done.to_string(), format!("branch {BRANCH} pushed; no forge there to open a pull request on"));
    assert_eq!(
        repository.read(BRANCH, "kustomization.yml").unwrap(),
        b"images:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: \"1.10\"\n"
    );
    assert_eq!(state(&world.run(&entries, "1.10").await[0]), State::Present);
    assert_eq!(world.github.requests().len(), 0);

    let nowhere = entries_of_folder(Path::new("/nonexistent/infra.git"));
    let error = world.run(&nowhere, "1.10").await.remove(0).result.unwrap_err();
    insta::assert_snapshot!(error, @"couldn't open the repository in /nonexistent/infra.git");
}

fn entries_of_folder(folder: &Path) -> Vec<Entry> {
    entries(&format!("- repository: {}", folder.display()))
}

#[tokio::test]
async fn the_mode_of_a_file_stays_and_a_link_is_not_followed() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    let commit = |mode: &str| {
        let blob = repository.git(&["rev-parse", &format!("main:{FILE}")]);
        let scratch = tempfile::tempdir().unwrap();
        let index = scratch.path().join("index");
        let run = |args: &[&str]| {
            let output = std::process::Command::new("git")
                .arg("-C")
                .arg(repository.path())
                .env("GIT_INDEX_FILE", &index)
                .args(args)
                .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@b"), ("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@b")])
                .output()
                .unwrap();
            assert!(output.status.success(), "{args:?} {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        run(&["read-tree", "main"]);
        run(&["update-index", "--add", "--cacheinfo", &format!("{mode},{blob},{FILE}")]);
        let tree = run(&["write-tree"]);
        let id = run(&["commit-tree", &tree, "-p", "main", "-m", mode]);
        run(&["update-ref", "refs/heads/main", &id]);
    };
    commit("100755");
    assert_eq!(state(&world.run(&production(), "1.10").await[0]), State::Opened);
    assert!(repository.git(&["ls-tree", BRANCH, FILE]).starts_with("100755 "));
    commit("120000");
    let error = world.run(&production(), "1.11").await.remove(0).result.unwrap_err();
    assert_eq!(error.to_string(), format!("couldn't edit {FILE}: it is a symbolic link"));
}

#[tokio::test]
async fn twelve_applications_update_one_repository_at_once() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    let text: String = (0..12).map(|n| format!("- {{repository: acme/infra, path: overlays/shop, environment: e{n}}}\n")).collect();
    let outcomes = world.run(&entries(&text), "1.10").await;
    assert!(outcomes.iter().all(|outcome| state(outcome) == State::Opened));
    assert_eq!((repository.branches().len(), world.github.pulls("acme/infra").len()), (13, 12));
}

#[tokio::test]
async fn runs_that_race_for_one_branch_end_with_one_pull_request() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    let entries = production();
    let runs = ["1.10", "1.11", "1.12", "1.13", "1.14"].map(|tag| world.run(&entries, tag));
    let outcomes: Vec<Outcome> = futures::future::join_all(runs).await.into_iter().flatten().collect();
    for outcome in &outcomes {
        assert!(matches!(state(outcome), State::Opened | State::Updated), "{outcome:?}");
    }
    assert_eq!((repository.branches().len(), world.github.pulls("acme/infra").len()), (2, 1));
    assert_eq!(repository.log(BRANCH).len(), 2);
    // The text is that of the commit: whoever came last wrote both.
    let text = String::from_utf8(repository.read(BRANCH, FILE).unwrap()).unwrap();
    let tag = text.split("newTag: '").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    let outcome = world.run(&entries, &tag).await.remove(0);
    assert!(matches!(state(&outcome), State::Proposed | State::Updated));
    assert!(pull(&world).body.contains(&format!("`{tag}`")));
}

#[tokio::test]
async fn a_push_whose_answer_got_lost_is_told_as_uncertain_and_finished_by_the_next_run() {
    let world = World::new();
    let repository = world.repository("acme/infra");
    world.git.proxy().on(|r| r.method == "POST" && r.path().ends_with("/git-receive-pack")).first(1).fault(Fault::LoseAnswer);
    let error = world.run(&production(), "1.10").await.remove(0).result.unwrap_err();
    assert!(error.to_string().starts_with("couldn't reach http://127.0.0.1"), "{error}");
    assert!(world.written()[0].ends_with("(sent, no answer seen: may or may not have taken effect)"), "{:?}", world.written());
    assert!(repository.head(BRANCH).is_some());
    let pushes = world.pushes();
    assert_eq!(state(&world.run(&production(), "1.10").await[0]), State::Opened);
    assert_eq!(world.pushes(), pushes, "the branch was there");
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_and_a_moved_repository_is_told() {
    let world = World::new();
    world.repository("acme/infra");
    let limited = || Fault::Reply(crate::servers::http1::Reply::new(429, "{}").with("Retry-After", "0"));
    world.github.proxy().on(|r| r.method == "POST").first(1).fault(limited());
    world.github.proxy().on(|r| r.method == "GET").first(2).fault(limited());
    assert_eq!(state(&world.run(&production(), "1.10").await[0]), State::Opened);
    assert_eq!(pull(&world).number, 41);

    let moved = crate::servers::http1::Reply::new(301, r#"{"message": "Moved Permanently"}"#).with("Location", "/elsewhere");
    world.github.proxy().on(|r| r.method == "GET").fault(Fault::Reply(moved));
    let error = world.run(&production(), "1.11").await.remove(0).result.unwrap_err();
    insta::assert_snapshot!(format!("{error}\n{}", error.hint()), @"
    couldn't GET /repos/acme/infra of 127.0.0.1: 301: Moved Permanently
    the repository has moved: put its present name into `repository` of the input `infra`
    ");
}

#[tokio::test]
async fn labels_that_are_missing_are_added_and_those_of_people_stay() {
    let world = World::new();
    world.repository("acme/infra");
    world.run(&production(), "1.10").await;
    let with_labels =
        |labels: &str| entries(&format!("- {{repository: acme/infra, path: overlays/shop, environment: production, labels: [{labels}]}}"));
    assert_eq!(state(&world.run(&with_labels("deploy, shop"), "1.10").await[0]), State::Proposed);
    assert_eq!(state(&world.run(&with_labels("Deploy"), "1.10").await[0]), State::Proposed);
    assert_eq!(pull(&world).labels, ["deploy", "shop"]);
    let labellings = world.github.writes().iter().filter(|line| line.contains("/labels")).count();
    assert_eq!(labellings, 1);
}
