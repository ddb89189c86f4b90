//! Rollouts that can't succeed, and manifests that would never be taken.

use super::*;

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
        rollout::plan(&release.cluster, &release.resources, &order, &catalog, FieldConflicts::Human, (ConfigUpdates::Restart, None)).await
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
