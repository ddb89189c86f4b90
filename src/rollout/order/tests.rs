use super::*;
use crate::resource::testing::resources;

fn ordered(text: &str) -> String {
    match order(&resources(text)) {
        Ok(order) => order.to_string(),
        Err(error) => crate::resource::testing::explain_one(&error),
    }
}

/// A shop as people write it: routes first, namespace last.
const SHOP: &str = "
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web, namespace: shop}, spec: {defaultBackend: {service: {name: web}}}}
---
{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: api, namespace: shop}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {template: {spec: {containers: [{name: web, envFrom: [{configMapRef: {name: web}}]}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec: {template: {spec: {serviceAccountName: api, containers: [{name: api, envFrom: [{secretRef: {name: api}}]}]}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: api, namespace: shop}, roleRef: {kind: Role, name: api}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: api, namespace: shop}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: api, namespace: shop}}
---
{apiVersion: v1, kind: Secret, metadata: {name: api, namespace: shop}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: shop}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
";

#[test]
fn a_shop_written_backwards_is_applied_forwards() {
    insta::assert_snapshot!(ordered(SHOP), @"
    wave 1: definitions
      Namespace shop  (all.yaml:28)
      then wait until ready: Namespace shop
    wave 2: policy and identity
      ServiceAccount shop/api  (all.yaml:22)
      Role shop/api  (all.yaml:20)
    wave 3: policy and identity (2)
      RoleBinding shop/api  (all.yaml:18)
    wave 4: configuration and storage
      Secret shop/api  (all.yaml:24)
      ConfigMap shop/web  (all.yaml:26)
    wave 5: endpoints
      Service shop/web  (all.yaml:16)
    wave 6: workloads
      Deployment shop/api  (all.yaml:11)
      Deployment shop/web  (all.yaml:6)
    wave 7: scaling and routing
      HorizontalPodAutoscaler shop/api  (all.yaml:4)
      Ingress shop/web  (all.yaml:2)
    ");
}

#[test]
fn the_order_does_not_depend_on_how_the_set_was_written() {
    let mut set = resources(SHOP);
    let names = |set: &[Resource]| -> Vec<(String, Vec<String>)> {
        let order = order(set).unwrap();
        order.waves.iter().map(|w| (w.name.clone(), w.resources.iter().map(|&at| set[at].id.to_string()).collect())).collect()
    };
    let first = names(&set);
    for _ in 0..set.len() {
        set.rotate_left(1);
        assert_eq!(names(&set), first);
    }
    set.reverse();
    assert_eq!(names(&set), first);
}

#[test]
fn instances_wait_for_their_definition_and_webhooks_for_the_pods_that_answer() {
    insta::assert_snapshot!(ordered("
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: hook}, webhooks: [{clientConfig: {service: {name: hook, namespace: ops}}}]}
---
{apiVersion: acme.io/v1, kind: Fleet, metadata: {name: one, namespace: ops}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fleets.acme.io}
spec:
  group: acme.io
  names: {kind: Fleet, plural: fleets}
  conversion: {strategy: Webhook, webhook: {clientConfig: {service: {name: hook, namespace: ops}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: hook, namespace: ops}, spec: {selector: {app: hook, tier: x}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: hook, namespace: ops}, spec: {template: {metadata: {labels: {app: hook, tier: x, v: '1'}}, spec: {containers: []}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: other, namespace: ops}, spec: {template: {metadata: {labels: {app: hook}}, spec: {containers: []}}}}
"), @"
    wave 1: definitions
      CustomResourceDefinition fleets.acme.io  (all.yaml:6)
    wave 2: endpoints
      Service ops/hook  (all.yaml:14)
    wave 3: workloads
      Deployment ops/hook  (all.yaml:16)
      Deployment ops/other  (all.yaml:18)
      then wait until ready: CustomResourceDefinition fleets.acme.io, Deployment ops/hook
    wave 4: workloads (2)
      Fleet ops/one  (all.yaml:4)
    wave 5: admission
      ValidatingWebhookConfiguration hook  (all.yaml:2)
    ");
}

#[test]
fn an_object_moves_behind_what_it_needs() {
    insta::assert_snapshot!(ordered("
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x}, spec: {volumes: [{secret: {secretName: tls}}]}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: c, namespace: x}, spec: {secretName: tls, issuerRef: {name: i}}}
---
{apiVersion: cert-manager.io/v1, kind: Issuer, metadata: {name: i, namespace: x}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: g, namespace: x}, spec: {gatewayClassName: fleet, listeners: [{tls: {certificateRefs: [{name: tls}]}}]}}
---
{apiVersion: acme.io/v1, kind: FleetClass, metadata: {name: f}}
---
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: f}, spec: {group: acme.io, names: {kind: FleetClass}}}
"), @"
    wave 1: definitions
      CustomResourceDefinition f  (all.yaml:12)
      then wait until ready: CustomResourceDefinition f
    wave 2: definitions (2)
      FleetClass f  (all.yaml:10)
    wave 3: configuration and storage
      Issuer x/i  (all.yaml:6)
    wave 4: configuration and storage (2)
      Certificate x/c  (all.yaml:4)
    wave 5: endpoints
      Gateway x/g  (all.yaml:8)
      then wait until ready: Certificate x/c
    wave 6: workloads
      Pod x/a  (all.yaml:2)
    ");
}

#[test]
fn a_circle_is_told_with_the_place_of_each_object() {
    let text = "
{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: keys.acme.io}, spec: {group: acme.io, names: {kind: Key}, conversion: {webhook: {clientConfig: {service: {name: hook, namespace: x}}}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: hook, namespace: x}, spec: {selector: {app: hook}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: hook, namespace: x}
spec: {template: {metadata: {labels: {app: hook}}, spec: {volumes: [{secret: {secretName: tls}}]}}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: c, namespace: x}, spec: {secretName: tls, issuerRef: {group: acme.io, kind: Key, name: k}}}
---
{apiVersion: acme.io/v1, kind: Key, metadata: {name: k, namespace: x}}
---
{apiVersion: v1, kind: Pod, metadata: {name: after-the-circle, namespace: x}, spec: {volumes: [{secret: {secretName: tls}}]}}
";
    insta::assert_snapshot!(ordered(text), @"
    all.yaml:13: couldn't order the objects, because they wait for each other: Key x/k (all.yaml:13) is converted by Deployment x/hook (all.yaml:6), which uses Certificate x/c (all.yaml:11), which uses Key x/k
      → remove one of these references, or apply one of the objects in an earlier step with its own `manifests`
    ");
    let mut set = resources(text);
    let message = order(&set).unwrap_err().to_string();
    set.reverse();
    assert_eq!(order(&set).unwrap_err().to_string(), message);
}

#[test]
fn the_picture_shows_objects_of_small_sets() {
    insta::assert_snapshot!(order(&resources(SHOP)).unwrap().mermaid(), @r#"
    flowchart TD
      subgraph w0["1 · definitions"]
        n0["Namespace shop"]
      end
      subgraph w1["2 · policy and identity"]
        n1["ServiceAccount shop/api"]
        n2["Role shop/api"]
      end
      subgraph w2["3 · policy and identity (2)"]
        n3["RoleBinding shop/api"]
      end
      subgraph w3["4 · configuration and storage"]
        n4["Secret shop/api"]
        n5["ConfigMap shop/web"]
      end
      subgraph w4["5 · endpoints"]
        n6["Service shop/web"]
      end
      subgraph w5["6 · workloads"]
        n7["Deployment shop/api"]
        n8["Deployment shop/web"]
      end
      subgraph w6["7 · scaling and routing"]
        n9["HorizontalPodAutoscaler shop/api"]
        n10["Ingress shop/web"]
      end
      w0 --> w1
      w1 --> w2
      w2 --> w3
      w3 --> w4
      w4 --> w5
      w5 --> w6
      n1 -.-> n7
      n2 -.-> n3
      n4 -.-> n7
      n5 -.-> n8
      n6 -.-> n10
      n7 -.-> n9
    "#);
}

#[test]
fn the_picture_shows_kinds_of_large_sets() {
    let text: String = (0..50)
        .map(|n| {
            format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{n}, namespace: x}}}}\n---\n\
                 {{apiVersion: v1, kind: Pod, metadata: {{name: p{n}, namespace: x}}, spec: {{volumes: [{{configMap: {{name: c{n}}}}}]}}}}\n---\n"
            )
        })
        .collect();
    insta::assert_snapshot!(order(&resources(&text)).unwrap().mermaid(), @r#"
    flowchart TD
      subgraph w0["1 · configuration and storage"]
        n0["ConfigMap × 50"]
      end
      subgraph w1["2 · workloads"]
        n1["Pod × 50"]
      end
      w0 --> w1
      n0 -.-> n1
    "#);
}

#[test]
fn names_cannot_break_out_of_the_picture() {
    let text = r#"{apiVersion: v1, kind: ConfigMap, metadata: {name: 'a"]`<b>&;'}}"#;
    insta::assert_snapshot!(order(&resources(text)).unwrap().mermaid(), @r#"
    flowchart TD
      subgraph w0["1 · configuration and storage"]
        n0["ConfigMap a#34;#93;#96;#60;b#62;#38;#59;"]
      end
    "#);
}

#[test]
fn thousands_of_objects_with_shared_labels_and_names_are_ordered() {
    let mut text = String::new();
    for n in 0..1_000 {
        text += &format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{n}, namespace: n{}}}}}\n---\n\
             {{apiVersion: apps/v1, kind: Deployment, metadata: {{name: d{n}, namespace: n{}}}, spec: {{template: {{metadata: {{labels: {{app: all}}}}, \
             spec: {{volumes: [{{configMap: {{name: c{n}}}}}]}}}}}}}}\n---\n",
            n % 50,
            n % 50
        );
    }
    let set = resources(&text);
    let order = order(&set).unwrap();
    assert_eq!(order.waves.len(), 2);
    assert_eq!(order.waves.iter().map(|w| w.resources.len()).sum::<usize>(), set.len());
    assert_eq!(order.edges.len(), 1_000);
}

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
