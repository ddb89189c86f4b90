//! Annotations of other tools: hooks before and after the workloads, and how often they run.

use super::*;
use crate::servers::has_succeeded;

fn hook(name: &str, annotations: &str, image: &str) -> String {
    format!(
        "
---
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: {name}, image: registry.example/acme/{image}}}]
"
    )
}

fn shop(tag: &str, migrate: &str) -> String {
    deployment("api", &format!("api:{tag}"), 1)
        + settings()
        + &hook(
            "migrate",
            "helm.sh/hook: 'pre-install,pre-upgrade', helm.sh/hook-delete-policy: before-hook-creation",
            &format!("{migrate}:{tag}"),
        )
        + &hook("check", "argocd.argoproj.io/hook: PostSync", &format!("check:{tag}"))
}

fn uid(shop: &Namespace, job: &str) -> Value {
    shop.job(job).unwrap_or_default()["metadata"]["uid"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_in_every_release_that_changes_something_and_hold_up_what_comes_after_them() {
    let space = cluster().namespace("hooks");
    let proxy = cluster().proxy();
    let kubeconfig = cluster().kubeconfig_through(&proxy);
    let mut seen = 0;
    outcome(Release::new(&kubeconfig, &shop("v1", "migrate")).await.deploy(space.name()).await);
    let order: Vec<String> =
        writes(&news(&proxy, &mut seen)).iter().map(|path| path.rsplit('/').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(order, ["settings", "migrate", "api", "check"]);
    for job in ["migrate", "check"] {
        let live = space.job(job).unwrap();
        assert!(has_succeeded(&live), "{job}: {}", live["status"]);
    }
    let created = |job: &str| space.job(job).unwrap()["metadata"]["creationTimestamp"].clone();
    let (first, deployed) = (uid(&space, "migrate"), space.deployment("api").unwrap()["metadata"]["creationTimestamp"].clone());
    assert!(created("migrate").as_str() <= deployed.as_str() && deployed.as_str() <= created("check").as_str());

    // Nothing to do: no hook runs.
    let mut again = Release::new(&kubeconfig, &shop("v1", "migrate")).await;
    let plan = again.plan(space.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(outcome(again.run(&plan).await).to_string(), "0 created, 0 changed, 4 unchanged");
    assert_eq!(uid(&space, "migrate"), first);

    // Only the settings change, and the hooks run again all the same.
    let changed = shop("v1", "migrate").replace("production", "other");
    let mut third = Release::new(&kubeconfig, &changed).await;
    let plan = third.plan(space.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    assert!(plan.to_string().contains(&format!("± Job {}/migrate: runs again", space.name())), "{plan}");
    outcome(third.run(&plan).await);
    assert_ne!(uid(&space, "migrate"), first);

    // A Job's pods can't be changed, but the hook of the next release may be another.
    outcome(Release::new(&kubeconfig, &shop("v2", "migrate")).await.deploy(space.name()).await);
    let live = cluster().get(&space.group_path("batch/v1", "jobs/migrate")).unwrap();
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "registry.example/acme/migrate:v2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_keeps_the_workloads_as_they_were() {
    let space = cluster().namespace("hooks");
    outcome(Release::new(&cluster().kubeconfig(), &shop("v1", "migrate")).await.deploy(space.name()).await);
    let mut release = Release::new(&cluster().kubeconfig(), &shop("v2", "missing")).await;
    let plan = release.plan(space.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    let failed = failure(release.run(&plan).await);
    let told = explain(&failed.problems);
    assert!(told.contains(&format!("couldn't roll out Job {}/migrate", space.name())), "{told}");
    let live = space.deployment("api").unwrap();
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], "registry.example/acme/api:v1");
}
