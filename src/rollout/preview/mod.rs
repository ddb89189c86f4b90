//! Making the plan: what is live, and what the server says an apply would make of it. Writes nothing.

mod examine;
mod ground;
mod refused;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};

use super::autoscalers::Autoscalers;
use super::error::{Error, Subject};
use super::hooks;
use super::live::Snapshot;
use super::order::Order;
use super::ownership::FieldConflicts;
use super::plan::{Plan, Step, Why};
use super::record::Record;
use super::restarts::{ConfigUpdates, Configs};
use crate::cluster::{Cluster, Endpoint};
use crate::error::Problems;
use crate::resource::config::is_config;
use crate::resource::{Catalog, Resource};

use ground::{Definition, Ground, is_foundation};

pub(super) use ground::is_definition;

/// Requests under way at the same time.
const PARALLEL: usize = 32;

/// Asks the cluster about every object: what is live comes by one list for each kind and namespace, and what isn't certainly the same
/// already is rehearsed where the server can judge it.
///
/// Permissions are proven by the rehearsal itself; where there can be none, the server is asked for them.
/// The catalog must know every kind ([`Cluster::learn`]). `unfinished` is what a release that was cut off has left: what it changed has
/// changed since the pods were made.
///
/// # Errors
/// All objects that the server wouldn't take, or the one trouble that makes asking pointless. Nothing was written.
pub async fn plan(
    cluster: &Cluster,
    resources: &[Resource],
    order: &Order,
    catalog: &Catalog,
    conflicts: FieldConflicts,
    (updates, unfinished): (ConfigUpdates, Option<&Record>),
) -> Result<Plan, Problems> {
    let names = resources.iter().map(|r| r.id.name.as_str()).collect();
    let autoscalers = Autoscalers::new(cluster, resources);
    let preview = Preview { cluster, catalog, conflicts, updates, unfinished, names, autoscalers };
    let (foundations, others): (Vec<usize>, Vec<usize>) = (0..resources.len()).partition(|&at| is_foundation(&resources[at].id));
    let mut steps: BTreeMap<usize, Step> = BTreeMap::new();
    let mut problems = Vec::new();
    let mut ground = Ground::default();
    for (stage, indices) in [foundations, others].into_iter().enumerate() {
        let examined = preview.examine_all(resources, &indices, &ground).await.map_err(Problems::one)?;
        for (at, result) in examined {
            match result {
                Ok(step) => drop(steps.insert(at, step)),
                Err(error) => problems.push(error),
            }
        }
        if stage == 0 {
            ground = Ground::of(steps.values());
        }
    }
    let mut steps: Vec<Step> = steps.into_values().collect();
    hooks::run_again(&mut steps, false);
    problems.extend(preview.forbidden(&steps).await.map_err(Problems::one)?);
    Problems::check(problems)?;
    Ok(Plan { order: order.clone(), steps })
}

struct Preview<'a> {
    cluster: &'a Cluster,
    catalog: &'a Catalog,
    conflicts: FieldConflicts,
    updates: ConfigUpdates,
    unfinished: Option<&'a Record>,
    /// Names of everything in the set.
    names: BTreeSet<&'a str>,
    autoscalers: Autoscalers<'a>,
}

impl Preview<'_> {
    /// Examines objects in parallel; the error is one that all of them would have.
    async fn examine_all(
        &self,
        resources: &[Resource],
        indices: &[usize],
        ground: &Ground,
    ) -> Result<Vec<(usize, Result<Step, Error>)>, Error> {
        let mut examined = Vec::with_capacity(indices.len());
        let mut places = Vec::with_capacity(indices.len());
        for &at in indices {
            match self.place(&resources[at], ground) {
                Ok(place) => places.push((at, place)),
                Err(error) => examined.push((at, Err(error))),
            }
        }
        let on_ground = places.iter().filter(|(_, place)| place.missing_ground.is_none());
        let mut snapshot =
            Snapshot::read(self.cluster, on_ground.map(|(at, place)| (place.endpoint.clone(), resources[*at].id.name.clone()))).await;
        // What changes in configuration decides about the templates of the pods that read it.
        let (first, then): (Vec<_>, Vec<_>) = places.into_iter().partition(|(at, _)| is_config(&resources[*at].id));
        let mut configs = Configs::default();
        for (turn, places) in [first, then].into_iter().enumerate() {
            let asked = places.into_iter().map(|(at, place)| {
                let live = snapshot.take(&place.endpoint, &resources[at].id.name);
                let configs = &configs;
                async move { (at, self.examine(&resources[at], place, live, configs).await) }
            });
            let mut asked = stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(PARALLEL);
            while let Some((at, result)) = asked.next().await {
                match result {
                    Err(error) if error.is_about_the_cluster() => return Err(error),
                    result => examined.push((at, result)),
                }
            }
            drop(asked);
            if turn == 0 {
                configs = Configs::of(self.updates, examined.iter().filter_map(|(_, step)| step.as_ref().ok()), self.unfinished);
            }
        }
        examined.sort_by_key(|(at, _)| *at);
        Ok(examined)
    }

    fn place(&self, resource: &Resource, ground: &Ground) -> Result<Place, Error> {
        let id = &resource.id;
        let kind = self.catalog.get(&id.group, &id.kind);
        let kind = kind.ok_or_else(|| Error::UnknownKind { object: Subject::of(resource) })?;
        let endpoint = Endpoint::of(id, &kind, self.cluster.namespace());
        let definition = ground.definition(id);
        let new_namespace = endpoint.namespace.as_ref().filter(|namespace| ground.new_namespaces.contains(*namespace));
        let missing_ground = match definition {
            Some(Definition::New) => Some(Why::NewKind(id.kind.clone())),
            _ => new_namespace.map(|namespace| Why::NewNamespace(namespace.clone())),
        };
        Ok(Place { endpoint, definition, missing_ground })
    }
}

/// Where an object is, and what of its foundations isn't there yet.
struct Place {
    endpoint: Endpoint,
    definition: Option<Definition>,
    missing_ground: Option<Why>,
}
