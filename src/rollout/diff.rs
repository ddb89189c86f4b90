//! What an apply would change in an object, field by field, without noise and without secrets.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

/// One field that changes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Field {
    /// `spec.template.spec.containers[api].image`.
    pub path: String,
    /// What is there now; `None` when the field is new. Secret values are masked already.
    pub from: Option<String>,
    /// What will be there; `None` when the field goes.
    pub to: Option<String>,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{}: {from} → {to}", self.path),
            (None, Some(to)) => write!(f, "{}: + {to}", self.path),
            (Some(from), None) => write!(f, "{}: - {from}", self.path),
            (None, None) => f.write_str(&self.path),
        }
    }
}

/// The fields in which two states of one object differ, in the order of their paths; what servers and controllers write is left out.
pub fn fields(live: &Value, next: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    let masking = Masking::of(next);
    compare(&mut Place { path: String::new(), masking, masked: false }, Some(live), Some(next), &mut found);
    found
}

/// Which values of an object may not be shown.
#[derive(Clone, Copy)]
enum Masking {
    /// All of `data` and `stringData`.
    Secret,
    /// Entries whose name says that they are secret.
    ByName,
}

impl Masking {
    fn of(object: &Value) -> Self {
        if object["kind"] == "Secret" && object["apiVersion"] == "v1" { Self::Secret } else { Self::ByName }
    }

    fn hides(self, parent: &str, key: &str) -> bool {
        match self {
            Self::Secret => matches!(parent, "data" | "stringData"),
            Self::ByName => sounds_secret(key),
        }
    }
}

/// Whether a key or an environment variable is named as people name secrets.
fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let words = ["password", "passwd", "passphrase", "token", "credential", "apikey", "api_key", "api-key", "private_key", "private-key"];
    // `secretName`, `secretKeyRef` and the like only point at secrets.
    words.iter().any(|word| name.contains(word)) || name == "secret" || name.ends_with("_secret") || name.ends_with("-secret")
}

struct Place {
    path: String,
    masking: Masking,
    masked: bool,
}

impl Place {
    fn field(&self, key: &str) -> Self {
        let separator = if self.path.is_empty() { "" } else { "." };
        let written = if key.contains(['.', '/']) { format!("[{key}]") } else { format!("{separator}{key}") };
        let masked = self.masked || self.masking.hides(&self.path, key);
        Self { path: format!("{}{written}", self.path), masking: self.masking, masked }
    }

    fn item(&self, key: &str, item: &Value) -> Self {
        // An environment variable's name says whether its value is one to hide.
        let masked = self.masked || item.get("value").is_some() && sounds_secret(key);
        Self { path: format!("{}[{key}]", self.path), masking: self.masking, masked }
    }
}

fn compare(place: &mut Place, live: Option<&Value>, next: Option<&Value>, found: &mut Vec<Field>) {
    if live == next || is_noise(&place.path) {
        return;
    }
    match (live, next) {
        (Some(Value::Object(_)), Some(Value::Object(_))) | (Some(Value::Object(_)), None) | (None, Some(Value::Object(_)))
            if !is_empty(live) || !is_empty(next) =>
        {
            for key in keys(live).union(&keys(next)) {
                compare(&mut place.field(key), live.and_then(|v| v.get(key)), next.and_then(|v| v.get(key)), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => compare_lists(place, before, after, found),
        _ => found.push(Field {
            path: place.path.clone(),
            from: live.map(|v| show(v, place.masked)),
            to: next.map(|v| show(v, place.masked)),
        }),
    }
}

fn is_empty(value: Option<&Value>) -> bool {
    value.and_then(Value::as_object).is_none_or(serde_json::Map::is_empty)
}

fn keys(value: Option<&Value>) -> BTreeSet<String> {
    value.and_then(Value::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

/// Lists whose items have names are compared by name, as server-side apply merges them; others by position.
fn compare_lists(place: &Place, before: &[Value], after: &[Value], found: &mut Vec<Field>) {
    let all_named = before.iter().chain(after).all(|item| name(item).is_some());
    if !all_named {
        for index in 0..before.len().max(after.len()) {
            let (live, next) = (before.get(index), after.get(index));
            compare(&mut place.item(&index.to_string(), next.or(live).unwrap_or(&Value::Null)), live, next, found);
        }
        return;
    }
    let names: BTreeSet<&str> = before.iter().chain(after).filter_map(name).collect();
    for wanted in names {
        let pick = |items: &[Value]| items.iter().find(|item| name(item) == Some(wanted)).cloned();
        let (live, next) = (pick(before), pick(after));
        let item = next.as_ref().or(live.as_ref()).unwrap_or(&Value::Null);
        compare(&mut place.item(wanted, item), live.as_ref(), next.as_ref(), found);
    }
}

fn name(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}

/// What servers and controllers write by themselves at every change.
fn is_noise(path: &str) -> bool {
    matches!(
        path,
        "status"
            | "metadata.managedFields"
            | "metadata.generation"
            | "metadata.resourceVersion"
            | "metadata.uid"
            | "metadata.creationTimestamp"
            | "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]"
            | "metadata.annotations[deployment.kubernetes.io/revision]"
            | "metadata.annotations[deprecated.daemonset.template.generation]"
    )
}

fn show(value: &Value, masked: bool) -> String {
    const MOST: usize = 100;
    let text = match value {
        _ if masked => return "***".to_owned(),
        Value::String(text) if !text.is_empty() && !text.contains(['\n', '"']) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(live: &Value, next: &Value) -> String {
        fields(live, next).iter().map(Field::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn names_each_field_that_changes_and_drops_the_noise() {
        let live = json!({"kind": "Deployment", "metadata": {"generation": 1, "annotations": {"deployment.kubernetes.io/revision": "1"}},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [
                {"name": "api", "image": "acme/api:1", "args": ["a", "b"], "env": [{"name": "DB_PASSWORD", "value": "hunter2"}]},
                {"name": "old", "image": "x"}]}}}, "status": {"replicas": 1}});
        let next = json!({"kind": "Deployment", "metadata": {"generation": 2, "labels": {"acme.io/team": "a"}},
            "spec": {"replicas": 3, "template": {"spec": {"containers": [
                {"name": "api", "image": "acme/api:2", "args": ["a"], "env": [{"name": "DB_PASSWORD", "value": "hunter3"}]}]}}}});
        insta::assert_snapshot!(shown(&live, &next), @r"
        metadata.labels[acme.io/team]: + a
        spec.replicas: 1 → 3
        spec.template.spec.containers[api].args[1]: - b
        spec.template.spec.containers[api].env[DB_PASSWORD].value: *** → ***
        spec.template.spec.containers[api].image: acme/api:1 → acme/api:2
        spec.template.spec.containers[old].image: - x
        spec.template.spec.containers[old].name: - old
        ");
    }

    #[test]
    fn hides_the_values_of_secrets() {
        let live = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "aHVudGVyMg=="}});
        let next = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": {"a": "aHVudGVyMw==", "b": "aHVudGVyNA=="}});
        insta::assert_snapshot!(shown(&live, &next), @r"
        data.a: *** → ***
        data.b: + ***
        ");
        let live = json!({"kind": "ConfigMap", "data": {"api-token": "hunter2", "mode": "a"}});
        let next = json!({"kind": "ConfigMap", "data": {"api-token": "hunter3", "mode": "b"}});
        insta::assert_snapshot!(shown(&live, &next), @r"
        data.api-token: *** → ***
        data.mode: a → b
        ");
    }
}
