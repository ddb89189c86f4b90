//! Which workloads restart because what their pods read has changed. Pure.
//!
//! A pod doesn't notice that its ConfigMap has changed (Kubernetes, "Mounted ConfigMaps are updated automatically" is true of whole
//! volumes only, and few programs look twice). So an annotation of the pod template says for which content the pods were made:
//! `configmap/settings:1f3a9c0d2e4b5a67 secret/database:9e0b…`. When the content changes, the annotation does, and the controller
//! replaces the pods; a rollback brings the old one back, and with it the old ReplicaSet.
//!
//! What is there already isn't restarted for the sake of an annotation. An entry is added only when the content really changes, or when
//! the template changes anyway. Until then the content's own change says that the pods must go: as the plan sees it, or as the record
//! of a release that was cut off in between has kept it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::plan::{Action, Step};
use super::record::Record;
use crate::resource::config::{READS, Reading, fingerprint, is_config, readings};
use crate::resource::{Key, Resource};

/// How changed ConfigMaps and Secrets reach the pods that read them (input `config-updates`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConfigUpdates {
    /// Their pods are replaced.
    #[default]
    Restart,
    /// Not by this run's doing: they have versions, or are left to somebody else. Entries that are there stay.
    Leave,
}

/// Stands in a plan for the fingerprint of a Secret that is yet to be made, and so has no identity: `secret/database:new`.
/// When the workload is written, the Secret is there ([`identified`]).
const NEW: &str = "new";

/// What is known of the ConfigMaps and Secrets of the set before workloads are judged.
#[derive(Debug, Default)]
pub(super) struct Configs {
    known: BTreeMap<Key, Config>,
    updates: ConfigUpdates,
}

#[derive(Debug)]
struct Config {
    change: Change,
    /// `None` for a Secret whose identity isn't known.
    fingerprint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Created,
    Changed,
    /// Unchanged, or it can't be told.
    No,
}

impl Configs {
    /// From the examined ConfigMaps and Secrets, and what was live before a release that was cut off.
    pub(super) fn of<'s>(updates: ConfigUpdates, steps: impl Iterator<Item = &'s Step>, unfinished: Option<&Record>) -> Self {
        let configs = steps.filter(|step| is_config(&step.resource.id));
        let known = configs.map(|step| (step.resource.id.key(), Config::of(step, unfinished)));
        Self { known: known.collect(), updates }
    }

    /// Writes into the templates of a workload what its pods read, and tells why they will be replaced. `live` is the workload as it is.
    pub(super) fn stamp(&self, workload: &mut Resource, live: Option<&Value>) -> Vec<String> {
        let mut reasons = Vec::new();
        for reading in readings(workload) {
            let before = live.map(|live| entries(live, &reading.template));
            let mut after = BTreeMap::new();
            for key in &reading.configs {
                let before = before.as_ref().map(|before| before.get(&label(key)).map(String::as_str));
                let (entry, reason) = match reading.has_reloader {
                    true => (before.flatten().map(str::to_owned), None),
                    false => self.entry(key, before),
                };
                after.extend(entry.map(|entry| (label(key), entry)));
                reasons.extend(reason.map(|what| format!("{} {} {what}", key.kind, key.name)));
            }
            write(workload, &reading, &after);
        }
        reasons.dedup();
        reasons
    }

    /// Adds the entries that are missing, in a workload whose pods will be replaced anyway. Whether there were any to add.
    pub(super) fn complete(&self, workload: &mut Resource) -> bool {
        let mut added = false;
        for reading in readings(workload) {
            let mut after = entries(&workload.value, &reading.template);
            for key in reading.configs.iter().filter(|_| self.updates == ConfigUpdates::Restart && !reading.has_reloader) {
                let Some(fingerprint) = self.known.get(key).and_then(|config| config.fingerprint.clone()) else { continue };
                added |= after.insert(label(key), fingerprint.clone()) != Some(fingerprint);
            }
            write(workload, &reading, &after);
        }
        added
    }

    /// The entry that a template gets for one ConfigMap or Secret, and why that replaces pods. `before` is the entry that is there, and
    /// `None` when there is no workload yet.
    fn entry(&self, key: &Key, before: Option<Option<&str>>) -> (Option<String>, Option<&'static str>) {
        let config = self.known.get(key).filter(|_| self.updates == ConfigUpdates::Restart);
        let carried = (before.flatten().map(str::to_owned), None);
        let Some(Config { change, fingerprint }) = config else { return carried };
        let what = if *change == Change::Created { "is new" } else { "changed" };
        match (before, fingerprint, change) {
            // Pods that are yet to be made read what there is.
            (None, Some(fingerprint), _) => (Some(fingerprint.clone()), None),
            (None, None, Change::Created) => (Some(NEW.to_owned()), None),
            (Some(Some(before)), Some(fingerprint), _) => (Some(fingerprint.clone()), (before != fingerprint).then_some("changed")),
            (Some(None), Some(fingerprint), Change::Changed | Change::Created) => (Some(fingerprint.clone()), Some(what)),
            (Some(_), None, Change::Created) => (Some(NEW.to_owned()), Some(what)),
            _ => carried,
        }
    }
}

impl Config {
    fn of(step: &Step, unfinished: Option<&Record>) -> Self {
        let uid = step.live.as_ref().and_then(|live| live["metadata"]["uid"].as_str());
        let change = match &step.action {
            Action::Update(fields) if fields.iter().any(|field| is_content(&field.path)) => Change::Changed,
            Action::Create => Change::Created,
            Action::Unvalidated(_) if step.knows_before() && step.live.is_none() => Change::Created,
            _ => match (unfinished.and_then(|record| record.before(&step.resource.id.key())), &step.live) {
                (Some(None), Some(_)) => Change::Created,
                (Some(Some(before)), Some(live)) if content(before) != content(live) => Change::Changed,
                _ => Change::No,
            },
        };
        Self { change, fingerprint: fingerprint(&step.resource, uid) }
    }
}

fn is_content(path: &str) -> bool {
    let field = path.split(['.', '[']).next().unwrap_or_default();
    matches!(field, "data" | "binaryData" | "stringData")
}

fn content(config: &Value) -> [&Value; 2] {
    [&config["data"], &config["binaryData"]]
}

/// `configmap/settings`: pods read what is in their own namespace.
fn label(key: &Key) -> String {
    format!("{}/{}", key.kind.to_lowercase(), key.name)
}

fn entries(object: &Value, template: &str) -> BTreeMap<String, String> {
    let text = object.pointer(&format!("{template}/metadata/annotations")).and_then(|all| all.get(READS)).and_then(Value::as_str);
    let entries = text.into_iter().flat_map(str::split_whitespace).filter_map(|entry| entry.rsplit_once(':'));
    entries.map(|(label, entry)| (label.to_owned(), entry.to_owned())).collect()
}

fn write(workload: &mut Resource, reading: &Reading, entries: &BTreeMap<String, String>) {
    let Some(template) = workload.value.pointer_mut(&reading.template) else { return };
    if entries.is_empty() {
        return;
    }
    let text: Vec<String> = entries.iter().map(|(label, entry)| format!("{label}:{entry}")).collect();
    for (parent, field) in [("", "metadata"), ("/metadata", "annotations")] {
        if let Some(parent) = template.pointer_mut(parent).filter(|parent| !parent[field].is_object()) {
            parent[field] = json!({});
        }
    }
    template["metadata"]["annotations"][READS] = text.join(" ").into();
}

/// The workload with the fingerprints of Secrets that were made between its plan and its own turn; nothing when it reads none of those.
/// `known` is each object of the plan as the cluster has it by now.
pub(super) fn identified(workload: &Resource, steps: &[Step], known: &[Option<Value>]) -> Option<Resource> {
    let mut identified = None;
    for reading in readings(workload) {
        let mut after = entries(&workload.value, &reading.template);
        let new: Vec<&Key> = reading.configs.iter().filter(|key| after.get(&label(key)).is_some_and(|entry| entry == NEW)).collect();
        if new.is_empty() {
            continue;
        }
        for key in new {
            let made = steps.iter().zip(known).find(|(step, _)| step.resource.id.key() == *key);
            let fingerprint = made.and_then(|(step, known)| fingerprint(&step.resource, known.as_ref()?["metadata"]["uid"].as_str()));
            after.extend(fingerprint.map(|fingerprint| (label(key), fingerprint)));
        }
        write(identified.get_or_insert_with(|| workload.clone()), &reading, &after);
    }
    identified
}

/// Whether an apply makes anything else of a pod template than what is live.
pub(super) fn replaces_pods(workload: &Resource, live: &Value, next: &Value) -> bool {
    readings(workload).iter().any(|reading| live.pointer(&reading.template) != next.pointer(&reading.template))
}

#[cfg(test)]
mod tests;
