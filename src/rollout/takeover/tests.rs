use super::*;

fn entry(manager: &str, operation: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields})
}

fn deployment(entries: Vec<Value>) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "namespace": "shop", "uid": "u", "managedFields": entries},
        "spec": {"replicas": 5, "paused": true, "minReadySeconds": 3}})
}

fn replicas() -> Value {
    json!({"f:spec": {"f:replicas": {}}})
}

fn paused() -> Value {
    json!({"f:spec": {"f:paused": {}}})
}

fn scale(manager: &str) -> Value {
    let mut entry = entry(manager, "Update", replicas());
    entry["subresource"] = "scale".into();
    entry
}

#[test]
fn merges_what_deployed_whole_manifests_and_leaves_people_controllers_and_subresources() {
    let mut other_version = entry("kubectl-client-side-apply", "Update", replicas());
    other_version["apiVersion"] = "apps/v1beta1".into();
    let kept = [scale("kubectl"), entry("kubectl-edit", "Update", replicas()), entry("helm", "Apply", replicas()), other_version];
    let live = deployment(
        [&kept[..], &[entry("kubectl-client-side-apply", "Update", replicas()), entry("tagboat", "Apply", paused())][..]].concat(),
    );
    assert_eq!(earlier_tools(&live, FieldConflicts::Human), ["kubectl-client-side-apply"]);
    assert!(earlier_tools(&live, FieldConflicts::Fail).is_empty());
    let merged = merged_entries(&live);
    assert_eq!(merged[..4], kept);
    assert_eq!(merged[4], entry("tagboat", "Apply", json!({"f:spec": {"f:paused": {}, "f:replicas": {}}})));
    let again = deployment(merged);
    assert!(earlier_tools(&again, FieldConflicts::Human).is_empty(), "once is enough");
}

#[test]
fn foresees_that_fields_of_the_earlier_tool_vanish_unless_somebody_else_holds_them() {
    let theirs = json!({"f:spec": {"f:paused": {}, "f:minReadySeconds": {}}});
    let others = entry("kubectl-edit", "Update", json!({"f:spec": {"f:minReadySeconds": {}}}));
    let live = deployment(vec![entry("kubectl-client-side-apply", "Update", theirs.clone()), others.clone()]);
    let next = deployment(vec![entry("kubectl-client-side-apply", "Update", theirs), others, entry("tagboat", "Apply", replicas())]);
    assert_eq!(after_merge(&live, &next)["spec"], json!({"replicas": 5, "minReadySeconds": 3}));
}

#[test]
fn replicas_are_held_only_when_nobody_else_holds_what_is_given_up() {
    let (without, with) = (json!({"spec": {}}), json!({"spec": {"replicas": 2}}));
    for (entries, intent, expected) in [
        (vec![entry("tagboat", "Apply", replicas())], &without, Some(5)),
        (vec![entry("kubectl-client-side-apply", "Update", replicas())], &without, Some(5)),
        (vec![entry("tagboat", "Apply", replicas())], &with, None),
        (vec![entry("tagboat", "Apply", paused())], &without, None),
        (vec![entry("tagboat", "Apply", replicas()), scale("kube-controller-manager")], &without, None),
        (vec![entry("tagboat", "Apply", replicas()), entry("tagboat-handover", "Apply", replicas())], &without, None),
    ] {
        assert_eq!(replicas_to_hold(&deployment(entries.clone()), intent), expected, "{entries:?}");
    }
}

#[test]
fn an_autoscaler_names_its_target() {
    let id =
        Id { group: "apps".into(), version: "v1".into(), kind: "Deployment".into(), namespace: Some("shop".into()), name: "api".into() };
    for (autoscaler, namespace, expected) in [
        (
            json!({"apiVersion": "autoscaling/v2", "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}}}),
            "shop",
            true,
        ),
        (
            json!({"apiVersion": "autoscaling/v2", "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}}}),
            "other",
            false,
        ),
        (
            json!({"apiVersion": "autoscaling/v2", "spec": {"scaleTargetRef": {"apiVersion": "argoproj.io/v1alpha1", "kind": "Deployment", "name": "api"}}}),
            "shop",
            false,
        ),
        (json!({"apiVersion": "autoscaling/v1", "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "api"}}}), "shop", true),
        (
            json!({"apiVersion": "autoscaling/v2", "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "api"}}}),
            "shop",
            false,
        ),
        (json!({"apiVersion": "keda.sh/v1alpha1", "spec": {"scaleTargetRef": {"name": "api"}}}), "shop", true),
        (json!({"apiVersion": "keda.sh/v1alpha1", "spec": {"scaleTargetRef": {"kind": "StatefulSet", "name": "api"}}}), "shop", false),
        (json!({"apiVersion": "batch/v1", "spec": {"scaleTargetRef": {"name": "api", "kind": "Deployment"}}}), "shop", false),
    ] {
        assert_eq!(scales(&autoscaler, Some(namespace), &id), expected, "{autoscaler}");
    }
}

#[test]
fn the_plain_text_of_a_secret_is_sent_as_its_data() {
    let parse =
        |text: &str| crate::resource::parse(std::path::Path::new("a.yaml"), text, &std::collections::BTreeMap::new()).unwrap().remove(0);
    let secret = parse("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: eA==, b: eA==}\nstringData: {b: \"y\", c: z}\n");
    assert_eq!(payload(&secret)["data"], json!({"a": "eA==", "b": "eQ==", "c": "eg=="}));
    assert_eq!(payload(&secret).get("stringData"), None);
    let settings = parse("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: x}\n");
    assert_eq!(payload(&settings), settings.value);
}
