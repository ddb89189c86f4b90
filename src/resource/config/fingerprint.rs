use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::Value;

use crate::resource::Resource;

/// A short text that changes with the content of a ConfigMap or Secret: 16 hexadecimal digits. The order of the keys and the way in which
/// the content is written (`stringData` or `data`, line breaks inside base64) don't count, nor do labels, annotations and `immutable`.
///
/// It ends up in pod templates, which more people may read than Secrets. The plain hash of a Secret would let any of them test guesses
/// of a short password offline. So that of a Secret is an HMAC keyed with `uid`, the random identity that the server has given the
/// live Secret: who knows it may read the Secret anyway. `None` for a Secret that has no identity yet. What else could be a key is
/// known to the readers of the workload (names, the workload's own identity) or would have to be stored and guarded (a salt).
pub fn fingerprint(config: &Resource, uid: Option<&str>) -> Option<String> {
    let key = if config.id.is("", "Secret") { uid.filter(|uid| !uid.is_empty())? } else { "" };
    let mut content = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()));
    for (key, value) in entries(config) {
        // With their lengths, so that no two contents run into the same text.
        for part in [key.as_bytes(), &value] {
            content.update(&(part.len() as u64).to_be_bytes());
            content.update(part);
        }
    }
    Some(content.sign().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// All entries as the pods see them, by key.
fn entries(config: &Resource) -> std::collections::BTreeMap<String, Vec<u8>> {
    let is_secret = config.id.is("", "Secret");
    // What is in two fields counts as it does for the server: plain text wins.
    let fields = [("data", is_secret), ("binaryData", true), ("stringData", false)];
    let mut all = std::collections::BTreeMap::new();
    for (field, encoded) in fields {
        for (key, value) in config.value.get(field).and_then(Value::as_object).into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let compact: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            let bytes = if encoded { STANDARD.decode(compact).unwrap_or_else(|_| text.into_bytes()) } else { text.into_bytes() };
            all.insert(key.clone(), bytes);
        }
    }
    all
}
