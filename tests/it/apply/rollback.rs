//! Failed rollouts that go back to what was live.

use tagboat::rollout::rollback::{self, Undone};

use super::*;

/// Rolls back what a release has failed to do.
async fn roll_back(release: &Release, plan: &Plan, failure: &Failure) -> (String, Undone) {
    let way_back = rollback::look(&release.cluster, plan, failure).await;
    let settings = rollback::Settings { waiting: release.settings.waiting, timeout: release.settings.timeout };
    let events = Arc::clone(&release.events);
    let undone = rollback::run(&release.cluster, plan, &way_back, &settings, &release.journal, &move |event| {
        events.lock().expect("not poisoned").push(event);
    });
    let undone = undone.await;
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

/// Everything of an object that somebody could have meant: no status, and nothing that only a server writes.
fn meant(path: &str) -> Option<Value> {
    let mut object = cluster().get(path)?;
    object.as_object_mut()?.remove("status");
    let metadata = object["metadata"].as_object_mut()?;
    for server in ["managedFields", "resourceVersion", "generation"] {
        metadata.remove(server);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        // The controller counts the rollouts.
        annotations.remove("deployment.kubernetes.io/revision");
        annotations.remove("deprecated.daemonset.template.generation");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
    Some(object)
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
        .replace("  replicas: 2\n", "  replicas: 3\n  minReadySeconds: 1\n  strategy: {type: Recreate}\n");
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
    let live: Vec<Option<Value>> = paths(&shop).iter().map(|path| meant(path)).collect();
    assert!(live.iter().all(Option::is_some));

    let mut release = Release::new(&kubeconfig, &broken(image)).await;
    release.settings.timeout = timeout;
    let (failure, way_back, undone) = fail_and_roll_back(&mut release, shop.name()).await;
    assert_eq!(failure.exit(), Exit::TimedOut);
    for (path, live) in paths(&shop).iter().zip(&live) {
        assert_eq!(&meant(path), live, "{path} isn't what it was\n{way_back}");
    }
    assert!(cluster().get(&shop.path("configmaps/brand-new")).is_none());
    assert!(cluster().get(&shop.path("persistentvolumeclaims/disk")).is_some(), "a volume is never removed");
    assert_eq!(undone.to_string(), "5 restored, 1 removed, 1 left as they are");
    assert_eq!(undone.ready.iter().filter(|(id, _)| id.kind == "Deployment").count(), 1, "{}", release.told());
    assert_eq!(shop.deployment("api").unwrap()["status"]["readyReplicas"], 2);

    let again = outcome(Release::new(&kubeconfig, &before()).await.deploy(shop.name()).await);
    assert_eq!(again.to_string(), "0 created, 0 changed, 5 unchanged", "nothing is left to adopt or to correct");
    stable(&way_back, shop.name())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_goes_back_to_what_was_live() {
    let way_back = comes_back_from("missing:v2", Duration::from_secs(120)).await;
    insta::assert_snapshot!(way_back, @"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loop_goes_back_to_what_was_live() {
    comes_back_from("crash:v2", Duration::from_secs(120)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_was_too_slow_goes_back_to_what_was_live() {
    comes_back_from("unready:v2", Duration::from_secs(4)).await;
}
