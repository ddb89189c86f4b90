//! Applications that something else has deployed: taken over without a restart.

use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Run, Step, Workspace};
use crate::servers::{Fault, Namespace, Proxy, Recorded, cluster};

const APPLICATION: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {MODE: one}
---
apiVersion: v1
kind: Secret
metadata: {name: database}
stringData: {PASSWORD: password-of-one}
---
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {app: api}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  replicas: 2
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: registry.example/acme/api:v1, envFrom: [{configMapRef: {name: settings}}]}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: db, image: registry.example/acme/db:v1}]
      volumes: [{name: credentials, projected: {sources: [{secret: {name: database}}]}}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: migrate, image: registry.example/acme/migrate:v1, envFrom: [{secretRef: {name: database}}]}]}
";

fn step<'w>(workspace: &'w Workspace, space: &Namespace, proxy: &Proxy, attempt: &str) -> Step<'w> {
    let step = workspace.step("apply").input("manifests", "app.yaml").input("prune", "true").input("app", "shop");
    let step = step.input("namespace", space.name()).input("kubeconfig", &cluster().kubeconfig_through(proxy)).secret("password-of-");
    step.env("GITHUB_RUN_ID", "7").env("GITHUB_RUN_ATTEMPT", attempt)
}

/// With the configuration in place, and nothing of what reads it.
fn is_killed_before_its_workloads(workspace: &Workspace, space: &Namespace, proxy: &Proxy) {
    let is_held = |r: &Recorded| r.method == "PATCH" && r.path().ends_with("/deployments/api") && !r.target.contains("dryRun");
    let (reached, held) = channel();
    proxy.on(move |r| is_held(r) && reached.send(()).is_ok()).fault(Fault::Delay(Duration::from_secs(86_400)));
    let running = step(workspace, space, proxy, "1").start();
    held.recv().expect("it comes there");
    running.signal("KILL");
    assert_eq!(running.end().exit, None);
    proxy.heal();
}

fn release(workspace: &Workspace, space: &Namespace, proxy: &Proxy) -> (Run, Vec<String>) {
    let seen = proxy.requests().len();
    // A later attempt may take over the lock of an earlier one at once.
    let run = step(workspace, space, proxy, "2").run();
    run.exits(0);
    (run, writes(proxy, seen))
}

/// The real writes since a number of requests, by the last part of their paths.
fn writes(proxy: &Proxy, seen: usize) -> Vec<String> {
    let is_write = |r: &&Recorded| matches!(r.method.as_str(), "PATCH" | "PUT" | "DELETE") && !r.target.contains("dryRun");
    let name = |r: &Recorded| r.path().rsplit('/').next().unwrap_or_default().to_owned();
    proxy.requests_since(seen).iter().filter(is_write).map(name).collect()
}

/// The identities of an application's pods that aren't on their way out, in an order of their own.
fn pods(space: &Namespace, app: &str) -> Vec<String> {
    let all = cluster().get(&space.path(&format!("pods?labelSelector=app%3D{app}"))).expect("a list");
    let stays = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let mut uids: Vec<String> = all["items"].as_array().expect("a list").iter().filter(stays).map(uid).collect();
    uids.sort();
    uids
}

#[test]
fn what_something_else_has_deployed_is_adopted_without_a_restart() {
    let by_kubectl = ["apply", "-f", "app.yaml"].as_slice();
    // What a Tagboat without inventories and fingerprints has left: its fields, and nothing else.
    let by_an_earlier_one = ["apply", "--server-side", "--field-manager=tagboat", "-f", "app.yaml"].as_slice();
    for (arguments, writes_objects) in [(by_kubectl, true), (by_an_earlier_one, false)] {
        let (space, proxy, workspace) = (cluster().namespace("adopted"), cluster().proxy(), Workspace::empty());
        workspace.write("app.yaml", APPLICATION);
        let file = workspace.path().join("app.yaml").display().to_string();
        let arguments: Vec<&str> =
            arguments.iter().map(|argument| if *argument == "app.yaml" { file.as_str() } else { argument }).collect();
        space.kubectl_ok(&arguments);
        space.kubectl_ok(&["rollout", "status", "deployment/api"]);
        space.kubectl_ok(&["rollout", "status", "statefulset/db"]);
        space.kubectl_ok(&["wait", "--for=condition=complete", "job/migrate"]);
        let before = [pods(&space, "api"), pods(&space, "db")];
        assert_eq!(before.each_ref().map(Vec::len), [2, 1]);

        let (_, written) = release(&workspace, &space, &proxy);
        assert_eq!(written.iter().any(|name| name == "api"), writes_objects, "{written:?}");
        assert_eq!([pods(&space, "api"), pods(&space, "db")], before, "{written:?}");
        let (again, written) = release(&workspace, &space, &proxy);
        assert_eq!((again.output("outcome"), written), ("unchanged", Vec::new()));
        assert_eq!([pods(&space, "api"), pods(&space, "db")], before);

        // From then on what changes is noticed, for whom it changes; also when a run is killed between the two.
        workspace.edit("app.yaml", "MODE: one", "MODE: two");
        let seen = proxy.requests().len();
        let rehearsal = step(&workspace, &space, &proxy, "1").input("dry-run", "true").run();
        rehearsal.exits(0).says("restarts: ConfigMap settings changed").sums_up("restarts: ConfigMap settings changed");
        assert_eq!((rehearsal.transcript.matches("restarts: ").count(), writes(&proxy, seen)), (1, Vec::new()));
        is_killed_before_its_workloads(&workspace, &space, &proxy);
        assert_eq!(cluster().get(&space.path("configmaps/settings")).expect("it is there")["data"]["MODE"], "two");
        let (run, _) = release(&workspace, &space, &proxy);
        run.says("restarts: ConfigMap settings changed");
        assert!(pods(&space, "api").iter().all(|uid| !before[0].contains(uid)));
        assert_eq!(pods(&space, "db"), before[1]);
        workspace.edit("app.yaml", "password-of-one", "password-of-two");
        let (run, _) = release(&workspace, &space, &proxy);
        run.says("restarts: Secret database changed");
        assert!(pods(&space, "db").iter().all(|uid| !before[1].contains(uid)));
        let (again, written) = release(&workspace, &space, &proxy);
        assert_eq!((again.output("outcome"), written), ("unchanged", Vec::new()));
    }
}
