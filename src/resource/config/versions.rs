use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::hasher::{LENGTH, hash};
use super::is_config;
use crate::resource::references::{self, Need};
use crate::resource::{Key, Resource};

/// The annotation of a copy that names what it is a copy of.
pub const VERSION_OF: &str = "tagboat/version-of";

/// The label of a copy that names the application whose releases make and collect it.
const APP: &str = "tagboat/app";

/// The longest name of an object (a DNS subdomain).
const LONGEST_NAME: usize = 253;

/// A ConfigMap or Secret that is applied as an immutable copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub original: Key,
    /// `NAME-HASH`
    pub name: String,
    /// The object for which the one with the plain name stays in the set: it may mean it in a way that can't be rewritten.
    pub kept_for: Option<String>,
}

/// What a copy says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    pub name: String,
}

/// Puts immutable copies called `NAME-HASH` in the place of the ConfigMaps and Secrets that pods read, and their names wherever
/// [`references`] knows the original's to stand. A template that is rolled back, by whomever, so finds the very content that it had.
///
/// Left alone are those that have a version already (kustomize's hash in the name, or `immutable`), and those whose content comes
/// from somebody else (tokens, objects with an owner, Secrets that a Certificate or ExternalSecret of the set makes). Jobs and bare Pods
/// can't change what they refer to, so they keep the plain name. Where it is still mentioned, by them or in a way that can't be
/// rewritten for sure, the plain object stays beside the copy.
pub fn versioned(resources: &mut Vec<Resource>, app: &str) -> Vec<Version> {
    let produced: BTreeSet<Key> = resources.iter().filter_map(references::produced_secret).collect();
    let able: BTreeMap<Key, &Resource> = resources
        .iter()
        .filter(|config| is_able(config) && !produced.contains(&config.id.key()))
        .map(|config| (config.id.key(), config))
        .collect();
    let read = |link: &references::Link| matches!(link.need, Need::Environment | Need::Volume);
    let rewritable = resources.iter().filter(|resource| is_rewritable(resource));
    let wanted: BTreeSet<Key> = rewritable.flat_map(references::of).filter(read).map(|link| link.to).collect();
    let names: BTreeMap<Key, String> =
        able.into_iter().filter(|(key, _)| wanted.contains(key)).map(|(key, config)| (key, name(config))).collect();
    for resource in resources.iter_mut().filter(|resource| is_rewritable(resource)) {
        for link in references::of(resource) {
            if let (Some(name), Some(place)) = (names.get(&link.to), resource.value.pointer_mut(&link.pointer)) {
                *place = name.clone().into();
            }
        }
    }
    let kept: BTreeMap<Key, String> = names.keys().filter_map(|key| Some((key.clone(), mentioned_by(key, resources)?))).collect();
    let mut versions = Vec::new();
    let all = std::mem::take(resources);
    for resource in all {
        let original = resource.id.key();
        let Some(name) = names.get(&original) else {
            resources.push(resource);
            continue;
        };
        let kept_for = kept.get(&original).cloned();
        resources.push(copy(&resource, name, app));
        resources.extend(kept_for.is_some().then_some(resource));
        versions.push(Version { original, name: name.clone(), kept_for });
    }
    versions
}

/// What an object is a copy of, when it is one of this application's.
pub fn original_of(object: &Value, app: &str) -> Option<Original> {
    let metadata = object.get("metadata")?;
    let text = |field: &str, key: &str| metadata.get(field)?.get(key)?.as_str();
    let name = text("annotations", VERSION_OF)?;
    (text("labels", APP)? == label(app)).then(|| Original { name: name.to_owned() })
}

/// Whether an object is a copy.
pub fn is_version(object: &Resource) -> bool {
    replaced_by(object).is_some()
}

/// What an object is a copy of, whosever.
pub fn replaced_by(object: &Resource) -> Option<Key> {
    let entry = |field: &str, key: &str| object.value["metadata"][field][key].as_str();
    let name = entry("annotations", VERSION_OF).filter(|_| is_config(&object.id) && entry("labels", APP).is_some())?;
    Some(Key { name: name.to_owned(), ..object.id.key() })
}

/// The label selector for all copies of an application: `tagboat/app=shop`.
pub fn app_label(app: &str) -> String {
    format!("{APP}={}", label(app))
}

/// An application's name as a label can hold it.
fn label(app: &str) -> String {
    let text: String =
        app.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }).take(63).collect();
    text.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

fn is_able(config: &Resource) -> bool {
    let value = &config.value;
    let owned = value.pointer("/metadata/ownerReferences").and_then(Value::as_array).is_some_and(|owners| !owners.is_empty());
    let token = value["type"] == "kubernetes.io/service-account-token";
    is_config(&config.id) && value["immutable"] != true && !owned && !token && !is_versioned_by_kustomize(config)
}

/// Whether the name ends in the hash that kustomize gives the object without it.
fn is_versioned_by_kustomize(config: &Resource) -> bool {
    config.id.name.rsplit_once('-').is_some_and(|(_, end)| end == hash(config))
}

fn is_rewritable(resource: &Resource) -> bool {
    !resource.id.is("batch", "Job") && !resource.id.is("", "Pod")
}

fn name(config: &Resource) -> String {
    let most = LONGEST_NAME - LENGTH - 1;
    let end = config.id.name.char_indices().map(|(at, _)| at).take_while(|at| *at <= most).last().unwrap_or(0);
    let base = if config.id.name.len() > most { config.id.name[..end].trim_end_matches(['-', '.']) } else { &config.id.name };
    format!("{base}-{}", hash(config))
}

fn copy(original: &Resource, name: &str, app: &str) -> Resource {
    let mut copy = original.clone();
    copy.id.name = name.to_owned();
    copy.value["metadata"]["name"] = name.into();
    copy.value["immutable"] = true.into();
    for (field, key, text) in [("labels", APP, label(app)), ("annotations", VERSION_OF, original.id.name.clone())] {
        let entries = &mut copy.value["metadata"][field];
        if !entries.is_object() {
            *entries = Value::Object(Map::new());
        }
        entries[key] = text.into();
    }
    copy
}

/// The first object that has the name somewhere where it could mean this ConfigMap or Secret.
fn mentioned_by(config: &Key, resources: &[Resource]) -> Option<String> {
    let near = |resource: &&Resource| resource.id.namespace.is_none() || resource.id.namespace == config.namespace;
    let others = resources.iter().filter(near).filter(|resource| resource.id.key() != *config);
    let mut mentioning = others.filter(|resource| {
        // What is known to mean something else doesn't mean this.
        let other: BTreeSet<String> =
            references::of(resource).into_iter().filter(|link| link.to != *config).map(|link| link.pointer).collect();
        Search { name: &config.name, other: &other }.inside(&resource.value, "", &Place::default())
    });
    mentioning.next().map(|resource| resource.id.to_string())
}

/// Lists whose items have names of their own, that mean nothing else.
const NAMED: [&str; 9] = [
    "containers",
    "initContainers",
    "ephemeralContainers",
    "volumes",
    "volumeMounts",
    "volumeDevices",
    "env",
    "ports",
    "volumeClaimTemplates",
];
/// Mappings that select or describe.
const DESCRIBING: [&str; 5] = ["labels", "matchLabels", "selector", "data", "binaryData"];
/// Where a name may stand inside a longer text.
const TEXTS: [&str; 5] = ["annotations", "args", "command", "value", "stringData"];

struct Search<'s> {
    name: &'s str,
    other: &'s BTreeSet<String>,
}

/// The nearest keys above a value.
#[derive(Default, Clone)]
struct Place<'p> {
    key: &'p str,
    above: &'p str,
}

impl Search<'_> {
    fn inside(&self, value: &Value, pointer: &str, place: &Place<'_>) -> bool {
        match value {
            Value::Object(map) => map.iter().any(|(key, inner)| {
                let own_name = matches!(key.as_str(), "name" | "namespace") && (NAMED.contains(&place.key) || place.key == "metadata");
                let skipped = own_name || DESCRIBING.contains(&key.as_str()) || key == "image";
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                !skipped && self.inside(inner, &pointer, &Place { key, above: place.key })
            }),
            Value::Array(items) => items.iter().enumerate().any(|(index, item)| self.inside(item, &format!("{pointer}/{index}"), place)),
            Value::String(text) if !self.other.contains(pointer) => {
                let in_text = TEXTS.contains(&place.key) || TEXTS.contains(&place.above);
                let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
                text == self.name || in_text && text.split(|c| !is_part(c)).any(|word| word == self.name)
            }
            _ => false,
        }
    }
}
