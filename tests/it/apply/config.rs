//! Changed ConfigMaps and Secrets reach the pods that read them, and no others.

use std::process::Command;

use tagboat::rollout::rollback;

use super::*;

/// Three workloads: one reads a ConfigMap, one a Secret, one nothing.
fn app(mode: &str, password: &str) -> String {
    let reads = |name: &str, what: &str| deployment(name, &format!("{name}:v1"), 1) + &format!("          {what}\n");
    settings().replace("production", mode)
        + &format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: database}}\nstringData: {{PASSWORD: {password}}}\n")
        + &reads("api", "envFrom: [{configMapRef: {name: settings}}]")
        + &reads("worker", "env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: database, key: PASSWORD}}}]")
        + &deployment("web", "web:v1", 1)
}

/// How often each workload has had new pods, by the count that its controller keeps.
fn revisions(shop: &Namespace) -> [String; 3] {
    ["api", "worker", "web"].map(|name| {
        let live = shop.deployment(name).unwrap();
        live["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().unwrap().to_owned()
    })
}

fn annotation(shop: &Namespace, name: &str) -> Value {
    shop.deployment(name).unwrap()["spec"]["template"]["metadata"]["annotations"]["tagboat/config"].clone()
}

async fn release(shop: &Namespace, manifests: &str) -> (String, Vec<String>) {
    let mut release = Release::new(&cluster().kubeconfig(), manifests).await;
    let plan = release.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    outcome(release.run(&plan).await);
    (stable(&plan.to_string(), shop.name()), release.written())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_configuration_restarts_its_users_and_only_them() {
    let shop = cluster().namespace("shop");
    release(&shop, &app("one", "first-password")).await;
    assert_eq!(revisions(&shop), ["1", "1", "1"]);
    assert_eq!(release(&shop, &app("one", "first-password")).await.1, Vec::<String>::new());

    let (plan, _) = release(&shop, &app("two", "first-password")).await;
    insta::assert_snapshot!(plan, @"
    wave 1: configuration and storage
      = Secret NS/database
      ~ ConfigMap NS/settings
          data.MODE: one → two
    wave 2: workloads
      ~ Deployment NS/api
          spec.template.metadata.annotations[tagboat/config]: configmap/settings:(16) → configmap/settings:(16)
          restarts: ConfigMap settings changed
      = Deployment NS/web
      = Deployment NS/worker
    0 to create, 2 to change, 3 unchanged
    ");
    assert_eq!(revisions(&shop), ["2", "1", "1"]);
    assert_eq!(release(&shop, &app("two", "first-password")).await.1, Vec::<String>::new());

    let (plan, _) = release(&shop, &app("two", "second-password")).await;
    assert!(plan.contains("restarts: Secret database changed"), "{plan}");
    assert_eq!(revisions(&shop), ["2", "2", "1"]);
    assert_eq!(release(&shop, &app("two", "second-password")).await.1, Vec::<String>::new());

    // Back to what it was: the ReplicaSet of then takes over again.
    release(&shop, &app("one", "second-password")).await;
    assert_eq!(revisions(&shop), ["3", "2", "1"]);
    let sets = cluster().get(&shop.group_path("apps/v1", "replicasets")).unwrap();
    assert_eq!(sets["items"].as_array().unwrap().len(), 5, "api has two, worker two, web one");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kubectl_had_applied_is_taken_over_without_a_restart() {
    let shop = cluster().namespace("shop");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.yaml");
    std::fs::write(&file, app("one", "first-password")).expect("a file");
    shop.kubectl_ok(&["apply", "-f", file.to_str().expect("a path")]);
    shop.kubectl_ok(&["rollout", "status", "deployment/api"]);

    release(&shop, &app("one", "first-password")).await;
    assert_eq!(revisions(&shop), ["1", "1", "1"]);
    assert_eq!(annotation(&shop, "api"), Value::Null);
    assert_eq!(release(&shop, &app("one", "first-password")).await.1, Vec::<String>::new());

    // Pods that are replaced anyway get the annotation along.
    let next = app("one", "first-password").replace("worker:v1", "worker:v2");
    release(&shop, &next).await;
    assert_eq!(revisions(&shop), ["1", "2", "1"]);
    assert!(annotation(&shop, "worker").as_str().unwrap().starts_with("secret/database:"));
    assert_eq!(release(&shop, &next).await.1, Vec::<String>::new());

    release(&shop, &next.replace("MODE: one", "MODE: two")).await;
    assert_eq!(revisions(&shop), ["2", "2", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_apply_without_restarts_had_deployed_is_left_running() {
    let shop = cluster().namespace("shop");
    let mut before = Release::new(&cluster().kubeconfig(), &app("one", "first-password")).await;
    before.updates = ConfigUpdates::Leave;
    outcome(before.deploy(shop.name()).await);
    assert_eq!(release(&shop, &app("one", "first-password")).await.1, Vec::<String>::new());
    release(&shop, &app("two", "first-password")).await;
    assert_eq!(revisions(&shop), ["2", "1", "1"]);

    // And an annotation that is there is no reason for a restart when nobody looks after it any more.
    let mut after = Release::new(&cluster().kubeconfig(), &app("two", "first-password")).await;
    after.updates = ConfigUpdates::Leave;
    assert!(after.plan(shop.name()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_brings_the_old_configuration_and_the_old_annotation_back() {
    let shop = cluster().namespace("shop");
    for adopted in [ConfigUpdates::Leave, ConfigUpdates::Restart] {
        let mut first = Release::new(&cluster().kubeconfig(), &app("one", "first-password")).await;
        first.updates = adopted;
        outcome(first.deploy(shop.name()).await);
        let live = shop.deployment("api").unwrap()["spec"].clone();

        let broken = app("two", "first-password").replace("worker:v1", "missing:v2");
        let mut second = Release::new(&cluster().kubeconfig(), &broken).await;
        let plan = second.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
        assert!(plan.to_string().contains("restarts: ConfigMap settings changed"), "{plan}");
        let failure = failure(second.run(&plan).await);
        assert_ne!(shop.deployment("api").unwrap()["spec"], live);
        let way_back = rollback::look(&second.cluster, &plan, &failure.written).await;
        let settings = rollback::Settings { waiting: second.settings.waiting, timeout: second.settings.timeout };
        let undone = rollback::run(&second.cluster, &plan, &way_back, &settings, &second.journal, &|_| {}).await;
        assert!(undone.problems.is_none(), "{way_back}");
        assert_eq!(shop.deployment("api").unwrap()["spec"], live);
        assert_eq!(cluster().get(&shop.path("configmaps/settings")).unwrap()["data"]["MODE"], "one");
        assert_eq!(release(&shop, &app("one", "first-password")).await.1, Vec::<String>::new(), "{adopted:?}");
        shop.kubectl_ok(&["delete", "deployment,configmap,secret", "--all", "--cascade=foreground"]);
    }
}

/// The action with `config-updates: versioned`, as a process.
struct Versioned<'n> {
    shop: &'n Namespace,
    kubeconfig: String,
    prune: bool,
    updates: &'static str,
}

impl<'n> Versioned<'n> {
    fn new(shop: &'n Namespace, kubeconfig: String) -> Self {
        Self { shop, kubeconfig, prune: false, updates: "versioned" }
    }

    fn run(&self, manifests: &str) -> (Option<i32>, String) {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [("app.yaml", manifests), ("kubeconfig", &self.kubeconfig)] {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagboat"));
        command.args([
            "--mode=apply",
            "--source=none",
            "--manifests=app.yaml",
            "--kubeconfig=kubeconfig",
            "--app=acme/shop",
            "--timeout=120s",
        ]);
        command
            .arg(format!("--config-updates={}", self.updates))
            .arg(format!("--prune={}", self.prune))
            .arg(format!("--namespace={}", self.shop.name()));
        let output = command.current_dir(folder.path()).env_clear().output().expect("the binary runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    #[track_caller]
    fn releases(&self, manifests: &str) -> String {
        let (code, log) = self.run(manifests);
        assert_eq!(code, Some(0), "{log}");
        log
    }
}

/// The versions of the settings that are there, by what they say.
fn versions(shop: &Namespace) -> Vec<String> {
    let maps = cluster().get(&shop.path("configmaps")).unwrap();
    let items = maps["items"].as_array().unwrap().iter().filter(|map| map["metadata"]["name"].as_str().unwrap().starts_with("settings-"));
    let mut modes: Vec<String> =
        items.inspect(|map| assert_eq!(map["immutable"], true)).map(|map| map["data"]["MODE"].as_str().unwrap().to_owned()).collect();
    modes.sort();
    modes
}

/// One workload that keeps one old ReplicaSet.
fn versioned_app(mode: &str) -> String {
    let api = deployment("api", "api:v1", 1) + "          envFrom: [{configMapRef: {name: settings}}]\n";
    settings().replace("production", mode) + &api.replace("  replicas: 1\n", "  replicas: 1\n  revisionHistoryLimit: 1\n")
}

/// The names that ReplicaSets and pods refer to.
fn until_replica_sets(shop: &Namespace, count: usize) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let sets = cluster().get(&shop.group_path("apps/v1", "replicasets")).unwrap()["items"].as_array().unwrap().len();
        let pods = cluster().get(&shop.path("pods")).unwrap()["items"].as_array().unwrap().len();
        if (sets, pods) == (count, 1) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{sets} ReplicaSets and {pods} pods");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn versions_stay_as_long_as_something_refers_to_them() {
    let shop = cluster().namespace("shop");
    let proxy = cluster().proxy();
    let action = Versioned::new(&shop, cluster().kubeconfig_through(&proxy));
    action.releases(&versioned_app("one"));
    assert_eq!(versions(&shop), ["one"]);
    assert!(cluster().get(&shop.path("configmaps/settings")).is_none());

    let before = proxy.requests().len();
    let log = action.releases(&versioned_app("one"));
    let requests = proxy.requests()[before..].to_vec();
    assert!(log.contains("nothing was changed"), "{log}");
    let lines: Vec<String> = requests.iter().map(Recorded::line).collect();
    assert_eq!(requests.len(), 3, "two objects and the record: {lines:#?}");

    until_replica_sets(&shop, 1);
    let log = action.releases(&versioned_app("two"));
    assert!(log.contains("goes when nothing refers to it any more") && log.contains("old versions: 0 removed, 1 in use"), "{log}");
    assert_eq!(versions(&shop), ["one", "two"]);
    // The old template finds its content.
    until_replica_sets(&shop, 2);
    shop.kubectl_ok(&["rollout", "undo", "deployment/api"]);
    shop.kubectl_ok(&["rollout", "status", "deployment/api"]);
    let name = shop.deployment("api").unwrap()["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"].clone();
    assert_eq!(cluster().get(&shop.path(&format!("configmaps/{}", name.as_str().unwrap()))).unwrap()["data"]["MODE"], "one");

    // Two ReplicaSets are kept, so the third version pushes one out.
    action.releases(&versioned_app("two"));
    until_replica_sets(&shop, 2);
    action.releases(&versioned_app("three"));
    until_replica_sets(&shop, 2);
    let log = action.releases(&versioned_app("four"));
    assert!(log.contains("old versions: 1 removed"), "{log}");
    assert!(!versions(&shop).contains(&"one".to_owned()) && versions(&shop).contains(&"four".to_owned()), "{:?}", versions(&shop));
    assert!(action.releases(&versioned_app("four")).contains("nothing was changed"));
}

#[test]
fn versions_take_the_place_of_what_earlier_releases_have_made_and_leave_that_to_its_readers() {
    let shop = cluster().namespace("shop");
    let mut action = Versioned { prune: true, updates: "restart", ..Versioned::new(&shop, cluster().kubeconfig()) };
    action.releases(&versioned_app("one"));
    action.updates = "versioned";
    let log = action.releases(&versioned_app("one"));
    assert!(log.contains(&format!("leave ConfigMap {}/settings: its versions have replaced it", shop.name())), "{log}");
    assert!(cluster().get(&shop.path("configmaps/settings")).is_some());
    assert!(action.releases(&versioned_app("one")).contains("nothing was changed"));
    // The way back to before there were versions.
    shop.kubectl_ok(&["rollout", "undo", "deployment/api"]);
    shop.kubectl_ok(&["rollout", "status", "deployment/api"]);
    action.updates = "restart";
    action.releases(&versioned_app("two"));
    assert_eq!(cluster().get(&shop.path("configmaps/settings")).unwrap()["data"]["MODE"], "two");
}

#[test]
fn pruning_leaves_versions_to_what_knows_who_refers_to_them() {
    let shop = cluster().namespace("shop");
    let action = Versioned { prune: true, ..Versioned::new(&shop, cluster().kubeconfig()) };
    let more = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: dropped}}\n";
    action.releases(&(versioned_app("one") + more));
    until_replica_sets(&shop, 1);
    action.releases(&versioned_app("two"));
    assert!(cluster().get(&shop.path("configmaps/dropped")).is_none());
    assert_eq!(versions(&shop), ["one", "two"]);
}

#[test]
fn what_others_have_labelled_alike_and_what_is_to_be_kept_is_not_collected() {
    let shop = cluster().namespace("shop");
    let action = Versioned::new(&shop, cluster().kubeconfig());
    let stray = |name: &str, app: &str, annotated: Value| {
        let metadata = json!({"name": name, "labels": {"tagboat/app": app}, "annotations": annotated});
        cluster().create(&shop.path("configmaps"), &json!({"metadata": metadata, "data": {"MODE": "x"}, "immutable": true}));
    };
    stray("settings-ours", "acme-shop", json!({"tagboat/version-of": "settings"}));
    stray("settings-other", "another", json!({"tagboat/version-of": "settings"}));
    stray("settings-plain", "acme-shop", json!({}));
    stray("settings-kept", "acme-shop", json!({"tagboat/version-of": "settings", "helm.sh/resource-policy": "keep"}));
    let log = action.releases(&versioned_app("one"));
    assert!(log.contains(&format!("ConfigMap {}/settings-ours: deleted", shop.name())), "{log}");
    for (name, stays) in [("ours", false), ("other", true), ("plain", true), ("kept", true)] {
        assert_eq!(cluster().get(&shop.path(&format!("configmaps/settings-{name}"))).is_some(), stays, "{name}");
    }
}

#[test]
fn an_account_that_may_not_look_around_collects_nothing_and_says_so() {
    let shop = cluster().namespace("shop");
    let stray = json!({"metadata": {"name": "settings-old", "labels": {"tagboat/app": "acme-shop"}, "annotations": {"tagboat/version-of": "settings"}}});
    cluster().create(&shop.path("configmaps"), &stray);
    let rules = json!([
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "create", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "list", "create", "patch", "delete"]},
    ]);
    let log = Versioned::new(&shop, shop.service_account(&rules)).releases(&versioned_app("one"));
    assert!(log.contains("warning: tagboat: ") && log.contains("old versions of configuration stay, because it can't be seen"), "{log}");
    assert!(cluster().get(&shop.path("configmaps/settings-old")).is_some());
}

#[test]
fn what_an_operators_object_refers_to_stays_though_no_manifest_has_that_any_more() {
    let shop = cluster().namespace("shop");
    let group = format!("{}.acme.example", shop.name());
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("runners.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"kind": "Runner", "plural": "runners"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }}}],
        },
    });
    cluster().create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition);
    shop.kubectl_ok(&["wait", "--for=condition=Established", &format!("crd/runners.{group}")]);
    let runner = |name: &str| {
        let pod = "{containers: [{name: run, image: registry.example/acme/run:v1, envFrom: [{configMapRef: {name: settings}}]}]}";
        format!("---\n{{apiVersion: {group}/v1, kind: Runner, metadata: {{name: {name}}}, spec: {{template: {{spec: {pod}}}}}}}\n")
    };
    let action = Versioned::new(&shop, cluster().kubeconfig());
    let settings = |mode: &str| settings().replace("production", mode);
    action.releases(&(settings("one") + &runner("a") + &runner("b")));
    assert!(action.releases(&(settings("two") + &runner("a"))).contains("old versions: 0 removed, 1 in use"));
    assert_eq!(versions(&shop), ["one", "two"]);
    shop.kubectl_ok(&["delete", &format!("runners.{group}/b")]);
    assert!(action.releases(&(settings("three") + &runner("a"))).contains("old versions: 2 removed, 0 in use"));
    assert_eq!(versions(&shop), ["three"]);
    // Without any configuration of its own the application leaves none behind.
    let plain = format!(
        "{{apiVersion: {group}/v1, kind: Runner, metadata: {{name: a}}, spec: {{template: {{spec: {{containers: [{{name: run, image: i}}]}}}}}}}}\n"
    );
    assert!(action.releases(&plain).contains("old versions: 1 removed, 0 in use"));
    cluster().kubectl(&["delete", "crd", &format!("runners.{group}"), "--wait=false"]);
}
