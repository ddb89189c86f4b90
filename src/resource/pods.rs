//! Where an object holds the specification of pods.

use serde_json::Value;

use super::{Resource, kinds};

/// A pod, or the template that pods are made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Template<'v> {
    /// JSON pointer of the pod's `spec` inside the object.
    pub pointer: String,
    pub spec: &'v Value,
    /// Labels that the pods get.
    pub labels: Option<&'v serde_json::Map<String, Value>>,
}

/// The lists of a pod's spec that hold containers.
pub const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// All pod templates of an object; in kinds that are not built in, whatever looks like one.
pub fn templates(resource: &Resource) -> Vec<Template<'_>> {
    let (group, kind) = (resource.id.group.as_str(), resource.id.kind.as_str());
    let at = match (group, kind) {
        ("", "Pod") => "",
        ("", "PodTemplate") => "/template",
        ("", "ReplicationController") | ("apps", _) | ("batch", "Job") => "/spec/template",
        ("batch", "CronJob") => "/spec/jobTemplate/spec/template",
        _ if kinds::built_in(group, kind).is_some() => return Vec::new(),
        _ => return custom(&resource.value),
    };
    resource.value.pointer(at).and_then(|holder| template(holder, format!("{at}/spec"))).into_iter().collect()
}

fn template(holder: &Value, pointer: String) -> Option<Template<'_>> {
    let spec = holder.get("spec").filter(|spec| spec.is_object())?;
    Some(Template { pointer, spec, labels: holder.pointer("/metadata/labels").and_then(Value::as_object) })
}

/// Kinds of operators (Rollout, ScaledJob, Workflow …): every mapping with a list of containers that have images is a pod's spec.
fn custom(object: &Value) -> Vec<Template<'_>> {
    let mut found = Vec::new();
    search(object, None, String::new(), &mut found);
    found
}

fn search<'v>(value: &'v Value, holder: Option<&'v Value>, pointer: String, found: &mut Vec<Template<'v>>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            if map.get("containers").is_some_and(has_images) {
                let labels = holder.filter(|_| pointer.ends_with("/spec")).and_then(|h| h.pointer("/metadata/labels")?.as_object());
                return found.push(Template { pointer, spec: value, labels });
            }
            for (key, inner) in map {
                search(inner, Some(value), format!("{pointer}/{}", escaped(key)), found);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                search(inner, Some(value), format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn has_images(containers: &Value) -> bool {
    containers.as_array().is_some_and(|list| list.iter().any(|container| container.get("image").is_some_and(Value::is_string)))
}
