//! ConfigMaps and Secrets, and the pods that read them. Pure.
//!
//! ```text
//! objects ├→ readings       which pod template reads which of them          (for `config-updates: restart`)
//!         ├→ fingerprint    a short text that changes with the content
//!         └→ versions       immutable copies NAME-HASH, references rewritten (for `config-updates: versioned`)
//!                └ hasher   the HASH, as kustomize makes it
//! ```

mod fingerprint;
mod hasher;
mod versions;

use std::collections::BTreeSet;

use serde_json::Value;

use super::pods::templates;
use super::references::{self, Need};
use super::{Id, Key, Resource};

pub use fingerprint::fingerprint;
pub use hasher::hash;
pub use versions::{Original, VERSION_OF, Version, app_label, is_version, original_of, replaced_by, versioned};

/// The annotation of a pod template that says which content of which ConfigMaps and Secrets its pods were made for.
pub const READS: &str = "tagboat/config";

/// A pod template and what its pods read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// JSON pointer of the template inside the object: `/spec/template`.
    pub template: String,
    /// The ConfigMaps and Secrets that containers or volumes name, in the set or not.
    pub configs: BTreeSet<Key>,
    /// Stakater's Reloader replaces the pods when one of them changes: once is enough.
    pub has_reloader: bool,
}

/// Whether an object is a ConfigMap or a Secret.
pub fn is_config(id: &Id) -> bool {
    is_config_kind(&id.group, &id.kind)
}

/// Whether a kind is that of ConfigMaps or of Secrets.
pub fn is_config_kind(group: &str, kind: &str) -> bool {
    group.is_empty() && matches!(kind, "ConfigMap" | "Secret")
}

/// The pod templates of an object whose change makes its controller replace the pods, with what those pods read.
///
/// Credentials for pulling images are the kubelet's to read, not the pods'. The templates of Jobs and the specifications of bare Pods
/// can't change, and those of CronJobs, ReplicaSets and the like have no effect on pods that are there. Of kinds that are not built in, a
/// template counts when it has metadata to put an annotation into.
pub fn readings(resource: &Resource) -> Vec<Reading> {
    let (group, kind) = (resource.id.group.as_str(), resource.id.kind.as_str());
    let rolls = match super::kinds::built_in(group, kind) {
        Some(_) => group == "apps" && matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet"),
        None => true,
    };
    if !rolls {
        return Vec::new();
    }
    let has_reloader = has_reloader(&resource.value);
    let links = references::of(resource);
    let pointers = templates(resource).into_iter().map(|template| template.pointer);
    let readings = pointers.filter_map(|spec| {
        let template = spec.strip_suffix("/spec")?.to_owned();
        let is_built_in = group == "apps";
        if !is_built_in && !resource.value.pointer(&format!("{template}/metadata")).is_some_and(Value::is_object) {
            return None;
        }
        let read = links.iter().filter(|link| {
            matches!(link.need, Need::Environment | Need::Volume)
                && is_config_kind(&link.to.group, &link.to.kind)
                && link.pointer.strip_prefix(&spec).is_some_and(|rest| rest.starts_with('/'))
        });
        Some(Reading { configs: read.map(|link| link.to.clone()).collect(), template, has_reloader })
    });
    readings.collect()
}

/// Reloader is told to by annotations of the workload (its README, "Annotations").
fn has_reloader(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    annotations.is_some_and(|all| all.keys().any(|key| key.contains("reloader.stakater.com/")))
}

#[cfg(test)]
mod tests;
