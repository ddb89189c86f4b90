//! From a file's text to its objects.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::Location;
use crate::yaml::{self, Node, Schema};

use super::checks::{self, not_text};
use super::kinds::{self, Scope};
use super::{Error, Id, Purpose, Resource, placeholders};

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
        if let Some(problem) = self.kustomization(node) {
            return self.problems.push(problem);
        }
        let before = self.problems.len();
        self.problems.extend(checks::check(self.file, node));
        let id = self.identity(node, list);
        if self.problems.len() > before {
            return;
        }
        if let Some(id) = id {
            let mut value = node.to_json(Schema::Yaml11);
            clean(&mut value);
            name(&mut value, &id);
            self.resources.push(Resource { id, value, at: Location::line(self.file, node.line), purpose: Purpose::Application });
        }
    }

    /// kustomize's own objects may lie in files of any name.
    fn kustomization(&self, node: &Node) -> Option<Error> {
        let group = node.get("apiVersion").and_then(Node::as_str)?.split('/').next()?;
        let folder = self.file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new(".")).to_owned();
        (group == "kustomize.config.k8s.io").then(|| Error::Kustomization { folder, at: self.at(node) })
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
        // The API server, too, ignores a namespace on an object that has none.
        let in_none = kinds::built_in(group, &kind).is_some_and(|known| known.scope == Scope::Cluster);
        let namespace = namespace.filter(|_| !in_none);
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
        let may_be_empty = field == "metadata.namespace" && text.is_empty();
        let legal = may_be_empty
            || text.split('/').all(|part| !matches!(part, "" | "." | ".."))
                && (field == "apiVersion" || !text.contains('/'))
                && !text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '%' | '?' | '#'));
        if !legal {
            self.problems.push(Error::Name { name: text, at: self.at(node) });
            return None;
        }
        Some(text)
    }
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
