//! What would be deleted, and what is left and why: a value that prints. Pure.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde_json::Value;

use super::error::Error;
use super::inventory::{Entry, Inventory, identity};
use crate::cluster::Endpoint;
use crate::error::Location;
use crate::resource::config::replaced_by;
use crate::resource::{Id, Key, Purpose, Resource, kinds};
use crate::rollout::keep;
use crate::rollout::order::order;
use crate::rollout::owned;
use crate::rollout::ownership::ours;
use crate::rollout::plan::{Plan as Forward, Step};

/// Namespaces that belong to the cluster.
const OF_THE_CLUSTER: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// What is deleted, batch by batch, and what isn't.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    pub batches: Vec<Vec<Doomed>>,
    pub left: Vec<Left>,
}

/// One object to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    pub id: Id,
    pub endpoint: Endpoint,
    pub uid: String,
    /// Somebody does something before it goes, so what he needs goes later.
    pub held: bool,
}

/// An object that the release no longer has, and that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub id: Id,
    pub why: String,
    pub(super) memory: Memory,
}

/// Whether the inventory goes on naming an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    Kept,
    /// It is no longer ours: said once, then forgotten.
    Lost,
}

/// An object of the inventory as it is now.
#[derive(Debug, Clone)]
pub(super) enum Seen {
    There(Box<Value>),
    Gone,
    /// The account may not read it.
    Hidden,
    /// It is there, and the release has versions of it instead.
    Replaced,
}

/// The objects of the inventory that a release no longer has. One that only goes by another name of its API group now is still there.
pub(super) fn candidates<'i>(inventory: &'i Inventory, forward: &Forward) -> Vec<&'i Entry> {
    let wanted: HashSet<Key> = forward.steps.iter().map(key).collect();
    let live = |step: &'_ Step| Some(identity(&step.endpoint, step.live.as_ref()?.pointer("/metadata/uid")?.as_str()?));
    let alive: HashSet<String> = forward.steps.iter().filter_map(live).collect();
    let is_wanted = |entry: &Entry| wanted.contains(&entry.id().key()) || entry.uid.as_ref().is_some_and(|uid| alive.contains(uid));
    inventory.entries().filter(|entry| !is_wanted(entry)).collect()
}

/// What the release has versions of instead.
pub(super) fn replaced(forward: &Forward) -> HashSet<Key> {
    forward
        .steps
        .iter()
        .filter_map(|step| Some(Key { namespace: step.endpoint.namespace.clone(), ..replaced_by(&step.resource)? }))
        .collect()
}

fn key(step: &Step) -> Key {
    Key { namespace: step.endpoint.namespace.clone(), ..step.resource.id.key() }
}

/// Decides about each candidate. Deletions go in the opposite order of applies, instances of custom kinds first: whoever looks after
/// them has to be there.
///
/// # Errors
/// When more than half of what is there would go, or nothing would be left: a mistake in the inputs is likelier than that.
pub(super) fn plan(inventory: &Inventory, seen: Vec<(Entry, Seen)>, others: &BTreeMap<Key, String>, place: &str) -> Result<Plan, Error> {
    let (mut doomed, mut left, mut gone) = (Vec::new(), Vec::new(), 0);
    let stay = inventory.len() - seen.len();
    for (entry, seen) in seen {
        match verdict(&entry, &seen, others) {
            Verdict::Delete(uid, live) => doomed.push((entry, uid, live)),
            Verdict::Leave(why, memory) => left.push(Left { id: entry.id(), why, memory }),
            Verdict::Gone => gone += 1,
        }
    }
    let of = inventory.len() - gone;
    if doomed.len() * 2 > of || stay == 0 && !doomed.is_empty() {
        let doomed = doomed.iter().map(|(entry, ..)| entry.id()).collect();
        return Err(Error::TooMany { doomed, of, place: place.to_owned() });
    }
    Ok(Plan { batches: batches(doomed), left })
}

enum Verdict {
    Delete(String, Value),
    Leave(String, Memory),
    Gone,
}

fn verdict(entry: &Entry, seen: &Seen, others: &BTreeMap<Key, String>) -> Verdict {
    let live = match seen {
        Seen::There(live) => live,
        Seen::Gone => return Verdict::Gone,
        Seen::Hidden => return Verdict::Leave("the account may not read it".into(), Memory::Kept),
        // The pods of before were made for it, and those of a rollback will be.
        Seen::Replaced => {
            return Verdict::Leave("its versions have replaced it; delete it when nothing reads it any more".into(), Memory::Lost);
        }
    };
    let lost = |why: &str| Verdict::Leave(why.to_owned(), Memory::Lost);
    let id = entry.id();
    let uid = live.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
    if entry.uid.as_deref().is_some_and(|ours| ours != identity(&entry.endpoint, uid)) {
        return lost("it isn't the one that was applied, but another one of its name");
    }
    let managed = owned::Entry::all(live).any(|manager| !manager.is_of_subresource());
    // One whose creation was never confirmed is ours only if it says so.
    if ours(live).is_none() && (managed || entry.uid.is_none()) {
        return lost("somebody else manages it now");
    }
    if let Some(other) = others.get(&id.key()) {
        return lost(&format!("it is in {other} as well"));
    }
    if let Some(marker) = keep::marker(live) {
        return lost(&format!("its annotation `{marker}` says so"));
    }
    if keep::holds_something(&id) {
        return lost("its removal would take along what is in it");
    }
    if id.namespace.as_deref().is_some_and(|namespace| OF_THE_CLUSTER.contains(&namespace)) {
        return lost("it is in a namespace of the cluster's own");
    }
    if live.pointer("/metadata/deletionTimestamp").is_some() {
        return Verdict::Leave("it is being deleted already".into(), Memory::Kept);
    }
    Verdict::Delete(uid.to_owned(), (**live).clone())
}

fn batches(doomed: Vec<(Entry, String, Value)>) -> Vec<Vec<Doomed>> {
    let bare = |(entry, _, live): &(Entry, String, Value)| {
        let mut value = live.clone();
        // What they say is about applies, and about objects that aren't deleted with this one.
        value["metadata"].as_object_mut().map(|metadata| metadata.shift_remove("annotations"));
        Resource { id: entry.id(), value, at: Location::file(""), purpose: Purpose::Application }
    };
    let resources: Vec<Resource> = doomed.iter().map(bare).collect();
    let waves = match order(&resources) {
        Ok(order) => order.waves.into_iter().rev().map(|wave| wave.resources).collect(),
        // They need each other, so none of them can go first.
        Err(_) => vec![(0..doomed.len()).collect::<Vec<_>>()],
    };
    let one = |at: &usize| {
        let (entry, uid, live) = &doomed[*at];
        let finalizers = live.pointer("/metadata/finalizers").and_then(Value::as_array);
        let held = finalizers.is_some_and(|finalizers| !finalizers.is_empty());
        Doomed { id: entry.id(), endpoint: entry.endpoint.clone(), uid: uid.clone(), held }
    };
    let is_custom = |doomed: &Doomed| kinds::built_in(&doomed.id.group, &doomed.id.kind).is_none();
    let split = waves.iter().flat_map(|wave| {
        let (custom, built_in): (Vec<Doomed>, Vec<Doomed>) = wave.iter().map(one).partition(is_custom);
        [custom, built_in]
    });
    split.filter(|batch| !batch.is_empty()).collect()
}

impl Plan {
    /// Whether nothing is to be deleted.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub fn doomed(&self) -> impl Iterator<Item = &Doomed> {
        self.batches.iter().flatten()
    }

    /// The inventory when this plan is carried out, `but` for what couldn't be deleted: what is applied, and what may still be ours.
    pub fn inventory(&self, old: &Inventory, applied: &Inventory, but: &[Id]) -> Inventory {
        let kept = self.left.iter().filter(|left| left.memory == Memory::Kept).map(|left| &left.id);
        let still: HashSet<Key> = kept.chain(but).map(Id::key).collect();
        Inventory::from(old.entries().filter(|entry| still.contains(&entry.id().key())).cloned()).joined(applied)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deleted = self.doomed().map(|doomed| format!("- {}: deleted when everything else is ready", doomed.id));
        let left = self.left.iter().map(|left| format!("leave {}: {}", left.id, left.why));
        f.write_str(&deleted.chain(left).collect::<Vec<_>>().join("\n"))
    }
}
