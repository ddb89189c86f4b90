use super::*;

#[test]
fn hooks_of_helm_and_argo_go_before_the_workloads_and_after_everything() {
    let text = "
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: shop, annotations: {helm.sh/hook: 'pre-install,pre-upgrade', helm.sh/hook-weight: '5', helm.sh/hook-delete-policy: before-hook-creation}}
spec: {template: {spec: {containers: [{name: a, envFrom: [{configMapRef: {name: settings}}]}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: backup, namespace: shop, annotations: {argocd.argoproj.io/hook: PreSync, argocd.argoproj.io/sync-wave: '-1'}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: check, namespace: shop, annotations: {argocd.argoproj.io/hook: PostSync}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: api, namespace: shop}}
---
{apiVersion: v1, kind: Service, metadata: {name: api, namespace: shop}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: api, namespace: shop}}
";
    insta::assert_snapshot!(ordered(text), @"
    wave 1: configuration and storage
      ConfigMap shop/settings  (all.yaml:15)
    wave 2: endpoints
      Service shop/api  (all.yaml:19)
    wave 3: before the workloads
      Job shop/backup  (all.yaml:7)
      then wait until ready: Job shop/backup
    wave 4: before the workloads (2)
      Job shop/migrate  (all.yaml:2)
      then wait until ready: Job shop/migrate
    wave 5: workloads
      Deployment shop/api  (all.yaml:17)
    wave 6: scaling and routing
      Ingress shop/api  (all.yaml:21)
      then wait until ready: Deployment shop/api
    wave 7: after the rollout
      Job shop/check  (all.yaml:11)
    ");
}

#[test]
fn sync_waves_come_one_after_the_other_and_take_along_what_they_need() {
    let wave = |number: i32| format!("annotations: {{argocd.argoproj.io/sync-wave: '{number}'}}");
    let text = format!(
        "
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: database, namespace: shop, {}}}
spec: {{template: {{spec: {{containers: [{{name: a, envFrom: [{{secretRef: {{name: database}}}}]}}]}}}}}}
---
{{apiVersion: v1, kind: Namespace, metadata: {{name: shop}}}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: database, namespace: shop}}}}
---
{{apiVersion: v1, kind: ConfigMap, metadata: {{name: other, namespace: shop}}}}
---
{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: api, namespace: shop}}}}
---
{{apiVersion: v1, kind: Service, metadata: {{name: late, namespace: shop, {}}}}}
",
        wave(-1),
        wave(2)
    );
    insta::assert_snapshot!(ordered(&text), @"
    wave 1: definitions
      Namespace shop  (all.yaml:7)
      then wait until ready: Namespace shop
    wave 2: configuration and storage
      Secret shop/database  (all.yaml:9)
    wave 3: workloads
      StatefulSet shop/database  (all.yaml:2)
      then wait until ready: StatefulSet shop/database
    wave 4: configuration and storage
      ConfigMap shop/other  (all.yaml:11)
    wave 5: workloads
      Deployment shop/api  (all.yaml:13)
      then wait until ready: Deployment shop/api
    wave 6: endpoints
      Service shop/late  (all.yaml:15)
    ");
}

#[test]
fn dependencies_and_change_rules_are_edges() {
    let text = "
apiVersion: v1
kind: ConfigMap
metadata: {name: late, namespace: shop, annotations: {config.kubernetes.io/depends-on: 'apps/namespaces/shop/Deployment/api, acme.io/Fleet/one'}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: api, namespace: shop, annotations: {kapp.k14s.io/change-group: acme.io/api}}}
---
{apiVersion: acme.io/v1, kind: Fleet, metadata: {name: one}}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: first
  namespace: shop
  annotations:
    kapp.k14s.io/change-rule.a: upsert before upserting acme.io/api
    kapp.k14s.io/change-rule.b: delete before deleting acme.io/api
    kapp.k14s.io/change-rule.c: upsert after upserting nobody
";
    insta::assert_snapshot!(ordered(text), @"
    wave 1: workloads
      Job shop/first  (all.yaml:10)
      Fleet one  (all.yaml:8)
      then wait until ready: Job shop/first
    wave 2: workloads (2)
      Deployment shop/api  (all.yaml:6)
      then wait until ready: Fleet one, Deployment shop/api
    wave 3: workloads (3)
      ConfigMap shop/late  (all.yaml:2)
    ");
}

#[test]
fn annotations_that_ask_for_each_other_are_told_with_their_path() {
    let text = "
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, namespace: shop, annotations: {config.kubernetes.io/depends-on: apps/namespaces/shop/Deployment/b}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: b, namespace: shop, annotations: {kapp.k14s.io/change-rule: upsert after upserting x, kapp.k14s.io/change-group: w}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: c, namespace: shop, annotations: {kapp.k14s.io/change-rule: upsert after upserting z, kapp.k14s.io/change-group: x}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: shop, annotations: {kapp.k14s.io/change-group: z, config.kubernetes.io/depends-on: apps/namespaces/shop/Deployment/a}}}
";
    insta::assert_snapshot!(ordered(text), @"
    all.yaml:2: couldn't order the objects, because they wait for each other: Deployment shop/a (all.yaml:2) depends on Deployment shop/b (all.yaml:4), which comes by its change rule after Deployment shop/c (all.yaml:6), which comes by its change rule after Deployment shop/d (all.yaml:8), which depends on Deployment shop/a
      → remove one of these references, or apply one of the objects in an earlier step with its own `manifests`
    ");
}

#[test]
fn annotations_that_say_nothing_sensible_are_errors_with_their_place() {
    let said = |annotation: &str, value: &str| {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a, annotations: {{{annotation}: '{value}'}}}}\n");
        match set_aside(resources(&text)) {
            Ok(selection) => ordered(&text) + &format!("{:?}", selection.aside),
            Err(problems) => problems.iter().map(crate::resource::testing::explain_one).collect(),
        }
    };
    let cases = [
        ("argocd.argoproj.io/sync-wave", "first"),
        ("argocd.argoproj.io/hook", "presync"),
        ("helm.sh/hook", ""),
        ("helm.sh/hook-weight", "1.5"),
        ("helm.sh/hook-delete-policy", "never"),
        ("helm.sh/resource-policy", "remove"),
        ("kapp.k14s.io/change-rule", "upsert when ready"),
        ("config.kubernetes.io/depends-on", "Deployment/api"),
        ("config.kubernetes.io/depends-on", "apps/namespaces/shop/Deployment/api"),
    ];
    let told: Vec<String> = cases.iter().map(|(annotation, value)| said(annotation, value)).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    all.yaml:1: ConfigMap a has the annotation `argocd.argoproj.io/sync-wave: first`, but it must be a whole number
      → correct the annotation, or remove it
    all.yaml:1: ConfigMap a has the annotation `argocd.argoproj.io/hook: presync`, but it must be of PreSync, Sync, PostSync, Skip, SyncFail, PreDelete, PostDelete
      → correct the annotation, or remove it
    all.yaml:1: ConfigMap a has the annotation `helm.sh/hook: `, but it must be of pre-install, pre-upgrade, post-install, post-upgrade, crd-install, test, test-success, test-failure, pre-delete, post-delete, pre-rollback, post-rollback
      → correct the annotation, or remove it
    all.yaml:1: ConfigMap a has the annotation `helm.sh/hook-weight: 1.5`, but it must be a whole number
      → correct the annotation, or remove it
    all.yaml:1: ConfigMap a has the annotation `helm.sh/hook-delete-policy: never`, but it must be one of hook-succeeded, hook-failed, before-hook-creation
      → correct the annotation, or remove it
    all.yaml:1: ConfigMap a has the annotation `helm.sh/resource-policy: remove`, but it must be one of keep
      → correct the annotation, or remove it
    all.yaml:1: ConfigMap a has the annotation `kapp.k14s.io/change-rule: upsert when ready`, but it must be like `upsert after upserting GROUP`
      → correct the annotation, or remove it
    all.yaml:1: ConfigMap a has the annotation `config.kubernetes.io/depends-on: Deployment/api`, but "Deployment/api" must be GROUP/KIND/NAME or GROUP/namespaces/NAMESPACE/KIND/NAME
      → correct the annotation, or remove it
    all.yaml:1: ConfigMap a has the annotation `config.kubernetes.io/depends-on: apps/namespaces/shop/Deployment/api`, but Deployment shop/api is not among the manifests
      → correct the annotation, or remove it[]
    "#);
}

#[test]
fn tests_and_hooks_for_other_occasions_are_left_out() {
    let hook = |name: &str, annotation: &str| {
        format!("---\n{{apiVersion: batch/v1, kind: Job, metadata: {{name: {name}, annotations: {{{annotation}}}}}}}\n")
    };
    let text = [
        hook("smoke", "helm.sh/hook: test"),
        hook("clean", "helm.sh/hook: 'post-delete'"),
        hook("both", "helm.sh/hook: 'post-delete,post-install'"),
        hook("failed", "argocd.argoproj.io/hook: SyncFail"),
        hook("plain", "note: x"),
    ]
    .concat();
    let selection = set_aside(resources(&text)).unwrap();
    let aside: Vec<String> = selection.aside.iter().map(|(resource, reason)| format!("{}: {reason}", resource.id)).collect();
    assert_eq!(aside, ["Job smoke: it is a test", "Job clean: it is a hook for removals", "Job failed: it is a hook for failed syncs"]);
    assert_eq!(selection.kept.iter().map(runs_again).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn checks_come_last_whatever_they_are_to_others_and_what_belongs_to_them_does_not() {
    use crate::resource::Purpose;
    let job = |name: &str, annotation: &str| {
        format!(
            "---\n{{apiVersion: batch/v1, kind: Job, metadata: {{name: {name}, annotations: {{{annotation}}}}}, spec: {{template: {{spec: {{volumes: [{{configMap: {{name: script}}}}]}}}}}}}}\n"
        )
    };
    let mut checks = resources(
        &(job("smoke", "helm.sh/hook: test")
            + &job("second", "helm.sh/hook: 'post-install', helm.sh/hook-weight: '5'")
            + "---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: script, annotations: {helm.sh/hook: test}}}\n"),
    );
    checks.iter_mut().for_each(|check| check.purpose = Purpose::Check);
    let deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: api}}\n";
    let mut all = resources(&(deployment.to_owned() + &job("seed", "helm.sh/hook: post-install")));
    all.extend(checks);
    let Selection { kept, aside } = set_aside(all).unwrap();
    assert!(aside.is_empty());
    assert_eq!(kept.iter().map(is_check).collect::<Vec<_>>(), [false, false, true, true, false]);
    insta::assert_snapshot!(order(&kept).unwrap(), @"
    wave 1: configuration and storage
      ConfigMap script  (all.yaml:6)
    wave 2: workloads
      Deployment api  (all.yaml:1)
      then wait until ready: Deployment api
    wave 3: after the rollout
      Job seed  (all.yaml:3)
      then wait until ready: Job seed
    wave 4: checks
      Job smoke  (all.yaml:2)
      then wait until ready: Job smoke
    wave 5: checks (2)
      Job second  (all.yaml:4)
    ");
}
