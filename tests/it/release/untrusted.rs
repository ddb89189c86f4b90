//! Text from outside that would be a command, if it were let. The harness looks for commands that aren't ours in every run.

use crate::harness::Workspace;
use crate::servers::http1::Reply;
use crate::servers::{Fault, Registry, cluster};

use super::app::NAMES;
use super::pull_request::Forge;
use super::{Place, registry};

const EVIL: &str = "fine\n::error::pwned\r::add-mask::a\n  ::set-output name=tag::v6.6.6\n##[error]pwned";

#[test]
fn what_a_registry_answers_is_text() {
    let registry = Registry::start();
    let body = serde_json::json!({"errors": [{"code": "DENIED", "message": EVIL}]}).to_string();
    registry.proxy().on(|request| request.method == "GET").first(1).fault(Fault::reply(403, &body));
    registry.proxy().on(|_| true).fault(Fault::reply(403, EVIL));
    let run = Workspace::shop().step("plan").releases_from(&registry).run();
    run.exits(0).says("pwned").sums_up("pwned");
}

#[test]
fn what_stands_in_the_compose_file_is_text() {
    let registry = registry();
    let shop = Workspace::shop();
    let quoted = serde_json::json!(EVIL).to_string();
    shop.edit("compose.yaml", "image: redis:7.4-alpine", &format!("image: {quoted}"));
    let run = shop.step("plan").releases_from(&registry).run();
    run.says("pwned");
    shop.edit("compose.yaml", &format!("image: {quoted}"), "image: redis");
    shop.edit("compose.yaml", "  cache:\n", &format!("  {quoted}:\n"));
    shop.step("plan").releases_from(&registry).run().says("pwned");
}

#[test]
fn what_stands_in_an_infrastructure_repository_and_its_servers_answers_is_text() {
    let (registry, shop) = (registry(), Workspace::shop());
    let forge = Forge::start(&shop);
    let file = "overlays/shop/kustomization.yaml";
    let quoted = serde_json::json!(EVIL).to_string();
    shop.edit(&format!("infra/{file}"), "newTag: v1.1.0", &format!("newTag: {quoted}"));
    let text = shop.read(&format!("infra/{file}"));
    for (_, repository) in forge.repositories() {
        repository.commit("main", &[(file, text.as_bytes())], EVIL);
    }
    let body = serde_json::json!({ "message": EVIL, "errors": [EVIL, { "message": EVIL }] });
    forge.github.proxy().on(|request| request.path().ends_with("/labels")).fault(Fault::Reply(Reply::json(422, &body)));
    let step = || {
        forge.step(shop.step("pull-request").releases_from(&registry).input("image-names", NAMES)).input("infra-token", forge.git.token())
    };
    step().run().exits(0).says("pwned").sums_up("pwned");
    let [pull] = forge.github.pulls("acme/infra-production").try_into().expect("one pull request");
    assert!(!pull.body.lines().any(|line| line.trim_start().starts_with("::") || line.starts_with("##[")), "{}", pull.body);
    for (_, repository) in forge.repositories() {
        repository.reject_pushes("fine\n::error::pwned\n##[error]pwned");
        repository.git(&["update-ref", "-d", &format!("refs/heads/{}", pull.head)]);
    }
    let by_git = "- {repository: acme/infra-production, path: overlays/shop, environment: other, publish: git}";
    step().input("infra", by_git).run().exits(1).says("pwned");
}

#[test]
fn what_stands_in_the_cluster_and_its_answers_is_text() {
    let (registry, place) = (registry(), Place::new());
    let shop = Workspace::shop_in(&place.name());
    let quoted = |text: &str| serde_json::json!(text).to_string();
    shop.edit("kubernetes/30-settings.yaml", "LOG_LEVEL: info", &format!("LOG_LEVEL: {}", quoted(EVIL)));
    let step = || shop.step("apply").releases_from(&registry).with_manifests().input("kubeconfig", &cluster().kubeconfig()).run();
    step().exits(0);
    shop.edit("kubernetes/30-settings.yaml", "pwned", "gone");
    step().exits(0).says("pwned");
    // The API server repeats a wrong name in its answer.
    shop.edit("kubernetes/20-services.yaml", "name: cache,", &format!("name: {},", quoted(EVIL)));
    step().exits(2).says("pwned");
    shop.edit("kubernetes/20-services.yaml", &quoted(EVIL), "cache");
    let proxy = cluster().proxy();
    let status =
        serde_json::json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": EVIL, "reason": "Forbidden", "code": 403});
    // Something must differ for the server to be asked.
    shop.edit("kubernetes/30-settings.yaml", "QUEUE: orders", "QUEUE: parcels");
    proxy.on(|request| request.method == "PATCH").fault(Fault::Reply(Reply::json(403, &status)));
    let step = shop.step("apply").releases_from(&registry).with_manifests();
    step.input("kubeconfig", &cluster().kubeconfig_through(&proxy)).run().says("pwned").sums_up("pwned");
}
