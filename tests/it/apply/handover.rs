//! Fields that change hands: replicas to an autoscaler, and everything that kubectl had applied.

use futures::StreamExt as _;
use tagboat::cluster::{Endpoint, Seen};

use super::*;

const AUTOSCALER: &str = "
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: api}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}
  minReplicas: 1
  maxReplicas: 9
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
";

fn without_replicas(manifests: &str) -> String {
    manifests.lines().filter(|line| !line.contains("replicas:")).map(|line| format!("{line}\n")).collect()
}

/// Runs a release and collects every number of replicas that the Deployment is told to have meanwhile.
async fn replicas_during(shop: &Namespace, manifests: &str) -> (Plan, Vec<i64>) {
    let kubeconfig = cluster().kubeconfig();
    let watching = connect(&kubeconfig).await;
    let endpoint = Endpoint::built_in("apps", "v1", "Deployment", "deployments", Some(shop.name()));
    let mut watch = Box::pin(watching.watch(&endpoint, None));
    // The watch begins when it is asked first; from then on the server sends every version.
    let Some(Ok(Seen::Present(live))) = watch.next().await else { panic!("there is a Deployment to begin with") };
    let mut seen = vec![live["spec"]["replicas"].as_i64().unwrap()];
    let mut release = Release::new(&kubeconfig, manifests).await;
    let plan = release.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    outcome(release.run(&plan).await);
    let last = shop.deployment("api").unwrap()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    while let Some(Ok(Seen::Present(object))) = watch.next().await {
        seen.push(object["spec"]["replicas"].as_i64().unwrap());
        let version = |text: &str| text.parse::<u64>().expect("etcd's revisions are numbers");
        if version(object["metadata"]["resourceVersion"].as_str().unwrap()) >= version(&last) {
            break;
        }
    }
    assert!(seen.len() > 2, "versions in between were seen: {seen:?}");
    (plan, seen)
}

async fn writes_nothing(shop: &Namespace, manifests: &str) {
    let mut again = Release::new(&cluster().kubeconfig(), manifests).await;
    let plan = again.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_go_to_an_autoscaler_of_the_set_and_never_drop() {
    let shop = cluster().namespace("shop");
    outcome(Release::new(&cluster().kubeconfig(), &deployment("api", "api:v1", 5)).await.deploy(shop.name()).await);
    let scaled = deployment("api", "api:v2", 2) + AUTOSCALER;
    let (plan, seen) = replicas_during(&shop, &scaled).await;
    assert!(plan.to_string().contains("spec.replicas is left to HorizontalPodAutoscaler"), "{plan}");
    assert!(seen.iter().all(|replicas| *replicas == 5), "{seen:?}");
    writes_nothing(&shop, &scaled).await;

    // Whatever the autoscaler makes of it stays.
    shop.kubectl_ok(&["scale", "deployment/api", "--replicas=7"]);
    writes_nothing(&shop, &scaled).await;
    let (_, seen) = replicas_during(&shop, &scaled.replace("api:v2", "api:v3")).await;
    assert!(seen.iter().all(|replicas| *replicas == 7), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_autoscaler_that_only_the_cluster_knows_is_respected() {
    let shop = cluster().namespace("shop");
    let first = deployment("api", "api:v1", 2);
    outcome(Release::new(&cluster().kubeconfig(), &first).await.deploy(shop.name()).await);
    outcome(Release::new(&cluster().kubeconfig(), AUTOSCALER).await.deploy(shop.name()).await);
    shop.kubectl_ok(&["scale", "deployment/api", "--replicas=6"]);
    let (plan, seen) = replicas_during(&shop, &first.replace("api:v1", "api:v2")).await;
    assert!(plan.to_string().contains("left to HorizontalPodAutoscaler") && plan.to_string().contains("(6 now)"), "{plan}");
    assert!(seen.iter().all(|replicas| *replicas == 6), "{seen:?}");
    writes_nothing(&shop, &first.replace("api:v1", "api:v2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_newly_omits_replicas_leaves_them_as_they_are() {
    let shop = cluster().namespace("shop");
    let first = deployment("api", "api:v1", 4);
    outcome(Release::new(&cluster().kubeconfig(), &first).await.deploy(shop.name()).await);
    let omitting = without_replicas(&first).replace("api:v1", "api:v2");
    let (_, seen) = replicas_during(&shop, &omitting).await;
    assert!(seen.iter().all(|replicas| *replicas == 4), "{seen:?}");
    writes_nothing(&shop, &omitting).await;

    // Taking them back is nobody's conflict.
    let (_, seen) = replicas_during(&shop, &first.replace("replicas: 4", "replicas: 3")).await;
    assert_eq!(seen.last(), Some(&3));
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_kubectl_had_applied_are_handed_over_too() {
    let shop = cluster().namespace("shop");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.yaml");
    std::fs::write(&file, deployment("api", "api:v1", 5)).expect("a file");
    shop.kubectl_ok(&["apply", "-f", file.to_str().expect("a path")]);
    let omitting = without_replicas(&deployment("api", "api:v2", 5)) + AUTOSCALER;
    let (_, seen) = replicas_during(&shop, &omitting).await;
    assert!(seen.iter().all(|replicas| *replicas == 5), "{seen:?}");
    writes_nothing(&shop, &omitting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kubectl_had_applied_and_the_manifest_hasnt_vanishes() {
    let shop = cluster().namespace("shop");
    let full = deployment("api", "api:v1", 2)
        .replace("          image:", "          args: [a]\n          env: [{name: OLD, value: \"1\"}]\n          image:")
        + &settings().replace("MODE: production", "MODE: production, OLD: entry");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.yaml");
    std::fs::write(&file, &full).expect("a file");
    shop.kubectl_ok(&["apply", "-f", file.to_str().expect("a path")]);
    shop.kubectl_ok(&["annotate", "deployment/api", "by-hand=stays"]);

    let next = deployment("api", "api:v1", 2) + settings();
    let mut release = Release::new(&cluster().kubeconfig(), &next).await;
    let plan = release.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    insta::assert_snapshot!(stable(&plan.to_string(), shop.name()), @r#"
    wave 1: configuration and storage
      ~ ConfigMap NS/settings
          data.OLD: - entry
          takes over the fields of kubectl-client-side-apply
    wave 2: workloads
      ~ Deployment NS/api
          spec.progressDeadlineSeconds: - 600
          spec.revisionHistoryLimit: - 10
          spec.strategy.rollingUpdate.maxSurge: - 25%
          spec.strategy.rollingUpdate.maxUnavailable: - 25%
          spec.strategy.type: - RollingUpdate
          spec.template.spec.containers[api].args: - ["a"]
          spec.template.spec.containers[api].env: - [{"name":"OLD","value":"1"}]
          spec.template.spec.containers[api].imagePullPolicy: - IfNotPresent
          spec.template.spec.containers[api].resources: - {}
          spec.template.spec.containers[api].terminationMessagePath: - /dev/termination-log
          spec.template.spec.containers[api].terminationMessagePolicy: - File
          spec.template.spec.dnsPolicy: - ClusterFirst
          spec.template.spec.restartPolicy: - Always
          spec.template.spec.schedulerName: - default-scheduler
          spec.template.spec.securityContext: - {}
          spec.template.spec.terminationGracePeriodSeconds: - 30
          takes over the fields of kubectl-client-side-apply
    0 to create, 2 to change, 0 unchanged
    "#);
    outcome(release.run(&plan).await);
    let container = shop.deployment("api").unwrap()["spec"]["template"]["spec"]["containers"][0].clone();
    assert!(container.get("args").is_none() && container.get("env").is_none(), "{container}");
    assert_eq!(cluster().get(&shop.path("configmaps/settings")).unwrap()["data"], json!({"MODE": "production"}));
    assert_eq!(shop.deployment("api").unwrap()["metadata"]["annotations"]["by-hand"], "stays");
    writes_nothing(&shop, &next).await;
}

/// As much of KEDA's definition as a ScaledObject needs to be one.
const SCALED_OBJECTS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: scaledobjects.keda.sh}
spec:
  group: keda.sh
  scope: Namespaced
  names: {kind: ScaledObject, plural: scaledobjects}
  versions:
    - name: v1alpha1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}
";

const SCALED_OBJECT: &str = "
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: by-queue}
spec:
  scaleTargetRef: {name: api}
  minReplicaCount: 0
  maxReplicaCount: 9
  triggers: [{type: cron, metadata: {timezone: Etc/UTC, start: 0 8 * * *, end: 0 18 * * *, desiredReplicas: '5'}}]
";

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_keda_scales_are_left_to_it() {
    let shop = cluster().namespace("shop");
    let kubeconfig = cluster().kubeconfig();
    outcome(Release::new(&kubeconfig, SCALED_OBJECTS).await.deploy(shop.name()).await);
    outcome(Release::new(&kubeconfig, &deployment("api", "api:v1", 3)).await.deploy(shop.name()).await);
    let scaled = |image: &str| deployment("api", image, 2) + SCALED_OBJECT;
    let (plan, seen) = replicas_during(&shop, &scaled("api:v2")).await;
    assert!(plan.to_string().contains(&format!("left to ScaledObject {}/by-queue (3 now)", shop.name())), "{plan}");
    assert!(seen.iter().all(|replicas| *replicas == 3), "{seen:?}");
    writes_nothing(&shop, &scaled("api:v2")).await;

    // KEDA scales to nothing when there is nothing to do.
    shop.kubectl_ok(&["scale", "deployment/api", "--replicas=0"]);
    writes_nothing(&shop, &scaled("api:v2")).await;
    let (_, seen) = replicas_during(&shop, &scaled("api:v3")).await;
    assert!(seen.iter().all(|replicas| *replicas == 0), "{seen:?}");

    // Somebody else's ScaledObject, of which only the cluster knows, and which has no autoscaler of its own.
    shop.kubectl_ok(&["scale", "deployment/api", "--replicas=5"]);
    let (plan, seen) = replicas_during(&shop, &deployment("api", "api:v4", 2)).await;
    assert!(plan.to_string().contains(&format!("left to ScaledObject {}/by-queue (5 now)", shop.name())), "{plan}");
    assert!(seen.iter().all(|replicas| *replicas == 5), "{seen:?}");
    writes_nothing(&shop, &deployment("api", "api:v4", 2)).await;
}
