//! What a release no longer has is deleted when it has succeeded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::manifests::deployment;
use crate::harness::{Step, Workspace};
use crate::servers::{Fault, Namespace, Proxy, Recorded, cluster};

const EXTRAS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {MODE: one}
---
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {app: api}, ports: [{port: 80}]}
";

const LEFTOVERS: &str = "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: precious, annotations: {helm.sh/resource-policy: keep}}
data: {a: b}
";

fn application() -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("kubernetes/extras.yaml", EXTRAS);
    workspace.write("kubernetes/api.yaml", &deployment("api", "api"));
    workspace
}

fn step<'w>(workspace: &'w Workspace, space: &Namespace, kubeconfig: &str) -> Step<'w> {
    workspace
        .step("apply")
        .input("manifests", "kubernetes/")
        .input("prune", "true")
        .input("app", "shop")
        .input("namespace", space.name())
        .input("kubeconfig", kubeconfig)
}

/// Of the same run: a later attempt may take over the lock of an earlier one at once.
fn attempt<'w>(step: Step<'w>, number: &str) -> Step<'w> {
    step.env("GITHUB_RUN_ID", "7").env("GITHUB_RUN_ATTEMPT", number)
}

fn is_write(r: &Recorded) -> bool {
    matches!(r.method.as_str(), "PATCH" | "PUT" | "DELETE") && !r.target.contains("dryRun")
}

fn writes(proxy: &Proxy, since: usize) -> Vec<String> {
    proxy.requests_since(since).iter().filter(|r| is_write(r)).map(Recorded::line).collect()
}

/// The names in the inventory, in its order.
pub(super) fn inventory(space: &Namespace) -> Vec<String> {
    let object = cluster().get(&space.path("configmaps/tagboat-inventory-shop")).unwrap_or_else(|| panic!("there is no inventory"));
    let lines = object["data"]["objects"].as_str().unwrap_or_default().lines();
    let line = |line: &str| -> Vec<Value> { serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}")) };
    let name = |fields: Vec<Value>| {
        assert!(fields[5].is_string(), "the uid is known: {fields:?}");
        format!("{}/{}", fields[1].as_str().unwrap_or_default(), fields[4].as_str().unwrap_or_default())
    };
    lines.map(|text| name(line(text))).collect()
}

#[test]
fn a_renamed_deployment_goes_when_the_new_one_is_ready_and_what_holds_data_stays() {
    let (space, proxy) = (cluster().namespace("prune"), cluster().proxy());
    let kubeconfig = cluster().kubeconfig_through(&proxy);
    let workspace = application();
    workspace.write("kubernetes/leftovers.yaml", LEFTOVERS);
    step(&workspace, &space, &kubeconfig).run().exits(0).says("so this release deletes nothing");
    assert_eq!(
        inventory(&space),
        ["ConfigMap/precious", "ConfigMap/settings", "PersistentVolumeClaim/disk", "Service/api", "Deployment/api"]
    );

    let seen = proxy.requests().len();
    let again = step(&workspace, &space, &kubeconfig).run();
    again.exits(0);
    assert_eq!((again.output("outcome"), writes(&proxy, seen)), ("unchanged", Vec::new()));

    workspace.write("kubernetes/api.yaml", &deployment("shop-api", "slow"));
    workspace.write("kubernetes/leftovers.yaml", "");
    let rehearsal = step(&workspace, &space, &kubeconfig).input("dry-run", "true").run();
    rehearsal.exits(0).says(&format!("- Deployment {}/api: deleted when everything else is ready", space.name()));
    assert!(space.deployment("shop-api").is_none());
    let seen = proxy.requests().len();
    let run = step(&workspace, &space, &kubeconfig).run();
    run.exits(0);
    insta::assert_snapshot!(run.group("Prune").replace(space.name(), "NS"), @"
    Deployment NS/api: deleted
    1 deleted
    ");
    assert!(run.json("applied").to_string().contains("left as it is: its removal would take along what is in it"));
    assert!(space.deployment("api").is_none() && space.deployment("shop-api").is_some());
    for kept in ["persistentvolumeclaims/disk", "configmaps/precious"] {
        assert!(cluster().get(&space.path(kept)).is_some(), "{kept}");
    }
    let deleted = proxy.requests_since(seen).iter().filter(|r| r.method == "DELETE" && r.path().ends_with("/deployments/api")).count();
    assert_eq!(deleted, 1);
    assert_eq!(inventory(&space), ["ConfigMap/settings", "Service/api", "Deployment/shop-api"]);

    let seen = proxy.requests().len();
    let last = step(&workspace, &space, &kubeconfig).run();
    last.exits(0);
    assert_eq!((last.output("outcome"), writes(&proxy, seen)), ("unchanged", Vec::new()));
}

#[test]
fn an_application_is_not_emptied() {
    let (space, proxy) = (cluster().namespace("prune"), cluster().proxy());
    let kubeconfig = cluster().kubeconfig_through(&proxy);
    let workspace = application();
    step(&workspace, &space, &kubeconfig).run().exits(0);
    let other = Workspace::empty();
    other.write("kubernetes/web.yaml", &deployment("web", "web"));
    let seen = proxy.requests().len();
    let run = step(&other, &space, &kubeconfig).run();
    run.exits(3).says("`prune` would delete 3 of the 3 objects").says("no other workflow uses the same `app`");
    assert_eq!(writes(&proxy, seen), Vec::<String>::new());
    // The way out that the hint names.
    step(&other, &space, &kubeconfig).input("prune", "false").run().exits(0);
    space.kubectl_ok(&["delete", "deployment/api", "service/api", "configmap/settings"]);
    step(&other, &space, &kubeconfig).run().exits(0);
    assert_eq!(inventory(&space), ["Deployment/web"]);
}

#[test]
fn a_release_that_fails_deletes_nothing_and_the_next_one_knows_everything() {
    let (space, kubeconfig) = (cluster().namespace("prune"), cluster().kubeconfig());
    let workspace = application();
    step(&workspace, &space, &kubeconfig).run().exits(0);
    workspace.write("kubernetes/api.yaml", &deployment("shop-api", "missing"));
    step(&workspace, &space, &kubeconfig).run().exits(4);
    assert!(space.deployment("api").is_some() && space.deployment("shop-api").is_none(), "it was rolled back");
    workspace.write("kubernetes/api.yaml", &deployment("shop-api", "api"));
    step(&workspace, &space, &kubeconfig).run().exits(0);
    assert!(space.deployment("api").is_none() && space.deployment("shop-api").is_some());
}

#[test]
fn while_a_later_run_may_still_go_back_nothing_is_deleted() {
    let (space, proxy) = (cluster().namespace("prune"), cluster().proxy());
    let workspace = application();
    step(&workspace, &space, &cluster().kubeconfig()).run().exits(0);
    workspace.write("kubernetes/api.yaml", &deployment("shop-api", "api"));
    proxy.on(|r| r.method == "DELETE" && r.path().ends_with("/tagboat-unfinished-shop")).fault(Fault::reply(403, "stop"));
    step(&workspace, &space, &cluster().kubeconfig_through(&proxy))
        .run()
        .exits(0)
        .says("the next run deletes what this release no longer has");
    assert!(space.deployment("api").is_some() && space.deployment("shop-api").is_some());
    step(&workspace, &space, &cluster().kubeconfig()).run().exits(0).says(&format!("Deployment {}/api: deleted", space.name()));
    assert!(space.deployment("api").is_none() && space.deployment("shop-api").is_some());
}

#[test]
fn a_run_that_is_killed_before_it_has_deleted_everything_is_finished_by_the_next() {
    let (space, proxy) = (cluster().namespace("prune"), cluster().proxy());
    let kubeconfig = cluster().kubeconfig_through(&proxy);
    let workspace = application();
    step(&workspace, &space, &kubeconfig).run().exits(0);
    workspace.write("kubernetes/api.yaml", &deployment("shop-api", "api"));
    proxy.on(|r| r.method == "DELETE" && r.path().ends_with("/deployments/api")).fault(Fault::Delay(Duration::from_secs(86_400)));
    let mut running = attempt(step(&workspace, &space, &kubeconfig), "1").start();
    running.until_it_says("::group::Prune");
    running.signal("KILL");
    assert_eq!(running.end().exit, None);
    proxy.heal();
    assert!(space.deployment("api").is_some() && space.deployment("shop-api").is_some());
    let next = attempt(step(&workspace, &space, &kubeconfig), "2").run();
    next.exits(0).says(&format!("Deployment {}/api: deleted", space.name()));
    assert!(space.deployment("api").is_none());
    assert_eq!(inventory(&space), ["ConfigMap/settings", "Service/api", "Deployment/shop-api"]);
}

#[test]
fn a_run_that_is_cut_off_after_any_write_leaves_nothing_that_the_next_does_not_know() {
    for cut in 0..7 {
        let (space, proxy) = (cluster().namespace("prune"), cluster().proxy());
        let workspace = application();
        step(&workspace, &space, &cluster().kubeconfig()).run().exits(0);
        workspace.write("kubernetes/api.yaml", &deployment("shop-api", "api"));
        workspace.edit("kubernetes/extras.yaml", "MODE: one", "MODE: two");
        let passed = AtomicUsize::new(0);
        proxy.on(move |r| is_write(r) && passed.fetch_add(1, Ordering::Relaxed) >= cut).fault(Fault::reply(403, "stop"));
        attempt(step(&workspace, &space, &cluster().kubeconfig_through(&proxy)), "1").input("on-failure", "keep").run();
        // The next release has another name again: what the cut off one has made goes too.
        workspace.write("kubernetes/api.yaml", &deployment("third-api", "api"));
        attempt(step(&workspace, &space, &cluster().kubeconfig()), "2").run().exits(0);
        let names: Vec<bool> = ["api", "shop-api", "third-api"].iter().map(|name| space.deployment(name).is_some()).collect();
        assert_eq!(names, [false, false, true], "cut after {cut}");
        assert_eq!(inventory(&space), ["ConfigMap/settings", "Service/api", "Deployment/third-api"], "cut after {cut}");
    }
}

#[test]
fn an_account_that_may_not_delete_is_told_before_anything_is_written() {
    let (space, proxy) = (cluster().namespace("prune"), cluster().proxy());
    let verbs = json!(["get", "list", "watch", "create", "patch"]);
    let rules = json!([
        {"apiGroups": ["", "apps"], "resources": ["configmaps", "services", "deployments"], "verbs": verbs},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch", "delete"]},
    ]);
    let kubeconfig = space.service_account_through(&proxy, &rules);
    let workspace = application();
    step(&workspace, &space, &kubeconfig).run().exits(0);
    workspace.write("kubernetes/api.yaml", &deployment("shop-api", "api"));
    let seen = proxy.requests().len();
    let run = step(&workspace, &space, &kubeconfig).run();
    run.exits(3).says("couldn't plan to delete Deployment").says("the account may not delete deployments.apps");
    assert_eq!(writes(&proxy, seen), Vec::<String>::new());
}

#[test]
fn what_two_applications_share_stays_until_neither_has_it() {
    let (space, kubeconfig) = (cluster().namespace("prune"), cluster().kubeconfig());
    let (one, other) = (application(), application());
    other.write("kubernetes/api.yaml", &deployment("other", "api"));
    step(&one, &space, &kubeconfig).run().exits(0);
    step(&other, &space, &kubeconfig).input("app", "other").run().exits(0);
    one.edit("kubernetes/extras.yaml", EXTRAS.split("---").next().expect("two documents"), "");
    step(&one, &space, &kubeconfig).run().exits(0).says("it is in tagboat-inventory-other as well");
    assert!(cluster().get(&space.path("configmaps/settings")).is_some());
}
