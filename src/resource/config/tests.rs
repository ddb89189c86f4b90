use proptest::prelude::*;

use super::*;
use crate::resource::testing::resources;

fn config(text: &str) -> Resource {
    resources(text).remove(0)
}

fn read(text: &str) -> String {
    let all = resources(text);
    let print = |reading: Reading| {
        let configs: Vec<String> = reading.configs.iter().map(ToString::to_string).collect();
        format!("{}: {}", reading.template, configs.join(", "))
    };
    all.iter().flat_map(readings).map(print).collect::<Vec<_>>().join("\n")
}

#[test]
fn pods_read_what_containers_and_volumes_name() {
    insta::assert_snapshot!(read("
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  template:
    spec:
      imagePullSecrets: [{name: pull}]
      initContainers: [{name: i, envFrom: [{secretRef: {name: s1}}]}]
      containers: [{name: c, image: i, env: [{name: A, valueFrom: {configMapKeyRef: {name: c1, key: a}}}]}]
      volumes: [{name: v, projected: {sources: [{configMap: {name: c2}}, {secret: {name: s2}}]}}]
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i, envFrom: [{configMapRef: {name: c1}}]}]}}}
"), @"
    /spec/template: ConfigMap shop/c1, ConfigMap shop/c2, Secret shop/s1, Secret shop/s2
    /spec/template: ConfigMap c1
    ");
}

#[test]
fn pods_that_no_template_replaces_are_left_alone() {
    let pod = "spec: {containers: [{name: c, image: i, envFrom: [{configMapRef: {name: c}}]}]}";
    for text in [
        format!("{{apiVersion: batch/v1, kind: Job, metadata: {{name: a}}, spec: {{template: {{{pod}}}}}}}"),
        format!("{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: a}}, spec: {{jobTemplate: {{spec: {{template: {{{pod}}}}}}}}}}}"),
        format!("{{apiVersion: v1, kind: Pod, metadata: {{name: a}}, {pod}}}"),
        format!("{{apiVersion: apps/v1, kind: ReplicaSet, metadata: {{name: a}}, spec: {{template: {{{pod}}}}}}}"),
        format!("{{apiVersion: acme.io/v1, kind: Fleet, metadata: {{name: a}}, spec: {{template: {{{pod}}}}}}}"),
    ] {
        assert_eq!(read(&text), "", "{text}");
    }
}

#[test]
fn a_fingerprint_is_of_the_content_however_it_is_written() {
    let of = |text: &str| fingerprint(&config(text), Some("u")).unwrap();
    let secret = |rest: &str| of(&format!("{{apiVersion: v1, kind: Secret, metadata: {{name: a}}, {rest}}}"));
    let plain = secret("stringData: {a: one, b: two}");
    assert_eq!(plain, secret("data: {b: dHdv, a: b25l}"));
    assert_eq!(plain, secret("data: {b: \"dH\\ndv\\n\"}, stringData: {a: one}, immutable: true, type: Opaque"));
    assert_eq!(plain, secret("data: {b: b25l, a: b25l}, stringData: {b: two}"), "plain text wins");
    for other in
        ["stringData: {a: one}", "stringData: {a: one, b: two, c: ''}", "stringData: {a: oneb, b: two}", "stringData: {b: one, a: two}"]
    {
        assert_ne!(plain, secret(other), "{other}");
    }
    let map = |rest: &str| of(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, {rest}}}"));
    assert_eq!(map("data: {a: one}"), map("binaryData: {a: b25l}"));
    assert_ne!(map("data: {a: b25l}"), map("binaryData: {a: b25l}"));
}

#[test]
fn the_fingerprint_of_a_secret_takes_its_identity() {
    let secret = config("{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {pin: '1234'}}");
    assert_eq!(fingerprint(&secret, None), None);
    assert_ne!(fingerprint(&secret, Some("one")), fingerprint(&secret, Some("two")));
    let map = config("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {mode: a}}");
    assert_eq!(fingerprint(&map, None), fingerprint(&map, Some("one")), "it has nothing to hide");
}

proptest! {
    #[test]
    fn fingerprints_and_hashes_differ_where_contents_do(one in content(), other in content()) {
        let map = |content: &std::collections::BTreeMap<String, String>| {
            let mut map = config("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
            map.value["data"] = serde_json::json!(content);
            map
        };
        prop_assert_eq!(one == other, fingerprint(&map(&one), None) == fingerprint(&map(&other), None));
        prop_assert_eq!(one == other, hash(&map(&one)) == hash(&map(&other)));
    }

    #[test]
    fn a_second_pass_finds_nothing_to_copy(name in "[a-z][a-z0-9]{0,56}([.-][a-z0-9]{1,47}){0,4}", value in ".{0,12}") {
        let mut set = resources(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name:?}}}}}\n---{}", deployment(&name)));
        set[0].value["data"] = serde_json::json!({"a": value});
        let first = versioned(&mut set, "shop");
        prop_assert_eq!(first.len(), 1);
        prop_assert!(set[0].id.name.len() <= 253 && !set[0].id.name.contains(".-"));
        prop_assert_eq!(versioned(&mut set, "shop"), Vec::new());
    }
}

fn content() -> impl Strategy<Value = std::collections::BTreeMap<String, String>> {
    proptest::collection::btree_map("[ab]{1,2}", "[ab]{0,2}", 0..3)
}

fn deployment(config: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: api}}
spec: {{template: {{spec: {{containers: [{{name: settings, image: settings, envFrom: [{{configMapRef: {{name: {config:?}}}}}]}}]}}}}}}
"
    )
}

/// The vectors of kustomize's own tests (`api/hasher/hasher_test.go`); the real kustomize is asked in `tests/it/kustomization.rs`.
#[test]
fn hashes_as_kustomize_does() {
    let of = |text: &str| hash(&config(&format!("{{apiVersion: v1, metadata: {{name: any}}, {text}}}")));
    assert_eq!(of("kind: ConfigMap"), "6ct58987ht");
    assert_eq!(of("kind: ConfigMap, data: {one: ''}"), "9g67k2htb6");
    assert_eq!(of("kind: ConfigMap, binaryData: {one: ''}"), "6mtk2m274t");
    assert_eq!(of("kind: Secret, type: my-type, data: {one: ''}"), "74bd68bm66");
    // Printable by nobody, so kustomize tells this one in an error only.
    assert_eq!(of("kind: ConfigMap, data: {a: \"\\b\\f\\x01\\x7f\"}"), "m26c54925t");
}

fn after_versioning(text: &str) -> String {
    let mut set = resources(text);
    let versions = versioned(&mut set, "acme/shop");
    let told = versions
        .iter()
        .map(|v| format!("{} → {}{}", v.original, v.name, v.kept_for.iter().map(|by| format!(" (kept for {by})")).collect::<String>()));
    told.chain(set.iter().map(|resource| resource.value.to_string())).collect::<Vec<_>>().join("\n")
}

const SETTINGS: &str = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, labels: {app: api}}, data: {a: b}}
---";

#[test]
fn what_pods_read_becomes_an_immutable_copy_and_every_reference_follows() {
    let text = format!("{SETTINGS}{}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: tls}}, type: kubernetes.io/tls, data: {{tls.key: YQ==}}}}
---
{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: settings}}, spec: {{jobTemplate: {{spec: {{template: {{spec: {{volumes: [{{name: tls, secret: {{secretName: tls}}}}]}}}}}}}}}}}}
---
{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: i}}, spec: {{tls: [{{secretName: tls}}]}}}}
---
{{apiVersion: v1, kind: ConfigMap, metadata: {{name: unread}}}}
", deployment("settings"));
    insta::assert_snapshot!(after_versioning(&text), @r#"
    ConfigMap settings → settings-4h2mbtbbt6
    Secret tls → tls-9b69mgf5bg
    {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings-4h2mbtbbt6","labels":{"app":"api","tagboat/app":"acme-shop"},"annotations":{"tagboat/version-of":"settings"}},"data":{"a":"b"},"immutable":true}
    {"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"api"},"spec":{"template":{"spec":{"containers":[{"name":"settings","image":"settings","envFrom":[{"configMapRef":{"name":"settings-4h2mbtbbt6"}}]}]}}}}
    {"apiVersion":"v1","kind":"Secret","metadata":{"name":"tls-9b69mgf5bg","labels":{"tagboat/app":"acme-shop"},"annotations":{"tagboat/version-of":"tls"}},"type":"kubernetes.io/tls","data":{"tls.key":"YQ=="},"immutable":true}
    {"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"settings"},"spec":{"jobTemplate":{"spec":{"template":{"spec":{"volumes":[{"name":"tls","secret":{"secretName":"tls-9b69mgf5bg"}}]}}}}}}
    {"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"i"},"spec":{"tls":[{"secretName":"tls-9b69mgf5bg"}]}}
    {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"unread"}}
    "#);
}

#[test]
fn a_plain_name_that_may_be_meant_otherwise_stays() {
    let job = "{apiVersion: batch/v1, kind: Job, metadata: {name: j}, spec: {template: {spec: {containers: [{name: c, envFrom: [{configMapRef: {name: settings}}]}]}}}}";
    for (other, kept) in [
        (job, true),
        ("{apiVersion: acme.io/v1, kind: Fleet, metadata: {name: f}, spec: {configuration: settings}}", true),
        ("{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: r}, rules: [{resourceNames: [settings]}]}", true),
        ("{apiVersion: v1, kind: Service, metadata: {name: s, annotations: {acme.io/config: shop/settings}}}", true),
        ("{apiVersion: v1, kind: Service, metadata: {name: settings, labels: {app: settings}}, spec: {selector: {app: settings}}}", false),
        ("{apiVersion: v1, kind: ServiceAccount, metadata: {name: settings-reader}}", false),
    ] {
        let mut set = resources(&format!("{SETTINGS}{}\n---\n{other}", deployment("settings")));
        let versions = versioned(&mut set, "shop");
        assert_eq!(versions[0].kept_for.is_some(), kept, "{other}");
        assert_eq!(set.iter().any(|resource| resource.id.name == "settings" && is_config(&resource.id)), kept, "{other}");
    }
}

#[test]
fn what_has_a_version_or_a_maker_already_is_left_alone() {
    let hashed = config(SETTINGS.trim_end_matches('-'));
    let hashed = format!("settings-{}", hash(&hashed));
    for (name, config) in [
        ("s", "{apiVersion: v1, kind: ConfigMap, metadata: {name: s}, immutable: true}".to_owned()),
        (hashed.as_str(), SETTINGS.trim_end_matches('-').replace("name: settings", &format!("name: {hashed}"))),
        ("s", "{apiVersion: v1, kind: ConfigMap, metadata: {name: s, ownerReferences: [{kind: A, name: a}]}}".to_owned()),
    ] {
        let mut set = resources(&format!("{config}\n---\n{}", deployment(name)));
        let before = set.clone();
        assert_eq!(versioned(&mut set, "shop"), Vec::new(), "{config}");
        assert_eq!(set, before, "{config}");
    }
}

#[test]
fn only_an_applications_own_copies_are_its_own() {
    let mut set = resources(&format!("{SETTINGS}{}", deployment("settings")));
    versioned(&mut set, "acme/shop");
    assert_eq!(original_of(&set[0].value, "acme/shop"), Some(Original { name: "settings".into() }));
    assert_eq!(original_of(&set[0].value, "other"), None);
    assert_eq!(original_of(&set[1].value, "acme/shop"), None);
    assert_eq!(app_label("acme/shop"), "tagboat/app=acme-shop");
}
