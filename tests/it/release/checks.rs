//! Jobs that prove a release, and hooks that go when they have ended.

use std::time::Duration;

use serde_json::{Value, json};

use super::manifests::deployment;
use crate::harness::{Step, Workspace};
use crate::servers::{Fault, Namespace, Proxy, Recorded, cluster};

/// An application whose checks lie in a folder of their own among the manifests.
fn application(mode: &str) -> Workspace {
    let workspace = Workspace::empty();
    workspace.write(
        "kubernetes/settings.yaml",
        &format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings}}, data: {{MODE: {mode}}}}}\n"),
    );
    workspace.write("kubernetes/api.yaml", &deployment("api", "api"));
    workspace.write(
        "kubernetes/checks/smoke.yaml",
        &format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: script}}, data: {{run: 'true'}}}}\n---\n{}",
            job("smoke", "", "check")
        ),
    );
    workspace
}

/// A quantity in a form that the server writes in another.
fn job(name: &str, annotations: &str, image: &str) -> String {
    format!(
        "
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: {name}, image: registry.example/acme/{image}:v1, resources: {{requests: {{cpu: '0.01'}}}}}}]
"
    )
}

fn step<'w>(workspace: &'w Workspace, space: &Namespace, proxy: &Proxy) -> Step<'w> {
    workspace
        .step("apply")
        .input("manifests", "kubernetes/")
        .input("namespace", space.name())
        .input("kubeconfig", &cluster().kubeconfig_through(proxy))
}

fn checked<'w>(workspace: &'w Workspace, space: &Namespace, proxy: &Proxy) -> Step<'w> {
    step(workspace, space, proxy).input("checks", "kubernetes/checks")
}

fn job_uid(space: &Namespace, name: &str) -> Option<Value> {
    space.job(name).map(|job| job["metadata"]["uid"].clone())
}

fn mode(space: &Namespace) -> Value {
    cluster().get(&space.path("configmaps/settings")).unwrap_or_default()["data"]["MODE"].clone()
}

/// The real writes of objects of the release since a number of requests, by the last part of their paths.
fn writes(proxy: &Proxy, since: usize) -> Vec<String> {
    let requests = proxy.requests_since(since);
    let real = requests.iter().filter(|r| matches!(r.method.as_str(), "PATCH" | "PUT" | "DELETE") && !r.target.contains("dryRun"));
    let is_ours = |name: &str| !name.starts_with("tagboat-");
    let last = |r: &Recorded| r.path().rsplit('/').next().unwrap_or_default().to_owned();
    real.filter(|r| is_ours(&last(r))).map(|r| format!("{} {}", r.method, last(r))).collect()
}

#[test]
fn checks_run_when_everything_is_ready_and_again_only_when_something_has_changed() {
    let (space, proxy) = (cluster().namespace("checks"), cluster().proxy());
    let workspace = application("one");
    let first = checked(&workspace, &space, &proxy).run();
    first.exits(0).says("checks").says(&format!("Job {}/smoke: ready after", space.name()));
    let order = writes(&proxy, 0);
    assert_eq!(order.last().map(String::as_str), Some("PATCH smoke"), "{order:?}");
    assert_eq!(order.len(), 4, "{order:?}");
    let uid = job_uid(&space, "smoke");

    let seen = proxy.requests().len();
    let again = checked(&workspace, &space, &proxy).run();
    again.exits(0);
    assert_eq!((again.output("outcome"), writes(&proxy, seen)), ("unchanged", Vec::new()));
    assert_eq!(job_uid(&space, "smoke"), uid);

    workspace.edit("kubernetes/settings.yaml", "MODE: one", "MODE: two");
    let changed = checked(&workspace, &space, &proxy).run();
    changed.exits(0).says(&format!("± Job {}/smoke: runs again", space.name()));
    assert_ne!(job_uid(&space, "smoke"), uid);
}

#[test]
fn a_check_that_fails_takes_the_release_back() {
    let (space, proxy) = (cluster().namespace("checks"), cluster().proxy());
    let workspace = application("one");
    checked(&workspace, &space, &proxy).run().exits(0);
    workspace.edit("kubernetes/settings.yaml", "MODE: one", "MODE: two");
    workspace.edit("kubernetes/checks/smoke.yaml", "acme/check:v1", "acme/crash:v1");
    space.pod_logs(&["the shop is closed"], &[]);
    let run = checked(&workspace, &space, &proxy).run();
    run.exits(4).says(&format!("couldn't roll out Job {}/smoke", space.name())).says("the shop is closed").sums_up("the shop is closed");
    run.says(&format!("restore ConfigMap {}/settings", space.name()));
    assert_eq!(mode(&space), json!("one"));

    let kept = checked(&workspace, &space, &proxy).input("on-failure", "keep").run();
    kept.exits(4);
    assert_eq!(mode(&space), json!("two"));
    // What has failed is not passed, though nothing else is left to write.
    checked(&workspace, &space, &proxy).input("on-failure", "keep").run().exits(4);
}

#[test]
fn a_check_that_a_killed_run_never_came_to_is_run_by_the_next() {
    let (space, proxy) = (cluster().namespace("checks"), cluster().proxy());
    let workspace = application("one");
    checked(&workspace, &space, &proxy).run().exits(0);
    let uid = job_uid(&space, "smoke");
    workspace.edit("kubernetes/settings.yaml", "MODE: one", "MODE: two");
    proxy.on(|r| r.method == "DELETE" && r.path().ends_with("/jobs/smoke")).fault(Fault::Delay(Duration::from_secs(86_400)));
    // An attempt of the same run may take the lock over at once.
    let attempt = |number: &str| checked(&workspace, &space, &proxy).env("GITHUB_RUN_ID", "7").env("GITHUB_RUN_ATTEMPT", number);
    let mut running = attempt("1").start();
    running.until_it_says(": checks (");
    running.signal("KILL");
    assert_eq!(running.end().exit, None);
    proxy.heal();
    assert_eq!((mode(&space), job_uid(&space, "smoke")), (json!("two"), uid.clone()));
    let run = attempt("2").run();
    run.exits(0).says("was cut off").says(&format!("± Job {}/smoke: runs again", space.name()));
    assert_ne!(job_uid(&space, "smoke"), uid);
    checked(&workspace, &space, &proxy).run().exits(0).says("everything was in place already");
}

#[test]
fn checks_are_waited_for_even_when_nothing_else_is() {
    let (space, proxy) = (cluster().namespace("checks"), cluster().proxy());
    let workspace = application("one");
    workspace.edit("kubernetes/checks/smoke.yaml", "acme/check:v1", "acme/crash:v1");
    let run = checked(&workspace, &space, &proxy).input("wait", "false").run();
    run.exits(4).says(&format!("couldn't roll out Job {}/smoke", space.name()));
}

#[test]
fn a_check_that_the_server_would_refuse_is_told_before_anything_is_written() {
    let (space, proxy) = (cluster().namespace("checks"), cluster().proxy());
    let workspace = application("one");
    checked(&workspace, &space, &proxy).run().exits(0);
    workspace.edit("kubernetes/settings.yaml", "MODE: one", "MODE: two");
    workspace.edit("kubernetes/checks/smoke.yaml", "restartPolicy: Never", "restartPolicy: Always");
    let seen = proxy.requests().len();
    let run = checked(&workspace, &space, &proxy).run();
    run.exits(2).says("::error file=kubernetes/checks/smoke.yaml,line=4,").says("restartPolicy");
    assert_eq!(writes(&proxy, seen), Vec::<String>::new());
}

#[test]
fn checks_without_a_job_prove_nothing() {
    let workspace = application("one");
    workspace.write("kubernetes/checks/smoke.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: script}}\n");
    let run = workspace.step("plan").input("manifests", "kubernetes/").input("checks", "kubernetes/checks").run();
    run.exits(2).says("the input `checks` names no Job");
    let workspace = application("one");
    let run = workspace.step("plan").input("manifests", "kubernetes/").input("checks", "kubernetes/checks").run();
    run.exits(0).says("checks\n");
}

#[test]
fn hooks_go_when_their_annotations_say_so_and_are_no_reason_to_write() {
    let (space, proxy) = (cluster().namespace("hooks"), cluster().proxy());
    let workspace = application("one");
    let policy = |hook: &str, policy: &str| format!("helm.sh/hook: {hook}, helm.sh/hook-delete-policy: '{policy}'");
    let argo = "argocd.argoproj.io/hook: PostSync, argocd.argoproj.io/hook-delete-policy: HookSucceeded";
    workspace.write(
        "kubernetes/checks/smoke.yaml",
        &(job("smoke", argo, "check") + "---" + &job("seed", &policy("post-install", "hook-succeeded"), "seed")),
    );
    workspace.write("kubernetes/stays.yaml", &job("stays", &policy("pre-install", "before-hook-creation,hook-failed"), "stays"));
    step(&workspace, &space, &proxy).run().exits(0).says(&format!("Job {}/seed: deleted", space.name()));
    assert!(job_uid(&space, "smoke").is_none() && job_uid(&space, "seed").is_none());
    let stays = job_uid(&space, "stays");
    assert!(stays.is_some());

    let seen = proxy.requests().len();
    let again = step(&workspace, &space, &proxy).run();
    again.exits(0);
    assert_eq!((again.output("outcome"), writes(&proxy, seen)), ("unchanged", Vec::new()));

    workspace.edit("kubernetes/settings.yaml", "MODE: one", "MODE: two");
    let seen = proxy.requests().len();
    step(&workspace, &space, &proxy).run().exits(0);
    let written = writes(&proxy, seen);
    assert!(
        ["PATCH smoke", "PATCH seed", "PATCH stays", "DELETE smoke"].iter().all(|line| written.iter().any(|w| w == line)),
        "{written:?}"
    );

    workspace.edit("kubernetes/stays.yaml", "acme/stays:v1", "acme/crash:v1");
    step(&workspace, &space, &proxy).run().exits(4).says(&format!("Job {}/stays: deleted", space.name()));
    assert!(job_uid(&space, "stays").is_none(), "a hook that has failed goes where its annotation says so");
}
