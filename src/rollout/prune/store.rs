//! Where an inventory is kept: a ConfigMap of the application, which people can read.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use super::error::Error;
use super::inventory::Inventory;
use crate::cluster::{Apply, Cluster, DryRun, Endpoint, FIELD_MANAGER, Force, Newness, Permission, Refusal, Verb};
use crate::resource::Key;
use crate::rollout::{Need, Without, record};

/// What inventories are found by.
const LABELS: [(&str, &str); 2] = [("app.kubernetes.io/managed-by", FIELD_MANAGER), ("app.kubernetes.io/component", "inventory")];
/// What is missed without the inventories of others.
const ALONE: &str = "objects that other applications have in their inventories as well are deleted all the same";
/// The entry of the ConfigMap.
const OBJECTS: &str = "objects";
/// What the server stores of a ConfigMap's data at most (docs, "ConfigMaps": 1 MiB).
const LARGEST: usize = 1 << 20;

/// The place of one application's inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    endpoint: Endpoint,
    name: String,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// `None`: no release has kept one.
    pub own: Option<Inventory>,
    /// What other applications have in the same namespace, and which.
    pub others: BTreeMap<Key, String>,
}

impl Store {
    /// The place in a namespace.
    pub fn of(app: &str, namespace: &str) -> Self {
        let endpoint = Endpoint::built_in("", "v1", "ConfigMap", "configmaps", Some(namespace));
        Self { endpoint, name: record::named("tagboat-inventory", app) }
    }

    /// What knowing of other applications takes; the rest is proven by a rehearsal.
    pub fn needs(&self) -> Vec<Need> {
        vec![Need { permission: Permission::of(Verb::List, &self.endpoint), without: Without::Missed(ALONE) }]
    }

    /// Reads the inventories of the namespace; only our own where the account may not list.
    ///
    /// # Errors
    /// When they may not or can't be read: what isn't known to be ours can't be deleted.
    pub async fn read(&self, cluster: &Cluster) -> Result<Found, Error> {
        let wrong = |source| Error::Read { place: self.to_string(), source };
        let labels: Vec<String> = LABELS.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let objects = match cluster.list(&self.endpoint, &[("labelSelector", &labels.join(","))]).await {
            Err(error) if error.refusal().is_some_and(Refusal::is_forbidden) => {
                cluster.get(&self.endpoint, &self.name).await.map_err(wrong)?.into_iter().collect()
            }
            listed => listed.map_err(wrong)?,
        };
        let mut found = Found::default();
        for object in &objects {
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            match self.parse(object) {
                Ok(inventory) if name == self.name => found.own = Some(inventory),
                Ok(inventory) => found.others.extend(inventory.keys().map(|key| (key.clone(), name.to_owned()))),
                Err(reason) => return Err(Error::Content { place: Self { name: name.to_owned(), ..self.clone() }.to_string(), reason }),
            }
        }
        Ok(found)
    }

    fn parse(&self, object: &Value) -> Result<Inventory, String> {
        let text = object["data"][OBJECTS].as_str().ok_or_else(|| format!("it has no entry `{OBJECTS}`"))?;
        Inventory::parse(text)
    }

    /// Keeps an inventory in place of the one before, or only rehearses that.
    ///
    /// # Errors
    /// When it may not be written, or is too large.
    pub async fn write(&self, cluster: &Cluster, inventory: &Inventory, dry_run: DryRun) -> Result<(), Error> {
        let text = inventory.text();
        if text.len() > LARGEST - 4096 {
            return Err(Error::TooLarge { place: self.to_string(), objects: inventory.len() });
        }
        let labels: serde_json::Map<String, Value> = LABELS.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": self.name, "namespace": self.endpoint.namespace, "labels": labels,
                "annotations": {"kubernetes.io/description": "What was applied for the application; what a later release no longer has is deleted."},
            },
            "data": {OBJECTS: text},
        });
        let apply = Apply { manager: FIELD_MANAGER, force: Force::Yes, dry_run, newness: Newness::Known };
        let written = cluster.apply(&self.endpoint, &self.name, &object, apply).await;
        written.map(drop).map_err(|source| Error::Write { place: self.to_string(), source })
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigMap {}/{}", self.endpoint.namespace.as_deref().unwrap_or_default(), self.name)
    }
}
