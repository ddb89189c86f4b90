//! Applying manifests to a real API server with its controllers: order, second runs, failures, permissions, conflicts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tagboat::cluster::{Access, Cluster, Source};
use tagboat::error::{Exit, Explain, Problems};
use tagboat::journal::Journal;
use tagboat::resource::{Catalog, Resource, apply_namespace, parse};
use tagboat::rollout::order::order;
use tagboat::rollout::{self, Event, Failure, FieldConflicts, Outcome, Plan, Settings, Waiting};

use crate::servers::{Fault, Namespace, Proxy, Recorded, cluster, free_port};

async fn connect(kubeconfig: &str) -> Cluster {
    tagboat::http::install_tls_provider();
    let access = Access { source: Source::Kubeconfig(kubeconfig.into()), context: None, no_proxy: None };
    Cluster::connect(&access).await.unwrap_or_else(|e| panic!("couldn't connect: {e}"))
}

/// A set of manifests on its way to a cluster.
struct Release {
    cluster: Cluster,
    resources: Vec<Resource>,
    settings: Settings,
    journal: Journal,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Release {
    async fn new(kubeconfig: &str, manifests: &str) -> Self {
        let resources = parse(Path::new("all.yaml"), manifests, &BTreeMap::new()).unwrap_or_else(|e| panic!("{e:?}"));
        let settings = Settings { conflicts: FieldConflicts::Human, waiting: Waiting::UntilReady, timeout: Duration::from_secs(120) };
        Self { cluster: connect(kubeconfig).await, resources, settings, journal: Journal::default(), events: Arc::default() }
    }

    async fn plan(&mut self, namespace: &str) -> Result<Plan, Problems> {
        let mut catalog = Catalog::of(&self.resources);
        let unknown = self.cluster.learn(&mut catalog, &self.resources).await;
        assert!(unknown.is_empty(), "{unknown:?}");
        apply_namespace(&mut self.resources, namespace, &catalog)?;
        let order = order(&self.resources).unwrap_or_else(|e| panic!("{e}"));
        rollout::plan(&self.cluster, &self.resources, &order, &catalog, self.settings.conflicts).await
    }

    async fn run(&self, plan: &Plan) -> Result<Outcome, Box<Failure>> {
        let events = Arc::clone(&self.events);
        rollout::run(&self.cluster, plan, &self.settings, &self.journal, &move |event| events.lock().expect("not poisoned").push(event))
            .await
    }

    async fn deploy(&mut self, namespace: &str) -> Result<Outcome, Box<Failure>> {
        let plan = self.plan(namespace).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
        self.run(&plan).await
    }

    fn told(&self) -> String {
        self.events.lock().expect("not poisoned").iter().map(|event| format!("{event}\n")).collect()
    }

    fn written(&self) -> Vec<String> {
        self.journal.changes().iter().map(|change| change.subject.clone()).collect()
    }
}

fn explain(problems: &Problems) -> String {
    let one = |problem: &dyn Explain| {
        let mut text = problem.location().map(|at| format!("{at}: ")).unwrap_or_default() + &problem.to_string();
        let mut cause = problem.source();
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        format!("{text}\n  → {}\n", problem.hint())
    };
    problems.iter().map(one).collect()
}

fn outcome(result: Result<Outcome, Box<Failure>>) -> Outcome {
    result.unwrap_or_else(|failure| panic!("{}{:?}", explain(&failure.problems), failure.evidence))
}

fn refused(result: Result<Plan, Problems>) -> Problems {
    match result {
        Ok(plan) => panic!("this should have been refused:\n{plan}"),
        Err(problems) => problems,
    }
}

fn failure(result: Result<Outcome, Box<Failure>>) -> Failure {
    match result {
        Ok(outcome) => panic!("this should have failed: {outcome}"),
        Err(failure) => *failure,
    }
}

/// What went through a proxy since the last time.
fn news(proxy: &Proxy, seen: &mut usize) -> Vec<Recorded> {
    let requests = proxy.requests();
    let begun = std::mem::replace(seen, requests.len());
    requests[begun..].to_vec()
}

/// The real applies among what went through a proxy.
fn writes(requests: &[Recorded]) -> Vec<String> {
    let real = requests.iter().filter(|r| r.method == "PATCH" && !r.target.contains("dryRun"));
    real.map(|r| r.path().to_owned()).collect()
}

/// Hides what differs from run to run: the namespace, and the random ends of pod names.
fn stable(text: &str, namespace: &str) -> String {
    let text = text.replace(namespace, "NS");
    let pods = regex::Regex::new(r"(pod [a-z]+)(-[a-z0-9]{6,10})?-[a-z0-9]{5}\b").expect("a constant");
    let times = regex::Regex::new(r"after \d+\.\d s").expect("a constant");
    times.replace_all(&pods.replace_all(&text, "$1-…"), "after … s").into_owned()
}

fn deployment(name: &str, image: &str, replicas: u32) -> String {
    format!(
        "
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - name: {name}
          image: registry.example/acme/{image}
"
    )
}

/// A small shop, written in an order in which nothing would start.
fn shop(namespace: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: api}}
spec:
  selector: {{app: api}}
  ports: [{{port: 80, targetPort: 8080}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: api}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: api}}}}
  template:
    metadata: {{labels: {{app: api}}}}
    spec:
      containers:
        - name: api
          image: registry.example/acme/api:v1
          envFrom: [{{configMapRef: {{name: settings}}}}, {{secretRef: {{name: database}}}}]
---
apiVersion: v1
kind: Secret
metadata: {{name: database}}
stringData: {{PASSWORD: hunter2hunter2}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: settings}}
data: {{MODE: production}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn applies_in_order_and_waits_and_the_second_run_writes_nothing() {
    let outer = cluster().namespace("shop");
    let namespace = format!("{}-new", outer.name());
    let proxy = cluster().proxy();
    let kubeconfig = cluster().kubeconfig_through(&proxy);
    let mut seen = 0;

    let mut release = Release::new(&kubeconfig, &shop(&namespace)).await;
    let plan = release.plan(&namespace).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    assert!(writes(&news(&proxy, &mut seen)).is_empty());
    insta::assert_snapshot!(stable(&plan.to_string(), &namespace), @r"
    wave 1: definitions
      + Namespace NS
      then wait until ready: Namespace NS
    wave 2: configuration and storage
      + Secret NS/database (not validated yet: namespace NS is new)
      + ConfigMap NS/settings (not validated yet: namespace NS is new)
    wave 3: endpoints
      + Service NS/api (not validated yet: namespace NS is new)
    wave 4: workloads
      + Deployment NS/api (not validated yet: namespace NS is new)
    5 to create, 0 to change, 0 unchanged
    ");

    let first = outcome(release.run(&plan).await);
    let order = writes(&news(&proxy, &mut seen));
    let position = |end: &str| order.iter().position(|path| path.ends_with(end)).unwrap_or_else(|| panic!("{end} isn't in {order:?}"));
    let deployment = position("/deployments/api");
    assert_eq!(position(&format!("/namespaces/{namespace}")), 0);
    assert!(position("/configmaps/settings") < deployment && position("/secrets/database") < deployment, "{order:?}");
    assert_eq!(order.len(), 5);
    insta::assert_snapshot!(first, @"5 created, 0 changed, 0 unchanged");
    assert_eq!(release.written().len(), 5);
    let live = cluster().get(&format!("/apis/apps/v1/namespaces/{namespace}/deployments/api")).unwrap();
    assert_eq!(live["status"]["readyReplicas"], 2);
    assert_eq!(live["metadata"]["generation"], live["status"]["observedGeneration"]);

    let mut again = Release::new(&kubeconfig, &shop(&namespace)).await;
    let plan = again.plan(&namespace).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    let second = outcome(again.run(&plan).await);
    let requests = news(&proxy, &mut seen);
    assert!(writes(&requests).is_empty());
    assert_eq!(requests.len(), 10, "one GET and one rehearsal for each object, and nothing to wait for");
    assert_eq!(second.requests, 10);
    assert!(again.written().is_empty());
    insta::assert_snapshot!(second, @"0 created, 0 changed, 5 unchanged");

    let changed = shop(&namespace).replace("acme/api:v1", "acme/api:v2").replace("hunter2hunter2", "hunter3hunter3");
    let mut third = Release::new(&kubeconfig, &changed).await;
    let plan = third.plan(&namespace).await.unwrap();
    insta::assert_snapshot!(stable(&plan.to_string(), &namespace), @r"
    wave 1: definitions
      = Namespace NS
      then wait until ready: Namespace NS
    wave 2: configuration and storage
      ~ Secret NS/database
          data.PASSWORD: *** → ***
      = ConfigMap NS/settings
    wave 3: endpoints
      = Service NS/api
    wave 4: workloads
      ~ Deployment NS/api
          spec.template.spec.containers[api].image: registry.example/acme/api:v1 → registry.example/acme/api:v2
    0 to create, 2 to change, 3 unchanged
    ");
    outcome(third.run(&plan).await);
    assert_eq!(third.written(), [format!("Secret {namespace}/database"), format!("Deployment {namespace}/api")]);
    let live = cluster().get(&format!("/apis/apps/v1/namespaces/{namespace}/deployments/api")).unwrap();
    assert_eq!((&live["status"]["updatedReplicas"], &live["status"]["replicas"]), (&json!(2), &json!(2)));
    cluster().kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_ends_the_wait_early_with_evidence() {
    let shop = cluster().namespace("shop");
    shop.pod_logs(&["listening"], &["panic: no database"]);
    let manifests = deployment("api", "missing:v1", 2) + &deployment("web", "web:v1", 1);
    let mut release = Release::new(&cluster().kubeconfig(), &manifests).await;
    release.settings.timeout = Duration::from_secs(300);
    let failure = failure(release.deploy(shop.name()).await);
    assert_eq!(failure.exit(), Exit::TimedOut);
    insta::assert_snapshot!(stable(&explain(&failure.problems), shop.name()), @r#"
    all.yaml:3: couldn't roll out Deployment NS/api: pod api-…, container api: ImagePullBackOff: Back-off pulling image "registry.example/acme/missing:v1": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/acme/missing:v1": registry.example/acme/missing:v1: not found
      → see the pods' states, events and last log lines above
    "#);
    let evidence = failure.evidence.iter().find(|e| e.workload.name == "api").unwrap();
    let first = rollout::Evidence { pods: evidence.pods[..1].to_vec(), ..evidence.clone() };
    insta::assert_snapshot!(stable(&first.to_string(), shop.name()), @r#"
    Deployment NS/api
      pod api-…: container api: ImagePullBackOff: Back-off pulling image "registry.example/acme/missing:v1": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/acme/missing:v1": registry.example/acme/missing:v1: not found
    "#);
    assert_eq!(release.written().len(), 2, "what was applied stays on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_shows_the_last_words_of_the_run_before() {
    let shop = cluster().namespace("shop");
    shop.pod_logs(&[], &["connecting", "panic: no database"]);
    let mut release = Release::new(&cluster().kubeconfig(), &deployment("api", "crash:v1", 1)).await;
    let failure = failure(release.deploy(shop.name()).await);
    assert_eq!(failure.exit(), Exit::TimedOut);
    let evidence = failure.evidence.iter().map(|e| stable(&e.to_string(), shop.name())).collect::<Vec<_>>().join("\n");
    assert!(evidence.contains("panic: no database") && evidence.contains("exit code 1"), "{evidence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timeout_says_what_it_waited_for() {
    let shop = cluster().namespace("shop");
    let mut release = Release::new(&cluster().kubeconfig(), &deployment("api", "unready:v1", 1)).await;
    release.settings.timeout = Duration::from_secs(5);
    let failure = failure(release.deploy(shop.name()).await);
    assert_eq!(failure.exit(), Exit::TimedOut);
    insta::assert_snapshot!(stable(&explain(&failure.problems), shop.name()), @r"
    all.yaml:3: couldn't see Deployment NS/api become ready within 5 s: 0 of 1 replica is available
      → see the pods' states, events and last log lines above; raise `timeout` when it only needs longer
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_is_finished_by_the_next_one() {
    let shop = cluster().namespace("shop");
    let mut first = Release::new(&cluster().kubeconfig(), &deployment("api", "slow:v1", 2)).await;
    first.settings.waiting = Waiting::No;
    outcome(first.deploy(shop.name()).await);
    let mut second = Release::new(&cluster().kubeconfig(), &deployment("api", "slow:v1", 2)).await;
    let done = outcome(second.deploy(shop.name()).await);
    assert!(second.written().is_empty());
    assert_eq!(done.ready.len(), 1, "it was waited for, though there was nothing to write");
    assert_eq!(shop.deployment("api").unwrap()["status"]["readyReplicas"], 2);
}

fn rules(extra: &[Value]) -> Value {
    let mut rules = vec![
        json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "create", "patch"]}),
        json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"]}),
    ];
    rules.extend_from_slice(extra);
    Value::Array(rules)
}

fn settings() -> &'static str {
    "
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {MODE: production}
"
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_one_namespace_is_enough() {
    let shop = cluster().namespace("shop");
    let mut release = Release::new(&shop.service_account(&rules(&[])), &(deployment("api", "slow:v1", 1) + settings())).await;
    outcome(release.deploy(shop.name()).await);
    let told = release.told();
    assert!(told.contains("can't watch pods in") && told.contains("403 Forbidden"), "{told}");
    assert_eq!(shop.deployment("api").unwrap()["status"]["readyReplicas"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_watch_is_enough() {
    let shop = cluster().namespace("shop");
    let rules = json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "create", "patch"]}]);
    let mut release = Release::new(&shop.service_account(&rules), &deployment("api", "slow:v1", 1)).await;
    outcome(release.deploy(shop.name()).await);
    assert!(release.told().contains("they are read every 2 s"), "{}", release.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_found_before_the_first_write() {
    let shop = cluster().namespace("shop");
    let manifests = deployment("api", "api:v1", 1)
        + settings()
        + "
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: api}
spec: {defaultBackend: {service: {name: api, port: {number: 80}}}}
";
    let extra = json!({"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get", "patch"]});
    let mut release = Release::new(&shop.service_account(&rules(&[extra])), &manifests).await;
    let problems = refused(release.plan(shop.name()).await);
    assert_eq!(problems.exit(), Exit::Refused);
    insta::assert_snapshot!(stable(&explain(&problems), shop.name()), @r#"
    all.yaml:23: couldn't plan Ingress NS/api: the account may not create ingresses.networking.k8s.io in namespace NS
      → give the account of `kubeconfig` a role with the verb create on ingresses (API group "networking.k8s.io")
    "#);
    assert!(shop.deployment("api").is_none());
    assert!(cluster().get(&shop.path("configmaps/settings")).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_in_a_namespace_that_is_not_there_yet_are_asked_for() {
    let shop = cluster().namespace("shop");
    let new = format!("{}-new", shop.name());
    let kubeconfig = shop.service_account(&json!([]));
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let may = json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "create", "patch"]}]);
    cluster().create(&format!("{rbac}/clusterroles"), &json!({"metadata": {"name": new}, "rules": may}));
    let subject = json!({"kind": "ServiceAccount", "name": "deployer-1", "namespace": shop.name()});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": new});
    let binding = json!({"metadata": {"name": new}, "roleRef": role, "subjects": [subject]});
    cluster().create(&format!("{rbac}/clusterrolebindings"), &binding);

    let manifests = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {new}}}\n{}", settings());
    let problems = refused(Release::new(&kubeconfig, &manifests).await.plan(&new).await);
    assert_eq!(problems.exit(), Exit::Refused);
    insta::assert_snapshot!(stable(&explain(&problems), shop.name()), @r#"
    all.yaml:6: couldn't plan ConfigMap NS-new/settings: the account may not create configmaps in namespace NS-new
      → give the account of `kubeconfig` a role with the verb create on configmaps (API group "")
    all.yaml:6: couldn't plan ConfigMap NS-new/settings: the account may not patch configmaps in namespace NS-new
      → give the account of `kubeconfig` a role with the verb patch on configmaps (API group "")
    "#);
    assert!(cluster().get(&format!("/api/v1/namespaces/{new}")).is_none());
    cluster().kubectl(&["delete", "clusterrole,clusterrolebinding", &new, "--wait=false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_cannot_change_is_found_before_the_first_write() {
    let shop = cluster().namespace("shop");
    outcome(Release::new(&cluster().kubeconfig(), &deployment("api", "api:v1", 1)).await.deploy(shop.name()).await);
    let moved = settings().to_owned() + &deployment("api", "api:v1", 1).replace("app: api", "app: other");
    let problems = refused(Release::new(&cluster().kubeconfig(), &moved).await.plan(shop.name()).await);
    assert_eq!(problems.exit(), Exit::BadInput);
    let told = explain(&problems);
    assert!(told.contains("field is immutable") && told.contains("give the object a new name"), "{told}");
    assert!(cluster().get(&shop.path("configmaps/settings")).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_or_not_trusted_is_told_at_once() {
    let shop = cluster().namespace("shop");
    let real = cluster().kubeconfig();
    let nobody = real.replace(&cluster().url(), &format!("https://127.0.0.1:{}", free_port()));
    let problems = refused(Release::new(&nobody, settings()).await.plan(shop.name()).await);
    let told = explain(&problems);
    assert!(told.contains("couldn't reach the API server https://127.0.0.1:") && told.contains("this very host"), "{told}");

    let proxy = cluster().proxy();
    let untrusted = real.replace(&cluster().url(), &proxy.url()).replace("certificate-authority-data", "unused");
    let mut release = Release::new(&untrusted, settings()).await;
    let told = explain(&refused(release.plan(shop.name()).await));
    assert!(told.contains("invalid peer certificate"), "{told}");
}

fn scaled_by(shop: &Namespace, manager: &str) {
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "api"}},
            "template": {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "api", "image": "registry.example/acme/api:v1"}]}}},
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("api.json");
    std::fs::write(&file, object.to_string()).expect("a file");
    shop.kubectl_ok(&["apply", "--server-side", "--field-manager", manager, "-f", file.to_str().expect("a path")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_another_program_are_not_taken_unless_forced() {
    let shop = cluster().namespace("shop");
    scaled_by(&shop, "argocd-controller");
    let mut release = Release::new(&cluster().kubeconfig(), &(settings().to_owned() + &deployment("api", "api:v1", 1))).await;
    let problems = refused(release.plan(shop.name()).await);
    assert_eq!(problems.exit(), Exit::Refused);
    insta::assert_snapshot!(stable(&explain(&problems), shop.name()), @r"
    all.yaml:9: couldn't plan Deployment NS/api: another manager holds .spec.replicas (held by argocd-controller)
      → leave the field out of the manifest, or set `field-conflicts` to `force` to take it over
    ");
    assert!(cluster().get(&shop.path("configmaps/settings")).is_none(), "nothing was written");

    release.settings.conflicts = FieldConflicts::Force;
    outcome(release.deploy(shop.name()).await);
    assert_eq!(shop.deployment("api").unwrap()["spec"]["replicas"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_a_person_has_changed_are_taken_back() {
    let shop = cluster().namespace("shop");
    scaled_by(&shop, "kubectl");
    let mut release = Release::new(&cluster().kubeconfig(), &deployment("api", "api:v1", 2)).await;
    outcome(release.deploy(shop.name()).await);
    shop.kubectl_ok(&["set", "image", "deployment/api", "api=registry.example/acme/api:v0"]);
    let mut again = Release::new(&cluster().kubeconfig(), &deployment("api", "api:v1", 2)).await;
    outcome(again.deploy(shop.name()).await);
    let live = shop.deployment("api").unwrap();
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "registry.example/acme/api:v1");
    assert_eq!(live["spec"]["replicas"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_and_its_instance_go_in_one_run() {
    let shop = cluster().namespace("shop");
    let group = format!("{}.acme.example", shop.name());
    let manifests = format!(
        "
apiVersion: {group}/v1
kind: Ship
metadata: {{name: one}}
spec: {{crew: 3}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: ships.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: Ship, plural: ships}}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, properties: {{spec: {{type: object, properties: {{crew: {{type: integer}}}}}}}}}}}}
"
    );
    let proxy = cluster().proxy();
    let mut release = Release::new(&cluster().kubeconfig_through(&proxy), &manifests).await;
    let plan = release.plan(shop.name()).await.unwrap();
    insta::assert_snapshot!(stable(&plan.to_string(), shop.name()), @r"
    wave 1: definitions
      + CustomResourceDefinition ships.NS.acme.example
      then wait until ready: CustomResourceDefinition ships.NS.acme.example
    wave 2: workloads
      + Ship NS/one (not validated yet: the kind Ship is new)
    2 to create, 0 to change, 0 unchanged
    ");
    // A server behind a load balancer that hasn't learnt of the kind yet.
    proxy.on(|r| r.method == "PATCH" && r.path().ends_with("/ships/one")).first(2).fault(Fault::reply(404, "404 page not found\n"));
    outcome(release.run(&plan).await);
    let path = format!("/apis/{group}/v1/namespaces/{}/ships/one", shop.name());
    assert_eq!(cluster().get(&path).unwrap()["spec"]["crew"], 3);

    // Without its definition in the set, the cluster is asked what it is.
    let instance = manifests.split("---").next().unwrap().replace("crew: 3", "crew: 4");
    let mut second = Release::new(&cluster().kubeconfig(), &instance).await;
    outcome(second.deploy(shop.name()).await);
    assert_eq!(cluster().get(&path).unwrap()["spec"]["crew"], 4);
    cluster().kubectl(&["delete", "crd", &format!("ships.{group}"), "--wait=false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_the_server_would_refuse_is_found_before_the_first_write() {
    let shop = cluster().namespace("shop");
    let manifests = settings().to_owned()
        + &deployment("api", "api:v1", 1).replace("replicas", "replica")
        + "
---
apiVersion: v1
kind: Secret
metadata: {name: database}
data: {PASSWORD: hunter2!}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: elsewhere, namespace: nowhere-to-be-found}
";
    let mut release = Release::new(&cluster().kubeconfig(), &manifests).await;
    let problems = refused({
        let catalog = Catalog::of(&release.resources);
        for resource in &mut release.resources {
            if resource.id.namespace.is_none() {
                apply_namespace(std::slice::from_mut(resource), shop.name(), &catalog).unwrap();
            }
        }
        let order = order(&release.resources).unwrap();
        rollout::plan(&release.cluster, &release.resources, &order, &catalog, FieldConflicts::Human).await
    });
    assert_eq!(problems.exit(), Exit::BadInput);
    let told = explain(&problems);
    assert!(!told.contains("hunter2"), "{told}");
    insta::assert_snapshot!(stable(&told, shop.name()), @r#"
    all.yaml:9: couldn't plan Deployment NS/api: PATCH /apis/apps/v1/namespaces/NS/deployments/api was answered with 500: failed to create typed patch object (NS/api; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema
      → check the spelling and the place of the field, and the object's apiVersion
    all.yaml:23: couldn't plan Secret NS/database: PATCH /api/v1/namespaces/NS/secrets/database was answered with 500: the message is withheld, it could quote values of the Secret
      → the values under a Secret's `data` must be base64; plain text goes under `stringData`
    all.yaml:28: couldn't plan ConfigMap nowhere-to-be-found/elsewhere: the namespace "nowhere-to-be-found" doesn't exist, and no manifest creates it
      → add a Namespace to `manifests`, or correct `namespace`
    "#);
    assert!(cluster().get(&shop.path("configmaps/settings")).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_trouble_is_asked_again() {
    let shop = cluster().namespace("shop");
    let proxy = cluster().proxy();
    let mut release =
        Release::new(&cluster().kubeconfig_through(&proxy), &(settings().to_owned() + &deployment("api", "slow:v1", 1))).await;
    let plan = release.plan(shop.name()).await.unwrap();
    let is_write = |end: &'static str| move |r: &Recorded| r.method == "PATCH" && r.path().ends_with(end);
    proxy.on(is_write("/configmaps/settings")).nth(1).fault(Fault::reply(503, "busy"));
    proxy.on(is_write("/deployments/api")).nth(1).fault(Fault::LoseAnswer);
    proxy.on(|r| r.target.contains("watch=true") && r.path().ends_with("/deployments")).first(1).fault(Fault::Reset);
    outcome(release.run(&plan).await);
    assert_eq!(shop.deployment("api").unwrap()["metadata"]["generation"], 1, "the apply that was repeated changed nothing");
    assert_eq!(release.written().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_leaves_the_truth_in_the_journal() {
    let shop = cluster().namespace("shop");
    let proxy = cluster().proxy();
    let mut release = Release::new(&cluster().kubeconfig_through(&proxy), settings()).await;
    let plan = release.plan(shop.name()).await.unwrap();
    proxy.on(|r| r.method == "PATCH").fault(Fault::Delay(Duration::from_secs(600)));
    let journal = release.journal.clone();
    let running = release.run(&plan);
    let sent = async {
        while !proxy.requests().iter().any(|r| r.method == "PATCH" && !r.target.contains("dryRun")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = running => panic!("the answer is held back"),
        () = sent => {}
    }
    let changes: Vec<String> = journal.changes().iter().map(|change| stable(&change.to_string(), shop.name())).collect();
    assert_eq!(changes, ["ConfigMap NS/settings: new, applied (sent, no answer seen: may or may not have taken effect)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_of_the_server_are_kept() {
    let shop = cluster().namespace("shop");
    shop.kubectl_ok(&["label", "namespace", shop.name(), "pod-security.kubernetes.io/warn=restricted"]);
    let mut release = Release::new(&cluster().kubeconfig(), &deployment("api", "api:v1", 1)).await;
    let done = outcome(release.deploy(shop.name()).await);
    assert!(done.warnings.iter().any(|text| text.starts_with("would violate PodSecurity")), "{:?}", done.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_needs_another_one_of_the_same_run_is_no_mistake() {
    let shop = cluster().namespace("shop");
    let manifests = "
apiVersion: v1
kind: Pod
metadata: {name: once}
spec:
  serviceAccountName: runner
  containers: [{name: once, image: registry.example/acme/once:v1}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: runner}
";
    let mut release = Release::new(&cluster().kubeconfig(), manifests).await;
    let plan = release.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    assert!(plan.to_string().contains("not validated yet: it needs runner"), "{plan}");
    outcome(release.run(&plan).await);
    assert_eq!(release.written(), [format!("ServiceAccount {}/runner", shop.name()), format!("Pod {}/once", shop.name())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_breaks_and_loses_its_history_begins_anew() {
    let shop = cluster().namespace("shop");
    let proxy = cluster().proxy();
    let is_watch = |r: &Recorded| r.target.contains("watch=true") && r.path().ends_with("/deployments");
    let resumes = move |r: &Recorded| is_watch(r) && r.target.contains("resourceVersion=");
    let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old resource version"});
    proxy.on(resumes).first(1).fault(Fault::reply(410, &gone.to_string()));
    // Long enough for the first event, and too short for the second.
    proxy.on(is_watch).first(1).fault(Fault::Truncate(3000));
    let mut release = Release::new(&cluster().kubeconfig_through(&proxy), &deployment("api", "slow:v1", 1)).await;
    outcome(release.deploy(shop.name()).await);
    let watches: Vec<Option<u16>> = proxy.requests().iter().filter(|r| is_watch(r)).map(|r| r.status).collect();
    assert!(watches.contains(&Some(410)), "{watches:?}");
    assert_eq!(shop.deployment("api").unwrap()["status"]["readyReplicas"], 1);
}
