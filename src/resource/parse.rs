//! From a file's text to its objects.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::Location;
use crate::yaml::{self, Node, Schema};

use super::{Error, Id, Resource, placeholders};

/// Metadata that only a server writes. A resourceVersion would make the write conditional, managedFields is refused by
/// server-side apply, and the annotation of client-side apply would hold a stale copy.
const SERVER_METADATA: [&str; 6] = ["managedFields", "resourceVersion", "uid", "generation", "selfLink", "creationTimestamp"];
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The objects of one file (YAML or JSON): all documents, lists flattened, empty documents skipped; scalars are read as kubectl does.
///
/// # Errors
/// Every problem of the file.
pub fn parse(file: &Path, text: &str, variables: &BTreeMap<String, String>) -> Result<Vec<Resource>, Vec<Error>> {
    let text = placeholders::replace(file, text, variables)?;
    let documents = yaml::parse(&text).map_err(|source| {
        let at = Location { file: file.to_owned(), line: source.line, column: source.column };
        vec![Error::Syntax { at, source }]
    })?;
    let mut reader = Reader { file, resources: Vec::new(), problems: Vec::new() };
    for document in &documents {
        match document.resolved() {
            Ok(root) => reader.object(&root, None),
            Err(source) => reader.problems.push(Error::Structure { at: Location::line(file, source.line()), source }),
        }
    }
    match reader.problems.is_empty() {
        true => Ok(reader.resources),
        false => Err(reader.problems),
    }
}

/// What the items of a typed list (`ConfigMapList`) needn't say themselves.
struct ListOf<'n> {
    api_version: Option<&'n str>,
    kind: Option<&'n str>,
}

struct Reader<'f> {
    file: &'f Path,
    resources: Vec<Resource>,
    problems: Vec<Error>,
}

impl Reader<'_> {
    fn at(&self, node: &Node) -> Location {
        Location { file: self.file.to_owned(), line: node.line, column: node.column }
    }

    fn object(&mut self, node: &Node, list: Option<&ListOf>) {
        if node.is_null() {
            return;
        }
        if !node.is_mapping() {
            return self.problems.push(Error::NotAnObject { found: node.describe(), at: self.at(node) });
        }
        let kind = node.get("kind").and_then(Node::as_str);
        if let (Some(item_kind), Some(items)) = (kind.and_then(|k| k.strip_suffix("List")), node.get("items")) {
            let kind = Some(item_kind).filter(|kind| !kind.is_empty());
            let inside = ListOf { api_version: kind.and(node.get("apiVersion")).and_then(Node::as_str), kind };
            return items.items().iter().for_each(|item| self.object(item, Some(&inside)));
        }
        let before = self.problems.len();
        self.check_texts(node);
        let id = self.identity(node, list);
        if self.problems.len() > before {
            return;
        }
        if let Some(id) = id {
            let mut value = node.to_json(Schema::Yaml11);
            clean(&mut value);
            name(&mut value, &id);
            self.resources.push(Resource { id, value, at: Location::line(self.file, node.line) });
        }
    }

    fn identity(&mut self, node: &Node, list: Option<&ListOf>) -> Option<Id> {
        let api_version = self.text(node, node, "apiVersion", "apiVersion", list.and_then(|l| l.api_version));
        let kind = self.text(node, node, "kind", "kind", list.and_then(|l| l.kind));
        let metadata = node.get("metadata").filter(|m| m.is_mapping());
        if let (Some(metadata), Some(kind)) = (metadata, &kind)
            && metadata.get("name").is_none()
            && let Some((key, _)) = metadata.entry("generateName")
        {
            self.problems.push(Error::GenerateName { kind: kind.clone(), at: self.at(key) });
            return None;
        }
        let name = match metadata {
            Some(metadata) => self.text(node, metadata, "name", "metadata.name", None),
            None => {
                self.problems.push(Error::Missing { field: "metadata.name", at: Location::line(self.file, node.line) });
                None
            }
        };
        let namespace = match metadata.and_then(|m| m.get("namespace")).filter(|n| !n.is_null()) {
            Some(_) => self.text(node, metadata?, "namespace", "metadata.namespace", None).filter(|n| !n.is_empty()),
            None => None,
        };
        let (api_version, kind, name) = (api_version?, kind?, name?);
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        Some(Id { group: group.to_owned(), version: version.to_owned(), kind, namespace, name })
    }

    /// A field of the identity; the names become parts of URLs, so they are checked as such.
    fn text(&mut self, object: &Node, holder: &Node, key: &str, field: &'static str, fallback: Option<&str>) -> Option<String> {
        let Some(node) = holder.get(key).filter(|n| !n.is_null()) else {
            if fallback.is_none() {
                self.problems.push(Error::Missing { field, at: Location::line(self.file, object.line) });
            }
            return fallback.map(str::to_owned);
        };
        let text = match node.to_json(Schema::Yaml11) {
            Value::String(text) => text,
            other => {
                self.problems.push(not_text(field.to_owned(), &other, self.at(node)));
                return None;
            }
        };
        let legal = text.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && (field == "apiVersion" || !text.contains('/'))
            && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '%' | '?' | '#'));
        if !legal && !(field == "metadata.namespace" && text.is_empty()) {
            self.problems.push(Error::Name { name: text, at: self.at(node) });
            return None;
        }
        Some(text)
    }

    /// Values that Kubernetes takes as text only: the API server's own message about a bare `yes` there names no line.
    fn check_texts(&mut self, object: &Node) {
        for field in ["labels", "annotations"] {
            if let Some(map) = object.get("metadata").and_then(|m| m.get(field)) {
                self.check_map(map, &format!("metadata.{field}"));
            }
        }
        let text_data: &[&str] = match object.get("kind").and_then(Node::as_str) {
            Some("ConfigMap") => &["data", "binaryData"],
            Some("Secret") => &["data", "stringData"],
            _ => &[],
        };
        for field in text_data {
            if let Some(map) = object.get(field) {
                self.check_map(map, field);
            }
        }
        self.check_env(object);
    }

    fn check_map(&mut self, map: &Node, field: &str) {
        for (key, node) in map.entries() {
            let value = node.to_json(Schema::Yaml11);
            if !value.is_string() && !value.is_null() {
                let field = format!("{field}.{}", key.as_str().unwrap_or_default());
                self.problems.push(not_text(field, &value, self.at(node)));
            }
        }
    }

    /// `env` of containers, wherever the pod's spec is.
    fn check_env(&mut self, node: &Node) {
        for (key, value) in node.entries() {
            let containers = matches!(key.as_str(), Some("containers" | "initContainers" | "ephemeralContainers"));
            for container in value.items().iter().filter(|_| containers) {
                for variable in container.get("env").map(Node::items).unwrap_or_default() {
                    let Some(text) = variable.get("value") else { continue };
                    let json = text.to_json(Schema::Yaml11);
                    if !json.is_string() && !json.is_null() {
                        let name = variable.get("name").and_then(Node::as_str).unwrap_or_default();
                        self.problems.push(not_text(format!("env {name}"), &json, self.at(text)));
                    }
                }
            }
            if matches!(key.as_str(), Some("spec" | "template" | "jobTemplate")) {
                self.check_env(value);
            }
        }
    }
}

/// Names the type only: the value may be a secret.
fn not_text(field: String, value: &Value, at: Location) -> Error {
    let found = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    Error::NotText { field, found: found.to_owned(), at }
}

fn clean(object: &mut Value) {
    let Some(object) = object.as_object_mut() else { return };
    object.shift_remove("status");
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in SERVER_METADATA {
            metadata.shift_remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
            && annotations.shift_remove(LAST_APPLIED).is_some()
            && annotations.is_empty()
        {
            metadata.shift_remove("annotations");
        }
    }
    for (key, value) in object.iter_mut() {
        if matches!(key.as_str(), "spec" | "template" | "jobTemplate") {
            clean_templates(value);
        }
    }
}

/// `kubectl create --dry-run` writes `creationTimestamp: null` into the templates of pods and jobs too.
fn clean_templates(value: &mut Value) {
    let Some(map) = value.as_object_mut() else { return };
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut)
        && metadata.get("creationTimestamp").is_some_and(Value::is_null)
    {
        metadata.shift_remove("creationTimestamp");
    }
    for key in ["spec", "template", "jobTemplate"] {
        if let Some(inner) = map.get_mut(key) {
            clean_templates(inner);
        }
    }
}

/// Writes what a typed list has said for its items, and drops an empty namespace.
fn name(object: &mut Value, id: &Id) {
    let Some(map) = object.as_object_mut() else { return };
    for (field, text) in [("kind", id.kind.clone()), ("apiVersion", id.api_version())] {
        if !map.contains_key(field) {
            map.shift_insert(0, field.to_owned(), Value::String(text));
        }
    }
    if id.namespace.is_none()
        && let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut)
    {
        let _: Option<Value> = Map::shift_remove(metadata, "namespace");
    }
}
