//! Accounts that may do little.

use super::*;

fn rules(extra: &[Value]) -> Value {
    let mut rules = vec![
        json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "create", "patch"]}),
        json!({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"]}),
    ];
    rules.extend_from_slice(extra);
    Value::Array(rules)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_one_namespace_is_enough() {
    let shop = cluster().namespace("shop");
    let mut release = Release::new(&shop.service_account(&rules(&[])), &(deployment("api", "slow:v1", 1) + settings())).await;
    outcome(release.deploy(shop.name()).await);
    let told = release.told();
    assert!(told.contains("can't watch pods in") && told.contains("403 Forbidden"), "{told}");
    assert_eq!(shop.deployment("api").unwrap()["status"]["readyReplicas"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_watch_is_enough() {
    let shop = cluster().namespace("shop");
    let rules = json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "create", "patch"]}]);
    let mut release = Release::new(&shop.service_account(&rules), &deployment("api", "slow:v1", 1)).await;
    outcome(release.deploy(shop.name()).await);
    assert!(release.told().contains("they are read every 2 s"), "{}", release.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_found_before_the_first_write() {
    let shop = cluster().namespace("shop");
    let manifests = deployment("api", "api:v1", 1)
        + settings()
        + "
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: api}
spec: {defaultBackend: {service: {name: api, port: {number: 80}}}}
";
    let extra = json!({"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get", "patch"]});
    let mut release = Release::new(&shop.service_account(&rules(&[extra])), &manifests).await;
    let problems = refused(release.plan(shop.name()).await);
    assert_eq!(problems.exit(), Exit::Refused);
    insta::assert_snapshot!(stable(&explain(&problems), shop.name()), @r#"
    all.yaml:23: couldn't plan Ingress NS/api: the account may not create ingresses.networking.k8s.io in namespace NS
      → add to the Role of `kubeconfig`'s account: {apiGroups: ["networking.k8s.io"], resources: ["ingresses"], verbs: ["create"]}; `kubectl auth can-i create ingresses.networking.k8s.io --namespace NS` tells when it may
    "#);
    assert!(shop.deployment("api").is_none());
    assert!(cluster().get(&shop.path("configmaps/settings")).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_in_a_namespace_that_is_not_there_yet_are_asked_for() {
    let shop = cluster().namespace("shop");
    let new = format!("{}-new", shop.name());
    let kubeconfig = shop.service_account(&json!([]));
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    let may = json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "create", "patch"]}]);
    cluster().create(&format!("{rbac}/clusterroles"), &json!({"metadata": {"name": new}, "rules": may}));
    let subject = json!({"kind": "ServiceAccount", "name": "deployer-1", "namespace": shop.name()});
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": new});
    let binding = json!({"metadata": {"name": new}, "roleRef": role, "subjects": [subject]});
    cluster().create(&format!("{rbac}/clusterrolebindings"), &binding);

    let manifests = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {new}}}\n{}", settings());
    let problems = refused(Release::new(&kubeconfig, &manifests).await.plan(&new).await);
    assert_eq!(problems.exit(), Exit::Refused);
    insta::assert_snapshot!(stable(&explain(&problems), shop.name()), @r#"
    all.yaml:6: couldn't plan ConfigMap NS-new/settings: the account may not create configmaps in namespace NS-new
      → add to the Role of `kubeconfig`'s account: {apiGroups: [""], resources: ["configmaps"], verbs: ["create"]}; `kubectl auth can-i create configmaps --namespace NS-new` tells when it may
    all.yaml:6: couldn't plan ConfigMap NS-new/settings: the account may not patch configmaps in namespace NS-new
      → add to the Role of `kubeconfig`'s account: {apiGroups: [""], resources: ["configmaps"], verbs: ["patch"]}; `kubectl auth can-i patch configmaps --namespace NS-new` tells when it may
    "#);
    assert!(cluster().get(&format!("/api/v1/namespaces/{new}")).is_none());
    cluster().kubectl(&["delete", "clusterrole,clusterrolebinding", &new, "--wait=false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_may_not_be_seen_is_named() {
    let shop = cluster().namespace("shop");
    let mut release = Release::new(&shop.service_account(&rules(&[])), &deployment("api", "unready:v1", 1)).await;
    release.settings.timeout = Duration::from_secs(5);
    let failure = failure(release.deploy(shop.name()).await);
    let evidence = failure.evidence.iter().map(|evidence| stable(&evidence.to_string(), shop.name())).collect::<String>();
    insta::assert_snapshot!(evidence, @r#"
    Deployment NS/api
      couldn't read pods: GET /api/v1/namespaces/NS/pods was answered with 403 Forbidden: pods is forbidden: User "system:serviceaccount:NS:deployer-1" cannot watch resource "pods" in API group "" in the namespace "NS"
      couldn't read events: GET /api/v1/namespaces/NS/events was answered with 403 Forbidden: events is forbidden: User "system:serviceaccount:NS:deployer-1" cannot list resource "events" in API group "" in the namespace "NS"
    "#);
}
