//! Kinds that are neither built in nor defined by the manifests: the cluster is asked for the one group and version they are in, once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use super::error::Error;
use super::wire::Call;
use super::{Cluster, Endpoint};
use crate::resource::{Catalog, Id, Kind, Resource, Scope};

/// Answers by `group/version`; callers that ask at the same time share one request.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<String, Arc<OnceCell<Vec<Served>>>>>);

#[derive(Debug, Clone)]
struct Served {
    kind: String,
    plural: String,
    scope: Scope,
}

impl Cluster {
    /// Teaches the catalog every kind of `resources` that it doesn't know.
    ///
    /// # Errors
    /// One for each kind that the cluster doesn't serve or that couldn't be asked for, with the first object of that kind.
    pub async fn learn<'r>(&self, catalog: &mut Catalog, resources: &'r [Resource]) -> Vec<(&'r Id, Error)> {
        let mut failures = Vec::new();
        for id in catalog.unknown(resources) {
            match self.discover(id).await {
                Ok(kind) => catalog.learn(id.group.clone(), id.kind.clone(), kind),
                Err(error) => failures.push((id, error)),
            }
        }
        failures
    }

    /// What the cluster calls the kind of an object.
    ///
    /// # Errors
    /// [`Error::NotServed`], and whatever the wire or the server said.
    pub async fn discover(&self, id: &Id) -> Result<Kind, Error> {
        let cell = {
            let mut cells = self.discovery.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(id.api_version()).or_default())
        };
        let served = cell.get_or_try_init(|| self.served(&id.group, &id.version)).await?;
        let found = served.iter().find(|served| served.kind == id.kind);
        let found = found.ok_or_else(|| Error::NotServed { api_version: id.api_version(), kind: id.kind.clone() })?;
        Ok(Kind { plural: found.plural.clone(), scope: found.scope, served: Vec::new() })
    }

    /// Whether the API server serves the kind right now; asked anew each time.
    ///
    /// # Errors
    /// What the wire or the server said.
    pub async fn serves(&self, endpoint: &Endpoint) -> Result<bool, Error> {
        Ok(self.served(&endpoint.group, &endpoint.version).await?.iter().any(|served| served.kind == endpoint.kind))
    }

    async fn served(&self, group: &str, version: &str) -> Result<Vec<Served>, Error> {
        let target = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        match self.wire.value(&Call::get(target), self.deadline).await {
            Ok(list) => Ok(read(&list)),
            Err(Error::Refused(refusal)) if refusal.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// Reads an `APIResourceList`; subresources (`deployments/scale`) are no kinds of their own.
fn read(list: &Value) -> Vec<Served> {
    let resources = list["resources"].as_array().map(Vec::as_slice).unwrap_or_default();
    let read = |entry: &Value| {
        let (kind, plural) = (entry["kind"].as_str()?, entry["name"].as_str()?);
        let scope = if entry["namespaced"] == true { Scope::Namespaced } else { Scope::Cluster };
        Some(Served { kind: kind.to_owned(), plural: plural.to_owned(), scope })
    };
    resources.iter().filter_map(read).filter(|served| !served.plural.contains('/')).collect()
}
