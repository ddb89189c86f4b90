//! Looking at what may go, and deleting what has to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use serde_json::Value;
use tokio::time::Instant;

use super::error::Error;
use super::inventory::Entry;
use super::plan::{self, Doomed, Plan, Seen};
use super::store::{Found, Store};
use crate::cluster::{self, Cluster, Deletion, Permission, Verb};
use crate::error::Problems;
use crate::journal::{self, Journal};
use crate::resource::Id;
use crate::rollout::event::{Event, Progress};
use crate::rollout::live::{Live, Snapshot};
use crate::rollout::plan::Plan as Forward;

const PARALLEL: usize = 12;

/// How pruning ended.
#[derive(Debug, Default)]
pub struct Pruned {
    pub deleted: Vec<Id>,
    /// What couldn't be deleted; the next run tries again.
    pub failed: Vec<Id>,
    pub problems: Option<Problems>,
}

/// Plans what goes when `forward` has succeeded, and asks whether the account may; writes nothing.
///
/// # Errors
/// What can't be looked at or may not be deleted, and plans that would delete too much.
pub async fn look(cluster: &Cluster, store: &Store, found: &Found, forward: &Forward) -> Result<Plan, Problems> {
    let Some(inventory) = &found.own else { return Ok(Plan::default()) };
    let candidates = plan::candidates(inventory, forward);
    let mut snapshot = Snapshot::read(cluster, candidates.iter().map(|entry| (entry.endpoint.clone(), entry.name.clone()))).await;
    let replaced = plan::replaced(forward);
    let (mut seen, mut problems) = (Vec::new(), Vec::new());
    for entry in candidates {
        match as_seen(entry, snapshot.take(&entry.endpoint, &entry.name)) {
            Ok(Seen::There(_)) if replaced.contains(&entry.id().key()) => seen.push((entry.clone(), Seen::Replaced)),
            Ok(live) => seen.push((entry.clone(), live)),
            Err(error) => problems.push(error),
        }
    }
    Problems::check(problems)?;
    let plan = plan::plan(inventory, seen, &found.others, &store.to_string())?;
    Problems::check(forbidden(cluster, &plan).await?)?;
    Ok(plan)
}

fn as_seen(entry: &Entry, live: Live) -> Result<Seen, Error> {
    match live {
        Live::Seen(Some(live)) => Ok(Seen::There(Box::new(live))),
        // With their kind all of its objects are gone.
        Live::Seen(None) | Live::Failed(cluster::Error::NotServed { .. }) => Ok(Seen::Gone),
        Live::Hidden => Ok(Seen::Hidden),
        Live::Failed(source) => Err(Error::Look { id: Box::new(entry.id()), source }),
    }
}

/// What the account may not delete; one for each kind and namespace.
async fn forbidden(cluster: &Cluster, plan: &Plan) -> Result<Vec<Error>, Error> {
    let mut wanted: BTreeMap<Permission, &Id> = BTreeMap::new();
    for doomed in plan.doomed() {
        wanted.entry(Permission::of(Verb::Delete, &doomed.endpoint)).or_insert(&doomed.id);
    }
    let asked = stream::iter(wanted).map(|(permission, id)| async move { (cluster.may(&permission).await, permission, id) });
    let mut asked = asked.buffered(PARALLEL);
    let mut forbidden = Vec::new();
    while let Some((answer, permission, id)) = asked.next().await {
        if !answer.map_err(|source| Error::Ask { source })? {
            forbidden.push(Error::Forbidden { id: Box::new(id.clone()), permission: Box::new(permission) });
        }
    }
    Ok(forbidden)
}

/// Deletes batch by batch. What fails is told and left to the next run; what comes after it still needs it, and stays too.
pub async fn run(cluster: &Cluster, plan: &Plan, timeout: Duration, journal: &Journal, progress: Progress<'_>) -> Pruned {
    let deadline = Instant::now() + timeout;
    let cluster = &cluster.until(deadline);
    let (mut pruned, mut errors) = (Pruned::default(), Vec::new());
    for batch in &plan.batches {
        if !errors.is_empty() {
            pruned.failed.extend(batch.iter().map(|doomed| doomed.id.clone()));
            continue;
        }
        let delete = |doomed| async move { (doomed, delete(cluster, doomed, deadline, journal, progress).await) };
        let ended: Vec<(&Doomed, Result<Deletion, Error>)> = stream::iter(batch).map(delete).buffered(PARALLEL).collect().await;
        for (doomed, ended) in ended {
            match ended {
                Ok(Deletion::Accepted) => pruned.deleted.push(doomed.id.clone()),
                Ok(Deletion::Gone) => {}
                Err(error) => {
                    pruned.failed.push(doomed.id.clone());
                    errors.push(error);
                }
            }
        }
    }
    pruned.problems = Problems::check(errors).err();
    pruned
}

async fn delete(
    cluster: &Cluster,
    doomed: &Doomed,
    deadline: Instant,
    journal: &Journal,
    progress: Progress<'_>,
) -> Result<Deletion, Error> {
    let id = || Box::new(doomed.id.clone());
    let pending = journal.begin(journal::Kind::Object, doomed.id.to_string(), Some("in an earlier release".into()), "deleted");
    let deletion = match cluster.delete(&doomed.endpoint, &doomed.id.name, &doomed.uid).await {
        Ok(Deletion::Gone) => {
            pending.failed();
            return Ok(Deletion::Gone);
        }
        Ok(Deletion::Accepted) => Deletion::Accepted,
        Err(source) => {
            if source.certainly_not_done() {
                pending.failed();
            }
            return Err(Error::Delete { id: id(), source });
        }
    };
    pending.done();
    progress(Event::Deleted { id: doomed.id.clone() });
    if doomed.held {
        until_gone(cluster, doomed, deadline).await?;
    }
    Ok(deletion)
}

/// Waits until nothing holds the object any longer.
async fn until_gone(cluster: &Cluster, doomed: &Doomed, deadline: Instant) -> Result<(), Error> {
    let id = || Box::new(doomed.id.clone());
    let is_it = |object: &Value| object["metadata"]["uid"] == doomed.uid.as_str();
    let mut pause = Duration::from_millis(20);
    loop {
        let object = cluster.get(&doomed.endpoint, &doomed.id.name).await.map_err(|source| Error::Delete { id: id(), source })?;
        if !object.as_ref().is_some_and(is_it) {
            return Ok(());
        }
        if Instant::now() + pause > deadline {
            return Err(Error::Held { id: id() });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
}

impl fmt::Display for Pruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} deleted", self.deleted.len())?;
        match self.failed.len() {
            0 => Ok(()),
            failed => write!(f, ", {failed} failed"),
        }
    }
}
