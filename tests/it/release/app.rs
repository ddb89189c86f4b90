//! A GitHub App that makes its own token for the infrastructure repositories.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::pull_request::Forge;
use super::{count, registry};
use crate::harness::{Step, Workspace};
use crate::servers::github::App;
use crate::servers::testbed;

const WORKFLOWS: &str = "ghs_the-workflows-own-token";
pub(super) const NAMES: &str = "ghcr.io/acme/shop-api: api\nghcr.io/acme/shop-worker: worker\nshop-web: web";

/// The App's private key as a secret holds it when its line breaks were lost on the way.
pub(super) fn key() -> String {
    let der = std::fs::read(testbed("google/key.p8")).unwrap();
    format!("-----BEGIN PRIVATE KEY-----\\n{}\\n-----END PRIVATE KEY-----\\n", STANDARD.encode(der))
}

fn installed(forge: &Forge, owner: &str, contents: &str) {
    granted(forge, owner, &[("contents", contents), ("pull_requests", "write"), ("metadata", "read")]);
}

fn granted(forge: &Forge, owner: &str, permissions: &[(&str, &str)]) {
    forge.github.install_app(App {
        id: "4711".into(),
        tokens: [(owner.to_owned(), forge.git.token().to_owned())].into(),
        permissions: permissions.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect(),
        ..App::default()
    });
}

fn step<'w>(forge: &Forge, step: Step<'w>) -> Step<'w> {
    forge.step(step.input("image-names", NAMES)).input("infra-app-id", "4711").input("infra-app-key", &key()).env("GITHUB_TOKEN", WORKFLOWS)
}

#[test]
fn an_app_gets_a_token_for_just_these_repositories_and_gives_it_back() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::with_token(&shop, Some("somebody-elses"));
    installed(&forge, "acme", "write");
    let run = step(&forge, shop.step("pull-request").releases_from(&registry)).run();
    run.exits(0);
    let app = forge.github.app();
    let asked = json!({
        "repositories": ["infra-acceptance", "infra-production"], "permissions": {"contents": "write", "pull_requests": "write"},
    });
    assert_eq!((app.asked, app.valid, app.revoked), (vec![("acme".to_owned(), asked)], vec![], vec!["acme".to_owned()]));
    let said: Vec<&str> = run.transcript.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
    for secret in [forge.git.token().to_owned(), STANDARD.encode(format!("x-access-token:{}", forge.git.token()))] {
        assert!(run.transcript.lines().any(|line| line == format!("::add-mask::{secret}")), "{}", run.transcript);
        assert!(!said.iter().any(|line| line.contains(&secret)), "{}", run.transcript);
    }
    let all = [forge.github.requests(), forge.git.requests()].concat();
    // Both servers know the App's token and no other of this run.
    assert!(all.iter().all(|request| request.status != Some(401)), "the workflow's own token is for no other repository");
}

#[test]
fn an_app_without_rights_is_told_before_anything_is_written() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::with_token(&shop, Some("somebody-elses"));
    for (owner, contents) in [("acme", "read"), ("nobody", "write")] {
        installed(&forge, owner, contents);
        let run = step(&forge, shop.step("pull-request").releases_from(&registry)).run();
        run.exits(1);
        insta::allow_duplicates! {
            let ending = run.ending();
            match owner {
                "acme" => insta::assert_snapshot!(ending, @"
                ::error title=tagboat::couldn't get a token of the App 4711 for acme/infra-acceptance, acme/infra-production%0Abecause: couldn't POST /app/installations/0/access_tokens of 127.0.0.1: 422: The permissions requested are not granted to this installation.%0Ahint: let the App's installation reach all these repositories; give the App the permissions `contents: write` and `pull requests: write`, and let the owner of its installation accept them
                failed; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Plan (n) s)
                "),
                _ => insta::assert_snapshot!(ending, @"
                ::error title=tagboat::couldn't get a token of the App 4711 for acme/infra-acceptance%0Abecause: couldn't GET /repos/acme/infra-acceptance/installation of 127.0.0.1: 404: Not Found%0Ahint: install the App for this owner, with access to the repository
                failed; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Plan (n) s)
                "),
            }
        }
    }
    assert_eq!((forge.pushes(), count(&registry.requests(), "PUT")), (0, 0));
}

#[test]
fn commits_alone_need_no_right_to_pull_requests() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::with_token(&shop, Some("somebody-elses"));
    granted(&forge, "acme", &[("contents", "write")]);
    let commit = |infra: &str| step(&forge, shop.step("commit").releases_from(&registry)).input("infra", infra).run();
    let entry = "repository: acme/infra-production, path: overlays/shop, environment: production";
    commit(&format!("- {{{entry}, on-protected: pull-request}}")).exits(1).says("The permissions requested are not granted");
    commit(&format!("- {{{entry}}}")).exits(0);
    let asked: Vec<_> = forge.github.app().asked.into_iter().map(|(_, asked)| asked["permissions"].clone()).collect();
    assert_eq!(asked, [json!({"contents": "write", "pull_requests": "write"}), json!({"contents": "write"})]);
}

#[test]
fn commits_close_a_pull_request_that_they_make_needless_where_the_app_may() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::with_token(&shop, Some("somebody-elses"));
    installed(&forge, "acme", "write");
    let entry = "- {repository: acme/infra-production, path: overlays/shop, environment: production}";
    let run = |mode: &str| step(&forge, shop.step(mode).releases_from(&registry)).input("infra", entry).run();
    run("pull-request").exits(0);
    run("commit").exits(0).says("committed to main; closed https://github.example/acme/infra-production/pull/41");
    let [(_, first), (_, second)] = forge.github.app().asked.try_into().expect("a token for each run");
    assert_eq!(first, second, "only with this right the pull request can be closed");
    assert!(!forge.github.pull("acme/infra-production", 41).open);
}

#[test]
fn a_key_that_is_none_is_bad_input() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::start(&shop);
    let run = step(&forge, shop.step("pull-request").releases_from(&registry)).input("infra-app-key", "no key at all").run();
    run.exits(2);
    run.says("couldn't log in as the App 4711: its private key isn't a PEM key");
    assert_eq!(forge.github.requests().len(), 0);
}

#[test]
fn teams_are_asked_for_a_review_by_an_app_that_may_see_them() {
    let rights = [("contents", "write"), ("pull_requests", "write"), ("members", "read")];
    let infra =
        "- {repository: acme/infra-production, path: overlays/shop, environment: production, reviewers: [ada], team-reviewers: [ops]}";
    let (with, without) =
        (json!({"contents": "write", "pull_requests": "write", "members": "read"}), json!({"contents": "write", "pull_requests": "write"}));
    for (granted_rights, expected, teams) in [(&rights[..], vec![with], vec!["ops"]), (&rights[..2], vec![without], vec![])] {
        let (registry, shop) = (registry(), Workspace::shop());
        let forge = Forge::with_token(&shop, Some("somebody-elses"));
        granted(&forge, "acme", granted_rights);
        let run = step(&forge, shop.step("pull-request").releases_from(&registry)).input("infra", infra).run();
        run.exits(0);
        let asked: Vec<_> = forge.github.app().asked.into_iter().map(|(_, asked)| asked["permissions"].clone()).collect();
        assert_eq!(asked, expected);
        let [pull] = forge.github.pulls("acme/infra-production").try_into().expect("one pull request");
        assert_eq!(
            (pull.reviewers, pull.team_reviewers),
            (vec!["ada".to_owned()], teams.clone().into_iter().map(str::to_owned).collect::<Vec<_>>())
        );
        if teams.is_empty() {
            run.says("reviewers ops not set: ").says("`members: read`");
        }
    }
}
