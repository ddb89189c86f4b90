//! Failed rollouts that go back to what was live.

use tagboat::rollout::rollback::{self, Undone};

use super::*;

/// Rolls back what a release has failed to do.
async fn roll_back(release: &Release, plan: &Plan, failure: &Failure) -> (String, Undone) {
    let way_back = rollback::look(&release.cluster, plan, &failure.written).await;
    let settings = rollback::Settings { waiting: release.settings.waiting, timeout: release.settings.timeout };
    let events = Arc::clone(&release.events);
    let record = move |event| events.lock().expect("not poisoned").push(event);
    let undone = rollback::run(&release.cluster, plan, &way_back, &settings, &release.journal, &record).await;
    (way_back.to_string(), undone)
}

/// Plans, runs into a failure, and rolls back.
async fn fail_and_roll_back(release: &mut Release, namespace: &str) -> (Failure, String, Undone) {
    let plan = release.plan(namespace).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    let failure = failure(release.run(&plan).await);
    let (way_back, undone) = roll_back(release, &plan, &failure).await;
    if let Some(problems) = &undone.problems {
        panic!("{}\n{way_back}\n{}", explain(problems), release.told());
    }
    (failure, way_back, undone)
}

const EXTRAS: &str = "
---
apiVersion: v1
kind: Secret
metadata: {name: database}
stringData: {PASSWORD: one-one-one}
---
apiVersion: v1
kind: Service
metadata: {name: api, labels: {team: a}}
spec:
  selector: {app: api}
  ports: [{name: http, port: 80}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: api}
spec: {defaultBackend: {service: {name: api, port: {number: 80}}}}
";

fn before() -> String {
    settings().to_owned() + EXTRAS + &deployment("api", "api:v1", 2)
}

/// A release that changes, adds and removes values everywhere, and whose pods don't start.
fn broken(image: &str) -> String {
    let changed = before()
        .replace("MODE: production", "MODE: staging, NEW: entry")
        .replace("stringData: {PASSWORD: one-one-one}", "stringData: {PASSWORD: two-two-two, TOKEN: three}")
        .replace("labels: {team: a}", "labels: {owner: b}")
        .replace("{name: http, port: 80}", "{name: http, port: 80}, {name: admin, port: 81}")
        .replace("number: 80", "number: 81")
        .replace("acme/api:v1", &format!("acme/{image}"))
        .replace("  replicas: 2\n", "  replicas: 3\n  minReadySeconds: 1\n  strategy: {rollingUpdate: {maxSurge: 2}}\n");
    changed
        + "          env: [{name: ADDED, value: \"1\"}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: brand-new}
data: {A: \"1\"}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"
}

fn paths(shop: &Namespace) -> Vec<String> {
    vec![
        shop.path("configmaps/settings"),
        shop.path("secrets/database"),
        shop.path("services/api"),
        shop.group_path("networking.k8s.io/v1", "ingresses/api"),
        shop.group_path("apps/v1", "deployments/api"),
    ]
}

async fn comes_back_from(image: &str, timeout: Duration) -> String {
    let shop = cluster().namespace("shop");
    let kubeconfig = cluster().kubeconfig();
    outcome(Release::new(&kubeconfig, &before()).await.deploy(shop.name()).await);
    let live: Vec<Option<Value>> = paths(&shop).iter().map(|path| cluster().meant(path)).collect();
    assert!(live.iter().all(Option::is_some));

    let mut release = Release::new(&kubeconfig, &broken(image)).await;
    release.settings.timeout = timeout;
    let (failure, way_back, undone) = fail_and_roll_back(&mut release, shop.name()).await;
    assert_eq!(failure.exit(), Exit::TimedOut);
    for (path, live) in paths(&shop).iter().zip(&live) {
        assert_eq!(&cluster().meant(path), live, "{path} isn't what it was\n{way_back}");
    }
    assert!(cluster().get(&shop.path("configmaps/brand-new")).is_none());
    assert!(cluster().get(&shop.path("persistentvolumeclaims/disk")).is_some(), "a volume is never removed");
    assert_eq!(undone.to_string(), "5 restored, 1 removed, 1 left as they are");
    assert_eq!(undone.ready.iter().filter(|(id, _)| id.kind == "Deployment").count(), 1, "{}", release.told());
    assert_eq!(shop.deployment("api").unwrap()["status"]["readyReplicas"], 2);

    let mut again = Release::new(&kubeconfig, &before()).await;
    let again = again.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    assert!(again.is_empty(), "something is left to adopt or to correct: {again}");
    stable(&way_back, shop.name())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_goes_back_to_what_was_live() {
    let way_back = comes_back_from("missing:v2", Duration::from_secs(120)).await;
    insta::assert_snapshot!(way_back, @r#"
    restore Secret NS/database
        data.PASSWORD: *** → ***
        data.TOKEN: - ***
    restore ConfigMap NS/settings
        data.MODE: staging → production
        data.NEW: - entry
    restore Service NS/api
        metadata.labels.owner: - b
        metadata.labels.team: + a
        spec.ports[admin].name: - admin
        spec.ports[admin].port: - 81
        spec.ports[admin].protocol: - TCP
        spec.ports[admin].targetPort: - 81
    restore Deployment NS/api
        spec.minReadySeconds: - 1
        spec.replicas: 3 → 2
        spec.strategy.rollingUpdate.maxSurge: 2 → 25%
        spec.template.spec.containers[api].env: - [{"name":"ADDED","value":"1"}]
        spec.template.spec.containers[api].image: registry.example/acme/missing:v2 → registry.example/acme/api:v1
    restore Ingress NS/api
        spec.defaultBackend.service.port.number: 81 → 80
    remove ConfigMap NS/brand-new
    leave PersistentVolumeClaim NS/disk: its removal would take along what is in it
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_goes_back_to_what_was_live() {
    comes_back_from("crash:v2", Duration::from_secs(120)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_was_too_slow_goes_back_to_what_was_live() {
    comes_back_from("unready:v2", Duration::from_secs(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_object_undoes_what_was_written_before_it() {
    let shop = cluster().namespace("shop");
    outcome(Release::new(&cluster().kubeconfig(), &before()).await.deploy(shop.name()).await);
    let live: Vec<Option<Value>> = paths(&shop).iter().map(|path| cluster().meant(path)).collect();
    let proxy = cluster().proxy();
    let refusal =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "policy"});
    let is_write = |r: &Recorded| r.method == "PATCH" && !r.target.contains("dryRun") && r.path().ends_with("/deployments/api");
    proxy.on(is_write).nth(1).fault(Fault::reply(403, &refusal.to_string()));
    let mut release = Release::new(&cluster().kubeconfig_through(&proxy), &broken("api:v2")).await;
    let (failure, way_back, undone) = fail_and_roll_back(&mut release, shop.name()).await;
    assert_eq!(failure.exit(), Exit::Failed);
    for (path, live) in paths(&shop).iter().zip(&live) {
        assert_eq!(&cluster().meant(path), live, "{path} isn't what it was\n{way_back}");
    }
    assert!(!way_back.contains("Deployment"), "it was never written: {way_back}");
    assert_eq!(undone.to_string(), "3 restored, 1 removed, 1 left as they are");
}

/// What somebody who uses kubectl applies from a file.
fn kubectl_apply(shop: &Namespace, manifests: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.yaml");
    std::fs::write(&file, manifests).expect("a file");
    shop.kubectl_ok(&["apply", "-f", file.to_str().expect("a path")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_release_over_kubectls_fails_and_leaves_the_application_to_kubectl() {
    let shop = cluster().namespace("shop");
    kubectl_apply(&shop, &before());
    shop.kubectl_ok(&["rollout", "status", "deployment/api"]);
    let live: Vec<Option<Value>> = paths(&shop).iter().map(|path| cluster().meant(path)).collect();
    let mut release = Release::new(&cluster().kubeconfig(), &broken("missing:v2")).await;
    let (_, way_back, _) = fail_and_roll_back(&mut release, shop.name()).await;
    for (path, live) in paths(&shop).iter().zip(&live) {
        assert_eq!(&cluster().meant(path), live, "{path} isn't what it was\n{way_back}");
    }
    kubectl_apply(&shop, &before().replace("MODE: production", "OTHER: value"));
    assert_eq!(cluster().get(&shop.path("configmaps/settings")).unwrap()["data"], json!({"OTHER": "value"}), "kubectl goes on as before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_was_taken_from_a_person_is_given_back() {
    let shop = cluster().namespace("shop");
    let kubeconfig = cluster().kubeconfig();
    outcome(Release::new(&kubeconfig, &deployment("api", "api:v1", 1)).await.deploy(shop.name()).await);
    shop.kubectl_ok(&["set", "image", "deployment/api", "api=registry.example/acme/api:hotfix"]);
    shop.kubectl_ok(&["rollout", "status", "deployment/api"]);
    let path = shop.group_path("apps/v1", "deployments/api");
    let live = cluster().meant(&path);
    let mut release = Release::new(&kubeconfig, &deployment("api", "missing:v2", 1)).await;
    fail_and_roll_back(&mut release, shop.name()).await;
    assert_eq!(cluster().meant(&path), live);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_accounts_is_replaced_as_a_whole() {
    let shop = cluster().namespace("shop");
    kubectl_apply(&shop, &deployment("api", "api:v1", 1));
    let path = shop.group_path("apps/v1", "deployments/api");
    shop.kubectl_ok(&[
        "patch",
        "deployment/api",
        "--type=json",
        "-p",
        r#"[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]"#,
    ]);
    let live = cluster().meant(&path);
    let mut release = Release::new(&cluster().kubeconfig(), &(deployment("api", "missing:v2", 3) + "      hostname: new\n")).await;
    fail_and_roll_back(&mut release, shop.name()).await;
    assert_eq!(cluster().meant(&path), live);
}

fn stateful(image: &str) -> String {
    deployment("db", image, 3)
        .replace("kind: Deployment", "kind: StatefulSet")
        .replace("  replicas: 3\n", "  replicas: 3\n  serviceName: db\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stateful_set_is_freed_of_the_pod_that_holds_it_up() {
    let shop = cluster().namespace("shop");
    let kubeconfig = cluster().kubeconfig();
    outcome(Release::new(&kubeconfig, &stateful("db:v1")).await.deploy(shop.name()).await);
    let path = shop.group_path("apps/v1", "statefulsets/db");
    let live = cluster().meant(&path);
    let mut release = Release::new(&kubeconfig, &stateful("missing:v2")).await;
    fail_and_roll_back(&mut release, shop.name()).await;
    assert_eq!(cluster().meant(&path), live);
    assert!(release.told().contains("Pod ") && release.told().contains("it held up the way back"), "{}", release.told());
    let status = cluster().get(&path).unwrap()["status"].clone();
    assert_eq!((&status["readyReplicas"], &status["currentRevision"]), (&json!(3), &status["updateRevision"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_is_cut_off_is_no_obstacle_to_the_next_release() {
    let shop = cluster().namespace("shop");
    outcome(Release::new(&cluster().kubeconfig(), &before()).await.deploy(shop.name()).await);
    let is_write = |r: &Recorded| matches!(r.method.as_str(), "PATCH" | "PUT" | "DELETE") && !r.target.contains("dryRun");
    for cut in 0..6 {
        let proxy = cluster().proxy();
        let mut release = Release::new(&cluster().kubeconfig_through(&proxy), &broken("missing:v2")).await;
        let plan = release.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
        let failure = failure(release.run(&plan).await);
        let passed = std::sync::atomic::AtomicUsize::new(0);
        proxy.on(move |r| is_write(r) && passed.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= cut).fault(Fault::reply(403, "stop"));
        let (_, undone) = roll_back(&release, &plan, &failure).await;
        assert!(undone.problems.is_some(), "cut after {cut}");
        let next = outcome(Release::new(&cluster().kubeconfig(), &before()).await.deploy(shop.name()).await);
        assert!(!next.objects.is_empty());
        let again = outcome(Release::new(&cluster().kubeconfig(), &before()).await.deploy(shop.name()).await);
        assert_eq!(again.to_string(), "0 created, 0 changed, 5 unchanged", "cut after {cut}");
        cluster().ask("DELETE", &shop.path("configmaps/brand-new"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_that_is_cut_off_after_any_write_is_finished_by_the_next_run() {
    let is_write = |r: &Recorded| matches!(r.method.as_str(), "PATCH" | "PUT" | "DELETE") && !r.target.contains("dryRun");
    let changed = broken("api:v2");
    for cut in 0..8 {
        let shop = cluster().namespace("shop");
        kubectl_apply(&shop, &before());
        let proxy = cluster().proxy();
        let mut release = Release::new(&cluster().kubeconfig_through(&proxy), &changed).await;
        let plan = release.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
        let passed = std::sync::atomic::AtomicUsize::new(0);
        proxy.on(move |r| is_write(r) && passed.fetch_add(1, std::sync::atomic::Ordering::Relaxed) >= cut).fault(Fault::reply(403, "stop"));
        failure(release.run(&plan).await);
        outcome(Release::new(&cluster().kubeconfig(), &changed).await.deploy(shop.name()).await);
        let again = outcome(Release::new(&cluster().kubeconfig(), &changed).await.deploy(shop.name()).await);
        assert_eq!(again.to_string(), "0 created, 0 changed, 7 unchanged", "cut after {cut}");
        let live = cluster().get(&shop.path("configmaps/settings")).unwrap();
        assert_eq!(live["data"], json!({"MODE": "staging", "NEW": "entry"}));
        let live = cluster().get(&shop.path("services/api")).unwrap();
        assert_eq!(live["metadata"]["labels"], json!({"owner": "b"}), "what kubectl had set and the manifest hasn't is gone");
    }
}
