//! Reaching a cluster, whatever form the kubeconfig has and whatever lies on the way: the real binary, the real API server.

mod kubeconfigs;
mod proxies;
mod trust;
mod users;

use serde_json::{Value, json};

use crate::harness::{Step, Workspace};
use crate::servers::cluster::ADMIN_TOKEN;
use crate::servers::{Namespace, cluster};

/// A workspace with a manifest of one ConfigMap.
fn workspace() -> Workspace {
    let workspace = Workspace::empty();
    workspace.write("app.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: reached}}\n");
    workspace
}

/// Applies it; what is missing is the way to the cluster.
fn apply(workspace: &Workspace) -> Step<'_> {
    workspace.step("apply").input("source", "none").input("manifests", "app.yaml").input("version", "v1.2.3")
}

/// The administrator's kubeconfig, with a token, after a change to its parts.
fn kubeconfig(shop: &Namespace, server: &str, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let text = cluster().kubeconfig_for(server, &json!({"token": ADMIN_TOKEN}), Some(shop.name()));
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let (mut at, mut user) = (config["clusters"][0]["cluster"].take(), config["users"][0]["user"].take());
    change(&mut at, &mut user);
    (config["clusters"][0]["cluster"], config["users"][0]["user"]) = (at, user);
    config.to_string()
}

fn same(_: &mut Value, _: &mut Value) {}

#[track_caller]
fn has_settings(shop: &Namespace) {
    let settings = cluster().get(&shop.path("configmaps/settings")).unwrap_or_else(|| panic!("nothing was applied"));
    assert_eq!(settings["data"]["mode"], "reached");
}
