//! Who scales a workload: autoscalers of the set, and those that are in the cluster.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::OnceCell;

use super::takeover::scales;
use crate::cluster::{self, Cluster, Endpoint};
use crate::resource::{Id, Resource};

type Found = Arc<OnceCell<Result<Vec<Value>, String>>>;

/// Looks autoscalers up; each namespace of the cluster is asked for them once at most, and only when it matters.
pub(super) struct Autoscalers<'a> {
    cluster: &'a Cluster,
    of_the_set: Vec<&'a Resource>,
    live: Mutex<HashMap<String, Found>>,
}

impl<'a> Autoscalers<'a> {
    pub(super) fn new(cluster: &'a Cluster, resources: &'a [Resource]) -> Self {
        let of_the_set =
            resources.iter().filter(|r| r.id.is("autoscaling", "HorizontalPodAutoscaler") || r.id.is("keda.sh", "ScaledObject"));
        Self { cluster, of_the_set: of_the_set.collect(), live: Mutex::default() }
    }

    /// Who scales this object. The cluster is asked only when the replicas that are written and the live ones differ.
    ///
    /// # Errors
    /// Why the cluster didn't tell.
    pub(super) async fn of(&self, id: &Id, endpoint: &Endpoint, differs: bool) -> Result<Option<String>, String> {
        if let Some(found) = self.of_the_set.iter().find(|r| scales(&r.value, r.id.namespace.as_deref(), id)) {
            return Ok(Some(found.id.to_string()));
        }
        let Some(namespace) = endpoint.namespace.as_deref().filter(|_| differs) else { return Ok(None) };
        let found: Found = {
            let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(live.entry(namespace.to_owned()).or_default())
        };
        let autoscalers = found.get_or_init(|| self.look(namespace)).await.as_ref().map_err(Clone::clone)?;
        let found = autoscalers.iter().find(|autoscaler| scales(autoscaler, id.namespace.as_deref(), id));
        let name = found.map(|autoscaler| autoscaler["metadata"]["name"].as_str().unwrap_or_default());
        let kind = found.and_then(|autoscaler| autoscaler["kind"].as_str()).unwrap_or_default();
        Ok(name.map(|name| format!("{kind} {namespace}/{name}")))
    }

    async fn look(&self, namespace: &str) -> Result<Vec<Value>, String> {
        let own = Endpoint::built_in("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", Some(namespace));
        let kedas = Endpoint::built_in("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects", Some(namespace));
        let (own, kedas) = futures::join!(self.cluster.list(&own, &[]), self.cluster.list(&kedas, &[]));
        let mut found = own.map_err(|error: cluster::Error| error.to_string())?;
        // KEDA makes an autoscaler of its own for each ScaledObject, but none while that is paused. Where the kind isn't served or not this
        // account's to see, that has to do.
        found.extend(kedas.unwrap_or_default());
        Ok(found)
    }
}
