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

    /// Who scales this object. The cluster is asked only when the replicas that are written and the live ones differ: KEDA makes an
    /// autoscaler of its own for each `ScaledObject`, so one kind says it all.
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
        Ok(name.map(|name| format!("HorizontalPodAutoscaler {namespace}/{name}")))
    }

    async fn look(&self, namespace: &str) -> Result<Vec<Value>, String> {
        let endpoint = Endpoint::built_in("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", Some(namespace));
        let mut found = self.cluster.list(&endpoint, &[]).await.map_err(|error: cluster::Error| error.to_string())?;
        for autoscaler in &mut found {
            // Items of a list don't say of which version they are.
            autoscaler["apiVersion"] = "autoscaling/v2".into();
        }
        Ok(found)
    }
}
