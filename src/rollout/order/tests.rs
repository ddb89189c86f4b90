mod annotations;
mod picture;

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
