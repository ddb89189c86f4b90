//! What the API server would refuse with a message that names no line: text that YAML reads as something else, and list items
//! that server-side apply can't tell apart.

use std::collections::HashMap;
use std::path::Path;

use serde_json::Value;

use crate::error::Location;
use crate::yaml::{Node, Schema};

use super::Error;

/// Lists of a pod's containers that server-side apply merges by these keys, with the keys' defaults (the
/// `x-kubernetes-list-map-keys` of the API). `kubectl apply` on the client's side accepts items with the same keys.
const CONTAINER_KEYS: [(&str, &[Key]); 3] =
    [("env", &[("name", "")]), ("ports", &[("containerPort", ""), ("protocol", "TCP")]), ("volumeMounts", &[("mountPath", "")])];
const POD_KEYS: [(&str, &[Key]); 4] = [
    ("initContainers", &[("name", "")]),
    ("containers", &[("name", "")]),
    ("volumes", &[("name", "")]),
    ("imagePullSecrets", &[("name", "")]),
];
const SERVICE_KEYS: [(&str, &[Key]); 1] = [("ports", &[("port", ""), ("protocol", "TCP")])];

/// A field, and the value it has when it is left out.
type Key = (&'static str, &'static str);

/// Everything wrong with the values of one object.
pub(super) fn check(file: &Path, object: &Node) -> Vec<Error> {
    let mut check = Check { file, problems: Vec::new() };
    for field in ["labels", "annotations"] {
        if let Some(map) = object.get("metadata").and_then(|m| m.get(field)) {
            check.texts(map, &format!("metadata.{field}"));
        }
    }
    let (texts, keys): (&[&str], &[_]) = match (object.get("apiVersion").and_then(Node::as_str), object.get("kind").and_then(Node::as_str))
    {
        (Some("v1"), Some("ConfigMap")) => (&["data", "binaryData"], &[]),
        (Some("v1"), Some("Secret")) => (&["data", "stringData"], &[]),
        (Some("v1"), Some("Service")) => (&[], &SERVICE_KEYS),
        _ => (&[], &[]),
    };
    for field in texts {
        if let Some(map) = object.get(field) {
            check.texts(map, field);
        }
    }
    if let Some(spec) = object.get("spec") {
        check.keys(spec, keys);
    }
    check.pods(object);
    check.problems
}

/// The error of a value that is not text. It names the type only: the value may be a secret.
pub(super) fn not_text(field: String, value: &Value, at: Location) -> Error {
    let found = match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    Error::NotText { field, found, at }
}

struct Check<'f> {
    file: &'f Path,
    problems: Vec<Error>,
}

impl Check<'_> {
    fn at(&self, node: &Node) -> Location {
        Location { file: self.file.to_owned(), line: node.line, column: node.column }
    }

    fn texts(&mut self, map: &Node, field: &str) {
        for (key, value) in map.entries() {
            self.text(value, || format!("{field}.{}", key.as_str().unwrap_or_default()));
        }
    }

    fn text(&mut self, node: &Node, field: impl Fn() -> String) {
        let value = node.to_json(Schema::Yaml11);
        if !value.is_string() && !value.is_null() {
            self.problems.push(not_text(field(), &value, self.at(node)));
        }
    }

    /// Walks down to the specifications of pods.
    fn pods(&mut self, node: &Node) {
        if node.get("containers").is_some_and(Node::is_sequence) {
            self.keys(node, &POD_KEYS);
        }
        for (key, value) in node.entries() {
            match key.as_str() {
                Some("containers" | "initContainers" | "ephemeralContainers") => value.items().iter().for_each(|c| self.container(c)),
                Some("spec" | "template" | "jobTemplate" | "jobTargetRef") => self.pods(value),
                _ => {}
            }
        }
    }

    fn container(&mut self, container: &Node) {
        self.keys(container, &CONTAINER_KEYS);
        for variable in container.get("env").map(Node::items).unwrap_or_default() {
            if let Some(value) = variable.get("value") {
                self.text(value, || format!("env {}", variable.get("name").and_then(Node::as_str).unwrap_or_default()));
            }
        }
    }

    fn keys(&mut self, holder: &Node, lists: &[(&'static str, &[Key])]) {
        for (list, keys) in lists {
            let mut seen: HashMap<Vec<&str>, u32> = HashMap::new();
            for item in holder.get(list).map(Node::items).unwrap_or_default() {
                let text = |(field, default): &Key| item.get(field).and_then(Node::as_str).unwrap_or(default);
                let name: Vec<&str> = keys.iter().map(text).collect();
                // The API server says itself that a key is missing.
                if name.contains(&"") {
                    continue;
                }
                if let Some(first) = seen.get(&name) {
                    let (first, key) = (*first, name.join("/"));
                    self.problems.push(Error::DuplicateItem { list, key, first, at: self.at(item) });
                } else {
                    seen.insert(name, item.line);
                }
            }
        }
    }
}
