//! The live objects of a set, read with few requests: one list for each kind and namespace.
//!
//! A list that is refused, or that would bring mostly objects of others, is made up for by reading objects one by one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::cluster::{self, Cluster, Endpoint, Page, Refusal};

/// Requests under way at the same time.
const PARALLEL: usize = 32;
/// From this number of wanted objects on, a list is cheaper than a request for each.
const WORTH_A_LIST: usize = 3;
/// Objects on one page: enough that the page likely holds what is wanted, and not more than the server's own chunks.
const PAGE: std::ops::RangeInclusive<usize> = 50..=500;
/// A further page is worth its bytes when at least one of so many objects is wanted.
const ONE_OF: usize = 20;
/// Helm keeps its releases in Secrets of up to 1 MiB; nobody has them in manifests.
const NOT_HELM: [(&str, &str); 1] = [("fieldSelector", "type!=helm.sh/release.v1")];

/// What is known of an object in the cluster.
pub(super) enum Live {
    /// Read; there may be none.
    Seen(Option<Value>),
    /// The account may not read it.
    Hidden,
    /// Reading it failed.
    Failed(cluster::Error),
}

/// The live state of objects by endpoint and name.
#[derive(Default)]
pub(super) struct Snapshot(HashMap<(Endpoint, String), Live>);

impl Snapshot {
    /// Reads the named objects.
    pub(super) async fn read(cluster: &Cluster, wanted: impl IntoIterator<Item = (Endpoint, String)>) -> Self {
        let mut names: BTreeMap<Endpoint, BTreeSet<String>> = BTreeMap::new();
        for (endpoint, name) in wanted {
            names.entry(endpoint).or_default().insert(name);
        }
        let listed = stream::iter(names).map(|(endpoint, names)| async move {
            let (seen, single) = listed(cluster, &endpoint, names).await;
            (endpoint, seen, single)
        });
        let mut listed = listed.buffer_unordered(PARALLEL);
        let mut snapshot = Self::default();
        let mut single = Vec::new();
        while let Some((endpoint, seen, left)) = listed.next().await {
            single.extend(left.into_iter().map(|name| (endpoint.clone(), name)));
            snapshot.0.extend(seen.into_iter().map(|(name, object)| ((endpoint.clone(), name), Live::Seen(object))));
        }
        let mut read = stream::iter(single)
            .map(|(endpoint, name)| async move {
                let live = match cluster.get(&endpoint, &name).await {
                    Ok(live) => Live::Seen(live),
                    Err(error) if error.refusal().is_some_and(Refusal::is_forbidden) => Live::Hidden,
                    Err(error) => Live::Failed(error),
                };
                ((endpoint, name), live)
            })
            .buffer_unordered(PARALLEL);
        while let Some((key, live)) = read.next().await {
            snapshot.0.insert(key, live);
        }
        snapshot
    }

    /// Takes an object out; one that was not asked for is hidden.
    pub(super) fn take(&mut self, endpoint: &Endpoint, name: &str) -> Live {
        self.0.remove(&(endpoint.clone(), name.to_owned())).unwrap_or(Live::Hidden)
    }
}

/// What lists tell of these objects, and the names that have to be asked for one by one.
async fn listed(cluster: &Cluster, endpoint: &Endpoint, mut names: BTreeSet<String>) -> (Vec<(String, Option<Value>)>, BTreeSet<String>) {
    let mut seen = Vec::new();
    if names.len() < WORTH_A_LIST {
        return (seen, names);
    }
    let selectors: &[_] = if endpoint.group.is_empty() && endpoint.kind == "Secret" { &NOT_HELM } else { &[] };
    let mut after = None;
    loop {
        let limit = (names.len() * 4).clamp(*PAGE.start(), *PAGE.end());
        // Whatever a list is refused for, a request for one object is refused for with its name.
        let Ok(Page { objects, next }) = cluster.page(endpoint, selectors, limit, after.as_ref()).await else {
            return (seen, names);
        };
        let before = names.len();
        for object in objects {
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            if let Some(name) = names.take(name) {
                seen.push((name, Some(object)));
            }
        }
        let Some(next) = next else {
            // The whole list was read: what it didn't have isn't there.
            seen.extend(names.into_iter().map(|name| (name, None)));
            return (seen, BTreeSet::new());
        };
        let useful = match next.left {
            Some(left) => names.len() * ONE_OF >= left,
            None => before > names.len() && names.len() >= WORTH_A_LIST,
        };
        if names.is_empty() || !useful {
            return (seen, names);
        }
        after = Some(next);
    }
}
