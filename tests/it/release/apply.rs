//! `mode: apply`: images tagged, objects applied in their order, workloads rolled out.

use std::time::Duration;

use crate::harness::Workspace;
use crate::servers::{Fault, cluster};

use super::{Place, applies, count, registry};

#[test]
fn the_shop_is_released_in_order_and_the_second_run_writes_nothing() {
    let (registry, place, proxy) = (registry(), Place::new(), cluster().proxy());
    let shop = Workspace::shop_in(&place.name());
    let step = shop.step("apply").releases_from(&registry).with_manifests().input("kubeconfig", &cluster().kubeconfig_through(&proxy));

    let rehearsal = step.clone().input("dry-run", "true").run();
    rehearsal.exits(0);
    assert_eq!((rehearsal.output("outcome"), rehearsal.output("changed")), ("planned", "false"));
    assert_eq!((applies(&proxy.requests()), count(&registry.requests(), "PUT")), (Vec::new(), 0));
    assert_eq!(cluster().get(&format!("/api/v1/namespaces/{}", place.name())), None);

    let run = step.clone().run();
    run.exits(0);
    insta::assert_snapshot!(run.group("Plan"), @"
    wave 1: definitions
      + Namespace NAMESPACE
      then wait until ready: Namespace NAMESPACE
    wave 2: policy and identity
      + ServiceAccount NAMESPACE/shop (not validated yet: namespace NAMESPACE is new)
    wave 3: configuration and storage
      + Secret NAMESPACE/shop-database (not validated yet: namespace NAMESPACE is new)
      + ConfigMap NAMESPACE/shop-settings (not validated yet: namespace NAMESPACE is new)
    wave 4: endpoints
      + Service NAMESPACE/api (not validated yet: namespace NAMESPACE is new)
      + Service NAMESPACE/cache (not validated yet: namespace NAMESPACE is new)
      + Service NAMESPACE/web (not validated yet: namespace NAMESPACE is new)
    wave 5: workloads
      + Deployment NAMESPACE/api (not validated yet: namespace NAMESPACE is new)
      + Deployment NAMESPACE/cache (not validated yet: namespace NAMESPACE is new)
      + Deployment NAMESPACE/web (not validated yet: namespace NAMESPACE is new)
      + Deployment NAMESPACE/worker (not validated yet: namespace NAMESPACE is new)
    11 to create, 0 to change, 0 unchanged
    (13 requests to the cluster)
    ");
    insta::assert_snapshot!(run.ending(), @"done; 14 things were changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s, Plan (n) s, Retag (n) s, Apply (n) s)");
    assert_eq!((run.output("outcome"), run.output("changed")), ("done", "true"));
    for (service, replicas) in [("api", 3), ("worker", 1), ("web", 2)] {
        place.has_rolled_out(service);
        let digest = registry.digest(&format!("acme/shop-{service}"), "v1.2.3").unwrap();
        assert_eq!(place.image(service), format!("{}/acme/shop-{service}:v1.2.3@{digest}", registry.host()));
        assert_eq!(place.deployment(service)["status"]["availableReplicas"], replicas);
    }
    assert_eq!(place.image("cache"), "redis:7.4-alpine");
    assert_eq!(place.live("v1:configmaps/shop-settings").unwrap()["data"]["RELEASE"], "v1.2.3");
    let order = applies(&proxy.requests());
    assert_eq!(order.len(), 11);
    let position = |end: &str| order.iter().position(|path| path.ends_with(end)).unwrap_or_else(|| panic!("{end} isn't in {order:?}"));
    let first = ["api", "worker", "web", "cache"].map(|name| position(&format!("/deployments/{name}"))).into_iter().min().unwrap();
    assert!(position("/configmaps/shop-settings") < first && position("/secrets/shop-database") < first, "{order:?}");
    assert_eq!(position(&format!("/namespaces/{}", place.name())), 0);
    let summary = run.stable_summary();
    for part in ["### Images", "```mermaid\nflowchart TD", "### Objects", "### Time", "| Apply | "] {
        assert!(summary.contains(part), "{part} isn't in {summary}");
    }
    insta::assert_snapshot!(between(&summary, "### Objects", "### Time"), @"
    ### Objects

    | object |  | fields | rollout |
    | --- | --- | --- | --- |
    | `Namespace NAMESPACE` | created |  |  |
    | `ServiceAccount NAMESPACE/shop` | created |  |  |
    | `Secret NAMESPACE/shop-database` | created |  |  |
    | `ConfigMap NAMESPACE/shop-settings` | created |  |  |
    | `Service NAMESPACE/api` | created |  |  |
    | `Service NAMESPACE/cache` | created |  |  |
    | `Service NAMESPACE/web` | created |  |  |
    | `Deployment NAMESPACE/api` | created |  | ready after (n) s |
    | `Deployment NAMESPACE/cache` | created |  | ready after (n) s |
    | `Deployment NAMESPACE/web` | created |  | ready after (n) s |
    | `Deployment NAMESPACE/worker` | created |  | ready after (n) s |

    <details><summary>All 14 changes, in order</summary>

    ```text
    HOST/acme/shop-api:v1.2.3: new, sha256:(64)
    HOST/acme/shop-web:v1.2.3: new, sha256:(64)
    HOST/acme/shop-worker:v1.2.3: new, sha256:(64)
    Namespace NAMESPACE: new, applied
    ServiceAccount NAMESPACE/shop: new, applied
    Secret NAMESPACE/shop-database: new, applied
    ConfigMap NAMESPACE/shop-settings: new, applied
    Service NAMESPACE/api: new, applied
    Service NAMESPACE/cache: new, applied
    Service NAMESPACE/web: new, applied
    Deployment NAMESPACE/api: new, applied
    Deployment NAMESPACE/cache: new, applied
    Deployment NAMESPACE/web: new, applied
    Deployment NAMESPACE/worker: new, applied
    ```

    </details>
    ");

    let (objects, tags) = (proxy.requests().len(), registry.requests().len());
    let again = step.run();
    again.exits(0);
    insta::assert_snapshot!(again.ending(), @"everything was in place already; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s, Plan (n) s, Retag (n) s, Apply (n) s)");
    assert_eq!((again.output("outcome"), again.output("changed")), ("unchanged", "false"));
    assert_eq!(applies(&proxy.requests_since(objects)), Vec::<String>::new());
    assert_eq!(count(&registry.requests()[tags..], "PUT"), 0);
}

fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let begin = text.find(from).unwrap_or_else(|| panic!("no {from} in {text}"));
    &text[begin..begin + text[begin..].find(to).unwrap_or_else(|| panic!("no {to} in {text}"))]
}

#[test]
fn a_pod_that_cannot_pull_fails_the_release_with_what_was_seen() {
    let (registry, place) = (registry(), Place::new());
    registry.push_image("acme/shop-missing", "latest", crate::servers::Platforms::One);
    let shop = Workspace::shop_in(&place.name());
    shop.edit("compose.yaml", "shop-worker:latest", "shop-missing:latest");
    let run = shop.step("apply").releases_from(&registry).with_manifests().input("kubeconfig", &cluster().kubeconfig()).run();
    run.exits(4).says("ImagePullBackOff").sums_up("ImagePullBackOff").sums_up("changes, in order");
    insta::assert_snapshot!(run.ending(), @r#"
    ::error file=kubernetes/10-workloads.yaml,line=28,title=tagboat::kubernetes/10-workloads.yaml:28: couldn't roll out Deployment NAMESPACE/worker: pod worker-(id), container worker: ImagePullBackOff: Back-off pulling image "HOST/acme/shop-missing:v1.2.3@sha256:(64)": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "HOST/acme/shop-missing:v1.2.3@sha256:(64)": HOST/acme/shop-missing:v1.2.3@sha256:(64): not found%0Ahint: see the pods' states, events and last log lines above
    changed before it ended:
      HOST/acme/shop-api:v1.2.3: new, sha256:(64)
      HOST/acme/shop-web:v1.2.3: new, sha256:(64)
      HOST/acme/shop-missing:v1.2.3: new, sha256:(64)
      Namespace NAMESPACE: new, applied
      ServiceAccount NAMESPACE/shop: new, applied
      Secret NAMESPACE/shop-database: new, applied
      ConfigMap NAMESPACE/shop-settings: new, applied
      Service NAMESPACE/api: new, applied
      Service NAMESPACE/cache: new, applied
      Service NAMESPACE/web: new, applied
      Deployment NAMESPACE/api: new, applied
      Deployment NAMESPACE/cache: new, applied
      Deployment NAMESPACE/web: new, applied
      Deployment NAMESPACE/worker: new, applied
      Deployment NAMESPACE/api: what the rollout made of it → removed
      Deployment NAMESPACE/cache: what the rollout made of it → removed
      Deployment NAMESPACE/web: what the rollout made of it → removed
      Deployment NAMESPACE/worker: what the rollout made of it → removed
      Service NAMESPACE/api: what the rollout made of it → removed
      Service NAMESPACE/cache: what the rollout made of it → removed
      Service NAMESPACE/web: what the rollout made of it → removed
      Secret NAMESPACE/shop-database: what the rollout made of it → removed
      ConfigMap NAMESPACE/shop-settings: what the rollout made of it → removed
      ServiceAccount NAMESPACE/shop: what the rollout made of it → removed
    gave up waiting; the cluster was rolled back (0 restored, 10 removed, 1 left as they are) ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s, Plan (n) s, Retag (n) s, Apply (n) s, Rollback (n) s)
    next: correct what the pods say, then run it again
    "#);
    assert_eq!((run.output("outcome"), run.output("changed")), ("timed-out", "true"));
    let applied = run.json("applied");
    let actions: Vec<&str> = applied.as_array().unwrap().iter().map(|object| object["action"].as_str().unwrap()).collect();
    assert_eq!(actions[0], "created, then left as it is: its removal would take along what is in it");
    assert_eq!(actions[1..], ["created, then removed"; 10]);
}

#[test]
fn a_field_that_the_cluster_does_not_know_is_refused_before_any_write() {
    let (registry, place, proxy) = (registry(), Place::new(), cluster().proxy());
    let shop = Workspace::shop_in(&place.name());
    shop.edit("kubernetes/10-workloads.yaml", "  replicas: 3", "  replicaz: 3");
    let kubeconfig = cluster().kubeconfig_through(&proxy);
    // The namespace must be there for the API server to validate what is in it.
    cluster().kubectl(&["create", "namespace", &place.name()]);
    let run = shop.step("apply").releases_from(&registry).with_manifests().input("kubeconfig", &kubeconfig).run();
    run.exits(2).says("::error file=kubernetes/10-workloads.yaml,line=2,").says("replicaz");
    insta::assert_snapshot!(run.ending(), @"
    ::error file=kubernetes/10-workloads.yaml,line=2,title=tagboat::kubernetes/10-workloads.yaml:2: couldn't plan Deployment NAMESPACE/api%0Abecause: PATCH /apis/apps/v1/namespaces/NAMESPACE/deployments/api was answered with 500: failed to create typed patch object (NAMESPACE/api; apps/v1, Kind=Deployment): .spec.replicaz: field not declared in schema%0Ahint: check the spelling and the place of the field, and the object's apiVersion
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s, Plan (n) s)
    ");
    assert_eq!((applies(&proxy.requests()), count(&registry.requests(), "PUT")), (Vec::new(), 0));
}

#[test]
fn a_cycle_is_refused_before_any_write() {
    let (registry, place, proxy) = (registry(), Place::new(), cluster().proxy());
    let shop = Workspace::shop_in(&place.name());
    // The webhook that converts keys needs a certificate, which is made from a key.
    shop.write(
        "kubernetes/50-circle.yaml",
        "
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: keys.acme.io}, spec: {group: acme.io, names: {kind: Key}, conversion: {webhook: {clientConfig: {service: {name: hook, namespace: x}}}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: hook, namespace: x}, spec: {selector: {app: hook}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: hook, namespace: x}
spec: {template: {metadata: {labels: {app: hook}}, spec: {volumes: [{secret: {secretName: tls}}]}}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: c, namespace: x}, spec: {secretName: tls, issuerRef: {group: acme.io, kind: Key, name: k}}}
---
{apiVersion: acme.io/v1, kind: Key, metadata: {name: k, namespace: x}}
",
    );
    let step = shop.step("apply").releases_from(&registry).with_manifests();
    let run = step.input("kubeconfig", &cluster().kubeconfig_through(&proxy)).run();
    run.exits(2);
    insta::assert_snapshot!(run.ending(), @"
    ::error file=kubernetes/50-circle.yaml,line=13,title=tagboat::kubernetes/50-circle.yaml:13: couldn't order the objects, because they wait for each other: Key x/k (kubernetes/50-circle.yaml:13) is converted by Deployment x/hook (kubernetes/50-circle.yaml:6), which uses Certificate x/c (kubernetes/50-circle.yaml:11), which uses Key x/k%0Ahint: remove one of these references, or apply one of the objects in an earlier step with its own `manifests`
    refused; nothing was changed ((n) s: Release (n) s, Images (n) s, Registry (n) s, Manifests (n) s, Plan (n) s)
    ");
    assert_eq!((applies(&proxy.requests()), count(&registry.requests(), "PUT")), (Vec::new(), 0));
}

#[test]
fn a_killed_apply_is_finished_by_the_next_run() {
    let (registry, place, proxy) = (registry(), Place::new(), cluster().proxy());
    let shop = Workspace::shop_in(&place.name());
    let step = shop.step("apply").releases_from(&registry).with_manifests().input("kubeconfig", &cluster().kubeconfig_through(&proxy));
    let step = step.env("GITHUB_RUN_ID", "7").env("GITHUB_RUN_ATTEMPT", "1");
    let held = |target: &str| target.contains("/deployments/worker") && !target.contains("dryRun");
    proxy.on(move |request| request.method == "PATCH" && held(&request.target)).fault(Fault::Delay(Duration::from_secs(86_400)));
    let mut running = step.clone().start();
    running.until_it_says(&format!("Deployment {}/api: created", place.name()));
    running.signal("KILL");
    assert_eq!(running.end().exit, None);
    assert!(place.live("apps/v1:deployments/worker").is_none(), "it was cut off before the worker");

    proxy.heal();
    let run = step.env("GITHUB_RUN_ATTEMPT", "2").run();
    run.exits(0);
    assert_eq!(run.output("outcome"), "done");
    for service in ["api", "worker", "web", "cache"] {
        place.has_rolled_out(service);
    }
}

#[test]
fn no_cluster_is_bad_input() {
    let registry = registry();
    let run = Workspace::shop().step("apply").releases_from(&registry).with_manifests().run();
    run.exits(2).says("couldn't find a cluster");
    assert_eq!(count(&registry.requests(), "PUT"), 0);
}
