//! `mode: commit`, with every edit, as a whole run.

use crate::harness::{Step, Workspace};
use crate::servers::{GitHub, GitServer, RepositoryHandle};

use super::{count, registry};

const INFRA: &str = "\
- {repository: acme/infra, path: charts/shop, environment: charts, chart-version: minor}
- {repository: acme/infra, path: plain, environment: plain, services: [api, web]}
- {repository: acme/infra, path: templates, environment: templates, edit: placeholders}
- {repository: acme/infra, path: rendered, environment: rendered, edit: render, plain-secrets: true}
";
const VALUES: &str = "# values\napi: {repository: ghcr.io/acme/shop-api, tag: v1.1.0, digest: ''}\nworker:\n  image: ghcr.io/acme/shop-worker:v1.1.0 # one\nweb: {image: \"shop-web:v1\"}\n";
const PLAIN: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - {name: a, image: 'ghcr.io/acme/shop-api:v1.1.0'} # api\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec:\n  containers:\n  - name: web\n    image: shop-web\n  - name: redis\n    image: redis:7";
const TEMPLATE: &str = "image: %%API_IMAGE%%\nversion: \"%%VERSION%%\"\nplace: %%ENVIRONMENT%%\n";

struct Forge {
    git: GitServer,
    github: GitHub,
    repository: RepositoryHandle,
}

impl Forge {
    fn start() -> Forge {
        let git = GitServer::start();
        let github = GitHub::start(git.token());
        let files: [(&str, &[u8]); 6] = [
            ("charts/shop/Chart.yaml", b"apiVersion: v2\nname: shop\nversion: 0.3.1\nappVersion: v1.1.0\n"),
            ("charts/shop/values.yaml", VALUES.as_bytes()),
            ("plain/pods.yaml", PLAIN.as_bytes()),
            ("templates/api.tmpl.yaml", TEMPLATE.as_bytes()),
            ("rendered/kustomization.yaml", b"resources: []\n"),
            ("rendered/99-old.yaml", b"# Rendered by Tagboat; changes here are lost.\n"),
        ];
        let repository = git.create_repository("acme/infra", &files);
        github.add_repository("acme/infra", &repository);
        Forge { git, github, repository }
    }

    fn step<'w>(&self, step: Step<'w>) -> Step<'w> {
        step.env("GITHUB_SERVER_URL", &self.git.url())
            .env("GITHUB_API_URL", &self.github.url())
            .input("infra", INFRA)
            .input("infra-token", self.git.token())
    }

    fn read(&self, file: &str) -> String {
        String::from_utf8(self.repository.read("main", file).unwrap_or_else(|| panic!("there is no {file}"))).unwrap()
    }
}

#[test]
fn every_edit_lands_on_the_base_branch_and_the_second_run_commits_nothing() {
    let (registry, shop, forge) = (registry(), Workspace::shop(), Forge::start());
    let step = || forge.step(shop.step("commit").releases_from(&registry).with_manifests());
    let rehearsal = step().input("dry-run", "true").run();
    rehearsal.exits(0);
    assert_eq!((rehearsal.output("outcome"), forge.repository.log("main").len()), ("planned", 1));

    let run = step().run();
    run.exits(0);
    insta::assert_snapshot!(run.group("Plan"), @r#"
    Deployment shop/api /spec/template/spec/containers/0/image: ghcr.io/acme/shop-api → HOST/acme/shop-api:v1.2.3@sha256:(64)
    Deployment shop/worker /spec/template/spec/initContainers/0/image: ghcr.io/acme/shop-api → HOST/acme/shop-api:v1.2.3@sha256:(64)
    Deployment shop/worker /spec/template/spec/containers/0/image: ghcr.io/acme/shop-worker → HOST/acme/shop-worker:v1.2.3@sha256:(64)
    Deployment shop/web /spec/template/spec/containers/0/image: shop-web → HOST/acme/shop-web:v1.2.3@sha256:(64)
    acme/infra charts/shop (charts): commit to main
      charts/shop/values.yaml:2: ghcr.io/acme/shop-api ghcr.io/acme/shop-api:v1.1.0 → HOST/acme/shop-api:v1.2.3@sha256:(64)
      charts/shop/values.yaml:4: ghcr.io/acme/shop-worker ghcr.io/acme/shop-worker:v1.1.0 → HOST/acme/shop-worker:v1.2.3@sha256:(64)
      charts/shop/values.yaml:5: shop-web shop-web:v1 → HOST/acme/shop-web:v1.2.3@sha256:(64)
      charts/shop/Chart.yaml:4: appVersion v1.1.0 → v1.2.3
      charts/shop/Chart.yaml:3: version 0.3.1 → 0.4.0
      through GitHub's API: the server has one, and there is a token
    acme/infra plain (plain): commit to main
      plain/pods.yaml:6: ghcr.io/acme/shop-api ghcr.io/acme/shop-api:v1.1.0 → HOST/acme/shop-api:v1.2.3@sha256:(64)
      plain/pods.yaml:14: shop-web shop-web → HOST/acme/shop-web:v1.2.3@sha256:(64)
      through GitHub's API: the server has one, and there is a token
    acme/infra templates (templates): commit to main
      templates/api.yaml:1: API_IMAGE image: HOST/acme/shop-api:v1.2.3@sha256:(64) (added)
      templates/api.yaml:2: VERSION version: "1.2.3" (added)
      templates/api.yaml:3: ENVIRONMENT place: templates (added)
      through GitHub's API: the server has one, and there is a token
    acme/infra rendered (rendered): commit to main
      rendered/01-definitions.yaml:1: manifests rendered (added)
      rendered/02-policy-and-identity.yaml:1: manifests rendered (added)
      rendered/03-configuration-and-storage.yaml:1: manifests rendered (added)
      rendered/04-endpoints.yaml:1: manifests rendered (added)
      rendered/05-workloads.yaml:23: HOST/acme/shop-api v1.2.3@sha256:(64) (added)
      rendered/05-workloads.yaml:60: redis 7.4-alpine (added)
      rendered/05-workloads.yaml:83: HOST/acme/shop-web v1.2.3@sha256:(64) (added)
      rendered/05-workloads.yaml:107: HOST/acme/shop-api v1.2.3@sha256:(64) (added)
      rendered/05-workloads.yaml:116: HOST/acme/shop-worker v1.2.3@sha256:(64) (added)
      rendered/99-old.yaml:1: manifests rendered → removed
      through GitHub's API: the server has one, and there is a token
    "#);
    let host = registry.host();
    let digest = |service: &str| registry.digest(&format!("acme/shop-{service}"), "v1.2.3").unwrap();
    let image = |service: &str| format!("{host}/acme/shop-{service}:v1.2.3@{}", digest(service));
    let api_digest = digest("api");
    assert_eq!(
        forge.read("charts/shop/values.yaml"),
        VALUES
            .replace(
                "{repository: ghcr.io/acme/shop-api, tag: v1.1.0, digest: ''}",
                &format!("{{repository: {host}/acme/shop-api, tag: v1.2.3, digest: '{api_digest}'}}")
            )
            .replace("ghcr.io/acme/shop-worker:v1.1.0", &image("worker"))
            .replace("shop-web:v1", &image("web"))
    );
    assert_eq!(forge.read("charts/shop/Chart.yaml"), "apiVersion: v2\nname: shop\nversion: 0.4.0\nappVersion: v1.2.3\n");
    assert_eq!(
        forge.read("plain/pods.yaml"),
        PLAIN.replace("ghcr.io/acme/shop-api:v1.1.0", &image("api")).replace("shop-web", &image("web"))
    );
    assert_eq!(forge.read("templates/api.yaml"), format!("image: {}\nversion: \"1.2.3\"\nplace: templates\n", image("api")));
    assert_eq!(forge.read("templates/api.tmpl.yaml"), TEMPLATE);
    assert!(forge.read("rendered/05-workloads.yaml").contains(&format!("image: {}", image("api"))));
    assert_eq!(forge.read("rendered/kustomization.yaml"), "resources: []\n");
    assert_eq!(forge.repository.read("main", "rendered/99-old.yaml"), None);
    assert_eq!(forge.repository.log("main").len(), 5, "one commit for each entry");
    assert_eq!((forge.repository.branches().len(), forge.github.pulls("acme/infra").len()), (1, 0));
    assert!(!forge.git.requests().iter().any(|request| request.target.contains("git-upload-pack")), "nothing is fetched");
    let writes = forge.github.writes().len();
    let rows = run.json("pull-requests");
    assert!(rows.as_array().unwrap().iter().all(|row| row["operation"] == "committed" && row["branch"] == "main"), "{rows}");

    let again = step().run();
    again.exits(0);
    assert_eq!((again.output("outcome"), forge.repository.log("main").len()), ("unchanged", 5));
    assert_eq!(forge.github.writes().len(), writes);
}

#[test]
fn a_secret_is_not_rendered_into_a_repository_unless_the_entry_says_so() {
    let (registry, shop, forge) = (registry(), Workspace::shop(), Forge::start());
    let rendered = "- {repository: acme/infra, path: rendered, edit: render}";
    for mode in ["commit", "pull-request", "plan"] {
        let run = forge.step(shop.step(mode).releases_from(&registry).with_manifests()).input("infra", rendered).run();
        run.exits(3);
        insta::allow_duplicates! {
            insta::assert_snapshot!(run.ending().lines().next().unwrap(), @"::error file=kubernetes/30-settings.yaml,line=12,title=tagboat::kubernetes/30-settings.yaml:12: couldn't render Secret shop/shop-database into acme/infra rendered: its values would lie there in plain text%0Ahint: leave it out of `manifests` and let the cluster have it another way (a sealed or an external secret), or set `plain-secrets: true` for this entry in the input `infra`");
        }
    }
    assert_eq!((forge.github.writes(), forge.repository.branches().len(), count(&registry.requests(), "PUT")), (vec![], 1, 0));

    // Without values it is no secret: something in the cluster fills it in.
    let text = shop.read("kubernetes/30-settings.yaml");
    let (before, after) = text.split_once("stringData:").unwrap();
    let empty = format!("{before}---{}", after.split_once("---").unwrap().1);
    shop.write("kubernetes/30-settings.yaml", &empty);
    let run = forge.step(shop.step("commit").releases_from(&registry).with_manifests()).input("infra", rendered).run();
    run.exits(0);
}

#[test]
fn a_protected_branch_is_an_error_that_names_the_way_out() {
    let (registry, shop, forge) = (registry(), Workspace::shop(), Forge::start());
    forge.repository.reject_pushes("GH006: Protected branch update failed");
    forge.github.protect("acme/infra", "GH006: Protected branch update failed");
    for way in ["api", "git"] {
        let one = format!("- {{repository: acme/infra, path: plain, environment: plain, services: [api, web], publish: {way}}}");
        let run = forge.step(shop.step("commit").releases_from(&registry).with_manifests()).input("infra", &one).run();
        run.exits(3).says("use `mode: pull-request`").says("GH006");
        assert_eq!(run.json("pull-requests")[0]["operation"], "failed");
    }
}
