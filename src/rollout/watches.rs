//! The watches of a wait: one for each kind and namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, BoxStream, SelectAll};
use futures::{Stream, StreamExt as _};

use super::plan::Step;
use super::sight::{Source, surroundings};
use crate::cluster::{self, Cluster, Endpoint, Seen};

/// How often to look at objects that may be read but not watched.
pub(super) const POLL: Duration = Duration::from_secs(2);

/// One watch; what it tells comes with its name.
pub(super) type Watch = BoxStream<'static, (Source, Result<Seen, cluster::Error>)>;

/// One watch for each kind and namespace of what is pending, and for pods and replica sets where there are workloads.
pub(super) fn open(cluster: &Cluster, pending: &[&Step]) -> SelectAll<Watch> {
    let mut endpoints: BTreeMap<&Endpoint, BTreeSet<&str>> = BTreeMap::new();
    let mut around = BTreeSet::new();
    for step in pending {
        endpoints.entry(&step.endpoint).or_default().insert(&step.resource.id.name);
        around.extend(surroundings(step));
    }
    let mut watches = SelectAll::new();
    for (endpoint, names) in endpoints {
        // A single object is cheaper to watch alone.
        let only = names.first().filter(|_| names.len() == 1).map(|name| format!("metadata.name={name}"));
        watches.push(watch(cluster, Source::of(endpoint), endpoint, only));
    }
    for surrounding in around {
        let Some(endpoint) = surrounding.endpoint() else { continue };
        watches.push(watch(cluster, surrounding, &endpoint, None));
    }
    watches
}

fn watch(cluster: &Cluster, source: Source, endpoint: &Endpoint, only: Option<String>) -> Watch {
    cluster.watch(endpoint, only).map(move |seen| (source.clone(), seen)).boxed()
}

/// Reads one object again and again, in place of a watch.
pub(super) fn poll(cluster: &Cluster, source: &Source, step: &Step) -> Watch {
    let name = step.resource.id.name.clone();
    repeat(cluster.clone(), step.endpoint.clone(), name)
        .map({
            let source = source.clone();
            move |seen| (source.clone(), seen)
        })
        .boxed()
}

fn repeat(cluster: Cluster, endpoint: Endpoint, name: String) -> impl Stream<Item = Result<Seen, cluster::Error>> + Send {
    stream::unfold((cluster, endpoint, name), |(cluster, endpoint, name)| async move {
        tokio::time::sleep(POLL).await;
        let seen = match cluster.get(&endpoint, &name).await {
            Ok(Some(object)) => Ok(Seen::Present(object)),
            Ok(None) => Ok(Seen::Deleted(serde_json::json!({"metadata": {"name": name}}))),
            Err(error) => Err(error),
        };
        Some((seen, (cluster, endpoint, name)))
    })
}
