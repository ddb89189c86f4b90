//! One server-side apply, rehearsed or real, under the policy for fields that others hold; and what has to come before it.

use serde_json::Value;

use super::error::{Error, Stage, Subject};
use super::ownership::{FieldConflicts, Verdict};
use super::plan::Step;
use super::takeover;
use crate::cluster::{Apply, Cluster, DryRun, Endpoint, FIELD_MANAGER, Force, HANDOVER_MANAGER, Newness, Refusal};
use crate::resource::Resource;

/// What is applied, and where.
pub(super) struct Submission<'a> {
    pub resource: &'a Resource,
    pub endpoint: &'a Endpoint,
    pub newness: Newness,
    pub dry_run: DryRun,
    pub stage: Stage,
}

/// Applies; when others hold fields that the policy lets us take, applies again by force.
///
/// Force is never used at first: what nobody contests can't be taken from anybody by accident.
pub(super) async fn submit(cluster: &Cluster, submission: &Submission<'_>, policy: FieldConflicts) -> Result<Value, Error> {
    let Submission { resource, endpoint, newness, dry_run, stage } = *submission;
    let apply =
        |force| cluster.apply(endpoint, &resource.id.name, &resource.value, Apply { manager: FIELD_MANAGER, force, dry_run, newness });
    let error = match apply(Force::No).await {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    let conflicts = error.refusal().map(crate::cluster::Refusal::conflicts).unwrap_or_default();
    if conflicts.is_empty() {
        return Err(Error::of(resource, stage, error));
    }
    match policy.judge(&conflicts) {
        Verdict::Take => apply(Force::Yes).await.map_err(|error| Error::of(resource, stage, error)),
        Verdict::Refuse(conflicts) => Err(Error::Held { object: Subject::of(resource), conflicts, stage }),
    }
}

/// How often to begin anew when an object changes between our reading and our writing.
const ATTEMPTS: u32 = 8;

/// Lets the second manager hold the live replicas, so that giving them up doesn't drop them to one.
pub(super) async fn hold_replicas(cluster: &Cluster, step: &Step, live: &Value, replicas: i64) -> Result<(), Error> {
    let apply = Apply { manager: HANDOVER_MANAGER, force: Force::No, dry_run: DryRun::No, newness: Newness::Known };
    match cluster.apply(&step.endpoint, &step.resource.id.name, &takeover::holding(live, replicas), apply).await {
        Ok(_) => Ok(()),
        // Another value by now, so somebody has written it and holds it: nothing is left to hand over.
        Err(error) if error.refusal().is_some_and(|refusal| !refusal.conflicts().is_empty()) => Ok(()),
        Err(error) => Err(Error::of(&step.resource, Stage::Apply, error)),
    }
}

/// Makes the entries of earlier tools ours, whatever else is being written to the object meanwhile.
pub(super) async fn merge_managers(cluster: &Cluster, step: &Step, live: &Value) -> Result<(), Error> {
    let wrong = |error| Error::of(&step.resource, Stage::Apply, error);
    let name = &step.resource.id.name;
    // What was planned from is older than what was written just now.
    let mut seen = if step.takeover.hold.is_some() { cluster.get(&step.endpoint, name).await.map_err(wrong)? } else { Some(live.clone()) };
    let mut attempt = 0;
    loop {
        let Some(live) = &seen else { return Ok(()) };
        let version = live["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        let error = match cluster.set_managers(&step.endpoint, name, &takeover::merged_entries(live), version).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        attempt += 1;
        if attempt == ATTEMPTS || !error.refusal().is_some_and(Refusal::is_conflict) {
            return Err(wrong(error));
        }
        seen = cluster.get(&step.endpoint, name).await.map_err(wrong)?;
    }
}
