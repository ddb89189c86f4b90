//! What was live before a release that hasn't ended: kept in the cluster from before its first write until it has ended well, so that
//! a run after a cancelled one can still go back to the state before both.

use std::fmt;
use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::order::order;
use super::ownership::ours;
use super::plan::{Action, Plan, Step};
use super::takeover::Takeover;
use super::{Need, Without};
use crate::cluster::{self, Apply, Cluster, Deletion, DryRun, Endpoint, FIELD_MANAGER, Force, Newness, Permission, Verb};
use crate::error::Location;
use crate::resource::{Id, Key, Purpose, Resource};

/// What is missed without a record.
pub const FORGOTTEN: &str = "only this very run can roll back: when it is killed, no later one knows what was live before";
/// What the server stores of a Secret at most.
const LARGEST: usize = 1 << 20;
/// What a record may become when it is unpacked.
const LARGEST_UNPACKED: u64 = 256 << 20;

/// The objects that an unfinished release was to write.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The release that made it, for people.
    pub release: String,
    objects: Vec<Kept>,
}

/// One object as it was before the release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    group: String,
    version: String,
    kind: String,
    plural: String,
    namespace: Option<String>,
    name: String,
    /// `None`: there was none.
    before: Option<Value>,
}

/// Why a record couldn't be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Cluster(#[from] cluster::Error),
    #[error("it is too large for a Secret ({0} bytes)")]
    TooLarge(usize),
    #[error("its content can't be read: {0}")]
    Content(String),
}

impl Record {
    /// What a plan is about to overwrite. Objects whose state before can't be known are not in it.
    pub fn of(plan: &Plan, release: &str) -> Self {
        let known = |step: &&Step| step.action.writes() && step.knows_before();
        Self { release: release.to_owned(), objects: plan.steps.iter().filter(known).map(Kept::of).collect() }
    }

    /// This record with the objects of an older one, whose state before is the one to go back to.
    #[must_use]
    pub fn after(mut self, older: &Self) -> Self {
        self.objects.retain(|kept| !older.objects.iter().any(|old| old.is_same(kept)));
        self.objects.extend(older.objects.iter().cloned());
        self
    }

    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// What was live of an object that the release was to write; the inner `None` when there was none.
    pub fn before(&self, key: &Key) -> Option<Option<&Value>> {
        let is_it =
            |kept: &&Kept| (&kept.group, &kept.kind, &kept.namespace, &kept.name) == (&key.group, &key.kind, &key.namespace, &key.name);
        self.objects.iter().find(is_it).map(|kept| kept.before.as_ref())
    }

    /// The plan as a rollback has to see it: before the unfinished release, and with the objects that only that one wrote. Gives the
    /// indices of all steps that are in the record.
    pub fn recall(&self, plan: &Plan) -> (Plan, Vec<usize>) {
        let mut plan = plan.clone();
        let mut recalled = Vec::new();
        let mut only_there = Vec::new();
        for kept in &self.objects {
            match plan.steps.iter().position(|step| kept.is_of(step)) {
                // The unfinished release never came to create it: whoever has done so since isn't to lose it.
                Some(at) if kept.before.is_none() && plan.steps[at].live.as_ref().is_some_and(|live| ours(live).is_none()) => {}
                Some(at) => {
                    if kept.before.is_none() {
                        plan.steps[at].action = Action::Create;
                    }
                    plan.steps[at].live.clone_from(&kept.before);
                    recalled.push(at);
                }
                None => {
                    only_there.push(plan.steps.len());
                    plan.steps.push(kept.step());
                }
            }
        }
        plan.order = match (only_there.is_empty(), order(&plan.steps.iter().map(|step| step.resource.clone()).collect::<Vec<_>>())) {
            (false, Ok(order)) => order,
            (true, _) => plan.order,
            // The two releases contradict each other: what only the older one had goes back first.
            (false, Err(_)) => {
                let mut order = plan.order;
                order.waves.iter_mut().take(1).for_each(|wave| wave.resources.extend(&only_there));
                order
            }
        };
        recalled.extend(only_there);
        (plan, recalled)
    }

    fn pack(&self) -> Result<String, Error> {
        let unreadable = |error: &dyn fmt::Display| Error::Content(error.to_string());
        let json = serde_json::to_vec(self).map_err(|error| unreadable(&error))?;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(&json).map_err(|error| unreadable(&error))?;
        let packed = STANDARD.encode(packer.finish().map_err(|error| unreadable(&error))?);
        // The server counts the bytes themselves; some room is left for the rest of the object.
        if packed.len() / 4 * 3 > LARGEST - 4096 { Err(Error::TooLarge(packed.len() / 4 * 3)) } else { Ok(packed) }
    }

    fn unpack(packed: &str) -> Result<Self, Error> {
        let unreadable = |error: &dyn fmt::Display| Error::Content(error.to_string());
        let bytes = STANDARD.decode(packed).map_err(|error| unreadable(&error))?;
        let mut json = Vec::new();
        let mut unpacker = flate2::read::GzDecoder::new(bytes.as_slice()).take(LARGEST_UNPACKED);
        unpacker.read_to_end(&mut json).map_err(|error| unreadable(&error))?;
        serde_json::from_slice(&json).map_err(|error| unreadable(&error))
    }
}

impl Kept {
    fn of(step: &Step) -> Self {
        let endpoint = &step.endpoint;
        Self {
            group: endpoint.group.clone(),
            version: endpoint.version.clone(),
            kind: endpoint.kind.clone(),
            plural: endpoint.plural.clone(),
            namespace: endpoint.namespace.clone(),
            name: step.resource.id.name.clone(),
            before: step.live.clone(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.group, &self.kind, &self.namespace, &self.name) == (&other.group, &other.kind, &other.namespace, &other.name)
    }

    fn is_of(&self, step: &Step) -> bool {
        self.is_same(&Self::of(step))
    }

    fn step(&self) -> Step {
        let Self { group, version, kind, plural, namespace, name, before } = self.clone();
        let endpoint = Endpoint::built_in(&group, &version, &kind, &plural, namespace.as_deref());
        let id = Id { group, version, kind, namespace, name };
        // It is in no manifest of this run.
        let at = Location::line("the record of the unfinished release", 1);
        let value = before.clone().unwrap_or_else(|| json!({}));
        let action = if before.is_some() { Action::Update(Vec::new()) } else { Action::Create };
        let resource = Resource { id, value, at, purpose: Purpose::Application };
        Step { resource, endpoint, newness: Newness::Known, action, live: before, takeover: Takeover::default(), restarts: Vec::new() }
    }
}

/// The name of an object that is kept for an application: one that Kubernetes takes.
pub(in crate::rollout) fn named(prefix: &str, app: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let app: String = app.chars().map(allowed).take(200).collect();
    format!("{prefix}-{}", app.trim_matches('-'))
}

/// Where the record of an application is kept.
#[derive(Debug, Clone)]
pub struct Place {
    endpoint: Endpoint,
    name: String,
}

impl Place {
    /// A Secret of that application in a namespace: what was live may hold secrets.
    pub fn of(app: &str, namespace: &str) -> Self {
        Self { endpoint: Endpoint::built_in("", "v1", "Secret", "secrets", Some(namespace)), name: named("tagboat-unfinished", app) }
    }

    /// What keeping a record takes, and forgetting it.
    pub fn needs(&self) -> Vec<Need> {
        let need =
            |verb| Need { permission: Permission::for_object(verb, &self.endpoint, &self.name), without: Without::Missed(FORGOTTEN) };
        [Verb::Get, Verb::Create, Verb::Patch, Verb::Delete].map(need).into()
    }

    /// The record of a release that hasn't ended.
    ///
    /// # Errors
    /// When it may not or can't be read.
    pub async fn read(&self, cluster: &Cluster) -> Result<Option<Record>, Error> {
        let Some(secret) = cluster.get(&self.endpoint, &self.name).await? else { return Ok(None) };
        let packed = secret["data"]["record"].as_str().ok_or_else(|| Error::Content("the Secret has no entry `record`".into()))?;
        Record::unpack(packed).map(Some)
    }

    /// Keeps a record, in place of an earlier one. Gives the identity of the Secret, by which it is [forgotten](Self::remove).
    ///
    /// # Errors
    /// When it is too large, or may not be written.
    pub async fn write(&self, cluster: &Cluster, record: &Record) -> Result<Option<String>, Error> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": self.name, "namespace": self.endpoint.namespace, "labels": {"app.kubernetes.io/managed-by": FIELD_MANAGER},
                "annotations": {"kubernetes.io/description": "What was live before a release that has not ended; its next run needs it to go back."},
            },
            "data": {"record": record.pack()?},
        });
        let apply = Apply { manager: FIELD_MANAGER, force: Force::Yes, dry_run: DryRun::No, newness: Newness::Known };
        let written = cluster.apply(&self.endpoint, &self.name, &secret, apply).await?;
        Ok(uid(&written).map(str::to_owned))
    }

    /// Forgets the record, if there is one. `known` is its identity, which is asked for otherwise.
    ///
    /// # Errors
    /// When it may not be deleted.
    pub async fn remove(&self, cluster: &Cluster, known: Option<&str>) -> Result<(), Error> {
        if let Some(uid) = known
            && cluster.delete(&self.endpoint, &self.name, uid).await? == Deletion::Accepted
        {
            return Ok(());
        }
        if let Some(secret) = cluster.get(&self.endpoint, &self.name).await? {
            cluster.delete(&self.endpoint, &self.name, uid(&secret).unwrap_or_default()).await?;
        }
        Ok(())
    }
}

fn uid(object: &Value) -> Option<&str> {
    object["metadata"]["uid"].as_str()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret {}/{}", self.endpoint.namespace.as_deref().unwrap_or_default(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str, before: Option<Value>) -> Kept {
        Kept {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            plural: "configmaps".into(),
            namespace: Some("shop".into()),
            name: name.into(),
            before,
        }
    }

    fn record(objects: Vec<Kept>) -> Record {
        Record { release: "v1".into(), objects }
    }

    #[test]
    fn packs_and_unpacks() {
        let one = record(vec![kept("a", Some(json!({"data": {"x": "1"}}))), kept("b", None)]);
        assert_eq!(Record::unpack(&one.pack().unwrap()).unwrap(), one);
        assert!(Record::unpack("bm9uc2Vuc2U=").is_err());
    }

    #[test]
    fn a_record_that_no_secret_can_hold_is_too_large() {
        let noise: String = (0..2_000_000).map(|_| char::from(rand::random_range(b'!'..b'~'))).collect();
        assert!(matches!(record(vec![kept("a", Some(json!(noise)))]).pack(), Err(Error::TooLarge(_))));
    }

    #[test]
    fn the_older_state_is_the_one_to_go_back_to() {
        let older = record(vec![kept("a", Some(json!(1)))]);
        let newer = record(vec![kept("a", Some(json!(2))), kept("b", None)]);
        assert_eq!(newer.after(&older).objects, [kept("b", None), kept("a", Some(json!(1)))]);
    }

    #[test]
    fn the_name_of_a_record_is_one_that_kubernetes_takes() {
        assert_eq!(Place::of("Shop.API_v2/", "shop").to_string(), "Secret shop/tagboat-unfinished-shop-api-v2");
    }
}
