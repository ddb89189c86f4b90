//! Which run has written what.

use serde_json::{Value, json};

use crate::harness::{Step, Workspace};
use crate::servers::{Namespace, Recorded, cluster};

const MANIFESTS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {MODE: one}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: registry.example/acme/api:v1}]}
";

fn step<'w>(workspace: &'w Workspace, space: &Namespace, kubeconfig: &str, run: &str) -> Step<'w> {
    workspace
        .step("apply")
        .input("manifests", "app.yaml")
        .input("namespace", space.name())
        .input("kubeconfig", kubeconfig)
        .env("GITHUB_SERVER_URL", "https://github.example")
        .env("GITHUB_RUN_ID", run)
        .env("GITHUB_SHA", &format!("c0ffee{run}"))
        .env("GITHUB_WORKFLOW", "Release")
        .env("GITHUB_WORKFLOW_REF", "acme/shop/.github/workflows/release.yml@refs/heads/main")
        .env("GITHUB_JOB", "deploy")
        .env("GITHUB_ACTOR", "ada")
        .env("GITHUB_REF", "refs/heads/main")
}

/// What the annotation of an object says, without the time.
fn said(object: &Value) -> Value {
    let text = object["metadata"]["annotations"]["actions.github.com/k8s-deploy"].as_str().unwrap_or_else(|| panic!("{object}"));
    let mut value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert!(value.as_object_mut().and_then(|map| map.remove("deployTimestamp")).is_some_and(|time| time.is_i64()), "{text}");
    value
}

#[test]
fn what_is_written_names_its_run_and_nothing_is_written_for_that_alone() {
    let (space, proxy) = (cluster().namespace("trace"), cluster().proxy());
    let kubeconfig = cluster().kubeconfig_through(&proxy);
    let workspace = Workspace::empty();
    workspace.write("app.yaml", MANIFESTS);
    step(&workspace, &space, &kubeconfig, "1").run().exits(0);
    let (settings, api) =
        (|| cluster().get(&space.path("configmaps/settings")).unwrap_or_default(), || space.deployment("api").unwrap_or_default());
    let expected = |run: &str, before: &str| {
        json!({
            "run": run, "repository": "acme/shop", "workflow": "Release", "workflowFileName": "release.yml", "jobName": "deploy",
            "createdBy": "ada", "runUri": format!("https://github.example/acme/shop/actions/runs/{run}"), "commit": format!("c0ffee{run}"),
            "lastSuccessRunCommit": before, "branch": "refs/heads/main", "dockerfilePaths": {}, "helmChartPaths": [],
            "manifestsPaths": [format!("https://github.example/acme/shop/blob/c0ffee{run}/app.yaml")], "provider": "GitHub",
        })
    };
    assert_eq!((said(&settings()), said(&api())), (expected("1", "NA"), expected("1", "NA")));
    assert!(!api()["spec"].to_string().contains("k8s-deploy"), "no pod says so, and none restarts");

    let seen = proxy.requests().len();
    let again = step(&workspace, &space, &kubeconfig, "2").run();
    again.exits(0);
    assert_eq!(again.output("outcome"), "unchanged");
    let is_write = |r: &&Recorded| !matches!(r.method.as_str(), "GET");
    assert_eq!(proxy.requests_since(seen).iter().filter(is_write).count(), 0, "nothing is even rehearsed");

    workspace.edit("app.yaml", "MODE: one", "MODE: two");
    let third = step(&workspace, &space, &kubeconfig, "3").run();
    third.exits(0);
    assert!(!third.group("Plan").contains("k8s-deploy"), "it is no change of its own");
    assert_eq!((said(&settings()), said(&api())), (expected("3", "c0ffee1"), expected("1", "NA")));
    assert_eq!(api()["metadata"]["generation"], 1);

    // Azure/k8s-deploy has annotated it since: a run that writes takes the annotation back.
    space.kubectl_ok(&["annotate", "--overwrite", "configmap/settings", "actions.github.com/k8s-deploy={}"]);
    let again = step(&workspace, &space, &kubeconfig, "4").run();
    again.exits(0);
    assert_eq!(again.output("outcome"), "unchanged");
    workspace.edit("app.yaml", "MODE: two", "MODE: three");
    step(&workspace, &space, &kubeconfig, "5").run().exits(0);
    assert_eq!(said(&settings()), expected("5", "NA"));
}
