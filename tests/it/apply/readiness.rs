//! Readiness of every kind, as the real API server and its controllers write it: ready, awaited with what a person would want to know, or lost.

use super::*;

/// How the wait for an object ends.
enum Ends {
    Ready,
    /// It is waited for, with this message, until somebody does this.
    Until(&'static str, fn(&Namespace)),
    /// It isn't ready in time, and this is why.
    Late(&'static str),
    /// It never will be.
    Doomed(&'static str),
}
use Ends::{Doomed, Late, Ready, Until};

fn workload(kind: &str, image: &str, spec: &str) -> String {
    format!(
        "
---
apiVersion: apps/v1
kind: {kind}
metadata: {{name: api}}
spec:
  {spec}
  selector: {{matchLabels: {{app: api}}}}
  template:
    metadata: {{labels: {{app: api}}}}
    spec: {{containers: [{{name: api, image: registry.example/acme/{image}}}]}}
"
    )
}

fn job(image: &str) -> String {
    format!(
        "
---
apiVersion: batch/v1
kind: Job
metadata: {{name: once}}
spec:
  backoffLimit: 0
  template: {{spec: {{restartPolicy: Never, containers: [{{name: once, image: registry.example/acme/{image}}}]}}}}
"
    )
}

/// A claim of a class of its own, whose provisioner nobody runs. NS becomes the test's namespace.
fn claim(binding: &str) -> String {
    format!(
        "
---
{{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {{name: NS-{0}}}, provisioner: disks.acme.example, volumeBindingMode: {1}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data}}
spec: {{storageClassName: NS-{0}, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
",
        binding.to_lowercase(),
        binding
    )
}

/// What the provisioner would do.
fn provide(space: &Namespace) {
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": space.name()},
        "spec": {
            "storageClassName": format!("{}-immediate", space.name()), "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"},
            "hostPath": {"path": "/nowhere"}, "claimRef": {"namespace": space.name(), "name": "data"},
        },
    });
    cluster().create("/api/v1/persistentvolumes", &volume);
}

fn definition(plural: &str, kind: &str) -> String {
    format!(
        "
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.NS.acme.example}}
spec:
  group: NS.acme.example
  scope: Namespaced
  names: {{kind: {kind}, plural: {plural}}}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {{status: {{}}}}
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
"
    )
}

/// An operator's object; the tests play the operator.
fn ship() -> String {
    definition("ships", "Ship") + "---\n{apiVersion: NS.acme.example/v1, kind: Ship, metadata: {name: one}, status: {}, spec: {crew: 3}}\n"
}

fn operate(space: &Namespace, condition: &Value) {
    let status = json!({"status": {"observedGeneration": 1, "conditions": [condition]}}).to_string();
    let path = format!("ships.{}.acme.example/one", space.name());
    space.kubectl_ok(&["patch", &path, "--subresource=status", "--type=merge", "--patch", &status]);
}

fn api_service(service: &str) -> String {
    format!(
        "
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1.NS.acme.example}}
spec: {{group: NS.acme.example, version: v1, groupPriorityMinimum: 100, versionPriority: 10{service}}}
"
    )
}

/// A load balancer that something else has to wait for.
const BALANCER: &str = "
---
{apiVersion: v1, kind: Service, metadata: {name: door}, spec: {type: LoadBalancer, selector: {app: api}, ports: [{port: 80}]}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: address
  annotations: {config.kubernetes.io/depends-on: /namespaces/NS/Service/door}
";

fn give_address(space: &Namespace) {
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}).to_string();
    space.kubectl_ok(&["patch", "service/door", "--subresource=status", "--type=merge", "--patch", &status]);
}

/// Kinds that do what they are there for as soon as they are stored; the autoscaler has nothing to scale.
const AT_ONCE: &str = "
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: api}, spec: {defaultBackend: {service: {name: api, port: {number: 80}}}}}
---
{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: api}, spec: {minAvailable: 1, selector: {matchLabels: {app: api}}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api}
spec: {minReplicas: 1, maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: gone}}
---
{apiVersion: v1, kind: Service, metadata: {name: door}, spec: {type: LoadBalancer, selector: {app: api}, ports: [{port: 80}]}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: nightly}, spec: {schedule: '0 3 * * *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}}
";

fn table() -> Vec<(&'static str, String, Ends)> {
    let daemon = |image| workload("DaemonSet", image, "minReadySeconds: 0");
    let set = |image| workload("StatefulSet", image, "replicas: 2\n  serviceName: api");
    vec![
        ("a daemon set", daemon("slow:v1"), Ready),
        ("a daemon set whose pods aren't ready", daemon("unready:v1"), Late("0 of 1 pod is available")),
        ("a daemon set without its image", daemon("missing:v1"), Doomed("ImagePullBackOff")),
        ("a daemon set that no node takes", daemon("api:v1").replace("spec: {cont", "spec: {nodeSelector: {disk: none}, cont"), Ready),
        ("a stateful set", set("api:v1"), Ready),
        ("a stateful set that stops at its first pod", set("unready:v1"), Late("1 of 2 replicas are there")),
        ("a stateful set without its configuration", set("badconfig:v1"), Doomed("CreateContainerConfigError")),
        ("a replica set", workload("ReplicaSet", "api:v1", "replicas: 2"), Ready),
        ("a paused deployment", workload("Deployment", "unready:v1", "paused: true"), Ready),
        ("a deployment of nothing", workload("Deployment", "unready:v1", "replicas: 0"), Ready),
        ("a job", job("job:v1"), Ready),
        ("a job that fails", job("crash:v1"), Doomed("Job has reached the specified backoff limit")),
        ("a job that somebody resumes later", job("unready:v1").replace("backoffLimit: 0", "suspend: true"), Ready),
        ("a claim that waits for its first pod", claim("WaitForFirstConsumer"), Ready),
        ("kinds that are ready when they are stored", AT_ONCE.to_owned(), Ready),
        ("a load balancer that others wait for", BALANCER.to_owned(), Until("the load balancer has no address yet", give_address)),
        ("a definition", definition("boats", "Boat"), Ready),
        (
            "a definition whose kind is another one's",
            definition("boats", "Boat") + &definition("skiffs", "Boat"),
            Doomed("its names are not accepted: \"Boat"),
        ),
        ("an operator's object that says nothing", ship(), Ready),
        ("an API that the server serves itself", api_service(""), Ready),
        (
            "an API whose server isn't there",
            api_service(", insecureSkipTLSVerify: true, service: {name: gone, namespace: NS}"),
            Late("service/gone in \"NS\" is not present"),
        ),
    ]
}

/// Runs, and does this as soon as the message is told.
async fn until_it_says(release: &Release, plan: &Plan, message: &str, then: impl FnOnce()) -> Result<Outcome, Box<Failure>> {
    let running = release.run(plan);
    tokio::pin!(running);
    loop {
        tokio::select! {
            ended = &mut running => panic!("it has ended without saying {message:?}: {}{}", release.told(), ended.is_ok()),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        if release.told().contains(message) {
            then();
            return running.await;
        }
    }
}

async fn check(name: &str, manifests: &str, ends: &Ends) {
    let space = cluster().namespace("ready");
    let manifests = manifests.replace("NS", space.name());
    let mut release = Release::new(&cluster().kubeconfig(), &manifests).await;
    if let Late(_) = ends {
        release.settings.timeout = Duration::from_secs(8);
    }
    let plan = release.plan(space.name()).await.unwrap_or_else(|e| panic!("{name}: {}", explain(&e)));
    let ended = match ends {
        Until(message, nudge) => until_it_says(&release, &plan, message, || nudge(&space)).await,
        _ => release.run(&plan).await,
    };
    let said = match &ended {
        Ok(_) => None,
        Err(failure) => Some(explain(&failure.problems).replace(space.name(), "NS")),
    };
    match (ends, said) {
        (Ready | Until(..), None) => {}
        (Late(message), Some(said)) if said.contains("become ready within 8 s: ") && said.contains(message) => {}
        (Doomed(message), Some(said)) if said.contains("couldn't roll out") && said.contains(message) => {}
        (_, said) => panic!("{name}: {}\n{}", said.unwrap_or("it is ready".into()), release.told()),
    }
    // What is not in the namespace doesn't go with it, and a broken API keeps every namespace from going.
    for kind in ["apiservice", "customresourcedefinition"] {
        let names = manifests.lines().filter(|line| line.starts_with("metadata: {name: ") && line.contains(".acme.example"));
        for object in names.map(|line| line.trim_start_matches("metadata: {name: ").trim_end_matches('}')) {
            cluster().kubectl(&["delete", kind, object, "--ignore-not-found", "--wait=false"]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_ready_awaited_or_lost_as_its_controller_says() {
    use futures::StreamExt as _;
    let table = table();
    let checks = table.iter().map(|(name, manifests, ends)| check(name, manifests, ends));
    futures::stream::iter(checks).buffer_unordered(6).collect::<Vec<()>>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_is_waited_for_while_its_provisioner_works() {
    let space = cluster().namespace("ready");
    let manifests = claim("Immediate").replace("NS", space.name());
    let mut first = Release::new(&cluster().kubeconfig(), &manifests).await;
    first.settings.waiting = Waiting::No;
    outcome(first.deploy(space.name()).await);
    // Until the controller has asked the provisioner, the claim looks like one that waits for its first pod.
    let asked = || {
        let live = cluster().get(&space.path("persistentvolumeclaims/data")).unwrap();
        live["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"] == "disks.acme.example"
    };
    while !asked() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut second = Release::new(&cluster().kubeconfig(), &manifests).await;
    let plan = second.plan(space.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    outcome(until_it_says(&second, &plan, "disks.acme.example has not provided the volume yet", || provide(&space)).await);
    assert_eq!(cluster().get(&space.path("persistentvolumeclaims/data")).unwrap()["status"]["phase"], "Bound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_holds_back_pods_and_not_the_release() {
    let space = cluster().namespace("ready");
    let set = |image: &str, partition: u32| {
        let spec = format!("replicas: 3\n  serviceName: api\n  updateStrategy: {{rollingUpdate: {{partition: {partition}}}}}");
        workload("StatefulSet", image, &spec)
    };
    let images = || {
        let image = |ordinal: u32| {
            let pod = cluster().get(&space.path(&format!("pods/api-{ordinal}"))).unwrap();
            pod["spec"]["containers"][0]["image"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
        };
        [0, 1, 2].map(image)
    };
    for (image, partition, expected) in
        [("api:v1", 0, ["api:v1", "api:v1", "api:v1"]), ("api:v2", 2, ["api:v1", "api:v1", "api:v2"]), ("api:v2", 0, ["api:v2"; 3])]
    {
        outcome(Release::new(&cluster().kubeconfig(), &set(image, partition)).await.deploy(space.name()).await);
        assert_eq!(images(), expected, "partition {partition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_operators_write_are_believed() {
    let space = cluster().namespace("ready");
    let manifests = ship().replace("NS", space.name());
    outcome(Release::new(&cluster().kubeconfig(), &manifests).await.deploy(space.name()).await);
    let waits = [
        (json!({"type": "Ready", "status": "False", "reason": "Rigging", "message": "the mast is missing"}), "the mast is missing"),
        (json!({"type": "Reconciling", "status": "True", "message": "hoisting sails"}), "hoisting sails"),
    ];
    for (condition, message) in &waits {
        operate(&space, condition);
        let mut release = Release::new(&cluster().kubeconfig(), &manifests).await;
        let plan = release.plan(space.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
        let operated = || operate(&space, &json!({"type": "Ready", "status": "True"}));
        outcome(until_it_says(&release, &plan, message, operated).await);
    }
    operate(&space, &json!({"type": "Stalled", "status": "True", "message": "run aground"}));
    let lost = failure(Release::new(&cluster().kubeconfig(), &manifests).await.deploy(space.name()).await);
    insta::assert_snapshot!(explain(&lost.problems).replace(space.name(), "NS"), @"
    all.yaml:17: couldn't roll out Ship NS/one: run aground
      → see what its controller says (`kubectl describe ship.NS.acme.example one --namespace NS`)
    ");
    cluster().kubectl(&["delete", "crd", &format!("ships.{}.acme.example", space.name()), "--wait=false"]);
}
