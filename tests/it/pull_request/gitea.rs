//! The same on a real Gitea and a real Forgejo: found out by the repository's address, or because the workflow runs there.

/// Makes each of these a test on each server.
macro_rules! on_each_server {
    ($($name:ident),* $(,)?) => {
        mod on_gitea {
            $(#[test]
            fn $name() {
                super::finish(super::$name(crate::servers::gitea()));
            })*
        }
        mod on_forgejo {
            $(#[test]
            fn $name() {
                super::finish(super::$name(crate::servers::forgejo()));
            })*
        }
    };
}

mod merging;
mod renamed;
mod updating;

use serde_json::{Value, json};

use super::*;
use crate::servers::gitea::{Gitea, Member, Organisation};

/// An organisation, whose token the run has, and what the verb noted.
struct Acme {
    on: Organisation,
    bot: Member,
    journal: Journal,
    publish: Publish,
    /// Where the workflow runs: GitHub's addresses, which nobody may ask here, or the server's own.
    home: (String, String),
}

impl Acme {
    fn new(server: &'static Gitea) -> Acme {
        let on = server.organisation();
        let bot = on.member("bot", "write");
        let home = ("https://github.com".to_owned(), "https://api.github.com".to_owned());
        Acme { on, bot, journal: Journal::default(), publish: Publish::PullRequest, home }
    }

    fn committing(server: &'static Gitea) -> Acme {
        Acme { publish: Publish::Commit, ..Acme::new(server) }
    }

    /// As a runner of Gitea's or Forgejo's sets it.
    fn at_home(server: &'static Gitea) -> Acme {
        let acme = Acme::new(server);
        Acme { home: (acme.on.url(), format!("{}/api/v1", acme.on.url())), ..acme }
    }

    fn repository(&self, name: &str) -> String {
        self.on.create_repository(name, &[(FILE, KUSTOMIZATION)])
    }

    /// An entry by the repository's address.
    fn entry(&self, slug: &str, more: &str) -> Vec<Entry> {
        entries(&format!("- {{repository: '{}/{slug}.git', path: overlays/shop, environment: production{more}}}", self.on.url()))
    }

    fn verb(&self, token: &str) -> Infra {
        http::install_tls_provider();
        let client = http::client(&http::Settings::default()).unwrap();
        let token = Some(SecretString::from(token));
        let settings = Settings {
            app: "shop".into(),
            release: release("v1.10", "1.10.0"),
            publish: self.publish,
            content: infra::Content::default(),
            author: default_author(),
            server: self.home.0.parse().unwrap(),
            tokens: token.clone().into(),
            downgrades: Downgrades::Refuse,
            workspace: "/".into(),
        };
        let home = forge::Home::new(client.clone(), settings.server.clone(), &self.home.1.parse().unwrap(), token.clone()).unwrap();
        let forges = forge::Forges::new(client.clone(), home, token);
        Infra::new(settings, git::Client::new(client, Duration::from_secs(60)), forges, self.journal.clone())
    }

    async fn run(&self, entries: &[Entry], tag: &str) -> Vec<Outcome> {
        self.verb(&self.bot.token).run(entries, &images(tag), &|_| {}).await
    }

    fn written(&self) -> usize {
        self.journal.changes().len()
    }

    /// The only pull request; lists leave some of it out.
    fn pull(&self, slug: &str) -> Value {
        let [pull]: [Value; 1] = self.on.pulls(slug).try_into().unwrap();
        self.on.ask("GET", &format!("/repos/{slug}/pulls/{}", pull["number"]), None)
    }

    fn branches(&self, slug: &str) -> Vec<String> {
        names(&self.on.ask("GET", &format!("/repos/{slug}/branches"), None), "name")
    }

    /// What was said under a pull request.
    fn comments(&self, slug: &str, number: &Value) -> Vec<String> {
        names(&self.on.ask("GET", &format!("/repos/{slug}/issues/{number}/comments"), None), "body")
    }
}

/// Runs one test; both servers have to give the same snapshots.
fn finish(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    insta::allow_duplicates! { runtime.block_on(test) }
}

fn names(list: &Value, name: &str) -> Vec<String> {
    let members = list.as_array().cloned().unwrap_or_default();
    members.iter().map(|member| member[name].as_str().unwrap().to_owned()).collect()
}

/// Message and hint, without what differs from run to run.
fn told(acme: &Acme, outcome: &Outcome) -> String {
    let error = outcome.result.as_ref().unwrap_err();
    let said = format!("{error} (exit {})\n{}", error.exit().code(), error.hint());
    // What Forgejo and Gitea call it when there is nothing.
    let said = said.replace("The target couldn't be found.", "not found");
    said.replace(&acme.on.url(), "http://HOST").replace(&acme.on.name(), "acme")
}

on_each_server! {
    a_pull_request_is_opened_with_all_that_belongs_to_it_and_a_second_run_writes_nothing,
    a_run_costs_as_many_requests_as_there_are_things_to_know,
    an_open_pull_request_is_updated_and_a_draft_stays_one_until_a_person_says_otherwise,
    a_pull_request_on_a_later_page_is_found_and_one_from_another_branch_is_none_of_ours,
    a_pull_request_that_appears_meanwhile_is_updated_and_a_lost_answer_opens_no_second_one,
    a_workflow_that_runs_there_names_its_repositories_as_on_github,
    a_commit_goes_straight_to_the_base_and_a_protected_branch_refuses_it_clearly,
    a_pull_request_takes_the_place_of_a_commit_that_a_rule_forbids,
    a_pull_request_that_a_commit_makes_needless_is_closed_and_a_second_run_writes_nothing,
    an_older_pull_request_of_ours_is_closed_with_a_link_to_the_new_one,
    what_can_not_be_done_is_told_before_anything_is_written,
    who_can_not_review_is_a_warning_and_the_pull_request_is_there,
    what_is_not_needed_any_more_is_closed_with_a_comment_and_its_branch_deleted,
}

async fn a_pull_request_is_opened_with_all_that_belongs_to_it_and_a_second_run_writes_nothing(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    let (ada, bob) = (acme.on.member("ada", "write"), acme.on.member("bob", "write"));
    acme.on.ask("POST", &format!("/repos/{slug}/labels"), Some(&json!({ "name": "Deploy", "color": "#00ff00" })));
    acme.on.ask("POST", &format!("/orgs/{}/labels", acme.on.name()), Some(&json!({ "name": "ops", "color": "#0000ff" })));
    let more = format!(
        ", labels: [deploy, ops, new one], reviewers: [{}, {}], team-reviewers: [{}/adas], assignees: [{}]",
        ada.login,
        acme.bot.login,
        acme.on.name(),
        bob.login
    );
    let entries = acme.entry(&slug, &more);
    let outcomes = acme.run(&entries, "1.10").await;
    assert_eq!(state(&outcomes[0]), State::Opened);
    let done = outcomes[0].result.as_ref().unwrap();
    assert_eq!(done.warnings, [""; 0]);

    let pull = acme.pull(&slug);
    assert_eq!(done.number, pull["number"].as_u64());
    assert_eq!((&pull["title"], &pull["draft"]), (&"Deploy shop v1.10 to production".into(), &false.into()));
    assert_eq!((&pull["head"]["ref"], &pull["base"]["ref"]), (&BRANCH.into(), &"main".into()));
    assert!(pull["body"].as_str().unwrap().ends_with("<!-- tagboat:app=shop&for=production&version=1.10.0 -->"), "{}", pull["body"]);
    let mut labels = names(&pull["labels"], "name");
    labels.sort();
    assert_eq!(labels, ["Deploy", "new one", "ops"], "those that are there are taken, the third is made");
    assert_eq!(names(&pull["assignees"], "login"), [bob.login]);
    assert_eq!(
        (names(&pull["requested_reviewers"], "login"), names(&pull["requested_reviewers_teams"], "name")),
        (vec![ada.login], vec!["adas".to_owned()])
    );
    assert_eq!(acme.on.read(&slug, BRANCH, FILE), KUSTOMIZATION.replace("'1.9'", "'1.10'"));
    assert_eq!(acme.on.log(&slug, BRANCH)[0], "Deploy shop v1.10 to production");

    let (writes, written) = (acme.on.writes(), acme.written());
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Proposed);
    assert_eq!((acme.on.writes(), acme.written()), (writes, written));

    assert_eq!(state(&acme.run(&entries, "2.0.0").await[0]), State::Updated);
    let asked = acme.on.requests().iter().filter(|request| request.path().ends_with("/requested_reviewers")).count();
    assert_eq!(asked, 1, "nobody is asked twice");
}

async fn a_run_costs_as_many_requests_as_there_are_things_to_know(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    let entries = acme.entry(&slug, "");
    acme.run(&entries, "1.10").await;
    let mut lines: Vec<String> = acme.on.requests().iter().map(|request| request.line().replace(&slug, "SLUG")).collect();
    // Whether a push would be taken is asked beside the list of pull requests.
    lines[5..7].sort();
    insta::assert_snapshot!(lines.join("\n"), @"
    GET /api/v1/version
    GET /api/v1/repos/SLUG
    GET /SLUG.git/info/refs?service=git-upload-pack
    POST /SLUG.git/git-upload-pack
    POST /SLUG.git/git-upload-pack
    GET /SLUG.git/info/refs?service=git-receive-pack
    GET /api/v1/repos/SLUG/pulls?state=open&sort=recentupdate&limit=50&page=1
    POST /SLUG.git/git-receive-pack
    POST /api/v1/repos/SLUG/pulls
    ");
    let before = acme.on.requests().len();
    acme.run(&entries, "1.10").await;
    let lines: Vec<String> = acme.on.requests()[before..].iter().map(|request| request.line().replace(&slug, "SLUG")).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    GET /api/v1/version
    GET /api/v1/repos/SLUG
    GET /SLUG.git/info/refs?service=git-upload-pack
    POST /SLUG.git/git-upload-pack
    POST /SLUG.git/git-upload-pack
    GET /api/v1/repos/SLUG/pulls?state=open&sort=recentupdate&limit=50&page=1
    ");
}

async fn an_open_pull_request_is_updated_and_a_draft_stays_one_until_a_person_says_otherwise(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    let entries = acme.entry(&slug, ", draft: true");
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Opened);
    let pull = acme.pull(&slug);
    assert_eq!((&pull["draft"], &pull["title"]), (&true.into(), &"WIP: Deploy shop v1.10 to production".into()));
    let writes = acme.on.writes().len();
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Proposed);
    assert_eq!(acme.on.writes().len(), writes, "the mark of a draft is no difference");

    assert_eq!(state(&acme.run(&entries, "2.0.0").await[0]), State::Updated);
    let pull = acme.pull(&slug);
    assert_eq!((&pull["draft"], &pull["title"]), (&true.into(), &"WIP: Deploy shop v1.10 to production".into()));
    assert!(pull["body"].as_str().unwrap().contains("`2.0.0`"), "{}", pull["body"]);
    assert!(acme.on.read(&slug, BRANCH, FILE).contains("newTag: '2.0.0'"));

    let title = json!({ "title": "Deploy shop v1.10 to production" });
    acme.on.ask("PATCH", &format!("/repos/{slug}/pulls/{}", pull["number"]), Some(&title));
    assert_eq!(state(&acme.run(&entries, "2.0.1").await[0]), State::Updated);
    assert_eq!(acme.pull(&slug)["draft"], false);
}

async fn a_pull_request_on_a_later_page_is_found_and_one_from_another_branch_is_none_of_ours(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    // Servers choose how long their pages are.
    acme.on
        .proxy()
        .on(|request| request.path().ends_with("/pulls") && request.method == "GET")
        .fault(Fault::retarget(|target| target.replace("limit=50", "limit=1")));
    acme.run(&acme.entry(&slug, ""), "1.10").await;
    for environment in ["acceptance", "staging"] {
        let entry = entries(&format!("- {{repository: '{}/{slug}', path: overlays/shop, environment: {environment}}}", acme.on.url()));
        assert_eq!(state(&acme.run(&entry, "1.10").await[0]), State::Opened);
    }
    let writes = acme.on.writes().len();
    assert_eq!(state(&acme.run(&acme.entry(&slug, ""), "1.10").await[0]), State::Proposed);
    assert_eq!(acme.on.writes().len(), writes);
    assert_eq!(acme.on.pulls(&slug).len(), 3);
}

async fn a_pull_request_that_appears_meanwhile_is_updated_and_a_lost_answer_opens_no_second_one(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    let entries = acme.entry(&slug, "");
    let proxy = acme.on.proxy();
    proxy.on(|r| r.path().ends_with("/pulls") && r.method == "POST").first(1).fault(Fault::LoseAnswer);
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Opened);
    assert_eq!(acme.on.pulls(&slug).len(), 1);

    proxy.heal();
    let empty = |reply: &mut crate::servers::http1::Reply| reply.body = b"[]".to_vec();
    proxy.on(|r| r.path().ends_with("/pulls") && r.method == "GET").first(1).fault(Fault::tamper(empty));
    assert_eq!(state(&acme.run(&entries, "2.0.0").await[0]), State::Updated);
    assert!(acme.pull(&slug)["body"].as_str().unwrap().contains("`2.0.0`"));
    assert!(acme.on.requests().iter().any(|request| request.status == Some(409)), "Gitea refused a second one");
}

async fn a_workflow_that_runs_there_names_its_repositories_as_on_github(server: &'static Gitea) {
    let acme = Acme::at_home(server);
    let slug = acme.repository("infra");
    let entries = entries(&format!("- {{repository: {slug}, path: overlays/shop, environment: production}}"));
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Opened);
    assert_eq!(acme.pull(&slug)["head"]["ref"], BRANCH);
    assert!(!acme.on.requests().iter().any(|request| request.path().ends_with("/version")), "nobody has to be asked what it is");
}

async fn a_commit_goes_straight_to_the_base_and_a_protected_branch_refuses_it_clearly(server: &'static Gitea) {
    let acme = Acme::committing(server);
    let slug = acme.repository("infra");
    let entries = acme.entry(&slug, "");
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Committed);
    assert_eq!(acme.on.read(&slug, "main", FILE), KUSTOMIZATION.replace("'1.9'", "'1.10'"));
    let writes = acme.on.writes().len();
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Nothing);
    assert_eq!((acme.on.writes().len(), acme.on.pulls(&slug).len()), (writes, 0));

    let rule = json!({ "rule_name": "main", "enable_push": false });
    acme.on.ask("POST", &format!("/repos/{slug}/branch_protections"), Some(&rule));
    let outcomes = acme.run(&entries, "2.0.0").await;
    insta::assert_snapshot!(told(&acme, &outcomes[0]), @"
    couldn't commit to the branch main of http://HOST/acme/infra.git: its branch protection forbids it (exit 3)
    use `mode: pull-request`, set `on-protected: pull-request` in the input `infra`, or let the owner of `infra-token` push to this branch in its protection rules
    ");
    assert!(acme.on.read(&slug, "main", FILE).contains("'1.10'"), "all is as it was");
}

async fn a_pull_request_takes_the_place_of_a_commit_that_a_rule_forbids(server: &'static Gitea) {
    let acme = Acme::committing(server);
    let slug = acme.repository("infra");
    acme.on.ask("POST", &format!("/repos/{slug}/branch_protections"), Some(&json!({ "rule_name": "main", "enable_push": false })));
    let entries = acme.entry(&slug, ", on-protected: pull-request");
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Opened);
    assert_eq!(acme.pull(&slug)["head"]["ref"], BRANCH);
    let (writes, written) = (acme.on.writes(), acme.written());
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Proposed);
    assert_eq!((acme.on.writes(), acme.written()), (writes, written));
}

async fn a_pull_request_that_a_commit_makes_needless_is_closed_and_a_second_run_writes_nothing(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    let entries = acme.entry(&slug, "");
    assert_eq!(state(&acme.run(&entries, "1.9.1").await[0]), State::Opened);
    let proposed = acme.pull(&slug);

    let acme = Acme { publish: Publish::Commit, ..acme };
    let done = acme.run(&entries, "1.10").await.remove(0).result.unwrap();
    assert_eq!((done.state, done.closed.len(), done.warnings), (State::Committed, 1, vec![]));
    assert_eq!(acme.pull(&slug)["state"], "closed");
    assert_eq!(acme.comments(&slug, &proposed["number"]), ["Closed: `main` has everything of v1.10 already."]);
    assert_eq!(acme.branches(&slug), ["main"]);

    let (writes, written) = (acme.on.writes(), acme.written());
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Nothing);
    assert_eq!((acme.on.writes(), acme.written()), (writes, written));
}

async fn an_older_pull_request_of_ours_is_closed_with_a_link_to_the_new_one(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    acme.on.ask("POST", &format!("/repos/{slug}/branches"), Some(&json!({ "new_branch_name": "live", "old_branch_name": "main" })));
    assert_eq!(state(&acme.run(&acme.entry(&slug, ""), "1.10").await[0]), State::Opened);
    // The same application and environment under another name of the branch, as an older version chose it.
    let old = json!({ "new_branch_name": "ship-shop", "old_branch_name": BRANCH });
    acme.on.ask("POST", &format!("/repos/{slug}/branches"), Some(&old));
    let body = "<!-- tagboat:app=shop&for=production -->";
    let old = json!({ "title": "Ship", "body": body, "head": "ship-shop", "base": "live" });
    let old = acme.on.ask("POST", &format!("/repos/{slug}/pulls"), Some(&old));

    let done = acme.run(&acme.entry(&slug, ""), "2.0.0").await.remove(0).result.unwrap();
    assert_eq!((done.state, done.closed.len(), done.warnings), (State::Updated, 1, vec![]));
    let closed = acme.on.ask("GET", &format!("/repos/{slug}/pulls/{}", old["number"]), None);
    assert_eq!(closed["state"], "closed");
    assert_eq!(acme.comments(&slug, &old["number"]), [format!("Superseded by {}.", done.url.unwrap())]);
    let branches = acme.branches(&slug);
    assert!(!branches.contains(&"ship-shop".to_owned()), "{branches:?}");
}

async fn what_can_not_be_done_is_told_before_anything_is_written(server: &'static Gitea) {
    let acme = Acme::new(server);
    let (infra, archived) = (acme.repository("infra"), acme.repository("archived"));
    acme.on.ask("PATCH", &format!("/repos/{archived}"), Some(&json!({ "archived": true })));
    let reader = acme.on.member("reader", "read");
    let nowhere = format!("{}/nowhere", acme.on.name());
    let narrow = acme.on.token(&acme.bot.login, &["read:repository", "write:issue"]);
    let mut lines = Vec::new();
    for (token, slug) in [
        (&acme.bot.token, &archived),
        (&acme.bot.token, &nowhere),
        (&reader.token, &infra),
        (&"no-such-token".to_owned(), &infra),
        (&narrow, &infra),
    ] {
        let outcomes = acme.verb(token).run(&acme.entry(slug, ""), &images("1.10"), &|_| {}).await;
        lines.push(told(&acme, &outcomes[0]));
    }
    insta::assert_snapshot!(lines.join("\n"), @"
    couldn't change acme/archived: it is archived (exit 3)
    unarchive it, or take it out of the input `infra`
    couldn't look up acme/nowhere: GET http://HOST/api/v1/repos/acme/nowhere answered 404 Not Found: not found (exit 1)
    check `repository` in the input `infra`; the server also answers so when `infra-token` may not see it
    couldn't change acme/infra: the token may read it but not push to it (exit 1)
    give the token in `infra-token` the scopes `write:repository` and `write:issue`, and its owner the right to push to this repository
    couldn't log in to http://HOST/acme/infra.git/info/refs?service=git-upload-pack: the server did not accept the token (401) (exit 1)
    check that the token in `infra-token` is valid and has not expired
    couldn't change acme/infra: the token may read it but not push to it (exit 1)
    give the token in `infra-token` the scopes `write:repository` and `write:issue`, and its owner the right to push to this repository
    ");
    assert_eq!((acme.on.writes(), acme.written()), (Vec::new(), 0));
}

async fn who_can_not_review_is_a_warning_and_the_pull_request_is_there(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    let outcomes = acme.run(&acme.entry(&slug, ", reviewers: [stranger], assignees: [nobody]"), "1.10").await;
    assert_eq!(state(&outcomes[0]), State::Opened);
    let warnings = outcomes[0].result.as_ref().unwrap().warnings.join("\n").replace(&acme.on.url(), "http://HOST");
    insta::assert_snapshot!(warnings.replace(&acme.on.name(), "acme"), @"
    acme/infra#1: assignees nobody not set: couldn't change acme/infra#1: PATCH http://HOST/api/v1/repos/acme/infra/pulls/1 answered 422 Unprocessable Entity: Assignee does not exist: [name: user does not exist [uid: 0, name: nobody]]; the server refuses the values; the reason is above
    acme/infra#1: reviewers stranger not set: couldn't ask for reviews of acme/infra#1: POST http://HOST/api/v1/repos/acme/infra/pulls/1/requested_reviewers answered 404 Not Found: User 'stranger' not exist; check `repository` in the input `infra`; the server also answers so when `infra-token` may not see it
    ");
}

async fn what_is_not_needed_any_more_is_closed_with_a_comment_and_its_branch_deleted(server: &'static Gitea) {
    let acme = Acme::new(server);
    let slug = acme.repository("infra");
    let entries = acme.entry(&slug, "");
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Opened);
    let number = acme.pull(&slug)["number"].clone();
    let merged = KUSTOMIZATION.replace("'1.9'", "'1.10'");
    let file = acme.on.ask("GET", &format!("/repos/{slug}/contents/{FILE}"), None);
    let content = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, merged);
    let body = json!({ "sha": file["sha"], "content": content, "message": "By hand", "branch": "main" });
    acme.on.ask("PUT", &format!("/repos/{slug}/contents/{FILE}"), Some(&body));

    let outcome = acme.run(&entries, "1.10").await.remove(0);
    assert_eq!(state(&outcome), State::Closed, "{outcome:?}");
    let pull = acme.on.ask("GET", &format!("/repos/{slug}/pulls/{number}"), None);
    assert_eq!(pull["state"], "closed");
    assert_eq!(acme.comments(&slug, &number), ["Closed: `main` has everything of v1.10 already."]);
    assert_eq!(acme.branches(&slug), ["main"]);
    let written = acme.written();
    assert_eq!(state(&acme.run(&entries, "1.10").await[0]), State::Nothing);
    assert_eq!(acme.written(), written);
}
