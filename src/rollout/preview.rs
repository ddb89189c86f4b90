//! Making the plan: what is live, and what the server says an apply would make of it. Writes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::{StreamExt as _, stream};
use serde_json::Value;

use super::autoscalers::Autoscalers;
use super::diff;
use super::error::{Error, Stage, Subject};
use super::hooks;
use super::live::{Live, Snapshot};
use super::order::{self, Order};
use super::ownership::{self, FieldConflicts};
use super::plan::{Action, Plan, Step, Why};
use super::record::Record;
use super::renewal;
use super::restarts::{self, ConfigUpdates, Configs};
use super::settled::is_settled;
use super::submit::{Submission, submit};
use super::takeover::{self, Scaler, Takeover};
use super::trace;
use super::volumes::{self, Growth};
use crate::cluster::{Cluster, DryRun, Endpoint, Newness, Permission, Refusal, Verb};
use crate::error::Problems;
use crate::resource::config::is_config;
use crate::resource::{Catalog, Id, Resource};

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

/// Objects that others can only be judged after.
fn is_foundation(id: &Id) -> bool {
    id.is("", "Namespace") || is_definition(id)
}

pub(super) fn is_definition(id: &Id) -> bool {
    id.is("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// What of the foundations isn't there yet.
#[derive(Default)]
struct Ground {
    new_namespaces: BTreeSet<String>,
    /// By group and kind.
    definitions: HashMap<(String, String), Definition>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Definition {
    New,
    Changing,
}

impl Ground {
    fn of<'s>(foundations: impl Iterator<Item = &'s Step>) -> Self {
        let mut ground = Self::default();
        for step in foundations {
            if step.resource.id.is("", "Namespace") && step.live.is_none() && step.action != Action::Unseen {
                ground.new_namespaces.insert(step.resource.id.name.clone());
            }
            let text = |pointer| step.resource.value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let definition = match step.action {
                _ if !is_definition(&step.resource.id) => continue,
                Action::Keep | Action::Adopt => continue,
                _ if step.live.is_none() => Definition::New,
                _ => Definition::Changing,
            };
            ground.definitions.insert((text("/spec/group"), text("/spec/names/kind")), definition);
        }
        ground
    }

    fn definition(&self, id: &Id) -> Option<Definition> {
        self.definitions.get(&(id.group.clone(), id.kind.clone())).copied()
    }
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

    async fn examine(&self, resource: &Resource, place: Place, live: Live, configs: &Configs) -> Result<Step, Error> {
        let Place { endpoint, definition, missing_ground } = place;
        let newness = if definition.is_some() { Newness::JustDefined } else { Newness::Known };
        let mut resource = Resource { value: takeover::payload(resource), ..resource.clone() };
        let restarts = match &live {
            Live::Seen(live) => configs.stamp(&mut resource, live.as_ref()),
            _ if missing_ground.is_some() => configs.stamp(&mut resource, None),
            // Whether an entry is there can't be seen: none is ever written to such a workload.
            _ => Vec::new(),
        };
        let step = |resource, action, live, takeover| {
            let restarts = restarts.clone();
            Step { resource, endpoint: endpoint.clone(), newness, action, live, takeover, restarts }
        };
        if let Some(why) = missing_ground {
            return Ok(step(resource, Action::Unvalidated(why), None, Takeover::default()));
        }
        let live = match live {
            Live::Failed(_) if definition.is_some() => {
                let why = Why::ChangedKind(resource.id.kind.clone());
                return Ok(step(resource, Action::Unvalidated(why), None, Takeover::default()));
            }
            Live::Failed(error) => return Err(Error::of(&resource, Stage::Plan, error)),
            Live::Seen(live) => Some(live),
            Live::Hidden => None,
        };
        trace::carry(&mut resource, live.as_ref().and_then(Option::as_ref));
        let takeover = match &live {
            Some(Some(live)) => self.takeover(&mut resource, live, &endpoint).await,
            _ => Takeover::default(),
        };
        if let Some(Some(live)) = &live
            && definition.is_none()
            && !takeover.writes()
            && is_settled(&resource, live)
        {
            return Ok(step(resource, Action::Keep, Some(live.clone()), takeover));
        }
        if let Some(Some(left_over)) = &live
            && order::runs_again(&resource)
        {
            let action = self.replacement(&resource, left_over, &endpoint).await?;
            return Ok(step(resource, action, Some(left_over.clone()), Takeover::default()));
        }
        let there = live.as_ref().and_then(Option::as_ref);
        if let Some(reason) = there.and_then(|live| volumes::refusal(&resource.id, live, &resource.value)) {
            return Err(Error::Volume { object: Subject::of(&resource), reason });
        }
        let growths = there.map(|live| volumes::growths(&resource.id, live, &resource.value)).unwrap_or_default();
        let mut next = self.rehearse(&resource, there, (&takeover, &growths), &endpoint).await;
        if let (Ok(changed), Some(live)) = (&next, there)
            && restarts::replaces_pods(&resource, live, changed)
            && configs.complete(&mut resource)
        {
            next = self.rehearse(&resource, there, (&takeover, &growths), &endpoint).await;
        }
        let action = match next {
            Ok(next) => match (action(live.as_ref().map(Option::as_ref), &next, &takeover), there) {
                (action, Some(live)) if !growths.is_empty() => self.grow(action, growths, &resource, live, &endpoint).await?,
                (action, _) => action,
            },
            Err(error) => match there.filter(|_| needs_a_new_job(&resource.id, &error)) {
                Some(live) if has_ended(live) => Action::Renew,
                Some(_) => return Err(Error::StillRunning { object: Subject::of(&resource) }),
                None => self.excuse(error, &resource, &endpoint, definition)?,
            },
        };
        Ok(step(resource, action, live.flatten(), takeover))
    }

    /// What the server would make of it.
    async fn rehearse(
        &self,
        resource: &Resource,
        live: Option<&Value>,
        (takeover, growths): (&Takeover, &[Growth]),
        endpoint: &Endpoint,
    ) -> Result<Value, Error> {
        let mut rehearsed = rehearsed(resource, takeover);
        if let (false, Some(live)) = (growths.is_empty(), live) {
            rehearsed.value = volumes::with_sizes_of(&rehearsed.value, live);
        }
        let (newness, dry_run, stage) = (Newness::Known, DryRun::Yes, Stage::Plan);
        submit(self.cluster, &Submission { resource: &rehearsed, endpoint, newness, dry_run, stage }, self.conflicts).await
    }

    /// What a hook or a check does about the one that is left of the last release. That gives way to a new one: what can't be changed in it
    /// needn't be.
    async fn replacement(&self, resource: &Resource, left_over: &Value, endpoint: &Endpoint) -> Result<Action, Error> {
        let rehearse = async |resource: &Resource| {
            let submission = Submission { resource, endpoint, newness: Newness::Known, dry_run: DryRun::Yes, stage: Stage::Plan };
            submit(self.cluster, &submission, self.conflicts).await
        };
        let rehearsed = rehearse(resource).await;
        if let Ok(next) = &rehearsed
            && diff::fields(left_over, next).is_empty()
        {
            return Ok(Action::Keep);
        }
        // What a check looks at is about to be replaced; nothing is lost with it.
        if hooks::is_at_work(left_over) && !order::is_check(resource) {
            return Err(Error::StillRunning { object: Subject::of(resource) });
        }
        let Err(error) = rehearsed else { return Ok(Action::Recreate) };
        if error.is_about_the_cluster() {
            return Err(error);
        }
        // The refusal may be about the old one. A new one of another name tells whether the manifest is good.
        match rehearse(&hooks::renamed(resource)).await {
            Err(Error::Object { source, .. }) if source.refusal().is_some_and(Refusal::is_forbidden) => Ok(Action::Recreate),
            Err(Error::Object { source, stage, .. }) => {
                let error = Error::Object { object: Subject::of(resource), stage, source };
                self.excuse(error, resource, endpoint, None).map(|_| Action::Recreate)
            }
            Err(error) => Err(error),
            Ok(_) => Ok(Action::Recreate),
        }
    }

    /// Finds the claims that grow with a StatefulSet's templates, and rehearses that: their class may not allow it.
    async fn grow(
        &self,
        besides: Action,
        growths: Vec<Growth>,
        set: &Resource,
        live: &Value,
        endpoint: &Endpoint,
    ) -> Result<Action, Error> {
        let wrong = |error| Error::of(set, Stage::Plan, error);
        let place = renewal::claims_of(endpoint);
        let labels = live.pointer("/spec/selector/matchLabels").and_then(Value::as_object).into_iter().flatten();
        let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
        let there = self.cluster.list(&place, &[("labelSelector", &labels.join(","))]).await.map_err(wrong)?;
        let claims = volumes::claims(&set.id.name, &growths, &there);
        let rehearsed = claims.iter().map(|claim| self.cluster.grow(&place, &claim.name, &claim.to, DryRun::Yes));
        futures::future::try_join_all(rehearsed).await.map_err(wrong)?;
        let fields = match besides {
            Action::Update(fields) => fields,
            _ => Vec::new(),
        };
        Ok(Action::Grow { growths, claims, fields })
    }

    /// What has to change hands before the apply; takes out of the intent what an autoscaler decides.
    async fn takeover(&self, resource: &mut Resource, live: &Value, endpoint: &Endpoint) -> Takeover {
        let mut takeover = Takeover { from: takeover::earlier_tools(live, self.conflicts), ..Takeover::default() };
        let replicas = live.pointer("/spec/replicas").and_then(Value::as_i64);
        if let (Some(replicas), Some(wanted)) = (replicas, resource.value.pointer("/spec/replicas").and_then(Value::as_i64)) {
            match self.autoscalers.of(&resource.id, endpoint, wanted != replicas).await {
                Ok(Some(by)) => {
                    takeover.scaled_by = Some(Scaler { by, replicas });
                    resource.value["spec"].as_object_mut().and_then(|spec| spec.shift_remove("replicas"));
                }
                Ok(None) => {}
                Err(why) => takeover.blind = Some(why),
            }
        }
        takeover.hold = takeover::replicas_to_hold(live, &resource.value);
        takeover
    }

    /// A refusal that only says that something of this very run isn't there yet is no fault of the manifest.
    fn excuse(&self, error: Error, resource: &Resource, endpoint: &Endpoint, definition: Option<Definition>) -> Result<Action, Error> {
        let Error::Object { source, .. } = &error else { return Err(error) };
        if definition.is_some() {
            return Ok(Action::Unvalidated(Why::ChangedKind(resource.id.kind.clone())));
        }
        let Some(refusal) = source.refusal() else { return Err(error) };
        if let Some(namespace) = endpoint.namespace.as_ref().filter(|name| refusal.message == format!("namespaces {name:?} not found")) {
            return Err(Error::NamespaceMissing { object: Subject::of(resource), namespace: namespace.clone() });
        }
        if refusal.message.contains("does not support dry run") {
            return Ok(Action::Unvalidated(Why::NoRehearsal));
        }
        let absent = missing(&refusal.message).filter(|name| self.names.contains(name) && *name != resource.id.name);
        if let Some(name) = absent {
            return Ok(Action::Unvalidated(Why::Missing(name.to_owned())));
        }
        if refusal.is_forbidden() && refusal.message.contains("cannot patch resource") {
            return Err(Error::Forbidden { object: Subject::of(resource), permission: Permission::of(Verb::Patch, endpoint) });
        }
        if refusal.is_forbidden() && refusal.message.contains("cannot create resource") {
            return Err(Error::Forbidden { object: Subject::of(resource), permission: Permission::of(Verb::Create, endpoint) });
        }
        Err(error)
    }

    /// Asks for the permissions that no rehearsal has proven; names the first object that needs each.
    async fn forbidden(&self, steps: &[Step]) -> Result<Vec<Error>, Error> {
        let mut wanted: BTreeMap<Permission, &Resource> = BTreeMap::new();
        for step in steps.iter().filter(|step| matches!(step.action, Action::Unvalidated(_))) {
            for verb in [Verb::Create, Verb::Patch] {
                wanted.entry(Permission::of(verb, &step.endpoint)).or_insert(&step.resource);
            }
        }
        let asked =
            stream::iter(wanted).map(|(permission, resource)| async move { (self.cluster.may(&permission).await, permission, resource) });
        let mut asked = asked.buffered(PARALLEL);
        let mut forbidden = Vec::new();
        while let Some((answer, permission, resource)) = asked.next().await {
            if !answer.map_err(Error::Cluster)? {
                forbidden.push(Error::Forbidden { object: Subject::of(resource), permission });
            }
        }
        Ok(forbidden)
    }
}

/// Whether the server refuses only because a Job's pods can't be changed: a new Job in its place can have them.
fn needs_a_new_job(id: &Id, error: &Error) -> bool {
    let Error::Object { source, .. } = error else { return false };
    let refusal = source.refusal().filter(|refusal| refusal.status == 422 && id.is("batch", "Job"));
    refusal.is_some_and(|refusal| {
        !refusal.causes.is_empty() && refusal.causes.iter().all(|cause| cause.message.ends_with("field is immutable"))
    })
}

/// Whether a Job has come to its end, one way or the other. The server says what the end will be (Kubernetes 1.31) before the last
/// pod is gone.
fn has_ended(job: &Value) -> bool {
    const ENDS: [&str; 4] = ["Complete", "SuccessCriteriaMet", "Failed", "FailureTarget"];
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|condition| ENDS.iter().any(|end| condition["type"] == *end) && condition["status"] == "True")
}

/// What the rehearsal is of: one that holds replicas first would only be told that they fall to one.
fn rehearsed(resource: &Resource, takeover: &Takeover) -> Resource {
    let mut rehearsed = resource.clone();
    if let Some(replicas) = takeover.hold {
        rehearsed.value["spec"]["replicas"] = replicas.into();
    }
    rehearsed
}

/// Where an object is, and what of its foundations isn't there yet.
struct Place {
    endpoint: Endpoint,
    definition: Option<Definition>,
    missing_ground: Option<Why>,
}

/// What an apply does, from the live object (`None` when it may not be read) and the rehearsed one.
fn action(live: Option<Option<&Value>>, next: &Value, takeover: &Takeover) -> Action {
    let live = match live {
        None => return Action::Unseen,
        Some(None) => return Action::Create,
        Some(Some(live)) => live,
    };
    let fields = match takeover.from.is_empty() {
        true => diff::fields(live, next),
        false => diff::fields(live, &takeover::after_merge(live, next)),
    };
    match fields.is_empty() {
        false => Action::Update(fields),
        true if takeover.writes() || ownership::adopts(live, next) => Action::Adopt,
        true => Action::Keep,
    }
}

/// The name in `serviceaccounts "api" not found`, as the API server and its admission plugins put it.
fn missing(message: &str) -> Option<&str> {
    let before = &message[..message.find("\" not found")?];
    before.rsplit('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_of_what_is_missing() {
        let message = r#"pods "a" is forbidden: error looking up service account shop/api: serviceaccount "api" not found"#;
        assert_eq!(missing(message), Some("api"));
        assert_eq!(missing(r#"namespaces "shop" not found"#), Some("shop"));
        assert_eq!(missing("field is immutable"), None);
    }
}
