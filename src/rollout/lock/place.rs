//! The Lease in the cluster.

use std::fmt;

use serde_json::Value;

use crate::cluster::{self, Cluster, Endpoint, Permission, Verb};
use crate::rollout::record::named;
use crate::rollout::{Need, Without};

/// What is missed without the lock.
pub const UNLOCKED: &str = "nothing keeps another run from deploying the same at the same time";

/// Where the lock of an application is.
#[derive(Debug, Clone)]
pub struct Place {
    pub(super) endpoint: Endpoint,
    pub(super) name: String,
}

/// What became of a write to the Lease.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// The Lease as it is now, which the next write can be based on.
    Yes(Value),
    /// Somebody else was quicker: it has to be read again.
    Outrun,
}

impl Place {
    /// A Lease of that application in a namespace.
    pub fn of(app: &str, namespace: &str) -> Self {
        let endpoint = Endpoint::built_in("coordination.k8s.io", "v1", "Lease", "leases", Some(namespace));
        Self { endpoint, name: named("tagboat", app) }
    }

    /// What holding it takes.
    pub fn needs(&self) -> Vec<Need> {
        let need = |permission| Need { permission, without: Without::Missed(UNLOCKED) };
        let of = |verb| Permission::for_object(verb, &self.endpoint, &self.name);
        vec![need(of(Verb::Get)), need(Permission::of(Verb::Create, &self.endpoint)), need(of(Verb::Update))]
    }

    /// The Lease, if there is one.
    ///
    /// # Errors
    /// When it may not or can't be read.
    pub async fn read(&self, cluster: &Cluster) -> Result<Option<Value>, cluster::Error> {
        cluster.get(&self.endpoint, &self.name).await
    }

    /// Writes a Lease where there is none.
    ///
    /// # Errors
    /// When it may not or can't be written.
    pub async fn create(&self, cluster: &Cluster, lease: &Value) -> Result<Written, cluster::Error> {
        written(cluster.create(&self.endpoint, lease).await, &[409])
    }

    /// Writes the Lease in place of the one that was read.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub async fn replace(&self, cluster: &Cluster, lease: &Value) -> Result<Written, cluster::Error> {
        written(cluster.replace(&self.endpoint, &self.name, lease).await, &[409, 404])
    }
}

fn written(answer: Result<Value, cluster::Error>, outrun: &[u16]) -> Result<Written, cluster::Error> {
    match answer {
        Ok(lease) => Ok(Written::Yes(lease)),
        Err(cluster::Error::Refused(refusal)) if outrun.contains(&refusal.status) => Ok(Written::Outrun),
        Err(error) => Err(error),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease {}/{}", self.endpoint.namespace.as_deref().unwrap_or_default(), self.name)
    }
}
