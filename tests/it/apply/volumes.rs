//! Claims and the claim templates of StatefulSets: they grow, and nothing that holds data is ever replaced.

use std::sync::atomic::{AtomicUsize, Ordering};

use tagboat::rollout::rollback;

use super::*;

fn database(size: &str, image: &str) -> String {
    format!(
        "
---
apiVersion: v1
kind: Service
metadata: {{name: db}}
spec: {{clusterIP: None, selector: {{app: db}}, ports: [{{port: 5432}}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db}}
spec:
  replicas: 2
  serviceName: db
  selector: {{matchLabels: {{app: db}}}}
  template:
    metadata: {{labels: {{app: db}}}}
    spec:
      containers:
        - {{name: db, image: 'registry.example/acme/{image}', volumeMounts: [{{name: data, mountPath: /data}}]}}
  volumeClaimTemplates:
    - metadata: {{name: data}}
      spec: {{storageClassName: CLASS, accessModes: [ReadWriteOnce], resources: {{requests: {{storage: {size}}}}}}}
"
    )
}

/// A class of volumes that nobody makes on demand, with a volume for each of the set's claims.
fn volumes(space: &Namespace, expansion: bool) {
    let class = json!({
        "metadata": {"name": space.name()}, "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "Immediate", "allowVolumeExpansion": expansion,
    });
    cluster().create("/apis/storage.k8s.io/v1/storageclasses", &class);
    for ordinal in 0..2 {
        let volume = json!({
            "metadata": {"name": format!("{}-{ordinal}", space.name())},
            "spec": {
                "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": space.name(),
                "hostPath": {"path": "/tmp"},
                "claimRef": {"namespace": space.name(), "name": format!("data-db-{ordinal}")},
            },
        });
        cluster().create("/api/v1/persistentvolumes", &volume);
    }
}

async fn release(space: &Namespace, manifests: &str) -> Release {
    Release::new(&cluster().kubeconfig(), &manifests.replace("CLASS", space.name())).await
}

fn set(space: &Namespace) -> Value {
    cluster().get(&space.group_path("apps/v1", "statefulsets/db")).expect("the StatefulSet should be there")
}

fn pods(space: &Namespace) -> Vec<Value> {
    [0, 1]
        .map(|ordinal| {
            cluster().get(&space.path(&format!("pods/db-{ordinal}"))).expect("the pod should be there")["metadata"]["uid"].clone()
        })
        .into()
}

fn requests(space: &Namespace) -> Vec<Value> {
    let claim =
        |ordinal| cluster().get(&space.path(&format!("persistentvolumeclaims/data-db-{ordinal}"))).expect("the claim should be there");
    [0, 1].map(|ordinal| claim(ordinal)["spec"]["resources"]["requests"]["storage"].clone()).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_volumes_of_a_stateful_set_grow_and_its_pods_keep_running() {
    let space = cluster().namespace("volumes");
    volumes(&space, true);
    outcome(release(&space, &database("1Gi", "db:v1")).await.deploy(space.name()).await);
    let (pods_before, first) = (pods(&space), set(&space)["metadata"]["uid"].clone());

    let mut larger = release(&space, &database("2Gi", "db:v1")).await;
    let plan = larger.plan(space.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    insta::assert_snapshot!(stable(&plan.to_string(), space.name()), @"
    wave 1: endpoints
      = Service NS/db
    wave 2: workloads
      ± StatefulSet NS/db: volumes grow (data 1Gi → 2Gi; 2 claims), made anew around its pods, which keep running
    0 to create, 1 to change, 1 unchanged
    ");
    assert_eq!(
        (requests(&space), set(&space)["metadata"]["uid"].clone()),
        (vec![json!("1Gi"), json!("1Gi")], first.clone()),
        "planning wrote"
    );
    outcome(larger.run(&plan).await);
    assert_eq!(requests(&space), [json!("2Gi"), json!("2Gi")]);
    assert_eq!(pods(&space), pods_before, "a pod was restarted");
    assert_ne!(set(&space)["metadata"]["uid"], first);
    assert_eq!(set(&space)["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"], "2Gi");

    let again = release(&space, &database("2048Mi", "db:v1")).await.plan(space.name()).await;
    let again = again.unwrap_or_else(|e| panic!("{}", explain(&e)));
    assert!(!again.to_string().contains('±'), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_would_shrink_or_move_is_refused_before_the_first_write() {
    let space = cluster().namespace("volumes");
    volumes(&space, true);
    let claim = "
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: uploads}
spec: {storageClassName: CLASS, accessModes: [ReadWriteOnce], resources: {requests: {storage: 4Gi}}}
";
    let mut before = release(&space, &(database("1Gi", "db:v1") + claim)).await;
    outcome(before.deploy(space.name()).await);
    let smaller = settings().to_owned() + &database("512Mi", "db:v2") + &claim.replace("CLASS", "other");
    let problems = refused(release(&space, &smaller).await.plan(space.name()).await);
    assert_eq!(problems.exit(), Exit::BadInput);
    insta::assert_snapshot!(stable(&explain(&problems), space.name()), @"
    all.yaml:14: couldn't plan StatefulSet NS/db: the size of the claim template data would shrink from 1Gi to 512Mi, and volumes don't shrink
      → write what is there into the manifest, or give the volume a new name and move its data: what holds data is never replaced
    all.yaml:31: couldn't plan PersistentVolumeClaim NS/uploads: the storage class would change from NS to other, and volumes don't move
      → write what is there into the manifest, or give the volume a new name and move its data: what holds data is never replaced
    ");
    assert!(cluster().get(&space.path("configmaps/settings")).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_lets_nothing_grow_is_told_before_the_first_write() {
    let space = cluster().namespace("volumes");
    volumes(&space, false);
    outcome(release(&space, &database("1Gi", "db:v1")).await.deploy(space.name()).await);
    let problems = refused(release(&space, &database("2Gi", "db:v1")).await.plan(space.name()).await);
    let told = explain(&problems);
    assert!(told.contains("must support resize") && told.contains("data-db-") && told.contains("allowVolumeExpansion"), "{told}");
    assert_eq!(requests(&space), [json!("1Gi"), json!("1Gi")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_fails_after_its_volumes_have_grown_gets_its_old_set_back() {
    let space = cluster().namespace("volumes");
    volumes(&space, true);
    outcome(release(&space, &database("1Gi", "db:v1")).await.deploy(space.name()).await);
    let before = set(&space)["spec"].clone();
    let mut broken = release(&space, &database("2Gi", "missing:v2")).await;
    let plan = broken.plan(space.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    let failed = failure(broken.run(&plan).await);
    let way_back = rollback::look(&broken.cluster, &plan, &failed.written).await;
    let settings = rollback::Settings { waiting: Waiting::UntilReady, timeout: broken.settings.timeout };
    let undone = rollback::run(&broken.cluster, &plan, &way_back, &settings, &broken.journal, &|_| ()).await;
    if let Some(problems) = &undone.problems {
        panic!("{way_back}\n{}", explain(problems));
    }
    assert_eq!(set(&space)["spec"], before);
    assert_eq!(requests(&space), [json!("2Gi"), json!("2Gi")], "volumes don't shrink");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_dies_while_volumes_grow_is_finished_by_the_next_one() {
    let space = cluster().namespace("volumes");
    volumes(&space, true);
    outcome(release(&space, &database("1Gi", "db:v1")).await.deploy(space.name()).await);
    let pods_before = pods(&space);
    // Two claims, the deletion, the creation: the run is cut off after each of them.
    for (size, last) in [("2Gi", 1), ("3Gi", 2), ("4Gi", 3)] {
        let proxy = cluster().proxy();
        let manifests = database(size, "db:v1").replace("CLASS", space.name());
        let mut cut_off = Release::new(&cluster().kubeconfig_through(&proxy), &manifests).await;
        let plan = cut_off.plan(space.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
        let is_write = |r: &Recorded| matches!(r.method.as_str(), "PATCH" | "DELETE") && !r.target.contains("dryRun");
        let passed = AtomicUsize::new(0);
        proxy.on(move |r| is_write(r) && passed.fetch_add(1, Ordering::Relaxed) >= last).fault(Fault::reply(403, "stop"));
        failure(cut_off.run(&plan).await);
        outcome(release(&space, &database(size, "db:v1")).await.deploy(space.name()).await);
        assert_eq!(requests(&space), [json!(size), json!(size)], "after {last} writes");
        assert_eq!(set(&space)["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"], size);
        assert_eq!(pods(&space), pods_before, "after {last} writes");
    }
}
