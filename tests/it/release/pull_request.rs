//! `mode: pull-request`: one pull request for each environment's repository.

use crate::harness::{Step, Workspace};
use crate::servers::{GitHub, GitServer, RepositoryHandle};

use super::app::NAMES;
use super::{count, registry};

const FILE: &str = "overlays/shop/kustomization.yaml";
const INFRA: &str = "\
- {repository: acme/infra-acceptance, path: overlays/shop, environment: acceptance}
- {repository: acme/infra-production, path: overlays/shop, environment: production, labels: [deploy]}
";

/// A git server with GitHub's API, and the repositories of two environments.
pub(super) struct Forge {
    pub(super) git: GitServer,
    pub(super) github: GitHub,
    repositories: Vec<(&'static str, RepositoryHandle)>,
}

impl Forge {
    pub(super) fn start(shop: &Workspace) -> Forge {
        Forge::with_token(shop, None)
    }

    /// GitHub takes another token than the git server's.
    pub(super) fn with_token(shop: &Workspace, token: Option<&str>) -> Forge {
        let git = GitServer::start();
        let github = GitHub::start(token.unwrap_or(git.token()));
        let files = [FILE, "base/kustomization.yaml", "base/deployments.yaml"].map(|file| (file, shop.read(&format!("infra/{file}"))));
        let files: Vec<(&str, &[u8])> = files.iter().map(|(file, text)| (*file, text.as_bytes())).collect();
        let create = |environment| {
            let slug = format!("acme/infra-{environment}");
            let repository = git.create_repository(&slug, &files);
            github.add_repository(&slug, &repository);
            (environment, repository)
        };
        let repositories = ["acceptance", "production"].map(create).into();
        Forge { repositories, git, github }
    }

    pub(super) fn step<'w>(&self, step: Step<'w>) -> Step<'w> {
        step.env("GITHUB_SERVER_URL", &self.git.url()).env("GITHUB_API_URL", &self.github.url()).input("infra", INFRA)
    }

    /// Those of the environments, by their names.
    pub(super) fn repositories(&self) -> &[(&'static str, RepositoryHandle)] {
        &self.repositories
    }

    pub(super) fn pushes(&self) -> usize {
        self.git.requests().iter().filter(|request| request.path().ends_with("/git-receive-pack")).count()
    }
}

#[test]
fn two_environments_get_their_pull_requests_and_the_second_run_writes_nothing() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::start(&shop);
    let step = || {
        let step = shop.step("pull-request").releases_from(&registry).input("image-names", NAMES);
        forge.step(step).input("infra-token", forge.git.token())
    };
    let rehearsal = step().input("dry-run", "true").run();
    rehearsal.exits(0);
    assert_eq!((rehearsal.output("outcome"), forge.pushes(), forge.github.writes().len()), ("planned", 0, 0));
    assert_eq!(count(&registry.requests(), "PUT"), 0);

    let run = step().run();
    run.exits(0);
    insta::assert_snapshot!(run.group("Plan"), @"
    acme/infra-acceptance overlays/shop (acceptance): push branch tagboat/shop/acceptance on main, open a pull request
      overlays/shop/kustomization.yaml:12: ghcr.io/acme/shop-api ghcr.io/acme/shop-api:v1.1.0 → HOST/acme/shop-api:v1.2.3@sha256:(64)
      overlays/shop/kustomization.yaml:16: ghcr.io/acme/shop-worker ghcr.io/acme/shop-worker:v1.1.0 → HOST/acme/shop-worker:v1.2.3@sha256:(64)
      overlays/shop/kustomization.yaml:23: shop-web ghcr.io/acme/shop-web:v1.1.0 → HOST/acme/shop-web:v1.2.3@sha256:(64)
      through GitHub's API: the server has one, and there is a token
    acme/infra-production overlays/shop (production): push branch tagboat/shop/production on main, open a pull request
      overlays/shop/kustomization.yaml:12: ghcr.io/acme/shop-api ghcr.io/acme/shop-api:v1.1.0 → HOST/acme/shop-api:v1.2.3@sha256:(64)
      overlays/shop/kustomization.yaml:16: ghcr.io/acme/shop-worker ghcr.io/acme/shop-worker:v1.1.0 → HOST/acme/shop-worker:v1.2.3@sha256:(64)
      overlays/shop/kustomization.yaml:23: shop-web ghcr.io/acme/shop-web:v1.1.0 → HOST/acme/shop-web:v1.2.3@sha256:(64)
      through GitHub's API: the server has one, and there is a token
    ");
    insta::assert_snapshot!(run.ending(), @"
    done; 8 things were changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Plan (n) s, Retag (n) s, Pull requests (n) s)
    next: review and merge https://github.example/acme/infra-acceptance/pull/41
    next: review and merge https://github.example/acme/infra-production/pull/41
    ");
    let before = shop.read(&format!("infra/{FILE}"));
    for (environment, repository) in &forge.repositories {
        let [pull] = forge.github.pulls(&format!("acme/infra-{environment}")).try_into().expect("one pull request");
        assert_eq!((pull.head.as_str(), pull.base.as_str()), (format!("tagboat/shop/{environment}").as_str(), "main"));
        let after = String::from_utf8(repository.read(&pull.head, FILE).unwrap()).unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(only_the_changes(&before, &after, &registry.host()), @r#"
            -     newTag: "v1.1.0"   # keep in step with the worker
            -     newTag: "v1.1.0"
            -     newName: ghcr.io/acme/shop-web
            -     newTag: v1.1.0
            +     newTag: "v1.2.3"   # keep in step with the worker
            +     newName: HOST/acme/shop-api
            +     digest: sha256:(64)
            +     newTag: "v1.2.3"
            +     newName: HOST/acme/shop-worker
            +     digest: sha256:(64)
            +     newName: HOST/acme/shop-web
            +     newTag: v1.2.3
            +     digest: sha256:(64)
            "#);
        }
        assert_eq!(repository.git(&["diff", "--name-only", "main", &pull.head]), FILE);
    }
    let pulls = run.json("pull-requests");
    assert_eq!(
        (&pulls[0]["operation"], &pulls[1]["environment"], &pulls[1]["number"]),
        (&"created".into(), &"production".into(), &41.into())
    );
    assert_eq!(run.json("matrix")["include"].as_array().unwrap().len(), 2);
    run.sums_up("[#41](https://github.example/acme/infra-production/pull/41)");

    let (pushes, writes) = (forge.pushes(), forge.github.writes().len());
    let again = step().run();
    again.exits(0);
    assert_eq!((again.output("outcome"), again.output("changed")), ("unchanged", "false"));
    assert_eq!((forge.pushes(), forge.github.writes().len()), (pushes, writes));
    assert_eq!(count(&registry.requests(), "PUT"), 3);
}

/// Lines that differ, with a mark; the digests and the host hidden.
fn only_the_changes(before: &str, after: &str, host: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}\n"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}\n"));
    let text: String = gone.chain(come).collect();
    let digests = regex::Regex::new("sha256:[0-9a-f]{64}").expect("a constant");
    digests.replace_all(&text.replace(host, "HOST"), "sha256:(64)").into_owned()
}

#[test]
fn no_token_is_bad_input_and_nothing_is_written() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::start(&shop);
    let run = forge.step(shop.step("pull-request").releases_from(&registry)).run();
    run.exits(2);
    insta::assert_snapshot!(run.ending(), @"
    ::error title=tagboat::`repository: acme/infra-acceptance` needs the input `infra-token`%0Ahint: give a personal or App installation token that may push to it, or an App of this server in `infra-app-id` and `infra-app-key`; the workflow's own token can't reach other repositories
    ::error title=tagboat::`repository: acme/infra-production` needs the input `infra-token`%0Ahint: give a personal or App installation token that may push to it, or an App of this server in `infra-app-id` and `infra-app-key`; the workflow's own token can't reach other repositories
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s)
    ");
    assert_eq!((forge.pushes(), forge.github.writes().len(), count(&registry.requests(), "PUT")), (0, 0, 0));
}

#[test]
fn a_token_without_rights_is_told_before_anything_is_written() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::start(&shop);
    forge.github.forbid_push("acme/infra-production");
    let step = shop.step("pull-request").releases_from(&registry).input("image-names", NAMES);
    let run = forge.step(step).input("infra-token", forge.git.token()).run();
    assert_ne!(run.exit, Some(0), "{}", run.transcript);
    insta::assert_snapshot!(run.ending(), @"
    ::error title=tagboat::couldn't change acme/infra-production: the token may read it but not push to it%0Ahint: give the token in `infra-token` the permissions `contents: write` and `pull-requests: write` on this repository
    failed; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Plan (n) s)
    ");
    assert_eq!((forge.pushes(), forge.github.writes().len(), count(&registry.requests(), "PUT")), (0, 0, 0));
}

#[test]
fn one_environment_that_fails_does_not_stop_the_other_and_a_rerun_finishes_it() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::start(&shop);
    let infra = INFRA.replace('}', ", publish: git}");
    let step = || {
        let step = forge.step(shop.step("pull-request").releases_from(&registry).input("image-names", NAMES));
        step.input("infra-token", forge.git.token()).input("infra", &infra)
    };
    forge.repositories[0].1.reject_pushes("closed for today");
    let run = step().run();
    run.exits(1);
    let operations = |run: &crate::harness::Run| {
        let pulls = run.json("pull-requests");
        pulls.as_array().unwrap().iter().map(|pull| pull["operation"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(operations(&run), ["failed", "created"]);
    run.says("closed for today");

    forge.repositories[0].1.accept_pushes();
    let again = step().run();
    again.exits(0);
    assert_eq!(operations(&again), ["created", "unchanged"]);
}

#[test]
fn a_rollback_is_asked_for_by_its_version_and_a_late_release_is_not() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::start(&shop);
    for (_, repository) in &forge.repositories {
        let text = String::from_utf8(repository.read("main", FILE).unwrap()).unwrap().replace("v1.1.0", "v9.0.0");
        repository.commit("main", &[(FILE, text.as_bytes())], "A later release");
    }
    let step = || {
        forge.step(shop.step("pull-request").releases_from(&registry).input("image-names", NAMES)).input("infra-token", forge.git.token())
    };
    let late = step().run();
    late.exits(3);
    assert_eq!((forge.pushes(), forge.github.writes().len(), count(&registry.requests(), "PUT")), (0, 0, 0));
    let asked = step().input("version", "v1.2.3").run();
    asked.exits(0);
    asked.says("note: downgrade: ghcr.io/acme/shop-api in overlays/shop/kustomization.yaml:12 goes from 9.0.0 back to 1.2.3, as the input `version` asks");
    let [pull] = forge.github.pulls("acme/infra-production").try_into().expect("one pull request");
    assert_eq!(pull.title, "Deploy shop v1.2.3 to production (downgrade)");
}

#[test]
fn a_plan_says_what_this_mode_would_do_and_opens_nothing_where_no_forge_is() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::start(&shop);
    let plan = || shop.step("plan").releases_from(&registry).input("image-names", NAMES);
    let run = forge.step(plan()).input("infra-token", forge.git.token()).run();
    run.exits(0);
    run.says("next: `mode: pull-request` opens 2 pull requests\n");

    let (_, production) = &forge.repositories[1];
    let folder = format!("- {{repository: '{}', path: overlays/shop, environment: production}}", production.path().display());
    let run = plan().input("infra", &folder).run();
    run.exits(0);
    run.says("push branch tagboat/shop/production on main, no forge there to open a pull request on");
    run.says("next: `mode: pull-request` pushes 1 branch, where no forge takes pull requests\n");
}

#[test]
fn a_title_knows_the_words_of_the_run_and_a_misspelt_one_is_bad_input_before_anything_is_written() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::start(&shop);
    let run = |title: &str| {
        let entry = format!("- {{repository: acme/infra-production, path: overlays/shop, environment: production, title: '{title}'}}");
        let step = shop.step("pull-request").releases_from(&registry).input("image-names", NAMES);
        forge.step(step).input("infra-token", forge.git.token()).input("infra", &entry).run()
    };
    let refused = run("chore: {{verison}}");
    let told =
        "couldn't read entry 1 of `infra`: `title` can't be filled in: it has an unknown word \"verison\"; did you mean `{{version}}`?";
    refused.exits(2).says(told);
    assert_eq!((forge.github.writes().len(), count(&registry.requests(), "PUT")), (0, 0));

    run("chore({{app}}): {{repository}} {{tag}} ({{short_sha}}) to {{environment}}").exits(0);
    let [pull] = forge.github.pulls("acme/infra-production").try_into().expect("one pull request");
    insta::assert_snapshot!(pull.title, @"chore(shop): acme/shop v1.2.3 (5c0ffee) to production");
}
