//! The edges between the objects of a set: what must be there before what.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::resource::references::{self, Link, Need};
use crate::resource::{Key, Resource, pods};

use super::annotations::{Rule, Wishes};
use super::{Edge, Error, Misread, Until, Why};

/// All edges, sorted; each pair of objects once, with the stronger demand.
///
/// # Errors
/// An annotation that asks for an object that isn't in the set.
pub(super) fn edges(resources: &[Resource], wishes: &[Wishes]) -> Result<Vec<Edge>, Error> {
    let mut graph = Graph { resources, index: Index::of(resources), edges: Vec::new() };
    for (after, resource) in resources.iter().enumerate() {
        graph.namespace(after);
        graph.definition(after);
        for link in references::of(resource) {
            graph.link(after, &link);
        }
    }
    graph.wishes(wishes)?;
    let mut seen = HashSet::with_capacity(graph.edges.len());
    graph.edges.sort_unstable();
    graph.edges.retain(|edge| seen.insert((edge.before, edge.after)));
    Ok(graph.edges)
}

struct Graph<'r> {
    resources: &'r [Resource],
    index: Index<'r>,
    edges: Vec<Edge>,
}

/// What edges are looked up by, so that a set of thousands costs no more than its size.
struct Index<'r> {
    by_key: HashMap<Key, usize>,
    /// Definitions by the group and kind of their instances.
    definitions: HashMap<(&'r str, &'r str), usize>,
    /// The objects that a controller makes a Secret from, by that Secret.
    producers: HashMap<Key, Vec<usize>>,
    /// Objects that make pods, by namespace and each label of the pods.
    pods: HashMap<(Option<&'r str>, &'r str, &'r str), Vec<usize>>,
}

impl<'r> Index<'r> {
    fn of(resources: &'r [Resource]) -> Self {
        let mut index = Self {
            by_key: HashMap::with_capacity(resources.len()),
            definitions: HashMap::new(),
            producers: HashMap::new(),
            pods: HashMap::new(),
        };
        for (at, resource) in resources.iter().enumerate() {
            index.by_key.insert(resource.id.key(), at);
            if resource.id.is("apiextensions.k8s.io", "CustomResourceDefinition") {
                let text = |pointer| resource.value.pointer(pointer).and_then(Value::as_str);
                if let (Some(group), Some(kind)) = (text("/spec/group"), text("/spec/names/kind")) {
                    index.definitions.insert((group, kind), at);
                }
            }
            if let Some(secret) = references::produced_secret(resource) {
                index.producers.entry(secret).or_default().push(at);
            }
            for template in pods::templates(resource) {
                for (label, value) in template.labels.into_iter().flatten() {
                    let key = (resource.id.namespace.as_deref(), label.as_str(), value.as_str().unwrap_or_default());
                    index.pods.entry(key).or_default().push(at);
                }
            }
        }
        index
    }
}

impl Graph<'_> {
    fn edge(&mut self, before: usize, after: usize, until: Until, why: Why) {
        // An object may name itself, such as a role that may be bound to its own account.
        if before != after {
            self.edges.push(Edge { before, after, until, why });
        }
    }

    /// What annotations say of pairs of objects; groups without members order nothing.
    fn wishes(&mut self, wishes: &[Wishes]) -> Result<(), Error> {
        let mut groups: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, wish) in wishes.iter().enumerate() {
            wish.groups.iter().for_each(|group| groups.entry(group).or_default().push(at));
        }
        for (at, wish) in wishes.iter().enumerate() {
            for target in &wish.depends_on {
                // Without a cluster and the input `namespace`, objects may not know their namespace yet.
                let anywhere = Key { namespace: None, ..target.clone() };
                let before = self.index.by_key.get(target).or_else(|| self.index.by_key.get(&anywhere)).copied();
                let before = before.ok_or_else(|| self.depends_on_nothing(at, target))?;
                self.edge(before, at, Until::Ready, Why::DependsOn);
            }
            for rule in &wish.rules {
                let (Rule::After(group) | Rule::Before(group)) = rule;
                for &member in groups.get(group.as_str()).map(Vec::as_slice).unwrap_or_default() {
                    match rule {
                        Rule::After(_) => self.edge(member, at, Until::Ready, Why::ChangeRule),
                        Rule::Before(_) => self.edge(at, member, Until::Ready, Why::ChangeRule),
                    }
                }
            }
        }
        Ok(())
    }

    fn depends_on_nothing(&self, at: usize, target: &Key) -> Error {
        let resource = &self.resources[at];
        let annotation = "config.kubernetes.io/depends-on".to_owned();
        let value = resource.value["metadata"]["annotations"][&annotation].as_str().unwrap_or_default().to_owned();
        let reason = format!("{target} is not among the manifests");
        Error::Annotation(Box::new(Misread { id: resource.id.clone(), annotation, value, reason, at: resource.at.clone() }))
    }

    fn namespace(&mut self, after: usize) {
        let Some(name) = &self.resources[after].id.namespace else { return };
        let key = Key { group: String::new(), kind: "Namespace".into(), namespace: None, name: name.clone() };
        if let Some(&before) = self.index.by_key.get(&key) {
            self.edge(before, after, Until::Ready, Why::InNamespace);
        }
    }

    /// An instance needs its definition, and where versions are converted by a webhook, the pods that convert.
    fn definition(&mut self, after: usize) {
        let id = &self.resources[after].id;
        let Some(&definition) = self.index.definitions.get(&(id.group.as_str(), id.kind.as_str())) else { return };
        self.edge(definition, after, Until::Ready, Why::InstanceOf);
        if let Some(service) = references::conversion_server(&self.resources[definition]) {
            self.server(after, &service, Why::ConvertedBy);
        }
    }

    fn link(&mut self, after: usize, link: &Link) {
        match link.need {
            // A binding to an account that isn't there is legal, and no user of the account minds the order.
            Need::Subject => return,
            Need::Server => return self.server(after, &link.to, Why::ServedBy),
            _ => {}
        }
        if let Some(&before) = self.index.by_key.get(&link.to) {
            self.edge(before, after, Until::Applied, Why::Uses);
        }
        let producers = self.index.producers.get(&link.to).cloned().unwrap_or_default();
        // A pod fails without its Secret. A route only lacks its certificate for a while, and the certificate's authority may even
        // ask for a proof through that route.
        let until = if link.need == Need::Certificate { Until::Applied } else { Until::Ready };
        for before in producers {
            self.edge(before, after, until, Why::Uses);
        }
    }

    /// What calls a service needs the service, and pods behind it that answer.
    fn server(&mut self, after: usize, service: &Key, why: Why) {
        let Some(&before) = self.index.by_key.get(service) else { return };
        self.edge(before, after, Until::Applied, why);
        for workload in self.behind(before) {
            self.edge(workload, after, Until::Ready, why);
        }
    }

    /// The objects whose pods a service selects.
    fn behind(&self, service: usize) -> Vec<usize> {
        let service = &self.resources[service];
        let Some(selector) = service.value.pointer("/spec/selector").and_then(Value::as_object) else { return Vec::new() };
        let mut found: Option<Vec<usize>> = None;
        for (label, value) in selector {
            let key = (service.id.namespace.as_deref(), label.as_str(), value.as_str().unwrap_or_default());
            let with_label = self.index.pods.get(&key).map(Vec::as_slice).unwrap_or_default();
            found = Some(match found {
                None => with_label.to_vec(),
                Some(found) => found.into_iter().filter(|at| with_label.binary_search(at).is_ok()).collect(),
            });
        }
        found.unwrap_or_default()
    }
}
