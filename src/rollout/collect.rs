//! Old versions of ConfigMaps and Secrets (`config-updates: versioned`): deleted when nothing in the cluster refers to them any more.
//!
//! What a ReplicaSet or a ControllerRevision refers to is kept as long as that is: going back to it finds its content. Where a list of what
//! could refer to them is refused, they stay.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use super::event::{Event, Progress};
use super::keep;
use super::plan::Plan;
use crate::cluster::{Cluster, Deletion, Endpoint};
use crate::journal::{self, Journal};
use crate::resource::config::{app_label, is_config, is_config_kind, original_of};
use crate::resource::pods::templates;
use crate::resource::{Id, kinds, references};

/// Requests under way at the same time.
const PARALLEL: usize = 16;

/// What is built in and refers to ConfigMaps and Secrets, in specifications of pods that are or were: group, version, kind.
const REFERRERS: [(&str, &str, &str); 11] = [
    ("", "v1", "Pod"),
    ("", "v1", "PodTemplate"),
    ("", "v1", "ReplicationController"),
    ("apps", "v1", "ControllerRevision"),
    ("apps", "v1", "DaemonSet"),
    ("apps", "v1", "Deployment"),
    ("apps", "v1", "ReplicaSet"),
    ("apps", "v1", "StatefulSet"),
    ("batch", "v1", "CronJob"),
    ("batch", "v1", "Job"),
    ("networking.k8s.io", "v1", "Ingress"),
];

/// A copy that this release no longer uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OldVersion {
    endpoint: Endpoint,
    pub name: String,
    /// The name of what it is a copy of.
    pub original: String,
    uid: String,
}

/// What there is to collect, and where that couldn't be seen.
#[derive(Debug, Clone, Default)]
pub struct Old {
    pub versions: Vec<OldVersion>,
    /// Where the release has objects of operators' kinds that refer to ConfigMaps or Secrets; others of their kinds may as well.
    referrers: BTreeSet<Endpoint>,
    pub blind: Vec<String>,
}

/// What was collected.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    pub removed: Vec<OldVersion>,
    /// Those that something still refers to.
    pub in_use: Vec<OldVersion>,
    /// Why others stay.
    pub blind: Vec<String>,
}

/// Reads which older copies there are beside those of the plan: one list for each kind in the namespaces of its pods and configuration.
pub async fn look(cluster: &Cluster, plan: &Plan, app: &str) -> Old {
    let copies = plan.steps.iter().filter(|step| original_of(&step.resource.value, app).is_some());
    let current: BTreeSet<(&Endpoint, &str)> = copies.map(|step| (&step.endpoint, step.resource.id.name.as_str())).collect();
    let places = plan.steps.iter().filter(|step| is_config(&step.resource.id) || !templates(&step.resource).is_empty());
    let namespaces: BTreeSet<&str> = places.filter_map(|step| step.endpoint.namespace.as_deref()).collect();
    let kinds = [("ConfigMap", "configmaps"), ("Secret", "secrets")];
    let endpoints = namespaces
        .into_iter()
        .flat_map(|namespace| kinds.map(|(kind, plural)| Endpoint::built_in("", "v1", kind, plural, Some(namespace))));
    let label = app_label(app);
    let read = endpoints.map(|endpoint| {
        let label = &label;
        async move {
            let listed = cluster.list(&endpoint, &[("labelSelector", label)]).await;
            (endpoint, listed)
        }
    });
    let mut old = Old { referrers: operators(plan), ..Old::default() };
    for (endpoint, listed) in stream::iter(read.collect::<Vec<_>>()).buffered(PARALLEL).collect::<Vec<_>>().await {
        match listed {
            Err(error) => old.blind.push(error.to_string()),
            Ok(objects) => old.versions.extend(objects.iter().filter_map(|object| {
                let version = OldVersion::of(object, &endpoint, app).filter(|_| keep::marker(object).is_none())?;
                (!current.contains(&(&endpoint, &version.name))).then_some(version)
            })),
        }
    }
    old.versions.sort();
    old
}

/// The kinds of the plan that refer to ConfigMaps or Secrets and aren't among those that are always asked.
fn operators(plan: &Plan) -> BTreeSet<Endpoint> {
    let is_asked = |endpoint: &Endpoint| REFERRERS.iter().any(|(group, _, kind)| (*group, *kind) == (&endpoint.group, &endpoint.kind));
    let refers = |resource| references::of(resource).iter().any(|link| is_config_kind(&link.to.group, &link.to.kind));
    let others = plan.steps.iter().filter(|step| !is_asked(&step.endpoint) && refers(&step.resource));
    others.map(|step| step.endpoint.clone()).collect()
}

/// Deletes the old versions that nothing refers to.
pub async fn collect(cluster: &Cluster, old: &Old, journal: &Journal, progress: Progress<'_>) -> Collected {
    let mut by_namespace: BTreeMap<&str, Vec<&OldVersion>> = BTreeMap::new();
    for version in &old.versions {
        by_namespace.entry(version.endpoint.namespace.as_deref().unwrap_or_default()).or_default().push(version);
    }
    let mut collected = Collected { blind: old.blind.clone(), ..Collected::default() };
    let mut unused = Vec::new();
    for (namespace, versions) in by_namespace {
        let names = versions.iter().map(|version| version.name.as_str()).collect();
        match referred_to(cluster, namespace, &old.referrers, names).await {
            Ok(names) => {
                let (used, rest): (Vec<_>, Vec<_>) = versions.into_iter().partition(|version| names.contains(&version.name));
                collected.in_use.extend(used.into_iter().cloned());
                unused.extend(rest);
            }
            Err(error) => collected.blind.push(error.to_string()),
        }
    }
    for version in unused {
        let pending = journal.begin(journal::Kind::Object, version.to_string(), Some("an old version".into()), "removed");
        match cluster.delete(&version.endpoint, &version.name, &version.uid).await {
            Ok(Deletion::Accepted) => {
                pending.done();
                progress(Event::Deleted { id: version.id() });
                collected.removed.push(version.clone());
            }
            Ok(Deletion::Gone) => pending.failed(),
            Err(error) => {
                if error.certainly_not_done() {
                    pending.failed();
                }
                collected.blind.push(error.to_string());
            }
        }
    }
    collected
}

/// Which of the names something in the namespace has in it. They end in a hash, so that a text that is one of them means it.
async fn referred_to(
    cluster: &Cluster,
    namespace: &str,
    operators: &BTreeSet<Endpoint>,
    names: BTreeSet<&str>,
) -> Result<BTreeSet<String>, crate::cluster::Error> {
    let built_in = REFERRERS.into_iter().filter_map(|(group, version, kind)| {
        let plural = kinds::built_in(group, kind)?.plural;
        Some(Endpoint::built_in(group, version, kind, plural, Some(namespace)))
    });
    let here = |endpoint: &&Endpoint| endpoint.namespace.as_deref().is_none_or(|other| other == namespace);
    let lists = built_in.chain(operators.iter().filter(here).cloned());
    let found = stream::iter(lists.collect::<Vec<_>>()).map(|endpoint| {
        let names = &names;
        async move {
            let mut found = BTreeSet::new();
            cluster.list(&endpoint, &[]).await?.iter().for_each(|object| mentioned(object, names, &mut found));
            Ok(found)
        }
    });
    found.buffer_unordered(PARALLEL).try_concat().await
}

fn mentioned(value: &Value, names: &BTreeSet<&str>, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|inner| mentioned(inner, names, found)),
        Value::Array(items) => items.iter().for_each(|inner| mentioned(inner, names, found)),
        Value::String(text) if names.contains(text.as_str()) => drop(found.insert(text.clone())),
        _ => {}
    }
}

impl OldVersion {
    fn of(object: &Value, endpoint: &Endpoint, app: &str) -> Option<Self> {
        let text = |field: &str| object["metadata"][field].as_str().map(str::to_owned);
        Some(Self { original: original_of(object, app)?.name, name: text("name")?, uid: text("uid")?, endpoint: endpoint.clone() })
    }

    fn id(&self) -> Id {
        let Endpoint { group, version, kind, namespace, .. } = self.endpoint.clone();
        Id { group, version, kind, namespace, name: self.name.clone() }
    }
}

impl fmt::Display for OldVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

impl fmt::Display for Old {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.versions.iter().map(|version| format!("old version {version}: goes when nothing refers to it any more"));
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

impl fmt::Display for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "old versions: {} removed, {} in use", self.removed.len(), self.in_use.len())
    }
}
