use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::resource::Resource;

/// How many characters of a hash become part of a name.
pub(super) const LENGTH: usize = 10;

/// The hash that kustomize appends to the name of a generated ConfigMap or Secret: the SHA-256 of what matters of it as canonical JSON, of
/// which ten characters are kept, with those replaced that could form words
/// (kustomize, `api/hasher/hasher.go`: `hashRNode`, `encodeConfigMap`, `encodeSecret`, `encode`).
pub fn hash(config: &Resource) -> String {
    let digest = Sha256::digest(canonical(config).as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let spoken = |c: char| match c {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        other => other,
    };
    hex.chars().take(LENGTH).map(spoken).collect()
}

fn canonical(config: &Resource) -> String {
    let is_secret = config.id.is("", "Secret");
    let field = |name: &str| config.value.get(name).filter(|value| value.is_object());
    let mut encoded = Map::new();
    encoded.insert("data".into(), field("data").map_or_else(|| json!(""), sorted));
    let more = if is_secret { "stringData" } else { "binaryData" };
    encoded.extend(field(more).map(|value| (more.to_owned(), sorted(value))));
    encoded.insert("kind".into(), json!(config.id.kind));
    // It looks the name up under a path that isn't there, so that it never counts.
    encoded.insert("name".into(), json!(""));
    if is_secret {
        encoded.insert("type".into(), json!(config.value.get("type").and_then(Value::as_str).unwrap_or_default()));
    }
    escaped(&sorted(&Value::Object(encoded)).to_string())
}

/// Go writes maps by key.
fn sorted(value: &Value) -> Value {
    let Some(map) = value.as_object() else { return value.clone() };
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    Value::Object(entries.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// What Go's `json.Marshal` escapes inside texts and `serde_json` doesn't; none of these characters stands outside of texts.
/// The short forms of backspace and form feed, which `serde_json` writes, are new in Go 1.22.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", u32::from(c))),
            other => text.push(other),
        }
    }
    text
}
