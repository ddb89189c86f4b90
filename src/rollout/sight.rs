//! What watches have shown so far: the awaited objects, and the pods and replica sets around them. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::plan::Step;
use super::revision;
use crate::cluster::{Endpoint, Seen};

/// Which watch something was seen by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// Awaited objects: group, kind, namespace.
    Awaited(String, String, Option<String>),
    ReplicaSets(String),
    Pods(String),
}

impl Source {
    /// Where pods and replica sets are watched.
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Self::Pods(namespace) => Some(Endpoint::built_in("", "v1", "Pod", "pods", Some(namespace))),
            Self::ReplicaSets(namespace) => Some(Endpoint::built_in("apps", "v1", "ReplicaSet", "replicasets", Some(namespace))),
            Self::Awaited(..) => None,
        }
    }

    /// The watch of awaited objects at an endpoint.
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        Self::Awaited(endpoint.group.clone(), endpoint.kind.clone(), endpoint.namespace.clone())
    }
}

/// What has to be seen beside a workload to know early that it fails.
pub(super) fn surroundings(step: &Step) -> Vec<Source> {
    let id = &step.resource.id;
    let Some(namespace) = step.endpoint.namespace.clone() else { return Vec::new() };
    match (id.group.as_str(), id.kind.as_str()) {
        ("apps", "Deployment") => vec![Source::Pods(namespace.clone()), Source::ReplicaSets(namespace)],
        ("apps", "StatefulSet" | "DaemonSet" | "ReplicaSet") | ("batch", "Job") | ("", "ReplicationController") => {
            vec![Source::Pods(namespace)]
        }
        _ => Vec::new(),
    }
}

/// All objects seen, by source and name.
#[derive(Debug, Default)]
pub(super) struct Sight {
    objects: BTreeMap<(Source, String), Value>,
    /// Watches that the server won't give, and why.
    blind: BTreeMap<Source, String>,
}

impl Sight {
    /// Takes in what a watch told.
    pub(super) fn take(&mut self, source: &Source, seen: Seen) {
        match seen {
            Seen::Present(object) => self.put(source, object),
            Seen::Deleted(object) => drop(self.objects.remove(&(source.clone(), name(&object)))),
            // Awaited objects keep their last state: they are judged by it until they come again.
            Seen::Restarted if matches!(source, Source::Awaited(..)) => {}
            Seen::Restarted => self.objects.retain(|(of, _), _| of != source),
        }
    }

    /// Notes that a watch can't be had.
    pub(super) fn lose(&mut self, source: &Source, why: String) {
        self.blind.insert(source.clone(), why);
    }

    /// Why pods can't be seen in a namespace, if they can't.
    pub(super) fn pods_hidden(&self, namespace: &str) -> Option<&str> {
        let sources = [Source::Pods(namespace.to_owned()), Source::ReplicaSets(namespace.to_owned())];
        sources.iter().find_map(|source| self.blind.get(source)).map(String::as_str)
    }

    /// Notes an object.
    pub(super) fn put(&mut self, source: &Source, object: Value) {
        self.objects.insert((source.clone(), name(&object)), object);
    }

    pub(super) fn get(&self, source: &Source, name: &str) -> Option<&Value> {
        self.objects.get(&(source.clone(), name.to_owned()))
    }

    /// An awaited object as it was last seen.
    pub(super) fn awaited(&self, endpoint: &Endpoint, name: &str) -> Option<&Value> {
        self.get(&Source::of(endpoint), name)
    }

    /// The pods of a workload's newest revision.
    pub(super) fn newest_pods(&self, workload: &Value, namespace: &str) -> Vec<&Value> {
        let sets = self.all(&Source::ReplicaSets(namespace.to_owned()));
        let pods = self.all(&Source::Pods(namespace.to_owned()));
        revision::newest_pods(workload, &sets, &pods)
    }

    /// The replica set of a Deployment's newest revision.
    pub(super) fn newest_replica_set(&self, workload: &Value, namespace: &str) -> Option<&Value> {
        revision::newest_replica_set(workload, &self.all(&Source::ReplicaSets(namespace.to_owned())))
    }

    fn all(&self, source: &Source) -> Vec<&Value> {
        self.objects.range((source.clone(), String::new())..).take_while(|((of, _), _)| of == source).map(|(_, object)| object).collect()
    }
}

fn name(object: &Value) -> String {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_restarted_watch_forgets_pods_but_not_what_is_awaited() {
        let (awaited, pods) = (Source::Awaited("apps".into(), "Deployment".into(), None), Source::Pods("shop".into()));
        let mut sight = Sight::default();
        for source in [&awaited, &pods] {
            sight.take(source, Seen::Present(json!({"metadata": {"name": "a"}})));
            sight.take(source, Seen::Restarted);
        }
        assert!(sight.get(&awaited, "a").is_some());
        assert!(sight.get(&pods, "a").is_none());
        sight.take(&awaited, Seen::Deleted(json!({"metadata": {"name": "a"}})));
        assert!(sight.get(&awaited, "a").is_none());
    }
}
