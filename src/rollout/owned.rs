//! Which fields of an object belong to whom, and what their values are. Pure.
//!
//! Sets of fields are in the server's own form (`fieldsV1`): `f:NAME` a field, `k:{…}` the item of a list with these keys,
//! `v:VALUE` an item of a set, `i:N` an item by position, `.` the thing itself besides what is inside it
//! (structured-merge-diff, fieldpath/serialize-pe.go).

use serde_json::{Map, Value};

/// One entry of `metadata.managedFields`.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'o>(&'o Value);

impl<'o> Entry<'o> {
    /// All entries of an object; none when the object comes without them.
    pub fn all(object: &'o Value) -> impl Iterator<Item = Self> {
        object.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten().map(Self)
    }

    /// Whether it was made by applies of this manager.
    pub fn is_applied_by(self, manager: &str) -> bool {
        self.0["manager"] == manager && self.0["operation"] == "Apply" && !self.is_of_subresource()
    }

    /// Whether it was made by other writes of this manager.
    pub fn is_updated_by(self, manager: &str) -> bool {
        self.0["manager"] == manager && self.0["operation"] == "Update" && !self.is_of_subresource()
    }

    /// Written through `status` or `scale`.
    pub fn is_of_subresource(self) -> bool {
        self.0.get("subresource").and_then(Value::as_str).is_some_and(|name| !name.is_empty())
    }

    /// The version of the API in which its fields are named.
    pub fn api_version(self) -> &'o str {
        self.0["apiVersion"].as_str().unwrap_or_default()
    }

    pub fn manager(self) -> &'o str {
        self.0["manager"].as_str().unwrap_or_default()
    }

    pub fn fields(self) -> Option<&'o Map<String, Value>> {
        self.0.get("fieldsV1")?.as_object()
    }

    /// The entry as it is.
    pub fn value(self) -> &'o Value {
        self.0
    }
}

/// A set of fields, as the server writes it.
pub type Fields = Map<String, Value>;

/// The fields of both.
pub fn union(one: &Fields, other: &Fields) -> Fields {
    let mut all = one.clone();
    for (key, theirs) in other {
        let merged = match (all.get(key).and_then(Value::as_object), theirs.as_object()) {
            // What is a leaf here and has fields there is a map that was once applied empty.
            (Some(ours), Some(theirs)) => Value::Object(union(ours, theirs)),
            _ => theirs.clone(),
        };
        all.insert(key.clone(), merged);
    }
    all
}

/// The fields of the first that aren't in the second.
pub fn difference(one: &Fields, other: &Fields) -> Fields {
    let mut left = Fields::new();
    for (key, ours) in one.iter().filter(|(key, _)| *key != ".") {
        let Some(theirs) = other.get(key) else {
            left.insert(key.clone(), ours.clone());
            continue;
        };
        if let (Some(ours), Some(theirs)) = (ours.as_object().filter(|o| !o.is_empty()), theirs.as_object()) {
            let inside = difference(ours, theirs);
            if !inside.is_empty() {
                left.insert(key.clone(), Value::Object(inside));
            }
        }
    }
    left
}

/// Whether the field at a path of plain names is in the set, or something inside it.
pub fn has(fields: &Fields, path: &[&str]) -> bool {
    let Some((name, rest)) = path.split_first() else { return true };
    match fields.get(&format!("f:{name}")).and_then(Value::as_object) {
        Some(inside) => inside.is_empty() || has(inside, rest),
        None => false,
    }
}

/// What an object says in these fields: the smallest object that holds them. Items keep the keys that they need.
///
/// This is the intent of whoever applied them, as client-go's `ExtractInto` recovers it.
pub fn extract(object: &Value, fields: &Fields) -> Option<Value> {
    if fields.is_empty() { None } else { extract_inside(object, fields) }
}

fn extract_inside(object: &Value, fields: &Fields) -> Option<Value> {
    if is_whole(fields) {
        return Some(object.clone());
    }
    match object {
        Value::Object(map) => {
            let held = |name: &str| fields.get(&format!("f:{name}")).and_then(Value::as_object);
            let kept: Map<String, Value> =
                map.iter().filter_map(|(name, value)| Some((name.clone(), extract_inside(value, held(name)?)?))).collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let kept: Vec<Value> = items.iter().enumerate().filter_map(|(at, item)| extract_item(item, at, fields)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        _ => None,
    }
}

fn extract_item(item: &Value, at: usize, fields: &Fields) -> Option<Value> {
    let (key, held) = held_item(item, at, fields)?;
    let mut kept = extract_inside(item, held).unwrap_or_else(|| Value::Object(Map::new()));
    // A key that is a default (`protocol: TCP`) was in nobody's intent when another part of the key was.
    let intended = key.keys().any(|name| held.contains_key(&format!("f:{name}")));
    if let Some(kept) = kept.as_object_mut().filter(|_| !intended) {
        kept.extend(key);
    }
    Some(kept)
}

/// The object without these fields.
pub fn without(object: &Value, fields: &Fields) -> Value {
    match object {
        Value::Object(map) => {
            let kept = map.iter().filter_map(|(name, value)| match fields.get(&format!("f:{name}")).and_then(Value::as_object) {
                Some(gone) if is_whole(gone) || gone.contains_key(".") => None,
                Some(gone) => Some((name.clone(), without(value, gone))),
                None => Some((name.clone(), value.clone())),
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => {
            let kept = items.iter().enumerate().filter_map(|(at, item)| match held_item(item, at, fields) {
                Some((_, gone)) if is_whole(gone) || gone.contains_key(".") => None,
                Some((_, gone)) => Some(without(item, gone)),
                None => Some(item.clone()),
            });
            Value::Array(kept.collect())
        }
        scalar => scalar.clone(),
    }
}

/// A leaf stands for the whole value.
fn is_whole(fields: &Fields) -> bool {
    fields.is_empty()
}

/// What the set holds of an item of a list, and the item's keys.
fn held_item<'f>(item: &Value, at: usize, fields: &'f Fields) -> Option<(Map<String, Value>, &'f Fields)> {
    fields.iter().find_map(|(path, held)| {
        let held = held.as_object()?;
        let (sort, text) = path.split_once(':')?;
        match sort {
            "k" => {
                let key: Map<String, Value> = serde_json::from_str(text).ok()?;
                key.iter().all(|(name, value)| item.get(name) == Some(value)).then_some((key, held))
            }
            "v" => (serde_json::from_str::<Value>(text).ok()? == *item).then(|| (Map::new(), held)),
            "i" => (text.parse() == Ok(at)).then(|| (Map::new(), held)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set(value: Value) -> Fields {
        value.as_object().cloned().unwrap()
    }

    fn deployment() -> Value {
        json!({
            "metadata": {"name": "api", "labels": {"app": "api", "team": "a"}, "finalizers": ["x/keep", "y/keep"]},
            "spec": {"replicas": 5, "strategy": {"type": "RollingUpdate"}, "template": {"spec": {"containers": [
                {"name": "api", "image": "api:1", "args": ["a", "b"], "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}]},
                {"name": "proxy", "image": "proxy:1"}]}}},
        })
    }

    #[test]
    fn extracts_fields_items_by_key_and_values_of_sets() {
        let whole = deployment();
        for (fields, expected) in [
            (json!({"f:spec": {"f:replicas": {}}}), json!({"spec": {"replicas": 5}})),
            (json!({"f:metadata": {"f:labels": {".": {}, "f:app": {}}}}), json!({"metadata": {"labels": {"app": "api"}}})),
            (json!({"f:metadata": {"f:finalizers": {"v:\"x/keep\"": {}}}}), json!({"metadata": {"finalizers": ["x/keep"]}})),
            (
                json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {".": {}, "f:args": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}}}}}}}}}),
                json!({"spec": {"template": {"spec": {"containers": [{"name": "api", "args": ["a", "b"],
                    "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}]}]}}}}),
            ),
            (
                json!({"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {".": {}, "f:name": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}}}),
                json!({"spec": {"template": {"spec": {"containers": [{"name": "api", "ports": [{"containerPort": 80}]}]}}}}),
            ),
            (json!({"f:spec": {"f:gone": {}}}), Value::Null),
        ] {
            assert_eq!(extract(&whole, &set(fields.clone())).unwrap_or_default(), expected, "{fields}");
        }
    }

    #[test]
    fn unites_and_subtracts() {
        let containers = |name: &str, fields: Value| json!({"f:spec": {"f:containers": {format!("k:{{\"name\":\"{name}\"}}"): fields}}});
        let ours = set(containers("api", json!({".": {}, "f:name": {}, "f:image": {}})));
        let theirs = set(containers("api", json!({".": {}, "f:name": {}, "f:args": {}})));
        assert_eq!(Value::Object(union(&ours, &theirs)), containers("api", json!({".": {}, "f:name": {}, "f:image": {}, "f:args": {}})));
        assert_eq!(Value::Object(difference(&theirs, &ours)), containers("api", json!({"f:args": {}})));
        let other = set(containers("proxy", json!({".": {}, "f:image": {}})));
        assert_eq!(Value::Object(difference(&other, &ours)), containers("proxy", json!({".": {}, "f:image": {}})));
        assert!(difference(&ours, &ours).is_empty());
    }

    #[test]
    fn knows_what_is_left_when_fields_go() {
        let fields = json!({"f:metadata": {"f:labels": {"f:team": {}}, "f:finalizers": {"v:\"y/keep\"": {}}},
            "f:spec": {"f:strategy": {".": {}, "f:type": {}}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"proxy\"}": {".": {}, "f:image": {}}}}}}});
        let left = without(&deployment(), &set(fields));
        assert_eq!(left["metadata"], json!({"name": "api", "labels": {"app": "api"}, "finalizers": ["x/keep"]}));
        assert_eq!(left["spec"]["strategy"], Value::Null);
        assert_eq!(left["spec"]["template"]["spec"]["containers"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn finds_a_field_by_its_path() {
        let fields = set(json!({"f:spec": {"f:replicas": {}, "f:template": {"f:metadata": {}}}}));
        assert!(has(&fields, &["spec", "replicas"]) && has(&fields, &["spec", "template", "metadata", "labels"]));
        assert!(!has(&fields, &["spec", "paused"]));
    }
}
