//! Applying manifests to a real API server with its controllers: order, second runs, failures, permissions, conflicts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tagboat::cluster::{Access, Cluster, Logins, Proxies, Source};
use tagboat::error::{Exit, Explain, Problems};
use tagboat::journal::Journal;
use tagboat::resource::{Catalog, Resource, apply_namespace, parse};
use tagboat::rollout::order::order;
use tagboat::rollout::{self, ConfigUpdates, Event, Failure, FieldConflicts, Outcome, Plan, Settings, Waiting};

use crate::servers::{Fault, Namespace, Proxy, Recorded, cluster, free_port};

mod action;
mod bench;
mod config;
mod conflicts;
mod failures;
mod figures;
mod handover;
mod hooks;
mod jobs;
mod lock;
mod permissions;
mod readiness;
mod rollback;
mod sources;
mod trouble;
mod volumes;

async fn connect(kubeconfig: &str) -> Cluster {
    tagboat::http::install_tls_provider();
    let access = Access {
        source: Source::Kubeconfig(kubeconfig.into()),
        context: None,
        proxies: Proxies::default(),
        roots: Vec::new(),
        logins: Logins::default(),
    };
    Cluster::connect(&access).await.unwrap_or_else(|e| panic!("couldn't connect: {e}"))
}

/// A set of manifests on its way to a cluster.
struct Release {
    cluster: Cluster,
    resources: Vec<Resource>,
    settings: Settings,
    updates: ConfigUpdates,
    journal: Journal,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Release {
    async fn new(kubeconfig: &str, manifests: &str) -> Self {
        let resources = parse(Path::new("all.yaml"), manifests, &BTreeMap::new()).unwrap_or_else(|e| panic!("{e:?}"));
        let settings = Settings { conflicts: FieldConflicts::Human, waiting: Waiting::UntilReady, timeout: Duration::from_secs(120) };
        let updates = ConfigUpdates::Restart;
        Self { cluster: connect(kubeconfig).await, resources, settings, updates, journal: Journal::default(), events: Arc::default() }
    }

    async fn plan(&mut self, namespace: &str) -> Result<Plan, Problems> {
        let mut catalog = Catalog::of(&self.resources);
        let unknown = self.cluster.learn(&mut catalog, &self.resources).await;
        assert!(unknown.is_empty(), "{unknown:?}");
        apply_namespace(&mut self.resources, namespace, &catalog)?;
        let order = order(&self.resources).unwrap_or_else(|e| panic!("{e}"));
        rollout::plan(&self.cluster, &self.resources, &order, &catalog, self.settings.conflicts, (self.updates, None)).await
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

/// Hides what differs from run to run: the namespace, the random ends of pod names, and the fingerprints of Secrets.
fn stable(text: &str, namespace: &str) -> String {
    let text = text.replace(namespace, "NS");
    let pods = regex::Regex::new(r"(pod [a-z]+)(-[a-z0-9]{6,10})?-[a-z0-9]{5}\b").expect("a constant");
    let times = regex::Regex::new(r"after \d+\.\d s").expect("a constant");
    let fingerprints = regex::Regex::new(r":[0-9a-f]{16}\b").expect("a constant");
    let text = times.replace_all(&pods.replace_all(&text, "$1-…"), "after … s").into_owned();
    fingerprints.replace_all(&text, ":(16)").into_owned()
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
  type: LoadBalancer
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
    assert_eq!(requests.len(), 5, "one GET for each object, which are of five kinds, and nothing to rehearse or to wait for");
    assert_eq!(second.requests, 5);
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
          spec.template.metadata.annotations[tagboat/config]: configmap/settings:(16) secret/database:(16) → configmap/settings:(16) secret/database:(16)
          spec.template.spec.containers[api].image: registry.example/acme/api:v1 → registry.example/acme/api:v2
          restarts: Secret database changed
    0 to create, 2 to change, 3 unchanged
    ");
    outcome(third.run(&plan).await);
    assert_eq!(third.written(), [format!("Secret {namespace}/database"), format!("Deployment {namespace}/api")]);
    let live = cluster().get(&format!("/apis/apps/v1/namespaces/{namespace}/deployments/api")).unwrap();
    assert_eq!((&live["status"]["updatedReplicas"], &live["status"]["replicas"]), (&json!(2), &json!(2)));
    cluster().kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
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
