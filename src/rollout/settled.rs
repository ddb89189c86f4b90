//! Whether an object is already as its manifest wants it, judged without asking the server. Pure.
//!
//! The server notes in `managedFields` which fields our last apply has set (`fieldsV1`; Kubernetes, "Server-Side Apply", field
//! management). When those are the very fields of the manifest, and each has the manifest's value, applying it again changes nothing:
//!
//! - a field that somebody else has changed is no longer ours, so it is missing in our set;
//! - a field that was taken out of the manifest is still in our set, so it is one too many;
//! - what the server has filled in by default isn't in our set, and isn't looked at.
//!
//! Where this can't be told for certain (a quantity written in another way, a value that the server has completed inside
//! a list it treats as a whole), the answer is no, and the server is asked.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::cluster::FIELD_MANAGER;
use crate::resource::{Resource, kinds};

/// Managers whose fields we would take over: as long as they are there, an apply has something to do.
const PREDECESSORS: [&str; 2] = ["kubectl-client-side-apply", "before-first-apply"];

/// Metadata that names an object or belongs to the server; nobody owns it.
const UNOWNED: [&str; 8] = ["name", "namespace", "uid", "generation", "selfLink", "creationTimestamp", "resourceVersion", "managedFields"];

/// Whether applying the manifest would certainly leave the object as it is.
pub(super) fn is_settled(resource: &Resource, live: &Value) -> bool {
    let none = Vec::new();
    let managers = live.pointer("/metadata/managedFields").and_then(Value::as_array).unwrap_or(&none);
    if managers.iter().any(|entry| PREDECESSORS.iter().any(|name| entry["manager"] == *name)) {
        return false;
    }
    let is_ours = |entry: &&Value| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply" && entry.get("subresource").is_none();
    let mut ours = managers.iter().filter(is_ours);
    let owned = match (ours.next(), ours.next()) {
        (None, _) => Cow::Owned(Value::Object(Map::new())),
        // A set that is written for another version names other fields.
        (Some(entry), None) if entry["apiVersion"] == resource.id.api_version() => Cow::Borrowed(&entry["fieldsV1"]),
        _ => return false,
    };
    let Some(owned) = owned.as_object() else { return false };
    let Some(intent) = intent(resource) else { return false };
    let compare = Compare { built_in: kinds::built_in(&resource.id.group, &resource.id.kind).is_some() };
    compare.mapping(owned, &intent, live)
}

/// The manifest's fields that can have an owner.
fn intent(resource: &Resource) -> Option<Map<String, Value>> {
    let mut intent = resource.value.as_object()?.clone();
    intent.remove("apiVersion");
    intent.remove("kind");
    if let Some(metadata) = intent.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !UNOWNED.contains(&key.as_str()));
        if metadata.is_empty() {
            intent.remove("metadata");
        }
    }
    Some(intent)
}

struct Compare {
    built_in: bool,
}

impl Compare {
    /// A mapping whose entries may have owners of their own: ours are the manifest's, one to one.
    fn mapping(&self, owned: &Map<String, Value>, intent: &Map<String, Value>, live: &Value) -> bool {
        let fields = owned.keys().filter(|key| *key != ".").count();
        fields == intent.len()
            && intent.iter().all(|(key, wanted)| match (owned.get(&format!("f:{key}")), live.get(key)) {
                (Some(owned), Some(live)) => self.value(owned, wanted, live),
                _ => false,
            })
    }

    fn value(&self, owned: &Value, wanted: &Value, live: &Value) -> bool {
        let Some(owned) = owned.as_object() else { return false };
        if owned.is_empty() {
            return self.same(wanted, live);
        }
        match wanted {
            Value::Object(wanted) if !wanted.is_empty() => self.mapping(owned, wanted, live),
            Value::Array(wanted) if !wanted.is_empty() => live.as_array().is_some_and(|live| self.list(owned, wanted, live)),
            _ => false,
        }
    }

    /// A list whose items have owners of their own; the order of the manifest's items is part of what it wants.
    fn list(&self, owned: &Map<String, Value>, wanted: &[Value], live: &[Value]) -> bool {
        let members: Vec<(&String, &Value)> = owned.iter().filter(|(key, _)| *key != ".").collect();
        if members.len() != wanted.len() {
            return false;
        }
        let mut places = Vec::with_capacity(wanted.len());
        let mut used = vec![false; members.len()];
        for item in wanted {
            let fits = |(at, (key, _)): &(usize, &(&String, &Value))| !used[*at] && is_named(key, item);
            let mut fitting = members.iter().enumerate().filter(fits);
            let (Some((at, (key, owned))), None) = (fitting.next(), fitting.next()) else { return false };
            used[at] = true;
            let Some(place) = live.iter().position(|live| is_exactly(key, live)) else { return false };
            let same = match owned.as_object() {
                Some(owned) if item.is_object() && key.starts_with("k:") => {
                    item.as_object().is_some_and(|item| self.mapping(owned, item, &live[place]))
                }
                _ => key.starts_with("v:") && *item == live[place],
            };
            if !same {
                return false;
            }
            places.push(place);
        }
        places.is_sorted()
    }

    /// A value that has one owner as a whole.
    fn same(&self, wanted: &Value, live: &Value) -> bool {
        match (wanted, live) {
            (Value::Object(wanted), Value::Object(live)) => {
                wanted.iter().all(|(key, wanted)| live.get(key).is_some_and(|live| self.same(wanted, live)))
                    && live.iter().all(|(key, value)| wanted.contains_key(key) || self.built_in && is_default(key, value, live))
            }
            (Value::Array(wanted), Value::Array(live)) => {
                wanted.len() == live.len() && wanted.iter().zip(live).all(|(wanted, live)| self.same(wanted, live))
            }
            (wanted, live) => wanted == live,
        }
    }
}

/// What the API of built-in kinds fills in inside values that have one owner as a whole: an entry that the manifest leaves out, and that
/// has this value, was left out before too.
fn is_default(key: &str, value: &Value, siblings: &Map<String, Value>) -> bool {
    let of_claim = siblings.get("kind").is_some_and(|kind| kind == "PersistentVolumeClaim");
    match key {
        "protocol" => value == "TCP",
        "volumeMode" => value == "Filesystem",
        "apiVersion" => value == "v1" && (of_claim || siblings.contains_key("fieldPath")),
        "kind" => value == "PersistentVolumeClaim",
        "status" => of_claim && *value == serde_json::json!({"phase": "Pending"}),
        _ => false,
    }
}

/// Whether a member of an owned list (`k:{"name":"api"}`, `v:"text"`) can be this item; keys that the item leaves out have defaults.
fn is_named(member: &str, item: &Value) -> bool {
    match keys(member) {
        Some(keys) => {
            let known = keys.iter().filter_map(|(key, value)| Some(item.get(key)? == value));
            let mut known = known.peekable();
            known.peek().is_some() && known.all(|same| same)
        }
        None => is_exactly(member, item),
    }
}

fn is_exactly(member: &str, item: &Value) -> bool {
    match (keys(member), member.strip_prefix("v:")) {
        (Some(keys), _) => keys.iter().all(|(key, value)| item.get(key) == Some(value)),
        (None, Some(value)) => serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item),
        _ => false,
    }
}

fn keys(member: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(member.strip_prefix("k:")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::testing::resources;
    use serde_json::json;

    fn settled(manifest: &str, live: &Value) -> bool {
        is_settled(&resources(manifest)[0], live)
    }

    const PATTERN: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop, labels: {app: api}}
spec:
  template:
    spec:
      containers: [{name: api, image: a:1, args: [b, c], ports: [{containerPort: 80}], env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]}]
";

    fn live() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "api", "namespace": "shop", "uid": "u", "labels": {"app": "api", "theirs": "x"}, "managedFields": [
                {"manager": "kubectl", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": {"f:metadata": {"f:labels": {"f:theirs": {}}}}},
                {"manager": "tagboat", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:app": {}}},
                    "f:spec": {"f:template": {"f:spec": {"f:containers": {r#"k:{"name":"api"}"#: {
                        ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
                        "f:ports": {r#"k:{"containerPort":80,"protocol":"TCP"}"#: {".": {}, "f:containerPort": {}}},
                        "f:env": {r#"k:{"name":"NODE"}"#: {".": {}, "f:name": {}, "f:valueFrom": {"f:fieldRef": {}}}},
                    }}}}},
                }},
            ]},
            "spec": {"replicas": 1, "template": {"spec": {"dnsPolicy": "ClusterFirst", "containers": [{
                "name": "api", "image": "a:1", "args": ["b", "c"], "imagePullPolicy": "IfNotPresent", "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}]}]}}},
            "status": {"replicas": 1},
        })
    }

    /// Puts a value at a pointer of the live object; the last entry may be new.
    fn with(pointer: &str, value: Value) -> Value {
        let mut live = live();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        live.pointer_mut(parent).unwrap()[key.replace("~1", "/")] = value;
        live
    }

    #[test]
    fn an_object_that_has_our_fields_with_our_values_is_settled_whatever_others_have_added() {
        assert!(settled(PATTERN, &live()));
    }

    #[test]
    fn what_differs_in_the_manifest_is_not_settled() {
        for (from, to) in [
            ("image: a:1", "image: a:2"),
            ("[b, c]", "[c, b]"),
            ("[b, c]", "[b]"),
            ("{containerPort: 80}", "{containerPort: 81}"),
            ("{containerPort: 80}", "{containerPort: 80, name: http}"),
            ("spec.nodeName", "metadata.name"),
            (", labels: {app: api}", ""),
            ("{app: api}", "{app: api, theirs: x}"),
            ("spec:\n  template", "spec:\n  replicas: 1\n  template"),
            ("containers: [", "containers: [{name: more, image: b:1}, "),
            ("apps/v1", "apps/v1beta1"),
        ] {
            let changed = PATTERN.replacen(from, to, 1);
            assert_ne!(changed, PATTERN, "{from}");
            assert!(!settled(&changed, &live()), "{to}");
        }
    }

    #[test]
    fn what_differs_in_the_cluster_is_not_settled() {
        let managers = "/metadata/managedFields";
        let container = "/spec/template/spec/containers/0";
        for live in [
            with(&format!("{container}/image"), json!("a:2")),
            with(&format!("{container}/args"), json!(["b", "c", "d"])),
            with(&format!("{container}/name"), json!("other")),
            with(&format!("{container}/env"), json!([])),
            with("/metadata/labels", json!({"app": "other"})),
            with(managers, json!([])),
            with(&format!("{managers}/0/manager"), json!("kubectl-client-side-apply")),
            with(&format!("{managers}/1/operation"), json!("Update")),
            with(&format!("{managers}/1/subresource"), json!("scale")),
            with(&format!("{managers}/1/fieldsV1/f:spec/f:replicas"), json!({})),
            with(&format!("{managers}/1/fieldsV1/f:metadata"), json!({"f:labels": {}})),
            with(&format!("{managers}/1/fieldsV1/f:metadata"), json!({"f:labels": {"f:app": {}, "f:gone": {}}})),
        ] {
            assert!(!settled(PATTERN, &live), "{live}");
        }
    }

    #[test]
    fn an_object_without_fields_of_its_own_is_settled_when_it_is_there() {
        let live = json!({"metadata": {"name": "a", "labels": {"theirs": "x"}}});
        assert!(settled("{apiVersion: v1, kind: ServiceAccount, metadata: {name: a}}", &live));
        assert!(!settled("{apiVersion: v1, kind: ServiceAccount, metadata: {name: a, labels: {theirs: x}}}", &live));
    }

    #[test]
    fn defaults_inside_a_whole_value_are_known_for_built_in_kinds_only() {
        let live = |group: &str| {
            let fields = json!({"f:spec": {"f:ports": {}}});
            let entry = json!({"manager": "tagboat", "operation": "Apply", "apiVersion": group, "fieldsV1": fields});
            json!({"metadata": {"name": "a", "managedFields": [entry]}, "spec": {"ports": [{"port": 80, "protocol": "TCP"}]}})
        };
        let manifest = |group: &str, kind: &str| {
            format!("{{apiVersion: {group}, kind: {kind}, metadata: {{name: a}}, spec: {{ports: [{{port: 80}}]}}}}")
        };
        assert!(settled(&manifest("networking.k8s.io/v1", "NetworkPolicy"), &live("networking.k8s.io/v1")));
        assert!(!settled(&manifest("acme.io/v1", "Fleet"), &live("acme.io/v1")));
    }

    #[test]
    fn lists_of_plain_values_are_compared_by_what_they_hold_and_in_their_order() {
        let live = |list: Value| {
            let fields = json!({"f:metadata": {"f:finalizers": {"v:\"a\"": {}, "v:\"b\"": {}}}});
            let entry = json!({"manager": "tagboat", "operation": "Apply", "apiVersion": "v1", "fieldsV1": fields});
            json!({"metadata": {"name": "a", "finalizers": list, "managedFields": [entry]}})
        };
        let manifest = |list: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, finalizers: {list}}}}}");
        assert!(settled(&manifest("[a, b]"), &live(json!(["a", "theirs", "b"]))));
        assert!(!settled(&manifest("[b, a]"), &live(json!(["a", "theirs", "b"]))));
        assert!(!settled(&manifest("[a]"), &live(json!(["a", "b"]))));
        assert!(!settled(&manifest("[a, b]"), &live(json!(["a"]))));
    }
}
