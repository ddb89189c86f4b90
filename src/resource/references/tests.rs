use crate::resource::testing::resources;

fn links(text: &str) -> String {
    let print = |link: super::Link| format!("{:?} {} {}", link.need, link.to, link.pointer);
    resources(text).iter().flat_map(super::of).map(print).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_pod_needs_its_configuration_identity_and_storage() {
    insta::assert_snapshot!(links("
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  serviceName: db-headless
  template:
    spec:
      serviceAccountName: db
      priorityClassName: high
      imagePullSecrets: [{name: pull}]
      initContainers:
      - {name: wait, envFrom: [{secretRef: {name: s1}}]}
      containers:
      - name: db
        env:
        - {name: A, value: plain}
        - {name: B, valueFrom: {configMapKeyRef: {name: c1, key: b}}}
        - {name: C, valueFrom: {secretKeyRef: {name: s2, key: c}}}
        envFrom: [{configMapRef: {name: c2}}]
      volumes:
      - {name: v1, configMap: {name: c3}}
      - {name: v2, secret: {secretName: s3}}
      - {name: v3, persistentVolumeClaim: {claimName: data}}
      - {name: v4, projected: {sources: [{configMap: {name: c4}}, {secret: {name: s4}}, {serviceAccountToken: {path: t}}]}}
      - {name: v5, emptyDir: {}}
"), @"
    Environment Secret shop/s1 /spec/template/spec/initContainers/0/envFrom/0/secretRef/name
    Environment ConfigMap shop/c1 /spec/template/spec/containers/0/env/1/valueFrom/configMapKeyRef/name
    Environment Secret shop/s2 /spec/template/spec/containers/0/env/2/valueFrom/secretKeyRef/name
    Environment ConfigMap shop/c2 /spec/template/spec/containers/0/envFrom/0/configMapRef/name
    Volume ConfigMap shop/c3 /spec/template/spec/volumes/0/configMap/name
    Volume Secret shop/s3 /spec/template/spec/volumes/1/secret/secretName
    Volume PersistentVolumeClaim shop/data /spec/template/spec/volumes/2/persistentVolumeClaim/claimName
    Volume ConfigMap shop/c4 /spec/template/spec/volumes/3/projected/sources/0/configMap/name
    Volume Secret shop/s4 /spec/template/spec/volumes/3/projected/sources/1/secret/name
    PullSecret Secret shop/pull /spec/template/spec/imagePullSecrets/0/name
    ServiceAccount ServiceAccount shop/db /spec/template/spec/serviceAccountName
    PodClass PriorityClass high /spec/template/spec/priorityClassName
    GoverningService Service shop/db-headless /spec/serviceName
    ");
}

#[test]
fn bindings_scalers_routes_and_webhooks_name_their_targets() {
    insta::assert_snapshot!(links("
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: b, namespace: shop}, roleRef: {kind: Role, name: r}, subjects: [{kind: ServiceAccount, name: sa}, {kind: ServiceAccount, name: sa, namespace: x}, {kind: Group, name: g}]}
---
{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h, namespace: shop}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: api}}}
---
{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: k, namespace: shop}, spec: {scaleTargetRef: {name: api}}}
---
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i, namespace: shop}, spec: {defaultBackend: {service: {name: d}}, tls: [{secretName: t}], rules: [{http: {paths: [{backend: {service: {name: web}}}, {backend: {resource: {kind: Bucket, name: b}}}]}}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r, namespace: shop}, spec: {parentRefs: [{name: gw, namespace: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]}}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: w}, webhooks: [{clientConfig: {url: 'https://x'}}, {clientConfig: {service: {name: hook, namespace: ops}}}]}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicyBinding, metadata: {name: pb}, spec: {policyName: p}}
---
{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.x}, spec: {service: {name: api, namespace: ops}}}
---
{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: c, namespace: shop}, spec: {secretName: tls, issuerRef: {kind: ClusterIssuer, name: le}}}
---
{apiVersion: v1, kind: Secret, metadata: {name: t, namespace: shop, annotations: {kubernetes.io/service-account.name: sa}}, type: kubernetes.io/service-account-token}
"), @"
    Role Role shop/r /roleRef/name
    Subject ServiceAccount shop/sa /subjects/0/name
    Subject ServiceAccount x/sa /subjects/1/name
    ScaleTarget Deployment shop/api /spec/scaleTargetRef/name
    ScaleTarget Deployment shop/api /spec/scaleTargetRef/name
    Backend Service shop/d /spec/defaultBackend/service/name
    Backend Service shop/web /spec/rules/0/http/paths/0/backend/service/name
    Certificate Secret shop/t /spec/tls/0/secretName
    Gateway Gateway edge/gw /spec/parentRefs/0/name
    Backend Service shop/web /spec/rules/0/backendRefs/0/name
    Server Service ops/hook /webhooks/1/clientConfig/service/name
    Policy ValidatingAdmissionPolicy p /spec/policyName
    Server Service ops/api /spec/service/name
    SecretSource ClusterIssuer le /spec/issuerRef/name
    TokenOwner ServiceAccount shop/sa /metadata/annotations/kubernetes.io~1service-account.name
    ");
}
