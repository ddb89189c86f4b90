//! GitHub Enterprise Server: all that is asked, is asked under its own addresses.

use std::collections::BTreeSet;

use regex::Regex;

use super::app::{NAMES, key};
use super::registry;
use crate::harness::Workspace;
use crate::servers::github::App;
use crate::servers::{Enterprise, Recorded};

const FILE: &str = "overlays/shop/kustomization.yaml";
const ENVIRONMENTS: [&str; 3] = ["acceptance", "staging", "production"];

fn started(shop: &Workspace) -> Enterprise {
    let server = Enterprise::start();
    let files = [FILE, "base/kustomization.yaml", "base/deployments.yaml"].map(|file| (file, shop.read(&format!("infra/{file}"))));
    let files: Vec<(&str, &[u8])> = files.iter().map(|(file, text)| (*file, text.as_bytes())).collect();
    for environment in ENVIRONMENTS {
        let slug = format!("acme/infra-{environment}");
        server.github.add_repository(&slug, &server.git.create_repository(&slug, &files));
    }
    let permissions = [("contents", "write"), ("pull_requests", "write")];
    server.github.install_app(App {
        id: "4711".into(),
        tokens: [("acme".to_owned(), server.git.token().to_owned())].into(),
        permissions: permissions.map(|(name, level)| (name.to_owned(), level.to_owned())).into(),
        ..App::default()
    });
    server
}

/// Through the API, through git, and by its whole address; with a login of an App and merging by itself.
fn infra(server: &Enterprise) -> String {
    format!(
        "- {{repository: acme/infra-acceptance, path: overlays/shop, environment: acceptance, publish: api, auto-merge: squash}}\n\
         - {{repository: acme/infra-staging, path: overlays/shop, environment: staging, publish: git, labels: [deploy]}}\n\
         - {{repository: '{}/acme/infra-production.git', path: overlays/shop, environment: production}}",
        server.url()
    )
}

#[test]
fn an_enterprise_server_is_asked_under_its_own_addresses_for_everything() {
    let names = Regex::new("/infra-[a-z]+|/[0-9]+").unwrap();
    for api in [true, false] {
        let (registry, shop) = (registry(), Workspace::shop());
        let server = started(&shop);
        let step = shop.step("pull-request").releases_from(&registry).input("image-names", NAMES).input("infra", &infra(&server));
        let step = step.input("infra-app-id", "4711").input("infra-app-key", &key()).env("GITHUB_SERVER_URL", &server.url());
        // A laptop has no variable for the API: then its address comes from the server's.
        let step = if api { step.env("GITHUB_API_URL", &format!("{}/api/v3", server.url())) } else { step };
        let run = step.run();
        run.exits(0);
        for environment in ENVIRONMENTS {
            let [pull] = server.github.pulls(&format!("acme/infra-{environment}")).try_into().expect("one pull request");
            assert_eq!(pull.automatic.is_some(), environment == "acceptance");
        }
        let requests = server.requests();
        let behind = server.github.requests().len() + server.git.requests().len();
        assert_eq!(requests.len(), behind, "nothing went past the one address");
        // The question whether a pull request may be opened is answered by a refusal of another kind.
        let is_answer = |request: &Recorded| request.status == Some(422) && request.path().ends_with("/pulls");
        let went_well = |request: &Recorded| request.status.is_some_and(|status| status < 400) || is_answer(request);
        assert!(requests.iter().all(went_well), "{requests:?}");
        let kinds: BTreeSet<String> = requests.iter().map(|request| names.replace_all(request.path(), "/*").into_owned()).collect();
        insta::allow_duplicates! {
            insta::assert_snapshot!(kinds.into_iter().collect::<Vec<_>>().join("\n"), @"
            /acme/*.git/git-receive-pack
            /acme/*.git/git-upload-pack
            /acme/*.git/info/refs
            /api/graphql
            /api/v3/app/installations/*/access_tokens
            /api/v3/installation/token
            /api/v3/repos/acme/*
            /api/v3/repos/acme/*/git/commits
            /api/v3/repos/acme/*/git/refs
            /api/v3/repos/acme/*/git/trees
            /api/v3/repos/acme/*/installation
            /api/v3/repos/acme/*/issues/*/labels
            /api/v3/repos/acme/*/pulls
            ");
        }
        // Links in the pull request lead to the server's pages.
        let [pull] = server.github.pulls("acme/infra-production").try_into().expect("one pull request");
        assert!(pull.body.contains(&format!("{}/acme/shop/releases/tag/v1.2.3", server.url())), "{}", pull.body);
    }
}
