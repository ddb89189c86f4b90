//! Jobs of the application itself: their pods can't be changed, so a new release's Job takes the place of one that has finished.

use super::*;

fn migrate(image: &str) -> String {
    format!(
        "
---
apiVersion: batch/v1
kind: Job
metadata: {{name: migrate}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: migrate, image: registry.example/acme/{image}}}]
"
    )
}

fn job(space: &Namespace) -> Value {
    cluster().get(&space.group_path("batch/v1", "jobs/migrate")).expect("the Job should be there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_job_gives_way_to_the_one_of_the_next_release() {
    let space = cluster().namespace("jobs");
    outcome(Release::new(&cluster().kubeconfig(), &migrate("migrate:v1")).await.deploy(space.name()).await);
    let first = job(&space);
    let mut next = Release::new(&cluster().kubeconfig(), &migrate("migrate:v2")).await;
    let plan = next.plan(space.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    assert!(plan.to_string().contains(&format!("± Job {}/migrate: made anew, the one before has finished", space.name())), "{plan}");
    assert_eq!(job(&space)["metadata"]["uid"], first["metadata"]["uid"], "planning has changed it");
    outcome(next.run(&plan).await);
    let second = job(&space);
    assert_ne!(second["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(second["spec"]["template"]["spec"]["containers"][0]["image"], "registry.example/acme/migrate:v2");
    let again = Release::new(&cluster().kubeconfig(), &migrate("migrate:v2")).await.plan(space.name()).await;
    assert!(again.is_ok_and(|plan| plan.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_still_runs_is_not_cut_off() {
    let space = cluster().namespace("jobs");
    let mut first = Release::new(&cluster().kubeconfig(), &migrate("unready:v1")).await;
    first.settings.waiting = Waiting::No;
    outcome(first.deploy(space.name()).await);
    let running = job(&space);
    let problems = refused(Release::new(&cluster().kubeconfig(), &migrate("unready:v2")).await.plan(space.name()).await);
    assert_eq!(problems.exit(), Exit::Refused);
    insta::assert_snapshot!(stable(&explain(&problems), space.name()), @"
    all.yaml:3: couldn't plan Job NS/migrate: the one of an earlier release is still running
      → wait until it has ended, or delete it if nothing is lost by that, and run this again
    ");
    assert_eq!(job(&space)["metadata"]["uid"], running["metadata"]["uid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_in_a_job_is_a_mistake_also_when_one_has_finished() {
    let space = cluster().namespace("jobs");
    outcome(Release::new(&cluster().kubeconfig(), &migrate("migrate:v1")).await.deploy(space.name()).await);
    let wrong = migrate("migrate:v2").replace("restartPolicy: Never", "restartPolicy: Always");
    let problems = refused(Release::new(&cluster().kubeconfig(), &wrong).await.plan(space.name()).await);
    assert_eq!(problems.exit(), Exit::BadInput);
    assert!(explain(&problems).contains("restartPolicy"), "{}", explain(&problems));
}
