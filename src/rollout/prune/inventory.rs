//! What has been applied for an application: a value, and its text. Pure.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::cluster::Endpoint;
use crate::resource::config::is_version;
use crate::resource::{Id, Key};
use crate::rollout::order;
use crate::rollout::plan::{Action, Plan};

/// All objects that were applied for an application, by their identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory(BTreeMap<Key, Entry>);

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub endpoint: Endpoint,
    pub name: String,
    /// The object's [`identity`]; `None` from before it is created until the release has ended.
    pub uid: Option<String>,
}

/// What the inventory says of an object's uid. That of a Secret is hashed: more people read ConfigMaps, and its own uid is the key of the
/// fingerprint that pods carry of its content ([`crate::resource::config::fingerprint`]).
pub(super) fn identity(endpoint: &Endpoint, uid: &str) -> String {
    if endpoint.group.is_empty() && endpoint.kind == "Secret" {
        let digest = Sha256::digest(uid.as_bytes());
        return digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    }
    uid.to_owned()
}

impl Entry {
    pub(super) fn id(&self) -> Id {
        let Endpoint { group, version, kind, namespace, .. } = self.endpoint.clone();
        Id { group, version, kind, namespace, name: self.name.clone() }
    }
}

impl Inventory {
    /// What a plan is about to apply, as far as it is there already.
    pub fn before(plan: &Plan) -> Self {
        Self::of(plan, |at| match &plan.steps[at].action {
            // It gives way to another one.
            Action::Recreate => None,
            _ => plan.steps[at].live.as_ref().and_then(|live| live.pointer("/metadata/uid")?.as_str()),
        })
    }

    /// What a plan has applied; the uids by the indices of its steps.
    pub fn after(plan: &Plan, uids: &[Option<String>]) -> Self {
        Self::of(plan, |at| uids.get(at)?.as_deref())
    }

    /// A hook that goes when it has run is nothing that could be left over; a version of configuration may be in use for long after its
    /// release, and is collected otherwise.
    fn of<'u>(plan: &Plan, uid: impl Fn(usize) -> Option<&'u str>) -> Self {
        let steps = plan.steps.iter().enumerate().filter(|(_, step)| !order::vanishes(&step.resource) && !is_version(&step.resource));
        Self::from(steps.map(|(at, step)| Entry {
            endpoint: step.endpoint.clone(),
            name: step.resource.id.name.clone(),
            uid: uid(at).map(|uid| identity(&step.endpoint, uid)),
        }))
    }

    pub(super) fn from(entries: impl Iterator<Item = Entry>) -> Self {
        Self(entries.map(|entry| (entry.id().key(), entry)).collect())
    }

    /// Both; what is in both is as the other says.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let mut joined = self.clone();
        joined.0.extend(other.0.clone());
        joined
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.values()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.keys()
    }

    /// One object a line, each a JSON list, so that people can read it and no name can break it.
    pub(super) fn text(&self) -> String {
        let line = |entry: &Entry| {
            let Endpoint { kind, plural, namespace, .. } = &entry.endpoint;
            serde_json::json!([entry.endpoint.api_version(), kind, plural, namespace, entry.name, entry.uid]).to_string() + "\n"
        };
        self.entries().map(line).collect()
    }

    /// # Errors
    /// The line that isn't one.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let entry = |line: &str| {
            let fields: Vec<Value> = serde_json::from_str(line).ok()?;
            let [api_version, kind, plural, namespace, name, uid] = fields.as_slice() else { return None };
            let optional = |value: &Value| match value {
                Value::Null => Some(None),
                Value::String(text) => Some(Some(text.clone())),
                _ => None,
            };
            let (group, version) = api_version.as_str()?.rsplit_once('/').unwrap_or(("", api_version.as_str()?));
            let namespace = optional(namespace)?;
            let endpoint = Endpoint::built_in(group, version, kind.as_str()?, plural.as_str()?, namespace.as_deref());
            Some(Entry { endpoint, name: name.as_str()?.to_owned(), uid: optional(uid)? })
        };
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let entries: Result<Vec<Entry>, String> =
            lines.map(|line| entry(line).ok_or_else(|| format!("{line:?} names no object"))).collect();
        Ok(Self::from(entries?.into_iter()))
    }
}
