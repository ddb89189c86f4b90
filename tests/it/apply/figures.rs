//! How many requests a release costs, and that nothing is overlooked for it.

use super::*;

/// 200 objects in 12 kinds, 18 of them Deployments, as text.
pub(crate) fn large_set() -> String {
    let mut text = String::new();
    let mut add = |count: usize, write: &dyn Fn(usize) -> String| (0..count).for_each(|n| text += &format!("---\n{}\n", write(n).trim()));
    add(20, &|n| format!("{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: account-{n}}}}}"));
    add(10, &|n| {
        format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: role-{n}}}
rules: [{{apiGroups: [''], resources: [configmaps], verbs: [get, list]}}]"
        )
    });
    add(10, &|n| {
        format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: binding-{n}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: role-{n}}}
subjects: [{{kind: ServiceAccount, name: account-{n}}}]"
        )
    });
    add(58, &|n| {
        format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: config-{n}, labels: {{tier: t{n}}}}}, data: {{a: 'v{n}', b: '2'}}}}")
    });
    add(30, &|n| {
        format!("{{apiVersion: v1, kind: Secret, metadata: {{name: secret-{n}}}, type: Opaque, stringData: {{password: hunter-{n}}}}}")
    });
    add(20, &|n| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: app-{n}}}, spec: {{selector: {{app: app-{n}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}}}"
        )
    });
    add(18, &|n| {
        format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app-{n}, labels: {{app: app-{n}}}}}
spec:
  selector: {{matchLabels: {{app: app-{n}}}}}
  strategy: {{rollingUpdate: {{maxSurge: 1}}}}
  template:
    metadata: {{labels: {{app: app-{n}}}}}
    spec:
      serviceAccountName: account-{n}
      volumes: [{{name: settings, configMap: {{name: config-{n}}}}}, {{name: scratch, emptyDir: {{}}}}]
      containers:
        - name: app
          image: registry.example/acme/app:v1
          args: [serve, --port=8080]
          ports: [{{containerPort: 8080}}, {{containerPort: 8081, protocol: UDP}}]
          env:
            - {{name: MODE, value: production}}
            - {{name: NODE, valueFrom: {{fieldRef: {{fieldPath: spec.nodeName}}}}}}
          envFrom: [{{configMapRef: {{name: config-{n}}}}}, {{secretRef: {{name: secret-{n}}}}}]
          resources: {{requests: {{cpu: 10m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
          volumeMounts: [{{name: settings, mountPath: /etc/settings}}, {{name: scratch, mountPath: /tmp}}]
          readinessProbe: {{httpGet: {{path: /, port: 8080}}}}"
        )
    });
    add(10, &|n| {
        format!(
            "{{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {{name: app-{n}}}, spec: {{maxUnavailable: 1, selector: {{matchLabels: {{app: app-{n}}}}}}}}}"
        )
    });
    add(10, &|n| {
        format!(
            "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: app-{n}}}
spec: {{podSelector: {{matchLabels: {{app: app-{n}}}}}, policyTypes: [Ingress], ingress: [{{ports: [{{port: 8080}}]}}]}}"
        )
    });
    add(6, &|n| {
        format!("
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: app-{n}}}
spec: {{rules: [{{host: app-{n}.example.org, http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: app-{n}, port: {{number: 80}}}}}}}}]}}}}]}}")
    });
    add(4, &|n| {
        format!("
apiVersion: batch/v1
kind: CronJob
metadata: {{name: nightly-{n}}}
spec: {{schedule: '0 3 * * *', jobTemplate: {{spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: job, image: registry.example/acme/job:v1}}]}}}}}}}}}}")
    });
    add(4, &|n| {
        format!("
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: app-{n}}}
spec: {{minReplicas: 1, maxReplicas: 3, scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: app-{n}}}, metrics: [{{type: Resource, resource: {{name: cpu, target: {{type: Utilization, averageUtilization: 80}}}}}}]}}")
    });
    text
}

fn kinds(requests: &[Recorded], wanted: &str) -> usize {
    requests.iter().filter(|r| r.method == wanted).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_objects_cost_two_requests_each_and_then_one_for_each_kind() {
    let shop = cluster().namespace("large");
    let proxy = cluster().proxy();
    let kubeconfig = cluster().kubeconfig_through(&proxy);
    let mut seen = 0;
    let mut release = Release::new(&kubeconfig, &large_set()).await;
    assert_eq!(release.resources.len(), 200);
    assert_eq!(outcome(release.deploy(shop.name()).await).to_string(), "200 created, 0 changed, 0 unchanged");
    let requests = news(&proxy, &mut seen);
    let watches = requests.iter().filter(|r| r.target.contains("watch=")).count();
    let reads = kinds(&requests, "GET") - watches;
    let rehearsed: Vec<&str> = requests.iter().filter(|r| r.target.contains("dryRun")).map(Recorded::path).collect();
    assert_eq!((writes(&requests).len(), rehearsed.len(), reads), (200, 200, 12), "{watches} watches");
    assert!(requests.len() <= 520, "at most 2.6 for each object, and it were {}", requests.len());
    let discovery = |r: &&Recorded| r.path().trim_matches('/').split('/').count() <= 3;
    assert_eq!(requests.iter().filter(discovery).count(), 0);

    let mut again = Release::new(&kubeconfig, &large_set()).await;
    assert_eq!(outcome(again.deploy(shop.name()).await).to_string(), "0 created, 0 changed, 200 unchanged");
    let requests = news(&proxy, &mut seen);
    assert_eq!(writes(&requests), Vec::<String>::new());
    let lines: Vec<String> = requests.iter().map(Recorded::line).collect();
    assert_eq!(requests.len(), 12, "{lines:#?}");
}

/// One object, a change by somebody else, and what the plan must say of it.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_somebody_else_changes_is_noticed() {
    let shop = cluster().namespace("drift");
    let wanted = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, labels: {team: shop}, annotations: {note: a}}
spec:
  replicas: 1
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      tolerations: [{key: spot, operator: Exists}]
      containers:
        - {name: api, image: registry.example/acme/api:v1, args: [a, b], env: [{name: A, value: '1'}, {name: B, value: '2'}]}
        - {name: log, image: registry.example/acme/log:v1}
---
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {app: api}, ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Secret
metadata: {name: api, labels: {team: shop}}
stringData: {password: hunter2}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: api, finalizers: [acme.example/keep]}
data: {a: '1', b: '2'}
";
    let cases: &[(&str, &str, &str, &str)] = &[
        ("deployment", "json", r#"[{"op": "replace", "path": "/spec/replicas", "value": 2}]"#, "spec.replicas: 2 → 1"),
        (
            "deployment",
            "strategic",
            r#"{"spec": {"template": {"spec": {"containers": [{"name": "api", "image": "x:v0"}]}}}}"#,
            "containers[api].image: x:v0 →",
        ),
        (
            "deployment",
            "strategic",
            r#"{"spec": {"template": {"spec": {"containers": [{"name": "api", "args": ["b", "a"]}]}}}}"#,
            "args[0]: b → a",
        ),
        (
            "deployment",
            "strategic",
            r#"{"spec": {"template": {"spec": {"containers": [{"name": "api", "env": [{"name": "A", "$patch": "delete"}]}]}}}}"#,
            "env[A]",
        ),
        (
            "deployment",
            "strategic",
            r#"{"spec": {"template": {"spec": {"containers": [{"name": "api", "env": [{"name": "A", "value": "3"}]}]}}}}"#,
            "env[A].value: 3 → 1",
        ),
        (
            "deployment",
            "merge",
            r#"{"spec": {"template": {"spec": {"tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}]}}}}"#,
            "tolerations",
        ),
        ("deployment", "merge", r#"{"spec": {"template": {"spec": {"tolerations": null}}}}"#, "tolerations"),
        ("deployment", "json", r#"[{"op": "remove", "path": "/spec/template/spec/containers/1"}]"#, "containers[log]"),
        ("deployment", "merge", r#"{"metadata": {"labels": {"team": "other"}}}"#, "metadata.labels.team: other → shop"),
        ("deployment", "merge", r#"{"metadata": {"annotations": {"note": null}}}"#, "metadata.annotations.note: + a"),
        ("service", "json", r#"[{"op": "remove", "path": "/spec/ports/1"}]"#, "ports[dns]"),
        ("service", "merge", r#"{"spec": {"selector": {"app": "api", "more": "x"}}}"#, "spec.selector.more: - x"),
        ("secret", "merge", r#"{"data": {"password": "aHVudGVyMw=="}}"#, "data.password: *** → ***"),
        ("secret", "merge", r#"{"data": {"password": null}}"#, "data.password: + ***"),
        ("configmap", "merge", r#"{"data": {"a": "3"}}"#, "data.a: 3 → 1"),
        ("configmap", "merge", r#"{"data": {"b": null}}"#, "data.b: + 2"),
    ];
    let proxy = cluster().proxy();
    let kubeconfig = cluster().kubeconfig_through(&proxy);
    let mut release = Release::new(&kubeconfig, wanted).await;
    release.settings.waiting = Waiting::No;
    outcome(release.deploy(shop.name()).await);
    let mut seen = 0;
    for (kind, how, patch, told) in cases {
        shop.kubectl_ok(&["patch", kind, "api", "--type", how, "--patch", patch]);
        let mut again = Release::new(&kubeconfig, wanted).await;
        again.settings.waiting = Waiting::No;
        let plan = again.plan(shop.name()).await.unwrap_or_else(|e| panic!("{kind} {patch}: {}", explain(&e)));
        assert!(plan.to_string().contains(told), "{kind} {patch}:\n{plan}");
        outcome(again.run(&plan).await);
        news(&proxy, &mut seen);
        let mut after = Release::new(&kubeconfig, wanted).await;
        let plan = after.plan(shop.name()).await.unwrap_or_else(|e| panic!("{kind} {patch}: {}", explain(&e)));
        assert!(plan.is_empty(), "{kind} {patch}:\n{plan}");
        let lines: Vec<String> = news(&proxy, &mut seen).iter().map(Recorded::line).collect();
        assert_eq!(lines.len(), 4, "what was put right needs no rehearsal: {kind} {patch}: {lines:#?}");
    }

    // Fields that nobody claims, or that are added beside ours, are no drift.
    for (kind, patch) in [
        ("deployment", r#"{"metadata": {"annotations": {"other": "x"}}, "spec": {"revisionHistoryLimit": 3}}"#),
        ("configmap", r#"{"data": {"c": "3"}}"#),
        ("service", r#"{"metadata": {"labels": {"other": "x"}}}"#),
    ] {
        shop.kubectl_ok(&["patch", kind, "api", "--type", "merge", "--patch", patch]);
    }
    news(&proxy, &mut seen);
    let mut after = Release::new(&kubeconfig, wanted).await;
    let plan = after.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(news(&proxy, &mut seen).len(), 4);

    // Changes of the manifest, each in its own way.
    for (from, to, told) in [
        ("acme/api:v1", "acme/api:v2", "containers[api].image"),
        ("args: [a, b]", "args: [b, a]", "args[0]"),
        (", labels: {team: shop}, annotations: {note: a}", "", "metadata.labels"),
        ("{a: '1', b: '2'}\n", "{a: '1'}\n", "data.b: - 2"),
        ("{a: '1', b: '2'}\n", "{a: '1', b: '2', d: ''}\n", "data.d: + "),
        ("[{key: spot, operator: Exists}]", "[]", "tolerations"),
        ("{password: hunter2}", "{password: hunter2, more: x}", "data.more: + ***"),
        ("{password: hunter2}", "{}", "data"),
        (", {name: dns, port: 53, protocol: UDP}", "", "ports[dns]"),
        ("[{name: A, value: '1'}, {name: B, value: '2'}]", "[{name: B, value: '2'}]", "env[A]"),
    ] {
        let changed = wanted.replace(from, to);
        assert_ne!(changed, wanted, "{from}");
        let mut after = Release::new(&kubeconfig, &changed).await;
        let plan = after.plan(shop.name()).await.unwrap_or_else(|e| panic!("{}", explain(&e)));
        assert!(plan.to_string().contains(told), "{from} → {to}:\n{plan}");
    }
    shop.kubectl_ok(&["patch", "configmap", "api", "--type", "merge", "--patch", r#"{"metadata": {"finalizers": null}}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_list_reads_object_by_object() {
    let shop = cluster().namespace("shop");
    let proxy = cluster().proxy();
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch"]}]);
    let kubeconfig = shop.service_account_through(&proxy, &rules);
    let manifests: String =
        (0..5).map(|n| format!("---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{n}}}, data: {{a: b}}}}\n")).collect();
    outcome(Release::new(&kubeconfig, &manifests).await.deploy(shop.name()).await);
    let mut seen = 0;
    news(&proxy, &mut seen);
    let mut again = Release::new(&kubeconfig, &manifests).await;
    assert!(again.plan(shop.name()).await.unwrap().is_empty());
    let requests = news(&proxy, &mut seen);
    let statuses: Vec<Option<u16>> = requests.iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Some(403), Some(200), Some(200), Some(200), Some(200), Some(200)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_of_other_objects_is_not_read_to_its_end() {
    let shop = cluster().namespace("crowd");
    let proxy = cluster().proxy();
    let kubeconfig = cluster().kubeconfig_through(&proxy);
    let crowd: Vec<Value> =
        (0..200).map(|n| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("a{n}")}})).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("crowd.json");
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": crowd}).to_string()).expect("a file");
    shop.kubectl_ok(&["create", "-f", file.to_str().expect("a path")]);
    let manifests: String =
        (0..3).map(|n| format!("---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: z{n}}}, data: {{a: b}}}}\n")).collect();
    outcome(Release::new(&kubeconfig, &manifests).await.deploy(shop.name()).await);
    let mut seen = 0;
    news(&proxy, &mut seen);
    assert!(Release::new(&kubeconfig, &manifests).await.plan(shop.name()).await.unwrap().is_empty());
    let lists: Vec<bool> = news(&proxy, &mut seen).iter().map(|r| r.target.contains("limit=50")).collect();
    assert_eq!(lists, [true, false, false, false]);
}
