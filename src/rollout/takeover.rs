//! What must be written before an apply so that fields change hands without an accident. Pure.
//!
//! Two things go wrong with server-side apply alone. Fields that an earlier tool has set stay for ever, because we don't own them and so
//! can't remove them: its entries are merged into ours first (as client-go's `csaupgrade` does for kubectl). And a field that we own alone
//! falls back to its default when we leave it out: a Deployment of five that an autoscaler is to scale drops to one. So a second
//! manager holds the live value until the autoscaler writes it
//! (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership>).

use std::fmt;

use serde_json::{Value, json};

use super::owned::{self, Entry, Fields};
use super::ownership::{FieldConflicts, ours};
use crate::cluster::FIELD_MANAGER;
use crate::resource::{Id, Resource};

/// Tools that deploy whole manifests, by the operation that they are known for. What people change by hand (`kubectl-edit`,
/// `kubectl-rollout`, …) was in no manifest, so it isn't ours to remove.
const EARLIER_TOOLS: &[(&str, Operation)] = &[
    ("kubectl-client-side-apply", Operation::Update),
    ("kubectl-create", Operation::Update),
    ("kubectl-replace", Operation::Update),
    ("kubectl", Operation::Apply),
    (FIELD_MANAGER, Operation::Update),
];

#[derive(Clone, Copy)]
enum Operation {
    Apply,
    Update,
}

/// What comes before the apply of one object; nothing, for most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Takeover {
    /// The tools whose entries become ours.
    pub from: Vec<String>,
    /// The replicas that a second manager must hold before we give them up.
    pub hold: Option<i64>,
    /// Who decides about the replicas instead of the manifest.
    pub scaled_by: Option<Scaler>,
    /// Why autoscalers couldn't be looked for.
    pub blind: Option<String>,
}

/// Who scales a workload, and to what it has scaled it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaler {
    pub by: String,
    pub replicas: i64,
}

impl Takeover {
    /// Whether it takes a write of its own.
    pub fn writes(&self) -> bool {
        !self.from.is_empty() || self.hold.is_some()
    }
}

/// The tools whose fields become ours when we apply, under this policy.
pub fn earlier_tools(live: &Value, policy: FieldConflicts) -> Vec<String> {
    if policy == FieldConflicts::Fail {
        return Vec::new();
    }
    mergeable(live).map(|entry| entry.manager().to_owned()).collect()
}

fn mergeable(live: &Value) -> impl Iterator<Item = Entry<'_>> {
    // Fields are named as in their own version of the API: those of another one can't be merged.
    let version = live["apiVersion"].as_str().unwrap_or_default();
    Entry::all(live).filter(move |entry| is_of_an_earlier_tool(*entry) && entry.api_version() == version)
}

fn is_of_an_earlier_tool(entry: Entry<'_>) -> bool {
    EARLIER_TOOLS.iter().any(|(manager, operation)| match operation {
        Operation::Apply => entry.is_applied_by(manager),
        Operation::Update => entry.is_updated_by(manager),
    })
}

/// All fields that are ours, or become ours when the earlier tools' entries are merged.
pub fn ours_and_earlier(live: &Value) -> Fields {
    let mine = ours(live).cloned().unwrap_or_default();
    mergeable(live).filter_map(Entry::fields).fold(mine, |all, fields| owned::union(&all, fields))
}

/// The `managedFields` with the earlier tools' entries merged into ours; everything else as it was.
pub fn merged_entries(live: &Value) -> Vec<Value> {
    let version = &live["apiVersion"];
    let mine = Entry::all(live).find(|entry| entry.is_applied_by(FIELD_MANAGER) && *version == entry.api_version());
    let time = mine.into_iter().chain(mergeable(live)).filter_map(|entry| entry.value()["time"].as_str()).max();
    let merged = json!({
        "manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": version, "time": time, "fieldsType": "FieldsV1",
        "fieldsV1": ours_and_earlier(live),
    });
    let kept = Entry::all(live).filter(|entry| {
        let replaced = (entry.is_applied_by(FIELD_MANAGER) || is_of_an_earlier_tool(*entry)) && *version == entry.api_version();
        !replaced
    });
    kept.map(|entry| entry.value().clone()).chain([merged]).collect()
}

/// What the rehearsed object `next` becomes when the earlier tools' entries are merged first: without the fields that nobody else holds.
pub fn after_merge(live: &Value, next: &Value) -> Value {
    let still = Entry::all(next).filter(|entry| !is_of_an_earlier_tool(*entry)).filter_map(Entry::fields);
    let still = still.fold(Fields::new(), |all, fields| owned::union(&all, fields));
    owned::without(next, &owned::difference(&ours_and_earlier(live), &still))
}

/// The replicas that must be held when the intent leaves them out, because nobody but us holds them.
pub fn replicas_to_hold(live: &Value, intent: &Value) -> Option<i64> {
    let replicas = live.pointer("/spec/replicas")?.as_i64()?;
    let path = &["spec", "replicas"];
    let given_up = intent.pointer("/spec/replicas").is_none() && owned::has(&ours_and_earlier(live), path);
    let others = Entry::all(live).filter(|entry| !entry.is_applied_by(FIELD_MANAGER) && !is_of_an_earlier_tool(*entry));
    let held = others.filter_map(Entry::fields).any(|fields| owned::has(fields, path));
    (given_up && !held).then_some(replicas)
}

/// The object that holds nothing but the replicas of a live one.
pub fn holding(live: &Value, replicas: i64) -> Value {
    json!({
        "apiVersion": live["apiVersion"], "kind": live["kind"],
        // Of this very object: another one of its name isn't there to be scaled.
        "metadata": {"name": live["metadata"]["name"], "namespace": live["metadata"]["namespace"], "uid": live["metadata"]["uid"]},
        "spec": {"replicas": replicas},
    })
}

/// Whether an autoscaler (`HorizontalPodAutoscaler`, KEDA's `ScaledObject`) scales an object.
pub fn scales(autoscaler: &Value, namespace: Option<&str>, id: &Id) -> bool {
    let target = &autoscaler["spec"]["scaleTargetRef"];
    let group = |api_version: &str| api_version.split_once('/').map_or_else(String::new, |(group, _)| group.to_owned());
    let own_group = group(autoscaler["apiVersion"].as_str().unwrap_or_default());
    let (kind, target_group) = match own_group.as_str() {
        "autoscaling" => (target["kind"].as_str(), target["apiVersion"].as_str().map(group)),
        // A Deployment unless it says otherwise (keda.sh, ScaledObject reference).
        "keda.sh" => (target["kind"].as_str().or(Some("Deployment")), target["apiVersion"].as_str().map(group).or(Some("apps".into()))),
        _ => return false,
    };
    let same_kind = kind == Some(&id.kind) && target_group.is_none_or(|group| group == id.group);
    same_kind && target["name"] == id.name.as_str() && namespace == id.namespace.as_deref()
}

/// What is sent for an object: plain text of Secrets as the data that the server makes of it, so that fields have one name
/// in everybody's accounts.
pub fn payload(resource: &Resource) -> Value {
    let mut value = resource.value.clone();
    if !resource.id.is("", "Secret") {
        return value;
    }
    use base64::Engine as _;
    let Some(Value::Object(plain)) = value.as_object_mut().and_then(|object| object.remove("stringData")) else { return value };
    if plain.values().any(|text| !text.is_string()) {
        return resource.value.clone();
    }
    let data = &mut value["data"];
    if !data.is_object() {
        *data = json!({});
    }
    for (key, text) in plain {
        data[key] = base64::engine::general_purpose::STANDARD.encode(text.as_str().unwrap_or_default()).into();
    }
    value
}

impl fmt::Display for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.from.is_empty() {
            write!(f, "\n      takes over the fields of {}", self.from.join(", "))?;
        }
        if let Some(Scaler { by, replicas }) = &self.scaled_by {
            write!(f, "\n      spec.replicas is left to {by} ({replicas} now)")?;
        } else if let Some(replicas) = self.hold {
            write!(f, "\n      spec.replicas is given up and stays at {replicas}")?;
        }
        self.blind.iter().try_for_each(|why| write!(f, "\n      couldn't look for autoscalers: {why}"))
    }
}

#[cfg(test)]
mod tests;
