//! Fields that others hold.

use super::*;

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
async fn an_application_deployed_by_kubectl_is_adopted_once() {
    let shop = cluster().namespace("shop");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("settings.yaml");
    std::fs::write(&file, settings()).expect("a file");
    shop.kubectl_ok(&["apply", "-f", file.to_str().expect("a path")]);
    let version = || cluster().get(&shop.path("configmaps/settings")).unwrap_or_default()["metadata"]["resourceVersion"].clone();

    let mut release = Release::new(&cluster().kubeconfig(), settings()).await;
    let plan = release.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    assert!(plan.to_string().contains("takes over its fields, no value changes"), "{plan}");
    outcome(release.run(&plan).await);
    let adopted = version();
    let again = outcome(Release::new(&cluster().kubeconfig(), settings()).await.deploy(shop.name()).await);
    assert_eq!(again.to_string(), "0 created, 0 changed, 1 unchanged");
    assert_eq!(version(), adopted);

    let changed = settings().replace("production", "staging");
    outcome(Release::new(&cluster().kubeconfig(), &changed).await.deploy(shop.name()).await);
    assert_eq!(cluster().get(&shop.path("configmaps/settings")).unwrap_or_default()["data"]["MODE"], "staging");
}
